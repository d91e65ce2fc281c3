// SPDX-License-Identifier: Apache-2.0
/* Flows of UDP: what is told of them, once for both ends. */
#include "tests/unit/track/wire.h"

enum { CLIENT = 100, SERVER = 101, CLIENT_PORT = 40000, SERVER_PORT = 53 };

static const struct news *nth(const struct wire *w, size_t n)
{
	assert_true(n < w->n_news);
	return &w->news[n % WIRE_NEWS];
}

static const struct news *last(const struct wire *w)
{
	return nth(w, w->n_news - 1);
}

/* A flow by itself: 3 packets out with 30 bytes, 2 in with 200. */
static struct sonde_snapshot_udp_flow flow_of(enum sonde_role role)
{
	bool client = role == SONDE_ROLE_CLIENT;

	return (struct sonde_snapshot_udp_flow){
		.owner = { .pid = client ? 1 : 2, .start_ns = 9, .comm = "x" },
		.first_ns = 1000,
		.last_ns = 3000,
		.packets = { [SONDE_INGRESS] = 2, [SONDE_EGRESS] = 3 },
		.bytes = { [SONDE_INGRESS] = 200, [SONDE_EGRESS] = 30 },
		.local = { .address = { [15] = client ? 1 : 2 },
			   .port = client ? CLIENT_PORT : SERVER_PORT },
		.remote = { .address = { [15] = client ? 2 : 1 },
			    .port = client ? SERVER_PORT : CLIENT_PORT },
		.role = role,
	};
}

static struct sonde_snapshot_udp_flow with_peer(enum sonde_role role)
{
	struct sonde_snapshot_udp_flow f = flow_of(role);

	f.peer = role == SONDE_ROLE_CLIENT ? SERVER : CLIENT;
	return f;
}

static size_t live(struct wire *w, struct sonde_connection *out)
{
	struct sonde_connection c;
	size_t cursor = 0, n = 0;

	while (sonde_track_next_connection(w->track, &cursor, &c)) {
		n++;
		*out = c;
	}
	/* The end stays the end. */
	assert_false(sonde_track_next_connection(w->track, &cursor, &c));
	return n;
}

static void done(struct wire *w)
{
	struct sonde_track_stats s;

	sonde_track_stats(w->track, &s);
	assert_int_equal(s.flows, 0);
	wire_check_rest(w);
	wire_free(w);
}

static void a_flow_is_told_as_opened_moved_and_closed(void **state)
{
	struct sonde_snapshot_udp_flow f = flow_of(SONDE_ROLE_CLIENT);
	struct wire *w = wire_new(4);
	struct sonde_connection c;

	(void)state;
	sonde_track_udp(w->track, CLIENT, &f);
	assert_int_equal(w->n_news, 2);
	assert_int_equal(nth(w, 0)->event, SONDE_CONNECTION_OPENED);
	assert_int_equal(nth(w, 0)->c.fresh.to_server.segments, 0);
	assert_int_equal(nth(w, 1)->event, SONDE_CONNECTION_UPDATED);
	c = nth(w, 1)->c;
	assert_int_equal(c.id, CLIENT);
	assert_int_equal(c.transport, SONDE_TRANSPORT_UDP);
	assert_int_equal(c.role, SONDE_ROLE_CLIENT);
	assert_int_equal(c.state, SONDE_TCP_ESTABLISHED);
	assert_int_equal(c.client.port, CLIENT_PORT);
	assert_int_equal(c.server.port, SERVER_PORT);
	assert_int_equal(c.server_original.port, 0);
	assert_int_equal(c.fresh.to_server.segments, 3);
	assert_int_equal(c.fresh.to_server.bytes, 30);
	assert_int_equal(c.fresh.to_client.segments, 2);
	assert_int_equal(c.fresh.to_client.bytes, 200);
	assert_true(c.total.to_client.out_of_order == SONDE_COUNT_UNKNOWN);
	assert_int_equal(nth(w, 1)->pid, 1);
	assert_int_equal(nth(w, 1)->peer_pid, 0);
	assert_int_equal(live(w, &c), 1);
	assert_int_equal(c.total.to_server.bytes, 30);
	/* Nothing moved: no news. */
	sonde_track_udp(w->track, CLIENT, &f);
	assert_int_equal(w->n_news, 2);
	f.packets[SONDE_EGRESS] = 4;
	f.bytes[SONDE_EGRESS] = 45;
	f.ended = true;
	sonde_track_udp(w->track, CLIENT, &f);
	assert_int_equal(w->n_news, 3);
	assert_int_equal(last(w)->event, SONDE_CONNECTION_CLOSED);
	assert_int_equal(last(w)->c.state, SONDE_TCP_CLOSE);
	assert_int_equal(last(w)->c.fresh.to_server.segments, 1);
	assert_int_equal(last(w)->c.fresh.to_server.bytes, 15);
	assert_int_equal(last(w)->c.total.to_server.segments, 4);
	assert_int_equal(last(w)->c.duration_ns, 2000);
	assert_int_equal(live(w, &c), 0);
	done(w);
}

