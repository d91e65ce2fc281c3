// SPDX-License-Identifier: Apache-2.0
/*
 * news - what is told of a connection itself: opened, moved on, closed.
 *
 * The facts come from TCP's own counters at each end, in snapshots and with the close record. One
 * end reports: the server's when both are on this node. It is told as opened with its first facts
 * or its close, not before, because until then a client may turn out to be the other end of one
 * that is told already; and a client's end not before it is of some age. A server's last word waits
 * for that of its client, at most until the second tick, since what the client has sent again only
 * the client knows.
 */
#include "agent/track/connection.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_US     1000ull
#define CLIENT_AGE_NS 200000000ull

/* What a connection owns beside the table: at most three such things each. NULL: no memory. */
static void *set_aside(struct sonde_track *t, size_t size)
{
	void *p = malloc(size);

	if (p)
		t->aside_bytes += size;
	return p;
}

static void drop_aside(struct sonde_track *t, void *p, size_t size)
{
	if (p)
		t->aside_bytes -= size;
	free(p);
}

static enum sonde_role other(enum sonde_role role)
{
	return role == SONDE_ROLE_CLIENT ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
}

/* The role to tell: of an old socket whose role nobody knows, the lower port is the server's. */
static enum sonde_role role_of(const struct connection *c)
{
	if (c->role != SONDE_ROLE_UNKNOWN)
		return c->role;
	return c->local.port <= c->remote.port ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
}

/* What the other end counts, when it is on this node. NULL: not known. */
static const struct sonde_tcp_view *peer_view(const struct sonde_track *t,
					      const struct connection *c)
{
	const struct connection *peer;

	if (c->gone_peer)
		return c->gone_peer;
	if (!c->peer_id)
		return NULL;
	peer = sonde_table_find(t->table, c->peer_id);
	return peer && peer->facts.known ? &peer->facts.own : NULL;
}

static void count(const struct sonde_tcp_view *own, const struct sonde_tcp_view *peer,
		  enum sonde_role role, struct sonde_connection_counts *out)
{
	bool client = role == SONDE_ROLE_CLIENT;
	struct sonde_travel *sent = client ? &out->to_server : &out->to_client;
	struct sonde_travel *received = client ? &out->to_client : &out->to_server;

	*sent = (struct sonde_travel){
		.bytes = own->bytes_sent,
		.segments = own->segments_out,
		.retransmits = own->retransmits,
		.out_of_order = peer ? peer->out_of_order : SONDE_COUNT_UNKNOWN,
	};
	*received = (struct sonde_travel){
		.bytes = own->bytes_received,
		.segments = own->segments_in,
		.retransmits = peer ? peer->retransmits : own->repeats,
		.out_of_order = own->out_of_order,
	};
	out->zero_windows = own->zero_windows;
	out->rwnd_limited_ns = own->rwnd_limited_ns;
	out->sndbuf_limited_ns = own->sndbuf_limited_ns;
}

/* How much NOW is beyond *TOLD, which moves along. Never negative: a counter may be read late. */
static uint64_t grown64(uint64_t now, uint64_t *told)
{
	uint64_t by = now > *told ? now - *told : 0;

	*told += by;
	return by;
}

static uint64_t grown32(uint64_t now, uint32_t *told)
{
	uint32_t by = now == SONDE_COUNT_UNKNOWN || now <= *told ? 0 : (uint32_t)now - *told;

	*told += by;
	return by;
}

static void grow_travel(const struct sonde_travel *now, struct facts *f, int i,
			struct sonde_travel *fresh)
{
	fresh->bytes = grown64(now->bytes, &f->bytes[i]);
	fresh->segments = grown32(now->segments, &f->segments[i]);
	fresh->retransmits = grown32(now->retransmits, &f->retransmits[i]);
	fresh->out_of_order = grown32(now->out_of_order, &f->out_of_order[i]);
}

static void grow(const struct sonde_connection_counts *now, struct facts *f,
		 struct sonde_connection_counts *fresh)
{
	grow_travel(&now->to_server, f, 0, &fresh->to_server);
	grow_travel(&now->to_client, f, 1, &fresh->to_client);
	fresh->zero_windows = grown32(now->zero_windows, &f->zero_windows);
	fresh->rwnd_limited_ns = grown64(now->rwnd_limited_ns, &f->rwnd_limited_ns);
	fresh->sndbuf_limited_ns = grown64(now->sndbuf_limited_ns, &f->sndbuf_limited_ns);
}

static bool differs(const struct sonde_endpoint *a, const struct sonde_endpoint *b)
{
	return a->port != b->port || memcmp(a->address, b->address, sizeof(a->address)) != 0;
}

