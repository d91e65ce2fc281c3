// SPDX-License-Identifier: Apache-2.0
/*
 * Cells never lose a count, however wide they must become and however far values lie apart.
 */
#include "agent/agg/cells.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/agg/agg.h"

static void add_value(struct sonde_cells *c, struct sonde_arena *a, uint64_t ns)
{
	sonde_cells_add(c, a, sonde_cells_of_value(c, a, ns));
}

static uint64_t sum_of_buckets(const struct sonde_cells *c)
{
	uint64_t sum = sonde_cells_at(c, SONDE_CELL_ZERO);

	for (size_t i = 0; i < c->n; i++)
		sum += sonde_cells_at(c, SONDE_CELLS_FIXED + i);
	return sum;
}

static void explicit_buckets_include_their_upper_bound(void **state)
{
	(void)state;
	assert_int_equal(sonde_duration_bucket(0), 0);
	for (size_t i = 0; i < SONDE_DURATION_BOUNDS; i++) {
		uint64_t ns = (uint64_t)llround(sonde_duration_bounds[i] * 1e9);

		assert_int_equal(sonde_duration_bucket(ns), i);
		assert_int_equal(sonde_duration_bucket(ns - 1), i);
		assert_int_equal(sonde_duration_bucket(ns + 1), i + 1);
	}
	assert_int_equal(sonde_duration_bucket(UINT64_MAX), SONDE_DURATION_BOUNDS);
	for (size_t i = 0; i < SONDE_BODY_BOUNDS; i++) {
		uint64_t bytes = (uint64_t)sonde_body_bounds[i];

		assert_int_equal(sonde_body_bucket(bytes), i);
		assert_int_equal(sonde_body_bucket(bytes + 1), i + 1);
	}
	assert_int_equal(sonde_body_bucket(UINT64_MAX), SONDE_BODY_BOUNDS);
}

static void check_index(uint64_t ns)
{
	long double v = (long double)((double)ns / 1e9);
	int32_t i = sonde_duration_index(ns);

	assert_true(v > exp2l((long double)i / 16));
	assert_true(v <= exp2l((long double)(i + 1) / 16));
}

