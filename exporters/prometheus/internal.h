// SPDX-License-Identifier: Apache-2.0
/* internal - what the files of this folder share: names, numbers, labels, and the lines of a point.
 */
#ifndef SONDE_EXPORTERS_PROMETHEUS_INTERNAL_H
#define SONDE_EXPORTERS_PROMETHEUS_INTERNAL_H

#include "exporters/prometheus/prometheus.h"

/* The unit as it ends a name: "s" gives "seconds"; "" for those that names do not show. */
const char *sonde_prometheus_unit(const struct sonde_metric_desc *desc);

/* Digits of V, at most 20, into OUT. Returns how many. */
size_t sonde_prometheus_u64(char *out, uint64_t v);
/* V in full precision; whole numbers without a point. */
void sonde_prometheus_put_number(struct sonde_buf *b, double v);
/* Nanoseconds as seconds with at most nine decimals. */
void sonde_prometheus_put_seconds(struct sonde_buf *b, uint64_t ns);
/* key="value",... without braces; dots of keys become underscores. */
void sonde_prometheus_put_labels(struct sonde_buf *b, const struct sonde_label *labels, size_t n);

/* HELP, TYPE and UNIT of the family of DESC; makes it the family of S. */
void sonde_prometheus_put_heading(struct sonde_prometheus_scrape *s,
				  const struct sonde_metric_desc *desc);
void sonde_prometheus_put_point(struct sonde_prometheus_scrape *s,
				const struct sonde_metric_point *p);

#endif
