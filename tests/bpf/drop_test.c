// SPDX-License-Identifier: Apache-2.0
/* What the kernel throws away is told with its reason and its owner; listeners tell of theirs. */
#include "tests/bpf/datagrams.h"
#include "tests/bpf/snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

/* A network of its own, so that what is counted in it is this test's. */
static void enter_network(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &r), 0);
	close(fd);
}

static uint32_t reason_called(struct sonde_probe *p, const char *name)
{
	const char(*names)[SONDE_REASON_NAME];
	size_t n = sonde_probe_reasons(p, &names);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return (uint32_t)i;
	fail_msg("this kernel has no reason %s among its %zu", name, n);
	return 0;
}

/* How many packets were dropped for REASON on behalf of PID. */
static uint64_t drops_of(const struct snapshots *k, uint32_t reason, uint32_t pid)
{
	uint64_t n = 0;

	for (size_t i = 0; i < k->n; i++)
		if (k->all[i].kind == SONDE_SNAPSHOT_DROP && k->all[i].drop.reason == reason &&
		    k->all[i].drop.owner.pid == pid)
			n += k->all[i].drop.count;
	return n;
}

static void a_full_receive_queue_is_told_with_its_owner(void **state)
{
	enum { PACKETS = 400, BYTES = 1000 };
	struct bed *b = bed_new();
	struct snapshots seen = { 0 };
	uint16_t port = 0, client_port = 0;
	const struct sonde_snapshot *s;
	int server, client, small = 16384;
	uint32_t reason;

	(void)state;
	bed_load(b);
	bed_attach(b);
	reason = reason_called(b->probe, "SOCKET_RCVBUFF");
	server = udp_socket_at("127.0.0.1", &port);
	client = udp_socket_at("127.0.0.1", &client_port);
	setsockopt(server, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < PACKETS; i++)
		send_to(client, "127.0.0.1", port, BYTES);
	snapshots_take(&seen, b->probe);
	s = snapshots_find(&seen, SONDE_SNAPSHOT_UDP_SOCKET, port, 0, 0);
	assert_non_null(s);
	assert_true(s->udp_socket.drops > 0);
	assert_int_equal(drops_of(&seen, reason, (uint32_t)getpid()), s->udp_socket.drops);
	close(server);
	close(client);
	bed_free(b);
	free(seen.all);
}

/* Nobody listens: the packet has no socket, so its drop has no owner. */
static void a_packet_for_nobody_is_told_without_an_owner(void **state)
{
	struct bed *b = bed_new();
	struct snapshots seen = { 0 };
	uint16_t port = 0, gone = 0;
	uint64_t before;
	uint32_t reason;
	int client;

	(void)state;
	bed_load(b);
	bed_attach(b);
	reason = reason_called(b->probe, "NO_SOCKET");
	client = udp_socket_at("127.0.0.1", &gone);
	close(client);
	client = udp_socket_at("127.0.0.1", &port);
	snapshots_take(&seen, b->probe);
	before = drops_of(&seen, reason, 0);
	for (int i = 0; i < 10; i++)
		send_to(client, "127.0.0.1", gone, 1);
	snapshots_take(&seen, b->probe);
	/* Others on this machine may send into the void as well. */
	assert_in_range(drops_of(&seen, reason, 0) - before, 10, 1000);
	close(client);
	bed_free(b);
	free(seen.all);
}

