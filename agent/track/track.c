// SPDX-License-Identifier: Apache-2.0
#include "agent/track/track.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/clock.h"
#include "agent/track/connection.h"

/* An answer of unknown length that has been silent for so long is taken as complete. */
#define QUIET_END_NS (1 * SONDE_NS_PER_SEC)
#define LAST_WORD_NS (1 * SONDE_NS_PER_SEC) /* see news.c */

/* An iterator may pass over a socket when another one leaves meanwhile, but not time after time. */
enum { MISSED_MAX = 3 };

int sonde_track_new(const struct sonde_config *config, const struct sonde_track_ops *ops,
		    struct sonde_ledger *ledger, struct sonde_track **out)
{
	struct sonde_track *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	err = sonde_table_new(config->capture.max_connections, sizeof(struct connection),
			      &t->table);
	if (!err)
		err = sonde_udp_init(t);
	if (err) {
		sonde_table_free(t->table);
		free(t);
		return err;
	}
	t->ops = *ops;
	t->ledger = ledger;
	t->now_ns = sonde_clock_mono_ns();
	t->wall_offset_ns = sonde_clock_wall_offset_ns();
	t->stats.connections_max = config->capture.max_connections;
	sonde_track_configure(t, config);
	*out = t;
	return 0;
}

void sonde_track_configure(struct sonde_track *t, const struct sonde_config *config)
{
	t->timeout_ns = config->http.timeout_ns;
	t->head_bytes[0] = config->capture.response_head_bytes;
	t->head_bytes[1] = config->capture.request_head_bytes;
}

struct sonde_assembly *sonde_track_assembly(struct sonde_track *t, struct stream *s, uint64_t base)
{
	struct sonde_assembly *a = t->free_assemblies;

	if (a) {
		memcpy(&t->free_assemblies, a->bytes, sizeof(t->free_assemblies));
	} else {
		a = malloc(sizeof(*a));
		if (!a)
			return NULL;
		t->pool_bytes += sizeof(*a);
	}
	sonde_assembly_begin(a, base);
	s->assembly = a;
	return a;
}

/* A free assembly keeps the link to the next one in its window. */
void sonde_track_assembly_done(struct sonde_track *t, struct stream *s)
{
	if (!s->assembly)
		return;
	memcpy(s->assembly->bytes, &t->free_assemblies, sizeof(t->free_assemblies));
	t->free_assemblies = s->assembly;
	s->assembly = NULL;
}

static void free_assemblies(struct sonde_track *t)
{
	while (t->free_assemblies) {
		struct sonde_assembly *a = t->free_assemblies;

		memcpy(&t->free_assemblies, a->bytes, sizeof(t->free_assemblies));
		free(a);
	}
}

/* Lets go of what the connection holds; its open exchanges must be gone. */
void sonde_track_forget(struct sonde_track *t, struct connection *c)
{
	if (c->ending)
		t->n_ending--;
	t->n_old -= c->old;
	sonde_news_fini(t, c);
	sonde_track_assembly_done(t, &c->stream[SONDE_INGRESS]);
	sonde_track_assembly_done(t, &c->stream[SONDE_EGRESS]);
	t->ops.release(t->ops.ctx, c->process);
	if (c->peer)
		t->ops.release(t->ops.ctx, c->peer);
	sonde_table_remove(t->table, c->id);
}

void sonde_track_free(struct sonde_track *t)
{
	struct connection *c;
	size_t cursor = 0;
	uint64_t id;

	if (!t)
		return;
	while ((c = sonde_table_next(t->table, &cursor, &id))) {
		c->first = NULL;
		sonde_track_forget(t, c);
	}
	sonde_udp_fini(t);
	free_assemblies(t);
	sonde_exchange_pool_free(t);
	sonde_table_free(t->table);
	free(t);
}

static struct connection *get_connection(struct sonde_track *t, uint64_t id, bool *added)
{
	struct connection *c = sonde_table_get(t->table, id, added);

	if (!c || !*added)
		return c;
	c->id = id;
	for (int i = 0; i < SONDE_DIRECTIONS; i++) {
		c->stream[i].next = SONDE_POSITION_UNKNOWN;
		c->stream[i].chunk_at = SONDE_POSITION_UNKNOWN;
	}
	return c;
}

/* The other end of this connection is on this node and reports for both: stop reporting here. */
static void shadow(struct sonde_track *t, struct connection *server, struct connection *client)
{
	if (client->shadow)
		return;
	client->shadow = true;
	client->peer_id = server->id;
	sonde_news_join(t, server, client);
	t->stats.shadowed++;
	while (client->first)
		sonde_exchange_lose(t, client, SONDE_LOSS_LOCAL_PEER);
}

void sonde_track_join(struct sonde_track *t, struct connection *server)
{
	struct connection *client = sonde_table_find(t->table, server->peer_id);

	if (!client || client == server)
		return;
	if (!server->peer)
		server->peer = t->ops.hold(t->ops.ctx, client->process);
	shadow(t, server, client);
}