/* Both addresses of both ends, from the end of C. */
static void fill_addresses(const struct connection *c, struct sonde_connection *out)
{
	bool client = role_of(c) == SONDE_ROLE_CLIENT;
	const struct sonde_endpoint *asked_local = NULL, *asked_remote = NULL;

	if (client && c->nat) {
		asked_local = &c->local;
		asked_remote = &c->remote;
		out->client = c->nat->local;
		out->server = c->nat->remote;
	} else {
		out->client = client ? c->local : c->remote;
		out->server = client ? c->remote : c->local;
	}
	if (!client && c->nat) {
		asked_local = &c->nat->local;
		asked_remote = &c->nat->remote;
	}
	if (asked_local && differs(asked_local, &out->client))
		out->client_original = *asked_local;
	if (asked_remote && differs(asked_remote, &out->server))
		out->server_original = *asked_remote;
}

static void fill_times(const struct connection *c, const struct sonde_tcp_view *own,
		       const struct sonde_tcp_view *peer, struct sonde_connection *out)
{
	/* A server that only received has measured no round trip: its client has. */
	const struct sonde_tcp_view *measured = own->srtt_us || !peer ? own : peer;

	out->srtt_ns = measured->srtt_us * NS_PER_US;
	out->min_rtt_ns = measured->min_rtt_us * NS_PER_US;
	out->rtt_var_ns = measured->rtt_var_us * NS_PER_US;
	out->accept_ns = own->read_after_us * NS_PER_US;
	out->connect_ns = c->connect_us * NS_PER_US;
}

static void describe(const struct sonde_track *t, const struct connection *c,
		     const struct sonde_tcp_view *own, uint64_t now_ns,
		     struct sonde_connection *out)
{
	const struct sonde_tcp_view *peer = peer_view(t, c);

	*out = (struct sonde_connection){
		.id = c->id,
		.transport = SONDE_TRANSPORT_TCP,
		.role = role_of(c),
		.state = own->state,
		.preexisting = c->preexisting,
		.process = c->process,
		.peer = c->peer,
		.opened_ns = c->opened_ns,
		.opened_unix_ns = (uint64_t)((int64_t)c->opened_ns + t->wall_offset_ns),
		.duration_ns = now_ns > c->opened_ns ? now_ns - c->opened_ns : 0,
	};
	fill_addresses(c, out);
	fill_times(c, own, peer, out);
	count(own, peer, out->role, &out->total);
}

/*
 * What OUT has grown by since it was last told. Of a connection that is older than this worker the
 * past is not added up: it would be a sudden leap in everybody's counters.
 */
static void add_up(struct connection *c, struct sonde_connection *out)
{
	grow(&out->total, &c->facts, &out->fresh);
	if (c->preexisting && !c->facts.based)
		out->fresh = (struct sonde_connection_counts){ 0 };
	c->facts.based = true;
}

static void tell(struct sonde_track *t, struct connection *c, struct sonde_connection *out,
		 enum sonde_connection_event event)
{
	c->renamed = false;
	if (!c->told_open && !c->failed) {
		struct sonde_connection opened = *out;

		c->told_open = true;
		opened.fresh = (struct sonde_connection_counts){ 0 };
		opened.state = SONDE_TCP_ESTABLISHED;
		t->ops.connection(t->ops.ctx, &opened, SONDE_CONNECTION_OPENED);
	}
	t->ops.connection(t->ops.ctx, out, event);
}

static bool has_moved(const struct sonde_connection_counts *fresh)
{
	return fresh->to_server.segments || fresh->to_client.segments || fresh->zero_windows ||
	       fresh->to_server.retransmits || fresh->to_client.retransmits ||
	       fresh->rwnd_limited_ns || fresh->sndbuf_limited_ns;
}

void sonde_news_open(struct connection *c, const struct sonde_record_open *open)
{
	c->opened_ns = open->stamp_ns;
	c->connect_us = (uint32_t)(open->connect_ns / NS_PER_US);
	if (open->connect_ns && !c->connect_us)
		c->connect_us = 1;
	c->preexisting = open->preexisting || open->again;
	c->failed = open->failed;
}

void sonde_news_nat(struct sonde_track *t, struct connection *c, const struct sonde_record_nat *nat)
{
	if (!c->nat)
		c->nat = set_aside(t, sizeof(*c->nat));
	if (c->nat)
		*c->nat = *nat;
	c->renamed = true;
}

