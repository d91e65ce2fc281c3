// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/set.h"

#include <stdlib.h>

const char *sonde_limit_state_name(enum sonde_limit_state state)
{
	static const char *const names[SONDE_LIMIT_STATES] = { "trial", "active", "ended" };

	return state < SONDE_LIMIT_STATES ? names[state] : "?";
}

const char *sonde_limit_origin_name(enum sonde_limit_origin origin)
{
	static const char *const names[SONDE_LIMIT_ORIGINS] = { "person", "config" };

	return origin < SONDE_LIMIT_ORIGINS ? names[origin] : "?";
}

const char *sonde_limit_mute_name(enum sonde_limit_mute mute)
{
	static const char *const names[SONDE_LIMIT_MUTES] = { "", "action", "off", "breaker" };

	return mute < SONDE_LIMIT_MUTES ? names[mute] : "?";
}

enum sonde_limit_state sonde_limit_entry_state(const struct sonde_limit_entry *e)
{
	if (e->ended)
		return SONDE_LIMIT_ENDED;
	return e->trial_ends_ns ? SONDE_LIMIT_TRIAL : SONDE_LIMIT_ACTIVE;
}

enum sonde_limit_mute sonde_limit_entry_mute(const struct sonde_limit_entry *e)
{
	if (e->off)
		return SONDE_LIMIT_MUTE_OFF;
	if (e->tripped)
		return SONDE_LIMIT_MUTE_BREAKER;
	return e->spec.action == SONDE_LIMIT_COUNT ? SONDE_LIMIT_MUTE_ACTION
						   : SONDE_LIMIT_MUTE_NONE;
}

uint64_t sonde_limit_entry_ends_ns(const struct sonde_limit_entry *e)
{
	if (e->trial_ends_ns && e->trial_ends_ns < e->expires_ns)
		return e->trial_ends_ns;
	return e->expires_ns;
}

struct sonde_limit_entry *sonde_limit_set_find(struct sonde_limit_set *set, const char *name)
{
	for (uint32_t i = 0; i < set->n_entries; i++)
		if (strcmp(set->entries[i].spec.name, name) == 0)
			return &set->entries[i];
	return NULL;
}

static bool has_iface(const struct sonde_limit_set *set, uint32_t upto, const char *iface)
{
	for (uint32_t i = 0; i < upto; i++)
		if (!set->entries[i].ended && strcmp(set->entries[i].spec.iface, iface) == 0)
			return true;
	return false;
}

static unsigned int count_ifaces(const struct sonde_limit_set *set)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < set->n_entries; i++)
		n += !set->entries[i].ended && !has_iface(set, i, set->entries[i].spec.iface);
	return n;
}

static void take_out(struct sonde_limit_set *set, struct sonde_limit_entry *e)
{
	size_t behind = set->n_entries - (size_t)(e - set->entries) - 1;

	memmove(e, e + 1, behind * sizeof(*e));
	set->n_entries--;
	set->generation++;
}

/* One that has ended makes room for a rule of its name, and in need for any. */
static void make_room(struct sonde_limit_set *set, const char *name)
{
	struct sonde_limit_entry *e = sonde_limit_set_find(set, name);

	for (uint32_t i = 0; !e && set->n_entries == SONDE_LIMIT_RULES && i < set->n_entries; i++)
		if (set->entries[i].ended)
			e = &set->entries[i];
	if (e && e->ended)
		take_out(set, e);
}

const char *sonde_limit_set_add(struct sonde_limit_set *set, const struct sonde_limit_spec *spec,
				enum sonde_limit_origin origin, uint64_t trial_ns, uint64_t now_ns)
{
	struct sonde_limit_entry e = { .spec = *spec,
				       .added_ns = now_ns,
				       .origin = (uint8_t)origin };
	bool forever = __builtin_add_overflow(now_ns, spec->ttl_ns, &e.expires_ns);

	make_room(set, spec->name);
	if (sonde_limit_set_find(set, spec->name))
		return "there is a rule of this name; remove it first or take another name";
	if (set->n_entries == SONDE_LIMIT_RULES)
		return "there are 1024 rules already";
	if (!has_iface(set, set->n_entries, spec->iface) && count_ifaces(set) == SONDE_LIMIT_IFACES)
		return "there are rules on 64 interfaces already";
	if (forever)
		e.expires_ns = SONDE_LIMIT_FOREVER;
	if (trial_ns)
		e.trial_ends_ns = now_ns + trial_ns;
	e.id = ++set->last_id;
	set->entries[set->n_entries++] = e;
	set->generation++;
	return NULL;
}

