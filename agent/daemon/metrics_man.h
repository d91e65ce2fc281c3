// SPDX-License-Identifier: Apache-2.0
/* metrics_man - the families of every source of /metrics, as the manual page sonde-metrics(7). */
#ifndef SONDE_DAEMON_METRICS_MAN_H
#define SONDE_DAEMON_METRICS_MAN_H

#include "agent/core/buf.h"
#include "agent/model/metric.h"

void sonde_metrics_man(struct sonde_buf *out);

/* The I-th family of all, from 0 on; false at the end. */
bool sonde_metrics_family(size_t i, struct sonde_metric_family *out);

enum { SONDE_METRICS_NAME = 192 };
/* What the family is called in the text of /metrics, with the _total of a counter. */
void sonde_metrics_name(const struct sonde_metric_desc *desc, char out[SONDE_METRICS_NAME]);

#endif
