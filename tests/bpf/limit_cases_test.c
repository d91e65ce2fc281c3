// SPDX-License-Identifier: Apache-2.0
/*
 * What the limiter's program does with packets at the bounds of what it reads, and with time:
 * leases, ends of rules, rates to the packet, generations that change under traffic.
 */
#include "tests/bpf/limit_frames.h"

#include <pthread.h>

#include "agent/limit/packet.h"

enum { LINES = 1 << 12, SWAPS = 200 };

/* One rule for everything: RATE a second, BURST at once. */
static void one_rule(struct bed *b, uint32_t id, uint64_t rate, uint64_t burst, uint64_t expires)
{
	struct sonde_limit_probe_rule r = { .id = id,
					    .ifindex = BED_LOOPBACK,
					    .rate = rate,
					    .burst = burst,
					    .expires_ns = expires };

	bed_apply(b, &(struct sonde_limit_probe_set){ .rules = &r, .n_rules = 1 });
}

static void plain(struct frame *f, uint32_t source)
{
	frame_ether(f);
	frame_ipv4(f, source, 0, 0);
	frame_tcp(f, 80, 0x10, "");
}

/* How many of N packets of F pass. */
static uint32_t passing(const struct bed *b, const struct frame *f, uint32_t n)
{
	uint32_t passed = 0;

	for (uint32_t i = 0; i < n; i++)
		passed += bed_run(b, f->at, f->len) == BED_PASS;
	return passed;
}

/* Every cut of F from the Ethernet header on is taken for what the model takes it for. */
static void read_every_cut(const struct bed *b, const struct frame *f)
{
	for (size_t len = 14; len <= f->len; len++) {
		uint64_t malformed = bed_counts(b).packets[SONDE_XDP_MALFORMED];
		uint64_t asked = bed_counts(b).packets[SONDE_XDP_PASSED];
		struct sonde_limit_packet p;

		sonde_limit_packet_read(sonde_slice_of(f->at, len), (uint32_t)len, &p);
		assert_int_equal(bed_run(b, f->at, len), BED_PASS);
		assert_int_equal(bed_counts(b).packets[SONDE_XDP_MALFORMED] - malformed,
				 p.kind == SONDE_LIMIT_MALFORMED);
		assert_int_equal(bed_counts(b).packets[SONDE_XDP_PASSED] - asked,
				 p.kind == SONDE_LIMIT_IP);
	}
}

static void headers_of_every_depth_and_length_are_read_at_every_cut(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b, LINES);
	one_rule(&b, 1, 1000000, 100000, UINT64_MAX);
	for (unsigned int tags = 0; tags <= SONDE_XDP_VLANS + 1; tags++)
		for (unsigned int options = 0; options <= 10; options += 5)
			for (uint32_t fragment = 0; fragment < 3; fragment++) {
				struct frame f;

				frame_ether(&f);
				for (unsigned int i = 0; i < tags; i++)
					frame_vlan(&f, i ? 0x8100 : 0x88a8);
				frame_ipv4(&f, 1, options, fragment == 2 ? 0x2000 : fragment);
				frame_tcp(&f, 80, 0x02, "GET /");
				read_every_cut(&b, &f);
			}
	bed_close(&b);
}

static void chains_of_extension_headers_are_followed_to_the_eighth(void **state)
{
	static const uint8_t kinds[] = { 0, 43, 60, 51, 135, 139, 140, 44 };
	struct bed b;

	(void)state;
	bed_open(&b, LINES);
	one_rule(&b, 1, 1000000, 100000, UINT64_MAX);
	for (unsigned int n = 0; n <= SONDE_XDP_EXTENSIONS + 1; n++) {
		struct frame f;

		frame_ether(&f);
		frame_ipv6(&f, 1);
		for (unsigned int i = 0; i < n; i++)
			frame_extension(&f, kinds[i % sizeof(kinds)], (uint8_t)(i % 3));
		frame_udp(&f, 9, 53);
		read_every_cut(&b, &f);
	}
	bed_close(&b);
}

