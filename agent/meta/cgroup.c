// SPDX-License-Identifier: Apache-2.0
#include "agent/meta/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/meta/identity.h"

void sonde_cgroup_copy_tail(char *out, size_t len, struct sonde_slice text)
{
	if (text.len > len - 1)
		text = sonde_slice_from(text, text.len - (len - 1));
	if (text.len)
		memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
}

/* ---- where the tree is mounted: proc_pid_mountinfo(5) ---- */

/* Takes the next field of *LINE, which ends at a blank. */
static struct sonde_slice next_field(struct sonde_slice *line)
{
	size_t end = sonde_slice_find(*line, 0, ' ');
	struct sonde_slice field = sonde_slice_sub(*line, 0, end);

	*line = sonde_slice_from(*line, end + 1);
	return field;
}

/* The byte that "\ooo" at S[I] stands for, or -1. */
static int octal_at(struct sonde_slice s, size_t i)
{
	int value = 0;

	if (sonde_slice_at(s, i) != '\\')
		return -1;
	for (size_t k = 1; k <= 3; k++) {
		int c = sonde_slice_at(s, i + k);

		if (c < '0' || c > '7')
			return -1;
		value = value * 8 + (c - '0');
	}
	return value > 0 && value <= UINT8_MAX ? value : -1;
}

/* Blank, tab, newline and backslash are written as octal in mountinfo. */
static int unescape(struct sonde_slice s, char *out, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; n++) {
		int c = octal_at(s, i);

		if (n + 1 >= len)
			return -ENAMETOOLONG;
		out[n] = (char)(c < 0 ? s.ptr[i] : c);
		i += c < 0 ? 1 : 4;
	}
	if (n >= len)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return 0;
}

struct mount {
	struct sonde_slice root;  /* which part of the tree is mounted */
	struct sonde_slice point; /* where, still escaped */
	struct sonde_slice type;
};

/* "36 35 98:0 /root /point rw,noatime master:1 - type source options" */
static struct mount parse_mount(struct sonde_slice line)
{
	struct mount m = { 0 };

	for (int i = 0; i < 3; i++)
		next_field(&line);
	m.root = next_field(&line);
	m.point = next_field(&line);
	while (line.len && !sonde_slice_eq(next_field(&line), SONDE_SLICE_LIT("-")))
		;
	m.type = next_field(&line);
	return m;
}

/* 1: a mount of the whole tree, 0: of a part of it, -ENOENT: something else. */
static int take_mount(struct sonde_slice line, char *out, size_t len)
{
	struct mount m = parse_mount(line);
	int err;

	if (!sonde_slice_eq(m.type, SONDE_SLICE_LIT("cgroup2")) || !m.point.len)
		return -ENOENT;
	err = unescape(m.point, out, len);
	return err ? err : sonde_slice_eq(m.root, SONDE_SLICE_LIT("/"));
}

int sonde_cgroup_find_root(const char *mountinfo, char *out, size_t len)
{
	char line[4 * PATH_MAX], point[PATH_MAX], best[PATH_MAX] = "";
	FILE *f = fopen(mountinfo, "re");
	bool whole = false, begins = true;

	if (!f)
		return -ENOENT;
	/* A line longer than the buffer comes in pieces; only the first one counts. */
	while (!whole && fgets(line, sizeof(line), f)) {
		size_t n = strcspn(line, "\n");
		int kind = begins ? take_mount(sonde_slice_of(line, n), point, sizeof(point))
				  : -ENOENT;

		begins = line[n] == '\n';
		whole = kind == 1;
		if (whole || (kind == 0 && !*best))
			memcpy(best, point, strlen(point) + 1);
	}
	fclose(f);
	if (!*best || strlen(best) >= len)
		return -ENOENT;
	memcpy(out, best, strlen(best) + 1);
	return 0;
}

/* ---- ids ---- */

static bool has_parent_step(const char *path)
{
	struct sonde_slice rest = sonde_slice_str(path);

	while (rest.len) {
		size_t end = sonde_slice_find(rest, 0, '/');

		if (sonde_slice_eq(sonde_slice_sub(rest, 0, end), SONDE_SLICE_LIT("..")))
			return true;
		rest = sonde_slice_from(rest, end + 1);
	}
	return false;
}

