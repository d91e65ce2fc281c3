// SPDX-License-Identifier: Apache-2.0
/*
 * control_access - who may do what over the control socket.
 *
 * The kernel says who is at the other end (SO_PEERCRED, SO_PEERGROUPS); three groups of the config
 * give three roles, each with all of the one before: view, trace, control. Root and the user that
 * the daemon runs as may do everything. Groups are read from /etc/group directly: the worker has no
 * business with name services, whose sockets its seccomp filter refuses.
 */
#ifndef SONDE_DAEMON_CONTROL_ACCESS_H
#define SONDE_DAEMON_CONTROL_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/model/config.h"

enum sonde_access {
	SONDE_ACCESS_NONE = 0,
	SONDE_ACCESS_VIEW = 1,
	SONDE_ACCESS_TRACE = 2,
	SONDE_ACCESS_CONTROL = 3,
	SONDE_ACCESSES = 4,
};

#define SONDE_NO_GROUP ((gid_t)-1)

struct sonde_access_groups {
	gid_t view, trace, control; /* SONDE_NO_GROUP: nobody */
};

struct sonde_peer {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
};

const char *sonde_access_name(enum sonde_access access); /* "none", "view", ... */

/* The role of PEER when the daemon runs as OWN. Pure. */
enum sonde_access sonde_access_of(const struct sonde_peer *peer, uid_t own,
				  const struct sonde_access_groups *groups);

/*
 * Looks the three names of CONFIG up in FILE ("/etc/group"). A name may be a number; an empty one
 * is nobody. A name that is not there is nobody too, and is given in *MISSING (borrowed from
 * CONFIG; NULL when all were found). 0, or negative errno when FILE cannot be read, with *OUT
 * untouched.
 */
int sonde_access_groups_find(const char *file, const struct sonde_config *config,
			     struct sonde_access_groups *out, const char **missing);

/* The role of whoever is at the other end of FD, and their uid. 0 or negative errno. */
int sonde_access_of_socket(int fd, const struct sonde_access_groups *groups,
			   enum sonde_access *access, uid_t *uid);

#endif
