// SPDX-License-Identifier: Apache-2.0
/*
 * Capture files in every byte order and resolution are read packet by packet; a cut one says so.
 */
#include "agent/limit/pcap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/guard.h"

enum { ROOM = 256 };

struct file {
	uint8_t bytes[ROOM];
	size_t len;
	bool big;
};

static void put(struct file *f, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		f->bytes[f->len++] = (uint8_t)(v >> 8 * (f->big ? 3 - i : i));
}

static struct file make(uint32_t magic, bool big, uint32_t link)
{
	struct file f = { .big = big };

	put(&f, magic);
	put(&f, 0x00040002);
	put(&f, 0);
	put(&f, 0);
	put(&f, 65535);
	put(&f, link);
	for (uint32_t i = 1; i <= 2; i++) {
		put(&f, i);
		put(&f, 500 * i);
		put(&f, 6);
		put(&f, 60);
		memset(f.bytes + f.len, (int)i, 6);
		f.len += 6;
	}
	return f;
}

static void both_byte_orders_and_resolutions_are_read(void **state)
{
	static const struct {
		uint32_t magic;
		bool big;
		uint64_t second_ns;
	} rows[] = { { 0xa1b2c3d4, false, 2001000000 },
		     { 0xa1b2c3d4, true, 2001000000 },
		     { 0xa1b23c4d, false, 2000001000 },
		     { 0xa1b23c4d, true, 2000001000 } };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct file f = make(rows[i].magic, rows[i].big, 1);
		struct sonde_pcap p;
		struct sonde_pcap_packet packet;

		assert_null(sonde_pcap_open(sonde_slice_of(f.bytes, f.len), &p));
		assert_int_equal(sonde_pcap_next(&p, &packet), 22);
		assert_int_equal(packet.bytes.len, 6);
		assert_int_equal(packet.wire_bytes, 60);
		assert_int_equal(packet.bytes.ptr[0], 1);
		assert_false(packet.is_ip);
		assert_int_equal(sonde_pcap_next(&p, &packet), 22);
		assert_int_equal(packet.time_ns, rows[i].second_ns);
		assert_int_equal(sonde_pcap_next(&p, &packet), 0);
	}
}

static void link_types_decide_where_ip_begins(void **state)
{
	struct sonde_pcap p;
	struct sonde_pcap_packet packet;
	struct file raw = make(0xa1b2c3d4, false, 101), null = make(0xa1b2c3d4, false, 0),
		    odd = make(0xa1b2c3d4, false, 127);

	(void)state;
	assert_null(sonde_pcap_open(sonde_slice_of(raw.bytes, raw.len), &p));
	assert_true(sonde_pcap_next(&p, &packet) > 0 && packet.is_ip && packet.bytes.len == 6);
	assert_null(sonde_pcap_open(sonde_slice_of(null.bytes, null.len), &p));
	assert_true(sonde_pcap_next(&p, &packet) > 0 && packet.is_ip && packet.bytes.len == 2);
	assert_non_null(sonde_pcap_open(sonde_slice_of(odd.bytes, odd.len), &p));
	assert_non_null(sonde_pcap_open(SONDE_SLICE_LIT("no capture file at all ..."), &p));
}

static void every_prefix_ends_at_a_packet_or_says_that_it_is_cut(void **state)
{
	struct file f = make(0xa1b2c3d4, false, 1);
	struct guard g = guard_new(ROOM);

	(void)state;
	for (size_t len = 0; len <= f.len; len++) {
		struct sonde_pcap p;
		struct sonde_pcap_packet packet;
		int n;

		if (sonde_pcap_open(guard_put(&g, sonde_slice_of(f.bytes, len)), &p)) {
			assert_true(len < 24);
			continue;
		}
		while ((n = sonde_pcap_next(&p, &packet)) > 0)
			continue;
		assert_int_equal(n, (len - 24) % 22 == 0 ? 0 : -EPROTO);
	}
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_byte_orders_and_resolutions_are_read),
		cmocka_unit_test(link_types_decide_where_ip_begins),
		cmocka_unit_test(every_prefix_ends_at_a_packet_or_says_that_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
