// SPDX-License-Identifier: Apache-2.0
/* Connections: who they belong to, which end reports, what happens when there are too many. */
#include "tests/unit/track/messages.h"
#include "tests/unit/track/wire.h"

static struct sonde_track_stats stats_of(const struct wire *w)
{
	struct sonde_track_stats s;

	sonde_track_stats(w->track, &s);
	return s;
}

static void a_head_in_two_records_is_one_request_wherever_it_is_cut(void **state)
{
	static const char head[] = "GET /a?b=c HTTP/1.1\r\nHost: shop:8080\r\nUser-Agent: x\r\n"
				   "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
				   "b7ad6b7169203331-01\r\n\r\n";

	(void)state;
	for (size_t cut = 1; cut < LEN(head); cut++) {
		struct wire *w = wire_new(4);
		struct line l = line_open(w, 1, SONDE_ROLE_SERVER);

		line_segment(&l, line_asks(&l), head, cut);
		assert_int_equal(w->ledger.produced[SONDE_KIND_REQUEST], 0);
		w->now_ns += SONDE_NS_PER_MS;
		line_segment(&l, line_asks(&l), head + cut, LEN(head) - cut);
		assert_int_equal(wire_open_requests(w), 1);
		line_answer(&l, OK);
		assert_int_equal(w->n_told, 1);
		assert_string_equal(w->told[0].path, "/a");
		assert_string_equal(w->told[0].host, "shop:8080");
		assert_string_equal(w->told[0].trace_id, "0af7651916cd43dd8448eb211c80319c");
		assert_int_equal(w->told[0].r.duration_ns, SONDE_NS_PER_MS);
		line_end(&l);
		wire_check_rest(w);
		wire_free(w);
	}
}

static void an_answer_in_pieces_lasts_until_the_last_one(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_open(w, 1, SONDE_ROLE_SERVER);

	(void)state;
	line_ask(&l, GET);
	w->now_ns += 3 * SONDE_NS_PER_MS;
	line_answer(&l, "HTTP/1.1 200 OK\r\n");
	w->now_ns += 4 * SONDE_NS_PER_MS;
	line_answer(&l, "Content-Length: 0\r\n\r\n");
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].r.ttfb_ns, 3 * SONDE_NS_PER_MS);
	assert_int_equal(w->told[0].r.duration_ns, 7 * SONDE_NS_PER_MS);
	line_end(&l);
	wire_check_rest(w);
	wire_free(w);
}

static void a_stamp_ahead_of_the_tick_is_no_timeout(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_open(w, 1, SONDE_ROLE_CLIENT);

	(void)state;
	w->now_ns += SONDE_NS_PER_MS;
	line_ask(&l, GET);
	sonde_track_tick(w->track, w->now_ns - 1, 0);
	assert_int_equal(w->n_told, 0);
	line_answer(&l, OK);
	assert_int_equal(w->told[0].r.error, SONDE_ERROR_NONE);
	line_end(&l);
	wire_check_rest(w);
	wire_free(w);
}

static void a_new_timeout_counts_from_the_next_tick(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_open(w, 1, SONDE_ROLE_SERVER);

	(void)state;
	line_ask(&l, GET);
	w->config.http.timeout_ns = 2 * SONDE_NS_PER_SEC;
	sonde_track_configure(w->track, &w->config);
	wire_tick(w, 2000);
	assert_int_equal(w->n_told, 0);
	wire_tick(w, 1);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].r.error, SONDE_ERROR_TIMEOUT);
	line_end(&l);
	wire_check_rest(w);
	wire_free(w);
}

/* The open record of the server's end names the client's. */
static void of_a_local_pair_the_server_reports_with_its_peer(void **state)
{
	struct wire *w = wire_new(4);
	struct line client = line_open(w, 1, SONDE_ROLE_CLIENT);
	struct line server = line_of(w, 2, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&server, client.id);

	(void)state;
	line_ask(&client, GET);
	wire_tell(w, &r);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_REQUEST][SONDE_LOSS_LOCAL_PEER], 1);
	assert_int_equal(w->lost, 0);
	line_ask(&server, GET);
	line_answer(&server, OK);
	line_answer(&client, OK);
	line_ask(&client, GET);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].r.role, SONDE_ROLE_SERVER);
	assert_int_equal(w->told[0].peer_pid, 1);
	assert_int_equal(stats_of(w).shadowed, 1);
	/* The client's process is held by the server's connection as well. */
	line_end(&client);
	assert_int_equal(w->held, 2);
	line_end(&server);
	wire_check_rest(w);
	wire_free(w);
}

