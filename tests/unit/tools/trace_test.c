// SPDX-License-Identifier: Apache-2.0
/* How `sonde trace -o wide` shows where the time of a request went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/sample_request.h"
#include "tools/sonde/trace.h"

/* Column N of the line of R; words are separated by blanks. */
static void expect_column(const struct sonde_request *r, const char *head, const char *value)
{
	char *save_head = NULL, *save_line = NULL, *h, *l;
	struct sonde_buf heads, line;

	sonde_buf_init(&heads, 4096);
	sonde_buf_init(&line, 4096);
	sonde_trace_print_head(&heads, SONDE_FORMAT_WIDE);
	sonde_trace_print(&line, SONDE_FORMAT_WIDE, false, r);
	sonde_buf_put_byte(&heads, '\0');
	sonde_buf_put_byte(&line, '\0');
	h = strtok_r((char *)heads.ptr, " \n", &save_head);
	l = strtok_r((char *)line.ptr, " \n", &save_line);
	while (h && l && strcmp(h, head) != 0) {
		h = strtok_r(NULL, " \n", &save_head);
		l = strtok_r(NULL, " \n", &save_line);
	}
	assert_non_null(h);
	assert_string_equal(l, value);
	sonde_buf_fini(&heads);
	sonde_buf_fini(&line);
}

static struct sonde_request with_parts(void)
{
	struct sonde_request r = sample_request();

	r.has_parts = r.queue_known = true;
	r.network_ns = 1000000;
	r.queue_ns = 2000000;
	r.application_ns = 9000000;
	r.transfer_ns = 500000;
	return r;
}

static void parts_stand_in_their_columns(void **state)
{
	struct sonde_request r = with_parts();

	(void)state;
	expect_column(&r, "LATENCY", "12.5ms");
	expect_column(&r, "NETWORK", "1.00ms");
	expect_column(&r, "QUEUE", "2.00ms");
	expect_column(&r, "APP", "9.00ms");
	expect_column(&r, "TRANSFER", "500us");
	expect_column(&r, "TTFB", "12.0ms");
}

static void what_the_kernel_does_not_tell_is_a_dash(void **state)
{
	struct sonde_request r = with_parts();

	(void)state;
	r.queue_known = false;
	r.queue_ns = 0;
	expect_column(&r, "QUEUE", "-");
	expect_column(&r, "APP", "9.00ms");
	r.has_parts = false;
	expect_column(&r, "NETWORK", "-");
	expect_column(&r, "APP", "-");
	expect_column(&r, "TRANSFER", "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_stand_in_their_columns),
		cmocka_unit_test(what_the_kernel_does_not_tell_is_a_dash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
