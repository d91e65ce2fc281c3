// SPDX-License-Identifier: Apache-2.0
/* Heads of which the capture holds only the front. */
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

static int cut_request(const char *text, size_t len, struct sonde_http1_request *r)
{
	static struct guard g;

	if (!g.room)
		g = guard_new(4096);
	return sonde_http1_parse_cut_request(guard_put(&g, sonde_slice_of(text, len)), r);
}

static int cut_response(const char *text, size_t len, struct sonde_http1_response *r)
{
	static struct guard g;

	if (!g.room)
		g = guard_new(4096);
	return sonde_http1_parse_cut_response(guard_put(&g, sonde_slice_of(text, len)), r);
}

static void is_text(struct sonde_slice have, const char *want)
{
	if (!sonde_slice_eq(have, sonde_slice_str(want)))
		fail_msg("'%.*s' instead of '%s'", (int)have.len, (const char *)have.ptr, want);
}

static void cut_first_line_gives_method_and_path_so_far(void **state)
{
	static const struct {
		const char *text, *method, *path, *host;
	} rows[] = {
		{ "GET /", "GET", "/", "" },
		{ "GET /users/12", "GET", "/users/12", "" },
		{ "GET /users?id=1", "GET", "/users", "" },
		{ "GET /users#x", "GET", "/users", "" },
		{ "GET /users ", "GET", "/users", "" },
		{ "GET /users HTTP/1.", "GET", "/users", "" },
		{ "GET /users HTTP/1.1\r", "GET", "/users", "" },
		{ "\r\nGET  /users", "GET", "/users", "" },
		{ "OPTIONS *", "OPTIONS", "*", "" },
		{ "GET http", "GET", "", "" },
		{ "GET http://user:pass", "GET", "", "" },
		{ "GET http://user:pass@host", "GET", "", "" },
		{ "GET http://user:pass@host/", "GET", "/", "host" },
		{ "GET http://user:pass@host HT", "GET", "/", "host" },
		{ "GET http://host/a/b", "GET", "/a/b", "host" },
		{ "GET http://host?a/b", "GET", "/", "host" },
		{ "CONNECT user:pa", "CONNECT", "", "" },
		{ "CONNECT user:pass@host:44", "CONNECT", "", "" },
		{ "CONNECT user:pass@host:443 ", "CONNECT", "", "host:443" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_http1_request r;

		if (cut_request(rows[i].text, strlen(rows[i].text), &r))
			fail_msg("refused: %s", rows[i].text);
		is_text(r.method, rows[i].method);
		is_text(r.path, rows[i].path);
		is_text(r.host, rows[i].host);
		assert_int_equal(r.version, 0);
		assert_int_equal(r.body, SONDE_HTTP1_BODY_UNKNOWN);
		assert_int_equal(r.upgrade, rows[i].method[0] == 'C');
	}
}

static void too_little_of_a_request_asks_for_more(void **state)
{
	static const char *const rows[] = { "", "\r", "\r\n", "G", "GET", "GET ", "GET  " };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_http1_request r, before;

		memset(&r, 0xa5, sizeof(r));
		before = r;
		assert_int_equal(cut_request(rows[i], strlen(rows[i]), &r), -EAGAIN);
		assert_memory_equal(&r, &before, sizeof(r));
	}
}

static void cut_heads_of_something_else_are_refused(void **state)
{
	static const char *const rows[] = {
		"\x16\x03\x01",
		"PRI * HTTP/2.0\r\n\r\n",
		"GET / HTTP/3.0\r\nHost",
		"GET /\r\nHost",
		"EHLO x\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5x\r\nHost",
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_http1_request r, before;

		memset(&r, 0xa5, sizeof(r));
		before = r;
		assert_int_equal(cut_request(rows[i], strlen(rows[i]), &r), -EPROTO);
		assert_memory_equal(&r, &before, sizeof(r));
	}
}

static const char whole_request[] =
	"POST /up?x HTTP/1.0\r\nHost: h\r\nUser-Agent: ua\r\nContent-Length: 7\r\n"
	"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
	"Connection: keep-alive\r\n\r\n";

/* How much of the request must be there for the line that holds TEXT to count. */
static size_t told_from(const char *text)
{
	const char *line = strstr(whole_request, text);

	return (size_t)(strchr(line, '\n') - whole_request) + 2;
}

static void cut_request_gives_what_whole_lines_tell(void **state)
{
	(void)state;
	for (size_t n = sizeof("POST /up") - 1; n < sizeof(whole_request); n++) {
		struct sonde_http1_request r;

		assert_int_equal(cut_request(whole_request, n, &r), 0);
		is_text(r.method, "POST");
		is_text(r.path, "/up");
		is_text(r.host, n >= told_from("Host") ? "h" : "");
		is_text(r.user_agent, n >= told_from("User") ? "ua" : "");
		is_text(r.span_id, n >= told_from("trace") ? "00f067aa0ba902b7" : "");
		assert_int_equal(r.version, n >= told_from("POST") - 1 ? 10 : 0);
		assert_int_equal(r.body, n >= told_from("Content") ? SONDE_HTTP1_BODY_LENGTH
								   : SONDE_HTTP1_BODY_UNKNOWN);
		assert_int_equal(r.body_length, n >= told_from("Content") ? 7 : 0);
		assert_int_equal(r.close, r.version == 10 && n < told_from("Connection"));
	}
}

