// SPDX-License-Identifier: Apache-2.0
/*
 * edges - who calls whom, as the daemon adds it up, at one moment or between two.
 *
 *   snapshot: Edge messages, sorted by client, server and transport
 *   rows:     snapshot - earlier snapshot, edge by edge
 *
 * An edge that began anew meanwhile (another start time) counts from 0.
 */
#ifndef SONDE_TOOLS_EDGES_H
#define SONDE_TOOLS_EDGES_H

#include "agent/model/connection.h"
#include "agent/model/histogram.h"
#include "tools/sonde/frames.h"

struct sonde_edges_snapshot {
	struct sonde_frames frames; /* own the edges */
	Sonde__Edge **edges;	    /* sorted */
	size_t n_edges;
	uint64_t time_unix_ns; /* 0: none was taken */
};

/* SONDE_EXIT_OK, or the exit code after complaining. */
int sonde_edges_fetch(struct sonde_link *l, struct sonde_edges_snapshot *out);
/*
 * Takes over FRAMES of edges, also when it fails, and sorts them. 0 or -ENOMEM. For fetch, and for
 * tests.
 */
int sonde_edges_make(struct sonde_frames frames, struct sonde_edges_snapshot *out);
void sonde_edges_snapshot_free(struct sonde_edges_snapshot *s); /* accepts a zeroed one */

/* An edge, or several of them added up. */
struct sonde_edge_row {
	const Sonde__Edge *edge; /* its names; lives in the snapshot */
	uint64_t requests, errors;
	uint64_t opened, closed, active; /* active: now */
	uint64_t failed[SONDE_CONNECT_ERRORS];
	uint64_t reset_by_client, reset_by_server, timed_out;
	struct sonde_travel to_server, to_client;
	uint64_t network_ns, queue_ns, application_ns, transfer_ns;
	uint64_t zero_windows, rwnd_limited_ns, sndbuf_limited_ns;
	struct sonde_buckets duration, rtt; /* seconds */
};

/* Adds NOW minus EARLIER (NULL: nothing) to ROW. */
void sonde_edge_row_add(struct sonde_edge_row *row, const Sonde__Edge *now,
			const Sonde__Edge *earlier);
/* The same edge in S, when it has counted on since; or NULL. */
const Sonde__Edge *sonde_edges_find(const struct sonde_edges_snapshot *s, const Sonde__Edge *key);
/* One row an edge of NEWER, minus OLDER (may be zeroed). *OUT is to be freed. 0 or -ENOMEM. */
int sonde_edges_rows(const struct sonde_edges_snapshot *older,
		     const struct sonde_edges_snapshot *newer, struct sonde_edge_row **out);

uint64_t sonde_edge_row_failed(const struct sonde_edge_row *row); /* of every reason */
double sonde_edge_row_error_share(const struct sonde_edge_row *row);
double sonde_edge_row_retransmit_share(const struct sonde_edge_row *row);
/* The quantile Q in nanoseconds; NaN when unknown. */
double sonde_edge_row_duration_ns(const struct sonde_edge_row *row, double q);
double sonde_edge_row_rtt_ns(const struct sonde_edge_row *row, double q);

#endif
