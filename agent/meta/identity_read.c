// SPDX-License-Identifier: Apache-2.0
/*
 * What /proc tells about a process. A process chooses its own name and the names of its cgroups,
 * and may end at any moment. So every read is bounded, fields of stat are counted from the last
 * ')', and all files are opened below one descriptor of /proc/PID: it stays with the process it was
 * opened for, so that a pid reused in between gives errors and never another process's facts.
 */
#include "agent/meta/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/meta/cgroup.h"

enum {
	STAT_BYTES = 2048,
	CGROUP_BYTES = 32768, /* v1 controllers have a line each, with a path of up to PATH_MAX */
	FIELD_FLAGS = 9,      /* numbers as in proc_pid_stat(5) */
	FIELD_START = 22,
	KERNEL_THREAD = 0x00200000, /* PF_KTHREAD of linux/sched.h */
};

/* Reads at most CAP bytes of NAME below DIR_FD. An unreadable file is an empty one. */
static struct sonde_slice read_file(int dir_fd, const char *name, void *buf, size_t cap)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return SONDE_SLICE_EMPTY;
	while (n < cap) {
		got = read(fd, (char *)buf + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	return sonde_slice_of(buf, n);
}

static struct sonde_slice next_word(struct sonde_slice *rest)
{
	struct sonde_slice word;
	size_t end;

	*rest = sonde_slice_trim(*rest);
	end = sonde_slice_find(*rest, 0, ' ');
	word = sonde_slice_sub(*rest, 0, end);
	*rest = sonde_slice_from(*rest, end);
	return word;
}

struct stat_facts {
	uint64_t flags;
	uint64_t start_ticks;
};

/* "PID (COMM) STATE PPID ...": only numbers follow the last ')'. 0 or -EINVAL. */
static int parse_stat(struct sonde_slice text, struct stat_facts *out)
{
	struct stat_facts facts = { 0 };
	struct sonde_slice rest;
	size_t end = text.len;

	while (end && text.ptr[end - 1] != ')')
		end--;
	if (!end)
		return -EINVAL;
	rest = sonde_slice_from(text, end);
	for (int field = 3; field <= FIELD_START; field++) {
		struct sonde_slice word = next_word(&rest);
		int err = 0;

		if (field == FIELD_FLAGS)
			err = sonde_slice_u64(word, 10, &facts.flags);
		else if (field == FIELD_START)
			err = sonde_slice_u64(word, 10, &facts.start_ticks);
		if (err)
			return -EINVAL;
	}
	*out = facts;
	return 0;
}

/* stat rounds the start down to a tick of USER_HZ; the kernel side has it in nanoseconds. */
static bool is_same_start(uint64_t ticks, uint64_t start_ns)
{
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t tick_ns = SONDE_NS_PER_SEC / (uint64_t)(hz > 0 ? hz : 100), told_ns;

	if (!start_ns)
		return true;
	if (__builtin_mul_overflow(ticks, tick_ns, &told_ns))
		return false;
	return (told_ns > start_ns ? told_ns - start_ns : start_ns - told_ns) <= tick_ns;
}

static void read_comm(int dir_fd, char out[SONDE_COMM_LEN])
{
	char buf[64];
	struct sonde_slice text = read_file(dir_fd, "comm", buf, sizeof(buf));

	/* The newline at the end is the file's; others belong to the name. */
	if (text.len && text.ptr[text.len - 1] == '\n')
		text.len--;
	text = sonde_slice_sub(text, 0, SONDE_COMM_LEN - 1);
	text.len = sonde_slice_find(text, 0, '\0');
	if (text.len)
		memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
}

static void read_exe(int dir_fd, char out[SONDE_EXE_MAX])
{
	static const struct sonde_slice gone = { (const uint8_t *)" (deleted)", 10 };
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, "exe", target, sizeof(target));
	struct sonde_slice path = sonde_slice_of(target, n > 0 ? (size_t)n : 0);

	if (path.len > gone.len &&
	    sonde_slice_eq(sonde_slice_from(path, path.len - gone.len), gone))
		path.len -= gone.len;
	sonde_cgroup_copy_tail(out, SONDE_EXE_MAX, path);
}

/* The line of cgroup v2 is "0::PATH", on hybrid hosts too; a name cannot hold a newline. */
static void read_cgroup(int dir_fd, char out[SONDE_CGROUP_MAX])
{
	char buf[CGROUP_BYTES];
	struct sonde_slice text = read_file(dir_fd, "cgroup", buf, sizeof(buf));

	while (text.len) {
		size_t end = sonde_slice_find(text, 0, '\n');
		struct sonde_slice line = sonde_slice_sub(text, 0, end);

		if (sonde_slice_starts(line, SONDE_SLICE_LIT("0::/"))) {
			sonde_cgroup_copy_tail(out, SONDE_CGROUP_MAX, sonde_slice_from(line, 3));
			return;
		}
		text = sonde_slice_from(text, end + 1);
	}
}

static int open_process(const char *proc_root, uint32_t pid)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%u", proc_root, pid);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -1;
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Kernel threads are one "process" to people, whatever number is in the name. */
static void read_process(int dir_fd, uint64_t start_ns, struct sonde_identity *out)
{
	static const char kernel[] = "kernel";
	struct stat_facts facts;
	char buf[STAT_BYTES];

	if (parse_stat(read_file(dir_fd, "stat", buf, sizeof(buf)), &facts) ||
	    !is_same_start(facts.start_ticks, start_ns))
		return;
	out->found = 1;
	read_cgroup(dir_fd, out->cgroup);
	if (facts.flags & KERNEL_THREAD) {
		memcpy(out->comm, kernel, sizeof(kernel));
		return;
	}
	read_comm(dir_fd, out->comm);
	read_exe(dir_fd, out->exe);
}

void sonde_identity_read_cached(struct sonde_cgroup_cache *cache, const char *proc_root,
				const char *cgroup_root, uint32_t pid, uint64_t start_ns,
				uint64_t cgroup_id, struct sonde_identity *out)
{
	int fd = pid ? open_process(proc_root, pid) : -1;

	memset(out, 0, sizeof(*out));
	out->pid = pid;
	out->start_ns = start_ns;
	out->cgroup_id = cgroup_id;
	if (fd >= 0) {
		read_process(fd, start_ns, out);
		close(fd);
	}
	if (!*out->cgroup && cgroup_id && cgroup_root && *cgroup_root)
		sonde_cgroup_path(cache, cgroup_root, cgroup_id, out->cgroup);
}

void sonde_identity_read(const char *proc_root, const char *cgroup_root, uint32_t pid,
			 uint64_t start_ns, uint64_t cgroup_id, struct sonde_identity *out)
{
	sonde_identity_read_cached(NULL, proc_root, cgroup_root, pid, start_ns, cgroup_id, out);
}
