// SPDX-License-Identifier: Apache-2.0
/*
 * arena - small blocks in sizes of 32 bytes, for arrays that grow in small steps.
 *
 * Blocks are cut from chunks of 64 KiB and go back to a free list of their size; chunks are never
 * given back before the end, so that steady traffic never reaches malloc. Not thread-safe.
 */
#ifndef SONDE_AGG_ARENA_H
#define SONDE_AGG_ARENA_H

#include <stddef.h>
#include <stdint.h>

enum {
	SONDE_ARENA_UNIT = 32,	     /* bytes */
	SONDE_ARENA_UNITS_MAX = 63,  /* of one block */
	SONDE_ARENA_CHUNK = 1 << 16, /* bytes */
};

struct sonde_arena {
	void *freed[SONDE_ARENA_UNITS_MAX + 1]; /* by size in units; chained through the blocks */
	void *chunks;				/* chained through their first word */
	uint8_t *at;				/* what is left of the newest chunk */
	size_t left;				/* bytes */
	size_t memory_bytes;
};

/* A zeroed arena is ready. Frees every block with it. */
void sonde_arena_fini(struct sonde_arena *a);
/* An uninitialised block of 1..SONDE_ARENA_UNITS_MAX units, aligned to 8; NULL: no memory. */
void *sonde_arena_get(struct sonde_arena *a, size_t units);
/* Gives back a block of that many units. Accepts NULL. */
void sonde_arena_put(struct sonde_arena *a, void *block, size_t units);

#endif
