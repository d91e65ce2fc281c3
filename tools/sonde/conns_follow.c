// SPDX-License-Identifier: Apache-2.0
/* `sonde conns --follow`: connections as they close or fail. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "agent/core/clock.h"
#include "exporters/json.h"
#include "tools/sonde/conns.h"
#include "tools/sonde/ends.h"
#include "tools/sonde/text.h"

enum {
	OUTPUT_BYTES = 8 << 20,
	FLUSH_BYTES = 65536,
	STATE_WIDTH = 11,
	CLIENT_WIDTH = 22,
	SERVER_WIDTH = 28,
	NUMBER_WIDTH = 9,
	LIMIT_WIDTH = 11,
};

struct follow {
	struct sonde_link *link;
	const struct sonde_conns_options *options;
	struct sonde_buf out;
	uint64_t until_ns; /* 0: no end */
	uint64_t seen, failed, lost;
};

static bool is_table(const struct follow *f)
{
	return f->options->format <= SONDE_FORMAT_WIDE;
}

static void put_head(struct sonde_buf *b)
{
	sonde_buf_printf(b, "%-12s  PROTO  %-*s  %-*s  %-*s  %*s  %*s  %*s  %*s  %*s  %-*s  ID\n",
			 "TIME", STATE_WIDTH, "STATE", CLIENT_WIDTH, "CLIENT", SERVER_WIDTH,
			 "SERVER", NUMBER_WIDTH, "AGE", NUMBER_WIDTH, "RTT", NUMBER_WIDTH,
			 "RETRANS", NUMBER_WIDTH, "TO-SERVER", NUMBER_WIDTH, "TO-CLIENT",
			 LIMIT_WIDTH, "LIMIT");
}

static void put_time(struct sonde_buf *b, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / SONDE_NS_PER_SEC);
	char text[16] = "";
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	sonde_buf_printf(b, "%s.%03u  ", text,
			 (unsigned int)(unix_ns % SONDE_NS_PER_SEC / SONDE_NS_PER_MS));
}

static void put_end(struct sonde_buf *b, const struct sonde_connection *c, enum sonde_role end,
		    size_t width)
{
	uint8_t bytes[SONDE_ENDS_TEXT];
	struct sonde_buf name;

	sonde_buf_over(&name, bytes, sizeof(bytes));
	sonde_ends_put_name(&name, c, end);
	sonde_text_cell(b, sonde_buf_slice(&name), width, true);
	sonde_buf_put_str(b, "  ");
}

static void put_duration(struct sonde_buf *b, uint64_t ns)
{
	char text[SONDE_TEXT_NUMBER];

	sonde_buf_printf(b, "%*s  ", NUMBER_WIDTH,
			 ns ? sonde_text_duration((double)ns, text) : "-");
}

static void put_line(struct sonde_buf *b, const struct sonde_connection *c)
{
	char up[SONDE_TEXT_NUMBER], down[SONDE_TEXT_NUMBER], share[SONDE_TEXT_NUMBER] = "-";
	char why[SONDE_LIMIT_WHY];

	put_time(b, c->opened_unix_ns + c->duration_ns);
	sonde_buf_printf(b, "%-5s  %-*s  ", sonde_transport_name(c->transport), STATE_WIDTH,
			 sonde_conns_state(c));
	put_end(b, c, SONDE_ROLE_CLIENT, CLIENT_WIDTH);
	put_end(b, c, SONDE_ROLE_SERVER, SERVER_WIDTH);
	put_duration(b, c->duration_ns);
	put_duration(b, c->srtt_ns);
	if (c->transport == SONDE_TRANSPORT_TCP)
		snprintf(share, sizeof(share), "%.1f%%", 100 * sonde_conns_retransmit_share(c));
	sonde_buf_printf(b, "%*s  %*s  %*s  %-*s  %llu\n", NUMBER_WIDTH, share, NUMBER_WIDTH,
			 sonde_text_bytes((double)c->total.to_server.bytes, up), NUMBER_WIDTH,
			 sonde_text_bytes((double)c->total.to_client.bytes, down), LIMIT_WIDTH,
			 sonde_limit_name(sonde_conns_limit(c, why)), (unsigned long long)c->id);
}

