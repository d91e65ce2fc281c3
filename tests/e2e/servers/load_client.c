// SPDX-License-Identifier: Apache-2.0
/*
 * load_client - a load whose every number is exact and whose clock is the test's truth.
 *
 *   load_client [-c CONNECTIONS] [-n REQUESTS] [-r RATE] [-x] [-H] [-s] ADDRESS PORT PATH...
 *
 * Sends REQUESTS in all, the PATHs in turn (`%u` in one becomes the number of the request), over
 * CONNECTIONS kept alive, or with -x over a fresh connection each. Without -r the next request
 * leaves when an answer came (closed loop); with -r requests are due at fixed times and latency
 * counts from the due time, whether or not a connection was free (open loop: a stall is not
 * forgiven). -H then holds the connections open until standard input ends. -s looks for
 * answers without ever sleeping, so that the time to be woken is not in the clock. Answers need a
 * Content-Length, but for 204. The report is one JSON object on stdout: per status the count, per
 * path the exact quantiles in nanoseconds.
 *
 * One thread and epoll; the array of connections is the only state, `idle` the free ones.
 */
#include <inttypes.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#include "tests/e2e/servers/server.h"

enum { IN_MAX = 4096, STATUS_MAX = 600, PATHS_MAX = 16 };

struct conn {
	int fd; /* -1: not connected */
	uint32_t path;
	uint64_t start_ns;
	uint64_t body_left; /* once the head is through */
	size_t in_len;
	bool in_body;
	char in[IN_MAX];
};

struct path {
	const char *text;
	uint64_t *ns; /* latency of each answer */
	uint64_t n;
};

static struct {
	uint64_t n_requests, sent, done, failed;
	uint64_t interval_ns, start_ns;
	bool fresh, hold;
	bool spin;
	const char *address;
	struct addrinfo *to;
	struct path paths[PATHS_MAX];
	uint32_t n_paths;
	uint64_t statuses[STATUS_MAX];
	struct conn *conns, **idle;
	uint32_t n_conns, n_idle;
	int epoll;
} load = { .n_requests = 1000, .n_conns = 1 };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void hang_up(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
}

static void dial(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->fd = socket(load.to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, load.to->ai_addr, load.to->ai_addrlen))
		err(1, "connect to %s", load.address);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &ev))
		err(1, "epoll");
}

/* START_NS 0: the moment just before the send. */
static void send_request(struct conn *c, uint64_t start_ns)
{
	char path[256], out[512];
	int n;

	if (c->fd < 0)
		dial(c);
	c->path = (uint32_t)(load.sent % load.n_paths);
	const char *text = load.paths[c->path].text, *mark = strstr(text, "%u");

	if (mark)
		snprintf(path, sizeof(path), "%.*s%" PRIu64 "%s", (int)(mark - text), text,
			 load.sent, mark + 2);
	else
		snprintf(path, sizeof(path), "%s", text);
	n = snprintf(out, sizeof(out), "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, load.address,
		     load.fresh ? "Connection: close\r\n" : "");
	c->in_len = 0;
	c->in_body = false;
	c->start_ns = start_ns ? start_ns : now_ns();
	load.sent++;
	if (send(c->fd, out, (size_t)n, MSG_NOSIGNAL) != n)
		err(1, "send");
}

static void finish(struct conn *c, bool answered)
{
	struct path *p = &load.paths[c->path];

	if (answered)
		p->ns[p->n++] = now_ns() - c->start_ns;
	else
		load.failed++;
	load.done++;
	if (load.fresh || !answered)
		hang_up(c);
	load.idle[load.n_idle++] = c;
}

/* Takes the head out of the buffer when it is whole. */
static void read_head(struct conn *c)
{
	char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4), *length;
	size_t head;
	int status;

	if (!end)
		return;
	head = (size_t)(end - c->in) + 4;
	*end = '\0';
	length = strcasestr(c->in, "\r\ncontent-length:");
	if (sscanf(c->in, "HTTP/1.%*c %d", &status) != 1 || status < 0 || status >= STATUS_MAX ||
	    (!length && status != 204))
		errx(1, "not an answer with a length: %.200s", c->in);
	load.statuses[status]++;
	c->body_left = length ? strtoull(length + 17, NULL, 10) : 0;
	c->in_body = true;
	c->body_left -= c->in_len - head;
}

static void receive(struct conn *c)
{
	char scratch[65536];
	bool body = c->in_body;
	ssize_t n = body ? recv(c->fd, scratch, sizeof(scratch), 0)
			 : recv(c->fd, c->in + c->in_len, sizeof(c->in) - 1 - c->in_len, 0);

	if (n <= 0) {
		finish(c, false);
		return;
	}
	if (body) {
		c->body_left -= (uint64_t)n;
	} else {
		c->in_len += (size_t)n;
		c->in[c->in_len] = '\0';
		read_head(c);
	}
	if (c->in_body && c->body_left == 0)
		finish(c, true);
}

