// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int sonde_channel_pair(int fds[2])
{
	int room = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
		return -errno;
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return 0;
}

/* Bytes of a message of this type: its head and its own part of the union. */
static size_t size_of(uint32_t type)
{
	static const size_t body[SONDE_MESSAGES] = {
		[SONDE_MESSAGE_SETUP] = sizeof(((struct sonde_message *)0)->setup),
		[SONDE_MESSAGE_READY] = sizeof(((struct sonde_message *)0)->ready),
		[SONDE_MESSAGE_FAILED] = sizeof(((struct sonde_message *)0)->failed),
		[SONDE_MESSAGE_QUESTION] = sizeof(struct sonde_process_question),
		[SONDE_MESSAGE_IDENTITY] = sizeof(struct sonde_identity),
		[SONDE_MESSAGE_STATUS] = sizeof(struct sonde_kernel_status),
		[SONDE_MESSAGE_LIMIT] = sizeof(struct sonde_limit_command),
		[SONDE_MESSAGE_SAMPLE] = sizeof(struct sonde_limit_sample),
		[SONDE_MESSAGE_LIMITED] = sizeof(struct sonde_limit_answer),
		[SONDE_MESSAGE_CONNECT] = sizeof(((struct sonde_message *)0)->talk),
		[SONDE_MESSAGE_CONNECTION] = sizeof(((struct sonde_message *)0)->talk),
	};

	return offsetof(struct sonde_message, setup) + body[type];
}

int sonde_channel_send(int fd, const struct sonde_message *m, const int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(SONDE_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)m, .iov_len = size_of(m->type) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void take_fds(struct msghdr *msg, int fds[SONDE_FDS], size_t *n_fds)
{
	*n_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n > SONDE_FDS)
			continue;
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		*n_fds = n;
	}
}

int sonde_channel_receive(int fd, struct sonde_message *m, int fds[SONDE_FDS], size_t *n_fds)
{
	union {
		char bytes[CMSG_SPACE(SONDE_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      /* Not the padded size: that has room for a descriptor more. */
			      .msg_controllen = CMSG_LEN(SONDE_FDS * sizeof(int)) };
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	take_fds(&msg, fds, n_fds);
	if ((size_t)n >= offsetof(struct sonde_message, setup) && m->type < SONDE_MESSAGES &&
	    (size_t)n == size_of(m->type) && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 0;
	for (size_t i = 0; i < *n_fds; i++)
		close(fds[i]);
	*n_fds = 0;
	return -EPROTO;
}
