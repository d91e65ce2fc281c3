// SPDX-License-Identifier: Apache-2.0
#include "agent/track/connection.h"

#include <stdlib.h>

enum { POOL_STEP = 64 }; /* exchanges allocated at once */

const uint16_t sonde_exchange_room[SONDE_EXCHANGE_POOLS] = {
	224,
	SONDE_HTTP1_METHOD_MAX + SONDE_EXCHANGE_PATH + SONDE_EXCHANGE_HOST + SONDE_EXCHANGE_AGENT,
};

struct pool_block {
	struct pool_block *next;
	uint8_t exchanges[];
};

static bool grow_pool(struct sonde_track *t, uint8_t pool)
{
	size_t size = sonde_exchange_size(pool);
	struct pool_block *block = malloc(sizeof(*block) + POOL_STEP * size);

	if (!block)
		return false;
	block->next = t->pools[pool].blocks;
	t->pools[pool].blocks = block;
	t->pool_bytes += sizeof(*block) + POOL_STEP * size;
	for (size_t i = 0; i < POOL_STEP; i++) {
		struct exchange *e = (void *)(block->exchanges + i * size);

		e->pool = pool;
		e->next = t->pools[pool].free;
		t->pools[pool].free = e;
	}
	return true;
}

void sonde_exchange_pool_free(struct sonde_track *t)
{
	for (size_t pool = 0; pool < SONDE_EXCHANGE_POOLS; pool++) {
		struct pool_block *block = t->pools[pool].blocks;

		while (block) {
			struct pool_block *next = block->next;

			free(block);
			block = next;
		}
		t->pools[pool].blocks = NULL;
		t->pools[pool].free = NULL;
	}
}

static uint16_t clip(struct sonde_slice text, size_t max)
{
	return (uint16_t)(text.len < max ? text.len : max);
}

/* An exchange with room for the texts of HEAD, off its pool. NULL: no memory. */
static struct exchange *take(struct sonde_track *t, const struct sonde_http1_request *head)
{
	uint16_t method = clip(head->method, SONDE_HTTP1_METHOD_MAX);
	uint16_t path = clip(head->path, SONDE_EXCHANGE_PATH);
	uint16_t host = clip(head->host, SONDE_EXCHANGE_HOST);
	uint16_t agent = clip(head->user_agent, SONDE_EXCHANGE_AGENT);
	uint8_t pool = method + path + host + agent > sonde_exchange_room[0];
	struct exchange *e;

	if (!t->pools[pool].free && !grow_pool(t, pool))
		return NULL;
	e = t->pools[pool].free;
	t->pools[pool].free = e->next;
	e->method_len = method;
	e->path_len = path;
	e->host_len = host;
	e->agent_len = agent;
	return e;
}

static char *keep(char *to, struct sonde_slice from, size_t len)
{
	if (len)
		memcpy(to, from.ptr, len);
	return to + len;
}

static void keep_head(struct exchange *e, const struct sonde_http1_request *head)
{
	char *to = keep(e->text, head->method, e->method_len);

	to = keep(to, head->path, e->path_len);
	to = keep(to, head->host, e->host_len);
	keep(to, head->user_agent, e->agent_len);
	e->version = head->version;
	e->truncated = head->path.len > e->path_len;
	e->traced = head->trace_id.len == sizeof(e->trace_id) &&
		    head->span_id.len == sizeof(e->span_id);
	if (e->traced) {
		memcpy(e->trace_id, head->trace_id.ptr, sizeof(e->trace_id));
		memcpy(e->span_id, head->span_id.ptr, sizeof(e->span_id));
	}
	e->is_head = sonde_slice_eq(head->method, SONDE_SLICE_LIT("HEAD"));
	e->is_connect = sonde_slice_eq(head->method, SONDE_SLICE_LIT("CONNECT"));
}

static struct sonde_slice method_of(const struct exchange *e)
{
	return sonde_slice_of(e->text, e->method_len);
}

