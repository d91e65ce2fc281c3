// SPDX-License-Identifier: Apache-2.0
/* fixture - a configured aggregator and requests for it. */
#ifndef SONDE_TESTS_UNIT_AGG_FIXTURE_H
#define SONDE_TESTS_UNIT_AGG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/agg/agg.h"
#include "agent/core/clock.h"
#include "agent/core/escape.h"

static inline struct sonde_agg *new_agg(uint32_t max_series, uint64_t idle_s)
{
	static struct sonde_config config;
	struct sonde_agg *agg = NULL;

	config.metrics.max_series = max_series;
	config.metrics.idle_expiry_ns = idle_s * SONDE_NS_PER_SEC;
	assert_int_equal(sonde_agg_new(&config, &agg), 0);
	return agg;
}

static inline struct sonde_request request_of(const char *service, const char *route,
					      uint16_t status, uint64_t duration_ns)
{
	return (struct sonde_request){
		.duration_ns = duration_ns,
		.protocol = SONDE_PROTOCOL_HTTP1,
		.role = SONDE_ROLE_SERVER,
		.error = status >= 500 ? SONDE_ERROR_STATUS : SONDE_ERROR_NONE,
		.status = status,
		.method = SONDE_SLICE_LIT("GET"),
		.service = sonde_slice_str(service),
		.route = sonde_slice_str(route),
		.time_unix_ns = 1700000000 * SONDE_NS_PER_SEC,
	};
}

/* The sum of what all points of a family count. */
static inline uint64_t family_count(struct sonde_agg *agg, const char *name)
{
	struct sonde_metric_source source = sonde_agg_source(agg);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_metric_point p = { 0 };
	uint64_t count = 0;

	while (source.next(source.ctx, &cursor, &p)) {
		if (strcmp(p.desc->name, name))
			continue;
		count += p.desc->type == SONDE_METRIC_HISTOGRAM ? p.histogram.count
								: (uint64_t)p.value;
	}
	return count;
}

static inline const struct sonde_label *find_label(const struct sonde_metric_point *p,
						   const char *key)
{
	for (size_t i = 0; i < p->n_labels; i++) {
		if (!strcmp(p->labels[i].key, key))
			return &p->labels[i];
	}
	return NULL;
}

#define assert_slice(s, text)                                                           \
	do {                                                                            \
		struct sonde_slice slice_ = (s);                                        \
		assert_int_equal(slice_.len, strlen(text));                             \
		assert_memory_equal(slice_.len ? (const void *)slice_.ptr : "", (text), \
				    slice_.len);                                        \
	} while (0)

#endif
