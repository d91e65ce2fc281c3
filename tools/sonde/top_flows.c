// SPDX-License-Identifier: Apache-2.0
/*
 * The rows of `sonde top` by connection, peer and process: what has moved between two looks at the
 * connections or at the edges. Connections that closed in between count with what they moved since.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/sonde/ends.h"
#include "tools/sonde/top.h"

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = (*(Sonde__Connection *const *)a)->id, y = (*(Sonde__Connection *const *)b)->id;

	return (x > y) - (x < y);
}

static const Sonde__Connection *find(const struct sonde_conns *c, Sonde__Connection *key)
{
	Sonde__Connection *const *hit =
		c->n ? bsearch(&key, c->list, c->n, sizeof(Sonde__Connection *), compare_ids)
		     : NULL;

	return hit ? *hit : NULL;
}

static void put_name(char out[SONDE_FLOW_NAME], struct sonde_slice s)
{
	size_t len = s.len < SONDE_FLOW_NAME ? s.len : SONDE_FLOW_NAME - 1;

	if (len)
		memcpy(out, s.ptr, len);
	out[len] = '\0';
}

static uint64_t grown(uint64_t now, uint64_t before)
{
	/* A count that is not known is not counted. */
	return now != SONDE_COUNT_UNKNOWN && now > before ? now - before : 0;
}

/* Adds what one direction moved to F; returns the bytes. */
static uint64_t add_travel(struct sonde_flow *f, const struct sonde_travel *now,
			   const struct sonde_travel *before)
{
	f->segments += grown(now->segments, before->segments);
	f->retransmits += grown(now->retransmits, before->retransmits);
	return grown(now->bytes, before->bytes);
}

/* What C has moved since the older look. False: nothing can be said, or it did not move. */
static bool moved(const struct sonde_top *t, Sonde__Connection *message,
		  const struct sonde_connection *c, struct sonde_flow *out)
{
	static const struct sonde_connection nothing = { 0 };
	const Sonde__Connection *earlier = find(&t->flows.older_conns, message);
	struct sonde_wire_decoded_connection before;
	const struct sonde_connection *then = &nothing;

	*out = (struct sonde_flow){ .rtt_ns = c->srtt_ns ? (double)c->srtt_ns : NAN,
				    .p99_ns = NAN };
	if (earlier && sonde_wire_to_connection(earlier, &before) == 0)
		then = &before.connection;
	else if (c->opened_unix_ns < t->flows.older_conns.time_unix_ns)
		return false; /* it was not told before, and is older than that */
	out->up = add_travel(out, &c->total.to_server, &then->total.to_server);
	out->down = add_travel(out, &c->total.to_client, &then->total.to_client);
	out->failed = c->connect_error != SONDE_CONNECT_OK;
	out->open = c->state != SONDE_TCP_CLOSE;
	return out->segments || out->failed || out->up || out->down;
}

static void name_connection(const struct sonde_connection *c, struct sonde_flow *f)
{
	uint8_t bytes[SONDE_ENDS_TEXT];
	struct sonde_buf b;

	for (int i = 0; i < 2; i++) {
		sonde_buf_over(&b, bytes, sizeof(bytes));
		sonde_ends_put_name(&b, c, i ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT);
		put_name(f->names[i], sonde_buf_slice(&b));
	}
	f->id = c->id;
	f->state = c->connect_error == SONDE_CONNECT_OK
			   ? sonde_tcp_state_name(c->state)
			   : sonde_connect_error_name(c->connect_error);
}

/* What F, a connection, is to the process at its END. */
static void add_process(struct sonde_top *t, const struct sonde_connection *c, enum sonde_role end,
			const struct sonde_flow *f)
{
	const struct sonde_process *p = sonde_ends_process(c, end);
	struct sonde_flow *row = &t->flows.rows[t->flows.n];

	if (!p || !p->pid)
		return;
	*row = *f;
	row->id = p->pid;
	row->start_ns = p->start_ns;
	if (end == SONDE_ROLE_SERVER) {
		row->up = f->down; /* what a server sends goes to the client */
		row->down = f->up;
	}
	put_name(row->names[0], sonde_slice_str(p->comm));
	put_name(row->names[1], sonde_ends_service(c, end));
	t->flows.n++;
}

