// SPDX-License-Identifier: Apache-2.0
/* selfmetrics - struct sonde_status as metric points: what the daemon says about itself. */
#ifndef SONDE_DAEMON_SELFMETRICS_H
#define SONDE_DAEMON_SELFMETRICS_H

#include "agent/model/metric.h"
#include "agent/model/status.h"
#include "exporters/exporter.h"

enum { SONDE_SELFMETRICS_EXPORTERS = 8 };

/* A snapshot for one scrape, owned by whoever serves it; the source borrows it. */
struct sonde_selfmetrics {
	struct sonde_status status;
	uint64_t now_unix_ns;
	size_t n_exporters;
	struct {
		const char *name;
		struct sonde_exporter_stats stats;
	} exporters[SONDE_SELFMETRICS_EXPORTERS];
	uint64_t trace_delivered, trace_dropped; /* to control clients */
};

/* Points of M, which must live and stay as it is while the source is read. */
struct sonde_metric_source sonde_selfmetrics_source(struct sonde_selfmetrics *m);
/* The I-th of these families, from 0 on, for whoever documents them; false at the end. */
bool sonde_selfmetrics_family(size_t i, struct sonde_metric_family *out);

#endif
