// SPDX-License-Identifier: Apache-2.0
/* datagrams - UDP sockets of the test. Every call succeeds or ends the test. */
#ifndef SONDE_TESTS_BPF_DATAGRAMS_H
#define SONDE_TESTS_BPF_DATAGRAMS_H

#include "tests/bpf/sockets.h"

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static inline union address address_of(const char *text, uint16_t port, socklen_t *len)
{
	union address a = { 0 };

	if (strchr(text, ':')) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
		*len = sizeof(a.v6);
	} else {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, text, &a.v4.sin_addr), 1);
		*len = sizeof(a.v4);
	}
	return a;
}

/* A UDP socket on ADDRESS; PORT 0: one of the kernel's choice. */
static inline int udp_socket_at(const char *address, uint16_t *port)
{
	struct timeval patience = { .tv_sec = 10 };
	int fd, off = 0, bytes = 4 << 20;
	socklen_t len;
	union address a = address_of(address, *port, &len);

	fd = socket(a.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (a.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	assert_int_equal(bind(fd, &a.sa, len), 0);
	*port = sock_port(fd);
	return fd;
}

static inline void connect_to(int fd, const char *address, uint16_t port)
{
	socklen_t len;
	union address a = address_of(address, port, &len);

	assert_int_equal(connect(fd, &a.sa, len), 0);
}

static inline void send_to(int fd, const char *address, uint16_t port, size_t bytes)
{
	static const char payload[65536];
	socklen_t len;
	union address a = address_of(address, port, &len);

	assert_int_equal(sendto(fd, payload, bytes, 0, &a.sa, len), bytes);
}

#endif
