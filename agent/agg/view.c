// SPDX-License-Identifier: Apache-2.0
/*
 * view - how series are read: as metric points, family by family, and as rows of the live table.
 *
 * Walking is by number, and a number never moves, so a cursor stays good however long the reader
 * takes; what is shown is unpacked from the cells one point at a time.
 */
#include "agent/agg/store.h"

#include <math.h>
#include <stdio.h>

enum family_kind {
	FAMILY_DURATION = 0,
	FAMILY_REQUEST_BODY = 1,
	FAMILY_RESPONSE_BODY = 2,
	FAMILY_ACTIVE = 3,
	FAMILY_LOST = 4,
};

#define DURATION(n, h)                                                                 \
	{                                                                              \
		.name = (n), .unit = "s", .help = (h), .type = SONDE_METRIC_HISTOGRAM, \
		.bounds = sonde_duration_bounds, .n_bounds = SONDE_DURATION_BOUNDS     \
	}
#define BODY(n, h)                                                                      \
	{                                                                               \
		.name = (n), .unit = "By", .help = (h), .type = SONDE_METRIC_HISTOGRAM, \
		.bounds = sonde_body_bounds, .n_bounds = SONDE_BODY_BOUNDS              \
	}
#define ACTIVE(n, h)                                                                      \
	{                                                                                 \
		.name = (n), .unit = "{request}", .help = (h), .type = SONDE_METRIC_GAUGE \
	}

struct family {
	uint8_t kind;
	uint8_t role; /* 0: both */
	struct sonde_metric_desc desc;
};

static const struct family families[] = {
	{ FAMILY_DURATION, SONDE_ROLE_SERVER,
	  DURATION("http.server.request.duration", "Duration of HTTP server requests.") },
	{ FAMILY_DURATION, SONDE_ROLE_CLIENT,
	  DURATION("http.client.request.duration", "Duration of HTTP client requests.") },
	{ FAMILY_REQUEST_BODY, SONDE_ROLE_SERVER,
	  BODY("http.server.request.body.size", "Size of HTTP server request bodies.") },
	{ FAMILY_RESPONSE_BODY, SONDE_ROLE_SERVER,
	  BODY("http.server.response.body.size", "Size of HTTP server response bodies.") },
	{ FAMILY_REQUEST_BODY, SONDE_ROLE_CLIENT,
	  BODY("http.client.request.body.size", "Size of HTTP client request bodies.") },
	{ FAMILY_RESPONSE_BODY, SONDE_ROLE_CLIENT,
	  BODY("http.client.response.body.size", "Size of HTTP client response bodies.") },
	{ FAMILY_ACTIVE, SONDE_ROLE_SERVER,
	  ACTIVE("http.server.active_requests", "HTTP server requests in flight.") },
	{ FAMILY_ACTIVE, SONDE_ROLE_CLIENT,
	  ACTIVE("http.client.active_requests", "HTTP client requests in flight.") },
	{ FAMILY_LOST,
	  0,
	  { .name = "sonde.requests",
	    .unit = "{request}",
	    .help = "Requests known by the kernel's count alone: their records were lost.",
	    .type = SONDE_METRIC_COUNTER } },
};

static const size_t n_families = sizeof(families) / sizeof(families[0]);

static uint64_t unpack_explicit(struct sonde_agg *agg, const struct sonde_series *s, size_t first,
				size_t n)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++) {
		agg->view.explicit_counts[i] = sonde_cells_at(&s->cells, first + i);
		count += agg->view.explicit_counts[i];
	}
	return count;
}

static void view_duration(struct sonde_agg *agg, const struct sonde_series *s,
			  struct sonde_histogram_view *out)
{
	const struct sonde_cells *c = &s->cells;

