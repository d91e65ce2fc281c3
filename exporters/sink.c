// SPDX-License-Identifier: Apache-2.0
#include "exporters/sink.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/core/clock.h"

enum { BATCH = 256 };

struct sonde_sink {
	const struct sonde_sink_ops *ops;
	void *ctx;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;  /* something queued, or stopping */
	pthread_cond_t empty; /* queue empty and nothing being written */
	int stop_fd;
	bool stopping;	/* no new records; end when empty */
	bool abandoned; /* end now */
	size_t head, n, max;
	struct sonde_exporter_stats stats;
	struct sonde_sink_record ring[];
};

static void free_record(struct sonde_sink_record *r)
{
	sonde_request_free(r->request);
	sonde_connection_free(r->connection);
	*r = (struct sonde_sink_record){ 0 };
}

static bool is_done(const struct sonde_sink *s)
{
	return s->abandoned || (s->stopping && !s->n);
}

/* Waits for records and takes up to BATCH of them. 0: the thread is to end. Locked. */
static size_t take_batch(struct sonde_sink *s, struct sonde_sink_record *batch)
{
	size_t n;

	while (!s->n && !is_done(s))
		pthread_cond_wait(&s->work, &s->lock);
	if (is_done(s))
		return 0;
	n = s->n < BATCH ? s->n : BATCH;
	for (size_t i = 0; i < n; i++) {
		batch[i] = s->ring[s->head];
		s->head = (s->head + 1) % s->max;
	}
	s->n -= n;
	return n;
}

static void settle(struct sonde_sink *s, size_t n, size_t written, uint64_t bytes)
{
	s->stats.queued -= n;
	s->stats.delivered += written;
	s->stats.dropped_error += n - written;
	s->stats.bytes += bytes;
	if (!s->stats.queued)
		pthread_cond_broadcast(&s->empty);
}

static void *run(void *arg)
{
	struct sonde_sink *s = arg;
	struct sonde_sink_record batch[BATCH];
	size_t n, written;

	pthread_mutex_lock(&s->lock);
	while ((n = take_batch(s, batch))) {
		uint64_t bytes = 0;

		pthread_mutex_unlock(&s->lock);
		written = s->ops->write(s->ctx, batch, n, s->stop_fd, &bytes);
		for (size_t i = 0; i < n; i++)
			free_record(&batch[i]);
		pthread_mutex_lock(&s->lock);
		settle(s, n, written, bytes);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Signals are the loop's business: the thread starts with all of them blocked. */
static int start_thread(struct sonde_sink *s, const char *name)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!err)
		pthread_setname_np(s->thread, name);
	return -err;
}

static void init_locks(struct sonde_sink *s)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->work, &attr);
	pthread_cond_init(&s->empty, &attr);
	pthread_condattr_destroy(&attr);
}

int sonde_sink_new(const char *name, uint32_t max_records, const struct sonde_sink_ops *ops,
		   void *ctx, struct sonde_sink **out)
{
	struct sonde_sink *s;
	int err;

	if (!max_records)
		return -EINVAL;
	s = calloc(1, sizeof(*s) + max_records * sizeof(struct sonde_sink_record));
	if (!s)
		return -ENOMEM;
	s->ops = ops;
	s->ctx = ctx;
	s->max = max_records;
	init_locks(s);
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = s->stop_fd < 0 ? -errno : start_thread(s, name);
	if (err) {
		sonde_sink_free(s);
		return err;
	}
	*out = s;
	return 0;
}

/* Takes over the copy, which is empty when there was no memory for it. */
static bool push(struct sonde_sink *s, struct sonde_sink_record copy)
{
	bool taken;

	pthread_mutex_lock(&s->lock);
	s->stats.produced++;
	taken = (copy.request || copy.connection) && !s->stopping && s->stats.queued < s->max;
	if (taken) {
		s->ring[(s->head + s->n++) % s->max] = copy;
		s->stats.queued++;
		pthread_cond_signal(&s->work);
	} else {
		s->stats.dropped_full++;
	}
	pthread_mutex_unlock(&s->lock);
	if (!taken)
		free_record(&copy);
	return taken;
}

bool sonde_sink_push(struct sonde_sink *s, const struct sonde_request *r)
{
	return push(s, (struct sonde_sink_record){ .request = sonde_request_copy(r) });
}

bool sonde_sink_push_connection(struct sonde_sink *s, const struct sonde_connection *c)
{
	return push(s, (struct sonde_sink_record){ .connection = sonde_connection_copy(c) });
}

void sonde_sink_stats(struct sonde_sink *s, struct sonde_exporter_stats *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->stats;
	pthread_mutex_unlock(&s->lock);
}

static void drop_rest(struct sonde_sink *s)
{
	for (; s->n; s->n--) {
		free_record(&s->ring[s->head]);
		s->head = (s->head + 1) % s->max;
		s->stats.queued--;
		s->stats.dropped_error++;
	}
}

void sonde_sink_stop(struct sonde_sink *s, uint64_t timeout_ns)
{
	uint64_t until_ns = sonde_clock_mono_ns() + timeout_ns, one = 1;
	struct timespec until = { .tv_sec = (time_t)(until_ns / SONDE_NS_PER_SEC),
				  .tv_nsec = (long)(until_ns % SONDE_NS_PER_SEC) };

	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->work);
	while (s->stats.queued && pthread_cond_timedwait(&s->empty, &s->lock, &until) != ETIMEDOUT)
		;
	s->abandoned = true;
	(void)!write(s->stop_fd, &one, sizeof(one));
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_mutex_lock(&s->lock);
	drop_rest(s);
	pthread_mutex_unlock(&s->lock);
}

void sonde_sink_free(struct sonde_sink *s)
{
	if (!s)
		return;
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->empty);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
