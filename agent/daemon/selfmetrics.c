// SPDX-License-Identifier: Apache-2.0
/*
 * One table of families; each says how many points it has and fills the I-th. A family with no
 * point in this snapshot is left out.
 */
#include "agent/daemon/selfmetrics.h"

struct family {
	struct sonde_metric_desc desc;
	size_t (*count)(const struct sonde_selfmetrics *m);
	void (*fill)(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out);
};

static void add_label(struct sonde_metric_point *out, const char *key, const char *value)
{
	out->labels[out->n_labels].key = key;
	out->labels[out->n_labels++].value = sonde_slice_str(value);
}

static size_t one(const struct sonde_selfmetrics *m)
{
	(void)m;
	return 1;
}

static size_t kinds(const struct sonde_selfmetrics *m)
{
	(void)m;
	return SONDE_KINDS;
}

static size_t kinds_and_losses(const struct sonde_selfmetrics *m)
{
	(void)m;
	return (size_t)SONDE_KINDS * SONDE_LOSSES;
}

static size_t exporters(const struct sonde_selfmetrics *m)
{
	return m->n_exporters;
}

static size_t programs(const struct sonde_selfmetrics *m)
{
	return m->status.kernel.n_programs;
}

static size_t maps(const struct sonde_selfmetrics *m)
{
	return m->status.kernel.n_maps;
}

static void build_info(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	add_label(out, "version", m->status.version);
	out->value = 1;
}

static void produced(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	add_label(out, "type", sonde_kind_name((enum sonde_kind)i));
	out->value = (double)m->status.ledger.produced[i];
}

static void delivered(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	add_label(out, "type", sonde_kind_name((enum sonde_kind)i));
	out->value = (double)m->status.ledger.delivered[i];
}

static void dropped(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	enum sonde_kind kind = (enum sonde_kind)(i / SONDE_LOSSES);
	enum sonde_loss loss = (enum sonde_loss)(i % SONDE_LOSSES);

	add_label(out, "type", sonde_kind_name(kind));
	add_label(out, "stage", sonde_loss_stage(loss));
	add_label(out, "reason", sonde_loss_name(loss));
	out->value = (double)m->status.ledger.dropped[kind][loss];
}

/* As the kernel side last told, next to `produced`, which a younger row of ours may have raised. */
static void kernel_records(const struct sonde_selfmetrics *m, size_t i,
			   struct sonde_metric_point *out)
{
	add_label(out, "type", sonde_kind_name((enum sonde_kind)i));
	out->value = (double)m->status.kernel.produced[i];
}

static size_t kernel_kinds(const struct sonde_selfmetrics *m)
{
	(void)m;
	return SONDE_KIND_REQUEST;
}

enum { UNOBSERVED = 7 }; /* reasons for which something could not be seen */

static size_t unobserved_reasons(const struct sonde_selfmetrics *m)
{
	(void)m;
	return UNOBSERVED;
}

static void unobserved(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	const struct sonde_kernel_status *k = &m->status.kernel;
	static const char *const reasons[UNOBSERVED] = { "storage_failed", "pairs_failed",
							 "nats_failed",	   "headers_odd",
							 "early_lost",	   "udp_uncounted",
							 "drops_uncounted" };
	const uint64_t values[UNOBSERVED] = { k->storage_failed, k->pairs_failed, k->nats_failed,
					      k->headers_odd,	 k->early_lost,	  k->udp_uncounted,
					      k->drops_uncounted };

	add_label(out, "reason", reasons[i]);
	out->value = (double)values[i];
}

static size_t two(const struct sonde_selfmetrics *m)
{
	(void)m;
	return 2;
}

static void rss(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	add_label(out, "process", i ? "worker" : "broker");
	out->value = (double)(i ? m->status.worker_rss_bytes : m->status.kernel.broker_rss_bytes);
}

static void restarts(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = m->status.kernel.worker_restarts;
}

static void canary_age(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value =
		m->status.canary_age_ns == UINT64_MAX ? -1 : (double)m->status.canary_age_ns / 1e9;
}

static void connections(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = m->status.connections;
}

