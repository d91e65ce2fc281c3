// SPDX-License-Identifier: Apache-2.0
/*
 * process - who is behind a socket.
 *
 * The kernel side gives pid, start time, comm and cgroup id; the broker adds what /proc and the
 * cgroup tree tell; meta turns all of it into a service name. Entries are owned by the process
 * table (agent/meta), live at least as long as a connection that points to them, and never move.
 */
#ifndef SONDE_MODEL_PROCESS_H
#define SONDE_MODEL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/model/workload.h"

enum {
	SONDE_COMM_LEN = 16,	  /* bytes, NUL included (TASK_COMM_LEN) */
	SONDE_SERVICE_MAX = 128,  /* service.name, NUL included */
	SONDE_UNIT_MAX = 128,	  /* systemd unit */
	SONDE_CONTAINER_MAX = 65, /* 64 hex digits */
	SONDE_POD_UID_MAX = 37,
	SONDE_CGROUP_MAX = 256, /* path below the cgroup v2 root; longer ones are cut in front */
	SONDE_EXE_MAX = 128,	/* longer ones are cut in front */
};

enum sonde_runtime {
	SONDE_RUNTIME_NONE = 0,
	SONDE_RUNTIME_DOCKER = 1,
	SONDE_RUNTIME_CONTAINERD = 2,
	SONDE_RUNTIME_CRIO = 3,
	SONDE_RUNTIME_PODMAN = 4,
	SONDE_RUNTIME_OTHER = 5, /* a container id, engine not told by the path */
	SONDE_RUNTIMES = 6,
};
const char *sonde_runtime_name(enum sonde_runtime runtime); /* "docker", ..., "other"; "" NONE */

struct sonde_process {
	uint32_t pid;	    /* 0: unknown */
	uint64_t start_ns;  /* CLOCK_BOOTTIME at start; with pid the identity */
	uint64_t cgroup_id; /* cgroup v2 inode number, 0 unknown */
	char comm[SONDE_COMM_LEN];
	char exe[SONDE_EXE_MAX];		/* "" unknown */
	char cgroup[SONDE_CGROUP_MAX];		/* "" unknown */
	char unit[SONDE_UNIT_MAX];		/* "" none; without ".service" */
	char container_id[SONDE_CONTAINER_MAX]; /* "" none */
	char pod_uid[SONDE_POD_UID_MAX];	/* "" none */
	enum sonde_runtime runtime;
	struct sonde_workload
		*workload; /* what metadata tells of its container; NULL unknown; held */
	/* The last answer of sonde_identity_service(), kept by the pipeline; see there. */
	char service[SONDE_SERVICE_MAX];
	uint32_t service_key; /* port, side and generation it was asked for; 0 never */
	bool resolved;	      /* the broker has answered, or the wait for it ended */
	uint32_t refs;	      /* connections that point here */
};

#endif
