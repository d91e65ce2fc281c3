// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshots: what the kernel counts for live connections, listeners, UDP flows and drops is asked
 * for at an interval, and when somebody wants to see it, and read in slices between drains.
 *
 *   due or refresh -> ask the broker -> files -> a slice every millisecond -> done, due again
 */
#include "agent/daemon/worker_state.h"

#include <unistd.h>

#include "agent/core/clock.h"

enum {
	SHARE = 50,	 /* at most one part in so many of this thread's time */
	ANSWER_S = 5,	 /* a broker that has not answered by then is asked again */
	SLICE_READS = 4, /* of 32 KiB: some hundred microseconds */
};

static void on_snapshot(void *ctx, const struct sonde_snapshot *s)
{
	struct worker *w = ctx;

	switch (s->kind) {
	case SONDE_SNAPSHOT_TCP:
		sonde_track_facts(w->track, s->id, &s->tcp);
		break;
	case SONDE_SNAPSHOT_LISTENER:
		sonde_pipeline_listener(&w->pipeline, s->id, &s->listener);
		break;
	case SONDE_SNAPSHOT_DROP:
		sonde_pipeline_drop(&w->pipeline, &s->drop);
		break;
	case SONDE_SNAPSHOT_UDP_SOCKET:
		sonde_pipeline_udp_socket(&w->pipeline, s->id, &s->udp_socket);
		break;
	case SONDE_SNAPSHOT_UDP_FLOW:
		sonde_track_udp(w->track, s->id, &s->udp_flow);
		break;
	default:
		break;
	}
}

static void set_due(struct worker *w)
{
	uint64_t least = w->snapshot.duration_ns * SHARE;
	uint64_t period = w->config.connections.snapshot_interval_ns;

	sonde_timer_set(&w->snapshot.due, period > least ? period : least);
}

static void ask(struct worker *w)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_SNAPSHOT };
	uint64_t now = sonde_clock_mono_ns();

	if (sonde_snapshot_busy(&w->snapshot.reader) ||
	    (w->snapshot.asked_ns && now - w->snapshot.asked_ns < ANSWER_S * SONDE_NS_PER_SEC))
		return;
	if (!sonde_channel_send(w->channel.fd, &m, NULL, 0))
		w->snapshot.asked_ns = now;
}

static void finish(struct worker *w)
{
	sonde_timer_set(&w->snapshot.slice, 0);
	w->snapshot.duration_ns = w->snapshot.spent_ns;
	w->snapshot.last_ns = sonde_clock_mono_ns();
	set_due(w);
	if (w->snapshot.again)
		ask(w);
	w->snapshot.again = false;
	sonde_control_refreshed(w->control);
}

static void slice_expired(struct sonde_timer *t, uint64_t times)
{
	struct worker *w = sonde_container_of(t, struct worker, snapshot.slice);
	uint64_t began = sonde_clock_mono_ns();
	int more = 1;

	(void)times;
	w->now_ns = began;
	for (int i = 0; i < SLICE_READS && more > 0; i++)
		more = sonde_snapshot_read(&w->snapshot.reader, on_snapshot, w);
	sonde_pipeline_release(&w->pipeline, began);
	w->snapshot.spent_ns += sonde_clock_mono_ns() - began;
	if (!more)
		sonde_track_end_facts(w->track);
	if (more <= 0)
		finish(w);
}

static void due_expired(struct sonde_timer *t, uint64_t times)
{
	(void)times;
	ask(sonde_container_of(t, struct worker, snapshot.due));
}

unsigned int sonde_worker_refresh(void *ctx)
{
	struct worker *w = ctx;

	if (sonde_snapshot_busy(&w->snapshot.reader)) {
		w->snapshot.again = true;
		return 2;
	}
	ask(w);
	return w->snapshot.asked_ns ? 1 : 0;
}

void sonde_worker_take_snapshot(struct worker *w, const int *fds, size_t n_fds)
{
	w->snapshot.asked_ns = 0;
	w->snapshot.spent_ns = 0;
	/* What has closed since is in the ring: first things first. */
	sonde_worker_drain(w);
	sonde_snapshot_begin(&w->snapshot.reader, fds, n_fds);
	sonde_timer_set(&w->snapshot.slice, SONDE_NS_PER_MS);
}

int sonde_worker_open_snapshots(struct worker *w)
{
	int err;

	w->snapshot.due.expired = due_expired;
	w->snapshot.slice.expired = slice_expired;
	err = sonde_timer_start(w->loop, &w->snapshot.due,
				w->config.connections.snapshot_interval_ns);
	if (!err)
		err = sonde_timer_start(w->loop, &w->snapshot.slice, 0);
	return err;
}

void sonde_worker_close_snapshots(struct worker *w)
{
	sonde_snapshot_fini(&w->snapshot.reader);
	sonde_timer_stop(&w->snapshot.due);
	sonde_timer_stop(&w->snapshot.slice);
}
