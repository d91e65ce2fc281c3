// SPDX-License-Identifier: Apache-2.0
/*
 * flood - packets of any source into an interface, at a rate or as fast as it goes.
 *
 *   flood -i IFACE -m DST_MAC -s SOURCE [-S N] -d DESTINATION [-p PORT] [-r RATE] [-t SECONDS]
 *         [-n COUNT] [-y] [-l BYTES]
 *
 * IPv4 over AF_PACKET with sendmmsg(). SOURCE and the N - 1 addresses after it take turns. UDP, or
 * with -y TCP SYNs. Prints `ready`, then at the end one line of JSON: sent, seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FRAME_MAX = 1514 };

struct options {
	const char *iface;
	uint8_t mac[6];
	uint32_t source, n_sources, destination; /* host order */
	uint16_t port;
	double rate, seconds;
	uint64_t count;
	bool syn;
	size_t bytes;
};

struct frames {
	uint8_t bytes[BATCH][FRAME_MAX];
	struct iovec iov[BATCH];
	struct mmsghdr messages[BATCH];
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint32_t sum(const void *data, size_t len, uint32_t s)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return htons((uint16_t)~s);
}

/* The checksum of TCP and UDP, with the pseudo header of RFC 9293 section 3.1. */
static uint16_t checksum(const struct iphdr *ip, const void *data, size_t len)
{
	uint32_t s = sum(&ip->saddr, 8, ip->protocol + (uint32_t)len);

	return fold(sum(data, len, s));
}

static void fill(const struct options *o, uint8_t *frame, uint64_t number)
{
	struct ether_header *ether = (void *)frame;
	struct iphdr *ip = (void *)(frame + sizeof(*ether));
	void *rest = ip + 1;
	size_t len = o->bytes - sizeof(*ether) - sizeof(*ip);

	memset(frame, 0, o->bytes);
	memcpy(ether->ether_dhost, o->mac, 6);
	ether->ether_shost[0] = 2;
	ether->ether_type = htons(ETHERTYPE_IP);
	*ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64 };
	ip->tot_len = htons((uint16_t)(o->bytes - sizeof(*ether)));
	ip->protocol = o->syn ? IPPROTO_TCP : IPPROTO_UDP;
	ip->saddr = htonl(o->source + (uint32_t)(number % o->n_sources));
	ip->daddr = htonl(o->destination);
	ip->check = fold(sum(ip, sizeof(*ip), 0));
	if (o->syn) {
		struct tcphdr *tcp = rest;

		tcp->source = htons((uint16_t)(1024 + number % 60000));
		tcp->dest = htons(o->port);
		tcp->seq = htonl((uint32_t)number);
		tcp->doff = 5;
		tcp->syn = 1;
		tcp->window = htons(65535);
		tcp->check = checksum(ip, tcp, len);
	} else {
		struct udphdr *udp = rest;

		udp->source = htons(9);
		udp->dest = htons(o->port);
		udp->len = htons((uint16_t)len);
		udp->check = checksum(ip, udp, len);
	}
}

static int open_socket(const struct options *o, struct sockaddr_ll *to)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0), yes = 1, room = 4 << 20;

	*to = (struct sockaddr_ll){ .sll_family = AF_PACKET,
				    .sll_ifindex = (int)if_nametoindex(o->iface),
				    .sll_halen = 6 };
	memcpy(to->sll_addr, o->mac, 6);
	if (fd < 0 || !to->sll_ifindex) {
		perror(o->iface);
		exit(1);
	}
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return fd;
}

static void prepare(struct frames *f, struct sockaddr_ll *to, size_t bytes)
{
	for (int i = 0; i < BATCH; i++) {
		f->iov[i] = (struct iovec){ f->bytes[i], bytes };
		f->messages[i].msg_hdr = (struct msghdr){ .msg_name = to,
							  .msg_namelen = sizeof(*to),
							  .msg_iov = &f->iov[i],
							  .msg_iovlen = 1 };
	}
}

/* How many are due by now, at most a batch. */
static unsigned int due(const struct options *o, double elapsed, uint64_t sent)
{
	uint64_t left = o->count ? o->count - sent : BATCH;

	if (o->rate > 0) {
		double behind = o->rate * elapsed + 1 - (double)sent;

		if (behind < 1)
			return 0;
		if (behind < (double)left)
			left = (uint64_t)behind;
	}
	return left < BATCH ? (unsigned int)left : BATCH;
}

static uint64_t run(const struct options *o, int fd, struct frames *f, double begin)
{
	unsigned int filled = 0;
	uint64_t sent = 0;
	double elapsed;

	while ((elapsed = now() - begin) < o->seconds && (!o->count || sent < o->count)) {
		unsigned int n = due(o, elapsed, sent);
		int done;

		if (!n) {
			usleep(o->rate > 20000 ? 20 : 200);
			continue;
		}
		/* A fixed frame for a fixed source need not be made again. */
		for (unsigned int i = o->n_sources > 1 || o->syn ? 0 : filled; i < n; i++)
			fill(o, f->bytes[i], sent + i);
		filled = n > filled ? n : filled;
		done = sendmmsg(fd, f->messages, n, 0);
		if (done > 0)
			sent += (uint64_t)done;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR) {
			perror("sendmmsg");
			exit(1);
		}
	}
	return sent;
}

static void read_mac(const char *text, uint8_t mac[6])
{
	unsigned int b[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		exit(2);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
}

static uint32_t address(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		exit(2);
	return ntohl(a.s_addr);
}

int main(int argc, char **argv)
{
	struct options o = { .n_sources = 1, .port = 9, .seconds = 1e9, .bytes = 60 };
	static struct frames frames;
	struct sockaddr_ll to;
	double begin;
	uint64_t sent;
	int opt, fd;

	while ((opt = getopt(argc, argv, "i:m:s:S:d:p:r:t:n:l:y")) != -1) {
		switch (opt) {
		case 'i':
			o.iface = optarg;
			break;
		case 'm':
			read_mac(optarg, o.mac);
			break;
		case 's':
			o.source = address(optarg);
			break;
		case 'S':
			o.n_sources = (uint32_t)atoi(optarg);
			break;
		case 'd':
			o.destination = address(optarg);
			break;
		case 'p':
			o.port = (uint16_t)atoi(optarg);
			break;
		case 'r':
			o.rate = atof(optarg);
			break;
		case 't':
			o.seconds = atof(optarg);
			break;
		case 'n':
			o.count = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			o.bytes = (size_t)atoi(optarg);
			break;
		case 'y':
			o.syn = true;
			break;
		default:
			return 2;
		}
	}
	if (!o.iface || o.bytes > FRAME_MAX || o.bytes < 60)
		return 2;
	fd = open_socket(&o, &to);
	prepare(&frames, &to, o.bytes);
	printf("ready\n");
	fflush(stdout);
	begin = now();
	sent = run(&o, fd, &frames, begin);
	printf("{\"sent\":%llu,\"seconds\":%.6f}\n", (unsigned long long)sent, now() - begin);
	return 0;
}
