// SPDX-License-Identifier: Apache-2.0
/* `sonde status`: the ledger, programs, maps and memory of the daemon. */
#include <stdio.h>

#include "agent/core/clock.h"
#include "exporters/json.h"
#include "tools/sonde/commands.h"
#include "tools/sonde/limit.h"
#include "tools/sonde/link.h"
#include "tools/sonde/status.h"
#include "tools/sonde/text.h"

enum { OUTPUT_BYTES = 4 << 20 };

struct options {
	int format;
};

/* Those of enum sonde_format that make sense here. */
static const char *const format_names[] = { "table", "wide", "json", NULL };

static const struct sonde_option option_table[] = {
	{ "output", 'o', SONDE_OPTION_CHOICE, offsetof(struct options, format), "FORMAT",
	  format_names, "table, wide or json" },
};

static uint64_t dropped(const Sonde__LedgerRow *row)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < row->n_drops; i++)
		sum += row->drops[i]->count;
	return sum;
}

/* Records that are neither delivered nor dropped: under way, or missing. */
static int64_t balance(const Sonde__LedgerRow *row)
{
	return (int64_t)(row->produced - row->delivered - dropped(row));
}

static void add_drops(struct sonde_grid *g, const Sonde__LedgerRow *row)
{
	struct sonde_buf b;

	sonde_buf_init(&b, 4096);
	for (size_t i = 0; i < row->n_drops; i++)
		sonde_buf_printf(&b, "%s%s %s: %llu", i ? ", " : "", row->drops[i]->stage,
				 row->drops[i]->reason, (unsigned long long)row->drops[i]->count);
	sonde_grid_add(g, b.len ? sonde_buf_slice(&b) : SONDE_SLICE_LIT("-"));
	sonde_buf_fini(&b);
}

static void add_row(struct sonde_grid *g, const Sonde__LedgerRow *row)
{
	char text[SONDE_TEXT_NUMBER];

	sonde_grid_add_str(g, row->kind);
	sonde_grid_add_u64(g, row->produced);
	sonde_grid_add_u64(g, row->delivered);
	sonde_grid_add_u64(g, dropped(row));
	snprintf(text, sizeof(text), "%lld", (long long)balance(row));
	sonde_grid_add_str(g, text);
	add_drops(g, row);
}

static void print_ledger(const Sonde__Status *s, struct sonde_buf *out)
{
	struct sonde_grid g;

	sonde_grid_init(&g, "LEDGER >PRODUCED >DELIVERED >DROPPED >UNDERWAY WHERE");
	for (size_t i = 0; i < s->n_ledger; i++)
		add_row(&g, s->ledger[i]);
	if (s->subscriptions)
		add_row(&g, s->subscriptions);
	sonde_grid_print(&g, out);
	sonde_buf_put_byte(out, '\n');
}

static bool any_times(const Sonde__Status *s)
{
	for (size_t i = 0; i < s->n_programs; i++)
		if (s->programs[i]->run_time_ns)
			return true;
	return false;
}

static void print_programs(const Sonde__Status *s, struct sonde_buf *out)
{
	struct sonde_grid g;
	char text[SONDE_TEXT_NUMBER];

	sonde_grid_init(&g, "PROGRAM >ID STATE >RUNS >TIME/RUN NOTE");
	for (size_t i = 0; i < s->n_programs; i++) {
		const Sonde__ProgramStatus *p = s->programs[i];

		sonde_grid_add_str(&g, p->name);
		sonde_grid_add_u64(&g, p->id);
		sonde_grid_add_str(&g, p->attached ? "attached" : "off");
		sonde_grid_add_u64(&g, p->runs);
		/* The kernel takes the time only when it is told to. */
		sonde_grid_add_str(&g, p->run_time_ns ? sonde_text_duration((double)p->run_time_ns /
										    (double)p->runs,
									    text)
						      : "-");
		sonde_grid_add_str(&g, p->note);
	}
	sonde_grid_print(&g, out);
	if (s->n_programs && !any_times(s))
		sonde_buf_put_str(out, "(times are taken while kernel.bpf_stats_enabled is 1)\n");
	sonde_buf_put_byte(out, '\n');
}

static void print_maps(const Sonde__Status *s, struct sonde_buf *out)
{
	struct sonde_grid g;
	char text[SONDE_TEXT_NUMBER];

	sonde_grid_init(&g, "MAP >ENTRIES >MAX >FILL >MEMORY");
	for (size_t i = 0; i < s->n_maps; i++) {
		const Sonde__MapStatus *m = s->maps[i];

		sonde_grid_add_str(&g, m->name);
		if (m->entries_known)
			sonde_grid_add_u64(&g, m->entries);
		else
			sonde_grid_add_str(&g, "-");
		if (m->max_entries)
			sonde_grid_add_u64(&g, m->max_entries);
		else
			sonde_grid_add_str(&g, "-"); /* as many as there are sockets */
		snprintf(text, sizeof(text), "%.1f%%",
			 100.0 * (double)m->entries / (m->max_entries ? m->max_entries : 1));
		sonde_grid_add_str(&g, m->entries_known ? text : "-");
		sonde_grid_add_bytes(&g, (double)m->memory_bytes);
	}
	sonde_grid_print(&g, out);
}

