// SPDX-License-Identifier: Apache-2.0
/* `sonde map`: differences of edges, and pictures that foreign names cannot break. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/sonde/map.h"

struct sample {
	const char *client, *server;
	uint64_t start, requests, errors, retransmits, refused;
};

static Sonde__Frame *frame_of(const struct sample *s, bool last)
{
	uint32_t counts[] = { (uint32_t)s->requests };
	Sonde__Histogram duration = SONDE__HISTOGRAM__INIT, rtt = SONDE__HISTOGRAM__INIT;
	Sonde__ConnectFailures failed = SONDE__CONNECT_FAILURES__INIT;
	Sonde__Travel up = SONDE__TRAVEL__INIT, down = SONDE__TRAVEL__INIT;
	Sonde__EdgeBatch batch = SONDE__EDGE_BATCH__INIT;
	Sonde__Edge edge = SONDE__EDGE__INIT, *list[] = { &edge };
	Sonde__Frame frame = SONDE__FRAME__INIT;
	uint8_t bytes[4096];

	edge.client = sonde_wire_bytes(sonde_slice_str(s->client));
	edge.server = sonde_wire_bytes(sonde_slice_str(s->server));
	edge.start_unix_ns = s->start;
	edge.requests = s->requests;
	edge.errors = s->errors;
	edge.active = 2;
	duration.count = s->requests;
	duration.counts = counts;
	duration.n_counts = s->requests ? 1 : 0;
	up.segments = 100;
	up.retransmits = s->retransmits;
	failed.refused = s->refused;
	edge.request_duration = &duration;
	edge.rtt = &rtt;
	edge.failed = &failed;
	edge.to_server = &up;
	edge.to_client = &down;
	batch.edges = list;
	batch.n_edges = 1;
	batch.last = last;
	batch.time_unix_ns = 1;
	frame.body_case = SONDE__FRAME__BODY_EDGE_BATCH;
	frame.edge_batch = &batch;
	return sonde__frame__unpack(NULL, sonde__frame__pack(&frame, bytes), bytes);
}

static struct sonde_edges_snapshot snapshot_of(const struct sample *samples, size_t n)
{
	struct sonde_frames frames = { 0 };
	struct sonde_edges_snapshot s;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(sonde_frames_add(&frames, frame_of(&samples[i], i + 1 == n)), 0);
	assert_int_equal(sonde_edges_make(frames, &s), 0);
	return s;
}

static const struct sample later[] = {
	{ "web", "shop", 7, 30, 6, 4, 3 },
	{ "cron", "shop", 9, 5, 0, 0, 0 },
	{ "cron", "db", 1, 8, 0, 0, 0 },
};

static void edge_counts_from_where_it_stood(void **state)
{
	static const struct sample before[] = {
		{ "cron", "shop", 8, 4, 0, 0, 0 }, /* another one, which has expired since */
		{ "web", "shop", 7, 20, 5, 1, 3 },
	};
	struct sonde_edges_snapshot older = snapshot_of(before, 2), newer = snapshot_of(later, 3);
	struct sonde_edge_row *rows;

	(void)state;
	assert_int_equal(sonde_edges_rows(&older, &newer, &rows), 0);
	/* By client, then server. */
	assert_int_equal(rows[0].requests, 8);
	assert_int_equal(rows[1].requests, 5);
	assert_int_equal(rows[2].requests, 10);
	assert_int_equal(rows[2].errors, 1);
	assert_int_equal(rows[2].to_server.retransmits, 3);
	assert_int_equal(sonde_edge_row_failed(&rows[2]), 0);
	assert_int_equal(rows[2].duration.count, 10);
	assert_int_equal(rows[2].active, 2);
	assert_true(isnan(sonde_edge_row_rtt_ns(&rows[2], 0.5)));
	assert_false(isnan(sonde_edge_row_duration_ns(&rows[2], 0.5)));
	free(rows);
	sonde_edges_snapshot_free(&older);
	sonde_edges_snapshot_free(&newer);
}

