// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/agg.h"

#include <math.h>

/* The geometric middle of bucket I: no value of the bucket is further away than sqrt(base). */
static double middle_of(int scale, int32_t i)
{
	return exp2((i + 0.5) * exp2(-scale));
}

static double within(const struct sonde_histogram_view *v, double value)
{
	if (value < v->min)
		return v->min;
	return value > v->max ? v->max : value;
}

double sonde_histogram_quantile(const struct sonde_histogram_view *v, double q)
{
	uint64_t total = v->zero_count, seen = v->zero_count;
	double rank;

	for (size_t i = 0; i < v->n_counts; i++)
		total += v->counts[i];
	if (!total)
		return 0;
	/* The value of rank ceil(q * n), counted from 1: the nearest-rank definition. */
	rank = ceil((q < 0 ? 0 : q > 1 ? 1 : q) * (double)total);
	if (rank < 1)
		rank = 1;
	if (rank <= (double)seen)
		return 0;
	for (size_t i = 0; i < v->n_counts; i++) {
		seen += v->counts[i];
		if (rank <= (double)seen)
			return within(v, middle_of(v->scale, v->offset + (int32_t)i));
	}
	return v->max;
}
