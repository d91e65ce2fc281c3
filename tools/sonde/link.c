// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/core/escape.h"
#include "tools/sonde/cli.h"

enum { RECEIVE_BYTES = 65536 };

static int complain_connect(const char *path, int error)
{
	if (error == EACCES || error == EPERM) {
		sonde_complain("%s: %s; become root or a member of the daemon's group (sonde)",
			       path, strerror(error));
		return SONDE_EXIT_PRIVILEGE;
	}
	sonde_complain("%s: %s; is sonded running? (--run-dir names another place)", path,
		       strerror(error));
	return SONDE_EXIT_UNREACHABLE;
}

static int connect_to(struct sonde_link *l, const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", run_dir,
			   SONDE_WIRE_SOCKET);

	if (len < 0 || (size_t)len >= sizeof(address.sun_path)) {
		sonde_complain("--run-dir: %.40s...: too long for a socket", run_dir);
		return SONDE_EXIT_USAGE;
	}
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0) {
		sonde_complain("socket: %s", strerror(errno));
		return SONDE_EXIT_FAILURE;
	}
	if (connect(l->fd, (struct sockaddr *)&address, sizeof(address)))
		return complain_connect(address.sun_path, errno);
	return SONDE_EXIT_OK;
}

static int say_hello(struct sonde_link *l)
{
	Sonde__Hello hello;
	Sonde__Frame frame = SONDE__FRAME__INIT, *answer;
	int code;

	sonde__hello__init(&hello);
	hello.version = sonde_wire_string(SONDE_VERSION);
	hello.schema = SONDE_SCHEMA;
	frame.body_case = SONDE__FRAME__BODY_HELLO;
	frame.hello = &hello;
	code = sonde_link_ask(l, &frame, SONDE__FRAME__BODY_HELLO, &answer);
	if (code == SONDE_EXIT_OK)
		sonde__frame__free_unpacked(answer, NULL);
	return code;
}

int sonde_link_open(struct sonde_link *l, const char *run_dir)
{
	int code;

	*l = (struct sonde_link){ .fd = -1 };
	sonde_buf_init(&l->in, SONDE_WIRE_HEAD + SONDE_WIRE_DAEMON_MAX + RECEIVE_BYTES);
	code = connect_to(l, run_dir);
	if (code == SONDE_EXIT_OK)
		code = say_hello(l);
	if (code != SONDE_EXIT_OK)
		sonde_link_close(l);
	return code;
}

void sonde_link_close(struct sonde_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	sonde_buf_fini(&l->in);
}

int sonde_link_send(struct sonde_link *l, const Sonde__Frame *frame)
{
	struct sonde_buf b;
	size_t done = 0;
	int err;

	sonde_buf_init(&b, SONDE_WIRE_HEAD + SONDE_WIRE_CLIENT_MAX);
	err = sonde_wire_put_frame(&b, frame, SONDE_WIRE_CLIENT_MAX);
	while (!err && done < b.len) {
		ssize_t n = send(l->fd, b.ptr + done, b.len - done, MSG_NOSIGNAL);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			err = -errno;
	}
	sonde_buf_fini(&b);
	return err;
}

static struct sonde_slice pending(const struct sonde_link *l)
{
	return sonde_slice_from(sonde_buf_slice(&l->in), l->used);
}

/* The body of the frame that comes next. False: it has not been received whole. */
static bool next_frame(const struct sonde_link *l, struct sonde_slice *body)
{
	struct sonde_slice in = pending(l);
	uint32_t len;

	if (in.len < SONDE_WIRE_HEAD)
		return false;
	len = sonde_wire_head(in.ptr);
	*body = sonde_slice_sub(in, SONDE_WIRE_HEAD, len);
	return body->len == len;
}

bool sonde_link_has_frame(const struct sonde_link *l)
{
	struct sonde_slice body;

	return next_frame(l, &body);
}

/* 0 when there is something to read. */
static int wait_readable(struct sonde_link *l, uint64_t until_ns)
{
	struct pollfd fds[] = { { .fd = l->fd, .events = POLLIN },
				{ .fd = sonde_interrupt_fd(), .events = POLLIN } };

	for (;;) {
		uint64_t now_ns = sonde_clock_mono_ns();
		int timeout_ms = -1, n;

		if (sonde_interrupted())
			return -EINTR;
		if (until_ns && now_ns >= until_ns)
			return -ETIMEDOUT;
		if (until_ns) {
			uint64_t ms = (until_ns - now_ns) / SONDE_NS_PER_MS + 1;

			timeout_ms = ms < 60000 ? (int)ms : 60000;
		}
		n = poll(fds, 2, timeout_ms);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[0].revents)
			return 0;
	}
}

