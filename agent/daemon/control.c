// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/daemon/control_internal.h"

enum { ACCEPTS = 8 }; /* at a time */

static void listen_again(struct sonde_control *c)
{
	if (!c->listening && sonde_loop_add(c->loop, &c->listener, EPOLLIN) == 0)
		c->listening = true;
}

/* The tick runs only while somebody has a deadline, or the listener waits for descriptors. */
void sonde_control_await_deadline(struct sonde_control *c)
{
	if (!c->ticking && sonde_timer_set(&c->timer, SONDE_NS_PER_SEC) == 0)
		c->ticking = true;
}

static bool expire(struct sonde_client *cl, uint64_t now_ns)
{
	sonde_client_resume_dump(cl, now_ns);
	if (cl->dump.waiting)
		return true;
	if (cl->state != SONDE_CLIENT_GREETING && cl->state != SONDE_CLIENT_ENDING)
		return false;
	if (now_ns < cl->deadline_ns)
		return true;
	if (cl->state == SONDE_CLIENT_ENDING) {
		sonde_client_close(cl);
		return false;
	}
	sonde_client_refuse(cl, SONDE__ERROR__CODE__TIMEOUT, "no Hello within 5 s");
	return true;
}

void sonde_control_tick(struct sonde_control *c, uint64_t now_ns)
{
	bool needed = false;

	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++)
		needed |= expire(&c->clients[i], now_ns);
	listen_again(c);
	needed |= !c->listening;
	if (!needed && sonde_timer_set(&c->timer, 0) == 0)
		c->ticking = false;
}

static void timer_expired(struct sonde_timer *t, uint64_t times)
{
	(void)times;
	sonde_control_tick(sonde_container_of(t, struct sonde_control, timer),
			   sonde_clock_mono_ns());
}

static struct sonde_client *free_slot(struct sonde_control *c)
{
	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++)
		if (c->clients[i].state == SONDE_CLIENT_FREE)
			return &c->clients[i];
	return NULL;
}

/* A last word to somebody who gets no slot. */
static void turn_away(int fd)
{
	Sonde__Error error;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	uint8_t bytes[128];
	struct sonde_buf b;

	sonde__error__init(&error);
	error.code = SONDE__ERROR__CODE__BUSY;
	error.message = sonde_wire_string("32 clients are connected already");
	frame.body_case = SONDE__FRAME__BODY_ERROR;
	frame.error = &error;
	sonde_buf_over(&b, bytes, sizeof(bytes));
	if (sonde_wire_put_frame(&b, &frame, sizeof(bytes)) == 0)
		(void)!send(fd, b.ptr, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/* Finds the role of CL, or refuses it. */
static void admit(struct sonde_client *cl)
{
	struct sonde_control *c = cl->control;
	char why[128];
	uid_t uid = 0;

	if (sonde_access_of_socket(cl->watch.fd, &c->groups, &cl->access, &uid)) {
		c->stats.refused++;
		sonde_client_refuse(cl, SONDE__ERROR__CODE__DENIED,
				    "the kernel does not tell who you are");
	} else if (cl->access == SONDE_ACCESS_NONE) {
		c->stats.refused++;
		snprintf(why, sizeof(why),
			 "user %u is in none of the groups of control: in the config",
			 (unsigned int)uid);
		sonde_client_refuse(cl, SONDE__ERROR__CODE__DENIED, why);
	}
}

void sonde_control_adopt(struct sonde_control *c, int fd)
{
	struct sonde_client *cl = free_slot(c);

	if (!cl) {
		c->stats.refused++;
		turn_away(fd);
		return;
	}
	sonde_client_open(cl, c, fd);
	if (cl->state != SONDE_CLIENT_FREE)
		admit(cl);
}

static void accept_failed(struct sonde_control *c, int error)
{
	if (error == EAGAIN || error == ECONNABORTED || error == EINTR)
		return;
	if (sonde_log_gate(&c->gate, sonde_clock_mono_ns(), 60 * SONDE_NS_PER_SEC))
		sonde_log(SONDE_LOG_WARN, "control: accept: %s; trying again every second",
			  strerror(error));
	/* Without a free descriptor the listener stays readable: look away for a while. */
	sonde_loop_remove(c->loop, &c->listener);
	c->listening = false;
	sonde_control_await_deadline(c);
}

static void listener_ready(struct sonde_watch *w, uint32_t events)
{
	struct sonde_control *c = sonde_container_of(w, struct sonde_control, listener);

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			accept_failed(c, errno);
			return;
		}
		sonde_control_adopt(c, fd);
	}
}

static void find_groups(struct sonde_control *c, const struct sonde_config *config)
{
	const char *missing = NULL;
	int err = sonde_access_groups_find("/etc/group", config, &c->groups, &missing);

	if (err)
		sonde_log(SONDE_LOG_WARN, "control: /etc/group: %s; groups stay as they were",
			  strerror(-err));
	else if (missing)
		sonde_log(SONDE_LOG_DEBUG, "control: no such group: %s; it gives nobody a role",
			  missing);
}

