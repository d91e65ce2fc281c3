// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/index.h"

#include <errno.h>
#include <stdlib.h>

static size_t capacity_for(size_t max)
{
	size_t capacity = 16;

	while (capacity < max * 2)
		capacity *= 2;
	return capacity;
}

int sonde_index_init(struct sonde_index *ix, size_t max)
{
	size_t capacity = capacity_for(max);
	struct sonde_index_slot *slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	*ix = (struct sonde_index){ .slots = slots, .mask = capacity - 1 };
	return 0;
}

void sonde_index_fini(struct sonde_index *ix)
{
	free(ix->slots);
	*ix = (struct sonde_index){ 0 };
}

int sonde_index_grow(struct sonde_index *ix, size_t max)
{
	struct sonde_index bigger;

	if (capacity_for(max) <= ix->mask + 1)
		return 0;
	if (sonde_index_init(&bigger, max))
		return -ENOMEM;
	for (size_t i = 0; i <= ix->mask; i++) {
		if (ix->slots[i].number)
			sonde_index_put(&bigger, ix->slots[i].hash, ix->slots[i].number);
	}
	sonde_index_fini(ix);
	*ix = bigger;
	return 0;
}

void sonde_index_put(struct sonde_index *ix, uint32_t hash, uint32_t number)
{
	size_t i = hash & ix->mask;

	while (ix->slots[i].number)
		i = (i + 1) & ix->mask;
	ix->slots[i] = (struct sonde_index_slot){ hash, number };
	ix->len++;
}

/* Moves later members of the probe run back over the hole at I. */
static void close_hole(struct sonde_index *ix, size_t i)
{
	for (size_t j = (i + 1) & ix->mask; ix->slots[j].number; j = (j + 1) & ix->mask) {
		if (((j - ix->slots[j].hash) & ix->mask) >= ((j - i) & ix->mask)) {
			ix->slots[i] = ix->slots[j];
			i = j;
		}
	}
	ix->slots[i].number = 0;
}

void sonde_index_remove(struct sonde_index *ix, uint32_t hash, uint32_t number)
{
	size_t i = hash & ix->mask;

	for (; ix->slots[i].number != number; i = (i + 1) & ix->mask) {
		if (!ix->slots[i].number)
			return;
	}
	close_hole(ix, i);
	ix->len--;
}

size_t sonde_index_memory(const struct sonde_index *ix)
{
	return ix->slots ? (ix->mask + 1) * sizeof(*ix->slots) : 0;
}
