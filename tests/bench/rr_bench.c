// SPDX-License-Identifier: Apache-2.0
/*
 * rr_bench - one request and its answer over loopback, client and server in one pinned thread.
 *
 *   rr_bench CPU
 *
 * Nothing is ever scheduled: the send of one end runs the receive path of the other, so what a
 * window costs is the path itself, and a difference of 40 ns can be seen. The driver (rr.py)
 * switches the agent on and off between windows. Commands on stdin, the answer is nanoseconds:
 *
 *   rr N        N exchanges of 64 and 67 bytes on one kept connection
 *   churn N     N times connect, accept, one exchange, close
 *   open N      the same without the exchange
 *   getppid N   N calls of a system call that does nothing: how fast this machine is at the moment
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char request[] =
	"GET /bench/item HTTP/1.1\r\nHost: localhost\r\nUser-Agent: rr\r\n\r\n";
static const char answer[] =
	"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nServer: r\r\n\r\nhello, world!\n";

static int listener;
static struct sockaddr_in address = { .sin_family = AF_INET };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "cpu %u", cpu);
}

static void open_listener(void)
{
	socklen_t len = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) ||
	    listen(listener, 16) || getsockname(listener, (struct sockaddr *)&address, &len))
		err(1, "listen");
}

static void open_pair(int *client, int *server)
{
	int one = 1;

	*client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*client < 0 || connect(*client, (struct sockaddr *)&address, sizeof(address)))
		err(1, "connect");
	*server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (*server < 0)
		err(1, "accept");
	setsockopt(*client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(*server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void pass(int from, int to, const char *text, size_t len)
{
	char in[256];

	if (send(from, text, len, 0) != (ssize_t)len || recv(to, in, sizeof(in), 0) != (ssize_t)len)
		errx(1, "the loopback split a message");
}

static void exchange(int client, int server)
{
	pass(client, server, request, sizeof(request) - 1);
	pass(server, client, answer, sizeof(answer) - 1);
}

static void churn(int with_exchange)
{
	int client, server;

	open_pair(&client, &server);
	if (with_exchange)
		exchange(client, server);
	close(server);
	close(client);
}

int main(int argc, char **argv)
{
	char line[64], command[16];
	unsigned long n;
	int client, server;

	pin(argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0);
	open_listener();
	open_pair(&client, &server);
	printf("ready %u\n", ntohs(address.sin_port));
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%15s %lu", command, &n) != 2)
			errx(2, "not a command: %s", line);
		uint64_t start = now_ns();

		for (unsigned long i = 0; i < n; i++) {
			if (command[0] == 'r')
				exchange(client, server);
			else if (command[0] == 'c' || command[0] == 'o')
				churn(command[0] == 'c');
			else
				syscall(SYS_getppid);
		}
		printf("%lu\n", (unsigned long)(now_ns() - start));
		fflush(stdout);
	}
	return 0;
}