static void print_head(const Sonde__Status *s, struct sonde_buf *out)
{
	char a[SONDE_TEXT_NUMBER], b[SONDE_TEXT_NUMBER], c[SONDE_TEXT_NUMBER];
	uint64_t now_ns = sonde_clock_ns(CLOCK_REALTIME);
	double up = now_ns > s->start_unix_ns ? (double)(now_ns - s->start_unix_ns) : 0;

	sonde_buf_printf(out, "sonded %s, up %s, worker restarted %u times\n", s->version,
			 sonde_text_duration(up, a), s->worker_restarts);
	sonde_buf_printf(out, "memory       broker %s (pid %u), worker %s (pid %u)\n",
			 sonde_text_bytes((double)s->broker_rss_bytes, a), s->broker_pid,
			 sonde_text_bytes((double)s->worker_rss_bytes, b), s->worker_pid);
	sonde_buf_printf(out, "ring         %s of %s\n",
			 sonde_text_bytes((double)s->ring_used_bytes, a),
			 sonde_text_bytes((double)s->ring_bytes, b));
	sonde_buf_printf(out, "connections  %u of %u\n", s->connections, s->connections_max);
	sonde_buf_printf(
		out,
		"series       %llu of %llu, %llu records in __other__, %llu of them for routes\n",
		(unsigned long long)s->series, (unsigned long long)s->series_max,
		(unsigned long long)s->series_overflowed, (unsigned long long)s->routes_overflowed);
	sonde_buf_printf(
		out, "requests     %llu without a process name, %llu seen from both ends\n",
		(unsigned long long)s->identities_unknown, (unsigned long long)s->shadowed);
	sonde_buf_printf(out, "clients      %u, %u subscribed\n", s->clients, s->subscribers);
	sonde_buf_printf(out, "canary       %s%s\n\n",
			 s->canary_known ? sonde_text_duration((double)s->canary_age_ns, c)
					 : "never came back",
			 s->canary_known ? " ago" : "");
}

static void put_lease(const Sonde__LimitLease *lease, struct sonde_buf *out)
{
	char length[SONDE_TEXT_NUMBER], left[SONDE_TEXT_NUMBER];

	if (lease && lease->keep)
		sonde_buf_put_str(out, "; no lease: they go on without a daemon");
	else if (lease)
		sonde_buf_printf(out, "; lease %s, %s left",
				 sonde_text_duration((double)lease->length_ns, length),
				 sonde_text_duration((double)lease->left_ns, left));
}

static void print_limits(const Sonde__Status *s, struct sonde_buf *out)
{
	if (!s->limit_rules && !s->n_limit_interfaces)
		return;
	sonde_buf_printf(out, "\nlimit        %u rules, %u of them only count", s->limit_rules,
			 s->limit_muted);
	put_lease(s->limit_lease, out);
	sonde_buf_put_byte(out, '\n');
	sonde_limit_print_interfaces(s->limit_interfaces, s->n_limit_interfaces, out);
}

/* Errors quote what servers say. */
static void print_sources(const Sonde__Status *s, struct sonde_buf *out)
{
	struct sonde_grid g;

	if (!s->n_sources)
		return;
	sonde_grid_init(&g, "METADATA ADDRESS STATE >REQUESTS >FAILURES >TOLD ERROR");
	for (size_t i = 0; i < s->n_sources; i++) {
		const Sonde__SourceStatus *m = s->sources[i];

		sonde_grid_add_str(&g, m->name);
		sonde_grid_add_str(&g, m->address);
		sonde_grid_add_str(&g, m->following ? "following" : "not reached");
		sonde_grid_add_u64(&g, m->requests);
		sonde_grid_add_u64(&g, m->failures);
		sonde_grid_add_u64(&g, m->told);
		sonde_grid_add_str(&g, *m->error ? m->error : "-");
	}
	sonde_grid_print(&g, out);
	sonde_buf_printf(out, "(%llu containers and pods are known)\n\n",
			 (unsigned long long)s->workloads);
}

void sonde_status_print(const Sonde__Status *s, struct sonde_buf *out)
{
	print_head(s, out);
	print_ledger(s, out);
	print_sources(s, out);
	print_programs(s, out);
	print_maps(s, out);
	print_limits(s, out);
}

static int run_status(const struct sonde_cli *cli, int argc, char **argv)
{
	Sonde__GetStatus get = SONDE__GET_STATUS__INIT;
	Sonde__Frame ask = SONDE__FRAME__INIT, *answer;
	struct options options = { SONDE_FORMAT_TABLE };
	struct sonde_words words = { .n = 0 };
	struct sonde_link link;
	struct sonde_buf out;
	int code;

	if (!sonde_cli_options(&sonde_status_command, &options, argc, argv, &words, &code))
		return code;
	code = sonde_link_open(&link, cli->run_dir);
	if (code != SONDE_EXIT_OK)
		return code;
	ask.body_case = SONDE__FRAME__BODY_GET_STATUS;
	ask.get_status = &get;
	code = sonde_link_ask(&link, &ask, SONDE__FRAME__BODY_STATUS, &answer);
	sonde_link_close(&link);
	if (code != SONDE_EXIT_OK)
		return code;
	sonde_buf_init(&out, OUTPUT_BYTES);
	if (options.format >= SONDE_FORMAT_JSON)
		sonde_status_print_json(answer->status, &out);
	else
		sonde_status_print(answer->status, &out);
	sonde__frame__free_unpacked(answer, NULL);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

const struct sonde_command sonde_status_command = {
	.name = "status",
	.arguments = "",
	.summary = "Show the daemon's ledger, programs, maps and memory",
	.notes = "Ledger: produced = delivered + dropped + under way, for every kind of record.",
	.options = option_table,
	.n_options = sizeof(option_table) / sizeof(option_table[0]),
	.run = run_status,
};
