// SPDX-License-Identifier: Apache-2.0
/*
 * cgroup - the cgroup v2 tree as the broker sees it: where it is mounted, and which path has an id.
 *
 * The kernel names a cgroup by a 64-bit id which is also the inode number of its directory, and is
 * never used again until reboot. The way back, from id to path, is a walk over the tree; the cache
 * remembers what it found, and also what it did not find: a cgroup that is gone does not return.
 */
#ifndef SONDE_META_CGROUP_H
#define SONDE_META_CGROUP_H

#include <stddef.h>
#include <stdint.h>

#include "agent/core/slice.h"
#include "agent/model/process.h"

enum {
	SONDE_CGROUP_CACHE = 128,	 /* paths remembered, oldest replaced first */
	SONDE_CGROUP_DEPTH_MAX = 32,	 /* levels below the root that the walk enters */
	SONDE_CGROUP_VISITS_MAX = 16384, /* directories that one walk looks at */
};

struct sonde_cgroup_cache {
	struct {
		uint64_t id; /* 0: free */
		char path[SONDE_CGROUP_MAX];
	} entries[SONDE_CGROUP_CACHE];
	size_t next;
	uint64_t walks; /* how often the tree had to be searched */
};

/*
 * Writes the path of cgroup ID below ROOT ("/" for the root itself), cut in front to what OUT
 * holds. CACHE may be NULL; zero it to begin. 0, -ENOENT (no such cgroup, or not within the
 * limits above), -EINVAL (ID 0), or what opening ROOT gave. OUT is untouched on failure.
 */
int sonde_cgroup_path(struct sonde_cgroup_cache *cache, const char *root, uint64_t id,
		      char out[SONDE_CGROUP_MAX]);

/* Copies TEXT and a NUL; what does not fit in LEN bytes is cut in front. */
void sonde_cgroup_copy_tail(char *out, size_t len, struct sonde_slice text);

#endif
