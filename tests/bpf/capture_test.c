// SPDX-License-Identifier: Apache-2.0
/* What the programs tell of connections that a test holds both ends of. */
#include "tests/bpf/bed.h"
#include "tests/bpf/sockets.h"

#include <sys/prctl.h>

#define ASK    "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define LEN(t) (sizeof(t) - 1)

static const uint8_t loopback4[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
static const uint8_t loopback6[16] = { [15] = 1 };

static int setup(void **state)
{
	struct bed *b = bed_new();

	bed_load(b);
	bed_attach(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bed_free(*state);
	return 0;
}

/* Opens, says two turns, closes and reads all of it. */
static struct pair converse(struct bed *b, const char *listen_at, const char *connect_to)
{
	struct pair p = pair_open(listen_at, connect_to);

	b->ports[0] = p.port;
	pair_exchange(&p, ASK, ANSWER);
	pair_exchange(&p, ASK, ANSWER);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	bed_until(b, bed_is_closed, p.client_id);
	return p;
}

static void check_open(const struct sonde_record_open *o, enum sonde_role role,
		       const uint8_t address[16])
{
	assert_int_equal(o->role, role);
	assert_int_equal(o->pid, getpid());
	assert_string_equal(o->comm, "capture-tester");
	assert_memory_equal(o->local.address, address, 16);
	assert_memory_equal(o->remote.address, address, 16);
	assert_true(o->cgroup_id > 0);
	assert_true(o->start_ns > 0);
	assert_false(o->preexisting);
	assert_false(o->again);
}

static void check_pair(struct bed *b, const struct pair *p, const uint8_t address[16])
{
	const struct sonde_record_open *client = bed_open_of(b, p->client_id);
	const struct sonde_record_open *server = bed_open_of(b, p->server_id);

	check_open(client, SONDE_ROLE_CLIENT, address);
	assert_int_equal(client->local.port, p->client_port);
	assert_int_equal(client->remote.port, p->port);
	assert_int_equal(client->peer, 0);
	check_open(server, SONDE_ROLE_SERVER, address);
	assert_int_equal(server->local.port, p->port);
	assert_int_equal(server->remote.port, p->client_port);
	assert_int_equal(server->peer, p->client_id);
	assert_int_equal(bed_count(b, SONDE_KIND_OPEN, p->client_id), 1);
	assert_int_equal(bed_count(b, SONDE_KIND_OPEN, p->server_id), 1);
	assert_int_equal(bed_count(b, SONDE_KIND_CLOSE, p->client_id), 1);
	assert_int_equal(bed_count(b, SONDE_KIND_CLOSE, p->server_id), 1);
}

static void open_records_name_both_ends_of_an_ipv4_connection(void **state)
{
	struct pair p = converse(*state, "127.0.0.1", "127.0.0.1");

	check_pair(*state, &p, loopback4);
	bed_check_ledger(*state);
}

static void open_records_name_both_ends_of_an_ipv6_connection(void **state)
{
	struct pair p = converse(*state, "::1", "::1");

	check_pair(*state, &p, loopback6);
	bed_check_ledger(*state);
}

static void a_mapped_address_is_an_ipv4_address(void **state)
{
	struct pair p = converse(*state, "::", "::ffff:127.0.0.1");

	check_pair(*state, &p, loopback4);
	bed_check_ledger(*state);
}

static void an_ipv4_client_meets_its_server_on_an_ipv6_socket(void **state)
{
	struct pair p = converse(*state, "::", "127.0.0.1");

	check_pair(*state, &p, loopback4);
	bed_check_ledger(*state);
}

static void check_turn(const struct sonde_record_data *d, enum sonde_direction direction,
		       uint32_t turn, size_t len, uint64_t peer_bytes)
{
	assert_int_equal(d->direction, direction);
	assert_int_equal(d->head, turn);
	assert_int_equal(d->position, (turn - 1) * len);
	assert_int_equal(d->segment_len, len);
	assert_int_equal(d->payload.len, len);
	assert_int_equal(d->peer_bytes, peer_bytes);
	assert_true(d->first);
	assert_false(d->gap || d->repeat);
}

static void each_turn_has_one_head_with_its_place(void **state)
{
	struct bed *b = *state;
	struct pair p = converse(b, "127.0.0.1", "127.0.0.1");
	const struct sonde_record_data *d[4];

	assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.server_id), 4);
	for (size_t i = 0; i < 4; i++) {
		d[i] = bed_data_of(b, p.server_id, i);
		bed_check_payload(b, p.server_id, i, i % 2 ? ANSWER : ASK);
	}
	check_turn(d[0], SONDE_INGRESS, 1, LEN(ASK), 0);
	check_turn(d[1], SONDE_EGRESS, 1, LEN(ANSWER), LEN(ASK));
	check_turn(d[2], SONDE_INGRESS, 2, LEN(ASK), LEN(ANSWER));
	check_turn(d[3], SONDE_EGRESS, 2, LEN(ANSWER), 2 * LEN(ASK));
	assert_true(d[1]->response);
	assert_false(d[0]->response);
	/* The end of one turn rides on the head of the next. */
	assert_int_equal(d[1]->peer_last_ns, d[0]->stamp_ns);
	assert_int_equal(d[2]->peer_last_ns, d[1]->stamp_ns);
}

