// SPDX-License-Identifier: Apache-2.0
/*
 * index - hash values to entry numbers; the entries and what makes two of them equal are the
 * caller's. Open addressing, linear probing, at most half full, no tombstones.
 */
#ifndef SONDE_AGG_INDEX_H
#define SONDE_AGG_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct sonde_index_slot {
	uint32_t hash;
	uint32_t number; /* 0: free */
};

struct sonde_index {
	struct sonde_index_slot *slots;
	size_t mask;
	size_t len;
};

/* Room for MAX entries. 0 or -ENOMEM. */
int sonde_index_init(struct sonde_index *ix, size_t max);
void sonde_index_fini(struct sonde_index *ix); /* accepts a zeroed one */
/* Makes room for MAX entries, never less than before. 0 or -ENOMEM with nothing changed. */
int sonde_index_grow(struct sonde_index *ix, size_t max);

/*
 * The next entry number that was put under HASH, 0 when there is none. Begin with *AT = HASH; look
 * again as long as the entry is not the one that is meant.
 */
static inline uint32_t sonde_index_next(const struct sonde_index *ix, uint32_t hash, size_t *at)
{
	for (;;) {
		const struct sonde_index_slot *s = &ix->slots[(*at)++ & ix->mask];

		if (!s->number || s->hash == hash)
			return s->number;
	}
}

/* NUMBER is not 0, and there is room. */
void sonde_index_put(struct sonde_index *ix, uint32_t hash, uint32_t number);
/* It must be there. */
void sonde_index_remove(struct sonde_index *ix, uint32_t hash, uint32_t number);
size_t sonde_index_memory(const struct sonde_index *ix);

#endif
