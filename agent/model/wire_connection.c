// SPDX-License-Identifier: Apache-2.0
/* Connections to and from messages. */
#include <errno.h>

#include "agent/model/wire_parts.h"

void sonde_wire_put_travel(const struct sonde_travel *t, Sonde__Travel *out)
{
	sonde__travel__init(out);
	out->bytes = t->bytes;
	out->segments = t->segments;
	out->retransmits_known = t->retransmits != SONDE_COUNT_UNKNOWN;
	out->retransmits = out->retransmits_known ? t->retransmits : 0;
	out->out_of_order_known = t->out_of_order != SONDE_COUNT_UNKNOWN;
	out->out_of_order = out->out_of_order_known ? t->out_of_order : 0;
}

void sonde_wire_take_travel(const Sonde__Travel *in, struct sonde_travel *out)
{
	*out = (struct sonde_travel){ .retransmits = SONDE_COUNT_UNKNOWN,
				      .out_of_order = SONDE_COUNT_UNKNOWN };
	if (!in)
		return;
	out->bytes = in->bytes;
	out->segments = in->segments;
	if (in->retransmits_known)
		out->retransmits = in->retransmits;
	if (in->out_of_order_known)
		out->out_of_order = in->out_of_order;
}

static void put_state(const struct sonde_connection *c, Sonde__Connection *m)
{
	m->id = c->id;
	m->transport = (Sonde__Transport)c->transport;
	m->role = (Sonde__Role)c->role;
	m->state = (Sonde__TcpState)c->state;
	m->close_state = (Sonde__TcpState)c->close_state;
	m->connect_error = (Sonde__ConnectError)c->connect_error;
	m->closed_by = (Sonde__Role)c->closed_by;
	m->reset_by = (Sonde__Role)c->reset_by;
	m->preexisting = c->preexisting;
	m->timed_out = c->timed_out;
	m->unseen_end = c->unseen_end;
}

static void put_numbers(const struct sonde_connection *c, Sonde__Connection *m)
{
	m->opened_unix_ns = c->opened_unix_ns;
	m->duration_ns = c->duration_ns;
	m->connect_ns = c->connect_ns;
	m->accept_ns = c->accept_ns;
	m->srtt_ns = c->srtt_ns;
	m->min_rtt_ns = c->min_rtt_ns;
	m->rtt_var_ns = c->rtt_var_ns;
	m->port_unreachable = c->port_unreachable;
	m->zero_windows = c->total.zero_windows;
	m->rwnd_limited_ns = c->total.rwnd_limited_ns;
	m->sndbuf_limited_ns = c->total.sndbuf_limited_ns;
}

static void put_endpoints(const struct sonde_connection *c, struct sonde_wire_connection *out)
{
	sonde_wire_put_endpoint(&c->client, &out->client);
	sonde_wire_put_endpoint(&c->server, &out->server);
	out->message.client = &out->client;
	out->message.server = &out->server;
	if (c->client_original.port) {
		sonde_wire_put_endpoint(&c->client_original, &out->client_original);
		out->message.client_original = &out->client_original;
	}
	if (c->server_original.port) {
		sonde_wire_put_endpoint(&c->server_original, &out->server_original);
		out->message.server_original = &out->server_original;
	}
}

void sonde_wire_from_connection(const struct sonde_connection *c, struct sonde_wire_connection *out)
{
	Sonde__Connection *m = &out->message;

	sonde__connection__init(m);
	put_state(c, m);
	put_numbers(c, m);
	put_endpoints(c, out);
	sonde_wire_put_travel(&c->total.to_server, &out->to_server);
	sonde_wire_put_travel(&c->total.to_client, &out->to_client);
	m->to_server = &out->to_server;
	m->to_client = &out->to_client;
	m->service = sonde_wire_bytes(c->service);
	m->peer_service = sonde_wire_bytes(c->peer_service);
	sonde_wire_put_process(c->process, &out->process);
	m->process = &out->process.message;
	if (c->peer) {
		sonde_wire_put_process(c->peer, &out->peer);
		m->peer_process = &out->peer.message;
	}
}

static void take_state(const Sonde__Connection *m, struct sonde_connection *c)
{
	c->id = m->id;
	c->transport = (enum sonde_transport)m->transport;
	c->role = (enum sonde_role)m->role;
	c->state = (enum sonde_tcp_state)m->state;
	c->close_state = (enum sonde_tcp_state)m->close_state;
	c->connect_error = (enum sonde_connect_error)m->connect_error;
	c->closed_by = (enum sonde_role)m->closed_by;
	c->reset_by = (enum sonde_role)m->reset_by;
	c->preexisting = m->preexisting;
	c->timed_out = m->timed_out;
	c->unseen_end = m->unseen_end;
}

static void take_numbers(const Sonde__Connection *m, struct sonde_connection *c)
{
	c->opened_unix_ns = m->opened_unix_ns;
	c->duration_ns = m->duration_ns;
	c->connect_ns = m->connect_ns;
	c->accept_ns = m->accept_ns;
	c->srtt_ns = m->srtt_ns;
	c->min_rtt_ns = m->min_rtt_ns;
	c->rtt_var_ns = m->rtt_var_ns;
	c->port_unreachable = m->port_unreachable;
	c->total.zero_windows = m->zero_windows;
	c->total.rwnd_limited_ns = m->rwnd_limited_ns;
	c->total.sndbuf_limited_ns = m->sndbuf_limited_ns;
}

static bool is_possible(const Sonde__Connection *m)
{
	return sonde_wire_is_endpoint(m->client) && sonde_wire_is_endpoint(m->server) &&
	       (!m->client_original || sonde_wire_is_endpoint(m->client_original)) &&
	       (!m->server_original || sonde_wire_is_endpoint(m->server_original));
}

int sonde_wire_to_connection(const Sonde__Connection *m, struct sonde_wire_decoded_connection *out)
{
	struct sonde_connection *c = &out->connection;

	if (!is_possible(m))
		return -EPROTO;
	*c = (struct sonde_connection){ 0 };
	take_state(m, c);
	take_numbers(m, c);
	sonde_wire_take_endpoint(m->client, &c->client);
	sonde_wire_take_endpoint(m->server, &c->server);
	sonde_wire_take_endpoint(m->client_original, &c->client_original);
	sonde_wire_take_endpoint(m->server_original, &c->server_original);
	sonde_wire_take_travel(m->to_server, &c->total.to_server);
	sonde_wire_take_travel(m->to_client, &c->total.to_client);
	c->service = sonde_wire_slice(m->service);
	c->peer_service = sonde_wire_slice(m->peer_service);
	sonde_wire_take_process(m->process, &out->process);
	c->process = &out->process.process;
	sonde_wire_take_process(m->peer_process, &out->peer);
	c->peer = m->peer_process ? &out->peer.process : NULL;
	return 0;
}
