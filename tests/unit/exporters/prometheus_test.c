// SPDX-License-Identifier: Apache-2.0
/*
 * A scrape is valid in both formats, complete, and the same in whatever pieces it is taken.
 */
#include "exporters/prometheus/prometheus.h"

#include <errno.h>

#include "tests/unit/exporters/exposition.h"

enum { TEXT_MAX = 1 << 20, POINTS_MAX = 16 };

static const double bounds[] = { 0.005, 0.25, 1, 10 };
static const struct sonde_metric_desc duration = {
	.name = "http.server.request.duration",
	.unit = "s",
	.help = "Duration of \"HTTP\" server requests.",
	.type = SONDE_METRIC_HISTOGRAM,
	.bounds = bounds,
	.n_bounds = 4,
};
static const struct sonde_metric_desc lost = {
	.name = "sonde.requests",
	.unit = "{request}",
	.help = "Requests.",
	.type = SONDE_METRIC_COUNTER,
};
static const struct sonde_metric_desc active = {
	.name = "http.server.active_requests",
	.unit = "{request}",
	.help = "In flight.",
	.type = SONDE_METRIC_GAUGE,
};

/* A source over an array of points. */
struct list {
	struct sonde_metric_point points[POINTS_MAX];
	size_t n;
};

static bool next_of_list(void *ctx, struct sonde_metric_cursor *cursor,
			 struct sonde_metric_point *out)
{
	const struct list *list = ctx;

	if (cursor->item >= list->n)
		return false;
	*out = list->points[cursor->item++];
	return true;
}

static const uint64_t counts[] = { 3, 4, 0, 2, 1 };

static struct sonde_metric_point *add_point(struct list *list, const struct sonde_metric_desc *desc,
					    const char *service)
{
	struct sonde_metric_point *p = &list->points[list->n++];

	*p = (struct sonde_metric_point){ .desc = desc, .value = 7 };
	p->start_unix_ns = 1700000000500000000;
	p->labels[p->n_labels++] = (struct sonde_label){ "service.name", sonde_slice_str(service) };
	p->labels[p->n_labels++] = (struct sonde_label){ "http.route", SONDE_SLICE_LIT("/x") };
	if (desc->type == SONDE_METRIC_HISTOGRAM)
		p->histogram = (struct sonde_histogram_view){
			.count = 10,
			.sum = 12.000000345,
			.explicit_counts = counts,
		};
	return p;
}

/* All of a scrape in pieces of at most CAP bytes, as a C string. */
static const char *render(struct sonde_metric_source *sources, size_t n,
			  enum sonde_prometheus_format format, size_t cap, char *text)
{
	struct sonde_prometheus_scrape s;
	size_t len = 0;
	int got;

	sonde_prometheus_init(&s, format, sources, n);
	while ((got = sonde_prometheus_render(&s, text + len, cap)) > 0) {
		assert_in_range(got, 1, cap);
		len += (size_t)got;
		assert_true(len + cap < TEXT_MAX);
	}
	assert_int_equal(got, 0);
	assert_int_equal(sonde_prometheus_render(&s, text + len, cap), 0);
	text[len] = '\0';
	sonde_prometheus_fini(&s);
	return text;
}

static char text_memory[TEXT_MAX], other_memory[TEXT_MAX];

static const char *render_list(struct list *list, enum sonde_prometheus_format format)
{
	struct sonde_metric_source source = { list, next_of_list };

	return render(&source, 1, format, 4096, text_memory);
}

