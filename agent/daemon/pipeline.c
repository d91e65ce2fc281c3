// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/pipeline.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/clock.h"
#include "agent/core/hash.h"
#include "agent/meta/identity.h"
#include "agent/model/http.h"

#define WAIT_NS		 (50 * SONDE_NS_PER_MS)
#define EXPORTER_EXIT_NS (2 * SONDE_NS_PER_SEC)

enum {
	OPERATION_MAX = 512,
};

static int open_exporters(struct sonde_pipeline *p, char *error, size_t error_len)
{
	for (size_t i = 0; i < sonde_n_exporters && i < SONDE_PIPELINE_EXPORTERS; i++) {
		const struct sonde_exporter_ops *ops = sonde_exporters[i];
		int err;

		if (!ops->enabled(p->config))
			continue;
		err = ops->open(p->config, &p->exporters[i], error, error_len);
		if (err)
			return err;
	}
	return 0;
}

/* Who is behind a socket, here and elsewhere. */
static int open_names(struct sonde_pipeline *p)
{
	int err = sonde_processes_new(SONDE_PROCESSES_MAX, &p->processes);

	if (!err)
		err = sonde_workloads_new(SONDE_WORKLOADS_MAX, &p->workloads);
	if (!err)
		err = sonde_peers_new(p->config, &p->peers);
	if (!err)
		sonde_processes_use(p->processes, p->workloads);
	return err;
}

int sonde_pipeline_init(struct sonde_pipeline *p, const struct sonde_config *config,
			struct sonde_ledger *ledger, char *error, size_t error_len)
{
	int err;

	*p = (struct sonde_pipeline){ .config = config, .ledger = ledger, .generation = 1 };
	p->waiting = calloc(SONDE_PIPELINE_WAITING, sizeof(*p->waiting));
	if (!p->waiting)
		return -ENOMEM;
	err = open_names(p);
	if (!err)
		err = sonde_routes_new(config, &p->routes);
	if (!err)
		err = sonde_agg_new(config, &p->agg);
	if (!err)
		err = sonde_edges_new(config, &p->edges);
	if (!err)
		err = sonde_history_new(config, &p->history);
	if (!err)
		err = sonde_pipeline_totals_new(&p->totals);
	if (!err)
		err = open_exporters(p, error, error_len);
	if (err)
		sonde_pipeline_fini(p);
	return err;
}

static void drop_waiting(struct sonde_pipeline *p, struct waiting *w)
{
	sonde_request_free(w->request);
	sonde_connection_free(w->connection);
	sonde_processes_put(p->processes, w->process);
	sonde_processes_put(p->processes, w->peer);
	*w = (struct waiting){ 0 };
}

void sonde_pipeline_fini(struct sonde_pipeline *p)
{
	for (size_t i = 0; i < sonde_n_exporters && i < SONDE_PIPELINE_EXPORTERS; i++)
		if (p->exporters[i])
			sonde_exporters[i]->close(p->exporters[i], EXPORTER_EXIT_NS);
	for (; p->n_waiting; p->n_waiting--) {
		drop_waiting(p, &p->waiting[p->wait_first]);
		p->wait_first = (p->wait_first + 1) % SONDE_PIPELINE_WAITING;
	}
	free(p->waiting);
	sonde_agg_free(p->agg);
	sonde_edges_free(p->edges);
	sonde_history_free(p->history);
	sonde_table_free(p->totals);
	sonde_routes_free(p->routes);
	sonde_processes_free(p->processes);
	sonde_workloads_free(p->workloads);
	sonde_peers_free(p->peers);
	*p = (struct sonde_pipeline){ 0 };
}

int sonde_pipeline_configure(struct sonde_pipeline *p, const struct sonde_config *config)
{
	struct sonde_routes *routes;
	int err = sonde_routes_new(config, &routes);

	if (err)
		return err;
	err = sonde_peers_configure(p->peers, config);
	if (err) {
		sonde_routes_free(routes);
		return err;
	}
	/* Waiting requests have no route yet, and series keep their own text. */
	sonde_routes_free(p->routes);
	p->routes = routes;
	p->config = config;
	p->generation++;
	sonde_agg_configure(p->agg, config);
	sonde_edges_configure(p->edges, config);
	sonde_history_configure(p->history, config);
	return 0;
}

/* The service name of a process on a connection, computed once per process, port and config. */
struct sonde_slice sonde_pipeline_service(struct sonde_pipeline *p, struct sonde_process *process,
					  uint16_t port, bool server)
{
	uint32_t key = (p->generation << 17) | (uint32_t)port << 1 | server;

	if (process->service_key != key || !process->resolved) {
		sonde_identity_service(p->config, process, port, server, process->service,
				       sizeof(process->service));
		process->service_key = key;
	}
	return sonde_slice_str(process->service);
}

