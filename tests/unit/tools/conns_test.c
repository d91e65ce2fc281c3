// SPDX-License-Identifier: Apache-2.0
/* `sonde conns`: what limits a connection, order, doubles, filters, and how one looks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/core/clock.h"
#include "tests/unit/sample_connection.h"
#include "tools/sonde/conns.h"

static struct sonde_connection healthy(void)
{
	struct sonde_connection c = sample_connection();

	c.total = (struct sonde_connection_counts){ .to_server = { 1000, 100, 0, 0 },
						    .to_client = { 1000, 100, 0, 0 } };
	return c;
}

static void refused(struct sonde_connection *c)
{
	c->connect_error = SONDE_CONNECT_REFUSED;
}

static void connect_timed_out(struct sonde_connection *c)
{
	c->connect_error = SONDE_CONNECT_TIMED_OUT;
}

static void unreachable(struct sonde_connection *c)
{
	c->connect_error = SONDE_CONNECT_UNREACHABLE;
}

static void gave_up(struct sonde_connection *c)
{
	c->connect_error = SONDE_CONNECT_ABORTED;
}

static void reset_in_the_handshake(struct sonde_connection *c)
{
	c->connect_error = SONDE_CONNECT_RESET;
}

static void timed_out(struct sonde_connection *c)
{
	c->timed_out = true;
}

static void two_percent_lost(struct sonde_connection *c)
{
	c->total.to_client.retransmits = 4;
}

static void half_a_percent_lost(struct sonde_connection *c)
{
	c->total.to_client.retransmits = 1;
}

static void one_way_unknown(struct sonde_connection *c)
{
	c->total.to_server.retransmits = SONDE_COUNT_UNKNOWN;
	c->total.to_client.retransmits = 1;
}

static void swollen(struct sonde_connection *c)
{
	c->min_rtt_ns = 10 * SONDE_NS_PER_MS;
	c->srtt_ns = 70 * SONDE_NS_PER_MS;
}

static void delayed_acks(struct sonde_connection *c)
{
	c->min_rtt_ns = 100000;
	c->srtt_ns = 40 * SONDE_NS_PER_MS;
}

static void window_full(struct sonde_connection *c)
{
	c->total.rwnd_limited_ns = c->duration_ns / 10;
}

static void window_seldom_full(struct sonde_connection *c)
{
	c->total.rwnd_limited_ns = c->duration_ns / 11;
}

static void buffer_full(struct sonde_connection *c)
{
	c->total.sndbuf_limited_ns = c->duration_ns;
}

static void zero_window(struct sonde_connection *c)
{
	c->total.zero_windows = 1;
}

static void late_accept(struct sonde_connection *c)
{
	c->accept_ns = 10 * SONDE_NS_PER_MS;
}

static void lost_and_full(struct sonde_connection *c)
{
	two_percent_lost(c);
	window_full(c);
}

static void idle(struct sonde_connection *c)
{
	c->total.to_server.bytes = c->total.to_client.bytes = 0;
}

static void flow(struct sonde_connection *c)
{
	c->transport = SONDE_TRANSPORT_UDP;
}

static void deaf_flow(struct sonde_connection *c)
{
	flow(c);
	c->port_unreachable = 1;
}

static void limit_is_what_holds_a_connection_up(void **state)
{
	static const struct {
		const char *name;
		void (*vary)(struct sonde_connection *c);
		enum sonde_limit limit;
	} samples[] = {
		{ "healthy", NULL, SONDE_LIMIT_APPLICATION },
		{ "refused", refused, SONDE_LIMIT_APPLICATION },
		{ "given up", gave_up, SONDE_LIMIT_APPLICATION },
		{ "connect timed out", connect_timed_out, SONDE_LIMIT_NETWORK },
		{ "unreachable", unreachable, SONDE_LIMIT_NETWORK },
		{ "reset in the handshake", reset_in_the_handshake, SONDE_LIMIT_NONE },
		{ "timed out", timed_out, SONDE_LIMIT_NETWORK },
		{ "2 % lost", two_percent_lost, SONDE_LIMIT_NETWORK },
		{ "0.5 % lost", half_a_percent_lost, SONDE_LIMIT_APPLICATION },
		{ "1 % of what is known", one_way_unknown, SONDE_LIMIT_NETWORK },
		{ "swollen round trip", swollen, SONDE_LIMIT_NETWORK },
		{ "delayed acknowledgements", delayed_acks, SONDE_LIMIT_APPLICATION },
		{ "window full", window_full, SONDE_LIMIT_QUEUE },
		{ "window seldom full", window_seldom_full, SONDE_LIMIT_APPLICATION },
		{ "buffer full", buffer_full, SONDE_LIMIT_QUEUE },
		{ "zero window", zero_window, SONDE_LIMIT_QUEUE },
		{ "late accept", late_accept, SONDE_LIMIT_QUEUE },
		{ "loss comes first", lost_and_full, SONDE_LIMIT_NETWORK },
		{ "idle", idle, SONDE_LIMIT_NONE },
		{ "udp", flow, SONDE_LIMIT_NONE },
		{ "udp nobody listens to", deaf_flow, SONDE_LIMIT_APPLICATION },
	};
	char why[SONDE_LIMIT_WHY];

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct sonde_connection c = healthy();

		if (samples[i].vary)
			samples[i].vary(&c);
		if (sonde_conns_limit(&c, why) != samples[i].limit)
			fail_msg("%s: %s", samples[i].name, why);
		assert_int_equal(why[0] == '\0', samples[i].limit == SONDE_LIMIT_NONE);
	}
}

static void share_of_retransmits_is_never_beyond_one(void **state)
{
	struct sonde_connection c = healthy();

	(void)state;
	c.total.to_server = (struct sonde_travel){ 0, 1, 7, 0 };
	c.total.to_client = (struct sonde_travel){ 0, 0, 0, 0 };
	assert_true(sonde_conns_retransmit_share(&c) == 1);
	c.total.to_server.retransmits = 0;
	assert_true(sonde_conns_retransmit_share(&c) == 0);
}

/* A frame as it is received, with one connection or with none. */
static Sonde__Frame *frame_of(const struct sonde_connection *c)
{
	Sonde__ConnectionBatch batch = SONDE__CONNECTION_BATCH__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct sonde_wire_connection wire;
	Sonde__Connection *list[] = { &wire.message };
	uint8_t bytes[8192];
	size_t len;

	if (c) {
		sonde_wire_from_connection(c, &wire);
		batch.connections = list;
		batch.n_connections = 1;
	}
	frame.body_case = SONDE__FRAME__BODY_CONNECTION_BATCH;
	frame.connection_batch = &batch;
	len = sonde__frame__pack(&frame, bytes);
	return sonde__frame__unpack(NULL, len, bytes);
}

