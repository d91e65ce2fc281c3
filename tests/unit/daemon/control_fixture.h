// SPDX-License-Identifier: Apache-2.0
/* control_fixture - a control server on a loop of its own, and clients on socket pairs. */
#ifndef SONDE_TESTS_CONTROL_FIXTURE_H
#define SONDE_TESTS_CONTROL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/daemon/control_internal.h"
#include "tests/unit/sample_connection.h"

struct fixture {
	struct sonde_loop *loop;
	struct sonde_control *control;
	struct sonde_config config;
	struct sockaddr_un address; /* where the server listens; an abstract name */
	socklen_t address_len;
	size_t n_series, n_live, n_closed, n_events, n_edges; /* that the source yields */
	unsigned int refreshes; /* what refresh() answers, and how often it was asked: */
	unsigned int refreshed;
};

/* What a client has received, and how much of it has been looked at. */
struct client {
	int fd;
	uint8_t *bytes;
	size_t len, used;
	bool ended;
};

static void source_status(void *ctx, struct sonde_status *out)
{
	(void)ctx;
	out->version = "9.9";
	out->canary_age_ns = UINT64_MAX;
	out->ledger.produced[SONDE_KIND_DATA] = 10;
	out->ledger.delivered[SONDE_KIND_DATA] = 7;
	out->ledger.dropped[SONDE_KIND_DATA][SONDE_LOSS_RING_FULL] = 3;
	out->kernel.n_programs = 1;
	snprintf(out->kernel.programs[0].name, SONDE_STATUS_NAME, "sonde_ingress");
}

/* As the real source does, it lends the same buckets for every series. */
static bool source_series(void *ctx, size_t *cursor, struct sonde_series_view *out)
{
	static uint32_t counts[] = { 1, 2, 3 };
	const struct fixture *f = ctx;

	if (*cursor >= f->n_series)
		return false;
	counts[1] = (uint32_t)*cursor;
	*out = (struct sonde_series_view){
		.role = SONDE_ROLE_SERVER,
		.service = *cursor % 2 ? SONDE_SLICE_LIT("odd") : SONDE_SLICE_LIT("even"),
		.route = SONDE_SLICE_LIT("/"),
		.count = *cursor,
		.duration = { .count = 6, .scale = 4, .counts = counts, .n_counts = 3 },
	};
	++*cursor;
	return true;
}

static int source_config(void *ctx, struct sonde_buf *out)
{
	(void)ctx;
	sonde_buf_put_str(out, "capture: {}\n");
	return 0;
}

static unsigned int source_refresh(void *ctx)
{
	struct fixture *f = ctx;

	f->refreshed++;
	return f->refreshes;
}

/* Live ones have the ids from 1 on, closed ones those from 1000 on. */
static bool source_live(void *ctx, size_t *cursor, struct sonde_connection *out)
{
	const struct fixture *f = ctx;

	if (*cursor >= f->n_live)
		return false;
	*out = sample_connection();
	out->id = ++*cursor;
	out->state = SONDE_TCP_ESTABLISHED;
	out->close_state = SONDE_TCP_UNKNOWN;
	out->closed_by = SONDE_ROLE_UNKNOWN;
	return true;
}

static bool source_closed(void *ctx, uint64_t *cursor, struct sonde_connection *out)
{
	const struct fixture *f = ctx;

	if (*cursor >= f->n_closed)
		return false;
	*out = sample_connection();
	out->id = 1000 + (*cursor)++;
	return true;
}

static bool source_event(void *ctx, uint64_t id, uint64_t *cursor, struct sonde_event *out)
{
	const struct fixture *f = ctx;

	if (*cursor >= f->n_events)
		return false;
	*out = (struct sonde_event){
		.connection_id = id,
		.time_unix_ns = 1700000000000000000ULL + *cursor,
		.what = *cursor ? SONDE_HAPPENED_RETRANSMITS : SONDE_HAPPENED_OPENED,
		.value = *cursor,
	};
	++*cursor;
	return true;
}

