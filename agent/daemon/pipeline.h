// SPDX-License-Identifier: Apache-2.0
/*
 * pipeline - the way of a finished request through the worker: names, route, series, sinks.
 *
 *   track -> (wait for the broker to name the process) -> services -> route -> agg
 *                                                                          -> control subscribers
 *                                                                          -> exporters
 *
 * Connections go the same way: to the edges and the history, and closed ones to whoever wants them.
 *
 * A request whose process is not named yet waits, with those behind it, for at most 50 ms, so that
 * a service does not begin its life under the wrong name. The wait is bounded in number too.
 */
#ifndef SONDE_DAEMON_PIPELINE_H
#define SONDE_DAEMON_PIPELINE_H

#include "agent/agg/agg.h"
#include "agent/agg/edges.h"
#include "agent/agg/history.h"
#include "agent/agg/route.h"
#include "agent/daemon/control.h"
#include "agent/core/table.h"
#include "agent/meta/peers.h"
#include "agent/meta/processes.h"
#include "agent/meta/workloads.h"
#include "agent/model/config.h"
#include "agent/model/ledger.h"
#include "agent/model/request.h"
#include "agent/track/track.h"
#include "exporters/exporter.h"

enum {
	SONDE_PIPELINE_EXPORTERS = 8,
	SONDE_PIPELINE_WAITING = 4096,
};

struct sonde_pipeline {
	const struct sonde_config *config;
	struct sonde_ledger *ledger;
	struct sonde_processes *processes;
	struct sonde_workloads *workloads; /* what metadata tells of their containers */
	struct sonde_peers *peers;	   /* names for those on other machines */
	struct sonde_routes *routes;
	struct sonde_agg *agg;
	struct sonde_edges *edges;
	struct sonde_history *history;
	struct sonde_table *totals; /* what counters of the kernel had come to when last told */
	uint64_t totals_asked;	    /* how often one was looked at */
	/* Names of enum skb_drop_reason by number, SONDE_REASONS of them; borrowed, NULL: none. */
	const char (*reasons)[SONDE_REASON_NAME];
	struct sonde_control *control; /* borrowed; NULL: nobody can subscribe yet */
	struct sonde_exporter *exporters[SONDE_PIPELINE_EXPORTERS]; /* as in sonde_exporters[] */
	uint32_t generation; /* of the config: cached service names of older ones are void */
	uint64_t unknown;    /* requests whose process could not be named */
	uint64_t unknown_connections; /* the same of connections that have ended */
	/* First in, first out; a ring of copies. */
	struct waiting {
		struct sonde_request *request;	     /* one of the two */
		struct sonde_connection *connection; /* with its event */
		enum sonde_connection_event event;
		struct sonde_process *process, *peer; /* held */
		uint64_t since_ns;
	} * waiting;
	size_t wait_first, n_waiting;
};

/* 0 or negative errno, with a line in ERROR for an exporter that could not be opened. */
int sonde_pipeline_init(struct sonde_pipeline *p, const struct sonde_config *config,
			struct sonde_ledger *ledger, char *error, size_t error_len);
void sonde_pipeline_fini(struct sonde_pipeline *p);
/* Takes over CONFIG, which must live on: new names, routes and limits from the next request on. */
int sonde_pipeline_configure(struct sonde_pipeline *p, const struct sonde_config *config);

/* A finished exchange, as track hands it over. */
void sonde_pipeline_request(struct sonde_pipeline *p, struct sonde_request *r, uint64_t now_ns);
/* News of a connection, as track tells it. */
void sonde_pipeline_connection(struct sonde_pipeline *p, struct sonde_connection *c,
			       enum sonde_connection_event event, uint64_t now_ns);
/* Fills the services of C, which sonde_track_next_connection() has filled otherwise. */
void sonde_pipeline_name_connection(struct sonde_pipeline *p, struct sonde_connection *c);
/* The service of a process at a port: its server's or its client's. Lives as long as PROCESS. */
struct sonde_slice sonde_pipeline_service(struct sonde_pipeline *p, struct sonde_process *process,
					  uint16_t port, bool server);

/* pipeline_sums.c: counters of the kernel in snapshots, and what they have grown by. */
int sonde_pipeline_totals_new(struct sonde_table **out);
void sonde_pipeline_udp_socket(struct sonde_pipeline *p, uint64_t id,
			       const struct sonde_snapshot_udp_socket *s);
void sonde_pipeline_listener(struct sonde_pipeline *p, uint64_t id,
			     const struct sonde_snapshot_listener *s);
void sonde_pipeline_drop(struct sonde_pipeline *p, const struct sonde_snapshot_drop *s);
void sonde_pipeline_lost(struct sonde_pipeline *p, struct sonde_process *process, uint16_t port,
			 enum sonde_role role, enum sonde_loss why, uint64_t n);
/* Lets those go whose processes have been named, or that have waited long enough. */
void sonde_pipeline_release(struct sonde_pipeline *p, uint64_t now_ns);
/* Counts what is in flight anew, before a scrape. */
void sonde_pipeline_count_active(struct sonde_pipeline *p, const struct sonde_track *track);

#endif
