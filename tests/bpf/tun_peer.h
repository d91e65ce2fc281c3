// SPDX-License-Identifier: Apache-2.0
/*
 * tun_peer - a TCP client made by hand behind a tun device, in a network namespace of its own.
 *
 * It sends exactly the segments that a test wants, in the order it wants, twice if it wants: what a
 * network does to packets, without waiting for it to happen.
 *
 *   server (10.9.9.1, a real socket) --- tun --- client (10.9.9.2, this file)
 */
#ifndef SONDE_TESTS_BPF_TUN_PEER_H
#define SONDE_TESTS_BPF_TUN_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_SERVER 0x0a090901u
#define TUN_CLIENT 0x0a090902u

enum { TUN_MTU = 1500, TUN_ISN = 1000, TUN_CLIENT_PORT = 40000 };

struct tun_peer {
	int fd;
	uint16_t server_port;
	uint32_t isn; /* our first sequence number: position 0 is isn + 1 */
	uint32_t ack; /* the server's next byte */
};

/* Into a fresh namespace with one device. False: the kernel has no tun, or will not have us. */
static inline bool tun_open(struct tun_peer *p)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct sockaddr_in *sa = (struct sockaddr_in *)(void *)&r.ifr_addr;
	int control;

	if (unshare(CLONE_NEWNET))
		return false;
	p->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (p->fd < 0 || ioctl(p->fd, TUNSETIFF, &r))
		return false;
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sa->sin_family = AF_INET;
	sa->sin_addr.s_addr = htonl(TUN_SERVER);
	assert_int_equal(ioctl(control, SIOCSIFADDR, &r), 0);
	sa->sin_addr.s_addr = htonl(0xffffff00u);
	assert_int_equal(ioctl(control, SIOCSIFNETMASK, &r), 0);
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	assert_int_equal(ioctl(control, SIOCSIFFLAGS, &r), 0);
	close(control);
	p->isn = TUN_ISN;
	return true;
}

static inline uint32_t tun_sum(uint32_t sum, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

static inline uint16_t tun_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* A segment whose first byte is at POSITION of our direction (-1: the SYN). */
static inline void tun_send(struct tun_peer *p, uint8_t flags, int64_t position, const char *text)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
		char payload[TUN_MTU - 40];
	} m;
	size_t len = strlen(text), total = sizeof(m.ip) + sizeof(m.tcp) + len;
	uint32_t sum;

	assert_true(len <= sizeof(m.payload));
	memset(&m, 0, sizeof(m));
	m.ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP };
	m.ip.tot_len = htons((uint16_t)total);
	m.ip.saddr = htonl(TUN_CLIENT);
	m.ip.daddr = htonl(TUN_SERVER);
	m.ip.check = tun_fold(tun_sum(0, &m.ip, sizeof(m.ip)));
	m.tcp.source = htons(TUN_CLIENT_PORT);
	m.tcp.dest = htons(p->server_port);
	m.tcp.seq = htonl(p->isn + 1 + (uint32_t)position);
	m.tcp.ack_seq = htonl(p->ack);
	m.tcp.doff = 5;
	((uint8_t *)&m.tcp)[13] = flags;
	m.tcp.window = htons(65535);
	memcpy(m.payload, text, len);
	sum = tun_sum(IPPROTO_TCP + (uint32_t)(sizeof(m.tcp) + len), &m.ip.saddr, 8);
	m.tcp.check = tun_fold(tun_sum(sum, &m.tcp, sizeof(m.tcp) + len));
	assert_int_equal(write(p->fd, &m, total), total);
}

/* Takes what the server sends until COUNT bytes of payload or, with SYN, its SYN-ACK have come. */
static inline void tun_receive(struct tun_peer *p, bool syn, size_t count)
{
	struct pollfd poll_fd = { .fd = p->fd, .events = POLLIN };
	uint8_t m[TUN_MTU];
	size_t got = 0;

	while (syn || got < count) {
		struct tcphdr tcp;
		size_t head;
		ssize_t n;

		assert_int_equal(poll(&poll_fd, 1, 10000), 1);
		n = read(p->fd, m, sizeof(m));
		if (n < 40 || m[0] >> 4 != 4 || m[9] != IPPROTO_TCP)
			continue;
		memcpy(&tcp, m + (m[0] & 15) * 4, sizeof(tcp));
		head = (size_t)(m[0] & 15) * 4 + (size_t)tcp.doff * 4;
		if (tcp.syn) {
			p->ack = ntohl(tcp.seq) + 1;
			syn = false;
		} else if (ntohl(tcp.seq) == p->ack) {
			p->ack += (uint32_t)((size_t)n - head);
			got += (size_t)n - head;
		}
	}
}

static inline void tun_connect(struct tun_peer *p)
{
	p->ack = 0;
	tun_send(p, TH_SYN, -1, "");
	tun_receive(p, true, 0);
	tun_send(p, TH_ACK, 0, "");
}

static inline void tun_say(struct tun_peer *p, int64_t position, const char *text)
{
	tun_send(p, TH_ACK | TH_PUSH, position, text);
}

#endif
