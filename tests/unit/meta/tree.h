// SPDX-License-Identifier: Apache-2.0
/*
 * tree - a temporary directory that plays /proc or a cgroup hierarchy in the tests of this room.
 *
 * Paths are relative to its root. Whatever fails here fails the test.
 */
#ifndef SONDE_TESTS_META_TREE_H
#define SONDE_TESTS_META_TREE_H

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
	char *root;
	char paths[4][4096]; /* tree_path() gives them in turn */
	unsigned int turn;
};

static inline int tree_new(struct tree **out)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	t->root = strdup("/tmp/sonde-meta-XXXXXX");
	if (!t->root || !mkdtemp(t->root)) {
		free(t->root);
		free(t);
		return -1;
	}
	*out = t;
	return 0;
}

static inline int tree_unlink(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void tree_free(struct tree *t)
{
	nftw(t->root, tree_unlink, 8, FTW_DEPTH | FTW_PHYS);
	free(t->root);
	free(t);
}

/* Valid until the fourth call from here. */
static inline const char *tree_path(struct tree *t, const char *path)
{
	char *out = t->paths[t->turn++ % 4];

	snprintf(out, sizeof(t->paths[0]), "%s/%s", t->root, path);
	return out;
}

static inline void tree_mkdir(struct tree *t, const char *path)
{
	int err = mkdir(tree_path(t, path), 0755);
	struct stat st;

	assert_true(err == 0 || stat(tree_path(t, path), &st) == 0);
}

static inline void tree_remove(struct tree *t, const char *path)
{
	assert_int_equal(remove(tree_path(t, path)), 0);
}

static inline void tree_write(struct tree *t, const char *path, const void *bytes, size_t len)
{
	int fd = open(tree_path(t, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static inline uint64_t tree_inode(struct tree *t, const char *path)
{
	struct stat st;

	assert_int_equal(stat(tree_path(t, path), &st), 0);
	return st.st_ino;
}

#endif
