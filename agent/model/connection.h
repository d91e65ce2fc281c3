// SPDX-License-Identifier: Apache-2.0
/*
 * connection - one conversation between a client and a server: TCP, or a flow of UDP packets.
 *
 * track builds it on the stack whenever there is news of one, and hands it down; it borrows what it
 * points to for that call only. A node-local connection is one of these, told by its server's end,
 * with the client's end joined to it. Counts are totals since the connection opened; `fresh` is
 * what they have grown by since the last telling, so whoever adds up adds that.
 *
 * "To server" is what travels from the client to the server. What an end cannot know (how many
 * segments the other one received out of order) is SONDE_COUNT_UNKNOWN until both ends are seen.
 */
#ifndef SONDE_MODEL_CONNECTION_H
#define SONDE_MODEL_CONNECTION_H

#include "agent/core/slice.h"
#include "agent/model/process.h"
#include "agent/model/request.h"

#define SONDE_COUNT_UNKNOWN UINT64_MAX

enum sonde_transport {
	SONDE_TRANSPORT_TCP = 0,
	SONDE_TRANSPORT_UDP = 1,
	SONDE_TRANSPORTS = 2,
};

/* Why a connection never came to be. */
enum sonde_connect_error {
	SONDE_CONNECT_OK = 0,
	SONDE_CONNECT_REFUSED = 1,     /* the SYN was answered by a RST */
	SONDE_CONNECT_TIMED_OUT = 2,   /* TCP gave up repeating the SYN */
	SONDE_CONNECT_UNREACHABLE = 3, /* an ICMP error, or no route */
	SONDE_CONNECT_RESET = 4,       /* reset between SYN and established */
	SONDE_CONNECT_ABORTED = 5,     /* the application gave up first */
	SONDE_CONNECT_ERRORS = 6,
};

/* The kernel's TCP states (include/net/tcp_states.h); UDP flows are ESTABLISHED, then CLOSE. */
enum sonde_tcp_state {
	SONDE_TCP_UNKNOWN = 0,
	SONDE_TCP_ESTABLISHED = 1,
	SONDE_TCP_SYN_SENT = 2,
	SONDE_TCP_SYN_RECV = 3,
	SONDE_TCP_FIN_WAIT1 = 4,
	SONDE_TCP_FIN_WAIT2 = 5,
	SONDE_TCP_TIME_WAIT = 6,
	SONDE_TCP_CLOSE = 7,
	SONDE_TCP_CLOSE_WAIT = 8,
	SONDE_TCP_LAST_ACK = 9,
	SONDE_TCP_LISTEN = 10,
	SONDE_TCP_CLOSING = 11,
	SONDE_TCP_STATES = 12,
};

/* What has travelled one way. */
struct sonde_travel {
	uint64_t bytes;	      /* payload, without retransmissions */
	uint64_t segments;    /* TCP segments (ACKs too) or UDP packets */
	uint64_t retransmits; /* segments sent again */
	uint64_t out_of_order;
};

struct sonde_connection_counts {
	struct sonde_travel to_server, to_client;
	uint64_t zero_windows;	  /* segments that offered a window of 0, both ways */
	uint64_t rwnd_limited_ns; /* the reporting end could not send: the peer's window was full */
	uint64_t sndbuf_limited_ns; /* the reporting end could not send: its send buffer was full */
};

enum sonde_connection_event {
	SONDE_CONNECTION_OPENED = 0,
	SONDE_CONNECTION_UPDATED = 1, /* totals have moved, or who owns it has changed */
	SONDE_CONNECTION_CLOSED = 2,  /* the last word, once: also of a connect that failed */
	SONDE_CONNECTION_EVENTS = 3,
};

struct sonde_connection {
	uint64_t id;
	enum sonde_transport transport;
	enum sonde_role role;		  /* of the end that reports */
	enum sonde_tcp_state state;	  /* now; CLOSE once closed */
	enum sonde_tcp_state close_state; /* that it was closed from; UNKNOWN before */
	enum sonde_connect_error connect_error;
	enum sonde_role
		closed_by; /* whose FIN (or RST, or abort) came first; UNKNOWN open, or not known */
	enum sonde_role reset_by; /* who sent a RST; UNKNOWN nobody */
	bool preexisting; /* older than the agent: counts of TCP itself are whole, ages are not */
	bool timed_out;	  /* TCP gave up retransmitting */
	bool unseen_end;  /* its close record was lost: these are the last totals known */
	/* CLOSED of a client's end whose server's end turned out to be on this node: that one is
	 * told from now on. It takes back what OPENED has said, and is news to nobody else. */
	bool superseded;

	struct sonde_endpoint client, server; /* where packets really went */
	/* What the application used, where DNAT changed it; port 0: not changed. */
	struct sonde_endpoint client_original, server_original;
	const struct sonde_process *process; /* of the reporting end; never NULL */
	const struct sonde_process *peer;    /* of the other end when on this node, else NULL */

	uint64_t opened_ns;	 /* CLOCK_MONOTONIC: established, or first seen; failed: the SYN */
	uint64_t opened_unix_ns; /* the same as wall time */
	uint64_t duration_ns;	 /* up to now, or to the close */
	uint64_t connect_ns;	 /* SYN to established, at the client's end; 0 unknown */
	/* From established, or from the first payload when that came later, to the application's
	 * first read: the wait in the accept queue is within it. 0 unknown. */
	uint64_t accept_ns;
	uint64_t srtt_ns, min_rtt_ns, rtt_var_ns; /* 0 unknown */
	uint32_t port_unreachable;		  /* UDP: ICMP errors its socket was told of */

	/* Of one that is preexisting `fresh` begins with its first telling. */
	struct sonde_connection_counts total, fresh;

	/* Filled on the way down. */
	struct sonde_slice service; /* of the reporting side */
	struct sonde_slice
		peer_service; /* of the other side: its service, its group, its name or address */
};

/* One listening TCP socket, as a snapshot shows it. Owned by nobody; for the call only. */
struct sonde_listener {
	uint64_t id;
	struct sonde_endpoint local;
	const struct sonde_process *process;
	struct sonde_slice service;
	uint64_t dropped;	       /* SYNs and handshakes refused since it listens (sk_drops) */
	uint64_t fresh_dropped;	       /* of those, since the last telling */
	uint32_t backlog, backlog_max; /* connections that wait to be accepted, now and at most */
};

/* One UDP socket, as a snapshot shows it. */
struct sonde_udp_socket {
	uint64_t id;
	struct sonde_endpoint local;
	const struct sonde_process *process;
	struct sonde_slice service;
	uint64_t dropped, fresh_dropped;	 /* its receive queue was full (sk_drops) */
	uint64_t unreachable, fresh_unreachable; /* "port unreachable" it was told */
};

const char *sonde_transport_name(enum sonde_transport transport);     /* "tcp", "udp" */
const char *sonde_connect_error_name(enum sonde_connect_error error); /* "refused", ...; "" OK */
const char *sonde_tcp_state_name(enum sonde_tcp_state state); /* "established", "syn_sent", ... */

/* One that owns its bytes: one allocation, names and both processes behind it. NULL: no memory. */
struct sonde_connection *sonde_connection_copy(const struct sonde_connection *c);
void sonde_connection_free(struct sonde_connection *copy);

#endif
