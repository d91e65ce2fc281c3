// SPDX-License-Identifier: Apache-2.0
/*
 * Every record is counted in exactly one series, whatever the names, the bounds and the time.
 */
#include "tests/unit/agg/fixture.h"

#include <math.h>
#include <stdlib.h>

static const char server_duration[] = "http.server.request.duration";

static struct sonde_agg_stats stats_of(struct sonde_agg *agg)
{
	struct sonde_agg_stats stats;

	sonde_agg_stats(agg, &stats);
	return stats;
}

static void one_request_is_one_series_with_all_its_numbers(void **state)
{
	struct sonde_agg *agg = new_agg(100, 0);
	struct sonde_request r = request_of("shop", "/cart", 503, 30 * SONDE_NS_PER_MS);
	struct sonde_series_view v;
	size_t cursor = 0;

	(void)state;
	r.peer_service = SONDE_SLICE_LIT("web");
	r.request_bytes = 300;
	r.response_bytes = 5000;
	sonde_agg_record(agg, &r);
	r.duration_ns = 10 * SONDE_NS_PER_MS;
	sonde_agg_record(agg, &r);

	assert_true(sonde_agg_next(agg, &cursor, &v));
	assert_int_equal(v.role, SONDE_ROLE_SERVER);
	assert_slice(v.service, "shop");
	assert_slice(v.peer_service, "web");
	assert_slice(v.method, "GET");
	assert_slice(v.route, "/cart");
	assert_slice(v.error_type, "503");
	assert_int_equal(v.status, 503);
	assert_int_equal(v.count, 2);
	assert_int_equal(v.request_bytes, 600);
	assert_int_equal(v.response_bytes, 10000);
	assert_int_equal(v.duration.count, 2);
	assert_true(v.duration.sum == 0.04);
	assert_true(v.duration.min == 0.01);
	assert_true(v.duration.max == 0.03);
	/* 10 ms is in the bucket that ends with 10 ms. */
	assert_int_equal(v.duration.explicit_counts[1], 1);
	assert_int_equal(v.duration.explicit_counts[3], 1);
	assert_false(sonde_agg_next(agg, &cursor, &v));
	assert_int_equal(stats_of(agg).series, 1);
	sonde_agg_free(agg);
}

static void every_label_makes_a_series_of_its_own(void **state)
{
	struct sonde_agg *agg = new_agg(100, 0);
	struct sonde_request base = request_of("a", "/", 200, 1000), r;

	(void)state;
	sonde_agg_record(agg, &base);
	sonde_agg_record(agg, &base);
	r = base;
	r.service = SONDE_SLICE_LIT("b");
	sonde_agg_record(agg, &r);
	r = base;
	r.peer_service = SONDE_SLICE_LIT("b");
	sonde_agg_record(agg, &r);
	r = base;
	r.method = SONDE_SLICE_LIT("PUT");
	sonde_agg_record(agg, &r);
	r = base;
	r.route = SONDE_SLICE_LIT("/x");
	sonde_agg_record(agg, &r);
	r = base;
	r.status = 404;
	sonde_agg_record(agg, &r);
	r = base;
	r.error = SONDE_ERROR_RESET;
	sonde_agg_record(agg, &r);
	r = base;
	r.role = SONDE_ROLE_CLIENT;
	sonde_agg_record(agg, &r);
	assert_int_equal(stats_of(agg).series, 8);
	assert_int_equal(family_count(agg, server_duration), 8);
	assert_int_equal(family_count(agg, "http.client.request.duration"), 1);
	sonde_agg_free(agg);
}

/* Memory of a process that ended may hold another name later, at the same address. */
static void another_name_at_the_same_address_is_another_series(void **state)
{
	struct sonde_agg *agg = new_agg(100, 0);
	char name[] = "service-one-long-enough", method[] = "GET";
	struct sonde_request r = request_of(name, "/", 200, 1000);

	(void)state;
	r.method = sonde_slice_str(method);
	sonde_agg_record(agg, &r);
	memcpy(name, "sERVICE-ONE-LONG-ENOUGH", 23);
	sonde_agg_record(agg, &r);
	memcpy(name, "sERVICE-ONE-LONG-ENOUGh", 23);
	sonde_agg_record(agg, &r);
	memcpy(method, "PUT", 3);
	sonde_agg_record(agg, &r);
	assert_int_equal(stats_of(agg).series, 4);
	sonde_agg_free(agg);
}

