// SPDX-License-Identifier: Apache-2.0
/* What is told of connections themselves. */
#include <errno.h>

#include "tests/unit/track/wire.h"

static const struct news *last(const struct wire *w)
{
	assert_true(w->n_news > 0);
	return &w->news[(w->n_news - 1) % WIRE_NEWS];
}

static size_t events(const struct wire *w, enum sonde_connection_event event)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_news; i++)
		n += w->news[i].event == event;
	return n;
}

static void facts(struct wire *w, uint64_t id, struct sonde_tcp_view view)
{
	struct sonde_snapshot_tcp s = { .stamp_ns = w->now_ns, .tcp = view };

	sonde_track_facts(w->track, id, &s);
}

static void close_with(struct wire *w, uint64_t id, struct sonde_record_close close)
{
	struct sonde_record r = { .kind = SONDE_KIND_CLOSE, .id = id, .close = close };

	r.close.stamp_ns = w->now_ns;
	wire_tell(w, &r);
}

static void a_connection_is_told_as_opened_moved_and_closed(void **state)
{
	struct wire *w = wire_new(4);

	(void)state;
	line_open(w, 1, SONDE_ROLE_SERVER);
	assert_int_equal(w->n_news, 0);
	facts(w, 1, (struct sonde_tcp_view){ .bytes_received = 10, .segments_in = 1 });
	assert_int_equal(w->n_news, 2);
	assert_int_equal(w->news[0].event, SONDE_CONNECTION_OPENED);
	assert_int_equal(w->news[0].c.fresh.to_server.bytes, 0);
	assert_int_equal(w->news[1].event, SONDE_CONNECTION_UPDATED);
	assert_int_equal(w->news[1].c.fresh.to_server.bytes, 10);
	/* Nothing moved: no news. */
	facts(w, 1, (struct sonde_tcp_view){ .bytes_received = 10, .segments_in = 1 });
	assert_int_equal(w->n_news, 2);
	close_with(w, 1,
		   (struct sonde_record_close){
			   .fin_in = true,
			   .fin_out = true,
			   .peer_first = true,
			   .tcp = { .bytes_received = 15,
				    .segments_in = 4,
				    .state = SONDE_TCP_LAST_ACK },
		   });
	assert_int_equal(last(w)->event, SONDE_CONNECTION_CLOSED);
	assert_int_equal(last(w)->c.fresh.to_server.bytes, 5);
	assert_int_equal(last(w)->c.total.to_server.segments, 4);
	assert_int_equal(last(w)->c.closed_by, SONDE_ROLE_CLIENT);
	assert_int_equal(last(w)->c.close_state, SONDE_TCP_LAST_ACK);
	assert_true(last(w)->c.total.to_client.out_of_order == SONDE_COUNT_UNKNOWN);
	wire_check_rest(w);
	wire_free(w);
}

static void a_failed_connect_is_closed_without_being_opened(void **state)
{
	static const struct {
		uint16_t error;
		enum sonde_connect_error want;
	} cases[] = {
		{ 0, SONDE_CONNECT_ABORTED },		{ ECONNREFUSED, SONDE_CONNECT_REFUSED },
		{ ETIMEDOUT, SONDE_CONNECT_TIMED_OUT }, { EHOSTUNREACH, SONDE_CONNECT_UNREACHABLE },
		{ ECONNRESET, SONDE_CONNECT_RESET },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire *w = wire_new(4);
		struct line l = line_of(w, 1, SONDE_ROLE_CLIENT);
		struct sonde_record r = line_open_record(&l, 0);

		r.open.failed = true;
		wire_tell(w, &r);
		close_with(w, 1,
			   (struct sonde_record_close){ .failed = true,
							.error = cases[i].error,
							.role = SONDE_ROLE_CLIENT });
		assert_int_equal(w->n_news, 1);
		assert_int_equal(last(w)->event, SONDE_CONNECTION_CLOSED);
		assert_int_equal(last(w)->c.connect_error, cases[i].want);
		wire_check_rest(w);
		wire_free(w);
	}
}

