// SPDX-License-Identifier: Apache-2.0
/*
 * Any sequence of records: after each one, produced requests are delivered, dropped or open, and at
 * the end nobody is held.
 *
 * Of each step, two bytes say what happens on which of four connections; positions mostly follow
 * the stream, as those of the kernel side do, and payload is a line of HTTP or bytes of the input.
 */
#include <stdlib.h>

#include "agent/model/ledger.h"
#include "agent/track/track.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FACTS = SONDE_KINDS + 1 };

static const char *const lines[] = {
	"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
	"HEAD / HTTP/1.1\r\n\r\n",
	"POST /b HTTP/1.1\r\nContent-Length: 10\r\n\r\n",
	"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
	"CONNECT a:1 HTTP/1.1\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 101 Switching\r\n\r\n",
	"HTTP/1.1 304 Same\r\n\r\n",
	"GET /cut HTTP/1.1\r\nHo",
	"HTTP/1.1 200 OK\r\nContent-Le",
	"5\r\nhello\r\n0\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
	"\r\n\r\n",
};

struct world {
	struct sonde_slice in;
	struct sonde_ledger ledger;
	struct sonde_process process;
	int held;
	bool wild; /* positions have been anywhere: sizes mean nothing */
	uint64_t now_ns;
	uint64_t at[4][SONDE_DIRECTIONS]; /* where each stream is */
	uint32_t heads[4][SONDE_DIRECTIONS];
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static uint64_t take(struct world *w, size_t n)
{
	uint64_t value = 0;

	for (; n; n--) {
		value = value << 8 | (uint8_t)(sonde_slice_at(w->in, 0) & 0xff);
		w->in = sonde_slice_from(w->in, 1);
	}
	return value;
}

static struct sonde_process *identify(void *ctx, const struct sonde_record_open *open)
{
	struct world *w = ctx;

	w->process.pid = open->pid;
	w->held++;
	return &w->process;
}

static struct sonde_process *hold(void *ctx, struct sonde_process *p)
{
	struct world *w = ctx;

