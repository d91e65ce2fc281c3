// SPDX-License-Identifier: Apache-2.0
/*
 * What edges hold arrives whole on the scrape, as the table of families says, in pieces of any
 * size.
 */
#include "tests/unit/agg/edges_fixture.h"

#include <stdlib.h>

#include "agent/agg/edge_store.h"
#include "exporters/prometheus/prometheus.h"
#include "tests/unit/exporters/exposition.h"

enum { TEXT_MAX = 1 << 20, CONNECTIONS = 200 };

static char text_memory[TEXT_MAX], other_memory[TEXT_MAX];

static void add_connection(struct sonde_edges *e, unsigned int i)
{
	static const char *const clients[] = { "web", "mobile", "cron", "\xff\n\"back\\slash" };
	struct sonde_connection c = connection_of(i + 1, clients[i % 4], "shop");

	c.connect_ns = i * 1000;
	c.accept_ns = i * 7000;
	c.srtt_ns = i * 10000;
	c.min_rtt_ns = i * 9000;
	c.rtt_var_ns = i * 900;
	c.duration_ns = (uint64_t)i * i * 100000000;
	c.transport = i % 8 == 7 ? SONDE_TRANSPORT_UDP : SONDE_TRANSPORT_TCP;
	tell(e, &c, SONDE_CONNECTION_OPENED);
	c.fresh = (struct sonde_connection_counts){
		{ i + 1, 5, 1, 1 }, { 2 * i + 1, 3, 2, 1 }, 1, 1000, 2000
	};
	c.reset_by = (enum sonde_role)(i % 3);
	c.timed_out = i % 5 == 0;
	if (i % 2)
		tell(e, &c, SONDE_CONNECTION_CLOSED);
	c.id += CONNECTIONS;
	c.connect_error = (enum sonde_connect_error)(1 + i % (SONDE_CONNECT_ERRORS - 1));
	tell(e, &c, SONDE_CONNECTION_CLOSED);
}

static void add_request(struct sonde_edges *e, unsigned int i)
{
	struct sonde_request r = request_of("shop", "/", i % 7 ? 200 : 500, 4000ull * i);

	r.peer_service = SONDE_SLICE_LIT("web");
	r.has_parts = i % 10 != 0;
	r.network_ns = r.queue_ns = r.application_ns = r.transfer_ns = 1000ull * i;
	sonde_edges_request(e, &r);
}

/* Something of everything. */
static struct sonde_edges *filled(void)
{
	struct sonde_edges *e = new_edges(40, 0);
	struct sonde_listener l = { .id = 1,
				    .service = SONDE_SLICE_LIT("shop"),
				    .fresh_dropped = 3,
				    .backlog = 2,
				    .backlog_max = 128 };
	struct sonde_udp_socket u = { .service = SONDE_SLICE_LIT("dns"),
				      .fresh_dropped = 4,
				      .fresh_unreachable = 5 };

	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		add_connection(e, i);
		add_request(e, i);
	}
	sonde_edges_listener(e, &l);
	sonde_edges_udp_socket(e, &u);
	sonde_edges_dropped(e, SONDE_SLICE_LIT("shop"), SONDE_SLICE_LIT("NO_SOCKET"), 6);
	sonde_edges_dropped(e, SONDE_SLICE_EMPTY, SONDE_SLICE_LIT("TCP_CSUM"), 7);
	return e;
}

