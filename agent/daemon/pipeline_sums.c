// SPDX-License-Identifier: Apache-2.0
/*
 * Counters of the kernel that are told as totals: refused connections of listeners, what UDP
 * sockets lost, packets dropped. What they have grown by since the last snapshot goes to the
 * service.
 *
 * Only what has ever counted anything has an entry, since most sockets never do. When the table is
 * full, entries that no snapshot has named for a while make room; what then still finds none is
 * added up whole with the next one that has room, so late and never twice.
 */
#include "agent/daemon/pipeline.h"

#include <stdio.h>

#include "agent/core/hash.h"

enum {
	TOTALS_MAX = 8192,
	STALE_CALLS = 1 << 20, /* an entry not asked for in so many is of something gone */
};

struct total {
	uint64_t value; /* as last told */
	uint64_t asked; /* the call that last asked */
};

int sonde_pipeline_totals_new(struct sonde_table **out)
{
	return sonde_table_new(TOTALS_MAX, sizeof(struct total), out);
}

static void make_room(struct sonde_pipeline *p)
{
	size_t cursor = 0;
	struct total *t;
	uint64_t key;

	while ((t = sonde_table_next(p->totals, &cursor, &key)))
		if (p->totals_asked - t->asked > STALE_CALLS)
			sonde_table_remove(p->totals, key);
}

/* How much the counter KEY has grown to reach VALUE; one that fell has begun anew. */
static uint64_t grown(struct sonde_pipeline *p, uint64_t key, uint64_t value)
{
	struct total *total;
	uint64_t by;
	bool added;

	p->totals_asked++;
	if (!value)
		return 0;
	total = sonde_table_get(p->totals, key, &added);
	if (!total) {
		make_room(p);
		total = sonde_table_get(p->totals, key, &added);
	}
	if (!total)
		return 0;
	by = value >= total->value ? value - total->value : value;
	*total = (struct total){ value, p->totals_asked };
	return by;
}

static struct sonde_process *owner_of(struct sonde_pipeline *p, const struct sonde_owner *o)
{
	return sonde_processes_get(p->processes, o->pid, o->start_ns, o->cgroup_id,
				   sonde_slice_str(o->comm));
}

void sonde_pipeline_listener(struct sonde_pipeline *p, uint64_t id,
			     const struct sonde_snapshot_listener *s)
{
	struct sonde_process *process = owner_of(p, &s->owner);
	struct sonde_listener l = {
		.id = id,
		.local = s->local,
		.process = process,
		.service = sonde_pipeline_service(p, process, s->local.port, true),
		.dropped = s->drops,
		.backlog = s->backlog,
		.backlog_max = s->backlog_max,
	};

	/* Not under a name that is still to come. */
	if (process->resolved) {
		l.fresh_dropped = grown(p, id, s->drops);
		sonde_edges_listener(p->edges, &l);
	}
	sonde_processes_put(p->processes, process);
}

void sonde_pipeline_udp_socket(struct sonde_pipeline *p, uint64_t id,
			       const struct sonde_snapshot_udp_socket *s)
{
	struct sonde_process *process;
	struct sonde_udp_socket u;

	if (!s->drops && !s->unreachable)
		return;
	process = owner_of(p, &s->owner);
	u = (struct sonde_udp_socket){
		.id = id,
		.local = s->local,
		.process = process,
		.dropped = s->drops,
		.unreachable = s->unreachable,
	};
	if (process->resolved) {
		u.service = sonde_pipeline_service(p, process, s->local.port, true);
		u.fresh_dropped = grown(p, id, s->drops);
		u.fresh_unreachable = grown(p, ~id, s->unreachable);
		sonde_edges_udp_socket(p->edges, &u);
	}
	sonde_processes_put(p->processes, process);
}

/* By the kernel's own name, or its number where that is not known. */
static struct sonde_slice name_reason(const struct sonde_pipeline *p, uint32_t reason,
				      char text[16])
{
	if (p->reasons && reason < SONDE_REASONS && p->reasons[reason][0])
		return sonde_slice_str(p->reasons[reason]);
	snprintf(text, 16, "%u", reason);
	return sonde_slice_str(text);
}

void sonde_pipeline_drop(struct sonde_pipeline *p, const struct sonde_snapshot_drop *s)
{
	struct sonde_process *process = owner_of(p, &s->owner);
	uint64_t key = sonde_hash_u64(((uint64_t)s->owner.pid << 32 | s->reason) ^
				      sonde_hash_u64(s->owner.start_ns));
	struct sonde_slice service = SONDE_SLICE_EMPTY;
	uint64_t fresh;
	char text[16];

	/* The last word of a counter is not told again, so it cannot wait for a name. */
	if ((process->resolved || s->ended) && (fresh = grown(p, key, s->count))) {
		if (s->owner.pid)
			service = sonde_pipeline_service(p, process, 0, false);
		sonde_edges_dropped(p->edges, service, name_reason(p, s->reason, text), fresh);
	}
	if (s->ended)
		sonde_table_remove(p->totals, key);
	sonde_processes_put(p->processes, process);
}
