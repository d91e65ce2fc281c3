// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/control_access.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/core/slice.h"

const char *sonde_access_name(enum sonde_access access)
{
	static const char *const names[SONDE_ACCESSES] = { "none", "view", "trace", "control" };

	return (unsigned int)access < SONDE_ACCESSES ? names[access] : names[0];
}

static bool is_member(const struct sonde_peer *peer, gid_t group)
{
	if (group == SONDE_NO_GROUP)
		return false;
	for (size_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == group)
			return true;
	return peer->gid == group;
}

enum sonde_access sonde_access_of(const struct sonde_peer *peer, uid_t own,
				  const struct sonde_access_groups *groups)
{
	if (peer->uid == 0 || peer->uid == own || is_member(peer, groups->control))
		return SONDE_ACCESS_CONTROL;
	if (is_member(peer, groups->trace))
		return SONDE_ACCESS_TRACE;
	return is_member(peer, groups->view) ? SONDE_ACCESS_VIEW : SONDE_ACCESS_NONE;
}

static gid_t find_group(FILE *file, const char *name)
{
	struct group *g;
	uint64_t number;

	if (!name || !*name)
		return SONDE_NO_GROUP;
	rewind(file);
	while ((g = fgetgrent(file)))
		if (strcmp(g->gr_name, name) == 0)
			return g->gr_gid;
	if (sonde_slice_u64(sonde_slice_str(name), 10, &number) == 0 && number < SONDE_NO_GROUP)
		return (gid_t)number;
	return SONDE_NO_GROUP;
}

int sonde_access_groups_find(const char *file, const struct sonde_config *config,
			     struct sonde_access_groups *out, const char **missing)
{
	const char *names[] = { config->control.view_group, config->control.trace_group,
				config->control.control_group };
	gid_t found[3];
	FILE *f = fopen(file, "re");

	if (!f)
		return -errno;
	*missing = NULL;
	for (int i = 0; i < 3; i++) {
		found[i] = find_group(f, names[i]);
		if (found[i] == SONDE_NO_GROUP && names[i] && *names[i])
			*missing = names[i];
	}
	fclose(f);
	*out = (struct sonde_access_groups){ found[0], found[1], found[2] };
	return 0;
}

/* Supplementary groups of the other end, to be freed. 0 or negative errno. */
static int peer_groups(int fd, gid_t **groups, size_t *n)
{
	socklen_t len = 32 * sizeof(gid_t);
	gid_t *list = NULL, *bigger;
	int err;

	do {
		bigger = realloc(list, len);
		if (!bigger) {
			free(list);
			return -ENOMEM;
		}
		list = bigger;
		err = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &len) ? -errno : 0;
	} while (err == -ERANGE);
	if (err) {
		free(list);
		return err;
	}
	*groups = list;
	*n = len / sizeof(gid_t);
	return 0;
}

/* Whom the daemon runs as; root when that is nobody, whose id many strangers share. */
static uid_t own_user(void)
{
	enum { NOBODY = 65534 };
	uid_t own = geteuid();

	return own == NOBODY ? 0 : own;
}

int sonde_access_of_socket(int fd, const struct sonde_access_groups *groups,
			   enum sonde_access *access, uid_t *uid)
{
	struct sonde_peer peer = { 0 };
	struct ucred cred;
	socklen_t len = sizeof(cred);
	gid_t *list;
	int err;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	err = peer_groups(fd, &list, &peer.n_groups);
	if (err)
		return err;
	peer.uid = cred.uid;
	peer.gid = cred.gid;
	peer.groups = list;
	*access = sonde_access_of(&peer, own_user(), groups);
	*uid = cred.uid;
	free(list);
	return 0;
}
