// SPDX-License-Identifier: Apache-2.0
/*
 * Every connection and every request is in exactly one edge, and what is open is what is open.
 */
#include "tests/unit/agg/edges_fixture.h"

#define OPENED	SONDE_CONNECTION_OPENED
#define UPDATED SONDE_CONNECTION_UPDATED
#define CLOSED	SONDE_CONNECTION_CLOSED

static void a_connection_is_told_by_either_end_into_one_edge(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection server_end = connection_of(1, "web", "shop");
	struct sonde_connection client_end = connection_of(2, "shop", "web");
	struct sonde_edge_view v;

	(void)state;
	client_end.role = SONDE_ROLE_CLIENT; /* now its own service is the client */
	tell(e, &server_end, OPENED);
	tell(e, &client_end, OPENED);
	v = edge_view(e, "web", "shop");
	assert_int_equal(v.opened, 2);
	assert_int_equal(v.active, 2);
	assert_int_equal(v.closed, 0);
	assert_int_equal(edges_stats(e).edges, 1);
	assert_int_equal(edges_stats(e).edges_max, 10);
	sonde_edges_free(e);
}

static void edge_knows_which_of_its_ends_are_here(void **state)
{
	static const struct sonde_process other = { .pid = 2 };
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection served = connection_of(1, "far", "shop");
	struct sonde_connection called = connection_of(2, "far", "web");
	struct sonde_connection both = connection_of(3, "web", "shop");
	struct sonde_edge_view v;

	(void)state;
	served.peer = called.peer = NULL;
	called.role = SONDE_ROLE_CLIENT;
	both.peer = &other;
	tell(e, &served, OPENED);
	tell(e, &called, OPENED);
	tell(e, &both, OPENED);
	v = edge_view(e, "far", "shop");
	assert_false(v.client_here);
	assert_true(v.server_here);
	v = edge_view(e, "web", "far");
	assert_true(v.client_here);
	assert_false(v.server_here);
	v = edge_view(e, "web", "shop");
	assert_true(v.client_here && v.server_here);
	sonde_edges_free(e);
}

static void transports_are_edges_of_their_own(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection c = connection_of(1, "web", "dns");
	struct sonde_edge_view v;

	(void)state;
	tell(e, &c, OPENED);
	c.transport = SONDE_TRANSPORT_UDP;
	tell(e, &c, OPENED);
	tell(e, &c, CLOSED);
	assert_true(find_edge(e, "web", "dns", SONDE_TRANSPORT_UDP, &v));
	assert_int_equal(v.active, 0);
	assert_int_equal(v.closed, 1);
	assert_int_equal(edge_view(e, "web", "dns").active, 1);
	assert_true(edges_sum(e, "sonde.udp.flows.opened", NULL, NULL) == 1);
	assert_true(edges_sum(e, "sonde.tcp.connections.opened", NULL, NULL) == 1);
	sonde_edges_free(e);
}

static void only_what_is_fresh_is_added(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection c = connection_of(1, "web", "shop");
	struct sonde_edge_view v;

	(void)state;
	tell(e, &c, OPENED);
	for (int i = 1; i <= 3; i++) {
		c.fresh = (struct sonde_connection_counts){
			.to_server = { 100, 10, 1, 2 },
			.to_client = { 1000, 20, 3, SONDE_COUNT_UNKNOWN },
			.zero_windows = 4,
			.rwnd_limited_ns = 5,
			.sndbuf_limited_ns = 6,
		};
		c.total.to_server.bytes += 100;
		tell(e, &c, i < 3 ? UPDATED : CLOSED);
	}
	v = edge_view(e, "web", "shop");
	assert_int_equal(v.counts.to_server.bytes, 300);
	assert_int_equal(v.counts.to_server.segments, 30);
	assert_int_equal(v.counts.to_server.retransmits, 3);
	assert_int_equal(v.counts.to_server.out_of_order, 6);
	assert_int_equal(v.counts.to_client.bytes, 3000);
	assert_int_equal(v.counts.to_client.retransmits, 9);
	assert_int_equal(v.counts.to_client.out_of_order, 0);
	assert_int_equal(v.counts.zero_windows, 12);
	assert_int_equal(v.counts.rwnd_limited_ns, 15);
	assert_int_equal(v.counts.sndbuf_limited_ns, 18);
	assert_true(edges_sum(e, "sonde.tcp.bytes", "direction", "to_client") == 3000);
	assert_true(edges_sum(e, "sonde.tcp.bytes", "direction", "to_server") == 300);
	assert_true(edges_sum(e, "sonde.tcp.rwnd_limited", NULL, NULL) == 15e-9);
	sonde_edges_free(e);
}

