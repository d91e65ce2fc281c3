// SPDX-License-Identifier: Apache-2.0
/* Edges as a table and as JSON. */
#include <math.h>
#include <stdio.h>

#include "exporters/json.h"
#include "tools/sonde/map.h"
#include "tools/sonde/text.h"

static const char table_heads[] =
	"CLIENT SERVER PROTO >CONNS >RATE/s >ERRORS >P99 >RTT >RETRANS >FAILED";
static const char wide_heads[] =
	"CLIENT SERVER PROTO >CONNS >OPENED/s >RATE/s >ERRORS >P50 >P99 >NETWORK >QUEUE >APP "
	">TRANSFER >RTT >RTT-P99 >RETRANS >FAILED >RESETS >IN/s >OUT/s";

static void add_rate(struct sonde_grid *g, double rate)
{
	char text[SONDE_TEXT_NUMBER];

	snprintf(text, sizeof(text), "%.1f", rate);
	sonde_grid_add_str(g, text);
}

static void add_share(struct sonde_grid *g, double share, bool known)
{
	char text[SONDE_TEXT_NUMBER];

	snprintf(text, sizeof(text), "%.1f%%", 100 * share);
	sonde_grid_add_str(g, known ? text : "-");
}

static void add_time(struct sonde_grid *g, double ns)
{
	if (isnan(ns))
		sonde_grid_add_str(g, "-");
	else
		sonde_grid_add_duration(g, ns);
}

/* The average over the requests whose parts are known. */
static double part_of(const struct sonde_edge_row *row, uint64_t ns)
{
	return row->duration.count ? (double)ns / (double)row->duration.count : NAN;
}

static void add_names(struct sonde_grid *g, const struct sonde_edge_row *row)
{
	sonde_grid_add(g, sonde_wire_slice(row->edge->client));
	sonde_grid_add(g, sonde_wire_slice(row->edge->server));
	sonde_grid_add_str(g, sonde_transport_name((enum sonde_transport)row->edge->transport));
	sonde_grid_add_u64(g, row->active);
}

static bool is_tcp(const struct sonde_edge_row *row)
{
	return row->edge->transport == SONDE__TRANSPORT__TRANSPORT_TCP;
}

static void add_row(struct sonde_grid *g, const struct sonde_map *map,
		    const struct sonde_map_row *row)
{
	const struct sonde_edge_row *sums = &row->sums;

	add_names(g, sums);
	add_rate(g, sonde_map_rate(map, row->interval.requests));
	add_share(g, sonde_edge_row_error_share(sums), sums->requests != 0);
	add_time(g, sonde_edge_row_duration_ns(sums, 0.99));
	add_time(g, sonde_edge_row_rtt_ns(sums, 0.5));
	add_share(g, sonde_edge_row_retransmit_share(sums), is_tcp(sums));
	sonde_grid_add_u64(g, sonde_edge_row_failed(sums));
}

static void add_wide(struct sonde_grid *g, const struct sonde_map *map,
		     const struct sonde_map_row *row)
{
	const struct sonde_edge_row *sums = &row->sums;

	add_names(g, sums);
	add_rate(g, sonde_map_rate(map, row->interval.opened));
	add_rate(g, sonde_map_rate(map, row->interval.requests));
	add_share(g, sonde_edge_row_error_share(sums), sums->requests != 0);
	add_time(g, sonde_edge_row_duration_ns(sums, 0.5));
	add_time(g, sonde_edge_row_duration_ns(sums, 0.99));
	add_time(g, part_of(sums, sums->network_ns));
	add_time(g, part_of(sums, sums->queue_ns));
	add_time(g, part_of(sums, sums->application_ns));
	add_time(g, part_of(sums, sums->transfer_ns));
	add_time(g, sonde_edge_row_rtt_ns(sums, 0.5));
	add_time(g, sonde_edge_row_rtt_ns(sums, 0.99));
	add_share(g, sonde_edge_row_retransmit_share(sums), is_tcp(sums));
	sonde_grid_add_u64(g, sonde_edge_row_failed(sums));
	sonde_grid_add_u64(g, sums->reset_by_client + sums->reset_by_server);
	sonde_grid_add_bytes(g, sonde_map_rate(map, row->interval.to_server.bytes));
	sonde_grid_add_bytes(g, sonde_map_rate(map, row->interval.to_client.bytes));
}

