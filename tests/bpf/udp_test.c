// SPDX-License-Identifier: Apache-2.0
/* UDP: every packet and byte of a flow is counted, at both ends, and both ends know each other. */
#include "tests/bpf/datagrams.h"
#include "tests/bpf/snapshots.h"

#include <errno.h>
#include <netinet/udp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Receives one datagram and sends it back. */
static void echo_one(int fd)
{
	char payload[65536];
	union address from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, payload, sizeof(payload), 0, &from.sa, &len);

	assert_true(n >= 0);
	assert_int_equal(sendto(fd, payload, (size_t)n, 0, &from.sa, len), n);
}

static void receive(int fd, size_t bytes)
{
	char payload[65536];

	assert_int_equal(recv(fd, payload, sizeof(payload), 0), bytes);
}

struct udp_bed {
	struct bed *b;
	struct snapshots seen;
};

static struct udp_bed bed_up(void)
{
	struct udp_bed u = { .b = bed_new() };

	bed_load(u.b);
	bed_attach(u.b);
	return u;
}

static void bed_down(struct udp_bed *u)
{
	struct sonde_kernel_status s;

	sonde_probe_status(u->b->probe, &s);
	assert_int_equal(s.udp_uncounted, 0);
	bed_free(u->b);
	free(u->seen.all);
}

/* Between these two ports. */
struct ports {
	uint16_t local, remote;
};

static bool is_told(const struct snapshots *k, void *arg)
{
	const struct ports *p = arg;

	return snapshots_find(k, SONDE_SNAPSHOT_UDP_FLOW, p->local, p->remote, 0);
}

static const struct sonde_snapshot *flow_of(struct udp_bed *u, uint16_t local, uint16_t remote)
{
	struct ports p = { local, remote };
	const struct sonde_snapshot *s;

	snapshots_until(&u->seen, u->b->probe, is_told, &p);
	s = snapshots_find(&u->seen, SONDE_SNAPSHOT_UDP_FLOW, local, remote, 0);
	assert_null(snapshots_find(&u->seen, SONDE_SNAPSHOT_UDP_FLOW, local, remote, 1));
	return s;
}

static void check_counts(const struct sonde_snapshot *s, uint64_t in, uint64_t in_bytes,
			 uint64_t out, uint64_t out_bytes)
{
	assert_int_equal(s->udp_flow.packets[SONDE_INGRESS], in);
	assert_int_equal(s->udp_flow.bytes[SONDE_INGRESS], in_bytes);
	assert_int_equal(s->udp_flow.packets[SONDE_EGRESS], out);
	assert_int_equal(s->udp_flow.bytes[SONDE_EGRESS], out_bytes);
}

static void check_mine(const struct sonde_owner *o)
{
	assert_int_equal(o->pid, getpid());
	assert_string_equal(o->comm, "udp-tester");
	assert_true(o->start_ns > 0 && o->cgroup_id > 0);
}

static void echo_and_check(const char *listen_at, const char *connect_at, bool connected)
{
	struct udp_bed u = bed_up();
	uint16_t server_port = 0, client_port = 0;
	int server = udp_socket_at(listen_at, &server_port);
	int client = udp_socket_at(connect_at, &client_port);
	const struct sonde_snapshot *c, *s;
	uint64_t client_id;

	if (connected)
		connect_to(client, connect_at, server_port);
	for (size_t i = 0; i < 50; i++) {
		send_to(client, connect_at, server_port, 100 + i);
		echo_one(server);
		receive(client, 100 + i);
	}
	c = flow_of(&u, client_port, server_port);
	check_counts(c, 50, 50 * 100 + 49 * 25, 50, 50 * 100 + 49 * 25);
	check_mine(&c->udp_flow.owner);
	assert_int_equal(c->udp_flow.role, SONDE_ROLE_CLIENT);
	assert_int_equal(c->udp_flow.asked.port, 0);
	assert_false(c->udp_flow.ended);
	assert_int_equal(c->udp_flow.socket, sock_id(client));
	assert_true(c->udp_flow.last_ns >= c->udp_flow.first_ns - 20000000);
	client_id = c->id;
	s = snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_FLOW, server_port, client_port, 0);
	assert_non_null(s);
	check_counts(s, 50, 50 * 100 + 49 * 25, 50, 50 * 100 + 49 * 25);
	check_mine(&s->udp_flow.owner);
	assert_int_equal(s->udp_flow.role, SONDE_ROLE_SERVER);
	assert_int_equal(s->udp_flow.socket, sock_id(server));
	assert_memory_equal(s->udp_flow.local.address, c->udp_flow.remote.address, 16);
	assert_memory_equal(s->udp_flow.remote.address, c->udp_flow.local.address, 16);
	assert_int_equal(s->udp_flow.peer, client_id);
	assert_int_equal(c->udp_flow.peer, s->id);
	close(server);
	close(client);
	bed_down(&u);
}

