// SPDX-License-Identifier: Apache-2.0
/*
 * metric - how the rooms that count hand their numbers to the rooms that export.
 *
 * A source yields points one at a time from a cursor that may be kept between calls, so a scrape
 * can stop when its buffer is full and go on later. All points of one family come in one run. Names
 * are OpenTelemetry's ("http.server.request.duration"); an exporter translates them to its own.
 */
#ifndef SONDE_MODEL_METRIC_H
#define SONDE_MODEL_METRIC_H

#include "agent/core/slice.h"

enum sonde_metric_type {
	SONDE_METRIC_COUNTER = 0, /* monotonic sum */
	SONDE_METRIC_GAUGE = 1,
	SONDE_METRIC_HISTOGRAM = 2,
};

struct sonde_metric_desc {
	const char *name; /* OpenTelemetry name */
	const char *unit; /* UCUM: "s", "By", "1", "{request}" */
	const char *help; /* one sentence, no newline */
	enum sonde_metric_type type;
	const double
		*bounds; /* histogram: upper bounds of the explicit buckets, rising, without +Inf */
	size_t n_bounds;
};

struct sonde_label {
	const char *key; /* OpenTelemetry attribute name: "http.request.method" */
	struct sonde_slice value;
};

enum {
	SONDE_LABELS_MAX = 12,
	SONDE_HISTOGRAM_SCALE = 4,     /* base 2^(1/16): a quantile is within 2.2 % */
	SONDE_HISTOGRAM_BUCKETS = 160, /* as OpenTelemetry's default; wider data lowers the scale */
	SONDE_BOUNDS_MAX = 20,
	SONDE_LABEL_VALUE_MAX = 256, /* bytes; sources keep to it, exporters rely on it */
};

/* A view of a histogram; borrows from the series. */
struct sonde_histogram_view {
	uint64_t count;
	double sum;
	double min, max; /* of all values; 0 when count is 0, NaN when not tracked */
	uint64_t zero_count;
	int scale;		/* OpenTelemetry exponential histogram, positive range only */
	int32_t offset;		/* index of counts[0]: values in (base^offset, base^(offset+1)] */
	const uint32_t *counts; /* a bucket beyond UINT32_MAX shows that; count is exact */
	size_t n_counts;	/* 0 with a count: only explicit buckets are kept */
	const uint64_t *explicit_counts; /* n_bounds + 1, exact, not cumulative */
};

struct sonde_exemplar {
	struct sonde_slice trace_id; /* empty: none */
	struct sonde_slice span_id;
	double value;
	uint64_t time_unix_ns;
};

struct sonde_metric_point {
	const struct sonde_metric_desc *desc;
	struct sonde_label labels[SONDE_LABELS_MAX];
	size_t n_labels;
	uint64_t start_unix_ns; /* since when it counts */
	double value;		/* counter, gauge */
	struct sonde_histogram_view histogram;
	struct sonde_exemplar exemplar;
};

/* What documentation says of a family. Everything is static. */
struct sonde_metric_family {
	const struct sonde_metric_desc *desc;
	const char *labels[SONDE_LABELS_MAX]; /* keys */
	size_t n_labels;
	const char *const *values; /* that the last label may have; NULL: no fixed set */
	size_t n_values;
};

/* Where a scrape stands. Zero it to begin. Meaning private to the source. */
struct sonde_metric_cursor {
	size_t family;
	size_t item;
};

struct sonde_metric_source {
	void *ctx;
	/*
	 * Fills *OUT with the next point and moves the cursor; false at the end. Slices in *OUT
	 * stay valid until anything else is recorded in the source. A series that is added or
	 * expires between two calls may be missed or not, but no other point is repeated or lost.
	 */
	bool (*next)(void *ctx, struct sonde_metric_cursor *cursor, struct sonde_metric_point *out);
};

#endif
