// SPDX-License-Identifier: Apache-2.0
/* One connection in full: who, what went over it, what held it up, and its history. */
#include <stdio.h>

#include "agent/core/clock.h"
#include "exporters/json.h"
#include "tools/sonde/conns.h"
#include "tools/sonde/ends.h"
#include "tools/sonde/text.h"

static const char *event_name(const Sonde__Event *e)
{
	static const char *const names[] = {
		[SONDE__EVENT__WHAT__OPENED] = "opened",
		[SONDE__EVENT__WHAT__OWNER] = "owner",
		[SONDE__EVENT__WHAT__RETRANSMITS] = "retransmits",
		[SONDE__EVENT__WHAT__ZERO_WINDOW] = "zero_window",
		[SONDE__EVENT__WHAT__RTT] = "rtt",
		[SONDE__EVENT__WHAT__CLOSED] = "closed",
		[SONDE__EVENT__WHAT__FAILED] = "failed",
	};

	return (unsigned int)e->what < sizeof(names) / sizeof(names[0]) ? names[e->what]
									: "unknown";
}

static void put_label(struct sonde_buf *b, const char *label)
{
	sonde_buf_printf(b, "  %-13s", label);
}

static void put_known(struct sonde_buf *b, const char *before, struct sonde_slice s)
{
	if (!s.len)
		return;
	sonde_buf_put_str(b, before);
	sonde_text_cell(b, s, 0, false);
}

static void put_process(struct sonde_buf *b, const struct sonde_process *p)
{
	if (!p || !p->pid)
		return;
	sonde_buf_printf(b, "  pid %u", p->pid);
	put_known(b, " ", sonde_slice_str(p->comm));
	put_known(b, ", unit ", sonde_slice_str(p->unit));
	put_known(b, ", container ", sonde_slice_sub(sonde_slice_str(p->container_id), 0, 12));
	if (!p->workload)
		return;
	put_known(b, ", named ", p->workload->container);
	put_known(b, ", image ", p->workload->image);
	put_known(b, ", pod ", p->workload->pod);
	put_known(b, " in ", p->workload->pod_namespace);
}

static void put_end(struct sonde_buf *b, const struct sonde_connection *c, enum sonde_role end)
{
	bool client = end == SONDE_ROLE_CLIENT;
	const struct sonde_endpoint *asked = client ? &c->client_original : &c->server_original;
	char text[SONDE_ENDS_ADDRESS];

	put_label(b, sonde_role_name(end));
	put_known(b, "", sonde_ends_service(c, end));
	if (sonde_ends_service(c, end).len)
		sonde_buf_put_byte(b, ' ');
	sonde_buf_put_str(b, sonde_ends_address(client ? &c->client : &c->server, text));
	if (asked->port)
		sonde_buf_printf(b, client ? " (its own address: %s)" : " (asked for as %s)",
				 sonde_ends_address(asked, text));
	put_process(b, sonde_ends_process(c, end));
	sonde_buf_put_byte(b, '\n');
}

static void put_time(struct sonde_buf *b, const char *name, uint64_t ns)
{
	char text[SONDE_TEXT_NUMBER];

	sonde_buf_printf(b, "%s %s", name, ns ? sonde_text_duration((double)ns, text) : "-");
}

static void put_count(struct sonde_buf *b, uint64_t v)
{
	if (v == SONDE_COUNT_UNKNOWN)
		sonde_buf_put_byte(b, '-');
	else
		sonde_buf_put_u64(b, v);
}

static void put_both(struct sonde_buf *b, const char *name, uint64_t up, uint64_t down)
{
	sonde_buf_printf(b, "%s ", name);
	put_count(b, up);
	sonde_buf_put_str(b, " to server, ");
	put_count(b, down);
	sonde_buf_put_str(b, " to client\n");
}