static void an_echo_is_counted_at_both_ends(void **state)
{
	(void)state;
	echo_and_check("127.0.0.1", "127.0.0.1", false);
}

static void an_echo_of_a_connected_client_too(void **state)
{
	(void)state;
	echo_and_check("127.0.0.1", "127.0.0.1", true);
}

static void and_over_ipv6(void **state)
{
	(void)state;
	echo_and_check("::1", "::1", true);
	echo_and_check("::1", "::1", false);
}

static void and_to_a_server_of_both_families(void **state)
{
	(void)state;
	echo_and_check("::", "127.0.0.1", true);
	echo_and_check("::", "127.0.0.1", false);
}

/* Many senders at once into one socket, which reads nothing: what does not fit is dropped. */
/* Packets that have reached a port. */
struct arrivals {
	uint16_t port;
	uint64_t packets;
};

static bool has_arrived(const struct snapshots *k, void *arg)
{
	const struct arrivals *a = arg;
	uint64_t packets = 0;

	for (size_t i = 0; i < k->n; i++)
		if (k->all[i].kind == SONDE_SNAPSHOT_UDP_FLOW &&
		    k->all[i].udp_flow.local.port == a->port)
			packets += k->all[i].udp_flow.packets[SONDE_INGRESS];
	return packets == a->packets;
}

/* Fewer than the 1,000 packets that loopback has room for when its softirq is late. */
static void a_burst_is_counted_exactly_and_its_drops_as_well(void **state)
{
	enum { SENDERS = 8, PACKETS = 100, BYTES = 1000 };
	struct udp_bed u = bed_up();
	uint16_t port = 0, ports[SENDERS] = { 0 };
	int server = udp_socket_at("127.0.0.1", &port), clients[SENDERS], small = 16384;
	uint64_t got = 0, in = 0;
	const struct sonde_snapshot *s;
	char byte;

	(void)state;
	setsockopt(server, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < SENDERS; i++)
		clients[i] = udp_socket_at("127.0.0.1", &ports[i]);
	for (int i = 0; i < SENDERS; i++) {
		if (fork() == 0) {
			for (int n = 0; n < PACKETS; n++)
				send_to(clients[i], "127.0.0.1", port, BYTES);
			_exit(0);
		}
	}
	for (int i = 0; i < SENDERS; i++)
		wait(NULL);
	snapshots_until(&u.seen, u.b->probe, has_arrived,
			&(struct arrivals){ port, SENDERS * PACKETS });
	while (recv(server, &byte, 1, MSG_DONTWAIT) >= 0)
		got++;
	for (int i = 0; i < SENDERS; i++) {
		check_counts(flow_of(&u, ports[i], port), 0, 0, PACKETS, PACKETS * BYTES);
		s = snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_FLOW, port, ports[i], 0);
		assert_non_null(s);
		check_counts(s, PACKETS, PACKETS * BYTES, 0, 0);
		in += s->udp_flow.packets[SONDE_INGRESS];
		close(clients[i]);
	}
	s = snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_SOCKET, port, 0, 0);
	assert_non_null(s);
	check_mine(&s->udp_socket.owner);
	assert_true(s->udp_socket.drops > 0);
	assert_int_equal(s->udp_socket.drops, in - got);
	assert_int_equal(s->id, sock_id(server));
	close(server);
	bed_down(&u);
}

