// SPDX-License-Identifier: Apache-2.0
/*
 * demo - a little shop on loopback, so that a newcomer has something to watch at once.
 *
 *   demo [PORT]
 *
 * One process plays both parts: a child is the server ("demo-shop"), the parent a few clients
 * ("demo-client") that together ask about 40 times a second, which is as much as a reader can
 * follow. /checkout is slow, /payment fails now and then, /missing is never there. It ends on
 * SIGTERM or SIGINT, and with whoever started it.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 4, PAUSE_MS = 92, HEAD_MAX = 2048 };

struct page {
	const char *method, *path;
	unsigned weight;    /* how often it is asked for, of all weights together */
	unsigned delay_ms;  /* how long an answer takes, give or take a half */
	unsigned fail_1_in; /* one answer in so many is a 500; 0 never */
	unsigned body_len;
	int status;
};

/* A path that ends in a slash gets a number behind it. */
static const struct page pages[] = {
	{ "GET", "/products", 30, 3, 0, 4000, 200 }, { "GET", "/products/", 30, 2, 0, 900, 200 },
	{ "GET", "/cart", 15, 1, 0, 300, 200 },	     { "POST", "/cart", 10, 2, 0, 40, 201 },
	{ "POST", "/checkout", 6, 40, 0, 120, 200 }, { "POST", "/payment", 6, 15, 5, 60, 200 },
	{ "GET", "/missing", 3, 0, 0, 20, 404 },
};
enum { PAGES = sizeof(pages) / sizeof(pages[0]) };

static struct sockaddr_in address = { .sin_family = AF_INET };

static void pause_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* MS, give or take a half. */
static unsigned around(unsigned ms, unsigned *seed)
{
	return ms / 2 + (unsigned)rand_r(seed) % (ms + 1);
}

/* ---- the shop ---- */

static const struct page *find_page(const char *head)
{
	for (size_t i = 0; i < PAGES; i++) {
		const struct page *p = &pages[i];
		size_t m = strlen(p->method), n = strlen(p->path);
		char after;

		if (strncmp(head, p->method, m) || strncmp(head + m + 1, p->path, n))
			continue;
		after = head[m + 1 + n];
		if (after == ' ' || p->path[n - 1] == '/')
			return p;
	}
	return &pages[PAGES - 1];
}

static int answer(int fd, const char *head, unsigned *seed)
{
	static const char filler[4096] = "";
	const struct page *p = find_page(head);
	char out[HEAD_MAX + sizeof(filler)];
	int status = p->status, n;

	pause_ms(around(p->delay_ms, seed));
	if (p->fail_1_in && (unsigned)rand_r(seed) % p->fail_1_in == 0)
		status = 500;
	n = snprintf(out, HEAD_MAX,
		     "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %u\r\n\r\n",
		     status, status < 400 ? "Fine" : "Sorry", p->body_len);
	memcpy(out + n, filler, p->body_len);
	n += (int)p->body_len;
	return send(fd, out, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EPIPE;
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	unsigned seed = (unsigned)fd;
	char in[HEAD_MAX];
	ssize_t n;

	while ((n = recv(fd, in, sizeof(in) - 1, 0)) > 0) {
		in[n] = '\0';
		if (answer(fd, in, &seed))
			break;
	}
	close(fd);
	return NULL;
}

/* Whoever calls listen is the server in the eyes of an observer: not the parent. */
static void run_shop(int listener, int opened)
{
	prctl(PR_SET_NAME, "demo-shop");
	if (listen(listener, 64))
		err(1, "demo: listen");
	close(opened);
	while (1) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (fd < 0)
			err(1, "demo: accept");
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
			errx(1, "demo: no thread");
		pthread_detach(thread);
	}
}

/* ---- its customers ---- */

static const struct page *choose_page(unsigned *seed)
{
	unsigned total = 0, at;

	for (size_t i = 0; i < PAGES; i++)
		total += pages[i].weight;
	at = (unsigned)rand_r(seed) % total;
	for (size_t i = 0; i < PAGES; i++) {
		if (at < pages[i].weight)
			return &pages[i];
		at -= pages[i].weight;
	}
	return &pages[0];
}

static int ask(int fd, unsigned *seed)
{
	const struct page *p = choose_page(seed);
	char number[16] = "", out[512], in[8192];
	size_t got = 0, whole = SIZE_MAX;

	if (p->path[strlen(p->path) - 1] == '/')
		snprintf(number, sizeof(number), "%u", (unsigned)rand_r(seed) % 500);
	int n = snprintf(out, sizeof(out),
			 "%s %s%s HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: demo\r\n%s\r\n",
			 p->method, p->path, number,
			 strcmp(p->method, "POST") ? "" : "Content-Length: 0\r\n");

	if (send(fd, out, (size_t)n, MSG_NOSIGNAL) != n)
		return -EPIPE;
	while (got < whole) {
		ssize_t len = recv(fd, in + got, sizeof(in) - 1 - got, 0);
		const char *end;

		if (len <= 0)
			return -EPIPE;
		got += (size_t)len;
		end = memmem(in, got, "\r\n\r\n", 4);
		if (end)
			whole = (size_t)(end - in) + 4 + p->body_len;
	}
	return 0;
}

static void *shop_around(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg * 7919 + 1;

	while (1) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			err(1, "demo: socket");
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
			break; /* the shop is closing */
		for (int i = 0; i < 25; i++) {
			pause_ms(around(PAUSE_MS, &seed));
			if (ask(fd, &seed))
				break;
		}
		close(fd);
	}
	return NULL;
}

static int bind_somewhere(uint16_t port)
{
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		err(1, "demo: 127.0.0.1:%u", port);
	return fd;
}

/* The wish to die with one's parent is not inherited: the child makes its own. */
static pid_t open_shop(int listener, const sigset_t *ends)
{
	pid_t parent = getpid(), shop;
	int opened[2];
	char none;

	if (pipe2(opened, O_CLOEXEC) || (shop = fork()) < 0)
		err(1, "demo: fork");
	if (shop > 0) {
		close(opened[1]);
		if (read(opened[0], &none, 1) < 0) /* returns when the shop listens, or has died */
			err(1, "demo: wait");
		close(opened[0]);
		return shop;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_UNBLOCK, ends, NULL);
	if (getppid() == parent)
		run_shop(listener, opened[1]);
	_exit(0);
}

int main(int argc, char **argv)
{
	int listener = bind_somewhere(argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0), sig;
	pthread_t thread;
	sigset_t ends;
	pid_t shop;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	shop = open_shop(listener, &ends);
	close(listener);
	prctl(PR_SET_NAME, "demo-client");
	printf("demo: a shop on 127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	for (uintptr_t i = 0; i < CLIENTS; i++)
		if (pthread_create(&thread, NULL, shop_around, (void *)i))
			errx(1, "demo: no thread");
	sigwait(&ends, &sig);
	kill(shop, SIGTERM);
	waitpid(shop, NULL, 0);
	return sig == SIGCHLD ? 1 : 0;
}
