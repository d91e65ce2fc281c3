// SPDX-License-Identifier: Apache-2.0
/*
 * wire - plays conversations to track as the kernel side would tell of them.
 *
 * A test says which segments pass; a line (one connection) decides like bpf/socket.bpf.c what of
 * them becomes a record: turns, heads, capture limits, holes. What track reports is recorded. All
 * payload ends at a guard page.
 */
#ifndef SONDE_TESTS_UNIT_TRACK_WIRE_H
#define SONDE_TESTS_UNIT_TRACK_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/core/clock.h"
#include "agent/track/connection.h"
#include "tests/unit/guard.h"

enum {
	WIRE_TOLD = 512,
	WIRE_NEWS = 64,
	WIRE_SEGMENT = 65536,
	WIRE_LIKE_BYTES = 8, /* the kernel side wants so many to see a response in them */
};

/* A request that track has told of. */
struct told {
	struct sonde_request r; /* its slices are not to be looked at */
	char method[SONDE_HTTP1_METHOD_MAX + 1];
	char path[SONDE_EXCHANGE_PATH + 1];
	char host[SONDE_EXCHANGE_HOST + 1];
	char trace_id[33];
	uint32_t peer_pid; /* 0: none */
};

/* News of a connection; its processes are not to be looked at. */
struct news {
	struct sonde_connection c;
	enum sonde_connection_event event;
	uint32_t pid, peer_pid;
};

struct wire {
	struct sonde_track *track;
	struct sonde_ledger ledger;
	struct sonde_config config;
	struct guard guard;
	struct sonde_process processes[8]; /* by connection id, modulo */
	uint64_t now_ns;
	uint64_t streamed; /* connection that is captured whole */
	uint64_t left;	   /* the connection that was last to be left alone */
	uint64_t lost;
	int held; /* references to processes that track has */
	unsigned int n_streams, n_reopens;
	size_t n_told;
	struct told told[WIRE_TOLD];
	size_t n_news;
	struct news news[WIRE_NEWS]; /* the last ones, modulo */
};

/* What the kernel side keeps of one direction. */
struct line_flow {
	uint64_t bytes, last_ns, peer_seen;
	uint32_t heads, left, probes;
	bool begun, http, hole;
};

struct line {
	struct wire *wire;
	uint64_t id;
	enum sonde_role role;
	struct line_flow flow[SONDE_DIRECTIONS];
	bool ring_full; /* records are lost */
};

static inline struct sonde_process *wire_identify(void *ctx, const struct sonde_record_open *open)
{
	struct wire *w = ctx;
	struct sonde_process *p = &w->processes[open->pid % 8];

	p->pid = open->pid;
	w->held++;
	return p;
}

static inline struct sonde_process *wire_hold(void *ctx, struct sonde_process *p)
{
	struct wire *w = ctx;

	w->held++;
	return p;
}

static inline void wire_release(void *ctx, struct sonde_process *p)
{
	struct wire *w = ctx;

	assert_non_null(p);
	w->held--;
}

static inline void wire_text(char *to, size_t room, struct sonde_slice from)
{
	assert_true(from.len < room);
	if (from.len)
		memcpy(to, from.ptr, from.len);
	to[from.len] = '\0';
}

static inline void wire_request(void *ctx, struct sonde_request *r)
{
	struct wire *w = ctx;
	struct told *t = &w->told[w->n_told++];

	assert_true(w->n_told <= WIRE_TOLD);
	assert_non_null(r->process);
	t->r = *r;
	t->peer_pid = r->peer ? r->peer->pid : 0;
	wire_text(t->method, sizeof(t->method), r->method);
	wire_text(t->path, sizeof(t->path), r->path);
	wire_text(t->host, sizeof(t->host), r->host);
	wire_text(t->trace_id, sizeof(t->trace_id), r->trace_id);
	w->ledger.delivered[SONDE_KIND_REQUEST]++;
}