static void stamps_are_monotonic_and_of_this_moment(void **state)
{
	struct bed *b = *state;
	uint64_t before = sonde_clock_mono_ns(), last = before;
	struct pair p = converse(b, "127.0.0.1", "127.0.0.1");
	uint64_t after = sonde_clock_mono_ns();

	assert_true(bed_open_of(b, p.server_id)->stamp_ns >= before);
	for (size_t i = 0; i < 4; i++) {
		assert_true(bed_data_of(b, p.server_id, i)->stamp_ns >= last);
		last = bed_data_of(b, p.server_id, i)->stamp_ns;
	}
	assert_true(bed_close_of(b, p.server_id)->stamp_ns >= last);
	assert_true(bed_close_of(b, p.server_id)->stamp_ns <= after);
}

static void the_client_of_a_local_pair_says_nothing_of_its_data(void **state)
{
	struct bed *b = *state;
	struct pair p = converse(b, "127.0.0.1", "127.0.0.1");

	assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.client_id), 0);
	assert_int_equal(bed_count(b, SONDE_KIND_PROGRESS, p.client_id), 0);
}

static void the_close_record_counts_bytes_and_turns(void **state)
{
	struct bed *b = *state;
	struct pair p = converse(b, "127.0.0.1", "127.0.0.1");
	const struct sonde_record_close *c = bed_close_of(b, p.server_id);

	assert_int_equal(c->flow[SONDE_INGRESS].bytes, 2 * LEN(ASK));
	assert_int_equal(c->flow[SONDE_EGRESS].bytes, 2 * LEN(ANSWER));
	assert_int_equal(c->flow[SONDE_INGRESS].heads, 2);
	assert_int_equal(c->flow[SONDE_EGRESS].heads, 2);
	assert_int_equal(c->flow[SONDE_INGRESS].retransmits, 0);
	assert_int_equal(c->flow[SONDE_INGRESS].gaps, 0);
	assert_int_equal(c->flow[SONDE_EGRESS].last_ns, bed_data_of(b, p.server_id, 3)->stamp_ns);
	assert_true(c->fin_in && c->fin_out);
	assert_false(c->rst_in || c->rst_out || c->timeout || c->aborted);
}

static void a_reset_is_told_with_its_side(void **state)
{
	struct linger now = { .l_onoff = 1 };
	struct bed *b = *state;
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");

	b->ports[0] = p.port;
	sock_send(p.client, ASK);
	sock_expect(p.server, ASK);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(p.client);
	bed_until(b, bed_is_closed, p.server_id);
	assert_true(bed_close_of(b, p.server_id)->rst_in);
	assert_false(bed_close_of(b, p.server_id)->rst_out);
	close(p.server);
	close(p.listener);
}

static void a_long_request_is_captured_up_to_the_limit(void **state)
{
	static char text[1001];
	struct bed *b = *state;
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");
	const struct sonde_record_data *d;

	b->ports[0] = p.port;
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, ASK, LEN(ASK));
	sock_send(p.client, text);
	sock_expect(p.server, text);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.server_id), 1);
	d = bed_data_of(b, p.server_id, 0);
	assert_int_equal(d->payload.len, b->config.capture.request_head_bytes);
	assert_int_equal(d->segment_len, 1000);
	assert_int_equal(bed_close_of(b, p.server_id)->flow[SONDE_INGRESS].bytes, 1000);
}

