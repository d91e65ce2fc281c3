// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/broker_metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A connected socket, or negative errno. One whose backlog is full is not waited for. */
static int connect_unix(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int copy(int from, int to)
{
	char block[4096];
	ssize_t n;

	while ((n = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)n) != n)
			return -EIO;
	explicit_bzero(block, sizeof(block));
	return n < 0 ? -errno : 0;
}

/* A memory file with what the file FD holds, or negative errno. */
static int memory_of(int fd, size_t max)
{
	struct stat st;
	int out, err;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EISDIR;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	out = memfd_create("sonde-metadata", MFD_CLOEXEC);
	if (out < 0)
		return -errno;
	err = copy(fd, out);
	if (!err)
		return out;
	close(out);
	return err;
}

/* 0 with a memory file, or with -1 when PATH is "". */
static int open_file(const char *path, size_t max, int *out)
{
	int fd, got;

	*out = -1;
	if (!*path)
		return 0;
	/* A pipe in the place of a file would wait for its writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	got = memory_of(fd, max);
	close(fd);
	if (got >= 0)
		*out = got;
	return got < 0 ? got : 0;
}

static int open_kubernetes(const struct sonde_config *config, int fds[SONDE_METADATA_FDS])
{
	int err;

	if (!*config->metadata.kubernetes.api_server)
		return -EINVAL;
	err = open_file(config->metadata.kubernetes.token_file, SONDE_METADATA_TOKEN_MAX, &fds[0]);
	if (err)
		return err;
	err = open_file(config->metadata.kubernetes.ca_file, SONDE_METADATA_CA_MAX, &fds[1]);
	if (err && fds[0] >= 0)
		close(fds[0]);
	return err;
}

static int open_docker(const struct sonde_config *config, size_t i, int fds[SONDE_METADATA_FDS])
{
	int fd;

	if (i >= config->metadata.docker.sockets.n_items)
		return -EINVAL;
	fd = connect_unix(config->metadata.docker.sockets.items[i]);
	if (fd < 0)
		return fd;
	fds[0] = fd;
	return 0;
}

void sonde_broker_connect(const struct sonde_config *config, uint32_t talk,
			  struct sonde_metadata_connection *out)
{
	*out = (struct sonde_metadata_connection){ .talk = talk, .fds = { -1, -1 } };
	if (talk == SONDE_METADATA_KUBERNETES)
		out->error = open_kubernetes(config, out->fds);
	else if (talk < SONDE_METADATA_KUBERNETES)
		out->error = open_docker(config, sonde_metadata_docker_of(talk), out->fds);
	else
		out->error = -EINVAL;
	if (out->error)
		out->fds[0] = out->fds[1] = -1;
}
