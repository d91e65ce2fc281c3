// SPDX-License-Identifier: Apache-2.0
/*
 * udp - flows of UDP, from snapshots of the kernel's counts to news of connections.
 *
 * A flow is told as opened, moved and closed like a connection. One end reports: of two flows that
 * are each other's other end on this node it is the server's, with the client's process joined to
 * it. They come in any order, so the one that comes first waits for the other, at most until it
 * comes again or, when it will not, until the snapshot is whole.
 */
#include "agent/track/connection.h"

#include <stdlib.h>

struct flow {
	struct sonde_snapshot_udp_flow now; /* as last read */
	struct sonde_process *process;	    /* held */
	struct sonde_process *peer;	    /* held, or NULL */
	struct sonde_endpoint asked;	    /* what the client asked for; port 0: `server` */
	uint64_t bytes[SONDE_DIRECTIONS], packets[SONDE_DIRECTIONS]; /* told */
	uint32_t seen;						     /* the snapshot it was in */
	bool told;						     /* OPENED has been told */
	bool waits;  /* for its other end, since the last snapshot */
	bool shadow; /* its other end reports */
};

/* Whether A reports for both. They agree on it, whatever each takes itself for. */
static bool reports(uint64_t a_id, const struct flow *a, uint64_t b_id, const struct flow *b)
{
	if (a->now.role != b->now.role)
		return a->now.role == SONDE_ROLE_SERVER;
	if (a->now.local.port != b->now.local.port)
		return a->now.local.port < b->now.local.port;
	return a_id < b_id;
}

static struct sonde_travel travel(const struct flow *f, enum sonde_direction d)
{
	return (struct sonde_travel){
		.bytes = f->now.bytes[d],
		.segments = f->now.packets[d],
		.out_of_order = SONDE_COUNT_UNKNOWN,
	};
}

/* How much NOW is beyond *TOLD, which moves along. Never negative. */
static uint64_t beyond(uint64_t now, uint64_t *told)
{
	uint64_t by = now > *told ? now - *told : 0;

	*told += by;
	return by;
}

static struct sonde_travel grow(struct flow *f, enum sonde_direction d)
{
	return (struct sonde_travel){
		.bytes = beyond(f->now.bytes[d], &f->bytes[d]),
		.segments = beyond(f->now.packets[d], &f->packets[d]),
	};
}

static void describe(const struct sonde_track *t, uint64_t id, const struct flow *f,
		     struct sonde_connection *out)
{
	bool client = f->now.role == SONDE_ROLE_CLIENT;
	uint64_t until = f->now.ended ? f->now.last_ns : t->now_ns;

	*out = (struct sonde_connection){
		.id = id,
		.transport = SONDE_TRANSPORT_UDP,
		.role = client ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER,
		.state = SONDE_TCP_ESTABLISHED,
		.client = client ? f->now.local : f->now.remote,
		.server = client ? f->now.remote : f->now.local,
		.server_original = f->asked,
		.process = f->process,
		.peer = f->peer,
		.opened_ns = f->now.first_ns,
		.opened_unix_ns = (uint64_t)((int64_t)f->now.first_ns + t->wall_offset_ns),
		.duration_ns = until > f->now.first_ns ? until - f->now.first_ns : 0,
		.port_unreachable = f->now.unreachable,
	};
	out->total.to_server = travel(f, client ? SONDE_EGRESS : SONDE_INGRESS);
	out->total.to_client = travel(f, client ? SONDE_INGRESS : SONDE_EGRESS);
}

static void close_flow(struct sonde_track *t, struct sonde_connection *out)
{
	out->close_state = out->state;
	out->state = SONDE_TCP_CLOSE;
	if (!out->superseded)
		t->ledger->produced[SONDE_KIND_CONNECTION]++;
	t->ops.connection(t->ops.ctx, out, SONDE_CONNECTION_CLOSED);
}

/* What there is to tell of F now. ENDED: its last word. */
static void tell(struct sonde_track *t, uint64_t id, struct flow *f, bool ended)
{
	bool client = f->now.role == SONDE_ROLE_CLIENT;
	struct sonde_connection out;

	describe(t, id, f, &out);
	if (!f->told) {
		f->told = true;
		t->ops.connection(t->ops.ctx, &out, SONDE_CONNECTION_OPENED);
	}
	out.fresh.to_server = grow(f, client ? SONDE_EGRESS : SONDE_INGRESS);
	out.fresh.to_client = grow(f, client ? SONDE_INGRESS : SONDE_EGRESS);
	f->waits = false;
	if (ended)
		close_flow(t, &out);
	else if (out.fresh.to_server.segments || out.fresh.to_client.segments)
		t->ops.connection(t->ops.ctx, &out, SONDE_CONNECTION_UPDATED);
}

static void take_owner(struct sonde_track *t, struct flow *f,
		       const struct sonde_snapshot_udp_flow *s)
{
	const struct sonde_owner *o = &s->owner;
	struct sonde_record_open open = {
		.pid = o->pid,
		.start_ns = o->start_ns,
		.cgroup_id = o->cgroup_id,
		.role = s->role,
	};
	struct sonde_process *former = f->process;

	if (former && f->now.owner.pid == o->pid && f->now.owner.start_ns == o->start_ns)
		return;
	memcpy(open.comm, o->comm, sizeof(open.comm));
	f->process = t->ops.identify(t->ops.ctx, &open);
	if (former)
		t->ops.release(t->ops.ctx, former);
}

