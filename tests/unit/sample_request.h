// SPDX-License-Identifier: Apache-2.0
/* sample_request - one finished request that tests change to their needs. */
#ifndef SONDE_TESTS_SAMPLE_REQUEST_H
#define SONDE_TESTS_SAMPLE_REQUEST_H

#include "agent/model/request.h"

static const struct sonde_process sample_server = {
	.pid = 4711,
	.comm = "nginx",
	.cgroup = "/system.slice/nginx.service",
	.unit = "nginx",
	.container_id = "0123456789abcdef",
};

static const struct sonde_process sample_client = { .pid = 4712, .comm = "curl" };

static inline struct sonde_request sample_request(void)
{
	return (struct sonde_request){
		.connection_id = UINT64_MAX,
		.start_ns = 1000,
		.time_unix_ns = 1700000000000000007ULL,
		.duration_ns = 12500000,
		.ttfb_ns = 12000000,
		.request_bytes = 120,
		.response_bytes = 4096,
		.request_body_bytes = 1,
		.response_body_bytes = 3900,
		.protocol = SONDE_PROTOCOL_HTTP1,
		.role = SONDE_ROLE_SERVER,
		.error = SONDE_ERROR_STATUS,
		.status = 503,
		.version = 11,
		.method = SONDE_SLICE_LIT("GET"),
		.path = SONDE_SLICE_LIT("/users/17"),
		.host = SONDE_SLICE_LIT("shop.example:8080"),
		.user_agent = SONDE_SLICE_LIT("curl/8"),
		.trace_id = SONDE_SLICE_LIT("0af7651916cd43dd8448eb211c80319c"),
		.span_id = SONDE_SLICE_LIT("b7ad6b7169203331"),
		.client = { .address = { [10] = 0xff, 0xff, 10, 0, 0, 2 }, .port = 40000 },
		.server = { .address = { [10] = 0xff, 0xff, 10, 0, 0, 1 }, .port = 8080 },
		.process = &sample_server,
		.peer = &sample_client,
		.service = SONDE_SLICE_LIT("shop"),
		.peer_service = SONDE_SLICE_LIT("frontend"),
		.route = SONDE_SLICE_LIT("/users/{id}"),
		.operation = SONDE_SLICE_LIT("GET /users/{id}"),
	};
}

#endif
