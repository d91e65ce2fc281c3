// SPDX-License-Identifier: Apache-2.0
/* workloads - what is found by container and by pod, who may replace whom, and the bound. */
#include "agent/meta/workloads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

enum { ROOM = 3 };

static int setup(void **state)
{
	struct sonde_workloads *t = NULL;

	assert_int_equal(sonde_workloads_new(ROOM, &t), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	sonde_workloads_free(*state);
	return 0;
}

static struct sonde_workload *made(enum sonde_workload_source source, const char *id,
				   const char *uid, const char *name)
{
	struct sonde_workload facts = {
		.source = source,
		.container_id = sonde_slice_str(id),
		.pod_uid = sonde_slice_str(uid),
		.container = sonde_slice_str(name),
	};
	struct sonde_workload *w = sonde_workload_new(&facts);

	assert_non_null(w);
	return w;
}

static struct sonde_workload *docker(const char *id, const char *name)
{
	return made(SONDE_WORKLOAD_DOCKER, id, "", name);
}

static struct sonde_workload *kubernetes(const char *id, const char *uid, const char *name)
{
	return made(SONDE_WORKLOAD_KUBERNETES, id, uid, name);
}

/* The name of what the store knows of a process; "" is nothing. */
static const char *name_of(struct sonde_workloads *t, const char *id, const char *uid)
{
	static char out[SONDE_WORKLOAD_TEXT_MAX + 1];
	struct sonde_process p = { .pid = 1 };
	struct sonde_workload *w;

	snprintf(p.container_id, sizeof(p.container_id), "%s", id);
	snprintf(p.pod_uid, sizeof(p.pod_uid), "%s", uid);
	w = sonde_workloads_find(t, &p);
	snprintf(out, sizeof(out), "%.*s", w ? (int)w->container.len : 0,
		 w && w->container.len ? (const char *)w->container.ptr : "");
	return out;
}

static void container_is_found_before_its_pod(void **state)
{
	struct sonde_workloads *t = *state;

	assert_string_equal(name_of(t, "c1", "u1"), "");
	assert_true(sonde_workloads_set(t, kubernetes("", "u1", "pod")));
	assert_string_equal(name_of(t, "c1", "u1"), "pod");
	assert_true(sonde_workloads_set(t, kubernetes("c1", "u1", "web")));
	assert_string_equal(name_of(t, "c1", "u1"), "web");
	assert_string_equal(name_of(t, "c2", "u1"), "pod");
	assert_string_equal(name_of(t, "", "u1"), "pod");
	assert_string_equal(name_of(t, "c1", ""), "web");
	assert_string_equal(name_of(t, "", ""), "");
}

static void only_what_is_new_is_told_as_new(void **state)
{
	struct sonde_workloads *t = *state;
	struct sonde_workloads_stats stats;

	assert_true(sonde_workloads_set(t, docker("c1", "a")));
	assert_false(sonde_workloads_set(t, docker("c1", "a")));
	assert_true(sonde_workloads_set(t, docker("c1", "b")));
	assert_string_equal(name_of(t, "c1", ""), "b");
	sonde_workloads_stats(t, &stats);
	assert_int_equal(stats.entries, 1);
	assert_int_equal(stats.evicted + stats.overflowed, 0);
}

static void docker_does_not_replace_what_kubernetes_told(void **state)
{
	struct sonde_workloads *t = *state;

	assert_true(sonde_workloads_set(t, docker("c1", "k8s_web_web-1")));
	assert_true(sonde_workloads_set(t, kubernetes("c1", "u1", "web")));
	assert_false(sonde_workloads_set(t, docker("c1", "k8s_web_web-1")));
	assert_string_equal(name_of(t, "c1", ""), "web");
	assert_true(sonde_workloads_set(t, kubernetes("c1", "u1", "web2")));
	assert_string_equal(name_of(t, "c1", ""), "web2");
}

static void without_an_id_nothing_is_kept(void **state)
{
	struct sonde_workloads *t = *state;
	struct sonde_workloads_stats stats;

	assert_false(sonde_workloads_set(t, docker("", "a")));
	sonde_workloads_stats(t, &stats);
	assert_int_equal(stats.entries, 0);
}

static void full_store_drops_what_was_needed_longest_ago(void **state)
{
	struct sonde_workloads *t = *state;
	struct sonde_workloads_stats stats;

	for (int i = 0; i < ROOM; i++)
		sonde_workloads_set(t, docker((const char *[]){ "c0", "c1", "c2" }[i], "x"));
	/* c0 is looked for, c1 is told again: c2 is the oldest now. */
	assert_string_equal(name_of(t, "c0", ""), "x");
	assert_false(sonde_workloads_set(t, docker("c1", "x")));
	assert_true(sonde_workloads_set(t, docker("c3", "x")));
	assert_string_equal(name_of(t, "c2", ""), "");
	assert_string_equal(name_of(t, "c0", ""), "x");
	assert_string_equal(name_of(t, "c1", ""), "x");
	sonde_workloads_stats(t, &stats);
	assert_int_equal(stats.entries, ROOM);
	assert_int_equal(stats.evicted, 1);
}

static void what_a_process_holds_is_not_dropped(void **state)
{
	struct sonde_workloads *t = *state;
	struct sonde_workload *held[ROOM];
	struct sonde_workloads_stats stats;

	for (int i = 0; i < ROOM; i++) {
		held[i] = docker((const char *[]){ "c0", "c1", "c2" }[i], "x");
		sonde_workload_hold(held[i]);
		assert_true(sonde_workloads_set(t, held[i]));
	}
	assert_false(sonde_workloads_set(t, docker("c3", "x")));
	sonde_workloads_stats(t, &stats);
	assert_int_equal(stats.overflowed, 1);
	assert_int_equal(stats.evicted, 0);
	/* The youngest is let go, and makes room although it is the youngest. */
	sonde_workload_put(held[2]);
	assert_true(sonde_workloads_set(t, docker("c3", "x")));
	assert_string_equal(name_of(t, "c2", ""), "");
	assert_string_equal(name_of(t, "c0", ""), "x");
	sonde_workload_put(held[0]);
	sonde_workload_put(held[1]);
}

static void replaced_one_lives_as_long_as_it_is_held(void **state)
{
	struct sonde_workloads *t = *state;
	struct sonde_workload *old = sonde_workload_hold(docker("c1", "old"));

	assert_true(sonde_workloads_set(t, old));
	assert_true(sonde_workloads_set(t, docker("c1", "new")));
	assert_false(sonde_workload_is_shared(old));
	assert_true(sonde_slice_eq(old->container, SONDE_SLICE_LIT("old")));
	sonde_workload_put(old);
}

static void churn_stays_within_the_bound(void **state)
{
	struct sonde_workloads *t = *state;
	struct sonde_workloads_stats stats;
	char id[16];

	for (int i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		assert_true(sonde_workloads_set(t, docker(id, id)));
		assert_string_equal(name_of(t, id, ""), id);
	}
	sonde_workloads_stats(t, &stats);
	assert_int_equal(stats.entries, ROOM);
	assert_int_equal(stats.evicted, 10000 - ROOM);
}

static void store_without_room_is_refused(void **state)
{
	struct sonde_workloads *t = NULL;

	(void)state;
	assert_int_equal(sonde_workloads_new(0, &t), -EINVAL);
	assert_null(t);
	sonde_workloads_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(container_is_found_before_its_pod),
		TEST(only_what_is_new_is_told_as_new),
		TEST(docker_does_not_replace_what_kubernetes_told),
		TEST(without_an_id_nothing_is_kept),
		TEST(full_store_drops_what_was_needed_longest_ago),
		TEST(what_a_process_holds_is_not_dropped),
		TEST(replaced_one_lives_as_long_as_it_is_held),
		TEST(churn_stays_within_the_bound),
		cmocka_unit_test(store_without_room_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
