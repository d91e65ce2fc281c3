// SPDX-License-Identifier: Apache-2.0
/*
 * edge_store - what the files of edges share: entries by two names, and how they are found.
 *
 * Edges, what is known of a service alone, and dropped packets are all entries of one kind or
 * another under two names, in one index with one memo and one expiry:
 *
 *   kind      names              own names at most           the others are booked under
 *   TCP, UDP  client, server     config.edges.max together   __other__, __other__
 *   SERVICE   service, ""        SONDE_EDGE_SERVICES         __other__, ""
 *   DROPS     service, reason    SONDE_EDGE_DROPS            __other__, reason, while
 *                                                            SONDE_EDGE_DROPS_FOLDED have room;
 *                                                            then __other__, __other__
 *
 * An entry that an open connection or a listener belongs to is pinned: it does not expire, and what
 * is open is exactly its pins.
 */
#ifndef SONDE_AGG_EDGE_STORE_H
#define SONDE_AGG_EDGE_STORE_H

#include "agent/agg/arena.h"
#include "agent/agg/cells.h"
#include "agent/agg/edges.h"
#include "agent/agg/intern.h"
#include "agent/agg/live.h"
#include "agent/core/table.h"

enum {
	SONDE_EDGE_SERVICES = 512,
	SONDE_EDGE_DROPS = 1024,
	SONDE_EDGE_DROPS_FOLDED = 128,
	SONDE_EDGE_LISTENERS = 4096, /* sockets */
	SONDE_EDGE_MEMO = 4096,	     /* guesses; a power of two */
	SONDE_EDGE_EXPIRE_SLICE = 512,
	SONDE_EDGE_BOUNDS = SONDE_DURATION_BOUNDS, /* of every histogram here */
	SONDE_EDGE_PARTS = 5,			   /* the four of a request, and undivided */
};

enum sonde_edge_kind {
	SONDE_EDGE_TCP = SONDE_TRANSPORT_TCP,
	SONDE_EDGE_UDP = SONDE_TRANSPORT_UDP,
	SONDE_EDGE_SERVICE = 2,
	SONDE_EDGE_DROPPED = 3,
	SONDE_EDGE_KINDS = 4,
	SONDE_EDGE_NONE = 5, /* what stands at numbers without an entry */
};

struct sonde_edge_entry {
	struct sonde_text *a, *b; /* a reference each */
	uint64_t start_unix_ns;
	uint32_t last_s; /* when anything was added, in the agent's seconds */
	uint32_t pins;
	uint32_t number;
	uint8_t kind;
};

/* The explicit buckets of a histogram, in seconds and, padded to a power of two, in nanoseconds. */
struct sonde_edge_scale {
	double seconds[SONDE_EDGE_BOUNDS];
	uint64_t ns[SONDE_EDGE_BOUNDS + 2];
};

extern const struct sonde_edge_scale sonde_edge_requests; /* as http.server.request.duration */
extern const struct sonde_edge_scale sonde_edge_trips;	  /* round trips, waits for a connection */
extern const struct sonde_edge_scale sonde_edge_lives;	  /* of connections */

/* Of durations. No memory of its own before the first. */
struct sonde_edge_histogram {
	struct sonde_cells cells; /* ptr NULL: empty */
	uint64_t sum_ns;
};

struct sonde_edge {
	struct sonde_edge_entry entry; /* pins: connections that are open */
	bool client_here, server_here;
	uint64_t requests, errors;
	uint64_t part_ns[SONDE_EDGE_PARTS];
	uint64_t opened, closed, timed_out;
	uint64_t failed[SONDE_CONNECT_ERRORS];
	uint64_t resets[SONDE_ROLES];
	struct sonde_connection_counts counts;
	struct sonde_edge_histogram request_duration, connect, accept, rtt, min_rtt, rtt_var,
		connection_duration;
};

struct sonde_edge_service {
	struct sonde_edge_entry entry; /* pins: listeners */
	uint64_t listen_dropped;
	uint64_t backlog, backlog_max; /* sums over its listeners */
	uint64_t udp_dropped, udp_unreachable;
};

struct sonde_edge_drops {
	struct sonde_edge_entry entry;
	uint64_t packets;
};

/* A listener as it was last told. */
struct sonde_edge_listener {
	uint32_t number; /* of its service's entry */
	uint32_t backlog, backlog_max;
	uint32_t last_s;
};

struct sonde_edges {
	struct sonde_intern intern;
	struct sonde_arena arena;
	struct sonde_index index;
	struct sonde_edge_entry **entries; /* by number; 0 is never used */
	uint32_t *unused;		   /* stack of freed numbers */
	uint32_t *memo;			   /* SONDE_EDGE_MEMO numbers */
	uint32_t n_unused, fresh, cap;
	uint32_t n[SONDE_EDGE_KINDS];	     /* with names of their own */
	uint32_t n_folded[SONDE_EDGE_KINDS]; /* __other__ */
	uint32_t max_edges;
	struct sonde_live live;	       /* connections: entry number, and what has been counted */
	struct sonde_table *listeners; /* struct sonde_edge_listener by socket */
	size_t listener_cursor;
	uint32_t listener_stale_s;
	uint64_t idle_ns;
	uint64_t base_ns; /* CLOCK_MONOTONIC at second 0 of last_s */
	uint64_t unix_ns;
	uint32_t now_s;
	uint32_t sweep; /* where expiry goes on */
	uint64_t overflowed, expired, dropped;

	/* One row at a time is unpacked here for whoever reads it. */
	struct {
		uint64_t explicit_counts[SONDE_EDGE_BOUNDS + 1];
		uint32_t counts[SONDE_HISTOGRAM_BUCKETS];
	} view[4];
};

int sonde_edge_store_init(struct sonde_edges *e, uint32_t max_edges); /* 0 or negative errno */
void sonde_edge_store_fini(struct sonde_edges *e);		      /* accepts half-built ones */
/*
 * The entry of KIND under two names, made when it is not there, or the one of __other__ that it is
 * booked under. It counts as used now. NULL: no memory, counted as dropped.
 */
struct sonde_edge_entry *sonde_edge_entry(struct sonde_edges *e, enum sonde_edge_kind kind,
					  struct sonde_slice a, struct sonde_slice b);
/* Drops what has been idle for longer than IDLE_S; looks at a slice of the entries. */
void sonde_edge_store_expire(struct sonde_edges *e, uint32_t idle_s);
/* The next entry whose kind is in the set KINDS (1 << kind), from number *AT + 1 on; NULL: none. */
struct sonde_edge_entry *sonde_edge_store_next(const struct sonde_edges *e, unsigned int kinds,
					       size_t *at);
size_t sonde_edge_store_memory(const struct sonde_edges *e);

/* Counts one duration. False: no memory. */
bool sonde_edge_measure(struct sonde_edges *e, struct sonde_edge_histogram *h,
			const struct sonde_edge_scale *scale, uint64_t ns);
/* Unpacks H into the I-th room for views. */
void sonde_edge_view_histogram(struct sonde_edges *e, const struct sonde_edge_histogram *h,
			       size_t i, struct sonde_histogram_view *out);

#endif
