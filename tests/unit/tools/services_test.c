// SPDX-License-Identifier: Apache-2.0
/* `sonde services`: requests and connections of one service meet in one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/sonde/services.h"

static Sonde__Frame *repack(const Sonde__Frame *frame)
{
	uint8_t bytes[4096];

	return sonde__frame__unpack(NULL, sonde__frame__pack(frame, bytes), bytes);
}

static Sonde__Frame *series_of(const char *service, const char *peer, uint64_t count)
{
	Sonde__Histogram duration = SONDE__HISTOGRAM__INIT;
	Sonde__Series series = SONDE__SERIES__INIT, *list[] = { &series };
	Sonde__SeriesBatch batch = SONDE__SERIES_BATCH__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	series.role = SONDE__ROLE__ROLE_SERVER;
	series.service = sonde_wire_bytes(sonde_slice_str(service));
	series.peer_service = sonde_wire_bytes(sonde_slice_str(peer));
	series.count = count;
	series.duration = &duration;
	batch.series = list;
	batch.n_series = 1;
	frame.body_case = SONDE__FRAME__BODY_SERIES_BATCH;
	frame.series_batch = &batch;
	return repack(&frame);
}

static Sonde__Frame *edge_of(const char *client, const char *server, bool client_here,
			     uint64_t active)
{
	Sonde__Histogram duration = SONDE__HISTOGRAM__INIT;
	Sonde__ConnectFailures failed = SONDE__CONNECT_FAILURES__INIT;
	Sonde__Travel travel = SONDE__TRAVEL__INIT;
	Sonde__Edge edge = SONDE__EDGE__INIT, *list[] = { &edge };
	Sonde__EdgeBatch batch = SONDE__EDGE_BATCH__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	edge.client = sonde_wire_bytes(sonde_slice_str(client));
	edge.server = sonde_wire_bytes(sonde_slice_str(server));
	edge.client_here = client_here;
	edge.server_here = true;
	edge.active = active;
	edge.request_duration = edge.rtt = &duration;
	edge.failed = &failed;
	edge.to_server = edge.to_client = &travel;
	batch.edges = list;
	batch.n_edges = 1;
	frame.body_case = SONDE__FRAME__BODY_EDGE_BATCH;
	frame.edge_batch = &batch;
	return repack(&frame);
}

static struct sonde_services make(const struct sonde_words *globs)
{
	struct sonde_frames series = { 0 }, edges = { 0 };
	struct sonde_edges_snapshot e;
	struct sonde_services s;
	struct sonde_snapshot r;

	sonde_frames_add(&series, series_of("shop", "web", 10));
	sonde_frames_add(&series, series_of("shop", "cron", 5));
	sonde_frames_add(&edges, edge_of("web", "shop", true, 2));
	sonde_frames_add(&edges, edge_of("10.0.0.0/8", "shop", false, 3));
	sonde_frames_add(&edges, edge_of("web", "redis", true, 4));
	sonde_frames_add(&edges, edge_of("shop", "redis", true, 8));
	assert_int_equal(sonde_snapshot_make(series, &r), 0);
	assert_int_equal(sonde_edges_make(edges, &e), 0);
	assert_int_equal(sonde_services_make(&r, &e, globs, &s), 0);
	assert_int_equal(r.frames.n + e.frames.n, 0);
	return s;
}

static void expect_line(const struct sonde_services *s, size_t at, const char *service,
			enum sonde_role role, uint64_t requests, uint64_t active, const char *peers)
{
	const struct sonde_service_line *line = &s->lines[at];
	struct sonde_slice peer;
	char text[256] = "";
	size_t cursor = 0;

	assert_true(sonde_slice_eq(line->service, sonde_slice_str(service)));
	assert_int_equal(line->role, role);
	assert_int_equal(line->requests ? line->requests->count : 0, requests);
	assert_int_equal(line->connections.active, active);
	while (sonde_services_next_peer(s, line, &cursor, &peer)) {
		strncat(text, (const char *)peer.ptr, peer.len);
		strcat(text, " ");
	}
	assert_string_equal(text, peers);
}

static void services_have_requests_or_connections_or_both(void **state)
{
	static const struct sonde_words all = { .n = 0 };
	struct sonde_services s = make(&all);

	(void)state;
	assert_int_equal(s.n, 4);
	expect_line(&s, 0, "redis", SONDE_ROLE_SERVER, 0, 12, "shop web ");
	expect_line(&s, 1, "shop", SONDE_ROLE_SERVER, 15, 5, "cron web 10.0.0.0/8 ");
	expect_line(&s, 2, "shop", SONDE_ROLE_CLIENT, 0, 8, "redis ");
	expect_line(&s, 3, "web", SONDE_ROLE_CLIENT, 0, 6, "redis shop ");
	sonde_services_free(&s);
}

static void globs_hold_for_lines_of_connections_too(void **state)
{
	char glob[] = "r*";
	const struct sonde_words globs = { { glob }, 1 };
	struct sonde_services s = make(&globs);

	(void)state;
	assert_int_equal(s.n, 1);
	expect_line(&s, 0, "redis", SONDE_ROLE_SERVER, 0, 12, "shop web ");
	sonde_services_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_have_requests_or_connections_or_both),
		cmocka_unit_test(globs_hold_for_lines_of_connections_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
