// SPDX-License-Identifier: Apache-2.0
/* Records of snapshots: what is right is decoded, and every way of being wrong is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/probe/reader.h"
#include "bpf/abi/record.h"
#include "tests/unit/guard.h"

#define HEAD(type_, struct_, id_)                                                                  \
	{                                                                                          \
		.version = SONDE_ABI_VERSION, .type = (type_), .len = sizeof(struct_), .id = (id_) \
	}
#define COMM "sixteen-bytes-xx"

static const struct sonde_snap_tcp sample_tcp = {
	.rec = HEAD(SONDE_SNAP_TCP, struct sonde_snap_tcp, 70),
	.stamp_ns = 1,
	.tcp = { .bytes_sent = 2,
		 .bytes_received = 3,
		 .rwnd_limited_ns = 4,
		 .sndbuf_limited_ns = 5,
		 .segments_out = 6,
		 .segments_in = 7,
		 .retransmits = 8,
		 .out_of_order = 9,
		 .srtt_us = 10,
		 .rtt_var_us = 11,
		 .min_rtt_us = 12,
		 .zero_windows = 13,
		 .read_after_us = 14,
		 .repeats = 15,
		 .state = SONDE_TCP_CLOSE_WAIT },
};

static const struct sonde_snap_listener sample_listener = {
	.rec = HEAD(SONDE_SNAP_LISTENER, struct sonde_snap_listener, 71),
	.cgroup_id = 1,
	.start_ns = 2,
	.pid = 3,
	.drops = 4,
	.backlog = 5,
	.backlog_max = 6,
	.local = { 1, [15] = 2 },
	.comm = COMM,
	.local_port = 443,
};

static const struct sonde_snap_udp_socket sample_socket = {
	.rec = HEAD(SONDE_SNAP_UDP_SOCKET, struct sonde_snap_udp_socket, 72),
	.cgroup_id = 1,
	.start_ns = 2,
	.pid = 3,
	.drops = 4,
	.unreachable = 5,
	.local = { 1, [15] = 2 },
	.comm = COMM,
	.local_port = 53,
};

static const struct sonde_snap_udp_flow sample_flow = {
	.rec = HEAD(SONDE_SNAP_UDP_FLOW, struct sonde_snap_udp_flow, 73),
	.socket = 10,
	.cgroup_id = 1,
	.start_ns = 2,
	.first_ns = 11,
	.last_ns = 12,
	.packets = { 13, 14 },
	.bytes = { 15, 16 },
	.peer = 17,
	.pid = 3,
	.flags = SONDE_UDP_ENDED,
	.local = { 1, [15] = 2 },
	.remote = { 3, [15] = 4 },
	.comm = COMM,
	.local_port = 53,
	.remote_port = 40000,
	.side = SONDE_SIDE_SERVER,
	.asked = { 5, [15] = 6 },
	.asked_port = 54,
	.unreachable = 18,
};

static const struct sonde_snap_drop sample_drop = {
	.rec = HEAD(SONDE_SNAP_DROP, struct sonde_snap_drop, 0),
	.cgroup_id = 1,
	.start_ns = 2,
	.count = 20,
	.pid = 3,
	.reason = 21,
	.flags = SONDE_DROP_ENDED,
	.comm = COMM,
};

static const struct sample {
	const void *bytes;
	size_t len;
	enum sonde_snapshot_kind kind;
	uint64_t id;
} samples[] = {
	{ &sample_tcp, sizeof(sample_tcp), SONDE_SNAPSHOT_TCP, 70 },
	{ &sample_listener, sizeof(sample_listener), SONDE_SNAPSHOT_LISTENER, 71 },
	{ &sample_socket, sizeof(sample_socket), SONDE_SNAPSHOT_UDP_SOCKET, 72 },
	{ &sample_flow, sizeof(sample_flow), SONDE_SNAPSHOT_UDP_FLOW, 73 },
	{ &sample_drop, sizeof(sample_drop), SONDE_SNAPSHOT_DROP, 0 },
};

enum { N_SAMPLES = sizeof(samples) / sizeof(samples[0]), RECORD_MAX = 256 };

static struct sonde_snapshot decoded(const void *bytes, size_t len)
{
	struct sonde_snapshot s;

	assert_int_equal(sonde_reader_snapshot(sonde_slice_of(bytes, len), &s), 0);
	return s;
}

/* Decodes, and when it is refused checks that OUT was not touched. */
static int decode_checked(const struct guard *g, const void *bytes, size_t len)
{
	struct sonde_snapshot s, before;
	int err;

	memset(&s, 0xa5, sizeof(s));
	memcpy(&before, &s, sizeof(s));
	err = sonde_reader_snapshot(guard_put(g, sonde_slice_of(bytes, len)), &s);
	if (err)
		assert_memory_equal(&s, &before, sizeof(s));
	return err;
}

