// SPDX-License-Identifier: Apache-2.0
/* Recognising HTTP/1.x by its first bytes, and the table's row. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/proto/http1.h"
#include "tests/unit/guard.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	const char *head;
	enum sonde_likeness want;
};

static void check(enum sonde_likeness (*likeness)(struct sonde_slice), const struct row *rows,
		  size_t n_rows)
{
	struct guard g = guard_new(4096);

	for (size_t i = 0; i < n_rows; i++) {
		struct sonde_slice head = guard_put(&g, sonde_slice_str(rows[i].head));

		if (likeness(head) != rows[i].want)
			fail_msg("not %d: %s", rows[i].want, rows[i].head);
		for (size_t n = 0; rows[i].want == SONDE_LIKENESS_YES && n < head.len; n++)
			if (likeness(sonde_slice_sub(head, 0, n)) == SONDE_LIKENESS_NO)
				fail_msg("%zu bytes of it refused: %s", n, rows[i].head);
	}
	guard_free(&g);
}

static void requests_are_told_by_their_first_line(void **state)
{
	static const struct row rows[] = {
		{ "GET / HTTP/1.1\r\n", SONDE_LIKENESS_YES },
		{ "\r\nget x HTTP/1.0\n", SONDE_LIKENESS_YES },
		{ "PROPFIND /a HTTP/1.1\r\nHost: x", SONDE_LIKENESS_YES },
		{ "CONNECT a:443 HTTP/1.1\r\n", SONDE_LIKENESS_YES },
		{ "GET /long/and/cut", SONDE_LIKENESS_YES },
		{ "", SONDE_LIKENESS_MAYBE },
		{ "\r\n", SONDE_LIKENESS_MAYBE },
		{ "GE", SONDE_LIKENESS_MAYBE },
		{ "GET ", SONDE_LIKENESS_MAYBE },
		{ "get /x", SONDE_LIKENESS_MAYBE },
		{ "GET http://x", SONDE_LIKENESS_MAYBE },
		{ "HTTP/1.1 200 OK\r\n", SONDE_LIKENESS_NO },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SONDE_LIKENESS_NO },
		{ "GET key\r\n", SONDE_LIKENESS_NO },
		{ "*2\r\n$3\r\nGET\r\n", SONDE_LIKENESS_NO },
		{ "EHLO mail\r\n", SONDE_LIKENESS_NO },
		{ "OPTIONS rtsp://a RTSP/1.0\r\n", SONDE_LIKENESS_NO },
		{ "\x16\x03\x01", SONDE_LIKENESS_NO },
		{ "{\"a\":1}", SONDE_LIKENESS_NO },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", SONDE_LIKENESS_NO },
	};

	(void)state;
	check(sonde_http1_ops.request_likeness, rows, N_OF(rows));
}

static void responses_are_told_by_their_version(void **state)
{
	static const struct row rows[] = {
		{ "HTTP/1.1 200 OK\r\n", SONDE_LIKENESS_YES },
		{ "HTTP/1.", SONDE_LIKENESS_YES },
		{ "", SONDE_LIKENESS_MAYBE },
		{ "HTTP", SONDE_LIKENESS_MAYBE },
		{ "HTTP/2 200", SONDE_LIKENESS_NO },
		{ "http/1.1 200", SONDE_LIKENESS_NO },
		{ "GET / HTTP/1.1", SONDE_LIKENESS_NO },
		{ "+OK\r\n", SONDE_LIKENESS_NO },
	};

	(void)state;
	check(sonde_http1_ops.response_likeness, rows, N_OF(rows));
}

static void table_holds_each_protocol_once(void **state)
{
	bool seen[SONDE_PROTOCOLS] = { false };

	(void)state;
	for (size_t i = 0; i < sonde_n_protos; i++) {
		const struct sonde_proto_ops *ops = sonde_protos[i];

		assert_in_range(ops->id, 1, SONDE_PROTOCOLS - 1);
		assert_false(seen[ops->id]);
		seen[ops->id] = true;
		assert_non_null(ops->name);
		assert_non_null(ops->request_likeness);
		assert_non_null(ops->response_likeness);
	}
	assert_true(seen[SONDE_PROTOCOL_HTTP1]);
}

static void nothing_at_all_asks_for_more(void **state)
{
	struct sonde_http1_chunks chunks = { 0 };
	struct sonde_http1_response response;
	struct sonde_http1_request request;
	size_t used = 99;

	(void)state;
	assert_int_equal(sonde_http1_parse_request(SONDE_SLICE_EMPTY, &request), -EAGAIN);
	assert_int_equal(sonde_http1_parse_cut_request(SONDE_SLICE_EMPTY, &request), -EAGAIN);
	assert_int_equal(sonde_http1_parse_response(SONDE_SLICE_EMPTY, &response), -EAGAIN);
	assert_int_equal(sonde_http1_parse_cut_response(SONDE_SLICE_EMPTY, &response), -EAGAIN);
	assert_int_equal(sonde_http1_chunks_walk(&chunks, SONDE_SLICE_EMPTY, &used), 0);
	assert_int_equal(used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_told_by_their_first_line),
		cmocka_unit_test(responses_are_told_by_their_version),
		cmocka_unit_test(table_holds_each_protocol_once),
		cmocka_unit_test(nothing_at_all_asks_for_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
