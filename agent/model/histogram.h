// SPDX-License-Identifier: Apache-2.0
/*
 * histogram - sums and differences of exponential histograms.
 *
 * Histograms of different scale meet at the coarser one: at scale s - 1, bucket i holds what i * 2
 * and i * 2 + 1 held (OpenTelemetry, metrics data model, "exponential scale"). A sum that spans
 * more buckets than there is room for goes coarser still.
 */
#ifndef SONDE_MODEL_HISTOGRAM_H
#define SONDE_MODEL_HISTOGRAM_H

#include "agent/model/metric.h"

/* An owned histogram without explicit buckets. Zero it to begin. */
struct sonde_buckets {
	uint64_t count, zero_count;
	double sum;
	int scale;
	int32_t offset; /* index of counts[0] */
	size_t n;	/* buckets in use; 0: scale and offset mean nothing yet */
	uint32_t counts[SONDE_HISTOGRAM_BUCKETS];
};

/* B += V. Counts saturate. */
void sonde_buckets_add(struct sonde_buckets *b, const struct sonde_histogram_view *v);
/* B -= V, an earlier state of what is in B. Counts end at 0. */
void sonde_buckets_subtract(struct sonde_buckets *b, const struct sonde_histogram_view *v);
/* Borrows B; min and max are not tracked. */
void sonde_buckets_view(const struct sonde_buckets *b, struct sonde_histogram_view *out);

#endif