/*
 * The other side of a request or connection that is not on this node: at its client's end when the
 * reporting side is the server.
 */
static const struct sonde_endpoint *far_end(enum sonde_role role,
					    const struct sonde_endpoint *client,
					    const struct sonde_endpoint *server)
{
	return role == SONDE_ROLE_CLIENT ? server : client;
}

/*
 * An edge ends at the group or the address of a peer on another machine. The series of requests
 * have many more labels to be multiplied with: there, and in what people see of a request (which
 * has the address anyway), it is the group alone.
 */
static void add_to_edges(struct sonde_pipeline *p, struct sonde_request *r)
{
	struct sonde_slice group = r->peer_service;

	if (!r->peer)
		r->peer_service =
			sonde_peers_name(p->peers, far_end(r->role, &r->client, &r->server));
	sonde_edges_request(p->edges, r);
	r->peer_service = group;
}

static void deliver_to_sinks(struct sonde_pipeline *p, struct sonde_request *r)
{
	struct sonde_slice method = r->method;

	/* Series know OpenTelemetry's method names only; people see what was on the wire. */
	r->method = sonde_http_method(method);
	sonde_agg_record(p->agg, r);
	r->method = method;
	add_to_edges(p, r);
	if (p->control)
		sonde_control_request(p->control, r);
	for (size_t i = 0; i < sonde_n_exporters && i < SONDE_PIPELINE_EXPORTERS; i++)
		if (p->exporters[i])
			sonde_exporters[i]->push(p->exporters[i], r);
	p->ledger->delivered[SONDE_KIND_REQUEST]++;
}

static void name_operation(struct sonde_request *r, char text[OPERATION_MAX])
{
	struct sonde_slice method = sonde_http_method(r->method);
	struct sonde_buf b;

	/* Semantic conventions: the span of an unknown method is named HTTP. */
	if (sonde_slice_at(method, 0) == '_')
		method = SONDE_SLICE_LIT("HTTP");
	sonde_buf_over(&b, text, OPERATION_MAX);
	sonde_buf_put_slice(&b, method);
	if (r->route.len) {
		sonde_buf_put_byte(&b, ' ');
		sonde_buf_put_slice(&b, r->route);
	}
	r->operation = sonde_buf_slice(&b);
}

static void deliver(struct sonde_pipeline *p, struct sonde_request *r,
		    struct sonde_process *process, struct sonde_process *peer)
{
	char operation[OPERATION_MAX];
	bool server = r->role == SONDE_ROLE_SERVER;

	if (!process->pid && !process->cgroup_id)
		p->unknown++;
	r->service = sonde_pipeline_service(p, process, r->server.port, server);
	r->service_namespace = sonde_identity_service_namespace(process);
	r->service_version = sonde_identity_service_version(process);
	if (peer)
		r->peer_service = sonde_pipeline_service(p, peer, r->server.port, !server);
	else
		r->peer_service =
			sonde_peers_group(p->peers, far_end(r->role, &r->client, &r->server));
	if (!sonde_routes_find(p->routes, r->service, r->path, &r->route)) {
		p->ledger->dropped[SONDE_KIND_REQUEST][SONDE_LOSS_IGNORED]++;
		return;
	}
	name_operation(r, operation);
	deliver_to_sinks(p, r);
}

/* The process table hands out const pointers to everybody else; its owner may write. */
static struct sonde_process *own(const struct sonde_process *process)
{
	return (struct sonde_process *)(uintptr_t)process;
}

void sonde_pipeline_name_connection(struct sonde_pipeline *p, struct sonde_connection *c)
{
	bool server = c->role != SONDE_ROLE_CLIENT;

	c->service = sonde_pipeline_service(p, own(c->process), c->server.port, server);
	if (c->peer)
		c->peer_service = sonde_pipeline_service(p, own(c->peer), c->server.port, !server);
	else
		c->peer_service =
			sonde_peers_name(p->peers, far_end(c->role, &c->client, &c->server));
}

static void deliver_connection(struct sonde_pipeline *p, struct sonde_connection *c,
			       enum sonde_connection_event event)
{
	sonde_pipeline_name_connection(p, c);
	sonde_edges_connection(p->edges, c, event);
	/* Booked by track, and told under another id. */
	if (c->superseded)
		return;
	sonde_history_connection(p->history, c, event, c->opened_unix_ns + c->duration_ns);
	if (event != SONDE_CONNECTION_CLOSED)
		return;
	p->unknown_connections += !c->process->pid && !c->process->cgroup_id;
	if (p->control)
		sonde_control_connection(p->control, c);
	for (size_t i = 0; i < sonde_n_exporters && i < SONDE_PIPELINE_EXPORTERS; i++)
		if (p->exporters[i] && sonde_exporters[i]->push_connection)
			sonde_exporters[i]->push_connection(p->exporters[i], c);
	p->ledger->delivered[SONDE_KIND_CONNECTION]++;
}