static void ring_size(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.ring_bytes;
}

static void ring_used(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.ring_used_bytes;
}

static void series(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.series;
}

static void series_over(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.series_overflowed;
}

static void routes_over(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.routes_overflowed;
}

static void edges(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.edges;
}

static void edges_over(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.edges_overflowed;
}

static void edges_dropped(const struct sonde_selfmetrics *m, size_t i,
			  struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.edges_dropped;
}

static size_t findings(const struct sonde_selfmetrics *m)
{
	(void)m;
	return 3;
}

static void findings_memory(const struct sonde_selfmetrics *m, size_t i,
			    struct sonde_metric_point *out)
{
	static const char *const uses[] = { "series", "edges", "history" };
	const uint64_t bytes[] = { m->status.series_memory_bytes, m->status.edges_memory_bytes,
				   m->status.history_memory_bytes };

	add_label(out, "use", uses[i]);
	out->value = (double)bytes[i];
}

static void unknown(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.identities_unknown;
}

static size_t sources(const struct sonde_selfmetrics *m)
{
	return m->status.metadata.n_sources;
}

static const struct sonde_source_status *source(const struct sonde_selfmetrics *m, size_t i,
						struct sonde_metric_point *out)
{
	const struct sonde_source_status *s = &m->status.metadata.sources[i];

	add_label(out, "source", s->name);
	add_label(out, "address", s->address);
	return s;
}

static void source_requests(const struct sonde_selfmetrics *m, size_t i,
			    struct sonde_metric_point *out)
{
	out->value = (double)source(m, i, out)->requests;
}

static void source_failures(const struct sonde_selfmetrics *m, size_t i,
			    struct sonde_metric_point *out)
{
	out->value = (double)source(m, i, out)->failures;
}

static void source_told(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	out->value = (double)source(m, i, out)->told;
}

static void source_odd(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	out->value = (double)source(m, i, out)->misunderstood;
}

static void source_following(const struct sonde_selfmetrics *m, size_t i,
			     struct sonde_metric_point *out)
{
	out->value = source(m, i, out)->following;
}

static void source_success(const struct sonde_selfmetrics *m, size_t i,
			   struct sonde_metric_point *out)
{
	out->value = (double)source(m, i, out)->last_success_unix_ns / 1e9;
}

static void entries(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.metadata.entries;
}

static size_t three(const struct sonde_selfmetrics *m)
{
	(void)m;
	return 3;
}

static void metadata_dropped(const struct sonde_selfmetrics *m, size_t i,
			     struct sonde_metric_point *out)
{
	const struct sonde_metadata_status *s = &m->status.metadata;
	static const char *const what[] = { "workload", "question", "evicted" };
	const uint64_t values[] = { s->dropped_workloads, s->dropped_questions, s->evicted };

	add_label(out, "what", what[i]);
	out->value = (double)values[i];
}

static void unknown_connections(const struct sonde_selfmetrics *m, size_t i,
				struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.connections_unknown;
}

static void given_up(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.identities_given_up;
}

static void nobody(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.identities_overflowed;
}

static void peers_over(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.peers_overflowed;
}

static void shadowed(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.shadowed;
}

static void unsynced(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.unsynced;
}

static void by_quiet(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->status.ended_by_quiet;
}

static void program_up(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	add_label(out, "program", m->status.kernel.programs[i].name);
	out->value = m->status.kernel.programs[i].attached;
}

static void map_memory(const struct sonde_selfmetrics *m, size_t i, struct sonde_metric_point *out)
{
	add_label(out, "map", m->status.kernel.maps[i].name);
	out->value = (double)m->status.kernel.maps[i].memory_bytes;
}

static void export_produced(const struct sonde_selfmetrics *m, size_t i,
			    struct sonde_metric_point *out)
{
	add_label(out, "exporter", m->exporters[i].name);
	out->value = (double)m->exporters[i].stats.produced;
}

static void export_delivered(const struct sonde_selfmetrics *m, size_t i,
			     struct sonde_metric_point *out)
{
	add_label(out, "exporter", m->exporters[i].name);
	out->value = (double)m->exporters[i].stats.delivered;
}

