// SPDX-License-Identifier: Apache-2.0
/*
 * What a person writes as a rate, a burst or a time is read as that or refused, and printed back.
 */
#include "agent/limit/amount.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "agent/core/clock.h"

typedef const char *parser(struct sonde_slice text, uint64_t *out);
typedef void printer(uint64_t v, struct sonde_buf *out);

static const char *print(printer *p, uint64_t v)
{
	static char text[SONDE_LIMIT_AMOUNT_TEXT];
	struct sonde_buf b;

	sonde_buf_over(&b, text, sizeof(text) - 1);
	p(v, &b);
	assert_false(b.failed);
	text[b.len] = '\0';
	return text;
}

struct row {
	const char *text;
	uint64_t value;
	const char *printed; /* NULL: as TEXT */
};

static void check_rows(parser *parse, printer *p, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v = 0;

		assert_null(parse(sonde_slice_str(rows[i].text), &v));
		assert_int_equal(v, rows[i].value);
		assert_string_equal(print(p, v), rows[i].printed ? rows[i].printed : rows[i].text);
	}
}

static void check_refused(parser *parse, const char *const *texts)
{
	for (size_t i = 0; texts[i]; i++) {
		uint64_t v = 4711;

		assert_non_null(parse(sonde_slice_str(texts[i]), &v));
		assert_int_equal(v, 4711);
	}
}

static void rates_are_whole_numbers_per_second(void **state)
{
	static const struct row rows[] = {
		{ "1/s", 1, NULL },
		{ "100/s", 100, NULL },
		{ "10K/s", 10000, NULL },
		{ "10k/s", 10000, "10K/s" },
		{ "1500/s", 1500, NULL },
		{ "1M/s", 1000000, NULL },
		{ "1000K/s", 1000000, "1M/s" },
		{ "2G/s", UINT64_C(2000000000), NULL },
		{ "8Mi/s", 8 << 20, NULL },
		{ "1Ki/s", 1024, NULL },
		{ "1000G/s", UINT64_C(1000000000000), NULL },
	};

	(void)state;
	check_rows(sonde_limit_rate_parse, sonde_limit_rate_print, rows,
		   sizeof(rows) / sizeof(rows[0]));
}

static void what_is_no_rate_is_refused(void **state)
{
	static const char *const texts[] = { "",
					     "/s",
					     "100",
					     "100/m",
					     "0/s",
					     "-1/s",
					     "1.5/s",
					     "K/s",
					     "1KK/s",
					     " 1/s",
					     "1/s ",
					     "1 /s",
					     "1T/s",
					     "1001G/s",
					     "0x10/s",
					     "99999999999999999999/s",
					     "18446744073709551615G/s",
					     NULL };

	(void)state;
	check_refused(sonde_limit_rate_parse, texts);
}

static void bursts_are_counts(void **state)
{
	static const struct row rows[] = { { "1", 1, NULL },
					   { "200", 200, NULL },
					   { "64Ki", 65536, NULL } };
	static const char *const texts[] = { "", "0", "1/s", "x", "1001G", NULL };

	(void)state;
	check_rows(sonde_limit_count_parse, sonde_limit_count_print, rows, 3);
	check_refused(sonde_limit_count_parse, texts);
}

static void none_must_be_typed_to_live_for_ever(void **state)
{
	static const struct row rows[] = {
		{ "1s", SONDE_NS_PER_SEC, NULL },
		{ "90s", 90 * SONDE_NS_PER_SEC, NULL },
		{ "60s", 60 * SONDE_NS_PER_SEC, "1m" },
		{ "1h", 3600 * SONDE_NS_PER_SEC, NULL },
		{ "7d", 7 * 86400 * SONDE_NS_PER_SEC, NULL },
		{ "none", SONDE_LIMIT_FOREVER, NULL },
	};
	static const char *const texts[] = {
		"",	"0",	"0s",	 "1",	"10ms",
		"367d", "None", "never", "1hh", "1000000000000000000000s",
		NULL
	};

	(void)state;
	check_rows(sonde_limit_ttl_parse, sonde_limit_ttl_print, rows, 6);
	check_refused(sonde_limit_ttl_parse, texts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_whole_numbers_per_second),
		cmocka_unit_test(what_is_no_rate_is_refused),
		cmocka_unit_test(bursts_are_counts),
		cmocka_unit_test(none_must_be_typed_to_live_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
