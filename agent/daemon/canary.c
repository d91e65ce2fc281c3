// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/canary.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/core/clock.h"

#define PERIOD_NS (10 * SONDE_NS_PER_SEC)

static const char request_text[] =
	"GET /canary HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
static const char answer_text[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

struct sonde_canary {
	struct sonde_loop *loop;
	struct sonde_watch listener, client, server; /* fd -1: none */
	struct sonde_timer timer;
	struct sockaddr_in address;
	uint64_t heard_ns;
};

static void drop(struct sonde_canary *c, struct sonde_watch *w)
{
	if (w->fd < 0)
		return;
	sonde_loop_remove(c->loop, w);
	close(w->fd);
	w->fd = -1;
}

/* The client sends when it is connected and goes when the server has gone. */
static void client_ready(struct sonde_watch *w, uint32_t events)
{
	struct sonde_canary *c = sonde_container_of(w, struct sonde_canary, client);
	char ignored[256];

	if (events & EPOLLOUT) {
		if (send(w->fd, request_text, sizeof(request_text) - 1, MSG_NOSIGNAL) < 0 ||
		    sonde_loop_change(c->loop, w, EPOLLIN))
			drop(c, w);
		return;
	}
	if (recv(w->fd, ignored, sizeof(ignored), 0) <= 0)
		drop(c, w);
}

static void server_ready(struct sonde_watch *w, uint32_t events)
{
	struct sonde_canary *c = sonde_container_of(w, struct sonde_canary, server);
	char ignored[512];

	(void)events;
	/* 60 bytes over loopback come in one piece. Should the answer not go out, the age tells. */
	if (recv(w->fd, ignored, sizeof(ignored), 0) > 0 &&
	    send(w->fd, answer_text, sizeof(answer_text) - 1, MSG_NOSIGNAL) < 0)
		c->heard_ns = 0;
	drop(c, w);
}

static void listener_ready(struct sonde_watch *w, uint32_t events)
{
	struct sonde_canary *c = sonde_container_of(w, struct sonde_canary, listener);
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	drop(c, &c->server);
	c->server.fd = fd;
	if (sonde_loop_add(c->loop, &c->server, EPOLLIN)) {
		close(fd);
		c->server.fd = -1;
	}
}

static void sing(struct sonde_timer *t, uint64_t times)
{
	struct sonde_canary *c = sonde_container_of(t, struct sonde_canary, timer);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)times;
	drop(c, &c->client);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&c->address, sizeof(c->address)) &&
	    errno != EINPROGRESS) {
		close(fd);
		return;
	}
	c->client.fd = fd;
	if (sonde_loop_add(c->loop, &c->client, EPOLLOUT)) {
		close(fd);
		c->client.fd = -1;
	}
}

int sonde_canary_new(struct sonde_loop *loop, struct sonde_canary **out)
{
	struct sonde_canary *c = calloc(1, sizeof(*c));
	socklen_t len = sizeof(c->address);
	int err = -ENOMEM;

	if (!c)
		return err;
	c->loop = loop;
	c->listener = (struct sonde_watch){ .fd = -1, .ready = listener_ready };
	c->client = (struct sonde_watch){ .fd = -1, .ready = client_ready };
	c->server = (struct sonde_watch){ .fd = -1, .ready = server_ready };
	c->timer.watch.fd = -1;
	c->timer.expired = sing;
	c->address.sin_family = AF_INET;
	c->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->listener.fd < 0 ||
	    bind(c->listener.fd, (const struct sockaddr *)&c->address, sizeof(c->address)) ||
	    getsockname(c->listener.fd, (struct sockaddr *)&c->address, &len)) {
		err = -errno;
		sonde_canary_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void sonde_canary_free(struct sonde_canary *c)
{
	if (!c)
		return;
	sonde_timer_stop(&c->timer);
	drop(c, &c->client);
	drop(c, &c->server);
	drop(c, &c->listener);
	free(c);
}

uint16_t sonde_canary_port(const struct sonde_canary *c)
{
	return ntohs(c->address.sin_port);
}

int sonde_canary_start(struct sonde_canary *c)
{
	int err;

	/* Only now: whoever listens is named by the programs when it begins to. */
	if (listen(c->listener.fd, 4))
		return -errno;
	err = sonde_loop_add(c->loop, &c->listener, EPOLLIN);
	if (!err)
		err = sonde_timer_start(c->loop, &c->timer, PERIOD_NS);
	if (!err)
		sing(&c->timer, 1);
	return err;
}

bool sonde_canary_heard(struct sonde_canary *c, const struct sonde_request *r, uint64_t now_ns)
{
	if (r->server.port != sonde_canary_port(c) ||
	    !sonde_slice_eq(r->path, SONDE_SLICE_LIT("/canary")))
		return false;
	if (r->status == 204 && r->role == SONDE_ROLE_SERVER)
		c->heard_ns = now_ns;
	return true;
}

uint64_t sonde_canary_age_ns(const struct sonde_canary *c, uint64_t now_ns)
{
	return c->heard_ns ? now_ns - c->heard_ns : UINT64_MAX;
}