struct answer {
	uint64_t id, opened, rtt, retransmits, bytes;
};

static struct sonde_conns conns_of(const struct answer *a, size_t n)
{
	struct sonde_frames frames = { 0 };
	struct sonde_conns c;

	for (size_t i = 0; i < n; i++) {
		struct sonde_connection one = healthy();

		one.id = a[i].id;
		one.opened_unix_ns = a[i].opened;
		one.srtt_ns = a[i].rtt;
		one.total.to_server.retransmits = a[i].retransmits;
		one.total.to_client.bytes = a[i].bytes;
		assert_int_equal(sonde_frames_add(&frames, frame_of(&one)), 0);
	}
	assert_int_equal(sonde_frames_add(&frames, frame_of(NULL)), 0);
	assert_int_equal(sonde_conns_make(frames, &c), 0);
	return c;
}

static void order_is_by_the_most(void **state)
{
	static const struct answer answers[] = {
		{ 1, 30, 500, 0, 7 },
		{ 2, 10, 100, 9, 8 },
		{ 3, 20, 900, 3, 9000 },
		{ 4, 20, 900, 3, 9000 },
	};
	static const uint64_t orders[][4] = {
		[SONDE_CONNS_AS_TOLD] = { 1, 2, 3, 4 }, [SONDE_CONNS_RTT] = { 3, 4, 1, 2 },
		[SONDE_CONNS_RETRANS] = { 2, 3, 4, 1 }, [SONDE_CONNS_BYTES] = { 3, 4, 2, 1 },
		[SONDE_CONNS_AGE] = { 2, 3, 4, 1 },
	};

	(void)state;
	for (int sort = SONDE_CONNS_AS_TOLD; sort <= SONDE_CONNS_AGE; sort++) {
		struct sonde_conns c = conns_of(answers, 4);

		sonde_conns_sort(&c, (enum sonde_conns_sort)sort);
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(c.list[i]->id, orders[sort][i]);
		sonde_conns_free(&c);
	}
}

