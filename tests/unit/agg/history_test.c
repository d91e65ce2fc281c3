// SPDX-License-Identifier: Apache-2.0
/*
 * What has closed is told again as it was, newest first, until newer ones take its place.
 */
#include "tests/unit/agg/edges_fixture.h"

#include <stdlib.h>

#include "agent/agg/history.h"

#define OPENED	SONDE_CONNECTION_OPENED
#define UPDATED SONDE_CONNECTION_UPDATED
#define CLOSED	SONDE_CONNECTION_CLOSED

#define NOW (1700000000 * SONDE_NS_PER_SEC)

static struct sonde_history *new_history(uint32_t max, uint64_t minutes)
{
	struct sonde_config config = { 0 };
	struct sonde_history *h = NULL;

	config.connections.history_max = max;
	config.connections.history_ns = minutes * 60 * SONDE_NS_PER_SEC;
	config.capture.max_connections = 65536;
	assert_int_equal(sonde_history_new(&config, &h), 0);
	return h;
}

static struct sonde_process process_of(uint32_t pid, const char *comm)
{
	struct sonde_process p = { .pid = pid, .start_ns = pid * 1000ull, .cgroup_id = 77 };

	snprintf(p.comm, sizeof(p.comm), "%s", comm);
	snprintf(p.exe, sizeof(p.exe), "/usr/bin/%s", comm);
	snprintf(p.cgroup, sizeof(p.cgroup), "/system.slice/%s.service", comm);
	snprintf(p.unit, sizeof(p.unit), "%s", comm);
	return p;
}

static void fill(uint8_t *bytes, size_t n, uint8_t from)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(from + i);
}

static struct sonde_connection whole(const struct sonde_process *process,
				     const struct sonde_process *peer)
{
	struct sonde_connection c = {
		.id = 4711,
		.role = SONDE_ROLE_SERVER,
		.state = SONDE_TCP_CLOSE,
		.close_state = SONDE_TCP_LAST_ACK,
		.closed_by = SONDE_ROLE_CLIENT,
		.reset_by = SONDE_ROLE_SERVER,
		.preexisting = true,
		.timed_out = true,
		.unseen_end = true,
		.client = { .port = 1 },
		.server = { .port = 2 },
		.client_original = { .port = 3 },
		.server_original = { .port = 4 },
		.process = process,
		.peer = peer,
		.opened_ns = 5,
		.opened_unix_ns = NOW - 7,
		.duration_ns = 6,
		.connect_ns = 8,
		.accept_ns = 9,
		.srtt_ns = 10,
		.min_rtt_ns = 11,
		.rtt_var_ns = 12,
		.port_unreachable = 13,
		.total = { { 14, 15, 16, 17 }, { 18, 19, 20, SONDE_COUNT_UNKNOWN }, 21, 22, 23 },
		.service = SONDE_SLICE_LIT("shop"),
		.peer_service = SONDE_SLICE_LIT("web"),
	};

	fill(c.client.address, 16, 10);
	fill(c.server.address, 16, 30);
	fill(c.client_original.address, 16, 50);
	fill(c.server_original.address, 16, 70);
	return c;
}

static void what_has_closed_is_told_again_as_it_was(void **state)
{
	struct sonde_history *h = new_history(16, 5);
	struct sonde_process server = process_of(10, "nginx"), client = process_of(20, "curl");
	struct sonde_connection c = whole(&server, &client), got, expected = c;
	struct sonde_workload *workload = sonde_workload_new(&(struct sonde_workload){
		.container_id = SONDE_SLICE_LIT("abc"), .pod = SONDE_SLICE_LIT("shop-0") });
	uint64_t cursor = 0;

	(void)state;
	server.workload = workload;
	server.runtime = SONDE_RUNTIME_PODMAN;
	snprintf(server.container_id, sizeof(server.container_id), "abc");
	snprintf(server.pod_uid, sizeof(server.pod_uid), "1-2-3");
	sonde_history_connection(h, &c, CLOSED, NOW);
	/* It lives on by itself. */
	sonde_workload_put(workload);
	server.workload = NULL;
	memset(&c, 0xee, sizeof(c));

	assert_true(sonde_history_next(h, &cursor, NOW, &got));
	assert_slice(got.service, "shop");
	assert_slice(got.peer_service, "web");
	assert_int_equal(got.process->pid, 10);
	assert_string_equal(got.process->exe, "/usr/bin/nginx");
	assert_string_equal(got.process->comm, "nginx");
	assert_string_equal(got.process->cgroup, "/system.slice/nginx.service");
	assert_string_equal(got.process->unit, "nginx");
	assert_string_equal(got.process->container_id, "abc");
	assert_string_equal(got.process->pod_uid, "1-2-3");
	assert_int_equal(got.process->runtime, SONDE_RUNTIME_PODMAN);
	assert_int_equal(got.process->start_ns, 10000);
	assert_int_equal(got.process->cgroup_id, 77);
	assert_slice(got.process->workload->pod, "shop-0");
	assert_string_equal(got.peer->comm, "curl");
	assert_null(got.peer->workload);
	/* All that is no pointer. */
	got.service = got.peer_service = expected.service = expected.peer_service =
		SONDE_SLICE_EMPTY;
	got.process = got.peer = expected.process = expected.peer = NULL;
	assert_memory_equal(&got, &expected, sizeof(got));
	assert_false(sonde_history_next(h, &cursor, NOW, &got));
	sonde_history_free(h);
}

