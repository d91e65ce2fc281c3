// SPDX-License-Identifier: Apache-2.0
/*
 * workloads - what metadata has told so far, found by container id, else by pod uid.
 *
 * The data thread's own store, bounded: a full one drops what has not been told or looked for
 * longest and that nobody else holds. Nothing is removed when a container ends, as its connections
 * may still be told of; ids are never used again. Not thread-safe.
 */
#ifndef SONDE_META_WORKLOADS_H
#define SONDE_META_WORKLOADS_H

#include "agent/model/process.h"

enum { SONDE_WORKLOADS_MAX = 4096 }; /* what the worker passes as MAX */

struct sonde_workloads;

/* 0, -EINVAL, -ENOMEM. */
int sonde_workloads_new(size_t max, struct sonde_workloads **out);
void sonde_workloads_free(struct sonde_workloads *t); /* accepts NULL */

/*
 * Takes over the caller's reference. True: the store knows something now that it did not. A
 * workload that the store has just so, that Docker tells after Kubernetes has, or for which there
 * is no room, changes nothing.
 */
bool sonde_workloads_set(struct sonde_workloads *t, struct sonde_workload *w);
/* The workload of P's container; else that of its pod; else NULL. Borrowed. */
struct sonde_workload *sonde_workloads_find(struct sonde_workloads *t,
					    const struct sonde_process *p);

struct sonde_workloads_stats {
	size_t entries;
	uint64_t evicted;    /* made room */
	uint64_t overflowed; /* were not taken: all others are in use */
};
void sonde_workloads_stats(const struct sonde_workloads *t, struct sonde_workloads_stats *out);

#endif
