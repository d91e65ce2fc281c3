// SPDX-License-Identifier: Apache-2.0
/* `sonde trace`: requests as they end. */
#include "tools/sonde/trace.h"

#include <errno.h>
#include <stdio.h>

#include "agent/core/clock.h"
#include "tools/sonde/commands.h"
#include "tools/sonde/link.h"

enum { OUTPUT_BYTES = 8 << 20, FLUSH_BYTES = 65536 };

struct trace {
	const struct sonde_trace_options *options;
	struct sonde_trace_condition condition;
	struct sonde_link link;
	struct sonde_buf out;
	bool colour;
	uint64_t until_ns; /* 0: no end */
	uint64_t seen, errors, lost;
	bool met; /* the condition of --fail-on */
};

static int subscribe(struct trace *t, const struct sonde_trace_filter *filter)
{
	Sonde__Subscribe subscribe = SONDE__SUBSCRIBE__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT, *answer;
	struct sonde_trace_filter copy = *filter;
	int code;

	subscribe.filter = &copy.message;
	subscribe.limit = t->options->count;
	subscribe.limited = t->options->limited;
	frame.body_case = SONDE__FRAME__BODY_SUBSCRIBE;
	frame.subscribe = &subscribe;
	code = sonde_link_ask(&t->link, &frame, SONDE__FRAME__BODY_SUBSCRIBED, &answer);
	if (code == SONDE_EXIT_OK)
		sonde__frame__free_unpacked(answer, NULL);
	return code;
}

/* Losses are told on standard error: standard output holds requests and nothing else. */
static void tell_loss(struct trace *t, const Sonde__Lost *lost)
{
	struct sonde_buf b;

	t->lost += lost->count;
	sonde_buf_init(&b, 4096);
	sonde_buf_printf(&b, "-- lost %llu ", (unsigned long long)lost->count);
	sonde_buf_printf(&b, "%.40s records (%.40s: %.40s) --\n", lost->kind, lost->stage,
			 lost->reason);
	fwrite(b.ptr, 1, b.len, stderr);
	sonde_buf_fini(&b);
}

static int take_request(struct trace *t, const Sonde__Request *message)
{
	struct sonde_wire_decoded decoded;
	int err = sonde_wire_to_request(message, &decoded);

	if (err)
		return sonde_link_fail(err);
	t->seen++;
	t->errors += decoded.request.error != SONDE_ERROR_NONE;
	t->met |= sonde_trace_condition_met(&t->condition, &decoded.request);
	sonde_trace_print(&t->out, (enum sonde_format)t->options->format, t->colour,
			  &decoded.request);
	return SONDE_EXIT_OK;
}

static int take_frame(struct trace *t, const Sonde__Frame *frame)
{
	switch (frame->body_case) {
	case SONDE__FRAME__BODY_REQUEST:
		return take_request(t, frame->request);
	case SONDE__FRAME__BODY_LIMITED:
		t->seen++;
		sonde_trace_print_limited(&t->out, (enum sonde_format)t->options->format,
					  frame->limited);
		return SONDE_EXIT_OK;
	case SONDE__FRAME__BODY_LOST:
		tell_loss(t, frame->lost);
		return SONDE_EXIT_OK;
	case SONDE__FRAME__BODY_ERROR:
		return sonde_link_refused(frame->error);
	default:
		return SONDE_EXIT_OK;
	}
}

static bool is_complete(const struct trace *t)
{
	return t->options->count && t->seen >= t->options->count;
}

/* False: the output has gone; *CODE says what to return. */
static bool flush(struct trace *t, int *code)
{
	return !t->out.len || sonde_print(&t->out, code);
}

/* One frame, or the end. True to go on. */
static bool step(struct trace *t, int *code)
{
	Sonde__Frame *frame;
	int err;

	/* Written when nothing more is there already: prompt when slow, in batches when fast. */
	if ((!sonde_link_has_frame(&t->link) || t->out.len > FLUSH_BYTES) && !flush(t, code))
		return false;
	err = sonde_link_receive(&t->link, t->until_ns, &frame);
	if (err == -ETIMEDOUT && t->options->count) {
		sonde_complain("trace: %llu of %llu requests within the time given",
			       (unsigned long long)t->seen, (unsigned long long)t->options->count);
		*code = SONDE_EXIT_FAILURE;
	} else if (err && err != -ETIMEDOUT && err != -EINTR) {
		*code = sonde_link_fail(err);
	}
	if (err)
		return false;
	*code = take_frame(t, frame);
	sonde__frame__free_unpacked(frame, NULL);
	return *code == SONDE_EXIT_OK && !is_complete(t);
}

static int follow(struct trace *t)
{
	int code = SONDE_EXIT_OK, flushed = SONDE_EXIT_OK;

	if (t->options->timeout_ns)
		t->until_ns = sonde_clock_mono_ns() + t->options->timeout_ns;
	if (t->options->limited)
		sonde_trace_print_limited_head(&t->out, (enum sonde_format)t->options->format);
	else
		sonde_trace_print_head(&t->out, (enum sonde_format)t->options->format);
	if (!t->out.len)
		fprintf(stderr, "-- subscribed --\n");
	if (!flush(t, &code))
		return code;
	while (step(t, &code))
		;
	if (!flush(t, &flushed))
		return flushed;
	fprintf(stderr, "-- %llu %s, %llu errors, %llu records lost --\n",
		(unsigned long long)t->seen, t->options->limited ? "samples" : "requests",
		(unsigned long long)t->errors, (unsigned long long)t->lost);
	return code == SONDE_EXIT_OK && t->met ? SONDE_EXIT_CONDITION : code;
}

static int run_trace(const struct sonde_cli *cli, int argc, char **argv)
{
	struct sonde_trace_options options = { .format = SONDE_FORMAT_TABLE };
	struct trace t = { .options = &options, .colour = sonde_wants_colour() };
	struct sonde_trace_filter filter;
	struct sonde_words words = { .n = 0 };
	char error[SONDE_OPTIONS_ERROR];
	int code;

	if (!sonde_cli_options(&sonde_trace_command, &options, argc, argv, &words, &code))
		return code;
	snprintf(error, sizeof(error),
		 words.n ? "takes no arguments" : "--fail-on: not a condition");
	if (words.n || sonde_trace_condition_parse(options.fail_on, &t.condition) ||
	    sonde_trace_filter(&options, &filter, error)) {
		sonde_complain("trace: %s", error);
		return SONDE_EXIT_USAGE;
	}
	sonde_interrupt_catch();
	sonde_buf_init(&t.out, OUTPUT_BYTES);
	code = sonde_link_open(&t.link, cli->run_dir);
	if (code != SONDE_EXIT_OK)
		return code;
	code = subscribe(&t, &filter);
	if (code == SONDE_EXIT_OK)
		code = follow(&t);
	sonde_link_close(&t.link);
	sonde_buf_fini(&t.out);
	return code;
}

const struct sonde_command sonde_trace_command = {
	.name = "trace",
	.arguments = "",
	.summary = "Show requests as they end",
	.notes = "A filter that is given again means any of its values; different filters must "
		 "all\n"
		 "hold. --protocol, --port, --pid, --method, --status and --role take several "
		 "values\n"
		 "with commas, too. The filter works in the daemon. Requests go to standard "
		 "output,\n"
		 "losses and the summary to standard error. The header (of table and wide) is\n"
		 "printed once the daemon has confirmed the subscription. With --count and\n"
		 "--timeout, exit 1 when the time ran out first.",
	.options = sonde_trace_options,
	.n_options = SONDE_TRACE_OPTIONS,
	.run = run_trace,
};