static void a_peer_elsewhere_has_no_process(void **state)
{
	struct sonde_history *h = new_history(16, 5);
	struct sonde_process nobody = { 0 };
	struct sonde_connection c = whole(&nobody, NULL), got;
	uint64_t cursor = 0;

	(void)state;
	c.service = SONDE_SLICE_EMPTY;
	sonde_history_connection(h, &c, CLOSED, NOW);
	assert_true(sonde_history_next(h, &cursor, NOW, &got));
	assert_null(got.peer);
	assert_int_equal(got.process->pid, 0);
	assert_int_equal(got.service.len, 0);
	sonde_history_free(h);
}

static void close_one(struct sonde_history *h, uint64_t id, uint64_t at)
{
	static struct sonde_process p;
	char name[32];
	struct sonde_connection c;

	p = process_of((uint32_t)id, "worker");
	snprintf(name, sizeof(name), "service-%u", (unsigned int)id);
	c = connection_of(id, "web", name);
	c.process = &p;
	c.opened_unix_ns = at - 1000;
	sonde_history_connection(h, &c, OPENED, at);
	c.duration_ns = 1000;
	sonde_history_connection(h, &c, CLOSED, at);
}

static void the_newest_comes_first_and_the_oldest_makes_room(void **state)
{
	struct sonde_history *h = new_history(16, 5);
	struct sonde_connection got;
	uint64_t cursor = 0;
	char name[32];

	(void)state;
	for (uint64_t id = 1; id <= 100; id++)
		close_one(h, id, NOW + id);
	for (uint64_t id = 100; id > 84; id--) {
		assert_true(sonde_history_next(h, &cursor, NOW + 200, &got));
		assert_int_equal(got.id, id);
		snprintf(name, sizeof(name), "service-%u", (unsigned int)id);
		assert_slice(got.service, name);
		assert_int_equal(got.process->pid, id);
	}
	assert_false(sonde_history_next(h, &cursor, NOW + 200, &got));
	assert_false(sonde_history_next(h, &cursor, NOW + 200, &got));
	sonde_history_free(h);
}

/* Readers stop anywhere, others close meanwhile: none twice, none out of order. */
static void a_cursor_stays_good_while_others_close(void **state)
{
	struct sonde_connection got;

	(void)state;
	for (uint64_t between = 0; between <= 20; between++) {
		struct sonde_history *h = new_history(16, 5);
		uint64_t cursor = 0, id = 0, last = UINT64_MAX, shown = 0;

		while (id < 10)
			close_one(h, ++id, NOW);
		while (sonde_history_next(h, &cursor, NOW, &got)) {
			assert_true(got.id < last);
			last = got.id;
			shown++;
			for (uint64_t i = 0; i < between; i++)
				close_one(h, ++id, NOW);
		}
		/* With B more each time, the S-th is there while 16 are not beyond it. */
		if (!between)
			assert_int_equal(shown, 10);
		assert_true(shown >= 1 && shown <= 10);
		assert_false(sonde_history_next(h, &cursor, NOW, &got));
		sonde_history_free(h);
	}
}