static void send_what_is_due(void)
{
	while (load.n_idle && load.sent < load.n_requests) {
		uint64_t due = load.start_ns + load.sent * load.interval_ns;

		if (load.interval_ns && due > now_ns())
			return;
		send_request(load.idle[--load.n_idle], load.interval_ns ? due : 0);
	}
}

/* How long to wait for answers: until the next request is due, if a connection is free for it. */
static void wait_for_answers(void)
{
	struct epoll_event events[256];
	struct timespec patience = { .tv_sec = 30 };
	uint64_t now = now_ns(), due = load.start_ns + load.sent * load.interval_ns;
	int n;

	if (load.interval_ns && load.n_idle && load.sent < load.n_requests) {
		patience.tv_sec = 0;
		patience.tv_nsec =
			due > now ? (long)(due - now < 999999999 ? due - now : 999999999) : 0;
	}
	if (load.spin)
		patience = (struct timespec){ 0 };
	n = epoll_pwait2(load.epoll, events, 256, &patience, NULL);
	if (n < 0 && errno != EINTR)
		err(1, "epoll");
	if (n == 0 && patience.tv_sec)
		errx(1, "no answer for 30 s");
	for (int i = 0; i < n; i++)
		receive(events[i].data.ptr);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void report(uint64_t took_ns)
{
	static const struct {
		const char *name;
		double q;
	} marks[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };
	const char *comma = "";

	printf("{\"sent\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"seconds\":%.6f,\"statuses\":{",
	       load.sent, load.failed, (double)took_ns / 1e9);
	for (int i = 0; i < STATUS_MAX; i++)
		if (load.statuses[i]) {
			printf("%s\"%d\":%" PRIu64, comma, i, load.statuses[i]);
			comma = ",";
		}
	printf("},\"paths\":{");
	for (uint32_t i = 0; i < load.n_paths; i++) {
		struct path *p = &load.paths[i];

		qsort(p->ns, p->n, sizeof(*p->ns), compare);
		printf("%s\"%s\":{\"count\":%" PRIu64, i ? "," : "", p->text, p->n);
		for (size_t m = 0; p->n && m < sizeof(marks) / sizeof(*marks); m++)
			printf(",\"%s\":%" PRIu64, marks[m].name,
			       p->ns[(uint64_t)(marks[m].q * (double)(p->n - 1))]);
		printf("}");
	}
	printf("}}\n");
	fflush(stdout);
}

static void parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:n:r:xHs")) != -1) {
		if (option == 'c')
			load.n_conns = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'n')
			load.n_requests = strtoull(optarg, NULL, 10);
		else if (option == 'r')
			load.interval_ns = (uint64_t)(1e9 / strtod(optarg, NULL));
		else if (option == 'x')
			load.fresh = true;
		else if (option == 'H')
			load.hold = true;
		else if (option == 's')
			load.spin = true;
		else
			exit(2);
	}
	load.n_paths = (uint32_t)(argc - optind - 2);
	if (argc - optind < 3 || load.n_paths > PATHS_MAX || !load.n_conns)
		errx(2, "usage: load_client [-c N] [-n N] [-r RATE] [-x] [-H] [-s] ADDRESS PORT "
			"PATH...");
}

static void prepare(char **operands)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };

	load.address = operands[0];
	if (getaddrinfo(operands[0], operands[1], &hints, &load.to))
		errx(2, "%s:%s: not an address and a port", operands[0], operands[1]);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.conns = calloc(load.n_conns, sizeof(*load.conns));
	load.idle = calloc(load.n_conns, sizeof(struct conn *));
	for (uint32_t i = 0; i < load.n_paths; i++) {
		load.paths[i].text = operands[2 + i];
		load.paths[i].ns = calloc(load.n_requests / load.n_paths + 1, sizeof(uint64_t));
		if (!load.paths[i].ns)
			err(1, "latencies");
	}
	if (load.epoll < 0 || !load.conns || !load.idle)
		err(1, "setup");
	for (uint32_t i = 0; i < load.n_conns; i++) {
		load.conns[i].fd = -1;
		load.idle[load.n_idle++] = &load.conns[i];
		if (!load.fresh)
			dial(&load.conns[i]);
	}
}

int main(int argc, char **argv)
{
	server_setup(NULL);
	parse_options(argc, argv);
	prepare(argv + optind);
	load.start_ns = now_ns();
	while (load.done < load.n_requests && !server_ended) {
		send_what_is_due();
		wait_for_answers();
	}
	report(now_ns() - load.start_ns);
	if (load.hold)
		while (getchar() != EOF)
			continue;
	return load.failed ? 1 : 0;
}
