/* SPDX-License-Identifier: GPL-2.0-only */
/* udp_state - what is remembered of UDP sockets and flows, and the maps that hold it. */
#ifndef SONDE_LIB_UDP_STATE_BPF_H
#define SONDE_LIB_UDP_STATE_BPF_H

#include "bpf/lib/emit.bpf.h"
#include "bpf/lib/owner.bpf.h"

#define UDP_CONNECTED 1 /* TCP_ESTABLISHED: what a connected UDP socket has as its state */

/* Beside each UDP socket. */
struct udp_socket {
	__u64 id;    /* cookie; 0: no packet yet */
	__u64 netns; /* cookie, 0 unknown */
	struct owner owner;
	__u32 unreachable;
	__u32 walk; /* see seen_on_walk() */
};

struct udp_key {
	__u64 socket;
	__u8 remote[16]; /* as the socket says when it is connected, else as packets do */
	__u16 remote_port;
	__u16 pad[3];
};

/*
 * Bits of udp_flow.flags. INDEXED: it can be found by its addresses. READY: it is old enough that
 * its other end, if that is on this node, is indexed as well.
 */
#define FLOW_SIDE    3u /* SONDE_SIDE_* */
#define FLOW_INDEXED (1u << 2)
#define FLOW_READY   (1u << 3)

struct udp_flow {
	__u64 packets[SONDE_DIRS];
	__u64 bytes[SONDE_DIRS];
	__u64 last; /* jiffies */
	__u32 flags;
	__u32 unreachable;
	struct owner owner;
	__u64 id;
	__u64 peer; /* id of the flow at the other end, as the last index found it; 0 none */
	__u64 first_ns;
	struct endpoints packet; /* as the first packet bore them */
	__u32 pad;
	__u64 netns; /* as in struct pair_key */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct udp_socket);
} sonde_udp_socks SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct udp_key);
	__type(value, struct udp_flow);
} sonde_udp SEC(".maps") __weak;

/* Of each socket whose peers did not all find room there: the rest of them, with remote 0. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct udp_key);
	__type(value, struct udp_flow);
} sonde_udp_rest SEC(".maps") __weak;

#endif