static void bodies_are_counted_as_often_as_durations(void **state)
{
	static const struct {
		uint64_t bytes;
		size_t bucket;
	} cases[] = {
		{ 0, 0 },     { 1, 1 },	   { 32, 1 },	     { 33, 2 },
		{ 64, 2 },    { 65, 3 },   { 512, 5 },	     { 8192, 9 },
		{ 8193, 10 }, { 8191, 9 }, { 1u << 30, 10 }, { UINT64_MAX / 16, 10 },
	};
	struct sonde_agg *agg = new_agg(100, 0);
	struct sonde_metric_source source = sonde_agg_source(agg);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_metric_point p = { 0 };
	uint64_t expected[11] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sonde_request r = request_of("a", "/", 200, 1000);

		r.request_body_bytes = cases[i].bytes;
		r.response_body_bytes = cases[i].bytes;
		expected[cases[i].bucket]++;
		sonde_agg_record(agg, &r);
	}
	assert_int_equal(family_count(agg, server_duration), 12);
	assert_int_equal(family_count(agg, "http.server.request.body.size"), 12);
	assert_int_equal(family_count(agg, "http.server.response.body.size"), 12);
	while (source.next(source.ctx, &cursor, &p)) {
		if (!strstr(p.desc->name, "body"))
			continue;
		for (size_t i = 0; i < 11; i++)
			assert_int_equal(p.histogram.explicit_counts[i], expected[i]);
	}
	sonde_agg_free(agg);
}

static void beyond_the_bound_records_go_to_other_and_sums_stay_exact(void **state)
{
	enum { MAX = 64, RECORDS = 5000 };
	struct sonde_agg *agg = new_agg(MAX, 0);
	struct sonde_series_view v;
	uint64_t total = 0, other = 0;
	size_t cursor = 0;
	char service[32], route[32];

	(void)state;
	for (unsigned int i = 0; i < RECORDS; i++) {
		struct sonde_request r;

		snprintf(service, sizeof(service), "s%u", i % 50);
		snprintf(route, sizeof(route), "/r%u", i);
		r = request_of(service, route, (uint16_t)(100 + i % 700), i * 1000u);
		if (i % 3 == 0)
			r.role = SONDE_ROLE_CLIENT;
		sonde_agg_record(agg, &r);
	}
	while (sonde_agg_next(agg, &cursor, &v)) {
		total += v.count;
		if (sonde_slice_eq(v.route, SONDE_SLICE_LIT("__other__")))
			other += v.count;
	}
	assert_int_equal(total, RECORDS);
	assert_int_equal(other, RECORDS - MAX);
	assert_int_equal(stats_of(agg).series, MAX);
	assert_int_equal(stats_of(agg).overflowed, RECORDS - MAX);
	assert_in_range(stats_of(agg).overflow_series, 1, MAX / 16 + 8);
	assert_int_equal(stats_of(agg).dropped, 0);
	assert_int_equal(family_count(agg, server_duration) +
				 family_count(agg, "http.client.request.duration"),
			 RECORDS);
	sonde_agg_free(agg);
}

static void overflow_keeps_service_and_status_while_there_is_room(void **state)
{
	struct sonde_agg *agg = new_agg(1, 0);
	struct sonde_request r = request_of("a", "/1", 200, 1);
	struct sonde_series_view v;
	size_t cursor = 0;

	(void)state;
	sonde_agg_record(agg, &r);
	r = request_of("a", "/2", 500, 1);
	sonde_agg_record(agg, &r);
	sonde_agg_record(agg, &r);
	assert_true(sonde_agg_next(agg, &cursor, &v));
	assert_true(sonde_agg_next(agg, &cursor, &v));
	assert_slice(v.service, "a");
	assert_slice(v.route, "__other__");
	assert_slice(v.error_type, "500");
	assert_int_equal(v.count, 2);
	sonde_agg_free(agg);
}

static size_t labels_text(const struct sonde_metric_point *p, char *out)
{
	struct sonde_buf b;

	sonde_buf_over(&b, out, 4096);
	sonde_buf_put_str(&b, p->desc->name);
	for (size_t i = 0; i < p->n_labels; i++) {
		sonde_buf_put_str(&b, p->labels[i].key);
		sonde_buf_put_byte(&b, '"');
		sonde_escape_label(&b, p->labels[i].value);
		sonde_buf_put_byte(&b, '"');
	}
	assert_false(b.failed);
	return b.len;
}