/* It was open when the answer began and had closed when the answer came to the closed ones. */
static void one_told_twice_is_shown_as_it_was_told_last(void **state)
{
	static const struct answer answers[] = {
		{ 5, 1, 1, 0, 10 },
		{ 6, 1, 1, 0, 0 },
		{ 5, 1, 1, 0, 20 },
	};
	struct sonde_conns c = conns_of(answers, 3);

	(void)state;
	assert_int_equal(c.n, 2);
	assert_int_equal(c.list[0]->id, 6);
	assert_int_equal(c.list[1]->id, 5);
	assert_int_equal(c.list[1]->to_client->bytes, 20);
	sonde_conns_free(&c);
	c = conns_of(answers, 0);
	assert_int_equal(c.n, 0);
	sonde_conns_sort(&c, SONDE_CONNS_RTT);
	sonde_conns_free(&c);
}

static void expect_filter_error(struct sonde_conns_options *o, const char *id, const char *part)
{
	struct sonde_conns_filter f;
	char error[SONDE_OPTIONS_ERROR] = "";

	assert_int_equal(sonde_conns_filter(o, id, &f, error), -EINVAL);
	if (!strstr(error, part))
		fail_msg("%s", error);
}

static void filter_says_what_is_wrong(void **state)
{
	char protocol[] = "http", condition[] = "establish", port[] = "0";
	char pid[] = "4294967296", role[] = "sever";
	struct sonde_conns_options o = { 0 };

	(void)state;
	o.protocols = (struct sonde_words){ { protocol }, 1 };
	expect_filter_error(&o, "", "--protocol: 'http' is not known");
	o.protocols.n = 0;
	o.states = (struct sonde_words){ { condition }, 1 };
	expect_filter_error(&o, "", "--state: 'establish' is not known");
	o.states.n = 0;
	o.words.ports = (struct sonde_words){ { port }, 1 };
	expect_filter_error(&o, "", "--port: '0' is not a number from 1 to 65535");
	o.words.ports.n = 0;
	o.words.pids = (struct sonde_words){ { pid }, 1 };
	expect_filter_error(&o, "", "--pid: '4294967296' is not a number from 1 to 4294967295");
	o.words.pids.n = 0;
	o.words.roles = (struct sonde_words){ { role }, 1 };
	expect_filter_error(&o, "", "--role: 'sever' is not known; did you mean server?");
	o.words.roles.n = 0;
	expect_filter_error(&o, "12x", "'12x' is not the id of a connection");
	expect_filter_error(&o, "99999999999999999999999", "is not the id");
}

static void filter_holds_what_was_asked_for(void **state)
{
	char udp[] = "udp", closed[] = "closed", service[] = "a*", role[] = "client";
	struct sonde_conns_options o = {
		.protocols = { { udp }, 1 },
		.states = { { closed }, 1 },
		.words.services = { { service }, 1 },
		.words.roles = { { role }, 1 },
		.failed = true,
	};
	struct sonde_conns_filter f;
	char error[SONDE_OPTIONS_ERROR];

	(void)state;
	assert_int_equal(sonde_conns_filter(&o, "18446744073709551615", &f, error), 0);
	assert_int_equal(f.message.transports[0], SONDE__TRANSPORT__TRANSPORT_UDP);
	assert_int_equal(f.message.states[0], SONDE__TCP_STATE__TCP_CLOSE);
	assert_int_equal(f.message.roles[0], SONDE__ROLE__ROLE_CLIENT);
	assert_int_equal(f.message.n_services, 1);
	assert_true(f.message.failed_only);
	assert_int_equal(f.message.n_ids, 1);
	assert_true(f.message.ids[0] == UINT64_MAX);
}

