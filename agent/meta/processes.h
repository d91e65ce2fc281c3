// SPDX-License-Identifier: Apache-2.0
/*
 * processes - the worker's bounded table of who is behind the sockets.
 *
 * A process is (pid, start time, cgroup): a pid alone is reused. Connections of one process share
 * its entry, which stays where it is as long as one of them holds it. Nobody waits for /proc here:
 * a new entry is put on a list of questions that the worker sends to the broker, and is filled in
 * when the answer comes.
 *
 *            get            next_question          answer, give_up
 *   (absent) ---> queued ------------------> asked ---------------> resolved
 *
 * An entry that nobody holds is kept, so that the next connection finds it resolved, until there
 * are too many of those; the one idle for longest goes first. When all entries are held, callers
 * get one shared nameless entry, and it is counted. Not thread-safe.
 */
#ifndef SONDE_META_PROCESSES_H
#define SONDE_META_PROCESSES_H

#include "agent/core/slice.h"
#include "agent/meta/identity.h"
#include "agent/meta/workloads.h"
#include "agent/model/process.h"

enum { SONDE_PROCESSES_MAX = 4096 }; /* what the worker passes as MAX */

struct sonde_processes;

/* What the worker sends to the broker. Fixed size: it crosses the socketpair as it is. */
struct sonde_process_question {
	uint32_t pid; /* 0: only the cgroup is asked for */
	uint32_t pad;
	uint64_t start_ns;
	uint64_t cgroup_id;
};

/* A table of at most MAX entries, of which a quarter may be idle. 0, -EINVAL, -ENOMEM. */
int sonde_processes_new(size_t max, struct sonde_processes **out);
void sonde_processes_free(struct sonde_processes *t); /* accepts NULL; ends all entries */

/*
 * The entry of this process with one more reference; never NULL. COMM (what the kernel saw, at most
 * SONDE_COMM_LEN bytes count, NUL-padded or not) names it until the broker knows better. PID 0 is
 * nobody: such connections share one entry per cgroup, and one that is resolved at once when
 * CGROUP_ID is 0 too.
 */
struct sonde_process *sonde_processes_get(struct sonde_processes *t, uint32_t pid,
					  uint64_t start_ns, uint64_t cgroup_id,
					  struct sonde_slice comm);
/* One reference more on an entry that the caller already reaches. */
struct sonde_process *sonde_processes_hold(struct sonde_process *p);
/* Ends a reference of get or hold. Accepts NULL. */
void sonde_processes_put(struct sonde_processes *t, struct sonde_process *p);

/* Takes the oldest question that has not been asked. False: there is none. */
bool sonde_processes_next_question(struct sonde_processes *t, uint64_t now_ns,
				   struct sonde_process_question *out);
/* Puts a question just taken back in front: the broker could not take it now. */
void sonde_processes_unask(struct sonde_processes *t, const struct sonde_process_question *q);
/* Applies what the broker answered, also after giving up. Returns the entry, or NULL when it is
 * gone or has been answered before. */
struct sonde_process *sonde_processes_answer(struct sonde_processes *t,
					     const struct sonde_identity *identity);
/* Ends the wait of what was asked at or before BEFORE_NS: such entries are resolved as they are.
 * Returns how many. */
size_t sonde_processes_give_up(struct sonde_processes *t, uint64_t before_ns);
/* Asks again what was asked and not answered: the broker is another one now. */
void sonde_processes_ask_again(struct sonde_processes *t);

/* From now on processes in containers are given what WORKLOADS knows of them, which must live on;
 * NULL: no more. What they have already stays. */
void sonde_processes_use(struct sonde_processes *t, struct sonde_workloads *workloads);
/* The store knows more than before: every process in a container is looked up anew, and where its
 * workload is another one its service is to be named anew. Returns how many those are. */
size_t sonde_processes_refresh(struct sonde_processes *t);

struct sonde_processes_stats {
	size_t entries; /* held and idle */
	size_t idle;
	size_t questions;    /* queued and asked */
	uint64_t overflowed; /* calls of get that were given the shared entry */
	uint64_t evicted;    /* idle entries that made room */
	uint64_t given_up;   /* entries resolved without an answer */
	size_t memory_bytes;
};
void sonde_processes_stats(const struct sonde_processes *t, struct sonde_processes_stats *out);

#endif