/* Names that differ only in bytes that no way out can show must not give two equal label sets. */
static void hostile_names_never_give_two_equal_label_sets(void **state)
{
	enum { POINTS = 2000 };
	struct sonde_agg *agg = new_agg(1000, 0);
	struct sonde_metric_source source = sonde_agg_source(agg);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_metric_point p = { 0 };
	static char texts[POINTS][4096];
	size_t lens[POINTS], n = 0;
	uint8_t name[300];

	(void)state;
	srand(7);
	for (unsigned int i = 0; i < 600; i++) {
		struct sonde_request r = request_of("x", "/", 200, 1);
		size_t len = i % 5 ? 1 + i % 3 : sizeof(name) - i % 7;

		for (size_t k = 0; k < len; k++)
			name[k] = (uint8_t)(i % 5 ? rand() : 'a');
		r.service = sonde_slice_of(name, len);
		r.route = sonde_slice_of(name, len);
		sonde_agg_record(agg, &r);
	}
	while (source.next(source.ctx, &cursor, &p)) {
		assert_true(n < POINTS);
		lens[n] = labels_text(&p, texts[n]);
		for (size_t k = 0; k < p.n_labels; k++)
			assert_in_range(p.labels[k].value.len, 0, SONDE_LABEL_VALUE_MAX);
		for (size_t k = 0; k < n; k++)
			assert_false(lens[k] == lens[n] && !memcmp(texts[k], texts[n], lens[n]));
		n++;
	}
	assert_in_range(n, 100, POINTS);
	assert_int_equal(family_count(agg, server_duration), 600);
	sonde_agg_free(agg);
}

static void idle_series_expire_alone_and_begin_anew(void **state)
{
	struct sonde_agg *agg = new_agg(100, 60);
	struct sonde_request busy = request_of("a", "/busy", 200, 5), idle = busy;
	uint64_t mono = sonde_clock_mono_ns(), unix_ns = 1700000000 * SONDE_NS_PER_SEC;
	struct sonde_series_view v;
	uint64_t start = 0;
	size_t cursor = 0;

	(void)state;
	idle.route = SONDE_SLICE_LIT("/idle");
	sonde_agg_tick(agg, mono, unix_ns);
	sonde_agg_record(agg, &busy);
	sonde_agg_record(agg, &idle);
	for (unsigned int s = 1; s <= 100; s++) {
		sonde_agg_tick(agg, mono + s * SONDE_NS_PER_SEC, unix_ns + s * SONDE_NS_PER_SEC);
		sonde_agg_record(agg, &busy);
	}
	assert_int_equal(stats_of(agg).series, 1);
	assert_int_equal(stats_of(agg).expired, 1);
	assert_true(sonde_agg_next(agg, &cursor, &v));
	assert_slice(v.route, "/busy");
	assert_int_equal(v.count, 101);
	assert_int_equal(v.start_unix_ns, unix_ns);

	sonde_agg_record(agg, &idle);
	cursor = 0;
	while (sonde_agg_next(agg, &cursor, &v)) {
		if (sonde_slice_eq(v.route, idle.route))
			start = v.start_unix_ns;
	}
	assert_int_equal(start, unix_ns + 100 * SONDE_NS_PER_SEC);
	sonde_agg_free(agg);
}

/* A flood of series that come and go takes no more memory the second time. */
static void expired_memory_is_used_again(void **state)
{
	struct sonde_agg *agg = new_agg(500, 10);
	uint64_t mono = sonde_clock_mono_ns(), first = 0;
	char route[32];

	(void)state;
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < 500; i++) {
			struct sonde_request r;

			snprintf(route, sizeof(route), "/%03u/%04u", round, i);
			r = request_of("a", route, 200, 1000000);
			sonde_agg_record(agg, &r);
		}
		assert_int_equal(stats_of(agg).series, 500);
		if (round == 1)
			first = stats_of(agg).memory_bytes;
		for (unsigned int s = 1; s <= 20; s++) {
			mono += SONDE_NS_PER_SEC;
			sonde_agg_tick(agg, mono, mono);
		}
		assert_int_equal(stats_of(agg).series, 0);
	}
	assert_int_equal(stats_of(agg).overflowed, 0);
	assert_in_range(stats_of(agg).memory_bytes, 1, first);
	sonde_agg_free(agg);
}

static void one_tick_looks_at_a_bounded_number_of_series(void **state)
{
	struct sonde_agg *agg = new_agg(3000, 10);
	uint64_t mono = sonde_clock_mono_ns();
	char route[32];

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		struct sonde_request r;

		snprintf(route, sizeof(route), "/%u", i);
		r = request_of("a", route, 200, 1);
		sonde_agg_record(agg, &r);
	}
	sonde_agg_tick(agg, mono + 100 * SONDE_NS_PER_SEC, 1);
	assert_in_range(stats_of(agg).series, 1900, 2999);
	for (unsigned int i = 0; i < 4; i++)
		sonde_agg_tick(agg, mono + 101 * SONDE_NS_PER_SEC, 1);
	assert_int_equal(stats_of(agg).series, 0);
	sonde_agg_free(agg);
}

