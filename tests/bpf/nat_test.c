// SPDX-License-Identifier: Apache-2.0
/* A server address that a translation changes: both are told, both ends meet, nothing is left. */
#include "tests/bpf/bed.h"
#include "tests/bpf/sockets.h"

#include <errno.h>
#include <sched.h>

#define ASKED	"10.99.0.1" /* the address of nobody */
#define SERVER	"10.99.0.6"
#define ASKED6	"fd99::1"
#define SERVER6 "fd99::6"

enum { ASKED_PORT = 80, SERVER_PORT = 8081, CLOSED_PORT = 8082 };

/* Loopback of a namespace of our own, where two addresses answer and others lead to them. */
static const char *const setting[] = {
	"ip link set lo up",
	"ip addr add 10.99.0.5/24 dev lo",
	"ip addr add " SERVER "/24 dev lo",
	"ip addr add fd99::5/64 dev lo nodad",
	"ip addr add " SERVER6 "/64 dev lo nodad",
	"nft add table inet t",
	"nft add chain inet t out '{ type nat hook output priority -100; }'",
	"nft add rule inet t out ip daddr " ASKED " tcp dport 80 dnat ip to " SERVER ":8081",
	"nft add rule inet t out ip daddr " ASKED " tcp dport 81 dnat ip to " SERVER ":8082",
	"nft add rule inet t out ip6 daddr " ASKED6 " tcp dport 80 dnat ip6 to '[" SERVER6
	"]:8081'",
};

static bool settled;

static int group_setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET))
		return 0;
	settled = true;
	for (size_t i = 0; i < sizeof(setting) / sizeof(setting[0]) && settled; i++)
		settled = system(setting[i]) == 0; /* NOLINT(cert-env33-c) */
	return 0;
}

static int setup(void **state)
{
	struct bed *b = bed_new();

	bed_load(b);
	bed_attach(b);
	b->ports[0] = ASKED_PORT;
	b->ports[1] = SERVER_PORT;
	b->ports[2] = 81;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bed_free(*state);
	return 0;
}

static void skip_without_nat(void)
{
	if (settled)
		return;
	printf("# skip: no network namespace with nftables can be had\n");
	skip();
}

/* A listener at a port that is known beforehand. */
static int listen_at(const char *address)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(SERVER_PORT) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(SERVER_PORT) };
	bool is_v6 = strchr(address, ':');
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	inet_pton(is_v6 ? AF_INET6 : AF_INET, address,
		  is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr);
	assert_int_equal(
		bind(fd, is_v6 ? (void *)&v6 : (void *)&v4, is_v6 ? sizeof(v6) : sizeof(v4)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void check_address(const struct sonde_endpoint *e, const char *address, uint16_t port)
{
	uint8_t want[16] = { [10] = 0xff, [11] = 0xff };
	bool is_v6 = strchr(address, ':');

	inet_pton(is_v6 ? AF_INET6 : AF_INET, address, is_v6 ? want : want + 12);
	assert_memory_equal(e->address, want, 16);
	assert_int_equal(e->port, port);
}

static void meet_and_check(struct bed *b, const char *asked, const char *server, bool talks)
{
	struct pair p = { .listener = listen_at(server), .port = ASKED_PORT };
	const struct seen *nat;

	pair_meet(&p, asked);
	if (talks)
		pair_exchange(&p, "hello", "hello");
	bed_until(b, bed_is_open, p.server_id);
	check_address(&bed_open_of(b, p.client_id)->remote, asked, ASKED_PORT);
	check_address(&bed_open_of(b, p.server_id)->local, server, SERVER_PORT);
	assert_int_equal(bed_open_of(b, p.server_id)->peer, p.client_id);
	nat = bed_nth(b, SONDE_KIND_NAT, p.client_id, 0);
	assert_non_null(nat);
	check_address(&nat->r.nat.remote, server, SERVER_PORT);
	assert_int_equal(nat->r.nat.local.port, p.client_port);
	/* A new worker is told of both, too. */
	assert_int_equal(sonde_probe_reopen(b->probe), 0);
	bed_drain(b);
	assert_int_equal(bed_count(b, SONDE_KIND_NAT, p.client_id), 2);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.client_id);
	assert_int_equal(bed_count(b, SONDE_KIND_NAT, p.server_id), 0);
	assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.client_id), 0);
	assert_false(bed_holds(b, p.client_id));
	bed_check_ledger(b);
}

static void both_addresses_are_told_over_ipv4(void **state)
{
	skip_without_nat();
	meet_and_check(*state, ASKED, SERVER, true);
}

static void both_addresses_are_told_over_ipv6(void **state)
{
	skip_without_nat();
	meet_and_check(*state, ASKED6, SERVER6, true);
}

static void a_connection_without_a_word_leaves_nothing_either(void **state)
{
	skip_without_nat();
	meet_and_check(*state, ASKED, SERVER, false);
}

static void a_refused_connect_tells_where_it_went(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(81) };
	struct bed *b = *state;
	uint64_t id;
	int fd;

	skip_without_nat();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	id = sock_id(fd);
	inet_pton(AF_INET, ASKED, &to.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	bed_until(b, bed_is_closed, id);
	check_address(&bed_open_of(b, id)->remote, ASKED, 81);
	assert_int_equal(bed_count(b, SONDE_KIND_NAT, id), 1);
	check_address(&bed_nth(b, SONDE_KIND_NAT, id, 0)->r.nat.remote, SERVER, CLOSED_PORT);
	assert_int_equal(bed_close_of(b, id)->error, ECONNREFUSED);
	assert_false(bed_holds(b, id));
	close(fd);
	bed_check_ledger(b);
}

static void without_a_translation_none_is_told(void **state)
{
	struct bed *b = *state;
	struct pair p = { .listener = listen_at(SERVER), .port = SERVER_PORT };

	skip_without_nat();
	pair_meet(&p, SERVER);
	pair_exchange(&p, "hello", "hello");
	pair_close(&p);
	bed_until(b, bed_is_closed, p.client_id);
	assert_int_equal(bed_count(b, SONDE_KIND_NAT, p.client_id), 0);
	bed_check_ledger(b);
}

#define BED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(both_addresses_are_told_over_ipv4),
		BED_TEST(both_addresses_are_told_over_ipv6),
		BED_TEST(a_connection_without_a_word_leaves_nothing_either),
		BED_TEST(a_refused_connect_tells_where_it_went),
		BED_TEST(without_a_translation_none_is_told),
	};

	return cmocka_run_group_tests_name("nat", tests, group_setup, NULL);
}
