// SPDX-License-Identifier: Apache-2.0
/* cgroup - finding the v2 mount among others, and ids to paths on a tree of plain directories. */
#include "agent/meta/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/meta/identity.h"
#include "tests/unit/meta/tree.h"

static int setup(void **state)
{
	return tree_new((struct tree **)state);
}

static int teardown(void **state)
{
	tree_free(*state);
	return 0;
}

#define PROC "25 30 0:23 / /proc rw,nosuid shared:5 - proc proc rw\n"
#define V1   "33 32 0:28 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n"
#define V2   "31 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

struct mount_case {
	const char *text, *want; /* want NULL: -ENOENT */
};

static const struct mount_case mounts[] = {
	{ PROC V2, "/sys/fs/cgroup" },
	{ V2, "/sys/fs/cgroup" },
	{ PROC V1 "32 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n",
	  "/sys/fs/cgroup/unified" },
	{ "31 24 0:26 / /c rw shared:9 master:3 propagate_from:2 - cgroup2 none rw\n", "/c" },
	{ "31 24 0:26 / /a\\040b\\011c\\134d rw - cgroup2 none rw\n", "/a b\tc\\d" },
	{ "31 24 0:26 / /a\\04 rw - cgroup2 none rw\n", "/a\\04" },
	{ "31 24 0:26 / /a\\777 rw - cgroup2 none rw\n", "/a\\777" },
	{ "31 24 0:26 /part /p rw - cgroup2 none rw\n" V2, "/sys/fs/cgroup" },
	{ "31 24 0:26 /part /p rw - cgroup2 none rw\n", "/p" },
	{ "31 24 0:26 /a /first rw - cgroup2 none rw\n31 24 0:26 /b /second rw - cgroup2 none rw\n",
	  "/first" },
	{ V2 "31 24 0:26 / /later rw - cgroup2 none rw\n", "/sys/fs/cgroup" },
	{ "31 24 0:26 / /cut rw - cgroup2", "/cut" },
	{ PROC V1, NULL },
	{ "", NULL },
	{ "\n\n", NULL },
	{ "31 24 0:26 / /x rw cgroup2 none rw\n", NULL },
	{ "31 24 0:26 / /x rw - ext4 cgroup2 rw\n", NULL },
};

static void v2_mount_is_found_among_others(void **state)
{
	struct tree *tree = *state;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		char out[64] = "untouched";
		int err;

		tree_write(tree, "mountinfo", mounts[i].text, strlen(mounts[i].text));
		err = sonde_cgroup_find_root(tree_path(tree, "mountinfo"), out, sizeof(out));
		if (strcmp(out, mounts[i].want ? mounts[i].want : "untouched"))
			print_error("row %zu: %s\n", i, mounts[i].text);
		assert_int_equal(err, mounts[i].want ? 0 : -ENOENT);
		assert_string_equal(out, mounts[i].want ? mounts[i].want : "untouched");
	}
}

static void absent_mountinfo_and_small_buffer_are_refused(void **state)
{
	struct tree *tree = *state;
	char small[4] = "abc";

	tree_write(tree, "mountinfo", V2, strlen(V2));
	assert_int_equal(sonde_cgroup_find_root(tree_path(tree, "mountinfo"), small, sizeof(small)),
			 -ENOENT);
	assert_string_equal(small, "abc");
	assert_int_equal(sonde_cgroup_find_root(tree_path(tree, "absent"), small, sizeof(small)),
			 -ENOENT);
}

/* The rest of a line too long for the buffer is not a line of its own. */
static void tail_of_an_endless_line_is_not_a_mount(void **state)
{
	enum { LINE = 16384 };
	struct tree *tree = *state;
	char *text = malloc(LINE + sizeof(V2));
	char out[64] = "";

	assert_non_null(text);
	memset(text, 'x', LINE - 1);
	memcpy(text + LINE - 1, V2, sizeof(V2));
	tree_write(tree, "mountinfo", text, LINE - 1 + strlen(V2));
	free(text);
	assert_int_equal(sonde_cgroup_find_root(tree_path(tree, "mountinfo"), out, sizeof(out)),
			 -ENOENT);
}

