// SPDX-License-Identifier: Apache-2.0
/*
 * server - what the test servers share: a listener, a request line, an access log.
 *
 * The servers differ in how they move bytes (io_uring, sendfile, threads); what they say is the
 * same and as plain as can be, because the tests compare their access logs with what the agent
 * saw. A log line is `METHOD PATH STATUS`, one per request answered. Each server prints
 * `ready PORT` when it listens and ends on SIGTERM with its log flushed.
 */
#ifndef SONDE_TESTS_SERVER_H
#define SONDE_TESTS_SERVER_H

#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVER_HEAD_MAX = 8192 };

struct server_request {
	char method[16];
	char path[256]; /* without query */
	bool close;
};

static FILE *server_log_file;
static volatile sig_atomic_t server_ended;
static int server_listener = -1;

/* The shutdown wakes whichever thread waits in accept. */
static inline void server_end(int sig)
{
	(void)sig;
	server_ended = 1;
	shutdown(server_listener, SHUT_RDWR);
}

static inline void server_setup(const char *log_path)
{
	struct sigaction end = { .sa_handler = server_end };
	struct rlimit files;

	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (log_path && !(server_log_file = fopen(log_path, "w")))
		err(1, "%s", log_path);
}

static inline void server_log(const struct server_request *r, int status)
{
	if (server_log_file)
		fprintf(server_log_file, "%s %s %d\n", r->method, r->path, status);
}

static inline int server_close_log(void)
{
	return server_log_file && fclose(server_log_file) ? 1 : 0;
}

/* Listens on ADDRESS and PORT (0: any) and says so. */
static inline int server_listen(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	struct addrinfo *a;
	char name[16];
	int fd, one = 1;

	if (getaddrinfo(address, port, &hints, &a))
		errx(2, "%s:%s: not an address and a port", address, port);
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&bound, &len))
		err(1, "%s:%s", address, port);
	freeaddrinfo(a);
	if (getnameinfo((struct sockaddr *)&bound, len, NULL, 0, name, sizeof(name),
			NI_NUMERICSERV))
		errx(1, "no port");
	printf("ready %s\n", name);
	fflush(stdout);
	server_listener = fd;
	return fd;
}

/* Bytes of the first request head in BUF, 0 while it is not whole. Bodies are not understood. */
static inline size_t server_parse(const char *buf, size_t len, struct server_request *r)
{
	const char *end = memmem(buf, len, "\r\n\r\n", 4);
	char line[SERVER_HEAD_MAX];
	size_t n;

	if (!end)
		return 0;
	n = (size_t)(end - buf) + 4;
	if (n >= sizeof(line))
		errx(1, "a head of %zu bytes", n);
	memcpy(line, buf, n);
	line[n] = '\0';
	if (sscanf(line, "%15s %255[^? ]", r->method, r->path) != 2)
		errx(1, "not a request line: %.40s", line);
	r->close = strcasestr(line, "\r\nconnection: close") != NULL;
	return n;
}

#endif
