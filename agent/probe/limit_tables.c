// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/limit_tables.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	V4_BITS = 96,
	ALL_BITS = 128,
	SEEDS = 64,
	MAX_SHIFT = 20,
	GRACE_US = 100000, /* where the kernel has no membarrier(2) */
};

struct prefix {
	uint64_t hi, lo;
	uint32_t bits;
	uint32_t family;
	bool allowed;
};

struct work {
	struct prefix *prefixes; /* distinct */
	size_t n;
	uint32_t lengths[2][ALL_BITS];
	uint32_t n_lengths[2];
};

uint32_t sonde_limit_lines(uint32_t sources)
{
	uint32_t lines = SONDE_XDP_LINES_MIN;

	while (lines < SONDE_XDP_LINES_MAX &&
	       (uint64_t)lines * SONDE_XDP_WAYS < (uint64_t)sources * 3 / 2)
		lines *= 2;
	return lines;
}

void sonde_limit_tables_init(struct sonde_limit_tables *t, void *control, void *sets,
			     void *prefixes, void *ports, void *vectors, void *rules)
{
	*t = (struct sonde_limit_tables){ control, sets, prefixes, ports, vectors, rules };
}

static uint64_t word(const uint8_t *b)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | b[i];
	return v;
}

static void masks(uint32_t bits, uint64_t *hi, uint64_t *lo)
{
	*hi = bits >= 64 ? ~0ULL : bits ? ~0ULL << (64 - bits) : 0;
	*lo = bits >= 128 ? ~0ULL : bits > 64 ? ~0ULL << (128 - bits) : 0;
}

static struct prefix make(const struct sonde_limit_probe_network *n)
{
	struct prefix p = { .hi = word(n->address), .lo = word(n->address + 8), .bits = n->bits };

	p.family = n->bits >= V4_BITS && !p.hi && p.lo >> 32 == 0xffff;
	return p;
}

static bool holds(const struct prefix *outer, const struct prefix *inner)
{
	uint64_t hi, lo;

	masks(outer->bits, &hi, &lo);
	return outer->family == inner->family && outer->bits <= inner->bits &&
	       (inner->hi & hi) == outer->hi && (inner->lo & lo) == outer->lo;
}

static void add_prefix(struct work *w, struct prefix p)
{
	for (size_t i = 0; i < w->n; i++) {
		struct prefix *q = &w->prefixes[i];

		if (q->hi == p.hi && q->lo == p.lo && q->bits == p.bits && q->family == p.family) {
			q->allowed |= p.allowed;
			return;
		}
	}
	w->prefixes[w->n++] = p;
}

static void add_length(struct work *w, uint32_t family, uint32_t bits)
{
	uint32_t i = 0, *n = &w->n_lengths[family], *l = w->lengths[family];

	while (i < *n && l[i] < bits)
		i++;
	if (i < *n && l[i] == bits)
		return;
	memmove(l + i + 1, l + i, (*n - i) * sizeof(*l));
	l[i] = bits;
	++*n;
}

/* ---- rules --------------------------------------------------------------------------------- */

static void set_bit(struct sonde_xdp_vector *v, uint32_t rule)
{
	v->word[rule / 64] |= 1ULL << rule % 64;
	v->summary |= 1ULL << rule / 64;
}

static void fill_rule(const struct sonde_limit_probe_rule *r, uint32_t slot,
		      struct sonde_xdp_rule *out)
{
	uint32_t shift = MAX_SHIFT;
	unsigned __int128 tolerance;

	while (shift && ((unsigned __int128)1000000000 << shift) / r->rate >> 46)
		shift--;
	*out = (struct sonde_xdp_rule){
		.expires_ns = r->expires_ns,
		.cost = (uint64_t)(((unsigned __int128)1000000000 << shift) / r->rate),
		.id = r->id,
		.slot = (uint16_t)slot,
		.shift = (uint8_t)shift,
		.unit = r->unit,
		.action = r->action
	};
	tolerance = (unsigned __int128)r->burst * out->cost >> shift;
	out->tolerance_ns =
		tolerance > SONDE_XDP_AHEAD_MAX ? SONDE_XDP_AHEAD_MAX : (uint64_t)tolerance;
	switch (r->per) {
	case 0:
		out->key4 = out->key6_hi = out->key6_lo = ~0ULL;
		break;
	case 1:
		out->key4 = ~0xffULL;
		out->key6_hi = ~0ULL;
		break;
	case 2:
		out->key4 = out->key6_hi = ~0ULL;
		break;
	default:
		break;
	}
}