static void check_owner(const struct sonde_owner *o)
{
	assert_int_equal(o->cgroup_id, 1);
	assert_int_equal(o->start_ns, 2);
	assert_int_equal(o->pid, 3);
	assert_string_equal(o->comm, "sixteen-bytes-x");
}

static void check_endpoint(const struct sonde_endpoint *e, const uint8_t address[16], uint16_t port)
{
	assert_memory_equal(e->address, address, 16);
	assert_int_equal(e->port, port);
}

static void a_connection_keeps_its_fields(void **state)
{
	struct sonde_snapshot s = decoded(&sample_tcp, sizeof(sample_tcp));
	const struct sonde_tcp_view *t = &s.tcp.tcp;

	(void)state;
	assert_int_equal(s.kind, SONDE_SNAPSHOT_TCP);
	assert_int_equal(s.id, 70);
	assert_int_equal(s.tcp.stamp_ns, 1);
	assert_int_equal(t->bytes_sent, 2);
	assert_int_equal(t->bytes_received, 3);
	assert_int_equal(t->rwnd_limited_ns, 4);
	assert_int_equal(t->sndbuf_limited_ns, 5);
	assert_int_equal(t->segments_out, 6);
	assert_int_equal(t->segments_in, 7);
	assert_int_equal(t->retransmits, 8);
	assert_int_equal(t->out_of_order, 9);
	assert_int_equal(t->srtt_us, 10);
	assert_int_equal(t->rtt_var_us, 11);
	assert_int_equal(t->min_rtt_us, 12);
	assert_int_equal(t->zero_windows, 13);
	assert_int_equal(t->read_after_us, 14);
	assert_int_equal(t->repeats, 15);
	assert_int_equal(t->state, SONDE_TCP_CLOSE_WAIT);
}

static void a_state_that_nobody_knows_is_unknown(void **state)
{
	struct sonde_snap_tcp in = sample_tcp;

	(void)state;
	in.tcp.state = SONDE_TCP_STATES;
	assert_int_equal(decoded(&in, sizeof(in)).tcp.tcp.state, SONDE_TCP_UNKNOWN);
}

static void a_listener_keeps_its_fields(void **state)
{
	struct sonde_snapshot s = decoded(&sample_listener, sizeof(sample_listener));

	(void)state;
	assert_int_equal(s.kind, SONDE_SNAPSHOT_LISTENER);
	assert_int_equal(s.id, 71);
	check_owner(&s.listener.owner);
	check_endpoint(&s.listener.local, sample_listener.local, 443);
	assert_int_equal(s.listener.drops, 4);
	assert_int_equal(s.listener.backlog, 5);
	assert_int_equal(s.listener.backlog_max, 6);
}

