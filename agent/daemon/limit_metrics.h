// SPDX-License-Identifier: Apache-2.0
/* limit_metrics - the view of the rules as metric points: sonde_limit_*. */
#ifndef SONDE_DAEMON_LIMIT_METRICS_H
#define SONDE_DAEMON_LIMIT_METRICS_H

#include "agent/limit/view.h"
#include "agent/model/metric.h"

/* A snapshot for one scrape, owned by whoever serves it; the source borrows it. */
struct sonde_limit_metrics {
	struct sonde_limit_view view;
	uint64_t start_unix_ns;
	uint64_t now_ns; /* CLOCK_MONOTONIC */
};

/* Points of M, which must live and stay as it is while the source is read. */
struct sonde_metric_source sonde_limit_metrics_source(struct sonde_limit_metrics *m);
/* The I-th of these families, from 0 on, for whoever documents them; false at the end. */
bool sonde_limit_metrics_family(size_t i, struct sonde_metric_family *out);

#endif