static void a_failed_connect_is_neither_opened_nor_closed(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_edge_view v;

	(void)state;
	for (int why = SONDE_CONNECT_REFUSED; why < SONDE_CONNECT_ERRORS; why++) {
		for (int times = 0; times < why; times++) {
			struct sonde_connection c =
				connection_of((uint64_t)(why * 10 + times), "web", "shop");

			c.connect_error = (enum sonde_connect_error)why;
			c.fresh.to_server.segments = 2;
			tell(e, &c, CLOSED);
		}
	}
	v = edge_view(e, "web", "shop");
	assert_int_equal(v.opened, 0);
	assert_int_equal(v.closed, 0);
	assert_int_equal(v.active, 0);
	assert_int_equal(v.connection_duration.count, 0);
	assert_int_equal(v.counts.to_server.segments, 30);
	for (int why = SONDE_CONNECT_REFUSED; why < SONDE_CONNECT_ERRORS; why++) {
		const char *name = sonde_connect_error_name((enum sonde_connect_error)why);

		assert_int_equal(v.failed[why], why);
		assert_true(edges_sum(e, "sonde.tcp.connections.failed", "reason", name) == why);
	}
	sonde_edges_free(e);
}

static void ends_are_told_by_how_they_came(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection c = connection_of(1, "web", "shop");
	struct sonde_edge_view v;

	(void)state;
	tell(e, &c, CLOSED);
	c.reset_by = SONDE_ROLE_CLIENT;
	tell(e, &c, CLOSED);
	tell(e, &c, CLOSED);
	c.reset_by = SONDE_ROLE_SERVER;
	tell(e, &c, CLOSED);
	c.reset_by = SONDE_ROLE_UNKNOWN;
	c.timed_out = true;
	tell(e, &c, CLOSED);
	v = edge_view(e, "web", "shop");
	assert_int_equal(v.closed, 5);
	assert_int_equal(v.resets[SONDE_ROLE_CLIENT], 2);
	assert_int_equal(v.resets[SONDE_ROLE_SERVER], 1);
	assert_int_equal(v.resets[SONDE_ROLE_UNKNOWN], 0);
	assert_int_equal(v.timed_out, 1);
	assert_true(edges_sum(e, "sonde.tcp.connections.reset", "side", "client") == 2);
	assert_true(edges_sum(e, "sonde.tcp.connections.reset", "side", "server") == 1);
	sonde_edges_free(e);
}

static void closed_without_opened_leaves_what_is_open_alone(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection c = connection_of(1, "web", "shop");

	(void)state;
	tell(e, &c, OPENED);
	c.id = 2;
	tell(e, &c, UPDATED);
	tell(e, &c, CLOSED);
	assert_int_equal(edge_view(e, "web", "shop").active, 1);
	assert_int_equal(edge_view(e, "web", "shop").closed, 1);
	c.id = 1;
	tell(e, &c, CLOSED);
	assert_int_equal(edge_view(e, "web", "shop").active, 0);
	/* Twice is once. */
	tell(e, &c, CLOSED);
	assert_int_equal(edge_view(e, "web", "shop").active, 0);
	sonde_edges_free(e);
}

