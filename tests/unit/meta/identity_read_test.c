// SPDX-License-Identifier: Apache-2.0
/* identity_read - a made-up /proc with honest, hostile, torn and reused entries; then the real one.
 */
#include "agent/meta/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/meta/cgroup.h"
#include "tests/unit/meta/tree.h"

/* Fields 3 to 8, flags, 10 to 21, start in ticks, the rest. */
#define STAT(comm, flags, start)                                                                  \
	"42 (" comm ") S 1 42 42 0 -1 " flags " 1 2 3 4 5 6 7 8 20 0 1 0 " start " 1000 200 1 2 " \
	"3\n"
#define USER	 "4194560"
#define KTHREAD	 "69238880"
#define START_NS (123456 * (SONDE_NS_PER_SEC / 100))

static int setup(void **state)
{
	struct tree *t = NULL;

	if (tree_new(&t))
		return -1;
	tree_mkdir(t, "proc");
	tree_mkdir(t, "proc/42");
	tree_mkdir(t, "cgroup");
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	tree_free(*state);
	return 0;
}

static void put(struct tree *t, const char *path, const char *text)
{
	tree_write(t, path, text, strlen(text));
}

static void put_nginx(struct tree *t)
{
	put(t, "proc/42/stat", STAT("nginx", USER, "123456"));
	put(t, "proc/42/comm", "nginx\n");
	put(t, "proc/42/cgroup", "0::/system.slice/nginx.service\n");
	assert_int_equal(symlink("/usr/sbin/nginx", tree_path(t, "proc/42/exe")), 0);
}

static struct sonde_identity read_42(struct tree *t, uint64_t start_ns, uint64_t cgroup_id)
{
	struct sonde_identity id;

	memset(&id, 0xff, sizeof(id));
	sonde_identity_read(tree_path(t, "proc"), tree_path(t, "cgroup"), 42, start_ns, cgroup_id,
			    &id);
	assert_int_equal(id.pid, 42);
	assert_true(id.start_ns == start_ns);
	assert_true(id.cgroup_id == cgroup_id);
	return id;
}

static void assert_nothing(const struct sonde_identity *id)
{
	assert_int_equal(id->found, 0);
	assert_string_equal(id->comm, "");
	assert_string_equal(id->exe, "");
	assert_string_equal(id->cgroup, "");
}

static void process_is_read(void **state)
{
	struct sonde_identity id;

	put_nginx(*state);
	id = read_42(*state, START_NS, 0);
	assert_int_equal(id.found, 1);
	assert_string_equal(id.comm, "nginx");
	assert_string_equal(id.exe, "/usr/sbin/nginx");
	assert_string_equal(id.cgroup, "/system.slice/nginx.service");
}

static void another_start_time_is_another_process(void **state)
{
	const uint64_t tick = SONDE_NS_PER_SEC / 100;
	struct sonde_identity id;

	put_nginx(*state);
	assert_int_equal(read_42(*state, 0, 0).found, 1);
	assert_int_equal(read_42(*state, START_NS + tick - 1, 0).found, 1);
	assert_int_equal(read_42(*state, START_NS + tick, 0).found, 1);
	assert_int_equal(read_42(*state, START_NS - tick, 0).found, 1);
	id = read_42(*state, START_NS + tick + 1, 0);
	assert_nothing(&id);
	id = read_42(*state, START_NS - tick - 1, 0);
	assert_nothing(&id);
	id = read_42(*state, UINT64_MAX, 0);
	assert_nothing(&id);
}

static void cgroup_of_a_process_that_is_gone_is_found_by_id(void **state)
{
	struct tree *t = *state;
	struct sonde_identity id;
	uint64_t cgroup;

	tree_mkdir(t, "cgroup/a.slice");
	tree_mkdir(t, "cgroup/a.slice/b.service");
	cgroup = tree_inode(t, "cgroup/a.slice/b.service");
	put_nginx(t);
	id = read_42(t, 1, cgroup);
	assert_int_equal(id.found, 0);
	assert_string_equal(id.cgroup, "/a.slice/b.service");
	id = read_42(t, START_NS, cgroup); /* it is there, and knows best */
	assert_string_equal(id.cgroup, "/system.slice/nginx.service");
	sonde_identity_read(tree_path(t, "proc"), tree_path(t, "cgroup"), 0, 0, cgroup, &id);
	assert_int_equal(id.found, 0);
	assert_string_equal(id.cgroup, "/a.slice/b.service");
	sonde_identity_read(tree_path(t, "proc"), "", 0, 0, cgroup, &id);
	assert_string_equal(id.cgroup, "");
}

static void absent_process_tells_nothing(void **state)
{
	struct sonde_identity id;

	sonde_identity_read("/nonexistent", "/nonexistent", 42, 1, 1, &id);
	assert_nothing(&id);
	id = read_42(*state, 0, 0); /* a directory, but no stat */
	assert_nothing(&id);
}

static void hostile_comm_cannot_forge_the_start_time(void **state)
{
	struct tree *t = *state;
	struct sonde_identity id;

	put_nginx(t);
	put(t, "proc/42/stat", STAT("a) S 1 1 1 0 -1 0 (\n", USER, "123456"));
	put(t, "proc/42/comm", "a) S 1\n(\n\n");
	id = read_42(t, START_NS, 0);
	assert_int_equal(id.found, 1);
	assert_string_equal(id.comm, "a) S 1\n(\n");
}

