// SPDX-License-Identifier: Apache-2.0
/*
 * A map of connections finds what was put into it and nothing else, whatever comes and goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/agg/live.h"

enum { IDS = 500, STEPS = 200000 };

static void it_finds_what_is_there_and_nothing_else(void **state)
{
	static uint64_t model[IDS + 1];
	struct sonde_live l;
	size_t n = 0;

	(void)state;
	assert_int_equal(sonde_live_init(&l, 100000), 0);
	srand(31);
	for (uint64_t step = 1; step <= STEPS; step++) {
		uint64_t id = 1 + (uint64_t)rand() % IDS, *value = sonde_live_find(&l, id);

		assert_int_equal(value ? *value : 0, model[id]);
		if (rand() % 2) {
			n += !model[id];
			*sonde_live_get(&l, id) = model[id] = step;
		} else {
			n -= model[id] != 0;
			sonde_live_remove(&l, id);
			model[id] = 0;
		}
		assert_int_equal(l.len, n);
	}
	for (uint64_t id = 1; id <= IDS; id++)
		assert_int_equal(sonde_live_find(&l, id) ? *sonde_live_find(&l, id) : 0, model[id]);
	sonde_live_fini(&l);
}

static void it_grows_with_what_is_in_it_up_to_its_bound(void **state)
{
	struct sonde_live l;

	(void)state;
	assert_int_equal(sonde_live_init(&l, 1000), 0);
	assert_true(sonde_live_memory(&l) <= 4096);
	for (uint64_t id = 1; id <= 1000; id++)
		assert_non_null(sonde_live_get(&l, id << 40));
	assert_null(sonde_live_get(&l, 7));
	assert_non_null(sonde_live_get(&l, 1ull << 40)); /* is there already */
	sonde_live_remove(&l, 1ull << 40);
	assert_non_null(sonde_live_get(&l, 7));
	assert_true(sonde_live_memory(&l) <= 2048 * sizeof(struct sonde_live_slot));
	sonde_live_fini(&l);
}

static void id_0_is_nobodys(void **state)
{
	struct sonde_live l;

	(void)state;
	assert_int_equal(sonde_live_init(&l, 10), 0);
	assert_null(sonde_live_get(&l, 0));
	assert_null(sonde_live_find(&l, 0));
	sonde_live_remove(&l, 0);
	assert_int_equal(l.len, 0);
	sonde_live_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_finds_what_is_there_and_nothing_else),
		cmocka_unit_test(it_grows_with_what_is_in_it_up_to_its_bound),
		cmocka_unit_test(id_0_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
