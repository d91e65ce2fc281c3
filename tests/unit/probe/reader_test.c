// SPDX-License-Identifier: Apache-2.0
/* Records of the ABI: what is right is decoded, and every way of being wrong is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/probe/reader.h"
#include "bpf/abi/record.h"
#include "tests/unit/guard.h"

static const struct sonde_rec_open sample_open = {
	.rec = { SONDE_ABI_VERSION, SONDE_REC_OPEN, sizeof(struct sonde_rec_open), 0, 77 },
	.stamp_ns = 1,
	.cgroup_id = 2,
	.start_ns = 3,
	.peer = 4,
	.local = { 1, [15] = 2 },
	.remote = { 3, [15] = 4 },
	.local_port = 8080,
	.remote_port = 40000,
	.pid = 5,
	.comm = "sixteen-bytes-xx",
	.side = SONDE_SIDE_SERVER,
	.flags = SONDE_OPEN_PREEXISTING | SONDE_OPEN_AGAIN,
};

struct data_record {
	struct sonde_rec_data head;
	uint8_t payload[5];
};

static const struct data_record sample_data = {
	.head = { .rec = { SONDE_ABI_VERSION, SONDE_REC_DATA, sizeof(struct sonde_rec_data) + 5, 0,
			   78 },
		  .stamp_ns = 1,
		  .position = 2,
		  .peer_bytes = 3,
		  .peer_last_ns = 4,
		  .head = 5,
		  .segment_len = 1000,
		  .captured = 5,
		  .direction = SONDE_DIR_EGRESS,
		  .flags = SONDE_DATA_FIRST | SONDE_DATA_REPEAT },
	.payload = "hello",
};

#define FLOW(n)                                                                             \
	{                                                                                   \
		.bytes = (n), .last_ns = (n) + 1, .heads = (n) + 2, .retransmits = (n) + 3, \
		.gaps = (n) + 4                                                             \
	}

static const struct sonde_rec_progress sample_progress = {
	.rec = { SONDE_ABI_VERSION, SONDE_REC_PROGRESS, sizeof(struct sonde_rec_progress), 0, 79 },
	.flow = { FLOW(10), FLOW(20) },
};

static const struct sonde_rec_close sample_close = {
	.rec = { SONDE_ABI_VERSION, SONDE_REC_CLOSE, sizeof(struct sonde_rec_close), 0, 80 },
	.stamp_ns = 9,
	.flow = { FLOW(30), FLOW(40) },
	.flags = SONDE_CLOSE_FIN_IN | SONDE_CLOSE_RST_OUT | SONDE_CLOSE_TIMEOUT,
};

static const struct sonde_rec_owner sample_owner = {
	.rec = { SONDE_ABI_VERSION, SONDE_REC_OWNER, sizeof(struct sonde_rec_owner), 0, 81 },
	.stamp_ns = 1,
	.cgroup_id = 2,
	.start_ns = 3,
	.pid = 4,
	.comm = "sixteen-bytes-xx",
};

static const struct sonde_rec_nat sample_nat = {
	.rec = { SONDE_ABI_VERSION, SONDE_REC_NAT, sizeof(struct sonde_rec_nat), 0, 82 },
	.local = { 1, [15] = 2 },
	.remote = { 3, [15] = 4 },
	.local_port = 5,
	.remote_port = 6,
};

static const struct sample {
	const void *bytes;
	size_t len;
	enum sonde_kind kind;
	uint64_t id;
} samples[] = {
	{ &sample_open, sizeof(sample_open), SONDE_KIND_OPEN, 77 },
	{ &sample_data, sizeof(struct sonde_rec_data) + 5, SONDE_KIND_DATA, 78 },
	{ &sample_progress, sizeof(sample_progress), SONDE_KIND_PROGRESS, 79 },
	{ &sample_close, sizeof(sample_close), SONDE_KIND_CLOSE, 80 },
	{ &sample_owner, sizeof(sample_owner), SONDE_KIND_OWNER, 81 },
	{ &sample_nat, sizeof(sample_nat), SONDE_KIND_NAT, 82 },
};

enum { N_SAMPLES = sizeof(samples) / sizeof(samples[0]), RECORD_MAX = 256 };

static int decode(const struct guard *g, const void *bytes, size_t len, struct sonde_record *out)
{
	return sonde_reader_decode(guard_put(g, sonde_slice_of(bytes, len)), out);
}

static void an_open_record_keeps_its_fields(void **state)
{
	struct guard g = guard_new(RECORD_MAX);
	struct sonde_record r;

	(void)state;
	assert_int_equal(decode(&g, &sample_open, sizeof(sample_open), &r), 0);
	assert_int_equal(r.kind, SONDE_KIND_OPEN);
	assert_int_equal(r.id, 77);
	assert_int_equal(r.open.stamp_ns, 1);
	assert_int_equal(r.open.cgroup_id, 2);
	assert_int_equal(r.open.start_ns, 3);
	assert_int_equal(r.open.peer, 4);
	assert_memory_equal(r.open.local.address, sample_open.local, 16);
	assert_memory_equal(r.open.remote.address, sample_open.remote, 16);
	assert_int_equal(r.open.local.port, 8080);
	assert_int_equal(r.open.remote.port, 40000);
	assert_int_equal(r.open.pid, 5);
	assert_string_equal(r.open.comm, "sixteen-bytes-x");
	assert_int_equal(r.open.role, SONDE_ROLE_SERVER);
	assert_true(r.open.preexisting);
	assert_true(r.open.again);
	guard_free(&g);
}

static void a_data_record_keeps_its_fields_and_borrows_its_payload(void **state)
{
	struct guard g = guard_new(RECORD_MAX);
	struct sonde_slice raw =
		guard_put(&g, sonde_slice_of(&sample_data, sizeof(struct sonde_rec_data) + 5));
	struct sonde_record r;

	(void)state;
	assert_int_equal(sonde_reader_decode(raw, &r), 0);
	assert_int_equal(r.kind, SONDE_KIND_DATA);
	assert_int_equal(r.id, 78);
	assert_int_equal(r.data.stamp_ns, 1);
	assert_int_equal(r.data.position, 2);
	assert_int_equal(r.data.peer_bytes, 3);
	assert_int_equal(r.data.peer_last_ns, 4);
	assert_int_equal(r.data.head, 5);
	assert_int_equal(r.data.segment_len, 1000);
	assert_int_equal(r.data.direction, SONDE_EGRESS);
	assert_true(r.data.first && r.data.repeat);
	assert_false(r.data.gap || r.data.response);
	assert_ptr_equal(r.data.payload.ptr, raw.ptr + sizeof(struct sonde_rec_data));
	assert_int_equal(r.data.payload.len, 5);
	guard_free(&g);
}

static void check_flow(const struct sonde_progress *p, uint64_t n)
{
	assert_int_equal(p->bytes, n);
	assert_int_equal(p->last_ns, n + 1);
	assert_int_equal(p->heads, n + 2);
	assert_int_equal(p->retransmits, n + 3);
	assert_int_equal(p->gaps, n + 4);
}

static void progress_and_close_keep_their_fields(void **state)
{
	struct guard g = guard_new(RECORD_MAX);
	struct sonde_record r;

	(void)state;
	assert_int_equal(decode(&g, &sample_progress, sizeof(sample_progress), &r), 0);
	check_flow(&r.progress[SONDE_INGRESS], 10);
	check_flow(&r.progress[SONDE_EGRESS], 20);
	assert_int_equal(decode(&g, &sample_close, sizeof(sample_close), &r), 0);
	assert_int_equal(r.close.stamp_ns, 9);
	check_flow(&r.close.flow[SONDE_INGRESS], 30);
	check_flow(&r.close.flow[SONDE_EGRESS], 40);
	assert_true(r.close.fin_in && r.close.rst_out && r.close.timeout);
	assert_false(r.close.fin_out || r.close.rst_in || r.close.aborted);
	guard_free(&g);
}

static void owner_and_nat_keep_their_fields(void **state)
{
	struct guard g = guard_new(RECORD_MAX);
	struct sonde_record r;

	(void)state;
	assert_int_equal(decode(&g, &sample_owner, sizeof(sample_owner), &r), 0);
	assert_int_equal(r.owner.stamp_ns, 1);
	assert_int_equal(r.owner.cgroup_id, 2);
	assert_int_equal(r.owner.start_ns, 3);
	assert_int_equal(r.owner.pid, 4);
	assert_string_equal(r.owner.comm, "sixteen-bytes-x");
	assert_int_equal(decode(&g, &sample_nat, sizeof(sample_nat), &r), 0);
	assert_memory_equal(r.nat.local.address, sample_nat.local, 16);
	assert_memory_equal(r.nat.remote.address, sample_nat.remote, 16);
	assert_int_equal(r.nat.local.port, 5);
	assert_int_equal(r.nat.remote.port, 6);
	guard_free(&g);
}

/* Each flag means its own field and no other. */
static void every_close_flag_has_its_field(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 9; bit++) {
		struct sonde_rec_close in = sample_close;
		struct sonde_record r;

		in.flags = 1u << bit;
		assert_int_equal(sonde_reader_decode(sonde_slice_of(&in, sizeof(in)), &r), 0);
		assert_int_equal(r.close.fin_in, bit == 0);
		assert_int_equal(r.close.fin_out, bit == 1);
		assert_int_equal(r.close.rst_in, bit == 2);
		assert_int_equal(r.close.rst_out, bit == 3);
		assert_int_equal(r.close.timeout, bit == 4);
		assert_int_equal(r.close.aborted, bit == 5);
		assert_int_equal(r.close.http, bit == 6);
		assert_int_equal(r.close.peer_first, bit == 7);
		assert_int_equal(r.close.failed, bit == 8);
	}
}

