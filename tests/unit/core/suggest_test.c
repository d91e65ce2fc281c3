// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/core/suggest.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))
#define FORTY	"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd"

static void distance_counts_edits_up_to_what_a_slip_may_be(void **state)
{
	static const struct {
		const char *word, *known;
		size_t want;
	} rows[] = {
		{ "trace", "trace", 1 },
		{ "statsu", "status", 2 },
		{ "tarce", "trace", 2 },
		{ "tracr", "trace", 1 },
		{ "trac", "trace", 1 },
		{ "timeouts", "timeout", 1 },
		{ "request", "request_head_bytes", 1 },
		{ "to", "top", 1 },
		{ "pot", "top", SIZE_MAX },
		{ "t", "trace", SIZE_MAX },
		{ "tr", "trace", SIZE_MAX },
		{ "srvc", "services", SIZE_MAX },
		{ "sxrxicxs", "services", SIZE_MAX },
		{ "cxmplxtixn", "completion", 3 },
		{ "cxmplxtxxn", "completion", SIZE_MAX },
		{ "", "top", SIZE_MAX },
		{ "top", "", SIZE_MAX },
		{ FORTY, FORTY, 1 },
		{ FORTY "x", FORTY, SIZE_MAX },
		{ FORTY, FORTY "x", SIZE_MAX },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		size_t n = sonde_suggest_distance(sonde_slice_str(rows[i].word),
						  sonde_slice_str(rows[i].known));

		if (n != rows[i].want)
			fail_msg("%s, %s: %zu", rows[i].word, rows[i].known, n);
	}
}

static void nearest_name_wins_and_the_first_of_equals(void **state)
{
	static const char *const names[] = { "table", "wide", "json", "jsonl", NULL };
	static const char *const none[] = { NULL };

	(void)state;
	assert_string_equal(sonde_suggest("jsonx", names), "json");
	assert_string_equal(sonde_suggest("jsnl", names), "jsonl");
	assert_string_equal(sonde_suggest("wid", names), "wide");
	assert_null(sonde_suggest("yaml", names));
	assert_null(sonde_suggest("", names));
	assert_null(sonde_suggest("json", none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_counts_edits_up_to_what_a_slip_may_be),
		cmocka_unit_test(nearest_name_wins_and_the_first_of_equals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
