// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/core/hash.h"
#include "agent/core/table.h"

struct entry {
	uint64_t key, value;
};

static struct sonde_table *must_new(size_t max)
{
	struct sonde_table *t = NULL;

	assert_int_equal(sonde_table_new(max, sizeof(struct entry), &t), 0);
	return t;
}

static struct entry *add(struct sonde_table *t, uint64_t key)
{
	bool added = false;
	struct entry *e = sonde_table_get(t, key, &added);

	assert_non_null(e);
	assert_true(added);
	e->key = key;
	return e;
}

static void senseless_sizes_are_refused(void **state)
{
	static const size_t rows[][2] = {
		{ 0, 16 },	  { 1, 0 },	   { 1, 3 },
		{ SIZE_MAX, 16 }, { 1, SIZE_MAX }, { 1024, SIZE_MAX / 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sonde_table *t = NULL;

		assert_int_equal(sonde_table_new(rows[i][0], rows[i][1], &t), -EINVAL);
		assert_null(t);
	}
	sonde_table_free(NULL);
}

static void added_entries_are_zeroed_and_found(void **state)
{
	struct sonde_table *t = must_new(4);
	struct entry *e;
	bool added = true;

	(void)state;
	assert_null(sonde_table_find(t, 0));
	e = add(t, 0);
	assert_int_equal(e->value, 0);
	e->value = 7;
	assert_ptr_equal(sonde_table_find(t, 0), e);
	assert_ptr_equal(sonde_table_get(t, 0, &added), e);
	assert_false(added);
	assert_int_equal(e->value, 7);
	assert_null(sonde_table_find(t, UINT64_MAX));
	assert_int_equal(sonde_table_len(t), 1);
	sonde_table_free(t);
}

static void full_table_refuses_and_recovers(void **state)
{
	struct sonde_table *t = must_new(3);
	bool added = true;

	(void)state;
	for (uint64_t key = 0; key < 3; key++)
		add(t, key);
	assert_null(sonde_table_get(t, 3, &added));
	assert_false(added);
	assert_non_null(sonde_table_get(t, 2, &added));
	assert_null(sonde_table_find(t, 3));
	assert_int_equal(sonde_table_len(t), 3);
	assert_true(sonde_table_remove(t, 1));
	assert_int_equal(add(t, 3)->value, 0);
	assert_null(sonde_table_get(t, 1, &added));
	sonde_table_free(t);
}

static void removed_memory_is_reused_and_zeroed(void **state)
{
	struct sonde_table *t = must_new(8);
	struct entry *first = add(t, 1), *second = add(t, 2);
	size_t memory = sonde_table_memory(t);

	(void)state;
	first->value = second->value = UINT64_MAX;
	assert_true(sonde_table_remove(t, 1));
	assert_false(sonde_table_remove(t, 1));
	assert_true(sonde_table_remove(t, 2));
	assert_int_equal(sonde_table_len(t), 0);
	assert_ptr_equal(add(t, 3), second);
	assert_ptr_equal(add(t, 4), first);
	assert_int_equal(first->value, 0);
	assert_int_equal(second->value, 0);
	assert_int_equal(sonde_table_memory(t), memory);
	sonde_table_free(t);
}

static void iteration_sees_each_once_and_allows_removal(void **state)
{
	struct sonde_table *t = must_new(100);
	unsigned int seen[100] = { 0 };
	size_t cursor = 0;
	struct entry *e;
	uint64_t key;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		add(t, i);
	while ((e = sonde_table_next(t, &cursor, &key))) {
		assert_int_equal(e->key, key);
		seen[key]++;
		if (key % 2)
			assert_true(sonde_table_remove(t, key));
	}
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(sonde_table_len(t), 50);
	cursor = 0;
	while (sonde_table_next(t, &cursor, &key))
		assert_int_equal(key % 2, 0);
	sonde_table_free(t);
}

enum { KEYS = 64, MAX = 48, STEPS = 200000 };

/* Keys that all begin at the same slot, so that removals close holes in long runs. */
static void colliding_keys(uint64_t keys[KEYS], size_t capacity)
{
	size_t n = 0;

	for (uint64_t key = 0; n < KEYS; key++)
		if ((sonde_hash_u64(key) & (capacity - 1)) >= capacity - 2)
			keys[n++] = key;
}

static void long_runs_behave_like_a_plain_array(void **state)
{
	struct sonde_table *t = must_new(MAX);
	struct entry *have[KEYS] = { NULL };
	uint64_t keys[KEYS], random = 1;
	size_t len = 0;

	(void)state;
	colliding_keys(keys, 128);
	for (int step = 0; step < STEPS; step++) {
		size_t k = (random = random * 6364136223846793005ULL + 1) >> 58;
		bool added = false;

		if (random >> 40 & 1) {
			assert_int_equal(sonde_table_remove(t, keys[k]), have[k] != NULL);
			len -= have[k] != NULL;
			have[k] = NULL;
		} else {
			struct entry *e = sonde_table_get(t, keys[k], &added);

			assert_int_equal(added, !have[k] && len < MAX);
			if (have[k])
				assert_ptr_equal(e, have[k]);
			have[k] = e;
			len += added;
		}
		assert_int_equal(sonde_table_len(t), len);
		k = random >> 52 & (KEYS - 1);
		assert_ptr_equal(sonde_table_find(t, keys[k]), have[k]);
	}
	sonde_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(senseless_sizes_are_refused),
		cmocka_unit_test(added_entries_are_zeroed_and_found),
		cmocka_unit_test(full_table_refuses_and_recovers),
		cmocka_unit_test(removed_memory_is_reused_and_zeroed),
		cmocka_unit_test(iteration_sees_each_once_and_allows_removal),
		cmocka_unit_test(long_runs_behave_like_a_plain_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
