// SPDX-License-Identifier: Apache-2.0
/* Sockets older than the programs: found by the iterator, or by their first packet. */
#include "tests/bpf/bed.h"
#include "tests/bpf/sockets.h"

#include <errno.h>
#include <sys/prctl.h>

#define ASK    "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define LEN(t) (sizeof(t) - 1)

static void check_adopted(const struct sonde_record_open *o, enum sonde_role role, uint16_t local,
			  uint16_t remote)
{
	assert_true(o->preexisting);
	assert_int_equal(o->role, role);
	assert_int_equal(o->pid, getpid());
	assert_string_equal(o->comm, "adopt-tester");
	assert_int_equal(o->local.port, local);
	assert_int_equal(o->remote.port, remote);
	assert_true(o->start_ns > 0 && o->cgroup_id > 0);
}

static void adopt_and_check(const char *listen_at, const char *connect_to)
{
	struct pair p = pair_open(listen_at, connect_to);
	struct bed *b = bed_new();
	const struct sonde_record_close *c;

	b->ports[0] = p.port;
	pair_exchange(&p, ASK, ANSWER); /* before the agent: not its business */
	bed_load(b);
	bed_attach(b);
	assert_int_equal(sonde_probe_adopt(b->probe), 0);
	bed_drain(b);
	check_adopted(bed_open_of(b, p.client_id), SONDE_ROLE_CLIENT, p.client_port, p.port);
	check_adopted(bed_open_of(b, p.server_id), SONDE_ROLE_SERVER, p.port, p.client_port);
	assert_int_equal(bed_open_of(b, p.server_id)->peer, p.client_id);
	assert_int_equal(bed_count(b, SONDE_KIND_OPEN, p.client_id), 1);
	assert_int_equal(bed_count(b, SONDE_KIND_OPEN, p.server_id), 1);

	assert_false(bed_holds(b, p.client_id));

	pair_exchange(&p, ASK, ANSWER);
	pair_exchange(&p, ASK, ANSWER);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	assert_int_equal(bed_count(b, SONDE_KIND_CLOSE, p.server_id), 1);
	assert_int_equal(bed_close_of(b, p.server_id)->tcp.bytes_received, 3 * LEN(ASK));
	assert_int_equal(bed_close_of(b, p.server_id)->tcp.read_after_us, 0);
	assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.server_id), 4);
	assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.client_id), 0);
	bed_check_payload(b, p.server_id, 0, ASK);
	bed_check_payload(b, p.server_id, 1, ANSWER);
	c = bed_close_of(b, p.server_id);
	assert_int_equal(c->flow[SONDE_INGRESS].bytes, 2 * LEN(ASK));
	assert_int_equal(c->flow[SONDE_EGRESS].bytes, 2 * LEN(ANSWER));
	assert_true(c->fin_in && c->fin_out);
	bed_check_ledger(b);
	bed_free(b);
}

static void old_sockets_are_named_and_their_sides_told(void **state)
{
	(void)state;
	adopt_and_check("127.0.0.1", "127.0.0.1");
}

static void old_ipv6_sockets_too(void **state)
{
	(void)state;
	adopt_and_check("::1", "::1");
}

static void an_old_listener_passes_its_name_on(void **state)
{
	struct pair p = { 0 };
	struct bed *b = bed_new();

	(void)state;
	p.listener = sock_listen("127.0.0.1", &p.port);
	b->ports[0] = p.port;
	bed_load(b);
	bed_attach(b);
	assert_int_equal(sonde_probe_adopt(b->probe), 0);
	pair_meet(&p, "127.0.0.1");
	bed_until(b, bed_is_open, p.server_id);
	assert_int_equal(bed_open_of(b, p.server_id)->pid, getpid());
	assert_string_equal(bed_open_of(b, p.server_id)->comm, "adopt-tester");
	assert_false(bed_open_of(b, p.server_id)->preexisting);
	pair_close(&p);
	bed_free(b);
}

