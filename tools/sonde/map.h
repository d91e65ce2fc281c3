// SPDX-License-Identifier: Apache-2.0
/* map - how `sonde map` shows edges, apart from where they come from. */
#ifndef SONDE_TOOLS_MAP_H
#define SONDE_TOOLS_MAP_H

#include "agent/core/buf.h"
#include "tools/sonde/edges.h"

enum sonde_map_format {
	SONDE_MAP_TABLE = 0,
	SONDE_MAP_WIDE = 1,
	SONDE_MAP_JSON = 2,
	SONDE_MAP_DOT = 3,
	SONDE_MAP_MERMAID = 4,
};

/* An edge and how much came in the last interval. */
struct sonde_map_row {
	struct sonde_edge_row sums;	/* since the edge began, or of the interval alone */
	struct sonde_edge_row interval; /* of the interval */
};

struct sonde_map {
	struct sonde_map_row *rows;
	size_t n;
	double seconds; /* of the interval */
};

void sonde_map_print(const struct sonde_map *map, enum sonde_map_format format,
		     struct sonde_buf *out);
/* The two that are pictures. */
void sonde_map_print_dot(const struct sonde_map *map, struct sonde_buf *out);
void sonde_map_print_mermaid(const struct sonde_map *map, struct sonde_buf *out);

static inline double sonde_map_rate(const struct sonde_map *map, uint64_t n)
{
	return map->seconds > 0 ? (double)n / map->seconds : 0;
}

#endif
