// SPDX-License-Identifier: Apache-2.0
/* sample_connection - one closed connection that tests change to their needs. */
#ifndef SONDE_TESTS_SAMPLE_CONNECTION_H
#define SONDE_TESTS_SAMPLE_CONNECTION_H

#include "agent/model/connection.h"
#include "tests/unit/sample_request.h"

static inline struct sonde_connection sample_connection(void)
{
	return (struct sonde_connection){
		.id = UINT64_MAX,
		.transport = SONDE_TRANSPORT_TCP,
		.role = SONDE_ROLE_SERVER,
		.state = SONDE_TCP_CLOSE,
		.close_state = SONDE_TCP_LAST_ACK,
		.closed_by = SONDE_ROLE_CLIENT,
		.client = { .address = { [10] = 0xff, 0xff, 10, 0, 0, 2 }, .port = 40000 },
		.server = { .address = { [10] = 0xff, 0xff, 10, 0, 0, 1 }, .port = 8080 },
		.server_original = { .address = { [10] = 0xff, 0xff, 10, 96, 0, 1 }, .port = 80 },
		.process = &sample_server,
		.peer = &sample_client,
		.opened_ns = 1000,
		.opened_unix_ns = 1700000000000000007ULL,
		.duration_ns = 2500000000,
		.connect_ns = 210000,
		.accept_ns = 35000,
		.srtt_ns = 180000,
		.min_rtt_ns = 90000,
		.rtt_var_ns = 12000,
		.total = {
			.to_server = { 120, 5, 1, 2 },
			.to_client = { 4096, 6, 3, SONDE_COUNT_UNKNOWN },
			.zero_windows = 4,
			.rwnd_limited_ns = 7000,
			.sndbuf_limited_ns = 8000,
		},
		.service = SONDE_SLICE_LIT("shop"),
		.peer_service = SONDE_SLICE_LIT("frontend"),
	};
}

#endif
