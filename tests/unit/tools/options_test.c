// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/sonde/cli.h"
#include "tools/sonde/trace.h"

struct values {
	bool flag;
	char *text;
	uint64_t count, seconds, duration;
	int choice;
	struct sonde_words list, commas;
};

static const char *const colours[] = { "red", "green", NULL };

static const struct sonde_option table[] = {
	{ "flag", 'f', SONDE_OPTION_FLAG, offsetof(struct values, flag), NULL, NULL, "" },
	{ "text", 't', SONDE_OPTION_TEXT, offsetof(struct values, text), "T", NULL, "" },
	{ "count", 'n', SONDE_OPTION_COUNT, offsetof(struct values, count), "N", NULL, "" },
	{ "seconds", 0, SONDE_OPTION_SECONDS, offsetof(struct values, seconds), "S", NULL, "" },
	{ "duration", 0, SONDE_OPTION_DURATION, offsetof(struct values, duration), "D", NULL, "" },
	{ "choice", 'c', SONDE_OPTION_CHOICE, offsetof(struct values, choice), "C", colours, "" },
	{ "list", 0, SONDE_OPTION_LIST, offsetof(struct values, list), "L", NULL, "" },
	{ "commas", 0, SONDE_OPTION_COMMAS, offsetof(struct values, commas), "L", NULL, "" },
};

enum { ARGS = 32 };

struct line {
	struct values values;
	struct sonde_words words;
	char error[SONDE_OPTIONS_ERROR];
	char bytes[512];
};

/* Parses TEXT, words separated by one blank, into L. */
static int parse(struct line *l, const char *text)
{
	char *argv[ARGS], program[] = "x", *save = NULL, *word;
	int argc = 1;

	*l = (struct line){ .values.choice = -1 };
	strcpy(l->bytes, text);
	argv[0] = program;
	for (word = strtok_r(l->bytes, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return sonde_options_parse(table, sizeof(table) / sizeof(table[0]), &l->values, argc, argv,
				   &l->words, l->error);
}

static void every_form_of_an_option_is_read(void **state)
{
	static const char *const lines[] = { "--text value", "--text=value",	    "-t value",
					     "-tvalue",	     "--flag --text value", "-f -t value" };
	struct line l;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_true(parse(&l, lines[i]) > 0);
		assert_string_equal(l.values.text, "value");
		assert_int_equal(l.values.flag, i >= 4);
	}
}

static void values_land_where_the_table_says(void **state)
{
	struct line l;

	(void)state;
	assert_true(parse(&l, "--count 7 --seconds 0.5 --duration 10ms -c green --list a,b "
			      "--list c --commas a,b,c word -- --flag") > 0);
	assert_int_equal(l.values.count, 7);
	assert_int_equal(l.values.seconds, 500000000);
	assert_int_equal(l.values.duration, 10000000);
	assert_int_equal(l.values.choice, 1);
	assert_int_equal(l.values.list.n, 2);
	assert_string_equal(l.values.list.items[0], "a,b");
	assert_int_equal(l.values.commas.n, 3);
	assert_string_equal(l.values.commas.items[2], "c");
	assert_int_equal(l.words.n, 2);
	assert_string_equal(l.words.items[1], "--flag");
	assert_false(l.values.flag);
}

static void mistakes_name_the_option_and_what_is_right(void **state)
{
	static const struct {
		const char *line, *error;
	} samples[] = {
		{ "--cuont 3", "unknown option --cuont; did you mean --count?" },
		{ "--zzzzzzzz", "unknown option --zzzzzzzz" },
		{ "-z", "unknown option -z" },
		{ "--text", "--text needs a value: T" },
		{ "--flag=1", "--flag takes no value" },
		{ "--count 0", "--count: '0' is not a number from 1" },
		{ "--count -1", "--count: '-1' is not a number from 1" },
		{ "--count 1x", "--count: '1x' is not a number from 1" },
		{ "--duration 10", "--duration: '10' is not a duration, such as 10ms or 1.5s" },
		{ "--seconds 0", "--seconds: '0' is not a time in seconds, such as 5 or 500ms" },
		{ "-c blue", "--choice: 'blue' is not one of red, green" },
		{ "-c gren", "--choice: 'gren' is not known; did you mean green?" },
		{ "--commas a,,b", "--commas: '' is not a value" },
	};
	struct line l;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		assert_int_equal(parse(&l, samples[i].line), -EINVAL);
		assert_string_equal(l.error, samples[i].error);
	}
}