static void put_traffic(struct sonde_buf *b, const struct sonde_connection *c)
{
	const struct sonde_travel *up = &c->total.to_server, *down = &c->total.to_client;
	const char *unit = c->transport == SONDE_TRANSPORT_UDP ? "packets" : "segments";
	char text[SONDE_TEXT_NUMBER];

	put_label(b, "to server");
	sonde_buf_printf(b, "%s bytes in %llu %s\n", sonde_text_bytes((double)up->bytes, text),
			 (unsigned long long)up->segments, unit);
	put_label(b, "to client");
	sonde_buf_printf(b, "%s bytes in %llu %s\n", sonde_text_bytes((double)down->bytes, text),
			 (unsigned long long)down->segments, unit);
}

static void put_network(struct sonde_buf *b, const struct sonde_connection *c)
{
	put_label(b, "network");
	put_time(b, "round trip", c->srtt_ns);
	put_time(b, ", at least", c->min_rtt_ns);
	put_time(b, ", varies by", c->rtt_var_ns);
	put_time(b, "; connected in", c->connect_ns);
	sonde_buf_put_byte(b, '\n');
	put_label(b, "");
	put_both(b, "sent again", c->total.to_server.retransmits, c->total.to_client.retransmits);
	put_label(b, "");
	put_both(b, "out of order", c->total.to_server.out_of_order,
		 c->total.to_client.out_of_order);
}

static void put_queue(struct sonde_buf *b, const struct sonde_connection *c)
{
	put_label(b, "queues");
	put_time(b, "first read after", c->accept_ns);
	put_time(b, "; receiver's full for", c->total.rwnd_limited_ns);
	put_time(b, ", send buffer full for", c->total.sndbuf_limited_ns);
	sonde_buf_printf(b, ", %llu zero windows\n", (unsigned long long)c->total.zero_windows);
}

static void put_end_of_life(struct sonde_buf *b, const struct sonde_connection *c)
{
	if (c->close_state != SONDE_TCP_UNKNOWN)
		sonde_buf_printf(b, ", from %s", sonde_tcp_state_name(c->close_state));
	if (c->connect_error != SONDE_CONNECT_OK)
		sonde_buf_printf(b, ", %s", sonde_connect_error_name(c->connect_error));
	if (c->closed_by != SONDE_ROLE_UNKNOWN)
		sonde_buf_printf(b, ", by the %s", sonde_role_name(c->closed_by));
	if (c->reset_by != SONDE_ROLE_UNKNOWN)
		sonde_buf_printf(b, ", reset by the %s", sonde_role_name(c->reset_by));
	if (c->timed_out)
		sonde_buf_put_str(b, ", timed out");
	if (c->port_unreachable)
		sonde_buf_put_str(b, ", port unreachable");
	if (c->unseen_end)
		sonde_buf_put_str(b, ", its end was not seen");
}

static void put_life(struct sonde_buf *b, const struct sonde_connection *c)
{
	char text[SONDE_TEXT_NUMBER];

	sonde_buf_printf(b, "connection %llu  %s, %s", (unsigned long long)c->id,
			 sonde_transport_name(c->transport), sonde_tcp_state_name(c->state));
	put_end_of_life(b, c);
	sonde_buf_put_byte(b, '\n');
	put_label(b, c->connect_error == SONDE_CONNECT_OK ? "opened" : "tried");
	sonde_json_time(b, c->opened_unix_ns);
	sonde_buf_printf(b, ", %s %s%s\n", c->state == SONDE_TCP_CLOSE ? "lasted" : "for",
			 sonde_text_duration((double)c->duration_ns, text),
			 c->preexisting ? " at least: it is older than the daemon" : "");
}

static void put_limit(struct sonde_buf *b, const struct sonde_connection *c)
{
	char why[SONDE_LIMIT_WHY];
	enum sonde_limit limit = sonde_conns_limit(c, why);

	put_label(b, "limited by");
	sonde_buf_printf(b, "%s%s%s\n", sonde_limit_name(limit), *why ? ": " : "", why);
}