static void text_is_as_the_format_says(void **state)
{
	struct list list = { .n = 0 };

	(void)state;
	add_point(&list, &duration, "shop");
	add_point(&list, &lost, "shop");
	add_point(&list, &active, "shop");
	assert_string_equal(
		render_list(&list, SONDE_PROMETHEUS_TEXT),
		"# HELP http_server_request_duration_seconds Duration of \"HTTP\" server "
		"requests.\n"
		"# TYPE http_server_request_duration_seconds histogram\n"
		"http_server_request_duration_seconds_bucket{service_name=\"shop\",http_route=\"/"
		"x\","
		"le=\"0.005\"} 3\n"
		"http_server_request_duration_seconds_bucket{service_name=\"shop\",http_route=\"/"
		"x\","
		"le=\"0.25\"} 7\n"
		"http_server_request_duration_seconds_bucket{service_name=\"shop\",http_route=\"/"
		"x\","
		"le=\"1\"} 7\n"
		"http_server_request_duration_seconds_bucket{service_name=\"shop\",http_route=\"/"
		"x\","
		"le=\"10\"} 9\n"
		"http_server_request_duration_seconds_bucket{service_name=\"shop\",http_route=\"/"
		"x\","
		"le=\"+Inf\"} 10\n"
		"http_server_request_duration_seconds_sum{service_name=\"shop\",http_route=\"/x\"} "
		"12.000000345\n"
		"http_server_request_duration_seconds_count{service_name=\"shop\",http_route=\"/"
		"x\"} "
		"10\n"
		"# HELP sonde_requests_total Requests.\n"
		"# TYPE sonde_requests_total counter\n"
		"sonde_requests_total{service_name=\"shop\",http_route=\"/x\"} 7\n"
		"# HELP http_server_active_requests In flight.\n"
		"# TYPE http_server_active_requests gauge\n"
		"http_server_active_requests{service_name=\"shop\",http_route=\"/x\"} 7\n");
}

static void openmetrics_adds_units_start_times_and_exemplars(void **state)
{
	struct list list = { .n = 0 };
	struct sonde_metric_point *p = add_point(&list, &duration, "shop");
	const char *text;

	(void)state;
	p->exemplar = (struct sonde_exemplar){
		.trace_id = SONDE_SLICE_LIT("4bf92f3577b34da6a3ce929d0e0e4736"),
		.span_id = SONDE_SLICE_LIT("00f067aa0ba902b7"),
		.value = 0.25,
		.time_unix_ns = 1700000001000000001,
	};
	add_point(&list, &lost, "shop");
	text = render_list(&list, SONDE_PROMETHEUS_OPENMETRICS);
	assert_non_null(strstr(text, "Duration of \\\"HTTP\\\" server requests.\n"));
	assert_non_null(strstr(text, "# UNIT http_server_request_duration_seconds seconds\n"));
	assert_non_null(strstr(text,
			       "le=\"0.25\"} 7 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\","
			       "span_id=\"00f067aa0ba902b7\"} 0.25 1700000001.000000001\n"));
	assert_non_null(strstr(text, "le=\"1.0\"} 7\n"));
	assert_non_null(strstr(text, "_seconds_created{service_name=\"shop\",http_route=\"/x\"} "
				     "1700000000.5\n"));
	assert_non_null(strstr(text, "# TYPE sonde_requests counter\n"
				     "sonde_requests_total{service_name=\"shop\","
				     "http_route=\"/x\"} 7\n"
				     "sonde_requests_created{service_name=\"shop\","
				     "http_route=\"/x\"} 1700000000.5\n# EOF\n"));
}

static void nothing_to_tell_is_valid_too(void **state)
{
	struct list list = { .n = 0 };

	(void)state;
	assert_string_equal(render_list(&list, SONDE_PROMETHEUS_TEXT), "");
	assert_string_equal(render_list(&list, SONDE_PROMETHEUS_OPENMETRICS), "# EOF\n");
}

