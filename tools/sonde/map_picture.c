// SPDX-License-Identifier: Apache-2.0
/*
 * Edges as pictures: for Graphviz (https://graphviz.org/doc/info/lang.html) and for Mermaid
 * (https://mermaid.js.org/syntax/flowchart.html). Names reach both escaped for a terminal first,
 * then for the quotes of the format.
 */
#include <math.h>
#include <stdio.h>

#include "agent/core/escape.h"
#include "tools/sonde/map.h"
#include "tools/sonde/text.h"

enum { NAME_BYTES = 4 * SONDE_SERVICE_MAX + 64, NAME_TAKEN = SONDE_SERVICE_MAX };

/* What stands for a character inside the quotes of a format; NULL: itself. */
typedef const char *(*spell_fn)(uint8_t byte);

static const char *spell_dot(uint8_t byte)
{
	return byte == '"' ? "\\\"" : byte == '\\' ? "\\\\" : NULL;
}

static const char *spell_mermaid(uint8_t byte)
{
	switch (byte) {
	case '"':
		return "#quot;";
	case '#':
		return "#35;";
	case '<':
		return "#lt;";
	case '>':
		return "#gt;";
	case '&':
		return "#amp;";
	case '`':
		return "#96;";
	default:
		return NULL;
	}
}

static void put_quoted(struct sonde_buf *b, struct sonde_slice name, spell_fn spell)
{
	uint8_t bytes[NAME_BYTES];
	struct sonde_buf text;

	sonde_buf_over(&text, bytes, sizeof(bytes));
	sonde_escape_terminal(&text, sonde_slice_sub(name, 0, NAME_TAKEN));
	sonde_buf_put_byte(b, '"');
	for (size_t i = 0; i < text.len; i++) {
		const char *other = spell(text.ptr[i]);

		if (other)
			sonde_buf_put_str(b, other);
		else
			sonde_buf_put_byte(b, text.ptr[i]);
	}
	sonde_buf_put_byte(b, '"');
}

static void put_requests(const struct sonde_map *map, const struct sonde_map_row *row,
			 const char *newline, struct sonde_buf *b)
{
	double p99 = sonde_edge_row_duration_ns(&row->sums, 0.99);
	char text[SONDE_TEXT_NUMBER];

	if (!row->sums.requests)
		return;
	sonde_buf_printf(b, "%s%.1f/s", newline, sonde_map_rate(map, row->interval.requests));
	if (row->sums.errors)
		sonde_buf_printf(b, ", %.1f%% errors",
				 100 * sonde_edge_row_error_share(&row->sums));
	if (!isnan(p99))
		sonde_buf_printf(b, "%sp99 %s", newline, sonde_text_duration(p99, text));
}

/* What stands on an arrow; only numbers, so it needs no escaping. */
static void put_label(const struct sonde_map *map, const struct sonde_map_row *row,
		      const char *newline, struct sonde_buf *b)
{
	const struct sonde_edge_row *sums = &row->sums;
	double rtt = sonde_edge_row_rtt_ns(sums, 0.5);
	char text[SONDE_TEXT_NUMBER];

	sonde_buf_printf(b, "%s, %llu open",
			 sonde_transport_name((enum sonde_transport)sums->edge->transport),
			 (unsigned long long)sums->active);
	put_requests(map, row, newline, b);
	if (!isnan(rtt))
		sonde_buf_printf(b, "%srtt %s", newline, sonde_text_duration(rtt, text));
	if (sums->to_server.retransmits + sums->to_client.retransmits)
		sonde_buf_printf(b, ", %.1f%% sent again",
				 100 * sonde_edge_row_retransmit_share(sums));
	if (sonde_edge_row_failed(sums))
		sonde_buf_printf(b, "%s%llu failed", newline,
				 (unsigned long long)sonde_edge_row_failed(sums));
}

/* Something fails or is lost: the arrow is drawn to be seen. */
static bool is_bad(const struct sonde_edge_row *sums)
{
	return sonde_edge_row_error_share(sums) >= 0.01 ||
	       sonde_edge_row_retransmit_share(sums) >= 0.01 || sonde_edge_row_failed(sums);
}

void sonde_map_print_dot(const struct sonde_map *map, struct sonde_buf *out)
{
	sonde_buf_put_str(out, "digraph sonde {\n\trankdir=LR;\n"
			       "\tnode [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
			       "\tedge [fontname=\"sans-serif\", fontsize=10];\n");
	for (size_t i = 0; i < map->n; i++) {
		const struct sonde_map_row *row = &map->rows[i];

		sonde_buf_put_byte(out, '\t');
		put_quoted(out, sonde_wire_slice(row->sums.edge->client), spell_dot);
		sonde_buf_put_str(out, " -> ");
		put_quoted(out, sonde_wire_slice(row->sums.edge->server), spell_dot);
		sonde_buf_put_str(out, " [label=\"");
		put_label(map, row, "\\n", out);
		sonde_buf_put_str(out, is_bad(&row->sums) ? "\", color=red];\n" : "\"];\n");
	}
	sonde_buf_put_str(out, "}\n");
}

/* The number of the first edge and side that has this name: what its node is called. */
static size_t node_of(const struct sonde_map *map, struct sonde_slice name)
{
	for (size_t i = 0; i < map->n; i++) {
		const Sonde__Edge *edge = map->rows[i].sums.edge;

		if (sonde_slice_eq(sonde_wire_slice(edge->client), name))
			return 2 * i;
		if (sonde_slice_eq(sonde_wire_slice(edge->server), name))
			return 2 * i + 1;
	}
	return 2 * map->n;
}

static void put_node(const struct sonde_map *map, struct sonde_slice name, struct sonde_buf *out)
{
	sonde_buf_printf(out, "n%zu[", node_of(map, name));
	put_quoted(out, name, spell_mermaid);
	sonde_buf_put_byte(out, ']');
}

void sonde_map_print_mermaid(const struct sonde_map *map, struct sonde_buf *out)
{
	sonde_buf_put_str(out, "flowchart LR\n");
	for (size_t i = 0; i < map->n; i++) {
		const struct sonde_map_row *row = &map->rows[i];

		sonde_buf_put_str(out, "    ");
		put_node(map, sonde_wire_slice(row->sums.edge->client), out);
		sonde_buf_put_str(out, " -->|\"");
		put_label(map, row, "<br/>", out);
		sonde_buf_put_str(out, "\"| ");
		put_node(map, sonde_wire_slice(row->sums.edge->server), out);
		sonde_buf_put_byte(out, '\n');
	}
	for (size_t i = 0; i < map->n; i++)
		if (is_bad(&map->rows[i].sums))
			sonde_buf_printf(out, "    linkStyle %zu stroke:red\n", i);
}