static void a_udp_socket_keeps_its_fields(void **state)
{
	struct sonde_snapshot s = decoded(&sample_socket, sizeof(sample_socket));

	(void)state;
	assert_int_equal(s.kind, SONDE_SNAPSHOT_UDP_SOCKET);
	assert_int_equal(s.id, 72);
	check_owner(&s.udp_socket.owner);
	check_endpoint(&s.udp_socket.local, sample_socket.local, 53);
	assert_int_equal(s.udp_socket.drops, 4);
	assert_int_equal(s.udp_socket.unreachable, 5);
}

static void a_udp_flow_keeps_its_fields(void **state)
{
	struct sonde_snapshot s = decoded(&sample_flow, sizeof(sample_flow));
	const struct sonde_snapshot_udp_flow *f = &s.udp_flow;

	(void)state;
	assert_int_equal(s.kind, SONDE_SNAPSHOT_UDP_FLOW);
	assert_int_equal(s.id, 73);
	check_owner(&f->owner);
	check_endpoint(&f->local, sample_flow.local, 53);
	check_endpoint(&f->remote, sample_flow.remote, 40000);
	check_endpoint(&f->asked, sample_flow.asked, 54);
	assert_int_equal(f->unreachable, 18);
	assert_int_equal(f->socket, 10);
	assert_int_equal(f->peer, 17);
	assert_int_equal(f->first_ns, 11);
	assert_int_equal(f->last_ns, 12);
	assert_int_equal(f->packets[SONDE_INGRESS], 13);
	assert_int_equal(f->packets[SONDE_EGRESS], 14);
	assert_int_equal(f->bytes[SONDE_INGRESS], 15);
	assert_int_equal(f->bytes[SONDE_EGRESS], 16);
	assert_int_equal(f->role, SONDE_ROLE_SERVER);
	assert_true(f->ended);
}

static void only_its_flag_ends_a_flow_or_a_drop(void **state)
{
	struct sonde_snap_udp_flow in = sample_flow;
	struct sonde_snap_drop drop = sample_drop;

	(void)state;
	drop.flags = ~SONDE_DROP_ENDED;
	assert_false(decoded(&drop, sizeof(drop)).drop.ended);
	in.flags = ~SONDE_UDP_ENDED;
	assert_false(decoded(&in, sizeof(in)).udp_flow.ended);
}

static void a_drop_keeps_its_fields(void **state)
{
	struct sonde_snapshot s = decoded(&sample_drop, sizeof(sample_drop));

	(void)state;
	assert_int_equal(s.kind, SONDE_SNAPSHOT_DROP);
	check_owner(&s.drop.owner);
	assert_int_equal(s.drop.count, 20);
	assert_int_equal(s.drop.reason, 21);
	assert_true(s.drop.ended);
}

static void every_proper_prefix_is_refused(void **state)
{
	struct guard g = guard_new(RECORD_MAX);

	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		for (size_t len = 0; len < samples[i].len; len++)
			assert_int_equal(decode_checked(&g, samples[i].bytes, len), -EPROTO);
		assert_int_equal(decode_checked(&g, samples[i].bytes, samples[i].len), 0);
	}
	guard_free(&g);
}

static void a_length_that_is_too_short_for_the_type_is_refused(void **state)
{
	struct guard g = guard_new(RECORD_MAX);
	uint8_t bytes[RECORD_MAX];

	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		for (uint16_t len = 0; len < samples[i].len; len++) {
			memcpy(bytes, samples[i].bytes, samples[i].len);
			memcpy(bytes + offsetof(struct sonde_rec, len), &len, sizeof(len));
			assert_int_equal(decode_checked(&g, bytes, samples[i].len), -EPROTO);
		}
	}
	guard_free(&g);
}

static void bytes_behind_the_record_are_not_part_of_it(void **state)
{
	struct guard g = guard_new(RECORD_MAX);
	uint8_t bytes[RECORD_MAX];

	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		memset(bytes, 0xff, sizeof(bytes));
		memcpy(bytes, samples[i].bytes, samples[i].len);
		assert_int_equal(decode_checked(&g, bytes, sizeof(bytes)), 0);
		assert_int_equal(decoded(bytes, sizeof(bytes)).id, samples[i].id);
		assert_int_equal(decoded(bytes, sizeof(bytes)).kind, samples[i].kind);
	}
	guard_free(&g);
}