static bool fits_kind(const struct sonde_limit_probe_rule *r, uint32_t kind)
{
	uint32_t protocol = kind & 3;

	if (r->proto && r->proto != protocol)
		return false;
	if (r->unit == SONDE_XDP_CONNECTIONS)
		return kind & SONDE_XDP_OPENS;
	return r->unit != SONDE_XDP_REQUESTS || (kind & SONDE_XDP_REQUEST);
}

/* ---- slots ---------------------------------------------------------------------------------- */

int sonde_limit_tables_rule_slot(const struct sonde_limit_tables *t, uint32_t id)
{
	const struct sonde_xdp_rule *rules =
		t->rules + (size_t)(t->control->active & 1) * SONDE_XDP_RULES;

	for (int i = 0; i < SONDE_XDP_RULES; i++)
		if (rules[i].id == id && id)
			return rules[i].slot;
	return -1;
}

int sonde_limit_tables_iface_slot(const struct sonde_limit_tables *t, uint32_t ifindex)
{
	const struct sonde_xdp_set *s = &t->sets[t->control->active & 1];

	for (uint32_t i = 0; i < SONDE_XDP_IFACE_PROBES; i++) {
		const struct sonde_xdp_iface *f =
			&s->ifaces[(ifindex + i) & (SONDE_XDP_IFACE_HASH - 1)];

		if (f->ifindex == ifindex)
			return (int)f->slot;
	}
	return -1;
}

static int put_iface(struct sonde_xdp_set *s, uint32_t ifindex, uint32_t slot)
{
	for (uint32_t i = 0; i < SONDE_XDP_IFACE_PROBES; i++) {
		struct sonde_xdp_iface *f = &s->ifaces[(ifindex + i) & (SONDE_XDP_IFACE_HASH - 1)];

		if (f->ifindex)
			continue;
		*f = (struct sonde_xdp_iface){ ifindex, slot };
		return 0;
	}
	return -E2BIG;
}

static int slot_in(const struct sonde_xdp_set *s, uint32_t ifindex)
{
	for (uint32_t i = 0; i < SONDE_XDP_IFACE_PROBES; i++) {
		const struct sonde_xdp_iface *f =
			&s->ifaces[(ifindex + i) & (SONDE_XDP_IFACE_HASH - 1)];

		if (f->ifindex == ifindex)
			return (int)f->slot;
	}
	return -1;
}

static int give_ifaces(struct sonde_limit_tables *t, const struct sonde_limit_probe_set *set,
		       struct sonde_xdp_set *s, struct sonde_limit_fresh *fresh)
{
	bool used[SONDE_XDP_IFACES] = { false };

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < set->n_rules; i++) {
			uint32_t index = set->rules[i].ifindex, slot = 0;
			int old = sonde_limit_tables_iface_slot(t, index);

			if (slot_in(s, index) >= 0 || (pass == 0) != (old >= 0))
				continue;
			if (old >= 0) {
				slot = (uint32_t)old;
			} else {
				while (slot < SONDE_XDP_IFACES && used[slot])
					slot++;
				if (slot == SONDE_XDP_IFACES)
					return -E2BIG;
				fresh->ifaces[slot] = true;
			}
			used[slot] = true;
			if (put_iface(s, index, slot))
				return -E2BIG;
		}
	}
	return 0;
}

static void give_slots(struct sonde_limit_tables *t, const struct sonde_limit_probe_set *set,
		       uint32_t *slots, struct sonde_limit_fresh *fresh)
{
	bool used[SONDE_XDP_RULES] = { false };
	uint32_t next = 0;

	for (size_t i = 0; i < set->n_rules; i++) {
		int old = sonde_limit_tables_rule_slot(t, set->rules[i].id);

		slots[i] = old < 0 ? SONDE_XDP_NONE : (uint32_t)old;
		if (old >= 0)
			used[old] = true;
	}
	for (size_t i = 0; i < set->n_rules; i++) {
		if (slots[i] != SONDE_XDP_NONE)
			continue;
		while (used[next])
			next++;
		used[next] = true;
		fresh->rules[next] = true;
		slots[i] = next;
	}
}

/* ---- sources -------------------------------------------------------------------------------- */

static struct sonde_xdp_prefix *place(struct sonde_xdp_prefix *table, uint64_t seed, uint64_t hi,
				      uint64_t lo, uint32_t bits)
{
	uint32_t at = (uint32_t)(sonde_xdp_hash(hi, lo, bits, seed) >> 16);

	for (uint32_t i = 0; i < SONDE_XDP_PROBES; i++) {
		struct sonde_xdp_prefix *e = &table[(at + i) & (SONDE_XDP_PREFIX_TABLE - 1)];

		if (!e->bits || (e->hi == hi && e->lo == lo && e->bits == bits))
			return e;
	}
	return NULL;
}