static void a_service_named_anew_takes_no_active_connection_along(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection c = connection_of(1, "web", "shop");

	(void)state;
	tell(e, &c, OPENED);
	c.service = SONDE_SLICE_LIT("shop-v2");
	c.fresh.to_server.bytes = 7;
	tell(e, &c, UPDATED);
	assert_int_equal(edge_view(e, "web", "shop").active, 1);
	assert_int_equal(edge_view(e, "web", "shop-v2").active, 0);
	assert_int_equal(edge_view(e, "web", "shop-v2").counts.to_server.bytes, 7);
	tell(e, &c, CLOSED);
	assert_int_equal(edge_view(e, "web", "shop").active, 0);
	assert_int_equal(edge_view(e, "web", "shop-v2").active, 0);
	assert_int_equal(edge_view(e, "web", "shop-v2").closed, 1);
	sonde_edges_free(e);
}

static void connect_and_accept_are_measured_once(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection c = connection_of(1, "web", "shop");
	struct sonde_edge_view v;

	(void)state;
	c.connect_ns = 300000;
	tell(e, &c, OPENED);
	tell(e, &c, UPDATED);
	c.accept_ns = 40000;
	tell(e, &c, UPDATED);
	tell(e, &c, UPDATED);
	tell(e, &c, CLOSED);
	/* One whose opening nobody has told is measured at its end. */
	c.id = 2;
	tell(e, &c, UPDATED);
	tell(e, &c, CLOSED);
	v = edge_view(e, "web", "shop");
	assert_int_equal(v.connect.count, 2);
	assert_true(v.connect.sum == 0.0006);
	/* 300 us: above 250 us, at most 500 us. */
	assert_int_equal(v.connect.explicit_counts[3], 2);
	assert_true(edges_sum(e, "sonde.tcp.accept.duration", NULL, NULL) == 2);
	sonde_edges_free(e);
}

static void round_trips_are_measured_where_payload_moved(void **state)
{
	static const struct {
		uint64_t srtt_ns, bytes;
		enum sonde_connection_event event;
		bool counts;
	} cases[] = {
		{ 1000000, 1, OPENED, false },	{ 1000000, 1, UPDATED, true },
		{ 1000000, 0, UPDATED, false }, { 0, 1, UPDATED, false },
		{ 1000000, 0, CLOSED, false },	{ 3000000, 1, CLOSED, true },
	};
	uint64_t expected = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sonde_edges *e = new_edges(10, 0);
		struct sonde_connection c = connection_of(1, "web", "shop");

		c.srtt_ns = cases[i].srtt_ns;
		c.min_rtt_ns = cases[i].srtt_ns / 2;
		c.rtt_var_ns = cases[i].srtt_ns / 4;
		c.fresh.to_client.bytes = cases[i].bytes;
		tell(e, &c, cases[i].event);
		expected = cases[i].counts;
		assert_int_equal(edge_view(e, "web", "shop").rtt.count, expected);
		assert_true(edges_sum(e, "sonde.tcp.min_rtt", NULL, NULL) == expected);
		assert_true(edges_sum(e, "sonde.tcp.rtt.variation", NULL, NULL) == expected);
		if (expected)
			assert_true(edge_view(e, "web", "shop").rtt.sum == (double)c.srtt_ns / 1e9);
		sonde_edges_free(e);
	}
}

static void the_age_of_an_older_connection_is_not_guessed(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_connection c = connection_of(1, "web", "shop");

	(void)state;
	c.duration_ns = 20 * SONDE_NS_PER_SEC;
	tell(e, &c, CLOSED);
	c.preexisting = true;
	tell(e, &c, CLOSED);
	assert_int_equal(edge_view(e, "web", "shop").connection_duration.count, 1);
	assert_int_equal(edge_view(e, "web", "shop").connection_duration.explicit_counts[7], 1);
	assert_int_equal(edge_view(e, "web", "shop").closed, 2);
	sonde_edges_free(e);
}

