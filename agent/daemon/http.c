// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/daemon/config_address.h"
#include "agent/daemon/mhd.h"
#include "agent/model/http.h"
#include "exporters/prometheus/prometheus.h"

enum {
	BLOCK_BYTES = 32 * 1024, /* rendered per turn of the loop: well below a millisecond */
	CONNECTIONS = 64,
	IDLE_SECONDS = 10,
	REQUEST_BYTES = 16 * 1024,
};

/* The library's functions; set by sonde_http_load(), once per process. */
static const struct sonde_mhd *mhd;

struct sonde_http {
	struct sonde_loop *loop;
	struct sonde_watch watch; /* libmicrohttpd's epoll descriptor */
	struct sonde_timer again; /* it has work that no descriptor tells of */
	struct MHD_Daemon *daemon;
	const struct sonde_config *config;
	struct sonde_http_source source;
};

/* One scrape under way. */
struct scrape {
	struct sonde_prometheus_scrape render;
	struct sonde_metric_source sources[SONDE_HTTP_SOURCES];
};

bool sonde_http_host_allowed(const struct sonde_config *config, struct sonde_slice host)
{
	static const char *const always[] = { "localhost", "127.0.0.1", "::1" };
	struct sonde_slice name = sonde_http_host_name(host);
	const struct sonde_string_list *more = &config->listen.allowed_hosts;
	struct sonde_slice own = sonde_slice_str(config->listen.listen);

	if (!name.len)
		return false;
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (sonde_slice_eq_nocase(name, sonde_slice_str(always[i])))
			return true;
	for (size_t i = 0; i < more->n_items; i++)
		if (sonde_slice_eq_nocase(name, sonde_slice_str(more->items[i])))
			return true;
	return sonde_slice_eq_nocase(name, sonde_http_host_name(own));
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status,
			      const char *text)
{
	struct MHD_Response *r = mhd->create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	mhd->add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
	mhd->add_response_header(r, "X-Content-Type-Options", "nosniff");
	result = mhd->queue_response(connection, status, r);
	mhd->destroy_response(r);
	return result;
}

static ssize_t scrape_read(void *ctx, uint64_t position, char *buf, size_t max)
{
	struct scrape *s = ctx;
	int n = sonde_prometheus_render(&s->render, buf, max);

	(void)position;
	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void scrape_free(void *ctx)
{
	struct scrape *s = ctx;

	sonde_prometheus_fini(&s->render);
	free(s);
}

static enum MHD_Result answer_metrics(struct sonde_http *h, struct MHD_Connection *connection)
{
	const char *accept = mhd->lookup_connection_value(connection, MHD_HEADER_KIND, "Accept");
	enum sonde_prometheus_format format = sonde_prometheus_negotiate(sonde_slice_str(accept));
	struct scrape *s = calloc(1, sizeof(*s));
	struct MHD_Response *r;
	enum MHD_Result result;
	size_t n;

	if (!s)
		return MHD_NO;
	n = h->source.prepare(h->source.ctx, s->sources);
	sonde_prometheus_init(&s->render, format, s->sources, n);
	r = mhd->create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, scrape_read, s,
					       scrape_free);
	if (!r) {
		scrape_free(s);
		return MHD_NO;
	}
	mhd->add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
				 sonde_prometheus_content_type(format));
	result = mhd->queue_response(connection, MHD_HTTP_OK, r);
	mhd->destroy_response(r);
	return result;
}

static enum MHD_Result answer_ready(struct sonde_http *h, struct MHD_Connection *connection)
{
	const char *why = h->source.not_ready(h->source.ctx);
	char text[256];

	if (!why)
		return answer(connection, MHD_HTTP_OK, "ready\n");
	snprintf(text, sizeof(text), "not ready: %s\n", why);
	return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	const char *host = mhd->lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
	struct sonde_http *h = ctx;

