// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/edges.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "agent/agg/agg.h"
#include "tools/sonde/cli.h"

static int compare_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_edges(const Sonde__Edge *a, const Sonde__Edge *b)
{
	int order = compare_bytes(a->client, b->client);

	if (!order)
		order = compare_bytes(a->server, b->server);
	return order ? order : (a->transport > b->transport) - (a->transport < b->transport);
}

static int compare_sorted(const void *a, const void *b)
{
	return compare_edges(*(Sonde__Edge *const *)a, *(Sonde__Edge *const *)b);
}

/* All parts are there: rows are made of them. */
static bool is_whole(const Sonde__Edge *e)
{
	return e->request_duration && e->rtt && e->to_server && e->to_client && e->failed;
}

int sonde_edges_make(struct sonde_frames frames, struct sonde_edges_snapshot *out)
{
	struct sonde_edges_snapshot s = { .frames = frames };
	size_t n = 0;

	for (size_t i = 0; i < frames.n; i++)
		n += frames.items[i]->edge_batch->n_edges;
	s.edges = calloc(n ? n : 1, sizeof(Sonde__Edge *));
	if (!s.edges) {
		sonde_edges_snapshot_free(&s);
		return -ENOMEM;
	}
	for (size_t i = 0; i < frames.n; i++) {
		const Sonde__EdgeBatch *batch = frames.items[i]->edge_batch;

		for (size_t k = 0; k < batch->n_edges; k++)
			if (is_whole(batch->edges[k]))
				s.edges[s.n_edges++] = batch->edges[k];
		s.time_unix_ns = batch->time_unix_ns;
	}
	qsort(s.edges, s.n_edges, sizeof(Sonde__Edge *), compare_sorted);
	*out = s;
	return 0;
}

void sonde_edges_snapshot_free(struct sonde_edges_snapshot *s)
{
	sonde_frames_free(&s->frames);
	free(s->edges);
	*s = (struct sonde_edges_snapshot){ 0 };
}

int sonde_edges_fetch(struct sonde_link *l, struct sonde_edges_snapshot *out)
{
	Sonde__GetEdges get = SONDE__GET_EDGES__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct sonde_frames frames;
	int code, err;

	frame.body_case = SONDE__FRAME__BODY_GET_EDGES;
	frame.get_edges = &get;
	code = sonde_frames_ask(l, &frame, SONDE__FRAME__BODY_EDGE_BATCH, 0, &frames);
	if (code != SONDE_EXIT_OK)
		return code;
	err = sonde_edges_make(frames, out);
	return err ? sonde_link_fail(err) : SONDE_EXIT_OK;
}

const Sonde__Edge *sonde_edges_find(const struct sonde_edges_snapshot *s, const Sonde__Edge *key)
{
	Sonde__Edge *const *hit = NULL;

	if (s->n_edges)
		hit = bsearch(&key, s->edges, s->n_edges, sizeof(Sonde__Edge *), compare_sorted);
	return hit && (*hit)->start_unix_ns == key->start_unix_ns ? *hit : NULL;
}

static struct sonde_histogram_view view_of(const Sonde__Histogram *h)
{
	return (struct sonde_histogram_view){
		.count = h->count,
		.sum = h->sum,
		.zero_count = h->zero_count,
		.scale = h->scale,
		.offset = h->offset,
		.counts = h->counts,
		.n_counts = h->n_counts,
	};
}

static void add_histogram(struct sonde_buckets *b, const Sonde__Histogram *now,
			  const Sonde__Histogram *earlier)
{
	struct sonde_histogram_view view = view_of(now);

	sonde_buckets_add(b, &view);
	if (!earlier)
		return;
	view = view_of(earlier);
	sonde_buckets_subtract(b, &view);
}

static void add_travel(struct sonde_travel *t, const Sonde__Travel *now,
		       const Sonde__Travel *earlier)
{
	static const Sonde__Travel nothing = SONDE__TRAVEL__INIT;

	if (!earlier)
		earlier = &nothing;
	t->bytes += now->bytes - earlier->bytes;
	t->segments += now->segments - earlier->segments;
	t->retransmits += now->retransmits - earlier->retransmits;
	t->out_of_order += now->out_of_order - earlier->out_of_order;
}

