// SPDX-License-Identifier: Apache-2.0
/* One connection: bytes in, frames, bytes out. */
#include "agent/daemon/control_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/core/clock.h"

enum {
	READ_BYTES = 16384,	/* at a time */
	WRITE_BYTES = 256 << 10 /* at a time: the ring is waiting too */
};

static bool is_paused(const struct sonde_client *cl)
{
	return cl->dump.request || cl->out.len > SONDE_CONTROL_PAUSE_BYTES;
}

void sonde_client_arm(struct sonde_client *cl)
{
	uint32_t events = 0;

	if (cl->state == SONDE_CLIENT_FREE)
		return;
	if (cl->state != SONDE_CLIENT_ENDING && !is_paused(cl))
		events |= EPOLLIN;
	if (cl->out.len || (cl->dump.request && !cl->dump.waiting) ||
	    cl->state == SONDE_CLIENT_ENDING)
		events |= EPOLLOUT;
	if (events == cl->events)
		return;
	if (sonde_loop_change(cl->control->loop, &cl->watch, events))
		sonde_client_close(cl);
	else
		cl->events = events;
}

void sonde_client_end(struct sonde_client *cl)
{
	if (cl->state == SONDE_CLIENT_FREE)
		return;
	sonde_client_unsubscribe(cl);
	sonde_client_end_dump(cl);
	cl->state = SONDE_CLIENT_ENDING;
	cl->deadline_ns = sonde_clock_mono_ns() + SONDE_CONTROL_DEADLINE_S * SONDE_NS_PER_SEC;
	sonde_control_await_deadline(cl->control);
	sonde_client_arm(cl);
}

void sonde_client_reply(struct sonde_client *cl, const Sonde__Frame *frame)
{
	struct sonde_buf *b = &cl->control->scratch;

	sonde_buf_reset(b);
	if (sonde_wire_put_frame(b, frame, SONDE_WIRE_DAEMON_MAX) ||
	    sonde_control_queue_put(&cl->out, sonde_buf_slice(b), SONDE_CONTROL_REPLY_BYTES))
		sonde_client_end(cl);
	else
		sonde_client_arm(cl);
}

void sonde_client_error(struct sonde_client *cl, Sonde__Error__Code code, const char *message)
{
	Sonde__Error error;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	sonde__error__init(&error);
	error.code = code;
	error.message = sonde_wire_string(message);
	frame.body_case = SONDE__FRAME__BODY_ERROR;
	frame.error = &error;
	sonde_client_reply(cl, &frame);
}

void sonde_client_refuse(struct sonde_client *cl, Sonde__Error__Code code, const char *message)
{
	sonde_client_error(cl, code, message);
	sonde_client_end(cl);
}

void sonde_client_unsubscribe(struct sonde_client *cl)
{
	if (!cl->filter)
		return;
	sonde_filter_free(cl->filter);
	cl->filter = NULL;
	cl->control->stats.subscribers--;
}

void sonde_client_close(struct sonde_client *cl)
{
	struct sonde_control_stats *stats;

	if (cl->state == SONDE_CLIENT_FREE)
		return;
	stats = &cl->control->stats;
	sonde_client_unsubscribe(cl);
	sonde_client_end_dump(cl);
	stats->dropped_gone += cl->out.records;
	stats->queued -= cl->out.records;
	stats->clients--;
	sonde_loop_remove(cl->control->loop, &cl->watch);
	close(cl->watch.fd);
	cl->watch.fd = -1;
	sonde_control_queue_fini(&cl->out);
	sonde_buf_fini(&cl->in);
	cl->state = SONDE_CLIENT_FREE;
}

/* Queues one Lost message and zeroes *COUNT. False: no room, and *COUNT stands. */
static bool tell_loss(struct sonde_client *cl, uint64_t *count, const char *kind, const char *stage,
		      const char *reason)
{
	Sonde__Lost lost;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	uint8_t bytes[128];
	struct sonde_buf b;

	sonde__lost__init(&lost);
	if (!*count)
		return true;
	lost.count = *count;
	lost.kind = sonde_wire_string(kind);
	lost.stage = sonde_wire_string(stage);
	lost.reason = sonde_wire_string(reason);
	frame.body_case = SONDE__FRAME__BODY_LOST;
	frame.lost = &lost;
	sonde_buf_over(&b, bytes, sizeof(bytes));
	if (sonde_wire_put_frame(&b, &frame, sizeof(bytes)) ||
	    sonde_control_queue_put(&cl->out, sonde_buf_slice(&b), SONDE_CONTROL_QUEUE_BYTES))
		return false;
	*count = 0;
	return true;
}

bool sonde_client_tell_losses(struct sonde_client *cl)
{
	struct sonde_client_losses *losses = &cl->losses;
	bool all = true;

	if (!losses->any)
		return true;
	for (int kind = 0; all && kind < SONDE_KINDS; kind++)
		for (int loss = 0; all && loss < SONDE_LOSSES; loss++)
			all = tell_loss(cl, &losses->records[kind][loss], sonde_kind_name(kind),
					sonde_loss_stage(loss), sonde_loss_name(loss));
	if (all)
		all = tell_loss(cl, &losses->slow,
				sonde_kind_name(cl->connections ? SONDE_KIND_CONNECTION
								: SONDE_KIND_REQUEST),
				"control", "slow_client");
	losses->any = !all;
	return all;
}

