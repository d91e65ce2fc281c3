// SPDX-License-Identifier: Apache-2.0
/*
 * crowd_server - ten processes that share the work of a port, and die of it young.
 *
 *   crowd_server ADDRESS PORT MODE
 *
 * Answers each connection's one request with the pid of the process that serves it, which is the
 * truth that attribution is held against, and closes. MODE is how a process comes to a connection:
 * `prefork`, it accepts from a listener that it inherited; `own`, from a listener of its own on the
 * same port; `pass`, it gets the socket in a message from the process that accepts; `fork`, it is
 * made for it (PORT must not be 0 for `own`). Every other one only writes, and reads nothing of the
 * request. After a few connections a process ends and another takes its place.
 */
#include <poll.h>
#include <sys/wait.h>

#include "tests/e2e/servers/server.h"

enum { CROWD = 10, LIVES = 12 };

static const char *address;
static char port[8];

static int open_own(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *a;
	int fd, one = 1;

	if (getaddrinfo(address, port, &hints, &a))
		errx(2, "%s:%s: not an address and a port", address, port);
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 64))
		err(1, "listen");
	freeaddrinfo(a);
	return fd;
}

/* Its request may stay in the queue: then the answer is all that shows whose it is. */
static void serve(int fd, bool reads)
{
	char head[4096], pid[16], text[128];
	int len = snprintf(pid, sizeof(pid), "%d", getpid());

	if (reads && recv(fd, head, sizeof(head), 0) <= 0)
		return;
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len, pid);
	send(fd, text, strlen(text), 0);
	shutdown(fd, SHUT_WR);
	/* The client closes first, or a request that was not read would reset the answer. */
	poll(&(struct pollfd){ .fd = fd, .events = POLLRDHUP }, 1, 5000);
	close(fd);
}

static int receive(int channel)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	int fd;

	if (recvmsg(channel, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		exit(0);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void pass_on(int channel, int fd)
{
	char byte = 0, room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(channel, &m, 0) != 1)
		err(1, "sendmsg");
}

/* A few connections of SOURCE, a listener or, with PASSED, a channel. */
static void live(int source, bool passed)
{
	srand((unsigned int)getpid());
	for (int left = 1 + rand() % LIVES; left; left--) {
		int fd = passed ? receive(source) : accept4(source, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			err(1, "accept");
		serve(fd, left % 2);
	}
	exit(0);
}

static void start_one(int source, bool own, bool passed)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	live(own ? open_own() : source, passed);
}

static void keep_crowd(int source, bool own, bool passed)
{
	for (int i = 0; i < CROWD; i++)
		start_one(source, own, passed);
	while (wait(NULL) > 0)
		start_one(source, own, passed);
}

/* Of CHANNEL the crowd takes what this process accepts. */
static void accept_for_others(int listener, int channel)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			err(1, "accept");
		pass_on(channel, fd);
		close(fd);
	}
}

static void fork_for_each(int listener)
{
	for (bool reads = true;; reads = !reads) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			err(1, "accept");
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(fd, reads);
			_exit(0);
		}
		close(fd);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
	}
}

int main(int argc, char **argv)
{
	int channel[2], listener;

	if (argc < 4)
		errx(2, "usage: crowd_server ADDRESS PORT MODE");
	address = argv[1];
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IONBF, 0);
	if (!strcmp(argv[3], "own")) {
		snprintf(port, sizeof(port), "%s", argv[2]);
		printf("ready %s\n", port);
		keep_crowd(-1, true, false);
	}
	listener = server_listen(argv[1], argv[2]);
	if (!strcmp(argv[3], "fork"))
		fork_for_each(listener);
	if (!strcmp(argv[3], "pass")) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, channel))
			err(1, "socketpair");
		if (!fork())
			accept_for_others(listener, channel[0]);
		keep_crowd(channel[1], false, true);
	}
	keep_crowd(listener, false, false);
	return 0;
}
