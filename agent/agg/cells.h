// SPDX-License-Identifier: Apache-2.0
/*
 * cells - every counter of one series in one array that is only as wide as it must be.
 *
 *   | zeros | duration 15 | request body 11 | response body 11 | exponential buckets, 0..160 |
 *
 * All cells have the same width: one byte at first, doubled (to 2, 4, 8) when one of them would run
 * over. Most series are cold, so most take less than 100 bytes; none ever loses a count. The
 * exponential part (OpenTelemetry data model, "ExponentialHistogram") covers only the buckets
 * between the lowest and the highest value seen, and merges neighbours, which lowers its scale,
 * when that would be more than SONDE_HISTOGRAM_BUCKETS.
 */
#ifndef SONDE_AGG_CELLS_H
#define SONDE_AGG_CELLS_H

#include "agent/agg/arena.h"
#include "agent/model/metric.h"

enum {
	SONDE_DURATION_BOUNDS = 14,
	SONDE_BODY_BOUNDS = 10,
	SONDE_CELL_ZERO = 0,
	SONDE_CELL_DURATION = 1,
	SONDE_CELL_REQUEST = SONDE_CELL_DURATION + SONDE_DURATION_BOUNDS + 1,
	SONDE_CELL_RESPONSE = SONDE_CELL_REQUEST + SONDE_BODY_BOUNDS + 1,
	SONDE_CELLS_FIXED = SONDE_CELL_RESPONSE + SONDE_BODY_BOUNDS + 1,
};

struct sonde_cells {
	uint8_t *ptr;	/* owned, a block of the arena */
	int32_t offset; /* index of the first exponential bucket, at this scale */
	uint8_t units;	/* size of the block */
	uint8_t shift;	/* a cell has 1 << shift bytes */
	uint8_t n;	/* exponential buckets */
	int8_t scale;
};

extern const double sonde_duration_bounds[SONDE_DURATION_BOUNDS]; /* seconds */
extern const double sonde_body_bounds[SONDE_BODY_BOUNDS];	  /* bytes */

/* All zero. 0 or -ENOMEM. */
int sonde_cells_init(struct sonde_cells *c, struct sonde_arena *a);
void sonde_cells_fini(struct sonde_cells *c, struct sonde_arena *a);

uint64_t sonde_cells_at(const struct sonde_cells *c, size_t i);
/*
 * Counts one in a cell, whatever its width. When the arena is out of memory a cell stays at its
 * highest value, and buckets are merged instead of added; nothing else is affected.
 */
void sonde_cells_add(struct sonde_cells *c, struct sonde_arena *a, size_t i);
/* Makes the buckets reach to INDEX (at scale SONDE_HISTOGRAM_SCALE) and returns its cell. */
size_t sonde_cells_cover(struct sonde_cells *c, struct sonde_arena *a, int32_t index);

/* Which of 15 explicit buckets NS is in: BOUNDS rise, are inclusive and end with two UINT64_MAX. */
static inline size_t sonde_cells_bucket(const uint64_t bounds[SONDE_DURATION_BOUNDS + 2],
					uint64_t ns)
{
	size_t i = 0;

	i += ns > bounds[i + 7] ? 8 : 0;
	i += ns > bounds[i + 3] ? 4 : 0;
	i += ns > bounds[i + 1] ? 2 : 0;
	i += ns > bounds[i] ? 1 : 0;
	return i;
}

/* The explicit buckets of a duration (upper bound included) and of a number of bytes. */
size_t sonde_duration_bucket(uint64_t ns);
size_t sonde_body_bucket(uint64_t bytes);
/*
 * The exponential bucket of a duration at scale SONDE_HISTOGRAM_SCALE, exact: the i for which
 * base^i < seconds <= base^(i + 1), base = 2^(1/16). NS is not 0.
 */
int32_t sonde_duration_index(uint64_t ns);

/* The cell that counts a duration exponentially. Stays good until another one is asked for. */
static inline size_t sonde_cells_of_value(struct sonde_cells *c, struct sonde_arena *a, uint64_t ns)
{
	int32_t index;
	uint32_t at;

	if (!ns)
		return SONDE_CELL_ZERO;
	index = sonde_duration_index(ns);
	at = (uint32_t)(index >> (SONDE_HISTOGRAM_SCALE - c->scale)) - (uint32_t)c->offset;
	return at < c->n ? SONDE_CELLS_FIXED + at : sonde_cells_cover(c, a, index);
}

enum { SONDE_CELLS_PER_RECORD = 4 };

/* Counts one in each of four different cells. */
void sonde_cells_add_all(struct sonde_cells *c, struct sonde_arena *a,
			 const size_t at[SONDE_CELLS_PER_RECORD]);

#endif
