// SPDX-License-Identifier: Apache-2.0
/* How one request looks on a line. */
#include <stdio.h>
#include <time.h>

#include "agent/core/clock.h"
#include "exporters/json.h"
#include "tools/sonde/ends.h"
#include "tools/sonde/text.h"
#include "tools/sonde/trace.h"

enum { SERVICE_WIDTH = 20, PEER_WIDTH = 22, STATUS_WIDTH = 7, NUMBER_WIDTH = 8 };

#define RED    "\033[31m"
#define YELLOW "\033[33m"
#define PLAIN  "\033[0m"

void sonde_trace_print_head(struct sonde_buf *b, enum sonde_format format)
{
	if (format > SONDE_FORMAT_WIDE)
		return;
	sonde_buf_printf(b, "%-12s  %-*s  %-*s  %-*s  %*s  ", "TIME", SERVICE_WIDTH, "SERVICE",
			 PEER_WIDTH, "PEER", STATUS_WIDTH, "STATUS", NUMBER_WIDTH, "LATENCY");
	if (format == SONDE_FORMAT_WIDE)
		sonde_buf_printf(b, "%*s  %*s  %*s  %*s  %*s  %*s  %*s  %-6s  %7s  %-15s  %-20s  ",
				 NUMBER_WIDTH, "NETWORK", NUMBER_WIDTH, "QUEUE", NUMBER_WIDTH,
				 "APP", NUMBER_WIDTH, "TRANSFER", NUMBER_WIDTH, "TTFB",
				 NUMBER_WIDTH, "IN", NUMBER_WIDTH, "OUT", "ROLE", "PID", "COMM",
				 "CONNECTION");
	sonde_buf_put_str(b, format == SONDE_FORMAT_WIDE ? "REQUEST  ROUTE\n" : "REQUEST\n");
}

static void put_time(struct sonde_buf *b, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / SONDE_NS_PER_SEC);
	struct tm tm;
	char text[16] = "";

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	sonde_buf_printf(b, "%s.%03u  ", text,
			 (unsigned int)(unix_ns % SONDE_NS_PER_SEC / SONDE_NS_PER_MS));
}

static void put_peer(struct sonde_buf *b, const struct sonde_request *r)
{
	const struct sonde_endpoint *e = r->role == SONDE_ROLE_CLIENT ? &r->server : &r->client;
	struct sonde_slice peer = r->peer_service;
	char text[SONDE_ENDS_ADDRESS];

	if (!peer.len)
		peer = sonde_slice_str(sonde_ends_address(e, text));
	sonde_text_cell(b, peer, PEER_WIDTH, true);
	sonde_buf_put_str(b, "  ");
}

static void put_status(struct sonde_buf *b, bool colour, const struct sonde_request *r)
{
	char scratch[8], number[8] = "-";
	struct sonde_slice text = sonde_request_error_type(r, scratch);
	const char *start = "";

	if (r->status)
		snprintf(number, sizeof(number), "%u", r->status);
	/* "reset" tells more than the status of a cut answer. */
	if (r->error == SONDE_ERROR_NONE || r->error == SONDE_ERROR_STATUS)
		text = sonde_slice_str(number);
	if (r->error != SONDE_ERROR_NONE)
		start = RED;
	else if (r->status >= 400)
		start = YELLOW;
	if (colour)
		sonde_buf_put_str(b, start);
	sonde_text_cell(b, text, STATUS_WIDTH, true);
	if (colour && *start)
		sonde_buf_put_str(b, PLAIN);
	sonde_buf_put_str(b, "  ");
}

static void put_duration(struct sonde_buf *b, uint64_t ns)
{
	char text[SONDE_TEXT_NUMBER];

	sonde_buf_printf(b, "%*s  ", NUMBER_WIDTH, sonde_text_duration((double)ns, text));
}

static void put_part(struct sonde_buf *b, bool known, uint64_t ns)
{
	if (known)
		put_duration(b, ns);
	else
		sonde_buf_printf(b, "%*s  ", NUMBER_WIDTH, "-");
}

static void put_wide(struct sonde_buf *b, const struct sonde_request *r)
{
	char in[SONDE_TEXT_NUMBER], out[SONDE_TEXT_NUMBER];

	put_part(b, r->has_parts, r->network_ns);
	put_part(b, r->has_parts && r->queue_known, r->queue_ns);
	put_part(b, r->has_parts, r->application_ns);
	put_part(b, r->has_parts, r->transfer_ns);
	put_duration(b, r->ttfb_ns);
	sonde_buf_printf(b, "%*s  %*s  %-6s  %7u  ", NUMBER_WIDTH,
			 sonde_text_bytes((double)r->request_bytes, in), NUMBER_WIDTH,
			 sonde_text_bytes((double)r->response_bytes, out), sonde_role_name(r->role),
			 r->process->pid);
	sonde_text_cell(b, sonde_slice_str(r->process->comm), 15, true);
	sonde_buf_printf(b, "  %-20llu  ", (unsigned long long)r->connection_id);
}

static void put_line(struct sonde_buf *b, bool wide, bool colour, const struct sonde_request *r)
{
	put_time(b, r->time_unix_ns);
	sonde_text_cell(b, r->service, SERVICE_WIDTH, true);
	sonde_buf_put_str(b, "  ");
	put_peer(b, r);
	put_status(b, colour, r);
	put_duration(b, r->duration_ns);
	if (wide)
		put_wide(b, r);
	sonde_text_cell(b, r->method, 0, false);
	sonde_buf_put_byte(b, ' ');
	sonde_text_cell(b, r->path, 0, false);
	if (wide && r->route.len) {
		sonde_buf_put_str(b, "  ");
		sonde_text_cell(b, r->route, 0, false);
	}
	sonde_buf_put_byte(b, '\n');
}

void sonde_trace_print(struct sonde_buf *b, enum sonde_format format, bool colour,
		       const struct sonde_request *r)
{
	if (format <= SONDE_FORMAT_WIDE) {
		put_line(b, format == SONDE_FORMAT_WIDE, colour, r);
		return;
	}
	sonde_json_request(b, r);
	sonde_buf_put_byte(b, '\n');
}
