// SPDX-License-Identifier: Apache-2.0
/* limiter_internal - what the files of the limiter share. */
#ifndef SONDE_DAEMON_LIMITER_INTERNAL_H
#define SONDE_DAEMON_LIMITER_INTERNAL_H

#include <sys/types.h>

#include "agent/core/log.h"
#include "agent/daemon/limit_kernel.h"
#include "agent/daemon/limiter.h"

/* Whoever changes something. */
struct sonde_limit_actor {
	pid_t pid; /* 0: the daemon itself */
	uid_t uid;
	char comm[32];
	const char *why; /* of the daemon's own changes: "config", "ttl", "breaker", ...; or NULL */
};

struct sonde_limit_audit {
	const char *path; /* "": none */
	uint64_t max_bytes;
	uint32_t max_files;
	struct sonde_log_gate gate;
};

struct sonde_limit_links {
	struct sonde_watch watch; /* rtnetlink */
	void (*changed)(struct sonde_limit_links *links);
};

/* An interface that rules are for. */
struct sonde_limit_port {
	struct sonde_limit_iface_view view;
	uint64_t bare_ns; /* it is there without being watched since; 0: it is not so */
	uint64_t tried_ns;
	int mtu;	     /* that the program was attached for */
	uint32_t last_index; /* as the view's, but kept when the interface has gone */
	bool was_watched;
};

struct sonde_limiter {
	struct sonde_loop *loop;
	const struct sonde_config *config;
	char run_dir[192];
	char boot[48];
	struct sonde_limit_set *set;
	struct sonde_limit_set *former;	   /* while a change is being made */
	struct sonde_limit_kernel *kernel; /* NULL while there are no rules */
	struct sonde_limit_view *view;
	int view_fd;
	struct sonde_timer tick;
	sonde_limit_on_sample *on_sample;
	void *ctx;
	struct sonde_limit_links links;
	struct sonde_limit_port ports[SONDE_LIMIT_IFACES];
	size_t n_ports;
	struct sonde_limit_audit audit;
	struct sonde_log_gate gate;
	uint64_t saved_generation;
	uint64_t guarded_ns; /* when the node was last asked whom to allow */
	uint64_t sampled_ns; /* when the breakers last looked */
	uint64_t opened_ns;  /* when the kernel was last tried */
	char refusal[192];   /* why the kernel does not limit; "": it does, or has not to */
};

/* ---- limit_store.c ---- */

/* A line of the audit trail and of the log. RULE and DETAIL may be NULL. */
void sonde_limit_audit(struct sonde_limit_audit *a, const struct sonde_limit_actor *actor,
		       const char *what, const char *rule, const char *detail);
/* RUN_DIR/limit.state as SET says; without rules and allowed networks there is none. 0 or -errno.
 */
int sonde_limit_store(const char *run_dir, const char *boot, const struct sonde_limit_set *set);
/* Reads it into the zeroed SET. 0, -ENOENT, -ESTALE, ...; *BAD lines were left out. */
int sonde_limit_load(const char *run_dir, const char *boot, struct sonde_limit_set *set,
		     size_t *bad);

/* ---- limit_guards.c ---- */

/* Allows the default gateways and the resolvers of now. */
void sonde_limit_guard_node(struct sonde_limit_set *set);
/* Who is at the other end of FD, and whether they may change rules. 0 or -EACCES and its like. */
int sonde_limit_actor_of(int fd, const struct sonde_config *config,
			 struct sonde_limit_actor *actor);
/* Allows the far end of the SSH connection that ACTOR types on. True: there is one. */
bool sonde_limit_guard_actor(struct sonde_limit_set *set, const struct sonde_limit_actor *actor,
			     uint8_t address[16]);

/* ---- limit_links.c ---- */

/* Has CHANGED called when an interface comes, goes or is renamed. */
int sonde_limit_links_open(struct sonde_loop *loop, struct sonde_limit_links *links);
void sonde_limit_links_close(struct sonde_loop *loop, struct sonde_limit_links *links);

/* Finds the interfaces of the set's rules; true when one has another index than before. */
bool sonde_limiter_find_ports(struct sonde_limiter *l);
/* Attaches to those that are there. */
void sonde_limiter_attach_ports(struct sonde_limiter *l);

#endif
