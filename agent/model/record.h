// SPDX-License-Identifier: Apache-2.0
/*
 * record - what the kernel side reports, after the reader has checked it.
 *
 * The reader (agent/probe) fills one of these on its stack per ring record and hands it to track;
 * `payload` borrows ring memory and is gone when the call returns. Terms (turn, head, position) are
 * those of bpf/abi/record.h.
 */
#ifndef SONDE_MODEL_RECORD_H
#define SONDE_MODEL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/core/slice.h"
#include "agent/model/connection.h"
#include "agent/model/ledger.h"
#include "agent/model/process.h"
#include "agent/model/request.h"

enum sonde_direction {
	SONDE_INGRESS = 0,
	SONDE_EGRESS = 1,
	SONDE_DIRECTIONS = 2,
};

/* How far one direction of a connection has come. */
struct sonde_progress {
	uint64_t bytes;	  /* payload so far: the position of the next byte */
	uint64_t last_ns; /* when payload last passed */
	uint32_t heads;	  /* turns offered to the ring: what was not read was lost */
	uint32_t retransmits;
	uint32_t gaps;
};

struct sonde_record_open {
	uint64_t stamp_ns;
	uint64_t cgroup_id;
	uint64_t start_ns; /* of the process */
	uint64_t peer;	   /* connection id of the other end on this node, 0 none */
	struct sonde_endpoint local, remote;
	uint32_t pid;
	char comm[SONDE_COMM_LEN];
	enum sonde_role role;
	bool preexisting;
	bool again;	     /* told anew; its heads are not counted from the start */
	bool failed;	     /* never established: the close record follows */
	uint64_t connect_ns; /* SYN to established; 0 unknown */
};

/* What TCP itself counts at one end. Shapes and units: struct sonde_tcp_facts of the ABI. */
struct sonde_tcp_view {
	uint64_t bytes_sent, bytes_received;
	uint64_t rwnd_limited_ns, sndbuf_limited_ns;
	uint32_t segments_out, segments_in;
	uint32_t retransmits, out_of_order;
	uint32_t srtt_us, rtt_var_us, min_rtt_us; /* 0: no sample */
	uint32_t zero_windows;
	uint32_t read_after_us;
	uint32_t repeats; /* segments received again, as the hook saw */
	enum sonde_tcp_state state;
};

struct sonde_record_data {
	uint64_t stamp_ns;
	uint64_t position; /* of payload.ptr[0] */
	uint64_t peer_bytes;
	uint64_t peer_last_ns;
	uint32_t head;
	uint32_t read_at;     /* when the request was first read, in 64 ns, low bits; 0 unknown */
	uint32_t segment_len; /* at least payload.len: what the segment held from `position` on */
	enum sonde_direction direction;
	bool first;    /* first payload of its turn */
	bool response; /* begins like a response */
	bool gap;      /* bytes of this direction before `position` have not come yet */
	bool repeat;   /* comes late: lies below the highest position seen */
	struct sonde_slice payload;
};

struct sonde_record_close {
	uint64_t stamp_ns;
	struct sonde_progress flow[SONDE_DIRECTIONS];
	enum sonde_role role;
	bool fin_in, fin_out, rst_in, rst_out;
	bool timeout;	 /* TCP gave up */
	bool http;	 /* it spoke HTTP, by the kernel side's hint */
	bool aborted;	 /* ended with neither FIN nor a peer's RST */
	bool peer_first; /* the peer's FIN came before ours */
	bool failed;	 /* it was never established */
	uint16_t error;	 /* errno that TCP left, 0 none */
	struct sonde_tcp_view tcp;
};

/* Another process than before uses the socket. */
struct sonde_record_owner {
	uint64_t stamp_ns;
	uint64_t cgroup_id;
	uint64_t start_ns;
	uint32_t pid;
	char comm[SONDE_COMM_LEN];
};

/* What packets bear, where it is not what the socket says. */
struct sonde_record_nat {
	struct sonde_endpoint local, remote;
};

struct sonde_record {
	enum sonde_kind kind; /* OPEN to NAT */
	uint64_t id;	      /* connection */
	union {
		struct sonde_record_open open;
		struct sonde_record_data data;
		struct sonde_progress progress[SONDE_DIRECTIONS];
		struct sonde_record_close close;
		struct sonde_record_owner owner;
		struct sonde_record_nat nat;
	};
};

/* ---- snapshots: totals of the moment, from iterators ---------------------------------------- */

enum sonde_snapshot_kind {
	SONDE_SNAPSHOT_TCP = 0,
	SONDE_SNAPSHOT_LISTENER = 1,
	SONDE_SNAPSHOT_UDP_SOCKET = 2,
	SONDE_SNAPSHOT_UDP_FLOW = 3,
	SONDE_SNAPSHOT_DROP = 4,
	SONDE_SNAPSHOTS = 5,
};

/* Who a snapshot is of. pid 0: unknown. */
struct sonde_owner {
	uint64_t cgroup_id, start_ns;
	uint32_t pid;
	char comm[SONDE_COMM_LEN];
};

struct sonde_snapshot_tcp {
	uint64_t stamp_ns;
	struct sonde_tcp_view tcp;
};

struct sonde_snapshot_listener {
	struct sonde_owner owner;
	struct sonde_endpoint local;
	uint32_t drops, backlog, backlog_max;
};

struct sonde_snapshot_udp_socket {
	struct sonde_owner owner;
	struct sonde_endpoint local;
	uint32_t drops, unreachable;
};

struct sonde_snapshot_udp_flow {
	struct sonde_owner owner;
	struct sonde_endpoint asked; /* what a connected socket calls its peer; port 0: `remote` */
	uint32_t unreachable;	     /* "port unreachable" it was told */
	uint64_t socket;	     /* cookie */
	uint64_t peer; /* id of the same flow at the other end on this node, 0 none known */
	uint64_t first_ns, last_ns;
	uint64_t packets[SONDE_DIRECTIONS], bytes[SONDE_DIRECTIONS];
	struct sonde_endpoint local, remote;
	enum sonde_role role;
	bool ended;
};

struct sonde_snapshot_drop {
	struct sonde_owner owner;
	uint64_t count;
	uint32_t reason; /* enum skb_drop_reason of this kernel */
	bool ended;	 /* for a while none has come: the kernel side counts from 0 next time */
};

enum {
	SONDE_REASON_NAME = 48, /* bytes of the name of a reason, NUL included */
	SONDE_REASONS = 256,	/* how many are named at most */
};

struct sonde_snapshot {
	enum sonde_snapshot_kind kind;
	uint64_t id;
	union {
		struct sonde_snapshot_tcp tcp;
		struct sonde_snapshot_listener listener;
		struct sonde_snapshot_udp_socket udp_socket;
		struct sonde_snapshot_udp_flow udp_flow;
		struct sonde_snapshot_drop drop;
	};
};

#endif
