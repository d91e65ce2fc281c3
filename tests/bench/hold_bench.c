// SPDX-License-Identifier: Apache-2.0
/*
 * hold_bench - holds N connections of its own with itself, both ends open.
 *
 *   hold_bench N
 *
 * Clients come from 127.0.0.2 and up, 20,000 from each, as one address has not ports enough. Says
 * "held" when all stand, then ends with its standard input.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PER_ADDRESS = 20000, SPARE = 64 };

static struct sockaddr_in server = { .sin_family = AF_INET };

static int open_listener(void)
{
	socklen_t len = sizeof(server);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&server, len) || listen(fd, 128) ||
	    getsockname(fd, (struct sockaddr *)&server, &len))
		err(1, "listen");
	return fd;
}

/* Both ends stay open until the process ends. */
static void open_pair(int listener, unsigned long number)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	from.sin_addr.s_addr = htonl((uint32_t)(0x7f000002 + number / PER_ADDRESS));
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&server, sizeof(server)))
		err(1, "connection %lu", number);
	if (accept4(listener, NULL, NULL, SOCK_CLOEXEC) < 0)
		err(1, "accept");
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	struct rlimit files = { 2 * n + SPARE, 2 * n + SPARE };
	int listener = open_listener();

	if (setrlimit(RLIMIT_NOFILE, &files))
		err(1, "%lu descriptors", 2 * n + SPARE);
	for (unsigned long i = 0; i < n; i++)
		open_pair(listener, i);
	printf("held %u\n", ntohs(server.sin_port));
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	return 0;
}
