/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * limit - the limiter's maps, and how it gets at them. What they hold: bpf/abi/limit.h.
 *
 * No field of the kernel is read here, so nothing needs its BTF.
 */
#ifndef SONDE_LIB_LIMIT_BPF_H
#define SONDE_LIB_LIMIT_BPF_H

#define BPF_NO_PRESERVE_ACCESS_INDEX
#include <vmlinux.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/limit.h"

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))

/* Tables that userspace fills through a mapping; TYPE[N]. */
#define TABLE(name, kind, n)                       \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, n);            \
		__type(key, __u32);                \
		__type(value, kind);               \
	} name SEC(".maps")

#define PER_CPU(name, kind, n)                           \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__uint(max_entries, n);                  \
		__type(key, __u32);                      \
		__type(value, kind);                     \
	} name SEC(".maps")

TABLE(limit_control, struct sonde_xdp_control, 1);
TABLE(limit_sets, struct sonde_xdp_set, SONDE_XDP_GENERATIONS);
TABLE(limit_prefixes, struct sonde_xdp_prefix, SONDE_XDP_GENERATIONS *SONDE_XDP_PREFIX_TABLE);
TABLE(limit_ports, struct sonde_xdp_port_line, SONDE_XDP_GENERATIONS * 65536 / SONDE_XDP_PORT_LINE);
TABLE(limit_vectors, struct sonde_xdp_vector, SONDE_XDP_GENERATIONS *SONDE_XDP_VECTORS);
TABLE(limit_rules, struct sonde_xdp_rule, SONDE_XDP_GENERATIONS *SONDE_XDP_RULES);
TABLE(limit_lines, struct sonde_xdp_line, SONDE_XDP_LINES); /* set from the config */

PER_CPU(limit_counts, struct sonde_xdp_rule_counts, SONDE_XDP_RULES);
PER_CPU(limit_ifaces, struct sonde_xdp_iface_counts, SONDE_XDP_IFACES + 1);
PER_CPU(limit_sampler, struct sonde_xdp_sampler, 1);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SONDE_XDP_RING_BYTES);
} limit_ring SEC(".maps");

const volatile struct sonde_xdp_knobs limit_knobs = { 0 };

/* What was read of a packet. */
struct packet {
	__u64 hi, lo; /* source, host order */
	__u32 len;    /* of the frame */
	__u16 source_port, port;
	__u16 ip_at;   /* where its header begins */
	__u8 protocol; /* IANA number */
	__u8 kind;     /* SONDE_XDP_TCP.. and the bits beside it */
	bool has_port;
	bool fragment; /* after the first */
};

static __always_inline struct sonde_xdp_control *control_page(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&limit_control, &zero);
}

static __always_inline __u64 clock_ns(const struct sonde_xdp_control *control)
{
	return limit_knobs.test_clock ? READ_ONCE(control->test_now_ns) : bpf_ktime_get_ns();
}

static __always_inline const struct sonde_xdp_vector *vector(__u32 generation, __u32 at)
{
	__u32 index = generation * SONDE_XDP_VECTORS + at;

	return bpf_map_lookup_elem(&limit_vectors, &index);
}

static __always_inline bool is_ipv4(__u64 hi, __u64 lo)
{
	return !hi && lo >> 32 == 0xffff;
}

#endif