/* The server whose client C is has it as its peer. */
static void hand_to_server(struct sonde_track *t, struct connection *c)
{
	struct connection *server = c->shadow ? sonde_table_find(t->table, c->peer_id) : NULL;

	if (!server || !server->peer)
		return;
	t->ops.release(t->ops.ctx, server->peer);
	server->peer = t->ops.hold(t->ops.ctx, c->process);
	server->renamed = true;
}

void sonde_news_owner(struct sonde_track *t, struct connection *c,
		      const struct sonde_record_owner *owner)
{
	struct sonde_record_open open = {
		.pid = owner->pid,
		.start_ns = owner->start_ns,
		.cgroup_id = owner->cgroup_id,
		.role = c->role,
	};
	struct sonde_process *former = c->process;

	memcpy(open.comm, owner->comm, sizeof(open.comm));
	c->process = t->ops.identify(t->ops.ctx, &open);
	t->ops.release(t->ops.ctx, former);
	c->renamed = true;
	hand_to_server(t, c);
}

/* Its server's end, if that is on this node, may be a moment behind in the ring or on the wire. */
static bool is_too_young(const struct connection *c, uint64_t now_ns)
{
	return !c->told_open && role_of(c) == SONDE_ROLE_CLIENT &&
	       now_ns < c->opened_ns + CLIENT_AGE_NS;
}

void sonde_news_facts(struct sonde_track *t, struct connection *c,
		      const struct sonde_snapshot_tcp *snapshot)
{
	struct facts *f = &c->facts;
	struct sonde_connection out;

	if (c->ending)
		return;
	f->own = snapshot->tcp;
	f->known = true;
	if (c->shadow || !c->opened || c->failed || is_too_young(c, snapshot->stamp_ns))
		return;
	describe(t, c, &f->own, snapshot->stamp_ns, &out);
	add_up(c, &out);
	if (!c->told_open || c->renamed || has_moved(&out.fresh))
		tell(t, c, &out, SONDE_CONNECTION_UPDATED);
}

static enum sonde_connect_error why_failed(uint16_t error)
{
	switch (error) {
	case 0:
		return SONDE_CONNECT_ABORTED;
	case ECONNREFUSED:
		return SONDE_CONNECT_REFUSED;
	case ETIMEDOUT:
		return SONDE_CONNECT_TIMED_OUT;
	case ECONNRESET:
	case EPIPE:
		return SONDE_CONNECT_RESET;
	default: /* EHOSTUNREACH, ENETUNREACH, EACCES, EPROTO, ...: what ICMP errors become */
		return SONDE_CONNECT_UNREACHABLE;
	}
}

static void fill_ending(const struct sonde_record_close *r, struct sonde_connection *out)
{
	enum sonde_role own = out->role, peer = other(own);

	out->close_state = r->tcp.state;
	out->state = SONDE_TCP_CLOSE;
	if (r->failed) {
		out->connect_error = why_failed(r->error);
		return;
	}
	out->timed_out = r->timeout;
	if (r->rst_in)
		out->reset_by = peer;
	else if (r->rst_out || r->aborted)
		out->reset_by = own; /* an abort is a RST that leaves after the last word */
	if (r->fin_in && (r->peer_first || !r->fin_out))
		out->closed_by = peer;
	else if (r->fin_out)
		out->closed_by = own;
	else
		out->closed_by = out->reset_by;
}

static void tell_closed(struct sonde_track *t, struct connection *c,
			const struct sonde_record_close *r)
{
	struct sonde_connection out;

	c->facts.own = r->tcp;
	describe(t, c, &c->facts.own, r->stamp_ns, &out);
	fill_ending(r, &out);
	add_up(c, &out);
	tell(t, c, &out, SONDE_CONNECTION_CLOSED);
}

/* What the client knows better than its server. */
static void learn(struct sonde_track *t, struct connection *server, const struct connection *client)
{
	struct sonde_record_nat asked = { .local = client->local, .remote = client->remote };

	/* What it asked for, when its packets went elsewhere. */
	if (client->nat && !server->nat)
		sonde_news_nat(t, server, &asked);
	if (!server->connect_us)
		server->connect_us = client->connect_us;
}

/*
 * The client was told of as one whose server is elsewhere: a server that has no room for it takes
 * it in long after the client believes in it. That telling ends here, and counts for nothing more.
 */
static void supersede(struct sonde_track *t, struct connection *client)
{
	struct sonde_connection out;

	describe(t, client, &client->facts.own, t->now_ns, &out);
	out.state = SONDE_TCP_CLOSE;
	out.superseded = true;
	t->ledger->produced[SONDE_KIND_CONNECTION]++;
	t->ledger->dropped[SONDE_KIND_CONNECTION][SONDE_LOSS_LOCAL_PEER]++;
	tell(t, client, &out, SONDE_CONNECTION_CLOSED);
}

