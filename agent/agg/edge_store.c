// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/edge_store.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/agg/store.h"
#include "agent/core/hash.h"

/* What a caller asks for, before its names are interned. */
struct wanted {
	enum sonde_edge_kind kind;
	struct sonde_slice a, b;
};

static const struct sonde_slice other = { (const uint8_t *)"__other__", 9 };
static struct sonde_edge_entry nothing = { .kind = SONDE_EDGE_NONE };

static size_t units_of(enum sonde_edge_kind kind)
{
	static const size_t bytes[SONDE_EDGE_KINDS] = {
		[SONDE_EDGE_TCP] = sizeof(struct sonde_edge),
		[SONDE_EDGE_UDP] = sizeof(struct sonde_edge),
		[SONDE_EDGE_SERVICE] = sizeof(struct sonde_edge_service),
		[SONDE_EDGE_DROPPED] = sizeof(struct sonde_edge_drops),
	};

	return (bytes[kind] + SONDE_ARENA_UNIT - 1) / SONDE_ARENA_UNIT;
}

_Static_assert(sizeof(struct sonde_edge) <= (size_t)SONDE_ARENA_UNIT * SONDE_ARENA_UNITS_MAX,
	       "an edge is a block of the arena");

int sonde_edge_store_init(struct sonde_edges *e, uint32_t max_edges)
{
	/* Number 0, and every __other__ beside those with names of their own. */
	uint32_t beside =
		1 + 2 + SONDE_EDGE_SERVICES + 1 + SONDE_EDGE_DROPS + SONDE_EDGE_DROPS_FOLDED + 1;
	int err = sonde_intern_init(&e->intern);

	if (err)
		return err;
	if (__builtin_add_overflow(max_edges, beside, &e->cap))
		return -EINVAL;
	e->max_edges = max_edges;
	e->fresh = 1;
	e->entries = calloc(e->cap, sizeof(struct sonde_edge_entry *));
	e->unused = calloc(e->cap, sizeof(*e->unused));
	e->memo = calloc(SONDE_EDGE_MEMO, sizeof(*e->memo));
	if (!e->entries || !e->unused || !e->memo)
		return -ENOMEM;
	e->entries[0] = &nothing;
	return sonde_index_init(&e->index, e->cap);
}

void sonde_edge_store_fini(struct sonde_edges *e)
{
	sonde_intern_fini(&e->intern);
	sonde_arena_fini(&e->arena);
	sonde_index_fini(&e->index);
	free(e->entries);
	free(e->unused);
	free(e->memo);
	e->entries = NULL;
	e->unused = NULL;
	e->memo = NULL;
}

static uint32_t hash_of(enum sonde_edge_kind kind, const struct sonde_text *a,
			const struct sonde_text *b)
{
	return (uint32_t)sonde_hash_u64(((uint64_t)a->hash << 32 | b->hash) + kind);
}

static bool is_for(const struct sonde_edge_entry *t, const struct wanted *w)
{
	return t->kind == w->kind && sonde_text_is(t->a, w->a) && sonde_text_is(t->b, w->b);
}

static struct sonde_edge_entry *find(struct sonde_edges *e, const struct wanted *w)
{
	const struct sonde_text *a = sonde_intern_find(&e->intern, w->a);
	const struct sonde_text *b = a ? sonde_intern_find(&e->intern, w->b) : NULL;
	uint32_t hash, number;
	size_t at;

	if (!b)
		return NULL;
	at = hash = hash_of(w->kind, a, b);
	while ((number = sonde_index_next(&e->index, hash, &at)) != 0) {
		struct sonde_edge_entry *t = e->entries[number];

		if (t->a == a && t->b == b && t->kind == w->kind)
			return t;
	}
	return NULL;
}

/* Whether what bears these names is __other__, which has its room set aside. */
static bool is_folded(enum sonde_edge_kind kind, struct sonde_slice a, struct sonde_slice b)
{
	if (!sonde_slice_eq(a, other))
		return false;
	return kind > SONDE_EDGE_UDP || sonde_slice_eq(b, other);
}

static uint32_t *counter_of(struct sonde_edges *e, const struct sonde_edge_entry *t)
{
	bool folded = is_folded(t->kind, sonde_text_slice(t->a), sonde_text_slice(t->b));

	return folded ? &e->n_folded[t->kind] : &e->n[t->kind];
}

static struct sonde_edge_entry *make(struct sonde_edges *e, const struct wanted *w)
{
	size_t units = units_of(w->kind);
	struct sonde_edge_entry *t = sonde_arena_get(&e->arena, units);

	if (!t)
		return NULL;
	memset(t, 0, units * SONDE_ARENA_UNIT);
	*t = (struct sonde_edge_entry){
		.a = sonde_intern_get(&e->intern, w->a),
		.b = sonde_intern_get(&e->intern, w->b),
		.start_unix_ns = e->unix_ns,
		.kind = (uint8_t)w->kind,
	};
	if (t->a && t->b)
		return t;
	sonde_intern_put(&e->intern, t->a);
	sonde_intern_put(&e->intern, t->b);
	sonde_arena_put(&e->arena, t, units);
	return NULL;
}

static struct sonde_edge_entry *add(struct sonde_edges *e, const struct wanted *w)
{
	struct sonde_edge_entry *t;

