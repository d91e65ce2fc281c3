/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * state - what the kernel side remembers, and the maps that hold it.
 *
 * One sk_storage value per socket, cloned from listener to child, gone with the socket. Its two
 * flows are written each by the hook of its own direction alone: ingress runs before the socket
 * lock, egress under it, both at once on two CPUs. What both must decide, whose turn it is, is
 * therefore decided by neither: a direction begins a new turn when the *other* one has moved since
 * its own last payload. The cold part lies between the flows and keeps them on different cache
 * lines; it is written only before payload can flow (and by the iterator, for old sockets).
 *
 *    0  flow[INGRESS]  48 bytes
 *   48  cold           56
 *  104  flow[EGRESS]   48
 *  152  reads          16   written by sonde_read alone, under the socket lock
 *
 * With the kernel's own header a storage element is a slab object of 256 bytes, as it was with 128.
 */
#ifndef SONDE_LIB_STATE_BPF_H
#define SONDE_LIB_STATE_BPF_H

#include <vmlinux.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/control.h"

/* Marks of one flow. */
#define MARK_SEEN   (1u << 0) /* base_seq is known */
#define MARK_BEGUN  (1u << 1) /* payload has passed */
#define MARK_HOLE   (1u << 2) /* bytes of this turn are missing so far */
#define MARK_HTTP   (1u << 3) /* a turn began with "HTTP/1.": responses flow this way */
#define MARK_LOCAL  (1u << 4) /* egress of a client whose server on this node reports */
#define MARK_FIN    (1u << 5)
#define MARK_RST    (1u << 6)
#define MARK_FIRST  (1u << 11) /* its FIN came before the other direction's */
#define MARK_PIPES  (1u << 10) /* requests of this flow come several at a time: capture all */
#define MARK_PROBES (3u << 8)  /* turns that were looked at in vain, two bits */
#define MARK_PROBE  (1u << 8)

struct flow {
	__u64 bytes;
	__u64 last_ns;
	__u32 base_seq;	 /* TCP sequence number of position 0, once SEEN; constant */
	__u32 peer_seen; /* low half of the other flow's bytes at our last payload */
	__u32 heads;
	__u32 retransmits;
	__u32 gaps;
	__u32 zero_windows; /* segments that offered a window of 0 */
	__u32 begun_at;	    /* when the first payload came, see COARSE() */
	__u16 left;	    /* payload bytes of this turn still to capture */
	__u16 marks;	    /* MARK_* */
};

/* What the application has read, as far as it is told (tracepoint tcp_rcv_space_adjust). */
struct reads {
	__u32 opened_at; /* established, see COARSE(); written before payload can flow */
	__u32 after_us;	 /* from established, or the first payload, to the first read; 0 none yet */
	__u32 heads;	 /* the turn of `in` that was last read of */
	__u32 at;	 /* when, see COARSE() */
};

/* A moment in units of 64 ns, low 32 bits, never 0: good for spans of up to four minutes. */
#define COARSE(ns) ((__u32)((ns) >> 6) | 1)

/* Bits of sock_state.flags. */
#define SOCK_SIDE	 3u /* SONDE_SIDE_* */
#define SOCK_IGNORED	 (1u << 2)
#define SOCK_PREEXISTING (1u << 3)
#define SOCK_OPENED	 (1u << 4) /* an open record was written or tried, and no close record yet */
#define SOCK_OWN	 (1u << 5) /* of the agent itself; ignored too */
#define SOCK_NATED	 (1u << 6) /* its packets bear other addresses: sonde_nats */
#define SOCK_PAIRED	 (1u << 7) /* a client with an entry in sonde_pairs */

struct sock_state {
	struct flow in;
	__u64 id; /* socket cookie; 0 on a listener */
	__u64 cgroup_id;
	__u64 start_ns;
	/* The server's end of a node-local pair: id of the client. A client that has connected from
	 * a loopback address: its network namespace, as in struct pair_key. Else 0. */
	__u64 peer;
	__u32 pid;
	__u32 flags;
	__u8 comm[16];
	struct flow out;
	struct reads reads;
	__u32 walk; /* see seen_on_walk() */
	__u32 pad;
};
_Static_assert(sizeof(struct flow) == 48, "state per direction");
_Static_assert(sizeof(struct sock_state) == 176, "184 fit the slab object that 128 need");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct sock_state);
} sonde_socks SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024); /* set from the config */
} sonde_ring SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sonde_control);
} sonde_control SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sonde_counters);
} sonde_counters SEC(".maps") __weak;