static void a_client_told_after_its_server_is_joined_too(void **state)
{
	struct wire *w = wire_new(4);
	struct line server = line_of(w, 2, SONDE_ROLE_SERVER), client;
	struct sonde_record r = line_open_record(&server, 1);

	(void)state;
	wire_tell(w, &r);
	client = line_open(w, 1, SONDE_ROLE_CLIENT);
	line_ask(&client, GET);
	line_ask(&server, GET);
	line_answer(&server, OK);
	line_answer(&client, OK);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].r.role, SONDE_ROLE_SERVER);
	assert_int_equal(w->told[0].peer_pid, 1);
	line_end(&server);
	line_end(&client);
	wire_check_rest(w);
	wire_free(w);
}

static void a_connection_cannot_be_its_own_peer(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 3, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&l, 3);

	(void)state;
	wire_tell(w, &r);
	line_ask(&l, GET);
	line_answer(&l, OK);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].peer_pid, 0);
	line_end(&l);
	wire_check_rest(w);
	wire_free(w);
}

static void a_connection_never_opened_is_learned_from_its_bytes(void **state)
{
	struct wire *w = wire_new(4);

	(void)state;
	for (int role = SONDE_ROLE_SERVER; role <= SONDE_ROLE_CLIENT; role++) {
		struct line l = line_of(w, (uint64_t)role, (enum sonde_role)role);
		struct sonde_record r = line_open_record(&l, 0);
		size_t told = w->n_told;

		line_ask(&l, GET);
		line_answer(&l, OK);
		assert_int_equal(w->n_told, told + 1);
		assert_int_equal(w->told[told].r.role, role);
		assert_int_equal(w->told[told].r.process->pid, 0);
		assert_int_equal(w->n_reopens, role);
		assert_int_equal(stats_of(w).unnamed, role);
		/* Told after all: from now on it has a name. */
		r.open.again = true;
		wire_tell(w, &r);
		line_ask(&l, GET_B);
		line_answer(&l, OK);
		assert_int_equal(w->told[told + 1].r.process->pid, role);
		assert_int_equal(w->told[told + 1].r.server.port, 8080);
		line_end(&l);
	}
	wire_check_rest(w);
	wire_free(w);
}

static void answers_alone_tell_the_role_too(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 1, SONDE_ROLE_CLIENT);

	(void)state;
	line_answer(&l, OK);
	line_ask(&l, GET);
	line_answer(&l, OK);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].r.role, SONDE_ROLE_CLIENT);
	assert_int_equal(stats_of(w).unsynced, 1);
	line_end(&l);
	wire_check_rest(w);
	wire_free(w);
}

static void an_old_socket_of_unknown_side_is_learned_from_its_bytes(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 5, SONDE_ROLE_CLIENT);
	struct sonde_record r = line_open_record(&l, 0);

	(void)state;
	r.open.role = SONDE_ROLE_UNKNOWN;
	r.open.preexisting = true;
	r.open.pid = 0;
	wire_tell(w, &r);
	line_segment(&l, SONDE_EGRESS, "\x16\x03\x01 no role in this", 20);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_DATA][SONDE_LOSS_UNPARSED], 0);
	line_answer(&l, "??");
	line_ask(&l, GET);
	line_answer(&l, OK);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].r.role, SONDE_ROLE_CLIENT);
	assert_int_equal(w->n_reopens, 0);
	line_end(&l);
	wire_check_rest(w);
	wire_free(w);
}

/* In the middle of a body: what was before the agent is neither request nor loss. */
static void an_old_socket_begins_with_its_next_request(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 5, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&l, 0);

	(void)state;
	l.flow[SONDE_INGRESS].heads = 7;
	l.flow[SONDE_EGRESS].heads = 7;
	r.open.preexisting = true;
	wire_tell(w, &r);
	line_answer(&l, "half a body");
	line_ask(&l, GET);
	line_answer(&l, OK);
	line_end(&l);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->lost, 0);
	wire_check_rest(w);
	wire_free(w);
}

