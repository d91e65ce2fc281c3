// SPDX-License-Identifier: Apache-2.0
/* Slices of edges. */
#include "agent/daemon/control_internal.h"

#include "agent/core/clock.h"

enum { PER_BATCH = 8 };

struct edge {
	Sonde__Edge message;
	struct sonde_control_histogram request_duration, connect, rtt, connection_duration;
	Sonde__ConnectFailures failed;
	Sonde__Travel to_server, to_client;
};

static void put_histograms(const struct sonde_edge_view *v, struct edge *out)
{
	sonde_control_put_histogram(&v->request_duration, &out->request_duration);
	sonde_control_put_histogram(&v->connect, &out->connect);
	sonde_control_put_histogram(&v->rtt, &out->rtt);
	sonde_control_put_histogram(&v->connection_duration, &out->connection_duration);
	out->message.request_duration = &out->request_duration.message;
	out->message.connect = &out->connect.message;
	out->message.rtt = &out->rtt.message;
	out->message.connection_duration = &out->connection_duration.message;
}

static void put_failures(const struct sonde_edge_view *v, struct edge *out)
{
	sonde__connect_failures__init(&out->failed);
	out->failed.refused = v->failed[SONDE_CONNECT_REFUSED];
	out->failed.timed_out = v->failed[SONDE_CONNECT_TIMED_OUT];
	out->failed.unreachable = v->failed[SONDE_CONNECT_UNREACHABLE];
	out->failed.reset = v->failed[SONDE_CONNECT_RESET];
	out->failed.aborted = v->failed[SONDE_CONNECT_ABORTED];
	out->message.failed = &out->failed;
}

static void put_counts(const struct sonde_connection_counts *c, struct edge *out)
{
	sonde_wire_put_travel(&c->to_server, &out->to_server);
	sonde_wire_put_travel(&c->to_client, &out->to_client);
	out->message.to_server = &out->to_server;
	out->message.to_client = &out->to_client;
	out->message.zero_windows = c->zero_windows;
	out->message.rwnd_limited_ns = c->rwnd_limited_ns;
	out->message.sndbuf_limited_ns = c->sndbuf_limited_ns;
}

static void put_edge(const struct sonde_edge_view *v, struct edge *out)
{
	Sonde__Edge *m = &out->message;

	sonde__edge__init(m);
	m->client = sonde_wire_bytes(v->client);
	m->server = sonde_wire_bytes(v->server);
	m->transport = (Sonde__Transport)v->transport;
	m->client_here = v->client_here;
	m->server_here = v->server_here;
	m->start_unix_ns = v->start_unix_ns;
	m->last_unix_ns = v->last_unix_ns;
	m->requests = v->requests;
	m->errors = v->errors;
	m->network_ns = v->part_ns[0];
	m->queue_ns = v->part_ns[1];
	m->application_ns = v->part_ns[2];
	m->transfer_ns = v->part_ns[3];
	m->opened = v->opened;
	m->closed = v->closed;
	m->active = v->active;
	m->reset_by_client = v->resets[SONDE_ROLE_CLIENT];
	m->reset_by_server = v->resets[SONDE_ROLE_SERVER];
	m->timed_out = v->timed_out;
	put_histograms(v, out);
	put_failures(v, out);
	put_counts(&v->counts, out);
}

void sonde_client_dump_edges(struct sonde_client *cl)
{
	const struct sonde_control_source *src = &cl->control->source;
	struct edge edges[PER_BATCH];
	Sonde__Edge *list[PER_BATCH];
	Sonde__EdgeBatch batch;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct sonde_edge_view view;

	sonde__edge_batch__init(&batch);
	batch.edges = list;
	while (batch.n_edges < PER_BATCH && src->edge(src->ctx, &cl->dump.cursor, &view)) {
		put_edge(&view, &edges[batch.n_edges]);
		list[batch.n_edges] = &edges[batch.n_edges].message;
		batch.n_edges++;
	}
	batch.last = batch.n_edges < PER_BATCH;
	batch.time_unix_ns = sonde_clock_ns(CLOCK_REALTIME);
	if (batch.last)
		sonde_client_end_dump(cl);
	frame.body_case = SONDE__FRAME__BODY_EDGE_BATCH;
	frame.edge_batch = &batch;
	sonde_client_reply(cl, &frame);
}
