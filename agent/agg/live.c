// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/live.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/hash.h"

enum { FIRST_SLOTS = 256 };

static int make(struct sonde_live *l, size_t capacity)
{
	l->slots = calloc(capacity, sizeof(*l->slots));
	if (!l->slots)
		return -ENOMEM;
	l->mask = capacity - 1;
	return 0;
}

int sonde_live_init(struct sonde_live *l, size_t max)
{
	*l = (struct sonde_live){ .max = max };
	return make(l, FIRST_SLOTS);
}

void sonde_live_fini(struct sonde_live *l)
{
	free(l->slots);
	*l = (struct sonde_live){ 0 };
}

/* The slot that holds ID, or the free one where it would go. */
static size_t probe(const struct sonde_live *l, uint64_t id)
{
	size_t i = sonde_hash_u64(id) & l->mask;

	while (l->slots[i].id && l->slots[i].id != id)
		i = (i + 1) & l->mask;
	return i;
}

uint64_t *sonde_live_find(const struct sonde_live *l, uint64_t id)
{
	struct sonde_live_slot *s = &l->slots[probe(l, id)];

	return s->id ? &s->value : NULL;
}

static int grow(struct sonde_live *l)
{
	struct sonde_live bigger = *l;

	if (make(&bigger, (l->mask + 1) * 2))
		return -ENOMEM;
	for (size_t i = 0; i <= l->mask; i++) {
		if (l->slots[i].id)
			bigger.slots[probe(&bigger, l->slots[i].id)] = l->slots[i];
	}
	free(l->slots);
	*l = bigger;
	return 0;
}

uint64_t *sonde_live_get(struct sonde_live *l, uint64_t id)
{
	uint64_t *value = sonde_live_find(l, id);
	struct sonde_live_slot *s;

	if (value || !id)
		return value;
	if (l->len >= l->max || (l->len * 2 > l->mask && grow(l)))
		return NULL;
	s = &l->slots[probe(l, id)];
	*s = (struct sonde_live_slot){ .id = id };
	l->len++;
	return &s->value;
}

void sonde_live_remove(struct sonde_live *l, uint64_t id)
{
	size_t i = probe(l, id);

	if (!l->slots[i].id)
		return;
	/* Later members of the probe run move back over the hole. */
	for (size_t j = (i + 1) & l->mask; l->slots[j].id; j = (j + 1) & l->mask) {
		size_t want = sonde_hash_u64(l->slots[j].id) & l->mask;

		if (((j - want) & l->mask) >= ((j - i) & l->mask)) {
			l->slots[i] = l->slots[j];
			i = j;
		}
	}
	l->slots[i].id = 0;
	l->len--;
}

size_t sonde_live_memory(const struct sonde_live *l)
{
	return l->slots ? (l->mask + 1) * sizeof(*l->slots) : 0;
}
