// SPDX-License-Identifier: Apache-2.0
/*
 * owners - processes as they were when their connections closed, each kept once.
 *
 * A process takes a hundred bytes instead of eight hundred: its texts are interned, and what all
 * its connections share is one entry. One that has changed meanwhile (exec, news of its container)
 * is another entry.
 */
#ifndef SONDE_AGG_OWNERS_H
#define SONDE_AGG_OWNERS_H

#include "agent/agg/intern.h"
#include "agent/model/process.h"

struct sonde_owner_entry;

struct sonde_owners {
	struct sonde_intern *intern; /* borrowed */
	struct sonde_index index;
	struct sonde_owner_entry **entries; /* by number; 0 is never used */
	uint32_t *unused;		    /* stack of freed numbers */
	uint32_t n_unused, fresh, cap, max;
	size_t n;
};

/* At most MAX at a time; room for them is made as they come. 0 or -ENOMEM. */
int sonde_owners_init(struct sonde_owners *o, struct sonde_intern *intern, uint32_t max);
void sonde_owners_fini(struct sonde_owners *o); /* frees all; accepts a zeroed one */
/* P as it is now, with one more reference. NULL: no memory, or MAX are there. */
struct sonde_owner_entry *sonde_owners_get(struct sonde_owners *o, const struct sonde_process *p);
/* Gives a reference back; the last one frees. Accepts NULL. */
void sonde_owners_put(struct sonde_owners *o, struct sonde_owner_entry *t);
/* Writes it out again. The workload is borrowed. NULL gives a process of which nothing is known. */
void sonde_owners_read(const struct sonde_owner_entry *t, struct sonde_process *out);
size_t sonde_owners_memory(const struct sonde_owners *o);

#endif