/* It has ended without a word. */
static void end_unseen(struct sonde_track *t, struct connection *c)
{
	while (c->first)
		sonde_exchange_lose(t, c, SONDE_LOSS_RING_FULL);
	sonde_news_end(t, c);
	sonde_track_forget(t, c);
}

/* Its socket has connected anew: the last word of this connection was lost. */
static bool is_reborn(const struct connection *c, const struct sonde_record_open *open)
{
	return c->opened && c->process->pid && !open->preexisting && !open->again &&
	       open->stamp_ns > c->opened_ns;
}

static void on_open(struct sonde_track *t, uint64_t id, const struct sonde_record_open *open)
{
	struct connection *c;
	bool added;

	c = sonde_table_find(t->table, id);
	if (c && is_reborn(c, open))
		end_unseen(t, c);
	c = get_connection(t, id, &added);
	if (!c) {
		t->ledger->dropped[SONDE_KIND_OPEN][SONDE_LOSS_TABLE_FULL]++;
		return;
	}
	t->ledger->delivered[SONDE_KIND_OPEN]++;
	c->told = t->telling;
	if (c->ending || (!added && c->opened && (c->process->pid || !open->pid)))
		return; /* told again for a new worker, or adopted by packet and by iterator */
	if (!added)
		t->ops.release(t->ops.ctx, c->process);
	c->process = t->ops.identify(t->ops.ctx, open);
	c->local = open->local;
	c->remote = open->remote;
	sonde_news_open(c, open);
	if (open->role != SONDE_ROLE_UNKNOWN)
		c->role = open->role;
	c->peer_id = open->peer;
	t->n_old += open->preexisting && !c->old;
	c->old |= open->preexisting;
	c->opened = open->role != SONDE_ROLE_UNKNOWN || open->pid;
	c->counted = added && !open->preexisting && !open->again;
	/* Seen from the start: so are its bytes, also when the first ones come late. */
	for (int i = 0; c->counted && i < SONDE_DIRECTIONS; i++)
		c->stream[i].next = 0;
	if (c->peer_id)
		sonde_track_join(t, c);
}

/* A connection that speaks and was never told of. NULL: no room. */
static struct connection *meet(struct sonde_track *t, uint64_t id)
{
	struct sonde_record_open nobody = { .role = SONDE_ROLE_UNKNOWN };
	bool added;
	struct connection *c = get_connection(t, id, &added);

	if (!c)
		return NULL;
	c->told = t->telling;
	c->process = t->ops.identify(t->ops.ctx, &nobody);
	t->stats.unnamed++;
	t->ops.want_reopen(t->ops.ctx);
	return c;
}

/* The connection of a record other than open; made when it was never opened here. */
static struct connection *find_connection(struct sonde_track *t, uint64_t id, enum sonde_kind kind)
{
	struct connection *c = sonde_table_find(t->table, id);

	return c || kind != SONDE_KIND_DATA ? c : meet(t, id);
}

static void follow(struct sonde_track *t, struct connection *c, const struct sonde_record *record)
{
	switch (record->kind) {
	case SONDE_KIND_DATA:
		if (!c->shadow && !c->left_alone)
			sonde_http_data(t, c, &record->data);
		break;
	case SONDE_KIND_PROGRESS:
		if (!c->shadow && !c->left_alone)
			sonde_http_progress(t, c, record->progress, t->now_ns);
		break;
	case SONDE_KIND_CLOSE:
		if (c->ending)
			break;
		if (!c->shadow)
			sonde_http_close(t, c, &record->close);
		if (sonde_news_close(t, c, &record->close))
			sonde_track_forget(t, c);
		break;
	case SONDE_KIND_OWNER:
		sonde_news_owner(t, c, &record->owner);
		break;
	case SONDE_KIND_NAT:
		sonde_news_nat(t, c, &record->nat);
		break;
	default:
		break;
	}
}

/* Nothing but the close record of this connection came through: its requests are lost, nobody's. */
static void book_unopened(struct sonde_track *t, const struct sonde_record_close *close)
{
	bool client = close->role == SONDE_ROLE_CLIENT;
	uint32_t n = close->flow[client ? SONDE_EGRESS : SONDE_INGRESS].heads;
	struct sonde_record_open nobody = { .role = close->role };
	struct sonde_process *process;

	if (!close->http || !n)
		return;
	process = t->ops.identify(t->ops.ctx, &nobody);
	t->ledger->produced[SONDE_KIND_REQUEST] += n;
	t->ledger->dropped[SONDE_KIND_REQUEST][SONDE_LOSS_RING_FULL] += n;
	t->ops.lost(t->ops.ctx, process, 0, close->role, SONDE_LOSS_RING_FULL, n);
	t->ops.release(t->ops.ctx, process);
}

