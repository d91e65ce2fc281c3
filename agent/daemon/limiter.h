// SPDX-License-Identifier: Apache-2.0
/*
 * limiter - the broker's half of rate limiting: holds the rules, has the kernel enforce them.
 *
 *   command (a person, by way of the worker) ---.
 *   reload (sonde.yaml) -------------------------+--> set --> generation --> kernel, state file
 *   tick: trial or time over, breaker, guards --'     |
 *   rtnetlink: interfaces come and go --> attach       '--> view (memory file) --> worker
 *
 * Every change is applied as a whole; when the kernel refuses, the set is what it was. A clean end
 * leaves what enforces in place, for the next daemon to adopt before the lease is over. Nothing
 * here touches bytes from the network.
 *
 *   limiter.c        rules and their changes
 *   limit_kernel.c   rules to the probe
 *   limit_links.c    interfaces
 *   limit_guards.c   who is allowed by what the node says, and who asks
 *   limit_store.c    state file and audit trail
 */
#ifndef SONDE_DAEMON_LIMITER_H
#define SONDE_DAEMON_LIMITER_H

#include "agent/daemon/limit_kernel.h"
#include "agent/daemon/loop.h"
#include "agent/limit/command.h"
#include "agent/model/config.h"

struct sonde_limiter;

/*
 * Takes over the rules of a daemon before this one and those of CONFIG, which must outlive the
 * limiter and is looked at again after sonde_limiter_reload() only. TOLD gets samples of what was
 * limited, on the loop. 0, or negative errno with a line in ERROR; a kernel that cannot limit is no
 * failure here, but of each change.
 */
int sonde_limiter_new(struct sonde_loop *loop, const char *run_dir,
		      const struct sonde_config *config, sonde_limit_on_sample *told, void *ctx,
		      struct sonde_limiter **out, char *error, size_t error_len);
/* Accepts NULL. What enforces goes on until the lease is over. */
void sonde_limiter_free(struct sonde_limiter *l);

/* The memory file with struct sonde_limit_view; the limiter's. */
int sonde_limiter_view_fd(const struct sonde_limiter *l);

/* False, with a line in ERROR: CONFIG cannot be, and nothing has changed. */
bool sonde_limiter_can_reload(struct sonde_limiter *l, const struct sonde_config *config,
			      char *error, size_t error_len);
void sonde_limiter_reload(struct sonde_limiter *l, const struct sonde_config *config);

/* Does what COMMAND says for the person at PEER_FD, if they may; fills ANSWER in any case. */
void sonde_limiter_command(struct sonde_limiter *l, const struct sonde_limit_command *command,
			   int peer_fd, struct sonde_limit_answer *answer);

#endif