static void a_server_s_flow_counts_the_other_way_round(void **state)
{
	struct sonde_snapshot_udp_flow f = flow_of(SONDE_ROLE_SERVER);
	struct wire *w = wire_new(4);

	(void)state;
	f.ended = true;
	f.unreachable = 7;
	sonde_track_udp(w->track, SERVER, &f);
	assert_int_equal(w->n_news, 2);
	assert_int_equal(last(w)->event, SONDE_CONNECTION_CLOSED);
	assert_int_equal(last(w)->c.role, SONDE_ROLE_SERVER);
	assert_int_equal(last(w)->c.client.port, CLIENT_PORT);
	assert_int_equal(last(w)->c.server.port, SERVER_PORT);
	assert_int_equal(last(w)->c.fresh.to_server.segments, 2);
	assert_int_equal(last(w)->c.fresh.to_client.segments, 3);
	assert_int_equal(last(w)->c.port_unreachable, 7);
	done(w);
}

/* Whichever of the two comes first, in each of two snapshots. */
static void of_both_ends_the_server_reports_once_with_both_processes(void **state)
{
	(void)state;
	for (int order = 0; order < 4; order++) {
		struct sonde_snapshot_udp_flow c = with_peer(SONDE_ROLE_CLIENT);
		struct sonde_snapshot_udp_flow s = with_peer(SONDE_ROLE_SERVER);
		struct wire *w = wire_new(4);
		struct sonde_connection one;

		c.asked = (struct sonde_endpoint){ .address = { 9 }, .port = 5353 };
		for (int i = 0; i < 2; i++) {
			bool client_first = order >> i & 1;

			if (client_first)
				sonde_track_udp(w->track, CLIENT, &c);
			sonde_track_udp(w->track, SERVER, &s);
			if (!client_first)
				sonde_track_udp(w->track, CLIENT, &c);
			sonde_track_end_facts(w->track);
			assert_int_equal(w->n_news, i ? 3 : 2);
			assert_int_equal(last(w)->c.id, SERVER);
			assert_int_equal(last(w)->pid, 2);
			assert_int_equal(last(w)->peer_pid, 1);
			assert_int_equal(last(w)->c.server_original.port, 5353);
			if (!i)
				assert_int_equal(live(w, &one), 1);
			s.ended = c.ended = true;
		}
		assert_int_equal(nth(w, 0)->event, SONDE_CONNECTION_OPENED);
		assert_int_equal(nth(w, 1)->c.fresh.to_server.segments, 2);
		assert_int_equal(last(w)->event, SONDE_CONNECTION_CLOSED);
		done(w);
	}
}

static void a_flow_that_is_first_seen_at_its_end_is_still_told_once(void **state)
{
	(void)state;
	for (int client_first = 0; client_first < 2; client_first++) {
		struct sonde_snapshot_udp_flow c = with_peer(SONDE_ROLE_CLIENT);
		struct sonde_snapshot_udp_flow s = with_peer(SONDE_ROLE_SERVER);
		struct wire *w = wire_new(4);
		uint64_t packets = 0;

		c.ended = s.ended = true;
		if (client_first)
			sonde_track_udp(w->track, CLIENT, &c);
		sonde_track_udp(w->track, SERVER, &s);
		if (!client_first)
			sonde_track_udp(w->track, CLIENT, &c);
		for (size_t i = 0; i < w->n_news; i++)
			packets += nth(w, i)->c.fresh.to_server.segments;
		assert_int_equal(packets, 2);
		assert_int_equal(w->ledger.produced[SONDE_KIND_CONNECTION], 1);
		assert_int_equal(last(w)->c.role, SONDE_ROLE_SERVER);
		done(w);
	}
}

