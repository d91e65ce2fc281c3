// SPDX-License-Identifier: Apache-2.0
/*
 * control_internal - what the files of the control socket share: one client and its server.
 *
 *   control.c         accepting, deadlines, requests and losses to every subscriber
 *   control_client.c  one connection: bytes in, frames, bytes out
 *   control_message.c what each message does
 *   control_status.c  struct sonde_status as a message
 *   control_dump.c    answers that are too long for one turn, slice by slice
 *   control_series.c  slices of series
 *   control_conns.c   slices of connections, and of what happened on one
 *   control_edges.c   slices of edges
 *   control_limit.c   rules of rate limiting
 *
 * A function that returns bool here says whether the client is still there.
 */
#ifndef SONDE_DAEMON_CONTROL_INTERNAL_H
#define SONDE_DAEMON_CONTROL_INTERNAL_H

#include "agent/core/log.h"
#include "agent/daemon/control.h"
#include "agent/daemon/control_access.h"
#include "agent/daemon/control_queue.h"
#include "agent/daemon/filter.h"
#include "agent/model/metric.h"
#include "agent/model/wire.h"

enum {
	/* Above this many bytes queued, a client is not read from and no dump goes on. */
	SONDE_CONTROL_PAUSE_BYTES = 256 << 10,
	/* Replies may go this far beyond the limit that requests keep. */
	SONDE_CONTROL_REPLY_BYTES =
		SONDE_CONTROL_QUEUE_BYTES + SONDE_WIRE_DAEMON_MAX + SONDE_WIRE_HEAD,
};

enum sonde_client_state {
	SONDE_CLIENT_FREE = 0,
	SONDE_CLIENT_GREETING = 1,
	SONDE_CLIENT_SERVING = 2,
	SONDE_CLIENT_ENDING = 3, /* only flushes */
};

/* Losses that the client has not been told of yet. */
struct sonde_client_losses {
	bool any;
	uint64_t slow; /* its own records, for want of room */
	uint64_t records[SONDE_KINDS][SONDE_LOSSES];
};

/* An answer in slices. */
struct sonde_client_dump {
	Sonde__Frame *request; /* owned: the Get... it answers; NULL when there is none */
	bool waiting;	       /* for the kernel's totals: nothing is sent yet */
	uint64_t refreshes;    /* of the control socket, at which it goes on */
	uint64_t deadline_ns;  /* or without them */
	size_t cursor;
	uint64_t far_cursor; /* of the history */
	uint64_t left;
	bool closed;		     /* the live connections are through */
	struct sonde_filter *filter; /* of connections; owned */
};

struct sonde_client {
	struct sonde_watch watch;
	struct sonde_control *control;
	enum sonde_client_state state;
	enum sonde_access access;
	uint32_t events;      /* what the watch waits for */
	uint64_t deadline_ns; /* GREETING and ENDING */
	struct sonde_buf in;
	struct sonde_control_queue out;
	struct sonde_filter *filter; /* subscribed when set; owned */
	bool connections;	     /* not to requests */
	bool limited;		     /* nor to either, but to samples of what rules hold back */
	uint64_t remaining;	     /* records until the subscription ends */
	struct sonde_client_losses losses;
	struct sonde_client_dump dump;
	struct {
		uint64_t token; /* of the command that is under way; 0: none */
		uint32_t verb;
		char name[SONDE_LIMIT_NAME]; /* rows that are wanted; "": all */
	} limit;
};

struct sonde_control {
	struct sonde_loop *loop;
	struct sonde_watch listener;
	bool listening; /* the listener is in the loop */
	struct sonde_timer timer;
	bool ticking;
	struct sonde_access_groups groups;
	struct sonde_control_source source;
	struct sonde_buf scratch; /* one frame being made */
	struct sonde_control_stats stats;
	uint64_t refreshes; /* readings of the kernel's totals that are complete */
	uint64_t last_token;
	struct sonde_log_gate gate;
	struct sonde_client clients[SONDE_CONTROL_CLIENTS];
};

/* control.c */
void sonde_control_tick(struct sonde_control *c, uint64_t now_ns);
void sonde_control_await_deadline(struct sonde_control *c);

/* control_client.c */
void sonde_client_open(struct sonde_client *cl, struct sonde_control *c, int fd);
void sonde_client_close(struct sonde_client *cl);
/* Sends a last word and lets the client go. */
void sonde_client_refuse(struct sonde_client *cl, Sonde__Error__Code code, const char *message);
void sonde_client_end(struct sonde_client *cl);
void sonde_client_unsubscribe(struct sonde_client *cl);
/* Queues one reply; a reply that cannot be made or held ends the client. */
void sonde_client_reply(struct sonde_client *cl, const Sonde__Frame *frame);
void sonde_client_error(struct sonde_client *cl, Sonde__Error__Code code, const char *message);
/* Queues an encoded record of a subscription, or counts it as lost. */
void sonde_client_publish(struct sonde_client *cl, struct sonde_slice frame);
/* Queues what the client has not been told of its losses. False: some did not fit. */
bool sonde_client_tell_losses(struct sonde_client *cl);
/* Makes the watch wait for what the client needs now. */
void sonde_client_arm(struct sonde_client *cl);

/* control_message.c */
void sonde_client_handle(struct sonde_client *cl, Sonde__Frame **frame);

/* control_status.c */
void sonde_client_send_status(struct sonde_client *cl);

/* control_limit.c */
void sonde_client_limit(struct sonde_client *cl, const Sonde__LimitRequest *in);
/* Parts of messages; they borrow from the view. */
void sonde_limit_put_interface(const struct sonde_limit_iface_view *v, Sonde__LimitInterface *out);
void sonde_limit_put_lease(const struct sonde_limit_view *v, Sonde__LimitLease *out);

/* control_dump.c */
void sonde_client_begin_dump(struct sonde_client *cl, Sonde__Frame **frame);
void sonde_client_end_dump(struct sonde_client *cl);
/* A few slices more. */
void sonde_client_dump(struct sonde_client *cl);
/* Goes on with an answer that waits for totals, when they are in or will not come. */
void sonde_client_resume_dump(struct sonde_client *cl, uint64_t now_ns);

/* One slice each; the last one ends the dump. */
void sonde_client_dump_series(struct sonde_client *cl);
void sonde_client_dump_connections(struct sonde_client *cl);
void sonde_client_dump_events(struct sonde_client *cl);
void sonde_client_dump_edges(struct sonde_client *cl);

/* A histogram on its way into a slice, with buckets of its own. */
struct sonde_control_histogram {
	Sonde__Histogram message; /* points into COUNTS: not to be moved */
	uint32_t counts[SONDE_HISTOGRAM_BUCKETS];
};

/* control_series.c: copies V, which is borrowed until the next series is asked for. */
void sonde_control_put_histogram(const struct sonde_histogram_view *v,
				 struct sonde_control_histogram *out);

#endif