static int take_connection(struct follow *f, const Sonde__Connection *message)
{
	struct sonde_wire_decoded_connection decoded;
	int err = sonde_wire_to_connection(message, &decoded);

	if (err)
		return sonde_link_fail(err);
	f->seen++;
	f->failed += decoded.connection.connect_error != SONDE_CONNECT_OK;
	if (is_table(f)) {
		put_line(&f->out, &decoded.connection);
	} else {
		sonde_json_connection(&f->out, &decoded.connection);
		sonde_buf_put_byte(&f->out, '\n');
	}
	return SONDE_EXIT_OK;
}

/* Losses are told on standard error: standard output holds connections and nothing else. */
static void tell_loss(struct follow *f, const Sonde__Lost *lost)
{
	f->lost += lost->count;
	fprintf(stderr, "-- lost %llu %.40s records (%.40s: %.40s) --\n",
		(unsigned long long)lost->count, lost->kind, lost->stage, lost->reason);
}

static int take_frame(struct follow *f, const Sonde__Frame *frame)
{
	switch (frame->body_case) {
	case SONDE__FRAME__BODY_CONNECTION:
		return take_connection(f, frame->connection);
	case SONDE__FRAME__BODY_LOST:
		tell_loss(f, frame->lost);
		return SONDE_EXIT_OK;
	case SONDE__FRAME__BODY_ERROR:
		return sonde_link_refused(frame->error);
	default:
		return SONDE_EXIT_OK;
	}
}

static int subscribe(struct follow *f, Sonde__Filter *filter)
{
	Sonde__Subscribe subscribe = SONDE__SUBSCRIBE__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT, *answer;
	int code;

	subscribe.filter = filter;
	subscribe.limit = f->options->limit;
	subscribe.connections = true;
	frame.body_case = SONDE__FRAME__BODY_SUBSCRIBE;
	frame.subscribe = &subscribe;
	code = sonde_link_ask(f->link, &frame, SONDE__FRAME__BODY_SUBSCRIBED, &answer);
	if (code == SONDE_EXIT_OK)
		sonde__frame__free_unpacked(answer, NULL);
	return code;
}

static bool is_complete(const struct follow *f)
{
	return f->options->limit && f->seen >= f->options->limit;
}

/* False: the output has gone; *CODE says what to return. */
static bool flush(struct follow *f, int *code)
{
	return !f->out.len || sonde_print(&f->out, code);
}

/* One frame, or the end. True to go on. */
static bool step(struct follow *f, int *code)
{
	Sonde__Frame *frame;
	int err;

	if ((!sonde_link_has_frame(f->link) || f->out.len > FLUSH_BYTES) && !flush(f, code))
		return false;
	err = sonde_link_receive(f->link, f->until_ns, &frame);
	if (err == -ETIMEDOUT && f->options->limit) {
		sonde_complain("conns: %llu of %llu connections within the time given",
			       (unsigned long long)f->seen, (unsigned long long)f->options->limit);
		*code = SONDE_EXIT_FAILURE;
	} else if (err && err != -ETIMEDOUT && err != -EINTR) {
		*code = sonde_link_fail(err);
	}
	if (err)
		return false;
	*code = take_frame(f, frame);
	sonde__frame__free_unpacked(frame, NULL);
	return *code == SONDE_EXIT_OK && !is_complete(f);
}

static int run(struct follow *f)
{
	int code = SONDE_EXIT_OK, flushed = SONDE_EXIT_OK;

	if (f->options->timeout_ns)
		f->until_ns = sonde_clock_mono_ns() + f->options->timeout_ns;
	if (is_table(f))
		put_head(&f->out);
	else
		fprintf(stderr, "-- subscribed --\n");
	if (!flush(f, &code))
		return code;
	while (step(f, &code))
		;
	if (!flush(f, &flushed))
		return flushed;
	fprintf(stderr, "-- %llu connections, %llu failed, %llu records lost --\n",
		(unsigned long long)f->seen, (unsigned long long)f->failed,
		(unsigned long long)f->lost);
	return code;
}

int sonde_conns_follow(struct sonde_link *l, const struct sonde_conns_options *o,
		       Sonde__Filter *filter)
{
	struct follow f = { .link = l, .options = o };
	int code;

	sonde_buf_init(&f.out, OUTPUT_BYTES);
	code = subscribe(&f, filter);
	if (code == SONDE_EXIT_OK)
		code = run(&f);
	sonde_buf_fini(&f.out);
	return code;
}