	w->held++;
	return p;
}

static void release(void *ctx, struct sonde_process *p)
{
	struct world *w = ctx;

	check(p == &w->process && w->held-- > 0);
}

static void request(void *ctx, struct sonde_request *r)
{
	struct world *w = ctx;

	check(r->process && r->method.len && r->error < SONDE_ERRORS);
	check(r->status || (!r->ttfb_ns && !r->response_bytes));
	check(w->wild || (r->request_body_bytes <= r->request_bytes &&
			  r->response_body_bytes <= r->response_bytes));
	w->ledger.delivered[SONDE_KIND_REQUEST]++;
}

static void lost(void *ctx, struct sonde_process *p, uint16_t port, enum sonde_role role,
		 enum sonde_loss why, uint64_t n)
{
	(void)ctx;
	(void)port;
	(void)role;
	(void)why;
	check(p && n);
}

static void connection(void *ctx, struct sonde_connection *c, enum sonde_connection_event event)
{
	struct world *w = ctx;

	check(c->process && c->role != SONDE_ROLE_UNKNOWN && event < SONDE_CONNECTION_EVENTS);
	check(c->fresh.to_server.bytes <= c->total.to_server.bytes || w->wild);
	if (event == SONDE_CONNECTION_CLOSED && !c->superseded)
		w->ledger.delivered[SONDE_KIND_CONNECTION]++;
}

static void want_stream(void *ctx, uint64_t id, bool all)
{
	(void)ctx;
	check(id < 4);
	(void)all;
}

static void want_reopen(void *ctx)
{
	(void)ctx;
}

static void fill_data(struct world *w, struct sonde_record *r, uint8_t how)
{
	struct sonde_record_data *d = &r->data;
	uint8_t flags = (uint8_t)take(w, 1), what = (uint8_t)take(w, 1);
	uint64_t *at;
	uint32_t *heads;

	d->direction = how & 1;
	at = &w->at[r->id][d->direction];
	heads = &w->heads[r->id][d->direction];
	d->first = flags & 1;
	d->response = flags & 2;
	d->gap = flags & 4;
	d->repeat = flags & 8;
	*heads += d->first || d->response;
	if (flags & 16)
		*heads += (uint32_t)take(w, 1);
	d->head = *heads;
	d->payload = sonde_slice_sub(w->in, 0, what >> 4);
	if (what & 8 && what < 0x80)
		w->in = sonde_slice_from(w->in, d->payload.len);
	else
		d->payload = sonde_slice_str(lines[what & 15]);
	d->segment_len = (uint32_t)d->payload.len + (flags & 32 ? (uint32_t)take(w, 2) : 0);
	d->position = *at;
	if (flags & 64)
		d->position += take(w, 1);
	if (flags & 128) {
		d->position = how & 2 ? take(w, 8) : d->position - take(w, 1);
		w->wild |= d->position > UINT32_MAX;
	}
	*at = d->position + d->segment_len;
	d->peer_bytes = w->at[r->id][!d->direction];
	d->stamp_ns = w->now_ns;
	d->peer_last_ns = w->now_ns - 1;
}

static void fill_flows(struct world *w, uint64_t id, struct sonde_progress flow[SONDE_DIRECTIONS])
{
	for (int i = 0; i < SONDE_DIRECTIONS; i++)
		flow[i] = (struct sonde_progress){ .bytes = w->at[id][i] + take(w, 1),
						   .last_ns = w->now_ns,
						   .heads = w->heads[id][i] };
}

static void fill(struct world *w, struct sonde_record *r, uint8_t how)
{
	uint8_t flags;

	switch (r->kind) {
	case SONDE_KIND_OPEN:
		flags = (uint8_t)take(w, 1);
		r->open.role = (enum sonde_role)(flags % SONDE_ROLES);
		r->open.stamp_ns = w->now_ns;
		r->open.failed = flags & 8;
		r->open.preexisting = flags & 16;
		r->open.again = flags & 32;
		r->open.pid = flags & 64;
		r->open.peer = flags & 128 ? how & 3 : 0;
		break;
	case SONDE_KIND_DATA:
		fill_data(w, r, how);
		break;
	case SONDE_KIND_PROGRESS:
		fill_flows(w, r->id, r->progress);
		break;
	case SONDE_KIND_OWNER:
		r->owner.pid = (uint32_t)take(w, 1);
		break;
	case SONDE_KIND_NAT:
		r->nat.remote.port = (uint16_t)take(w, 1);
		break;
	default:
		flags = (uint8_t)take(w, 1);
		fill_flows(w, r->id, r->close.flow);
		r->close.stamp_ns = w->now_ns;
		r->close.rst_in = flags & 1;
		r->close.timeout = flags & 2;
		r->close.http = flags & 4;
		r->close.failed = flags & 8;
		r->close.tcp.bytes_sent = flags;
		r->close.role = (enum sonde_role)(flags >> 4 & 1);
		memset(w->at[r->id], 0, sizeof(w->at[r->id]));
		memset(w->heads[r->id], 0, sizeof(w->heads[r->id]));
	}
}

static void count_open(void *ctx, struct sonde_process *p, uint16_t port, enum sonde_role role,
		       struct sonde_slice method)
{
	(void)port;
	(void)role;
	check(p && method.len);
	++*(uint64_t *)ctx;
}

/* Every record of the kernel is booked once, and so is what track has produced. */
static uint64_t booked(const struct world *w, enum sonde_kind kind)
{
	uint64_t n = w->ledger.delivered[kind];

	for (int i = 0; i < SONDE_LOSSES; i++)
		n += w->ledger.dropped[kind][i];
	return n;
}

static void check_ledger(struct world *w, const struct sonde_track *t)
{
	struct sonde_track_stats stats;
	uint64_t open = 0;

	sonde_track_each_open(t, count_open, &open);
	sonde_track_stats(t, &stats);
	check(w->ledger.produced[SONDE_KIND_REQUEST] == booked(w, SONDE_KIND_REQUEST) + open);
	check(w->ledger.produced[SONDE_KIND_CONNECTION] ==
	      booked(w, SONDE_KIND_CONNECTION) + stats.ending);
}

/* Flows of UDP whose other ends come, go, and claim what they like. */
static void flow(struct world *w, struct sonde_track *t, uint64_t id, uint8_t how)
{
	struct sonde_snapshot_udp_flow f = {
		.owner = { .pid = how >> 5 & 1 },
		.peer = how >> 3 & 3,
		.first_ns = w->now_ns,
		.packets = { take(w, 1), take(w, 1) },
		.local.port = (uint16_t)(how & 1),
		.role = how & 2 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT,
		.ended = how & 4,
	};

	/* No flow is its own other end. */
	if (f.peer == id)
		f.peer = 0;
	sonde_track_udp(t, id, &f);
}

static void step(struct world *w, struct sonde_track *t)
{
	/* Data most of the time; the other kinds, and ticks, once in a while. */
	static const uint8_t kinds[16] = { SONDE_KIND_OPEN, SONDE_KIND_PROGRESS, SONDE_KIND_CLOSE,
					   SONDE_KINDS,	    SONDE_KIND_OWNER,	 SONDE_KIND_NAT,
					   FACTS,	    SONDE_KIND_DATA,	 SONDE_KIND_DATA,
					   SONDE_KIND_DATA, SONDE_KIND_DATA,	 SONDE_KIND_DATA,
					   SONDE_KIND_DATA, SONDE_KIND_DATA,	 SONDE_KIND_DATA,
					   SONDE_KIND_DATA };
	uint8_t what = (uint8_t)take(w, 1), how = (uint8_t)take(w, 1);
	struct sonde_record r = { .kind = (enum sonde_kind)kinds[what & 15], .id = what >> 4 & 3 };
	uint64_t before;

	w->now_ns += 1000000ULL << (how >> 4);
	if (r.kind == SONDE_KINDS) {
		sonde_track_tick(t, w->now_ns, 0);
		if (how & 1)
			sonde_track_begin_telling(t);
		if (how & 2)
			sonde_track_end_telling(t);
		if (how & 4)
			sonde_track_end_facts(t);
		return;
	}
	if (what % 16 == 6 && what & 0x80) {
		flow(w, t, r.id, how);
		return;
	}
	if (what % 16 == 6) {
		struct sonde_snapshot_tcp facts = { .stamp_ns = w->now_ns,
						    .tcp = { .bytes_sent = how,
							     .segments_out = how & 15 } };

		sonde_track_facts(t, r.id, &facts);
		return;
	}
	fill(w, &r, how);
	before = booked(w, r.kind);
	sonde_track_record(t, &r);
	check(booked(w, r.kind) == before + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .in = sonde_slice_of(data, size), .now_ns = 1ULL << 40 };
	const struct sonde_track_ops ops = {
		.ctx = &w,
		.identify = identify,
		.hold = hold,
		.release = release,
		.request = request,
		.connection = connection,
		.lost = lost,
		.want_stream = want_stream,
		.want_reopen = want_reopen,
	};
	struct sonde_config config = { .capture = { .request_head_bytes = 64,
						    .response_head_bytes = 64,
						    .max_connections = 3 },
				       .http = { .timeout_ns = 1000000000 } };
	struct sonde_track *t;

	if (sonde_track_new(&config, &ops, &w.ledger, &t))
		return 0;
	while (w.in.len) {
		step(&w, t);
		check_ledger(&w, t);
	}
	sonde_track_finish(t);
	check_ledger(&w, t);
	sonde_track_free(t);
	check(!w.held);
	return 0;
}