/* Both ends of a node-local connection find each other here: the client enters, the server claims.
 */
struct pair_key {
	__u8 client[16];
	__u8 server[16];
	__u16 client_port;
	__u16 server_port;
	__u32 pad;
	__u64 netns; /* cookie, for loopback addresses, which every namespace has; else 0 */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct pair_key);
	__type(value, __u64); /* connection id of the client */
} sonde_pairs SEC(".maps") __weak;

/* Ids of clients whose server's end is on this node; taken out at their first payload or close. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u8);
} sonde_claimed SEC(".maps") __weak;

/* What the packets of a connection bear, by its id, where that is not what its socket says. */
struct nat {
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 pad;
	__u64 netns; /* as in struct pair_key */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct nat);
} sonde_nats SEC(".maps") __weak;

/* The pair that a connection's packets make. */
static __always_inline void nat_key(const struct nat *nat, struct pair_key *key)
{
	__builtin_memcpy(key->client, nat->local, 16);
	__builtin_memcpy(key->server, nat->remote, 16);
	key->client_port = nat->local_port;
	key->server_port = nat->remote_port;
	key->pad = 0;
	key->netns = nat->netns;
}

static __always_inline void leave_nat_pair(__u64 id)
{
	struct nat *nat = bpf_map_lookup_elem(&sonde_nats, &id);
	struct pair_key key;

	if (!nat)
		return;
	nat_key(nat, &key);
	bpf_map_delete_elem(&sonde_pairs, &key);
}

/* See keep_early() in socket.bpf.c. */
#define EARLY_BYTES 448

struct early {
	__u64 stamp_ns;
	__u32 seq;
	__u32 len;	/* payload bytes of the segment; 0: nothing kept */
	__u32 captured; /* of those, bytes here */
	__u32 pad;
	__u8 payload[EARLY_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct early);
} sonde_early SEC(".maps") __weak;

/*
 * Where find_pipeline() looks through the beginning of a turn. Should a hook interrupt another one
 * on its CPU, a hint is wrong, and nothing else.
 */
#define SCAN_BYTES 448

struct scan {
	__u8 bytes[SCAN_BYTES];
	__u32 at;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scan);
} sonde_scan SEC(".maps") __weak;

/* cgroup v2 ids whose sockets are left alone; filled by the broker. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
} sonde_ignored SEC(".maps") __weak;

const volatile struct sonde_knobs sonde_knobs __weak = {
	.request_head_bytes = 448,
	.response_head_bytes = 192,
	.watermark_bytes = 2 * 1024 * 1024,
	.progress_period_ns = 600000000,
	.tick_ns = 4000000,
};

static __always_inline struct sonde_control *control_page(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sonde_control, &zero);
}

static __always_inline struct sonde_counters *counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sonde_counters, &zero);
}

/* One more run of a program: the only thing that every packet pays for. */
static __always_inline void count_run(const __u32 program)
{
	struct sonde_counters *c = counters();

	if (c)
		c->runs[program]++;
}

/* One of the ports that the config says to leave alone, at either end. Host order. */
static __always_inline bool is_ignored_port(__u16 local, __u16 remote)
{
	for (__u32 i = 0; i < SONDE_IGNORED_PORTS; i++) {
		if (i >= sonde_knobs.n_ignored_ports)
			break;
		if (sonde_knobs.ignored_ports[i] == local || sonde_knobs.ignored_ports[i] == remote)
			return true;
	}
	return false;
}

/*
 * COUNT(field): adds one to a named counter of this CPU. Atomic all the same: an egress hook may be
 * interrupted by an ingress hook on its own CPU.
 */
#define COUNT(field)                                         \
	do {                                                 \
		struct sonde_counters *c_ = counters();      \
		if (c_)                                      \
			__sync_fetch_and_add(&c_->field, 1); \
	} while (0)

#endif