static bool is_allowed(const struct work *w, const struct prefix *p)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->prefixes[i].allowed && holds(&w->prefixes[i], p))
			return true;
	return false;
}

/* The class of the longest prefix that holds P. */
static uint16_t class_of(const struct work *w, const uint16_t *classes, const struct prefix *p)
{
	const struct prefix *best = NULL;

	for (size_t i = 0; i < w->n; i++)
		if (holds(&w->prefixes[i], p) && (!best || w->prefixes[i].bits > best->bits))
			best = &w->prefixes[i];
	return best ? classes[best - w->prefixes] : SONDE_XDP_SOURCE_ANY;
}

static int insert(const struct work *w, const uint16_t *classes, size_t which,
		  struct sonde_xdp_prefix *table, uint64_t seed)
{
	const struct prefix *p = &w->prefixes[which];
	const uint32_t *l = w->lengths[p->family];
	uint32_t from = 0, to = w->n_lengths[p->family];

	while (from < to) {
		uint32_t middle = (from + to) / 2;
		struct prefix m = { .bits = l[middle], .family = p->family };
		struct sonde_xdp_prefix *e;
		uint64_t hi, lo;

		if (l[middle] > p->bits) {
			to = middle;
			continue;
		}
		masks(l[middle], &hi, &lo);
		m.hi = p->hi & hi;
		m.lo = p->lo & lo;
		e = place(table, seed, m.hi, m.lo, m.bits);
		if (!e)
			return -EAGAIN;
		if (!e->bits)
			*e = (struct sonde_xdp_prefix){ .hi = m.hi,
							.lo = m.lo,
							.bits = m.bits,
							.class = class_of(w, classes, &m),
							.flags = SONDE_XDP_PREFIX_LAST };
		if (l[middle] == p->bits)
			return 0;
		e->flags &= (uint16_t)~SONDE_XDP_PREFIX_LAST;
		from = middle + 1;
	}
	return 0;
}

static int fill_sources(struct sonde_limit_tables *t, uint32_t g,
			const struct sonde_limit_probe_set *set, struct work *w)
{
	struct sonde_xdp_set *s = &t->sets[g];
	struct sonde_xdp_prefix *table = t->prefixes + (size_t)g * SONDE_XDP_PREFIX_TABLE;
	struct sonde_xdp_vector *vectors =
		t->vectors + (size_t)g * SONDE_XDP_VECTORS + SONDE_XDP_VECTOR_SOURCE;
	uint16_t *classes = calloc(w->n + 1, sizeof(*classes)), next = 2;
	int err = classes ? -EAGAIN : -ENOMEM;

	for (size_t i = 0; classes && i < w->n; i++)
		classes[i] = is_allowed(w, &w->prefixes[i]) ? SONDE_XDP_SOURCE_ALLOWED : next++;
	for (size_t r = 0; classes && r < set->n_rules; r++) {
		struct prefix source = make(&set->rules[r].source);

		if (!source.bits)
			set_bit(&vectors[SONDE_XDP_SOURCE_ANY], (uint32_t)r);
		for (size_t i = 0; i < w->n; i++)
			if (classes[i] >= 2 && (!source.bits || holds(&source, &w->prefixes[i])))
				set_bit(&vectors[classes[i]], (uint32_t)r);
	}
	for (int f = 0; f < 2; f++) {
		s->n_lengths[f] = w->n_lengths[f];
		for (uint32_t i = 0; i < w->n_lengths[f]; i++) {
			s->lengths[f][i].bits = w->lengths[f][i];
			masks(w->lengths[f][i], (uint64_t *)&s->lengths[f][i].mask_hi,
			      (uint64_t *)&s->lengths[f][i].mask_lo);
		}
	}
	for (int i = 0; i < SEEDS && err == -EAGAIN; i++) {
		memset(table, 0, SONDE_XDP_PREFIX_TABLE * sizeof(*table));
		if (getrandom(&s->prefix_seed, sizeof(s->prefix_seed), 0) < 0)
			s->prefix_seed += 0x9e3779b97f4a7c15ULL;
		err = 0;
		for (size_t k = 0; k < w->n && !err; k++)
			err = insert(w, classes, k, table, s->prefix_seed);
	}
	free(classes);
	return err;
}

