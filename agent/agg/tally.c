// SPDX-License-Identifier: Apache-2.0
/*
 * tally - the plain numbers: requests in flight, and requests that were lost.
 *
 * What is in flight goes up in one call and down in another, and both must meet the same entry. So
 * when the table is full and "__other__" has taken some, no new entry is made before "__other__" is
 * back at zero: whoever began there ends there.
 */
#include "agent/agg/store.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/hash.h"

/* Two kinds and two roles of "__other__" always fit. */
enum { SET_ASIDE = 4 };

struct wanted {
	struct sonde_slice service, method;
	uint8_t role;
	uint8_t kind;
};

int sonde_tally_init(struct sonde_agg *agg)
{
	agg->tallies = calloc(SONDE_AGG_TALLIES, sizeof(*agg->tallies));
	agg->tally_memo = calloc(SONDE_AGG_TALLY_MEMO, sizeof(*agg->tally_memo));
	agg->tally_fresh = 1;
	if (!agg->tallies || !agg->tally_memo)
		return -ENOMEM;
	return sonde_index_init(&agg->tally_index, SONDE_AGG_TALLIES);
}

void sonde_tally_fini(struct sonde_agg *agg)
{
	sonde_index_fini(&agg->tally_index);
	free(agg->tallies);
	free(agg->tally_memo);
	agg->tallies = NULL;
	agg->tally_memo = NULL;
}

static bool is_for(const struct sonde_tally *t, const struct wanted *w)
{
	return t->service && t->role == w->role && t->kind == w->kind &&
	       sonde_text_is(t->service, w->service) && sonde_text_is(t->method, w->method);
}

static uint32_t hash_of(const struct sonde_text *service, const struct sonde_text *method,
			uint8_t role, uint8_t kind)
{
	uint64_t names = (uint64_t)service->hash << 32 | method->hash;

	return (uint32_t)sonde_hash_u64(sonde_hash_u64(names) ^ (uint64_t)(role << 8 | kind));
}

static uint32_t find(struct sonde_agg *agg, const struct wanted *w)
{
	struct sonde_text *service = sonde_intern_find(&agg->intern, w->service);
	struct sonde_text *method = sonde_intern_find(&agg->intern, w->method);
	uint32_t hash, number;
	size_t at;

	if (!service || !method)
		return 0;
	at = hash = hash_of(service, method, w->role, w->kind);
	while ((number = sonde_index_next(&agg->tally_index, hash, &at)) != 0) {
		const struct sonde_tally *t = &agg->tallies[number];

		if (t->service == service && t->method == method && t->role == w->role &&
		    t->kind == w->kind)
			return number;
	}
	return 0;
}

/* A number that is free; there are few entries and new ones are rare, so it is looked for. */
static uint32_t free_number(struct sonde_agg *agg)
{
	for (uint32_t number = 1; number < agg->tally_fresh; number++) {
		if (!agg->tallies[number].service)
			return number;
	}
	return agg->tally_fresh < SONDE_AGG_TALLIES ? agg->tally_fresh++ : 0;
}

static uint32_t add(struct sonde_agg *agg, const struct wanted *w, uint32_t limit)
{
	struct sonde_text *service, *method;
	uint32_t number;

	if (agg->n_tallies >= limit)
		return 0;
	service = sonde_intern_get(&agg->intern, w->service);
	method = sonde_intern_get(&agg->intern, w->method);
	number = service && method ? free_number(agg) : 0;
	if (!number) {
		sonde_intern_put(&agg->intern, service);
		sonde_intern_put(&agg->intern, method);
		return 0;
	}
	agg->tallies[number] = (struct sonde_tally){
		.service = service,
		.method = method,
		.start_unix_ns = agg->unix_ns,
		.role = w->role,
		.kind = w->kind,
	};
	sonde_index_put(&agg->tally_index, hash_of(service, method, w->role, w->kind), number);
	agg->n_tallies++;
	return number;
}

static uint32_t look_up(struct sonde_agg *agg, const struct wanted *w, bool may_add)
{
	struct wanted folded = { .service = SONDE_SLICE_LIT("__other__"),
				 .role = w->role,
				 .kind = w->kind };
	uint32_t number = find(agg, w), other;

	if (number)
		return number;
	other = find(agg, &folded);
	if (may_add && (w->kind == SONDE_TALLY_LOST || !other || !agg->tallies[other].value))
		number = add(agg, w, SONDE_AGG_TALLIES - 1 - SET_ASIDE);
	if (!number)
		number = other;
	if (!number && may_add)
		number = add(agg, &folded, SONDE_AGG_TALLIES - 1);
	return number;
}

static void count(struct sonde_agg *agg, const struct wanted *w, int64_t delta)
{
	uint64_t h = sonde_agg_guess(
		sonde_agg_guess((uint64_t)(w->role << 8 | w->kind), w->service.ptr), w->method.ptr);
	uint32_t *memo = &agg->tally_memo[(h >> 32) & (SONDE_AGG_TALLY_MEMO - 1)];
	struct sonde_tally *t;

	if (!is_for(&agg->tallies[*memo], w)) {
		uint32_t number = look_up(agg, w, delta > 0);

		if (!number)
			return;
		*memo = number;
	}
	t = &agg->tallies[*memo];
	t->value = t->value + delta > 0 ? t->value + delta : 0;
	t->last_s = agg->now_s;
}

static uint8_t booked_role(enum sonde_role role)
{
	return role == SONDE_ROLE_CLIENT ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER;
}

void sonde_agg_active(struct sonde_agg *agg, enum sonde_role role, struct sonde_slice service,
		      struct sonde_slice method, int delta)
{
	struct wanted w = { service, method, booked_role(role), SONDE_TALLY_ACTIVE };

	count(agg, &w, delta);
}

void sonde_agg_active_clear(struct sonde_agg *agg)
{
	for (uint32_t number = 1; number < agg->tally_fresh; number++)
		if (agg->tallies[number].kind == SONDE_TALLY_ACTIVE)
			agg->tallies[number].value = 0;
}

void sonde_agg_lost(struct sonde_agg *agg, enum sonde_role role, struct sonde_slice service,
		    uint64_t n)
{
	struct wanted w = { service, SONDE_SLICE_EMPTY, booked_role(role), SONDE_TALLY_LOST };

	if (n)
		count(agg, &w, n < INT64_MAX ? (int64_t)n : INT64_MAX);
}

static void drop(struct sonde_agg *agg, uint32_t number)
{
	struct sonde_tally *t = &agg->tallies[number];

	sonde_index_remove(&agg->tally_index, hash_of(t->service, t->method, t->role, t->kind),
			   number);
	sonde_intern_put(&agg->intern, t->service);
	sonde_intern_put(&agg->intern, t->method);
	*t = (struct sonde_tally){ 0 };
	agg->n_tallies--;
}

void sonde_tally_expire(struct sonde_agg *agg, uint32_t idle_s)
{
	for (uint32_t looked = 0; looked < SONDE_AGG_EXPIRE_SLICE; looked++) {
		uint32_t number = ++agg->tally_sweep;
		const struct sonde_tally *t = &agg->tallies[number];

		if (number >= agg->tally_fresh) {
			agg->tally_sweep = 0;
			return;
		}
		if (t->service && agg->now_s - t->last_s > idle_s &&
		    (t->kind == SONDE_TALLY_LOST || !t->value))
			drop(agg, number);
	}
}
