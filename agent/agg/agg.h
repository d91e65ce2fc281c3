// SPDX-License-Identifier: Apache-2.0
/*
 * agg - requests become series: labels interned once, counters and histograms in fixed memory.
 *
 * A series is (role, service, peer service, method, route, status, error.type), and the namespace
 * and the version of the service when metrics.service_namespace and service_version ask. At most
 * config.metrics.max_series of them exist; the records of further ones go to a series of the same
 * role and service whose route is "__other__" and whose peer and method are empty, and are counted.
 * Room for those is set aside beyond max_series, one sixteenth of it and eight: half of it keeps
 * status and error.type apart, then they are folded too, then the service becomes "__other__". So
 * every record is in exactly one series: the counts of a family add up to the records.
 *
 * Label values are cut to 256 bytes, and harmful bytes become U+FFFD before values are compared, so
 * no two series of a family have the same labels on any way out. A role that is unknown is booked
 * as server. A series idle longer than config.metrics.idle_expiry disappears without touching the
 * others; when it comes back it has a new start time. Everything runs on the worker's data thread;
 * nothing here allocates per record.
 */
#ifndef SONDE_AGG_AGG_H
#define SONDE_AGG_AGG_H

#include "agent/model/config.h"
#include "agent/model/metric.h"
#include "agent/model/request.h"

struct sonde_agg;

/* What one series says, for the live table; borrowed until the next record. */
struct sonde_series_view {
	enum sonde_role role;
	struct sonde_slice service, peer_service, method, route, error_type;
	uint16_t status;
	uint64_t count;
	uint64_t request_bytes, response_bytes; /* sums, on the socket */
	struct sonde_histogram_view duration;
	uint64_t start_unix_ns;
};

struct sonde_agg_stats {
	uint64_t series; /* live, with labels of their own */
	uint64_t series_max;
	uint64_t overflow_series; /* live, named __other__ */
	uint64_t overflowed;	  /* records that went to __other__ */
	uint64_t expired;	  /* series dropped for idleness */
	uint64_t dropped;	  /* records not counted at all: no memory even for __other__ */
	uint64_t memory_bytes;	  /* allocated by this room */
};

/* 0 and *OUT, or -ENOMEM. CONFIG is read now and not kept. */
int sonde_agg_new(const struct sonde_config *config, struct sonde_agg **out);
void sonde_agg_free(struct sonde_agg *agg); /* accepts NULL */

/*
 * Adds one finished request: duration, body sizes. Needs route, service and error already filled,
 * and the method as metrics say it (sonde_http_method()): what stands in R->method becomes the
 * label.
 */
void sonde_agg_record(struct sonde_agg *agg, const struct sonde_request *r);
/*
 * A request of this role, service and method (named as for sonde_agg_record) began (+1) or ended
 * (-1). Both calls must name the same three. Never below 0; beyond 4095 combinations of these and
 * of lost ones together, "__other__".
 */
void sonde_agg_active(struct sonde_agg *agg, enum sonde_role role, struct sonde_slice service,
		      struct sonde_slice method, int delta);
/* Sets all of these to 0: for a caller that counts what is in flight anew before each scrape. */
void sonde_agg_active_clear(struct sonde_agg *agg);
/* Requests the kernel counted but whose record was lost, booked to a service. */
void sonde_agg_lost(struct sonde_agg *agg, enum sonde_role role, struct sonde_slice service,
		    uint64_t n);
/* Call about once a second with both clocks: expires idle series, in slices of bounded time. */
void sonde_agg_tick(struct sonde_agg *agg, uint64_t mono_ns, uint64_t unix_ns);
/* New limits after a reload; series stay. */
void sonde_agg_configure(struct sonde_agg *agg, const struct sonde_config *config);

struct sonde_metric_source sonde_agg_source(struct sonde_agg *agg);
/* The I-th of its families, from 0 on, for whoever documents them; false at the end. */
bool sonde_agg_family(size_t i, struct sonde_metric_family *out);
/* The next series from *CURSOR (begin at 0); false at the end. */
bool sonde_agg_next(struct sonde_agg *agg, size_t *cursor, struct sonde_series_view *out);
void sonde_agg_stats(const struct sonde_agg *agg, struct sonde_agg_stats *out);

/*
 * The value below which the share Q (0..1) of V lies, by its exponential buckets: within 2.2 % at
 * scale 4 (the geometric middle of the bucket, kept within min and max); 0 when empty.
 */
double sonde_histogram_quantile(const struct sonde_histogram_view *v, double q);

#endif
