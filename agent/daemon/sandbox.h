// SPDX-License-Identifier: Apache-2.0
/*
 * sandbox - what each process may do once it has what it needs.
 *
 * The worker reads bytes from the network: it becomes an unprivileged user with no capability, can
 * gain none, and a system-call filter refuses what it has no use for (what only an attacker would
 * try, bpf(2) and execve(2) among them, ends it). The broker keeps the few capabilities its work
 * needs.
 */
#ifndef SONDE_DAEMON_SANDBOX_H
#define SONDE_DAEMON_SANDBOX_H

#include <stddef.h>

/*
 * For the worker: become USER (nobody when there is no such user), drop everything, filter. *WHAT
 * says which step failed. 0 or negative errno; on failure the process must exit.
 */
int sonde_sandbox_worker(const char *user, const char **what);
/* For the broker, after loading: keeps its capabilities and no others. 0 or negative errno. */
int sonde_sandbox_broker(void);

#endif
