// SPDX-License-Identifier: Apache-2.0
/* Requests to and from messages. */
#include <errno.h>

#include "agent/model/wire_parts.h"

static void put_http(const struct sonde_request *r, Sonde__Http *out)
{
	sonde__http__init(out);
	out->method = sonde_wire_bytes(r->method);
	out->path = sonde_wire_bytes(r->path);
	out->route = sonde_wire_bytes(r->route);
	out->host = sonde_wire_bytes(r->host);
	out->user_agent = sonde_wire_bytes(r->user_agent);
	out->version = r->version;
}

static void put_numbers(const struct sonde_request *r, Sonde__Request *m)
{
	m->time_unix_ns = r->time_unix_ns;
	m->connection_id = r->connection_id;
	m->duration_ns = r->duration_ns;
	m->ttfb_ns = r->ttfb_ns;
	m->request_bytes = r->request_bytes;
	m->response_bytes = r->response_bytes;
	m->request_body_bytes = r->request_body_bytes;
	m->response_body_bytes = r->response_body_bytes;
	m->protocol = (Sonde__Protocol)r->protocol;
	m->role = (Sonde__Role)r->role;
	m->error = (Sonde__ErrorKind)r->error;
	m->status = r->status;
	m->truncated = r->truncated;
	m->has_parts = r->has_parts;
	m->network_ns = r->network_ns;
	m->queue_ns = r->queue_ns;
	m->application_ns = r->application_ns;
	m->transfer_ns = r->transfer_ns;
	m->queue_known = r->queue_known;
}

void sonde_wire_from_request(const struct sonde_request *r, struct sonde_wire_request *out)
{
	Sonde__Request *m = &out->message;

	sonde__request__init(m);
	put_numbers(r, m);
	m->service = sonde_wire_bytes(r->service);
	m->service_namespace = sonde_wire_bytes(r->service_namespace);
	m->service_version = sonde_wire_bytes(r->service_version);
	m->peer_service = sonde_wire_bytes(r->peer_service);
	m->operation = sonde_wire_bytes(r->operation);
	m->trace_id = sonde_wire_bytes(r->trace_id);
	m->span_id = sonde_wire_bytes(r->span_id);
	sonde_wire_put_endpoint(&r->client, &out->client);
	sonde_wire_put_endpoint(&r->server, &out->server);
	sonde_wire_put_process(r->process, &out->process);
	m->client = &out->client;
	m->server = &out->server;
	if (r->server_original.port) {
		sonde_wire_put_endpoint(&r->server_original, &out->server_original);
		m->server_original = &out->server_original;
	}
	m->process = &out->process.message;
	if (r->peer) {
		sonde_wire_put_process(r->peer, &out->peer);
		m->peer_process = &out->peer.message;
	}
	if (r->protocol == SONDE_PROTOCOL_HTTP1) {
		put_http(r, &out->http);
		m->http = &out->http;
	}
}

static void take_numbers(const Sonde__Request *m, struct sonde_request *r)
{
	r->time_unix_ns = m->time_unix_ns;
	r->connection_id = m->connection_id;
	r->duration_ns = m->duration_ns;
	r->ttfb_ns = m->ttfb_ns;
	r->request_bytes = m->request_bytes;
	r->response_bytes = m->response_bytes;
	r->request_body_bytes = m->request_body_bytes;
	r->response_body_bytes = m->response_body_bytes;
	r->protocol = (enum sonde_protocol)m->protocol;
	r->role = (enum sonde_role)m->role;
	r->error = (enum sonde_error)m->error;
	r->status = (uint16_t)m->status;
	r->truncated = m->truncated;
	r->has_parts = m->has_parts;
	r->network_ns = m->network_ns;
	r->queue_ns = m->queue_ns;
	r->application_ns = m->application_ns;
	r->transfer_ns = m->transfer_ns;
	r->queue_known = m->queue_known;
}

static void take_http(const Sonde__Http *h, struct sonde_request *r)
{
	r->method = sonde_wire_slice(h->method);
	r->path = sonde_wire_slice(h->path);
	r->route = sonde_wire_slice(h->route);
	r->host = sonde_wire_slice(h->host);
	r->user_agent = sonde_wire_slice(h->user_agent);
	r->version = (uint8_t)h->version;
}

int sonde_wire_to_request(const Sonde__Request *m, struct sonde_wire_decoded *out)
{
	struct sonde_request *r = &out->request;

	if (!sonde_wire_is_endpoint(m->client) || !sonde_wire_is_endpoint(m->server) ||
	    (m->server_original && !sonde_wire_is_endpoint(m->server_original)) ||
	    m->status > UINT16_MAX || (m->http && m->http->version > UINT8_MAX))
		return -EPROTO;
	*r = (struct sonde_request){ 0 };
	take_numbers(m, r);
	sonde_wire_take_endpoint(m->client, &r->client);
	sonde_wire_take_endpoint(m->server, &r->server);
	sonde_wire_take_endpoint(m->server_original, &r->server_original);
	r->service = sonde_wire_slice(m->service);
	r->service_namespace = sonde_wire_slice(m->service_namespace);
	r->service_version = sonde_wire_slice(m->service_version);
	r->peer_service = sonde_wire_slice(m->peer_service);
	r->operation = sonde_wire_slice(m->operation);
	r->trace_id = sonde_wire_slice(m->trace_id);
	r->span_id = sonde_wire_slice(m->span_id);
	if (m->http)
		take_http(m->http, r);
	sonde_wire_take_process(m->process, &out->process);
	r->process = &out->process.process;
	sonde_wire_take_process(m->peer_process, &out->peer);
	r->peer = m->peer_process ? &out->peer.process : NULL;
	return 0;
}
