// SPDX-License-Identifier: Apache-2.0
/*
 * Everything that enters a ring has a number of its own, from 1 on, and lies at number % size; a
 * cursor is the number that was shown last. So it can tell what is older without touching it.
 */
#include "agent/agg/history.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/agg/live.h"
#include "agent/agg/owners.h"

enum { EVENTS_PER_CONNECTION = 4 };

struct travel {
	uint64_t bytes, segments;
	uint32_t retransmits, out_of_order; /* UINT32_MAX: unknown */
};

/* A connection that has closed. */
struct closed {
	uint64_t id;
	uint64_t opened_ns, opened_unix_ns, duration_ns, connect_ns, accept_ns;
	uint64_t srtt_ns, min_rtt_ns, rtt_var_ns;
	uint64_t rwnd_limited_ns, sndbuf_limited_ns;
	struct travel to_server, to_client;
	struct sonde_owner_entry *process, *peer;  /* a reference each; peer NULL: not here */
	struct sonde_text *service, *peer_service; /* a reference each */
	struct sonde_endpoint client, server, client_original, server_original;
	uint32_t zero_windows, port_unreachable;
	uint8_t transport, role, state, close_state, connect_error, closed_by, reset_by;
	uint8_t preexisting : 1, timed_out : 1, unseen_end : 1, has_peer : 1;
};

struct sonde_history {
	struct sonde_intern intern;
	struct sonde_owners owners;
	struct sonde_live live;	    /* pid << 32 | srtt in us, as last told */
	struct closed *closed;	    /* max; zeroed until used */
	struct sonde_event *events; /* max * EVENTS_PER_CONNECTION */
	size_t max;
	uint64_t n_closed, n_events; /* ever */
	uint64_t history_ns;
	struct sonde_process process, peer; /* of the connection shown last */
};

static const char *const happenings[SONDE_HAPPENINGS] = {
	"opened", "owner", "retransmits", "zero_window", "rtt", "closed", "failed",
};

const char *sonde_happening_name(enum sonde_happening h)
{
	return h < SONDE_HAPPENINGS ? happenings[h] : "unknown";
}

void sonde_history_configure(struct sonde_history *h, const struct sonde_config *config)
{
	h->history_ns = config->connections.history_ns;
}

static int set_up(struct sonde_history *h, const struct sonde_config *config)
{
	int err = sonde_intern_init(&h->intern);

	h->max = config->connections.history_max;
	sonde_history_configure(h, config);
	if (!err)
		err = sonde_owners_init(&h->owners, &h->intern, (uint32_t)h->max * 2 + 2);
	/* Flows of UDP are beside those of TCP. */
	if (!err)
		err = sonde_live_init(&h->live, 2 * (size_t)config->capture.max_connections);
	if (err)
		return err;
	h->closed = calloc(h->max, sizeof(*h->closed));
	h->events = calloc(h->max * EVENTS_PER_CONNECTION, sizeof(*h->events));
	return h->closed && h->events ? 0 : -ENOMEM;
}

int sonde_history_new(const struct sonde_config *config, struct sonde_history **out)
{
	struct sonde_history *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	err = set_up(h, config);
	if (err) {
		sonde_history_free(h);
		return err;
	}
	*out = h;
	return 0;
}

void sonde_history_free(struct sonde_history *h)
{
	if (!h)
		return;
	sonde_owners_fini(&h->owners);
	sonde_intern_fini(&h->intern);
	sonde_live_fini(&h->live);
	free(h->closed);
	free(h->events);
	free(h);
}

static void note(struct sonde_history *h, const struct sonde_connection *c,
		 enum sonde_happening what, uint64_t value, uint64_t time_unix_ns)
{
	h->events[h->n_events++ % (h->max * EVENTS_PER_CONNECTION)] = (struct sonde_event){
		.connection_id = c->id,
		.time_unix_ns = time_unix_ns,
		.value = value,
		.what = what,
	};
}