static void id_is_the_inode_of_the_directory(void **state)
{
	struct tree *tree = *state;
	uint64_t id = 0;

	tree_mkdir(tree, "a");
	tree_write(tree, "file", "", 0);
	assert_int_equal(sonde_cgroup_id(tree->root, "/a", &id), 0);
	assert_true(id == tree_inode(tree, "a"));
	assert_int_equal(sonde_cgroup_id(tree->root, "/", &id), 0);
	assert_true(id == tree_inode(tree, ""));
	id = 77;
	assert_int_equal(sonde_cgroup_id(tree->root, "/absent", &id), -ENOENT);
	assert_int_equal(sonde_cgroup_id(tree->root, "/file", &id), -ENOTDIR);
	assert_int_equal(sonde_cgroup_id(tree->root, "/a/../a", &id), -EINVAL);
	assert_int_equal(sonde_cgroup_id(tree->root, "..", &id), -EINVAL);
	assert_true(id == 77);
	tree_mkdir(tree, "..b");
	assert_int_equal(sonde_cgroup_id(tree->root, "/..b", &id), 0);
}

static void path_is_found_by_id(void **state)
{
	struct tree *tree = *state;
	char out[SONDE_CGROUP_MAX];

	tree_mkdir(tree, "system.slice");
	tree_mkdir(tree, "system.slice/a.service");
	tree_mkdir(tree, "system.slice/b.service");
	tree_mkdir(tree, "system.slice/b.service/deep");
	assert_int_equal(sonde_cgroup_path(NULL, tree->root,
					   tree_inode(tree, "system.slice/b.service/deep"), out),
			 0);
	assert_string_equal(out, "/system.slice/b.service/deep");
	assert_int_equal(sonde_cgroup_path(NULL, tree->root, tree_inode(tree, "system.slice"), out),
			 0);
	assert_string_equal(out, "/system.slice");
	assert_int_equal(sonde_cgroup_path(NULL, tree->root, tree_inode(tree, ""), out), 0);
	assert_string_equal(out, "/");
}

static void unknown_id_and_absent_root_leave_the_path_untouched(void **state)
{
	struct tree *tree = *state;
	char out[SONDE_CGROUP_MAX] = "before";

	assert_int_equal(sonde_cgroup_path(NULL, tree->root, 0, out), -EINVAL);
	assert_int_equal(sonde_cgroup_path(NULL, tree->root, UINT64_MAX, out), -ENOENT);
	assert_int_equal(sonde_cgroup_path(NULL, "/nonexistent", 1, out), -ENOENT);
	assert_string_equal(out, "before");
}

static void files_and_links_are_not_cgroups(void **state)
{
	struct tree *tree = *state;
	char out[SONDE_CGROUP_MAX];
	uint64_t inside;

	tree_mkdir(tree, "elsewhere");
	tree_mkdir(tree, "elsewhere/inside");
	tree_mkdir(tree, "root");
	tree_write(tree, "root/file", "", 0);
	assert_int_equal(symlink(tree_path(tree, "elsewhere"), tree_path(tree, "root/link")), 0);
	inside = tree_inode(tree, "elsewhere/inside");
	assert_int_equal(sonde_cgroup_path(NULL, tree_path(tree, "root"), inside, out), -ENOENT);
	assert_int_equal(sonde_cgroup_path(NULL, tree_path(tree, "root"),
					   tree_inode(tree, "root/file"), out),
			 -ENOENT);
}

/* "d/d/d/..." LEVELS deep; the inode of the deepest. */
static uint64_t dig(struct tree *tree, unsigned int levels)
{
	char path[256] = "d";

	for (unsigned int i = 0; i < levels; i++) {
		tree_mkdir(tree, path);
		if (i + 1 < levels)
			strcat(path, "/d");
	}
	return tree_inode(tree, path);
}

static void walk_ends_at_its_depth(void **state)
{
	struct tree *tree = *state;
	char out[SONDE_CGROUP_MAX];
	uint64_t last = dig(tree, SONDE_CGROUP_DEPTH_MAX);
	uint64_t beyond = dig(tree, SONDE_CGROUP_DEPTH_MAX + 1);

	assert_int_equal(sonde_cgroup_path(NULL, tree->root, last, out), 0);
	assert_int_equal(strlen(out), 2 * SONDE_CGROUP_DEPTH_MAX);
	assert_int_equal(sonde_cgroup_path(NULL, tree->root, beyond, out), -ENOENT);
}