static void parts_of_requests_add_up_to_their_durations(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_request r = request_of("shop", "/", 200, 0);
	struct sonde_edge_view v;
	double parts;

	(void)state;
	r.peer_service = SONDE_SLICE_LIT("web");
	for (uint64_t i = 1; i <= 100; i++) {
		r.has_parts = i % 10 != 0;
		r.error = r.has_parts ? SONDE_ERROR_NONE : SONDE_ERROR_RESET;
		r.network_ns = i;
		r.queue_ns = 1000 * i;
		r.application_ns = 100000 * i;
		r.transfer_ns = 10000000 * i;
		r.duration_ns = 10101001 * i;
		sonde_edges_request(e, &r);
	}
	v = edge_view(e, "web", "shop");
	assert_int_equal(v.requests, 100);
	assert_int_equal(v.errors, 10);
	assert_int_equal(v.request_duration.count, 100);
	/* 5050 in all, 550 of them without parts. */
	assert_int_equal(v.part_ns[0], 4500);
	assert_int_equal(v.part_ns[1], 4500 * 1000);
	assert_int_equal(v.part_ns[2], 4500ull * 100000);
	assert_int_equal(v.part_ns[3], 4500ull * 10000000);
	parts = edges_sum(e, "sonde.service_edge.request.parts", NULL, NULL);
	assert_true(parts > v.request_duration.sum - 1e-9 && parts < v.request_duration.sum + 1e-9);
	assert_true(edges_sum(e, "sonde.service_edge.request.parts", "part", "queue") == 0.0045);
	assert_true(edges_sum(e, "sonde.service_edge.requests", NULL, NULL) == 100);
	assert_true(edges_sum(e, "sonde.service_edge.errors", NULL, NULL) == 10);
	sonde_edges_free(e);
}

static void beyond_the_bound_everything_is_under_other_and_adds_up(void **state)
{
	enum { MAX = 16, PAIRS = 1000, OWN = MAX };
	struct sonde_edges *e = new_edges(MAX, 0);
	struct sonde_edge_view v;
	uint64_t opened = 0, closed = 0, active = 0, requests = 0, bytes = 0;
	size_t cursor = 0, n = 0;
	char name[32];

	(void)state;
	for (unsigned int i = 0; i < PAIRS; i++) {
		struct sonde_connection c;
		struct sonde_request r = request_of("shop", "/", 200, 1000);

		snprintf(name, sizeof(name), "client-%u", i);
		c = connection_of(i + 1, name, "shop");
		tell(e, &c, OPENED);
		r.peer_service = sonde_slice_str(name);
		sonde_edges_request(e, &r);
		c.fresh.to_server.bytes = 3;
		if (i % 2)
			tell(e, &c, CLOSED);
	}
	while (sonde_edges_next(e, &cursor, &v)) {
		opened += v.opened;
		closed += v.closed;
		active += v.active;
		requests += v.requests;
		bytes += v.counts.to_server.bytes;
		n++;
	}
	assert_int_equal(n, OWN + 1);
	assert_int_equal(opened, PAIRS);
	assert_int_equal(closed, PAIRS / 2);
	assert_int_equal(active, PAIRS / 2);
	assert_int_equal(requests, PAIRS);
	assert_int_equal(bytes, 3 * PAIRS / 2);
	assert_int_equal(edge_view(e, "__other__", "__other__").requests, PAIRS - OWN);
	assert_int_equal(edges_stats(e).edges, OWN);
	assert_int_equal(edges_stats(e).overflowed, (PAIRS - OWN) * 2 + (PAIRS - OWN) / 2);
	assert_int_equal(edges_stats(e).dropped, 0);
	sonde_edges_free(e);
}