/* Fields that begin_*() does not set are set here, one by one: the texts need no clearing. */
static void clear(struct exchange *e, struct connection *c)
{
	e->next = NULL;
	e->conn = c;
	e->first_byte_ns = 0;
	e->asked_ns = 0;
	e->read_at = 0;
	e->quiet_ns = 0;
	e->quiet_end_ns = 0;
	e->response_base = 0;
	e->response_at = 0;
	e->response_body_at = 0;
	e->response_end = SONDE_POSITION_UNKNOWN;
	e->request_length = SONDE_POSITION_UNKNOWN;
	e->response_length = SONDE_POSITION_UNKNOWN;
	e->response_body = SONDE_HTTP1_BODY_UNKNOWN;
	e->status = 0;
	e->answered = false;
	e->cut_off = false;
	e->end_is_least = false;
	e->reported = false;
}

struct exchange *sonde_exchange_begin(struct sonde_track *t, struct connection *c,
				      const struct sonde_http1_request *head)
{
	struct exchange *e;

	/* Told in the wrong order, or anew: the peer may have come after us. */
	if (c->peer_id && !c->peer)
		sonde_track_join(t, c);
	t->ledger->produced[SONDE_KIND_REQUEST]++;
	e = c->n_exchanges < SONDE_EXCHANGES_PER_CONNECTION ? take(t, head) : NULL;
	if (!e) {
		t->ledger->dropped[SONDE_KIND_REQUEST][SONDE_LOSS_NO_MEMORY]++;
		t->ops.lost(t->ops.ctx, c->process, sonde_server_port(c), c->role,
			    SONDE_LOSS_NO_MEMORY, 1);
		return NULL;
	}
	clear(e, c);
	keep_head(e, head);
	if (c->last)
		c->last->next = e;
	else
		c->first = e;
	c->last = e;
	c->n_exchanges++;
	e->newer = NULL;
	e->older = t->newest;
	if (t->newest)
		t->newest->newer = e;
	else
		t->oldest = e;
	t->newest = e;
	t->stats.exchanges++;
	return e;
}

/* Takes the first exchange off its connection, off the list by age, and back to the pool. */
static void remove_first(struct sonde_track *t, struct connection *c)
{
	struct exchange *e = c->first;

	t->stats.exchanges--;
	c->first = e->next;
	if (!c->first)
		c->last = NULL;
	c->n_exchanges--;
	*(e->older ? &e->older->newer : &t->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &t->newest) = e->older;
	e->next = t->pools[e->pool].free;
	t->pools[e->pool].free = e;
}

static uint64_t span(uint64_t from, uint64_t end, uint64_t seen)
{
	uint64_t to = end < seen ? end : seen;

	return to > from ? to - from : 0;
}

/* Bytes of a body from AT to END: LENGTH when that is known, but never more than were seen. */
static uint64_t body_bytes(uint64_t length, uint64_t at, uint64_t end, uint64_t seen)
{
	uint64_t bytes = span(at, end, seen);

	return length < bytes ? length : bytes;
}

static void fill_sizes(struct connection *c, const struct exchange *e, struct sonde_request *r)
{
	uint64_t asked = sonde_request_stream(c)->seen, answered = sonde_response_stream(c)->seen;

	r->request_bytes = span(e->request_at, e->request_end, asked);
	r->request_body_bytes =
		body_bytes(e->request_length, e->request_body_at, e->request_end, asked);
	if (!e->answered)
		return;
	r->response_bytes = span(e->response_at, e->response_end, answered);
	r->response_body_bytes =
		body_bytes(e->response_length, e->response_body_at, e->response_end, answered);
}

static uint64_t at_most(uint64_t value, uint64_t max)
{
	return value < max ? value : max;
}

/* From the request's first byte to the application's first read of it; UINT64_MAX not known. */
static uint64_t waited(const struct exchange *e)
{
	/* Units of 64 ns, of which the low 32 bits are told; the lowest is always set. */
	uint32_t units = (uint32_t)e->read_at - ((uint32_t)(e->start_ns >> 6) | 1);

	if (!e->read_at)
		return UINT64_MAX;
	return (int32_t)units < 0 ? 0 : (uint64_t)units << 6;
}

/*
 *   server   |-- queue --|-- network: the rest arrives --|-- application --|-- transfer --|
 *            |-- network --|-- queue --|        when it was all there before it was read
 *   client   |-- network: a round trip --|-- the other end --|-- transfer --|
 */
