// SPDX-License-Identifier: Apache-2.0
/*
 * live - a word about each connection that is open, by its id.
 *
 * Open addressing, at most half full, no tombstones. It doubles as connections come, from a page up
 * to a bound, because ids are spread over all of it: one that were made at once would soon be in
 * memory whole. Id 0 is nobody's.
 */
#ifndef SONDE_AGG_LIVE_H
#define SONDE_AGG_LIVE_H

#include "agent/model/connection.h"

struct sonde_live_slot {
	uint64_t id; /* 0: free */
	uint64_t value;
};

struct sonde_live {
	struct sonde_live_slot *slots;
	size_t mask;
	size_t len, max;
};

int sonde_live_init(struct sonde_live *l, size_t max); /* 0 or -ENOMEM */
void sonde_live_fini(struct sonde_live *l);	       /* accepts a zeroed one */
/* Valid until one is added or removed; NULL: not there. */
uint64_t *sonde_live_find(const struct sonde_live *l, uint64_t id);
/* The same, added with value 0 when it is not there. NULL: full, no memory, or id 0. */
uint64_t *sonde_live_get(struct sonde_live *l, uint64_t id);
void sonde_live_remove(struct sonde_live *l, uint64_t id);
size_t sonde_live_memory(const struct sonde_live *l);

/* The id to look C up by: those of the two transports are of different kinds. */
static inline uint64_t sonde_live_id(const struct sonde_connection *c)
{
	return c->id ^ (uint64_t)(c->transport == SONDE_TRANSPORT_UDP) << 63;
}

#endif
