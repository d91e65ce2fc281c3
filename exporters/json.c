// SPDX-License-Identifier: Apache-2.0
#include "exporters/json.h"

#include <stdio.h>
#include <time.h>

#include "agent/core/clock.h"
#include "agent/model/http.h"
#include "exporters/json_put.h"

void sonde_json_time(struct sonde_buf *b, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / SONDE_NS_PER_SEC);
	struct tm tm;
	char text[32];
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	sonde_buf_put(b, text, len);
	snprintf(text, sizeof(text), ".%09luZ", (unsigned long)(unix_ns % SONDE_NS_PER_SEC));
	sonde_buf_put_str(b, text);
}

static void put_http(struct sonde_buf *b, const struct sonde_request *r)
{
	struct sonde_slice method = sonde_http_method(r->method);

	sonde_json_put_string(b, "http.request.method", method);
	if (!sonde_slice_eq(method, r->method))
		sonde_json_put_known(b, "http.request.method_original", r->method);
	sonde_json_put_known(b, "url.path", r->path);
	sonde_json_put_known(b, "http.route", r->route);
	if (r->status)
		sonde_json_put_number(b, "http.response.status_code", r->status);
	sonde_json_put_known(b, "server.address", sonde_http_host_name(r->host));
	sonde_json_put_known(b, "user_agent.original", r->user_agent);
	sonde_json_put_string(b, "network.protocol.version",
			      r->version == 10 ? SONDE_SLICE_LIT("1.0") : SONDE_SLICE_LIT("1.1"));
}

static void put_attributes(struct sonde_buf *b, const struct sonde_request *r,
			   struct sonde_slice error)
{
	sonde_json_open(b, "attributes");
	if (r->protocol == SONDE_PROTOCOL_HTTP1)
		put_http(b, r);
	sonde_json_put_known(b, "error.type", error);
	sonde_json_put_known(b, "trace_id", r->trace_id);
	sonde_json_put_known(b, "span_id", r->span_id);
	sonde_json_put_true(b, "sonde.truncated", r->truncated);
	sonde_json_close(b);
}

static void put_numbers(struct sonde_buf *b, const struct sonde_request *r)
{
	sonde_json_put_number(b, "duration_ns", r->duration_ns);
	sonde_json_put_number(b, "ttfb_ns", r->ttfb_ns);
	if (r->has_parts) {
		sonde_json_put_number(b, "network_ns", r->network_ns);
		if (r->queue_known)
			sonde_json_put_number(b, "queue_ns", r->queue_ns);
		sonde_json_put_number(b, "application_ns", r->application_ns);
		sonde_json_put_number(b, "transfer_ns", r->transfer_ns);
	}
	sonde_json_put_number(b, "request_bytes", r->request_bytes);
	sonde_json_put_number(b, "response_bytes", r->response_bytes);
}

void sonde_json_request(struct sonde_buf *b, const struct sonde_request *r)
{
	char scratch[8];
	struct sonde_slice error = sonde_request_error_type(r, scratch);

	sonde_buf_put_str(b, "{\"record\":\"request\",\"time\":\"");
	sonde_json_time(b, r->time_unix_ns);
	sonde_buf_put_byte(b, '"');
	sonde_json_put_string(b, "protocol", sonde_slice_str(sonde_protocol_name(r->protocol)));
	sonde_json_put_string(b, "role", sonde_slice_str(sonde_role_name(r->role)));
	sonde_json_put_string(b, "service", r->service);
	sonde_json_put_known(b, "service_namespace", r->service_namespace);
	sonde_json_put_known(b, "service_version", r->service_version);
	sonde_json_put_known(b, "peer_service", r->peer_service);
	sonde_json_put_string(b, "operation", r->operation);
	if (r->status)
		sonde_json_put_number(b, "status", r->status);
	sonde_json_put_known(b, "error", error);
	put_numbers(b, r);
	sonde_json_put_endpoint(b, "client", &r->client, NULL);
	sonde_json_put_endpoint(b, "server", &r->server, &r->server_original);
	sonde_json_put_process(b, "process", r->process);
	if (r->peer)
		sonde_json_put_process(b, "peer_process", r->peer);
	sonde_json_put_id(b, "connection_id", r->connection_id);
	put_attributes(b, r, error);
	sonde_json_close(b);
}