static void fill_parts(const struct connection *c, const struct exchange *e,
		       struct sonde_request *r)
{
	uint64_t ttfb = at_most(r->ttfb_ns, r->duration_ns), wait, arrived;

	if (!e->answered)
		return;
	r->has_parts = true;
	r->transfer_ns = r->duration_ns - ttfb;
	if (c->role == SONDE_ROLE_CLIENT) {
		r->network_ns = at_most(sonde_news_rtt(c), ttfb);
		r->application_ns = ttfb - r->network_ns;
		return;
	}
	wait = waited(e);
	arrived = e->asked_ns > e->start_ns ? at_most(e->asked_ns - e->start_ns, ttfb) : 0;
	r->queue_known = wait != UINT64_MAX;
	wait = r->queue_known ? at_most(wait, ttfb) : 0;
	if (wait > arrived) {
		r->network_ns = arrived;
		r->queue_ns = wait - arrived;
	} else {
		r->queue_ns = wait;
		r->network_ns = arrived - wait;
	}
	r->application_ns = ttfb - r->network_ns - r->queue_ns;
}

static enum sonde_error error_of(const struct connection *c, const struct exchange *e,
				 enum sonde_error error)
{
	if (error != SONDE_ERROR_NONE)
		return error;
	/* A client's mistake is the client's failure, not the server's (semantic conventions). */
	if (e->status >= 500 || (c->role == SONDE_ROLE_CLIENT && e->status >= 400))
		return SONDE_ERROR_STATUS;
	return SONDE_ERROR_NONE;
}

static void tell(struct sonde_track *t, struct exchange *e, uint64_t end_ns, enum sonde_error error)
{
	struct connection *c = e->conn;
	bool client = c->role == SONDE_ROLE_CLIENT;
	const char *path = e->text + e->method_len;
	struct sonde_request r = {
		.connection_id = c->id,
		.start_ns = e->start_ns,
		.time_unix_ns = (uint64_t)((int64_t)e->start_ns + t->wall_offset_ns),
		.duration_ns = end_ns > e->start_ns ? end_ns - e->start_ns : 0,
		.ttfb_ns = e->first_byte_ns > e->start_ns ? e->first_byte_ns - e->start_ns : 0,
		.protocol = SONDE_PROTOCOL_HTTP1,
		.role = c->role,
		.error = error_of(c, e, error),
		.status = e->status,
		.version = e->version,
		.truncated = e->truncated,
		.method = method_of(e),
		.path = sonde_slice_of(path, e->path_len),
		.host = sonde_slice_of(path + e->path_len, e->host_len),
		.user_agent = sonde_slice_of(path + e->path_len + e->host_len, e->agent_len),
		.client = client ? c->local : c->remote,
		.server = *sonde_news_server(c),
		.server_original = sonde_news_asked(c),
		.process = c->process,
		.peer = c->peer,
	};

	if (e->traced) {
		r.trace_id = sonde_slice_of(e->trace_id, sizeof(e->trace_id));
		r.span_id = sonde_slice_of(e->span_id, sizeof(e->span_id));
	}
	fill_sizes(c, e, &r);
	fill_parts(c, e, &r);
	t->ops.request(t->ops.ctx, &r);
}

void sonde_exchange_finish(struct sonde_track *t, struct connection *c, uint64_t end_ns,
			   enum sonde_error error)
{
	if (!c->first->reported)
		tell(t, c->first, end_ns, error);
	remove_first(t, c);
}

void sonde_exchange_lose(struct sonde_track *t, struct connection *c, enum sonde_loss why)
{
	if (!c->first->reported) {
		t->ledger->dropped[SONDE_KIND_REQUEST][why]++;
		if (why != SONDE_LOSS_LOCAL_PEER)
			t->ops.lost(t->ops.ctx, c->process, sonde_server_port(c), c->role, why, 1);
	}
	remove_first(t, c);
}

void sonde_exchange_timeout(struct sonde_track *t, struct exchange *e)
{
	tell(t, e, t->now_ns, SONDE_ERROR_TIMEOUT);
	e->reported = true;
}