static void contains(const struct sonde_buf *b, const char *part)
{
	if (!memmem(b->ptr, b->len, part, strlen(part)))
		fail_msg("no '%s' in: %.*s", part, (int)b->len, (char *)b->ptr);
}

static void foreign_bytes_stay_harmless(void **state)
{
	struct sonde_connection c = healthy();
	struct sonde_process process = sample_server;
	struct sonde_frames frames = { 0 };
	struct sonde_conns conns;
	struct sonde_buf b;

	(void)state;
	memcpy(process.comm, "a\033[2Jb", 7);
	c.process = &process;
	c.service = SONDE_SLICE_LIT("\033]0;x\a\n");
	assert_int_equal(sonde_frames_add(&frames, frame_of(&c)), 0);
	assert_int_equal(sonde_conns_make(frames, &conns), 0);
	sonde_buf_init(&b, 1 << 20);
	for (int format = SONDE_FORMAT_TABLE; format <= SONDE_FORMAT_JSONL; format++) {
		sonde_conns_print(&conns, (enum sonde_format)format, 0, &b);
		sonde_conns_print_one(&c, NULL, 0, (enum sonde_format)format, &b);
	}
	assert_false(b.failed);
	for (size_t i = 0; i < b.len; i++)
		assert_true(b.ptr[i] == '\n' || (b.ptr[i] >= 0x20 && b.ptr[i] != 0x7f));
	contains(&b, "\\x1b]0;x\\x07\\x0a:8080");
	sonde_buf_fini(&b);
	sonde_conns_free(&conns);
}

static void one_connection_is_told_in_full(void **state)
{
	struct sonde_connection c = sample_connection();
	Sonde__Event opened = SONDE__EVENT__INIT, again = SONDE__EVENT__INIT;
	Sonde__Event strange = SONDE__EVENT__INIT;
	const Sonde__Event *events[] = { &opened, &again, &strange };
	struct sonde_buf b;

	(void)state;
	again.what = SONDE__EVENT__WHAT__RETRANSMITS;
	again.value = 3;
	strange.what = (Sonde__Event__What)99;
	sonde_buf_init(&b, 1 << 20);
	sonde_conns_print_one(&c, events, 3, SONDE_FORMAT_TABLE, &b);
	contains(&b,
		 "connection 18446744073709551615  tcp, closed, from last_ack, by the client\n");
	contains(&b, "client       frontend 10.0.0.2:40000  pid 4712 curl\n");
	contains(&b, "server       shop 10.0.0.1:8080 (asked for as 10.96.0.1:80)  pid 4711 nginx, "
		     "unit nginx, container 0123456789ab\n");
	contains(&b, "sent again 1 to server, 3 to client\n");
	contains(&b, "out of order 2 to server, - to client\n");
	contains(&b, "limited by   network: 36.4% of the segments were sent again\n");
	contains(&b, "retransmits  3 more\n");
	contains(&b, "unknown\n");
	sonde_buf_reset(&b);
	sonde_conns_print_one(&c, events, 2, SONDE_FORMAT_JSON, &b);
	contains(&b, ",\"history\":[{\"time\":\"1970-01-01T00:00:00.000000000Z\","
		     "\"event\":\"opened\"},{\"time\":\"1970-01-01T00:00:00.000000000Z\","
		     "\"event\":\"retransmits\",\"count\":3}]}\n");
	sonde_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_is_what_holds_a_connection_up),
		cmocka_unit_test(share_of_retransmits_is_never_beyond_one),
		cmocka_unit_test(order_is_by_the_most),
		cmocka_unit_test(one_told_twice_is_shown_as_it_was_told_last),
		cmocka_unit_test(filter_says_what_is_wrong),
		cmocka_unit_test(filter_holds_what_was_asked_for),
		cmocka_unit_test(foreign_bytes_stay_harmless),
		cmocka_unit_test(one_connection_is_told_in_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