static void told_again_changes_nothing(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_open(w, 1, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&l, 0);

	(void)state;
	line_ask(&l, GET);
	r.open.again = true;
	r.open.pid = 3;
	wire_tell(w, &r);
	assert_int_equal(w->held, 1);
	line_answer(&l, OK);
	assert_int_equal(w->told[0].r.process->pid, 1);
	assert_int_equal(w->ledger.delivered[SONDE_KIND_OPEN], 2);
	line_end(&l);
	wire_check_rest(w);
	wire_free(w);
}

static void what_is_no_http_is_left_alone(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_open(w, 1, SONDE_ROLE_SERVER);

	(void)state;
	line_answer(&l, "220 mail.example ESMTP\r\n");
	for (int i = 0; i < 8; i++) {
		line_ask(&l, "EHLO client\r\n");
		line_answer(&l, "250 OK\r\n");
	}
	assert_int_equal(wire_open_requests(w), 0);
	line_end(&l);
	assert_int_equal(w->n_told, 0);
	assert_int_equal(w->lost, 0);
	assert_int_equal(w->n_streams, 0);
	assert_int_equal(w->ledger.produced[SONDE_KIND_REQUEST], 0);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_DATA][SONDE_LOSS_UNPARSED], 0);
	wire_check_rest(w);
	wire_free(w);
}

static void garbage_on_an_http_connection_is_counted(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_open(w, 1, SONDE_ROLE_SERVER);

	(void)state;
	line_ask(&l, GET);
	line_answer(&l, OK);
	line_ask(&l, "\x01\x02\x03 nonsense\r\n\r\n");
	line_answer(&l, OK);
	line_ask(&l, GET_B);
	line_answer(&l, OK);
	line_end(&l);
	assert_int_equal(w->n_told, 2);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_DATA][SONDE_LOSS_UNPARSED], 1);
	assert_int_equal(w->ledger.delivered[SONDE_KIND_DATA], 5);
	wire_check_rest(w);
	wire_free(w);
}

static void more_connections_than_the_table_holds_are_counted(void **state)
{
	struct wire *w = wire_new(2);
	struct line a = line_open(w, 1, SONDE_ROLE_SERVER), b = line_open(w, 2, SONDE_ROLE_SERVER);
	struct line c = line_open(w, 3, SONDE_ROLE_SERVER);

	(void)state;
	assert_int_equal(w->ledger.dropped[SONDE_KIND_OPEN][SONDE_LOSS_TABLE_FULL], 1);
	line_ask(&c, GET);
	line_progress(&c);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_DATA][SONDE_LOSS_TABLE_FULL], 1);
	/* What tells of a connection that is not followed has been heard all the same. */
	assert_int_equal(w->ledger.delivered[SONDE_KIND_PROGRESS], 1);
	line_end(&c);
	assert_int_equal(w->ledger.delivered[SONDE_KIND_CLOSE], 1);
	assert_int_equal(w->n_told, 0);
	/* Those inside are not disturbed, and room that comes free is used. */
	line_ask(&a, GET);
	line_answer(&a, OK);
	line_end(&a);
	c = line_open(w, 4, SONDE_ROLE_SERVER);
	line_ask(&c, GET_B);
	line_answer(&c, OK);
	assert_int_equal(w->n_told, 2);
	assert_int_equal(w->ledger.delivered[SONDE_KIND_OPEN], 3);
	line_end(&b);
	line_end(&c);
	wire_check_rest(w);
	wire_free(w);
}

/* More in flight on one connection than are kept: counted, and the others get their answers. */
static void more_pipelined_requests_than_are_kept_are_counted(void **state)
{
	enum { MORE = 10, ALL = SONDE_EXCHANGES_PER_CONNECTION + MORE };
	struct wire *w = wire_new(4);
	struct line l = line_open(w, 1, SONDE_ROLE_SERVER);

	(void)state;
	for (int i = 0; i < ALL; i++)
		line_ask(&l, GET);
	assert_int_equal(wire_open_requests(w), SONDE_EXCHANGES_PER_CONNECTION);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_REQUEST][SONDE_LOSS_NO_MEMORY], MORE);
	assert_int_equal(w->lost, MORE);
	for (int i = 0; i < ALL; i++)
		line_answer(&l, OK);
	assert_int_equal(w->n_told, SONDE_EXCHANGES_PER_CONNECTION);
	assert_int_equal(stats_of(w).unsynced, MORE);
	line_end(&l);
	wire_check_rest(w);
	wire_free(w);
}