static int collect(const struct sonde_limit_probe_set *set, struct work *w)
{
	w->prefixes = calloc(set->n_rules + set->n_allows + 1, sizeof(*w->prefixes));
	if (!w->prefixes)
		return -ENOMEM;
	for (size_t i = 0; i < set->n_allows; i++) {
		struct prefix p = make(&set->allows[i]);

		p.allowed = true;
		if (p.bits)
			add_prefix(w, p);
	}
	for (size_t i = 0; i < set->n_rules; i++)
		if (set->rules[i].source.bits)
			add_prefix(w, make(&set->rules[i].source));
	for (size_t i = 0; i < w->n; i++)
		add_length(w, w->prefixes[i].family, w->prefixes[i].bits);
	return 0;
}

/* ---- ports ----------------------------------------------------------------------------------- */

static void fill_ports(struct sonde_limit_tables *t, uint32_t g,
		       const struct sonde_limit_probe_set *set)
{
	static bool begins[65537];
	struct sonde_xdp_vector *vectors =
		t->vectors + (size_t)g * SONDE_XDP_VECTORS + SONDE_XDP_VECTOR_PORT;
	struct sonde_xdp_port_line *lines = t->ports + (size_t)g * 65536 / SONDE_XDP_PORT_LINE;
	uint16_t class = 1;
	uint32_t first = 0;

	memset(begins, 0, sizeof(begins));
	for (size_t i = 0; i < set->n_rules; i++) {
		const struct sonde_limit_probe_rule *r = &set->rules[i];

		if (!r->port_first) {
			set_bit(&vectors[0], (uint32_t)i);
			continue;
		}
		begins[r->port_first] = true;
		begins[r->port_last + 1] = true;
	}
	for (uint32_t port = 0; port <= 65536; port++) {
		if (port && port < 65536 && !begins[port])
			continue;
		if (port) {
			for (size_t i = 0; i < set->n_rules; i++)
				if (!set->rules[i].port_first ||
				    (set->rules[i].port_first <= first &&
				     set->rules[i].port_last >= first))
					set_bit(&vectors[class], (uint32_t)i);
			for (uint32_t q = first; q < port; q++)
				lines[q / SONDE_XDP_PORT_LINE].class[q % SONDE_XDP_PORT_LINE] =
					class;
			class ++;
		}
		first = port;
	}
}

/* ---- all --------------------------------------------------------------------------------------
 */

int sonde_limit_tables_fill(struct sonde_limit_tables *t, const struct sonde_limit_probe_set *set,
			    struct sonde_limit_fresh *fresh, char *error, size_t error_len)
{
	uint32_t g = !(t->control->active & 1), slots[SONDE_XDP_RULES];
	struct sonde_xdp_vector *vectors = t->vectors + (size_t)g * SONDE_XDP_VECTORS;
	struct sonde_xdp_rule *rules = t->rules + (size_t)g * SONDE_XDP_RULES;
	struct work w = { 0 };
	int err = set->n_rules > SONDE_XDP_RULES ? -E2BIG : 0;

	if (!err) {
		memset(&t->sets[g], 0, sizeof(t->sets[g]));
		memset(vectors, 0, SONDE_XDP_VECTORS * sizeof(*vectors));
		memset(rules, 0, SONDE_XDP_RULES * sizeof(*rules));
		err = give_ifaces(t, set, &t->sets[g], fresh);
	}
	if (!err) {
		give_slots(t, set, slots, fresh);
		for (size_t i = 0; i < set->n_rules; i++) {
			int iface = slot_in(&t->sets[g], set->rules[i].ifindex);

			fill_rule(&set->rules[i], slots[i], &rules[i]);
			set_bit(&vectors[SONDE_XDP_VECTOR_IFACE + iface], (uint32_t)i);
			for (uint32_t k = 0; k < SONDE_XDP_KINDS; k++)
				if (fits_kind(&set->rules[i], k))
					set_bit(&vectors[SONDE_XDP_VECTOR_KIND + k], (uint32_t)i);
		}
		err = collect(set, &w);
	}
	if (!err)
		err = fill_sources(t, g, set, &w);
	if (!err)
		fill_ports(t, g, set);
	free(w.prefixes);
	if (err)
		snprintf(error, error_len, "the rules do not fit: %s", strerror(-err));
	return err;
}

void sonde_limit_tables_swap(struct sonde_limit_tables *t)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&t->control->active, !(t->control->active & 1), __ATOMIC_RELEASE);
	/* Programs run within an RCU read side: after a grace period none is left in the old set.
	 */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(GRACE_US);
	t->control->swaps++;
}
