// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/model/histogram.h"

static struct sonde_histogram_view view(int scale, int32_t offset, const uint32_t *counts, size_t n)
{
	struct sonde_histogram_view v = {
		.scale = scale, .offset = offset, .counts = counts, .n_counts = n
	};

	for (size_t i = 0; i < n; i++)
		v.count += counts[i];
	return v;
}

static uint32_t at(const struct sonde_buckets *b, int32_t index)
{
	if (index < b->offset || index >= b->offset + (int32_t)b->n)
		return 0;
	return b->counts[index - b->offset];
}

static void sum_of_overlapping_ranges(void **state)
{
	static const uint32_t a[] = { 1, 2, 3 }, c[] = { 10, 20 };
	struct sonde_histogram_view va = view(4, -2, a, 3), vc = view(4, -4, c, 2),
				    vd = view(4, 1, c, 2);
	struct sonde_buckets b = { 0 };

	(void)state;
	sonde_buckets_add(&b, &va);
	sonde_buckets_add(&b, &vc);
	sonde_buckets_add(&b, &vd);
	assert_int_equal(b.count, 66);
	assert_int_equal(b.scale, 4);
	assert_int_equal(at(&b, -4), 10);
	assert_int_equal(at(&b, -3), 20);
	assert_int_equal(at(&b, -2), 1);
	assert_int_equal(at(&b, 0), 3);
	assert_int_equal(at(&b, 1), 10);
	assert_int_equal(at(&b, 2), 20);
}

static void different_scales_meet_at_the_coarser(void **state)
{
	static const uint32_t fine[] = { 1, 2, 3, 4 }, coarse[] = { 100 };
	struct sonde_histogram_view vf = view(4, -3, fine, 4), vc = view(3, -1, coarse, 1);

	(void)state;
	for (int order = 0; order < 2; order++) {
		struct sonde_buckets b = { 0 };

		sonde_buckets_add(&b, order ? &vf : &vc);
		sonde_buckets_add(&b, order ? &vc : &vf);
		assert_int_equal(b.scale, 3);
		/* -3 -> -2; -2, -1 -> -1; 0 -> 0 */
		assert_int_equal(at(&b, -2), 1);
		assert_int_equal(at(&b, -1), 105);
		assert_int_equal(at(&b, 0), 4);
	}
}

static void wide_sum_goes_coarser_and_keeps_the_count(void **state)
{
	static const uint32_t one[] = { 7 };
	struct sonde_histogram_view low = view(4, -200, one, 1), high = view(4, 199, one, 1);
	struct sonde_buckets b = { 0 };
	uint64_t sum = 0;

	(void)state;
	sonde_buckets_add(&b, &low);
	sonde_buckets_add(&b, &high);
	assert_int_equal(b.scale, 2);
	assert_true(b.n <= SONDE_HISTOGRAM_BUCKETS);
	for (size_t i = 0; i < b.n; i++)
		sum += b.counts[i];
	assert_int_equal(sum, 14);
	assert_int_equal(at(&b, -50), 7);
	assert_int_equal(at(&b, 49), 7);
}

static void difference_is_what_came_since(void **state)
{
	static const uint32_t before[] = { 1, 2 }, after[] = { 4, 5, 6 };
	struct sonde_histogram_view old = view(4, 0, before, 2), now = view(4, -1, after, 3);
	struct sonde_buckets b = { 0 };

	(void)state;
	old.sum = 1.5;
	now.sum = 4;
	old.zero_count = 1;
	now.zero_count = 3;
	sonde_buckets_add(&b, &now);
	sonde_buckets_subtract(&b, &old);
	assert_int_equal(b.count, 12);
	assert_int_equal(b.zero_count, 2);
	assert_true(b.sum == 2.5);
	assert_int_equal(at(&b, -1), 4);
	assert_int_equal(at(&b, 0), 4);
	assert_int_equal(at(&b, 1), 4);
}

static void difference_never_goes_below_zero(void **state)
{
	static const uint32_t few[] = { 1 }, many[] = { 9 };
	struct sonde_histogram_view small = view(4, 0, few, 1), big = view(4, 0, many, 1);
	struct sonde_buckets b = { 0 };

	(void)state;
	sonde_buckets_add(&b, &small);
	sonde_buckets_subtract(&b, &big);
	assert_int_equal(b.count, 0);
	assert_int_equal(at(&b, 0), 0);
}

static void counts_saturate(void **state)
{
	static const uint32_t most[] = { UINT32_MAX };
	struct sonde_histogram_view v = view(4, 0, most, 1);
	struct sonde_buckets b = { 0 };

	(void)state;
	sonde_buckets_add(&b, &v);
	sonde_buckets_add(&b, &v);
	assert_int_equal(at(&b, 0), UINT32_MAX);
	assert_true(b.count == 2ULL * UINT32_MAX);
}

static void view_without_buckets_only_counts(void **state)
{
	struct sonde_histogram_view v = { .count = 5, .sum = 2 }, out;
	struct sonde_buckets b = { 0 };

	(void)state;
	sonde_buckets_add(&b, &v);
	sonde_buckets_view(&b, &out);
	assert_int_equal(out.count, 5);
	assert_int_equal(out.n_counts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_of_overlapping_ranges),
		cmocka_unit_test(different_scales_meet_at_the_coarser),
		cmocka_unit_test(wide_sum_goes_coarser_and_keeps_the_count),
		cmocka_unit_test(difference_is_what_came_since),
		cmocka_unit_test(difference_never_goes_below_zero),
		cmocka_unit_test(counts_saturate),
		cmocka_unit_test(view_without_buckets_only_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