static void print_table(const struct sonde_map *map, bool wide, struct sonde_buf *out)
{
	struct sonde_grid g;

	sonde_grid_init(&g, wide ? wide_heads : table_heads);
	for (size_t i = 0; i < map->n; i++) {
		if (wide)
			add_wide(&g, map, &map->rows[i]);
		else
			add_row(&g, map, &map->rows[i]);
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

static void put_share(struct sonde_buf *b, const char *key, double v)
{
	sonde_buf_printf(b, ",\"%s\":", key);
	sonde_buf_put_double(b, v);
}

static void put_failures(struct sonde_buf *b, const struct sonde_edge_row *row)
{
	sonde_buf_put_str(b, ",\"connect_errors\":{");
	for (int i = SONDE_CONNECT_OK + 1; i < SONDE_CONNECT_ERRORS; i++)
		sonde_buf_printf(b, "%s\"%s\":%llu", i > SONDE_CONNECT_OK + 1 ? "," : "",
				 sonde_connect_error_name((enum sonde_connect_error)i),
				 (unsigned long long)row->failed[i]);
	sonde_buf_put_byte(b, '}');
}

static void put_requests(struct sonde_buf *b, const struct sonde_map *map,
			 const struct sonde_map_row *row)
{
	const struct sonde_edge_row *sums = &row->sums;

	put_number(b, "requests", sums->requests);
	put_number(b, "errors", sums->errors);
	put_share(b, "rate", sonde_map_rate(map, row->interval.requests));
	if (!sums->requests)
		return;
	put_share(b, "error_ratio", sonde_edge_row_error_share(sums));
	put_time(b, "p50_ns", sonde_edge_row_duration_ns(sums, 0.5));
	put_time(b, "p99_ns", sonde_edge_row_duration_ns(sums, 0.99));
	put_number(b, "network_ns", sums->network_ns);
	put_number(b, "queue_ns", sums->queue_ns);
	put_number(b, "application_ns", sums->application_ns);
	put_number(b, "transfer_ns", sums->transfer_ns);
}

static void put_connections(struct sonde_buf *b, const struct sonde_map *map,
			    const struct sonde_map_row *row)
{
	const struct sonde_edge_row *sums = &row->sums;

	put_number(b, "connections_active", sums->active);
	put_number(b, "connections_opened", sums->opened);
	put_number(b, "connections_closed", sums->closed);
	put_share(b, "connections_rate", sonde_map_rate(map, row->interval.opened));
	put_failures(b, sums);
	put_number(b, "bytes_to_server", sums->to_server.bytes);
	put_number(b, "bytes_to_client", sums->to_client.bytes);
}

static void put_tcp(struct sonde_buf *b, const struct sonde_edge_row *sums)
{
	put_number(b, "segments_to_server", sums->to_server.segments);
	put_number(b, "segments_to_client", sums->to_client.segments);
	put_number(b, "retransmits_to_server", sums->to_server.retransmits);
	put_number(b, "retransmits_to_client", sums->to_client.retransmits);
	put_share(b, "retransmit_ratio", sonde_edge_row_retransmit_share(sums));
	put_number(b, "out_of_order_to_server", sums->to_server.out_of_order);
	put_number(b, "out_of_order_to_client", sums->to_client.out_of_order);
	put_time(b, "rtt_ns", sonde_edge_row_rtt_ns(sums, 0.5));
	put_time(b, "rtt_p99_ns", sonde_edge_row_rtt_ns(sums, 0.99));
	put_number(b, "resets_by_client", sums->reset_by_client);
	put_number(b, "resets_by_server", sums->reset_by_server);
	put_number(b, "timed_out", sums->timed_out);
	put_number(b, "zero_windows", sums->zero_windows);
	put_number(b, "rwnd_limited_ns", sums->rwnd_limited_ns);
	put_number(b, "sndbuf_limited_ns", sums->sndbuf_limited_ns);
}

static void put_object(struct sonde_buf *b, const struct sonde_map *map,
		       const struct sonde_map_row *row)
{
	const Sonde__Edge *edge = row->sums.edge;

	sonde_buf_put_str(b, "{\"client\":");
	sonde_json_string(b, sonde_wire_slice(edge->client));
	sonde_buf_put_str(b, ",\"server\":");
	sonde_json_string(b, sonde_wire_slice(edge->server));
	sonde_buf_printf(b, ",\"protocol\":\"%s\"",
			 sonde_transport_name((enum sonde_transport)edge->transport));
	sonde_buf_put_str(b, ",\"since\":\"");
	sonde_json_time(b, edge->start_unix_ns);
	sonde_buf_put_byte(b, '"');
	put_requests(b, map, row);
	put_connections(b, map, row);
	if (is_tcp(&row->sums)) {
		put_tcp(b, &row->sums);
	} else {
		put_number(b, "packets_to_server", row->sums.to_server.segments);
		put_number(b, "packets_to_client", row->sums.to_client.segments);
	}
	sonde_buf_put_byte(b, '}');
}

static void print_json(const struct sonde_map *map, struct sonde_buf *out)
{
	sonde_buf_put_byte(out, '[');
	for (size_t i = 0; i < map->n; i++) {
		if (i)
			sonde_buf_put_byte(out, ',');
		put_object(out, map, &map->rows[i]);
	}
	sonde_buf_put_str(out, "]\n");
}

void sonde_map_print(const struct sonde_map *map, enum sonde_map_format format,
		     struct sonde_buf *out)
{
	switch (format) {
	case SONDE_MAP_TABLE:
	case SONDE_MAP_WIDE:
		print_table(map, format == SONDE_MAP_WIDE, out);
		break;
	case SONDE_MAP_JSON:
		print_json(map, out);
		break;
	case SONDE_MAP_DOT:
		sonde_map_print_dot(map, out);
		break;
	case SONDE_MAP_MERMAID:
		sonde_map_print_mermaid(map, out);
		break;
	}
}
