// SPDX-License-Identifier: Apache-2.0
/* Slices of series. */
#include "agent/daemon/control_internal.h"

#include <string.h>

#include "agent/core/clock.h"

enum { PER_BATCH = 8 }; /* even with the longest labels a batch stays below 1 MiB */

struct batch {
	Sonde__Series series[PER_BATCH];
	struct sonde_control_histogram histograms[PER_BATCH];
	Sonde__Series *list[PER_BATCH];
	size_t n;
};

void sonde_control_put_histogram(const struct sonde_histogram_view *v,
				 struct sonde_control_histogram *out)
{
	size_t n = v->n_counts < SONDE_HISTOGRAM_BUCKETS ? v->n_counts : SONDE_HISTOGRAM_BUCKETS;

	sonde__histogram__init(&out->message);
	out->message.count = v->count;
	out->message.sum = v->sum;
	out->message.min = v->min;
	out->message.max = v->max;
	out->message.zero_count = v->zero_count;
	out->message.scale = v->scale;
	out->message.offset = v->offset;
	out->message.counts = out->counts;
	out->message.n_counts = n;
	if (n)
		memcpy(out->counts, v->counts, n * sizeof(out->counts[0]));
}

static void put_series(const struct sonde_series_view *v, struct batch *b)
{
	Sonde__Series *s = &b->series[b->n];

	sonde__series__init(s);
	s->role = (Sonde__Role)v->role;
	s->service = sonde_wire_bytes(v->service);
	s->peer_service = sonde_wire_bytes(v->peer_service);
	s->method = sonde_wire_bytes(v->method);
	s->route = sonde_wire_bytes(v->route);
	s->error_type = sonde_wire_bytes(v->error_type);
	s->status = v->status;
	s->count = v->count;
	s->request_bytes = v->request_bytes;
	s->response_bytes = v->response_bytes;
	s->start_unix_ns = v->start_unix_ns;
	sonde_control_put_histogram(&v->duration, &b->histograms[b->n]);
	s->duration = &b->histograms[b->n].message;
	b->list[b->n++] = s;
}

static bool is_wanted(const Sonde__GetSeries *get, const struct sonde_series_view *v)
{
	for (size_t i = 0; i < get->n_services; i++)
		if (sonde_slice_glob(v->service, sonde_wire_slice(get->services[i])))
			return true;
	return !get->n_services;
}

/* Fills B from the cursor of the dump. False: that was the last series. */
static bool fill(struct sonde_client *cl, struct batch *b)
{
	const struct sonde_control_source *src = &cl->control->source;
	struct sonde_client_dump *dump = &cl->dump;
	struct sonde_series_view view;

	/* Unwanted series count too, so that a narrow filter does not make one long turn. */
	for (int looked = 0; looked < PER_BATCH; looked++) {
		if (!dump->left || !src->series(src->ctx, &dump->cursor, &view))
			return false;
		if (!is_wanted(dump->request->get_series, &view))
			continue;
		put_series(&view, b);
		dump->left--;
	}
	return true;
}

static void send_batch(struct sonde_client *cl, struct batch *b, bool last)
{
	Sonde__SeriesBatch message = SONDE__SERIES_BATCH__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	message.n_series = b->n;
	message.series = b->list;
	message.last = last;
	message.time_unix_ns = sonde_clock_ns(CLOCK_REALTIME);
	frame.body_case = SONDE__FRAME__BODY_SERIES_BATCH;
	frame.series_batch = &message;
	sonde_client_reply(cl, &frame);
}

void sonde_client_dump_series(struct sonde_client *cl)
{
	struct batch b = { .n = 0 };
	bool more = fill(cl, &b);

	if (!more)
		sonde_client_end_dump(cl);
	if (b.n || !more)
		send_batch(cl, &b, !more);
}