static void a_head_in_several_segments_is_captured_on(void **state)
{
	struct bed *b = *state;
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");

	b->ports[0] = p.port;
	sock_send(p.client, "GET /a HTTP/1.1\r\n");
	sock_expect(p.server, "GET /a HTTP/1.1\r\n");
	sock_send(p.client, "Host: x\r\n\r\n");
	sock_expect(p.server, "Host: x\r\n\r\n");
	sock_send(p.server, ANSWER);
	sock_expect(p.client, ANSWER);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.server_id), 3);
	bed_check_payload(b, p.server_id, 0, "GET /a HTTP/1.1\r\n");
	bed_check_payload(b, p.server_id, 1, "Host: x\r\n\r\n");
	assert_true(bed_data_of(b, p.server_id, 0)->first);
	assert_false(bed_data_of(b, p.server_id, 1)->first);
	assert_int_equal(bed_data_of(b, p.server_id, 1)->head, 1);
	assert_int_equal(bed_data_of(b, p.server_id, 1)->position, 17);
}

static void what_is_no_http_is_counted_and_soon_not_captured(void **state)
{
	enum { TURNS = 20 };
	struct bed *b = *state;
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");

	b->ports[0] = p.port;
	for (int i = 0; i < TURNS; i++)
		pair_exchange(&p, "PING 12345\r\n", "PONG 12345\r\n");
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	assert_in_range(bed_count(b, SONDE_KIND_DATA, p.server_id), 1, 4);
	assert_int_equal(bed_close_of(b, p.server_id)->flow[SONDE_INGRESS].bytes, TURNS * 12);
	assert_int_equal(bed_close_of(b, p.server_id)->flow[SONDE_EGRESS].bytes, TURNS * 12);
}

static bool has_progress(const struct bed *b, uint64_t id)
{
	sonde_probe_progress(b->probe);
	return bed_count(b, SONDE_KIND_PROGRESS, id) > 0;
}

static void a_quiet_connection_is_told_of(void **state)
{
	struct bed *b = *state;
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");
	const struct sonde_progress *flow;

	b->ports[0] = p.port;
	pair_exchange(&p, ASK, ANSWER);
	bed_until(b, has_progress, p.server_id);
	flow = bed_nth(b, SONDE_KIND_PROGRESS, p.server_id, 0)->r.progress;
	assert_int_equal(flow[SONDE_INGRESS].bytes, LEN(ASK));
	assert_int_equal(flow[SONDE_EGRESS].bytes, LEN(ANSWER));
	assert_int_equal(flow[SONDE_EGRESS].last_ns, bed_data_of(b, p.server_id, 1)->stamp_ns);
	pair_close(&p);
}

static bool has_two_opens(const struct bed *b, uint64_t id)
{
	return bed_count(b, SONDE_KIND_OPEN, id) == 2;
}

static void connections_are_told_again_when_asked_for(void **state)
{
	struct bed *b = *state;
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");
	const struct sonde_record_open *again;

	b->ports[0] = p.port;
	bed_until(b, bed_is_open, p.server_id);
	assert_int_equal(sonde_probe_reopen(b->probe), 0);
	bed_until(b, has_two_opens, p.server_id);
	again = &bed_nth(b, SONDE_KIND_OPEN, p.server_id, 1)->r.open;
	assert_true(again->again);
	assert_int_equal(again->pid, getpid());
	assert_int_equal(again->role, SONDE_ROLE_SERVER);
	assert_int_equal(again->peer, p.client_id);
	assert_int_equal(again->local.port, p.port);
	pair_close(&p);
}

/* The kernel tells it to the worker as it does with every other record: exactly once. */
static void a_deferred_accept_keeps_the_first_request(void **state)
{
	int seconds = 10;
	struct bed *b = *state;
	struct pair p;

	p.listener = sock_listen("127.0.0.1", &p.port);
	b->ports[0] = p.port;
	setsockopt(p.listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
	p.client = sock_connect("127.0.0.1", p.port);
	sock_send(p.client, ASK);
	p.server = sock_accept(p.listener);
	p.server_id = sock_id(p.server);
	sock_expect(p.server, ASK);
	sock_send(p.server, ANSWER);
	sock_expect(p.client, ANSWER);
	pair_exchange(&p, ASK, ANSWER);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.server_id), 4);
	bed_check_payload(b, p.server_id, 0, ASK);
	check_turn(bed_data_of(b, p.server_id, 0), SONDE_INGRESS, 1, LEN(ASK), 0);
	check_turn(bed_data_of(b, p.server_id, 1), SONDE_EGRESS, 1, LEN(ANSWER), LEN(ASK));
	check_turn(bed_data_of(b, p.server_id, 2), SONDE_INGRESS, 2, LEN(ASK), LEN(ANSWER));
	assert_int_equal(bed_close_of(b, p.server_id)->flow[SONDE_INGRESS].bytes, 2 * LEN(ASK));
	assert_int_equal(bed_check_ledger(b).early_lost, 0);
}

