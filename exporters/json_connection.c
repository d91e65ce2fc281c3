// SPDX-License-Identifier: Apache-2.0
#include "agent/model/connection.h"
#include "exporters/json.h"
#include "exporters/json_put.h"

/* The same counts of both directions, one below the other. */
static void put_both(struct sonde_buf *b, const char *to_server, const char *to_client,
		     uint64_t server, uint64_t client)
{
	if (server != SONDE_COUNT_UNKNOWN)
		sonde_json_put_number(b, to_server, server);
	if (client != SONDE_COUNT_UNKNOWN)
		sonde_json_put_number(b, to_client, client);
}

static void put_tcp(struct sonde_buf *b, const struct sonde_connection *c)
{
	const struct sonde_travel *up = &c->total.to_server, *down = &c->total.to_client;

	put_both(b, "segments_to_server", "segments_to_client", up->segments, down->segments);
	put_both(b, "retransmits_to_server", "retransmits_to_client", up->retransmits,
		 down->retransmits);
	put_both(b, "out_of_order_to_server", "out_of_order_to_client", up->out_of_order,
		 down->out_of_order);
	sonde_json_put_known_number(b, "srtt_ns", c->srtt_ns);
	sonde_json_put_known_number(b, "min_rtt_ns", c->min_rtt_ns);
	sonde_json_put_known_number(b, "rtt_var_ns", c->rtt_var_ns);
	sonde_json_put_known_number(b, "connect_ns", c->connect_ns);
	sonde_json_put_known_number(b, "accept_ns", c->accept_ns);
	sonde_json_put_number(b, "duration_ns", c->duration_ns);
	sonde_json_put_number(b, "rwnd_limited_ns", c->total.rwnd_limited_ns);
	sonde_json_put_number(b, "sndbuf_limited_ns", c->total.sndbuf_limited_ns);
	sonde_json_put_number(b, "zero_windows", c->total.zero_windows);
}

static void put_udp(struct sonde_buf *b, const struct sonde_connection *c)
{
	put_both(b, "packets_to_server", "packets_to_client", c->total.to_server.segments,
		 c->total.to_client.segments);
	sonde_json_put_number(b, "duration_ns", c->duration_ns);
	sonde_json_put_known_number(b, "port_unreachable", c->port_unreachable);
}

static void put_side(struct sonde_buf *b, const char *key, enum sonde_role role)
{
	if (role != SONDE_ROLE_UNKNOWN)
		sonde_json_put_string(b, key, sonde_slice_str(sonde_role_name(role)));
}

static void put_end(struct sonde_buf *b, const struct sonde_connection *c)
{
	if (c->close_state != SONDE_TCP_UNKNOWN)
		sonde_json_put_string(b, "close_state",
				      sonde_slice_str(sonde_tcp_state_name(c->close_state)));
	put_side(b, "closed_by", c->closed_by);
	put_side(b, "reset_by", c->reset_by);
	sonde_json_put_known(b, "connect_error",
			     sonde_slice_str(sonde_connect_error_name(c->connect_error)));
	sonde_json_put_true(b, "timed_out", c->timed_out);
	sonde_json_put_true(b, "preexisting", c->preexisting);
	sonde_json_put_true(b, "unseen_end", c->unseen_end);
}

static void put_who(struct sonde_buf *b, const struct sonde_connection *c)
{
	sonde_json_put_string(b, "service", c->service);
	sonde_json_put_known(b, "peer_service", c->peer_service);
	sonde_json_put_endpoint(b, "client", &c->client, &c->client_original);
	sonde_json_put_endpoint(b, "server", &c->server, &c->server_original);
	sonde_json_put_process(b, "process", c->process);
	if (c->peer)
		sonde_json_put_process(b, "peer_process", c->peer);
}

void sonde_json_connection(struct sonde_buf *b, const struct sonde_connection *c)
{
	sonde_buf_put_str(b, "{\"record\":\"connection\",\"time\":\"");
	sonde_json_time(b, c->opened_unix_ns);
	sonde_buf_put_byte(b, '"');
	sonde_json_put_id(b, "connection_id", c->id);
	sonde_json_put_string(b, "protocol", sonde_slice_str(sonde_transport_name(c->transport)));
	sonde_json_put_string(b, "role", sonde_slice_str(sonde_role_name(c->role)));
	sonde_json_put_string(b, "state", sonde_slice_str(sonde_tcp_state_name(c->state)));
	put_who(b, c);
	put_both(b, "bytes_to_server", "bytes_to_client", c->total.to_server.bytes,
		 c->total.to_client.bytes);
	if (c->transport == SONDE_TRANSPORT_UDP)
		put_udp(b, c);
	else
		put_tcp(b, c);
	put_end(b, c);
	sonde_json_close(b);
}
