// SPDX-License-Identifier: Apache-2.0
/* The consumer over an image of a ring in memory: both copies of its data are one mapping twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/probe/ring.h"

enum { SIZE = 4096 };

struct image {
	struct sonde_ring ring;
	uint64_t consumer, producer;
	uint8_t *data;
	size_t n;	     /* records handed out */
	uint8_t first[1024]; /* first byte of each */
	size_t len[1024];
	uint64_t seen_consumer[1024]; /* where the consumer stood meanwhile */
};

static int setup(void **state)
{
	struct image *m = test_calloc(1, sizeof(*m));
	int fd = memfd_create("ring", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, SIZE), 0);
	m->data = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2; i++)
		assert_ptr_not_equal(mmap(m->data + i * SIZE, SIZE, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_FIXED, fd, 0),
				     MAP_FAILED);
	close(fd);
	m->ring = (struct sonde_ring){ .consumer = &m->consumer,
				       .producer = &m->producer,
				       .data = m->data,
				       .size = SIZE,
				       .window = SIZE,
				       .fd = -1 };
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct image *m = *state;

	munmap(m->data, 2 * SIZE);
	test_free(m);
	return 0;
}

/* As the kernel does: reserves LEN bytes, all of them NAME; FLAGS are busy and discard. */
static uint32_t *produce(struct image *m, uint8_t name, uint32_t len, uint32_t flags)
{
	uint32_t *head = (uint32_t *)(void *)(m->data + m->producer % SIZE);
	size_t room = (len + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;

	assert_true(m->producer + room - m->consumer <= SIZE);
	memset(head, 0, BPF_RINGBUF_HDR_SZ);
	memset((uint8_t *)head + BPF_RINGBUF_HDR_SZ, name, len);
	*head = len | flags;
	m->producer += room;
	return head;
}

static void take(void *ctx, struct sonde_slice record)
{
	struct image *m = ctx;

	for (size_t i = 1; i < record.len; i++)
		assert_int_equal(record.ptr[i], record.ptr[0]);
	m->seen_consumer[m->n] = m->consumer;
	m->first[m->n] = record.ptr[0];
	m->len[m->n++] = record.len;
}

static void an_empty_ring_gives_nothing(void **state)
{
	struct image *m = *state;

	assert_int_equal(sonde_ring_drain(&m->ring, 10, take, m), 0);
	assert_int_equal(sonde_ring_used(&m->ring), 0);
	assert_int_equal(m->n, 0);
}

static void records_come_in_order_and_their_room_is_freed(void **state)
{
	struct image *m = *state;

	produce(m, 'a', 1, 0);
	produce(m, 'b', 8, 0);
	produce(m, 'c', 100, 0);
	assert_int_equal(sonde_ring_used(&m->ring), 16 + 16 + 112);
	assert_int_equal(sonde_ring_drain(&m->ring, 10, take, m), 3);
	assert_memory_equal(m->first, "abc", 3);
	assert_int_equal(m->len[0], 1);
	assert_int_equal(m->len[2], 100);
	assert_int_equal(m->consumer, m->producer);
	assert_int_equal(sonde_ring_used(&m->ring), 0);
}

static void a_budget_stops_and_the_rest_stays(void **state)
{
	struct image *m = *state;

	for (uint8_t i = 0; i < 5; i++)
		produce(m, (uint8_t)('a' + i), 8, 0);
	assert_int_equal(sonde_ring_drain(&m->ring, 2, take, m), 2);
	assert_int_equal(m->consumer, 32);
	assert_int_equal(sonde_ring_drain(&m->ring, 0, take, m), 0);
	assert_int_equal(m->consumer, 32);
	assert_int_equal(sonde_ring_drain(&m->ring, 10, take, m), 3);
	assert_memory_equal(m->first, "abcde", 5);
}

static void a_record_still_being_written_holds_back_those_behind_it(void **state)
{
	struct image *m = *state;
	uint32_t *busy;

	produce(m, 'a', 8, 0);
	busy = produce(m, 'b', 8, BPF_RINGBUF_BUSY_BIT);
	produce(m, 'c', 8, 0);
	assert_int_equal(sonde_ring_drain(&m->ring, 10, take, m), 1);
	assert_int_equal(m->consumer, 16);
	assert_int_equal(sonde_ring_drain(&m->ring, 10, take, m), 0);
	*busy &= ~BPF_RINGBUF_BUSY_BIT;
	assert_int_equal(sonde_ring_drain(&m->ring, 10, take, m), 2);
	assert_memory_equal(m->first, "abc", 3);
}

static void a_discarded_record_is_passed_over(void **state)
{
	struct image *m = *state;

	produce(m, 'a', 8, BPF_RINGBUF_DISCARD_BIT);
	produce(m, 'b', 8, 0);
	produce(m, 'c', 40, BPF_RINGBUF_DISCARD_BIT);
	sonde_ring_drain(&m->ring, 10, take, m);
	assert_int_equal(m->n, 1);
	assert_int_equal(m->first[0], 'b');
	assert_int_equal(m->consumer, m->producer);
}

/* Every length from 1 up, many times around: each record is one run of bytes. */
static void records_that_wrap_are_whole(void **state)
{
	struct image *m = *state;

	for (uint32_t i = 1; i < 1000; i++) {
		m->n = 0;
		produce(m, (uint8_t)i, i, 0);
		produce(m, (uint8_t)(i + 1), 1001 - i, 0);
		assert_int_equal(sonde_ring_drain(&m->ring, 10, take, m), 2);
		assert_int_equal(m->len[0], i);
		assert_int_equal(m->len[1], 1001 - i);
		assert_int_equal(m->first[0], (uint8_t)i);
	}
	assert_true(m->producer > 200 * SIZE);
}

static void positions_may_pass_four_gigabytes(void **state)
{
	struct image *m = *state;

	m->producer = (1ULL << 32) - 16;
	m->consumer = m->producer;
	produce(m, 'a', 100, 0);
	produce(m, 'b', 100, 0);
	assert_int_equal(sonde_ring_drain(&m->ring, 10, take, m), 2);
	assert_int_equal(m->consumer, m->producer);
	assert_true(m->consumer > 1ULL << 32);
}

static void a_full_ring_is_read_to_its_end(void **state)
{
	struct image *m = *state;

	for (int i = 0; i < SIZE / 16; i++)
		produce(m, (uint8_t)i, 8, 0);
	assert_int_equal(sonde_ring_used(&m->ring), SIZE);
	assert_int_equal(sonde_ring_drain(&m->ring, SIZE, take, m), SIZE / 16);
	assert_int_equal(sonde_ring_used(&m->ring), 0);
}

/* The producer writes on while a long drain runs: room comes back every 256 records. */
static void a_long_drain_frees_room_as_it_goes(void **state)
{
	struct image *m = *state;

	for (int i = 0; i < 254; i++)
		produce(m, 0, 0, BPF_RINGBUF_DISCARD_BIT);
	produce(m, 'a', 8, 0);
	produce(m, 'b', 8, 0);
	produce(m, 'c', 8, 0);
	assert_int_equal(sonde_ring_drain(&m->ring, SIZE, take, m), 257);
	assert_int_equal(m->n, 3);
	assert_int_equal(m->seen_consumer[0], 0);
	assert_int_equal(m->seen_consumer[1], 0);
	assert_int_equal(m->seen_consumer[2], m->producer - 16);
	assert_int_equal(m->consumer, m->producer);
}

static void peeking_takes_nothing(void **state)
{
	struct image *m = *state;

	produce(m, 'a', 8, 0);
	produce(m, 'b', 8, BPF_RINGBUF_DISCARD_BIT);
	produce(m, 'c', 8, 0);
	produce(m, 'd', 8, BPF_RINGBUF_BUSY_BIT);
	sonde_ring_peek(&m->ring, take, m);
	assert_int_equal(m->n, 2);
	assert_memory_equal(m->first, "ac", 2);
	assert_int_equal(m->consumer, 0);
	assert_int_equal(sonde_ring_drain(&m->ring, 10, take, m), 3);
	assert_memory_equal(m->first, "acac", 4);
}

/* ---- another consumer ended, and this one goes on ---- */

static void a_clean_end_hands_out_nothing_twice(void **state)
{
	struct image *m = *state;
	struct sonde_ring_marks marks = { 0 };

	m->ring.marks = &marks;
	for (uint8_t i = 0; i < 4; i++)
		produce(m, (uint8_t)('a' + i), 8, 0);
	sonde_ring_drain(&m->ring, 2, take, m);
	assert_int_equal(marks.begun, 32);
	assert_int_equal(marks.done, 32);
	sonde_ring_resume(&m->ring, &marks, take, m);
	assert_int_equal(m->n, 2);
	sonde_ring_drain(&m->ring, 10, take, m);
	assert_memory_equal(m->first, "abcd", 4);
}

static void what_was_done_but_not_published_is_not_handed_out_again(void **state)
{
	struct image *m = *state;
	struct sonde_ring_marks marks = { .begun = 32, .done = 32 };

	for (uint8_t i = 0; i < 4; i++)
		produce(m, (uint8_t)('a' + i), 8, 0);
	sonde_ring_resume(&m->ring, &marks, take, m);
	assert_int_equal(m->n, 0);
	assert_int_equal(m->consumer, 32);
	sonde_ring_drain(&m->ring, 10, take, m);
	assert_memory_equal(m->first, "cd", 2);
}

static void the_record_it_died_over_is_told_and_freed(void **state)
{
	struct image *m = *state;
	struct sonde_ring_marks marks = { .begun = 32, .done = 16 };

	for (uint8_t i = 0; i < 4; i++)
		produce(m, (uint8_t)('a' + i), 8, 0);
	sonde_ring_resume(&m->ring, &marks, take, m);
	assert_int_equal(m->n, 1);
	assert_int_equal(m->first[0], 'b');
	assert_int_equal(m->consumer, 32);
	assert_int_equal(marks.begun, 32);
	assert_int_equal(marks.done, 32);
	sonde_ring_drain(&m->ring, 10, take, m);
	assert_memory_equal(m->first, "bcd", 3);
	assert_int_equal(marks.done, m->producer);
}

/* The page of marks is shared with a process that is not trusted. */
static void marks_that_cannot_be_are_not_followed(void **state)
{
	static const uint64_t lies[] = { UINT64_MAX, UINT64_MAX - 7, 80, 20 };

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct image *m = *state;
		struct sonde_ring_marks marks = { .begun = lies[i], .done = lies[i] };

		m->consumer = m->producer = m->n = 0;
		for (uint8_t k = 0; k < 4; k++)
			produce(m, (uint8_t)('a' + k), 8, 0);
		sonde_ring_resume(&m->ring, &marks, take, m);
		sonde_ring_drain(&m->ring, 10, take, m);
		assert_int_equal(m->n, 4);
		assert_memory_equal(m->first, "abcd", 4);
		assert_int_equal(marks.done, m->producer);
	}
}