static void a_new_bound_keeps_what_is_there(void **state)
{
	static struct sonde_config config;
	struct sonde_agg *agg = new_agg(10, 0);
	char route[32];

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		struct sonde_request r;

		if (i == 10) {
			config.metrics.max_series = 900;
			sonde_agg_configure(agg, &config);
		}
		snprintf(route, sizeof(route), "/%u", i);
		r = request_of("a", route, 200, 1);
		sonde_agg_record(agg, &r);
	}
	assert_int_equal(stats_of(agg).series, 900);
	assert_int_equal(stats_of(agg).overflowed, 100);
	config.metrics.max_series = 5;
	sonde_agg_configure(agg, &config);
	assert_int_equal(stats_of(agg).series, 900);
	assert_int_equal(family_count(agg, server_duration), 1000);
	sonde_agg_free(agg);
}

static void requests_in_flight_go_up_and_down(void **state)
{
	const struct sonde_slice service = SONDE_SLICE_LIT("shop"), get = SONDE_SLICE_LIT("GET");
	const char *name = "http.server.active_requests";
	struct sonde_agg *agg = new_agg(10, 60);
	uint64_t mono = sonde_clock_mono_ns();

	(void)state;
	for (int i = 0; i < 3; i++)
		sonde_agg_active(agg, SONDE_ROLE_SERVER, service, get, 1);
	sonde_agg_active(agg, SONDE_ROLE_CLIENT, service, get, 1);
	sonde_agg_active(agg, SONDE_ROLE_SERVER, service, get, -1);
	assert_int_equal(family_count(agg, name), 2);
	assert_int_equal(family_count(agg, "http.client.active_requests"), 1);
	/* What is in flight is not idle, however long it takes. */
	sonde_agg_tick(agg, mono + 1000 * SONDE_NS_PER_SEC, 1);
	sonde_agg_tick(agg, mono + 1000 * SONDE_NS_PER_SEC, 1);
	assert_int_equal(family_count(agg, name), 2);
	for (int i = 0; i < 3; i++)
		sonde_agg_active(agg, SONDE_ROLE_SERVER, service, get, -1);
	assert_int_equal(family_count(agg, name), 0);
	sonde_agg_free(agg);
}

static void in_flight_is_exact_when_the_table_is_full(void **state)
{
	enum { SERVICES = 6000 };
	const struct sonde_slice get = SONDE_SLICE_LIT("GET");
	const char *name = "http.server.active_requests";
	struct sonde_agg *agg = new_agg(10, 1);
	uint64_t mono = sonde_clock_mono_ns();
	char service[32];

	(void)state;
	for (unsigned int i = 0; i < SERVICES; i++) {
		snprintf(service, sizeof(service), "s%u", i);
		sonde_agg_active(agg, SONDE_ROLE_SERVER, sonde_slice_str(service), get, 1);
	}
	assert_int_equal(family_count(agg, name), SERVICES);
	/* Room appears while some are still booked to the common entry. */
	for (unsigned int i = 0; i < 100; i++) {
		snprintf(service, sizeof(service), "s%u", i);
		sonde_agg_active(agg, SONDE_ROLE_SERVER, sonde_slice_str(service), get, -1);
	}
	for (unsigned int i = 0; i < 10; i++)
		sonde_agg_tick(agg, mono + 100 * SONDE_NS_PER_SEC, 1);
	for (unsigned int i = SERVICES - 1; i >= 100; i--) {
		snprintf(service, sizeof(service), "s%u", i);
		sonde_agg_active(agg, SONDE_ROLE_SERVER, sonde_slice_str(service), get, 1);
		sonde_agg_active(agg, SONDE_ROLE_SERVER, sonde_slice_str(service), get, -1);
		sonde_agg_active(agg, SONDE_ROLE_SERVER, sonde_slice_str(service), get, -1);
	}
	assert_int_equal(family_count(agg, name), 0);
	sonde_agg_free(agg);
}

