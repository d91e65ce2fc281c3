// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes from a client, after its Hello or instead of it: the server answers, counts add up, and
 * nothing of the client stays behind. The first byte chooses the role and whether Hello is sent.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/daemon/control_internal.h"
#include "tests/unit/sample_connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void source_status(void *ctx, struct sonde_status *out)
{
	(void)ctx;
	out->version = "1";
}

static bool source_series(void *ctx, size_t *cursor, struct sonde_series_view *out)
{
	(void)ctx;
	*out = (struct sonde_series_view){ .service = SONDE_SLICE_LIT("shop"), .count = 1 };
	return (*cursor)++ < 20;
}

static int source_config(void *ctx, struct sonde_buf *out)
{
	(void)ctx;
	sonde_buf_put_str(out, "capture: {}\n");
	return 0;
}

/* Every other time there is something to wait for, which comes or does not. */
static unsigned int source_refresh(void *ctx)
{
	static unsigned int n;

	(void)ctx;
	return n++ % 3;
}

static bool source_live(void *ctx, size_t *cursor, struct sonde_connection *out)
{
	(void)ctx;
	*out = sample_connection();
	return (*cursor)++ < 20;
}

static bool source_closed(void *ctx, uint64_t *cursor, struct sonde_connection *out)
{
	(void)ctx;
	*out = sample_connection();
	return (*cursor)++ < 20;
}

static bool source_event(void *ctx, uint64_t id, uint64_t *cursor, struct sonde_event *out)
{
	(void)ctx;
	*out = (struct sonde_event){ .connection_id = id };
	return (*cursor)++ < 20;
}

static bool source_edge(void *ctx, size_t *cursor, struct sonde_edge_view *out)
{
	(void)ctx;
	*out = (struct sonde_edge_view){ .client = SONDE_SLICE_LIT("web") };
	return (*cursor)++ < 20;
}

static struct sonde_loop *loop;
static struct sonde_control *control;

static void start_server(void)
{
	static const struct sonde_control_source source = {
		.status = source_status,
		.series = source_series,
		.config = source_config,
		.refresh = source_refresh,
		.live = source_live,
		.closed = source_closed,
		.event = source_event,
		.edge = source_edge,
	};
	static const struct sonde_config config;
	/* Without a name the kernel chooses one. */
	static const struct sockaddr address = { .sa_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (bind(fd, &address, sizeof(address.sa_family)) || listen(fd, 1))
		abort();
	if (sonde_loop_new(&loop) || sonde_control_new(loop, fd, &config, &source, &control))
		abort();
}

static void pump(int fd)
{
	uint8_t bytes[65536];

	for (int i = 0; i < 6; i++) {
		sonde_loop_once(loop, 0);
		while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t hello[] = { 2, 0, 0, 0, 0x0a, 0 };
	struct sonde_connection connection = sample_connection();
	struct sonde_request r = sample_request();
	struct sonde_control_stats s;
	int fds[2];

	if (!control)
		start_server();
	if (!size || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
		return 0;
	sonde_control_adopt(control, fds[0]);
	control->clients[0].access = (enum sonde_access)(1 + data[0] % 3);
	if (!(data[0] & 0x80) && send(fds[1], hello, sizeof(hello), MSG_NOSIGNAL) < 0)
		abort();
	(void)!send(fds[1], data + 1, size - 1, MSG_NOSIGNAL);
	pump(fds[1]);
	sonde_control_request(control, &r);
	sonde_control_connection(control, &connection);
	sonde_control_refreshed(control);
	sonde_control_lost(control, SONDE_KIND_DATA, SONDE_LOSS_RING_FULL, 1);
	pump(fds[1]);
	close(fds[1]);
	pump(-1);
	sonde_control_stats(control, &s);
	if (s.clients || s.subscribers || s.queued ||
	    s.produced != s.delivered + s.dropped_slow + s.dropped_gone)
		abort();
	return 0;
}
