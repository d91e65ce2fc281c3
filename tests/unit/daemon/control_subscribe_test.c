// SPDX-License-Identifier: Apache-2.0
/* Subscriptions: who gets what, and that every loss is counted and told. */
#include "tests/unit/daemon/control_fixture.h"

static void publish(struct fixture *f, uint64_t n)
{
	struct sonde_request r = sample_request();

	for (uint64_t i = 0; i < n; i++) {
		r.connection_id = i;
		sonde_control_request(f->control, &r);
	}
}

static void request_arrives_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open_subscribed(f, NULL, 0);
	struct sonde_request sent = sample_request();
	struct sonde_wire_decoded got;
	Sonde__Frame *frame;

	sonde_control_request(f->control, &sent);
	frame = client_expect(f, &cl, SONDE__FRAME__BODY_REQUEST);
	assert_int_equal(sonde_wire_to_request(frame->request, &got), 0);
	assert_int_equal(got.request.connection_id, sent.connection_id);
	assert_true(sonde_slice_eq(got.request.path, sent.path));
	assert_string_equal(got.process.process.comm, "nginx");
	sonde__frame__free_unpacked(frame, NULL);
	assert_int_equal(f->control->stats.delivered, 1);
	assert_balanced(f);
	client_end(&cl);
}

static void nobody_subscribed_costs_nothing(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);

	publish(f, 10);
	pump(f);
	assert_null(client_receive(&cl));
	assert_int_equal(f->control->stats.produced, 0);
	client_end(&cl);
}

static void filter_works_in_the_daemon(void **state)
{
	struct fixture *f = *state;
	Sonde__Filter__StatusRange range = SONDE__FILTER__STATUS_RANGE__INIT, *list[] = { &range };
	Sonde__Filter filter = SONDE__FILTER__INIT;
	struct sonde_request r = sample_request();
	struct client all, some;
	Sonde__Frame *frame;

	range.first = range.last = 404;
	filter.statuses = list;
	filter.n_statuses = 1;
	all = client_open_subscribed(f, NULL, 0);
	some = client_open_subscribed(f, &filter, 0);
	sonde_control_request(f->control, &r);
	r.status = 404;
	sonde_control_request(f->control, &r);
	frame = client_expect(f, &some, SONDE__FRAME__BODY_REQUEST);
	assert_int_equal(frame->request->status, 404);
	sonde__frame__free_unpacked(frame, NULL);
	assert_null(client_receive(&some));
	sonde__frame__free_unpacked(client_expect(f, &all, SONDE__FRAME__BODY_REQUEST), NULL);
	sonde__frame__free_unpacked(client_expect(f, &all, SONDE__FRAME__BODY_REQUEST), NULL);
	assert_int_equal(f->control->stats.produced, 3);
	client_end(&all);
	client_end(&some);
}

static void bad_filter_is_refused_with_its_reason(void **state)
{
	struct fixture *f = *state;
	Sonde__Filter filter = SONDE__FILTER__INIT;
	struct client cl = client_open(f);
	uint32_t port = 70000;

	filter.ports = &port;
	filter.n_ports = 1;
	client_subscribe(f, &cl, &filter, 0);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__INVALID);
	assert_int_equal(f->control->stats.subscribers, 0);
	client_end(&cl);
}

static void second_subscription_is_refused(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open_subscribed(f, NULL, 0);

	client_subscribe(f, &cl, NULL, 0);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__BUSY);
	assert_int_equal(f->control->stats.subscribers, 1);
	client_end(&cl);
	pump(f);
	assert_int_equal(f->control->stats.subscribers, 0);
}

static void limit_ends_the_subscription(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open_subscribed(f, NULL, 3);

	publish(f, 10);
	for (int i = 0; i < 3; i++)
		sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_REQUEST),
					    NULL);
	assert_null(client_receive(&cl));
	assert_int_equal(f->control->stats.subscribers, 0);
	assert_int_equal(f->control->stats.produced, 3);
	/* And it may begin anew. */
	client_subscribe(f, &cl, NULL, 1);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_SUBSCRIBED), NULL);
	client_end(&cl);
}

struct tally {
	uint64_t requests, told;
};

