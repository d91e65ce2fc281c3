/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * limit - what the limiter (bpf/limit.bpf.c, XDP) and agent/probe/limit_*.c share: its maps.
 *
 * A set of rules is compiled by userspace into tables that the program only reads: a whole
 * generation, of which there are two; `active` in the control page says which one counts, so that
 * one store swaps all of it. What the program writes outlives generations: buckets, counters, and
 * the ring of samples.
 *
 * Finding the rules of a packet. Rules are numbered in the order they are asked. Each of four
 * questions (interface, kind of packet, source, destination port) has an answer that is a *class*,
 * and each class a vector of one bit for each rule that it would satisfy; the rules of a packet are
 * the AND of four vectors. `summary` has a bit for each word of a vector that is not 0, so few
 * rules cost few loads.
 *
 * Source classes are found by binary search on prefix lengths (Waldvogel, SIGCOMM 1997): `lengths`
 * of the address family, and one hash table that holds each prefix, and where the search must go on
 * to longer ones a marker that knows the best prefix above it. At most 6 steps for IPv4, 8 for
 * IPv6, each a hash and at most SONDE_XDP_PROBES neighbouring entries.
 *
 * A bucket is one word: 48 bits of theoretical arrival time (GCRA, ITU-T I.371; CLOCK_MONOTONIC
 * nanoseconds, modulo 2^48) and a tag of 16 bits, never 0, that tells whose it is. A bucket whose
 * time has passed says nothing any more, so whoever comes next may have it: nothing is inserted or
 * evicted. Seven buckets and a word for spills make a line, a cache line; a key hashes to two
 * lines:
 *
 *     its tag in the home line           that bucket
 *     spill > now: in the other line     that bucket
 *     else an idle bucket at home        becomes ours
 *     else an idle one in the other      becomes ours; the home line's spill says until when
 *     else of two, one in each line      the one that is idle first is shared: crowded, counted
 */
#ifndef SONDE_ABI_LIMIT_H
#define SONDE_ABI_LIMIT_H

#include "bpf/abi/record.h"

#define SONDE_XDP_ABI 1 /* goes up when any map changes its meaning */

#define SONDE_XDP_RULES	      1024
#define SONDE_XDP_IFACES      64
#define SONDE_XDP_GENERATIONS 2
#define SONDE_XDP_NONE	      (~0u)

#define SONDE_XDP_VLANS	     4
#define SONDE_XDP_EXTENSIONS 8

/* Mixes a masked address and what it is looked up for; SEED keeps others from choosing. */
static inline __u64 sonde_xdp_hash(__u64 hi, __u64 lo, __u64 what, __u64 seed)
{
	__u64 h = (lo ^ seed) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h + hi * 0xc2b2ae3d27d4eb4fULL + what) * 0xd6e8feb86659fd93ULL;
	return h ^ h >> 32;
}

/* ---- what rules are made of; the same numbers as in agent/limit/spec.h ---- */

#define SONDE_XDP_PACKETS     0
#define SONDE_XDP_BYTES	      1
#define SONDE_XDP_CONNECTIONS 2
#define SONDE_XDP_REQUESTS    3

#define SONDE_XDP_DROP	0
#define SONDE_XDP_COUNT 1

/* Protocol classes. */
#define SONDE_XDP_OTHER 0
#define SONDE_XDP_TCP	1
#define SONDE_XDP_UDP	2
#define SONDE_XDP_ICMP	3 /* of either family */

/* The kind of a packet: its protocol class and these. */
#define SONDE_XDP_OPENS	  (1u << 2) /* TCP, SYN without ACK */
#define SONDE_XDP_REQUEST (1u << 3) /* TCP payload begins with a method of HTTP/1 */
#define SONDE_XDP_KINDS	  16

/* ---- the control page: one entry, mapped by the broker ---- */

struct sonde_xdp_control {
	__u32 version; /* SONDE_XDP_ABI; 0: maps that nobody has filled yet */
	__u32 active;  /* generation that counts: 0 or 1 */
	__u64 swaps;
	__u64 lease_ns;	     /* rules hold until this moment, CLOCK_MONOTONIC; ~0 for ever */
	__u64 bucket_seed;   /* secret, for as long as the buckets live */
	__u64 line_mask;     /* lines of buckets, less one */
	__u64 sample_gap_ns; /* least time between two samples of a CPU */
	__u64 test_now_ns;   /* the clock, when the knob `test_clock` was set at load */
};

/* ---- one generation ---- */

