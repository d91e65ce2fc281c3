// SPDX-License-Identifier: Apache-2.0
/* How a packet that a rule has held back looks on a line. */
#include <stdio.h>
#include <time.h>

#include "agent/core/clock.h"
#include "exporters/json.h"
#include "tools/sonde/text.h"
#include "tools/sonde/trace.h"

enum { RULE_WIDTH = 20, IFACE_WIDTH = 10, SOURCE_WIDTH = 39 };

void sonde_trace_print_limited_head(struct sonde_buf *b, enum sonde_format format)
{
	if (format > SONDE_FORMAT_WIDE)
		return;
	sonde_buf_printf(b, "%-12s  %-*s  %-*s  %-*s  %5s  %5s  %6s  %8s  %s\n", "TIME", RULE_WIDTH,
			 "RULE", IFACE_WIDTH, "IFACE", SOURCE_WIDTH, "SOURCE", "PROTO", "PORT",
			 "BYTES", "STANDS", "DONE");
}

static void put_source(struct sonde_buf *b, const Sonde__Limited *l, bool pad)
{
	struct sonde_endpoint e = { .port = 0 };
	char text[SONDE_ADDRESS_TEXT] = "?";

	if (l->source.len == sizeof(e.address)) {
		memcpy(e.address, l->source.data, sizeof(e.address));
		sonde_endpoint_address(&e, text);
	}
	sonde_text_cell(b, sonde_slice_str(text), pad ? SOURCE_WIDTH : 0, pad);
}

static void put_json(struct sonde_buf *b, const Sonde__Limited *l)
{
	sonde_buf_put_str(b, "{\"record\":\"limited\",\"time\":\"");
	sonde_json_time(b, l->time_unix_ns);
	sonde_buf_put_str(b, "\",\"rule\":");
	sonde_json_string(b, sonde_slice_str(l->rule));
	sonde_buf_put_str(b, ",\"iface\":");
	sonde_json_string(b, sonde_slice_str(l->iface));
	sonde_buf_put_str(b, ",\"source\":\"");
	put_source(b, l, false);
	sonde_buf_printf(b, "\",\"protocol\":%u", l->protocol);
	if (l->port)
		sonde_buf_printf(b, ",\"port\":%u", l->port);
	sonde_buf_printf(b, ",\"bytes\":%u,\"dropped\":%s,\"packets\":%llu}\n", l->bytes,
			 l->dropped ? "true" : "false", (unsigned long long)l->packets);
}

void sonde_trace_print_limited(struct sonde_buf *b, enum sonde_format format,
			       const Sonde__Limited *l)
{
	time_t seconds = (time_t)(l->time_unix_ns / SONDE_NS_PER_SEC);
	char text[16] = "";
	struct tm tm;

	if (format > SONDE_FORMAT_WIDE) {
		put_json(b, l);
		return;
	}
	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	sonde_buf_printf(b, "%s.%03u  ", text,
			 (unsigned int)(l->time_unix_ns % SONDE_NS_PER_SEC / SONDE_NS_PER_MS));
	sonde_text_cell(b, sonde_slice_str(l->rule), RULE_WIDTH, true);
	sonde_buf_put_str(b, "  ");
	sonde_text_cell(b, sonde_slice_str(l->iface), IFACE_WIDTH, true);
	sonde_buf_put_str(b, "  ");
	put_source(b, l, true);
	sonde_buf_printf(b, "  %5u  %5u  %6u  %8llu  %s\n", l->protocol, l->port, l->bytes,
			 (unsigned long long)l->packets, l->dropped ? "dropped" : "counted");
}
