// SPDX-License-Identifier: Apache-2.0
/* edges_fixture - edges, and connections and requests for them. */
#ifndef SONDE_TESTS_UNIT_AGG_EDGES_FIXTURE_H
#define SONDE_TESTS_UNIT_AGG_EDGES_FIXTURE_H

#include "tests/unit/agg/fixture.h"

#include "agent/agg/edges.h"

static inline struct sonde_config edges_config(uint32_t max, uint64_t idle_s)
{
	struct sonde_config config = { 0 };

	config.edges.max = max;
	config.metrics.idle_expiry_ns = idle_s * SONDE_NS_PER_SEC;
	config.capture.max_connections = 65536;
	config.connections.snapshot_interval_ns = 2 * SONDE_NS_PER_SEC;
	return config;
}

static inline struct sonde_edges *new_edges(uint32_t max, uint64_t idle_s)
{
	struct sonde_config config = edges_config(max, idle_s);
	struct sonde_edges *e = NULL;

	assert_int_equal(sonde_edges_new(&config, &e), 0);
	return e;
}

/* As told by the server's end. */
static inline struct sonde_connection connection_of(uint64_t id, const char *client,
						    const char *server)
{
	static const struct sonde_process nobody;

	return (struct sonde_connection){
		.id = id,
		.role = SONDE_ROLE_SERVER,
		.state = SONDE_TCP_ESTABLISHED,
		.process = &nobody,
		.service = sonde_slice_str(server),
		.peer_service = sonde_slice_str(client),
	};
}

static inline void tell(struct sonde_edges *e, const struct sonde_connection *c,
			enum sonde_connection_event event)
{
	sonde_edges_connection(e, c, event);
}

/* The edge of these names; its views are good until the next call. */
static inline bool find_edge(struct sonde_edges *e, const char *client, const char *server,
			     enum sonde_transport transport, struct sonde_edge_view *out)
{
	size_t cursor = 0;

	while (sonde_edges_next(e, &cursor, out)) {
		if (out->transport == transport &&
		    sonde_slice_eq(out->client, sonde_slice_str(client)) &&
		    sonde_slice_eq(out->server, sonde_slice_str(server)))
			return true;
	}
	return false;
}

static inline struct sonde_edge_view edge_view(struct sonde_edges *e, const char *client,
					       const char *server)
{
	struct sonde_edge_view v;

	if (!find_edge(e, client, server, SONDE_TRANSPORT_TCP, &v))
		fail_msg("no edge from %s to %s", client, server);
	return v;
}

static inline struct sonde_edges_stats edges_stats(const struct sonde_edges *e)
{
	struct sonde_edges_stats stats;

	sonde_edges_stats(e, &stats);
	return stats;
}

/* The sum of all points of a family that have this value of a label (NULL: all), histograms by
 * their count. */
static inline double edges_sum(struct sonde_edges *e, const char *family, const char *key,
			       const char *value)
{
	struct sonde_metric_source source = sonde_edges_source(e);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_metric_point p = { 0 };
	double sum = 0;

	while (source.next(source.ctx, &cursor, &p)) {
		const struct sonde_label *l = key ? find_label(&p, key) : NULL;

		if (strcmp(p.desc->name, family) ||
		    (key && (!l || !sonde_slice_eq(l->value, sonde_slice_str(value)))))
			continue;
		sum += p.desc->type == SONDE_METRIC_HISTOGRAM ? (double)p.histogram.count : p.value;
	}
	return sum;
}

#endif
