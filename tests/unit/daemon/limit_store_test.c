// SPDX-License-Identifier: Apache-2.0
/* Rules outlive the daemon in a file that is whole or the former one; the audit trail is bounded.
 */
#include "agent/daemon/limiter_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[128];
static struct sonde_limit_set *set;

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/sonde-limit-XXXXXX");
	set = calloc(1, sizeof(*set));
	return set && mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	free(set);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static off_t size_of(const char *name)
{
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) ? -1 : st.st_size;
}

static void add(const char *name)
{
	struct sonde_limit_spec s;

	sonde_limit_spec_init(&s);
	snprintf(s.name, sizeof(s.name), "%s", name);
	snprintf(s.iface, sizeof(s.iface), "eth0");
	s.rate = 1;
	assert_null(sonde_limit_spec_complete(&s));
	assert_null(sonde_limit_set_add(set, &s, SONDE_LIMIT_BY_PERSON, 0, 1));
}

static void a_state_is_found_again_and_gone_with_the_last_rule(void **state)
{
	struct sonde_limit_set *back = calloc(1, sizeof(*back));
	size_t bad;

	(void)state;
	assert_non_null(back);
	assert_int_equal(sonde_limit_load(dir, "boot", back, &bad), -ENOENT);
	add("a");
	assert_int_equal(sonde_limit_store(dir, "boot", set), 0);
	assert_int_equal(size_of("limit.state.new"), -1);
	assert_int_equal(sonde_limit_load(dir, "boot", back, &bad), 0);
	assert_int_equal(back->n_entries, 1);
	assert_int_equal(sonde_limit_load(dir, "later", back, &bad), -ESTALE);
	assert_true(sonde_limit_set_remove(set, "a"));
	assert_int_equal(sonde_limit_store(dir, "boot", set), 0);
	assert_int_equal(size_of("limit.state"), -1);
	assert_int_equal(sonde_limit_store(dir, "boot", set), 0);
	free(back);
}

static void a_state_that_cannot_be_written_leaves_the_former_one(void **state)
{
	off_t before;

	(void)state;
	add("a");
	assert_int_equal(sonde_limit_store(dir, "boot", set), 0);
	before = size_of("limit.state");
	snprintf(path, sizeof(path), "%s/limit.state.new", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	add("b");
	assert_int_not_equal(sonde_limit_store(dir, "boot", set), 0);
	assert_int_equal(size_of("limit.state"), before);
	assert_int_equal(sonde_limit_store("/nonexistent", "boot", set), -ENOENT);
}

static void the_audit_trail_rotates_and_keeps_so_many_files(void **state)
{
	char file[96];
	struct sonde_limit_audit a = { .path = file, .max_bytes = 1000, .max_files = 2 };
	struct sonde_limit_actor actor = { .pid = 42, .uid = 7, .comm = "so\"nde" };

	(void)state;
	snprintf(file, sizeof(file), "%s/new/audit.jsonl", dir);
	sonde_log_init("test", SONDE_LOG_ERROR);
	for (int i = 0; i < 50; i++)
		sonde_limit_audit(&a, &actor, "add", "web", "rate=1/s");
	assert_in_range(size_of("new/audit.jsonl"), 1, 1000);
	assert_in_range(size_of("new/audit.jsonl.1"), 500, 1000);
	assert_in_range(size_of("new/audit.jsonl.2"), 500, 1000);
	assert_int_equal(size_of("new/audit.jsonl.3"), -1);
}

static void a_line_says_who_what_and_when(void **state)
{
	char file[96], line[512] = "";
	struct sonde_limit_audit a = { .path = file, .max_bytes = 1000, .max_files = 2 };
	struct sonde_limit_actor actor = { .pid = 42, .uid = 7, .comm = "so\"n\nde" };
	struct sonde_limit_actor self = { .why = "the breaker" };
	FILE *f;

	(void)state;
	snprintf(file, sizeof(file), "%s/audit.jsonl", dir);
	sonde_limit_audit(&a, &actor, "add", "web", "rate=1/s");
	sonde_limit_audit(&a, &self, "counts only", "web", NULL);
	f = fopen(file, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(strstr(line,
			       "Z\",\"what\":\"add\",\"rule\":\"web\",\"detail\":\"rate=1/s\","
			       "\"uid\":7,\"pid\":42,\"comm\":\"so\\\"n\\u000ade\"}\n"));
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(strstr(line, "\"what\":\"counts only\",\"rule\":\"web\",\"why\":\"the "
				     "breaker\"}\n"));
	assert_null(fgets(line, sizeof(line), f));
	fclose(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_state_is_found_again_and_gone_with_the_last_rule),
		T(a_state_that_cannot_be_written_leaves_the_former_one),
		T(the_audit_trail_rotates_and_keeps_so_many_files),
		T(a_line_says_who_what_and_when),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
