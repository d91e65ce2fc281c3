/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * record - what the kernel side writes into the ring, the contract between bpf/ and agent/probe.
 *
 * One record type states one fact. Every record starts with struct sonde_rec; a reader checks
 * version, type and length before it looks at anything else. Stamps are CLOCK_MONOTONIC
 * nanoseconds. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d, in network order; ports are in host
 * order. Directions are those of the socket: ingress is what this socket receives.
 *
 * A *turn* begins, in one direction, with the first payload after payload in the other. A
 * *position* counts payload bytes of one direction from the start of the connection (or from the
 * moment the agent first saw the socket), so 0 is the first byte; it comes from TCP sequence
 * numbers and is immune to retransmission.
 */
#ifndef SONDE_ABI_RECORD_H
#define SONDE_ABI_RECORD_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SONDE_ABI_VERSION 2

#define SONDE_REC_OPEN	   0 /* struct sonde_rec_open: a connection and who owns it */
#define SONDE_REC_DATA	   1 /* struct sonde_rec_data: payload at the head of a turn */
#define SONDE_REC_PROGRESS 2 /* struct sonde_rec_progress: how far an idle connection has come */
#define SONDE_REC_CLOSE	   3 /* struct sonde_rec_close: the connection's last word */
#define SONDE_REC_OWNER	   4 /* struct sonde_rec_owner: another process uses the socket now */
#define SONDE_REC_NAT	   5 /* struct sonde_rec_nat: where packets really go */
#define SONDE_REC_TYPES	   6

/*
 * Snapshots: the same header, read from the files of iterators, never from the ring. They are
 * totals of the moment, so nothing is lost when one is not read.
 */
#define SONDE_SNAP_TCP	      16 /* struct sonde_snap_tcp: a connection */
#define SONDE_SNAP_LISTENER   17 /* struct sonde_snap_listener */
#define SONDE_SNAP_UDP_SOCKET 18 /* struct sonde_snap_udp_socket */
#define SONDE_SNAP_UDP_FLOW   19 /* struct sonde_snap_udp_flow: a socket and one peer of it */
#define SONDE_SNAP_DROP	      20 /* struct sonde_snap_drop: packets the kernel threw away */

#define SONDE_DIR_INGRESS 0
#define SONDE_DIR_EGRESS  1
#define SONDE_DIRS	  2

#define SONDE_SIDE_UNKNOWN 0 /* socket older than the agent, role not told by a listener */
#define SONDE_SIDE_SERVER  1 /* passively opened: requests arrive on ingress */
#define SONDE_SIDE_CLIENT  2 /* actively opened: requests leave on egress */

struct sonde_rec {
	__u8 version; /* SONDE_ABI_VERSION */
	__u8 type;    /* SONDE_REC_* */
	__u16 len;    /* bytes of this record that mean something, this header included */
	__u32 pad;    /* 0 */
	__u64 id;     /* the connection: the kernel's socket cookie, unique until reboot */
};

/* One direction of a connection, as far as the kernel side has counted. 32 bytes. */
struct sonde_flow {
	__u64 bytes;   /* position of the next byte expected: payload bytes so far */
	__u64 last_ns; /* when payload last passed; ingress of a server: when a turn last began */
	__u32 heads;   /* turns of this direction whose payload was offered to the ring */
	__u32 retransmits; /* segments with payload that lay below `bytes` */
	__u32 gaps;	   /* segments that began beyond `bytes` */
	__u32 pad;	   /* 0 */
};

#define SONDE_OPEN_PREEXISTING (1u << 0) /* the socket is older than the agent */
#define SONDE_OPEN_AGAIN       (1u << 2) /* told again, for a new worker */
#define SONDE_OPEN_LOCAL_PEER  (1u << 1) /* the other end is a socket of this node: `peer` */
#define SONDE_OPEN_FAILED      (1u << 3) /* its close record follows: stamp_ns is that of the SYN */

struct sonde_rec_open {
	struct sonde_rec rec;
	__u64 stamp_ns;	 /* established, or first seen */
	__u64 cgroup_id; /* cgroup v2 id of the socket, 0 unknown */
	__u64 start_ns;	 /* start of the owning process (CLOCK_BOOTTIME), 0 unknown */
	__u64 peer;	 /* connection id of the other end when it is on this node, else 0 */
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 pid;     /* process (thread group) that listened or connected, 0 unknown */
	__u8 comm[16]; /* its name, NUL-padded */
	__u8 side;     /* SONDE_SIDE_* */
	__u8 pad[3];
	__u32 flags;	  /* SONDE_OPEN_* */
	__u64 connect_ns; /* SYN to established, 0 unknown or a server's end */
};