static void marks_of_the_past_are_caught_up(void **state)
{
	struct image *m = *state;
	struct sonde_ring_marks marks = { 0 };

	for (uint8_t i = 0; i < 4; i++)
		produce(m, (uint8_t)('a' + i), 8, 0);
	sonde_ring_drain(&m->ring, 3, take, m);
	sonde_ring_resume(&m->ring, &marks, take, m);
	assert_int_equal(marks.begun, 48);
	assert_int_equal(marks.done, 48);
	sonde_ring_drain(&m->ring, 10, take, m);
	assert_memory_equal(m->first, "abcd", 4);
}

#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(an_empty_ring_gives_nothing),
		RING_TEST(records_come_in_order_and_their_room_is_freed),
		RING_TEST(a_budget_stops_and_the_rest_stays),
		RING_TEST(a_record_still_being_written_holds_back_those_behind_it),
		RING_TEST(a_discarded_record_is_passed_over),
		RING_TEST(records_that_wrap_are_whole),
		RING_TEST(positions_may_pass_four_gigabytes),
		RING_TEST(a_full_ring_is_read_to_its_end),
		RING_TEST(a_long_drain_frees_room_as_it_goes),
		RING_TEST(peeking_takes_nothing),
		RING_TEST(a_clean_end_hands_out_nothing_twice),
		RING_TEST(what_was_done_but_not_published_is_not_handed_out_again),
		RING_TEST(the_record_it_died_over_is_told_and_freed),
		RING_TEST(marks_that_cannot_be_are_not_followed),
		RING_TEST(marks_of_the_past_are_caught_up),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
