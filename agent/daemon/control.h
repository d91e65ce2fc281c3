// SPDX-License-Identifier: Apache-2.0
/*
 * control - the socket that `sonde` talks to, served on the worker's loop.
 *
 *   accept -> GREETING -- Hello in time --> SERVING -- EOF, wrong frame --> ENDING -> closed
 *                \------------ refused, late, wrong frame ------------------^
 *
 * Frames and messages are those of agent/model/sonde.proto. Every client has one bounded queue of
 * bytes to be sent; what does not fit is that client's loss alone: it is counted, and the client
 * is told how many in line, before the next record that fits. Nothing here ever blocks.
 *
 *   SERVING client:  Subscribe -> filter --- record matches ---> queue -> socket
 *                    Get...    -> reply, or a dump in slices ------^
 *
 * A client that asks faster than it reads is not read from until it has caught up.
 */
#ifndef SONDE_DAEMON_CONTROL_H
#define SONDE_DAEMON_CONTROL_H

#include "agent/agg/agg.h"
#include "agent/agg/edges.h"
#include "agent/agg/history.h"
#include "agent/core/buf.h"
#include "agent/daemon/loop.h"
#include "agent/limit/command.h"
#include "agent/limit/sample.h"
#include "agent/limit/top.h"
#include "agent/limit/view.h"
#include "agent/model/config.h"
#include "agent/model/connection.h"
#include "agent/model/request.h"
#include "agent/model/status.h"

enum {
	SONDE_CONTROL_CLIENTS = 32,
	SONDE_CONTROL_QUEUE_BYTES = 4 << 20, /* of one client */
	SONDE_CONTROL_DEADLINE_S = 5,	     /* to say Hello, or to take the last words */
};

struct sonde_control;

/* Where answers come from. Called on the loop's thread; must not block. */
struct sonde_control_source {
	void *ctx;
	void (*status)(void *ctx, struct sonde_status *out);
	/* As sonde_agg_next(): the next series from *CURSOR (begin at 0); false at the end. */
	bool (*series)(void *ctx, size_t *cursor, struct sonde_series_view *out);
	/* The effective config as YAML. 0 or negative errno. */
	int (*config)(void *ctx, struct sonde_buf *out);
	/*
	 * Has the kernel's totals read anew. Returns how many calls of sonde_control_refreshed()
	 * it takes until they are at least as new as this call: 2 when a reading is under way that
	 * began before. 0: there will be none.
	 */
	unsigned int (*refresh)(void *ctx);
	/* As sonde_track_next_connection(), with services; sonde_history_next() and _event(). */
	bool (*live)(void *ctx, size_t *cursor, struct sonde_connection *out);
	bool (*closed)(void *ctx, uint64_t *cursor, struct sonde_connection *out);
	bool (*event)(void *ctx, uint64_t id, uint64_t *cursor, struct sonde_event *out);
	bool (*edge)(void *ctx, size_t *cursor,
		     struct sonde_edge_view *out); /* sonde_edges_next() */
	/* Hands a command over for the person at FD, which stays the caller's; the answer comes by
	 * sonde_control_limit_answered(). 0 or negative errno. */
	int (*limit)(void *ctx, int fd, const struct sonde_limit_command *command);
	/* The rules as they are now, until the next call; NULL: they cannot be had. */
	const struct sonde_limit_view *(*limits)(void *ctx);
	/* The most limited sources of the rule ID: returns how many. */
	size_t (*limit_top)(void *ctx, uint32_t id, struct sonde_limit_source *out, size_t max);
};

/*
 * Of subscriptions to requests and to connections.
 * produced == delivered + dropped_slow + dropped_gone + queued, always.
 */
struct sonde_control_stats {
	uint32_t clients;
	uint32_t subscribers;
	uint64_t refused;      /* clients without a role, or over the limit */
	uint64_t produced;     /* records that matched a subscription, once per subscriber */
	uint64_t delivered;    /* whole in the client's socket */
	uint64_t dropped_slow; /* the queue was full; the client has been or will be told */
	uint64_t dropped_gone; /* queued when the client left */
	uint64_t queued;
};

/*
 * Serves LISTEN_FD (a listening AF_UNIX stream socket, which becomes the server's: it is made
 * non-blocking and closed with it, unless this fails). SRC is copied. Group names of CONFIG are
 * looked up in /etc/group now; CONFIG is not kept. 0 and *OUT, or negative errno.
 */
int sonde_control_new(struct sonde_loop *loop, int listen_fd, const struct sonde_config *config,
		      const struct sonde_control_source *src, struct sonde_control **out);
void sonde_control_free(struct sonde_control *c); /* accepts NULL */

/* After a reload: roles are decided anew; who has lost the right to what he does is sent off. */
void sonde_control_configure(struct sonde_control *c, const struct sonde_config *config);

/* Serves a connected socket as if it had been accepted; it is closed in any case. */
void sonde_control_adopt(struct sonde_control *c, int fd);

/* A request is finished: for every subscriber whose filter it passes. One branch when none is. */
void sonde_control_request(struct sonde_control *c, const struct sonde_request *r);
/* A connection has closed or failed: for every subscriber of connections whose filter it passes. */
void sonde_control_connection(struct sonde_control *c, const struct sonde_connection *connection);
/* A packet that a rule has held back: for every subscriber of those. */
void sonde_control_sample(struct sonde_control *c, const struct sonde_limit_sample *sample);
/* What has come of a command that was given to limit(). */
void sonde_control_limit_answered(struct sonde_control *c, const struct sonde_limit_answer *answer);
/* A reading of the kernel's totals is complete, whoever asked for it. */
void sonde_control_refreshed(struct sonde_control *c);
/* N records of KIND were lost: every subscriber is told in line. */
void sonde_control_lost(struct sonde_control *c, enum sonde_kind kind, enum sonde_loss loss,
			uint64_t n);

void sonde_control_stats(const struct sonde_control *c, struct sonde_control_stats *out);

#endif