static bool is_named(const struct sonde_process *process, const struct sonde_process *peer)
{
	return process->resolved && (!peer || peer->resolved);
}

/* A place behind those that wait already; there is room. */
static struct waiting *wait_in_line(struct sonde_pipeline *p, struct sonde_process *process,
				    struct sonde_process *peer, uint64_t now_ns)
{
	struct waiting *w = &p->waiting[(p->wait_first + p->n_waiting++) % SONDE_PIPELINE_WAITING];

	*w = (struct waiting){
		.process = sonde_processes_hold(process),
		.peer = peer ? sonde_processes_hold(peer) : NULL,
		.since_ns = now_ns,
	};
	return w;
}

static void wait_for_name(struct sonde_pipeline *p, struct sonde_request *r,
			  struct sonde_process *process, struct sonde_process *peer,
			  uint64_t now_ns)
{
	struct sonde_request *copy = sonde_request_copy(r);

	if (copy)
		wait_in_line(p, process, peer, now_ns)->request = copy;
	else
		p->ledger->dropped[SONDE_KIND_REQUEST][SONDE_LOSS_NO_MEMORY]++;
}

static void release_first(struct sonde_pipeline *p)
{
	struct waiting *w = &p->waiting[p->wait_first];

	/* The copy carries copies of the processes as they were; names come from the live ones. */
	if (w->request) {
		w->request->process = w->process;
		w->request->peer = w->peer;
		deliver(p, w->request, w->process, w->peer);
	} else {
		w->connection->process = w->process;
		w->connection->peer = w->peer;
		deliver_connection(p, w->connection, w->event);
	}
	drop_waiting(p, w);
	p->wait_first = (p->wait_first + 1) % SONDE_PIPELINE_WAITING;
	p->n_waiting--;
}

void sonde_pipeline_release(struct sonde_pipeline *p, uint64_t now_ns)
{
	while (p->n_waiting) {
		struct waiting *w = &p->waiting[p->wait_first];

		if (!is_named(w->process, w->peer) && now_ns - w->since_ns < WAIT_NS)
			return;
		release_first(p);
	}
}

void sonde_pipeline_request(struct sonde_pipeline *p, struct sonde_request *r, uint64_t now_ns)
{
	struct sonde_process *process = own(r->process), *peer = own(r->peer);

	if (!p->n_waiting && is_named(process, peer)) {
		deliver(p, r, process, peer);
		return;
	}
	if (p->n_waiting == SONDE_PIPELINE_WAITING)
		release_first(p);
	wait_for_name(p, r, process, peer, now_ns);
}

void sonde_pipeline_connection(struct sonde_pipeline *p, struct sonde_connection *c,
			       enum sonde_connection_event event, uint64_t now_ns)
{
	struct sonde_process *process = own(c->process), *peer = own(c->peer);
	struct sonde_connection *copy;
	struct waiting *w;

	if (!p->n_waiting && is_named(process, peer)) {
		deliver_connection(p, c, event);
		return;
	}
	if (p->n_waiting == SONDE_PIPELINE_WAITING)
		release_first(p);
	copy = sonde_connection_copy(c);
	if (!copy) {
		if (event == SONDE_CONNECTION_CLOSED && !c->superseded)
			p->ledger->dropped[SONDE_KIND_CONNECTION][SONDE_LOSS_NO_MEMORY]++;
		return;
	}
	w = wait_in_line(p, process, peer, now_ns);
	w->connection = copy;
	w->event = event;
}

void sonde_pipeline_lost(struct sonde_pipeline *p, struct sonde_process *process, uint16_t port,
			 enum sonde_role role, enum sonde_loss why, uint64_t n)
{
	sonde_agg_lost(p->agg, role,
		       sonde_pipeline_service(p, process, port, role == SONDE_ROLE_SERVER), n);
	if (p->control)
		sonde_control_lost(p->control, SONDE_KIND_REQUEST, why, n);
}

static void count_one(void *ctx, struct sonde_process *process, uint16_t port, enum sonde_role role,
		      struct sonde_slice method)
{
	struct sonde_pipeline *p = ctx;

	sonde_agg_active(p->agg, role,
			 sonde_pipeline_service(p, process, port, role == SONDE_ROLE_SERVER),
			 sonde_http_method(method), 1);
}

void sonde_pipeline_count_active(struct sonde_pipeline *p, const struct sonde_track *track)
{
	sonde_agg_active_clear(p->agg);
	sonde_track_each_open(track, count_one, p);
}
