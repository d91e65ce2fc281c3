// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/sonde/snapshot.h"
#include "tools/sonde/text.h"

struct entry {
	const char *service, *route, *peer, *error;
	uint64_t count, start;
	uint32_t low, high; /* counts of two buckets */
};

/* A snapshot of ENTRIES, as it would have been received. */
static struct sonde_snapshot snapshot(const struct entry *entries, size_t n)
{
	Sonde__SeriesBatch batch = SONDE__SERIES_BATCH__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct sonde_frames frames = { 0 };
	Sonde__Series series[8], *list[8];
	Sonde__Histogram histograms[8];
	uint32_t counts[8][2];
	struct sonde_snapshot out;
	uint8_t bytes[8192];

	for (size_t i = 0; i < n; i++) {
		sonde__series__init(&series[i]);
		sonde__histogram__init(&histograms[i]);
		series[i].role = SONDE__ROLE__ROLE_SERVER;
		series[i].service = sonde_wire_bytes(sonde_slice_str(entries[i].service));
		series[i].route = sonde_wire_bytes(sonde_slice_str(entries[i].route));
		series[i].peer_service = sonde_wire_bytes(sonde_slice_str(entries[i].peer));
		series[i].error_type = sonde_wire_bytes(sonde_slice_str(entries[i].error));
		series[i].count = histograms[i].count = entries[i].count;
		series[i].response_bytes = entries[i].count * 10;
		series[i].start_unix_ns = entries[i].start;
		counts[i][0] = entries[i].low;
		counts[i][1] = entries[i].high;
		histograms[i].scale = 0;
		histograms[i].offset = -10;
		histograms[i].n_counts = 2;
		histograms[i].counts = counts[i];
		series[i].duration = &histograms[i];
		list[i] = &series[i];
	}
	batch.n_series = n;
	batch.series = list;
	batch.time_unix_ns = 1000;
	frame.body_case = SONDE__FRAME__BODY_SERIES_BATCH;
	frame.series_batch = &batch;
	assert_int_equal(
		sonde_frames_add(&frames, sonde__frame__unpack(
						  NULL, sonde__frame__pack(&frame, bytes), bytes)),
		0);
	assert_int_equal(sonde_snapshot_make(frames, &out), 0);
	return out;
}

static void difference_is_taken_series_by_series(void **state)
{
	static const struct entry before[] = {
		{ "shop", "/a", "x", "", 10, 1, 10, 0 },
		{ "shop", "/a", "y", "500", 5, 1, 5, 0 },
		{ "shop", "/gone", "x", "", 100, 1, 100, 0 },
		{ "shop", "/anew", "x", "", 50, 1, 50, 0 },
	};
	static const struct entry after[] = {
		{ "shop", "/anew", "x", "", 60, 2, 0, 60 },
		{ "shop", "/a", "y", "500", 8, 1, 5, 3 },
		{ "shop", "/a", "x", "", 14, 1, 10, 4 },
		{ "zoo", "/", "", "", 1, 1, 1, 0 },
	};
	struct sonde_snapshot older = snapshot(before, 4), newer = snapshot(after, 4);
	struct sonde_row *rows;

	(void)state;
	assert_int_equal(sonde_rows_make(&older, &newer, SONDE_GROUP_OPERATION, &rows), 3);
	assert_int_equal(rows[0].count, 7); /* /a: 4 of one peer, 3 of the other */
	assert_int_equal(rows[0].errors, 3);
	assert_int_equal(rows[0].response_bytes, 70);
	assert_int_equal(rows[1].count, 60); /* /anew began again */
	assert_int_equal(rows[2].count, 1);
	/* What was before is not in the quantile: (2^-9, 2^-8] s. */
	assert_true(sonde_row_quantile_ns(&rows[0], 0.01) > 1.9e6);
	free(rows);
	assert_int_equal(sonde_rows_make(&older, &newer, SONDE_GROUP_SERVICE, &rows), 2);
	assert_int_equal(rows[0].count, 67);
	assert_int_equal(rows[1].count, 1);
	free(rows);
	sonde_snapshot_free(&older);
	sonde_snapshot_free(&newer);
}

static void peers_of_a_service_come_once(void **state)
{
	static const struct entry entries[] = {
		{ "shop", "/b", "x", "", 1, 1, 1, 0 },
		{ "shop", "/a", "y", "", 1, 1, 1, 0 },
		{ "shop", "/a", "x", "", 1, 1, 1, 0 },
		{ "shop", "/a", "", "", 1, 1, 1, 0 },
	};
	struct sonde_snapshot none = { 0 }, s = snapshot(entries, 4);
	struct sonde_slice peer;
	struct sonde_row *rows;
	size_t cursor = 0;

	(void)state;
	assert_int_equal(sonde_rows_make(&none, &s, SONDE_GROUP_SERVICE, &rows), 1);
	assert_true(sonde_row_next_peer(&s, rows, &cursor, &peer));
	assert_true(sonde_slice_eq(peer, SONDE_SLICE_LIT("x")));
	assert_true(sonde_row_next_peer(&s, rows, &cursor, &peer));
	assert_true(sonde_slice_eq(peer, SONDE_SLICE_LIT("y")));
	assert_false(sonde_row_next_peer(&s, rows, &cursor, &peer));
	free(rows);
	sonde_snapshot_free(&s);
}

static void idle_row_has_no_quantile(void **state)
{
	static const struct entry entries[] = { { "shop", "/a", "", "", 5, 1, 5, 0 } };
	struct sonde_snapshot s = snapshot(entries, 1);
	struct sonde_row *rows;

	(void)state;
	assert_int_equal(sonde_rows_make(&s, &s, SONDE_GROUP_OPERATION, &rows), 1);
	assert_int_equal(rows[0].count, 0);
	assert_true(isnan(sonde_row_quantile_ns(rows, 0.5)));
	free(rows);
	sonde_snapshot_free(&s);
}

static void numbers_read_as_people_write_them(void **state)
{
	static const struct {
		double ns;
		const char *text;
	} samples[] = { { 0, "0" },	     { 850, "850ns" },
			{ 12345, "12.3us" }, { 1250000, "1.25ms" },
			{ 2.5e9, "2.50s" },  { 200e9, "3m20s" },
			{ 7200e9, "2.0h" } };
	char text[SONDE_TEXT_NUMBER];

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		assert_string_equal(sonde_text_duration(samples[i].ns, text), samples[i].text);
	assert_string_equal(sonde_text_bytes(1536, text), "1.5K");
	assert_string_equal(sonde_text_bytes(1e300, text) ? "" : "x", "");
}

static void cells_are_escaped_and_cut(void **state)
{
	struct sonde_buf b;

	(void)state;
	sonde_buf_init(&b, 1024);
	sonde_text_cell(&b,
			SONDE_SLICE_LIT("a\x1b"
					"b"),
			8, true);
	sonde_text_cell(&b, SONDE_SLICE_LIT("\xc3\xa4\xc3\xb6\xc3\xbc"), 2, true);
	sonde_buf_put_byte(&b, '\0');
	assert_string_equal((char *)b.ptr, "a\\x1bb  \xc3\xa4~");
	sonde_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(difference_is_taken_series_by_series),
		cmocka_unit_test(peers_of_a_service_come_once),
		cmocka_unit_test(idle_row_has_no_quantile),
		cmocka_unit_test(numbers_read_as_people_write_them),
		cmocka_unit_test(cells_are_escaped_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