static void the_exponential_bucket_holds_the_value(void **state)
{
	(void)state;
	srand(11);
	for (unsigned int bits = 1; bits < 64; bits++) {
		for (unsigned int i = 0; i < 200; i++) {
			uint64_t random =
				(uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();

			check_index((random >> (64 - bits)) | (uint64_t)1 << (bits - 1));
		}
	}
	/* Around each boundary, and on those that are whole: powers of two seconds. */
	for (int k = -29 * 16; k < 34 * 16; k++) {
		uint64_t ns = (uint64_t)(exp2(k / 16.0) * 1e9);

		for (uint64_t near = ns > 2 ? ns - 2 : 1; near <= ns + 2; near++)
			check_index(near);
	}
	assert_int_equal(sonde_duration_index(1000000000), -1);
	assert_int_equal(sonde_duration_index(2000000000), 15);
	assert_int_equal(sonde_duration_index(2000000001), 16);
}

static void a_cell_grows_wider_before_it_runs_over(void **state)
{
	struct sonde_arena arena = { 0 };
	struct sonde_cells c;

	(void)state;
	assert_int_equal(sonde_cells_init(&c, &arena), 0);
	for (uint64_t i = 1; i <= 70000; i++) {
		size_t at[] = { sonde_cells_of_value(&c, &arena, 1000000), 5, 7, 8 };

		sonde_cells_add_all(&c, &arena, at);
		assert_int_equal(sonde_cells_at(&c, 5), i);
		assert_int_equal(sonde_cells_at(&c, 7), i);
	}
	assert_int_equal(c.shift, 2);
	assert_int_equal(sonde_cells_at(&c, 4), 0);
	assert_int_equal(sonde_cells_at(&c, 6), 0);
	assert_int_equal(sum_of_buckets(&c), 70000);
	/* The edge of 32 bits is too far to walk to. */
	memset(c.ptr + 5 * 4, 0xff, 4);
	for (uint64_t i = 1; i <= 3; i++) {
		size_t at[] = { 5, 8, 9, 10 };

		sonde_cells_add_all(&c, &arena, at);
		assert_int_equal(sonde_cells_at(&c, 5), (uint64_t)UINT32_MAX + i);
		assert_int_equal(sonde_cells_at(&c, 10), i);
	}
	assert_int_equal(c.shift, 3);
	assert_int_equal(sum_of_buckets(&c), 70000);
	sonde_cells_fini(&c, &arena);
	sonde_arena_fini(&arena);
}

static void any_of_the_four_cells_may_be_the_full_one(void **state)
{
	/* By width: how often the one cell is counted, which is twice what that width holds. */
	static const uint64_t times[] = { 2 * UINT8_MAX, 2 * UINT16_MAX };

	(void)state;
	for (size_t k = 0; k < SONDE_CELLS_PER_RECORD * 2; k++) {
		struct sonde_arena arena = { 0 };
		struct sonde_cells c;

		assert_int_equal(sonde_cells_init(&c, &arena), 0);
		for (uint64_t i = 0; i < times[k / 4]; i++) {
			size_t other = 2 + i % 9 * 4;
			size_t at[] = { other, other + 1, other + 2, other + 3 };

			at[k % 4] = 1;
			sonde_cells_add_all(&c, &arena, at);
		}
		assert_int_equal(sonde_cells_at(&c, 1), times[k / 4]);
		assert_int_equal(c.shift, k / 4 + 1);
		sonde_cells_fini(&c, &arena);
		sonde_arena_fini(&arena);
	}
}

/* What the buckets at the final scale must hold, worked out from the values themselves. */
static void check_against_values(const struct sonde_cells *c, const uint64_t *ns, size_t n)
{
	uint64_t expected[SONDE_HISTOGRAM_BUCKETS] = { 0 };

	for (size_t i = 0; i < n; i++) {
		int32_t at = (sonde_duration_index(ns[i]) >> (SONDE_HISTOGRAM_SCALE - c->scale)) -
			     c->offset;

		assert_in_range(at, 0, c->n - 1);
		expected[at]++;
	}
	for (size_t i = 0; i < c->n; i++)
		assert_int_equal(sonde_cells_at(c, SONDE_CELLS_FIXED + i), expected[i]);
}

static void wide_data_lowers_the_scale_and_keeps_every_count(void **state)
{
	enum { N = 4000 };
	/* Orders of magnitude that the values span; scale 4 has room for 10 octaves. */
	static const struct {
		double decades;
		int scale;
	} cases[] = { { 1, 4 }, { 2.9, 4 }, { 5, 3 }, { 10, 2 }, { 18, 1 } };
	static uint64_t ns[N];

	(void)state;
	srand(5);
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		struct sonde_arena arena = { 0 };
		struct sonde_cells c;

		assert_int_equal(sonde_cells_init(&c, &arena), 0);
		for (size_t i = 0; i < N; i++) {
			/* Further and further apart, to both sides, so that full buckets are
			 * merged. */
			double apart = (double)i / (N - 1) / 2;
			double share = 0.5 + (i % 2 ? apart : -apart) *
						     (i < N - 2 ? rand() / (double)RAND_MAX : 1);

			ns[i] = 1 + (uint64_t)pow(10, cases[k].decades * share);
			add_value(&c, &arena, ns[i]);
			assert_in_range(c.n, 1, SONDE_HISTOGRAM_BUCKETS);
		}
		assert_int_equal(c.scale, cases[k].scale);
		check_against_values(&c, ns, N);
		sonde_cells_fini(&c, &arena);
		sonde_arena_fini(&arena);
	}
}

static void zero_has_a_cell_of_its_own(void **state)
{
	struct sonde_arena arena = { 0 };
	struct sonde_cells c;

	(void)state;
	assert_int_equal(sonde_cells_init(&c, &arena), 0);
	add_value(&c, &arena, 0);
	assert_int_equal(c.n, 0);
	assert_int_equal(sonde_cells_at(&c, SONDE_CELL_ZERO), 1);
	sonde_cells_fini(&c, &arena);
	sonde_arena_fini(&arena);
}

