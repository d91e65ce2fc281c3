// SPDX-License-Identifier: Apache-2.0
/*
 * The breaker trips after the whole time above the share, and not a moment or a packet sooner.
 */
#include "agent/limit/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/core/clock.h"

#define S SONDE_NS_PER_SEC

static const struct sonde_limit_breaker_config half = { 50, 10 * S };

/* One sample a second, each with SEEN packets more of which LOST were dropped; the second at which
 * it trips, or -1. */
static int run(const struct sonde_limit_breaker_config *config, uint64_t seen, uint64_t lost, int n)
{
	struct sonde_limit_breaker b = { 0 };

	for (int i = 0; i < n; i++)
		if (sonde_limit_breaker_sample(&b, config, (uint64_t)(i + 1) * S,
					       (uint64_t)i * seen, (uint64_t)i * lost))
			return i;
	return -1;
}

static void more_than_the_share_for_the_whole_time_trips(void **state)
{
	(void)state;
	assert_int_equal(run(&half, 1000, 501, 60), 10);
	assert_int_equal(run(&half, 1, 1, 60), 10);
	assert_int_equal(run(&(struct sonde_limit_breaker_config){ 90, 3 * S }, 1000, 901, 60), 3);
}

static void the_share_itself_does_not_trip(void **state)
{
	(void)state;
	assert_int_equal(run(&half, 1000, 500, 60), -1);
	assert_int_equal(run(&half, 1000, 0, 60), -1);
	assert_int_equal(run(&half, 0, 0, 60), -1);
}

static void zero_turns_it_off(void **state)
{
	(void)state;
	assert_int_equal(run(&(struct sonde_limit_breaker_config){ 0, 10 * S }, 10, 10, 60), -1);
	assert_int_equal(run(&(struct sonde_limit_breaker_config){ 50, 0 }, 10, 10, 60), -1);
}

static void a_quiet_second_begins_the_time_anew(void **state)
{
	struct sonde_limit_breaker b = { 0 };
	uint64_t seen = 0, lost = 0;
	int tripped = -1;

	(void)state;
	for (int i = 0; i < 40 && tripped < 0; i++) {
		if (sonde_limit_breaker_sample(&b, &half, (uint64_t)(i + 1) * S, seen, lost))
			tripped = i;
		seen += 100;
		lost += i == 8 ? 0 : 100; /* what the sample of second 9 sees */
	}
	assert_int_equal(tripped, 19);
}

static void counters_that_go_back_begin_anew(void **state)
{
	struct sonde_limit_breaker b = { 0 };

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_false(sonde_limit_breaker_sample(&b, &half, (uint64_t)(i + 1) * S,
							1000 + (uint64_t)i * 10,
							1000 + (uint64_t)i * 10));
	assert_false(sonde_limit_breaker_sample(&b, &half, 12 * S, 10, 10));
	assert_int_equal(b.since_ns, 0);
	assert_false(sonde_limit_breaker_sample(&b, &half, 21 * S, 20, 20));
	assert_true(sonde_limit_breaker_sample(&b, &half, 22 * S, 30, 30));
}

static void totals_near_the_end_of_their_range_are_compared_right(void **state)
{
	struct sonde_limit_breaker b = { 0 };
	const struct sonde_limit_breaker_config now = { 50, 1 };

	(void)state;
	assert_false(sonde_limit_breaker_sample(&b, &now, S, 0, 0));
	assert_false(sonde_limit_breaker_sample(&b, &now, 2 * S, UINT64_MAX - 1, UINT64_MAX / 2));
	assert_true(sonde_limit_breaker_sample(&b, &now, 3 * S, UINT64_MAX, UINT64_MAX / 2 + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_the_share_for_the_whole_time_trips),
		cmocka_unit_test(the_share_itself_does_not_trip),
		cmocka_unit_test(zero_turns_it_off),
		cmocka_unit_test(a_quiet_second_begins_the_time_anew),
		cmocka_unit_test(counters_that_go_back_begin_anew),
		cmocka_unit_test(totals_near_the_end_of_their_range_are_compared_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
