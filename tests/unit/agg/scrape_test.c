// SPDX-License-Identifier: Apache-2.0
/*
 * What the aggregator holds arrives whole on the text scrape, whatever names it was given.
 */
#include "tests/unit/agg/fixture.h"

#include "exporters/prometheus/prometheus.h"
#include "tests/unit/exporters/exposition.h"

enum { TEXT_MAX = 4 << 20, RECORDS = 400 };

static char text_memory[TEXT_MAX], other_memory[TEXT_MAX];

static struct sonde_agg *filled(void)
{
	struct sonde_agg *agg = new_agg(40, 0);
	uint8_t name[12];

	srand(29);
	for (unsigned int i = 0; i < RECORDS; i++) {
		struct sonde_request r =
			request_of("shop", "/", 200, (uint64_t)rand() % 20000000000);

		for (size_t k = 0; k < sizeof(name); k++)
			name[k] = (uint8_t)rand();
		r.route = sonde_slice_of(name, i % 2 ? sizeof(name) : 1);
		r.status = (uint16_t)(200 + i % 4 * 100);
		r.error = i % 4 ? SONDE_ERROR_NONE : SONDE_ERROR_RESET;
		r.role = i % 8 == 3 ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER;
		r.request_body_bytes = (uint64_t)rand() % 9000;
		r.trace_id = SONDE_SLICE_LIT("4bf92f3577b34da6a3ce929d0e0e4736");
		r.span_id = SONDE_SLICE_LIT("00f067aa0ba902b7");
		sonde_agg_record(agg, &r);
		sonde_agg_active(agg, r.role, r.service, r.method, 1);
	}
	sonde_agg_lost(agg, SONDE_ROLE_SERVER, SONDE_SLICE_LIT("shop"), 3);
	return agg;
}

static const char *render(struct sonde_agg *agg, enum sonde_prometheus_format format, size_t cap,
			  char *text)
{
	struct sonde_metric_source source = sonde_agg_source(agg);
	struct sonde_prometheus_scrape s;
	size_t len = 0;
	int got;

	sonde_prometheus_init(&s, format, &source, 1);
	while ((got = sonde_prometheus_render(&s, text + len, cap)) > 0) {
		len += (size_t)got;
		assert_true(len + cap < TEXT_MAX);
	}
	assert_int_equal(got, 0);
	sonde_prometheus_fini(&s);
	text[len] = '\0';
	return text;
}

static void a_scrape_is_valid_and_counts_every_record(void **state)
{
	static struct exposition e;
	struct sonde_agg *agg = filled();

	(void)state;
	for (int openmetrics = 0; openmetrics <= 1; openmetrics++) {
		exposition_read(
			&e,
			render(agg, (enum sonde_prometheus_format)openmetrics, 65536, text_memory),
			openmetrics);
		/* Three families of histograms count each record. */
		assert_true(e.sum_of_counts == 3 * RECORDS);
		assert_int_equal(e.n_families, 9);
		assert_int_equal(e.n_histograms % 3, 0);
		assert_int_equal(e.n_exemplars, openmetrics ? e.n_histograms / 3 : 0);
		assert_int_equal(e.n_created, openmetrics ? e.n_histograms + 1 : 0);
		assert_int_equal(e.n_units, openmetrics ? 6 : 0);
		exposition_fini(&e);
	}
	assert_non_null(strstr(text_memory,
			       "sonde_requests_total{protocol=\"http\",role=\"server\","
			       "service_name=\"shop\",operation=\"__lost__\"} 3\n"));
	sonde_agg_free(agg);
}

static void pieces_of_many_sizes_give_the_same_bytes(void **state)
{
	struct sonde_agg *agg = filled();
	const char *whole = render(agg, SONDE_PROMETHEUS_OPENMETRICS, 1 << 20, text_memory);

	(void)state;
	for (size_t cap = 1; cap < 40000; cap = cap * 7 / 4 + 1) {
		render(agg, SONDE_PROMETHEUS_OPENMETRICS, cap, other_memory);
		assert_string_equal(other_memory, whole);
	}
	sonde_agg_free(agg);
}

/* Records that come while a scrape is under way: every point stays consistent in itself. */
static void a_scrape_of_moving_numbers_is_valid(void **state)
{
	static struct exposition e;
	struct sonde_agg *agg = filled();
	struct sonde_metric_source source = sonde_agg_source(agg);
	struct sonde_request r = request_of("shop", "/a", 200, 30 * SONDE_NS_PER_MS);
	struct sonde_prometheus_scrape s;
	uint64_t mono = sonde_clock_mono_ns();
	size_t len = 0;
	int got;

	(void)state;
	sonde_prometheus_init(&s, SONDE_PROMETHEUS_OPENMETRICS, &source, 1);
	while ((got = sonde_prometheus_render(&s, text_memory + len, 100)) > 0) {
		len += (size_t)got;
		r.duration_ns = r.duration_ns * 5 % 9999999967;
		sonde_agg_record(agg, &r);
		sonde_agg_tick(agg, mono + len, mono);
	}
	assert_int_equal(got, 0);
	text_memory[len] = '\0';
	sonde_prometheus_fini(&s);
	exposition_read(&e, text_memory, true);
	exposition_fini(&e);
	sonde_agg_free(agg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scrape_is_valid_and_counts_every_record),
		cmocka_unit_test(pieces_of_many_sizes_give_the_same_bytes),
		cmocka_unit_test(a_scrape_of_moving_numbers_is_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
