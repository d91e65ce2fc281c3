// SPDX-License-Identifier: Apache-2.0
/*
 * uring_server - an HTTP/1.1 keep-alive server whose every accept, recv and send is io_uring's.
 *
 *   uring_server ADDRESS PORT [LOG]
 *
 * No network system call is made by the process itself, which is the point: an observer of system
 * calls sees nothing here. /fast answers at once, /slow after 20 ms, /large with 64 KiB,
 * /r/anything like /fast, the rest is 404. One operation per connection is in flight at a time;
 * pipelined requests are answered in one send.
 */
#include <liburing.h>

#include "tests/e2e/servers/server.h"

enum { RING_ENTRIES = 4096, OUT_MAX = 2 * 65536, LARGE = 65536, SLOW_NS = 20000000 };

enum op { OP_ACCEPT = 0, OP_RECV = 1, OP_SEND = 2, OP_WAIT = 3 };

struct conn {
	int fd;
	enum op op; /* what is in flight */
	bool slow, close;
	size_t in_len, out_len, out_done;
	char in[SERVER_HEAD_MAX];
	char *out;
};

static struct io_uring ring;
static struct conn acceptor = { .op = OP_ACCEPT };
static char large[LARGE];

static struct io_uring_sqe *next_sqe(struct conn *c, enum op op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	if (!sqe)
		errx(1, "submission queue full");
	c->op = op;
	return sqe;
}

/* liburing's prep functions clear user data in some versions: set it last. */
static void start_accept(void)
{
	struct io_uring_sqe *sqe = next_sqe(&acceptor, OP_ACCEPT);

	io_uring_prep_accept(sqe, acceptor.fd, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data(sqe, &acceptor);
}

static void start_recv(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe(c, OP_RECV);

	io_uring_prep_recv(sqe, c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
	io_uring_sqe_set_data(sqe, c);
}

static void start_send(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe(c, OP_SEND);

	io_uring_prep_send(sqe, c->fd, c->out + c->out_done, c->out_len - c->out_done,
			   MSG_NOSIGNAL);
	io_uring_sqe_set_data(sqe, c);
}

static void start_wait(struct conn *c)
{
	static struct __kernel_timespec slow = { .tv_nsec = SLOW_NS };
	struct io_uring_sqe *sqe = next_sqe(c, OP_WAIT);

	io_uring_prep_timeout(sqe, &slow, 0, 0);
	io_uring_sqe_set_data(sqe, c);
}

static void open_conn(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c)
		err(1, "connection");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	start_recv(c);
}

static void close_conn(struct conn *c)
{
	close(c->fd);
	free(c->out);
	free(c);
}

static void append_answer(struct conn *c, const struct server_request *r)
{
	bool known = !strcmp(r->path, "/fast") || !strcmp(r->path, "/slow") ||
		     !strcmp(r->path, "/large") || !strncmp(r->path, "/r/", 3);
	size_t body = strcmp(r->path, "/large") ? 3 : sizeof(large);
	int n;

	n = snprintf(c->out + c->out_len, OUT_MAX - c->out_len,
		     "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
		     known ? "200 OK" : "404 Not Found", body);
	c->out_len += (size_t)n;
	memcpy(c->out + c->out_len, body == 3 ? "ok\n" : large, body);
	c->out_len += body;
	c->slow |= !strcmp(r->path, "/slow");
	c->close |= r->close;
	server_log(r, known ? 200 : 404);
}

/* Answers every whole request in the buffer, as far as the output has room. */
static void answer(struct conn *c)
{
	struct server_request r;
	size_t n;

	c->out_len = c->out_done = 0;
	c->slow = false;
	if (!c->out && !(c->out = malloc(OUT_MAX)))
		err(1, "output");
	while (c->out_len + LARGE + 256 < OUT_MAX && (n = server_parse(c->in, c->in_len, &r)) > 0) {
		append_answer(c, &r);
		c->in_len -= n;
		memmove(c->in, c->in + n, c->in_len);
	}
	if (!c->out_len) {
		free(c->out);
		c->out = NULL;
		start_recv(c);
	} else if (c->slow) {
		start_wait(c);
	} else {
		start_send(c);
	}
}

static void sent(struct conn *c, int n)
{
	c->out_done += (size_t)n;
	if (c->out_done < c->out_len)
		start_send(c);
	else if (c->close)
		close_conn(c);
	else
		answer(c);
}

static void complete(struct conn *c, int result)
{
	if (c->op == OP_ACCEPT) {
		if (result >= 0)
			open_conn(result);
		start_accept();
	} else if (c->op == OP_WAIT) {
		start_send(c);
	} else if (result <= 0) {
		close_conn(c);
	} else if (c->op == OP_RECV) {
		c->in_len += (size_t)result;
		answer(c);
	} else {
		sent(c, result);
	}
}

int main(int argc, char **argv)
{
	struct io_uring_cqe *cqe;
	int ret;

	if (argc < 3)
		errx(2, "usage: uring_server ADDRESS PORT [LOG]");
	server_setup(argc > 3 ? argv[3] : NULL);
	memset(large, 'x', sizeof(large));
	ret = io_uring_queue_init(RING_ENTRIES, &ring, 0);
	if (ret < 0)
		errx(77, "io_uring: %s", strerror(-ret));
	acceptor.fd = server_listen(argv[1], argv[2]);
	start_accept();
	while (!server_ended) {
		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR)
			errx(1, "io_uring: %s", strerror(-ret));
		while (io_uring_peek_cqe(&ring, &cqe) == 0) {
			struct conn *c = io_uring_cqe_get_data(cqe);
			int result = cqe->res;

			io_uring_cqe_seen(&ring, cqe);
			complete(c, result);
		}
	}
	return server_close_log();
}