static size_t exporters_twice(const struct sonde_selfmetrics *m)
{
	return m->n_exporters * 2;
}

static void export_dropped(const struct sonde_selfmetrics *m, size_t i,
			   struct sonde_metric_point *out)
{
	const struct sonde_exporter_stats *s = &m->exporters[i / 2].stats;

	add_label(out, "exporter", m->exporters[i / 2].name);
	add_label(out, "reason", i % 2 ? "error" : "queue_full");
	out->value = (double)(i % 2 ? s->dropped_error : s->dropped_full);
}

static void export_queued(const struct sonde_selfmetrics *m, size_t i,
			  struct sonde_metric_point *out)
{
	add_label(out, "exporter", m->exporters[i].name);
	out->value = (double)m->exporters[i].stats.queued;
}

static void trace_delivered(const struct sonde_selfmetrics *m, size_t i,
			    struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->trace_delivered;
}

static void trace_dropped(const struct sonde_selfmetrics *m, size_t i,
			  struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->trace_dropped;
}

#define COUNTER(name_, help_)                                                               \
	{                                                                                   \
		.name = (name_), .unit = "1", .help = (help_), .type = SONDE_METRIC_COUNTER \
	}
#define GAUGE(name_, unit_, help_)                                                            \
	{                                                                                     \
		.name = (name_), .unit = (unit_), .help = (help_), .type = SONDE_METRIC_GAUGE \
	}

