/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * control - what userspace tells the kernel side, and what the kernel side counts.
 *
 * Knobs are set once, before the programs load, so that the verifier removes what is switched off.
 * The control page is one memory-mapped array entry: the worker, which may not use bpf(2), talks
 * through it. Counters are per CPU and read by the broker.
 */
#ifndef SONDE_ABI_CONTROL_H
#define SONDE_ABI_CONTROL_H

#include "bpf/abi/record.h"

#define SONDE_IGNORED_PORTS  16
#define SONDE_STREAM_SLOTS   1024 /* power of two */
#define SONDE_HEAD_BYTES_MAX 1984

struct sonde_knobs {
	__u32 request_head_bytes; /* captured of each request turn, at most SONDE_HEAD_BYTES_MAX */
	__u32 response_head_bytes;
	__u32 watermark_bytes; /* wake the reader when the ring holds more */
	__u32 n_ignored_ports;
	__u16 ignored_ports[SONDE_IGNORED_PORTS]; /* host order; either end */
	/* What this kernel offers: 0 or 1. Probed by agent/probe, because it differs by program
	 * type. */
	__u8 has_task_btf;	  /* bpf_get_current_task_btf in sockops */
	__u8 has_netns_cookie;	  /* bpf_get_netns_cookie in sockops and cgroup/sock */
	__u8 has_skb_task_btf;	  /* bpf_get_current_task_btf in cgroup_skb and cgroup/sock */
	__u8 has_drop_socket;	  /* the tracepoint kfree_skb tells the receiving socket */
	__u32 tick_ns;		  /* of the kernel's jiffies */
	__u64 progress_period_ns; /* how often userspace runs sonde_progress, with some to spare */
};

/* One page, written by the worker and the broker, read by the programs. */
struct sonde_control {
	__u32 sleeping;	  /* worker: set before it waits with no timer; the next record clears it */
	__u32 broker_pid; /* sockets of these two processes are not observed */
	__u32 worker_pid;
	__u32 canary_port; /* but this listener of the worker is, and who connects to it */
	__u32 ident_pass;  /* SONDE_IDENT_*: what the iterator over old sockets does now */
	__u32 walk;	   /* number of the walk through all files that is under way */
	/* Connections to capture whole, not only at turns: slot hash(id) holds the id. */
	__u64 stream[SONDE_STREAM_SLOTS];
	/* Connections that speak HTTP no more (upgraded): the same, to capture nothing of. */
	__u64 leave[SONDE_STREAM_SLOTS];
};

/* What a walk over a map is asked, and how far it came: the context of sonde_*_walk. */
struct sonde_walk_ask {
	__u64 at;   /* elements that are done with; 0 to begin */
	__u32 what; /* SONDE_WALK_* */
	__u32 more; /* out: 1 when it stopped for want of room */
};

#define SONDE_WALK_INDEX 0 /* let the ends of UDP flows find each other; tells nothing */
#define SONDE_WALK_FLOWS 1
#define SONDE_WALK_REST	 2 /* of UDP sockets with too many peers */

#define SONDE_IDENT_LISTENERS 0 /* name listening sockets, remember their ports */
#define SONDE_IDENT_CLIENTS   1 /* adopt connected sockets without a listener of that port */
#define SONDE_IDENT_SERVERS   2 /* adopt the others */
#define SONDE_IDENT_TIDY      3 /* what the two have left for each other is done with */

/* Which slot of sonde_control.stream belongs to connection ID. */
#define SONDE_STREAM_SLOT(id) \
	((__u32)(((__u64)(id)*0x9e3779b97f4a7c15ULL) >> 54) & (SONDE_STREAM_SLOTS - 1))

#define SONDE_PROGRAM_INGRESS 0
#define SONDE_PROGRAM_EGRESS  1
#define SONDE_PROGRAM_SOCKOPS 2
#define SONDE_PROGRAM_READ    3
#define SONDE_PROGRAM_CREATE  4
#define SONDE_PROGRAM_ERROR   5
#define SONDE_PROGRAM_DROP    6
#define SONDE_PROGRAMS	      7

/* Flows of UDP are forgotten after so long without a packet; such of few packets sooner. */
#define SONDE_UDP_IDLE_NS	30000000000ULL
#define SONDE_UDP_BRIEF_NS	10000000000ULL
#define SONDE_UDP_BRIEF_PACKETS 4
/* Drops are forgotten after so long without another of the same process and reason. */
#define SONDE_DROP_IDLE_NS 120000000000ULL

/* Per-CPU counters. Every failed reserve or update of a program has one. */
struct sonde_counters {
	__u64 produced[SONDE_REC_TYPES];  /* records the programs wanted to write */
	__u64 ring_full[SONDE_REC_TYPES]; /* of those, refused by the ring */
	__u64 storage_failed;		  /* no sk_storage for a socket: it is not observed */
	__u64 nats_failed;		  /* what packets bear was not kept */
	__u64 pairs_failed;		  /* node-local pair not registered: both ends may report */
	__u64 headers_odd;		  /* TCP packets whose headers could not be walked */
	/* How often each program ran; not atomic, so a few may be missing. */
	__u64 runs[SONDE_PROGRAMS];
	__u64 early_lost;      /* payload that came with the handshake and could not be kept */
	__u64 udp_uncounted;   /* UDP packets for whose flow there was no room */
	__u64 drops_uncounted; /* packets that the kernel dropped, and no room to say why */
};

_Static_assert(sizeof(struct sonde_knobs) == 64, "abi");
_Static_assert(sizeof(struct sonde_control) == 24 + 16 * SONDE_STREAM_SLOTS, "abi");
_Static_assert(sizeof(struct sonde_counters) == 56 + 16 * SONDE_REC_TYPES + 8 * SONDE_PROGRAMS,
	       "abi");

#endif
