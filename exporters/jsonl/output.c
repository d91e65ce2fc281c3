// SPDX-License-Identifier: Apache-2.0
#include "exporters/jsonl/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NAME_EXTRA = 12,      /* ".4294967295" and the NUL */
	PIPE_WRITE = 4096,    /* what a writable pipe takes without blocking */
	FILE_WRITE = 1 << 20, /* at a time */
};

static int open_file(struct sonde_output *out)
{
	struct stat st;
	int fd = open(out->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		close(fd);
		return -EIO;
	}
	out->fd = fd;
	out->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return 0;
}

int sonde_output_open(struct sonde_output *out, const char *path, uint64_t max_bytes,
		      uint32_t max_files)
{
	int err;

	*out = (struct sonde_output){ .fd = -1, .max_bytes = max_bytes, .max_files = max_files };
	if (strcmp(path, "-") == 0) {
		out->fd = STDOUT_FILENO;
		return 0;
	}
	out->path = strdup(path);
	if (!out->path)
		return -ENOMEM;
	err = open_file(out);
	if (err)
		sonde_output_close(out);
	return err;
}

static void close_file(struct sonde_output *out)
{
	if (out->path && out->fd >= 0) {
		close(out->fd);
		out->fd = -1;
	}
}

void sonde_output_close(struct sonde_output *out)
{
	close_file(out);
	free(out->path);
	out->path = NULL;
}

static bool is_regular(const struct sonde_output *out)
{
	struct stat st;

	return fstat(out->fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* path.N-1 -> path.N for every N, the oldest falls off; with no file to keep, the file is cut. */
static void shift_files(struct sonde_output *out)
{
	size_t len = strlen(out->path) + NAME_EXTRA;
	char *from = malloc(len), *to = malloc(len);

	for (uint32_t n = out->max_files; from && to && n > 0; n--) {
		snprintf(to, len, "%s.%u", out->path, n);
		snprintf(from, len, n > 1 ? "%s.%u" : "%s", out->path, n - 1);
		rename(from, to);
	}
	if (!out->max_files)
		unlink(out->path);
	free(from);
	free(to);
}

static bool has_moved(const struct sonde_output *out)
{
	struct stat by_name, by_fd;

	if (fstat(out->fd, &by_fd))
		return true;
	return stat(out->path, &by_name) || by_name.st_ino != by_fd.st_ino ||
	       by_name.st_dev != by_fd.st_dev;
}

void sonde_output_prepare(struct sonde_output *out, size_t coming)
{
	if (!out->path)
		return;
	if (out->fd >= 0 && has_moved(out))
		close_file(out);
	if (out->fd >= 0 && out->max_bytes && out->size && out->size + coming > out->max_bytes &&
	    is_regular(out)) {
		close_file(out);
		shift_files(out);
	}
	if (out->fd < 0)
		open_file(out);
}

/* Waits until the descriptor takes bytes. 0, -EINTR (to stop) or negative errno. */
static int wait_writable(int fd, int stop_fd)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLOUT },
				{ .fd = stop_fd, .events = POLLIN } };

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (fds[0].revents & (POLLOUT | POLLERR | POLLHUP))
		return 0;
	return -EINTR;
}

/* Half a line must not stay: the next one would be glued to it. */
static size_t cut_to_line(struct sonde_output *out, struct sonde_slice lines, size_t done)
{
	size_t whole = done;

	while (whole && lines.ptr[whole - 1] != '\n')
		whole--;
	if (whole < done && out->path && is_regular(out) &&
	    ftruncate(out->fd, (off_t)(out->size + whole)))
		return done;
	return whole;
}

size_t sonde_output_write(struct sonde_output *out, struct sonde_slice lines, int stop_fd, int *err)
{
	size_t chunk = out->path ? FILE_WRITE : PIPE_WRITE, done = 0;

	*err = out->fd < 0 ? -EBADF : 0;
	while (!*err && done < lines.len) {
		size_t len = lines.len - done < chunk ? lines.len - done : chunk;
		ssize_t n;

		*err = wait_writable(out->fd, stop_fd);
		if (*err)
			break;
		n = write(out->fd, lines.ptr + done, len);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0)
			*err = -EIO;
		else if (errno != EINTR && errno != EAGAIN)
			*err = -errno;
	}
	if (done < lines.len)
		done = cut_to_line(out, lines, done);
	out->size += done;
	return done;
}