static void without_the_iterator_the_first_packet_adopts(void **state)
{
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");
	struct bed *b = bed_new();
	const struct sonde_record_open *o;

	(void)state;
	b->ports[0] = p.port;
	bed_load(b);
	bed_attach(b);
	pair_exchange(&p, ASK, ANSWER);
	bed_until(b, bed_is_open, p.server_id);
	o = bed_open_of(b, p.server_id);
	assert_true(o->preexisting);
	assert_int_equal(o->role, SONDE_ROLE_UNKNOWN);
	assert_int_equal(o->pid, 0);
	assert_int_equal(o->local.port, p.port);
	assert_int_equal(o->remote.port, p.client_port);
	assert_true(o->cgroup_id > 0);
	bed_check_payload(b, p.server_id, 0, ASK);
	bed_check_payload(b, p.server_id, 1, ANSWER);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	bed_check_ledger(b);
	bed_free(b);
}

static bool is_named(const struct bed *b, uint64_t id)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->seen[i].r.kind == SONDE_KIND_OPEN && b->seen[i].r.id == id &&
		    b->seen[i].r.open.pid)
			return true;
	return false;
}

/* Between the attachment and the iterator a packet may pass: the name comes after it. */
static void a_socket_adopted_by_a_packet_is_named_by_the_iterator(void **state)
{
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");
	struct bed *b = bed_new();

	(void)state;
	b->ports[0] = p.port;
	bed_load(b);
	bed_attach(b);
	pair_exchange(&p, ASK, ANSWER);
	assert_int_equal(sonde_probe_adopt(b->probe), 0);
	bed_until(b, is_named, p.server_id);
	bed_until(b, is_named, p.client_id);
	pair_exchange(&p, ASK, ANSWER);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	assert_int_equal(bed_close_of(b, p.server_id)->flow[SONDE_INGRESS].bytes, 2 * LEN(ASK));
	bed_check_ledger(b);
	bed_free(b);
}

/*
 * Its own FIN is the last that is seen of a server that closes first: when that is acknowledged its
 * socket goes, and the client's FIN comes to one in TIME_WAIT. But a socket that is only shut down
 * may hear more.
 */
static void an_old_socket_that_closes_first_is_seen_to_end(void **state)
{
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");
	struct bed *b = bed_new();
	char byte;

	(void)state;
	b->ports[0] = p.port;
	pair_exchange(&p, ASK, ANSWER);
	bed_load(b);
	bed_attach(b);
	assert_int_equal(sonde_probe_adopt(b->probe), 0);
	pair_exchange(&p, ASK, ANSWER);
	shutdown(p.client, SHUT_WR);
	assert_int_equal(recv(p.server, &byte, 1, 0), 0);
	usleep(100000);
	bed_drain(b);
	assert_false(bed_is_closed(b, p.server_id) || bed_is_closed(b, p.client_id));
	close(p.client);
	close(p.server);
	bed_until(b, bed_is_closed, p.server_id);
	close(p.listener);

	p = pair_open("127.0.0.1", "127.0.0.1");
	bed_free(b);
	b = bed_new();
	b->ports[0] = p.port;
	bed_load(b);
	bed_attach(b);
	assert_int_equal(sonde_probe_adopt(b->probe), 0);
	close(p.server);
	assert_int_equal(recv(p.client, &byte, 1, 0), 0);
	usleep(100000); /* the FIN is acknowledged */
	close(p.client);
	bed_until(b, bed_is_closed, p.server_id);
	bed_until(b, bed_is_closed, p.client_id);
	assert_true(bed_close_of(b, p.server_id)->fin_out);
	assert_int_equal(bed_count(b, SONDE_KIND_CLOSE, p.server_id), 1);
	close(p.listener);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_sockets_are_named_and_their_sides_told),
		cmocka_unit_test(old_ipv6_sockets_too),
		cmocka_unit_test(an_old_listener_passes_its_name_on),
		cmocka_unit_test(without_the_iterator_the_first_packet_adopts),
		cmocka_unit_test(a_socket_adopted_by_a_packet_is_named_by_the_iterator),
		cmocka_unit_test(an_old_socket_that_closes_first_is_seen_to_end),
	};

	prctl(PR_SET_NAME, "adopt-tester");
	return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