static void a_rate_holds_to_the_packet(void **state)
{
	static const uint64_t rates[] = { 10, 1000, 1000000 };
	struct frame f;

	(void)state;
	plain(&f, 1);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t gap = BED_SECOND / rates[i];
		uint32_t passed = 0;
		struct bed b;

		bed_open(&b, LINES);
		one_rule(&b, 1, rates[i], 5, UINT64_MAX);
		assert_int_equal(passing(&b, &f, 9), 5); /* the burst, and no more */
		for (int k = 0; k < 1000; k++) {	 /* four times as fast as the rule */
			b.control->test_now_ns += gap / 4;
			passed += passing(&b, &f, 1);
		}
		assert_int_equal(passed, 250);
		b.control->test_now_ns += 5 * gap;
		for (int k = 0; k < 100; k++) { /* within it: nothing is lost */
			b.control->test_now_ns += gap;
			assert_int_equal(passing(&b, &f, 1), 1);
		}
		assert_int_equal(bed_rule(&b, 1).passed, 5 + 250 + 100);
		assert_int_equal(bed_rule(&b, 1).limited, 4 + 750);
		bed_close(&b);
	}
}

static void rules_end_with_their_time_and_with_the_lease(void **state)
{
	struct frame f;
	struct bed b;

	(void)state;
	plain(&f, 1);
	bed_open(&b, LINES);
	one_rule(&b, 1, 1, 1, BED_START + BED_SECOND);
	assert_int_equal(passing(&b, &f, 5), 1);
	b.control->lease_ns = BED_START;
	assert_int_equal(passing(&b, &f, 5), 5);
	assert_int_equal(bed_counts(&b).packets[SONDE_XDP_UNLEASED], 5);
	b.control->lease_ns = BED_START + 1;
	assert_int_equal(passing(&b, &f, 5), 0);
	b.control->lease_ns = UINT64_MAX;
	b.control->test_now_ns = BED_START + BED_SECOND - 1;
	assert_int_equal(passing(&b, &f, 5), 0);
	b.control->test_now_ns++;
	assert_int_equal(passing(&b, &f, 5), 5);
	bed_close(&b);
}

/* Two lines hold fourteen buckets: what is beyond them is shared, held back and counted. */
static void more_sources_than_buckets_are_still_held_back(void **state)
{
	struct sonde_xdp_iface_counts counts;
	uint32_t passed = 0;
	struct frame f;
	struct bed b;

	(void)state;
	bed_open(&b, 2);
	one_rule(&b, 1, 1, 1, UINT64_MAX);
	for (uint32_t source = 0; source < 1000; source++) {
		plain(&f, source);
		passed += passing(&b, &f, 1);
	}
	counts = bed_counts(&b);
	assert_int_equal(passed, 2 * SONDE_XDP_WAYS);
	assert_int_equal(counts.crowded, 1000 - 2 * SONDE_XDP_WAYS);
	b.control->test_now_ns += BED_SECOND; /* all idle: whoever comes may have them */
	plain(&f, 5000);
	assert_int_equal(passing(&b, &f, 3), 1);
	bed_close(&b);
}

struct traffic {
	const struct bed *b;
	bool ended;
	uint32_t wrong;
};

static void *send_on(void *arg)
{
	struct traffic *t = arg;
	struct frame f;

	plain(&f, 1);
	while (!__atomic_load_n(&t->ended, __ATOMIC_ACQUIRE))
		t->wrong += bed_run(t->b, f.at, f.len) != BED_DROP;
	return NULL;
}

/* Both sets drop all of this source; half a set, or none, would let something pass. */
static void generations_change_under_traffic_without_a_gap(void **state)
{
	struct traffic t = { 0 };
	pthread_t thread;
	struct frame f;
	struct bed b;

	(void)state;
	plain(&f, 1);
	bed_open(&b, LINES);
	one_rule(&b, 1, 1, 1, UINT64_MAX);
	assert_int_equal(passing(&b, &f, 3), 1);
	t.b = &b;
	assert_int_equal(pthread_create(&thread, NULL, send_on, &t), 0);
	for (int i = 0; i < SWAPS; i++)
		one_rule(&b, 1, 1, 1, UINT64_MAX);
	__atomic_store_n(&t.ended, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(t.wrong, 0);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_of_every_depth_and_length_are_read_at_every_cut),
		cmocka_unit_test(chains_of_extension_headers_are_followed_to_the_eighth),
		cmocka_unit_test(a_rate_holds_to_the_packet),
		cmocka_unit_test(rules_end_with_their_time_and_with_the_lease),
		cmocka_unit_test(more_sources_than_buckets_are_still_held_back),
		cmocka_unit_test(generations_change_under_traffic_without_a_gap),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