static void names_are_translated(void **state)
{
	static const struct {
		const char *name, *unit, *expected;
		enum sonde_metric_type type;
	} cases[] = {
		{ "http.server.request.body.size", "By", "http_server_request_body_size_bytes",
		  SONDE_METRIC_HISTOGRAM },
		{ "sonde.queue.fill", "1", "sonde_queue_fill_ratio", SONDE_METRIC_GAUGE },
		{ "sonde.lost", "1", "sonde_lost", SONDE_METRIC_COUNTER },
		{ "sonde.lost_total", "1", "sonde_lost", SONDE_METRIC_COUNTER },
		{ "sonde.uptime.seconds", "s", "sonde_uptime_seconds", SONDE_METRIC_GAUGE },
		{ "sonde.read_bytes_total", "By", "sonde_read_bytes", SONDE_METRIC_COUNTER },
		{ "a..b-c", "{x}", "a_b_c", SONDE_METRIC_GAUGE },
		{ "9lives", "ms", "_9lives_milliseconds", SONDE_METRIC_GAUGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sonde_metric_desc desc = { .name = cases[i].name,
						  .unit = cases[i].unit,
						  .type = cases[i].type };
		char name[SONDE_PROMETHEUS_NAME_MAX];

		sonde_prometheus_name(&desc, name);
		assert_string_equal(name, cases[i].expected);
	}
}

static void numbers_read_back_as_they_were(void **state)
{
	static const double values[] = {
		0,  0.1,  1e-9,	  12.000000345, 1.0 / 3, 9007199254740992.0, 1e300,
		-5, -0.5, 123456, 1e-12,	0.25,	 4503599627.370497,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct list list = { .n = 0 };
		const char *value;

		add_point(&list, &active, "a")->value = values[i];
		value = strstr(render_list(&list, SONDE_PROMETHEUS_TEXT), "} ");
		assert_true(strtod(value + 2, NULL) == values[i]);
	}
}

static void hostile_label_bytes_cannot_forge_a_line(void **state)
{
	static const char *const values[] = {
		"\"} 1\nforged 1\n",
		"\\",
		"\\\"",
		"a\nb",
		"\xff\xfe\x80",
		"\x1b[31m",
		"\xe2\x80\xae!",
		"\xc3\xa9\xf0\x9f\x98\x80",
		"",
		"le=\"1\"",
	};
	static struct exposition e;
	struct list list = { .n = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		add_point(&list, &duration, values[i]);
	exposition_read(&e, render_list(&list, SONDE_PROMETHEUS_TEXT), false);
	assert_int_equal(e.n_histograms, 10);
	assert_null(strstr(text_memory, "\nforged"));
	exposition_fini(&e);
	exposition_read(&e, render_list(&list, SONDE_PROMETHEUS_OPENMETRICS), true);
	assert_int_equal(e.n_histograms, 10);
	exposition_fini(&e);
}

static void pieces_of_every_size_give_the_same_bytes(void **state)
{
	struct list a = { .n = 0 }, b = { .n = 0 };
	struct sonde_metric_source sources[] = { { &a, next_of_list }, { &b, next_of_list } };

	(void)state;
	add_point(&a, &duration, "one")->exemplar = (struct sonde_exemplar){
		.trace_id = SONDE_SLICE_LIT("4bf92f3577b34da6a3ce929d0e0e4736"),
		.value = 11,
		.time_unix_ns = 1700000001000000000,
	};
	add_point(&a, &duration, "two \" \\ \n");
	add_point(&b, &lost, "three");
	add_point(&b, &active, "four");
	for (int format = SONDE_PROMETHEUS_TEXT; format <= SONDE_PROMETHEUS_OPENMETRICS; format++) {
		const char *whole = render(sources, 2, (enum sonde_prometheus_format)format,
					   TEXT_MAX / 2, text_memory);

		for (size_t cap = 1; cap <= strlen(whole) + 1; cap++) {
			render(sources, 2, (enum sonde_prometheus_format)format, cap, other_memory);
			assert_string_equal(other_memory, whole);
		}
	}
}

static void the_largest_point_fits_and_a_larger_one_is_refused(void **state)
{
	static const char *const keys[SONDE_LABELS_MAX] = { "a", "b", "c", "d", "e", "f",
							    "g", "h", "i", "j", "k", "l" };
	static uint8_t worst[20000];
	static uint64_t many_counts[SONDE_BOUNDS_MAX + 1];
	static double many[SONDE_BOUNDS_MAX];
	struct sonde_metric_desc wide = duration;
	struct list list = { .n = 0 };
	struct sonde_metric_source source = { &list, next_of_list };
	struct sonde_prometheus_scrape s;
	struct sonde_metric_point *p;
	char piece[64];

	(void)state;
	memset(worst, 0xff, sizeof(worst));
	for (size_t i = 0; i < SONDE_BOUNDS_MAX; i++)
		many[i] = 1e300 / 3 + 1e299 * (double)i;
	wide.bounds = many;
	wide.n_bounds = SONDE_BOUNDS_MAX;
	p = add_point(&list, &wide, "");
	p->histogram.explicit_counts = many_counts;
	for (size_t i = 0; i < SONDE_LABELS_MAX; i++)
		p->labels[i] = (struct sonde_label){ keys[i],
						     sonde_slice_of(worst, SONDE_LABEL_VALUE_MAX) };
	p->n_labels = SONDE_LABELS_MAX;
	render_list(&list, SONDE_PROMETHEUS_OPENMETRICS);
	p->labels[0].value.len = sizeof(worst);
	sonde_prometheus_init(&s, SONDE_PROMETHEUS_TEXT, &source, 1);
	assert_int_equal(sonde_prometheus_render(&s, piece, sizeof(piece)), -E2BIG);
	sonde_prometheus_fini(&s);
}

static void accept_header_chooses_the_format(void **state)
{
	static const struct {
		const char *accept;
		enum sonde_prometheus_format format;
	} cases[] = {
		{ "", SONDE_PROMETHEUS_TEXT },
		{ "*/*", SONDE_PROMETHEUS_TEXT },
		{ "text/html,application/xhtml+xml,*/*;q=0.8", SONDE_PROMETHEUS_TEXT },
		{ "application/openmetrics-text", SONDE_PROMETHEUS_OPENMETRICS },
		{ "application/openmetrics-text; version=1.0.0", SONDE_PROMETHEUS_OPENMETRICS },
		{ "Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=1",
		  SONDE_PROMETHEUS_OPENMETRICS },
		{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
		  "application/openmetrics-text;version=0.0.1;q=0.5,"
		  "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
		  "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		  SONDE_PROMETHEUS_OPENMETRICS },
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
		  "encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,"
		  "text/plain;version=0.0.4;q=0.3",
		  SONDE_PROMETHEUS_OPENMETRICS },
		{ "text/plain;version=0.0.4;q=0.9, application/openmetrics-text;q=0.8",
		  SONDE_PROMETHEUS_TEXT },
		{ "text/plain;q=0.8, application/openmetrics-text;q=0.8",
		  SONDE_PROMETHEUS_OPENMETRICS },
		{ "application/openmetrics-text;q=0, */*;q=0.1", SONDE_PROMETHEUS_TEXT },
		{ "application/openmetrics-text;q=0.1, */*", SONDE_PROMETHEUS_TEXT },
		{ "application/openmetrics-text;q=0.1, text/plain;q=0, */*",
		  SONDE_PROMETHEUS_OPENMETRICS },
		{ "application/openmetrics-text;version=2.0.0", SONDE_PROMETHEUS_TEXT },
		{ "application/openmetrics-text;q=1.5", SONDE_PROMETHEUS_TEXT },
		{ "application/openmetrics-text;q=x", SONDE_PROMETHEUS_TEXT },
		{ "application/openmetrics-text;q=", SONDE_PROMETHEUS_TEXT },
		{ "x;a=\"application/openmetrics-text,\", text/plain", SONDE_PROMETHEUS_TEXT },
		{ ";;,,;=,\"", SONDE_PROMETHEUS_TEXT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (sonde_prometheus_negotiate(sonde_slice_str(cases[i].accept)) != cases[i].format)
			fail_msg("%s", cases[i].accept);
	}
	assert_string_equal(sonde_prometheus_content_type(SONDE_PROMETHEUS_TEXT),
			    "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(sonde_prometheus_content_type(SONDE_PROMETHEUS_OPENMETRICS),
			    "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_as_the_format_says),
		cmocka_unit_test(openmetrics_adds_units_start_times_and_exemplars),
		cmocka_unit_test(nothing_to_tell_is_valid_too),
		cmocka_unit_test(names_are_translated),
		cmocka_unit_test(numbers_read_back_as_they_were),
		cmocka_unit_test(hostile_label_bytes_cannot_forge_a_line),
		cmocka_unit_test(pieces_of_every_size_give_the_same_bytes),
		cmocka_unit_test(the_largest_point_fits_and_a_larger_one_is_refused),
		cmocka_unit_test(accept_header_chooses_the_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
