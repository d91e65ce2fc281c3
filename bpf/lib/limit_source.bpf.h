/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * limit_source - which class the source of a packet is of, and which one its port: the two answers
 * that take a search. See bpf/abi/limit.h for the tables.
 */
#ifndef SONDE_LIB_LIMIT_SOURCE_BPF_H
#define SONDE_LIB_LIMIT_SOURCE_BPF_H

#include "bpf/lib/limit.bpf.h"

/* The entry of a masked address, or NULL. */
static __always_inline const struct sonde_xdp_prefix *
find_prefix(const struct sonde_xdp_set *set, __u32 base, __u64 hi, __u64 lo, __u64 bits)
{
	__u32 at = sonde_xdp_hash(hi, lo, bits, set->prefix_seed) >> 16;

#pragma unroll
	for (int i = 0; i < SONDE_XDP_PROBES; i++) {
		__u32 index = base + ((at + i) & (SONDE_XDP_PREFIX_TABLE - 1));
		const struct sonde_xdp_prefix *e = bpf_map_lookup_elem(&limit_prefixes, &index);

		if (!e || !e->bits)
			return NULL;
		if (e->lo == lo && e->hi == hi && e->bits == bits)
			return e;
	}
	return NULL;
}

/* Not static, and of numbers, so that it is verified once and by itself. */
__noinline __u32 limit_source(__u32 generation, __u64 hi, __u64 lo)
{
	const struct sonde_xdp_set *set = bpf_map_lookup_elem(&limit_sets, &generation);
	__u32 family = is_ipv4(hi, lo), from = 0, to, class = SONDE_XDP_SOURCE_ANY;

	if (!set)
		return class;
	to = set->n_lengths[family];
	for (int i = 0; i < SONDE_XDP_SEARCH_MAX && from < to; i++) {
		__u32 middle = (from + to) / 2;
		const struct sonde_xdp_length *l =
			&set->lengths[family][middle & (SONDE_XDP_LENGTHS - 1)];
		const struct sonde_xdp_prefix *e =
			find_prefix(set, generation * SONDE_XDP_PREFIX_TABLE, hi & l->mask_hi,
				    lo & l->mask_lo, l->bits);

		if (!e) {
			to = middle;
			continue;
		}
		class = e->class;
		if (e->flags & SONDE_XDP_PREFIX_LAST)
			break;
		from = middle + 1;
	}
	return class;
}

static __always_inline __u32 source_class(const struct sonde_xdp_set *set, __u32 generation,
					  const struct packet *p)
{
	return set->n_lengths[is_ipv4(p->hi, p->lo)] ? limit_source(generation, p->hi, p->lo)
						     : SONDE_XDP_SOURCE_ANY;
}

static __always_inline __u32 port_class(__u32 generation, const struct packet *p)
{
	__u32 index = (generation << 16 | p->port) / SONDE_XDP_PORT_LINE;
	const struct sonde_xdp_port_line *line;

	if (!p->has_port)
		return 0;
	line = bpf_map_lookup_elem(&limit_ports, &index);
	return line ? line->class[p->port & (SONDE_XDP_PORT_LINE - 1)] : 0;
}

#endif
