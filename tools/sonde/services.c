// SPDX-License-Identifier: Apache-2.0
/* `sonde services`: one line for each service that has been seen. */
#include <math.h>
#include <stdio.h>

#include "exporters/json.h"
#include "tools/sonde/commands.h"
#include "tools/sonde/services.h"
#include "tools/sonde/text.h"

enum { OUTPUT_BYTES = 16 << 20, PEERS_BYTES = 4096 };

struct options {
	int format;
	struct sonde_words services;
};

static const struct sonde_option option_table[] = {
	{ "service", 0, SONDE_OPTION_LIST, offsetof(struct options, services), "GLOB", NULL,
	  "only these" },
	{ "output", 'o', SONDE_OPTION_CHOICE, offsetof(struct options, format), "FORMAT",
	  sonde_format_names, "table, wide, json or jsonl" },
};

static void add_time(struct sonde_grid *g, double ns)
{
	if (isnan(ns))
		sonde_grid_add_str(g, "-");
	else
		sonde_grid_add_duration(g, ns);
}

static void add_share(struct sonde_grid *g, double share, bool known)
{
	char text[SONDE_TEXT_NUMBER];

	snprintf(text, sizeof(text), "%.1f%%", 100 * share);
	sonde_grid_add_str(g, known ? text : "-");
}

static void add_peers(struct sonde_grid *g, const struct sonde_services *s,
		      const struct sonde_service_line *line)
{
	struct sonde_slice peer;
	struct sonde_buf b;
	size_t cursor = 0;

	sonde_buf_init(&b, PEERS_BYTES);
	while (sonde_services_next_peer(s, line, &cursor, &peer)) {
		if (b.len)
			sonde_buf_put_str(&b, ", ");
		sonde_buf_put_slice(&b, peer);
	}
	sonde_grid_add(g, b.len ? sonde_buf_slice(&b) : SONDE_SLICE_LIT("-"));
	sonde_buf_fini(&b);
}

static void add_requests(struct sonde_grid *g, const struct sonde_row *row, bool wide)
{
	static const struct sonde_row none = { 0 };

	if (!row)
		row = &none;
	sonde_grid_add_u64(g, row->count);
	add_share(g, sonde_row_error_share(row), row->count != 0);
	add_time(g, sonde_row_quantile_ns(row, 0.5));
	if (wide)
		add_time(g, sonde_row_quantile_ns(row, 0.9));
	add_time(g, sonde_row_quantile_ns(row, 0.99));
	if (!wide)
		return;
	sonde_grid_add_bytes(g, (double)row->request_bytes);
	sonde_grid_add_bytes(g, (double)row->response_bytes);
}

static void add_connections(struct sonde_grid *g, const struct sonde_service_line *line, bool wide)
{
	const struct sonde_edge_row *c = &line->connections;

	sonde_grid_add_u64(g, c->active);
	if (wide)
		sonde_grid_add_u64(g, c->opened);
	add_time(g, sonde_edge_row_rtt_ns(c, 0.5));
	add_share(g, sonde_edge_row_retransmit_share(c), line->has_connections);
	sonde_grid_add_u64(g, sonde_edge_row_failed(c));
	if (wide)
		sonde_grid_add_u64(g, c->reset_by_client + c->reset_by_server);
}

static void print_table(const struct sonde_services *s, bool wide, struct sonde_buf *out)
{
	struct sonde_grid g;

	sonde_grid_init(&g, wide ? "SERVICE ROLE >REQUESTS >ERRORS >P50 >P90 >P99 >IN >OUT >CONNS "
				   ">OPENED >RTT >RETRANS >FAILED >RESETS PEERS"
				 : "SERVICE ROLE >REQUESTS >ERRORS >P50 >P99 >CONNS >RTT >RETRANS "
				   ">FAILED PEERS");
	for (size_t i = 0; i < s->n; i++) {
		sonde_grid_add(&g, s->lines[i].service);
		sonde_grid_add_str(&g, sonde_role_name(s->lines[i].role));
		add_requests(&g, s->lines[i].requests, wide);
		add_connections(&g, &s->lines[i], wide);
		add_peers(&g, s, &s->lines[i]);
	}
	sonde_grid_print(&g, out);
}

static void put_time(struct sonde_buf *b, const char *key, double ns)
{
	if (!isnan(ns))
		sonde_buf_printf(b, ",\"%s\":%.0f", key, ns);
}

static void put_number(struct sonde_buf *b, const char *key, uint64_t v)
{
	sonde_buf_printf(b, ",\"%s\":%llu", key, (unsigned long long)v);
}