	if (!e->n_unused && e->fresh >= e->cap)
		return NULL;
	t = make(e, w);
	if (!t)
		return NULL;
	t->number = e->n_unused ? e->unused[--e->n_unused] : e->fresh++;
	e->entries[t->number] = t;
	sonde_index_put(&e->index, hash_of(w->kind, t->a, t->b), t->number);
	(*counter_of(e, t))++;
	return t;
}

static bool has_room(const struct sonde_edges *e, const struct wanted *w)
{
	if (is_folded(w->kind, w->a, w->b))
		return w->kind != SONDE_EDGE_DROPPED || sonde_slice_eq(w->b, other) ||
		       e->n_folded[w->kind] < SONDE_EDGE_DROPS_FOLDED;
	switch (w->kind) {
	case SONDE_EDGE_SERVICE:
		return e->n[w->kind] < SONDE_EDGE_SERVICES;
	case SONDE_EDGE_DROPPED:
		return e->n[w->kind] < SONDE_EDGE_DROPS;
	default:
		return e->n[SONDE_EDGE_TCP] + e->n[SONDE_EDGE_UDP] < e->max_edges;
	}
}

static struct sonde_edge_entry *find_or_add(struct sonde_edges *e, const struct wanted *w)
{
	struct sonde_edge_entry *t = find(e, w);

	return t || !has_room(e, w) ? t : add(e, w);
}

/* The entry of W, or of __other__, folded no further than room demands. */
static __attribute__((noinline)) struct sonde_edge_entry *look_up(struct sonde_edges *e,
								  const struct wanted *w)
{
	struct sonde_edge_entry *t = find_or_add(e, w);
	struct wanted folded = *w;

	if (t)
		return t;
	folded.a = other;
	if (w->kind <= SONDE_EDGE_UDP)
		folded.b = other;
	t = find_or_add(e, &folded);
	folded.b = w->kind == SONDE_EDGE_SERVICE ? w->b : other;
	if (!t)
		t = find_or_add(e, &folded);
	e->overflowed += t != NULL;
	return t;
}

struct sonde_edge_entry *sonde_edge_entry(struct sonde_edges *e, enum sonde_edge_kind kind,
					  struct sonde_slice a, struct sonde_slice b)
{
	struct wanted w = { kind, a, b };
	uint64_t h = sonde_agg_guess(sonde_agg_guess(kind, a.ptr), b.ptr);
	uint32_t *memo = &e->memo[(h >> 32) & (SONDE_EDGE_MEMO - 1)];
	struct sonde_edge_entry *t = e->entries[*memo];

	if (!is_for(t, &w)) {
		t = look_up(e, &w);
		if (!t) {
			e->dropped++;
			return NULL;
		}
		*memo = t->number;
	}
	t->last_s = e->now_s;
	return t;
}

static void free_histograms(struct sonde_edges *e, struct sonde_edge *edge)
{
	struct sonde_edge_histogram *all[] = {
		&edge->request_duration,
		&edge->connect,
		&edge->accept,
		&edge->rtt,
		&edge->min_rtt,
		&edge->rtt_var,
		&edge->connection_duration,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sonde_cells_fini(&all[i]->cells, &e->arena);
}

static void drop(struct sonde_edges *e, struct sonde_edge_entry *t)
{
	enum sonde_edge_kind kind = t->kind;
	uint32_t number = t->number;

	(*counter_of(e, t))--;
	sonde_index_remove(&e->index, hash_of(kind, t->a, t->b), number);
	sonde_intern_put(&e->intern, t->a);
	sonde_intern_put(&e->intern, t->b);
	/* The entry is the first member of an edge. */
	if (kind <= SONDE_EDGE_UDP)
		free_histograms(e, (struct sonde_edge *)t);
	sonde_arena_put(&e->arena, t, units_of(kind));
	e->entries[number] = &nothing;
	e->unused[e->n_unused++] = number;
	e->expired++;
}

void sonde_edge_store_expire(struct sonde_edges *e, uint32_t idle_s)
{
	for (uint32_t looked = 0; looked < SONDE_EDGE_EXPIRE_SLICE; looked++) {
		struct sonde_edge_entry *t;

		if (++e->sweep >= e->fresh) {
			e->sweep = 0;
			return;
		}
		t = e->entries[e->sweep];
		if (t->kind != SONDE_EDGE_NONE && !t->pins && e->now_s - t->last_s > idle_s)
			drop(e, t);
	}
}

struct sonde_edge_entry *sonde_edge_store_next(const struct sonde_edges *e, unsigned int kinds,
					       size_t *at)
{
	while (++*at < e->fresh) {
		if (kinds >> e->entries[*at]->kind & 1)
			return e->entries[*at];
	}
	return NULL;
}

size_t sonde_edge_store_memory(const struct sonde_edges *e)
{
	return sizeof(*e) + sonde_intern_memory(&e->intern) + e->arena.memory_bytes +
	       sonde_index_memory(&e->index) + sonde_live_memory(&e->live) +
	       e->cap * (sizeof(struct sonde_edge_entry *) + sizeof(*e->unused)) +
	       SONDE_EDGE_MEMO * sizeof(*e->memo) +
	       (e->listeners ? sonde_table_memory(e->listeners) : 0);
}
