// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/cells.h"

#include <errno.h>
#include <string.h>

/* OpenTelemetry semantic conventions 1.44: advised buckets of http.server.request.duration. */
const double sonde_duration_bounds[SONDE_DURATION_BOUNDS] = {
	0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
};
const double sonde_body_bounds[SONDE_BODY_BOUNDS] = {
	0, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192,
};

enum {
	FIRST_UNITS = 2,
	MANTISSA_BITS = 52,
	CELL_BITS = 5, /* of the mantissa, to look up where to begin */
};

static size_t room(const struct sonde_cells *c)
{
	return ((size_t)c->units * SONDE_ARENA_UNIT >> c->shift) - SONDE_CELLS_FIXED;
}

int sonde_cells_init(struct sonde_cells *c, struct sonde_arena *a)
{
	uint8_t *ptr = sonde_arena_get(a, FIRST_UNITS);

	if (!ptr)
		return -ENOMEM;
	memset(ptr, 0, (size_t)FIRST_UNITS * SONDE_ARENA_UNIT);
	*c = (struct sonde_cells){
		.ptr = ptr,
		.units = FIRST_UNITS,
		.scale = SONDE_HISTOGRAM_SCALE,
	};
	return 0;
}

void sonde_cells_fini(struct sonde_cells *c, struct sonde_arena *a)
{
	sonde_arena_put(a, c->ptr, c->units);
	*c = (struct sonde_cells){ 0 };
}

uint64_t sonde_cells_at(const struct sonde_cells *c, size_t i)
{
	uint64_t v = 0;

	/* Little-endian: the low bytes come first. Both architectures of the agent are. */
	memcpy(&v, c->ptr + (i << c->shift), (size_t)1 << c->shift);
	return v;
}

static void set(struct sonde_cells *c, size_t i, uint64_t v)
{
	memcpy(c->ptr + (i << c->shift), &v, (size_t)1 << c->shift);
}

static uint64_t highest(const struct sonde_cells *c)
{
	return c->shift == 3 ? UINT64_MAX : ((uint64_t)1 << (8u << c->shift)) - 1;
}

/* Moves to a block for N exponential buckets of 1 << SHIFT bytes. The new ones, at the end, are 0.
 */
static int resize(struct sonde_cells *c, struct sonde_arena *a, size_t n, uint8_t shift)
{
	size_t bytes = (SONDE_CELLS_FIXED + n) << shift;
	size_t units = (bytes + SONDE_ARENA_UNIT - 1) / SONDE_ARENA_UNIT;
	struct sonde_cells next = *c;

	next.ptr = sonde_arena_get(a, units);
	if (!next.ptr)
		return -ENOMEM;
	next.units = (uint8_t)units;
	next.shift = shift;
	memset(next.ptr, 0, units * SONDE_ARENA_UNIT);
	for (size_t i = 0; i < (size_t)SONDE_CELLS_FIXED + c->n; i++)
		set(&next, i, sonde_cells_at(c, i));
	sonde_arena_put(a, c->ptr, c->units);
	*c = next;
	return 0;
}

/* Adds to a cell, wider cells if need be; without memory for those it stays at its highest. */
static void add_many(struct sonde_cells *c, struct sonde_arena *a, size_t i, uint64_t n)
{
	uint64_t sum;

	if (__builtin_add_overflow(sonde_cells_at(c, i), n, &sum))
		sum = UINT64_MAX;
	while (sum > highest(c)) {
		if (resize(c, a, c->n, c->shift + 1))
			sum = highest(c);
	}
	set(c, i, sum);
}

/* Counts in a cell that has room for one more at its width of 1, 2 or 4 bytes. */
static bool add_one(struct sonde_cells *c, size_t i)
{
	/* Blocks of the arena have no type of their own and are aligned for any. */
	void *cells = c->ptr;

	if (c->shift == 0 && c->ptr[i] != UINT8_MAX)
		c->ptr[i]++;
	else if (c->shift == 1 && ((uint16_t *)cells)[i] != UINT16_MAX)
		((uint16_t *)cells)[i]++;
	else if (c->shift == 2 && ((uint32_t *)cells)[i] != UINT32_MAX)
		((uint32_t *)cells)[i]++;
	else
		return false;
	return true;
}

void sonde_cells_add(struct sonde_cells *c, struct sonde_arena *a, size_t i)
{
	if (!add_one(c, i))
		add_many(c, a, i, 1);
}

/* These count in all four cells, or in none when one of them is full. */
static bool add_8(uint8_t *cells, const size_t *at)
{
	uint8_t *a = cells + at[0], *b = cells + at[1], *c = cells + at[2], *d = cells + at[3];

	if ((*a == UINT8_MAX) | (*b == UINT8_MAX) | (*c == UINT8_MAX) | (*d == UINT8_MAX))
		return false;
	++*a;
	++*b;
	++*c;
	++*d;
	return true;
}

static bool add_16(uint16_t *cells, const size_t *at)
{
	uint16_t *a = cells + at[0], *b = cells + at[1], *c = cells + at[2], *d = cells + at[3];

	if ((*a == UINT16_MAX) | (*b == UINT16_MAX) | (*c == UINT16_MAX) | (*d == UINT16_MAX))
		return false;
	++*a;
	++*b;
	++*c;
	++*d;
	return true;
}

static bool add_32(uint32_t *cells, const size_t *at)
{
	uint32_t *a = cells + at[0], *b = cells + at[1], *c = cells + at[2], *d = cells + at[3];

	if ((*a == UINT32_MAX) | (*b == UINT32_MAX) | (*c == UINT32_MAX) | (*d == UINT32_MAX))
		return false;
	++*a;
	++*b;
	++*c;
	++*d;
	return true;
}