static const struct family families[] = {
	{ GAUGE("sonde.build_info", "", "Version of the daemon."), one, build_info },
	{ COUNTER("sonde.records.produced", "Records that the kernel side, or track, produced."),
	  kinds, produced },
	{ COUNTER("sonde.kernel.records",
		  "Records the kernel side counted, up to half a second ago; nothing derived."),
	  kernel_kinds, kernel_records },
	{ COUNTER("sonde.records.delivered", "Records that reached the next stage."), kinds,
	  delivered },
	{ COUNTER("sonde.records.dropped", "Records lost, by the stage that lost them and why."),
	  kinds_and_losses, dropped },
	{ COUNTER("sonde.unobserved", "Sockets and packets that could not be observed, and why."),
	  unobserved_reasons, unobserved },
	{ COUNTER("sonde.requests.shadowed",
		  "Connections reported by their other end on this node instead."),
	  one, shadowed },
	{ COUNTER("sonde.requests.unknown_process", "Requests whose process could not be named."),
	  one, unknown },
	{ COUNTER("sonde.connections.unknown_process",
		  "Connections that ended and whose process could not be named."),
	  one, unknown_connections },
	{ COUNTER("sonde.processes.given_up", "Processes that /proc told nothing of in time."), one,
	  given_up },
	{ COUNTER("sonde.processes.overflowed", "Connections without a process for want of room."),
	  one, nobody },
	{ COUNTER("sonde.peers.overflowed", "Times that a remote peer was called __other__."), one,
	  peers_over },
	{ COUNTER("sonde.metadata.requests", "Questions to who knows the names of containers."),
	  sources, source_requests },
	{ COUNTER("sonde.metadata.failures", "Those that had no good answer."), sources,
	  source_failures },
	{ COUNTER("sonde.metadata.told", "Containers and pods, each time they were told of."),
	  sources, source_told },
	{ COUNTER("sonde.metadata.misunderstood", "Single pieces of news that made no sense."),
	  sources, source_odd },
	{ GAUGE("sonde.metadata.following", "", "1 while news are told as they happen."), sources,
	  source_following },
	{ GAUGE("sonde.metadata.last_success_timestamp", "s",
		"When a source last told something, since the epoch; 0 never."),
	  sources, source_success },
	{ GAUGE("sonde.metadata.entries", "{workload}", "Containers and pods that are known."), one,
	  entries },
	{ COUNTER("sonde.metadata.dropped", "What was not kept or not asked for want of room."),
	  three, metadata_dropped },
	{ COUNTER("sonde.responses.unmatched", "Answers to requests that were not seen."), one,
	  unsynced },
	{ COUNTER("sonde.responses.ended_by_silence",
		  "Answers of unknown length whose end was told by silence alone."),
	  one, by_quiet },
	{ COUNTER("sonde.exporter.records.produced", "Records offered to an exporter."), exporters,
	  export_produced },
	{ COUNTER("sonde.exporter.records.delivered", "Records that an exporter wrote out."),
	  exporters, export_delivered },
	{ COUNTER("sonde.exporter.records.dropped", "Records that an exporter dropped, and why."),
	  exporters_twice, export_dropped },
	{ GAUGE("sonde.exporter.queue.length", "{record}", "Records in an exporter's queue."),
	  exporters, export_queued },
	{ COUNTER("sonde.trace.delivered", "Requests sent to clients of the control socket."), one,
	  trace_delivered },
	{ COUNTER("sonde.trace.dropped",
		  "Requests that clients of the control socket were too slow for."),
	  one, trace_dropped },
	{ COUNTER("sonde.worker.restarts", "Workers started in place of one that ended."), one,
	  restarts },
	{ COUNTER("sonde.series.overflowed", "Requests counted under __other__ for want of room."),
	  one, series_over },
	{ COUNTER("sonde.routes.overflowed", "Requests whose route is __other__."), one,
	  routes_over },
	{ GAUGE("sonde.series", "{series}", "Series that are live."), one, series },
	{ GAUGE("sonde.edges", "{edge}", "Pairs of services that are live."), one, edges },
	{ COUNTER("sonde.edges.overflowed",
		  "Requests, and news of connections, counted under __other__ for want of room."),
	  one, edges_over },
	{ COUNTER("sonde.edges.dropped", "What edges could not count for want of memory."), one,
	  edges_dropped },
	{ GAUGE("sonde.connections", "{connection}", "Connections being followed."), one,
	  connections },
	{ GAUGE("sonde.ring.size", "By", "Room in the ring."), one, ring_size },
	{ GAUGE("sonde.ring.used", "By", "Bytes waiting in the ring."), one, ring_used },
	{ GAUGE("sonde.canary.age", "s", "Since the last self-made request came back; -1 never."),
	  one, canary_age },
	{ GAUGE("sonde.process.resident_memory", "By", "Memory of the two processes."), two, rss },
	{ GAUGE("sonde.worker.memory", "By", "Memory that the worker keeps its findings in."),
	  findings, findings_memory },
	{ GAUGE("sonde.program.attached", "", "1 when a kernel program is attached."), programs,
	  program_up },
	{ GAUGE("sonde.map.memory", "By", "Kernel memory of a map."), maps, map_memory },
};

static bool next_point(void *ctx, struct sonde_metric_cursor *cursor,
		       struct sonde_metric_point *out)
{
	const struct sonde_selfmetrics *m = ctx;
	const size_t n = sizeof(families) / sizeof(families[0]);

	while (cursor->family < n && cursor->item >= families[cursor->family].count(m)) {
		cursor->family++;
		cursor->item = 0;
	}
	if (cursor->family == n)
		return false;
	*out = (struct sonde_metric_point){
		.desc = &families[cursor->family].desc,
		.start_unix_ns = m->status.start_unix_ns,
	};
	families[cursor->family].fill(m, cursor->item++, out);
	return true;
}

struct sonde_metric_source sonde_selfmetrics_source(struct sonde_selfmetrics *m)
{
	return (struct sonde_metric_source){ .ctx = m, .next = next_point };
}

bool sonde_selfmetrics_family(size_t i, struct sonde_metric_family *out)
{
	/* The first point of each tells its labels, of a daemon that has done nothing, too. */
	static const struct sonde_selfmetrics nothing;
	struct sonde_metric_point p = { 0 };

	if (i >= sizeof(families) / sizeof(families[0]))
		return false;
	families[i].fill(&nothing, 0, &p);
	*out = (struct sonde_metric_family){ .desc = &families[i].desc, .n_labels = p.n_labels };
	for (size_t k = 0; k < p.n_labels; k++)
		out->labels[k] = p.labels[k].key;
	return true;
}
