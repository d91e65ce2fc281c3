// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/snapshot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "agent/agg/agg.h"
#include "tools/sonde/cli.h"
#include "tools/sonde/filter_words.h"

static int compare_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_service(const Sonde__Series *a, const Sonde__Series *b)
{
	int order = compare_bytes(a->service, b->service);

	return order ? order : (a->role > b->role) - (a->role < b->role);
}

static int compare_operation(const Sonde__Series *a, const Sonde__Series *b)
{
	int order = compare_service(a, b);

	if (!order)
		order = compare_bytes(a->method, b->method);
	return order ? order : compare_bytes(a->route, b->route);
}

static int compare_series(const Sonde__Series *a, const Sonde__Series *b)
{
	int order = compare_operation(a, b);

	if (!order)
		order = compare_bytes(a->peer_service, b->peer_service);
	if (!order)
		order = compare_bytes(a->error_type, b->error_type);
	return order ? order : (a->status > b->status) - (a->status < b->status);
}

static int compare_sorted(const void *a, const void *b)
{
	return compare_series(*(Sonde__Series *const *)a, *(Sonde__Series *const *)b);
}

int sonde_snapshot_make(struct sonde_frames frames, struct sonde_snapshot *out)
{
	struct sonde_snapshot s = { .frames = frames };
	size_t n = 0;

	for (size_t i = 0; i < frames.n; i++)
		n += frames.items[i]->series_batch->n_series;
	s.series = calloc(n ? n : 1, sizeof(Sonde__Series *));
	if (!s.series) {
		sonde_snapshot_free(&s);
		return -ENOMEM;
	}
	for (size_t i = 0; i < frames.n; i++) {
		const Sonde__SeriesBatch *batch = frames.items[i]->series_batch;

		for (size_t k = 0; k < batch->n_series; k++)
			if (batch->series[k]->duration)
				s.series[s.n_series++] = batch->series[k];
		s.time_unix_ns = batch->time_unix_ns;
	}
	qsort(s.series, s.n_series, sizeof(Sonde__Series *), compare_sorted);
	*out = s;
	return 0;
}

void sonde_snapshot_free(struct sonde_snapshot *s)
{
	sonde_frames_free(&s->frames);
	free(s->series);
	*s = (struct sonde_snapshot){ 0 };
}

int sonde_snapshot_fetch(struct sonde_link *l, const struct sonde_words *services,
			 struct sonde_snapshot *out)
{
	ProtobufCBinaryData globs[SONDE_WORDS_MAX];
	Sonde__GetSeries get = SONDE__GET_SERIES__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct sonde_frames frames;
	int code, err;

	get.n_services = sonde_filter_texts(services, globs);
	get.services = globs;
	frame.body_case = SONDE__FRAME__BODY_GET_SERIES;
	frame.get_series = &get;
	code = sonde_frames_ask(l, &frame, SONDE__FRAME__BODY_SERIES_BATCH, 0, &frames);
	if (code != SONDE_EXIT_OK)
		return code;
	err = sonde_snapshot_make(frames, out);
	return err ? sonde_link_fail(err) : SONDE_EXIT_OK;
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

/* The same series in S, when it has counted on since. */
static const Sonde__Series *find_earlier(const struct sonde_snapshot *s, const Sonde__Series *key)
{
	size_t low = 0, high = s->n_series;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_series(s->series[middle], key);

		if (order == 0)
			return s->series[middle]->start_unix_ns == key->start_unix_ns &&
					       s->series[middle]->count <= key->count
				       ? s->series[middle]
				       : NULL;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void add_series(struct sonde_row *row, const Sonde__Series *now,
		       const Sonde__Series *earlier)
{
	struct sonde_histogram_view view = view_of(now->duration);
	uint64_t count = now->count;

	row->request_bytes += now->request_bytes;
	row->response_bytes += now->response_bytes;
	sonde_buckets_add(&row->duration, &view);
	if (earlier) {
		view = view_of(earlier->duration);
		count -= earlier->count;
		row->request_bytes -= earlier->request_bytes;
		row->response_bytes -= earlier->response_bytes;
		sonde_buckets_subtract(&row->duration, &view);
	}
	row->count += count;
	if (now->error_type.len)
		row->errors += count;
}

static bool is_same_row(enum sonde_grouping grouping, const Sonde__Series *a,
			const Sonde__Series *b)
{
	return (grouping == SONDE_GROUP_SERVICE ? compare_service(a, b)
						: compare_operation(a, b)) == 0;
}

long sonde_rows_make(const struct sonde_snapshot *older, const struct sonde_snapshot *newer,
		     enum sonde_grouping grouping, struct sonde_row **out)
{
	struct sonde_row *rows = NULL, *bigger;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < newer->n_series; i++) {
		const Sonde__Series *s = newer->series[i];

		if (!n || !is_same_row(grouping, rows[n - 1].first, s)) {
			if (n == cap) {
				cap = cap ? cap * 2 : 16;
				bigger = realloc(rows, cap * sizeof(*rows));
				if (!bigger) {
					free(rows);
					return -ENOMEM;
				}
				rows = bigger;
			}
			rows[n++] = (struct sonde_row){ .first = s, .from = i };
		}
		rows[n - 1].n++;
		add_series(&rows[n - 1], s, find_earlier(older, s));
	}
	*out = rows;
	return (long)n;
}

double sonde_row_quantile_ns(const struct sonde_row *row, double q)
{
	struct sonde_histogram_view view;

	if (!row->count || (!row->duration.n && !row->duration.zero_count))
		return NAN;
	sonde_buckets_view(&row->duration, &view);
	return sonde_histogram_quantile(&view, q) * 1e9;
}

double sonde_row_error_share(const struct sonde_row *row)
{
	return row->count ? (double)row->errors / (double)row->count : 0;
}

bool sonde_row_next_peer(const struct sonde_snapshot *s, const struct sonde_row *row,
			 size_t *cursor, struct sonde_slice *out)
{
	while (*cursor < row->n) {
		size_t at = row->from + (*cursor)++;
		ProtobufCBinaryData peer = s->series[at]->peer_service;
		bool seen = peer.len == 0;

		for (size_t k = row->from; !seen && k < at; k++)
			seen = compare_bytes(peer, s->series[k]->peer_service) == 0;
		if (seen)
			continue;
		*out = sonde_wire_slice(peer);
		return true;
	}
	return false;
}
