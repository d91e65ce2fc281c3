// SPDX-License-Identifier: Apache-2.0
/*
 * worker_state - the worker's insides, shared by its two files and by nobody else: worker.c lives
 * (loop, ring, messages, start and end), worker_report.c tells (status, series, scrapes, losses).
 */
#ifndef SONDE_DAEMON_WORKER_STATE_H
#define SONDE_DAEMON_WORKER_STATE_H

#include "agent/core/log.h"
#include "agent/daemon/canary.h"
#include "agent/daemon/channel.h"
#include "agent/daemon/control.h"
#include "agent/daemon/http.h"
#include "agent/daemon/limit_metrics.h"
#include "agent/daemon/pipeline.h"
#include "agent/daemon/selfmetrics.h"
#include "agent/meta/metadata.h"
#include "agent/probe/ring.h"
#include "agent/probe/snapshot.h"
#include "agent/probe/wake.h"
#include "agent/track/track.h"

struct worker {
	struct sonde_loop *loop;
	struct sonde_watch channel, signals, ring_watch;
	struct sonde_timer drain, tick;
	struct {
		struct sonde_timer due;	  /* the next one is to be asked for */
		struct sonde_timer slice; /* one is being read */
		struct sonde_snapshot_reader reader;
		bool again;	      /* somebody wants a newer one than the one in hand */
		uint64_t asked_ns;    /* 0: the broker owes none */
		uint64_t spent_ns;    /* reading the one in hand */
		uint64_t last_ns;     /* when the last one was complete */
		uint64_t duration_ns; /* what that took of this thread */
	} snapshot;
	struct sonde_config config;
	struct sonde_shared *shared;
	struct sonde_ring ring;
	struct sonde_wake wake;
	struct sonde_track *track;
	struct sonde_pipeline pipeline;
	struct sonde_metadata *metadata; /* NULL: nobody is asked */
	struct sonde_watch metadata_watch;
	struct sonde_control *control;
	struct sonde_http *http;
	struct sonde_canary *canary;
	struct sonde_kernel_status kernel; /* as the broker last told */
	struct sonde_selfmetrics self;
	struct {
		const struct sonde_limit_view *view; /* the broker's, mapped */
		struct sonde_limit_view *copy;	     /* of one moment; owned */
		struct sonde_limit_metrics *scraped; /* the same for a scrape; owned */
		struct sonde_table *tops;	     /* struct sonde_limit_top by id of the rule */
	} limit;
	uint64_t start_unix_ns;
	uint64_t now_ns;		 /* of this drain */
	uint64_t told_full[SONDE_KINDS]; /* losses that subscribers have been told of */
	struct sonde_log_gate reopen_gate;
	uint64_t sweep_open,
		sweep_close;  /* kernel's losses when connections began to be told anew */
	uint64_t swept_close; /* and those that a finished telling has made up for */
	bool telling;
	unsigned int idle_drains;
	bool draining; /* the drain timer runs */
	bool stop;
};

/* worker.c: reads what the ring holds, up to the budget of one turn. */
void sonde_worker_drain(struct worker *w);

/* worker_snapshot.c */
int sonde_worker_open_snapshots(struct worker *w);
/* A callback of the control socket: has a snapshot taken, see struct sonde_control_source. */
unsigned int sonde_worker_refresh(void *ctx);
/* The broker's answer: its files are the worker's now. */
void sonde_worker_take_snapshot(struct worker *w, const int *fds, size_t n_fds);
void sonde_worker_close_snapshots(struct worker *w);

/* worker_limit.c: rules of rate limiting, which the broker holds. */
int sonde_worker_open_limits(struct worker *w, int view_fd);
void sonde_worker_close_limits(struct worker *w);
void sonde_worker_take_sample(struct worker *w, const struct sonde_limit_sample *s);
int sonde_worker_limit(void *ctx, int fd, const struct sonde_limit_command *command);
const struct sonde_limit_view *sonde_worker_limits(void *ctx);
/* The same for one scrape; NULL: it cannot be had. */
struct sonde_limit_metrics *sonde_worker_limit_metrics(struct worker *w);
size_t sonde_worker_limit_top(void *ctx, uint32_t id, struct sonde_limit_source *out, size_t max);

/* worker_metadata.c; all of it does nothing when nobody is to be asked. */
int sonde_worker_open_metadata(struct worker *w);
/* CONNECTION: the broker's answer. The descriptors are taken over. */
void sonde_worker_take_connection(struct worker *w, const struct sonde_message *m, const int *fds,
				  size_t n_fds);
/* The broker has named P, which may be NULL: is there more to be known? */
void sonde_worker_identified(struct worker *w, const struct sonde_process *p);
void sonde_worker_metadata_status(struct worker *w, struct sonde_metadata_status *out);

/* worker_report.c: the callbacks that the control socket and the HTTP side are given. */
void sonde_worker_status(void *ctx, struct sonde_status *out);
bool sonde_worker_series(void *ctx, size_t *cursor, struct sonde_series_view *out);
int sonde_worker_config(void *ctx, struct sonde_buf *out);
bool sonde_worker_live(void *ctx, size_t *cursor, struct sonde_connection *out);
bool sonde_worker_closed(void *ctx, uint64_t *cursor, struct sonde_connection *out);
bool sonde_worker_event(void *ctx, uint64_t id, uint64_t *cursor, struct sonde_event *out);
bool sonde_worker_edge(void *ctx, size_t *cursor, struct sonde_edge_view *out);
size_t sonde_worker_prepare_scrape(void *ctx, struct sonde_metric_source *sources);
const char *sonde_worker_not_ready(void *ctx);
/* Tells every subscriber of a trace what the kernel has dropped since the last time. */
void sonde_worker_tell_losses(struct worker *w);

#endif