static bool source_edge(void *ctx, size_t *cursor, struct sonde_edge_view *out)
{
	static uint32_t counts[] = { 1, 2, 3 };
	const struct fixture *f = ctx;

	if (*cursor >= f->n_edges)
		return false;
	counts[1] = (uint32_t)*cursor;
	*out = (struct sonde_edge_view){
		.client = *cursor % 2 ? SONDE_SLICE_LIT("web") : SONDE_SLICE_LIT("cron"),
		.server = SONDE_SLICE_LIT("shop"),
		.server_here = true,
		.requests = 6,
		.errors = 1,
		.request_duration = { .count = 6, .scale = 4, .counts = counts, .n_counts = 3 },
		.rtt = { .count = 6, .scale = 4, .offset = -200, .counts = counts, .n_counts = 3 },
		.part_ns = { 1, 2, 3, 4 },
		.opened = 9,
		.closed = *cursor,
		.active = 2,
		.failed = { [SONDE_CONNECT_REFUSED] = 5 },
		.resets = { [SONDE_ROLE_SERVER] = 7 },
		.counts = { .to_client = { 1000, 100, 2, 0 } },
	};
	++*cursor;
	return true;
}

static inline struct sonde_control_source fixture_source(struct fixture *f)
{
	return (struct sonde_control_source){
		.ctx = f,
		.status = source_status,
		.series = source_series,
		.config = source_config,
		.refresh = source_refresh,
		.live = source_live,
		.closed = source_closed,
		.event = source_event,
		.edge = source_edge,
	};
}

static inline int fixture_open(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sonde_control_source source = fixture_source(f);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	f->address.sun_family = AF_UNIX;
	snprintf(f->address.sun_path + 1, sizeof(f->address.sun_path) - 1, "sonde-test-%d",
		 getpid());
	f->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				     strlen(f->address.sun_path + 1));
	if (bind(fd, (struct sockaddr *)&f->address, f->address_len) || listen(fd, 64))
		return -1;
	if (sonde_loop_new(&f->loop) ||
	    sonde_control_new(f->loop, fd, &f->config, &source, &f->control))
		return -1;
	*state = f;
	return 0;
}

static inline int fixture_close(void **state)
{
	struct fixture *f = *state;

	sonde_control_free(f->control);
	sonde_loop_free(f->loop);
	free(f);
	return 0;
}

/* Lets the server do all that it can do now. */
static inline void pump(struct fixture *f)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(sonde_loop_once(f->loop, 0), 0);
}

static inline struct client client_adopt(struct fixture *f)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	sonde_control_adopt(f->control, fds[0]);
	return (struct client){ .fd = fds[1] };
}

static inline void client_end(struct client *cl)
{
	close(cl->fd);
	free(cl->bytes);
	*cl = (struct client){ .fd = -1 };
}

