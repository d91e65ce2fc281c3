// SPDX-License-Identifier: Apache-2.0
/* processes - sharing, keeping, evicting, and the way of a question to its answer. */
#include "agent/meta/processes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "agent/core/hash.h"

enum { MAX = 8 };

static int setup(void **state)
{
	struct sonde_processes *t = NULL;
	int err = sonde_processes_new(MAX, &t);

	*state = t;
	return err;
}

static int teardown(void **state)
{
	sonde_processes_free(*state);
	return 0;
}

static struct sonde_process *get(struct sonde_processes *t, uint32_t pid)
{
	return sonde_processes_get(t, pid, pid * 1000, 7, SONDE_SLICE_LIT("httpd"));
}

static struct sonde_processes_stats stats(const struct sonde_processes *t)
{
	struct sonde_processes_stats s;

	sonde_processes_stats(t, &s);
	return s;
}

static struct sonde_identity answer_to(const struct sonde_process_question *q)
{
	return (struct sonde_identity){ .pid = q->pid,
					.found = 1,
					.start_ns = q->start_ns,
					.cgroup_id = q->cgroup_id,
					.comm = "nginx",
					.cgroup = "/system.slice/nginx.service" };
}

static void connections_of_one_process_share_an_entry(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process *a = get(t, 1), *b = get(t, 1);

	assert_ptr_equal(a, b);
	assert_int_equal(a->refs, 2);
	assert_int_equal(stats(t).entries, 1);
	assert_int_equal(stats(t).questions, 1);
	assert_string_equal(a->comm, "httpd");
	assert_false(a->resolved);
}

static void pid_start_and_cgroup_all_tell_processes_apart(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_slice c = SONDE_SLICE_EMPTY;
	struct sonde_process *a = sonde_processes_get(t, 1, 2, 3, c);

	assert_ptr_not_equal(a, sonde_processes_get(t, 9, 2, 3, c));
	assert_ptr_not_equal(a, sonde_processes_get(t, 1, 9, 3, c));
	assert_ptr_not_equal(a, sonde_processes_get(t, 1, 2, 9, c));
	assert_int_equal(stats(t).entries, 4);
	assert_string_equal(a->comm, "");
}

static void long_or_padded_comm_is_cut(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_slice full = SONDE_SLICE_LIT("0123456789abcdefXYZ");
	struct sonde_slice padded = SONDE_SLICE_LIT("sh\0\0\0junk");

	assert_string_equal(sonde_processes_get(t, 1, 1, 1, full)->comm, "0123456789abcde");
	assert_string_equal(sonde_processes_get(t, 2, 1, 1, padded)->comm, "sh");
}

static void nobody_is_shared_per_cgroup_whatever_the_rest_says(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_slice comm = SONDE_SLICE_LIT("swapper");
	struct sonde_process *a = sonde_processes_get(t, 0, 5, 3, comm);
	struct sonde_process *b = sonde_processes_get(t, 0, 6, 3, comm);
	struct sonde_process *c = sonde_processes_get(t, 0, 0, 4, comm);
	struct sonde_process *d = sonde_processes_get(t, 0, 0, 0, comm);
	struct sonde_process_question q;

	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_string_equal(a->comm, "");
	assert_true(d->resolved);
	assert_true(sonde_processes_next_question(t, 1, &q));
	assert_int_equal(q.pid, 0);
	assert_int_equal(q.cgroup_id, 3);
	assert_true(sonde_processes_next_question(t, 1, &q));
	assert_int_equal(q.cgroup_id, 4);
	assert_false(sonde_processes_next_question(t, 1, &q));
}

static void answer_resolves_the_entry_that_was_asked_for(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process *a = get(t, 1), *b = get(t, 2);
	struct sonde_process_question q;
	struct sonde_identity id;

	assert_true(sonde_processes_next_question(t, 1, &q));
	assert_int_equal(q.pid, 1);
	id = answer_to(&q);
	assert_ptr_equal(sonde_processes_answer(t, &id), a);
	assert_true(a->resolved);
	assert_string_equal(a->unit, "nginx");
	assert_false(b->resolved);
	assert_int_equal(stats(t).questions, 1);
	assert_null(sonde_processes_answer(t, &id)); /* twice */
}