static void read_all(struct fixture *f, struct client *cl, struct tally *t)
{
	Sonde__Frame *frame;

	for (;;) {
		pump(f);
		frame = client_receive(cl);
		if (!frame)
			return;
		if (frame->body_case == SONDE__FRAME__BODY_REQUEST) {
			/* The numbers run on exactly: what is missing has been told before. */
			assert_int_equal(frame->request->connection_id, t->requests + t->told);
			t->requests++;
		} else {
			assert_int_equal(frame->body_case, SONDE__FRAME__BODY_LOST);
			assert_string_equal(frame->lost->stage, "control");
			assert_string_equal(frame->lost->reason, "slow_client");
			t->told += frame->lost->count;
		}
		sonde__frame__free_unpacked(frame, NULL);
	}
}

static void slow_client_loses_an_exact_number_and_is_told(void **state)
{
	enum { N = 40000 };
	struct fixture *f = *state;
	struct client slow = client_open_subscribed(f, NULL, 0);
	struct client quick = client_open_subscribed(f, NULL, 0);
	struct sonde_request r = sample_request();
	uint64_t quick_got = 0;
	struct tally t = { 0, 0 };
	Sonde__Frame *frame;

	for (uint64_t i = 0; i < N; i++) {
		r.connection_id = i;
		sonde_control_request(f->control, &r);
		if (i % 512)
			continue;
		pump(f);
		for (; (frame = client_receive(&quick)); quick_got++)
			sonde__frame__free_unpacked(frame, NULL);
	}
	assert_true(f->control->clients[0].out.len <= SONDE_CONTROL_QUEUE_BYTES);
	assert_true(f->control->stats.dropped_slow > 0);
	assert_balanced(f);
	read_all(f, &slow, &t);
	assert_true(t.told > 0);
	assert_int_equal(t.requests + t.told, N);
	assert_int_equal(t.told, f->control->stats.dropped_slow);
	for (;;) {
		pump(f);
		frame = client_receive(&quick);
		if (!frame)
			break;
		assert_int_equal(frame->body_case, SONDE__FRAME__BODY_REQUEST);
		quick_got++;
		sonde__frame__free_unpacked(frame, NULL);
	}
	assert_int_equal(quick_got, N);
	assert_int_equal(f->control->stats.queued, 0);
	assert_int_equal(f->control->stats.delivered, t.requests + N);
	assert_balanced(f);
	client_end(&slow);
	client_end(&quick);
}

static void client_that_leaves_is_settled(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open_subscribed(f, NULL, 0);

	publish(f, 5000);
	assert_balanced(f);
	pump(f);
	client_end(&cl);
	pump(f);
	assert_int_equal(f->control->stats.clients, 0);
	assert_int_equal(f->control->stats.queued, 0);
	assert_true(f->control->stats.dropped_gone > 0);
	assert_balanced(f);
}

static void losses_come_in_line(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open_subscribed(f, NULL, 0);
	Sonde__Frame *frame;

	publish(f, 1);
	sonde_control_lost(f->control, SONDE_KIND_DATA, SONDE_LOSS_RING_FULL, 17);
	publish(f, 1);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_REQUEST), NULL);
	frame = client_expect(f, &cl, SONDE__FRAME__BODY_LOST);
	assert_int_equal(frame->lost->count, 17);
	assert_string_equal(frame->lost->kind, "data");
	assert_string_equal(frame->lost->stage, "kernel");
	assert_string_equal(frame->lost->reason, "ring_full");
	sonde__frame__free_unpacked(frame, NULL);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_REQUEST), NULL);
	assert_null(client_receive(&cl));
	client_end(&cl);
}

static void reload_takes_roles_away(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open_subscribed(f, NULL, 0);

	sonde_control_configure(f->control, &f->config);
	publish(f, 1);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_REQUEST), NULL);
	/* As if it had been more than what the kernel and the groups now say. */
	f->control->clients[0].access = SONDE_ACCESSES;
	sonde_control_configure(f->control, &f->config);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__DENIED);
	client_expect_end(f, &cl);
	assert_int_equal(f->control->stats.subscribers, 0);
	client_end(&cl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
		CASE(request_arrives_as_it_was),
		CASE(nobody_subscribed_costs_nothing),
		CASE(filter_works_in_the_daemon),
		CASE(bad_filter_is_refused_with_its_reason),
		CASE(second_subscription_is_refused),
		CASE(limit_ends_the_subscription),
		CASE(slow_client_loses_an_exact_number_and_is_told),
		CASE(client_that_leaves_is_settled),
		CASE(losses_come_in_line),
		CASE(reload_takes_roles_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