static uint32_t cut(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static uint64_t state_of(uint32_t pid, uint64_t srtt_ns)
{
	return (uint64_t)pid << 32 | cut(srtt_ns / 1000);
}

/* What differs from what was told last; nobody is handed a connection by becoming known. */
static void note_changes(struct sonde_history *h, const struct sonde_connection *c, uint64_t *live,
			 uint64_t now_unix_ns)
{
	uint32_t pid = (uint32_t)(*live >> 32), pid_now = c->process->pid;
	uint64_t rtt = (uint32_t)*live, rtt_now = c->srtt_ns / 1000;

	if (pid_now && pid_now != pid) {
		if (pid)
			note(h, c, SONDE_HAPPENED_OWNER, pid_now, now_unix_ns);
		pid = pid_now;
	}
	if (rtt_now && (!rtt || rtt_now >= rtt * 2 || rtt_now * 2 <= rtt)) {
		if (rtt)
			note(h, c, SONDE_HAPPENED_RTT, c->srtt_ns, now_unix_ns);
		rtt = rtt_now;
	}
	*live = state_of(pid, rtt * 1000);
}

static void note_fresh(struct sonde_history *h, const struct sonde_connection *c,
		       uint64_t now_unix_ns)
{
	uint64_t again = c->fresh.to_server.retransmits + c->fresh.to_client.retransmits;

	if (again)
		note(h, c, SONDE_HAPPENED_RETRANSMITS, again, now_unix_ns);
	if (c->fresh.zero_windows)
		note(h, c, SONDE_HAPPENED_ZERO_WINDOW, c->fresh.zero_windows, now_unix_ns);
}

static void put_travel(const struct sonde_travel *t, struct travel *out)
{
	*out = (struct travel){ t->bytes, t->segments, cut(t->retransmits), cut(t->out_of_order) };
}

static void forget(struct sonde_history *h, struct closed *k)
{
	sonde_owners_put(&h->owners, k->process);
	sonde_owners_put(&h->owners, k->peer);
	sonde_intern_put(&h->intern, k->service);
	sonde_intern_put(&h->intern, k->peer_service);
}

/* Names that there is no memory for are left out; the connection is not. */
static void put_names(struct sonde_history *h, const struct sonde_connection *c, struct closed *k)
{
	k->process = sonde_owners_get(&h->owners, c->process);
	k->peer = c->peer ? sonde_owners_get(&h->owners, c->peer) : NULL;
	k->has_peer = c->peer != NULL;
	k->service = sonde_intern_get(&h->intern, c->service);
	k->peer_service = sonde_intern_get(&h->intern, c->peer_service);
}

static void keep(struct sonde_history *h, const struct sonde_connection *c)
{
	struct closed *k = &h->closed[h->n_closed++ % h->max], old = *k;

	*k = (struct closed){
		.id = c->id,
		.opened_ns = c->opened_ns,
		.opened_unix_ns = c->opened_unix_ns,
		.duration_ns = c->duration_ns,
		.connect_ns = c->connect_ns,
		.accept_ns = c->accept_ns,
		.srtt_ns = c->srtt_ns,
		.min_rtt_ns = c->min_rtt_ns,
		.rtt_var_ns = c->rtt_var_ns,
		.rwnd_limited_ns = c->total.rwnd_limited_ns,
		.sndbuf_limited_ns = c->total.sndbuf_limited_ns,
		.client = c->client,
		.server = c->server,
		.client_original = c->client_original,
		.server_original = c->server_original,
		.zero_windows = cut(c->total.zero_windows),
		.port_unreachable = c->port_unreachable,
		.transport = (uint8_t)c->transport,
		.role = (uint8_t)c->role,
		.state = (uint8_t)c->state,
		.close_state = (uint8_t)c->close_state,
		.connect_error = (uint8_t)c->connect_error,
		.closed_by = (uint8_t)c->closed_by,
		.reset_by = (uint8_t)c->reset_by,
		.preexisting = c->preexisting,
		.timed_out = c->timed_out,
		.unseen_end = c->unseen_end,
	};
	put_travel(&c->total.to_server, &k->to_server);
	put_travel(&c->total.to_client, &k->to_client);
	/* First the new names: they are often the old ones. */
	put_names(h, c, k);
	forget(h, &old);
}

static void close_connection(struct sonde_history *h, const struct sonde_connection *c,
			     uint64_t now_unix_ns)
{
	if (c->connect_error != SONDE_CONNECT_OK)
		note(h, c, SONDE_HAPPENED_FAILED, c->connect_error, now_unix_ns);
	else
		note(h, c, SONDE_HAPPENED_CLOSED, 0, now_unix_ns);
	keep(h, c);
	sonde_live_remove(&h->live, sonde_live_id(c));
}

void sonde_history_connection(struct sonde_history *h, const struct sonde_connection *c,
			      enum sonde_connection_event event, uint64_t now_unix_ns)
{
	uint64_t id = sonde_live_id(c), *live;

	if (event == SONDE_CONNECTION_OPENED) {
		note(h, c, SONDE_HAPPENED_OPENED, 0, c->opened_unix_ns);
		live = sonde_live_get(&h->live, id);
		if (live)
			*live = state_of(c->process->pid, c->srtt_ns);
		return;
	}
	live = sonde_live_find(&h->live, id);
	if (live)
		note_changes(h, c, live, now_unix_ns);
	note_fresh(h, c, now_unix_ns);
	if (event == SONDE_CONNECTION_CLOSED)
		close_connection(h, c, now_unix_ns);
}

static struct sonde_travel travel_of(const struct travel *t)
{
	return (struct sonde_travel){
		.bytes = t->bytes,
		.segments = t->segments,
		.retransmits = t->retransmits,
		.out_of_order =
			t->out_of_order == UINT32_MAX ? SONDE_COUNT_UNKNOWN : t->out_of_order,
	};
}

static struct sonde_slice name_of(const struct sonde_text *text)
{
	return text ? sonde_text_slice(text) : SONDE_SLICE_EMPTY;
}

static void read_names(struct sonde_history *h, const struct closed *k,
		       struct sonde_connection *out)
{
	sonde_owners_read(k->process, &h->process);
	out->process = &h->process;
	if (k->has_peer) {
		sonde_owners_read(k->peer, &h->peer);
		out->peer = &h->peer;
	}
	out->service = name_of(k->service);
	out->peer_service = name_of(k->peer_service);
}

static void read_closed(struct sonde_history *h, const struct closed *k,
			struct sonde_connection *out)
{
	*out = (struct sonde_connection){
		.id = k->id,
		.transport = (enum sonde_transport)k->transport,
		.role = (enum sonde_role)k->role,
		.state = (enum sonde_tcp_state)k->state,
		.close_state = (enum sonde_tcp_state)k->close_state,
		.connect_error = (enum sonde_connect_error)k->connect_error,
		.closed_by = (enum sonde_role)k->closed_by,
		.reset_by = (enum sonde_role)k->reset_by,
		.preexisting = k->preexisting,
		.timed_out = k->timed_out,
		.unseen_end = k->unseen_end,
		.client = k->client,
		.server = k->server,
		.client_original = k->client_original,
		.server_original = k->server_original,
		.opened_ns = k->opened_ns,
		.opened_unix_ns = k->opened_unix_ns,
		.duration_ns = k->duration_ns,
		.connect_ns = k->connect_ns,
		.accept_ns = k->accept_ns,
		.srtt_ns = k->srtt_ns,
		.min_rtt_ns = k->min_rtt_ns,
		.rtt_var_ns = k->rtt_var_ns,
		.port_unreachable = k->port_unreachable,
		.total = {
			.to_server = travel_of(&k->to_server),
			.to_client = travel_of(&k->to_client),
			.zero_windows = k->zero_windows,
			.rwnd_limited_ns = k->rwnd_limited_ns,
			.sndbuf_limited_ns = k->sndbuf_limited_ns,
		},
	};
	read_names(h, k, out);
}

/* The number of the oldest that a ring of MAX still holds after N entries. */
static uint64_t oldest(uint64_t n, uint64_t max)
{
	return n > max ? n - max + 1 : 1;
}

bool sonde_history_next(struct sonde_history *h, uint64_t *cursor, uint64_t now_unix_ns,
			struct sonde_connection *out)
{
	uint64_t number = *cursor ? *cursor : h->n_closed + 1;

	while (--number >= oldest(h->n_closed, h->max)) {
		const struct closed *k = &h->closed[(number - 1) % h->max];
		uint64_t end = k->opened_unix_ns + k->duration_ns;

		if (now_unix_ns > end && now_unix_ns - end > h->history_ns)
			continue;
		*cursor = number;
		read_closed(h, k, out);
		return true;
	}
	return false;
}

bool sonde_history_event(const struct sonde_history *h, uint64_t id, uint64_t *cursor,
			 struct sonde_event *out)
{
	uint64_t max = h->max * EVENTS_PER_CONNECTION, number = oldest(h->n_events, max);

	if (*cursor >= number)
		number = *cursor + 1;
	for (; number <= h->n_events; number++) {
		const struct sonde_event *event = &h->events[(number - 1) % max];

		if (event->connection_id != id)
			continue;
		*cursor = number;
		*out = *event;
		return true;
	}
	return false;
}

size_t sonde_history_memory(const struct sonde_history *h)
{
	return sizeof(*h) + sonde_intern_memory(&h->intern) + sonde_owners_memory(&h->owners) +
	       sonde_live_memory(&h->live) + h->max * sizeof(*h->closed) +
	       h->max * EVENTS_PER_CONNECTION * sizeof(*h->events);
}