static void help_is_known_everywhere(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(parse(&l, "--flag --help --count"), -ECANCELED);
	assert_int_equal(parse(&l, "-h"), -ECANCELED);
	assert_true(parse(&l, "-t -h") > 0);
	assert_string_equal(l.values.text, "-h");
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		bool bare, good;
		uint64_t ns;
	} samples[] = {
		{ "10ms", false, true, 10000000 },
		{ "1.5s", false, true, 1500000000 },
		{ "250us", false, true, 250000 },
		{ "7ns", false, true, 7 },
		{ "2m", false, true, 120000000000 },
		{ "1h", true, true, 3600000000000 },
		{ "3", true, true, 3000000000 },
		{ "0ms", false, true, 0 },
		{ "3", false, false, 0 },
		{ "", true, false, 0 },
		{ "-1s", true, false, 0 },
		{ "1d", true, false, 0 },
		{ "inf", true, false, 0 },
		{ "nan", true, false, 0 },
		{ "0x10s", true, false, 0 },
		{ "1e3s", true, false, 0 },
		{ "ms", false, false, 0 },
		{ "1 ms", false, false, 0 },
		{ "99999999999h", false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		uint64_t ns = 0;
		int err = sonde_duration_parse(samples[i].text, samples[i].bare, &ns);

		if ((err == 0) != samples[i].good || ns != samples[i].ns)
			fail_msg("%s", samples[i].text);
	}
}

static void statuses(void **state)
{
	static const struct {
		const char *text;
		uint32_t first, last; /* 0: refused */
	} samples[] = {
		{ "404", 404, 404 }, { "5xx", 500, 599 },
		{ "4XX", 400, 499 }, { "400-403", 400, 403 },
		{ "0xx", 0, 0 },     { "xx", 0, 0 },
		{ "", 0, 0 },	     { "0", 0, 0 },
		{ "403-400", 0, 0 }, { "70000", 0, 0 },
		{ "5xxx", 0, 0 },    { "4-", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		uint32_t first = 0, last = 0;

		assert_int_equal(sonde_trace_status_range(samples[i].text, &first, &last),
				 samples[i].first ? 0 : -EINVAL);
		assert_int_equal(first, samples[i].first);
		assert_int_equal(last, samples[i].last);
	}
}

static void fail_on_conditions(void **state)
{
	static const struct sonde_request fine = { .status = 200, .duration_ns = 5000000 },
					  failed = { .status = 503,
						     .error = SONDE_ERROR_STATUS,
						     .duration_ns = 20000000 };
	static const struct {
		const char *text;
		bool good, by_fine, by_failed;
	} samples[] = {
		{ NULL, true, false, false },	      { "error", true, false, true },
		{ "5xx", true, false, true },	      { "200", true, true, false },
		{ ">10ms", true, false, true },	      { ">1ms", true, true, true },
		{ "sometimes", false, false, false }, { ">", false, false, false },
	};
	struct sonde_trace_condition c;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		assert_int_equal(sonde_trace_condition_parse(samples[i].text, &c),
				 samples[i].good ? 0 : -EINVAL);
		if (!samples[i].good)
			continue;
		assert_int_equal(sonde_trace_condition_met(&c, &fine), samples[i].by_fine);
		assert_int_equal(sonde_trace_condition_met(&c, &failed), samples[i].by_failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_an_option_is_read),
		cmocka_unit_test(values_land_where_the_table_says),
		cmocka_unit_test(mistakes_name_the_option_and_what_is_right),
		cmocka_unit_test(help_is_known_everywhere),
		cmocka_unit_test(durations),
		cmocka_unit_test(statuses),
		cmocka_unit_test(fail_on_conditions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