static void open_requests_end_with_track_unreported(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_open(w, 1, SONDE_ROLE_SERVER);

	(void)state;
	line_ask(&l, GET);
	line_answer(&l, "HTTP/1.1 200 OK\r\nContent-Len");
	assert_int_equal(w->held, 1);
	wire_free(w); /* checks that nothing is held; a sanitiser, that nothing is left */
}

/* Its close record was lost: only a telling of all that live shows that it is gone. */
static void what_is_not_told_again_is_forgotten(void **state)
{
	struct wire *w = wire_new(4);
	struct line gone = line_open(w, 1, SONDE_ROLE_SERVER);
	struct line lives = line_open(w, 2, SONDE_ROLE_SERVER);
	struct sonde_record again = line_open_record(&lives, 0);
	struct line fresh;

	(void)state;
	line_ask(&gone, GET);
	line_ask(&lives, GET);
	sonde_track_begin_telling(w->track);
	again.open.again = true;
	wire_tell(w, &again);
	fresh = line_open(w, 3, SONDE_ROLE_SERVER);
	sonde_track_end_telling(w->track);
	assert_int_equal(stats_of(w).connections, 2);
	assert_int_equal(w->lost, 1);
	assert_int_equal(w->held, 2);
	wire_check_ledger(w);
	line_answer(&lives, OK);
	assert_int_equal(w->n_told, 1);
	line_end(&lives);
	line_end(&fresh);
	wire_check_rest(w);
	wire_free(w);
}

/* All but the last word was lost: that one still says how many requests there were. */
static void a_close_alone_tells_what_was_lost(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 1, SONDE_ROLE_SERVER);

	(void)state;
	l.flow[SONDE_INGRESS].heads = 3;
	line_close(&l, (struct sonde_record_close){ .role = SONDE_ROLE_SERVER, .http = true });
	assert_int_equal(w->lost, 3);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_REQUEST][SONDE_LOSS_RING_FULL], 3);
	line_close(&l, (struct sonde_record_close){ .role = SONDE_ROLE_SERVER });
	assert_int_equal(w->lost, 3);
	wire_check_rest(w);
	wire_free(w);
}

static void a_close_of_the_unknown_is_accepted(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 1, SONDE_ROLE_SERVER);

	(void)state;
	line_end(&l);
	assert_int_equal(w->ledger.delivered[SONDE_KIND_CLOSE], 1);
	assert_int_equal(stats_of(w).connections, 0);
	wire_check_rest(w);
	wire_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_in_two_records_is_one_request_wherever_it_is_cut),
		cmocka_unit_test(an_answer_in_pieces_lasts_until_the_last_one),
		cmocka_unit_test(a_stamp_ahead_of_the_tick_is_no_timeout),
		cmocka_unit_test(a_new_timeout_counts_from_the_next_tick),
		cmocka_unit_test(of_a_local_pair_the_server_reports_with_its_peer),
		cmocka_unit_test(a_client_told_after_its_server_is_joined_too),
		cmocka_unit_test(a_connection_cannot_be_its_own_peer),
		cmocka_unit_test(a_connection_never_opened_is_learned_from_its_bytes),
		cmocka_unit_test(answers_alone_tell_the_role_too),
		cmocka_unit_test(an_old_socket_of_unknown_side_is_learned_from_its_bytes),
		cmocka_unit_test(an_old_socket_begins_with_its_next_request),
		cmocka_unit_test(told_again_changes_nothing),
		cmocka_unit_test(what_is_no_http_is_left_alone),
		cmocka_unit_test(garbage_on_an_http_connection_is_counted),
		cmocka_unit_test(more_connections_than_the_table_holds_are_counted),
		cmocka_unit_test(more_pipelined_requests_than_are_kept_are_counted),
		cmocka_unit_test(open_requests_end_with_track_unreported),
		cmocka_unit_test(what_is_not_told_again_is_forgotten),
		cmocka_unit_test(a_close_alone_tells_what_was_lost),
		cmocka_unit_test(a_close_of_the_unknown_is_accepted),
	};

	return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