static void edge_without_its_parts_is_left_out(void **state)
{
	Sonde__Frame *frame = frame_of(&later[0], true);
	struct sonde_frames frames = { 0 };
	struct sonde_edges_snapshot s;

	(void)state;
	sonde__travel__free_unpacked(frame->edge_batch->edges[0]->to_client, NULL);
	frame->edge_batch->edges[0]->to_client = NULL;
	assert_int_equal(sonde_frames_add(&frames, frame), 0);
	assert_int_equal(sonde_edges_make(frames, &s), 0);
	assert_int_equal(s.n_edges, 0);
	sonde_edges_snapshot_free(&s);
}

/* Prints SAMPLES in FORMAT into a string that the caller frees. */
static char *print(const struct sample *samples, size_t n, enum sonde_map_format format)
{
	struct sonde_edges_snapshot s = snapshot_of(samples, n);
	struct sonde_map map = { calloc(n, sizeof(*map.rows)), n, 2 };
	struct sonde_buf b;
	char *text;

	for (size_t i = 0; i < n; i++) {
		map.rows[i].sums.edge = map.rows[i].interval.edge = s.edges[i];
		sonde_edge_row_add(&map.rows[i].sums, s.edges[i], NULL);
		map.rows[i].interval.requests = 3;
	}
	sonde_buf_init(&b, 1 << 20);
	sonde_map_print(&map, format, &b);
	assert_false(b.failed);
	text = strndup((char *)b.ptr, b.len);
	sonde_buf_fini(&b);
	free(map.rows);
	sonde_edges_snapshot_free(&s);
	return text;
}

static void contains(char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in: %s", part, text);
}

static void every_format_shows_what_flows(void **state)
{
	static const struct {
		enum sonde_map_format format;
		const char *part;
	} samples[] = {
		{ SONDE_MAP_TABLE, "web     shop    tcp        2     1.5   20.0%" },
		{ SONDE_MAP_WIDE, "4.0%" },
		{ SONDE_MAP_JSON, "\"retransmit_ratio\":0.04," },
		{ SONDE_MAP_JSON, "\"requests\":30,\"errors\":6,\"rate\":1.5,\"error_ratio\":0.2" },
		{ SONDE_MAP_JSON, "\"connect_errors\":{\"refused\":3,\"timed_out\":0," },
		{ SONDE_MAP_DOT, "\"web\" -> \"shop\" [label=\"tcp, 2 open\\n1.5/s, 20.0% errors" },
		{ SONDE_MAP_DOT, "4.0% sent again\\n3 failed\", color=red];" },
		{ SONDE_MAP_MERMAID, "n0[\"cron\"] -->|\"tcp, 2 open<br/>1.5/s" },
		/* A name is one node, wherever it stands. */
		{ SONDE_MAP_MERMAID, "n4[\"web\"] -->|\"tcp, 2 open<br/>1.5/s, 20.0% errors" },
		{ SONDE_MAP_MERMAID, "\"| n3[\"shop\"]\n    linkStyle 2 stroke:red\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		char *text = print(later, 3, samples[i].format);

		contains(text, samples[i].part);
		free(text);
	}
}

static void names_cannot_break_a_picture(void **state)
{
	static const struct sample hostile[] = {
		{ "a\"];x[label=\"\\", "b\n`<script>#\033[2J|", 1, 1, 0, 0, 0 },
	};
	char *text;

	(void)state;
	text = print(hostile, 1, SONDE_MAP_DOT);
	contains(text, "\t\"a\\\"];x[label=\\\"\\\\\" -> \"b\\\\x0a`<script>#\\\\x1b[2J|\" [label");
	free(text);
	text = print(hostile, 1, SONDE_MAP_MERMAID);
	contains(text, "n0[\"a#quot;];x[label=#quot;\\\"] -->|");
	contains(text, "n1[\"b\\x0a#96;#lt;script#gt;#35;\\x1b[2J|\"]\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edge_counts_from_where_it_stood),
		cmocka_unit_test(edge_without_its_parts_is_left_out),
		cmocka_unit_test(every_format_shows_what_flows),
		cmocka_unit_test(names_cannot_break_a_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