static int receive_some(struct sonde_link *l, uint64_t until_ns)
{
	struct sonde_slice rest = pending(l);
	ssize_t n;
	int err = wait_readable(l, until_ns);

	if (err)
		return err;
	if (l->used) {
		if (rest.len)
			memmove(l->in.ptr, rest.ptr, rest.len);
		l->in.len = rest.len;
		l->used = 0;
	}
	err = sonde_buf_reserve(&l->in, RECEIVE_BYTES);
	if (err)
		return err;
	n = recv(l->fd, l->in.ptr + l->in.len, RECEIVE_BYTES, 0);
	if (n > 0)
		l->in.len += (size_t)n;
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ECONNRESET;
}

int sonde_link_receive(struct sonde_link *l, uint64_t until_ns, Sonde__Frame **out)
{
	struct sonde_slice body;
	Sonde__Frame *frame;
	int err;

	while (!next_frame(l, &body)) {
		struct sonde_slice in = pending(l);

		if (in.len >= SONDE_WIRE_HEAD && sonde_wire_head(in.ptr) > SONDE_WIRE_DAEMON_MAX)
			return -EPROTO;
		err = receive_some(l, until_ns);
		if (err)
			return err;
	}
	frame = sonde__frame__unpack(NULL, body.len, body.ptr);
	if (!frame)
		return -EPROTO;
	l->used += SONDE_WIRE_HEAD + body.len;
	*out = frame;
	return 0;
}

int sonde_link_fail(int err)
{
	switch (err) {
	case -EINTR:
		return SONDE_EXIT_STOPPED;
	case -ECONNRESET:
	case -EPIPE:
		sonde_complain("the daemon has ended the connection");
		return SONDE_EXIT_UNREACHABLE;
	case -ETIMEDOUT:
		sonde_complain("the daemon does not answer");
		return SONDE_EXIT_UNREACHABLE;
	case -EPROTO:
		sonde_complain("the daemon says something that is not of the protocol");
		return SONDE_EXIT_FAILURE;
	default:
		sonde_complain("control socket: %s", strerror(-err));
		return SONDE_EXIT_FAILURE;
	}
}

int sonde_link_refused(const Sonde__Error *error)
{
	struct sonde_buf b;

	sonde_buf_init(&b, 4096);
	sonde_escape_terminal(&b, sonde_slice_str(error->message));
	sonde_complain("the daemon refuses: %.*s", (int)b.len, b.len ? (char *)b.ptr : "");
	sonde_buf_fini(&b);
	switch (error->code) {
	case SONDE__ERROR__CODE__DENIED:
		return SONDE_EXIT_PRIVILEGE;
	case SONDE__ERROR__CODE__INVALID:
		return SONDE_EXIT_USAGE;
	default:
		return SONDE_EXIT_FAILURE;
	}
}

int sonde_link_check(const Sonde__Frame *frame, Sonde__Frame__BodyCase body)
{
	if (frame->body_case == body)
		return SONDE_EXIT_OK;
	return frame->body_case == SONDE__FRAME__BODY_ERROR ? sonde_link_refused(frame->error)
							    : sonde_link_fail(-EPROTO);
}

int sonde_link_ask(struct sonde_link *l, const Sonde__Frame *request, Sonde__Frame__BodyCase body,
		   Sonde__Frame **out)
{
	Sonde__Frame *frame = NULL;
	int err = sonde_link_send(l, request), code;

	/* A daemon that refuses us closes; its reason may lie in the socket although sending
	 * failed.
	 */
	if (!err || err == -EPIPE)
		err = sonde_link_receive(
			l, sonde_clock_mono_ns() + SONDE_LINK_ANSWER_S * SONDE_NS_PER_SEC, &frame);
	if (err)
		return sonde_link_fail(err);
	code = sonde_link_check(frame, body);
	if (code == SONDE_EXIT_OK)
		*out = frame;
	else
		sonde__frame__free_unpacked(frame, NULL);
	return code;
}
