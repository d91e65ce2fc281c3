// SPDX-License-Identifier: Apache-2.0
/* Connections and edges over the control socket: subscribed to, asked for, and never in the way. */
#include "tests/unit/daemon/control_fixture.h"

#include "agent/core/clock.h"

static struct client subscribed(struct fixture *f, Sonde__Filter *filter, uint64_t limit)
{
	Sonde__Subscribe subscribe = SONDE__SUBSCRIBE__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct client cl = client_open(f);

	subscribe.filter = filter;
	subscribe.limit = limit;
	subscribe.connections = true;
	frame.body_case = SONDE__FRAME__BODY_SUBSCRIBE;
	frame.subscribe = &subscribe;
	client_send(&cl, &frame);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_SUBSCRIBED), NULL);
	return cl;
}

static void publish(struct fixture *f, uint64_t n)
{
	struct sonde_connection c = sample_connection();

	for (uint64_t i = 0; i < n; i++) {
		c.id = i;
		sonde_control_connection(f->control, &c);
	}
}

static void connection_arrives_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct client cl = subscribed(f, NULL, 0);
	struct sonde_wire_decoded_connection got;
	Sonde__Frame *frame;

	publish(f, 1);
	frame = client_expect(f, &cl, SONDE__FRAME__BODY_CONNECTION);
	assert_int_equal(sonde_wire_to_connection(frame->connection, &got), 0);
	assert_int_equal(got.connection.total.to_client.bytes, 4096);
	assert_string_equal(got.process.process.comm, "nginx");
	sonde__frame__free_unpacked(frame, NULL);
	assert_int_equal(f->control->stats.delivered, 1);
	assert_balanced(f);
	client_end(&cl);
}

static void requests_and_connections_go_to_whom_they_are_for(void **state)
{
	struct fixture *f = *state;
	struct client conns = subscribed(f, NULL, 0);
	struct client requests = client_open_subscribed(f, NULL, 0);
	struct sonde_request r = sample_request();

	publish(f, 1);
	sonde_control_request(f->control, &r);
	sonde__frame__free_unpacked(client_expect(f, &conns, SONDE__FRAME__BODY_CONNECTION), NULL);
	sonde__frame__free_unpacked(client_expect(f, &requests, SONDE__FRAME__BODY_REQUEST), NULL);
	assert_null(client_receive(&conns));
	assert_null(client_receive(&requests));
	assert_int_equal(f->control->stats.produced, 2);
	client_end(&conns);
	client_end(&requests);
}

static void filter_of_connections_works_in_the_daemon(void **state)
{
	struct fixture *f = *state;
	Sonde__Filter filter = SONDE__FILTER__INIT;
	struct sonde_connection c = sample_connection();
	struct client cl;
	Sonde__Frame *frame;

	filter.failed_only = true;
	cl = subscribed(f, &filter, 1);
	publish(f, 3);
	c.connect_error = SONDE_CONNECT_REFUSED;
	c.id = 77;
	sonde_control_connection(f->control, &c);
	frame = client_expect(f, &cl, SONDE__FRAME__BODY_CONNECTION);
	assert_int_equal(frame->connection->id, 77);
	sonde__frame__free_unpacked(frame, NULL);
	/* The limit was one. */
	assert_int_equal(f->control->stats.subscribers, 0);
	client_end(&cl);
}

static void slow_subscriber_is_told_that_connections_were_lost(void **state)
{
	enum { N = 30000 };
	struct fixture *f = *state;
	struct client cl = subscribed(f, NULL, 0);
	uint64_t got = 0, told = 0;
	Sonde__Frame *frame;

	publish(f, N);
	assert_true(f->control->stats.dropped_slow > 0);
	assert_balanced(f);
	for (pump(f); (frame = client_receive(&cl)); pump(f)) {
		if (frame->body_case == SONDE__FRAME__BODY_CONNECTION) {
			assert_int_equal(frame->connection->id, got + told);
			got++;
		} else {
			assert_int_equal(frame->body_case, SONDE__FRAME__BODY_LOST);
			assert_string_equal(frame->lost->kind, "connection");
			assert_string_equal(frame->lost->reason, "slow_client");
			told += frame->lost->count;
		}
		sonde__frame__free_unpacked(frame, NULL);
	}
	assert_int_equal(got + told, N);
	assert_int_equal(f->control->stats.delivered, got);
	assert_balanced(f);
	client_end(&cl);
}