static void torn_stat_is_no_process(void **state)
{
	static const char *const torn[] = { "",
					    "42",
					    "42 (nginx",
					    "42 (nginx)",
					    "42 (nginx) S 1 2",
					    STAT("nginx", "x", "123456"),
					    STAT("nginx", USER, "-1"),
					    STAT("nginx", USER, "99999999999999999999") };
	struct tree *t = *state;

	put_nginx(t);
	for (size_t i = 0; i < sizeof(torn) / sizeof(torn[0]); i++) {
		struct sonde_identity id;

		put(t, "proc/42/stat", torn[i]);
		id = read_42(t, 0, 0);
		assert_nothing(&id);
	}
}

static void overlong_files_are_cut(void **state)
{
	enum { LONG = 100000 };
	struct tree *t = *state;
	char *text = malloc(LONG), target[1024];
	struct sonde_identity id;

	assert_non_null(text);
	memset(text, 'x', LONG);
	memset(target, 'y', sizeof(target));
	target[0] = '/';
	target[sizeof(target) - 1] = '\0';
	put(t, "proc/42/stat", STAT("nginx", USER, "123456"));
	tree_write(t, "proc/42/comm", text, LONG);
	memcpy(text, "0::/", 4);
	tree_write(t, "proc/42/cgroup", text, LONG);
	assert_int_equal(symlink(target, tree_path(t, "proc/42/exe")), 0);
	id = read_42(t, START_NS, 0);
	assert_int_equal(id.found, 1);
	assert_int_equal(strlen(id.comm), SONDE_COMM_LEN - 1);
	assert_int_equal(strlen(id.cgroup), SONDE_CGROUP_MAX - 1);
	assert_int_equal(strlen(id.exe), SONDE_EXE_MAX - 1);
	assert_int_equal(id.exe[0], 'y'); /* cut in front */
	tree_write(t, "proc/42/stat", text, LONG);
	id = read_42(t, START_NS, 0);
	assert_int_equal(id.found, 0);
	free(text);
}

static void hybrid_host_gives_the_v2_line(void **state)
{
	struct tree *t = *state;

	put_nginx(t);
	put(t, "proc/42/cgroup",
	    "12:pids:/0::/fake\n1:name=systemd:/docker/0::/fake\n0::/unified/x.service\n");
	assert_string_equal(read_42(t, START_NS, 0).cgroup, "/unified/x.service");
	put(t, "proc/42/cgroup", "12:pids:/a\n1:name=systemd:/b\n");
	assert_string_equal(read_42(t, START_NS, 0).cgroup, "");
	put(t, "proc/42/cgroup", "0::/no/newline.service");
	assert_string_equal(read_42(t, START_NS, 0).cgroup, "/no/newline.service");
}

static void replaced_binary_keeps_its_name(void **state)
{
	struct tree *t = *state;

	put_nginx(t);
	tree_remove(t, "proc/42/exe");
	assert_int_equal(symlink("/usr/sbin/nginx (deleted)", tree_path(t, "proc/42/exe")), 0);
	assert_string_equal(read_42(t, START_NS, 0).exe, "/usr/sbin/nginx");
}

static void kernel_threads_have_one_name(void **state)
{
	struct tree *t = *state;
	struct sonde_identity id;

	put(t, "proc/42/stat", STAT("kworker/0:1-events", KTHREAD, "123456"));
	put(t, "proc/42/comm", "kworker/0:1-events\n");
	put(t, "proc/42/cgroup", "0::/\n");
	id = read_42(t, START_NS, 0);
	assert_int_equal(id.found, 1);
	assert_string_equal(id.comm, "kernel");
	assert_string_equal(id.cgroup, "/");
}

static void files_that_are_no_files_do_not_block(void **state)
{
	struct tree *t = *state;

	put_nginx(t);
	tree_remove(t, "proc/42/comm");
	assert_int_equal(mkfifo(tree_path(t, "proc/42/comm"), 0600), 0);
	assert_string_equal(read_42(t, START_NS, 0).comm, "");
}

static void this_process_is_read_from_the_real_proc(void **state)
{
	struct sonde_identity id;

	(void)state;
	assert_int_equal(prctl(PR_SET_NAME, "a) b\nc"), 0);
	sonde_identity_read("/proc", "", (uint32_t)getpid(), 0, 0, &id);
	assert_int_equal(id.found, 1);
	assert_string_equal(id.comm, "a) b\nc");
	assert_int_equal(id.exe[0] != '\0', 1);
	/* One that started with the machine is another one. */
	sonde_identity_read("/proc", "", (uint32_t)getpid(), 1, 0, &id);
	assert_int_equal(id.found, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(process_is_read),
		TEST(another_start_time_is_another_process),
		TEST(cgroup_of_a_process_that_is_gone_is_found_by_id),
		TEST(absent_process_tells_nothing),
		TEST(hostile_comm_cannot_forge_the_start_time),
		TEST(torn_stat_is_no_process),
		TEST(overlong_files_are_cut),
		TEST(hybrid_host_gives_the_v2_line),
		TEST(replaced_binary_keeps_its_name),
		TEST(kernel_threads_have_one_name),
		TEST(files_that_are_no_files_do_not_block),
		cmocka_unit_test(this_process_is_read_from_the_real_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
