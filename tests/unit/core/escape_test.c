// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/core/escape.h"
#include "tests/unit/guard.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))
#define BAD	"\xef\xbf\xbd"

static const struct {
	struct sonde_slice in;
	const char *terminal, *json, *label;
} rows[] = {
	{ SONDE_SLICE_LIT(""), "", "", "" },
	{ SONDE_SLICE_LIT("/a b~"), "/a b~", "/a b~", "/a b~" },
	{ SONDE_SLICE_LIT("\"\\"), "\"\\", "\\\"\\\\", "\\\"\\\\" },
	{ SONDE_SLICE_LIT("a\nb"), "a\\x0ab", "a\\u000ab", "a\\nb" },
	{ SONDE_SLICE_LIT("a\0b"), "a\\x00b", "a\\u0000b", "a" BAD "b" },
	{ SONDE_SLICE_LIT("\x1b[2J"), "\\x1b[2J", "\\u001b[2J", BAD "[2J" },
	{ SONDE_SLICE_LIT("\x7f"), "\\x7f", "\\u007f", BAD },
	{ SONDE_SLICE_LIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
	  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	/* C1, and the first character behind it. */
	{ SONDE_SLICE_LIT("\xc2\x9b"
			  "31m\xc2\xa0"),
	  "\\xc2\\x9b31m\xc2\xa0", "\\u00c2\\u009b31m\xc2\xa0", BAD BAD "31m\xc2\xa0" },
	/* Bidirectional: U+202E, U+2066, U+061C; U+202F is none. */
	{ SONDE_SLICE_LIT("\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\xe2\x80\xaf"),
	  "\\xe2\\x80\\xae\\xe2\\x81\\xa6\\xd8\\x9c\xe2\x80\xaf",
	  "\\u00e2\\u0080\\u00ae\\u00e2\\u0081\\u00a6\\u00d8\\u009c\xe2\x80\xaf",
	  BAD BAD BAD BAD BAD BAD BAD BAD "\xe2\x80\xaf" },
	/* Not UTF-8: alone, cut, overlong, surrogate, beyond Unicode. */
	{ SONDE_SLICE_LIT("\x80"
			  "a\xe2\x82"),
	  "\\x80a\\xe2\\x82", "\\u0080a\\u00e2\\u0082", BAD "a" BAD BAD },
	{ SONDE_SLICE_LIT("\xc0\xaf\xed\xa0\x80"), "\\xc0\\xaf\\xed\\xa0\\x80",
	  "\\u00c0\\u00af\\u00ed\\u00a0\\u0080", BAD BAD BAD BAD BAD },
	{ SONDE_SLICE_LIT("\xe0\x9f\xbf\xf0\x8f\xbf\xbf"), "\\xe0\\x9f\\xbf\\xf0\\x8f\\xbf\\xbf",
	  "\\u00e0\\u009f\\u00bf\\u00f0\\u008f\\u00bf\\u00bf", BAD BAD BAD BAD BAD BAD BAD },
	{ SONDE_SLICE_LIT("\xf4\x90\x80\x80\xff"), "\\xf4\\x90\\x80\\x80\\xff",
	  "\\u00f4\\u0090\\u0080\\u0080\\u00ff", BAD BAD BAD BAD BAD },
	{ SONDE_SLICE_LIT("\xe2\x82\"x"), "\\xe2\\x82\"x", "\\u00e2\\u0082\\\"x", BAD BAD "\\\"x" },
};

static void check(void (*escape)(struct sonde_buf *, struct sonde_slice), struct sonde_slice in,
		  const char *want)
{
	struct guard g = guard_new(in.len);
	char room[256];
	struct sonde_buf b;

	sonde_buf_over(&b, room, sizeof(room));
	escape(&b, guard_put(&g, in));
	assert_false(b.failed);
	if (!sonde_slice_eq(sonde_buf_slice(&b), sonde_slice_str(want)))
		fail_msg("'%.*s' instead of '%s'", (int)b.len, room, want);
	guard_free(&g);
}

static void each_format_escapes_in_its_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		check(sonde_escape_terminal, rows[i].in, rows[i].terminal);
		check(sonde_escape_json, rows[i].in, rows[i].json);
		check(sonde_escape_label, rows[i].in, rows[i].label);
	}
}

static size_t encode_utf8(uint32_t code, uint8_t out[4])
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xc0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (uint8_t)(0xe0 | code >> 12);
		out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | code >> 18);
	out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

static bool is_harmless(uint32_t c)
{
	static const uint32_t harmful[][2] = {
		{ 0, 0x1f },	    { 0x7f, 0x9f },	{ 0x61c, 0x61c },   { 0x200e, 0x200f },
		{ 0x2028, 0x202e }, { 0x2066, 0x2069 }, { 0xd800, 0xdfff }, { 0xfeff, 0xfeff },
	};

	for (size_t i = 0; i < N_OF(harmful); i++)
		if (c >= harmful[i][0] && c <= harmful[i][1])
			return false;
	return c <= 0x10ffff;
}

static void every_code_point_is_judged(void **state)
{
	(void)state;
	for (uint32_t code = 0; code < 0x110800; code++) {
		uint8_t bytes[4];
		size_t len = encode_utf8(code, bytes);

		if (sonde_escape_char(sonde_slice_of(bytes, len), 0) !=
		    (is_harmless(code) ? len : 0))
			fail_msg("U+%04X", code);
	}
	assert_int_equal(sonde_escape_char(SONDE_SLICE_LIT("a"), 1), 0);
}

static void cut_characters_are_harmful_and_not_overrun(void **state)
{
	static const char *const texts[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
	struct guard g = guard_new(4);

	(void)state;
	for (size_t i = 0; i < N_OF(texts); i++)
		for (size_t n = 1; n < strlen(texts[i]); n++)
			assert_int_equal(
				sonde_escape_char(guard_put(&g, sonde_slice_of(texts[i], n)), 0),
				0);
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_format_escapes_in_its_way),
		cmocka_unit_test(every_code_point_is_judged),
		cmocka_unit_test(cut_characters_are_harmful_and_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