/* One call of the client's makes forty datagrams: they are one packet at the hook. */
static void segmentation_offload_is_counted_by_datagrams(void **state)
{
	enum { SIZE = 1000, TOTAL = 39500 };
	struct udp_bed u = bed_up();
	uint16_t server_port = 0, client_port = 0;
	int server = udp_socket_at("127.0.0.1", &server_port), size = SIZE, one = 1;
	int client = udp_socket_at("127.0.0.1", &client_port);
	size_t received = 0;
	char payload[65536];

	(void)state;
	if (setsockopt(client, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
		fail_msg("no segmentation offload");
	send_to(client, "127.0.0.1", server_port, TOTAL);
	while (received < TOTAL) {
		ssize_t n = recv(server, payload, sizeof(payload), 0);

		assert_true(n > 0 && n <= SIZE);
		received += (size_t)n;
	}
	/* Taken in as they come, several in one. */
	assert_int_equal(setsockopt(server, SOL_UDP, UDP_GRO, &one, sizeof(one)), 0);
	send_to(client, "127.0.0.1", server_port, TOTAL);
	for (received = 0; received < TOTAL;) {
		ssize_t n = recv(server, payload, sizeof(payload), 0);

		assert_true(n > 0);
		received += (size_t)n;
	}
	check_counts(flow_of(&u, client_port, server_port), 0, 0, 80, 2 * TOTAL);
	check_counts(flow_of(&u, server_port, client_port), 80, 2 * TOTAL, 0, 0);
	close(server);
	close(client);
	bed_down(&u);
}

static void a_datagram_in_fragments_is_one_packet(void **state)
{
	struct udp_bed u = bed_up();
	uint16_t server_port = 0, client_port = 0;
	int server = udp_socket_at("127.0.0.1", &server_port);
	int client = udp_socket_at("127.0.0.1", &client_port), off = IP_PMTUDISC_DONT;

	(void)state;
	setsockopt(client, IPPROTO_IP, IP_MTU_DISCOVER, &off, sizeof(off));
	send_to(client, "127.0.0.1", server_port, 65507);
	receive(server, 65507);
	send_to(client, "127.0.0.1", server_port, 0);
	receive(server, 0);
	check_counts(flow_of(&u, client_port, server_port), 0, 0, 2, 65507);
	check_counts(flow_of(&u, server_port, client_port), 2, 65507, 0, 0);
	close(server);
	close(client);
	bed_down(&u);
}

static bool is_refused(const struct snapshots *k, void *arg)
{
	const struct ports *p = arg;
	const struct sonde_snapshot *s =
		snapshots_find(k, SONDE_SNAPSHOT_UDP_FLOW, p->local, p->remote, 0);

	return s && s->udp_flow.unreachable;
}

static void a_port_that_nobody_has_is_told_to_the_socket_and_its_flow(void **state)
{
	struct udp_bed u = bed_up();
	struct ports p = { 0 };
	int client = udp_socket_at("127.0.0.1", &p.local);
	int gone = udp_socket_at("127.0.0.1", &p.remote);
	const struct sonde_snapshot *s;

	(void)state;
	close(gone);
	connect_to(client, "127.0.0.1", p.remote);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(client, "x", 1, 0), 1);
		assert_int_equal(recv(client, &(char){ 0 }, 1, 0), -1);
		assert_int_equal(errno, ECONNREFUSED);
	}
	snapshots_until(&u.seen, u.b->probe, is_refused, &p);
	s = snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_FLOW, p.local, p.remote, 0);
	assert_int_equal(s->udp_flow.unreachable, 3);
	check_counts(s, 0, 0, 3, 3);
	s = snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_SOCKET, p.local, 0, 0);
	assert_int_equal(s->udp_socket.unreachable, 3);
	close(client);
	bed_down(&u);
}

