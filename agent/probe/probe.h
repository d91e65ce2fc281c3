// SPDX-License-Identifier: Apache-2.0
/*
 * probe - the broker's hold on the kernel side: load, attach, iterate, count.
 *
 * What the core needs (sockops and cgroup_skb) must load or sonde_probe_open() fails; the rest is
 * optional, chosen at run time, and listed with the reason when it is missing. Links are not
 * pinned: when the broker ends, by whatever way, observation ends with it.
 */
#ifndef SONDE_PROBE_PROBE_H
#define SONDE_PROBE_PROBE_H

#include <stddef.h>

#include "agent/model/config.h"
#include "agent/model/record.h"
#include "agent/model/status.h"

struct sonde_probe;

/*
 * Loads the programs for CONFIG, attaches nothing. CGROUP_ROOT is the mount point of cgroup v2.
 * 0 and *OUT, or negative errno and a line in ERROR that says what is missing and what would help.
 */
int sonde_probe_open(const struct sonde_config *config, const char *cgroup_root,
		     struct sonde_probe **out, char *error, size_t error_len);
void sonde_probe_close(struct sonde_probe *p); /* accepts NULL; detaches */

/* Puts the programs on the root cgroup / takes them off. State of sockets survives both. */
int sonde_probe_attach(struct sonde_probe *p, char *error, size_t error_len);
void sonde_probe_detach(struct sonde_probe *p);

/* Finds and names sockets older than the agent. Once, after the first attach. */
int sonde_probe_adopt(struct sonde_probe *p);
/* Has all connections told again, for a new worker. */
int sonde_probe_reopen(struct sonde_probe *p);
/* Has quiet connections told how far they are. Call every SONDE_PROBE_PROGRESS_NS. */
int sonde_probe_progress(struct sonde_probe *p);
#define SONDE_PROBE_PROGRESS_NS 300000000ULL

enum { SONDE_PROBE_SNAPSHOTS = 5 };
/*
 * Opens what there is to read of connections, listeners, UDP and drops: files whose reading runs an
 * iterator and yields records (SONDE_SNAP_*). They are the caller's to close. Returns how many;
 * what this kernel lacks is left out.
 */
size_t sonde_probe_snapshot(struct sonde_probe *p, int fds[SONDE_PROBE_SNAPSHOTS]);

/* Sockets of these processes are not observed, but for those of the canary's port. */
void sonde_probe_set_own(struct sonde_probe *p, uint32_t broker_pid, uint32_t worker_pid);
void sonde_probe_set_canary(struct sonde_probe *p, uint16_t port);
/* Sockets of cgroup ID are not observed from now on (those that listen or connect later). */
int sonde_probe_ignore_cgroup(struct sonde_probe *p, uint64_t id);
/* Forgets all of these. */
void sonde_probe_ignore_none(struct sonde_probe *p);

/* *NAMES: how this kernel calls its reasons to drop a packet, by number; "" unused. Returns how
 * many; they are the probe's. */
size_t sonde_probe_reasons(const struct sonde_probe *p, const char (**names)[SONDE_REASON_NAME]);

/* What the worker is given: it can map both and do nothing else with them. */
int sonde_probe_ring_fd(const struct sonde_probe *p);
int sonde_probe_control_fd(const struct sonde_probe *p);

/* Programs, maps, and the kernel's rows of the ledger. */
void sonde_probe_status(struct sonde_probe *p, struct sonde_kernel_status *out);

#endif