static inline void wire_connection(void *ctx, struct sonde_connection *c,
				   enum sonde_connection_event event)
{
	struct wire *w = ctx;
	struct news *n = &w->news[w->n_news++ % WIRE_NEWS];

	assert_non_null(c->process);
	*n = (struct news){ *c, event, c->process->pid, c->peer ? c->peer->pid : 0 };
	if (event == SONDE_CONNECTION_CLOSED && !c->superseded)
		w->ledger.delivered[SONDE_KIND_CONNECTION]++;
}

static inline void wire_lost(void *ctx, struct sonde_process *p, uint16_t port,
			     enum sonde_role role, enum sonde_loss why, uint64_t n)
{
	struct wire *w = ctx;

	(void)p;
	(void)port;
	(void)role;
	(void)why;
	w->lost += n;
}

static inline void wire_want_stream(void *ctx, uint64_t id, bool all)
{
	struct wire *w = ctx;

	if (!all) {
		w->left = id;
		return;
	}
	w->streamed = id;
	w->n_streams++;
}

static inline void wire_want_reopen(void *ctx)
{
	struct wire *w = ctx;

	w->n_reopens++;
}

static inline struct wire *wire_new(uint32_t max_connections)
{
	struct wire *w = test_calloc(1, sizeof(*w));
	const struct sonde_track_ops ops = {
		.ctx = w,
		.identify = wire_identify,
		.hold = wire_hold,
		.release = wire_release,
		.request = wire_request,
		.connection = wire_connection,
		.lost = wire_lost,
		.want_stream = wire_want_stream,
		.want_reopen = wire_want_reopen,
	};

	w->config.capture.max_connections = max_connections;
	w->config.capture.request_head_bytes = 448;
	w->config.capture.response_head_bytes = 192;
	w->config.http.timeout_ns = 60 * SONDE_NS_PER_SEC;
	w->guard = guard_new(WIRE_SEGMENT);
	w->now_ns = 1000 * SONDE_NS_PER_SEC;
	assert_int_equal(sonde_track_new(&w->config, &ops, &w->ledger, &w->track), 0);
	sonde_track_tick(w->track, w->now_ns, 0);
	return w;
}

static inline void wire_count_open(void *ctx, struct sonde_process *p, uint16_t port,
				   enum sonde_role role, struct sonde_slice method)
{
	(void)p;
	(void)port;
	(void)role;
	(void)method;
	++*(uint64_t *)ctx;
}

static inline uint64_t wire_open_requests(const struct wire *w)
{
	uint64_t n = 0;

	sonde_track_each_open(w->track, wire_count_open, &n);
	return n;
}

static inline uint64_t wire_ended(const struct wire *w, enum sonde_kind kind)
{
	uint64_t ended = w->ledger.delivered[kind];

	for (int i = 0; i < SONDE_LOSSES; i++)
		ended += w->ledger.dropped[kind][i];
	return ended;
}

/* The promise of the ledger, for requests and connections. */
static inline void wire_check_ledger(const struct wire *w)
{
	struct sonde_track_stats s;

	sonde_track_stats(w->track, &s);
	assert_int_equal(w->ledger.produced[SONDE_KIND_REQUEST],
			 wire_ended(w, SONDE_KIND_REQUEST) + wire_open_requests(w));
	assert_int_equal(w->ledger.produced[SONDE_KIND_CONNECTION],
			 wire_ended(w, SONDE_KIND_CONNECTION) + s.ending);
}