static int compare_processes(const void *a, const void *b)
{
	const struct sonde_flow *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

static void add_flow(struct sonde_flow *sum, const struct sonde_flow *f)
{
	sum->segments += f->segments;
	sum->retransmits += f->retransmits;
	sum->failed += f->failed;
	sum->up += f->up;
	sum->down += f->down;
	sum->open += f->open;
	/* The longest round trip of the process. */
	if (isnan(sum->rtt_ns) || f->rtt_ns > sum->rtt_ns)
		sum->rtt_ns = f->rtt_ns;
}

/* A row for each connection of a process becomes one for all of them. */
static void merge_processes(struct sonde_top *t)
{
	size_t kept = 0;

	qsort(t->flows.rows, t->flows.n, sizeof(*t->flows.rows), compare_processes);
	for (size_t i = 0; i < t->flows.n; i++) {
		if (kept && compare_processes(&t->flows.rows[kept - 1], &t->flows.rows[i]) == 0)
			add_flow(&t->flows.rows[kept - 1], &t->flows.rows[i]);
		else
			t->flows.rows[kept++] = t->flows.rows[i];
	}
	t->flows.n = kept;
}

static void make_from_conns(struct sonde_top *t)
{
	struct sonde_wire_decoded_connection decoded;
	const struct sonde_connection *c = &decoded.connection;
	struct sonde_flow f;

	for (size_t i = 0; i < t->flows.newer_conns.n; i++) {
		Sonde__Connection *message = t->flows.newer_conns.list[i];

		if (sonde_wire_to_connection(message, &decoded) || !moved(t, message, c, &f))
			continue;
		if (t->by == SONDE_TOP_CONNECTION) {
			name_connection(c, &f);
			t->flows.rows[t->flows.n++] = f;
			continue;
		}
		add_process(t, c, SONDE_ROLE_SERVER, &f);
		add_process(t, c, SONDE_ROLE_CLIENT, &f);
	}
	if (t->by == SONDE_TOP_PROCESS)
		merge_processes(t);
}

static bool wants(const struct sonde_top *t, const Sonde__Edge *edge)
{
	for (size_t i = 0; i < t->services.n; i++) {
		struct sonde_slice glob = sonde_slice_str(t->services.items[i]);

		if (sonde_slice_glob(sonde_wire_slice(edge->client), glob) ||
		    sonde_slice_glob(sonde_wire_slice(edge->server), glob))
			return true;
	}
	return !t->services.n;
}

static void make_from_edges(struct sonde_top *t)
{
	for (size_t i = 0; i < t->flows.newer_edges.n_edges; i++) {
		const Sonde__Edge *edge = t->flows.newer_edges.edges[i];
		struct sonde_edge_row row = { .edge = edge };
		struct sonde_flow f = { 0 };

		if (!wants(t, edge))
			continue;
		sonde_edge_row_add(&row, edge, sonde_edges_find(&t->flows.older_edges, edge));
		f.requests = row.requests;
		f.errors = row.errors;
		f.segments = row.to_server.segments + row.to_client.segments;
		f.retransmits = row.to_server.retransmits + row.to_client.retransmits;
		f.failed = sonde_edge_row_failed(&row);
		f.up = row.to_server.bytes;
		f.down = row.to_client.bytes;
		f.open = row.active;
		f.rtt_ns = sonde_edge_row_rtt_ns(&row, 0.5);
		f.p99_ns = sonde_edge_row_duration_ns(&row, 0.99);
		put_name(f.names[0], sonde_wire_slice(edge->client));
		put_name(f.names[1], sonde_wire_slice(edge->server));
		if (f.requests || f.segments || f.failed)
			t->flows.rows[t->flows.n++] = f;
	}
}

int sonde_top_make_flows(struct sonde_top *t)
{
	size_t most =
		t->by == SONDE_TOP_PEER ? t->flows.newer_edges.n_edges : 2 * t->flows.newer_conns.n;

	free(t->flows.rows);
	t->flows.n = 0;
	t->flows.rows = calloc(most + 1, sizeof(*t->flows.rows));
	if (!t->flows.rows)
		return -ENOMEM;
	if (t->by == SONDE_TOP_PEER)
		make_from_edges(t);
	else
		make_from_conns(t);
	sonde_top_arrange_flows(t);
	return 0;
}

static int look_at_conns(struct sonde_top *t)
{
	Sonde__GetConnections get = SONDE__GET_CONNECTIONS__INIT;
	ProtobufCBinaryData globs[SONDE_WORDS_MAX];
	Sonde__Filter filter = SONDE__FILTER__INIT;
	struct sonde_conns next;
	int code;

	filter.n_services = sonde_filter_texts(&t->services, globs);
	filter.services = globs;
	get.filter = &filter;
	get.live = true;
	get.closed = t->flows.newer_conns.time_unix_ns != 0;
	get.closed_since_unix_ns = t->flows.newer_conns.time_unix_ns;
	code = sonde_conns_fetch(&t->link, &get, &next);
	if (code != SONDE_EXIT_OK)
		return code;
	qsort(next.list, next.n, sizeof(Sonde__Connection *), compare_ids);
	sonde_conns_free(&t->flows.older_conns);
	t->flows.older_conns = t->flows.newer_conns;
	t->flows.newer_conns = next;
	return code;
}

static int look_at_edges(struct sonde_top *t)
{
	struct sonde_edges_snapshot next;
	int code = sonde_edges_fetch(&t->link, &next);

	if (code != SONDE_EXIT_OK)
		return code;
	sonde_edges_snapshot_free(&t->flows.older_edges);
	t->flows.older_edges = t->flows.newer_edges;
	t->flows.newer_edges = next;
	return code;
}

int sonde_top_refresh_flows(struct sonde_top *t)
{
	uint64_t before = sonde_top_time_unix_ns(t);
	int code = t->by == SONDE_TOP_PEER ? look_at_edges(t) : look_at_conns(t);
	int err;

	if (code != SONDE_EXIT_OK)
		return code;
	t->seconds = before ? (double)(int64_t)(sonde_top_time_unix_ns(t) - before) / 1e9 : 0;
	/* The first look is only the ground for the differences. */
	if (!before)
		return code;
	err = sonde_top_make_flows(t);
	return err ? sonde_link_fail(err) : code;
}

static bool shows(const struct sonde_top *t, const struct sonde_flow *f)
{
	return !t->filter[0] || strstr(f->names[0], t->filter) || strstr(f->names[1], t->filter);
}

static double known(double v)
{
	return isnan(v) ? -1 : v;
}

static double weight(const struct sonde_top *t, const struct sonde_flow *f)
{
	switch (t->sort) {
	case SONDE_TOP_RATE:
		return (double)(t->by == SONDE_TOP_PEER ? f->requests : f->segments);
	case SONDE_TOP_ERRORS:
		return (double)(f->errors + f->failed + f->retransmits);
	case SONDE_TOP_P50:
	case SONDE_TOP_P90:
	case SONDE_TOP_P99:
		return known(t->by == SONDE_TOP_PEER ? f->p99_ns : f->rtt_ns);
	case SONDE_TOP_BYTES:
		return (double)(f->up + f->down);
	case SONDE_TOP_NAME:
	case SONDE_TOP_SORTS:
		break;
	}
	return 0;
}

static int compare_flows(const void *a, const void *b, void *arg)
{
	const struct sonde_flow *x = a, *y = b;
	double wx = weight(arg, x), wy = weight(arg, y);
	int order;

	if (wx != wy)
		return wx > wy ? -1 : 1;
	order = strcmp(x->names[0], y->names[0]);
	if (!order)
		order = strcmp(x->names[1], y->names[1]);
	return order ? order : (x->id > y->id) - (x->id < y->id);
}

void sonde_top_arrange_flows(struct sonde_top *t)
{
	if (t->flows.n)
		qsort_r(t->flows.rows, t->flows.n, sizeof(*t->flows.rows), compare_flows, t);
}

static double per_second(const struct sonde_top *t, uint64_t n)
{
	return t->seconds > 0 ? (double)n / t->seconds : 0;
}

static void add_rate(struct sonde_grid *g, double rate)
{
	char text[SONDE_TEXT_NUMBER];

	snprintf(text, sizeof(text), "%.1f", rate);
	sonde_grid_add_str(g, text);
}

static void add_time(struct sonde_grid *g, double ns)
{
	if (isnan(ns))
		sonde_grid_add_str(g, "-");
	else
		sonde_grid_add_duration(g, ns);
}

static void add_numbers(const struct sonde_top *t, const struct sonde_flow *f, struct sonde_grid *g)
{
	bool peer = t->by == SONDE_TOP_PEER;

	if (peer) {
		add_rate(g, per_second(t, f->requests));
		add_rate(g, per_second(t, f->errors));
		add_time(g, f->p99_ns);
	}
	sonde_grid_add_bytes(g, per_second(t, f->up));
	sonde_grid_add_bytes(g, per_second(t, f->down));
	add_rate(g, per_second(t, f->segments));
	add_rate(g, per_second(t, f->retransmits));
	add_time(g, f->rtt_ns);
	if (t->by != SONDE_TOP_CONNECTION) {
		sonde_grid_add_u64(g, f->open);
		sonde_grid_add_u64(g, f->failed);
	}
}

static void add_flow_row(const struct sonde_top *t, const struct sonde_flow *f,
			 struct sonde_grid *g)
{
	add_numbers(t, f, g);
	if (t->by != SONDE_TOP_PEER)
		sonde_grid_add_u64(g, f->id);
	if (t->by == SONDE_TOP_CONNECTION)
		sonde_grid_add_str(g, f->state);
	sonde_grid_add_str(g, f->names[0]);
	sonde_grid_add_str(g, f->names[1]);
}

void sonde_top_print_flows(const struct sonde_top *t, size_t skip, size_t max,
			   struct sonde_buf *out)
{
	static const char *const heads[] = {
		[SONDE_TOP_CONNECTION] = ">TO-SERVER/s >TO-CLIENT/s >SEGMENTS/s >RETRANS/s >RTT "
					 ">ID STATE CLIENT SERVER",
		[SONDE_TOP_PEER] = ">RATE/s >ERRORS/s >P99 >TO-SERVER/s >TO-CLIENT/s >SEGMENTS/s "
				   ">RETRANS/s >RTT >CONNS >FAILED CLIENT SERVER",
		[SONDE_TOP_PROCESS] = ">OUT/s >IN/s >SEGMENTS/s >RETRANS/s >RTT >CONNS >FAILED "
				      ">PID COMM SERVICE",
	};
	struct sonde_grid g;

	sonde_grid_init(&g, heads[t->by]);
	for (size_t i = 0; i < t->flows.n && max; i++) {
		if (!shows(t, &t->flows.rows[i]))
			continue;
		if (skip) {
			skip--;
			continue;
		}
		add_flow_row(t, &t->flows.rows[i], &g);
		max--;
	}
	sonde_grid_print(&g, out);
}

void sonde_top_summarise_flows(const struct sonde_top *t, struct sonde_buf *out)
{
	static const char *const things[] = { "operations", "connections", "edges", "processes" };
	uint64_t bytes = 0, again = 0;
	char text[SONDE_TEXT_NUMBER];

	for (size_t i = 0; i < t->flows.n; i++) {
		if (!shows(t, &t->flows.rows[i]))
			continue;
		bytes += t->flows.rows[i].up + t->flows.rows[i].down;
		again += t->flows.rows[i].retransmits;
	}
	sonde_buf_printf(out, "%s bytes/s, %.1f retransmits/s, %zu %s",
			 sonde_text_bytes(per_second(t, bytes), text), per_second(t, again),
			 t->flows.n, things[t->by]);
}

void sonde_top_fini_flows(struct sonde_top *t)
{
	free(t->flows.rows);
	sonde_conns_free(&t->flows.older_conns);
	sonde_conns_free(&t->flows.newer_conns);
	sonde_edges_snapshot_free(&t->flows.older_edges);
	sonde_edges_snapshot_free(&t->flows.newer_edges);
}