static void a_connection_opened_under_other_is_closed_there(void **state)
{
	struct sonde_edges *e = new_edges(1, 10);
	struct sonde_connection first = connection_of(1, "a", "x"), second;
	uint64_t mono = sonde_clock_mono_ns();

	(void)state;
	tell(e, &first, OPENED);
	second = connection_of(2, "b", "x");
	tell(e, &second, OPENED);
	assert_int_equal(edge_view(e, "__other__", "__other__").active, 1);
	tell(e, &first, CLOSED);
	/* The first edge goes; the second pair gets one of its own now. */
	sonde_edges_tick(e, mono + 20 * SONDE_NS_PER_SEC, 0);
	tell(e, &second, CLOSED);
	assert_int_equal(edge_view(e, "b", "x").closed, 1);
	assert_int_equal(edge_view(e, "b", "x").active, 0);
	assert_int_equal(edge_view(e, "__other__", "__other__").active, 0);
	sonde_edges_free(e);
}

static void an_idle_edge_disappears_and_the_others_go_on(void **state)
{
	struct sonde_edges *e = new_edges(10, 10);
	struct sonde_connection idle = connection_of(1, "idle", "shop");
	struct sonde_connection open = connection_of(2, "open", "shop");
	struct sonde_connection busy = connection_of(3, "busy", "shop");
	uint64_t mono = sonde_clock_mono_ns(), unix_ns = 1700000000 * SONDE_NS_PER_SEC;
	struct sonde_edge_view v;

	(void)state;
	sonde_edges_tick(e, mono, unix_ns);
	tell(e, &idle, OPENED);
	tell(e, &idle, CLOSED);
	tell(e, &open, OPENED);
	for (uint64_t s = 1; s <= 30; s++) {
		sonde_edges_tick(e, mono + s * SONDE_NS_PER_SEC, unix_ns + s * SONDE_NS_PER_SEC);
		busy.fresh.to_client.bytes = 5;
		tell(e, &busy, UPDATED);
	}
	assert_false(find_edge(e, "idle", "shop", SONDE_TRANSPORT_TCP, &v));
	assert_int_equal(edges_stats(e).expired, 1);
	assert_int_equal(edge_view(e, "open", "shop").active, 1);
	v = edge_view(e, "busy", "shop");
	assert_int_equal(v.counts.to_client.bytes, 150);
	assert_true(v.start_unix_ns >= unix_ns && v.start_unix_ns <= unix_ns + SONDE_NS_PER_SEC);
	assert_int_equal(v.last_unix_ns, unix_ns + 30 * SONDE_NS_PER_SEC);
	/* It comes back as a new one. */
	tell(e, &idle, OPENED);
	v = edge_view(e, "idle", "shop");
	assert_int_equal(v.opened, 1);
	assert_int_equal(v.start_unix_ns, unix_ns + 30 * SONDE_NS_PER_SEC);
	sonde_edges_free(e);
}

static void names_at_one_address_are_told_apart(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	char name[] = "first-service";
	struct sonde_connection c = connection_of(1, name, "shop");

	(void)state;
	tell(e, &c, OPENED);
	memcpy(name, "other-service", sizeof(name));
	tell(e, &c, CLOSED);
	assert_int_equal(edge_view(e, "first-service", "shop").opened, 1);
	assert_int_equal(edge_view(e, "other-service", "shop").closed, 1);
	sonde_edges_free(e);
}

static struct sonde_listener listener_of(uint64_t id, const char *service, uint32_t backlog)
{
	return (struct sonde_listener){
		.id = id,
		.service = sonde_slice_str(service),
		.backlog = backlog,
		.backlog_max = 128,
	};
}

static void listeners_of_a_service_add_up(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_listener one = listener_of(1, "shop", 5), two = listener_of(2, "shop", 7);

	(void)state;
	one.fresh_dropped = 3;
	sonde_edges_listener(e, &one);
	sonde_edges_listener(e, &two);
	one.backlog = 1;
	sonde_edges_listener(e, &one);
	assert_true(edges_sum(e, "sonde.tcp.listen.backlog", "service.name", "shop") == 8);
	assert_true(edges_sum(e, "sonde.tcp.listen.backlog.limit", NULL, NULL) == 256);
	assert_true(edges_sum(e, "sonde.tcp.listen.dropped", NULL, NULL) == 6);
	/* It gets a new name. */
	two.service = SONDE_SLICE_LIT("mail");
	sonde_edges_listener(e, &two);
	assert_true(edges_sum(e, "sonde.tcp.listen.backlog", "service.name", "shop") == 1);
	assert_true(edges_sum(e, "sonde.tcp.listen.backlog", "service.name", "mail") == 7);
	sonde_edges_free(e);
}

