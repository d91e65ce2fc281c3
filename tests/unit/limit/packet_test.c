// SPDX-License-Identifier: Apache-2.0
/*
 * A packet is read to where the limiter reads it, within its bytes, and never beyond them.
 */
#include "agent/limit/packet.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/guard.h"

enum { ROOM = 512 };

/* A frame being put together. */
struct frame {
	uint8_t bytes[ROOM];
	size_t len;
};

static void put(struct frame *f, const char *hex)
{
	for (; *hex; hex++) {
		unsigned int v = (unsigned int)(*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);

		if (*hex == ' ')
			continue;
		if (f->len % 2 == 0)
			f->bytes[f->len / 2] = (uint8_t)(v << 4);
		else
			f->bytes[f->len / 2] |= (uint8_t)v;
		f->len++;
	}
}

#define MACS			 "020000000001 020000000002 "
#define SRC4			 "c0000207 " /* 192.0.2.7 */
#define DST4			 "c6336401 "
#define SRC6			 "20010db8000000000000000000000007 "
#define DST6			 "20010db8000000000000000000000001 "
#define IP4(proto, frag)	 "45000028 0001" frag " 40" proto "0000 " SRC4 DST4
#define IP6(next)		 "60000000 0014" next "40 " SRC6 DST6
#define TCP(flags)		 "1388 01bb 00000001 00000000 50" flags "ffff 00000000 "
#define UDP(source, destination) source destination "0008 0000 "

static struct sonde_limit_packet look(const char *hex)
{
	struct guard g = guard_new(ROOM);
	struct sonde_limit_packet p;
	struct frame f = { .len = 0 };

	put(&f, hex);
	sonde_limit_packet_read(guard_put(&g, sonde_slice_of(f.bytes, f.len / 2)),
				(uint32_t)(f.len / 2), &p);
	guard_free(&g);
	return p;
}

static void tcp_has_a_port_and_says_what_it_begins(void **state)
{
	struct sonde_limit_packet p = look(MACS "0800 " IP4("06", "0000") TCP("02"));
	static const uint8_t source[16] = { [10] = 0xff, 0xff, 192, 0, 2, 7 };

	(void)state;
	assert_int_equal(p.kind, SONDE_LIMIT_IP);
	assert_memory_equal(p.source, source, 16);
	assert_false(p.v6);
	assert_true(p.has_port && p.opens);
	assert_false(p.begins_request);
	assert_int_equal(p.port, 443);
	assert_int_equal(p.bytes, 54);
	assert_false(look(MACS "0800 " IP4("06", "0000") TCP("12")).opens);
	assert_true(look(MACS "0800 " IP4("06", "0000") TCP("18") "474554202f").begins_request);
	assert_false(look(MACS "0800 " IP4("06", "0000") TCP("18") "474554").begins_request);
	/* Not the header length, nor the payload behind it, may lead out of the packet. */
	assert_false(
		look(MACS "0800 " IP4(
			     "06", "0000") "1388 01bb 00000001 00000000 f018ffff 00000000 47455420")
			.begins_request);
}

static void headers_of_every_length_are_passed_over(void **state)
{
	(void)state;
	for (int words = 5; words <= 15; words++) {
		struct guard g = guard_new(ROOM);
		struct frame f = { .len = 0 };
		struct sonde_limit_packet p;

		put(&f, MACS "0800 " IP4("06", "0000"));
		f.bytes[14] = (uint8_t)(0x40 | words);
		for (int i = 5; i < words; i++)
			put(&f, "01010101");
		put(&f, TCP("02"));
		sonde_limit_packet_read(guard_put(&g, sonde_slice_of(f.bytes, f.len / 2)), 99, &p);
		assert_int_equal(p.kind, SONDE_LIMIT_IP);
		assert_int_equal(p.port, 443);
		assert_int_equal(p.bytes, 99);
		guard_free(&g);
	}
}

