// SPDX-License-Identifier: Apache-2.0
/*
 * The worker's part of rate limiting: it hands people's requests to the broker, shows what the
 * broker's view holds, and adds samples up to the most limited sources.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "agent/core/clock.h"
#include "agent/core/table.h"
#include "agent/daemon/worker_state.h"

int sonde_worker_open_limits(struct worker *w, int view_fd)
{
	void *view = mmap(NULL, sizeof(*w->limit.view), PROT_READ, MAP_SHARED, view_fd, 0);

	if (view == MAP_FAILED)
		return -errno;
	w->limit.view = view;
	w->limit.copy = malloc(sizeof(*w->limit.copy));
	w->limit.scraped = malloc(sizeof(*w->limit.scraped));
	if (!w->limit.copy || !w->limit.scraped)
		return -ENOMEM;
	return sonde_table_new(SONDE_LIMIT_RULES, sizeof(struct sonde_limit_top), &w->limit.tops);
}

void sonde_worker_close_limits(struct worker *w)
{
	sonde_table_free(w->limit.tops);
	free(w->limit.copy);
	free(w->limit.scraped);
	if (w->limit.view)
		munmap((void *)(uintptr_t)w->limit.view, sizeof(*w->limit.view));
}

/* Rules that are no more make room for others. */
static void forget_rules(struct worker *w)
{
	const struct sonde_limit_view *view = sonde_worker_limits(w);
	size_t cursor = 0;
	uint64_t id;

	while (view && sonde_table_next(w->limit.tops, &cursor, &id)) {
		bool lives = false;

		for (uint32_t i = 0; i < view->n_rules && !lives; i++)
			lives = view->rules[i].id == id;
		if (!lives)
			sonde_table_remove(w->limit.tops, id);
	}
}

void sonde_worker_take_sample(struct worker *w, const struct sonde_limit_sample *s)
{
	struct sonde_limit_top *top = sonde_table_find(w->limit.tops, s->id);
	bool added;

	if (!top) {
		forget_rules(w);
		top = sonde_table_get(w->limit.tops, s->id, &added);
	}
	if (top)
		sonde_limit_top_add(top, s->source, s->weight);
	sonde_control_sample(w->control, s);
}

int sonde_worker_limit(void *ctx, int fd, const struct sonde_limit_command *command)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_LIMIT, .limit = *command };
	struct worker *w = ctx;

	return sonde_channel_send(w->channel.fd, &m, &fd, 1);
}

const struct sonde_limit_view *sonde_worker_limits(void *ctx)
{
	struct worker *w = ctx;

	return sonde_limit_view_read(w->limit.view, w->limit.copy) ? w->limit.copy : NULL;
}

struct sonde_limit_metrics *sonde_worker_limit_metrics(struct worker *w)
{
	struct sonde_limit_metrics *m = w->limit.scraped;

	m->start_unix_ns = w->start_unix_ns;
	m->now_ns = sonde_clock_mono_ns();
	return sonde_limit_view_read(w->limit.view, &m->view) ? m : NULL;
}

size_t sonde_worker_limit_top(void *ctx, uint32_t id, struct sonde_limit_source *out, size_t max)
{
	struct worker *w = ctx;
	const struct sonde_limit_top *top = sonde_table_find(w->limit.tops, id);

	return top ? sonde_limit_top_get(top, out, max) : 0;
}
