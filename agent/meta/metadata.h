// SPDX-License-Identifier: Apache-2.0
/*
 * metadata - asks Docker's sockets and the Kubernetes API what containers are called.
 *
 * All of it happens on one thread of its own in the worker, over libcurl; the data thread never
 * waits for it. Two bounded queues lie between them, each with a descriptor that wakes:
 *
 *     data thread                                    metadata thread
 *       ask(id), connected(talk, fds)  -- inbox -->    follow each source: list, then stream
 *       next() <-- news: a workload, or a wish for a connection --
 *
 * The worker may open no socket file and read no token: for every connection the broker is asked,
 * through the data thread. It knows a talk by its number, and what to open for that from its own
 * config (agent/daemon/broker_metadata.c), so a worker gone wrong can have nothing else opened.
 *
 *          +-------------- ask the broker ------------+
 *          v                                          |
 *       (idle) --> asked --> running --answer ok------+
 *                    |          |
 *                    +--failed--+--> resting (1 s, doubled up to 60 s, half of it by chance) -->
 * idle
 *
 * A Docker source has two talks: one lists the containers and follows the events, one inspects what
 * an event or the data thread names. The Kubernetes one lists the pods of the node page by page and
 * watches from there; after a 410 it lists anew.
 */
#ifndef SONDE_META_METADATA_H
#define SONDE_META_METADATA_H

#include "agent/model/config.h"
#include "agent/model/process.h"
#include "agent/model/status.h"

enum {
	SONDE_METADATA_TALKS = 2 * SONDE_CONFIG_DOCKER_SOCKETS_MAX + 1,
	SONDE_METADATA_KUBERNETES = SONDE_METADATA_TALKS - 1, /* the number of its talk */
	SONDE_METADATA_FDS = 2,	       /* of a connection: a socket; or token and CA */
	SONDE_METADATA_INBOX = 64,     /* connections and ids on their way to the thread */
	SONDE_METADATA_NEWS = 512,     /* what is on its way back */
	SONDE_METADATA_QUESTIONS = 64, /* ids that wait to be inspected, per source */
	SONDE_METADATA_ASKED = 1024,   /* ids remembered to have been asked for */
	SONDE_METADATA_TOKEN_MAX = 16384,
	SONDE_METADATA_CA_MAX = 1 << 20,
};
#define SONDE_METADATA_ASK_AGAIN_NS (60 * 1000000000ULL) /* nobody knew it: not before this */

/* The talk that is number 2 I or 2 I + 1 is of the I-th Docker socket of the config. */
static inline size_t sonde_metadata_docker_of(uint32_t talk)
{
	return talk / 2;
}

/* One answer of the broker. Descriptors: of Docker the connected socket; of Kubernetes memory files
 * with the token and the CA certificates, -1 for none. */
struct sonde_metadata_connection {
	uint32_t talk;
	int error; /* 0 or negative errno; then there are no descriptors */
	int fds[SONDE_METADATA_FDS];
};

/* What the thread has to say. One of the two. */
struct sonde_metadata_news {
	struct sonde_workload *workload; /* the caller's reference, or NULL: */
	uint32_t talk;			 /* this one wants to be connected */
};

struct sonde_metadata;

/* True when the config names somebody to ask. */
bool sonde_metadata_wanted(const struct sonde_config *config);
/* Loads what is needed; before the sandbox and before there are threads. 0, or -ENOENT and *ERROR.
 */
int sonde_metadata_load(const char **error);
/* Starts the thread; CONFIG is read, not kept. 0, -ENOMEM, -EAGAIN. */
int sonde_metadata_new(const struct sonde_config *config, struct sonde_metadata **out);
void sonde_metadata_free(struct sonde_metadata *m); /* accepts NULL; waits for the thread's end */

/* The rest is called by the data thread; none of it waits. */
int sonde_metadata_fd(const struct sonde_metadata *m); /* readable: there are news */
/* Takes the next piece of news. False: there is none any more. */
bool sonde_metadata_next(struct sonde_metadata *m, struct sonde_metadata_news *out);
/* The broker has answered. The descriptors are taken over. */
void sonde_metadata_connected(struct sonde_metadata *m,
			      const struct sonde_metadata_connection *connection);
/* A container that nobody has told of. Ignored when it was asked for not long ago. */
void sonde_metadata_ask(struct sonde_metadata *m, const char id[SONDE_CONTAINER_MAX],
			uint64_t now_ns);
/* Fills sources and the counts of what was lost on the way. */
void sonde_metadata_stats(struct sonde_metadata *m, struct sonde_metadata_status *out);

#endif