static void ask(struct client *cl, bool live, bool closed, Sonde__Filter *filter)
{
	Sonde__GetConnections get = SONDE__GET_CONNECTIONS__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	get.live = live;
	get.closed = closed;
	get.filter = filter;
	frame.body_case = SONDE__FRAME__BODY_GET_CONNECTIONS;
	frame.get_connections = &get;
	client_send(cl, &frame);
}

/* Reads the answer to its end; adds up how many and their ids. */
static uint64_t read_connections(struct fixture *f, struct client *cl, uint64_t *sum)
{
	uint64_t n = 0;
	bool last = false;

	*sum = 0;
	while (!last) {
		Sonde__Frame *frame = client_expect(f, cl, SONDE__FRAME__BODY_CONNECTION_BATCH);

		last = frame->connection_batch->last;
		for (size_t i = 0; i < frame->connection_batch->n_connections; i++) {
			*sum += frame->connection_batch->connections[i]->id;
			n++;
		}
		sonde__frame__free_unpacked(frame, NULL);
	}
	assert_null(client_receive(cl));
	return n;
}

static void live_and_closed_ones_come_as_asked(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	uint64_t sum;

	f->n_live = 100;
	f->n_closed = 20;
	ask(&cl, true, true, NULL);
	assert_int_equal(read_connections(f, &cl, &sum), 120);
	assert_int_equal(sum, 5050 + 20 * 1000 + 190);
	ask(&cl, true, false, NULL);
	assert_int_equal(read_connections(f, &cl, &sum), 100);
	ask(&cl, false, true, NULL);
	assert_int_equal(read_connections(f, &cl, &sum), 20);
	ask(&cl, false, false, NULL);
	assert_int_equal(read_connections(f, &cl, &sum), 0);
	assert_int_equal(f->control->stats.produced, 0);
	client_end(&cl);
}

static void closed_ones_are_told_since_a_time(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__GetConnections get = SONDE__GET_CONNECTIONS__INIT;
	struct sonde_connection c = sample_connection();
	Sonde__Frame frame = SONDE__FRAME__INIT;
	uint64_t sum;

	f->n_live = 3;
	f->n_closed = 20;
	get.live = get.closed = true;
	frame.body_case = SONDE__FRAME__BODY_GET_CONNECTIONS;
	frame.get_connections = &get;
	for (uint64_t later = 0; later < 2; later++) {
		get.closed_since_unix_ns = c.opened_unix_ns + c.duration_ns + later;
		client_send(&cl, &frame);
		assert_int_equal(read_connections(f, &cl, &sum), later ? 3 : 23);
	}
	client_end(&cl);
}

static void one_is_found_by_its_id(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__Filter filter = SONDE__FILTER__INIT;
	uint64_t id = 1003, sum;

	f->n_live = f->n_closed = 500;
	filter.ids = &id;
	filter.n_ids = 1;
	ask(&cl, true, true, &filter);
	assert_int_equal(read_connections(f, &cl, &sum), 1);
	assert_int_equal(sum, 1003);
	client_end(&cl);
}

static void bad_filter_is_refused(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__Filter filter = SONDE__FILTER__INIT;
	uint32_t port = 70000;

	filter.ports = &port;
	filter.n_ports = 1;
	ask(&cl, true, true, &filter);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__INVALID);
	assert_int_equal(f->refreshed, 0);
	client_end(&cl);
}

static void answer_waits_for_totals_that_are_newer_than_the_question(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	uint64_t sum;

	f->n_live = 3;
	for (f->refreshes = 1; f->refreshes <= 2; f->refreshes++) {
		ask(&cl, true, true, NULL);
		for (unsigned int i = 0; i < f->refreshes; i++) {
			pump(f);
			assert_null(client_receive(&cl));
			/* A socket that could be written to would wake the loop for nothing. */
			assert_false(f->control->clients[0].events & EPOLLOUT);
			sonde_control_refreshed(f->control);
		}
		assert_int_equal(read_connections(f, &cl, &sum), 3);
	}
	assert_int_equal(f->refreshed, 2);
	client_end(&cl);
}

static void totals_that_never_come_do_not_hold_up_the_answer(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	uint64_t sum;

	f->n_live = 3;
	f->refreshes = 1;
	ask(&cl, true, true, NULL);
	pump(f);
	sonde_control_tick(f->control, sonde_clock_mono_ns() + SONDE_NS_PER_SEC);
	pump(f);
	assert_null(client_receive(&cl));
	assert_true(f->control->ticking);
	sonde_control_tick(f->control, sonde_clock_mono_ns() + 4 * SONDE_NS_PER_SEC);
	assert_int_equal(read_connections(f, &cl, &sum), 3);
	client_end(&cl);
}

