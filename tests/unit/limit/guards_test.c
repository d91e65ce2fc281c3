// SPDX-License-Identifier: Apache-2.0
/*
 * Gateways, resolvers and the far end of an SSH session are found in what the node says of itself.
 */
#include "agent/limit/guards.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/guard.h"

struct found {
	char text[512]; /* the addresses, each with a blank behind it */
	size_t len;
};

static void note(void *ctx, const uint8_t address[16])
{
	struct found *f = ctx;

	inet_ntop(AF_INET6, address, f->text + f->len, (socklen_t)(sizeof(f->text) - f->len));
	f->len += strlen(f->text + f->len);
	f->text[f->len++] = ' ';
	f->text[f->len] = '\0';
}

static const char routes_v4[] =
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	"eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	"eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
	"eth1\t00000000\t00000000\t0001\t0\t0\t5\t00000000\t0\t0\t0\n"
	"eth2\t00000000\tFE0200C0\t0003\t0\t0\t9\t00000000\t0\t0\t0\n"
	"eth2\t0000000A\tFD0200C0\t0003\t0\t0\t9\t000000FF\t0\t0\t0\n";
static const char routes_v6[] =
	"fd5d0000000000000000000000000000 40 00000000000000000000000000000000 00 "
	"00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
	"fe80000000000000020000fffe000001 00000400 00000001 00000000 00000003     eth0\n"
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
	"00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
static const char resolv[] =
	"# by hand\ndomain example.net\nnameserver 192.0.2.53\n"
	" nameserver\t2001:db8::53 \nnameserver 127.0.0.53\n"
	"nameserver fe80::1%eth0\nnameserver example.net\n;nameserver 1.1.1.1\n"
	"nameserver ::1\noptions edns0\nnameserver 198.51.100.1";

/* Little-endian words, as on the machines this is built for. */
static void gateways_of_default_routes_are_found(void **state)
{
	struct found f = { .text = "" };

	(void)state;
	sonde_limit_gateways_v4(sonde_slice_str(routes_v4), note, &f);
	assert_string_equal(f.text, "::ffff:172.17.0.1 ::ffff:192.0.2.254 ");
	f = (struct found){ .text = "" };
	sonde_limit_gateways_v6(sonde_slice_str(routes_v6), note, &f);
	assert_string_equal(f.text, "fe80::200:ff:fe00:1 ");
}

static void resolvers_are_found_and_the_stub_on_loopback_is_not_one(void **state)
{
	struct found f = { .text = "" };

	(void)state;
	sonde_limit_resolvers(sonde_slice_str(resolv), note, &f);
	assert_string_equal(f.text, "::ffff:192.0.2.53 2001:db8::53 fe80::1 ::ffff:198.51.100.1 ");
}

static void every_prefix_is_read_within_its_bounds(void **state)
{
	static const struct {
		const char *text;
		void (*read)(struct sonde_slice text, sonde_limit_found *found, void *ctx);
	} rows[] = { { routes_v4, sonde_limit_gateways_v4 },
		     { routes_v6, sonde_limit_gateways_v6 },
		     { resolv, sonde_limit_resolvers } };
	struct guard g = guard_new(4096);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t len = 0; len <= strlen(rows[i].text); len++) {
			struct found f = { .text = "" };

			rows[i].read(guard_put(&g, sonde_slice_of(rows[i].text, len)), note, &f);
		}
	}
	guard_free(&g);
}

static void the_peer_of_an_ssh_session_is_found(void **state)
{
	static const struct {
		struct sonde_slice environ;
		const char *want; /* NULL: none */
	} rows[] = {
#define ENV(s) { (const uint8_t *)(s), sizeof(s) - 1 }
		{ ENV("HOME=/\0SSH_CONNECTION=198.51.100.7 50000 192.0.2.1 22\0A=b\0"),
		  "::ffff:198.51.100.7" },
		{ ENV("SSH_CONNECTION=2001:db8::7 1 2001:db8::1 22"), "2001:db8::7" },
		{ ENV("SSH_CONNECTION=fe80::7%eth0 1 fe80::1%eth0 22\0"), "fe80::7" },
		{ ENV("SSH_CLIENT=198.51.100.8 50000 22\0"), "::ffff:198.51.100.8" },
		{ ENV("SSH_CONNECTION=127.0.0.1 1 127.0.0.1 22\0"), NULL },
		{ ENV("XSSH_CONNECTION=198.51.100.7 1 2 3\0"), NULL },
		{ ENV("SSH_CONNECTION=\0"), NULL },
		{ ENV("SSH_CONNECTION=far away\0"), NULL },
		{ ENV(""), NULL },
#undef ENV
	};
	struct guard g = guard_new(256);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[INET6_ADDRSTRLEN] = "";
		uint8_t address[16];
		bool found = sonde_limit_ssh_peer(guard_put(&g, rows[i].environ), address);

		assert_int_equal(found, rows[i].want != NULL);
		if (found) {
			inet_ntop(AF_INET6, address, text, sizeof(text));
			assert_string_equal(text, rows[i].want);
		}
	}
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gateways_of_default_routes_are_found),
		cmocka_unit_test(resolvers_are_found_and_the_stub_on_loopback_is_not_one),
		cmocka_unit_test(every_prefix_is_read_within_its_bounds),
		cmocka_unit_test(the_peer_of_an_ssh_session_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