void sonde_cells_add_all(struct sonde_cells *c, struct sonde_arena *a,
			 const size_t at[SONDE_CELLS_PER_RECORD])
{
	/* Blocks of the arena have no type of their own and are aligned for any. */
	if ((c->shift == 0 && add_8(c->ptr, at)) ||
	    (c->shift == 1 && add_16((uint16_t *)(void *)c->ptr, at)) ||
	    (c->shift == 2 && add_32((uint32_t *)(void *)c->ptr, at)))
		return;
	for (size_t i = 0; i < SONDE_CELLS_PER_RECORD; i++)
		sonde_cells_add(c, a, at[i]);
}

/* Lowers the scale by one: buckets 2k and 2k + 1 become k. */
static void halve(struct sonde_cells *c, struct sonde_arena *a)
{
	int32_t first = c->offset >> 1;
	size_t n = c->n ? (size_t)(((c->offset + c->n - 1) >> 1) - first + 1) : 0;

	for (size_t i = 0; i < c->n; i++) {
		size_t to = (size_t)(((c->offset + (int32_t)i) >> 1) - first);
		uint64_t v = sonde_cells_at(c, SONDE_CELLS_FIXED + i);

		set(c, SONDE_CELLS_FIXED + i, 0);
		add_many(c, a, SONDE_CELLS_FIXED + to, v);
	}
	c->offset = first;
	c->n = (uint8_t)n;
	c->scale--;
}

/* Makes the buckets reach from FIRST to LAST, which is not more than there is room for. */
static void stretch(struct sonde_cells *c, int32_t first, int32_t last)
{
	size_t n = (size_t)(last - first) + 1, before = c->n ? (size_t)(c->offset - first) : 0;
	uint8_t *buckets = c->ptr + ((size_t)SONDE_CELLS_FIXED << c->shift);
	size_t used = (size_t)c->n << c->shift, gap = before << c->shift;

	memmove(buckets + gap, buckets, used);
	memset(buckets, 0, gap);
	memset(buckets + gap + used, 0, (n << c->shift) - gap - used);
	c->offset = first;
	c->n = (uint8_t)n;
}

size_t sonde_cells_cover(struct sonde_cells *c, struct sonde_arena *a, int32_t index)
{
	for (;;) {
		int32_t i = index >> (SONDE_HISTOGRAM_SCALE - c->scale);
		int32_t first = c->n && c->offset < i ? c->offset : i;
		int32_t last = c->n && c->offset + c->n - 1 > i ? c->offset + c->n - 1 : i;
		size_t n = (size_t)(last - first) + 1;

		if (n <= SONDE_HISTOGRAM_BUCKETS &&
		    (n <= room(c) || resize(c, a, n, c->shift) == 0)) {
			stretch(c, first, last);
			return SONDE_CELLS_FIXED + (size_t)(i - first);
		}
		halve(c, a);
	}
}

size_t sonde_duration_bucket(uint64_t ns)
{
	/* The bounds in nanoseconds, where comparing is exact; padded to a power of two. */
	static const uint64_t bounds[16] = {
		5000000,    10000000,	 25000000,   50000000,	 75000000,   100000000,
		250000000,  500000000,	 750000000,  1000000000, 2500000000, 5000000000,
		7500000000, 10000000000, UINT64_MAX, UINT64_MAX,
	};

	return sonde_cells_bucket(bounds, ns);
}

size_t sonde_body_bucket(uint64_t bytes)
{
	/* 0, then powers of two from 32 = 2^5: the bits that BYTES - 1 needs, less 4. */
	unsigned int bits;

	if (bytes <= 32)
		return bytes ? 1 : 0;
	bits = 64 - (unsigned int)__builtin_clzll(bytes - 1);
	return bits > 13 ? SONDE_BODY_BOUNDS : bits - 4;
}

int32_t sonde_duration_index(uint64_t ns)
{
	/* Mantissas of 2^(k/16), rounded down; none but the first is a whole number. */
	static const uint64_t thresholds[17] = {
		0x0,
		0xb5586cf9890f,
		0x172b83c7d517a,
		0x2387a6e756238,
		0x306fe0a31b715,
		0x3dea64c123422,
		0x4bfdad5362a27,
		0x5ab07dd485429,
		0x6a09e667f3bcc,
		0x7a11473eb0186,
		0x8ace5422aa0db,
		0x9c49182a3f090,
		0xae89f995ad3ad,
		0xc199bdd85529c,
		0xd5818dcfba487,
		0xea4afa2a490d9,
		UINT64_MAX,
	};
	/* How many of them lie at or below the start of each 32nd; at most one lies within. */
	static const uint8_t begin[1 << CELL_BITS] = {
		0, 0, 1,  2,  2,  3,  3,  4,  5,  5,  6,  6,  7,  7,  8,  8,
		9, 9, 10, 10, 11, 11, 12, 12, 12, 13, 13, 14, 14, 14, 15, 15,
	};
	double seconds = (double)ns / 1e9;
	uint64_t bits, mantissa;
	int32_t exponent, k;

	memcpy(&bits, &seconds, sizeof(bits));
	/* Upper bounds are inclusive: one step down makes every comparison "at least". */
	bits--;
	mantissa = bits & (((uint64_t)1 << MANTISSA_BITS) - 1);
	exponent = (int32_t)(bits >> MANTISSA_BITS) - 1023;
	k = begin[mantissa >> (MANTISSA_BITS - CELL_BITS)];
	k += mantissa >= thresholds[k + 1];
	return exponent * 16 + k;
}
