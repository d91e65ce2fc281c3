// SPDX-License-Identifier: Apache-2.0
/*
 * What is open is told by where it was opened: a connection keeps its edge for that even when its
 * services are named anew meanwhile, so that "active" never goes wrong; all else is added to the
 * edge of the names that it has at the time.
 */
#include "agent/agg/edge_store.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/clock.h"

/* What live says of a connection: the number of its edge, and what has been measured already. */
#define LIVE_NUMBER  UINT32_MAX
#define LIVE_CONNECT (1ull << 32)
#define LIVE_ACCEPT  (1ull << 33)

/* Snapshots that may be late before a listener that is not told any more counts as gone. */
enum { STALE_SNAPSHOTS = 3, STALE_S = 5, LISTENER_SLICE = 256 };

static uint32_t seconds(uint64_t ns)
{
	return ns / SONDE_NS_PER_SEC > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / SONDE_NS_PER_SEC);
}

void sonde_edges_configure(struct sonde_edges *e, const struct sonde_config *config)
{
	e->idle_ns = config->metrics.idle_expiry_ns;
	e->listener_stale_s =
		STALE_S + seconds(STALE_SNAPSHOTS * config->connections.snapshot_interval_ns);
}

static int set_up(struct sonde_edges *e, const struct sonde_config *config)
{
	int err;

	e->base_ns = sonde_clock_mono_ns();
	e->unix_ns = sonde_clock_ns(CLOCK_REALTIME);
	sonde_edges_configure(e, config);
	err = sonde_edge_store_init(e, config->edges.max);
	/* Flows of UDP are beside those of TCP. */
	if (!err)
		err = sonde_live_init(&e->live, 2 * (size_t)config->capture.max_connections);
	if (!err)
		err = sonde_table_new(SONDE_EDGE_LISTENERS, sizeof(struct sonde_edge_listener),
				      &e->listeners);
	return err;
}

int sonde_edges_new(const struct sonde_config *config, struct sonde_edges **out)
{
	struct sonde_edges *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	err = set_up(e, config);
	if (err) {
		sonde_edges_free(e);
		return err;
	}
	*out = e;
	return 0;
}

void sonde_edges_free(struct sonde_edges *e)
{
	if (!e)
		return;
	sonde_edge_store_fini(e);
	sonde_live_fini(&e->live);
	sonde_table_free(e->listeners);
	free(e);
}

/* The entry is the first member of whatever its kind says it is. */
static struct sonde_edge *edge_of(struct sonde_edges *e, enum sonde_edge_kind kind,
				  enum sonde_role role, struct sonde_slice service,
				  struct sonde_slice peer)
{
	bool client = role == SONDE_ROLE_CLIENT;

	return (struct sonde_edge *)sonde_edge_entry(e, kind, client ? service : peer,
						     client ? peer : service);
}

/* The end that reports is on this node, and the other one when its process is known. */
static void mark_here(struct sonde_edge *edge, enum sonde_role role,
		      const struct sonde_process *peer)
{
	bool client = role == SONDE_ROLE_CLIENT;

	edge->client_here |= client || peer;
	edge->server_here |= !client || peer;
}

static void add_travel(struct sonde_travel *sum, const struct sonde_travel *fresh)
{
	sum->bytes += fresh->bytes;
	sum->segments += fresh->segments;
	sum->retransmits += fresh->retransmits;
	if (fresh->out_of_order != SONDE_COUNT_UNKNOWN)
		sum->out_of_order += fresh->out_of_order;
}

static void add_counts(struct sonde_connection_counts *sum,
		       const struct sonde_connection_counts *fresh)
{
	add_travel(&sum->to_server, &fresh->to_server);
	add_travel(&sum->to_client, &fresh->to_client);
	sum->zero_windows += fresh->zero_windows;
	sum->rwnd_limited_ns += fresh->rwnd_limited_ns;
	sum->sndbuf_limited_ns += fresh->sndbuf_limited_ns;
}

static void measure(struct sonde_edges *e, struct sonde_edge_histogram *h,
		    const struct sonde_edge_scale *scale, uint64_t ns)
{
	if (!sonde_edge_measure(e, h, scale, ns))
		e->dropped++;
}

/* What is known once in the life of a connection, whenever that is. */
static void measure_once(struct sonde_edges *e, struct sonde_edge_histogram *h, uint64_t ns,
			 uint64_t *live, uint64_t mark)
{
	if (!ns || (*live & mark))
		return;
	*live |= mark;
	measure(e, h, &sonde_edge_trips, ns);
}

