// SPDX-License-Identifier: Apache-2.0
/*
 * route_pattern - paths cut into segments, and patterns of the user matched against them.
 *
 * Empty segments do not count, so `/a//b/` is `/a/b`; the same holds for patterns.
 */
#ifndef SONDE_AGG_ROUTE_PATTERN_H
#define SONDE_AGG_ROUTE_PATTERN_H

#include "agent/core/slice.h"

enum {
	SONDE_SEGMENTS_MAX = 32,
	SONDE_PATTERN_MAX = 256, /* bytes */
};

struct sonde_segments {
	struct sonde_slice at[SONDE_SEGMENTS_MAX];
	size_t n;
	bool more; /* the path goes on behind them */
};

void sonde_segments_split(struct sonde_slice path, struct sonde_segments *out);

struct sonde_route_pattern {
	struct sonde_segments segments; /* borrowed from the pattern's text */
	bool open;			/* ends in `*`: any rest, also none */
};

/* TEXT, which has passed sonde_route_check(), is borrowed. */
void sonde_route_pattern_compile(struct sonde_slice text, struct sonde_route_pattern *out);
bool sonde_route_pattern_matches(const struct sonde_route_pattern *p,
				 const struct sonde_segments *path);

/*
 * Whether a segment looks like a value that somebody or something made up: a number, hex of at
 * least 8 digits, a UUID, a token, a file name with a number or a hash, percent-encoded, not plain
 * text, longer than 64 bytes.
 */
bool sonde_route_is_generated(struct sonde_slice segment);

#endif