static void up_to_four_tags_are_passed_over(void **state)
{
	(void)state;
	assert_int_equal(look(MACS "8100 0001 0800 " IP4("06", "0000") TCP("02")).port, 443);
	assert_int_equal(look(MACS "88a8 0001 8100 0002 9100 0003 8100 0004 0800 " IP4("06", "0000")
				      TCP("02"))
				 .port,
			 443);
	assert_int_equal(look(MACS "8100 0001 8100 0002 8100 0003 8100 0004 8100 0005 0800 " IP4(
				      "06", "0000") TCP("02"))
				 .kind,
			 SONDE_LIMIT_MALFORMED);
}

static void a_later_fragment_has_no_port(void **state)
{
	struct sonde_limit_packet first = look(MACS "0800 " IP4("11", "2000") UDP("1388", "0035")),
				  later = look(MACS "0800 " IP4("11", "2001") UDP("1388", "0035"));

	(void)state;
	assert_true(first.has_port);
	assert_int_equal(first.port, 53);
	assert_false(later.has_port);
	assert_int_equal(later.kind, SONDE_LIMIT_IP);
	assert_int_equal(later.protocol, 17);
	first = look(MACS "86dd " IP6("2c") "11000001 00000001" UDP("1388", "0035"));
	later = look(MACS "86dd " IP6("2c") "11000008 00000001" UDP("1388", "0035"));
	assert_int_equal(first.port, 53);
	assert_false(later.has_port);
	assert_int_equal(later.protocol, 17);
}

static void up_to_eight_extension_headers_are_passed_over(void **state)
{
	(void)state;
	for (int n = 0; n <= 9; n++) {
		struct frame f = { .len = 0 };
		struct sonde_limit_packet p;

		put(&f, MACS "86dd ");
		put(&f, n ? IP6("3c") : IP6("06"));
		for (int i = 0; i < n; i++)
			put(&f, i == n - 1 ? "06000000 00000000" : "3c000000 00000000");
		put(&f, TCP("02"));
		sonde_limit_packet_read(sonde_slice_of(f.bytes, f.len / 2), 0, &p);
		assert_int_equal(p.kind, n <= 8 ? SONDE_LIMIT_IP : SONDE_LIMIT_MALFORMED);
		assert_int_equal(p.port, n <= 8 ? 443 : 0);
		assert_true(p.v6);
	}
}

static void what_the_network_needs_is_told_apart(void **state)
{
	(void)state;
	assert_int_equal(look(MACS "0806 0001").kind, SONDE_LIMIT_NEIGHBOUR);
	assert_int_equal(look(MACS "86dd " IP6("3a") "87000000 00000000").kind,
			 SONDE_LIMIT_NEIGHBOUR);
	assert_int_equal(look(MACS "86dd " IP6("3a") "80000000 00000000").kind, SONDE_LIMIT_IP);
	assert_int_equal(look(MACS "0800 " IP4("11", "0000") UDP("0043", "0044")).kind,
			 SONDE_LIMIT_DHCP);
	assert_int_equal(look(MACS "86dd " IP6("11") UDP("0223", "0222")).kind, SONDE_LIMIT_DHCP);
	assert_int_equal(look(MACS "0800 " IP4("11", "0000") UDP("0035", "0044")).kind,
			 SONDE_LIMIT_IP);
	assert_int_equal(look(MACS "88cc 0207").kind, SONDE_LIMIT_OTHER);
	assert_int_equal(look(MACS "0800 35000028").kind, SONDE_LIMIT_MALFORMED);
	assert_int_equal(look(MACS "0800 44000028 00010000 40060000" SRC4 DST4).kind,
			 SONDE_LIMIT_MALFORMED);
}