static void measure_trips(struct sonde_edges *e, struct sonde_edge *edge,
			  const struct sonde_connection *c)
{
	if (!c->fresh.to_server.bytes && !c->fresh.to_client.bytes)
		return;
	if (c->srtt_ns) {
		measure(e, &edge->rtt, &sonde_edge_trips, c->srtt_ns);
		measure(e, &edge->rtt_var, &sonde_edge_trips, c->rtt_var_ns);
	}
	if (c->min_rtt_ns)
		measure(e, &edge->min_rtt, &sonde_edge_trips, c->min_rtt_ns);
}

static void open_connection(struct sonde_edges *e, struct sonde_edge *edge,
			    const struct sonde_connection *c)
{
	uint64_t *live = sonde_live_get(&e->live, sonde_live_id(c));

	edge->opened++;
	if (!live || *live & LIVE_NUMBER)
		return;
	*live |= edge->entry.number;
	edge->entry.pins++;
}

static void end_life(struct sonde_edges *e, const struct sonde_connection *c)
{
	const uint64_t *live = sonde_live_find(&e->live, sonde_live_id(c));

	if (!live)
		return;
	e->entries[*live & LIVE_NUMBER]->pins--;
	sonde_live_remove(&e->live, sonde_live_id(c));
}

static void close_connection(struct sonde_edges *e, struct sonde_edge *edge,
			     const struct sonde_connection *c)
{
	if (c->connect_error != SONDE_CONNECT_OK) {
		if (c->connect_error < SONDE_CONNECT_ERRORS)
			edge->failed[c->connect_error]++;
		return;
	}
	edge->closed++;
	edge->timed_out += c->timed_out;
	if (c->reset_by != SONDE_ROLE_UNKNOWN && c->reset_by < SONDE_ROLES)
		edge->resets[c->reset_by]++;
	/* The age of one that is older than the agent is not known. */
	if (!c->preexisting)
		measure(e, &edge->connection_duration, &sonde_edge_lives, c->duration_ns);
}

/* One that nobody has seen open is looked at when it closes, so not twice. */
static void measure_waits(struct sonde_edges *e, struct sonde_edge *edge,
			  const struct sonde_connection *c, enum sonde_connection_event event)
{
	uint64_t *live = sonde_live_find(&e->live, sonde_live_id(c)), once = 0;

	if (!live && event != SONDE_CONNECTION_CLOSED)
		return;
	measure_once(e, &edge->connect, c->connect_ns, live ? live : &once, LIVE_CONNECT);
	measure_once(e, &edge->accept, c->accept_ns, live ? live : &once, LIVE_ACCEPT);
}

void sonde_edges_connection(struct sonde_edges *e, const struct sonde_connection *c,
			    enum sonde_connection_event event)
{
	struct sonde_edge *edge =
		edge_of(e, c->transport == SONDE_TRANSPORT_UDP ? SONDE_EDGE_UDP : SONDE_EDGE_TCP,
			c->role, c->service, c->peer_service);

	if (edge) {
		mark_here(edge, c->role, c->peer);
		add_counts(&edge->counts, &c->fresh);
		if (event == SONDE_CONNECTION_OPENED)
			open_connection(e, edge, c);
		if (c->transport == SONDE_TRANSPORT_TCP) {
			measure_waits(e, edge, c, event);
			if (event != SONDE_CONNECTION_OPENED)
				measure_trips(e, edge, c);
		}
		if (event == SONDE_CONNECTION_CLOSED)
			close_connection(e, edge, c);
	}
	if (event == SONDE_CONNECTION_CLOSED)
		end_life(e, c);
}

void sonde_edges_request(struct sonde_edges *e, const struct sonde_request *r)
{
	struct sonde_edge *edge = edge_of(e, SONDE_EDGE_TCP, r->role, r->service, r->peer_service);

	if (!edge)
		return;
	mark_here(edge, r->role, r->peer);
	edge->requests++;
	edge->errors += r->error != SONDE_ERROR_NONE;
	if (r->has_parts) {
		edge->part_ns[0] += r->network_ns;
		edge->part_ns[1] += r->queue_ns;
		edge->part_ns[2] += r->application_ns;
		edge->part_ns[3] += r->transfer_ns;
	} else {
		edge->part_ns[4] += r->duration_ns;
	}
	measure(e, &edge->request_duration, &sonde_edge_requests, r->duration_ns);
}

static struct sonde_edge_service *service_of(struct sonde_edges *e, struct sonde_slice name)
{
	return (struct sonde_edge_service *)sonde_edge_entry(e, SONDE_EDGE_SERVICE, name,
							     SONDE_SLICE_EMPTY);
}

/* What L said last no longer counts. */
static void forget_backlog(struct sonde_edges *e, const struct sonde_edge_listener *l)
{
	struct sonde_edge_service *s;

	if (!l->number)
		return;
	s = (struct sonde_edge_service *)e->entries[l->number];
	s->backlog -= l->backlog;
	s->backlog_max -= l->backlog_max;
	s->entry.pins--;
}