static void a_listener_that_is_gone_has_no_backlog(void **state)
{
	struct sonde_edges *e = new_edges(10, 30);
	struct sonde_listener gone = listener_of(1, "shop", 5), here = listener_of(2, "shop", 7);
	uint64_t mono = sonde_clock_mono_ns();

	(void)state;
	gone.fresh_dropped = 2;
	sonde_edges_listener(e, &gone);
	for (uint64_t s = 1; s <= 60; s++) {
		sonde_edges_tick(e, mono + s * SONDE_NS_PER_SEC, 0);
		if (s <= 20)
			sonde_edges_listener(e, &here);
		if (s == 20)
			assert_true(edges_sum(e, "sonde.tcp.listen.backlog", NULL, NULL) == 7);
	}
	/* Nobody listens, so there is no gauge; and now the service itself is forgotten. */
	assert_true(edges_sum(e, "sonde.tcp.listen.backlog.limit", NULL, NULL) == 0);
	assert_true(edges_sum(e, "sonde.tcp.listen.dropped", NULL, NULL) == 0);
	assert_int_equal(edges_stats(e).expired, 1);
	sonde_edges_free(e);
}

static void udp_sockets_are_counted_by_service(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_udp_socket s = { .service = SONDE_SLICE_LIT("dns"),
				      .dropped = 100,
				      .fresh_dropped = 4,
				      .unreachable = 100,
				      .fresh_unreachable = 2 };

	(void)state;
	sonde_edges_udp_socket(e, &s);
	sonde_edges_udp_socket(e, &s);
	assert_true(edges_sum(e, "sonde.udp.receive_queue.dropped", "service.name", "dns") == 8);
	assert_true(edges_sum(e, "sonde.udp.port_unreachable", "service.name", "dns") == 4);
	/* No listener: no gauge of one. */
	assert_true(edges_sum(e, "sonde.tcp.listen.backlog.limit", NULL, NULL) == 0);
	sonde_edges_free(e);
}

static void dropped_packets_keep_their_reason_when_services_are_too_many(void **state)
{
	enum { SERVICES = 3000 };
	static const char *const reasons[] = { "NO_SOCKET", "SOCKET_RCVBUFF", "NETFILTER_DROP" };
	struct sonde_edges *e = new_edges(10, 0);
	char name[32];

	(void)state;
	for (unsigned int i = 0; i < SERVICES; i++) {
		snprintf(name, sizeof(name), "s%u", i / 3);
		sonde_edges_dropped(e, sonde_slice_str(name), sonde_slice_str(reasons[i % 3]), 2);
	}
	for (size_t i = 0; i < 3; i++)
		assert_true(edges_sum(e, "sonde.packets.dropped", "reason", reasons[i]) ==
			    2 * SERVICES / 3);
	assert_true(edges_sum(e, "sonde.packets.dropped", "service.name", "s0") == 6);
	assert_true(edges_sum(e, "sonde.packets.dropped", "service.name", "__other__") > 0);
	/* Even reasons without end lose no packet. */
	for (unsigned int i = 0; i < SERVICES; i++) {
		snprintf(name, sizeof(name), "REASON_%u", i);
		sonde_edges_dropped(e, SONDE_SLICE_EMPTY, sonde_slice_str(name), 1);
	}
	assert_true(edges_sum(e, "sonde.packets.dropped", NULL, NULL) == 3 * SERVICES);
	assert_int_equal(edges_stats(e).dropped, 0);
	sonde_edges_free(e);
}