/* A reporting F learns of its other end. */
static void join(struct sonde_track *t, struct flow *f, const struct flow *other)
{
	if (f->peer == other->process)
		return;
	if (f->peer)
		t->ops.release(t->ops.ctx, f->peer);
	f->peer = t->ops.hold(t->ops.ctx, other->process);
	if (other->now.asked.port)
		f->asked = other->now.asked;
}

/* The other end of F reports. Should F have been told of before that was known, that is over. */
static void shadow(struct sonde_track *t, uint64_t id, struct flow *f)
{
	struct sonde_connection out;

	grow(f, SONDE_INGRESS);
	grow(f, SONDE_EGRESS);
	f->waits = false;
	if (f->shadow)
		return;
	f->shadow = true;
	t->stats.shadowed++;
	if (!f->told)
		return;
	f->told = false;
	describe(t, id, f, &out);
	out.superseded = true;
	close_flow(t, &out);
}

static bool has_moved(const struct flow *f)
{
	return f->now.packets[SONDE_INGRESS] > f->packets[SONDE_INGRESS] ||
	       f->now.packets[SONDE_EGRESS] > f->packets[SONDE_EGRESS];
}

/* F has no other end here, or none that is known yet. */
static void go_alone(struct sonde_track *t, uint64_t id, struct flow *f, bool waited)
{
	if (f->now.peer && !waited && !f->told && !f->shadow) {
		f->waits = true;
		return;
	}
	/* Its other end has gone, and it goes on: from here on it speaks for itself. */
	if (f->shadow && !f->now.peer && has_moved(f))
		f->shadow = false;
	if (!f->shadow)
		tell(t, id, f, f->now.ended);
}

static void forget(struct sonde_track *t, uint64_t id, struct flow *f)
{
	t->ops.release(t->ops.ctx, f->process);
	if (f->peer)
		t->ops.release(t->ops.ctx, f->peer);
	sonde_table_remove(t->flows, id);
}

/* F and OTHER are the two ends of one flow. */
static void settle(struct sonde_track *t, uint64_t id, struct flow *f, uint64_t other_id,
		   struct flow *other)
{
	if (reports(id, f, other_id, other)) {
		join(t, f, other);
		shadow(t, other_id, other);
		tell(t, id, f, f->now.ended);
	} else {
		join(t, other, f);
		shadow(t, id, f);
		if (other->waits)
			tell(t, other_id, other, other->now.ended);
	}
	/* It has had its last word, and was only waiting. */
	if (other->now.ended)
		forget(t, other_id, other);
}

void sonde_track_udp(struct sonde_track *t, uint64_t id, const struct sonde_snapshot_udp_flow *s)
{
	struct flow *f, *other = NULL;
	bool added, waited;

	f = sonde_table_get(t->flows, id, &added);
	if (!f) {
		if (s->ended) {
			t->ledger->produced[SONDE_KIND_CONNECTION]++;
			t->ledger->dropped[SONDE_KIND_CONNECTION][SONDE_LOSS_TABLE_FULL]++;
		}
		return;
	}
	take_owner(t, f, s);
	f->now = *s;
	f->seen = t->snapshots;
	if (added)
		f->asked = s->asked;
	waited = f->waits;
	if (s->peer && s->peer != id)
		other = sonde_table_find(t->flows, s->peer);
	if (other)
		settle(t, id, f, s->peer, other);
	else
		go_alone(t, id, f, waited);
	if (s->ended && !f->waits)
		forget(t, id, f);
}

/* F was in none of the last snapshots, or waits in vain: the other end has not come. */
static void give_up(struct sonde_track *t, uint64_t id, struct flow *f)
{
	struct sonde_connection out;

	if (f->now.ended) {
		tell(t, id, f, true);
	} else if (f->told) {
		describe(t, id, f, &out);
		out.unseen_end = true;
		close_flow(t, &out);
	}
	forget(t, id, f);
}

void sonde_udp_end_snapshot(struct sonde_track *t)
{
	size_t cursor = 0;
	struct flow *f;
	uint64_t id;

	while ((f = sonde_table_next(t->flows, &cursor, &id)))
		if (f->now.ended || t->snapshots - f->seen >= 2)
			give_up(t, id, f);
	t->snapshots++;
}

int sonde_udp_init(struct sonde_track *t)
{
	return sonde_table_new(SONDE_TRACK_FLOWS, sizeof(struct flow), &t->flows);
}

void sonde_udp_fini(struct sonde_track *t)
{
	size_t cursor = 0;
	struct flow *f;
	uint64_t id;

	while (t->flows && (f = sonde_table_next(t->flows, &cursor, &id)))
		forget(t, id, f);
	sonde_table_free(t->flows);
}

bool sonde_udp_next(const struct sonde_track *t, size_t *cursor, struct sonde_connection *out)
{
	struct flow *f;
	uint64_t id;

	while ((f = sonde_table_next(t->flows, cursor, &id))) {
		if (f->shadow || !f->told)
			continue;
		describe(t, id, f, out);
		return true;
	}
	return false;
}