static void buffers_given_back_without_a_reason_are_no_drops(void **state)
{
	struct bed *b = bed_new();
	struct snapshots seen = { 0 };
	const char(*names)[SONDE_REASON_NAME];
	struct pair p;
	size_t n;

	(void)state;
	bed_load(b);
	bed_attach(b);
	p = pair_open("127.0.0.1", "127.0.0.1");
	for (int i = 0; i < 100; i++)
		pair_exchange(&p, "ping", "pong");
	pair_close(&p);
	snapshots_take(&seen, b->probe);
	n = sonde_probe_reasons(b->probe, &names);
	for (size_t i = 0; i < seen.n; i++) {
		if (seen.all[i].kind != SONDE_SNAPSHOT_DROP)
			continue;
		assert_true(seen.all[i].drop.reason > 0);
		if (seen.all[i].drop.reason < n) {
			assert_string_not_equal(names[seen.all[i].drop.reason], "NOT_SPECIFIED");
			assert_string_not_equal(names[seen.all[i].drop.reason], "QUEUE_PURGE");
		}
		assert_int_not_equal(seen.all[i].drop.owner.pid, getpid());
	}
	bed_free(b);
	free(seen.all);
}

/* A column of /proc/net/netstat of this network, by its name. */
static uint64_t netstat(const char *name)
{
	char names[16384], values[16384], *n, *v, *at_n, *at_v;
	FILE *f = fopen("/proc/net/netstat", "re");
	uint64_t found = UINT64_MAX;

	assert_non_null(f);
	while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		n = strtok_r(names, " \n", &at_n);
		v = strtok_r(values, " \n", &at_v);
		for (; n && v; n = strtok_r(NULL, " \n", &at_n), v = strtok_r(NULL, " \n", &at_v))
			if (!strcmp(n, name))
				found = strtoull(v, NULL, 10);
	}
	fclose(f);
	assert_int_not_equal(found, UINT64_MAX);
	return found;
}

struct overflow {
	uint16_t port;
	uint64_t least;
};

static bool has_overflowed(const struct snapshots *k, void *arg)
{
	const struct overflow *o = arg;
	const struct sonde_snapshot *s = snapshots_find(k, SONDE_SNAPSHOT_LISTENER, o->port, 0, 0);

	return s && s->listener.drops >= o->least;
}

static void a_listener_whose_queue_is_full_tells_what_it_refused(void **state)
{
	enum { CLIENTS = 6 };
	struct bed *b = bed_new();
	struct snapshots seen = { 0 };
	struct overflow o = { .least = 2 };
	const struct sonde_snapshot *s;
	uint64_t refused;
	int listener, clients[CLIENTS];

	(void)state;
	enter_network();
	bed_load(b);
	bed_attach(b);
	listener = sock_listen("127.0.0.1", &o.port);
	assert_int_equal(listen(listener, 1), 0);
	for (int i = 0; i < CLIENTS; i++) {
		struct sockaddr_in to = { .sin_family = AF_INET,
					  .sin_port = htons(o.port),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(clients[i], (void *)&to, sizeof(to)), -1);
		assert_int_equal(errno, EINPROGRESS);
	}
	snapshots_until(&seen, b->probe, has_overflowed, &o);
	/* SYNs are repeated meanwhile: between two readings that agree. */
	do {
		refused = netstat("ListenDrops");
		snapshots_take(&seen, b->probe);
	} while (refused != netstat("ListenDrops"));
	s = snapshots_find(&seen, SONDE_SNAPSHOT_LISTENER, o.port, 0, 0);
	assert_int_equal(s->listener.drops, refused);
	assert_int_equal(s->listener.backlog_max, 1);
	assert_int_equal(s->listener.backlog, 2); /* the kernel takes one more than asked for */
	assert_int_equal(s->listener.owner.pid, getpid());
	assert_string_equal(s->listener.owner.comm, "drop-tester");
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	close(listener);
	bed_free(b);
	free(seen.all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_receive_queue_is_told_with_its_owner),
		cmocka_unit_test(a_packet_for_nobody_is_told_without_an_owner),
		cmocka_unit_test(buffers_given_back_without_a_reason_are_no_drops),
		cmocka_unit_test(a_listener_whose_queue_is_full_tells_what_it_refused),
	};

	prctl(PR_SET_NAME, "drop-tester");
	return cmocka_run_group_tests_name("drop", tests, NULL, NULL);
}