static void churn_of_names_and_connections_stays_within_bounds(void **state)
{
	enum { MAX = 100, ROUNDS = 60, PER_ROUND = 2000 };
	struct sonde_edges *e = new_edges(MAX, 5);
	uint64_t mono = sonde_clock_mono_ns(), early = 0;
	struct sonde_edge_view v;
	size_t cursor = 0;
	char name[32];

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < PER_ROUND; i++) {
			struct sonde_connection c;

			snprintf(name, sizeof(name), "r%u-%u", round, i % 300);
			c = connection_of((uint64_t)round * PER_ROUND + i + 1, name, "shop");
			c.connect_ns = 1000 + i;
			tell(e, &c, OPENED);
			c.duration_ns = (uint64_t)i * i * 1000;
			c.srtt_ns = i * 1000;
			c.fresh.to_client.bytes = 10;
			tell(e, &c, CLOSED);
		}
		sonde_edges_tick(e, mono + round * SONDE_NS_PER_SEC, 0);
		if (round == ROUNDS / 2)
			early = edges_stats(e).memory_bytes;
	}
	assert_true(edges_stats(e).edges <= MAX);
	assert_true(edges_stats(e).memory_bytes <= early * 11 / 10);
	assert_true(edges_stats(e).memory_bytes < 1 << 20);
	while (sonde_edges_next(e, &cursor, &v))
		assert_int_equal(v.active, 0);
	sonde_edges_free(e);
}

static void a_reload_changes_what_it_may(void **state)
{
	struct sonde_edges *e = new_edges(10, 0);
	struct sonde_config config = edges_config(10, 5);
	struct sonde_connection c = connection_of(1, "web", "shop");
	uint64_t mono = sonde_clock_mono_ns();
	struct sonde_edge_view v;

	(void)state;
	tell(e, &c, CLOSED);
	sonde_edges_tick(e, mono + 100 * SONDE_NS_PER_SEC, 0);
	assert_true(find_edge(e, "web", "shop", SONDE_TRANSPORT_TCP, &v));
	sonde_edges_configure(e, &config);
	sonde_edges_tick(e, mono + 101 * SONDE_NS_PER_SEC, 0);
	assert_false(find_edge(e, "web", "shop", SONDE_TRANSPORT_TCP, &v));
	sonde_edges_free(e);
}

static void nothing_can_be_freed(void **state)
{
	(void)state;
	sonde_edges_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_is_told_by_either_end_into_one_edge),
		cmocka_unit_test(edge_knows_which_of_its_ends_are_here),
		cmocka_unit_test(transports_are_edges_of_their_own),
		cmocka_unit_test(only_what_is_fresh_is_added),
		cmocka_unit_test(a_failed_connect_is_neither_opened_nor_closed),
		cmocka_unit_test(ends_are_told_by_how_they_came),
		cmocka_unit_test(closed_without_opened_leaves_what_is_open_alone),
		cmocka_unit_test(a_service_named_anew_takes_no_active_connection_along),
		cmocka_unit_test(connect_and_accept_are_measured_once),
		cmocka_unit_test(round_trips_are_measured_where_payload_moved),
		cmocka_unit_test(the_age_of_an_older_connection_is_not_guessed),
		cmocka_unit_test(parts_of_requests_add_up_to_their_durations),
		cmocka_unit_test(beyond_the_bound_everything_is_under_other_and_adds_up),
		cmocka_unit_test(a_connection_opened_under_other_is_closed_there),
		cmocka_unit_test(an_idle_edge_disappears_and_the_others_go_on),
		cmocka_unit_test(names_at_one_address_are_told_apart),
		cmocka_unit_test(listeners_of_a_service_add_up),
		cmocka_unit_test(a_listener_that_is_gone_has_no_backlog),
		cmocka_unit_test(udp_sockets_are_counted_by_service),
		cmocka_unit_test(dropped_packets_keep_their_reason_when_services_are_too_many),
		cmocka_unit_test(churn_of_names_and_connections_stays_within_bounds),
		cmocka_unit_test(a_reload_changes_what_it_may),
		cmocka_unit_test(nothing_can_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
