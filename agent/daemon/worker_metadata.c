// SPDX-License-Identifier: Apache-2.0
/* The data thread's end of agent/meta/metadata.h: news into the store, wishes to the broker. */
#include "agent/daemon/worker_state.h"

#include <unistd.h>

#include "agent/core/clock.h"

enum { NEWS_AT_ONCE = 256 }; /* then records have their turn */

static void wish(struct worker *w, uint32_t talk)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_CONNECT };

	m.talk.number = talk;
	/* If it does not fit, whoever waits for it asks again. */
	sonde_channel_send(w->channel.fd, &m, NULL, 0);
}

static void news_ready(struct sonde_watch *watch, uint32_t events)
{
	struct worker *w = sonde_container_of(watch, struct worker, metadata_watch);
	struct sonde_metadata_news news;
	bool fresh = false;

	(void)events;
	for (int i = 0; i < NEWS_AT_ONCE && sonde_metadata_next(w->metadata, &news); i++) {
		if (news.workload)
			fresh |= sonde_workloads_set(w->pipeline.workloads, news.workload);
		else
			wish(w, news.talk);
	}
	if (fresh)
		sonde_processes_refresh(w->pipeline.processes);
}

int sonde_worker_open_metadata(struct worker *w)
{
	int err;

	if (!sonde_metadata_wanted(&w->config))
		return 0;
	err = sonde_metadata_new(&w->config, &w->metadata);
	if (err)
		return err;
	w->metadata_watch =
		(struct sonde_watch){ .fd = sonde_metadata_fd(w->metadata), .ready = news_ready };
	return sonde_loop_add(w->loop, &w->metadata_watch, EPOLLIN);
}

/* Which descriptors came is a matter of bits, as those that are not there cannot be sent. */
void sonde_worker_take_connection(struct worker *w, const struct sonde_message *m, const int *fds,
				  size_t n_fds)
{
	struct sonde_metadata_connection c = { .talk = m->talk.number, .error = m->talk.error };
	size_t used = 0;

	for (unsigned int i = 0; i < SONDE_METADATA_FDS; i++)
		c.fds[i] = (m->talk.fds & 1U << i) && used < n_fds ? fds[used++] : -1;
	if (w->metadata)
		sonde_metadata_connected(w->metadata, &c);
	for (size_t i = w->metadata ? used : 0; i < n_fds; i++)
		close(fds[i]);
}

void sonde_worker_identified(struct worker *w, const struct sonde_process *p)
{
	if (w->metadata && p && !p->workload && *p->container_id)
		sonde_metadata_ask(w->metadata, p->container_id, sonde_clock_mono_ns());
}

void sonde_worker_metadata_status(struct worker *w, struct sonde_metadata_status *out)
{
	struct sonde_workloads_stats stats;

	*out = (struct sonde_metadata_status){ .n_sources = 0 };
	if (w->metadata)
		sonde_metadata_stats(w->metadata, out);
	sonde_workloads_stats(w->pipeline.workloads, &stats);
	out->entries = stats.entries;
	out->evicted = stats.evicted;
	out->dropped_workloads += stats.overflowed;
}