static void what_is_too_old_is_not_shown(void **state)
{
	struct sonde_history *h = new_history(16, 5);
	struct sonde_config config = { 0 };
	struct sonde_connection got;
	uint64_t cursor = 0, later = NOW + 301 * SONDE_NS_PER_SEC;

	(void)state;
	close_one(h, 1, NOW);
	close_one(h, 2, NOW + 10 * SONDE_NS_PER_SEC);
	assert_true(sonde_history_next(h, &cursor, later, &got));
	assert_int_equal(got.id, 2);
	assert_false(sonde_history_next(h, &cursor, later, &got));
	config.connections.history_ns = 600 * SONDE_NS_PER_SEC;
	sonde_history_configure(h, &config);
	assert_true(sonde_history_next(h, &cursor, later, &got));
	assert_int_equal(got.id, 1);
	/* A clock that was set back hides nothing. */
	cursor = 0;
	assert_true(sonde_history_next(h, &cursor, NOW - SONDE_NS_PER_SEC, &got));
	sonde_history_free(h);
}

struct expected_event {
	enum sonde_happening what;
	uint64_t value;
};

static void assert_events(struct sonde_history *h, uint64_t id, const struct expected_event *want,
			  size_t n)
{
	struct sonde_event got;
	uint64_t cursor = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(sonde_history_event(h, id, &cursor, &got));
		assert_string_equal(sonde_happening_name(got.what),
				    sonde_happening_name(want[i].what));
		assert_int_equal(got.value, want[i].value);
		assert_int_equal(got.connection_id, id);
	}
	assert_false(sonde_history_event(h, id, &cursor, &got));
}

static void what_happened_is_told_in_order(void **state)
{
	struct sonde_history *h = new_history(64, 5);
	struct sonde_process unknown = { 0 }, master = process_of(10, "nginx"),
			     worker = process_of(11, "nginx");
	struct sonde_connection c = connection_of(1, "web", "shop"), d;
	const struct expected_event want[] = {
		{ SONDE_HAPPENED_OPENED, 0 },	   { SONDE_HAPPENED_RTT, 2000000 },
		{ SONDE_HAPPENED_OWNER, 11 },	   { SONDE_HAPPENED_RETRANSMITS, 5 },
		{ SONDE_HAPPENED_ZERO_WINDOW, 2 }, { SONDE_HAPPENED_RTT, 1000000 },
		{ SONDE_HAPPENED_RETRANSMITS, 1 }, { SONDE_HAPPENED_CLOSED, 0 },
	};

	(void)state;
	c.process = &unknown;
	sonde_history_connection(h, &c, OPENED, NOW);
	c.srtt_ns = 1000000;
	sonde_history_connection(h, &c, UPDATED, NOW);
	c.process = &master; /* has become known */
	c.srtt_ns = 1999000;
	sonde_history_connection(h, &c, UPDATED, NOW);
	c.srtt_ns = 2000000;
	sonde_history_connection(h, &c, UPDATED, NOW);
	c.process = &worker;
	c.fresh.to_server.retransmits = 2;
	c.fresh.to_client.retransmits = 3;
	c.fresh.zero_windows = 2;
	sonde_history_connection(h, &c, UPDATED, NOW);
	c.fresh = (struct sonde_connection_counts){ 0 };
	c.srtt_ns = 1000000;
	sonde_history_connection(h, &c, UPDATED, NOW);
	d = connection_of(2, "web", "shop");
	d.connect_error = SONDE_CONNECT_REFUSED;
	sonde_history_connection(h, &d, CLOSED, NOW);
	c.fresh.to_client.retransmits = 1;
	sonde_history_connection(h, &c, CLOSED, NOW);

	assert_events(h, 1, want, sizeof(want) / sizeof(want[0]));
	assert_events(h, 2,
		      &(struct expected_event){ SONDE_HAPPENED_FAILED, SONDE_CONNECT_REFUSED }, 1);
	assert_events(h, 3, NULL, 0);
	sonde_history_free(h);
}

static void events_bear_the_time_they_are_told_with(void **state)
{
	struct sonde_history *h = new_history(16, 5);
	struct sonde_connection c = connection_of(1, "web", "shop");
	struct sonde_event got;
	uint64_t cursor = 0;

	(void)state;
	c.opened_unix_ns = NOW;
	sonde_history_connection(h, &c, OPENED, NOW + 500); /* told late */
	sonde_history_connection(h, &c, CLOSED, NOW + 900);
	assert_true(sonde_history_event(h, 1, &cursor, &got));
	assert_int_equal(got.time_unix_ns, NOW);
	assert_true(sonde_history_event(h, 1, &cursor, &got));
	assert_int_equal(got.time_unix_ns, NOW + 900);
	sonde_history_free(h);
}

