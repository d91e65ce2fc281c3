// SPDX-License-Identifier: Apache-2.0
/*
 * conns - the parts of `sonde conns`: its options, the filter they make, what the daemon answers,
 * what limits a connection, and how one looks.
 */
#ifndef SONDE_TOOLS_CONNS_H
#define SONDE_TOOLS_CONNS_H

#include "agent/model/connection.h"
#include "tools/sonde/cli.h"
#include "tools/sonde/filter_words.h"
#include "tools/sonde/frames.h"

enum sonde_conns_sort {
	SONDE_CONNS_AS_TOLD = 0, /* live ones, then closed ones, newest first */
	SONDE_CONNS_RTT = 1,
	SONDE_CONNS_RETRANS = 2,
	SONDE_CONNS_BYTES = 3,
	SONDE_CONNS_AGE = 4,
};

struct sonde_conns_options {
	int format, sort;
	bool live, closed; /* neither: both */
	struct sonde_filter_words words;
	struct sonde_words protocols, states;
	bool errors, failed;
	uint64_t limit;	   /* rows; 0: all */
	uint64_t watch_ns; /* again after so long; 0: once */
	bool follow;
	uint64_t timeout_ns; /* of follow; 0: no end */
};

enum { SONDE_CONNS_OPTIONS = 19 };
extern const struct sonde_option sonde_conns_options[SONDE_CONNS_OPTIONS];

/* A Filter message with room for what it points to. Do not move it once filled. */
struct sonde_conns_filter {
	Sonde__Filter message;
	struct sonde_filter_parts parts;
	Sonde__Transport transports[SONDE_WORDS_MAX];
	Sonde__TcpState states[SONDE_WORDS_MAX];
	uint64_t id;
};

/* 0, or -EINVAL with a line in ERROR. Borrows from O. ID is "" or the id of one connection. */
int sonde_conns_filter(const struct sonde_conns_options *o, const char *id,
		       struct sonde_conns_filter *out, char error[SONDE_OPTIONS_ERROR]);

/* What the daemon answered; each connection once, as it was told last. */
struct sonde_conns {
	struct sonde_frames frames; /* own the connections */
	Sonde__Connection **list;
	size_t n;
	uint64_t time_unix_ns;
};

/* SONDE_EXIT_OK, or the exit code after complaining. */
int sonde_conns_fetch(struct sonde_link *l, Sonde__GetConnections *get, struct sonde_conns *out);
/* Takes over FRAMES of connections, also when it fails. 0 or -ENOMEM. For fetch, and for tests. */
int sonde_conns_make(struct sonde_frames frames, struct sonde_conns *out);
void sonde_conns_free(struct sonde_conns *c);				  /* accepts a zeroed one */
void sonde_conns_sort(struct sonde_conns *c, enum sonde_conns_sort sort); /* the most first */

/*
 * What holds a connection up: the network between the ends, a queue of a kernel (data waits for an
 * application that does not read, or for room to be sent), or neither, so that what time it takes
 * is the applications'. WHY gets a few words.
 */
enum sonde_limit {
	SONDE_LIMIT_NONE = 0, /* nothing can be said */
	SONDE_LIMIT_NETWORK = 1,
	SONDE_LIMIT_QUEUE = 2,
	SONDE_LIMIT_APPLICATION = 3,
};
enum { SONDE_LIMIT_WHY = 80 };
enum sonde_limit sonde_conns_limit(const struct sonde_connection *c, char why[SONDE_LIMIT_WHY]);
const char *sonde_limit_name(enum sonde_limit limit); /* "-", "network", "queue", "application" */

/* Segments sent again, of those sent; either way. */
double sonde_conns_retransmit_share(const struct sonde_connection *c);

/* The state as people want it: why it failed or ended badly, else TCP's. */
const char *sonde_conns_state(const struct sonde_connection *c);

/* Prints connections as they close or fail, until somebody or the options end it. An exit code. */
int sonde_conns_follow(struct sonde_link *l, const struct sonde_conns_options *o,
		       Sonde__Filter *filter);

/* At most MAX of them in FORMAT (0: all). */
void sonde_conns_print(const struct sonde_conns *c, enum sonde_format format, size_t max,
		       struct sonde_buf *out);
/* One, with what happened on it. EVENTS are of one answer. */
void sonde_conns_print_one(const struct sonde_connection *c, const Sonde__Event *const *events,
			   size_t n, enum sonde_format format, struct sonde_buf *out);

#endif