/* Whoever of the two closes first. */
static void of_a_local_pair_one_is_told_with_the_counts_of_both(void **state)
{
	(void)state;
	for (int client_first = 0; client_first < 2; client_first++) {
		struct wire *w = wire_new(4);
		struct line server = line_of(w, 2, SONDE_ROLE_SERVER);
		struct sonde_record r = line_open_record(&server, 1);
		struct sonde_record_close from_client = {
			.fin_out = true,
			.tcp = { .retransmits = 3, .out_of_order = 2, .segments_out = 9 },
		};
		struct sonde_record_close from_server = {
			.fin_in = true,
			.peer_first = true,
			.tcp = { .retransmits = 5, .out_of_order = 4, .segments_out = 7 },
		};

		line_open(w, 1, SONDE_ROLE_CLIENT);
		wire_tell(w, &r);
		close_with(w, client_first ? 1 : 2, client_first ? from_client : from_server);
		assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 0);
		close_with(w, client_first ? 2 : 1, client_first ? from_server : from_client);
		assert_int_equal(events(w, SONDE_CONNECTION_OPENED), 1);
		assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 1);
		assert_int_equal(last(w)->pid, 2);
		assert_int_equal(last(w)->peer_pid, 1);
		assert_int_equal(last(w)->c.total.to_server.retransmits, 3);
		assert_int_equal(last(w)->c.total.to_client.retransmits, 5);
		assert_int_equal(last(w)->c.total.to_server.out_of_order, 4);
		assert_int_equal(last(w)->c.total.to_client.out_of_order, 2);
		wire_check_rest(w);
		wire_free(w);
	}
}

static void a_server_does_not_wait_for_ever_for_its_client(void **state)
{
	struct wire *w = wire_new(4);
	struct line server = line_of(w, 2, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&server, 1);

	(void)state;
	line_open(w, 1, SONDE_ROLE_CLIENT);
	wire_tell(w, &r);
	close_with(w, 2, (struct sonde_record_close){ .fin_out = true });
	wire_tick(w, 500);
	assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 0);
	wire_tick(w, 1000);
	assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 1);
	assert_int_equal(last(w)->c.closed_by, SONDE_ROLE_SERVER);
	close_with(w, 1, (struct sonde_record_close){ .fin_in = true });
	assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 1);
	wire_check_rest(w);
	wire_free(w);
}

static void another_owner_is_the_process_from_then_on(void **state)
{
	struct wire *w = wire_new(4);
	struct sonde_record r = { .kind = SONDE_KIND_OWNER, .id = 1, .owner = { .pid = 5 } };

	(void)state;
	line_open(w, 1, SONDE_ROLE_SERVER);
	wire_tell(w, &r);
	close_with(w, 1, (struct sonde_record_close){ .rst_in = true });
	assert_int_equal(last(w)->pid, 5);
	assert_int_equal(last(w)->c.reset_by, SONDE_ROLE_CLIENT);
	assert_int_equal(last(w)->c.closed_by, SONDE_ROLE_CLIENT);
	wire_check_rest(w);
	wire_free(w);
}

static void where_packets_went_is_told_beside_what_was_asked_for(void **state)
{
	struct wire *w = wire_new(4);
	struct sonde_record r = { .kind = SONDE_KIND_NAT, .id = 1 };
	struct line server = line_of(w, 2, SONDE_ROLE_SERVER);
	struct sonde_record open = line_open_record(&server, 1);

	(void)state;
	line_open(w, 1, SONDE_ROLE_CLIENT);
	r.nat.local.port = 40000;
	r.nat.remote.port = 8081;
	wire_tell(w, &r);
	w->now_ns += SONDE_NS_PER_SEC;
	facts(w, 1, (struct sonde_tcp_view){ .segments_out = 1 });
	assert_int_equal(last(w)->c.server.port, 8081);
	assert_int_equal(last(w)->c.server_original.port, 8080);
	assert_int_equal(last(w)->c.client_original.port, 0);
	/* The same told by the server, who knows its own address only. */
	open.open.local.port = 8081;
	wire_tell(w, &open);
	facts(w, 2, (struct sonde_tcp_view){ .segments_out = 1 });
	assert_int_equal(last(w)->c.server.port, 8081);
	assert_int_equal(last(w)->c.server_original.port, 8080);
	wire_free(w);
}

static void what_ended_unseen_is_told_with_what_is_known(void **state)
{
	struct wire *w = wire_new(4);

	(void)state;
	line_open(w, 1, SONDE_ROLE_SERVER);
	facts(w, 1, (struct sonde_tcp_view){ .bytes_sent = 10, .segments_out = 1 });
	sonde_track_begin_telling(w->track);
	sonde_track_end_telling(w->track);
	assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 1);
	assert_true(last(w)->c.unseen_end);
	assert_int_equal(last(w)->c.total.to_client.bytes, 10);
	assert_int_equal(last(w)->c.fresh.to_client.bytes, 0);
	wire_check_rest(w);
	wire_free(w);
}

/* The client is held for long, and the server's socket, an old one, says so twice. */
static void a_second_close_record_says_nothing_new(void **state)
{
	struct wire *w = wire_new(4);
	struct line server = line_of(w, 2, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&server, 1);

	(void)state;
	line_open(w, 1, SONDE_ROLE_CLIENT);
	wire_tell(w, &r);
	close_with(w, 2, (struct sonde_record_close){ .fin_out = true });
	close_with(w, 2, (struct sonde_record_close){ .rst_in = true });
	wire_tick(w, 1500);
	assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 1);
	assert_int_equal(last(w)->c.reset_by, SONDE_ROLE_UNKNOWN);
	close_with(w, 1, (struct sonde_record_close){ .fin_in = true });
	wire_check_rest(w);
	wire_free(w);
}

