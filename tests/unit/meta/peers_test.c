// SPDX-License-Identifier: Apache-2.0
/* peers - networks as people write them, and what far ends are called by them. */
#include "agent/meta/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "tests/unit/guard.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

static void networks_are_taken_with_their_bits(void **state)
{
	static const struct {
		const char *text;
		unsigned int bits;
	} rows[] = {
		{ "0.0.0.0/0", 96 },
		{ "10.0.0.0/8", 104 },
		{ "10.1.2.3/32", 128 },
		{ "10.1.2.3", 128 },
		{ "128.0.0.0/1", 97 },
		{ "::/0", 0 },
		{ "fd00::/8", 8 },
		{ "2001:db8::1/128", 128 },
		{ "2001:db8::1", 128 },
		{ "::ffff:10.0.0.0/104", 104 },
		{ "255.255.255.254/31", 127 },
	};
	struct guard g = guard_new(64);

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_cidr cidr;

		if (sonde_cidr_parse(guard_put(&g, sonde_slice_str(rows[i].text)), &cidr))
			fail_msg("refused: %s", rows[i].text);
		assert_int_equal(cidr.bits, rows[i].bits);
		assert_null(sonde_cidr_check(sonde_slice_str(rows[i].text)));
	}
	guard_free(&g);
}

static void what_is_no_network_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{ "", "no numeric IP address" },
		{ "/8", "no numeric IP address" },
		{ "10.0.0/8", "no numeric IP address" },
		{ "example.org/8", "no numeric IP address" },
		{ "10.0.0.0 /8", "no numeric IP address" },
		{ "fe80::1%eth0", "no numeric IP address" },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", "no numeric IP address" },
		{ "10.0.0.0/", "no length of its prefix" },
		{ "10.0.0.0/33", "no length of its prefix" },
		{ "10.0.0.0/8/8", "no length of its prefix" },
		{ "10.0.0.0/-1", "no length of its prefix" },
		{ "10.0.0.0/ 8", "no length of its prefix" },
		{ "10.0.0.0/18446744073709551624", "no length of its prefix" },
		{ "::/129", "no length of its prefix" },
		{ "10.0.0.1/8", "bits set beyond its prefix" },
		{ "::1/127", "bits set beyond its prefix" },
		{ "0.0.0.1/0", "bits set beyond its prefix" },
	};
	struct guard g = guard_new(64);

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_slice text = guard_put(&g, sonde_slice_str(rows[i].text));
		struct sonde_cidr cidr = { .bits = 77 };
		const char *reason = sonde_cidr_check(text);

		if (!reason || !strstr(reason, rows[i].reason))
			fail_msg("%s: %s", rows[i].text, reason ? reason : "taken");
		assert_int_equal(sonde_cidr_parse(text, &cidr), -EINVAL);
		assert_int_equal(cidr.bits, 77);
	}
	guard_free(&g);
}

/* Any change of a byte gives a network or a refusal, and never a read behind the text. */
static void mutants_are_read_within_their_bounds(void **state)
{
	static const char *const texts[] = { "192.168.128.0/17", "2001:db8:ffff::/48" };
	struct guard g = guard_new(64);

	(void)state;
	for (size_t i = 0; i < N_OF(texts); i++)
		for (size_t at = 0; at < strlen(texts[i]); at++)
			for (int value = 0; value < 256; value++) {
				struct sonde_slice text = guard_put(&g, sonde_slice_str(texts[i]));
				struct sonde_cidr cidr = { .bits = 77 };

				g.room[g.cap - text.len + at] = (uint8_t)value;
				if (sonde_cidr_parse(text, &cidr))
					assert_int_equal(cidr.bits, 77);
				else
					assert_true(cidr.bits <= 128);
			}
	guard_free(&g);
}

static struct sonde_endpoint endpoint(const char *address)
{
	struct sonde_endpoint e = { .port = 80 };

	if (strchr(address, ':')) {
		assert_int_equal(inet_pton(AF_INET6, address, e.address), 1);
		return e;
	}
	e.address[10] = e.address[11] = 0xff;
	assert_int_equal(inet_pton(AF_INET, address, e.address + 12), 1);
	return e;
}

static void assert_name(struct sonde_peers *t, const char *address, const char *want)
{
	struct sonde_endpoint e = endpoint(address);
	struct sonde_slice name = sonde_peers_name(t, &e);

	if (!sonde_slice_eq(name, sonde_slice_str(want)))
		fail_msg("%s is %.*s, not %s", address, (int)name.len, (const char *)name.ptr,
			 want);
}

static void assert_group(const struct sonde_peers *t, const char *address, const char *want)
{
	struct sonde_endpoint e = endpoint(address);

	assert_true(sonde_slice_eq(sonde_peers_group(t, &e), sonde_slice_str(want)));
}

static char ten[] = "10.0.0.0/8", ten_one[] = "10.1.0.0/16", one[] = "10.1.2.3",
	    nine[] = "10.128.0.0/9", local[] = "fd00::/8", all4[] = "0.0.0.0/0",
	    broken[] = "10.0.0.1/8";
static char lan[] = "lan", shop[] = "shop", till[] = "till", upper[] = "upper", v6[] = "v6",
	    world[] = "world";

