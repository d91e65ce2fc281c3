// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/core/buf.h"
#include "tests/unit/guard.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

static void holds(const struct sonde_buf *b, const char *want)
{
	if (!sonde_slice_eq(sonde_buf_slice(b), sonde_slice_str(want)))
		fail_msg("'%.*s' instead of '%s'", (int)b->len, (const char *)b->ptr, want);
}

static void grows_up_to_its_limit(void **state)
{
	struct sonde_buf b;
	uint8_t byte = 'x';

	(void)state;
	sonde_buf_init(&b, 1000);
	for (int i = 0; i < 1000; i++)
		sonde_buf_put(&b, &byte, 1);
	assert_false(b.failed);
	assert_int_equal(b.len, 1000);
	assert_true(b.cap <= b.limit);
	sonde_buf_put_byte(&b, 'y');
	assert_true(b.failed);
	assert_int_equal(b.len, 1000);
	assert_int_equal(b.ptr[999], 'x');
	sonde_buf_fini(&b);
	sonde_buf_fini(&b);
	assert_null(b.ptr);
}

static void first_write_may_be_larger_than_the_first_step(void **state)
{
	struct sonde_buf b;
	char text[700];

	(void)state;
	memset(text, 'a', sizeof(text));
	sonde_buf_init(&b, 701);
	sonde_buf_put(&b, text, sizeof(text));
	sonde_buf_put_byte(&b, 'b');
	assert_false(b.failed);
	assert_int_equal(b.len, 701);
	assert_int_equal(b.ptr[700], 'b');
	sonde_buf_fini(&b);
}

static void borrowed_memory_is_never_passed(void **state)
{
	struct guard g = guard_new(4);
	struct sonde_slice room = guard_put(&g, SONDE_SLICE_LIT("...."));
	struct sonde_buf b;

	(void)state;
	sonde_buf_over(&b, g.room + (room.ptr - g.room), room.len);
	sonde_buf_put_str(&b, "abcd");
	holds(&b, "abcd");
	sonde_buf_put_byte(&b, 'e');
	assert_true(b.failed);
	holds(&b, "abcd");
	sonde_buf_fini(&b);
	guard_free(&g);
}

static void error_is_sticky_and_writes_nothing(void **state)
{
	char room[4];
	struct sonde_buf b;

	(void)state;
	sonde_buf_over(&b, room, sizeof(room));
	sonde_buf_put_str(&b, "ab");
	sonde_buf_put_str(&b, "cde");
	assert_true(b.failed);
	holds(&b, "ab");
	sonde_buf_put_byte(&b, 'c');
	sonde_buf_put_u64(&b, 1);
	sonde_buf_printf(&b, "%d", 1);
	assert_int_equal(sonde_buf_reserve(&b, 0), -ENOSPC);
	holds(&b, "ab");
	sonde_buf_reset(&b);
	assert_false(b.failed);
	holds(&b, "");
	sonde_buf_put_str(&b, "abcd");
	assert_false(b.failed);
	holds(&b, "abcd");
}

static void sizes_that_overflow_are_refused(void **state)
{
	struct sonde_buf b;

	(void)state;
	sonde_buf_init(&b, SIZE_MAX);
	sonde_buf_put_str(&b, "abc");
	assert_int_equal(sonde_buf_reserve(&b, SIZE_MAX), -ENOSPC);
	assert_true(b.failed);
	holds(&b, "abc");
	sonde_buf_fini(&b);
	sonde_buf_init(&b, 0);
	sonde_buf_put_byte(&b, 'a');
	assert_true(b.failed);
	sonde_buf_put(&b, NULL, 0);
	assert_int_equal(b.len, 0);
	sonde_buf_fini(&b);
}