/* The other end is told of, but does not come: not held back for longer than until next time. */
static void a_server_does_not_wait_for_its_client_for_long(void **state)
{
	struct sonde_snapshot_udp_flow s = with_peer(SONDE_ROLE_SERVER);
	struct wire *w = wire_new(4);

	(void)state;
	sonde_track_udp(w->track, SERVER, &s);
	sonde_track_end_facts(w->track);
	assert_int_equal(w->n_news, 0);
	sonde_track_udp(w->track, SERVER, &s);
	assert_int_equal(w->n_news, 2);
	assert_int_equal(last(w)->c.fresh.to_server.segments, 2);
	assert_int_equal(last(w)->peer_pid, 0);
	s.ended = true;
	sonde_track_udp(w->track, SERVER, &s);
	assert_int_equal(last(w)->event, SONDE_CONNECTION_CLOSED);
	done(w);
}

/* Both take themselves for the client, as they sent first at once: still one of them reports. */
static void two_ends_of_the_same_role_agree_who_reports(void **state)
{
	(void)state;
	for (int role = SONDE_ROLE_SERVER; role <= SONDE_ROLE_CLIENT; role++) {
		struct sonde_snapshot_udp_flow c = with_peer(SONDE_ROLE_CLIENT);
		struct sonde_snapshot_udp_flow s = with_peer(SONDE_ROLE_SERVER);
		struct wire *w = wire_new(4);

		c.role = s.role = (enum sonde_role)role;
		sonde_track_udp(w->track, CLIENT, &c);
		sonde_track_udp(w->track, SERVER, &s);
		c.ended = s.ended = true;
		sonde_track_udp(w->track, CLIENT, &c);
		sonde_track_udp(w->track, SERVER, &s);
		assert_int_equal(w->n_news, 3);
		for (size_t i = 0; i < w->n_news; i++)
			assert_int_equal(nth(w, i)->c.id, SERVER); /* the lower port */
		done(w);
	}
}

static void a_flow_told_before_its_other_end_was_known_is_superseded(void **state)
{
	struct sonde_snapshot_udp_flow c = flow_of(SONDE_ROLE_CLIENT);
	struct sonde_snapshot_udp_flow s = with_peer(SONDE_ROLE_SERVER);
	struct wire *w = wire_new(4);

	(void)state;
	sonde_track_udp(w->track, CLIENT, &c);
	assert_int_equal(w->n_news, 2);
	c.peer = SERVER;
	sonde_track_udp(w->track, SERVER, &s);
	sonde_track_udp(w->track, CLIENT, &c);
	assert_int_equal(w->n_news, 5);
	assert_int_equal(nth(w, 2)->c.id, CLIENT);
	assert_int_equal(nth(w, 2)->event, SONDE_CONNECTION_CLOSED);
	assert_true(nth(w, 2)->c.superseded);
	assert_int_equal(nth(w, 2)->c.fresh.to_server.segments, 0);
	assert_int_equal(nth(w, 3)->c.id, SERVER);
	s.ended = c.ended = true;
	sonde_track_udp(w->track, SERVER, &s);
	sonde_track_udp(w->track, CLIENT, &c);
	assert_int_equal(w->n_news, 6);
	assert_int_equal(w->ledger.produced[SONDE_KIND_CONNECTION], 1);
	done(w);
}

static void a_client_whose_server_is_gone_speaks_for_itself(void **state)
{
	struct sonde_snapshot_udp_flow c = with_peer(SONDE_ROLE_CLIENT);
	struct sonde_snapshot_udp_flow s = with_peer(SONDE_ROLE_SERVER);
	struct wire *w = wire_new(4);

	(void)state;
	sonde_track_udp(w->track, CLIENT, &c);
	s.ended = true;
	sonde_track_udp(w->track, SERVER, &s);
	assert_int_equal(w->n_news, 2);
	c.peer = 0;
	sonde_track_udp(w->track, CLIENT, &c);
	assert_int_equal(w->n_news, 2); /* it has not moved */
	c.packets[SONDE_EGRESS] += 5;
	sonde_track_udp(w->track, CLIENT, &c);
	assert_int_equal(w->n_news, 4);
	assert_int_equal(last(w)->c.id, CLIENT);
	assert_int_equal(last(w)->c.fresh.to_server.segments, 5); /* what its server told is told */
	c.ended = true;
	sonde_track_udp(w->track, CLIENT, &c);
	done(w);
}