static void client_that_leaves_while_it_waits_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);

	f->refreshes = 1;
	ask(&cl, true, true, NULL);
	pump(f);
	client_end(&cl);
	pump(f);
	assert_int_equal(f->control->stats.clients, 0);
	sonde_control_refreshed(f->control);
	pump(f);
}

static void client_that_does_not_read_pauses_its_answer(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	uint64_t sum;

	f->n_live = 50000;
	ask(&cl, true, true, NULL);
	for (int i = 0; i < 100; i++)
		pump(f);
	assert_true(f->control->clients[0].out.len <= 2 * SONDE_CONTROL_PAUSE_BYTES);
	assert_true(f->control->clients[0].dump.cursor < 50000);
	assert_int_equal(read_connections(f, &cl, &sum), 50000);
	client_end(&cl);
}

static void history_of_one_comes_oldest_first(void **state)
{
	static const size_t sizes[] = { 0, 1, 63, 64, 65, 1000 };
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__GetEvents get = SONDE__GET_EVENTS__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	frame.body_case = SONDE__FRAME__BODY_GET_EVENTS;
	frame.get_events = &get;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = 0;
		bool last = false;

		f->n_events = sizes[i];
		client_send(&cl, &frame);
		while (!last) {
			Sonde__Frame *answer =
				client_expect(f, &cl, SONDE__FRAME__BODY_EVENT_BATCH);

			for (size_t k = 0; k < answer->event_batch->n_events; k++)
				assert_int_equal(answer->event_batch->events[k]->value, n++);
			last = answer->event_batch->last;
			sonde__frame__free_unpacked(answer, NULL);
		}
		assert_int_equal(n, sizes[i]);
	}
	client_end(&cl);
}

static void edges_come_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 8, 9, 500 };
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__GetEdges get = SONDE__GET_EDGES__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	frame.body_case = SONDE__FRAME__BODY_GET_EDGES;
	frame.get_edges = &get;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = 0;
		bool last = false;

		f->n_edges = sizes[i];
		client_send(&cl, &frame);
		while (!last) {
			Sonde__Frame *answer = client_expect(f, &cl, SONDE__FRAME__BODY_EDGE_BATCH);

			for (size_t k = 0; k < answer->edge_batch->n_edges; k++) {
				const Sonde__Edge *e = answer->edge_batch->edges[k];

				assert_int_equal(e->failed->refused, 5);
				assert_int_equal(e->reset_by_server, 7);
				assert_int_equal(e->queue_ns, 2);
				assert_int_equal(e->to_client->retransmits, 2);
				assert_int_equal(e->rtt->offset, -200);
				assert_int_equal(e->rtt->counts[1], e->closed);
				n++;
			}
			last = answer->edge_batch->last;
			sonde__frame__free_unpacked(answer, NULL);
		}
		assert_int_equal(n, sizes[i]);
	}
	assert_int_equal(f->refreshed, 5);
	client_end(&cl);
}

static void single_connections_need_the_role_trace(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__GetEvents get = SONDE__GET_EVENTS__INIT;
	Sonde__GetEdges edges = SONDE__GET_EDGES__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	f->control->clients[0].access = SONDE_ACCESS_VIEW;
	ask(&cl, true, true, NULL);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__DENIED);
	frame.body_case = SONDE__FRAME__BODY_GET_EVENTS;
	frame.get_events = &get;
	client_send(&cl, &frame);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__DENIED);
	frame.body_case = SONDE__FRAME__BODY_GET_EDGES;
	frame.get_edges = &edges;
	client_send(&cl, &frame);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_EDGE_BATCH), NULL);
	client_end(&cl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
		CASE(connection_arrives_as_it_was),
		CASE(requests_and_connections_go_to_whom_they_are_for),
		CASE(filter_of_connections_works_in_the_daemon),
		CASE(slow_subscriber_is_told_that_connections_were_lost),
		CASE(live_and_closed_ones_come_as_asked),
		CASE(closed_ones_are_told_since_a_time),
		CASE(one_is_found_by_its_id),
		CASE(bad_filter_is_refused),
		CASE(answer_waits_for_totals_that_are_newer_than_the_question),
		CASE(totals_that_never_come_do_not_hold_up_the_answer),
		CASE(client_that_leaves_while_it_waits_is_forgotten),
		CASE(client_that_does_not_read_pauses_its_answer),
		CASE(history_of_one_comes_oldest_first),
		CASE(edges_come_whole),
		CASE(single_connections_need_the_role_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
