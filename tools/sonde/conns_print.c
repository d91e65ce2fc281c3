// SPDX-License-Identifier: Apache-2.0
/* How connections look, as a table and as JSON. */
#include <stdio.h>

#include "exporters/json.h"
#include "tools/sonde/conns.h"
#include "tools/sonde/ends.h"
#include "tools/sonde/text.h"

static const char table_heads[] = "ID PROTO STATE CLIENT SERVER >AGE >RTT >RETRANS >TO-SERVER "
				  ">TO-CLIENT LIMIT";
static const char wide_heads[] =
	"ID PROTO STATE ROLE CLIENT CLIENT-ADDRESS >CLIENT-PID SERVER SERVER-ADDRESS ASKED-FOR "
	">SERVER-PID >AGE >CONNECT >ACCEPT >RTT >MIN-RTT >JITTER >RETRANS-UP >RETRANS-DOWN "
	">OOO-UP >OOO-DOWN >SEGMENTS-UP >SEGMENTS-DOWN >TO-SERVER >TO-CLIENT >WINDOW-FULL "
	">BUFFER-FULL >ZERO-WINDOWS CLOSED-BY LIMIT";

const char *sonde_conns_state(const struct sonde_connection *c)
{
	if (c->connect_error != SONDE_CONNECT_OK)
		return sonde_connect_error_name(c->connect_error);
	if (c->state != SONDE_TCP_CLOSE)
		return sonde_tcp_state_name(c->state);
	if (c->timed_out)
		return "timed_out";
	return c->reset_by != SONDE_ROLE_UNKNOWN ? "reset" : "closed";
}

static void add_time(struct sonde_grid *g, uint64_t ns)
{
	if (ns)
		sonde_grid_add_duration(g, (double)ns);
	else
		sonde_grid_add_str(g, "-");
}

/* What only TCP has. */
static void add_count(struct sonde_grid *g, const struct sonde_connection *c, uint64_t v)
{
	if (c->transport == SONDE_TRANSPORT_TCP && v != SONDE_COUNT_UNKNOWN)
		sonde_grid_add_u64(g, v);
	else
		sonde_grid_add_str(g, "-");
}

static void add_share(struct sonde_grid *g, const struct sonde_connection *c)
{
	char text[SONDE_TEXT_NUMBER] = "-";

	if (c->transport == SONDE_TRANSPORT_TCP)
		snprintf(text, sizeof(text), "%.1f%%", 100 * sonde_conns_retransmit_share(c));
	sonde_grid_add_str(g, text);
}

static void add_head(struct sonde_grid *g, const struct sonde_connection *c)
{
	sonde_grid_add_u64(g, c->id);
	sonde_grid_add_str(g, sonde_transport_name(c->transport));
	sonde_grid_add_str(g, sonde_conns_state(c));
}

static void add_end(struct sonde_grid *g, const struct sonde_connection *c, enum sonde_role end)
{
	uint8_t bytes[SONDE_ENDS_TEXT];
	struct sonde_buf b;

	sonde_buf_over(&b, bytes, sizeof(bytes));
	sonde_ends_put_name(&b, c, end);
	sonde_grid_add(g, sonde_buf_slice(&b));
}

static void add_limit(struct sonde_grid *g, const struct sonde_connection *c)
{
	char why[SONDE_LIMIT_WHY];

	sonde_grid_add_str(g, sonde_limit_name(sonde_conns_limit(c, why)));
}

static void add_row(struct sonde_grid *g, const struct sonde_connection *c)
{
	add_head(g, c);
	add_end(g, c, SONDE_ROLE_CLIENT);
	add_end(g, c, SONDE_ROLE_SERVER);
	add_time(g, c->duration_ns);
	add_time(g, c->srtt_ns);
	add_share(g, c);
	sonde_grid_add_bytes(g, (double)c->total.to_server.bytes);
	sonde_grid_add_bytes(g, (double)c->total.to_client.bytes);
	add_limit(g, c);
}