int sonde_cgroup_id(const char *root, const char *path, uint64_t *out)
{
	char full[PATH_MAX];
	struct stat st;
	int n;

	if (has_parent_step(path))
		return -EINVAL;
	n = snprintf(full, sizeof(full), "%s/%s", root, path);
	if (n < 0 || (size_t)n >= sizeof(full))
		return -ENAMETOOLONG;
	if (stat(full, &st) != 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	*out = st.st_ino;
	return 0;
}

/* One search. The path grows and shrinks as the walk goes down and up. */
struct walk {
	uint64_t id;
	size_t visits;
	size_t len;
	char path[PATH_MAX];
};

static bool push_name(struct walk *w, const char *name)
{
	size_t n = strlen(name);

	if (n + 2 > sizeof(w->path) - w->len)
		return false;
	w->path[w->len] = '/';
	memcpy(w->path + w->len + 1, name, n + 1);
	w->len += n + 1;
	return true;
}

static int search(struct walk *w, int fd, unsigned int depth);

/* Looks at one child of DIR; the path holds its name only when it is what is looked for. */
static int look_at(struct walk *w, DIR *dir, const struct dirent *child, unsigned int depth)
{
	size_t len = w->len;
	int fd, ret;

	if (!push_name(w, child->d_name))
		return -ENOENT;
	if (child->d_ino == w->id)
		return 0;
	fd = depth ? openat(dirfd(dir), child->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
		   : -1;
	ret = fd < 0 ? -ENOENT : search(w, fd, depth - 1);
	if (ret) {
		w->len = len;
		w->path[len] = '\0';
	}
	return ret;
}

/* Owns FD. The kernel gives a directory entry the inode number that stat would give. */
static int search(struct walk *w, int fd, unsigned int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *child;
	int ret = -ENOENT;

	if (!dir) {
		close(fd);
		return -ENOENT;
	}
	while (ret && w->visits < SONDE_CGROUP_VISITS_MAX && (child = readdir(dir))) {
		if (child->d_type != DT_DIR || !strcmp(child->d_name, ".") ||
		    !strcmp(child->d_name, ".."))
			continue;
		w->visits++;
		ret = look_at(w, dir, child, depth);
	}
	closedir(dir);
	return ret;
}

static int find_path(const char *root, uint64_t id, char out[SONDE_CGROUP_MAX])
{
	struct walk w = { .id = id };
	struct stat st;
	int fd, err;

	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_ino == id) {
		close(fd);
		sonde_cgroup_copy_tail(out, SONDE_CGROUP_MAX, SONDE_SLICE_LIT("/"));
		return 0;
	}
	err = search(&w, fd, SONDE_CGROUP_DEPTH_MAX - 1);
	if (!err)
		sonde_cgroup_copy_tail(out, SONDE_CGROUP_MAX, sonde_slice_of(w.path, w.len));
	return err;
}

static const char *find_cached(const struct sonde_cgroup_cache *cache, uint64_t id)
{
	for (size_t i = 0; i < SONDE_CGROUP_CACHE; i++)
		if (cache->entries[i].id == id)
			return cache->entries[i].path;
	return NULL;
}

/* PATH "" remembers that there is no such cgroup. */
static void remember(struct sonde_cgroup_cache *cache, uint64_t id, const char *path)
{
	size_t i = cache->next;

	cache->next = (i + 1) % SONDE_CGROUP_CACHE;
	cache->entries[i].id = id;
	sonde_cgroup_copy_tail(cache->entries[i].path, SONDE_CGROUP_MAX, sonde_slice_str(path));
}

int sonde_cgroup_path(struct sonde_cgroup_cache *cache, const char *root, uint64_t id,
		      char out[SONDE_CGROUP_MAX])
{
	char path[SONDE_CGROUP_MAX] = "";
	const char *known = cache && id ? find_cached(cache, id) : NULL;
	int err;

	if (!id)
		return -EINVAL;
	if (!known) {
		err = find_path(root, id, path);
		if (err && err != -ENOENT)
			return err;
		if (cache) {
			cache->walks++;
			remember(cache, id, path);
		}
		known = path;
	}
	if (!*known)
		return -ENOENT;
	memcpy(out, known, strlen(known) + 1);
	return 0;
}