static void what_waits_at_the_end_is_told(void **state)
{
	struct wire *w = wire_new(4);
	struct line server = line_of(w, 2, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&server, 1);

	(void)state;
	line_open(w, 1, SONDE_ROLE_CLIENT);
	wire_tell(w, &r);
	close_with(w, 2, (struct sonde_record_close){ .fin_out = true });
	sonde_track_finish(w->track);
	assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 1);
	wire_check_ledger(w);
	wire_free(w);
}

static void an_abort_is_a_reset_by_its_own_side(void **state)
{
	struct wire *w = wire_new(4);

	(void)state;
	line_open(w, 1, SONDE_ROLE_SERVER);
	close_with(w, 1, (struct sonde_record_close){ .aborted = true });
	assert_int_equal(last(w)->c.reset_by, SONDE_ROLE_SERVER);
	assert_int_equal(last(w)->c.closed_by, SONDE_ROLE_SERVER);
	wire_free(w);
}

/* Its owner is known before its addresses are: nothing is told of it under none. */
static void an_owner_does_not_stand_in_for_a_lost_open_record(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 1, SONDE_ROLE_SERVER);
	struct sonde_record r = { .kind = SONDE_KIND_OWNER, .id = 1, .owner = { .pid = 5 } };
	struct sonde_record again = line_open_record(&l, 0);

	(void)state;
	line_ask(&l, "GET / HTTP/1.1\r\n\r\n");
	wire_tell(w, &r);
	facts(w, 1, (struct sonde_tcp_view){ .segments_in = 1 });
	assert_int_equal(w->n_news, 0);
	assert_int_equal(w->n_reopens, 1);
	again.open.again = true;
	again.open.pid = 5;
	wire_tell(w, &again);
	facts(w, 1, (struct sonde_tcp_view){ .segments_in = 1 });
	assert_int_equal(last(w)->pid, 5);
	assert_int_equal(last(w)->c.server.port, 8080);
	wire_free(w);
}

static void another_owner_is_told_though_nothing_has_moved(void **state)
{
	struct wire *w = wire_new(4);
	struct sonde_record r = { .kind = SONDE_KIND_OWNER, .id = 1, .owner = { .pid = 5 } };
	struct sonde_tcp_view view = { .segments_in = 1 };

	(void)state;
	line_open(w, 1, SONDE_ROLE_SERVER);
	facts(w, 1, view);
	wire_tell(w, &r);
	facts(w, 1, view);
	assert_int_equal(w->n_news, 3);
	assert_int_equal(last(w)->pid, 5);
	facts(w, 1, view);
	assert_int_equal(w->n_news, 3);
	wire_free(w);
}

/* Its totals are whole, but what came before this worker is nothing new. */
static void the_past_of_an_old_connection_is_not_added_up(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 1, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&l, 0);

	(void)state;
	r.open.preexisting = true;
	wire_tell(w, &r);
	facts(w, 1, (struct sonde_tcp_view){ .bytes_sent = 1000, .segments_out = 9 });
	assert_int_equal(last(w)->c.total.to_client.bytes, 1000);
	assert_int_equal(last(w)->c.fresh.to_client.bytes, 0);
	close_with(w, 1,
		   (struct sonde_record_close){
			   .fin_in = true, .tcp = { .bytes_sent = 1005, .segments_out = 10 } });
	assert_int_equal(last(w)->c.fresh.to_client.bytes, 5);
	assert_int_equal(last(w)->c.fresh.to_client.segments, 1);
	wire_check_rest(w);
	wire_free(w);
}

/* A full accept queue: the client believes in a connection that the server has yet to take in. */
static void a_client_told_before_its_server_came_is_taken_back(void **state)
{
	struct wire *w = wire_new(4);
	struct line server = line_of(w, 2, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&server, 1);

	(void)state;
	line_open(w, 1, SONDE_ROLE_CLIENT);
	/* Not at once: most servers come in the meantime. */
	w->now_ns += SONDE_NS_PER_SEC / 10;
	facts(w, 1, (struct sonde_tcp_view){ .bytes_sent = 10, .segments_out = 2 });
	assert_int_equal(w->n_news, 0);
	w->now_ns += SONDE_NS_PER_SEC;
	facts(w, 1, (struct sonde_tcp_view){ .bytes_sent = 10, .segments_out = 2 });
	assert_int_equal(w->n_news, 2);
	wire_tell(w, &r);
	assert_int_equal(w->n_news, 3);
	assert_int_equal(last(w)->event, SONDE_CONNECTION_CLOSED);
	assert_true(last(w)->c.superseded);
	assert_int_equal(last(w)->c.id, 1);
	assert_int_equal(last(w)->c.fresh.to_server.bytes, 0);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_CONNECTION][SONDE_LOSS_LOCAL_PEER], 1);
	close_with(w, 1, (struct sonde_record_close){ .fin_out = true });
	close_with(w, 2, (struct sonde_record_close){ .fin_in = true });
	assert_int_equal(w->n_news, 5);
	assert_int_equal(last(w)->c.id, 2);
	wire_check_rest(w);
	wire_free(w);
}