void sonde_track_record(struct sonde_track *t, const struct sonde_record *record)
{
	struct connection *c;

	if (record->kind == SONDE_KIND_OPEN) {
		on_open(t, record->id, &record->open);
		return;
	}
	c = find_connection(t, record->id, record->kind);
	if (!c && record->kind == SONDE_KIND_DATA) {
		t->ledger->dropped[record->kind][SONDE_LOSS_TABLE_FULL]++;
		return;
	}
	t->unparsed = false;
	if (c)
		follow(t, c, record);
	else if (record->kind == SONDE_KIND_CLOSE)
		book_unopened(t, &record->close);
	/* Last: a worker that dies before has not delivered it. */
	if (t->unparsed)
		t->ledger->dropped[record->kind][SONDE_LOSS_UNPARSED]++;
	else
		t->ledger->delivered[record->kind]++;
}

void sonde_track_ring_lost(struct sonde_track *t)
{
	t->ring_lost = true;
}

void sonde_track_begin_telling(struct sonde_track *t)
{
	t->telling++;
}

void sonde_track_end_telling(struct sonde_track *t)
{
	struct connection *c;
	size_t cursor = 0;
	uint64_t id;

	while ((c = sonde_table_next(t->table, &cursor, &id))) {
		if (c->told != t->telling)
			end_unseen(t, c);
	}
}

void sonde_track_facts(struct sonde_track *t, uint64_t id,
		       const struct sonde_snapshot_tcp *snapshot)
{
	struct connection *c = sonde_table_find(t->table, id);

	t->seen_facts = true;
	if (!c)
		return;
	c->n_missed = 0;
	sonde_news_facts(t, c, snapshot);
}

void sonde_track_end_facts(struct sonde_track *t)
{
	struct connection *c;
	size_t cursor = 0;
	uint64_t id;

	while (t->n_old && t->seen_facts && (c = sonde_table_next(t->table, &cursor, &id))) {
		if (!c->old || c->ending || ++c->n_missed <= MISSED_MAX)
			continue;
		while (c->first)
			sonde_exchange_finish(t, c, t->now_ns, SONDE_ERROR_CLOSED);
		end_unseen(t, c);
	}
	sonde_udp_end_snapshot(t);
}

/* Servers that have closed before UNTIL and whose client's last word has not come: it was lost, or
 * the client is held for long. */
static void end_waiting(struct sonde_track *t, uint64_t until_ns)
{
	struct connection *c;
	size_t cursor = 0;
	uint64_t id;

	while (t->n_ending && (c = sonde_table_next(t->table, &cursor, &id))) {
		if (!c->ending || c->ending->stamp_ns > until_ns)
			continue;
		sonde_news_end(t, c);
		sonde_track_forget(t, c);
	}
}

void sonde_track_finish(struct sonde_track *t)
{
	end_waiting(t, UINT64_MAX);
}

static bool is_incomplete(const struct exchange *e)
{
	return e->request_end != SONDE_POSITION_UNKNOWN &&
	       sonde_request_stream(e->conn)->seen < e->request_end;
}

/* The list is by start, so the first one that is young enough ends the walk. */
static void expire_exchanges(struct sonde_track *t)
{
	struct exchange *e = t->oldest, *newer;

	/* A stamp may be ahead of the tick: of a record drained since, or of a paced segment. */
	for (; e && t->now_ns > e->start_ns + t->timeout_ns; e = newer) {
		newer = e->newer;
		/* A request that is still on its way has no answer to be late. */
		if (!e->reported && !e->answered && !is_incomplete(e))
			sonde_exchange_timeout(t, e);
	}
}

static void end_quiet(struct sonde_track *t)
{
	struct exchange *e = t->oldest, *newer;

	for (; e; e = newer) {
		newer = e->newer;
		if (!e->quiet_ns || t->now_ns - e->quiet_ns < QUIET_END_NS || e != e->conn->first)
			continue;
		t->stats.ended_by_quiet++;
		sonde_exchange_finish(t, e->conn, e->quiet_end_ns, SONDE_ERROR_NONE);
	}
}

void sonde_track_tick(struct sonde_track *t, uint64_t mono_ns, int64_t wall_offset_ns)
{
	t->now_ns = mono_ns;
	t->wall_offset_ns = wall_offset_ns;
	expire_exchanges(t);
	end_quiet(t);
	end_waiting(t, mono_ns - LAST_WORD_NS);
}

void sonde_track_each_open(const struct sonde_track *t, sonde_track_open_fn fn, void *ctx)
{
	for (const struct exchange *e = t->oldest; e; e = e->newer)
		if (!e->reported)
			fn(ctx, e->conn->process, sonde_server_port(e->conn), e->conn->role,
			   sonde_slice_of(e->text, e->method_len));
}

void sonde_track_stats(const struct sonde_track *t, struct sonde_track_stats *out)
{
	*out = t->stats;
	out->connections = sonde_table_len(t->table);
	out->ending = t->n_ending;
	out->flows = sonde_table_len(t->flows);
	out->memory_bytes = sonde_table_memory(t->table) + sonde_table_memory(t->flows) +
			    t->pool_bytes + t->aside_bytes;
}
