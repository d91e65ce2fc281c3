// SPDX-License-Identifier: Apache-2.0
/*
 * lines - where the line feeds are, 64 bytes at a time.
 *
 * Heads are made of short lines, where a memchr() per line costs more than the line. So a block is
 * compared at once, and its line feeds are the bits of a word:
 *
 *   Host: a\r\nVia: b\r\n...      block
 *   000000001000000001...        mask; the lowest bit set is the next line feed
 */
#ifndef SONDE_CORE_LINES_H
#define SONDE_CORE_LINES_H

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "agent/core/slice.h"

enum { SONDE_LINES_BLOCK = 64, SONDE_LINES_LANE = 16 };

#ifdef __SSE2__
static inline uint64_t sonde_lines_lane(const uint8_t *p)
{
	__m128i lane = _mm_loadu_si128((const __m128i *)(const void *)p);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(lane, _mm_set1_epi8('\n')));
}
#else
static inline uint64_t sonde_lines_word(const uint8_t *p)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7fULL;
	uint64_t w, x;

	memcpy(&w, p, sizeof(w));
	x = le64toh(w) ^ 0x0a0a0a0a0a0a0a0aULL;
	/* The high bit of each byte that is now zero; exact, as no carry leaves a byte. */
	x = ~(((x & low) + low) | x | low);
	/* The product moves those eight bits side by side into the top byte. */
	return (x >> 7) * 0x0102040810204080ULL >> 56;
}

static inline uint64_t sonde_lines_lane(const uint8_t *p)
{
	return sonde_lines_word(p) | sonde_lines_word(p + 8) << 8;
}
#endif

/* The last LEFT bytes of IN, less than a lane: a lane that ends there where IN is long enough. */
static inline uint64_t sonde_lines_rest(struct sonde_slice in, size_t left)
{
	const uint8_t *end = in.ptr + in.len;
	uint64_t mask = 0;

	if (in.len >= SONDE_LINES_LANE)
		return sonde_lines_lane(end - SONDE_LINES_LANE) >> (SONDE_LINES_LANE - left);
	for (size_t i = 0; i < left; i++)
		mask |= (uint64_t)((end - left)[i] == '\n') << i;
	return mask;
}

/* Bit I is set when IN.ptr[AT + I] is a line feed, up to a block or the end of IN. */
static inline uint64_t sonde_lines_mask(struct sonde_slice in, size_t at)
{
	size_t left = in.len - at, i = 0;
	const uint8_t *p = in.ptr + at;
	uint64_t mask = 0;

	if (left >= SONDE_LINES_BLOCK)
		return sonde_lines_lane(p) | sonde_lines_lane(p + 16) << 16 |
		       sonde_lines_lane(p + 32) << 32 | sonde_lines_lane(p + 48) << 48;
	for (; i + SONDE_LINES_LANE <= left; i += SONDE_LINES_LANE)
		mask |= sonde_lines_lane(p + i) << i;
	return i < left ? mask | sonde_lines_rest(in, left - i) << i : mask;
}

#endif
