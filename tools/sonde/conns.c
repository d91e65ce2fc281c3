// SPDX-License-Identifier: Apache-2.0
/* `sonde conns`: connections, and one of them with its history. */
#include "tools/sonde/conns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/sonde/commands.h"

enum { OUTPUT_BYTES = 256 << 20 };

#define CLEAR_SCREEN "\033[H\033[2J"

struct conns {
	struct sonde_conns_options options;
	struct sonde_conns_filter filter;
	struct sonde_link link;
};

static int fetch(struct conns *a, struct sonde_conns *out)
{
	bool both = !a->options.live && !a->options.closed;
	Sonde__GetConnections get = SONDE__GET_CONNECTIONS__INIT;

	get.filter = &a->filter.message;
	get.live = a->options.live || both;
	get.closed = a->options.closed || both;
	return sonde_conns_fetch(&a->link, &get, out);
}

static int show_list(struct conns *a)
{
	struct sonde_conns c;
	struct sonde_buf out;
	int code = fetch(a, &c);

	if (code != SONDE_EXIT_OK)
		return code;
	sonde_conns_sort(&c, (enum sonde_conns_sort)a->options.sort);
	sonde_buf_init(&out, OUTPUT_BYTES);
	if (a->options.watch_ns && a->options.format <= SONDE_FORMAT_WIDE && isatty(STDOUT_FILENO))
		sonde_buf_put_str(&out, CLEAR_SCREEN);
	sonde_conns_print(&c, (enum sonde_format)a->options.format, a->options.limit, &out);
	sonde_conns_free(&c);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

/* What happened on a connection. */
struct events {
	struct sonde_frames frames; /* own the events */
	const Sonde__Event **list;
	size_t n;
};

static void free_events(struct events *e)
{
	sonde_frames_free(&e->frames);
	free(e->list);
}

static int list_events(struct events *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->frames.n; i++)
		n += e->frames.items[i]->event_batch->n_events;
	e->list = calloc(n ? n : 1, sizeof(Sonde__Event *));
	if (!e->list)
		return -ENOMEM;
	for (size_t i = 0; i < e->frames.n; i++) {
		const Sonde__EventBatch *batch = e->frames.items[i]->event_batch;

		for (size_t k = 0; k < batch->n_events; k++)
			e->list[e->n++] = batch->events[k];
	}
	return 0;
}

static int fetch_events(struct conns *a, struct events *e)
{
	Sonde__GetEvents get = SONDE__GET_EVENTS__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	int code, err;

	get.connection_id = a->filter.id;
	frame.body_case = SONDE__FRAME__BODY_GET_EVENTS;
	frame.get_events = &get;
	code = sonde_frames_ask(&a->link, &frame, SONDE__FRAME__BODY_EVENT_BATCH, 0, &e->frames);
	if (code != SONDE_EXIT_OK)
		return code;
	err = list_events(e);
	return err ? sonde_link_fail(err) : SONDE_EXIT_OK;
}

static int print_one(struct conns *a, const Sonde__Connection *message)
{
	struct sonde_wire_decoded_connection decoded;
	struct events events = { 0 };
	struct sonde_buf out;
	int code = fetch_events(a, &events);

	if (code == SONDE_EXIT_OK && sonde_wire_to_connection(message, &decoded))
		code = sonde_link_fail(-EPROTO);
	if (code == SONDE_EXIT_OK) {
		sonde_buf_init(&out, OUTPUT_BYTES);
		sonde_conns_print_one(&decoded.connection, events.list, events.n,
				      (enum sonde_format)a->options.format, &out);
		code = sonde_print_last(&out, SONDE_EXIT_OK);
	}
	free_events(&events);
	return code;
}

static int show_one(struct conns *a)
{
	struct sonde_conns c;
	int code = fetch(a, &c);

	if (code != SONDE_EXIT_OK)
		return code;
	if (c.n) {
		code = print_one(a, c.list[0]);
	} else {
		sonde_complain("conns: no connection %llu is open or remembered",
			       (unsigned long long)a->filter.id);
		code = SONDE_EXIT_FAILURE;
	}
	sonde_conns_free(&c);
	return code;
}

static int show(struct conns *a, bool one)
{
	int code;

	do
		code = one ? show_one(a) : show_list(a);
	while (code == SONDE_EXIT_OK && a->options.watch_ns &&
	       sonde_interrupt_pause(a->options.watch_ns));
	return code;
}

/* NULL, or which of the words do not go together. */
static const char *contradiction(const struct sonde_conns_options *o, const struct sonde_words *w)
{
	if (w->n > 1)
		return "takes the id of one connection, or none";
	if (o->follow && (w->n || o->live || o->watch_ns || o->sort != SONDE_CONNS_AS_TOLD))
		return "--follow tells what closes from now on: no ID, --live, --watch or --sort";
	return o->timeout_ns && !o->follow ? "--timeout ends --follow, which is not given" : NULL;
}

static int run_conns(const struct sonde_cli *cli, int argc, char **argv)
{
	struct conns a = { .options = { .format = SONDE_FORMAT_TABLE } };
	struct sonde_words words = { .n = 0 };
	char error[SONDE_OPTIONS_ERROR];
	const char *wrong;
	int code;

	if (!sonde_cli_options(&sonde_conns_command, &a.options, argc, argv, &words, &code))
		return code;
	wrong = contradiction(&a.options, &words);
	if (!wrong &&
	    sonde_conns_filter(&a.options, words.n ? words.items[0] : "", &a.filter, error))
		wrong = error;
	if (wrong) {
		sonde_complain("conns: %s", wrong);
		return SONDE_EXIT_USAGE;
	}
	sonde_interrupt_catch();
	code = sonde_link_open(&a.link, cli->run_dir);
	if (code != SONDE_EXIT_OK)
		return code;
	code = a.options.follow ? sonde_conns_follow(&a.link, &a.options, &a.filter.message)
				: show(&a, words.n == 1);
	sonde_link_close(&a.link);
	return code;
}

const struct sonde_command sonde_conns_command = {
	.name = "conns",
	.arguments = "[ID]",
	.summary = "List connections, or tell all of one and its history",
	.notes =
		"Without --live and --closed both are shown: those that are open, then those that\n"
		"closed or failed within the last minutes, newest first. Filters are as those of\n"
		"trace and work in the daemon.\n"
		"\n"
		"LIMIT says what holds a connection up. network: it could not be reached or was\n"
		"lost, 1 % of the segments or more were sent again, or the round trip is over "
		"four\n"
		"times its least and 50 ms longer. queue: for a tenth of its life or more the\n"
		"receiver's queue or the send buffer was full, a window of 0 was offered, or 10 "
		"ms\n"
		"or more went by until the application first read. application: none of these, so\n"
		"what time it takes is spent in the applications; or nobody listened. `sonde "
		"conns\n"
		"ID` gives the figures. RETRANS is the share of segments that were sent again.",
	.options = sonde_conns_options,
	.n_options = SONDE_CONNS_OPTIONS,
	.run = run_conns,
};