static void sockets_of_the_agent_leave_no_record_but_the_canarys_do(void **state)
{
	struct bed *b = *state;
	struct pair canary = { 0 }, own;

	sonde_probe_set_own(b->probe, 1, (uint32_t)getpid());
	own = pair_open("127.0.0.1", "127.0.0.1");
	canary.listener = sock_listen("127.0.0.1", &canary.port);
	sonde_probe_set_canary(b->probe, canary.port);
	pair_meet(&canary, "127.0.0.1");
	b->ports[0] = own.port;
	b->ports[1] = canary.port;
	pair_exchange(&own, ASK, ANSWER);
	pair_close(&own);
	pair_exchange(&canary, ASK, ANSWER);
	pair_close(&canary);
	/* The later connection has come, so the earlier one would have. */
	bed_until(b, bed_is_closed, canary.client_id);
	assert_false(bed_knows(b, own.server_id) || bed_knows(b, own.client_id));
	assert_true(bed_knows(b, canary.client_id));
}

static void ignored_cgroups_leave_no_record(void **state)
{
	struct bed *b = *state;
	struct pair seen = pair_open("127.0.0.1", "127.0.0.1"), ignored;
	uint64_t id;

	b->ports[0] = seen.port;
	bed_until(b, bed_is_open, seen.server_id);
	id = bed_open_of(b, seen.server_id)->cgroup_id;
	assert_int_equal(sonde_probe_ignore_cgroup(b->probe, id), 0);
	ignored = pair_open("127.0.0.1", "127.0.0.1");
	b->ports[1] = ignored.port;
	pair_exchange(&ignored, ASK, ANSWER);
	pair_close(&ignored);
	pair_exchange(&seen, ASK, ANSWER);
	pair_close(&seen);
	bed_until(b, bed_is_closed, seen.server_id);
	assert_false(bed_knows(b, ignored.server_id) || bed_knows(b, ignored.client_id));
}

/* Needs programs of its own: ports are told before they load. */
static void ignored_ports_leave_no_record(void **state)
{
	struct bed *b = bed_new();
	struct pair seen, ignored = { 0 };

	(void)state;
	ignored.listener = sock_listen("127.0.0.1", &ignored.port);
	b->config.capture.ignored_ports[0] = 9;
	b->config.capture.ignored_ports[1] = ignored.port;
	b->config.capture.n_ignored_ports = 2;
	bed_load(b);
	bed_attach(b);
	seen = pair_open("127.0.0.1", "127.0.0.1");
	b->ports[0] = seen.port;
	b->ports[1] = ignored.port;
	pair_meet(&ignored, "127.0.0.1");
	pair_exchange(&ignored, ASK, ANSWER);
	pair_close(&ignored);
	pair_exchange(&seen, ASK, ANSWER);
	pair_close(&seen);
	bed_until(b, bed_is_closed, seen.server_id);
	assert_false(bed_knows(b, ignored.server_id) || bed_knows(b, ignored.client_id));
	bed_free(b);
}

#define BED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(open_records_name_both_ends_of_an_ipv4_connection),
		BED_TEST(open_records_name_both_ends_of_an_ipv6_connection),
		BED_TEST(a_mapped_address_is_an_ipv4_address),
		BED_TEST(an_ipv4_client_meets_its_server_on_an_ipv6_socket),
		BED_TEST(each_turn_has_one_head_with_its_place),
		BED_TEST(stamps_are_monotonic_and_of_this_moment),
		BED_TEST(the_client_of_a_local_pair_says_nothing_of_its_data),
		BED_TEST(the_close_record_counts_bytes_and_turns),
		BED_TEST(a_reset_is_told_with_its_side),
		BED_TEST(a_long_request_is_captured_up_to_the_limit),
		BED_TEST(a_head_in_several_segments_is_captured_on),
		BED_TEST(what_is_no_http_is_counted_and_soon_not_captured),
		BED_TEST(a_quiet_connection_is_told_of),
		BED_TEST(connections_are_told_again_when_asked_for),
		BED_TEST(a_deferred_accept_keeps_the_first_request),
		BED_TEST(sockets_of_the_agent_leave_no_record_but_the_canarys_do),
		BED_TEST(ignored_cgroups_leave_no_record),
		cmocka_unit_test(ignored_ports_leave_no_record),
	};

	prctl(PR_SET_NAME, "capture-tester");
	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