void sonde_edges_listener(struct sonde_edges *e, const struct sonde_listener *l)
{
	struct sonde_edge_service *s = service_of(e, l->service);
	struct sonde_edge_listener *known;
	bool added;

	if (!s)
		return;
	s->listen_dropped += l->fresh_dropped;
	known = sonde_table_get(e->listeners, l->id, &added);
	if (!known)
		return;
	forget_backlog(e, known);
	*known = (struct sonde_edge_listener){
		.number = s->entry.number,
		.backlog = l->backlog,
		.backlog_max = l->backlog_max,
		.last_s = e->now_s,
	};
	s->backlog += l->backlog;
	s->backlog_max += l->backlog_max;
	s->entry.pins++;
}

void sonde_edges_udp_socket(struct sonde_edges *e, const struct sonde_udp_socket *u)
{
	struct sonde_edge_service *s = service_of(e, u->service);

	if (!s)
		return;
	s->udp_dropped += u->fresh_dropped;
	s->udp_unreachable += u->fresh_unreachable;
}

void sonde_edges_dropped(struct sonde_edges *e, struct sonde_slice service,
			 struct sonde_slice reason, uint64_t n)
{
	struct sonde_edge_drops *d =
		(struct sonde_edge_drops *)sonde_edge_entry(e, SONDE_EDGE_DROPPED, service, reason);

	if (d)
		d->packets += n;
}

/* A slice of the listeners: those that are not told any more are gone. */
static void expire_listeners(struct sonde_edges *e)
{
	for (int looked = 0; looked < LISTENER_SLICE; looked++) {
		uint64_t id;
		const struct sonde_edge_listener *l =
			sonde_table_next(e->listeners, &e->listener_cursor, &id);

		if (!l) {
			e->listener_cursor = 0;
			return;
		}
		if (e->now_s - l->last_s > e->listener_stale_s) {
			forget_backlog(e, l);
			sonde_table_remove(e->listeners, id);
		}
	}
}

void sonde_edges_tick(struct sonde_edges *e, uint64_t mono_ns, uint64_t unix_ns)
{
	uint32_t now_s = mono_ns > e->base_ns ? seconds(mono_ns - e->base_ns) : 0;

	if (now_s > e->now_s)
		e->now_s = now_s;
	e->unix_ns = unix_ns;
	expire_listeners(e);
	if (e->idle_ns)
		sonde_edge_store_expire(e, seconds(e->idle_ns));
}

bool sonde_edges_next(struct sonde_edges *e, size_t *cursor, struct sonde_edge_view *out)
{
	const struct sonde_edge *edge = (const struct sonde_edge *)sonde_edge_store_next(
		e, 1u << SONDE_EDGE_TCP | 1u << SONDE_EDGE_UDP, cursor);

	if (!edge)
		return false;
	*out = (struct sonde_edge_view){
		.client = sonde_text_slice(edge->entry.a),
		.server = sonde_text_slice(edge->entry.b),
		.transport = (enum sonde_transport)edge->entry.kind,
		.client_here = edge->client_here,
		.server_here = edge->server_here,
		.start_unix_ns = edge->entry.start_unix_ns,
		.last_unix_ns =
			e->unix_ns - (uint64_t)(e->now_s - edge->entry.last_s) * SONDE_NS_PER_SEC,
		.requests = edge->requests,
		.errors = edge->errors,
		.opened = edge->opened,
		.closed = edge->closed,
		.active = edge->entry.pins,
		.timed_out = edge->timed_out,
		.counts = edge->counts,
	};
	memcpy(out->part_ns, edge->part_ns, sizeof(out->part_ns));
	memcpy(out->failed, edge->failed, sizeof(out->failed));
	memcpy(out->resets, edge->resets, sizeof(out->resets));
	sonde_edge_view_histogram(e, &edge->request_duration, 0, &out->request_duration);
	sonde_edge_view_histogram(e, &edge->connect, 1, &out->connect);
	sonde_edge_view_histogram(e, &edge->rtt, 2, &out->rtt);
	sonde_edge_view_histogram(e, &edge->connection_duration, 3, &out->connection_duration);
	return true;
}

void sonde_edges_stats(const struct sonde_edges *e, struct sonde_edges_stats *out)
{
	*out = (struct sonde_edges_stats){
		.edges = (uint64_t)e->n[SONDE_EDGE_TCP] + e->n[SONDE_EDGE_UDP],
		.edges_max = e->max_edges,
		.overflowed = e->overflowed,
		.expired = e->expired,
		.dropped = e->dropped,
		.memory_bytes = sonde_edge_store_memory(e),
	};
}