/* Everything that track has ever taken is back in its pools. */
static inline void wire_check_pools(const struct wire *w)
{
	const struct sonde_track *t = w->track;
	const void *a = t->free_assemblies;
	size_t assemblies = 0, bytes = 0;

	for (size_t pool = 0; pool < SONDE_EXCHANGE_POOLS; pool++) {
		size_t exchanges = 0;

		for (const struct exchange *e = t->pools[pool].free; e; e = e->next)
			exchanges++;
		/* A pool grows by 64 and a link. */
		assert_int_equal(exchanges % 64, 0);
		bytes += exchanges / 64 * (64 * sonde_exchange_size(pool) + sizeof(void *));
	}
	for (; a; assemblies++)
		memcpy(&a, ((const struct sonde_assembly *)a)->bytes, sizeof(a));
	assert_int_equal(bytes + assemblies * sizeof(struct sonde_assembly), t->pool_bytes);
}

/* Nothing is open: no connection, exchange, assembly or reference is left. */
static inline void wire_check_rest(const struct wire *w)
{
	struct sonde_track_stats s;

	sonde_track_stats(w->track, &s);
	assert_int_equal(s.connections, 0);
	assert_int_equal(s.exchanges, 0);
	assert_int_equal(s.ending, 0);
	assert_int_equal(w->track->aside_bytes, 0);
	assert_int_equal(wire_open_requests(w), 0);
	assert_int_equal(w->held, 0);
	assert_null(w->track->oldest);
	assert_null(w->track->newest);
	wire_check_ledger(w);
	wire_check_pools(w);
}

static inline void wire_free(struct wire *w)
{
	sonde_track_free(w->track);
	assert_int_equal(w->held, 0);
	guard_free(&w->guard);
	test_free(w);
}

static inline void wire_tick(struct wire *w, uint64_t ms)
{
	w->now_ns += ms * SONDE_NS_PER_MS;
	sonde_track_tick(w->track, w->now_ns, 0);
}

static inline void wire_tell(struct wire *w, const struct sonde_record *r)
{
	sonde_track_record(w->track, r);
	wire_check_ledger(w);
}

static inline struct sonde_record line_open_record(const struct line *l, uint64_t peer)
{
	struct sonde_record r = { .kind = SONDE_KIND_OPEN, .id = l->id };

	r.open.stamp_ns = l->wire->now_ns;
	r.open.role = l->role;
	r.open.pid = (uint32_t)l->id;
	r.open.peer = peer;
	r.open.local.port = l->role == SONDE_ROLE_CLIENT ? 40000 : 8080;
	r.open.remote.port = l->role == SONDE_ROLE_CLIENT ? 8080 : 40000;
	return r;
}

static inline struct line line_of(struct wire *w, uint64_t id, enum sonde_role role)
{
	return (struct line){ .wire = w, .id = id, .role = role };
}

static inline struct line line_open(struct wire *w, uint64_t id, enum sonde_role role)
{
	struct line l = line_of(w, id, role);
	struct sonde_record r = line_open_record(&l, 0);

	wire_tell(w, &r);
	return l;
}

static inline enum sonde_direction line_asks(const struct line *l)
{
	return l->role == SONDE_ROLE_CLIENT ? SONDE_EGRESS : SONDE_INGRESS;
}

static inline bool line_like_response(const char *bytes, size_t len)
{
	return len >= WIRE_LIKE_BYTES && !memcmp(bytes, "HTTP/1.", 7);
}

/* One data record of LEN bytes at POSITION, of which CAPTURED are in it. */
static inline void line_data(struct line *l, enum sonde_direction d, uint64_t position,
			     const char *bytes, size_t captured, size_t len,
			     struct sonde_record_data flags)
{
	struct sonde_record r = { .kind = SONDE_KIND_DATA, .id = l->id, .data = flags };
	const struct line_flow *f = &l->flow[d], *peer = &l->flow[!d];

	if (l->ring_full)
		return;
	r.data.stamp_ns = l->wire->now_ns;
	r.data.position = position;
	r.data.peer_bytes = peer->bytes;
	r.data.peer_last_ns = peer->last_ns;
	r.data.head = f->heads;
	r.data.segment_len = (uint32_t)len;
	r.data.direction = d;
	r.data.payload = guard_put(&l->wire->guard, sonde_slice_of(bytes, captured));
	wire_tell(l->wire, &r);
}