static void a_cut_header_is_malformed_but_for_a_first_fragment_it_has_no_port(void **state)
{
	struct sonde_limit_packet p = look(MACS "0800 " IP4("06", "2000") "138801bb00000001 ");

	(void)state;
	assert_int_equal(p.kind, SONDE_LIMIT_IP);
	assert_false(p.has_port);
	p = look(MACS "0800 " IP4("06", "0000") "138801bb00000001 ");
	assert_int_equal(p.kind, SONDE_LIMIT_MALFORMED);
	p = look(MACS "86dd " IP6("2c") "1100000100000000 138801bb ");
	assert_int_equal(p.kind, SONDE_LIMIT_IP);
	assert_false(p.has_port);
	p = look(MACS "86dd " IP6("3c") "06 "); /* one byte of an extension header */
	assert_int_equal(p.kind, SONDE_LIMIT_MALFORMED);
}

static void every_prefix_is_read_within_its_bytes(void **state)
{
	static const char *const frames[] = {
		MACS "8100 0001 0800 " IP4("06", "0000") TCP("18") "474554202f",
		MACS "0800 " IP4("11", "0000") UDP("1388", "0035"),
		MACS
		"86dd " IP6("00") "3c000000 00000000 2c000000 00000000 06000000 00000000" TCP("02"),
		MACS "86dd " IP6("3a") "87000000 00000000",
	};
	struct guard g = guard_new(ROOM);

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct frame f = { .len = 0 };
		struct sonde_limit_packet p;

		put(&f, frames[i]);
		for (size_t len = 0; len <= f.len / 2; len++) {
			sonde_limit_packet_read(guard_put(&g, sonde_slice_of(f.bytes, len)), 0, &p);
			assert_true(p.kind < SONDE_LIMIT_KINDS);
			if (len < 34)
				assert_int_not_equal(p.kind, SONDE_LIMIT_IP);
			for (size_t at = 0; at < len; at++) {
				struct frame m = f;

				m.bytes[at] ^= 0xff;
				sonde_limit_packet_read(guard_put(&g, sonde_slice_of(m.bytes, len)),
							0, &p);
				assert_true(p.kind < SONDE_LIMIT_KINDS);
			}
		}
	}
	guard_free(&g);
}

static void a_packet_can_be_described(void **state)
{
	static const char *const bad[] = { "",
					   "proto=tcp",
					   "src=host",
					   "src=10.0.0.1,x",
					   "src=10.0.0.1,dport=65536",
					   "src=10.0.0.1,proto=sctp",
					   "src=10.0.0.1,len=a",
					   "00x1" };
	struct sonde_limit_packet p;

	(void)state;
	assert_null(sonde_limit_packet_parse(
		SONDE_SLICE_LIT("src=192.0.2.7, proto=tcp, dport=443, syn, len=74"), &p));
	assert_true(p.opens && p.has_port && !p.v6);
	assert_int_equal(p.port, 443);
	assert_int_equal(p.bytes, 74);
	assert_int_equal(p.protocol, 6);
	assert_null(sonde_limit_packet_parse(SONDE_SLICE_LIT("src=2001:db8::7,proto=icmp"), &p));
	assert_true(p.v6 && p.protocol == 58);
	assert_null(sonde_limit_packet_parse(SONDE_SLICE_LIT("src=10.0.0.1,syn"), &p));
	assert_int_equal(p.protocol, 6);
	assert_null(sonde_limit_packet_parse(SONDE_SLICE_LIT("02:00:00:00:00:01 020000000002 0806"),
					     &p));
	assert_int_equal(p.kind, SONDE_LIMIT_NEIGHBOUR);
	assert_int_equal(p.bytes, 14);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(sonde_limit_packet_parse(sonde_slice_str(bad[i]), &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_has_a_port_and_says_what_it_begins),
		cmocka_unit_test(headers_of_every_length_are_passed_over),
		cmocka_unit_test(up_to_four_tags_are_passed_over),
		cmocka_unit_test(a_later_fragment_has_no_port),
		cmocka_unit_test(up_to_eight_extension_headers_are_passed_over),
		cmocka_unit_test(what_the_network_needs_is_told_apart),
		cmocka_unit_test(a_cut_header_is_malformed_but_for_a_first_fragment_it_has_no_port),
		cmocka_unit_test(every_prefix_is_read_within_its_bytes),
		cmocka_unit_test(a_packet_can_be_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