static void coding_of_a_cut_request_may_still_change(void **state)
{
	static const char gzip[] = "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nX";
	static const char chunked[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX";
	static const char whole[] = "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n";
	struct sonde_http1_request r;

	(void)state;
	assert_int_equal(cut_request(gzip, sizeof(gzip) - 1, &r), 0);
	assert_int_equal(r.body, SONDE_HTTP1_BODY_UNKNOWN);
	assert_int_equal(cut_request(chunked, sizeof(chunked) - 1, &r), 0);
	assert_int_equal(r.body, SONDE_HTTP1_BODY_CHUNKED);
	assert_int_equal(cut_request(whole, sizeof(whole) - 1, &r), -EPROTO);
}

static void whole_heads_read_the_same_as_uncut(void **state)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char ok[] = "HTTP/1.1 200 OK\r\n\r\n";
	struct sonde_http1_request r, want;
	struct sonde_http1_response p;

	(void)state;
	assert_true(sonde_http1_parse_request(SONDE_SLICE_LIT(get), &want) > 0);
	assert_int_equal(cut_request(get, sizeof(get) - 1, &r), 0);
	assert_true(sonde_slice_eq(r.host, want.host));
	assert_int_equal(r.body, SONDE_HTTP1_BODY_NONE);
	assert_int_equal(cut_response(ok, sizeof(ok) - 1, &p), 0);
	assert_int_equal(p.body, SONDE_HTTP1_BODY_CLOSE);
}

static void cut_response_gives_the_status(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nDate: ";
	const size_t length_told = sizeof(text) - sizeof("ate: ");

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		struct sonde_http1_response r, before;

		memset(&r, 0xa5, sizeof(r));
		before = r;
		if (n < sizeof("HTTP/1.1 200") - 1) {
			assert_int_equal(cut_response(text, n, &r), -EAGAIN);
			assert_memory_equal(&r, &before, sizeof(r));
			continue;
		}
		assert_int_equal(cut_response(text, n, &r), 0);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.version, 11);
		assert_false(r.close);
		assert_int_equal(r.body, n >= length_told ? SONDE_HTTP1_BODY_LENGTH
							  : SONDE_HTTP1_BODY_UNKNOWN);
	}
}

static void status_alone_may_tell_the_body(void **state)
{
	struct sonde_http1_response r, before;

	(void)state;
	assert_int_equal(cut_response("HTTP/1.1 304 Not", 16, &r), 0);
	assert_int_equal(r.body, SONDE_HTTP1_BODY_NONE);
	assert_int_equal(cut_response("HTTP/1.0 500", 12, &r), 0);
	assert_int_equal(r.body, SONDE_HTTP1_BODY_UNKNOWN);
	before = r;
	assert_int_equal(cut_response("HTTP/1.1 2x0 ", 13, &r), -EPROTO);
	assert_int_equal(cut_response("HTTP/1.1 200 \r\nContent-Length: x\r\nA", 36, &r), -EPROTO);
	assert_memory_equal(&r, &before, sizeof(r));
}

static void too_many_lines_do_not_lose_the_front(void **state)
{
	char text[8 * (SONDE_HTTP1_FIELDS_MAX + 8)];
	size_t len = (size_t)sprintf(text, "GET /a HTTP/1.1\r\nHost: h\r\n");
	struct sonde_http1_request r;

	(void)state;
	for (int i = 0; i <= SONDE_HTTP1_FIELDS_MAX; i++)
		len += (size_t)sprintf(text + len, "A: b\r\n");
	assert_int_equal(sonde_http1_parse_request(sonde_slice_of(text, len), &r), -E2BIG);
	assert_int_equal(cut_request(text, len, &r), 0);
	is_text(r.host, "h");
	assert_int_equal(r.body, SONDE_HTTP1_BODY_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_first_line_gives_method_and_path_so_far),
		cmocka_unit_test(too_little_of_a_request_asks_for_more),
		cmocka_unit_test(cut_heads_of_something_else_are_refused),
		cmocka_unit_test(cut_request_gives_what_whole_lines_tell),
		cmocka_unit_test(coding_of_a_cut_request_may_still_change),
		cmocka_unit_test(whole_heads_read_the_same_as_uncut),
		cmocka_unit_test(cut_response_gives_the_status),
		cmocka_unit_test(status_alone_may_tell_the_body),
		cmocka_unit_test(too_many_lines_do_not_lose_the_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