static void any_other_version_and_type_is_refused(void **state)
{
	struct guard g = guard_new(RECORD_MAX);
	uint8_t bytes[RECORD_MAX];

	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		for (int value = 0; value < 256; value++) {
			memcpy(bytes, samples[i].bytes, samples[i].len);
			bytes[offsetof(struct sonde_rec, version)] = (uint8_t)value;
			assert_int_equal(decode_checked(&g, bytes, samples[i].len) == 0,
					 value == SONDE_ABI_VERSION);
			memcpy(bytes, samples[i].bytes, samples[i].len);
			bytes[offsetof(struct sonde_rec, type)] = (uint8_t)value;
			if (value < SONDE_SNAP_TCP || value > SONDE_SNAP_DROP)
				assert_int_equal(decode_checked(&g, bytes, samples[i].len),
						 -EPROTO);
		}
	}
	guard_free(&g);
}

/* One bit wrong at a time: never a read outside, and a refusal leaves nothing behind. */
static void every_flipped_bit_is_refused_or_harmless(void **state)
{
	struct guard g = guard_new(RECORD_MAX);
	uint8_t bytes[RECORD_MAX];

	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		for (size_t bit = 0; bit < samples[i].len * 8; bit++) {
			memcpy(bytes, samples[i].bytes, samples[i].len);
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			decode_checked(&g, bytes, samples[i].len);
		}
	}
	guard_free(&g);
}

static void an_unknown_side_is_refused(void **state)
{
	struct guard g = guard_new(RECORD_MAX);

	(void)state;
	for (int side = 0; side < 256; side++) {
		struct sonde_snap_udp_flow in = sample_flow;

		in.side = (uint8_t)side;
		assert_int_equal(decode_checked(&g, &in, sizeof(in)),
				 side <= SONDE_SIDE_CLIENT ? 0 : -EPROTO);
	}
	guard_free(&g);
}

/* The ring's records and those of snapshots are told apart by their types alone. */
static void neither_reader_takes_the_records_of_the_other(void **state)
{
	struct sonde_rec_progress ring = { .rec = HEAD(SONDE_REC_PROGRESS,
						       struct sonde_rec_progress, 1) };
	struct sonde_snapshot s;
	struct sonde_record r;

	(void)state;
	assert_int_equal(sonde_reader_snapshot(sonde_slice_of(&ring, sizeof(ring)), &s), -EPROTO);
	for (size_t i = 0; i < N_SAMPLES; i++)
		assert_int_equal(
			sonde_reader_decode(sonde_slice_of(samples[i].bytes, samples[i].len), &r),
			-EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_keeps_its_fields),
		cmocka_unit_test(a_state_that_nobody_knows_is_unknown),
		cmocka_unit_test(a_listener_keeps_its_fields),
		cmocka_unit_test(a_udp_socket_keeps_its_fields),
		cmocka_unit_test(a_udp_flow_keeps_its_fields),
		cmocka_unit_test(only_its_flag_ends_a_flow_or_a_drop),
		cmocka_unit_test(a_drop_keeps_its_fields),
		cmocka_unit_test(every_proper_prefix_is_refused),
		cmocka_unit_test(a_length_that_is_too_short_for_the_type_is_refused),
		cmocka_unit_test(bytes_behind_the_record_are_not_part_of_it),
		cmocka_unit_test(any_other_version_and_type_is_refused),
		cmocka_unit_test(every_flipped_bit_is_refused_or_harmless),
		cmocka_unit_test(an_unknown_side_is_refused),
		cmocka_unit_test(neither_reader_takes_the_records_of_the_other),
	};

	return cmocka_run_group_tests_name("reader_snapshot", tests, NULL, NULL);
}