int sonde_control_new(struct sonde_loop *loop, int listen_fd, const struct sonde_config *config,
		      const struct sonde_control_source *src, struct sonde_control **out)
{
	struct sonde_control *c = calloc(1, sizeof(*c));
	int flags = fcntl(listen_fd, F_GETFL), err;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->source = *src;
	c->listener = (struct sonde_watch){ .fd = listen_fd, .ready = listener_ready };
	c->timer = (struct sonde_timer){ .expired = timer_expired };
	c->groups = (struct sonde_access_groups){ SONDE_NO_GROUP, SONDE_NO_GROUP, SONDE_NO_GROUP };
	sonde_buf_init(&c->scratch, SONDE_WIRE_HEAD + SONDE_WIRE_DAEMON_MAX);
	find_groups(c, config);
	err = flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
	if (!err)
		err = sonde_timer_start(loop, &c->timer, 0);
	if (!err)
		err = sonde_loop_add(loop, &c->listener, EPOLLIN);
	if (err) {
		c->listener.fd = -1;
		sonde_control_free(c);
		return err;
	}
	c->listening = true;
	*out = c;
	return 0;
}

void sonde_control_free(struct sonde_control *c)
{
	if (!c)
		return;
	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++)
		sonde_client_close(&c->clients[i]);
	if (c->listening)
		sonde_loop_remove(c->loop, &c->listener);
	if (c->listener.fd >= 0)
		close(c->listener.fd);
	sonde_timer_stop(&c->timer);
	sonde_buf_fini(&c->scratch);
	free(c);
}

void sonde_control_configure(struct sonde_control *c, const struct sonde_config *config)
{
	find_groups(c, config);
	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++) {
		struct sonde_client *cl = &c->clients[i];
		enum sonde_access access = SONDE_ACCESS_NONE;
		uid_t uid;

		if (cl->state != SONDE_CLIENT_GREETING && cl->state != SONDE_CLIENT_SERVING)
			continue;
		sonde_access_of_socket(cl->watch.fd, &c->groups, &access, &uid);
		if (access < cl->access)
			sonde_client_refuse(cl, SONDE__ERROR__CODE__DENIED,
					    "a reload of the config took this role away");
		else
			cl->access = access;
	}
}

/* The frame of one record, made in the scratch; empty when it cannot be. */
static struct sonde_slice encode(struct sonde_control *c, const Sonde__Frame *frame)
{
	sonde_buf_reset(&c->scratch);
	if (sonde_wire_put_frame(&c->scratch, frame, SONDE_WIRE_DAEMON_MAX))
		return SONDE_SLICE_EMPTY;
	return sonde_buf_slice(&c->scratch);
}

static struct sonde_slice encode_request(struct sonde_control *c, const struct sonde_request *r)
{
	struct sonde_wire_request wire;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	sonde_wire_from_request(r, &wire);
	frame.body_case = SONDE__FRAME__BODY_REQUEST;
	frame.request = &wire.message;
	return encode(c, &frame);
}

static struct sonde_slice encode_connection(struct sonde_control *c,
					    const struct sonde_connection *connection)
{
	struct sonde_wire_connection wire;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	sonde_wire_from_connection(connection, &wire);
	frame.body_case = SONDE__FRAME__BODY_CONNECTION;
	frame.connection = &wire.message;
	return encode(c, &frame);
}

/* Each record is encoded once for all who want it; publishing to one does not touch the scratch. */
static void publish_request(struct sonde_control *c, const struct sonde_request *r)
{
	struct sonde_slice frame = SONDE_SLICE_EMPTY;

	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++) {
		struct sonde_client *cl = &c->clients[i];

		if (!cl->filter || cl->connections || cl->limited ||
		    !sonde_filter_match(cl->filter, r))
			continue;
		if (!frame.len)
			frame = encode_request(c, r);
		sonde_client_publish(cl, frame);
	}
}

static void publish_connection(struct sonde_control *c, const struct sonde_connection *connection)
{
	struct sonde_slice frame = SONDE_SLICE_EMPTY;

	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++) {
		struct sonde_client *cl = &c->clients[i];

		if (!cl->filter || !cl->connections || cl->limited ||
		    !sonde_filter_match_connection(cl->filter, connection))
			continue;
		if (!frame.len)
			frame = encode_connection(c, connection);
		sonde_client_publish(cl, frame);
	}
}

void sonde_control_request(struct sonde_control *c, const struct sonde_request *r)
{
	if (__builtin_expect(c->stats.subscribers != 0, 0))
		publish_request(c, r);
}

void sonde_control_connection(struct sonde_control *c, const struct sonde_connection *connection)
{
	if (__builtin_expect(c->stats.subscribers != 0, 0))
		publish_connection(c, connection);
}

void sonde_control_refreshed(struct sonde_control *c)
{
	c->refreshes++;
	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++)
		sonde_client_resume_dump(&c->clients[i], 0);
}

void sonde_control_lost(struct sonde_control *c, enum sonde_kind kind, enum sonde_loss loss,
			uint64_t n)
{
	if (!n || !c->stats.subscribers)
		return;
	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++) {
		struct sonde_client *cl = &c->clients[i];

		if (!cl->filter)
			continue;
		cl->losses.records[kind][loss] += n;
		cl->losses.any = true;
		sonde_client_tell_losses(cl);
		sonde_client_arm(cl);
	}
}

void sonde_control_stats(const struct sonde_control *c, struct sonde_control_stats *out)
{
	*out = c->stats;
}