static void who_owns_a_flow_may_turn_out_later(void **state)
{
	struct sonde_snapshot_udp_flow f = flow_of(SONDE_ROLE_CLIENT);
	struct wire *w = wire_new(4);

	(void)state;
	f.owner.pid = 0;
	sonde_track_udp(w->track, CLIENT, &f);
	assert_int_equal(last(w)->pid, 0);
	f.owner.pid = 5;
	f.packets[SONDE_EGRESS]++;
	sonde_track_udp(w->track, CLIENT, &f);
	assert_int_equal(last(w)->pid, 5);
	f.ended = true;
	sonde_track_udp(w->track, CLIENT, &f);
	done(w);
}

static void a_flow_that_is_no_longer_told_of_has_ended(void **state)
{
	struct sonde_snapshot_udp_flow f = flow_of(SONDE_ROLE_CLIENT);
	struct wire *w = wire_new(4);

	(void)state;
	sonde_track_udp(w->track, CLIENT, &f);
	sonde_track_end_facts(w->track);
	sonde_track_end_facts(w->track);
	assert_int_equal(w->n_news, 2); /* one may have missed it */
	sonde_track_end_facts(w->track);
	assert_int_equal(w->n_news, 3);
	assert_int_equal(last(w)->event, SONDE_CONNECTION_CLOSED);
	assert_true(last(w)->c.unseen_end);
	assert_int_equal(last(w)->c.fresh.to_server.segments, 0);
	done(w);
}

static void flows_beyond_the_table_are_booked_when_they_end(void **state)
{
	struct sonde_snapshot_udp_flow f = flow_of(SONDE_ROLE_CLIENT);
	struct wire *w = wire_new(4);
	struct sonde_track_stats s;

	(void)state;
	for (uint64_t id = 1; id <= SONDE_TRACK_FLOWS; id++)
		sonde_track_udp(w->track, id, &f);
	sonde_track_udp(w->track, SONDE_TRACK_FLOWS + 1, &f);
	assert_int_equal(w->ledger.produced[SONDE_KIND_CONNECTION], 0);
	f.ended = true;
	sonde_track_udp(w->track, SONDE_TRACK_FLOWS + 1, &f);
	assert_int_equal(w->ledger.produced[SONDE_KIND_CONNECTION], 1);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_CONNECTION][SONDE_LOSS_TABLE_FULL], 1);
	sonde_track_stats(w->track, &s);
	assert_int_equal(s.flows, SONDE_TRACK_FLOWS);
	for (uint64_t id = 1; id <= SONDE_TRACK_FLOWS; id++)
		sonde_track_udp(w->track, id, &f);
	done(w);
}

static void connections_and_flows_are_walked_one_after_the_other(void **state)
{
	struct sonde_snapshot_udp_flow f = flow_of(SONDE_ROLE_CLIENT);
	struct wire *w = wire_new(4);
	struct sonde_connection c;

	(void)state;
	line_open(w, 1, SONDE_ROLE_SERVER);
	line_open(w, 2, SONDE_ROLE_SERVER);
	sonde_track_udp(w->track, CLIENT, &f);
	assert_int_equal(live(w, &c), 3);
	assert_int_equal(c.transport, SONDE_TRANSPORT_UDP);
	wire_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_told_as_opened_moved_and_closed),
		cmocka_unit_test(a_server_s_flow_counts_the_other_way_round),
		cmocka_unit_test(of_both_ends_the_server_reports_once_with_both_processes),
		cmocka_unit_test(a_flow_that_is_first_seen_at_its_end_is_still_told_once),
		cmocka_unit_test(a_server_does_not_wait_for_its_client_for_long),
		cmocka_unit_test(two_ends_of_the_same_role_agree_who_reports),
		cmocka_unit_test(a_flow_told_before_its_other_end_was_known_is_superseded),
		cmocka_unit_test(a_client_whose_server_is_gone_speaks_for_itself),
		cmocka_unit_test(who_owns_a_flow_may_turn_out_later),
		cmocka_unit_test(a_flow_that_is_no_longer_told_of_has_ended),
		cmocka_unit_test(flows_beyond_the_table_are_booked_when_they_end),
		cmocka_unit_test(connections_and_flows_are_walked_one_after_the_other),
	};

	return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}
