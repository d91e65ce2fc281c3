// SPDX-License-Identifier: Apache-2.0
/*
 * http - the daemon's HTTP side: /metrics, /healthz, /readyz. Read-only, on the worker's loop.
 *
 * libmicrohttpd runs without a thread, its epoll descriptor nested in ours, so that a scrape reads
 * the series on the thread that writes them. A scrape renders at most one block per turn of the
 * loop and the ring is drained in between. Only known Host headers are served (DNS rebinding).
 */
#ifndef SONDE_DAEMON_HTTP_H
#define SONDE_DAEMON_HTTP_H

#include "agent/daemon/loop.h"
#include "agent/model/config.h"
#include "agent/model/metric.h"

enum { SONDE_HTTP_SOURCES = 4 };

struct sonde_http;

struct sonde_http_source {
	void *ctx;
	/* Called before each scrape; fills SOURCES, at most SONDE_HTTP_SOURCES, and returns how
	 * many. */
	size_t (*prepare)(void *ctx, struct sonde_metric_source *sources);
	/* NULL when ready, else why not. */
	const char *(*not_ready)(void *ctx);
};

/* Loads the HTTP library; before the sandbox, which lets no code in. 0, or -ENOENT with ERROR. */
int sonde_http_load(char *error, size_t error_len);

/*
 * Listens on CONFIG->listen.listen. 0 or negative errno; -EADDRINUSE and its like with a line in
 * ERROR. CONFIG must outlive it or be replaced by sonde_http_configure().
 */
int sonde_http_new(struct sonde_loop *loop, const struct sonde_config *config,
		   const struct sonde_http_source *source, struct sonde_http **out, char *error,
		   size_t error_len);
void sonde_http_free(struct sonde_http *h); /* accepts NULL */
void sonde_http_configure(struct sonde_http *h, const struct sonde_config *config);
/* Lets connections time out; call about once a second. */
void sonde_http_tick(struct sonde_http *h);

/* True when HOST (a Host header) names this server: pure, for tests. */
bool sonde_http_host_allowed(const struct sonde_config *config, struct sonde_slice host);

#endif
