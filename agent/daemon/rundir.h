// SPDX-License-Identifier: Apache-2.0
/*
 * rundir - the daemon's place in the file system: lock, control socket, and where cgroup v2 is.
 *
 *   RUN_DIR/sonded.lock   held as long as the daemon runs: one daemon per directory
 *   RUN_DIR/control.sock      0660, group of config.control.trace_group
 *   RUN_DIR/cgroup        cgroup v2, mounted privately when the host has it nowhere
 */
#ifndef SONDE_DAEMON_RUNDIR_H
#define SONDE_DAEMON_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/model/config.h"

struct sonde_rundir {
	char path[200];
	char cgroup_root[256];
	int lock_fd;
	int listen_fd; /* the control socket */
	bool created;  /* the directory is ours to remove */
	bool mounted;  /* the cgroup mount too */
};

/* All or nothing. 0 or negative errno with a line in ERROR. */
int sonde_rundir_open(const char *path, const struct sonde_config *config, struct sonde_rundir *out,
		      char *error, size_t error_len);
/* Removes what open made; accepts a zeroed one. */
void sonde_rundir_close(struct sonde_rundir *r);

#endif
