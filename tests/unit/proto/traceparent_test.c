// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/proto/traceparent.h"
#include "tests/unit/guard.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static int parse(const struct guard *g, struct sonde_slice in)
{
	struct sonde_slice trace = SONDE_SLICE_LIT("t"), span = SONDE_SLICE_LIT("s");
	int ret = sonde_traceparent_parse(guard_put(g, in), &trace, &span);

	if (ret == 0) {
		assert_int_equal(trace.len, 32);
		assert_int_equal(span.len, 16);
	} else {
		assert_true(sonde_slice_eq(trace, SONDE_SLICE_LIT("t")));
		assert_true(sonde_slice_eq(span, SONDE_SLICE_LIT("s")));
	}
	return ret;
}

static void valid_values_give_both_ids(void **state)
{
	static const char *const rows[] = {
		"00-" TRACE "-" SPAN "-01",  "00-" TRACE "-" SPAN "-00",
		"00-" TRACE "-" SPAN "-ff",  "01-" TRACE "-" SPAN "-01",
		"fe-" TRACE "-" SPAN "-01-", "cc-" TRACE "-" SPAN "-01-what-will-be",
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_slice trace, span;

		assert_int_equal(sonde_traceparent_parse(sonde_slice_str(rows[i]), &trace, &span),
				 0);
		assert_true(sonde_slice_eq(trace, SONDE_SLICE_LIT(TRACE)));
		assert_true(sonde_slice_eq(span, SONDE_SLICE_LIT(SPAN)));
	}
}

static void invalid_values_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"ff-" TRACE "-" SPAN "-01",
		"FE-" TRACE "-" SPAN "-01",
		"0g-" TRACE "-" SPAN "-01",
		"00-00000000000000000000000000000000-" SPAN "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
		"00-" TRACE "-00F067AA0BA902B7-01",
		"00-" TRACE "-" SPAN "-0A",
		"00-" TRACE "-" SPAN "-01-",
		"00-" TRACE "-" SPAN "-012",
		"01-" TRACE "-" SPAN "-012",
		"00_" TRACE "-" SPAN "-01",
		"00-" TRACE "_" SPAN "-01",
		"00-" TRACE "-" SPAN "_01",
	};
	struct guard g = guard_new(4096);

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		if (parse(&g, sonde_slice_str(rows[i])) != -EPROTO)
			fail_msg("taken: %s", rows[i]);
	guard_free(&g);
}

static void every_proper_prefix_is_refused(void **state)
{
	const struct sonde_slice in = SONDE_SLICE_LIT("00-" TRACE "-" SPAN "-01");
	struct guard g = guard_new(in.len);

	(void)state;
	assert_int_equal(parse(&g, in), 0);
	for (size_t n = 0; n < in.len; n++)
		assert_int_equal(parse(&g, sonde_slice_sub(in, 0, n)), -EPROTO);
	guard_free(&g);
}

static bool is_lower_hex(int byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
}

/* Byte for byte against the grammar, for a later version, which forbids the least. */
static void only_lower_case_hex_is_taken(void **state)
{
	static const char text[] = "11-" TRACE "-" SPAN "-01";
	struct guard g = guard_new(sizeof(text));
	char copy[sizeof(text)];

	(void)state;
	memcpy(copy, text, sizeof(text));
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		for (int byte = 0; byte < 256; byte++) {
			bool want = text[i] == '-' ? byte == '-' : is_lower_hex(byte);

			copy[i] = (char)byte;
			if ((parse(&g, sonde_slice_of(copy, sizeof(text) - 1)) == 0) != want)
				fail_msg("byte %d at %zu", byte, i);
		}
		copy[i] = text[i];
	}
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_values_give_both_ids),
		cmocka_unit_test(invalid_values_are_refused),
		cmocka_unit_test(every_proper_prefix_is_refused),
		cmocka_unit_test(only_lower_case_hex_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