static inline void client_send(struct client *cl, const Sonde__Frame *frame)
{
	struct sonde_buf b;

	sonde_buf_init(&b, 1 << 20);
	assert_int_equal(sonde_wire_put_frame(&b, frame, 1 << 20), 0);
	assert_int_equal(send(cl->fd, b.ptr, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
	sonde_buf_fini(&b);
}

static inline void client_drain(struct client *cl)
{
	if (cl->used) {
		cl->len -= cl->used;
		memmove(cl->bytes, cl->bytes + cl->used, cl->len);
		cl->used = 0;
	}
	for (;;) {
		ssize_t n;

		cl->bytes = realloc(cl->bytes, cl->len + 65536);
		assert_non_null(cl->bytes);
		n = recv(cl->fd, cl->bytes + cl->len, 65536, MSG_DONTWAIT);
		if (n <= 0) {
			cl->ended |= n == 0;
			return;
		}
		cl->len += (size_t)n;
	}
}

/* The body of the next frame; empty when it is not whole. */
static inline struct sonde_slice client_peek(const struct client *cl)
{
	struct sonde_slice in = sonde_slice_from(sonde_slice_of(cl->bytes, cl->len), cl->used);
	struct sonde_slice body;

	if (in.len < SONDE_WIRE_HEAD)
		return SONDE_SLICE_EMPTY;
	body = sonde_slice_sub(in, SONDE_WIRE_HEAD, sonde_wire_head(in.ptr));
	return body.len == sonde_wire_head(in.ptr) ? body : SONDE_SLICE_EMPTY;
}

/* The next frame that has arrived, or NULL. To be freed. */
static inline Sonde__Frame *client_receive(struct client *cl)
{
	struct sonde_slice body;
	Sonde__Frame *frame;

	if (!client_peek(cl).len)
		client_drain(cl);
	body = client_peek(cl);
	if (!body.len)
		return NULL;
	frame = sonde__frame__unpack(NULL, body.len, body.ptr);
	assert_non_null(frame);
	cl->used += SONDE_WIRE_HEAD + body.len;
	return frame;
}

/* The same, and it must be of this case. */
static inline Sonde__Frame *client_expect(struct fixture *f, struct client *cl,
					  Sonde__Frame__BodyCase body)
{
	Sonde__Frame *frame;

	pump(f);
	frame = client_receive(cl);
	assert_non_null(frame);
	assert_int_equal(frame->body_case, body);
	return frame;
}

static inline void client_expect_error(struct fixture *f, struct client *cl,
				       Sonde__Error__Code code)
{
	Sonde__Frame *frame = client_expect(f, cl, SONDE__FRAME__BODY_ERROR);

	assert_int_equal(frame->error->code, code);
	assert_true(strlen(frame->error->message) > 0);
	sonde__frame__free_unpacked(frame, NULL);
}

static inline void client_expect_end(struct fixture *f, struct client *cl)
{
	pump(f);
	client_drain(cl);
	assert_true(cl->ended);
}

static inline void client_send_empty(struct client *cl, Sonde__Frame__BodyCase body)
{
	Sonde__Hello hello;
	Sonde__GetStatus status = SONDE__GET_STATUS__INIT;
	Sonde__GetSeries series = SONDE__GET_SERIES__INIT;
	Sonde__GetConfig config = SONDE__GET_CONFIG__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	sonde__hello__init(&hello);
	frame.body_case = body;
	switch (body) {
	case SONDE__FRAME__BODY_HELLO:
		frame.hello = &hello;
		break;
	case SONDE__FRAME__BODY_GET_STATUS:
		frame.get_status = &status;
		break;
	case SONDE__FRAME__BODY_GET_SERIES:
		frame.get_series = &series;
		break;
	case SONDE__FRAME__BODY_GET_CONFIG:
		frame.get_config = &config;
		break;
	default:
		fail_msg("not an empty message");
	}
	client_send(cl, &frame);
}

/* A client that has exchanged Hello. */
static inline struct client client_open(struct fixture *f)
{
	struct client cl = client_adopt(f);

	client_send_empty(&cl, SONDE__FRAME__BODY_HELLO);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_HELLO), NULL);
	return cl;
}

static inline void client_subscribe(struct fixture *f, struct client *cl, Sonde__Filter *filter,
				    uint64_t limit)
{
	Sonde__Subscribe subscribe = SONDE__SUBSCRIBE__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	subscribe.filter = filter;
	subscribe.limit = limit;
	frame.body_case = SONDE__FRAME__BODY_SUBSCRIBE;
	frame.subscribe = &subscribe;
	client_send(cl, &frame);
	pump(f);
}

static inline struct client client_open_subscribed(struct fixture *f, Sonde__Filter *filter,
						   uint64_t limit)
{
	struct client cl = client_open(f);

	client_subscribe(f, &cl, filter, limit);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_SUBSCRIBED), NULL);
	return cl;
}

static inline void assert_balanced(struct fixture *f)
{
	struct sonde_control_stats s;

	sonde_control_stats(f->control, &s);
	assert_int_equal(s.produced, s.delivered + s.dropped_slow + s.dropped_gone + s.queued);
}

#endif