static void a_flow_outlives_its_socket(void **state)
{
	struct udp_bed u = bed_up();
	struct ports p = { 0 };
	int server = udp_socket_at("127.0.0.1", &p.remote);
	int client = udp_socket_at("127.0.0.1", &p.local);
	const struct sonde_snapshot *s;

	(void)state;
	send_to(client, "127.0.0.1", p.remote, 7);
	close(client);
	s = flow_of(&u, p.local, p.remote);
	check_counts(s, 0, 0, 1, 7);
	check_mine(&s->udp_flow.owner);
	assert_null(snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_SOCKET, p.local, 0, 0));
	close(server);
	bed_down(&u);
}

/* A socket made by one process and used by another, as with socket activation. */
static void the_process_that_answers_owns_the_flow(void **state)
{
	struct udp_bed u = bed_up();
	struct ports p = { 0 };
	int server = udp_socket_at("127.0.0.1", &p.local);
	int client = udp_socket_at("127.0.0.1", &p.remote);
	const struct sonde_snapshot *s;
	pid_t child;

	(void)state;
	send_to(client, "127.0.0.1", p.local, 5);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_NAME, "udp-child");
		echo_one(server);
		_exit(0);
	}
	receive(client, 5);
	s = flow_of(&u, p.local, p.remote);
	check_counts(s, 1, 5, 1, 5);
	assert_int_equal(s->udp_flow.owner.pid, child);
	assert_string_equal(s->udp_flow.owner.comm, "udp-child");
	waitpid(child, NULL, 0);
	close(server);
	close(client);
	bed_down(&u);
}

static void sockets_older_than_the_programs_are_named(void **state)
{
	struct bed *b = bed_new();
	struct udp_bed u = { .b = b };
	struct ports p = { 0 };
	int server = udp_socket_at("127.0.0.1", &p.remote);
	int client = udp_socket_at("127.0.0.1", &p.local);
	const struct sonde_snapshot *s;

	(void)state;
	bed_load(b);
	bed_attach(b);
	send_to(client, "127.0.0.1", p.remote, 5);
	receive(server, 5);
	assert_int_equal(sonde_probe_adopt(b->probe), 0);
	send_to(client, "127.0.0.1", p.remote, 6);
	receive(server, 6);
	s = flow_of(&u, p.local, p.remote);
	check_counts(s, 0, 0, 2, 11);
	check_mine(&s->udp_flow.owner);
	check_mine(&snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_FLOW, p.remote, p.local, 0)
			    ->udp_flow.owner);
	check_mine(&snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_SOCKET, p.remote, 0, 0)
			    ->udp_socket.owner);
	close(server);
	close(client);
	bed_down(&u);
}

/* The ignored port of the config is left alone at either end. */
static void ignored_ports_are_left_alone(void **state)
{
	struct udp_bed u = { .b = bed_new() };
	struct ports p = { 0 }, after = { 0 };
	int server = udp_socket_at("127.0.0.1", &p.remote);
	int client = udp_socket_at("127.0.0.1", &p.local);
	int other = udp_socket_at("127.0.0.1", &after.local);

	(void)state;
	u.b->config.capture.ignored_ports[0] = p.remote;
	u.b->config.capture.n_ignored_ports = 1;
	bed_load(u.b);
	bed_attach(u.b);
	send_to(client, "127.0.0.1", p.remote, 5);
	after.remote = p.local;
	send_to(other, "127.0.0.1", p.local, 5);
	flow_of(&u, after.local, after.remote);
	assert_null(snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_FLOW, p.local, p.remote, 0));
	assert_null(snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_FLOW, p.remote, p.local, 0));
	close(server);
	close(client);
	close(other);
	bed_down(&u);
}

/* Told to end once, then gone, when it has been silent for long enough. */
static bool is_ended(const struct snapshots *k, void *arg)
{
	const struct ports *p = arg;
	const struct sonde_snapshot *s =
		snapshots_find(k, SONDE_SNAPSHOT_UDP_FLOW, p->local, p->remote, 0);

	return s && s->udp_flow.ended;
}

/* More peers than there is room for: the rest goes to one flow of the socket, and nothing is lost.
 */
