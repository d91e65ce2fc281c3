// SPDX-License-Identifier: Apache-2.0
/*
 * Crafted packets through BPF_PROG_TEST_RUN: whatever the headers, the verdict is to let it pass,
 * and the payload is found behind them.
 */
#include "tests/bpf/bed.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>

#define PAYLOAD "GET /crafted HTTP/1.1\r\nHost: x\r\n\r\n"

enum { PACKET_MAX = 1024, PASS = 1 };

/* A packet with an Ethernet header in front, as test runs want it. */
struct packet {
	uint8_t bytes[PACKET_MAX];
	size_t len;
};

static void put(struct packet *p, const void *bytes, size_t len)
{
	assert_true(p->len + len <= PACKET_MAX);
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

static void put_zeros(struct packet *p, size_t len)
{
	assert_true(p->len + len <= PACKET_MAX);
	memset(p->bytes + p->len, 0, len);
	p->len += len;
}

static void put_ethernet(struct packet *p, uint16_t type)
{
	struct ether_header h = { .ether_type = htons(type) };

	p->len = 0;
	put(p, &h, sizeof(h));
}

/* With OPTIONS 32-bit words of options. */
static void put_ipv4(struct packet *p, uint8_t protocol, unsigned int options)
{
	struct iphdr h = { .version = 4, .ttl = 64, .protocol = protocol };

	h.ihl = (5 + options) & 15;
	put_ethernet(p, ETHERTYPE_IP);
	put(p, &h, sizeof(h));
	put_zeros(p, 4 * options);
}

static void put_ipv6(struct packet *p, uint8_t next)
{
	struct ip6_hdr h = { .ip6_nxt = next, .ip6_hops = 64 };

	h.ip6_vfc = 0x60;
	put_ethernet(p, ETHERTYPE_IPV6);
	put(p, &h, sizeof(h));
}

/* An extension header of 8 + 8 * MORE bytes. */
static void put_extension(struct packet *p, uint8_t next, uint8_t more)
{
	uint8_t h[2] = { next, more };

	put(p, h, sizeof(h));
	put_zeros(p, 6 + 8 * (size_t)more);
}

/* With OPTIONS words, and PAYLOAD. */
static void put_tcp(struct packet *p, unsigned int options, unsigned int doff)
{
	struct tcphdr h = { .source = htons(1), .dest = htons(2), .seq = htonl(7), .ack = 1 };

	h.doff = doff & 15;
	put(p, &h, sizeof(h));
	put_zeros(p, 4 * options);
	put(p, PAYLOAD, strlen(PAYLOAD));
}

static int program_fd(struct bed *b, const char *name)
{
	struct sonde_kernel_status s;

	sonde_probe_status(b->probe, &s);
	for (uint32_t i = 0; i < s.n_programs; i++)
		if (!strcmp(s.programs[i].name, name))
			return bpf_prog_get_fd_by_id(s.programs[i].id);
	fail_msg("no program %s", name);
	return -1;
}

/* The verdict on the first LEN bytes of P, or -1 when the kernel refuses to run so short a one. */
static int verdict(int fd, struct packet *p, size_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->bytes, .data_size_in = (uint32_t)len);
	int err = bpf_prog_test_run_opts(fd, &opts);

	if (err == -EINVAL)
		return -1;
	assert_int_equal(err, 0);
	return (int)opts.retval;
}

/* Both programs let P pass, whole and cut at every byte. */
static void check_passes(struct bed *b, struct packet *p)
{
	static const char *const names[] = { "sonde_ingress", "sonde_egress" };
	size_t ran = 0;

	for (int i = 0; i < 2; i++) {
		int fd = program_fd(b, names[i]);

		assert_true(fd >= 0);
		assert_int_equal(verdict(fd, p, p->len), PASS);
		for (size_t len = 0; len < p->len; len++) {
			int v = verdict(fd, p, len);

			assert_true(v == PASS || (v == -1 && len < 64));
			ran += v == PASS;
		}
		close(fd);
	}
	assert_true(ran > 0);
}

/* Nothing with a port is watched: all data records count. */
static void keep_all(void *ctx, struct sonde_slice raw)
{
	struct bed *b = ctx;
	struct sonde_record r;

	b->read[sonde_reader_kind(raw)]++;
	assert_int_equal(sonde_reader_decode(raw, &r), 0);
	if (r.kind != SONDE_KIND_DATA ||
	    !sonde_slice_eq(r.data.payload, sonde_slice_of(PAYLOAD, strlen(PAYLOAD))))
		return;
	assert_int_equal(r.data.segment_len, strlen(PAYLOAD));
	b->n++;
}

/* Runs P once each way: its payload must be found, or must not (FOUND 0). */
static void check_payload(struct bed *b, struct packet *p, size_t found)
{
	int in = program_fd(b, "sonde_ingress"), out = program_fd(b, "sonde_egress");

	sonde_ring_drain(&b->ring, 4096, keep_all, b);
	b->n = 0;
	assert_int_equal(verdict(in, p, p->len), PASS);
	assert_int_equal(verdict(out, p, p->len), PASS);
	sonde_ring_drain(&b->ring, 4096, keep_all, b);
	assert_int_equal(b->n, found);
	close(in);
	close(out);
}