	for (size_t i = 0; i < c->n; i++) {
		uint64_t v = sonde_cells_at(c, SONDE_CELLS_FIXED + i);

		agg->view.counts[i] = v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
	}
	*out = (struct sonde_histogram_view){
		.count = unpack_explicit(agg, s, SONDE_CELL_DURATION, SONDE_DURATION_BOUNDS + 1),
		.sum = s->sum_ns / 1e9,
		.min = (double)s->min_ns / 1e9,
		.max = (double)s->max_ns / 1e9,
		.zero_count = sonde_cells_at(c, SONDE_CELL_ZERO),
		.scale = c->scale,
		.offset = c->offset,
		.counts = agg->view.counts,
		.n_counts = c->n,
		.explicit_counts = agg->view.explicit_counts,
	};
}

static void view_body(struct sonde_agg *agg, const struct sonde_series *s, size_t first,
		      uint64_t sum, struct sonde_histogram_view *out)
{
	*out = (struct sonde_histogram_view){
		.count = unpack_explicit(agg, s, first, SONDE_BODY_BOUNDS + 1),
		.sum = (double)sum,
		.min = NAN,
		.max = NAN,
		.explicit_counts = agg->view.explicit_counts,
	};
}

static struct sonde_slice error_type(struct sonde_agg *agg, const struct sonde_series *s)
{
	struct sonde_request r = { .error = s->key.error, .status = s->key.status };

	return sonde_request_error_type(&r, agg->view.error_type);
}

static void label(struct sonde_metric_point *out, const char *key, struct sonde_slice value)
{
	out->labels[out->n_labels++] = (struct sonde_label){ key, value };
}

static void label_series(struct sonde_agg *agg, const struct sonde_series *s,
			 struct sonde_metric_point *out)
{
	const struct sonde_series_key *k = &s->key;

	agg->view.status[0] = '\0';
	if (k->status)
		snprintf(agg->view.status, sizeof(agg->view.status), "%u", k->status);
	label(out, "service.name", sonde_text_slice(k->service));
	if (k->space->len)
		label(out, "service.namespace", sonde_text_slice(k->space));
	if (k->version->len)
		label(out, "service.version", sonde_text_slice(k->version));
	label(out, "peer.service", sonde_text_slice(k->peer));
	label(out, "http.request.method", sonde_text_slice(k->method));
	label(out, "http.route", sonde_text_slice(k->route));
	label(out, "http.response.status_code", sonde_slice_str(agg->view.status));
	label(out, "error.type", error_type(agg, s));
	label(out, "url.scheme", SONDE_SLICE_LIT("http"));
}

static void label_tally(const struct sonde_tally *t, struct sonde_metric_point *out)
{
	if (t->kind == SONDE_TALLY_ACTIVE) {
		label(out, "service.name", sonde_text_slice(t->service));
		label(out, "http.request.method", sonde_text_slice(t->method));
		return;
	}
	label(out, "protocol", sonde_slice_str(sonde_protocol_name(SONDE_PROTOCOL_HTTP1)));
	label(out, "role", sonde_slice_str(sonde_role_name(t->role)));
	label(out, "service.name", sonde_text_slice(t->service));
	label(out, "operation", SONDE_SLICE_LIT("__lost__"));
}

static void set_exemplar(const struct sonde_series *s, struct sonde_exemplar *out)
{
	const struct sonde_trace_sample *t = s->sample;

	if (!t)
		return;
	*out = (struct sonde_exemplar){
		.trace_id = sonde_slice_of(t->trace_id, sizeof(t->trace_id)),
		.span_id = sonde_slice_of(t->span_id, sizeof(t->span_id)),
		.value = t->value,
		.time_unix_ns = t->time_unix_ns,
	};
}

static void point_of_series(struct sonde_agg *agg, const struct family *f,
			    const struct sonde_series *s, struct sonde_metric_point *out)
{
	out->start_unix_ns = s->start_unix_ns;
	label_series(agg, s, out);
	switch (f->kind) {
	case FAMILY_REQUEST_BODY:
		view_body(agg, s, SONDE_CELL_REQUEST, s->request_body_sum, &out->histogram);
		break;
	case FAMILY_RESPONSE_BODY:
		view_body(agg, s, SONDE_CELL_RESPONSE, s->response_body_sum, &out->histogram);
		break;
	default:
		view_duration(agg, s, &out->histogram);
		set_exemplar(s, &out->exemplar);
	}
}