static void what_finds_no_room_is_counted_for_its_socket(void **state)
{
	enum { PEERS = 70000 };
	struct udp_bed u = bed_up();
	uint16_t port = 0, other_port = 0;
	int client = udp_socket_at("127.0.0.1", &port);
	int other = udp_socket_at("127.0.0.1", &other_port);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	uint64_t packets = 0, bytes = 0, rest = 0, flows = 0, of_other = 0;

	(void)state;
	for (uint32_t i = 0; i < PEERS; i++) {
		to.sin_addr.s_addr = htonl(0x7f100000 + i);
		assert_int_equal(sendto(client, "abc", 3, 0, (void *)&to, sizeof(to)), 3);
	}
	send_to(other, "127.0.0.1", 9, 10);
	usleep(60000); /* flows younger than 50 ms are not told of yet */
	snapshots_take(&u.seen, u.b->probe);
	for (size_t i = 0; i < u.seen.n; i++) {
		const struct sonde_snapshot *s = &u.seen.all[i];

		if (s->kind != SONDE_SNAPSHOT_UDP_FLOW)
			continue;
		if (s->udp_flow.local.port == other_port && !s->udp_flow.remote.port)
			of_other += s->udp_flow.packets[SONDE_EGRESS];
		if (s->udp_flow.local.port != port)
			continue;
		flows++;
		packets += s->udp_flow.packets[SONDE_EGRESS];
		bytes += s->udp_flow.bytes[SONDE_EGRESS];
		if (!s->udp_flow.remote.port)
			rest = s->udp_flow.packets[SONDE_EGRESS];
	}
	assert_int_equal(packets, PEERS);
	assert_int_equal(bytes, 3 * PEERS);
	assert_true(flows <= 65537);
	assert_int_equal(rest, PEERS - (flows - 1));
	assert_int_equal(of_other, 1);
	close(client);
	close(other);
	bed_down(&u);
}

static void an_idle_flow_ends_once_and_is_forgotten(void **state)
{
	struct udp_bed u = bed_up();
	struct ports p = { 0 };
	int server = udp_socket_at("127.0.0.1", &p.remote);
	int client = udp_socket_at("127.0.0.1", &p.local);
	uint64_t id;

	(void)state;
	send_to(client, "127.0.0.1", p.remote, 5);
	id = flow_of(&u, p.local, p.remote)->id;
	usleep((SONDE_UDP_BRIEF_NS - SONDE_NS_PER_SEC) / 1000);
	snapshots_take(&u.seen, u.b->probe);
	assert_false(is_ended(&u.seen, &p));
	snapshots_until(&u.seen, u.b->probe, is_ended, &p);
	check_counts(snapshots_find(&u.seen, SONDE_SNAPSHOT_UDP_FLOW, p.local, p.remote, 0), 0, 0,
		     1, 5);
	snapshots_take(&u.seen, u.b->probe);
	assert_false(is_told(&u.seen, &p));
	/* Another packet is another flow. */
	send_to(client, "127.0.0.1", p.remote, 6);
	assert_int_not_equal(flow_of(&u, p.local, p.remote)->id, id);
	check_counts(flow_of(&u, p.local, p.remote), 0, 0, 1, 6);
	close(server);
	close(client);
	bed_down(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_echo_is_counted_at_both_ends),
		cmocka_unit_test(an_echo_of_a_connected_client_too),
		cmocka_unit_test(and_over_ipv6),
		cmocka_unit_test(and_to_a_server_of_both_families),
		cmocka_unit_test(a_burst_is_counted_exactly_and_its_drops_as_well),
		cmocka_unit_test(segmentation_offload_is_counted_by_datagrams),
		cmocka_unit_test(a_datagram_in_fragments_is_one_packet),
		cmocka_unit_test(a_port_that_nobody_has_is_told_to_the_socket_and_its_flow),
		cmocka_unit_test(a_flow_outlives_its_socket),
		cmocka_unit_test(the_process_that_answers_owns_the_flow),
		cmocka_unit_test(sockets_older_than_the_programs_are_named),
		cmocka_unit_test(ignored_ports_are_left_alone),
		cmocka_unit_test(what_finds_no_room_is_counted_for_its_socket),
		cmocka_unit_test(an_idle_flow_ends_once_and_is_forgotten),
	};

	prctl(PR_SET_NAME, "udp-tester");
	return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}