/* Decodes, and when it is refused checks that OUT was not touched. */
static int decode_checked(const struct guard *g, const void *bytes, size_t len)
{
	struct sonde_record r, before;
	int err;

	memset(&r, 0xa5, sizeof(r));
	memcpy(&before, &r, sizeof(r));
	err = decode(g, bytes, len, &r);
	if (err)
		assert_memory_equal(&r, &before, sizeof(r));
	return err;
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

static void bytes_behind_the_record_are_not_part_of_it(void **state)
{
	struct guard g = guard_new(RECORD_MAX);
	struct sonde_record r;
	uint8_t bytes[RECORD_MAX];

	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		memset(bytes, 0xff, sizeof(bytes));
		memcpy(bytes, samples[i].bytes, samples[i].len);
		assert_int_equal(decode(&g, bytes, sizeof(bytes), &r), 0);
		assert_int_equal(r.id, samples[i].id);
		if (r.kind == SONDE_KIND_DATA)
			assert_int_equal(r.data.payload.len, 5);
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
			if (value >= SONDE_REC_TYPES)
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

static const struct odd {
	uint16_t len, captured;
	uint32_t segment_len;
	uint8_t direction;
	int expected;
} odd_data[] = {
	{ 69, 5, 5, 0, 0 },
	{ 64, 0, 0, 1, 0 },
	{ 69, 5, 4, 0, -EPROTO }, /* a segment shorter than what was captured of it */
	{ 69, 4, 1000, 0, -EPROTO },
	{ 68, 5, 1000, 0, -EPROTO },
	{ 69, 65535, 65535, 0, -EPROTO },
	{ 63, 0, 0, 0, -EPROTO },
	{ 69, 5, 5, 2, -EPROTO },
	{ 69, 5, 5, 255, -EPROTO },
};

static void data_fields_must_agree(void **state)
{
	struct guard g = guard_new(RECORD_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(odd_data) / sizeof(odd_data[0]); i++) {
		struct data_record in = sample_data;

		in.head.rec.len = odd_data[i].len;
		in.head.captured = odd_data[i].captured;
		in.head.segment_len = odd_data[i].segment_len;
		in.head.direction = odd_data[i].direction;
		assert_int_equal(decode_checked(&g, &in, sizeof(struct sonde_rec_data) + 5),
				 odd_data[i].expected);
	}
	guard_free(&g);
}

static void an_unknown_side_is_refused(void **state)
{
	struct guard g = guard_new(RECORD_MAX);

	(void)state;
	for (int side = 0; side < 256; side++) {
		struct sonde_rec_open in = sample_open;

		in.side = (uint8_t)side;
		assert_int_equal(decode_checked(&g, &in, sizeof(in)),
				 side <= SONDE_SIDE_CLIENT ? 0 : -EPROTO);
	}
	for (uint32_t side = 0; side < 256; side++) {
		struct sonde_rec_close in = sample_close;

		in.side = side;
		assert_int_equal(decode_checked(&g, &in, sizeof(in)),
				 side <= SONDE_SIDE_CLIENT ? 0 : -EPROTO);
	}
	guard_free(&g);
}

static void an_invalid_record_is_booked_by_its_type(void **state)
{
	uint8_t bytes[16] = { 99 };

	(void)state;
	for (int type = 0; type < 256; type++) {
		bytes[offsetof(struct sonde_rec, type)] = (uint8_t)type;
		assert_int_equal(sonde_reader_kind(sonde_slice_of(bytes, sizeof(bytes))),
				 type < SONDE_REC_TYPES ? type : SONDE_KIND_DATA);
	}
	assert_int_equal(sonde_reader_kind(SONDE_SLICE_EMPTY), SONDE_KIND_DATA);
	assert_int_equal(sonde_reader_kind(sonde_slice_of(bytes, 1)), SONDE_KIND_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_record_keeps_its_fields),
		cmocka_unit_test(a_data_record_keeps_its_fields_and_borrows_its_payload),
		cmocka_unit_test(progress_and_close_keep_their_fields),
		cmocka_unit_test(owner_and_nat_keep_their_fields),
		cmocka_unit_test(every_close_flag_has_its_field),
		cmocka_unit_test(every_proper_prefix_is_refused),
		cmocka_unit_test(bytes_behind_the_record_are_not_part_of_it),
		cmocka_unit_test(any_other_version_and_type_is_refused),
		cmocka_unit_test(every_flipped_bit_is_refused_or_harmless),
		cmocka_unit_test(data_fields_must_agree),
		cmocka_unit_test(an_unknown_side_is_refused),
		cmocka_unit_test(an_invalid_record_is_booked_by_its_type),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