static void put_value(struct sonde_buf *b, const Sonde__Event *e)
{
	char text[SONDE_TEXT_NUMBER];

	switch (e->what) {
	case SONDE__EVENT__WHAT__OWNER:
		sonde_buf_printf(b, "  pid %llu", (unsigned long long)e->value);
		break;
	case SONDE__EVENT__WHAT__RETRANSMITS:
	case SONDE__EVENT__WHAT__ZERO_WINDOW:
		sonde_buf_printf(b, "  %llu more", (unsigned long long)e->value);
		break;
	case SONDE__EVENT__WHAT__RTT:
		sonde_buf_printf(b, "  %s", sonde_text_duration((double)e->value, text));
		break;
	case SONDE__EVENT__WHAT__FAILED:
		sonde_buf_printf(b, "  %s",
				 sonde_connect_error_name((enum sonde_connect_error)e->value));
		break;
	default:
		break;
	}
}

static void put_events(struct sonde_buf *b, const Sonde__Event *const *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put_label(b, i ? "" : "history");
		sonde_json_time(b, events[i]->time_unix_ns);
		sonde_buf_printf(b, "  %s", event_name(events[i]));
		put_value(b, events[i]);
		sonde_buf_put_byte(b, '\n');
	}
}

static const char *value_key(const Sonde__Event *e)
{
	switch (e->what) {
	case SONDE__EVENT__WHAT__OWNER:
		return "pid";
	case SONDE__EVENT__WHAT__RETRANSMITS:
	case SONDE__EVENT__WHAT__ZERO_WINDOW:
		return "count";
	case SONDE__EVENT__WHAT__RTT:
		return "srtt_ns";
	default:
		return NULL;
	}
}

static void put_json_event(struct sonde_buf *b, const Sonde__Event *e)
{
	const char *key = value_key(e);

	sonde_buf_put_str(b, "\"time\":\"");
	sonde_json_time(b, e->time_unix_ns);
	sonde_buf_printf(b, "\",\"event\":\"%s\"", event_name(e));
	if (key)
		sonde_buf_printf(b, ",\"%s\":%llu", key, (unsigned long long)e->value);
	if (e->what == SONDE__EVENT__WHAT__FAILED)
		sonde_buf_printf(b, ",\"connect_error\":\"%s\"",
				 sonde_connect_error_name((enum sonde_connect_error)e->value));
	sonde_buf_put_byte(b, '}');
}

static void print_json(const struct sonde_connection *c, const Sonde__Event *const *events,
		       size_t n, struct sonde_buf *b)
{
	sonde_json_connection(b, c);
	if (!b->failed)
		b->len--; /* the brace: the history is one member more */
	sonde_buf_put_str(b, ",\"history\":[");
	for (size_t i = 0; i < n; i++) {
		sonde_buf_put_str(b, i ? ",{" : "{");
		put_json_event(b, events[i]);
	}
	sonde_buf_put_str(b, "]}\n");
}

static void print_lines(const struct sonde_connection *c, const Sonde__Event *const *events,
			size_t n, struct sonde_buf *b)
{
	sonde_json_connection(b, c);
	sonde_buf_put_byte(b, '\n');
	for (size_t i = 0; i < n; i++) {
		sonde_buf_printf(b, "{\"record\":\"event\",\"connection_id\":\"%llu\",",
				 (unsigned long long)c->id);
		put_json_event(b, events[i]);
		sonde_buf_put_byte(b, '\n');
	}
}

void sonde_conns_print_one(const struct sonde_connection *c, const Sonde__Event *const *events,
			   size_t n, enum sonde_format format, struct sonde_buf *out)
{
	if (format == SONDE_FORMAT_JSON) {
		print_json(c, events, n, out);
		return;
	}
	if (format == SONDE_FORMAT_JSONL) {
		print_lines(c, events, n, out);
		return;
	}
	put_life(out, c);
	put_end(out, c, SONDE_ROLE_CLIENT);
	put_end(out, c, SONDE_ROLE_SERVER);
	put_traffic(out, c);
	if (c->transport == SONDE_TRANSPORT_TCP) {
		put_network(out, c);
		put_queue(out, c);
	}
	put_limit(out, c);
	put_events(out, events, n);
}