static void a_socket_that_connects_anew_ends_what_it_was(void **state)
{
	struct wire *w = wire_new(4);

	(void)state;
	line_open(w, 1, SONDE_ROLE_CLIENT);
	w->now_ns += SONDE_NS_PER_SEC;
	facts(w, 1, (struct sonde_tcp_view){ .bytes_sent = 10, .segments_out = 2 });
	w->now_ns += SONDE_NS_PER_SEC;
	line_open(w, 1, SONDE_ROLE_CLIENT);
	assert_int_equal(last(w)->event, SONDE_CONNECTION_CLOSED);
	assert_true(last(w)->c.unseen_end);
	close_with(w, 1,
		   (struct sonde_record_close){ .fin_out = true, .tcp = { .bytes_sent = 3 } });
	assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 2);
	assert_int_equal(last(w)->c.fresh.to_server.bytes, 3);
	wire_check_rest(w);
	wire_free(w);
}

static void a_failed_connect_whose_close_record_is_lost_is_booked(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 1, SONDE_ROLE_CLIENT);
	struct sonde_record r = line_open_record(&l, 0);

	(void)state;
	r.open.failed = true;
	wire_tell(w, &r);
	sonde_track_begin_telling(w->track);
	sonde_track_end_telling(w->track);
	assert_int_equal(w->n_news, 0);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_CONNECTION][SONDE_LOSS_RING_FULL], 1);
	wire_check_rest(w);
	wire_free(w);
}

/* Its server has closed first: no callback tells of that, and its peer's FIN goes elsewhere. */
static void an_old_connection_that_no_snapshot_shows_is_gone(void **state)
{
	struct wire *w = wire_new(4);
	struct line l = line_of(w, 1, SONDE_ROLE_SERVER);
	struct sonde_record r = line_open_record(&l, 0);
	struct sonde_tcp_view view = { .bytes_sent = 10, .segments_out = 1 };

	(void)state;
	r.open.preexisting = true;
	wire_tell(w, &r);
	line_open(w, 2, SONDE_ROLE_SERVER);
	line_ask(&l, "GET / HTTP/1.1\r\n\r\n");
	/* Passed over twice, then seen again. */
	for (int i = 0; i < 9; i++) {
		if (i % 3 == 2)
			facts(w, 1, view);
		sonde_track_end_facts(w->track);
	}
	assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 0);
	for (int i = 0; i < 3; i++)
		sonde_track_end_facts(w->track);
	assert_int_equal(events(w, SONDE_CONNECTION_CLOSED), 1);
	assert_int_equal(last(w)->c.id, 1);
	assert_true(last(w)->c.unseen_end);
	assert_int_equal(last(w)->c.total.to_client.bytes, 10);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->told[0].r.error, SONDE_ERROR_CLOSED);
	close_with(w, 2, (struct sonde_record_close){ .fin_out = true });
	wire_check_rest(w);
	wire_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_is_told_as_opened_moved_and_closed),
		cmocka_unit_test(a_failed_connect_is_closed_without_being_opened),
		cmocka_unit_test(of_a_local_pair_one_is_told_with_the_counts_of_both),
		cmocka_unit_test(a_server_does_not_wait_for_ever_for_its_client),
		cmocka_unit_test(another_owner_is_the_process_from_then_on),
		cmocka_unit_test(where_packets_went_is_told_beside_what_was_asked_for),
		cmocka_unit_test(what_ended_unseen_is_told_with_what_is_known),
		cmocka_unit_test(a_second_close_record_says_nothing_new),
		cmocka_unit_test(an_old_connection_that_no_snapshot_shows_is_gone),
		cmocka_unit_test(what_waits_at_the_end_is_told),
		cmocka_unit_test(an_abort_is_a_reset_by_its_own_side),
		cmocka_unit_test(an_owner_does_not_stand_in_for_a_lost_open_record),
		cmocka_unit_test(another_owner_is_told_though_nothing_has_moved),
		cmocka_unit_test(the_past_of_an_old_connection_is_not_added_up),
		cmocka_unit_test(a_client_told_before_its_server_came_is_taken_back),
		cmocka_unit_test(a_socket_that_connects_anew_ends_what_it_was),
		cmocka_unit_test(a_failed_connect_whose_close_record_is_lost_is_booked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
