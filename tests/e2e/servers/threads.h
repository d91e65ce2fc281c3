// SPDX-License-Identifier: Apache-2.0
/* threads - a server with a thread for each connection: it blocks, and so is easy to believe. */
#ifndef SONDE_TESTS_THREADS_H
#define SONDE_TESTS_THREADS_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "tests/e2e/servers/server.h"

/* Answers one request, whose last byte was read at ARRIVAL. False: end the connection. */
typedef bool (*server_answer)(int fd, const struct server_request *r,
			      const struct timespec *arrival);

static server_answer server_thread_answer;

static inline void *server_thread(void *arg)
{
	int fd = (int)(intptr_t)arg, one = 1;
	struct server_request r;
	struct timespec arrival;
	char in[SERVER_HEAD_MAX];
	size_t len = 0, used;
	ssize_t n;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while ((n = recv(fd, in + len, sizeof(in) - len, 0)) > 0) {
		clock_gettime(CLOCK_MONOTONIC, &arrival);
		len += (size_t)n;
		while ((used = server_parse(in, len, &r)) > 0) {
			len -= used;
			memmove(in, in + used, len);
			if (!server_thread_answer(fd, &r, &arrival) || r.close)
				goto out;
		}
	}
out:
	close(fd);
	return NULL;
}

/* Serves until SIGTERM. Returns the exit code. */
static inline int server_run_threads(const char *address, const char *port, server_answer answer)
{
	int listener = server_listen(address, port), fd;
	pthread_attr_t detached;
	pthread_t thread;

	server_thread_answer = answer;
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&detached, 128 * 1024);
	while (!server_ended) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		if (pthread_create(&thread, &detached, server_thread, (void *)(intptr_t)fd))
			errx(1, "no thread");
	}
	return server_close_log();
}

#endif
