// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/worker_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/daemon/config.h"

#define READY_AGE_NS (30 * SONDE_NS_PER_SEC)

static uint64_t own_rss(void)
{
	unsigned long long size, resident = 0;
	char text[128];
	ssize_t n;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%llu %llu", &size, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Kernel rows come from the kernel's counters, the others are kept as they happen. */
static void fill_ledger(struct worker *w, struct sonde_ledger *out)
{
	*out = w->shared->ledger;
	for (int kind = 0; kind < SONDE_KIND_REQUEST; kind++) {
		uint64_t ended = out->delivered[kind];

		out->produced[kind] = w->kernel.produced[kind];
		out->dropped[kind][SONDE_LOSS_RING_FULL] = w->kernel.ring_full[kind];
		for (int loss = 0; loss < SONDE_LOSSES; loss++)
			ended += out->dropped[kind][loss];
		/* The kernel's rows are up to half a second old; what has ended was produced. */
		if (ended > out->produced[kind])
			out->produced[kind] = ended;
	}
}

void sonde_worker_status(void *ctx, struct sonde_status *out)
{
	struct worker *w = ctx;
	struct sonde_track_stats track;
	struct sonde_agg_stats agg;
	struct sonde_routes_stats routes;
	struct sonde_edges_stats edges;
	struct sonde_processes_stats processes;
	struct sonde_peers_stats peers;

	sonde_track_stats(w->track, &track);
	sonde_agg_stats(w->pipeline.agg, &agg);
	sonde_routes_stats(w->pipeline.routes, &routes);
	sonde_edges_stats(w->pipeline.edges, &edges);
	sonde_processes_stats(w->pipeline.processes, &processes);
	sonde_peers_stats(w->pipeline.peers, &peers);
	*out = (struct sonde_status){
		.kernel = w->kernel,
		.version = SONDE_VERSION,
		.start_unix_ns = w->start_unix_ns,
		.worker_rss_bytes = own_rss(),
		.worker_pid = (uint32_t)getpid(),
		.connections = (uint32_t)track.connections,
		.connections_max = (uint32_t)track.connections_max,
		.ring_bytes = w->ring.size,
		.ring_used_bytes = sonde_ring_used(&w->ring),
		.canary_age_ns = sonde_canary_age_ns(w->canary, sonde_clock_mono_ns()),
		.series = agg.series,
		.series_max = agg.series_max,
		.series_overflowed = agg.overflowed,
		.routes_overflowed = routes.overflowed,
		.edges = edges.edges,
		.edges_overflowed = edges.overflowed,
		.edges_dropped = edges.dropped,
		.series_memory_bytes = agg.memory_bytes,
		.edges_memory_bytes = edges.memory_bytes,
		.history_memory_bytes = sonde_history_memory(w->pipeline.history),
		.identities_unknown = w->pipeline.unknown,
		.connections_unknown = w->pipeline.unknown_connections,
		.identities_given_up = processes.given_up,
		.identities_overflowed = processes.overflowed,
		.peers_overflowed = peers.overflowed,
		.unsynced = track.unsynced,
		.ended_by_quiet = track.ended_by_quiet,
		.shadowed = track.shadowed,
	};
	fill_ledger(w, &out->ledger);
	sonde_worker_metadata_status(w, &out->metadata);
}

bool sonde_worker_series(void *ctx, size_t *cursor, struct sonde_series_view *out)
{
	struct worker *w = ctx;

	return sonde_agg_next(w->pipeline.agg, cursor, out);
}

int sonde_worker_config(void *ctx, struct sonde_buf *out)
{
	struct worker *w = ctx;

	sonde_config_print(&w->config, false, out);
	return out->failed ? -ENOSPC : 0;
}

bool sonde_worker_live(void *ctx, size_t *cursor, struct sonde_connection *out)
{
	struct worker *w = ctx;
	uint64_t now_ns = sonde_clock_mono_ns();

	if (!sonde_track_next_connection(w->track, cursor, out))
		return false;
	/* track's own clock stands still while no records come. */
	if (now_ns > out->opened_ns)
		out->duration_ns = now_ns - out->opened_ns;
	sonde_pipeline_name_connection(&w->pipeline, out);
	return true;
}

bool sonde_worker_closed(void *ctx, uint64_t *cursor, struct sonde_connection *out)
{
	struct worker *w = ctx;

	return sonde_history_next(w->pipeline.history, cursor, sonde_clock_ns(CLOCK_REALTIME), out);
}

bool sonde_worker_event(void *ctx, uint64_t id, uint64_t *cursor, struct sonde_event *out)
{
	struct worker *w = ctx;

	return sonde_history_event(w->pipeline.history, id, cursor, out);
}

bool sonde_worker_edge(void *ctx, size_t *cursor, struct sonde_edge_view *out)
{
	struct worker *w = ctx;

	return sonde_edges_next(w->pipeline.edges, cursor, out);
}

size_t sonde_worker_prepare_scrape(void *ctx, struct sonde_metric_source *sources)
{
	struct worker *w = ctx;
	struct sonde_limit_metrics *limits = sonde_worker_limit_metrics(w);
	struct sonde_control_stats control;
	size_t n = 0;

	sonde_worker_drain(w);
	sonde_pipeline_count_active(&w->pipeline, w->track);
	sonde_worker_status(w, &w->self.status);
	sonde_control_stats(w->control, &control);
	w->self.trace_delivered = control.delivered;
	w->self.trace_dropped = control.dropped_slow + control.dropped_gone;
	for (size_t i = 0; i < sonde_n_exporters && i < SONDE_SELFMETRICS_EXPORTERS; i++) {
		if (!w->pipeline.exporters[i])
			continue;
		w->self.exporters[n].name = sonde_exporters[i]->name;
		sonde_exporters[i]->stats(w->pipeline.exporters[i], &w->self.exporters[n].stats);
		n++;
	}
	w->self.n_exporters = n;
	sources[0] = sonde_agg_source(w->pipeline.agg);
	sources[1] = sonde_edges_source(w->pipeline.edges);
	sources[2] = sonde_selfmetrics_source(&w->self);
	if (!limits)
		return 3;
	sources[3] = sonde_limit_metrics_source(limits);
	return 4;
}

const char *sonde_worker_not_ready(void *ctx)
{
	struct worker *w = ctx;
	uint64_t age = sonde_canary_age_ns(w->canary, sonde_clock_mono_ns());

	if (age == UINT64_MAX)
		return "no request of our own has come back through the pipeline yet";
	return age > READY_AGE_NS ? "requests of our own no longer come back" : NULL;
}

void sonde_worker_tell_losses(struct worker *w)
{
	for (int kind = 0; kind < SONDE_KIND_REQUEST; kind++) {
		uint64_t n = w->kernel.ring_full[kind] - w->told_full[kind];

		if (n)
			sonde_control_lost(w->control, (enum sonde_kind)kind, SONDE_LOSS_RING_FULL,
					   n);
		w->told_full[kind] = w->kernel.ring_full[kind];
	}
}
