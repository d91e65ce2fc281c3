// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/loop.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { BATCH = 64 };

struct sonde_loop {
	int epoll_fd;
	int n_ready; /* of the batch being delivered */
	struct epoll_event ready[BATCH];
};

int sonde_loop_new(struct sonde_loop **out)
{
	struct sonde_loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		err = -errno;
		free(loop);
		return err;
	}
	*out = loop;
	return 0;
}

void sonde_loop_free(struct sonde_loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll_fd);
	free(loop);
}

static int control(struct sonde_loop *loop, int op, struct sonde_watch *w, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = w };

	return epoll_ctl(loop->epoll_fd, op, w->fd, &event) ? -errno : 0;
}

int sonde_loop_add(struct sonde_loop *loop, struct sonde_watch *w, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, w, events);
}

int sonde_loop_change(struct sonde_loop *loop, struct sonde_watch *w, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, w, events);
}

void sonde_loop_remove(struct sonde_loop *loop, struct sonde_watch *w)
{
	control(loop, EPOLL_CTL_DEL, w, 0);
	/* What epoll already reported for it in this batch must not be delivered any more. */
	for (int i = 0; i < loop->n_ready; i++)
		if (loop->ready[i].data.ptr == w)
			loop->ready[i].data.ptr = NULL;
}

int sonde_loop_once(struct sonde_loop *loop, int timeout_ms)
{
	int n = epoll_wait(loop->epoll_fd, loop->ready, BATCH, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	loop->n_ready = n;
	for (int i = 0; i < n; i++) {
		struct sonde_watch *w = loop->ready[i].data.ptr;

		if (w)
			w->ready(w, loop->ready[i].events);
	}
	loop->n_ready = 0;
	return 0;
}

static void timer_ready(struct sonde_watch *w, uint32_t events)
{
	struct sonde_timer *t = sonde_container_of(w, struct sonde_timer, watch);
	uint64_t times;

	(void)events;
	if (read(w->fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
		t->expired(t, times);
}

int sonde_timer_set(struct sonde_timer *t, uint64_t period_ns)
{
	struct timespec period = { .tv_sec = (time_t)(period_ns / 1000000000),
				   .tv_nsec = (long)(period_ns % 1000000000) };
	struct itimerspec spec = { .it_interval = period, .it_value = period };

	return timerfd_settime(t->watch.fd, 0, &spec, NULL) ? -errno : 0;
}

int sonde_timer_start(struct sonde_loop *loop, struct sonde_timer *t, uint64_t period_ns)
{
	int err;

	t->loop = loop;
	t->watch.ready = timer_ready;
	t->watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (t->watch.fd < 0)
		return -errno;
	err = sonde_timer_set(t, period_ns);
	if (!err)
		err = sonde_loop_add(loop, &t->watch, EPOLLIN);
	if (err) {
		close(t->watch.fd);
		t->watch.fd = -1;
	}
	return err;
}

void sonde_timer_stop(struct sonde_timer *t)
{
	if (!t->loop || t->watch.fd < 0)
		return;
	sonde_loop_remove(t->loop, &t->watch);
	close(t->watch.fd);
	t->watch.fd = -1;
}
