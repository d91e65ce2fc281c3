// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/arena.h"

#include <stdlib.h>
#include <string.h>

void sonde_arena_fini(struct sonde_arena *a)
{
	void *next;

	for (void *chunk = a->chunks; chunk; chunk = next) {
		memcpy(&next, chunk, sizeof(next));
		free(chunk);
	}
	*a = (struct sonde_arena){ 0 };
}

static int add_chunk(struct sonde_arena *a)
{
	uint8_t *chunk = malloc(SONDE_ARENA_CHUNK);

	if (!chunk)
		return -1;
	/* The end of the old chunk still serves smaller blocks. */
	if (a->left >= SONDE_ARENA_UNIT)
		sonde_arena_put(a, a->at, a->left / SONDE_ARENA_UNIT);
	memcpy(chunk, &a->chunks, sizeof(a->chunks));
	a->chunks = chunk;
	a->at = chunk + SONDE_ARENA_UNIT;
	a->left = SONDE_ARENA_CHUNK - SONDE_ARENA_UNIT;
	a->memory_bytes += SONDE_ARENA_CHUNK;
	return 0;
}

void *sonde_arena_get(struct sonde_arena *a, size_t units)
{
	size_t bytes = units * SONDE_ARENA_UNIT;
	void *block;

	if (!units || units > SONDE_ARENA_UNITS_MAX)
		return NULL;
	block = a->freed[units];
	if (block) {
		memcpy(&a->freed[units], block, sizeof(block));
		return block;
	}
	if (a->left < bytes && add_chunk(a))
		return NULL;
	block = a->at;
	a->at += bytes;
	a->left -= bytes;
	return block;
}

void sonde_arena_put(struct sonde_arena *a, void *block, size_t units)
{
	if (!block)
		return;
	memcpy(block, &a->freed[units], sizeof(block));
	a->freed[units] = block;
}
