// SPDX-License-Identifier: Apache-2.0
/*
 * gun - sends packets faster than a socket can, for limiters to be held against.
 *
 *   gun OBJECT IFACE DST_MAC DESTINATION
 *
 * OBJECT is gun.bpf.c compiled; it is run over live frames (BPF_PROG_TEST_RUN, 5.18), which go out
 * of IFACE, a veth, in batches that its peer's NAPI handles on the same CPU before the next one is
 * made. So hardly any is lost on the way (a busy machine may leave that to ksoftirqd, too late for
 * the 256 that a veth holds), and the time for N packets is that of making and handling them. UDP of 60 bytes; command on stdin, the answer is nanoseconds:
 *
 *   fire N SOURCES PORT   N packets; SOURCES, a power of two, from 10.0.0.0 on, take turns
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct frame {
	struct ether_header ether;
	struct iphdr ip;
	struct udphdr udp;
	char payload[18];
} __attribute__((packed));

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t) ~(sum + (sum >> 16)));
}

static void make_frame(struct frame *f, const char *mac, const char *destination)
{
	const struct ether_addr *to = ether_aton(mac);

	*f = (struct frame){ 0 };
	if (!to || inet_pton(AF_INET, destination, &f->ip.daddr) != 1)
		errx(2, "%s, %s: no addresses", mac, destination);
	memcpy(f->ether.ether_dhost, to, sizeof(f->ether.ether_dhost));
	f->ether.ether_shost[0] = 2;
	f->ether.ether_type = htons(ETHERTYPE_IP);
	f->ip.version = 4;
	f->ip.ihl = sizeof(f->ip) / 4;
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_UDP;
	f->ip.tot_len = htons(sizeof(*f) - sizeof(f->ether));
	f->ip.check = checksum(&f->ip, sizeof(f->ip));
	f->udp.len = htons(sizeof(f->udp) + sizeof(f->payload));
}

static uint64_t fire(int program, int map, uint32_t ifindex, struct frame *f, uint32_t n,
		     uint32_t sources)
{
	struct xdp_md md = { .data_end = sizeof(*f), .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f, .data_size_in = sizeof(*f),
		    .ctx_in = &md, .ctx_size_in = sizeof(md), .repeat = (int)n,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	const uint32_t one = 1, last = sources - 1;
	uint64_t begin;

	if (bpf_map_update_elem(map, &one, &last, BPF_ANY))
		err(1, "map");
	begin = now_ns();
	if (bpf_prog_test_run_opts(program, &opts))
		err(1, "live frames");
	return now_ns() - begin;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;
	uint32_t ifindex, n, sources, port;
	struct frame f;
	char line[64];
	int map;

	if (argc != 5)
		errx(2, "usage: gun OBJECT IFACE DST_MAC DESTINATION");
	ifindex = if_nametoindex(argv[2]);
	if (!ifindex)
		err(1, "%s", argv[2]);
	make_frame(&f, argv[3], argv[4]);
	object = bpf_object__open(argv[1]);
	if (!object || bpf_object__load(object))
		errx(1, "%s: cannot be loaded", argv[1]);
	program = bpf_object__find_program_by_name(object, "fire");
	map = bpf_object__find_map_fd_by_name(object, "gun");
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "fire %u %u %u", &n, &sources, &port) != 3)
			errx(2, "%s: no command", line);
		f.udp.dest = htons((uint16_t)port);
		printf("%llu\n", (unsigned long long)fire(bpf_program__fd(program), map, ifindex,
							  &f, n, sources));
		fflush(stdout);
	}
	bpf_object__close(object);
	return 0;
}
