// SPDX-License-Identifier: Apache-2.0
/* `sonde map`: the services of the node and what flows between them. */
#include "tools/sonde/map.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/clock.h"
#include "tools/sonde/commands.h"

enum { OUTPUT_BYTES = 64 << 20 };

struct options {
	int format;
	uint64_t interval_ns;
	bool recent;
	struct sonde_words services;
};

static const char *const format_names[] = { "table", "wide", "json", "dot", "mermaid", NULL };

static const struct sonde_option option_table[] = {
	{ "interval", 'i', SONDE_OPTION_SECONDS, offsetof(struct options, interval_ns), "SECONDS",
	  NULL, "over which rates are taken (1)" },
	{ "recent", 0, SONDE_OPTION_FLAG, offsetof(struct options, recent), NULL, NULL,
	  "all columns of that interval, not since the edge began" },
	{ "service", 0, SONDE_OPTION_LIST, offsetof(struct options, services), "GLOB", NULL,
	  "only edges of these, at either end" },
	{ "output", 'o', SONDE_OPTION_CHOICE, offsetof(struct options, format), "FORMAT",
	  format_names, "table, wide, json, dot (Graphviz) or mermaid" },
};

static bool is_wanted(const struct options *o, const Sonde__Edge *edge)
{
	for (size_t i = 0; i < o->services.n; i++) {
		struct sonde_slice glob = sonde_slice_str(o->services.items[i]);

		if (sonde_slice_glob(sonde_wire_slice(edge->client), glob) ||
		    sonde_slice_glob(sonde_wire_slice(edge->server), glob))
			return true;
	}
	return !o->services.n;
}

/* 0 or negative errno, with *OUT to be freed. */
static int make_map(const struct options *o, const struct sonde_edges_snapshot *older,
		    const struct sonde_edges_snapshot *newer, struct sonde_map *out)
{
	struct sonde_map map = { .rows = calloc(newer->n_edges + 1, sizeof(*map.rows)) };

	if (!map.rows)
		return -ENOMEM;
	map.seconds = (double)(int64_t)(newer->time_unix_ns - older->time_unix_ns) / 1e9;
	for (size_t i = 0; i < newer->n_edges; i++) {
		const Sonde__Edge *edge = newer->edges[i];
		struct sonde_map_row *row = &map.rows[map.n];

		if (!is_wanted(o, edge))
			continue;
		row->interval.edge = row->sums.edge = edge;
		sonde_edge_row_add(&row->interval, edge, sonde_edges_find(older, edge));
		if (o->recent)
			row->sums = row->interval;
		else
			sonde_edge_row_add(&row->sums, edge, NULL);
		map.n++;
	}
	*out = map;
	return 0;
}

static int print_map(const struct options *o, const struct sonde_edges_snapshot *older,
		     const struct sonde_edges_snapshot *newer)
{
	struct sonde_map map;
	struct sonde_buf out;
	int err = make_map(o, older, newer, &map);

	if (err)
		return sonde_link_fail(err);
	sonde_buf_init(&out, OUTPUT_BYTES);
	sonde_map_print(&map, (enum sonde_map_format)o->format, &out);
	free(map.rows);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

static int show(struct sonde_link *l, const struct options *o)
{
	struct sonde_edges_snapshot older = { 0 }, newer = { 0 };
	int code = sonde_edges_fetch(l, &older);

	if (code == SONDE_EXIT_OK && !sonde_interrupt_pause(o->interval_ns))
		code = SONDE_EXIT_STOPPED;
	if (code == SONDE_EXIT_OK)
		code = sonde_edges_fetch(l, &newer);
	if (code == SONDE_EXIT_OK)
		code = print_map(o, &older, &newer);
	sonde_edges_snapshot_free(&older);
	sonde_edges_snapshot_free(&newer);
	return code;
}

static int run_map(const struct sonde_cli *cli, int argc, char **argv)
{
	struct options options = { .interval_ns = SONDE_NS_PER_SEC };
	struct sonde_words words = { .n = 0 };
	struct sonde_link link;
	int code;

	if (!sonde_cli_options(&sonde_map_command, &options, argc, argv, &words, &code))
		return code;
	if (words.n) {
		sonde_complain("map: takes no arguments");
		return SONDE_EXIT_USAGE;
	}
	sonde_interrupt_catch();
	code = sonde_link_open(&link, cli->run_dir);
	if (code != SONDE_EXIT_OK)
		return code;
	code = show(&link, &options);
	sonde_link_close(&link);
	return code;
}

const struct sonde_command sonde_map_command = {
	.name = "map",
	.arguments = "",
	.summary = "Show who calls whom, and how well that goes",
	.notes =
		"Services of this node, and peers elsewhere by their group of addresses or their\n"
		"address. CONNS is what is open now. RATE is requests in the interval between two\n"
		"looks; the other columns are since the edge began, or with --recent of the "
		"interval,\n"
		"too. RTT is the median; RETRANS the share of segments that were sent again; "
		"FAILED\n"
		"connections were never established. wide adds what an average request waits for.",
	.options = option_table,
	.n_options = sizeof(option_table) / sizeof(option_table[0]),
	.run = run_map,
};