static void add_address(struct sonde_grid *g, const struct sonde_endpoint *e)
{
	char text[SONDE_ENDS_ADDRESS];

	sonde_grid_add_str(g, e->port ? sonde_ends_address(e, text) : "-");
}

static void add_pid(struct sonde_grid *g, const struct sonde_connection *c, enum sonde_role end)
{
	const struct sonde_process *p = sonde_ends_process(c, end);

	if (p && p->pid)
		sonde_grid_add_u64(g, p->pid);
	else
		sonde_grid_add_str(g, "-");
}

static void add_wide_who(struct sonde_grid *g, const struct sonde_connection *c)
{
	sonde_grid_add_str(g, sonde_role_name(c->role));
	add_end(g, c, SONDE_ROLE_CLIENT);
	add_address(g, &c->client);
	add_pid(g, c, SONDE_ROLE_CLIENT);
	add_end(g, c, SONDE_ROLE_SERVER);
	add_address(g, &c->server);
	add_address(g, &c->server_original);
	add_pid(g, c, SONDE_ROLE_SERVER);
}

static void add_wide_numbers(struct sonde_grid *g, const struct sonde_connection *c)
{
	const struct sonde_travel *up = &c->total.to_server, *down = &c->total.to_client;

	add_time(g, c->duration_ns);
	add_time(g, c->connect_ns);
	add_time(g, c->accept_ns);
	add_time(g, c->srtt_ns);
	add_time(g, c->min_rtt_ns);
	add_time(g, c->rtt_var_ns);
	add_count(g, c, up->retransmits);
	add_count(g, c, down->retransmits);
	add_count(g, c, up->out_of_order);
	add_count(g, c, down->out_of_order);
	sonde_grid_add_u64(g, up->segments);
	sonde_grid_add_u64(g, down->segments);
	sonde_grid_add_bytes(g, (double)up->bytes);
	sonde_grid_add_bytes(g, (double)down->bytes);
	add_time(g, c->total.rwnd_limited_ns);
	add_time(g, c->total.sndbuf_limited_ns);
	add_count(g, c, c->total.zero_windows);
}

static void add_wide(struct sonde_grid *g, const struct sonde_connection *c)
{
	add_head(g, c);
	add_wide_who(g, c);
	add_wide_numbers(g, c);
	sonde_grid_add_str(g, c->closed_by == SONDE_ROLE_UNKNOWN ? "-"
								 : sonde_role_name(c->closed_by));
	add_limit(g, c);
}

static void print_table(const struct sonde_conns *c, size_t n, bool wide, struct sonde_buf *out)
{
	struct sonde_wire_decoded_connection decoded;
	struct sonde_grid g;

	sonde_grid_init(&g, wide ? wide_heads : table_heads);
	for (size_t i = 0; i < n; i++) {
		if (sonde_wire_to_connection(c->list[i], &decoded))
			continue;
		if (wide)
			add_wide(&g, &decoded.connection);
		else
			add_row(&g, &decoded.connection);
	}
	sonde_grid_print(&g, out);
}

static void print_json(const struct sonde_conns *c, size_t n, bool lines, struct sonde_buf *out)
{
	struct sonde_wire_decoded_connection decoded;
	bool first = true;

	if (!lines)
		sonde_buf_put_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (sonde_wire_to_connection(c->list[i], &decoded))
			continue;
		if (!first && !lines)
			sonde_buf_put_byte(out, ',');
		first = false;
		sonde_json_connection(out, &decoded.connection);
		if (lines)
			sonde_buf_put_byte(out, '\n');
	}
	if (!lines)
		sonde_buf_put_str(out, "]\n");
}

void sonde_conns_print(const struct sonde_conns *c, enum sonde_format format, size_t max,
		       struct sonde_buf *out)
{
	size_t n = max && max < c->n ? max : c->n;

	if (format >= SONDE_FORMAT_JSON)
		print_json(c, n, format == SONDE_FORMAT_JSONL, out);
	else
		print_table(c, n, format == SONDE_FORMAT_WIDE, out);
}