static void put_requests(struct sonde_buf *b, const struct sonde_row *row)
{
	static const struct sonde_row none = { 0 };

	if (!row)
		row = &none;
	put_number(b, "requests", row->count);
	put_number(b, "errors", row->errors);
	put_number(b, "request_bytes", row->request_bytes);
	put_number(b, "response_bytes", row->response_bytes);
	put_time(b, "p50_ns", sonde_row_quantile_ns(row, 0.5));
	put_time(b, "p90_ns", sonde_row_quantile_ns(row, 0.9));
	put_time(b, "p99_ns", sonde_row_quantile_ns(row, 0.99));
}

static void put_connections(struct sonde_buf *b, const struct sonde_edge_row *c)
{
	put_number(b, "connections_active", c->active);
	put_number(b, "connections_opened", c->opened);
	put_number(b, "connections_closed", c->closed);
	put_number(b, "connections_failed", sonde_edge_row_failed(c));
	put_number(b, "resets", c->reset_by_client + c->reset_by_server);
	put_number(b, "bytes_to_server", c->to_server.bytes);
	put_number(b, "bytes_to_client", c->to_client.bytes);
	put_time(b, "rtt_ns", sonde_edge_row_rtt_ns(c, 0.5));
	sonde_buf_put_str(b, ",\"retransmit_ratio\":");
	sonde_buf_put_double(b, sonde_edge_row_retransmit_share(c));
}

static void put_peers(const struct sonde_services *s, const struct sonde_service_line *line,
		      struct sonde_buf *b)
{
	struct sonde_slice peer;
	size_t cursor = 0;
	bool any = false;

	sonde_buf_put_str(b, ",\"peers\":[");
	for (; sonde_services_next_peer(s, line, &cursor, &peer); any = true) {
		if (any)
			sonde_buf_put_byte(b, ',');
		sonde_json_string(b, peer);
	}
	sonde_buf_put_byte(b, ']');
}

static void print_object(const struct sonde_services *s, const struct sonde_service_line *line,
			 struct sonde_buf *b)
{
	sonde_buf_put_str(b, "{\"service\":");
	sonde_json_string(b, line->service);
	sonde_buf_printf(b, ",\"role\":\"%s\"", sonde_role_name(line->role));
	put_requests(b, line->requests);
	if (line->has_connections)
		put_connections(b, &line->connections);
	put_peers(s, line, b);
	sonde_buf_put_byte(b, '}');
}

static void print_json(const struct sonde_services *s, bool lines, struct sonde_buf *out)
{
	if (!lines)
		sonde_buf_put_byte(out, '[');
	for (size_t i = 0; i < s->n; i++) {
		if (i && !lines)
			sonde_buf_put_byte(out, ',');
		print_object(s, &s->lines[i], out);
		if (lines)
			sonde_buf_put_byte(out, '\n');
	}
	if (!lines)
		sonde_buf_put_str(out, "]\n");
}

static int print_services(const struct sonde_services *s, const struct options *o)
{
	struct sonde_buf out;

	sonde_buf_init(&out, OUTPUT_BYTES);
	if (o->format >= SONDE_FORMAT_JSON)
		print_json(s, o->format == SONDE_FORMAT_JSONL, &out);
	else
		print_table(s, o->format == SONDE_FORMAT_WIDE, &out);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

static int fetch(const struct sonde_cli *cli, const struct options *o, struct sonde_services *out)
{
	struct sonde_edges_snapshot edges = { 0 };
	struct sonde_snapshot series = { 0 };
	struct sonde_link link;
	int code = sonde_link_open(&link, cli->run_dir), err;

	if (code != SONDE_EXIT_OK)
		return code;
	code = sonde_snapshot_fetch(&link, &o->services, &series);
	if (code == SONDE_EXIT_OK)
		code = sonde_edges_fetch(&link, &edges);
	sonde_link_close(&link);
	err = code == SONDE_EXIT_OK ? sonde_services_make(&series, &edges, &o->services, out) : 0;
	if (err)
		code = sonde_link_fail(err);
	sonde_snapshot_free(&series);
	return code;
}

static int run_services(const struct sonde_cli *cli, int argc, char **argv)
{
	struct options options = { .format = SONDE_FORMAT_TABLE };
	struct sonde_words words = { .n = 0 };
	struct sonde_services s;
	int code;

	if (!sonde_cli_options(&sonde_services_command, &options, argc, argv, &words, &code))
		return code;
	code = fetch(cli, &options, &s);
	if (code != SONDE_EXIT_OK)
		return code;
	code = print_services(&s, &options);
	sonde_services_free(&s);
	return code;
}

const struct sonde_command sonde_services_command = {
	.name = "services",
	.arguments = "",
	.summary = "List services: requests, errors, latency, connections, peers",
	.options = option_table,
	.n_options = sizeof(option_table) / sizeof(option_table[0]),
	.run = run_services,
};
