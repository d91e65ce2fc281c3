// SPDX-License-Identifier: Apache-2.0
/* Who must never be locked out, and who is asking. */
#include "agent/limit/guards.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/daemon/control_access.h"
#include "agent/daemon/limiter_internal.h"

enum {
	FILE_MAX = 1 << 20, /* of what the kernel or a person tells */
	ANCESTORS = 32,
	FOUND_MAX = 32,
};

/* The beginning of the file, at most FILE_MAX bytes. */
static void read_file(const char *path, struct sonde_buf *out)
{
	uint8_t chunk[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	while (out->len + sizeof(chunk) <= FILE_MAX && (n = read(fd, chunk, sizeof(chunk))) > 0)
		sonde_buf_put(out, chunk, (size_t)n);
	close(fd);
}

struct found {
	struct sonde_limit_network networks[FOUND_MAX];
	size_t n;
};

static void note(void *ctx, const uint8_t address[16])
{
	struct found *f = ctx;

	if (f->n == FOUND_MAX)
		return;
	f->networks[f->n].bits = 128;
	memcpy(f->networks[f->n++].address, address, 16);
}

static void look(const char *path,
		 void (*read)(struct sonde_slice text, sonde_limit_found *found, void *ctx),
		 struct found *f)
{
	struct sonde_buf text;

	sonde_buf_init(&text, FILE_MAX);
	read_file(path, &text);
	read(sonde_buf_slice(&text), note, f);
	sonde_buf_fini(&text);
}

void sonde_limit_guard_node(struct sonde_limit_set *set)
{
	struct found f = { .n = 0 };

	look("/proc/net/route", sonde_limit_gateways_v4, &f);
	look("/proc/net/ipv6_route", sonde_limit_gateways_v6, &f);
	sonde_limit_allow_replace(set, SONDE_LIMIT_ALLOW_GATEWAY, f.networks, f.n);
	f.n = 0;
	look("/etc/resolv.conf", sonde_limit_resolvers, &f);
	/* Where the former names a stub on loopback, the real ones are here. */
	look("/run/systemd/resolve/resolv.conf", sonde_limit_resolvers, &f);
	sonde_limit_allow_replace(set, SONDE_LIMIT_ALLOW_RESOLVER, f.networks, f.n);
}

static void read_comm(pid_t pid, char *out, size_t len)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(out, (int)len, f))
		snprintf(out, len, "?");
	out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
}

int sonde_limit_actor_of(int fd, const struct sonde_config *config, struct sonde_limit_actor *actor)
{
	struct sonde_access_groups groups;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	enum sonde_access access;
	const char *missing;
	uid_t uid;
	int err;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	if (sonde_access_groups_find("/etc/group", config, &groups, &missing))
		groups = (struct sonde_access_groups){ SONDE_NO_GROUP, SONDE_NO_GROUP,
						       SONDE_NO_GROUP };
	err = sonde_access_of_socket(fd, &groups, &access, &uid);
	if (err)
		return err;
	*actor = (struct sonde_limit_actor){ .pid = cred.pid, .uid = cred.uid };
	read_comm(cred.pid, actor->comm, sizeof(actor->comm));
	return access == SONDE_ACCESS_CONTROL ? 0 : -EACCES;
}

/* The parent of PID, or 0. */
static pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	const char *end;
	int parent = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* A command may hold blanks and brackets: what follows the last one is ours. */
	end = strrchr(text, ')');
	if (!end || sscanf(end, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static bool ssh_peer_of(pid_t pid, uint8_t address[16])
{
	struct sonde_buf text;
	char path[64];
	bool found;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	sonde_buf_init(&text, FILE_MAX);
	read_file(path, &text);
	found = sonde_limit_ssh_peer(sonde_buf_slice(&text), address);
	sonde_buf_fini(&text);
	return found;
}

/* sudo forgets where a person comes from; the shell that it was typed into does not. */
bool sonde_limit_guard_actor(struct sonde_limit_set *set, const struct sonde_limit_actor *actor,
			     uint8_t address[16])
{
	struct sonde_limit_network peer = { .bits = 128 };
	pid_t pid = actor->pid;

	for (int i = 0; pid > 1 && i < ANCESTORS; i++, pid = parent_of(pid)) {
		if (!ssh_peer_of(pid, peer.address))
			continue;
		memcpy(address, peer.address, sizeof(peer.address));
		sonde_limit_allow_add(set, &peer, SONDE_LIMIT_ALLOW_SSH);
		return true;
	}
	return false;
}