static void lost_requests_are_booked_to_their_service(void **state)
{
	struct sonde_agg *agg = new_agg(10, 60);
	struct sonde_metric_source source = sonde_agg_source(agg);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_metric_point p = { 0 };

	(void)state;
	sonde_agg_lost(agg, SONDE_ROLE_SERVER, SONDE_SLICE_LIT("shop"), 5);
	sonde_agg_lost(agg, SONDE_ROLE_SERVER, SONDE_SLICE_LIT("shop"), 2);
	sonde_agg_lost(agg, SONDE_ROLE_SERVER, SONDE_SLICE_LIT("shop"), 0);
	assert_true(source.next(source.ctx, &cursor, &p));
	assert_string_equal(p.desc->name, "sonde.requests");
	assert_int_equal(p.desc->type, SONDE_METRIC_COUNTER);
	assert_true(p.value == 7);
	assert_slice(find_label(&p, "operation")->value, "__lost__");
	assert_slice(find_label(&p, "protocol")->value, "http");
	assert_slice(find_label(&p, "role")->value, "server");
	assert_slice(find_label(&p, "service.name")->value, "shop");
	assert_false(source.next(source.ctx, &cursor, &p));
	for (unsigned int i = 0; i < 10000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		sonde_agg_lost(agg, SONDE_ROLE_CLIENT, sonde_slice_str(name), 1);
	}
	assert_int_equal(family_count(agg, "sonde.requests"), 10007);
	sonde_agg_free(agg);
}

static void a_traced_request_leaves_an_exemplar(void **state)
{
	struct sonde_agg *agg = new_agg(10, 0);
	struct sonde_metric_source source = sonde_agg_source(agg);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_metric_point p = { 0 };
	struct sonde_request r = request_of("a", "/", 200, 20 * SONDE_NS_PER_MS);

	(void)state;
	sonde_agg_record(agg, &r);
	assert_true(source.next(source.ctx, &cursor, &p));
	assert_int_equal(p.exemplar.trace_id.len, 0);
	r.trace_id = SONDE_SLICE_LIT("4bf92f3577b34da6a3ce929d0e0e4736");
	r.span_id = SONDE_SLICE_LIT("00f067aa0ba902b7");
	sonde_agg_record(agg, &r);
	cursor = (struct sonde_metric_cursor){ 0 };
	assert_true(source.next(source.ctx, &cursor, &p));
	assert_slice(p.exemplar.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_slice(p.exemplar.span_id, "00f067aa0ba902b7");
	assert_true(p.exemplar.value == 0.02);
	assert_int_equal(p.exemplar.time_unix_ns, r.time_unix_ns + r.duration_ns);
	sonde_agg_free(agg);
}

/* The target: 900 bytes a series, with durations as spread as those of a real service. */
static void a_series_takes_at_most_900_bytes(void **state)
{
	enum { SERIES = 2000, RECORDS = 300 };
	struct sonde_agg *agg = new_agg(SERIES, 0);
	uint64_t empty = stats_of(agg).memory_bytes;
	char route[64];

	(void)state;
	srand(3);
	for (unsigned int i = 0; i < SERIES; i++) {
		snprintf(route, sizeof(route), "/api/v1/things/%u/details", i);
		for (unsigned int k = 0; k < RECORDS; k++) {
			double spread = (rand() % 1000 + rand() % 1000 + rand() % 1000) / 3000.0;
			struct sonde_request r =
				request_of("shop", route, 200, (uint64_t)(1e5 * pow(1e4, spread)));

			sonde_agg_record(agg, &r);
		}
	}
	print_message("# %lu bytes per series\n",
		      (unsigned long)((stats_of(agg).memory_bytes - empty) / SERIES));
	assert_in_range((stats_of(agg).memory_bytes - empty) / SERIES, 100, 900);
	sonde_agg_free(agg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request_is_one_series_with_all_its_numbers),
		cmocka_unit_test(every_label_makes_a_series_of_its_own),
		cmocka_unit_test(another_name_at_the_same_address_is_another_series),
		cmocka_unit_test(bodies_are_counted_as_often_as_durations),
		cmocka_unit_test(beyond_the_bound_records_go_to_other_and_sums_stay_exact),
		cmocka_unit_test(overflow_keeps_service_and_status_while_there_is_room),
		cmocka_unit_test(hostile_names_never_give_two_equal_label_sets),
		cmocka_unit_test(idle_series_expire_alone_and_begin_anew),
		cmocka_unit_test(expired_memory_is_used_again),
		cmocka_unit_test(one_tick_looks_at_a_bounded_number_of_series),
		cmocka_unit_test(a_new_bound_keeps_what_is_there),
		cmocka_unit_test(requests_in_flight_go_up_and_down),
		cmocka_unit_test(in_flight_is_exact_when_the_table_is_full),
		cmocka_unit_test(lost_requests_are_booked_to_their_service),
		cmocka_unit_test(a_traced_request_leaves_an_exemplar),
		cmocka_unit_test(a_series_takes_at_most_900_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
