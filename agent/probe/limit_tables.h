// SPDX-License-Identifier: Apache-2.0
/* limit_tables - a set of rules compiled into the tables of bpf/abi/limit.h. Pure but for memory.
 */
#ifndef SONDE_PROBE_LIMIT_TABLES_H
#define SONDE_PROBE_LIMIT_TABLES_H

#include "agent/probe/limit_probe.h"
#include "bpf/abi/limit.h"

struct sonde_limit_tables {
	struct sonde_xdp_control *control;
	struct sonde_xdp_set *sets;
	struct sonde_xdp_prefix *prefixes;
	struct sonde_xdp_port_line *ports;
	struct sonde_xdp_vector *vectors;
	struct sonde_xdp_rule *rules;
};

/* Counters that begin at 0 with the set that was filled. */
struct sonde_limit_fresh {
	bool rules[SONDE_XDP_RULES], ifaces[SONDE_XDP_IFACES];
};

/* Lines of buckets for so many sources, a power of two. */
uint32_t sonde_limit_lines(uint32_t sources);
void sonde_limit_tables_init(struct sonde_limit_tables *t, void *control, void *sets,
			     void *prefixes, void *ports, void *vectors, void *rules);
/* Fills the generation that does not count. */
int sonde_limit_tables_fill(struct sonde_limit_tables *t, const struct sonde_limit_probe_set *set,
			    struct sonde_limit_fresh *fresh, char *error, size_t error_len);
/* Makes the filled generation count. On return no packet is judged by the former one any more, so
 * that it may be filled anew; that takes some milliseconds. */
void sonde_limit_tables_swap(struct sonde_limit_tables *t);
/* In the generation that counts; -1: not there. */
int sonde_limit_tables_rule_slot(const struct sonde_limit_tables *t, uint32_t id);
int sonde_limit_tables_iface_slot(const struct sonde_limit_tables *t, uint32_t ifindex);

#endif
