// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/proto/http1.h"
#include "tests/unit/proto/http1_heads.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

static int parse(struct sonde_slice in, void *out)
{
	return sonde_http1_parse_response(in, out);
}

static const struct head_parser parser = { parse, sizeof(struct sonde_http1_response) };

static const char *const heads[] = {
	"HTTP/1.1 200\r\n\r\n",
	"HTTP/1.0 404 Not Found\n\n",
	"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 02:27:27 GMT\r\n"
	"Content-Type: text/html\r\nContent-Length: 615\r\nConnection: keep-alive\r\n"
	"ETag: \"6743a5c0-267\"\r\nAccept-Ranges: bytes\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\nConnection: close\r\n\r\n",
};

static void every_prefix_asks_for_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(heads); i++)
		head_every_prefix_asks_for_more(&parser, heads[i]);
}

static void what_follows_is_not_consumed(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(heads); i++)
		head_consumes_no_more(&parser, heads[i]);
}

static void one_wrong_byte_does_no_harm(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(heads); i++)
		head_survives_mutation(&parser, heads[i]);
}

static void head_tells_status_body_and_close(void **state)
{
	static const struct {
		const char *head;
		unsigned int status, version;
		enum sonde_http1_body body;
		uint64_t length;
		bool close;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\n", 200, 11, SONDE_HTTP1_BODY_CLOSE, 0, false },
		{ "HTTP/1.0 200 OK\r\n", 200, 10, SONDE_HTTP1_BODY_CLOSE, 0, true },
		{ "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", 200, 10, SONDE_HTTP1_BODY_CLOSE,
		  0, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 615\r\n", 200, 11, SONDE_HTTP1_BODY_LENGTH,
		  615, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nConnection: close\r\n", 200, 11,
		  SONDE_HTTP1_BODY_LENGTH, 5, true },
		{ "HTTP/1.1 200\nContent-Length: 0\n", 200, 11, SONDE_HTTP1_BODY_LENGTH, 0, false },
		{ "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", 200, 11,
		  SONDE_HTTP1_BODY_CHUNKED, 0, false },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\nContent-Length: 5\r\n",
		  200, 11, SONDE_HTTP1_BODY_CLOSE, 0, false },
		{ "HTTP/1.1 100 Continue\r\n", 100, 11, SONDE_HTTP1_BODY_NONE, 0, false },
		{ "HTTP/1.1 101 Switching\r\nContent-Length: 5\r\n", 101, 11, SONDE_HTTP1_BODY_NONE,
		  0, false },
		{ "HTTP/1.1 103 Early\r\n", 103, 11, SONDE_HTTP1_BODY_NONE, 0, false },
		{ "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n", 204, 11,
		  SONDE_HTTP1_BODY_NONE, 0, false },
		{ "HTTP/1.1 304 Not\r\nContent-Length: 615\r\n", 304, 11, SONDE_HTTP1_BODY_NONE, 0,
		  false },
		{ "HTTP/1.1 205 R\r\n", 205, 11, SONDE_HTTP1_BODY_CLOSE, 0, false },
		{ "HTTP/1.7 999 ?\r\n", 999, 11, SONDE_HTTP1_BODY_CLOSE, 0, false },
		{ "HTTP/1.1 500 \xff\xfe\r\nConnection: Close\r\n", 500, 11, SONDE_HTTP1_BODY_CLOSE,
		  0, true },
		/* Requests' fields say nothing here, and must not be mistaken. */
		{ "HTTP/1.1 200 OK\r\nHost: a\r\nUpgrade: h2c\r\ntraceparent: x\r\n", 200, 11,
		  SONDE_HTTP1_BODY_CLOSE, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_http1_response r;
		char text[256];

		snprintf(text, sizeof(text), "%s\r\n", rows[i].head);
		assert_int_equal(sonde_http1_parse_response(sonde_slice_str(text), &r),
				 strlen(text));
		if (r.status != rows[i].status || r.version != rows[i].version ||
		    r.body != rows[i].body || r.body_length != rows[i].length ||
		    r.close != rows[i].close)
			fail_msg("%u, %u, body %d of %llu, close %d for: %s", r.status, r.version,
				 r.body, (unsigned long long)r.body_length, r.close, text);
	}
}

static void what_is_no_response_is_refused(void **state)
{
	static const char *const rows[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"\r\nHTTP/1.1 200 OK\r\n\r\n",
		" HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"http/1.1 200 OK\r\n\r\n",
		"HTTP/1.1200 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 -20 OK\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.x 200 OK\r\n\r\n",
		"HTTP/1.1 200OK\r\n\r\n",
		"HTTP/1.1 OK\r\n\r\n12345",
		"HTTQ",
		"x",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 204 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct guard g = guard_new(strlen(rows[i]));

		if (head_parse(&parser, &g, sonde_slice_str(rows[i])) != -EPROTO)
			fail_msg("taken: %s", rows[i]);
		guard_free(&g);
	}
}

static void limits_are_kept(void **state)
{
	(void)state;
	assert_true(head_of_lines(&parser, "HTTP/1.1 200 OK\r\n", "A: b\r\n",
				  SONDE_HTTP1_FIELDS_MAX) > 0);
	assert_int_equal(head_of_lines(&parser, "HTTP/1.1 200 OK\r\n", "A: b\r\n",
				       SONDE_HTTP1_FIELDS_MAX + 1),
			 -E2BIG);
}

static void head_without_end_is_refused_at_the_limit(void **state)
{
	struct guard g = guard_new(SONDE_HTTP1_HEAD_MAX);
	char *text = malloc(SONDE_HTTP1_HEAD_MAX);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', SONDE_HTTP1_HEAD_MAX);
	memcpy(text, "HTTP/1.1 200 ", 13);
	assert_int_equal(head_parse(&parser, &g, sonde_slice_of(text, SONDE_HTTP1_HEAD_MAX - 1)),
			 -EAGAIN);
	assert_int_equal(head_parse(&parser, &g, sonde_slice_of(text, SONDE_HTTP1_HEAD_MAX)),
			 -E2BIG);
	guard_free(&g);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_asks_for_more),
		cmocka_unit_test(what_follows_is_not_consumed),
		cmocka_unit_test(one_wrong_byte_does_no_harm),
		cmocka_unit_test(head_tells_status_body_and_close),
		cmocka_unit_test(what_is_no_response_is_refused),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(head_without_end_is_refused_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
