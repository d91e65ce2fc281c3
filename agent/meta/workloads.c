// SPDX-License-Identifier: Apache-2.0
/*
 * Entries stand in a ring by age: what was told or found last is at its end. A key is the hash of
 * the id; should two ids ever share one, the later is not kept.
 */
#include "agent/meta/workloads.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "agent/core/hash.h"
#include "agent/core/table.h"

struct entry {
	struct sonde_workload *workload; /* owned reference */
	struct entry *older, *newer;
	uint64_t key;
};

struct sonde_workloads {
	struct sonde_table *table;
	struct entry *oldest, *newest;
	size_t max;
	uint64_t seed, evicted, overflowed;
};

int sonde_workloads_new(size_t max, struct sonde_workloads **out)
{
	struct sonde_workloads *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	err = sonde_table_new(max, sizeof(struct entry), &t->table);
	if (err) {
		free(t);
		return err;
	}
	t->max = max;
	/* Without a seed the table is as good, only easier to fill unevenly. */
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) < 0)
		t->seed = (uintptr_t)t;
	*out = t;
	return 0;
}

void sonde_workloads_free(struct sonde_workloads *t)
{
	if (!t)
		return;
	for (struct entry *e = t->oldest; e; e = e->newer)
		sonde_workload_put(e->workload);
	sonde_table_free(t->table);
	free(t);
}

static void unlink_entry(struct sonde_workloads *t, struct entry *e)
{
	*(e->older ? &e->older->newer : &t->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &t->newest) = e->older;
}

static void append_entry(struct sonde_workloads *t, struct entry *e)
{
	e->older = t->newest;
	e->newer = NULL;
	*(t->newest ? &t->newest->newer : &t->oldest) = e;
	t->newest = e;
}

/* The id by which a workload is found. */
static struct sonde_slice id_of(const struct sonde_workload *w)
{
	return w->container_id.len ? w->container_id : w->pod_uid;
}

static struct entry *find(const struct sonde_workloads *t, struct sonde_slice id)
{
	struct entry *e = sonde_table_find(t->table, sonde_hash_bytes(id, t->seed));

	return e && sonde_slice_eq(id_of(e->workload), id) ? e : NULL;
}

/* Makes room for one more by the oldest that nobody else holds. */
static void evict(struct sonde_workloads *t)
{
	struct entry *e = t->oldest;

	while (e && sonde_workload_is_shared(e->workload))
		e = e->newer;
	if (!e)
		return;
	unlink_entry(t, e);
	sonde_workload_put(e->workload);
	sonde_table_remove(t->table, e->key);
	t->evicted++;
}

static bool add(struct sonde_workloads *t, struct sonde_workload *w)
{
	uint64_t key = sonde_hash_bytes(id_of(w), t->seed);
	struct entry *e;
	bool added;

	if (sonde_table_len(t->table) == t->max)
		evict(t);
	e = sonde_table_get(t->table, key, &added);
	if (!e || !added) {
		t->overflowed++;
		return false;
	}
	e->workload = w;
	e->key = key;
	append_entry(t, e);
	return true;
}

/* NEWS is of the same container as E. True: it takes the place. */
static bool replace(struct sonde_workloads *t, struct entry *e, struct sonde_workload *news)
{
	unlink_entry(t, e);
	append_entry(t, e);
	if (news->source < e->workload->source || sonde_workload_equal(news, e->workload))
		return false;
	sonde_workload_put(e->workload);
	e->workload = news;
	return true;
}

bool sonde_workloads_set(struct sonde_workloads *t, struct sonde_workload *w)
{
	struct entry *e = find(t, id_of(w));
	bool taken = id_of(w).len && (e ? replace(t, e, w) : add(t, w));

	if (!taken)
		sonde_workload_put(w);
	return taken;
}

struct sonde_workload *sonde_workloads_find(struct sonde_workloads *t,
					    const struct sonde_process *p)
{
	struct entry *e = NULL;

	if (*p->container_id)
		e = find(t, sonde_slice_str(p->container_id));
	if (!e && *p->pod_uid)
		e = find(t, sonde_slice_str(p->pod_uid));
	if (!e)
		return NULL;
	unlink_entry(t, e);
	append_entry(t, e);
	return e->workload;
}

void sonde_workloads_stats(const struct sonde_workloads *t, struct sonde_workloads_stats *out)
{
	*out = (struct sonde_workloads_stats){
		.entries = sonde_table_len(t->table),
		.evicted = t->evicted,
		.overflowed = t->overflowed,
	};
}
