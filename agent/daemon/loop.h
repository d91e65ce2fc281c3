// SPDX-License-Identifier: Apache-2.0
/*
 * loop - epoll with the callbacks beside the descriptors. Each process of the daemon runs one.
 *
 * A watch is embedded in whatever owns the descriptor; the loop borrows it between add and remove.
 * Removing a watch, its own or another, from inside a callback is safe. Not thread-safe.
 */
#ifndef SONDE_DAEMON_LOOP_H
#define SONDE_DAEMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define sonde_container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct sonde_loop;

struct sonde_watch {
	int fd;
	void (*ready)(struct sonde_watch *w, uint32_t events); /* EPOLLIN | EPOLLOUT | ... */
};

int sonde_loop_new(struct sonde_loop **out);
void sonde_loop_free(struct sonde_loop *loop); /* accepts NULL; closes no descriptor of a watch */

/* 0 or negative errno. The descriptor stays the caller's. */
int sonde_loop_add(struct sonde_loop *loop, struct sonde_watch *w, uint32_t events);
int sonde_loop_change(struct sonde_loop *loop, struct sonde_watch *w, uint32_t events);
void sonde_loop_remove(struct sonde_loop *loop, struct sonde_watch *w);

/* A periodic timer as a watch: the first expiry after PERIOD_NS; 0 disarms. Reads are the loop's.
 */
struct sonde_timer {
	struct sonde_watch watch;
	struct sonde_loop *loop;
	void (*expired)(struct sonde_timer *t, uint64_t times);
};
int sonde_timer_start(struct sonde_loop *loop, struct sonde_timer *t, uint64_t period_ns);
int sonde_timer_set(struct sonde_timer *t, uint64_t period_ns);
void sonde_timer_stop(struct sonde_timer *t);

/* Waits once for at most TIMEOUT_MS (-1: for ever) and calls what is ready. 0 or negative errno. */
int sonde_loop_once(struct sonde_loop *loop, int timeout_ms);

#endif