static void add_failures(struct sonde_edge_row *row, const Sonde__ConnectFailures *now,
			 const Sonde__ConnectFailures *earlier)
{
	static const Sonde__ConnectFailures nothing = SONDE__CONNECT_FAILURES__INIT;

	if (!earlier)
		earlier = &nothing;
	row->failed[SONDE_CONNECT_REFUSED] += now->refused - earlier->refused;
	row->failed[SONDE_CONNECT_TIMED_OUT] += now->timed_out - earlier->timed_out;
	row->failed[SONDE_CONNECT_UNREACHABLE] += now->unreachable - earlier->unreachable;
	row->failed[SONDE_CONNECT_RESET] += now->reset - earlier->reset;
	row->failed[SONDE_CONNECT_ABORTED] += now->aborted - earlier->aborted;
}

static void add_numbers(struct sonde_edge_row *row, const Sonde__Edge *now,
			const Sonde__Edge *earlier)
{
	static const Sonde__Edge nothing = SONDE__EDGE__INIT;

	if (!earlier)
		earlier = &nothing;
	row->requests += now->requests - earlier->requests;
	row->errors += now->errors - earlier->errors;
	row->opened += now->opened - earlier->opened;
	row->closed += now->closed - earlier->closed;
	row->active += now->active;
	row->reset_by_client += now->reset_by_client - earlier->reset_by_client;
	row->reset_by_server += now->reset_by_server - earlier->reset_by_server;
	row->timed_out += now->timed_out - earlier->timed_out;
	row->network_ns += now->network_ns - earlier->network_ns;
	row->queue_ns += now->queue_ns - earlier->queue_ns;
	row->application_ns += now->application_ns - earlier->application_ns;
	row->transfer_ns += now->transfer_ns - earlier->transfer_ns;
	row->zero_windows += now->zero_windows - earlier->zero_windows;
	row->rwnd_limited_ns += now->rwnd_limited_ns - earlier->rwnd_limited_ns;
	row->sndbuf_limited_ns += now->sndbuf_limited_ns - earlier->sndbuf_limited_ns;
}

void sonde_edge_row_add(struct sonde_edge_row *row, const Sonde__Edge *now,
			const Sonde__Edge *earlier)
{
	add_numbers(row, now, earlier);
	add_failures(row, now->failed, earlier ? earlier->failed : NULL);
	add_travel(&row->to_server, now->to_server, earlier ? earlier->to_server : NULL);
	add_travel(&row->to_client, now->to_client, earlier ? earlier->to_client : NULL);
	add_histogram(&row->duration, now->request_duration,
		      earlier ? earlier->request_duration : NULL);
	add_histogram(&row->rtt, now->rtt, earlier ? earlier->rtt : NULL);
}

int sonde_edges_rows(const struct sonde_edges_snapshot *older,
		     const struct sonde_edges_snapshot *newer, struct sonde_edge_row **out)
{
	struct sonde_edge_row *rows = calloc(newer->n_edges ? newer->n_edges : 1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < newer->n_edges; i++) {
		rows[i].edge = newer->edges[i];
		sonde_edge_row_add(&rows[i], newer->edges[i],
				   sonde_edges_find(older, newer->edges[i]));
	}
	*out = rows;
	return 0;
}

uint64_t sonde_edge_row_failed(const struct sonde_edge_row *row)
{
	uint64_t n = 0;

	for (int i = SONDE_CONNECT_OK + 1; i < SONDE_CONNECT_ERRORS; i++)
		n += row->failed[i];
	return n;
}

double sonde_edge_row_error_share(const struct sonde_edge_row *row)
{
	return row->requests ? (double)row->errors / (double)row->requests : 0;
}

double sonde_edge_row_retransmit_share(const struct sonde_edge_row *row)
{
	uint64_t again = row->to_server.retransmits + row->to_client.retransmits;
	uint64_t sent = row->to_server.segments + row->to_client.segments;

	if (!again)
		return 0;
	return sent > again ? (double)again / (double)sent : 1;
}

static double quantile_ns(const struct sonde_buckets *b, double q)
{
	struct sonde_histogram_view view;

	if (!b->n && !b->zero_count)
		return NAN;
	sonde_buckets_view(b, &view);
	return view.count ? sonde_histogram_quantile(&view, q) * 1e9 : NAN;
}

double sonde_edge_row_duration_ns(const struct sonde_edge_row *row, double q)
{
	return quantile_ns(&row->duration, q);
}

double sonde_edge_row_rtt_ns(const struct sonde_edge_row *row, double q)
{
	return quantile_ns(&row->rtt, q);
}
