// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/core/clock.h"
#include "exporters/sink.h"
#include "tests/unit/sample_connection.h"

/* A way out that the test opens and shuts. */
struct gate {
	sem_t entered; /* posted when a batch arrives */
	sem_t open;    /* waited for before it is written */
	bool shut;     /* wait for stop_fd instead */
	size_t refuse; /* of each batch */
	uint64_t next; /* connection id expected next */
};

static uint64_t id_of(const struct sonde_sink_record *r)
{
	return r->request ? r->request->connection_id : r->connection->id;
}

static size_t write_gated(void *ctx, const struct sonde_sink_record *batch, size_t n, int stop_fd,
			  uint64_t *bytes)
{
	struct gate *g = ctx;
	struct pollfd stop = { .fd = stop_fd, .events = POLLIN };

	sem_post(&g->entered);
	if (g->shut) {
		poll(&stop, 1, -1);
		return 0;
	}
	sem_wait(&g->open);
	for (size_t i = 0; i < n; i++)
		if (id_of(&batch[i]) != g->next++)
			return 0;
	*bytes += n;
	return n - (g->refuse < n ? g->refuse : n);
}

static const struct sonde_sink_ops ops = { .write = write_gated };

static void gate_init(struct gate *g)
{
	*g = (struct gate){ .next = 0 };
	sem_init(&g->entered, 0, 0);
	sem_init(&g->open, 0, 0);
}

static struct sonde_exporter_stats stats_of(struct sonde_sink *s)
{
	struct sonde_exporter_stats stats;

	sonde_sink_stats(s, &stats);
	assert_int_equal(stats.produced,
			 stats.delivered + stats.dropped_full + stats.dropped_error + stats.queued);
	return stats;
}

static uint64_t push(struct sonde_sink *s, uint64_t from, uint64_t n)
{
	struct sonde_request r = sample_request();
	uint64_t taken = 0;

	for (uint64_t i = 0; i < n; i++) {
		r.connection_id = from + taken;
		taken += sonde_sink_push(s, &r);
		stats_of(s);
	}
	return taken;
}

static void everything_comes_out_in_order(void **state)
{
	struct sonde_exporter_stats stats;
	struct sonde_sink *s;
	struct gate g;

	(void)state;
	gate_init(&g);
	for (int i = 0; i < 5000; i++)
		sem_post(&g.open);
	assert_int_equal(sonde_sink_new("test", 10000, &ops, &g, &s), 0);
	assert_int_equal(push(s, 0, 5000), 5000);
	sonde_sink_stop(s, 60 * SONDE_NS_PER_SEC);
	stats = stats_of(s);
	assert_int_equal(stats.delivered, 5000);
	assert_int_equal(stats.bytes, 5000);
	assert_int_equal(stats.queued, 0);
	sonde_sink_free(s);
}

static void connections_and_requests_keep_their_order(void **state)
{
	struct sonde_connection c = sample_connection();
	struct sonde_exporter_stats stats;
	struct sonde_sink *s;
	struct gate g;

	(void)state;
	gate_init(&g);
	for (int i = 0; i < 100; i++)
		sem_post(&g.open);
	assert_int_equal(sonde_sink_new("test", 100, &ops, &g, &s), 0);
	for (uint64_t i = 0; i < 100; i += 2) {
		assert_int_equal(push(s, i, 1), 1);
		c.id = i + 1;
		assert_true(sonde_sink_push_connection(s, &c));
	}
	sonde_sink_stop(s, 60 * SONDE_NS_PER_SEC);
	stats = stats_of(s);
	assert_int_equal(stats.delivered, 100);
	assert_int_equal(stats.produced, 100);
	sonde_sink_free(s);
}

static void full_queue_drops_and_counts(void **state)
{
	struct sonde_exporter_stats stats;
	struct sonde_sink *s;
	struct gate g;

	(void)state;
	gate_init(&g);
	assert_int_equal(sonde_sink_new("test", 10, &ops, &g, &s), 0);
	assert_int_equal(push(s, 0, 1), 1);
	sem_wait(&g.entered);
	/* One is being written and still counts: nine more fit. */
	assert_int_equal(push(s, 1, 30), 9);
	stats = stats_of(s);
	assert_int_equal(stats.dropped_full, 21);
	assert_int_equal(stats.queued, 10);
	for (int i = 0; i < 10; i++)
		sem_post(&g.open);
	sonde_sink_stop(s, 60 * SONDE_NS_PER_SEC);
	stats = stats_of(s);
	assert_int_equal(stats.delivered, 10);
	assert_int_equal(stats.dropped_full, 21);
	sonde_sink_free(s);
}

static void refused_records_are_counted_apart(void **state)
{
	struct sonde_exporter_stats stats;
	struct sonde_sink *s;
	struct gate g;

	(void)state;
	gate_init(&g);
	g.refuse = 1000;
	for (int i = 0; i < 100; i++)
		sem_post(&g.open);
	assert_int_equal(sonde_sink_new("test", 100, &ops, &g, &s), 0);
	push(s, 0, 50);
	sonde_sink_stop(s, 60 * SONDE_NS_PER_SEC);
	stats = stats_of(s);
	assert_int_equal(stats.delivered, 0);
	assert_int_equal(stats.dropped_error, 50);
	sonde_sink_free(s);
}

static void stuck_way_out_does_not_hold_up_the_end(void **state)
{
	struct sonde_exporter_stats stats;
	struct sonde_sink *s;
	struct gate g;

	(void)state;
	gate_init(&g);
	g.shut = true;
	assert_int_equal(sonde_sink_new("test", 1000, &ops, &g, &s), 0);
	push(s, 0, 1);
	sem_wait(&g.entered);
	push(s, 1, 600);
	sonde_sink_stop(s, 0);
	stats = stats_of(s);
	assert_int_equal(stats.dropped_error, 601);
	assert_int_equal(stats.queued, 0);
	assert_int_equal(push(s, 0, 1), 0);
	assert_int_equal(stats_of(s).dropped_full, 1);
	sonde_sink_free(s);
}

static void sink_without_room_is_refused(void **state)
{
	struct sonde_sink *s = NULL;
	struct gate g;

	(void)state;
	gate_init(&g);
	assert_int_equal(sonde_sink_new("test", 0, &ops, &g, &s), -EINVAL);
	assert_null(s);
	sonde_sink_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_comes_out_in_order),
		cmocka_unit_test(connections_and_requests_keep_their_order),
		cmocka_unit_test(full_queue_drops_and_counts),
		cmocka_unit_test(refused_records_are_counted_apart),
		cmocka_unit_test(stuck_way_out_does_not_hold_up_the_end),
		cmocka_unit_test(sink_without_room_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
