// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/core/slice.h"
#include "tests/unit/guard.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))
#define LIT(s)	SONDE_SLICE_LIT(s)

static void at_and_sub_stay_inside(void **state)
{
	struct guard g = guard_new(3);
	struct sonde_slice s = guard_put(&g, LIT("abc"));

	(void)state;
	assert_int_equal(sonde_slice_at(s, 0), 'a');
	assert_int_equal(sonde_slice_at(s, 2), 'c');
	assert_int_equal(sonde_slice_at(s, 3), -1);
	assert_int_equal(sonde_slice_at(s, SIZE_MAX), -1);
	assert_int_equal(sonde_slice_at(LIT("\xff"), 0), 0xff);
	assert_true(sonde_slice_eq(sonde_slice_sub(s, 1, 1), LIT("b")));
	assert_true(sonde_slice_eq(sonde_slice_sub(s, 1, SIZE_MAX), LIT("bc")));
	assert_int_equal(sonde_slice_sub(s, 3, 1).len, 0);
	assert_int_equal(sonde_slice_sub(s, SIZE_MAX, SIZE_MAX).len, 0);
	assert_true(sonde_slice_eq(sonde_slice_from(s, 2), LIT("c")));
	assert_int_equal(sonde_slice_from(s, 4).len, 0);
	guard_free(&g);
}

static void empty_slices_are_equal_whatever_they_point_to(void **state)
{
	(void)state;
	assert_true(sonde_slice_eq(SONDE_SLICE_EMPTY, sonde_slice_of("x", 0)));
	assert_true(sonde_slice_eq(sonde_slice_str(NULL), sonde_slice_str("")));
	assert_true(sonde_slice_eq_nocase(SONDE_SLICE_EMPTY, LIT("")));
	assert_true(sonde_slice_starts(SONDE_SLICE_EMPTY, SONDE_SLICE_EMPTY));
}

static void equality_looks_at_every_byte(void **state)
{
	(void)state;
	assert_true(sonde_slice_eq(LIT("a\0b"), LIT("a\0b")));
	assert_false(sonde_slice_eq(LIT("a\0b"), LIT("a\0c")));
	assert_false(sonde_slice_eq(LIT("ab"), LIT("abc")));
	assert_false(sonde_slice_eq(LIT("ab"), LIT("AB")));
}

static void nocase_folds_ascii_letters_only(void **state)
{
	(void)state;
	assert_true(sonde_slice_eq_nocase(LIT("aZ09-_"), LIT("Az09-_")));
	assert_false(sonde_slice_eq_nocase(LIT("[a"), LIT("{a")));
	assert_false(sonde_slice_eq_nocase(LIT("@"), LIT("`")));
	assert_false(sonde_slice_eq_nocase(LIT("\xc4"), LIT("\xe4")));
	assert_false(sonde_slice_eq_nocase(LIT("ab"), LIT("abc")));
}

static void starts_and_find_do_not_look_behind_the_end(void **state)
{
	struct guard g = guard_new(4);
	struct sonde_slice s = guard_put(&g, LIT("a.b."));

	(void)state;
	assert_true(sonde_slice_starts(s, LIT("a.")));
	assert_true(sonde_slice_starts(s, LIT("")));
	assert_false(sonde_slice_starts(s, LIT("b")));
	assert_false(sonde_slice_starts(s, LIT("a.b.c")));
	assert_int_equal(sonde_slice_find(s, 0, '.'), 1);
	assert_int_equal(sonde_slice_find(s, 2, '.'), 3);
	assert_int_equal(sonde_slice_find(s, 0, 'x'), 4);
	assert_int_equal(sonde_slice_find(s, 4, '.'), 4);
	assert_int_equal(sonde_slice_find(s, SIZE_MAX, '.'), 4);
	assert_int_equal(sonde_slice_find(SONDE_SLICE_EMPTY, 0, 'x'), 0);
	guard_free(&g);
}

static void trim_takes_blanks_at_both_ends(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "a", "a" },  { " \ta\t ", "a" }, { "a b", "a b" },	 { " ", "" },
		{ " \t", "" }, { "", "" },	   { "\na\r", "\na\r" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		assert_true(sonde_slice_eq(sonde_slice_trim(sonde_slice_str(rows[i].in)),
					   sonde_slice_str(rows[i].want)));
}

static void u64_reads_whole_numbers(void **state)
{
	static const struct {
		const char *text;
		unsigned int base;
		int ret;
		uint64_t value;
	} rows[] = {
		{ "0", 10, 0, 0 },
		{ "007", 10, 0, 7 },
		{ "18446744073709551615", 10, 0, UINT64_MAX },
		{ "18446744073709551616", 10, -ERANGE, 0 },
		{ "184467440737095516150", 10, -ERANGE, 0 },
		{ "ffffffffffffffff", 16, 0, UINT64_MAX },
		{ "10000000000000000", 16, -ERANGE, 0 },
		{ "fF09", 16, 0, 0xff09 },
		{ "", 10, -EINVAL, 0 },
		{ "-1", 10, -EINVAL, 0 },
		{ "+1", 10, -EINVAL, 0 },
		{ " 1", 10, -EINVAL, 0 },
		{ "1 ", 10, -EINVAL, 0 },
		{ "1a", 10, -EINVAL, 0 },
		{ "1g", 16, -EINVAL, 0 },
		{ "0x1", 16, -EINVAL, 0 },
		{ "1.0", 10, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		uint64_t value = 42;

		if (sonde_slice_u64(sonde_slice_str(rows[i].text), rows[i].base, &value) !=
		    rows[i].ret)
			fail_msg("%s", rows[i].text);
		assert_true(value == (rows[i].ret ? 42 : rows[i].value));
	}
}

static void glob_matches_like_a_shell(void **state)
{
	static const struct {
		const char *text, *pattern;
		bool want;
	} rows[] = {
		{ "", "", true },	    { "", "*", true },		{ "", "?", false },
		{ "abc", "abc", true },	    { "abc", "ab", false },	{ "ab", "abc", false },
		{ "abc", "a?c", true },	    { "abc", "a*", true },	{ "abc", "*c", true },
		{ "abc", "*b*", true },	    { "abc", "*d*", false },	{ "abc", "***", true },
		{ "/a/b/c", "/a/*", true }, { "/a/b/c", "/*/c", true }, { "aXbXc", "a*X?", true },
		{ "aaab", "*aab", true },   { "aaa", "*aab", false },	{ "a*c", "a\\*c", true },
		{ "abc", "a\\*c", false },  { "a?", "a\\?", true },	{ "a\\", "a\\\\", true },
		{ "a", "\\a", true },	    { "a", "a\\", false },	{ "\\", "\\", false },
		{ "xab*", "*a?\\*", true }, { "aab", "*\\ab", true },	{ "a?b", "a*b", true },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		if (sonde_slice_glob(sonde_slice_str(rows[i].text),
				     sonde_slice_str(rows[i].pattern)) != rows[i].want)
			fail_msg("'%s' and '%s'", rows[i].text, rows[i].pattern);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_and_sub_stay_inside),
		cmocka_unit_test(empty_slices_are_equal_whatever_they_point_to),
		cmocka_unit_test(equality_looks_at_every_byte),
		cmocka_unit_test(nocase_folds_ascii_letters_only),
		cmocka_unit_test(starts_and_find_do_not_look_behind_the_end),
		cmocka_unit_test(trim_takes_blanks_at_both_ends),
		cmocka_unit_test(u64_reads_whole_numbers),
		cmocka_unit_test(glob_matches_like_a_shell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
