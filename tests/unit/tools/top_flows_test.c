// SPDX-License-Identifier: Apache-2.0
/* `sonde top` by connection and process: what has moved between two looks, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/sample_connection.h"
#include "tools/sonde/top.h"

enum { LOOK = 1000 }; /* when the older look was taken */

struct sample {
	uint64_t id, opened, up, segments;
	bool closed;
	const struct sonde_process *client;
};

static const struct sonde_process same_pid = { .pid = 4712, .start_ns = 9, .comm = "wget" };

static struct sonde_conns look(const struct sample *samples, size_t n, uint64_t time)
{
	struct sonde_frames frames = { 0 };
	struct sonde_conns out;

	for (size_t i = 0; i <= n; i++) {
		struct sonde_connection c = sample_connection();
		struct sonde_wire_connection wire;
		Sonde__Connection *list[] = { &wire.message };
		Sonde__ConnectionBatch batch = SONDE__CONNECTION_BATCH__INIT;
		Sonde__Frame frame = SONDE__FRAME__INIT;
		uint8_t bytes[8192];

		if (i < n) {
			c.id = samples[i].id;
			c.opened_unix_ns = samples[i].opened;
			c.state = samples[i].closed ? SONDE_TCP_CLOSE : SONDE_TCP_ESTABLISHED;
			c.peer = samples[i].client ? samples[i].client : &sample_client;
			c.total = (struct sonde_connection_counts){
				.to_server = { samples[i].up, samples[i].segments, 0, 0 },
				.to_client = { 0, 0, SONDE_COUNT_UNKNOWN, 0 },
			};
			sonde_wire_from_connection(&c, &wire);
			batch.connections = list;
			batch.n_connections = 1;
		}
		batch.time_unix_ns = time;
		frame.body_case = SONDE__FRAME__BODY_CONNECTION_BATCH;
		frame.connection_batch = &batch;
		assert_int_equal(
			sonde_frames_add(&frames,
					 sonde__frame__unpack(
						 NULL, sonde__frame__pack(&frame, bytes), bytes)),
			0);
	}
	assert_int_equal(sonde_conns_make(frames, &out), 0);
	return out;
}

/* Both looks are sorted by id, as the answers are made to be. */
static const struct sample older[] = {
	{ 1, 10, 100, 10, false, NULL },
	{ 2, 10, 100, 10, false, NULL },
};
static const struct sample newer[] = {
	{ 1, 10, 150, 15, true, NULL },	     /* has moved 50 bytes, then closed */
	{ 2, 10, 100, 10, false, NULL },     /* has not moved */
	{ 3, 2000, 30, 3, true, NULL },	     /* came and went in between */
	{ 4, 20, 5000, 500, false, NULL },   /* older than the look, but not in it */
	{ 5, 3000, 9, 1, false, &same_pid }, /* the pid of another process */
};

static struct sonde_top top_of(enum sonde_top_by by)
{
	struct sonde_top t = { .by = by, .seconds = 1, .sort = SONDE_TOP_RATE };

	t.link.fd = -1;
	t.flows.older_conns = look(older, 2, LOOK);
	t.flows.newer_conns = look(newer, 5, 5000);
	assert_int_equal(sonde_top_make_flows(&t), 0);
	return t;
}

static void connections_show_what_moved_since(void **state)
{
	struct sonde_top t = top_of(SONDE_TOP_CONNECTION);
	struct sonde_buf b;

	(void)state;
	assert_int_equal(t.flows.n, 3);
	assert_int_equal(t.flows.rows[0].id, 1);
	assert_int_equal(t.flows.rows[0].up, 50);
	assert_int_equal(t.flows.rows[0].segments, 5);
	assert_int_equal(t.flows.rows[0].retransmits, 0);
	assert_string_equal(t.flows.rows[0].state, "closed");
	assert_int_equal(t.flows.rows[1].id, 3);
	assert_int_equal(t.flows.rows[2].id, 5);
	strcpy(t.filter, "nobody");
	sonde_buf_init(&b, 1 << 16);
	sonde_top_print(&t, 0, 10, &b);
	assert_null(memmem(b.ptr, b.len, "shop:8080", 9));
	t.filter[0] = '\0';
	sonde_top_print(&t, 0, 10, &b);
	assert_non_null(memmem(b.ptr, b.len, "frontend  shop:8080", 19));
	sonde_buf_fini(&b);
	sonde_top_fini(&t);
}

static void processes_add_up_their_connections(void **state)
{
	struct sonde_top t = top_of(SONDE_TOP_PROCESS);

	(void)state;
	/* The server, its first client, and another one of the same pid. */
	assert_int_equal(t.flows.n, 3);
	assert_string_equal(t.flows.rows[0].names[0], "nginx");
	assert_int_equal(t.flows.rows[0].id, 4711);
	assert_int_equal(t.flows.rows[0].down, 89);
	assert_int_equal(t.flows.rows[0].up, 0);
	assert_int_equal(t.flows.rows[0].open, 1);
	assert_string_equal(t.flows.rows[1].names[0], "curl");
	assert_int_equal(t.flows.rows[1].up, 80);
	assert_int_equal(t.flows.rows[1].open, 0);
	assert_string_equal(t.flows.rows[2].names[0], "wget");
	assert_int_equal(t.flows.rows[2].id, 4712);
	assert_int_equal(t.flows.rows[2].up, 9);
	sonde_top_fini(&t);
}

static void order_follows_the_key(void **state)
{
	struct sonde_top t = top_of(SONDE_TOP_PROCESS);

	(void)state;
	t.sort = SONDE_TOP_NAME;
	sonde_top_arrange(&t);
	assert_string_equal(t.flows.rows[0].names[0], "curl");
	t.sort = SONDE_TOP_BYTES;
	sonde_top_arrange(&t);
	assert_string_equal(t.flows.rows[0].names[0], "nginx");
	sonde_top_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_show_what_moved_since),
		cmocka_unit_test(processes_add_up_their_connections),
		cmocka_unit_test(order_follows_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
