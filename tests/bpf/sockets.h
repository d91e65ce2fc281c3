// SPDX-License-Identifier: Apache-2.0
/* sockets - connections of the test with itself. Every call succeeds or ends the test. */
#ifndef SONDE_TESTS_BPF_SOCKETS_H
#define SONDE_TESTS_BPF_SOCKETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* A listener on ADDRESS ("127.0.0.1", "::1", "::", ...) and a port of the kernel's choice. */
static inline int sock_listen(const char *address, uint16_t *port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	bool is_v6 = strchr(address, ':');
	void *sa = is_v6 ? (void *)&v6 : (void *)&v4;
	socklen_t len = is_v6 ? sizeof(v6) : sizeof(v4);
	int fd, off = 0;

	assert_int_equal(inet_pton(is_v6 ? AF_INET6 : AF_INET, address,
				   is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr),
			 1);
	fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (is_v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	assert_int_equal(bind(fd, sa, len), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, sa, &len), 0);
	*port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
	return fd;
}

static inline int sock_connect(const char *address, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool is_v6 = strchr(address, ':');
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	assert_int_equal(inet_pton(is_v6 ? AF_INET6 : AF_INET, address,
				   is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr),
			 1);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	assert_int_equal(
		connect(fd, is_v6 ? (void *)&v6 : (void *)&v4, is_v6 ? sizeof(v6) : sizeof(v4)), 0);
	return fd;
}

static inline int sock_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), one = 1;

	assert_true(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static inline void sock_send(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Receives exactly TEXT. */
static inline void sock_expect(int fd, const char *text)
{
	char buf[4096];

	assert_true(strlen(text) <= sizeof(buf));
	assert_int_equal(recv(fd, buf, strlen(text), MSG_WAITALL), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

/* What the kernel side calls a connection. */
static inline uint64_t sock_id(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

/* The port that FD speaks from. */
static inline uint16_t sock_port(int fd)
{
	struct sockaddr_in6 sa;
	socklen_t len = sizeof(sa);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin6_port); /* at the same place for IPv4 */
}

/* Both ends of one connection. */
struct pair {
	int listener, client, server;
	uint64_t client_id, server_id;
	uint16_t port, client_port;
};

static inline void pair_meet(struct pair *p, const char *address)
{
	p->client = sock_connect(address, p->port);
	p->server = sock_accept(p->listener);
	p->client_id = sock_id(p->client);
	p->server_id = sock_id(p->server);
	p->client_port = sock_port(p->client);
}

static inline struct pair pair_open(const char *listen_at, const char *connect_to)
{
	struct pair p;

	p.listener = sock_listen(listen_at, &p.port);
	pair_meet(&p, connect_to);
	return p;
}

static inline void pair_exchange(const struct pair *p, const char *request, const char *response)
{
	sock_send(p->client, request);
	sock_expect(p->server, request);
	sock_send(p->server, response);
	sock_expect(p->client, response);
}

/* The client closes first; all is closed. */
static inline void pair_close(const struct pair *p)
{
	char byte;

	shutdown(p->client, SHUT_WR);
	assert_int_equal(recv(p->server, &byte, 1, 0), 0);
	close(p->server);
	assert_int_equal(recv(p->client, &byte, 1, 0), 0);
	close(p->client);
	close(p->listener);
}

#endif