static bool next_series(struct sonde_agg *agg, const struct family *f, size_t *item,
			struct sonde_metric_point *out)
{
	while (++*item < agg->fresh) {
		const struct sonde_series *s = &agg->series[*item];

		if (s->key.service && s->key.role == f->role) {
			point_of_series(agg, f, s, out);
			return true;
		}
	}
	return false;
}

static bool next_tally(struct sonde_agg *agg, const struct family *f, size_t *item,
		       struct sonde_metric_point *out)
{
	uint8_t kind = f->kind == FAMILY_LOST ? SONDE_TALLY_LOST : SONDE_TALLY_ACTIVE;

	while (++*item < agg->tally_fresh) {
		const struct sonde_tally *t = &agg->tallies[*item];

		if (t->service && t->kind == kind && (!f->role || t->role == f->role)) {
			out->start_unix_ns = t->start_unix_ns;
			out->value = (double)t->value;
			label_tally(t, out);
			return true;
		}
	}
	return false;
}

static bool next_point(void *ctx, struct sonde_metric_cursor *cursor,
		       struct sonde_metric_point *out)
{
	struct sonde_agg *agg = ctx;

	for (; cursor->family < n_families; cursor->family++, cursor->item = 0) {
		const struct family *f = &families[cursor->family];

		out->desc = &f->desc;
		out->n_labels = 0;
		out->value = 0;
		out->exemplar = (struct sonde_exemplar){ 0 };
		if (f->kind < FAMILY_ACTIVE ? next_series(agg, f, &cursor->item, out)
					    : next_tally(agg, f, &cursor->item, out))
			return true;
	}
	return false;
}

struct sonde_metric_source sonde_agg_source(struct sonde_agg *agg)
{
	return (struct sonde_metric_source){ .ctx = agg, .next = next_point };
}

bool sonde_agg_family(size_t i, struct sonde_metric_family *out)
{
	/* Namespace and version: when asked for. */
	static const char *const of_series[] = { "service.name",
						 "service.namespace",
						 "service.version",
						 "peer.service",
						 "http.request.method",
						 "http.route",
						 "http.response.status_code",
						 "error.type",
						 "url.scheme" };
	static const char *const of_active[] = { "service.name", "http.request.method" };
	static const char *const of_lost[] = { "protocol", "role", "service.name", "operation" };
	static const struct {
		const char *const *keys;
		size_t n;
	} labels[] = {
		[FAMILY_DURATION] = { of_series, 9 },
		[FAMILY_REQUEST_BODY] = { of_series, 9 },
		[FAMILY_RESPONSE_BODY] = { of_series, 9 },
		[FAMILY_ACTIVE] = { of_active, 2 },
		[FAMILY_LOST] = { of_lost, 4 },
	};
	const struct family *f;

	if (i >= n_families)
		return false;
	f = &families[i];
	*out = (struct sonde_metric_family){ .desc = &f->desc, .n_labels = labels[f->kind].n };
	memcpy(out->labels, labels[f->kind].keys, out->n_labels * sizeof(out->labels[0]));
	return true;
}

bool sonde_agg_next(struct sonde_agg *agg, size_t *cursor, struct sonde_series_view *out)
{
	const struct sonde_series *s;

	do {
		if (++*cursor >= agg->fresh)
			return false;
		s = &agg->series[*cursor];
	} while (!s->key.service);
	*out = (struct sonde_series_view){
		.role = s->key.role,
		.service = sonde_text_slice(s->key.service),
		.peer_service = sonde_text_slice(s->key.peer),
		.method = sonde_text_slice(s->key.method),
		.route = sonde_text_slice(s->key.route),
		.error_type = error_type(agg, s),
		.status = s->key.status,
		.request_bytes = s->request_bytes,
		.response_bytes = s->response_bytes,
		.start_unix_ns = s->start_unix_ns,
	};
	view_duration(agg, s, &out->duration);
	out->count = out->duration.count;
	return true;
}