static void freed_blocks_are_handed_out_again(void **state)
{
	struct sonde_arena arena = { 0 };
	void *blocks[64];
	size_t memory;

	(void)state;
	assert_null(sonde_arena_get(&arena, 0));
	assert_null(sonde_arena_get(&arena, SONDE_ARENA_UNITS_MAX + 1));
	for (unsigned int round = 0; round < 50; round++) {
		for (size_t i = 0; i < 63; i++) {
			blocks[i] = sonde_arena_get(&arena, i + 1);
			assert_non_null(blocks[i]);
			memset(blocks[i], 0x5a, (i + 1) * SONDE_ARENA_UNIT);
		}
		for (size_t i = 0; i < 63; i++)
			sonde_arena_put(&arena, blocks[i], i + 1);
		if (!round)
			memory = arena.memory_bytes;
		assert_int_equal(arena.memory_bytes, memory);
	}
	sonde_arena_fini(&arena);
	assert_int_equal(arena.memory_bytes, 0);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void quantiles_are_within_2_2_percent(void **state)
{
	enum { N = 5000 };
	static const double qs[] = { 0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1 };
	static uint64_t ns[N];
	static uint32_t counts[SONDE_HISTOGRAM_BUCKETS];
	double worst = 0;

	(void)state;
	srand(17);
	for (unsigned int round = 0; round < 20; round++) {
		struct sonde_arena arena = { 0 };
		struct sonde_histogram_view v = { .counts = counts };
		struct sonde_cells c;

		assert_int_equal(sonde_cells_init(&c, &arena), 0);
		for (size_t i = 0; i < N; i++) {
			ns[i] = (uint64_t)(1e6 * pow(900, rand() / (double)RAND_MAX)) + 1;
			add_value(&c, &arena, ns[i]);
		}
		qsort(ns, N, sizeof(ns[0]), compare);
		for (size_t i = 0; i < c.n; i++)
			counts[i] = (uint32_t)sonde_cells_at(&c, SONDE_CELLS_FIXED + i);
		assert_int_equal(c.scale, SONDE_HISTOGRAM_SCALE);
		v.count = N;
		v.scale = c.scale;
		v.offset = c.offset;
		v.n_counts = c.n;
		v.min = (double)ns[0] / 1e9;
		v.max = (double)ns[N - 1] / 1e9;
		for (size_t i = 0; i < sizeof(qs) / sizeof(qs[0]); i++) {
			size_t rank = (size_t)ceil(qs[i] * N);
			double exact = (double)ns[rank ? rank - 1 : 0] / 1e9;
			double error = fabs(sonde_histogram_quantile(&v, qs[i]) / exact - 1);

			worst = error > worst ? error : worst;
		}
		sonde_cells_fini(&c, &arena);
		sonde_arena_fini(&arena);
	}
	print_message("# worst error %.4f\n", worst);
	assert_true(worst <= 0.022);
	assert_true(worst > 0.001);
}

static void quantile_of_nothing_or_of_zeros_is_zero(void **state)
{
	struct sonde_histogram_view v = { 0 };

	(void)state;
	assert_true(sonde_histogram_quantile(&v, 0.5) == 0);
	v.count = v.zero_count = 3;
	assert_true(sonde_histogram_quantile(&v, 0.99) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(explicit_buckets_include_their_upper_bound),
		cmocka_unit_test(the_exponential_bucket_holds_the_value),
		cmocka_unit_test(a_cell_grows_wider_before_it_runs_over),
		cmocka_unit_test(any_of_the_four_cells_may_be_the_full_one),
		cmocka_unit_test(wide_data_lowers_the_scale_and_keeps_every_count),
		cmocka_unit_test(zero_has_a_cell_of_its_own),
		cmocka_unit_test(freed_blocks_are_handed_out_again),
		cmocka_unit_test(quantiles_are_within_2_2_percent),
		cmocka_unit_test(quantile_of_nothing_or_of_zeros_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