#define SONDE_DATA_FIRST    (1u << 0) /* first payload of its turn */
#define SONDE_DATA_GAP	    (1u << 1) /* bytes before this segment are missing so far */
#define SONDE_DATA_REPEAT   (1u << 2) /* lies below the highest byte seen: fills a gap */
#define SONDE_DATA_RESPONSE (1u << 3) /* hint: begins like "HTTP/1." */

/* Payload captured from one segment. `captured` bytes follow this struct. */
struct sonde_rec_data {
	struct sonde_rec rec;
	__u64 stamp_ns;	    /* when the segment passed the hook (egress: when TCP sent it) */
	__u64 position;	    /* of the first captured byte in this direction */
	__u64 peer_bytes;   /* the other direction's `bytes` at this moment */
	__u64 peer_last_ns; /* the other direction's `last_ns`: when its turn ended */
	__u32 head; /* number of this turn among the offered ones of its direction, from 1 */
	/*
	 * An answer: when the application first read of the request's turn, CLOCK_MONOTONIC in
	 * units of 64 ns, low 32 bits; 0 not known.
	 */
	__u32 read_at;
	__u32 segment_len; /* payload bytes of the segment from `position` on */
	__u16 captured;	   /* payload bytes in this record */
	__u8 direction;	   /* SONDE_DIR_* */
	__u8 flags;	   /* SONDE_DATA_* */
};

struct sonde_rec_progress {
	struct sonde_rec rec;
	struct sonde_flow flow[SONDE_DIRS];
};

/*
 * What TCP itself counts for one socket (struct tcp_sock), as `ss -ti` shows it. 80 bytes. A
 * server's socket counts the SYN that it was made from, but not the SYN-ACK that answered it.
 */
struct sonde_tcp_facts {
	__u64 bytes_sent;     /* payload, without retransmissions */
	__u64 bytes_received; /* payload, in order */
	__u64 rwnd_limited_ns;
	__u64 sndbuf_limited_ns;
	__u32 segments_out;
	__u32 segments_in;
	__u32 retransmits;  /* segments sent again */
	__u32 out_of_order; /* segments received before their turn; 0 also where the kernel lacks it
			     */
	__u32 srtt_us;	    /* 0: no sample */
	__u32 rtt_var_us;
	__u32 min_rtt_us;    /* 0: no sample */
	__u32 zero_windows;  /* segments that offered a window of 0, both ways */
	__u32 read_after_us; /* from established (or the first payload, when that came later) to the
				application's first read; 0 not read, or not told by this kernel */
	__u32 repeats;	     /* segments received again, by our own count */
	__u8 state;	     /* enum in include/net/tcp_states.h */
	__u8 pad[7];
};

#define SONDE_CLOSE_FIN_IN     (1u << 0) /* the peer sent FIN */
#define SONDE_CLOSE_FIN_OUT    (1u << 1)
#define SONDE_CLOSE_RST_IN     (1u << 2) /* a RST of the peer ended it */
#define SONDE_CLOSE_RST_OUT    (1u << 3)
#define SONDE_CLOSE_TIMEOUT    (1u << 4) /* TCP gave up retransmitting */
#define SONDE_CLOSE_ABORT      (1u << 5) /* left ESTABLISHED or CLOSE_WAIT for CLOSE with no FIN */
#define SONDE_CLOSE_HTTP       (1u << 6) /* it spoke HTTP, by the hint */
#define SONDE_CLOSE_PEER_FIRST (1u << 7) /* the peer's FIN came before ours */
#define SONDE_CLOSE_FAILED     (1u << 8) /* never established; `error` says why */

struct sonde_rec_close {
	struct sonde_rec rec;
	__u64 stamp_ns;
	struct sonde_flow flow[SONDE_DIRS];
	struct sonde_tcp_facts tcp; /* its state: the one it was closed from */
	__u32 flags;		    /* SONDE_CLOSE_* */
	__u8 side;		    /* SONDE_SIDE_* */
	__u8 pad;
	__u16 error; /* errno that TCP left on the socket, 0 none */
};

