// SPDX-License-Identifier: Apache-2.0
/*
 * delay_server - answers after exactly the delay that the path names.
 *
 *   delay_server ADDRESS PORT
 *
 * GET /delay/10 is answered 10 ms after the request was read, by a timer without slack; what the
 * client's clock then says is the truth that the agent's latency is held against. /drip/10 sends
 * the head at once and the body 10 ms later, which tells time to first byte from duration. A
 * thread for each connection.
 */
#include "tests/e2e/servers/threads.h"

static struct timespec after(const struct timespec *start, long ms)
{
	struct timespec t = *start;

	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static bool send_text(int fd, const char *text)
{
	return send(fd, text, strlen(text), 0) == (ssize_t)strlen(text);
}

static bool answer(int fd, const struct server_request *r, const struct timespec *arrival)
{
	bool drip = !strncmp(r->path, "/drip/", 6);
	struct timespec due;
	char *end;
	long ms;

	if (!drip && strncmp(r->path, "/delay/", 7))
		return send_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	ms = strtol(strchr(r->path + 1, '/') + 1, &end, 10);
	due = after(arrival, ms);
	if (drip && !send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"))
		return false;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		continue;
	if (drip)
		return send_text(fd, "ok\n");
	return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: delay_server ADDRESS PORT");
	server_setup(NULL);
	return server_run_threads(argv[1], argv[2], answer);
}