#define SONDE_XDP_IFACE_HASH   256 /* ifindex modulo this, and IFACE_PROBES - 1 slots further on */
#define SONDE_XDP_IFACE_PROBES 4

struct sonde_xdp_iface {
	__u32 ifindex; /* 0: none */
	__u32 slot;    /* below SONDE_XDP_IFACES */
};

#define SONDE_XDP_FAMILIES   2 /* 0: IPv6; 1: IPv4, as ::ffff:a.b.c.d wherever it comes from */
#define SONDE_XDP_LENGTHS    128
#define SONDE_XDP_SEARCH_MAX 8 /* steps that find one of SONDE_XDP_LENGTHS */

/* A prefix length that occurs, from 1 to 128. Addresses are two words in host order. */
struct sonde_xdp_length {
	__u64 mask_hi, mask_lo;
	__u64 bits;
};

struct sonde_xdp_set {
	__u64 prefix_seed;
	__u32 n_lengths[SONDE_XDP_FAMILIES];
	struct sonde_xdp_iface ifaces[SONDE_XDP_IFACE_HASH];
	struct sonde_xdp_length lengths[SONDE_XDP_FAMILIES][SONDE_XDP_LENGTHS]; /* ascending */
};

#define SONDE_XDP_PREFIX_TABLE (1u << 16) /* entries of one generation */
#define SONDE_XDP_PROBES       8

#define SONDE_XDP_PREFIX_LAST (1u << 0) /* no longer prefix lies below it */

struct sonde_xdp_prefix {
	__u64 hi, lo; /* masked */
	__u32 bits;   /* 0: free */
	__u16 class;  /* of the longest prefix that holds it */
	__u16 flags;  /* SONDE_XDP_PREFIX_* */
	__u64 pad;
};

/* Source classes. */
#define SONDE_XDP_SOURCE_ANY	 0 /* no prefix holds it */
#define SONDE_XDP_SOURCE_ALLOWED 1 /* passes before anything else is asked */
#define SONDE_XDP_SOURCES	 (2 + SONDE_XDP_RULES)

/* Port classes: 0 for packets without a port. The table has 32 ports in an entry. */
#define SONDE_XDP_PORTS	    (2 + 2 * SONDE_XDP_RULES)
#define SONDE_XDP_PORT_LINE 32

struct sonde_xdp_port_line {
	__u16 class[SONDE_XDP_PORT_LINE];
};

#define SONDE_XDP_WORDS (SONDE_XDP_RULES / 64)

struct sonde_xdp_vector {
	__u64 word[SONDE_XDP_WORDS];
	__u64 summary; /* bit I: word[I] is not 0 */
};

/* Where the vectors of one generation stand. */
#define SONDE_XDP_VECTOR_IFACE	0
#define SONDE_XDP_VECTOR_KIND	(SONDE_XDP_VECTOR_IFACE + SONDE_XDP_IFACES)
#define SONDE_XDP_VECTOR_SOURCE (SONDE_XDP_VECTOR_KIND + SONDE_XDP_KINDS)
#define SONDE_XDP_VECTOR_PORT	(SONDE_XDP_VECTOR_SOURCE + SONDE_XDP_SOURCES)
#define SONDE_XDP_VECTORS	(SONDE_XDP_VECTOR_PORT + SONDE_XDP_PORTS)

/*
 * Bounds what one packet can cost: a step holds it against a rule, or takes up the next word of its
 * cover after the first. At least 32 rules; should there be more, the rest is skipped, and that is
 * counted.
 */
#define SONDE_XDP_STEPS (32 + SONDE_XDP_WORDS)

struct sonde_xdp_rule {
	__u64 expires_ns;   /* stops by itself: the end of its time or of its trial; ~0 never */
	__u64 tolerance_ns; /* burst times the cost of a unit, at most SONDE_XDP_AHEAD_MAX */
	__u64 cost;	    /* of a unit, in nanoseconds << shift */
	/* What of a source tells buckets apart: masks. */
	__u64 key4;
	__u64 key6_hi, key6_lo;
	__u32 id;    /* salt of its buckets; told in samples */
	__u16 slot;  /* of its counters */
	__u8 shift;  /* at most 20, such that cost fits 46 bits */
	__u8 unit;   /* SONDE_XDP_PACKETS.. */
	__u8 action; /* SONDE_XDP_DROP, SONDE_XDP_COUNT */
	__u8 pad[7];
};

/* ---- buckets ---- */