void sonde_client_publish(struct sonde_client *cl, struct sonde_slice frame)
{
	struct sonde_control_stats *stats = &cl->control->stats;

	stats->produced++;
	/* An empty frame is one that could not be made. */
	if (!frame.len || !sonde_client_tell_losses(cl) ||
	    sonde_control_queue_put(&cl->out, frame, SONDE_CONTROL_QUEUE_BYTES)) {
		stats->dropped_slow++;
		cl->losses.slow++;
		cl->losses.any = true;
		return;
	}
	stats->queued++;
	if (!--cl->remaining)
		sonde_client_unsubscribe(cl);
	sonde_client_arm(cl);
}

/* Sends what the socket takes now, at most WRITE_BYTES. */
static void send_some(struct sonde_client *cl)
{
	struct sonde_slice front = sonde_control_queue_front(&cl->out);
	struct sonde_control_stats *stats = &cl->control->stats;
	uint64_t ended;
	ssize_t n;

	if (!front.len)
		return;
	n = send(cl->watch.fd, front.ptr, front.len < WRITE_BYTES ? front.len : WRITE_BYTES,
		 MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			sonde_client_close(cl);
		return;
	}
	ended = sonde_control_queue_take(&cl->out, (size_t)n);
	stats->delivered += ended;
	stats->queued -= ended;
	sonde_client_tell_losses(cl);
}

static void receive_some(struct sonde_client *cl)
{
	uint8_t bytes[READ_BYTES];
	size_t room = SONDE_WIRE_HEAD + SONDE_WIRE_CLIENT_MAX - cl->in.len;
	ssize_t n = recv(cl->watch.fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes),
			 MSG_DONTWAIT);

	if (n == 0)
		sonde_client_end(cl);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		sonde_client_close(cl);
	if (n <= 0)
		return;
	sonde_buf_put(&cl->in, bytes, (size_t)n);
	if (cl->in.failed)
		sonde_client_close(cl);
}

static void consume(struct sonde_buf *b, size_t n)
{
	b->len -= n;
	memmove(b->ptr, b->ptr + n, b->len);
}

/* Handles the frame at the front of the input. False: there is no whole one. */
static bool handle_frame(struct sonde_client *cl)
{
	Sonde__Frame *frame;
	uint32_t len;
	char why[80];

	if (cl->in.len < SONDE_WIRE_HEAD)
		return false;
	len = sonde_wire_head(cl->in.ptr);
	if (!len || len > SONDE_WIRE_CLIENT_MAX) {
		snprintf(why, sizeof(why), "frame of %u bytes: must be 1 to %d", len,
			 SONDE_WIRE_CLIENT_MAX);
		sonde_client_refuse(cl, SONDE__ERROR__CODE__BAD_FRAME, why);
		return false;
	}
	if (cl->in.len - SONDE_WIRE_HEAD < len)
		return false;
	frame = sonde__frame__unpack(NULL, len, cl->in.ptr + SONDE_WIRE_HEAD);
	if (!frame) {
		sonde_client_refuse(cl, SONDE__ERROR__CODE__BAD_FRAME, "not a message");
		return false;
	}
	consume(&cl->in, SONDE_WIRE_HEAD + len);
	sonde_client_handle(cl, &frame);
	sonde__frame__free_unpacked(frame, NULL);
	return true;
}

static bool is_listening(const struct sonde_client *cl)
{
	return (cl->state == SONDE_CLIENT_GREETING || cl->state == SONDE_CLIENT_SERVING) &&
	       !is_paused(cl);
}

static void client_ready(struct sonde_watch *w, uint32_t events)
{
	struct sonde_client *cl = sonde_container_of(w, struct sonde_client, watch);

	if (events & (EPOLLHUP | EPOLLERR)) {
		sonde_client_close(cl);
		return;
	}
	if (events & EPOLLOUT)
		send_some(cl);
	if ((events & EPOLLIN) && is_listening(cl))
		receive_some(cl);
	if (cl->state != SONDE_CLIENT_FREE && cl->dump.request && !cl->dump.waiting)
		sonde_client_dump(cl);
	while (is_listening(cl) && handle_frame(cl))
		;
	if (cl->state == SONDE_CLIENT_ENDING && !cl->out.len)
		sonde_client_close(cl);
	sonde_client_arm(cl);
}

void sonde_client_open(struct sonde_client *cl, struct sonde_control *c, int fd)
{
	*cl = (struct sonde_client){
		.watch = { .fd = fd, .ready = client_ready },
		.control = c,
		.state = SONDE_CLIENT_GREETING,
		.events = EPOLLIN,
	};
	sonde_buf_init(&cl->in, SONDE_WIRE_HEAD + SONDE_WIRE_CLIENT_MAX);
	c->stats.clients++;
	if (sonde_loop_add(c->loop, &cl->watch, cl->events)) {
		sonde_client_close(cl);
		return;
	}
	cl->deadline_ns = sonde_clock_mono_ns() + SONDE_CONTROL_DEADLINE_S * SONDE_NS_PER_SEC;
	sonde_control_await_deadline(c);
}
