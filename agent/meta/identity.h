// SPDX-License-Identifier: Apache-2.0
/*
 * identity - from a cgroup path and a process to the names people use.
 *
 * The first half is pure (it runs in the worker); the second reads /proc and the cgroup tree and is
 * called by the broker alone, which answers the worker's questions with struct sonde_identity.
 */
#ifndef SONDE_META_IDENTITY_H
#define SONDE_META_IDENTITY_H

#include "agent/core/slice.h"
#include "agent/model/config.h"
#include "agent/model/process.h"

/* Fixed size: it crosses the socketpair as it is. Every string is NUL-terminated. */
struct sonde_identity {
	uint32_t pid;
	uint32_t found; /* 1: the process was there and is the same; 0: only the cgroup was told */
	uint64_t start_ns;
	uint64_t cgroup_id;
	char comm[SONDE_COMM_LEN];
	char exe[SONDE_EXE_MAX];
	char cgroup[SONDE_CGROUP_MAX];
};

/*
 * Fills unit, container_id, runtime and pod_uid of *P from a cgroup v2 path
 * ("/system.slice/x.service",
 * "/kubepods/besteffort/pod<uid>/<64 hex>", "/docker/<64 hex>", "/libpod_parent/libpod-<64 hex>",
 * the systemd-driver forms "docker-<64 hex>.scope", "cri-containerd-<id>.scope", "crio-<id>.scope",
 * "kubepods-burstable-pod<uid with _>.slice", ...). The innermost container and the unit nearest to
 * the leaf win. What the path does not tell becomes "".
 */
void sonde_identity_parse_cgroup(struct sonde_slice path, struct sonde_process *p);

/* Takes what the broker answered into *P, marks it as resolved, and has its service named anew. */
void sonde_identity_apply(const struct sonde_identity *identity, struct sonde_process *p);

/*
 * The service name of P on a connection whose server port is PORT, when P is the side at that port
 * (SERVER true) or the one that connected to it (false: rules with a port do not apply). The first
 * rule that matches; else the unit; else of a pod the label app.kubernetes.io/name, or app, or its
 * owner's name, or its own; else the container's name; else the first 12 digits of its id; else
 * comm; else "unknown". Writes at most LEN bytes with the NUL, and returns OUT.
 */
const char *sonde_identity_service(const struct sonde_config *config, const struct sonde_process *p,
				   uint16_t port, bool server, char *out, size_t len);
/* service.namespace: the pod's namespace, or the project of Docker Compose; empty: unknown. Like
 * the next it lives as long as the process keeps its workload. */
struct sonde_slice sonde_identity_service_namespace(const struct sonde_process *p);
/* service.version: the tag of the image, or the label app.kubernetes.io/version, or the instance of
 * a unit that has a version for one ("shop@1.4", "shop@v2"); empty: unknown. */
struct sonde_slice sonde_identity_service_version(const struct sonde_process *p);

/*
 * What is wrong with TEXT as the name a rule gives, or NULL. It may hold {container_name}, {pod},
 * {namespace}, {image_tag}, {unit}, {comm} and {label:KEY}; a rule does not match a process of
 * which one of those in its name is not known.
 */
const char *sonde_identity_check_name(struct sonde_slice text);
/* What is wrong with TEXT as a condition on a label, "key=glob", or NULL. */
const char *sonde_identity_check_label(struct sonde_slice text);

/*
 * Broker: reads /proc/PID of PROC_ROOT ("/proc") and finds cgroup CGROUP_ID below CGROUP_ROOT (the
 * mount point of cgroup v2) where the process no longer tells. A process whose start time differs
 * from START_NS (by more than a clock tick; 0 skips the check) is another one: its pid was reused
 * and nothing is taken from it. Always fills *OUT; what could not be found is "".
 */
void sonde_identity_read(const char *proc_root, const char *cgroup_root, uint32_t pid,
			 uint64_t start_ns, uint64_t cgroup_id, struct sonde_identity *out);
/* The same with what earlier walks over the cgroup tree found (agent/meta/cgroup.h). */
struct sonde_cgroup_cache;
void sonde_identity_read_cached(struct sonde_cgroup_cache *cache, const char *proc_root,
				const char *cgroup_root, uint32_t pid, uint64_t start_ns,
				uint64_t cgroup_id, struct sonde_identity *out);

/* Writes the cgroup v2 mount point ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") from a mountinfo
 * file. 0, -ENOENT. */
int sonde_cgroup_find_root(const char *mountinfo, char *out, size_t len);
/* The inode number of the cgroup at PATH below ROOT, which is its id. 0 or negative errno. */
int sonde_cgroup_id(const char *root, const char *path, uint64_t *out);

#endif