static void old_events_make_room_and_the_cursor_goes_on(void **state)
{
	struct sonde_history *h = new_history(16, 5); /* 64 events */
	struct sonde_connection c = connection_of(1, "web", "shop");
	struct sonde_event got;
	uint64_t cursor = 0, n = 0;

	(void)state;
	sonde_history_connection(h, &c, OPENED, NOW);
	assert_true(sonde_history_event(h, 1, &cursor, &got));
	for (uint64_t i = 1; i <= 100; i++) {
		c.fresh.to_server.retransmits = i;
		sonde_history_connection(h, &c, UPDATED, NOW);
	}
	while (sonde_history_event(h, 1, &cursor, &got))
		assert_int_equal(got.value, 37 + n++);
	assert_int_equal(n, 64);
	sonde_history_free(h);
}

static void a_process_that_changed_is_told_as_it_was(void **state)
{
	struct sonde_history *h = new_history(16, 5);
	struct sonde_process p = process_of(10, "sh");
	struct sonde_connection c = connection_of(1, "web", "shop"), got;
	uint64_t cursor = 0;

	(void)state;
	c.process = &p;
	c.opened_unix_ns = NOW;
	sonde_history_connection(h, &c, CLOSED, NOW);
	snprintf(p.comm, sizeof(p.comm), "nginx");
	sonde_history_connection(h, &c, CLOSED, NOW);
	snprintf(p.unit, sizeof(p.unit), "nginx");
	sonde_history_connection(h, &c, CLOSED, NOW);
	assert_true(sonde_history_next(h, &cursor, NOW, &got));
	assert_string_equal(got.process->unit, "nginx");
	assert_true(sonde_history_next(h, &cursor, NOW, &got));
	assert_string_equal(got.process->comm, "nginx");
	assert_string_equal(got.process->unit, "sh");
	assert_true(sonde_history_next(h, &cursor, NOW, &got));
	assert_string_equal(got.process->comm, "sh");
	sonde_history_free(h);
}

static void memory_is_bounded_whatever_comes(void **state)
{
	enum { MAX = 2048, ROUNDS = 20 };
	struct sonde_history *h = new_history(MAX, 5);
	size_t early = 0;

	(void)state;
	for (uint64_t id = 1; id <= MAX * ROUNDS; id++) {
		close_one(h, id, NOW);
		if (id == MAX * 2)
			early = sonde_history_memory(h);
	}
	assert_true(sonde_history_memory(h) < early * 101 / 100);
	/* An entry, its events, and here a process and a name each of its own. */
	assert_true(sonde_history_memory(h) < MAX * 700);
	sonde_history_free(h);
}

static void an_entry_takes_little_when_names_are_shared(void **state)
{
	enum { MAX = 4096 };
	struct sonde_history *h = new_history(MAX, 5);
	struct sonde_process p = process_of(10, "nginx");
	struct sonde_connection c = connection_of(1, "web", "shop");
	size_t before = sonde_history_memory(h);

	(void)state;
	c.process = &p;
	for (c.id = 1; c.id <= MAX; c.id++) {
		sonde_history_connection(h, &c, OPENED, NOW);
		sonde_history_connection(h, &c, CLOSED, NOW);
	}
	assert_true(sonde_history_memory(h) - before < 1024);
	assert_true(sonde_history_memory(h) < MAX * 400);
	sonde_history_free(h);
}

static void nothing_can_be_freed(void **state)
{
	(void)state;
	sonde_history_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_closed_is_told_again_as_it_was),
		cmocka_unit_test(a_peer_elsewhere_has_no_process),
		cmocka_unit_test(the_newest_comes_first_and_the_oldest_makes_room),
		cmocka_unit_test(a_cursor_stays_good_while_others_close),
		cmocka_unit_test(what_is_too_old_is_not_shown),
		cmocka_unit_test(what_happened_is_told_in_order),
		cmocka_unit_test(events_bear_the_time_they_are_told_with),
		cmocka_unit_test(old_events_make_room_and_the_cursor_goes_on),
		cmocka_unit_test(a_process_that_changed_is_told_as_it_was),
		cmocka_unit_test(memory_is_bounded_whatever_comes),
		cmocka_unit_test(an_entry_takes_little_when_names_are_shared),
		cmocka_unit_test(nothing_can_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
