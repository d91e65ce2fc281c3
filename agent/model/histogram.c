// SPDX-License-Identifier: Apache-2.0
#include "agent/model/histogram.h"

#include <math.h>

/* Scales of OpenTelemetry end at -10 and 20; a shift by more than 31 moves all into one bucket. */
static int32_t shift_index(int64_t index, int by)
{
	return (int32_t)(index >> (by > 31 ? 31 : by));
}

static uint32_t add_saturating(uint32_t a, uint32_t b)
{
	uint32_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT32_MAX : sum;
}

static void coarsen(struct sonde_buckets *b, int by)
{
	int32_t offset = shift_index(b->offset, by);
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		size_t to = (size_t)(shift_index((int64_t)b->offset + (int64_t)i, by) - offset);
		uint32_t count = b->counts[i];

		/* `to` never passes i, so what is read is still the old. */
		b->counts[i] = 0;
		b->counts[to] = add_saturating(b->counts[to], count);
		n = to + 1;
	}
	b->offset = offset;
	b->n = n;
	b->scale -= by;
}

/* Makes room in B for the indices FIRST to LAST of its scale, which fit with its own. */
static void widen(struct sonde_buckets *b, int32_t first, int32_t last)
{
	if (first < b->offset) {
		size_t by = (size_t)(b->offset - first);

		memmove(b->counts + by, b->counts, b->n * sizeof(b->counts[0]));
		memset(b->counts, 0, by * sizeof(b->counts[0]));
		b->offset = first;
		b->n += by;
	}
	if (last >= b->offset + (int32_t)b->n) {
		size_t n = (size_t)(last - b->offset) + 1;

		memset(b->counts + b->n, 0, (n - b->n) * sizeof(b->counts[0]));
		b->n = n;
	}
}

/* How much coarser than B's scale the union of B and V must be. */
static int steps_to_fit(const struct sonde_buckets *b, const struct sonde_histogram_view *v)
{
	int by = v->scale < b->scale ? b->scale - v->scale : 0;

	for (;; by++) {
		int v_by = v->scale - (b->scale - by);
		int32_t first = shift_index(b->offset, by), v_first = shift_index(v->offset, v_by);
		int32_t last = shift_index((int64_t)b->offset + (int64_t)b->n - 1, by);
		int32_t v_last = shift_index((int64_t)v->offset + (int64_t)v->n_counts - 1, v_by);
		int64_t low = first < v_first ? first : v_first;
		int64_t high = last > v_last ? last : v_last;

		if (high - low < SONDE_HISTOGRAM_BUCKETS)
			return by;
	}
}

/* Brings B to a scale and a range that hold V's buckets too. */
static void make_room(struct sonde_buckets *b, const struct sonde_histogram_view *v)
{
	int v_by;

	if (!b->n) {
		b->scale = v->scale;
		b->offset = v->offset;
		b->n = 1;
		b->counts[0] = 0;
	}
	coarsen(b, steps_to_fit(b, v));
	v_by = v->scale - b->scale;
	widen(b, shift_index(v->offset, v_by),
	      shift_index((int64_t)v->offset + (int64_t)v->n_counts - 1, v_by));
}

static uint32_t *bucket_of(struct sonde_buckets *b, const struct sonde_histogram_view *v, size_t i)
{
	int32_t index = shift_index((int64_t)v->offset + (int64_t)i, v->scale - b->scale);

	return &b->counts[index - b->offset];
}

void sonde_buckets_add(struct sonde_buckets *b, const struct sonde_histogram_view *v)
{
	b->count += v->count;
	b->zero_count += v->zero_count;
	b->sum += v->sum;
	if (!v->n_counts)
		return;
	make_room(b, v);
	for (size_t i = 0; i < v->n_counts; i++) {
		uint32_t *to = bucket_of(b, v, i);

		*to = add_saturating(*to, v->counts[i]);
	}
}

void sonde_buckets_subtract(struct sonde_buckets *b, const struct sonde_histogram_view *v)
{
	b->count -= v->count < b->count ? v->count : b->count;
	b->zero_count -= v->zero_count < b->zero_count ? v->zero_count : b->zero_count;
	b->sum -= v->sum;
	if (!v->n_counts)
		return;
	make_room(b, v);
	for (size_t i = 0; i < v->n_counts; i++) {
		uint32_t *from = bucket_of(b, v, i);

		*from -= v->counts[i] < *from ? v->counts[i] : *from;
	}
}

void sonde_buckets_view(const struct sonde_buckets *b, struct sonde_histogram_view *out)
{
	*out = (struct sonde_histogram_view){
		.count = b->count,
		.zero_count = b->zero_count,
		.sum = b->sum,
		.min = NAN,
		.max = NAN,
		.scale = b->scale,
		.offset = b->offset,
		.counts = b->counts,
		.n_counts = b->n,
	};
}