static void answer_for_another_start_time_is_refused(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process *a = get(t, 1);
	struct sonde_process_question q;
	struct sonde_identity id;

	assert_true(sonde_processes_next_question(t, 1, &q));
	id = answer_to(&q);
	id.start_ns++;
	assert_null(sonde_processes_answer(t, &id));
	assert_false(a->resolved);
	assert_int_equal(stats(t).questions, 1);
}

static void giving_up_ends_only_what_was_asked_long_ago(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process *a = get(t, 1), *b = get(t, 2), *c = get(t, 3);
	struct sonde_process_question qa, qb;
	struct sonde_identity id;

	assert_true(sonde_processes_next_question(t, 100, &qa));
	assert_true(sonde_processes_next_question(t, 200, &qb));
	assert_int_equal(sonde_processes_give_up(t, 99), 0);
	assert_int_equal(sonde_processes_give_up(t, 100), 1);
	assert_true(a->resolved);
	assert_false(b->resolved);
	assert_false(c->resolved);
	assert_int_equal(stats(t).given_up, 1);
	assert_int_equal(stats(t).questions, 2);
	id = answer_to(&qa);
	assert_ptr_equal(sonde_processes_answer(t, &id), a); /* late, and better than nothing */
	assert_string_equal(a->unit, "nginx");
	assert_int_equal(stats(t).questions, 2);
}

static void question_that_could_not_be_sent_comes_first_again(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process_question q;

	get(t, 1);
	get(t, 2);
	assert_true(sonde_processes_next_question(t, 1, &q));
	sonde_processes_unask(t, &q);
	assert_int_equal(sonde_processes_give_up(t, UINT64_MAX), 0);
	assert_true(sonde_processes_next_question(t, 1, &q));
	assert_int_equal(q.pid, 1);
}

static void new_broker_is_asked_everything_again_in_order(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process_question q;

	for (uint32_t pid = 1; pid <= 3; pid++)
		get(t, pid);
	assert_true(sonde_processes_next_question(t, 1, &q));
	assert_true(sonde_processes_next_question(t, 1, &q));
	sonde_processes_ask_again(t);
	for (uint32_t pid = 1; pid <= 3; pid++) {
		assert_true(sonde_processes_next_question(t, 1, &q));
		assert_int_equal(q.pid, pid);
	}
	assert_false(sonde_processes_next_question(t, 1, &q));
}

static void idle_entry_is_found_again_resolved(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process *a = get(t, 1);
	struct sonde_process_question q;
	struct sonde_identity id;

	sonde_processes_put(t, a);
	assert_int_equal(stats(t).idle, 1);
	assert_true(sonde_processes_next_question(t, 1, &q));
	id = answer_to(&q);
	assert_ptr_equal(sonde_processes_answer(t, &id), a);
	assert_ptr_equal(get(t, 1), a);
	assert_true(a->resolved);
	assert_int_equal(a->refs, 1);
	assert_int_equal(stats(t).idle, 0);
	assert_false(sonde_processes_next_question(t, 1, &q));
}

static void longest_idle_goes_first_and_takes_its_question_along(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process *p[3];
	struct sonde_process_question q;

	for (uint32_t i = 0; i < 3; i++)
		p[i] = get(t, i + 1);
	sonde_processes_put(t, p[1]);
	sonde_processes_put(t, p[0]);
	assert_int_equal(stats(t).evicted, 0);
	sonde_processes_put(t, p[2]); /* a quarter of 8 may be idle */
	assert_int_equal(stats(t).evicted, 1);
	assert_int_equal(stats(t).entries, 2);
	assert_int_equal(stats(t).questions, 2);
	assert_true(sonde_processes_next_question(t, 1, &q));
	assert_int_equal(q.pid, 1);
	assert_true(sonde_processes_next_question(t, 1, &q));
	assert_int_equal(q.pid, 3);
	assert_false(sonde_processes_next_question(t, 1, &q));
}

