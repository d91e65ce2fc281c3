// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/core/log.h"
#include "agent/daemon/control_access.h"
#include "agent/meta/identity.h"

static int join(char *out, size_t len, const char *dir, const char *name)
{
	int n = snprintf(out, len, "%s/%s", dir, name);

	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

/* What lies in a directory that others may write to could be swapped from under our hands. */
static bool is_ours(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static int take_lock(struct sonde_rundir *r)
{
	char path[256];
	int err;

	if (mkdir(r->path, 0755) == 0)
		r->created = true;
	else if (errno != EEXIST)
		return -errno;
	if (!is_ours(r->path))
		return -EPERM;
	err = join(path, sizeof(path), r->path, "sonded.lock");
	if (err)
		return err;
	r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (r->lock_fd < 0)
		return -errno;
	return flock(r->lock_fd, LOCK_EX | LOCK_NB) ? -errno : 0;
}

/* Who may connect is settled here; what they may do then, by the worker. */
static int set_access(const char *path, const struct sonde_config *config)
{
	struct sonde_access_groups groups;
	const char *missing = NULL;
	mode_t mode = 0600;
	int err = sonde_access_groups_find("/etc/group", config, &groups, &missing);

	if (missing)
		sonde_log(SONDE_LOG_DEBUG, "control socket: no group %s: root alone may connect",
			  missing);
	if (err)
		groups.trace = groups.view = SONDE_NO_GROUP;
	if (groups.trace != SONDE_NO_GROUP) {
		if (chown(path, 0, groups.trace))
			return -errno;
		mode = 0660;
	}
	/* A file has one group. With a second one all may knock, and the worker looks at who it is.
	 */
	if (groups.view != SONDE_NO_GROUP)
		mode = 0666;
	return chmod(path, mode) ? -errno : 0;
}

static int open_socket(struct sonde_rundir *r, const struct sonde_config *config)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int err = join(address.sun_path, sizeof(address.sun_path), r->path, "control.sock");

	if (err)
		return err;
	r->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->listen_fd < 0)
		return -errno;
	/* The lock is ours, so a socket that is there belongs to nobody any more. */
	unlink(address.sun_path);
	if (bind(r->listen_fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	err = set_access(address.sun_path, config);
	if (!err && listen(r->listen_fd, 16))
		err = -errno;
	return err;
}

static int find_cgroup(struct sonde_rundir *r)
{
	int err = sonde_cgroup_find_root("/proc/self/mountinfo", r->cgroup_root,
					 sizeof(r->cgroup_root));

	if (err != -ENOENT)
		return err;
	err = join(r->cgroup_root, sizeof(r->cgroup_root), r->path, "cgroup");
	if (err)
		return err;
	if (mkdir(r->cgroup_root, 0755) && errno != EEXIST)
		return -errno;
	if (mount("none", r->cgroup_root, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return -errno;
	r->mounted = true;
	return 0;
}

int sonde_rundir_open(const char *path, const struct sonde_config *config, struct sonde_rundir *out,
		      char *error, size_t error_len)
{
	struct sonde_rundir r = { .lock_fd = -1, .listen_fd = -1 };
	const char *what = "lock";
	int err = 0;

	if (strlen(path) >= sizeof(r.path) - 32)
		err = -ENAMETOOLONG;
	else
		snprintf(r.path, sizeof(r.path), "%s", path);
	if (!err)
		err = take_lock(&r);
	if (!err) {
		what = "control socket";
		err = open_socket(&r, config);
	}
	if (!err) {
		what = "cgroup v2";
		err = find_cgroup(&r);
	}
	if (err) {
		snprintf(error, error_len, "run directory %s: %s: %s", path, what,
			 err == -EWOULDBLOCK ? "another sonded runs here; stop it or use --run-dir"
			 : err == -EPERM ? "must belong to root, and nobody else may write to it"
					 : strerror(-err));
		sonde_rundir_close(&r);
		return err;
	}
	*out = r;
	return 0;
}

static void remove_file(const struct sonde_rundir *r, const char *name)
{
	char path[256];

	if (!join(path, sizeof(path), r->path, name))
		unlink(path);
}

void sonde_rundir_close(struct sonde_rundir *r)
{
	if (!r->path[0])
		return;
	if (r->mounted && !umount2(r->cgroup_root, MNT_DETACH))
		rmdir(r->cgroup_root);
	if (r->listen_fd >= 0) {
		close(r->listen_fd);
		remove_file(r, "control.sock");
	}
	if (r->lock_fd >= 0) {
		/* Only the holder may remove it, and flock() failed for everybody else. */
		if (!flock(r->lock_fd, LOCK_EX | LOCK_NB)) {
			remove_file(r, "sonded.lock");
			if (r->created)
				rmdir(r->path);
		}
		close(r->lock_fd);
	}
	*r = (struct sonde_rundir){ .lock_fd = -1, .listen_fd = -1 };
}