static struct sonde_config config_of(uint32_t max)
{
	return (struct sonde_config){
		.peers = { .groups = { { lan, ten },
				       { till, one },
				       { shop, ten_one },
				       { upper, nine },
				       { v6, local } },
			   .n_groups = 5,
			   .max_addresses = max },
	};
}

static void longest_prefix_names_the_peer(void **state)
{
	struct sonde_config config = config_of(8);
	struct sonde_peers *t;

	(void)state;
	assert_int_equal(sonde_peers_new(&config, &t), 0);
	assert_name(t, "10.1.2.3", "till");
	assert_name(t, "10.1.2.4", "shop");
	assert_name(t, "10.1.255.255", "shop");
	assert_name(t, "10.2.0.0", "lan");
	assert_name(t, "10.127.255.255", "lan");
	assert_name(t, "10.128.0.0", "upper");
	assert_name(t, "10.255.255.255", "upper");
	assert_name(t, "fd12::1", "v6");
	assert_name(t, "fe00::1", "fe00::1");
	assert_name(t, "11.0.0.0", "11.0.0.0");
	assert_group(t, "10.1.2.3", "till");
	assert_group(t, "11.0.0.0", "");
	sonde_peers_free(t);
}

static void all_of_ipv4_is_not_all_there_is(void **state)
{
	struct sonde_config config = {
		.peers = { .groups = { { world, all4 } }, .n_groups = 1, .max_addresses = 1 }
	};
	struct sonde_peers *t;

	(void)state;
	assert_int_equal(sonde_peers_new(&config, &t), 0);
	assert_name(t, "203.0.113.9", "world");
	assert_name(t, "2001:db8::1", "2001:db8::1");
	sonde_peers_free(t);
}

static void addresses_beyond_the_bound_are_other_and_counted(void **state)
{
	struct sonde_config config = config_of(2);
	struct sonde_peers_stats stats;
	struct sonde_peers *t;

	(void)state;
	assert_int_equal(sonde_peers_new(&config, &t), 0);
	assert_name(t, "192.0.2.1", "192.0.2.1");
	assert_name(t, "192.0.2.2", "192.0.2.2");
	assert_name(t, "192.0.2.3", SONDE_PEERS_OTHER);
	assert_name(t, "2001:db8::1", SONDE_PEERS_OTHER);
	/* Who has a name keeps it, and groups need no room. */
	assert_name(t, "192.0.2.1", "192.0.2.1");
	assert_name(t, "10.2.0.1", "lan");
	sonde_peers_stats(t, &stats);
	assert_int_equal(stats.addresses, 2);
	assert_int_equal(stats.overflowed, 2);
	sonde_peers_free(t);
}

static void ports_do_not_make_peers(void **state)
{
	struct sonde_config config = config_of(1);
	struct sonde_endpoint e = endpoint("192.0.2.1");
	struct sonde_peers *t;

	(void)state;
	assert_int_equal(sonde_peers_new(&config, &t), 0);
	for (uint16_t port = 1; port < 100; port++) {
		e.port = port;
		assert_true(sonde_slice_eq(sonde_peers_name(t, &e), SONDE_SLICE_LIT("192.0.2.1")));
	}
	sonde_peers_free(t);
}

static void new_config_renames_and_keeps_what_is_named(void **state)
{
	struct sonde_config config = config_of(2), other = {
		.peers = { .groups = { { world, ten } }, .n_groups = 1, .max_addresses = 1 }
	};
	struct sonde_peers *t;

	(void)state;
	assert_int_equal(sonde_peers_new(&config, &t), 0);
	assert_name(t, "192.0.2.1", "192.0.2.1");
	assert_name(t, "192.0.2.2", "192.0.2.2");
	assert_int_equal(sonde_peers_configure(t, &other), 0);
	assert_name(t, "10.1.2.3", "world");
	/* The bound is lower than what is named already: that stays, nothing comes. */
	assert_name(t, "192.0.2.2", "192.0.2.2");
	assert_name(t, "192.0.2.3", SONDE_PEERS_OTHER);
	assert_name(t, "fd12::1", SONDE_PEERS_OTHER);
	sonde_peers_free(t);
}

static void broken_group_changes_nothing(void **state)
{
	struct sonde_config config = config_of(2),
			    wrong = { .peers = { .groups = { { world, all4 }, { lan, broken } },
						 .n_groups = 2,
						 .max_addresses = 9 } };
	struct sonde_peers *t = NULL, *none = NULL;

	(void)state;
	assert_int_equal(sonde_peers_new(&wrong, &none), -EINVAL);
	assert_null(none);
	assert_int_equal(sonde_peers_new(&config, &t), 0);
	assert_int_equal(sonde_peers_configure(t, &wrong), -EINVAL);
	assert_name(t, "10.1.2.3", "till");
	assert_name(t, "192.0.2.1", "192.0.2.1");
	sonde_peers_free(t);
	sonde_peers_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_taken_with_their_bits),
		cmocka_unit_test(what_is_no_network_is_refused_with_the_reason),
		cmocka_unit_test(mutants_are_read_within_their_bounds),
		cmocka_unit_test(longest_prefix_names_the_peer),
		cmocka_unit_test(all_of_ipv4_is_not_all_there_is),
		cmocka_unit_test(addresses_beyond_the_bound_are_other_and_counted),
		cmocka_unit_test(ports_do_not_make_peers),
		cmocka_unit_test(new_config_renames_and_keeps_what_is_named),
		cmocka_unit_test(broken_group_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
