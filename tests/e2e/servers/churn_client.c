// SPDX-License-Identifier: Apache-2.0
/*
 * churn_client - opens and closes connections with itself over loopback, as fast as it can.
 *
 *   churn_client N WAY
 *
 * Two threads, each with a listener of its own and N/2 connections, one after the other. WAY says
 * how one ends: `closes` and `serves`, after a word and its echo, by the client's or the server's
 * FIN; `resets`, by the client's RST; `mute`, by the client's FIN without a word. Prints the two
 * ports as JSON when all is done.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORD = 5, THREADS = 2 };

struct job {
	pthread_t thread;
	long n;
	const char *way;
	struct sockaddr_in address;
	int listener;
};

static void open_listener(struct job *j)
{
	socklen_t len = sizeof(j->address);

	j->address = (struct sockaddr_in){ .sin_family = AF_INET,
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	j->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(j->listener, (struct sockaddr *)&j->address, len) || listen(j->listener, 16) ||
	    getsockname(j->listener, (struct sockaddr *)&j->address, &len))
		err(1, "listen");
}

static void pass_word(int from, int to)
{
	char word[WORD];

	if (send(from, "hello", WORD, MSG_NOSIGNAL) != WORD ||
	    recv(to, word, WORD, MSG_WAITALL) != WORD)
		err(1, "word");
}

static void expect_end(int fd)
{
	char byte;

	if (recv(fd, &byte, 1, 0))
		err(1, "end");
}

static void end(const char *way, int client, int server)
{
	struct linger now = { .l_onoff = 1 };
	bool serves = !strcmp(way, "serves");

	if (!strcmp(way, "resets")) {
		setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(client);
		close(server);
		return;
	}
	close(serves ? server : client);
	expect_end(serves ? client : server);
	close(serves ? client : server);
}

static void *run(void *arg)
{
	struct job *j = arg;

	for (long i = 0; i < j->n; i++) {
		int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server;

		if (connect(client, (struct sockaddr *)&j->address, sizeof(j->address)))
			err(1, "connect");
		server = accept4(j->listener, NULL, NULL, SOCK_CLOEXEC);
		if (server < 0)
			err(1, "accept");
		if (strcmp(j->way, "mute")) {
			pass_word(client, server);
			pass_word(server, client);
		}
		end(j->way, client, server);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct job jobs[THREADS];

	if (argc < 3)
		errx(2, "usage: churn_client N WAY");
	for (int i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){ .n = strtol(argv[1], NULL, 10) / THREADS, .way = argv[2] };
		open_listener(&jobs[i]);
		if (pthread_create(&jobs[i].thread, NULL, run, &jobs[i]))
			errx(1, "thread");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(jobs[i].thread, NULL);
	printf("{\"ports\": [%d, %d]}\n", ntohs(jobs[0].address.sin_port),
	       ntohs(jobs[1].address.sin_port));
	return 0;
}