bool sonde_limit_set_remove(struct sonde_limit_set *set, const char *name)
{
	struct sonde_limit_entry *e = sonde_limit_set_find(set, name);

	if (e)
		take_out(set, e);
	return e != NULL;
}

void sonde_limit_set_end(struct sonde_limit_set *set, struct sonde_limit_entry *e)
{
	set->generation += !e->ended;
	e->ended = true;
}

size_t sonde_limit_set_confirm(struct sonde_limit_set *set, const char *name)
{
	size_t n = 0;

	for (uint32_t i = 0; i < set->n_entries; i++) {
		struct sonde_limit_entry *e = &set->entries[i];

		if (e->ended || !e->trial_ends_ns || (name && strcmp(e->spec.name, name) != 0))
			continue;
		e->trial_ends_ns = 0;
		n++;
	}
	set->generation += n != 0;
	return n;
}

size_t sonde_limit_set_off(struct sonde_limit_set *set, bool off)
{
	size_t n = 0;

	for (uint32_t i = 0; i < set->n_entries; i++) {
		struct sonde_limit_entry *e = &set->entries[i];

		if (e->ended || (e->off == off && (off || !e->tripped)))
			continue;
		e->off = off;
		if (!off) {
			e->tripped = false;
			e->breaker = (struct sonde_limit_breaker){ 0 };
		}
		n++;
	}
	set->generation += n != 0;
	return n;
}

void sonde_limit_set_trip(struct sonde_limit_set *set, struct sonde_limit_entry *e)
{
	e->tripped = true;
	set->generation++;
}

size_t sonde_limit_set_expire(struct sonde_limit_set *set, uint64_t now_ns, sonde_limit_over *over,
			      void *ctx)
{
	size_t n = 0;

	for (uint32_t i = 0; i < set->n_entries;) {
		struct sonde_limit_entry *e = &set->entries[i];

		if (e->ended || sonde_limit_entry_ends_ns(e) > now_ns) {
			i++;
			continue;
		}
		if (over)
			over(ctx, e);
		n++;
		if (e->origin == SONDE_LIMIT_BY_CONFIG) {
			sonde_limit_set_end(set, e);
		} else {
			take_out(set, e);
		}
	}
	return n;
}

/* ---- reload --------------------------------------------------------------------------------- */

static bool is_wished(const struct sonde_limit_entry *e, const struct sonde_limit_wish *wishes,
		      size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sonde_limit_spec_equal(&e->spec, &wishes[i].spec))
			return true;
	return false;
}

/* FRESH, a copy of the set, becomes what the wishes say. */
static const char *apply_wishes(struct sonde_limit_set *fresh,
				const struct sonde_limit_wish *wishes, size_t n, uint64_t now_ns,
				size_t *at)
{
	for (uint32_t i = 0; i < fresh->n_entries;) {
		struct sonde_limit_entry *e = &fresh->entries[i];

		if (e->origin == SONDE_LIMIT_BY_CONFIG && !is_wished(e, wishes, n))
			take_out(fresh, e);
		else
			i++;
	}
	for (size_t i = 0; i < n; i++) {
		const struct sonde_limit_entry *e =
			sonde_limit_set_find(fresh, wishes[i].spec.name);
		const char *wrong;

		if (e && e->origin == SONDE_LIMIT_BY_CONFIG &&
		    sonde_limit_spec_equal(&e->spec, &wishes[i].spec))
			continue;
		wrong = sonde_limit_set_add(fresh, &wishes[i].spec, SONDE_LIMIT_BY_CONFIG,
					    wishes[i].trial_ns, now_ns);
		if (!wrong)
			continue;
		*at = i;
		return wrong;
	}
	return NULL;
}

const char *sonde_limit_set_reload(struct sonde_limit_set *set,
				   const struct sonde_limit_wish *wishes, size_t n, uint64_t now_ns,
				   size_t *at)
{
	struct sonde_limit_set *fresh = malloc(sizeof(*fresh));
	const char *wrong;

	if (!fresh) {
		*at = 0;
		return "there is no memory for it";
	}
	memcpy(fresh, set, sizeof(*fresh));
	wrong = apply_wishes(fresh, wishes, n, now_ns, at);
	if (!wrong)
		memcpy(set, fresh, sizeof(*fresh));
	free(fresh);
	return wrong;
}
