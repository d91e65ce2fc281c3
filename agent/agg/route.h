// SPDX-License-Identifier: Apache-2.0
/*
 * route - paths become templates, so that /users/17 and /users/18 are one series.
 *
 * The contract is that of OpenTelemetry eBPF Instrumentation's `routes`: the first user pattern
 * that matches wins (`:name`, `{name}`, `*` for one segment, a final `*` for the rest); a path that
 * matches an ignored pattern is not reported; what matches nothing becomes, by `unmatched`, itself,
 * one wildcard (slash, two asterisks), nothing, or what the heuristic makes of it: segments that
 * look generated become `*`, and once a position below the same prefix has shown more than
 * max_segment_values values it becomes `*` too. At most max_per_service templates per service; the
 * rest is "__other__", counted.
 */
#ifndef SONDE_AGG_ROUTE_H
#define SONDE_AGG_ROUTE_H

#include "agent/core/slice.h"
#include "agent/model/config.h"

struct sonde_routes;

struct sonde_routes_stats {
	uint64_t templates;  /* live */
	uint64_t overflowed; /* requests answered with __other__ */
	uint64_t collapsed;  /* positions that became variables by their number of values */
	uint64_t memory_bytes;
};

/* Checks one user pattern. NULL when good, else what is wrong with it, for a config error. */
const char *sonde_route_check(struct sonde_slice pattern);

int sonde_routes_new(const struct sonde_config *config, struct sonde_routes **out);
void sonde_routes_free(struct sonde_routes *routes); /* accepts NULL */
/*
 * The template of PATH (no query) for SERVICE. Fills *ROUTE with memory of ROUTES that stays valid
 * until it is freed; empty when unset. False: the path matches an ignored pattern.
 */
bool sonde_routes_find(struct sonde_routes *routes, struct sonde_slice service,
		       struct sonde_slice path, struct sonde_slice *route);
void sonde_routes_stats(const struct sonde_routes *routes, struct sonde_routes_stats *out);

#endif
