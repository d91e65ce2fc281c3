// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/agg.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "agent/agg/store.h"
#include "agent/core/clock.h"
#include "agent/core/hash.h"

/* What a record says about its series, before its names are interned. */
struct wanted {
	struct sonde_slice service, peer, method, route, space, version;
	uint16_t status;
	uint8_t role;
	uint8_t error;
};

static uint32_t overflow_room(uint32_t max_series)
{
	return max_series / 16 + 8;
}

static size_t series_bytes(uint32_t cap)
{
	return (size_t)cap * sizeof(struct sonde_series);
}

/* Room for CAP numbers; what is there stays. */
static int reserve(struct sonde_agg *agg, uint32_t cap)
{
	uint32_t *unused;
	void *series;

	if (cap <= agg->cap)
		return 0;
	unused = reallocarray(agg->unused, cap, sizeof(*unused));
	if (!unused)
		return -ENOMEM;
	agg->unused = unused;
	if (agg->cap ? sonde_index_grow(&agg->index, cap) : sonde_index_init(&agg->index, cap))
		return -ENOMEM;
	if (agg->series)
		series = mremap(agg->series, series_bytes(agg->cap), series_bytes(cap),
				MREMAP_MAYMOVE);
	else
		series = mmap(NULL, series_bytes(cap), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (series == MAP_FAILED)
		return -ENOMEM;
	agg->series = series;
	agg->cap = cap;
	return 0;
}

static int configure(struct sonde_agg *agg, const struct sonde_config *config)
{
	uint32_t max = config->metrics.max_series, other = overflow_room(max), cap;

	agg->idle_ns = config->metrics.idle_expiry_ns;
	agg->by_namespace = config->metrics.service_namespace;
	agg->by_version = config->metrics.service_version;
	if (__builtin_add_overflow(max, other + 1, &cap))
		return -EINVAL;
	if (reserve(agg, cap))
		return -ENOMEM;
	agg->max_series = max;
	agg->max_overflow = other;
	return 0;
}

void sonde_agg_configure(struct sonde_agg *agg, const struct sonde_config *config)
{
	/* Without memory for more, the old bound goes on. */
	configure(agg, config);
}

static int set_up(struct sonde_agg *agg, const struct sonde_config *config)
{
	int err = sonde_intern_init(&agg->intern);

	if (err)
		return err;
	err = configure(agg, config);
	if (err)
		return err;
	agg->fresh = 1;
	agg->base_ns = sonde_clock_mono_ns();
	agg->unix_ns = sonde_clock_ns(CLOCK_REALTIME);
	agg->memo = calloc(SONDE_AGG_MEMO, sizeof(*agg->memo));
	agg->other = sonde_intern_get(&agg->intern, SONDE_SLICE_LIT("__other__"));
	agg->empty = sonde_intern_get(&agg->intern, SONDE_SLICE_EMPTY);
	if (!agg->memo || !agg->other || !agg->empty)
		return -ENOMEM;
	return sonde_tally_init(agg);
}

int sonde_agg_new(const struct sonde_config *config, struct sonde_agg **out)
{
	struct sonde_agg *agg = calloc(1, sizeof(*agg));
	int err;

	if (!agg)
		return -ENOMEM;
	err = set_up(agg, config);
	if (err) {
		sonde_agg_free(agg);
		return err;
	}
	*out = agg;
	return 0;
}

void sonde_agg_free(struct sonde_agg *agg)
{
	if (!agg)
		return;
	sonde_tally_fini(agg);
	sonde_intern_fini(&agg->intern);
	sonde_arena_fini(&agg->arena);
	sonde_index_fini(&agg->index);
	if (agg->series)
		munmap(agg->series, series_bytes(agg->cap));
	free(agg->unused);
	free(agg->memo);
	free(agg);
}

static uint32_t hash_key(const struct sonde_series_key *k)
{
	uint64_t names = ((uint64_t)k->service->hash << 32 | k->route->hash) ^
			 ((uint64_t)k->method->hash << 16 ^ k->peer->hash);
	uint64_t numbers = (uint64_t)k->status << 16 | (uint64_t)k->role << 8 | k->error;

	numbers ^= ((uint64_t)k->version->hash << 32) ^ ((uint64_t)k->space->hash << 24);

	return (uint32_t)sonde_hash_u64(sonde_hash_u64(names) ^ numbers);
}

static bool same_key(const struct sonde_series_key *a, const struct sonde_series_key *b)
{
	return a->service == b->service && a->peer == b->peer && a->method == b->method &&
	       a->route == b->route && a->space == b->space && a->version == b->version &&
	       a->status == b->status && a->role == b->role && a->error == b->error;
}

static bool has_names(const struct sonde_series_key *key)
{
	return key->service && key->peer && key->method && key->route && key->space && key->version;
}

/* Looks the names of W up, without adding any. False: one is not known, so no series has it. */
static bool find_names(struct sonde_agg *agg, const struct wanted *w, struct sonde_series_key *key)
{
	key->service = sonde_intern_find(&agg->intern, w->service);
	key->peer = sonde_intern_find(&agg->intern, w->peer);
	key->method = sonde_intern_find(&agg->intern, w->method);
	key->route = sonde_intern_find(&agg->intern, w->route);
	key->space = sonde_intern_find(&agg->intern, w->space);
	key->version = sonde_intern_find(&agg->intern, w->version);
	return has_names(key);
}

static void put_names(struct sonde_agg *agg, struct sonde_series_key *key)
{
	sonde_intern_put(&agg->intern, key->service);
	sonde_intern_put(&agg->intern, key->peer);
	sonde_intern_put(&agg->intern, key->method);
	sonde_intern_put(&agg->intern, key->route);
	sonde_intern_put(&agg->intern, key->space);
	sonde_intern_put(&agg->intern, key->version);
}

static bool get_names(struct sonde_agg *agg, const struct wanted *w, struct sonde_series_key *key)
{
	key->service = sonde_intern_get(&agg->intern, w->service);
	key->peer = sonde_intern_get(&agg->intern, w->peer);
	key->method = sonde_intern_get(&agg->intern, w->method);
	key->route = sonde_intern_get(&agg->intern, w->route);
	key->space = sonde_intern_get(&agg->intern, w->space);
	key->version = sonde_intern_get(&agg->intern, w->version);
	if (has_names(key))
		return true;
	put_names(agg, key);
	return false;
}

static struct sonde_series_key key_of(const struct wanted *w)
{
	return (struct sonde_series_key){ .status = w->status, .role = w->role, .error = w->error };
}

static uint32_t find(struct sonde_agg *agg, const struct wanted *w)
{
	struct sonde_series_key key = key_of(w);
	uint32_t hash, number;
	size_t at;

	if (!find_names(agg, w, &key))
		return 0;
	hash = hash_key(&key);
	at = hash;
	while ((number = sonde_index_next(&agg->index, hash, &at)) != 0) {
		if (same_key(&agg->series[number].key, &key))
			return number;
	}
	return 0;
}

static uint32_t *counter_of(struct sonde_agg *agg, const struct sonde_series *s)
{
	return sonde_series_is_overflow(agg, s) ? &agg->n_overflow : &agg->n_series;
}

/* A new series with these names. 0: no memory. */
static uint32_t add(struct sonde_agg *agg, const struct wanted *w)
{
	struct sonde_series fresh = { .key = key_of(w), .min_ns = UINT64_MAX };
	uint32_t number;

	if (!agg->n_unused && agg->fresh >= agg->cap)
		return 0;
	if (!get_names(agg, w, &fresh.key))
		return 0;
	if (sonde_cells_init(&fresh.cells, &agg->arena)) {
		put_names(agg, &fresh.key);
		return 0;
	}
	number = agg->n_unused ? agg->unused[--agg->n_unused] : agg->fresh++;
	fresh.start_unix_ns = agg->unix_ns;
	agg->series[number] = fresh;
	sonde_index_put(&agg->index, hash_key(&fresh.key), number);
	(*counter_of(agg, &fresh))++;
	return number;
}

static void drop(struct sonde_agg *agg, uint32_t number)
{
	struct sonde_series *s = &agg->series[number];

	(*counter_of(agg, s))--;
	sonde_index_remove(&agg->index, hash_key(&s->key), number);
	put_names(agg, &s->key);
	sonde_cells_fini(&s->cells, &agg->arena);
	sonde_arena_put(&agg->arena, s->sample, sizeof(*s->sample) / SONDE_ARENA_UNIT);
	*s = (struct sonde_series){ 0 };
	agg->unused[agg->n_unused++] = number;
	agg->expired++;
}

/* The series for a record that has none of its own, folded no further than room demands. */
static uint32_t find_other(struct sonde_agg *agg, const struct wanted *w)
{
	static const struct sonde_slice other = { (const uint8_t *)"__other__", 9 };
	uint32_t limits[] = { agg->max_overflow / 2, agg->max_overflow - 2, agg->max_overflow };
	struct wanted folded = *w;
	uint32_t number = 0;

	folded.peer = folded.method = folded.space = folded.version = SONDE_SLICE_EMPTY;
	folded.route = other;
	for (size_t level = 0; level < 3 && !number; level++) {
		if (level >= 1)
			folded.status = folded.error = 0;
		if (level == 2)
			folded.service = other;
		number = find(agg, &folded);
		if (!number && agg->n_overflow < limits[level])
			number = add(agg, &folded);
	}
	return number;
}

static struct wanted wanted_by(const struct sonde_agg *agg, const struct sonde_request *r)
{
	return (struct wanted){
		.service = r->service,
		.peer = r->peer_service,
		.method = r->method,
		.route = r->route,
		.space = agg->by_namespace ? r->service_namespace : SONDE_SLICE_EMPTY,
		.version = agg->by_version ? r->service_version : SONDE_SLICE_EMPTY,
		.status = r->status,
		.role = r->role == SONDE_ROLE_CLIENT ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER,
		.error = (unsigned int)r->error < SONDE_ERRORS ? (uint8_t)r->error : SONDE_ERRORS,
	};
}

/* Where in the memo a record like this one left its series; the other place of the pair is ^ 1. */
static size_t memo_place(const struct wanted *w)
{
	uint64_t h = (uint64_t)w->status << 16 | (uint64_t)w->role << 8 | w->error;

	h = sonde_agg_guess(h, w->service.ptr);
	h = sonde_agg_guess(h, w->route.ptr);
	h = sonde_agg_guess(h, w->peer.ptr);
	h = sonde_agg_guess(h, w->method.ptr);
	h = sonde_agg_guess(h, w->version.ptr);
	return (h >> 32) & (SONDE_AGG_MEMO - 1);
}

static bool is_for(const struct sonde_series *s, const struct wanted *w)
{
	return s->key.service && s->key.status == w->status && s->key.role == w->role &&
	       s->key.error == w->error && sonde_text_is(s->key.route, w->route) &&
	       sonde_text_is(s->key.service, w->service) &&
	       sonde_text_is(s->key.method, w->method) && sonde_text_is(s->key.peer, w->peer) &&
	       sonde_text_is(s->key.space, w->space) && sonde_text_is(s->key.version, w->version);
}

/* The series of W when it is not where the memo says; 0: no memory. */
static __attribute__((noinline)) uint32_t look_up(struct sonde_agg *agg, const struct wanted *w)
{
	uint32_t number = find(agg, w);

	if (number)
		return number;
	if (agg->n_series < agg->max_series)
		number = add(agg, w);
	if (!number) {
		number = find_other(agg, w);
		agg->overflowed += number != 0;
	}
	return number;
}

/* At most one sample a second and series is copied: traced traffic costs no more than other. */
static void take_sample(struct sonde_agg *agg, struct sonde_series *s,
			const struct sonde_request *r)
{
	uint64_t end_unix_ns = r->time_unix_ns + r->duration_ns;
	struct sonde_trace_sample *t = s->sample;

	if (r->trace_id.len != sizeof(t->trace_id) || r->span_id.len != sizeof(t->span_id) ||
	    (t && end_unix_ns - t->time_unix_ns < SONDE_NS_PER_SEC))
		return;
	if (!t) {
		t = sonde_arena_get(&agg->arena, sizeof(*t) / SONDE_ARENA_UNIT);
		if (!t)
			return;
		s->sample = t;
	}
	memcpy(t->trace_id, r->trace_id.ptr, sizeof(t->trace_id));
	memcpy(t->span_id, r->span_id.ptr, sizeof(t->span_id));
	t->value = (double)r->duration_ns / 1e9;
	t->time_unix_ns = end_unix_ns;
}

static void update(struct sonde_agg *agg, struct sonde_series *s, const struct sonde_request *r)
{
	uint64_t ns = r->duration_ns;
	/* The first one may move the cells. */
	size_t at[SONDE_CELLS_PER_RECORD] = {
		sonde_cells_of_value(&s->cells, &agg->arena, ns),
		SONDE_CELL_DURATION + sonde_duration_bucket(ns),
		SONDE_CELL_REQUEST + sonde_body_bucket(r->request_body_bytes),
		SONDE_CELL_RESPONSE + sonde_body_bucket(r->response_body_bytes),
	};

	sonde_cells_add_all(&s->cells, &agg->arena, at);
	s->sum_ns += (double)ns;
	s->min_ns = ns < s->min_ns ? ns : s->min_ns;
	s->max_ns = ns > s->max_ns ? ns : s->max_ns;
	s->request_body_sum += r->request_body_bytes;
	s->response_body_sum += r->response_body_bytes;
	s->request_bytes += r->request_bytes;
	s->response_bytes += r->response_bytes;
	if (r->trace_id.len)
		take_sample(agg, s, r);
	s->last_s = agg->now_s;
}

/* Finds the series that is not in its first place, and puts it there. NULL: no memory. */
static __attribute__((noinline)) struct sonde_series *recall(struct sonde_agg *agg,
							     const struct wanted *w, size_t place)
{
	uint32_t number = agg->memo[place ^ 1];

	if (!is_for(&agg->series[number], w))
		number = look_up(agg, w);
	if (!number)
		return NULL;
	agg->memo[place ^ 1] = agg->memo[place];
	agg->memo[place] = number;
	return &agg->series[number];
}

void sonde_agg_record(struct sonde_agg *agg, const struct sonde_request *r)
{
	struct wanted w = wanted_by(agg, r);
	size_t place = memo_place(&w);
	struct sonde_series *s = &agg->series[agg->memo[place]];

	if (!is_for(s, &w))
		s = recall(agg, &w, place);
	if (s)
		update(agg, s, r);
	else
		agg->dropped++;
}

static void expire(struct sonde_agg *agg, uint32_t idle_s)
{
	for (uint32_t looked = 0; looked < SONDE_AGG_EXPIRE_SLICE; looked++) {
		uint32_t number = ++agg->sweep;

		if (number >= agg->fresh) {
			agg->sweep = 0;
			return;
		}
		if (agg->series[number].key.service &&
		    agg->now_s - agg->series[number].last_s > idle_s)
			drop(agg, number);
	}
}

void sonde_agg_tick(struct sonde_agg *agg, uint64_t mono_ns, uint64_t unix_ns)
{
	uint64_t seconds = mono_ns > agg->base_ns ? (mono_ns - agg->base_ns) / SONDE_NS_PER_SEC : 0;
	uint32_t idle_s;

	if (seconds > agg->now_s)
		agg->now_s = (uint32_t)seconds;
	agg->unix_ns = unix_ns;
	if (!agg->idle_ns)
		return;
	idle_s = agg->idle_ns / SONDE_NS_PER_SEC > UINT32_MAX
			 ? UINT32_MAX
			 : (uint32_t)(agg->idle_ns / SONDE_NS_PER_SEC);
	expire(agg, idle_s);
	sonde_tally_expire(agg, idle_s);
}

void sonde_agg_stats(const struct sonde_agg *agg, struct sonde_agg_stats *out)
{
	*out = (struct sonde_agg_stats){
		.series = agg->n_series,
		.series_max = agg->max_series,
		.overflow_series = agg->n_overflow,
		.overflowed = agg->overflowed,
		.expired = agg->expired,
		.dropped = agg->dropped,
		.memory_bytes = sizeof(*agg) + sonde_intern_memory(&agg->intern) +
				agg->arena.memory_bytes + sonde_index_memory(&agg->index) +
				series_bytes(agg->fresh) + agg->cap * sizeof(*agg->unused) +
				SONDE_AGG_MEMO * sizeof(*agg->memo) +
				SONDE_AGG_TALLY_MEMO * sizeof(*agg->tally_memo) +
				sonde_index_memory(&agg->tally_index) +
				agg->tally_fresh * sizeof(struct sonde_tally),
	};
}
