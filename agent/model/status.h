// SPDX-License-Identifier: Apache-2.0
/*
 * status - what the daemon says about itself: `sonde status`, and the sonde_* metrics.
 *
 * The broker fills programs, maps and the kernel rows of the ledger once a second and sends them to
 * the worker, which adds its own part and answers whoever asks.
 */
#ifndef SONDE_MODEL_STATUS_H
#define SONDE_MODEL_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/model/ledger.h"

enum {
	SONDE_STATUS_PROGRAMS = 24,
	SONDE_STATUS_MAPS = 24,
	SONDE_STATUS_NAME = 32,
	SONDE_STATUS_NOTE = 96,
	SONDE_STATUS_SOURCES = 5,   /* of metadata */
	SONDE_STATUS_ADDRESS = 128, /* of one of them; longer ones are cut */
};

struct sonde_program_status {
	char name[SONDE_STATUS_NAME];
	char note[SONDE_STATUS_NOTE]; /* why it is not attached; "" when it is */
	uint32_t id;		      /* kernel program id, 0 not loaded */
	uint32_t attached;	      /* 0 or 1 */
	uint64_t runs;		      /* 0 unless kernel.bpf_stats_enabled */
	uint64_t run_time_ns;
};

struct sonde_map_status {
	char name[SONDE_STATUS_NAME];
	uint32_t max_entries;
	uint32_t pad;
	uint64_t entries;      /* used; UINT64_MAX when the type cannot tell */
	uint64_t memory_bytes; /* as the kernel accounts it */
};

/* Fixed size: it crosses the socketpair as it is. */
struct sonde_kernel_status {
	struct sonde_program_status programs[SONDE_STATUS_PROGRAMS];
	struct sonde_map_status maps[SONDE_STATUS_MAPS];
	uint32_t n_programs, n_maps;
	uint64_t produced[SONDE_KINDS]; /* by the kernel; requests stay 0 */
	uint64_t ring_full[SONDE_KINDS];
	/* What could not be observed, each with its reason; see bpf/abi/control.h. */
	uint64_t storage_failed, pairs_failed, nats_failed, headers_odd, early_lost;
	uint64_t udp_uncounted, drops_uncounted;
	uint64_t broker_rss_bytes;
	uint32_t broker_pid;
	uint32_t worker_restarts;
};

/* Somebody who is asked for the names of containers. */
struct sonde_source_status {
	char name[16];			    /* "docker", "kubernetes" */
	char address[SONDE_STATUS_ADDRESS]; /* socket, or URL of the API server */
	char error[SONDE_STATUS_NOTE];	    /* of the last failure; "" since it went well */
	bool following;			    /* news are told as they happen */
	uint64_t requests, failures;	    /* questions; those without a good answer */
	uint64_t told;			    /* containers and pods, each time they were told of */
	uint64_t misunderstood;		    /* single news */
	uint64_t last_success_unix_ns;	    /* 0 never */
};

struct sonde_metadata_status {
	struct sonde_source_status sources[SONDE_STATUS_SOURCES];
	uint32_t n_sources;
	uint64_t entries;	    /* containers and pods known */
	uint64_t evicted;	    /* that made room for others */
	uint64_t dropped_workloads; /* told, and not kept for want of room or memory */
	uint64_t dropped_questions; /* containers that should have been asked for */
};

struct sonde_status {
	struct sonde_kernel_status kernel;
	struct sonde_ledger ledger;
	const char *version;
	uint64_t start_unix_ns;
	uint64_t worker_rss_bytes;
	uint32_t worker_pid;
	uint32_t connections; /* in the worker's table */
	uint32_t connections_max;
	uint64_t ring_bytes;
	uint64_t ring_used_bytes;
	uint64_t canary_age_ns; /* since the last self-made request came back; UINT64_MAX never */
	uint64_t series, series_max, series_overflowed;
	uint64_t routes_overflowed;
	uint64_t edges, edges_overflowed, edges_dropped;
	uint64_t series_memory_bytes, edges_memory_bytes, history_memory_bytes;
	uint64_t identities_unknown;	/* requests whose process could not be named */
	uint64_t connections_unknown;	/* the same of connections that have ended */
	uint64_t identities_given_up;	/* processes of whom the broker could not tell in time */
	uint64_t identities_overflowed; /* times that there was no room for one more process */
	uint64_t peers_overflowed;	/* times that a peer elsewhere was called __other__ */
	struct sonde_metadata_status metadata;
	uint64_t unsynced;	 /* answers to requests that were not seen */
	uint64_t ended_by_quiet; /* answers whose end was told by silence alone */
	uint64_t shadowed;	 /* exchanges seen from both ends and reported once */
};

#endif
