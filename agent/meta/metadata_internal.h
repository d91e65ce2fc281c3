// SPDX-License-Identifier: Apache-2.0
/* metadata_internal - what the files of the metadata thread share; see metadata.h for the whole. */
#ifndef SONDE_META_METADATA_INTERNAL_H
#define SONDE_META_METADATA_INTERNAL_H

#include <pthread.h>

#include "agent/meta/kubernetes_parse.h"
#include "agent/meta/metadata.h"
#include "agent/meta/transfer.h"

enum talk_state {
	TALK_IDLE = 0,
	TALK_ASKED = 1,	  /* the broker owes a connection */
	TALK_RUNNING = 2, /* a transfer is under way */
	TALK_RESTING = 3, /* after a failure */
};

struct source;
struct talk;

struct talk_request {
	char url[SONDE_TRANSFER_URL_MAX];
	long timeout_s; /* of the whole; 0: none */
	sonde_transfer_line *line;
};

/* All run on the metadata thread. */
struct talk_ops {
	bool (*wants)(const struct talk *t); /* is there anything to ask? */
	void (*prepare)(struct talk *t, struct talk_request *out);
	/* It has ended with an HTTP status. 0; or a negative errno and one line in *WHY. */
	int (*done)(struct talk *t, int status, struct sonde_slice body, const char **why);
	/* It has failed, or DONE says so: what was to be followed must be listed anew, ... */
	void (*failed)(struct talk *t, int err);
};

struct talk {
	struct source *source;
	const struct talk_ops *ops;
	uint32_t number;
	enum talk_state state;
	uint64_t until_ns;     /* ASKED, RUNNING: the end of patience; RESTING: of the rest */
	uint64_t begun_ns;     /* RUNNING: since when the stream is one; 0 not yet */
	unsigned int failures; /* in a row */
	struct sonde_transfer transfer;
};

struct source {
	struct sonde_metadata *metadata;
	const char *name; /* "docker", "kubernetes" */
	char *address;	  /* the socket's path, the API server's URL; owned */
	struct talk follow, query;
	bool listed; /* the stream is next */
	/* Docker. */
	uint64_t since_s;		     /* events from this second on are news */
	char inspected[SONDE_CONTAINER_MAX]; /* "" nothing is under way */
	char questions[SONDE_METADATA_QUESTIONS][SONDE_CONTAINER_MAX];
	size_t first_question, n_questions;
	/* Kubernetes. */
	char node[254];
	struct sonde_kubernetes_page page; /* the version to watch from; the page to ask for */
	unsigned int halvings; /* of the pods of a page, for answers that were too long */
	uint64_t watched_ns;   /* when the watch began */
};

struct sonde_metadata {
	const struct sonde_curl *curl;
	CURLM *multi;
	pthread_t thread;
	bool running; /* the thread was started */
	struct source sources[SONDE_CONFIG_DOCKER_SOCKETS_MAX + 1];
	size_t n_sources;
	int wake_fd, news_fd; /* eventfds: of the inbox, of the news */

	pthread_mutex_t lock; /* of what follows; held for copies alone */
	pthread_cond_t room;  /* in the news */
	bool stop;
	struct message {
		struct sonde_metadata_connection connection;
		char id[SONDE_CONTAINER_MAX]; /* "": a connection */
	} inbox[SONDE_METADATA_INBOX];
	struct sonde_metadata_news news[SONDE_METADATA_NEWS];
	size_t first_message, n_messages, first_news, n_news;
	struct sonde_metadata_status status;

	/* The data thread's own. */
	struct {
		uint64_t hash, when_ns;
	} asked[SONDE_METADATA_ASKED];
};

/* ---- for the talks ---- */

extern const struct talk_ops sonde_docker_follow, sonde_docker_query, sonde_kubernetes_follow;

/* Remembers that ID is to be inspected. */
void sonde_docker_question(struct source *s, const char *id);

/* A sonde_workload_sink; CTX is the source. */
void sonde_metadata_found(void *ctx, const struct sonde_workload *facts);
/* One answer that could not be understood. */
void sonde_metadata_misunderstood(struct source *s);
/* The stream of S tells whatever happens from now on, or it does not. */
void sonde_metadata_set_following(struct source *s, bool following);
/* A line of a stream has come: it is alive. */
void sonde_metadata_alive(struct source *s);
struct sonde_source_status *sonde_metadata_status_of(struct source *s);

/* ---- talk.c ---- */

/* Does what is due at NOW_NS, and takes note of a stream that has begun; when it must be called
 * again, if nothing else happens before. */
uint64_t sonde_talk_step(struct talk *t, uint64_t now_ns);
void sonde_talk_connected(struct talk *t, const struct sonde_metadata_connection *c,
			  uint64_t now_ns);
void sonde_talk_ended(struct talk *t, CURLcode result, uint64_t now_ns);

/* The broker is to be asked for a connection. False: there is no room to say so. */
bool sonde_metadata_wish(struct sonde_metadata *m, uint32_t talk);

#endif