#define SONDE_XDP_WAYS	    7
#define SONDE_XDP_TAG_BITS  16
#define SONDE_XDP_TIME_MASK ((1ULL << 48) - 1)
/* No bucket is ever further ahead of now: 9.7 hours. */
#define SONDE_XDP_AHEAD_MAX (1ULL << 45)
#define SONDE_XDP_LINES_MIN (1u << 10)
#define SONDE_XDP_LINES	    (1u << 18) /* 16 MiB: a million sources fill 55 % of them */
#define SONDE_XDP_LINES_MAX (1u << 24)

/* Which bucket of each line is offered to a key that must share. */
#define SONDE_XDP_SHARED_WAY(hash) ((__u32)((hash) >> 62) & 3)

struct sonde_xdp_line {
	__u64 bucket[SONDE_XDP_WAYS]; /* time << 16 | tag; 0: never used */
	__u64 spill; /* until when a bucket of this home may be in its other line; ns, not cut */
};

/* ---- counters, per CPU ---- */

struct sonde_xdp_rule_counts {
	__u64 passed, passed_bytes;   /* within the rule */
	__u64 limited, limited_bytes; /* beyond it: dropped, or with `count` only counted */
};

/* What became of a packet: exactly one of these. All but DROPPED pass. */
#define SONDE_XDP_PASSED    0 /* within every rule that covers it, or those only count */
#define SONDE_XDP_DROPPED   1
#define SONDE_XDP_UNMATCHED 2 /* no rule covers it */
#define SONDE_XDP_ALLOWED   3
#define SONDE_XDP_UNLEASED  4 /* a rule covers it, but the lease is over */
#define SONDE_XDP_NEIGHBOUR 5 /* ARP, neighbour discovery */
#define SONDE_XDP_DHCP	    6
#define SONDE_XDP_NOT_IP    7
#define SONDE_XDP_MALFORMED 8
#define SONDE_XDP_OUTCOMES  9

/* One for each interface, and a last one for interfaces that the active set does not know. */
struct sonde_xdp_iface_counts {
	__u64 packets[SONDE_XDP_OUTCOMES];
	__u64 bytes[SONDE_XDP_OUTCOMES];
	__u64 fragments;	     /* after the first: held against rules without a port */
	__u64 crowded;		     /* a bucket had to be shared */
	__u64 contended;	     /* charged without a look: other CPUs were faster every time */
	__u64 skipped;		     /* packets that had rules left after SONDE_XDP_STEPS */
	__u64 samples, samples_lost; /* written; refused by the ring */
};

/* Private to the program. */
struct sonde_xdp_sampler {
	__u64 next_ns;
	__u64 since; /* limited packets since the last sample */
};

/* ---- samples of what was limited ---- */

#define SONDE_XDP_RING_BYTES (1u << 18)
#define SONDE_REC_LIMITED    48 /* struct sonde_xdp_limited, in the limiter's own ring */

struct sonde_xdp_limited {
	struct sonde_rec rec; /* id: 0 */
	__u64 stamp_ns;
	__u64 weight; /* limited packets of this CPU that it stands for, itself included */
	__u8 source[16];
	__u8 destination[16];
	__u16 source_port; /* 0, 0: no port */
	__u16 destination_port;
	__u32 bytes;
	__u32 rule; /* id */
	__u32 ifindex;
	__u8 protocol; /* IANA number */
	__u8 action;   /* SONDE_XDP_DROP: it was dropped */
	__u8 unit;
	__u8 pad[5];
};

/* ---- knobs, set before loading ---- */

struct sonde_xdp_knobs {
	__u32 test_clock; /* 1: time is control.test_now_ns */
	__u32 pad;
};

_Static_assert(sizeof(struct sonde_xdp_control) == 56, "abi");
_Static_assert(sizeof(struct sonde_xdp_set) == 16 + 8 * 256 + 24 * 256, "abi");
_Static_assert(sizeof(struct sonde_xdp_prefix) == 32, "abi");
_Static_assert(sizeof(struct sonde_xdp_vector) == 136, "abi");
_Static_assert(sizeof(struct sonde_xdp_rule) == 64, "abi");
_Static_assert(sizeof(struct sonde_xdp_line) == 64, "abi");
_Static_assert(sizeof(struct sonde_xdp_rule_counts) == 32, "abi");
_Static_assert(sizeof(struct sonde_xdp_iface_counts) == 16 * SONDE_XDP_OUTCOMES + 48, "abi");
_Static_assert(sizeof(struct sonde_xdp_limited) == 88, "abi");

#endif
