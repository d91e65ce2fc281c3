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

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static int parse(struct sonde_slice in, void *out)
{
	return sonde_http1_parse_request(in, out);
}

static const struct head_parser parser = { parse, sizeof(struct sonde_http1_request) };

static struct sonde_http1_request must_parse(const char *text)
{
	struct sonde_http1_request r;
	int ret = sonde_http1_parse_request(sonde_slice_str(text), &r);

	if (ret != (int)strlen(text))
		fail_msg("%d for: %s", ret, text);
	return r;
}

static void must_fail(const char *text, int err)
{
	struct guard g = guard_new(strlen(text));
	int ret = head_parse(&parser, &g, sonde_slice_str(text));

	if (ret != err)
		fail_msg("%d instead of %d for: %s", ret, err, text);
	guard_free(&g);
}

static void is_text(struct sonde_slice have, const char *want)
{
	if (!sonde_slice_eq(have, sonde_slice_str(want)))
		fail_msg("'%.*s' instead of '%s'", (int)have.len, (const char *)have.ptr, want);
}

static const char *const heads[] = {
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"A / HTTP/1.1\n\n",
	"A / HTTP/1.1\nHost\n\n",
	"A / HTTP/1.1\nHost \n\n",
	"\r\n\n\r\nPOST /a?b#c HTTP/1.1\nHost: a\nContent-Length: 5\n\n",
	"CONNECT u:p@example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://u:p@example.com/x HTTP/1.1\r\nHost: other\r\n\r\n",
	"PUT /x HTTP/1.1\r\nHost:\r\n a\r\nTransfer-Encoding: gzip,\r\n\tchunked\r\n\r\n",
	"POST /up HTTP/1.1\r\nHost: upload.example.com\r\nUser-Agent: curl/7.88.1\r\n"
	"Expect: 100-continue\r\nContent-Length: 5, 5\r\nConnection: keep-alive, Upgrade\r\n"
	"Upgrade: websocket\r\ntraceparent: " PARENT "\r\n\r\n",
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

static void whole_request_gives_every_field(void **state)
{
	struct sonde_http1_request r = must_parse(heads[N_OF(heads) - 1]);

	(void)state;
	is_text(r.method, "POST");
	is_text(r.target, "/up");
	is_text(r.path, "/up");
	is_text(r.host, "upload.example.com");
	is_text(r.user_agent, "curl/7.88.1");
	is_text(r.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
	is_text(r.span_id, "00f067aa0ba902b7");
	assert_int_equal(r.body, SONDE_HTTP1_BODY_LENGTH);
	assert_int_equal(r.body_length, 5);
	assert_int_equal(r.version, 11);
	assert_true(r.expect_continue);
	assert_true(r.upgrade);
	assert_false(r.close);
}

static void request_line_is_read_as_rfc_9112_says(void **state)
{
	static const struct {
		const char *line, *method, *target, *path, *host;
	} rows[] = {
		{ "GET / HTTP/1.1", "GET", "/", "/", "" },
		{ "GET /a/b?c=d HTTP/1.1", "GET", "/a/b?c=d", "/a/b", "" },
		{ "GET /a#b?c HTTP/1.1", "GET", "/a#b?c", "/a", "" },
		{ "GET /? HTTP/1.1", "GET", "/?", "/", "" },
		{ "GET //x@y/z HTTP/1.1", "GET", "//x@y/z", "//x@y/z", "" },
		{ "GET /a?http://u:p@h/ HTTP/1.1", "GET", "/a?http://u:p@h/", "/a", "" },
		{ "purge /x HTTP/1.1", "purge", "/x", "/x", "" },
		{ "M-SEARCH * HTTP/1.1", "M-SEARCH", "*", "*", "" },
		{ "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", "!#$%&'*+-.^_`|~09azAZ", "/", "/", "" },
		{ "GET http://h/a?b HTTP/1.1", "GET", "http://h/a?b", "/a", "h" },
		{ "GET HTTP://h:81 HTTP/1.1", "GET", "HTTP://h:81", "/", "h:81" },
		{ "GET http://h?q HTTP/1.1", "GET", "http://h?q", "/", "h" },
		{ "GET http://h#f HTTP/1.1", "GET", "http://h#f", "/", "h" },
		{ "GET http://u:p@h/a HTTP/1.1", "GET", "http://u:p@h/a", "/a", "h" },
		{ "GET http://u@v@[::1]:8/a HTTP/1.1", "GET", "http://u@v@[::1]:8/a", "/a",
		  "[::1]:8" },
		{ "GET http:///a HTTP/1.1", "GET", "http:///a", "/a", "" },
		{ "CONNECT h:443 HTTP/1.1", "CONNECT", "h:443", "", "h:443" },
		{ "CONNECT u:p@h:443 HTTP/1.1", "CONNECT", "u:p@h:443", "", "h:443" },
		{ "GET u:p@h:443 HTTP/1.1", "GET", "u:p@h:443", "", "" },
		{ "GET ?a HTTP/1.1", "GET", "?a", "", "" },
		{ "GET  /a   HTTP/1.1 ", "GET", "/a", "/a", "" },
		{ "GET /a b?c HTTP/1.1", "GET", "/a b?c", "/a b", "" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_http1_request r;
		char text[256];

		snprintf(text, sizeof(text), "%s\r\n\r\n", rows[i].line);
		r = must_parse(text);
		is_text(r.method, rows[i].method);
		is_text(r.target, rows[i].target);
		is_text(r.path, rows[i].path);
		is_text(r.host, rows[i].host);
	}
}

static void what_is_no_request_is_refused(void **state)
{
	static const char *const rows[] = {
		" GET / HTTP/1.1\r\n\r\n",
		"\rGET / HTTP/1.1\r\n\r\n",
		"GET\t/ HTTP/1.1\r\n\r\n",
		"GET(/ HTTP/1.1\r\n\r\n",
		"G\xc3\x84T / HTTP/1.1\r\n\r\n",
		"GET /\r\n\r\n",
		"GET / \r\n\r\n",
		"GET  HTTP/1.1\r\n\r\n",
		"GET HTTP/1.1\r\n\r\n",
		"GET /HTTP/1.1\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n",
		"GET / HTTP/1.\r\n\r\n",
		"GET / HTTP/1.x\r\n\r\n",
		"GET / HTTP/1.10\r\n\r\n",
		"GET / http/1.1\r\n\r\n",
		"GET / RTSP/1.0\r\n\r\n",
		"INVITE sip:bob@b.org SIP/2.0\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"PRI ",
		"HTTP/1.1 200 OK\r\n\r\n",
		"*1\r\n$4\r\nPING\r\n",
		"\x16\x03\x01\x02",
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		must_fail(rows[i], -EPROTO);
}

static void body_is_delimited_as_rfc_9112_says(void **state)
{
	static const struct {
		const char *fields;
		enum sonde_http1_body body;
		uint64_t length;
	} rows[] = {
		{ "", SONDE_HTTP1_BODY_NONE, 0 },
		{ "Content-Length: 0\r\n", SONDE_HTTP1_BODY_LENGTH, 0 },
		{ "content-LENGTH:12\r\n", SONDE_HTTP1_BODY_LENGTH, 12 },
		{ "Content-Length:\t 007 \t\r\n", SONDE_HTTP1_BODY_LENGTH, 7 },
		{ "Content-Length : 7\r\n", SONDE_HTTP1_BODY_LENGTH, 7 },
		{ "Content-Length: 5\r\nContent-Length: 5\r\n", SONDE_HTTP1_BODY_LENGTH, 5 },
		{ "Content-Length: 5, 5,5 ,\t5\r\n", SONDE_HTTP1_BODY_LENGTH, 5 },
		{ "Content-Length:\r\n 5\r\n", SONDE_HTTP1_BODY_LENGTH, 5 },
		{ "Content-Length: 922337203685477580\r\n", SONDE_HTTP1_BODY_LENGTH,
		  922337203685477580ULL },
		{ "X-Content-Length: 5\r\nContent-Lengths: 6\r\nContent-Length-: 7\r\n",
		  SONDE_HTTP1_BODY_NONE, 0 },
		{ "Transfer-Encoding: chunked\r\n", SONDE_HTTP1_BODY_CHUNKED, 0 },
		{ "transfer-encoding:CHUNKED\r\n", SONDE_HTTP1_BODY_CHUNKED, 0 },
		{ "Transfer-Encoding: gzip, chunked\r\n", SONDE_HTTP1_BODY_CHUNKED, 0 },
		{ "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
		  SONDE_HTTP1_BODY_CHUNKED, 0 },
		{ "Transfer-Encoding: chunked, \r\n", SONDE_HTTP1_BODY_CHUNKED, 0 },
		{ "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", SONDE_HTTP1_BODY_CHUNKED,
		  0 },
		{ "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", SONDE_HTTP1_BODY_CHUNKED,
		  0 },
		{ "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", SONDE_HTTP1_BODY_LENGTH,
		  5 },
		{ "Transfer-Encoding: \r\n", SONDE_HTTP1_BODY_NONE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_http1_request r;
		char text[256];

		snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n%s\r\n", rows[i].fields);
		r = must_parse(text);
		if (r.body != rows[i].body || r.body_length != rows[i].length)
			fail_msg("body %d of %llu for: %s", r.body,
				 (unsigned long long)r.body_length, text);
	}
}

static void body_without_a_known_length_is_refused(void **state)
{
	static const char *const rows[] = {
		"Content-Length:",
		"Content-Length:  ",
		"Content-Length: +5",
		"Content-Length: -5",
		"Content-Length: 5 5",
		"Content-Length: 5;",
		"Content-Length: 0x5",
		"Content-Length: 5.0",
		"Content-Length: 5,",
		"Content-Length: ,5",
		"Content-Length: 5,,5",
		"Content-Length: 5, 6",
		"Content-Length: 5\r\n 5",
		"Content-Length: 5\r\nContent-Length: 6",
		"Content-Length: 9223372036854775808",
		"Content-Length: 18446744073709551616",
		"Content-Length: 18446744073709551621",
		"Content-Length: 99999999999999999999999999",
		"Transfer-Encoding: gzip",
		"Transfer-Encoding: chunked, gzip",
		"Transfer-Encoding: xchunked",
		"Transfer-Encoding: chunkedx",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		char text[256];

		snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n%s\r\n\r\n", rows[i]);
		must_fail(text, -EPROTO);
	}
}

static void connection_options_are_a_list(void **state)
{
	static const struct {
		const char *head;
		bool close, upgrade;
	} rows[] = {
		{ "GET / HTTP/1.1\r\n", false, false },
		{ "GET / HTTP/1.0\r\n", true, false },
		{ "GET / HTTP/1.9\r\n", false, false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", false, false },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n", true, false },
		{ "GET / HTTP/1.1\r\nConnection: Close\r\n", true, false },
		{ "GET / HTTP/1.1\r\nConnection: te, ,close\r\n", true, false },
		{ "GET / HTTP/1.1\r\nConnection: te\r\nConnection: close\r\n", true, false },
		{ "GET / HTTP/1.1\r\nConnection: closed\r\n", false, false },
		{ "GET / HTTP/1.1\r\nConnection: xclose\r\n", false, false },
		{ "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n", false, true },
		{ "GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: te, Upgrade\r\n", false, true },
		{ "GET / HTTP/1.1\r\nUpgrade: h2c\r\n", false, false },
		{ "GET / HTTP/1.1\r\nConnection: upgrade\r\n", false, false },
		{ "CONNECT h:1 HTTP/1.1\r\n", false, true },
		{ "connect / HTTP/1.1\r\n", false, false },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_http1_request r;
		char text[256];

		snprintf(text, sizeof(text), "%s\r\n", rows[i].head);
		r = must_parse(text);
		if (r.close != rows[i].close || r.upgrade != rows[i].upgrade)
			fail_msg("close %d, upgrade %d for: %s", r.close, r.upgrade, text);
	}
}

static void text_fields_are_trimmed_and_the_first_counts(void **state)
{
	static const struct {
		const char *fields, *host, *user_agent;
	} rows[] = {
		{ "Host: a\r\n", "a", "" },
		{ "hOsT:\t a:80 \t\r\n", "a:80", "" },
		{ "Host: u:p@a\r\n", "a", "" },
		{ "Host: a\r\nHost: b\r\n", "a", "" },
		{ "Host:\r\nHost: b\r\n", "b", "" },
		{ "Host:\r\n", "", "" },
		{ "Host:\r\n \r\n", "", "" },
		{ "Host:\r\n \r\n a\r\n b\r\nUser-Agent: c\r\n", "a", "c" },
		{ "Hosts: a\r\nHos: b\r\nHost\r\nXHost: d\r\n", "", "" },
		{ "User-Agent: curl 1\r\n  (x)\r\nHost: a\r\n", "a", "curl 1" },
		{ "USER-AGENT:x\r\nUser-Agent2: y\r\n", "", "x" },
		{ "X: y\r\n Host: no\r\n", "", "" },
		{ " Host: no\r\nHost: a\r\n", "a", "" },
		{ "Host: a\nUser-Agent: b\n", "a", "b" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_http1_request r;
		char text[256];

		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s\r\n", rows[i].fields);
		r = must_parse(text);
		is_text(r.host, rows[i].host);
		is_text(r.user_agent, rows[i].user_agent);
	}
}

static void absolute_target_wins_over_host(void **state)
{
	(void)state;
	is_text(must_parse("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n").host, "a");
	is_text(must_parse("GET http:///x HTTP/1.1\r\nHost: b\r\n\r\n").host, "b");
}

static void only_one_valid_traceparent_counts(void **state)
{
	struct sonde_http1_request r;

	(void)state;
	r = must_parse("GET / HTTP/1.1\r\nTraceParent:" PARENT "\r\n\r\n");
	is_text(r.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
	r = must_parse("GET / HTTP/1.1\r\ntraceparent: 0" PARENT "\r\n\r\n");
	is_text(r.trace_id, "");
	is_text(r.span_id, "");
	r = must_parse("GET / HTTP/1.1\r\ntraceparent: " PARENT "\r\ntraceparent: " PARENT
		       "\r\n\r\n");
	is_text(r.trace_id, "");
	is_text(r.span_id, "");
}

static void expectation_other_than_continue_is_none(void **state)
{
	(void)state;
	assert_true(must_parse("PUT / HTTP/1.1\r\nexpect: 100-Continue\r\n\r\n").expect_continue);
	assert_false(must_parse("PUT / HTTP/1.1\r\nExpect: 100-go\r\n\r\n").expect_continue);
	assert_false(
		must_parse("PUT / HTTP/1.1\r\nExpected: 100-continue\r\n\r\n").expect_continue);
}

static void limits_are_kept(void **state)
{
	(void)state;
	assert_true(head_of_lines(&parser, "G / HTTP/1.1\r\n", "A: b\r\n", SONDE_HTTP1_FIELDS_MAX) >
		    0);
	assert_int_equal(
		head_of_lines(&parser, "G / HTTP/1.1\r\n", "A: b\r\n", SONDE_HTTP1_FIELDS_MAX + 1),
		-E2BIG);
	assert_int_equal(head_of_lines(&parser, "G / HTTP/1.1\r\nA: b\r\n", " c\r\n",
				       SONDE_HTTP1_FIELDS_MAX),
			 -E2BIG);
	must_fail("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n\r\n", -EPROTO);
	must_fail("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", -EPROTO);
	must_parse("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n\r\n");
}

/* A head of LEN bytes in all: one field is as long as it takes. */
static int head_of_bytes(size_t len)
{
	static const char start[] = "GET / HTTP/1.1\r\nX: ";
	struct guard g = guard_new(len);
	char *text = malloc(len);
	int ret;

	assert_non_null(text);
	memset(text, 'x', len);
	memcpy(text, start, sizeof(start) - 1);
	memcpy(text + len - 4, "\r\n\r\n", 4);
	ret = head_parse(&parser, &g, sonde_slice_of(text, len));
	assert_int_equal(head_parse(&parser, &g, sonde_slice_of(text, len - 5)),
			 len - 5 < SONDE_HTTP1_HEAD_MAX ? -EAGAIN : -E2BIG);
	guard_free(&g);
	free(text);
	return ret;
}

static void head_over_the_limit_is_refused(void **state)
{
	(void)state;
	assert_int_equal(head_of_bytes(SONDE_HTTP1_HEAD_MAX), SONDE_HTTP1_HEAD_MAX);
	assert_int_equal(head_of_bytes(SONDE_HTTP1_HEAD_MAX + 1), -E2BIG);
	assert_int_equal(head_of_bytes(SONDE_HTTP1_HEAD_MAX + 5), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_asks_for_more),
		cmocka_unit_test(what_follows_is_not_consumed),
		cmocka_unit_test(one_wrong_byte_does_no_harm),
		cmocka_unit_test(whole_request_gives_every_field),
		cmocka_unit_test(request_line_is_read_as_rfc_9112_says),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(body_is_delimited_as_rfc_9112_says),
		cmocka_unit_test(body_without_a_known_length_is_refused),
		cmocka_unit_test(connection_options_are_a_list),
		cmocka_unit_test(text_fields_are_trimmed_and_the_first_counts),
		cmocka_unit_test(absolute_target_wins_over_host),
		cmocka_unit_test(only_one_valid_traceparent_counts),
		cmocka_unit_test(expectation_other_than_continue_is_none),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(head_over_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