static void full_table_makes_room_from_the_idle(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process *first = get(t, 1);

	for (uint32_t pid = 2; pid <= MAX; pid++)
		get(t, pid);
	sonde_processes_put(t, first);
	assert_int_not_equal(get(t, 100)->pid, 0);
	assert_int_equal(stats(t).evicted, 1);
	assert_int_equal(stats(t).overflowed, 0);
	assert_int_equal(stats(t).entries, MAX);
}

static void full_table_hands_out_a_nameless_entry_and_counts_it(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process *held[MAX], *a, *b;

	for (uint32_t i = 0; i < MAX; i++)
		held[i] = get(t, i + 1);
	a = get(t, 100);
	b = get(t, 101);
	assert_non_null(a);
	assert_ptr_equal(a, b);
	assert_int_equal(a->pid, 0);
	assert_string_equal(a->comm, "");
	assert_true(a->resolved);
	assert_int_equal(stats(t).overflowed, 2);
	sonde_processes_put(t, a);
	sonde_processes_put(t, b);
	assert_int_equal(stats(t).idle, 0);
	assert_int_equal(stats(t).entries, MAX);
	sonde_processes_put(t, held[0]);
	assert_int_equal(get(t, 102)->pid, 102); /* there is room again */
}

/* Two processes with one hash: neither may be taken for the other. */
static void collision_is_nobody_and_not_the_wrong_process(void **state)
{
	struct sonde_processes *t = *state;
	uint64_t start = 1000 ^ sonde_hash_u64(7) ^ sonde_hash_u64(8);
	struct sonde_process *a = get(t, 1), *b;

	b = sonde_processes_get(t, 1, start, 8, SONDE_SLICE_LIT("other"));
	assert_ptr_not_equal(a, b);
	assert_int_equal(b->pid, 0);
	assert_int_equal(stats(t).overflowed, 1);
	assert_int_equal(stats(t).entries, 1);
}

static void held_twice_needs_two_puts(void **state)
{
	struct sonde_processes *t = *state;
	struct sonde_process *a = sonde_processes_hold(get(t, 1));

	sonde_processes_put(t, a);
	assert_int_equal(stats(t).idle, 0);
	sonde_processes_put(t, a);
	assert_int_equal(stats(t).idle, 1);
	sonde_processes_put(t, a); /* one too many changes nothing */
	assert_int_equal(a->refs, 0);
	assert_int_equal(stats(t).idle, 1);
	sonde_processes_put(t, NULL);
}

static void churn_stays_within_the_bound(void **state)
{
	struct sonde_processes *t = *state;

	for (uint32_t pid = 1; pid <= 10000; pid++)
		sonde_processes_put(t, get(t, pid));
	assert_int_equal(stats(t).entries, MAX / 4);
	assert_int_equal(stats(t).questions, MAX / 4);
	assert_int_equal(stats(t).evicted, 10000 - MAX / 4);
}

static void table_without_room_is_refused(void **state)
{
	struct sonde_processes *t = (void *)1;

	(void)state;
	assert_int_equal(sonde_processes_new(0, &t), -EINVAL);
	assert_ptr_equal(t, (void *)1);
	sonde_processes_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connections_of_one_process_share_an_entry),
		TEST(pid_start_and_cgroup_all_tell_processes_apart),
		TEST(long_or_padded_comm_is_cut),
		TEST(nobody_is_shared_per_cgroup_whatever_the_rest_says),
		TEST(answer_resolves_the_entry_that_was_asked_for),
		TEST(answer_for_another_start_time_is_refused),
		TEST(giving_up_ends_only_what_was_asked_long_ago),
		TEST(question_that_could_not_be_sent_comes_first_again),
		TEST(new_broker_is_asked_everything_again_in_order),
		TEST(idle_entry_is_found_again_resolved),
		TEST(longest_idle_goes_first_and_takes_its_question_along),
		TEST(full_table_makes_room_from_the_idle),
		TEST(full_table_hands_out_a_nameless_entry_and_counts_it),
		TEST(collision_is_nobody_and_not_the_wrong_process),
		TEST(held_twice_needs_two_puts),
		TEST(churn_stays_within_the_bound),
		cmocka_unit_test(table_without_room_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