	(void)version;
	(void)upload;
	/* First call: the head alone. A body is refused before it is read. */
	if (!*state) {
		*state = h;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (!sonde_http_host_allowed(h->config, sonde_slice_str(host)))
		return answer(connection, MHD_HTTP_FORBIDDEN,
			      "this Host is not served; see listen.allowed_hosts\n");
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (!strcmp(url, "/metrics"))
		return answer_metrics(h, connection);
	if (!strcmp(url, "/healthz"))
		return answer(connection, MHD_HTTP_OK, "ok\n");
	if (!strcmp(url, "/readyz"))
		return answer_ready(h, connection);
	if (!strcmp(url, "/"))
		return answer(connection, MHD_HTTP_OK, "sonded: /metrics /healthz /readyz\n");
	return answer(connection, MHD_HTTP_NOT_FOUND, "not found; try /metrics\n");
}

/* One step; another follows at the loop's next turn when an answer is not written out yet. */
static void run(struct sonde_http *h)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms = 1;

	mhd->run(h->daemon);
	if (mhd->get_timeout(h->daemon, &timeout_ms) != MHD_YES)
		timeout_ms = 1;
	sonde_timer_set(&h->again, timeout_ms ? 0 : 1);
}

static void http_ready(struct sonde_watch *w, uint32_t events)
{
	(void)events;
	run(sonde_container_of(w, struct sonde_http, watch));
}

static void again_expired(struct sonde_timer *t, uint64_t times)
{
	(void)times;
	run(sonde_container_of(t, struct sonde_http, again));
}

static int open_listener(const char *text, int *out)
{
	struct sockaddr_storage address;
	socklen_t len;
	int fd, err, one = 1;

	err = sonde_config_address_parse(sonde_slice_str(text), &address, &len);
	if (err)
		return err;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&address, len) || listen(fd, 128)) {
		err = -errno;
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

static int start_daemon(struct sonde_http *h, int listener)
{
	const union MHD_DaemonInfo *info;
	int err;

	h->daemon =
		mhd->start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, h,
				  MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
				  (unsigned int)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
				  (unsigned int)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				  (size_t)BLOCK_BYTES + REQUEST_BYTES, MHD_OPTION_END);
	if (!h->daemon) {
		close(listener);
		return -EIO;
	}
	info = mhd->get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	h->watch = (struct sonde_watch){ .fd = info->epoll_fd, .ready = http_ready };
	h->again.expired = again_expired;
	err = sonde_timer_start(h->loop, &h->again, 0);
	return err ? err : sonde_loop_add(h->loop, &h->watch, EPOLLIN);
}

int sonde_http_load(char *error, size_t error_len)
{
	const char *why = "";

	mhd = sonde_mhd_load(&why);
	if (mhd)
		return 0;
	snprintf(error, error_len, "http: %s; install libmicrohttpd12, or set listen.http to \"\"",
		 why);
	return -ENOENT;
}

int sonde_http_new(struct sonde_loop *loop, const struct sonde_config *config,
		   const struct sonde_http_source *source, struct sonde_http **out, char *error,
		   size_t error_len)
{
	struct sonde_http *h = calloc(1, sizeof(*h));
	int listener = -1, err = -ENOMEM;

	if (!h)
		return err;
	h->loop = loop;
	h->again.watch.fd = -1;
	h->config = config;
	h->source = *source;
	err = open_listener(config->listen.listen, &listener);
	if (!err)
		err = start_daemon(h, listener);
	if (err) {
		snprintf(error, error_len, "http: listen on %s: %s; see listen.http or --http",
			 config->listen.listen, strerror(-err));
		sonde_http_free(h);
		return err;
	}
	*out = h;
	return 0;
}

void sonde_http_free(struct sonde_http *h)
{
	if (!h)
		return;
	if (h->daemon) {
		sonde_loop_remove(h->loop, &h->watch);
		sonde_timer_stop(&h->again);
		mhd->stop_daemon(h->daemon);
	}
	free(h);
}

void sonde_http_configure(struct sonde_http *h, const struct sonde_config *config)
{
	h->config = config;
}

void sonde_http_tick(struct sonde_http *h)
{
	run(h);
}