static int setup(void **state)
{
	struct bed *b = bed_new();

	bed_load(b); /* not attached: no other packet comes this way */
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bed_free(*state);
	return 0;
}

static void plain_tcp_over_ipv4_and_ipv6(void **state)
{
	struct packet p;

	put_ipv4(&p, IPPROTO_TCP, 0);
	put_tcp(&p, 0, 5);
	check_payload(*state, &p, 2);
	check_passes(*state, &p);
	put_ipv6(&p, IPPROTO_TCP);
	put_tcp(&p, 0, 5);
	check_payload(*state, &p, 2);
	check_passes(*state, &p);
}

static void ipv4_options_and_tcp_options_are_stepped_over(void **state)
{
	struct packet p;

	for (unsigned int options = 1; options <= 10; options++) {
		put_ipv4(&p, IPPROTO_TCP, options);
		put_tcp(&p, options, 5 + options);
		check_payload(*state, &p, 2);
	}
	check_passes(*state, &p);
}

static void ipv6_extension_headers_are_stepped_over(void **state)
{
	struct packet p;

	put_ipv6(&p, IPPROTO_HOPOPTS);
	put_extension(&p, IPPROTO_ROUTING, 1);
	put_extension(&p, IPPROTO_DSTOPTS, 2);
	put_extension(&p, IPPROTO_TCP, 0);
	put_tcp(&p, 3, 8);
	check_payload(*state, &p, 2);
	check_passes(*state, &p);
}

static void headers_that_make_no_sense_pass_unseen(void **state)
{
	static const uint8_t others[] = { IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ESP, 255 };
	struct packet p;

	for (size_t i = 0; i < sizeof(others); i++) {
		put_ipv4(&p, others[i], 0);
		put_tcp(&p, 0, 5);
		check_payload(*state, &p, 0);
		put_ipv6(&p, others[i]);
		put_tcp(&p, 0, 5);
		check_payload(*state, &p, 0);
	}
	/* More extension headers than are walked, and one that leads far out of the packet. */
	put_ipv6(&p, IPPROTO_HOPOPTS);
	for (int i = 0; i < 8; i++)
		put_extension(&p, IPPROTO_DSTOPTS, 0);
	put_extension(&p, IPPROTO_TCP, 0);
	put_tcp(&p, 0, 5);
	check_payload(*state, &p, 0);
	check_passes(*state, &p);
	put_ipv6(&p, IPPROTO_HOPOPTS);
	put_extension(&p, IPPROTO_TCP, 0);
	p.bytes[sizeof(struct ether_header) + sizeof(struct ip6_hdr) + 1] = 255;
	put_tcp(&p, 0, 5);
	check_payload(*state, &p, 0);
	check_passes(*state, &p);
	put_ethernet(&p, ETHERTYPE_ARP);
	put_zeros(&p, 100);
	check_passes(*state, &p);
}

/* Every length of both headers: the program may see nonsense, but nothing is altered or dropped. */
static void every_header_length_passes(void **state)
{
	struct packet p;
	int fd = program_fd(*state, "sonde_ingress");

	for (unsigned int i = 0; i < 256; i++) {
		put_ipv4(&p, IPPROTO_TCP, 0);
		put_tcp(&p, 0, i >> 4);
		p.bytes[sizeof(struct ether_header)] = (uint8_t)(0x40 | (i & 15));
		assert_int_equal(verdict(fd, &p, p.len), PASS);
	}
	close(fd);
}

static void tcp_headers_that_are_cut_are_counted(void **state)
{
	struct bed *b = *state;
	struct sonde_kernel_status s;
	struct packet p;
	int fd = program_fd(b, "sonde_ingress");

	put_ipv4(&p, IPPROTO_TCP, 10);
	put_tcp(&p, 0, 5);
	assert_int_equal(verdict(fd, &p, sizeof(struct ether_header) + 60 + 19), PASS);
	sonde_probe_status(b->probe, &s);
	assert_int_equal(s.headers_odd, 1);
	assert_int_equal(verdict(fd, &p, sizeof(struct ether_header) + 60 + 20), PASS);
	sonde_probe_status(b->probe, &s);
	assert_int_equal(s.headers_odd, 1);
	close(fd);
}

#define BED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(plain_tcp_over_ipv4_and_ipv6),
		BED_TEST(ipv4_options_and_tcp_options_are_stepped_over),
		BED_TEST(ipv6_extension_headers_are_stepped_over),
		BED_TEST(headers_that_make_no_sense_pass_unseen),
		BED_TEST(every_header_length_passes),
		BED_TEST(tcp_headers_that_are_cut_are_counted),
	};

	return cmocka_run_group_tests_name("packets", tests, NULL, NULL);
}