/* The kernel side's decision at the beginning of a turn. */
static inline void line_turn(struct line *l, enum sonde_direction d, const char *bytes, size_t len,
			     struct sonde_record_data *flags)
{
	struct line_flow *f = &l->flow[d];
	bool asks = d == line_asks(l), answered_http = l->flow[!d].http;

	f->begun = true;
	f->peer_seen = l->flow[!d].bytes;
	f->hole = false;
	f->left = 0;
	flags->first = true;
	if (!asks && !f->http && f->probes < 3) {
		flags->response = line_like_response(bytes, len);
		f->http = flags->response;
		f->probes += !f->http;
	}
	if (!asks && f->http)
		f->left = l->wire->config.capture.response_head_bytes;
	if (asks && (answered_http || l->flow[!d].probes < 3))
		f->left = l->wire->config.capture.request_head_bytes;
	f->heads += f->left > 0;
}

/* A segment of LEN bytes that begins AHEAD bytes behind what has passed (0: in order). */
static inline void line_segment_ahead(struct line *l, enum sonde_direction d, uint64_t ahead,
				      const char *bytes, size_t len)
{
	struct line_flow *f = &l->flow[d];
	struct sonde_record_data flags = { .gap = ahead > 0 };
	uint64_t position = f->bytes + ahead;
	size_t want;

	f->bytes = position + len;
	f->last_ns = l->wire->now_ns;
	if (!f->begun || f->peer_seen != l->flow[!d].bytes) {
		line_turn(l, d, bytes, len, &flags);
	} else if (!f->left && f->http && line_like_response(bytes, len)) {
		f->left = l->wire->config.capture.response_head_bytes;
		f->heads++;
		flags.response = true;
	}
	f->hole |= flags.gap;
	want = f->left < len ? f->left : len;
	if (l->wire->streamed == l->id)
		want = len;
	f->left -= f->left < want ? f->left : (uint32_t)want;
	if (want)
		line_data(l, d, position, bytes, want, len, flags);
}

static inline void line_segment(struct line *l, enum sonde_direction d, const char *bytes,
				size_t len)
{
	line_segment_ahead(l, d, 0, bytes, len);
}

/* A segment that comes again, or late, BACK bytes below what has passed. */
static inline void line_repeat(struct line *l, enum sonde_direction d, uint64_t back,
			       const char *bytes, size_t len)
{
	if (l->flow[d].hole)
		line_data(l, d, l->flow[d].bytes - back, bytes, len, len,
			  (struct sonde_record_data){ .repeat = true });
}

static inline void line_ask(struct line *l, const char *text)
{
	line_segment(l, line_asks(l), text, strlen(text));
}

static inline void line_answer(struct line *l, const char *text)
{
	line_segment(l, !line_asks(l), text, strlen(text));
}

static inline void line_flows(const struct line *l, struct sonde_progress out[SONDE_DIRECTIONS])
{
	for (int i = 0; i < SONDE_DIRECTIONS; i++)
		out[i] = (struct sonde_progress){ .bytes = l->flow[i].bytes,
						  .last_ns = l->flow[i].last_ns,
						  .heads = l->flow[i].heads };
}

static inline void line_progress(struct line *l)
{
	struct sonde_record r = { .kind = SONDE_KIND_PROGRESS, .id = l->id };

	line_flows(l, r.progress);
	wire_tell(l->wire, &r);
}

/* HOW: the reasons alone count. */
static inline void line_close(struct line *l, struct sonde_record_close how)
{
	struct sonde_record r = { .kind = SONDE_KIND_CLOSE, .id = l->id, .close = how };

	r.close.stamp_ns = l->wire->now_ns;
	line_flows(l, r.close.flow);
	wire_tell(l->wire, &r);
}

static inline void line_end(struct line *l)
{
	line_close(l, (struct sonde_record_close){ .fin_in = true, .fin_out = true });
}

#endif
