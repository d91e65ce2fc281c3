// SPDX-License-Identifier: Apache-2.0
/* Whole messages with descriptors, or an error and nothing left open. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/daemon/channel.h"

static size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void every_type_arrives_with_its_own_part(void **state)
{
	static const size_t parts[SONDE_MESSAGES] = {
		[SONDE_MESSAGE_SETUP] = sizeof(((struct sonde_message *)0)->setup),
		[SONDE_MESSAGE_READY] = sizeof(((struct sonde_message *)0)->ready),
		[SONDE_MESSAGE_FAILED] = sizeof(((struct sonde_message *)0)->failed),
		[SONDE_MESSAGE_QUESTION] = sizeof(struct sonde_process_question),
		[SONDE_MESSAGE_IDENTITY] = sizeof(struct sonde_identity),
		[SONDE_MESSAGE_STATUS] = sizeof(struct sonde_kernel_status),
	};
	struct sonde_message sent, got;
	int ends[2], fds[SONDE_FDS];
	size_t n = 99;

	(void)state;
	assert_int_equal(sonde_channel_pair(ends), 0);
	for (uint32_t type = 0; type < SONDE_MESSAGES; type++) {
		memset(&sent, (int)(0x11 + type), sizeof(sent));
		memset(&got, 0, sizeof(got));
		sent.type = type;
		assert_int_equal(sonde_channel_send(ends[0], &sent, NULL, 0), 0);
		assert_int_equal(sonde_channel_receive(ends[1], &got, fds, &n), 0);
		assert_int_equal(n, 0);
		assert_int_equal(got.type, type);
		assert_memory_equal(&got.setup, &sent.setup, parts[type]);
	}
	close(ends[0]);
	close(ends[1]);
}

static void ends_are_close_on_exec_and_never_block(void **state)
{
	struct sonde_message m;
	int ends[2], fds[SONDE_FDS];
	size_t n;

	(void)state;
	assert_int_equal(sonde_channel_pair(ends), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(sonde_channel_receive(ends[i], &m, fds, &n), -EAGAIN);
	}
	m = (struct sonde_message){ .type = SONDE_MESSAGE_STATUS };
	for (int i = 0; sonde_channel_send(ends[0], &m, NULL, 0) == 0; i++)
		assert_true(i < 100000);
	assert_int_equal(sonde_channel_send(ends[0], &m, NULL, 0), -EAGAIN);
	assert_int_equal(sonde_channel_receive(ends[1], &m, fds, &n), 0);
	close(ends[0]);
	close(ends[1]);
}

static void descriptors_arrive_in_order_and_stay_the_senders(void **state)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_SETUP };
	int ends[2], sent[SONDE_FDS], got[SONDE_FDS];
	char byte;
	size_t n;

	(void)state;
	assert_int_equal(sonde_channel_pair(ends), 0);
	for (int i = 0; i < SONDE_FDS; i++) {
		sent[i] = memfd_create("x", MFD_CLOEXEC);
		byte = (char)('a' + i);
		assert_int_equal(pwrite(sent[i], &byte, 1, 0), 1);
	}
	assert_int_equal(sonde_channel_send(ends[0], &m, sent, SONDE_FDS), 0);
	assert_int_equal(sonde_channel_receive(ends[1], &m, got, &n), 0);
	assert_int_equal(n, SONDE_FDS);
	for (int i = 0; i < SONDE_FDS; i++) {
		assert_int_equal(pread(got[i], &byte, 1, 0), 1);
		assert_int_equal(byte, 'a' + i);
		assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
		assert_int_not_equal(got[i], sent[i]);
		assert_int_equal(close(got[i]), 0);
		assert_int_equal(close(sent[i]), 0);
	}
	close(ends[0]);
	close(ends[1]);
}

static void the_other_side_gone_is_told_on_both_ways(void **state)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_STOP };
	int ends[2], fds[SONDE_FDS];
	size_t n;

	(void)state;
	assert_int_equal(sonde_channel_pair(ends), 0);
	assert_int_equal(sonde_channel_send(ends[0], &m, NULL, 0), 0);
	close(ends[0]);
	/* What was sent before is not lost. */
	assert_int_equal(sonde_channel_receive(ends[1], &m, fds, &n), 0);
	assert_int_equal(sonde_channel_receive(ends[1], &m, fds, &n), -EPIPE);
	assert_int_equal(sonde_channel_send(ends[1], &m, NULL, 0), -EPIPE);
	close(ends[1]);
}

/* LEN bytes of M with a descriptor, as no honest side would send them. */
static void send_raw(int fd, const struct sonde_message *m, size_t len, int with)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)(uintptr_t)m, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &with, sizeof(int));
	assert_int_equal(sendmsg(fd, &msg, 0), len);
}

static void wrong_sizes_and_types_are_refused_and_nothing_stays_open(void **state)
{
	static const struct {
		uint32_t type;
		size_t len;
	} wrong[] = {
		{ SONDE_MESSAGE_STOP, 1 },
		{ SONDE_MESSAGE_STOP, 7 },
		{ SONDE_MESSAGE_STOP, 9 },
		{ SONDE_MESSAGE_SETUP, 8 },
		{ SONDE_MESSAGE_STATUS, sizeof(struct sonde_message) - 1 },
		{ SONDE_MESSAGES, 8 },
		{ UINT32_MAX, sizeof(struct sonde_message) },
	};
	struct sonde_message m = { 0 }, got;
	int ends[2], fds[SONDE_FDS];
	size_t before, n;

	(void)state;
	assert_int_equal(sonde_channel_pair(ends), 0);
	before = open_fds();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		m.type = wrong[i].type;
		send_raw(ends[0], &m, wrong[i].len, ends[0]);
		assert_int_equal(sonde_channel_receive(ends[1], &got, fds, &n), -EPROTO);
		assert_int_equal(n, 0);
		assert_int_equal(open_fds(), before);
	}
	/* The channel goes on. */
	m.type = SONDE_MESSAGE_STOP;
	send_raw(ends[0], &m, 8, ends[0]);
	assert_int_equal(sonde_channel_receive(ends[1], &got, fds, &n), 0);
	assert_int_equal(n, 1);
	close(fds[0]);
	close(ends[0]);
	close(ends[1]);
}

static void a_message_longer_than_any_is_refused(void **state)
{
	static uint8_t bytes[sizeof(struct sonde_message) + 1];
	struct sonde_message got;
	int ends[2], fds[SONDE_FDS];
	size_t n;

	(void)state;
	assert_int_equal(sonde_channel_pair(ends), 0);
	bytes[0] = SONDE_MESSAGE_STATUS;
	assert_int_equal(send(ends[0], bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(sonde_channel_receive(ends[1], &got, fds, &n), -EPROTO);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_arrives_with_its_own_part),
		cmocka_unit_test(ends_are_close_on_exec_and_never_block),
		cmocka_unit_test(descriptors_arrive_in_order_and_stay_the_senders),
		cmocka_unit_test(the_other_side_gone_is_told_on_both_ways),
		cmocka_unit_test(wrong_sizes_and_types_are_refused_and_nothing_stays_open),
		cmocka_unit_test(a_message_longer_than_any_is_refused),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