static void integers_are_written_in_full(void **state)
{
	char room[128];
	struct sonde_buf b;

	(void)state;
	sonde_buf_over(&b, room, sizeof(room));
	sonde_buf_put_u64(&b, 0);
	sonde_buf_put_byte(&b, ' ');
	sonde_buf_put_u64(&b, UINT64_MAX);
	sonde_buf_put_byte(&b, ' ');
	sonde_buf_put_i64(&b, INT64_MIN);
	sonde_buf_put_byte(&b, ' ');
	sonde_buf_put_i64(&b, INT64_MAX);
	sonde_buf_put_byte(&b, ' ');
	sonde_buf_put_i64(&b, -1);
	holds(&b, "0 18446744073709551615 -9223372036854775808 9223372036854775807 -1");
}

static void doubles_are_short(void **state)
{
	static const struct {
		double value;
		const char *want;
	} rows[] = {
		{ 0, "0" },
		{ -0.0, "-0" },
		{ 0.25, "0.25" },
		{ 0.1, "0.1" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1e10, "10000000000" },
		{ 1e22, "1e+22" },
		{ -2.5, "-2.5" },
		{ INFINITY, "+Inf" },
		{ -INFINITY, "-Inf" },
		{ NAN, "NaN" },
	};
	char room[64];

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_buf b;

		sonde_buf_over(&b, room, sizeof(room));
		sonde_buf_put_double(&b, rows[i].value);
		holds(&b, rows[i].want);
	}
}

static void doubles_read_back_the_same(void **state)
{
	static const double rows[] = { 1.0 / 3, 2.0 / 3,    DBL_MAX,  DBL_MIN, DBL_EPSILON,
				       1e-7,	123456.789, 4.9e-324, 1e308,   0.005 };
	char room[64];

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_buf b;

		sonde_buf_over(&b, room, sizeof(room));
		sonde_buf_put_double(&b, rows[i]);
		sonde_buf_put_byte(&b, '\0');
		assert_true(strtod(room, NULL) == rows[i]);
	}
}

static void printf_writes_all_or_nothing(void **state)
{
	char room[8];
	struct sonde_buf b;

	(void)state;
	sonde_buf_over(&b, room, sizeof(room));
	sonde_buf_printf(&b, "%s-%d", "ab", 12);
	assert_false(b.failed);
	holds(&b, "ab-12");
	sonde_buf_printf(&b, "%s", "xyz1");
	assert_true(b.failed);
	holds(&b, "ab-12");
	sonde_buf_init(&b, 2000);
	sonde_buf_printf(&b, "%1000d", 7);
	assert_false(b.failed);
	assert_int_equal(b.len, 1000);
	assert_int_equal(b.ptr[999], '7');
	sonde_buf_fini(&b);
}

static void printf_of_any_length_is_whole(void **state)
{
	(void)state;
	for (int len = 250; len < 260; len++) {
		struct sonde_buf b;

		sonde_buf_init(&b, 1000);
		sonde_buf_printf(&b, "%*d", len, 7);
		assert_int_equal(b.len, len);
		assert_int_equal(b.ptr[len - 1], '7');
		sonde_buf_fini(&b);
	}
}

static void printf_may_fill_the_buffer_to_the_brim(void **state)
{
	struct guard g = guard_new(4);
	struct sonde_slice room = guard_put(&g, SONDE_SLICE_LIT("...."));
	struct sonde_buf b;

	(void)state;
	sonde_buf_over(&b, g.room + (room.ptr - g.room), room.len);
	sonde_buf_printf(&b, "%s", "abcd");
	assert_false(b.failed);
	holds(&b, "abcd");
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_up_to_its_limit),
		cmocka_unit_test(first_write_may_be_larger_than_the_first_step),
		cmocka_unit_test(borrowed_memory_is_never_passed),
		cmocka_unit_test(error_is_sticky_and_writes_nothing),
		cmocka_unit_test(sizes_that_overflow_are_refused),
		cmocka_unit_test(integers_are_written_in_full),
		cmocka_unit_test(doubles_are_short),
		cmocka_unit_test(doubles_read_back_the_same),
		cmocka_unit_test(printf_writes_all_or_nothing),
		cmocka_unit_test(printf_of_any_length_is_whole),
		cmocka_unit_test(printf_may_fill_the_buffer_to_the_brim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
