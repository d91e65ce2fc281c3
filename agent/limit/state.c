// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/state.h"

#include <errno.h>

#define MAGIC "sonde-limit 1 "

/* ---- writing -------------------------------------------------------------------------------- */

static void put_number(struct sonde_buf *out, const char *key, uint64_t v)
{
	sonde_buf_printf(out, " %s=", key);
	sonde_buf_put_u64(out, v);
}

static void put_rule(const struct sonde_limit_entry *e, struct sonde_buf *out)
{
	sonde_buf_printf(out, "rule %s", e->spec.name);
	put_number(out, "id", e->id);
	put_number(out, "origin", e->origin);
	put_number(out, "added", e->added_ns);
	put_number(out, "trial", e->trial_ends_ns);
	put_number(out, "expires", e->expires_ns);
	put_number(out, "ended", e->ended);
	put_number(out, "off", e->off);
	put_number(out, "tripped", e->tripped);
	sonde_buf_put_byte(out, ' ');
	sonde_limit_spec_print(&e->spec, out);
	sonde_buf_put_byte(out, '\n');
}

static bool is_kept(const struct sonde_limit_allow *a)
{
	return a->why == SONDE_LIMIT_ALLOW_PERSON || a->why == SONDE_LIMIT_ALLOW_SSH;
}

void sonde_limit_state_print(const struct sonde_limit_set *set, struct sonde_slice boot,
			     struct sonde_buf *out)
{
	sonde_buf_put_str(out, MAGIC);
	sonde_buf_put_slice(out, boot);
	put_number(out, "generation", set->generation);
	put_number(out, "last_id", set->last_id);
	sonde_buf_put_byte(out, '\n');
	for (uint32_t i = 0; i < set->n_entries; i++)
		put_rule(&set->entries[i], out);
	for (uint32_t i = 0; i < set->n_allows; i++) {
		if (!is_kept(&set->allows[i]))
			continue;
		sonde_buf_put_str(out, "allow ");
		sonde_limit_network_print(&set->allows[i].network, out);
		sonde_buf_printf(out, " %s\n", sonde_limit_why_name(set->allows[i].why));
	}
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Cuts what is before the next END off REST. */
static struct sonde_slice cut(struct sonde_slice *rest, uint8_t end)
{
	size_t at = sonde_slice_find(*rest, 0, end);
	struct sonde_slice piece = sonde_slice_sub(*rest, 0, at);

	*rest = sonde_slice_from(*rest, at + 1);
	return piece;
}

static bool read_flag(struct sonde_slice value, bool *out)
{
	if (value.len != 1 || (value.ptr[0] != '0' && value.ptr[0] != '1'))
		return false;
	*out = value.ptr[0] == '1';
	return true;
}

static bool read_own(struct sonde_slice key, struct sonde_slice value, struct sonde_limit_entry *e,
		     bool *known)
{
	uint64_t v = 0;
	bool number = sonde_slice_u64(value, 10, &v) == 0;

	*known = true;
	if (sonde_slice_eq(key, SONDE_SLICE_LIT("id")))
		return number && v && v <= UINT32_MAX && (e->id = (uint32_t)v, true);
	if (sonde_slice_eq(key, SONDE_SLICE_LIT("origin")))
		return number && v < SONDE_LIMIT_ORIGINS && (e->origin = (uint8_t)v, true);
	if (sonde_slice_eq(key, SONDE_SLICE_LIT("added")))
		return number && (e->added_ns = v, true);
	if (sonde_slice_eq(key, SONDE_SLICE_LIT("trial")))
		return number && (e->trial_ends_ns = v, true);
	if (sonde_slice_eq(key, SONDE_SLICE_LIT("expires")))
		return number && (e->expires_ns = v, true);
	if (sonde_slice_eq(key, SONDE_SLICE_LIT("ended")))
		return read_flag(value, &e->ended);
	if (sonde_slice_eq(key, SONDE_SLICE_LIT("off")))
		return read_flag(value, &e->off);
	if (sonde_slice_eq(key, SONDE_SLICE_LIT("tripped")))
		return read_flag(value, &e->tripped);
	*known = false;
	return true;
}

static bool read_pair(struct sonde_slice pair, struct sonde_limit_entry *e)
{
	struct sonde_slice key = cut(&pair, '=');
	char name[16];
	bool known, good = read_own(key, pair, e, &known);

	if (known)
		return good;
	if (!key.len || key.len >= sizeof(name))
		return false;
	memcpy(name, key.ptr, key.len);
	name[key.len] = '\0';
	return !sonde_limit_spec_set(&e->spec, name, pair);
}

static bool read_rule(struct sonde_slice line, struct sonde_limit_set *set)
{
	struct sonde_limit_entry e = { 0 };

	sonde_limit_spec_init(&e.spec);
	if (sonde_limit_spec_set(&e.spec, "name", cut(&line, ' ')))
		return false;
	while (line.len)
		if (!read_pair(cut(&line, ' '), &e))
			return false;
	if (!e.id || !e.expires_ns || sonde_limit_spec_complete(&e.spec) ||
	    sonde_limit_set_find(set, e.spec.name) || set->n_entries == SONDE_LIMIT_RULES)
		return false;
	set->entries[set->n_entries++] = e;
	if (e.id > set->last_id)
		set->last_id = e.id;
	return true;
}

static bool read_allow(struct sonde_slice line, struct sonde_limit_set *set)
{
	struct sonde_limit_network network;

	if (sonde_limit_network_parse(cut(&line, ' '), &network))
		return false;
	for (int why = 0; why < SONDE_LIMIT_WHYS; why++)
		if (sonde_slice_eq(line, sonde_slice_str(sonde_limit_why_name(why))))
			return !sonde_limit_allow_add(set, &network, why);
	return false;
}

static void read_head(struct sonde_slice line, struct sonde_limit_set *set)
{
	while (line.len) {
		struct sonde_slice pair = cut(&line, ' '), key = cut(&pair, '=');
		uint64_t v;

		if (sonde_slice_u64(pair, 10, &v))
			continue;
		if (sonde_slice_eq(key, SONDE_SLICE_LIT("generation")))
			set->generation = v;
		else if (sonde_slice_eq(key, SONDE_SLICE_LIT("last_id")) && v <= UINT32_MAX)
			set->last_id = (uint32_t)v;
	}
}

int sonde_limit_state_parse(struct sonde_slice text, struct sonde_slice boot,
			    struct sonde_limit_set *set, size_t *bad)
{
	struct sonde_slice head = cut(&text, '\n'), magic = SONDE_SLICE_LIT(MAGIC);
	size_t n_bad = 0;

	if (!sonde_slice_starts(head, magic))
		return -EINVAL;
	head = sonde_slice_from(head, magic.len);
	if (!sonde_slice_eq(cut(&head, ' '), boot))
		return -ESTALE;
	while (text.len) {
		struct sonde_slice line = cut(&text, '\n'), what = cut(&line, ' ');

		if (sonde_slice_eq(what, SONDE_SLICE_LIT("rule")))
			n_bad += !read_rule(line, set);
		else
			n_bad += !sonde_slice_eq(what, SONDE_SLICE_LIT("allow")) ||
				 !read_allow(line, set);
	}
	read_head(head, set);
	*bad = n_bad;
	return 0;
}