/* Seen at a read: the socket was inherited, passed on, or accepted by another than its listener. */
struct sonde_rec_owner {
	struct sonde_rec rec;
	__u64 stamp_ns;
	__u64 cgroup_id;
	__u64 start_ns; /* of the process (CLOCK_BOOTTIME) */
	__u32 pid;
	__u32 pad;
	__u8 comm[16];
};

/* Follows the open record of a connection whose packets bear other addresses than its socket. */
struct sonde_rec_nat {
	struct sonde_rec rec;
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 pad;
};

struct sonde_snap_tcp {
	struct sonde_rec rec;
	__u64 stamp_ns; /* now */
	struct sonde_tcp_facts tcp;
};

struct sonde_snap_listener {
	struct sonde_rec rec;
	__u64 cgroup_id;
	__u64 start_ns;
	__u32 pid;
	__u32 drops; /* sk_drops: handshakes refused since it listens */
	__u32 backlog, backlog_max;
	__u8 local[16];
	__u8 comm[16];
	__u16 local_port;
	__u16 pad[3];
};

struct sonde_snap_udp_socket {
	struct sonde_rec rec;
	__u64 cgroup_id;
	__u64 start_ns;
	__u32 pid;
	__u32 drops;	   /* sk_drops: the receive queue was full */
	__u32 unreachable; /* ICMP: no such port */
	__u32 pad0;
	__u8 local[16];
	__u8 comm[16];
	__u16 local_port;
	__u16 pad[3];
};

#define SONDE_UDP_ENDED (1u << 0) /* idle for so long that it is forgotten: the last word */

struct sonde_snap_udp_flow {
	struct sonde_rec rec; /* id: hash of socket and peer, unique while the flow lives */
	__u64 socket;	      /* cookie */
	__u64 cgroup_id;
	__u64 start_ns;
	__u64 first_ns, last_ns;		      /* the latter to a tick of the kernel */
	__u64 packets[SONDE_DIRS], bytes[SONDE_DIRS]; /* payload bytes */
	__u64 peer; /* id of the same flow at the other end's socket on this node, 0 none known */
	__u32 pid;
	__u32 flags;	 /* SONDE_UDP_* */
	__u8 local[16];	 /* as its first packet bore them */
	__u8 remote[16]; /* unspecified: peers for which there was no room any more, together */
	__u8 asked[16];	 /* what a connected socket says its peer is; asked_port 0: the same */
	__u8 comm[16];
	__u16 local_port;
	__u16 remote_port;
	__u16 asked_port;
	__u8 side; /* SONDE_SIDE_*: CLIENT when its first packet went out */
	__u8 pad;
	__u32 unreachable; /* ICMP: no such port, told to a connected socket */
	__u32 pad1;
};

#define SONDE_DROP_ENDED (1u << 0) /* nothing for so long that it is forgotten */

struct sonde_snap_drop {
	struct sonde_rec rec; /* id: 0 */
	__u64 cgroup_id;      /* of the socket's owner, 0 no socket known */
	__u64 start_ns;
	__u64 count;
	__u32 pid;    /* 0 unknown */
	__u32 reason; /* enum skb_drop_reason of this kernel; names from its BTF */
	__u32 flags;  /* SONDE_DROP_* */
	__u32 pad;
	__u8 comm[16];
};

_Static_assert(sizeof(struct sonde_rec) == 16, "abi");
_Static_assert(sizeof(struct sonde_flow) == 32, "abi");
_Static_assert(sizeof(struct sonde_rec_open) == 120, "abi");
_Static_assert(sizeof(struct sonde_rec_data) == 64, "abi");
_Static_assert(sizeof(struct sonde_rec_progress) == 80, "abi");
_Static_assert(sizeof(struct sonde_tcp_facts) == 80, "abi");
_Static_assert(sizeof(struct sonde_rec_close) == 176, "abi");
_Static_assert(sizeof(struct sonde_rec_owner) == 64, "abi");
_Static_assert(sizeof(struct sonde_rec_nat) == 56, "abi");
_Static_assert(sizeof(struct sonde_snap_tcp) == 104, "abi");
_Static_assert(sizeof(struct sonde_snap_listener) == 88, "abi");
_Static_assert(sizeof(struct sonde_snap_udp_socket) == 88, "abi");
_Static_assert(sizeof(struct sonde_snap_udp_flow) == 184, "abi");
_Static_assert(sizeof(struct sonde_snap_drop) == 72, "abi");

#endif
