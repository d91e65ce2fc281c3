// SPDX-License-Identifier: Apache-2.0
/*
 * edges - who calls whom: connections and requests added up per pair of services.
 *
 * An edge is (client, server, transport), by service names; a side that is not on this node has the
 * name that agent/meta gives it (its group of addresses, or its address). At most
 * config.edges.max of them exist; what belongs to further ones goes to an edge of the same
 * transport between "__other__" and "__other__", and is counted. So every connection is in exactly
 * one edge and the counts of a family add up. Edges idle for metrics.idle_expiry disappear.
 *
 * The same room holds what is known of a service alone: its listeners, its UDP sockets, and packets
 * that the kernel dropped. Runs on the worker's data thread; allocates per new edge only.
 */
#ifndef SONDE_AGG_EDGES_H
#define SONDE_AGG_EDGES_H

#include "agent/model/config.h"
#include "agent/model/connection.h"
#include "agent/model/metric.h"

struct sonde_edges;

/* One edge, borrowed until anything is recorded. Sums since start_unix_ns. */
struct sonde_edge_view {
	struct sonde_slice client, server;
	enum sonde_transport transport;
	bool client_here, server_here; /* seen on this node */
	uint64_t start_unix_ns;
	uint64_t last_unix_ns; /* when anything was added */
	uint64_t requests, errors;
	struct sonde_histogram_view request_duration, connect, rtt,
		connection_duration; /* seconds */
	uint64_t part_ns[4]; /* of requests with parts: network, queue, application, transfer */
	uint64_t opened, closed, active;
	uint64_t failed[SONDE_CONNECT_ERRORS];
	uint64_t resets[SONDE_ROLES]; /* by who sent the RST */
	uint64_t timed_out;
	struct sonde_connection_counts counts; /* out_of_order: what is known */
};

struct sonde_edges_stats {
	uint64_t edges, edges_max;
	uint64_t overflowed; /* connections and requests that went to __other__ */
	uint64_t expired;
	uint64_t dropped; /* no memory even for __other__ */
	uint64_t memory_bytes;
};

int sonde_edges_new(const struct sonde_config *config, struct sonde_edges **out); /* 0, -ENOMEM */
void sonde_edges_free(struct sonde_edges *e);					  /* accepts NULL */
void sonde_edges_configure(struct sonde_edges *e, const struct sonde_config *config);

/*
 * News of a connection, services filled: `fresh` is added; OPENED adds to opened and active, CLOSED
 * to closed (or failed) and takes from active. A failed connect is CLOSED without OPENED. The RTT
 * histogram takes srtt_ns of every UPDATED and CLOSED that has one and moved payload since.
 */
void sonde_edges_connection(struct sonde_edges *e, const struct sonde_connection *c,
			    enum sonde_connection_event event);
/* A finished request, services filled. */
void sonde_edges_request(struct sonde_edges *e, const struct sonde_request *r);
void sonde_edges_listener(struct sonde_edges *e, const struct sonde_listener *l);
void sonde_edges_udp_socket(struct sonde_edges *e, const struct sonde_udp_socket *s);
/* N packets more that the kernel dropped for REASON ("NO_SOCKET", ...); SERVICE "" unknown. */
void sonde_edges_dropped(struct sonde_edges *e, struct sonde_slice service,
			 struct sonde_slice reason, uint64_t n);
/* Call about once a second with both clocks. */
void sonde_edges_tick(struct sonde_edges *e, uint64_t mono_ns, uint64_t unix_ns);

/* sonde_tcp_*, sonde_udp_*, sonde_service_edge_*: the families of agent/agg/edge_families.c. */
struct sonde_metric_source sonde_edges_source(struct sonde_edges *e);
/* The I-th of these families, from 0 on, for whoever documents them; false at the end. */
bool sonde_edges_family(size_t i, struct sonde_metric_family *out);
/* The next edge from *CURSOR (begin at 0); false at the end. */
bool sonde_edges_next(struct sonde_edges *e, size_t *cursor, struct sonde_edge_view *out);
void sonde_edges_stats(const struct sonde_edges *e, struct sonde_edges_stats *out);

#endif