static const char *render(struct sonde_edges *e, enum sonde_prometheus_format format, size_t cap,
			  char *text)
{
	struct sonde_metric_source source = sonde_edges_source(e);
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

static void a_scrape_is_valid_and_has_every_family(void **state)
{
	static struct exposition e;
	struct sonde_edges *edges = filled();
	struct sonde_metric_family f;
	size_t n = 0;

	(void)state;
	while (sonde_edges_family(n, &f))
		n++;
	for (int openmetrics = 0; openmetrics <= 1; openmetrics++) {
		exposition_read(&e,
				render(edges, (enum sonde_prometheus_format)openmetrics, 65536,
				       text_memory),
				openmetrics);
		assert_int_equal(e.n_families, n);
		exposition_fini(&e);
	}
	sonde_edges_free(edges);
}

static void pieces_of_many_sizes_give_the_same_bytes(void **state)
{
	struct sonde_edges *e = filled();
	const char *whole = render(e, SONDE_PROMETHEUS_OPENMETRICS, 1 << 19, text_memory);

	(void)state;
	for (size_t cap = 1; cap < 40000; cap = cap * 7 / 4 + 1) {
		render(e, SONDE_PROMETHEUS_OPENMETRICS, cap, other_memory);
		assert_string_equal(other_memory, whole);
	}
	sonde_edges_free(e);
}

static const struct sonde_metric_family *family_of(const struct sonde_metric_desc *desc)
{
	static struct sonde_metric_family f;

	for (size_t i = 0; sonde_edges_family(i, &f); i++) {
		if (f.desc == desc)
			return &f;
	}
	fail_msg("%s is not in the table", desc->name);
	return NULL;
}

static void points_have_the_labels_that_are_documented(void **state)
{
	struct sonde_edges *e = filled();
	struct sonde_metric_source source = sonde_edges_source(e);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_metric_point p;

	(void)state;
	while (source.next(source.ctx, &cursor, &p)) {
		const struct sonde_metric_family *f = family_of(p.desc);
		bool known = !f->values;

		assert_int_equal(p.n_labels, f->n_labels);
		for (size_t i = 0; i < p.n_labels; i++)
			assert_string_equal(p.labels[i].key, f->labels[i]);
		for (size_t i = 0; i < f->n_values; i++)
			known |= sonde_slice_eq(p.labels[p.n_labels - 1].value,
						sonde_slice_str(f->values[i]));
		assert_true(known);
	}
	sonde_edges_free(e);
}

static void labels_say_what_the_model_calls_things(void **state)
{
	struct sonde_metric_family f;
	size_t checked = 0;

	(void)state;
	for (size_t i = 0; sonde_edges_family(i, &f); i++) {
		for (size_t k = 0; k < f.n_values; k++) {
			const char *name = f.values[k];

			if (!strcmp(f.labels[f.n_labels - 1], "reason"))
				name = sonde_connect_error_name((enum sonde_connect_error)(k + 1));
			else if (!strcmp(f.labels[f.n_labels - 1], "side"))
				name = sonde_role_name((enum sonde_role)(k + 1));
			else
				continue;
			assert_string_equal(f.values[k], name);
			checked++;
		}
	}
	assert_int_equal(checked, SONDE_CONNECT_ERRORS - 1 + 2);
}

static void an_edge_without_requests_shows_none(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection c = connection_of(1, "web", "shop");
	const char *text;

	(void)state;
	tell(e, &c, SONDE_CONNECTION_OPENED);
	text = render(e, SONDE_PROMETHEUS_TEXT, 65536, text_memory);
	assert_null(strstr(text, "service_edge"));
	assert_null(strstr(text, "failed"));
	assert_null(strstr(text, "rtt"));
	assert_non_null(strstr(text, "sonde_tcp_connections_active{client_service=\"web\","
				     "server_service=\"shop\"} 1\n"));
	/* What most have is there from the beginning, so that its growth is seen. */
	assert_non_null(strstr(text, "sonde_tcp_retransmits_total{client_service=\"web\","
				     "server_service=\"shop\",direction=\"to_server\"} 0\n"));
	sonde_edges_free(e);
}

/* Edges come and go between the pieces; those that stay are neither lost nor repeated. */
static void a_scrape_of_moving_edges_shows_those_that_stay_once(void **state)
{
	struct sonde_edges *e = new_edges(100, 5);
	uint64_t mono = sonde_clock_mono_ns();
	struct sonde_metric_source source = sonde_edges_source(e);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_metric_point p;
	unsigned int seen[SONDE_EDGE_PARTS] = { 0 }, step = 0;
	struct sonde_request stays = request_of("stays", "/", 200, 4000);
	char name[32];

	(void)state;
	stays.has_parts = true;
	stays.network_ns = stays.queue_ns = stays.application_ns = stays.transfer_ns = 1000;
	for (unsigned int i = 0; i < 20; i++) {
		struct sonde_request goes = stays;

		snprintf(name, sizeof(name), "goes-%u", i);
		goes.service = sonde_slice_str(name);
		sonde_edges_request(e, i == 10 ? &stays : &goes);
	}
	while (source.next(source.ctx, &cursor, &p)) {
		struct sonde_request comes = stays;

		if (!strcmp(p.desc->name, "sonde.service_edge.request.parts") &&
		    sonde_slice_eq(p.labels[1].value, SONDE_SLICE_LIT("stays"))) {
			for (size_t i = 0; i < SONDE_EDGE_PARTS; i++)
				seen[i] += sonde_slice_eq(
					p.labels[2].value,
					sonde_slice_str(family_of(p.desc)->values[i]));
		}
		snprintf(name, sizeof(name), "comes-%u", step);
		comes.service = sonde_slice_str(name);
		if (step++ < 60)
			sonde_edges_request(e, &comes);
		sonde_edges_request(e, &stays);
		sonde_edges_tick(e, mono + step * SONDE_NS_PER_SEC, 0);
	}
	assert_true(edges_stats(e).expired > 20);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(seen[i], 1);
	sonde_edges_free(e);
}

/* The cursor stands within an edge that expires: the next one is shown from its first point on. */
static void an_edge_that_goes_within_its_points_takes_none_of_the_next_along(void **state)
{
	struct sonde_edges *e = new_edges(10, 5);
	struct sonde_metric_source source = sonde_edges_source(e);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_request goes = request_of("goes", "/", 200, 4000), stays = goes;
	uint64_t mono = sonde_clock_mono_ns();
	struct sonde_metric_point p;

	(void)state;
	goes.has_parts = stays.has_parts = true;
	goes.network_ns = goes.queue_ns = stays.network_ns = stays.queue_ns = 2000;
	stays.service = SONDE_SLICE_LIT("stays");
	sonde_edges_request(e, &goes);
	sonde_edges_request(e, &stays);
	do
		assert_true(source.next(source.ctx, &cursor, &p));
	while (strcmp(p.desc->name, "sonde.service_edge.request.parts") != 0);
	assert_slice(p.labels[1].value, "goes");
	assert_slice(p.labels[2].value, "network");
	sonde_edges_tick(e, mono + 4 * SONDE_NS_PER_SEC, 0);
	sonde_edges_request(e, &stays);
	sonde_edges_tick(e, mono + 8 * SONDE_NS_PER_SEC, 0);
	assert_int_equal(edges_stats(e).expired, 1);
	assert_true(source.next(source.ctx, &cursor, &p));
	assert_slice(p.labels[1].value, "stays");
	assert_slice(p.labels[2].value, "network");
	sonde_edges_free(e);
}

static void bounds_are_the_same_in_both_units(void **state)
{
	const struct sonde_edge_scale *scales[] = { &sonde_edge_requests, &sonde_edge_trips,
						    &sonde_edge_lives };

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		for (size_t i = 0; i < SONDE_EDGE_BOUNDS; i++) {
			double ns = scales[s]->seconds[i] * 1e9;

			assert_true(ns > (double)scales[s]->ns[i] - 0.5 &&
				    ns < (double)scales[s]->ns[i] + 0.5);
			assert_int_equal(sonde_cells_bucket(scales[s]->ns, scales[s]->ns[i]), i);
			assert_int_equal(sonde_cells_bucket(scales[s]->ns, scales[s]->ns[i] + 1),
					 i + 1);
		}
		assert_true(scales[s]->ns[SONDE_EDGE_BOUNDS] == UINT64_MAX);
	}
	assert_memory_equal(sonde_edge_requests.seconds, sonde_duration_bounds,
			    sizeof(sonde_edge_requests.seconds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scrape_is_valid_and_has_every_family),
		cmocka_unit_test(pieces_of_many_sizes_give_the_same_bytes),
		cmocka_unit_test(points_have_the_labels_that_are_documented),
		cmocka_unit_test(labels_say_what_the_model_calls_things),
		cmocka_unit_test(an_edge_without_requests_shows_none),
		cmocka_unit_test(a_scrape_of_moving_edges_shows_those_that_stay_once),
		cmocka_unit_test(an_edge_that_goes_within_its_points_takes_none_of_the_next_along),
		cmocka_unit_test(bounds_are_the_same_in_both_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
