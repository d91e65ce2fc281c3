// SPDX-License-Identifier: Apache-2.0
/* `sonde top`: the busiest operations, live. */
#include "tools/sonde/top.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "exporters/json.h"
#include "tools/sonde/commands.h"

enum { OUTPUT_BYTES = 16 << 20, LIMIT = 20 };

struct options {
	uint64_t interval_ns, count, limit;
	int sort, by;
	bool plain;
	char *filter;
	struct sonde_words services;
};

static const struct sonde_option option_table[] = {
	{ "interval", 'i', SONDE_OPTION_SECONDS, offsetof(struct options, interval_ns), "SECONDS",
	  NULL, "between snapshots (1)" },
	{ "count", 'n', SONDE_OPTION_COUNT, offsetof(struct options, count), "N", NULL,
	  "end after N plain snapshots" },
	{ "limit", 0, SONDE_OPTION_COUNT, offsetof(struct options, limit), "ROWS", NULL,
	  "of a plain snapshot (20)" },
	{ "by", 0, SONDE_OPTION_CHOICE, offsetof(struct options, by), "WHAT", sonde_top_by_names,
	  "operation, connection, peer or process" },
	{ "sort", 's', SONDE_OPTION_CHOICE, offsetof(struct options, sort), "KEY",
	  sonde_top_sort_names, "rate, errors, p50, p90, p99, bytes or name" },
	{ "filter", 'f', SONDE_OPTION_TEXT, offsetof(struct options, filter), "TEXT", NULL,
	  "a part of a name: service, operation, peer, process" },
	{ "service", 0, SONDE_OPTION_LIST, offsetof(struct options, services), "GLOB", NULL,
	  "only these services" },
	{ "plain", 0, SONDE_OPTION_FLAG, offsetof(struct options, plain), NULL, NULL,
	  "snapshots one below the other, also on a terminal" },
};

static bool print_snapshot(struct sonde_top *t, size_t limit, int *code)
{
	struct sonde_buf out;
	bool more;

	sonde_buf_init(&out, OUTPUT_BYTES);
	sonde_json_time(&out, sonde_top_time_unix_ns(t));
	sonde_buf_put_str(&out, "  ");
	sonde_top_summary(t, &out);
	sonde_buf_put_byte(&out, '\n');
	sonde_top_print(t, 0, limit, &out);
	sonde_buf_put_byte(&out, '\n');
	more = sonde_print(&out, code);
	sonde_buf_fini(&out);
	return more;
}

/* The first snapshot is only the ground for the differences. */
static int show_plain(struct sonde_top *t, const struct options *o)
{
	int code = sonde_top_refresh(t);

	for (uint64_t n = 0; code == SONDE_EXIT_OK && (!o->count || n < o->count); n++) {
		if (!sonde_interrupt_pause(o->interval_ns))
			return SONDE_EXIT_OK;
		code = sonde_top_refresh(t);
		if (code == SONDE_EXIT_OK && !print_snapshot(t, o->limit, &code))
			return code;
	}
	return code;
}

static int run_top(const struct sonde_cli *cli, int argc, char **argv)
{
	struct options options = { .interval_ns = SONDE_NS_PER_SEC, .limit = LIMIT };
	struct sonde_words words = { .n = 0 };
	struct sonde_top t = { .n_rows = 0 };
	int code;

	if (!sonde_cli_options(&sonde_top_command, &options, argc, argv, &words, &code))
		return code;
	if (options.filter)
		snprintf(t.filter, sizeof(t.filter), "%s", options.filter);
	t.sort = (enum sonde_top_sort)options.sort;
	t.by = (enum sonde_top_by)options.by;
	t.services = options.services;
	sonde_interrupt_catch();
	code = sonde_link_open(&t.link, cli->run_dir);
	if (code != SONDE_EXIT_OK)
		return code;
	if (options.plain || options.count || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		code = show_plain(&t, &options);
	else
		code = sonde_top_screen(&t, options.interval_ns);
	sonde_top_fini(&t);
	return code;
}

const struct sonde_command sonde_top_command = {
	.name = "top",
	.arguments = "",
	.summary = "Show the busiest operations, connections, peers or processes, live",
	.notes = "On a terminal: q quits, space pauses, / filters, s and r e l b n choose the "
		 "order,\n"
		 "arrows scroll. Otherwise plain snapshots, each of one interval. By connection, "
		 "peer or\n"
		 "process rate sorts by segments (peers: by requests), errors by what failed or "
		 "was sent\n"
		 "again, and p50 to p99 by round trip (peers: by p99 of the requests).",
	.options = option_table,
	.n_options = sizeof(option_table) / sizeof(option_table[0]),
	.run = run_top,
};
