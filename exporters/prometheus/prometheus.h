// SPDX-License-Identifier: Apache-2.0
/*
 * prometheus - metric points as the text that Prometheus scrapes.
 *
 * Two formats of one shape: text 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/) and OpenMetrics 1.0.0
 * (https://prometheus.io/docs/specs/om/open_metrics_spec/), which adds units, start times,
 * exemplars and an end mark. OpenTelemetry's names are translated as its specification says
 * ("Prometheus and OpenMetrics Compatibility"): http.server.request.duration in "s" becomes
 * http_server_request_duration_seconds.
 *
 * A scrape can stop after any byte and go on later: points are rendered whole, one at a time, into
 * a buffer of the scrape, and handed out from there. So each point is consistent in itself, however
 * small the pieces are and whatever is recorded in between.
 */
#ifndef SONDE_EXPORTERS_PROMETHEUS_PROMETHEUS_H
#define SONDE_EXPORTERS_PROMETHEUS_PROMETHEUS_H

#include "agent/core/buf.h"
#include "agent/model/metric.h"

enum sonde_prometheus_format {
	SONDE_PROMETHEUS_TEXT = 0,
	SONDE_PROMETHEUS_OPENMETRICS = 1,
};

/*
 * What to answer to an Accept header (RFC 9110 section 12.5.1): OpenMetrics when
 * application/openmetrics-text (version 1.0.0, or none named) has at least the weight of text, else
 * text. An empty or unusable header gets text.
 */
enum sonde_prometheus_format sonde_prometheus_negotiate(struct sonde_slice accept);
/* The Content-Type of a format. Static memory. */
const char *sonde_prometheus_content_type(enum sonde_prometheus_format format);

enum {
	SONDE_PROMETHEUS_NAME_MAX = 160,
	/*
	 * More than any point takes: SONDE_BOUNDS_MAX + 1 buckets and three more lines of at most
	 * SONDE_LABELS_MAX labels, each value SONDE_LABEL_VALUE_MAX bytes that may all need three.
	 */
	SONDE_PROMETHEUS_POINT_MAX = 512 * 1024,
};

/* The name of a metric in a format, without _bucket, _total and so on; at most the size of OUT. */
void sonde_prometheus_name(const struct sonde_metric_desc *desc,
			   char out[SONDE_PROMETHEUS_NAME_MAX]);

/* One scrape under way. Fields are private. */
struct sonde_prometheus_scrape {
	const struct sonde_metric_source *sources;
	size_t n_sources;
	enum sonde_prometheus_format format;
	size_t source; /* under way */
	struct sonde_metric_cursor cursor;
	const struct sonde_metric_desc *family; /* whose heading has been written */
	char name[SONDE_PROMETHEUS_NAME_MAX];	/* of the family */
	char bounds[SONDE_BOUNDS_MAX][32];	/* of the family: the texts of its `le` labels */
	size_t bounds_len[SONDE_BOUNDS_MAX];
	struct sonde_buf point;	 /* rendered, not yet handed out */
	struct sonde_buf labels; /* of the point being rendered */
	size_t handed;		 /* bytes of point */
	bool ended;
};

/*
 * Begins a scrape of N sources, which must outlive it; the array too. No two of them may have a
 * family of the same name. The scrape owns buffers until sonde_prometheus_fini().
 */
void sonde_prometheus_init(struct sonde_prometheus_scrape *s, enum sonde_prometheus_format format,
			   const struct sonde_metric_source *sources, size_t n);
void sonde_prometheus_fini(struct sonde_prometheus_scrape *s); /* also before the end */
/*
 * Fills BUF with the next bytes. Returns how many (CAP, except at the end; CAP is at most INT_MAX),
 * 0 at the end, -ENOMEM, or -E2BIG for a point beyond SONDE_PROMETHEUS_POINT_MAX, which no source
 * that keeps to metric.h has. The pieces put together are the same whatever CAP is, 1 included.
 */
int sonde_prometheus_render(struct sonde_prometheus_scrape *s, char *buf, size_t cap);

#endif