/* The inodes of the WANTED-th child, and of the one behind it, in the order of readdir. */
static void nth_child(struct tree *tree, size_t wanted, uint64_t out[2])
{
	DIR *dir = opendir(tree->root);
	struct dirent *child;
	size_t n = 0;

	assert_non_null(dir);
	while (n < wanted + 2 && (child = readdir(dir))) {
		if (child->d_name[0] == '.')
			continue;
		if (n >= wanted)
			out[n - wanted] = child->d_ino;
		n++;
	}
	assert_int_equal(n, wanted + 2);
	closedir(dir);
}

static void walk_ends_after_so_many_directories(void **state)
{
	struct tree *tree = *state;
	char out[SONDE_CGROUP_MAX], name[16];
	uint64_t edge[2] = { 0, 0 };

	for (unsigned int i = 0; i <= SONDE_CGROUP_VISITS_MAX; i++) {
		snprintf(name, sizeof(name), "%u", i);
		tree_mkdir(tree, name);
	}
	nth_child(tree, SONDE_CGROUP_VISITS_MAX - 1, edge);
	assert_int_equal(sonde_cgroup_path(NULL, tree->root, edge[0], out), 0);
	assert_int_equal(sonde_cgroup_path(NULL, tree->root, edge[1], out), -ENOENT);
}

static void long_path_is_cut_in_front(void **state)
{
	struct tree *tree = *state;
	char out[SONDE_CGROUP_MAX], name[201], path[512];
	int n;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	tree_mkdir(tree, name);
	n = snprintf(path, sizeof(path), "%s/%s", name, name);
	assert_true(n > SONDE_CGROUP_MAX);
	tree_mkdir(tree, path);
	assert_int_equal(sonde_cgroup_path(NULL, tree->root, tree_inode(tree, path), out), 0);
	assert_int_equal(strlen(out), SONDE_CGROUP_MAX - 1);
	assert_string_equal(strrchr(out, '/') + 1, name);
}

static void cache_answers_for_cgroups_that_are_gone(void **state)
{
	struct tree *tree = *state;
	struct sonde_cgroup_cache *cache = calloc(1, sizeof(*cache));
	char out[SONDE_CGROUP_MAX];
	uint64_t id;

	assert_non_null(cache);
	tree_mkdir(tree, "a");
	id = tree_inode(tree, "a");
	assert_int_equal(sonde_cgroup_path(cache, tree->root, id, out), 0);
	tree_remove(tree, "a");
	assert_int_equal(sonde_cgroup_path(cache, tree->root, id, out), 0);
	assert_string_equal(out, "/a");
	assert_int_equal(cache->walks, 1);
	/* What was not found is not searched for again either. */
	assert_int_equal(sonde_cgroup_path(cache, tree->root, UINT64_MAX, out), -ENOENT);
	assert_int_equal(sonde_cgroup_path(cache, tree->root, UINT64_MAX, out), -ENOENT);
	assert_int_equal(cache->walks, 2);
	free(cache);
}

static void cache_forgets_the_oldest_first(void **state)
{
	struct tree *tree = *state;
	struct sonde_cgroup_cache *cache = calloc(1, sizeof(*cache));
	char out[SONDE_CGROUP_MAX];

	assert_non_null(cache);
	for (uint64_t i = 0; i <= SONDE_CGROUP_CACHE; i++)
		sonde_cgroup_path(cache, tree->root, UINT64_MAX - i, out);
	assert_int_equal(cache->walks, SONDE_CGROUP_CACHE + 1);
	sonde_cgroup_path(cache, tree->root, UINT64_MAX - 1, out);
	assert_int_equal(cache->walks, SONDE_CGROUP_CACHE + 1);
	sonde_cgroup_path(cache, tree->root, UINT64_MAX, out);
	assert_int_equal(cache->walks, SONDE_CGROUP_CACHE + 2);
	free(cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(v2_mount_is_found_among_others),
		TEST(absent_mountinfo_and_small_buffer_are_refused),
		TEST(tail_of_an_endless_line_is_not_a_mount),
		TEST(id_is_the_inode_of_the_directory),
		TEST(path_is_found_by_id),
		TEST(unknown_id_and_absent_root_leave_the_path_untouched),
		TEST(files_and_links_are_not_cgroups),
		TEST(walk_ends_at_its_depth),
		TEST(walk_ends_after_so_many_directories),
		TEST(long_path_is_cut_in_front),
		TEST(cache_answers_for_cgroups_that_are_gone),
		TEST(cache_forgets_the_oldest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
