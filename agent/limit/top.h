// SPDX-License-Identifier: Apache-2.0
/*
 * top - the sources that a rule has held back most, by the space-saving algorithm (Metwally,
 * Agrawal, El Abbadi, 2005): a fixed number of counters, of which a new source takes over the
 * smallest. A count is too high by at most the smallest one.
 */
#ifndef SONDE_LIMIT_TOP_H
#define SONDE_LIMIT_TOP_H

#include <stddef.h>
#include <stdint.h>

enum { SONDE_LIMIT_TOP = 32, SONDE_LIMIT_TOP_SHOWN = 10 };

struct sonde_limit_source {
	uint8_t address[16];
	uint64_t limited;
};

struct sonde_limit_top {
	struct sonde_limit_source items[SONDE_LIMIT_TOP];
	size_t n;
};

/* N more packets of ADDRESS. */
void sonde_limit_top_add(struct sonde_limit_top *top, const uint8_t address[16], uint64_t n);
/* The most limited ones, first; returns how many, at most MAX. */
size_t sonde_limit_top_get(const struct sonde_limit_top *top, struct sonde_limit_source *out,
			   size_t max);

#endif