void sonde_news_join(struct sonde_track *t, struct connection *server, struct connection *client)
{
	learn(t, server, client);
	if (client->told_open)
		supersede(t, client);
}

/* C, the other end of a server on this node, has had its last word. */
static void leave_word(struct sonde_track *t, struct connection *c,
		       const struct sonde_record_close *r)
{
	struct connection *server = sonde_table_find(t->table, c->peer_id);

	if (!server || server->peer_id != c->id)
		return;
	if (!server->gone_peer)
		server->gone_peer = set_aside(t, sizeof(*server->gone_peer));
	if (server->gone_peer)
		*server->gone_peer = r->tcp;
	learn(t, server, c);
	if (server->ending) {
		tell_closed(t, server, server->ending);
		sonde_track_forget(t, server);
	}
}

bool sonde_news_close(struct sonde_track *t, struct connection *c,
		      const struct sonde_record_close *r)
{
	const struct connection *peer;

	if (c->shadow) {
		leave_word(t, c, r);
		return true;
	}
	if (!c->opened)
		return true;
	t->ledger->produced[SONDE_KIND_CONNECTION]++;
	peer = c->peer_id && !c->gone_peer ? sonde_table_find(t->table, c->peer_id) : NULL;
	if (peer && peer->shadow) {
		c->ending = set_aside(t, sizeof(*c->ending));
		if (c->ending) {
			*c->ending = *r;
			t->n_ending++;
			return false;
		}
	}
	tell_closed(t, c, r);
	return true;
}

void sonde_news_end(struct sonde_track *t, struct connection *c)
{
	struct sonde_connection out;

	if (c->ending) {
		tell_closed(t, c, c->ending);
		return;
	}
	if (c->shadow || !c->opened)
		return;
	t->ledger->produced[SONDE_KIND_CONNECTION]++;
	/* Why it failed was in the record that was lost. */
	if (c->failed) {
		t->ledger->dropped[SONDE_KIND_CONNECTION][SONDE_LOSS_RING_FULL]++;
		return;
	}
	describe(t, c, &c->facts.own, t->now_ns, &out);
	add_up(c, &out);
	out.close_state = out.state;
	out.state = SONDE_TCP_CLOSE;
	out.unseen_end = true;
	tell(t, c, &out, SONDE_CONNECTION_CLOSED);
}

uint64_t sonde_news_rtt(const struct connection *c)
{
	uint32_t us = c->facts.own.srtt_us;

	return (us ? us : c->connect_us) * NS_PER_US;
}

const struct sonde_endpoint *sonde_news_server(const struct connection *c)
{
	if (role_of(c) != SONDE_ROLE_CLIENT)
		return &c->local;
	return c->nat ? &c->nat->remote : &c->remote;
}

struct sonde_endpoint sonde_news_asked(const struct connection *c)
{
	struct sonde_endpoint none = { 0 };
	const struct sonde_endpoint *asked = &c->remote;

	if (!c->nat)
		return none;
	if (role_of(c) != SONDE_ROLE_CLIENT)
		asked = &c->nat->remote;
	return differs(asked, sonde_news_server(c)) ? *asked : none;
}

void sonde_news_fini(struct sonde_track *t, struct connection *c)
{
	drop_aside(t, c->gone_peer, sizeof(*c->gone_peer));
	drop_aside(t, c->ending, sizeof(*c->ending));
	drop_aside(t, c->nat, sizeof(*c->nat));
}

/* In a cursor: connections of TCP are through, flows of UDP are next. */
#define FLOWS ((size_t)1 << 63)

bool sonde_track_next_connection(struct sonde_track *t, size_t *cursor,
				 struct sonde_connection *out)
{
	static const struct sonde_tcp_view nothing = { .state = SONDE_TCP_ESTABLISHED };
	struct connection *c;
	uint64_t id;
	size_t at;
	bool more;

	while (!(*cursor & FLOWS) && (c = sonde_table_next(t->table, cursor, &id))) {
		if (c->shadow || !c->opened || c->failed || c->ending)
			continue;
		describe(t, c, c->facts.known ? &c->facts.own : &nothing, t->now_ns, out);
		return true;
	}
	at = *cursor & FLOWS ? *cursor & ~FLOWS : 0;
	more = sonde_udp_next(t, &at, out);
	*cursor = at | FLOWS;
	return more;
}
