// SPDX-License-Identifier: Apache-2.0
/* tcp_info - what TCP says of a socket (struct tcp_info of linux/tcp.h, longer than libc's). */
#ifndef SONDE_TESTS_BPF_TCP_INFO_H
#define SONDE_TESTS_BPF_TCP_INFO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

struct info {
	uint64_t bytes_sent, bytes_received, rwnd_limited_us, sndbuf_limited_us;
	uint32_t segments_out, segments_in, retransmits, out_of_order;
	uint32_t srtt_us, rtt_var_us, min_rtt_us;
	uint8_t state;
};

static inline uint64_t info_at(const uint8_t *raw, size_t offset, size_t len)
{
	uint64_t value = 0;

	memcpy(&value, raw + offset, len);
	return value;
}

static inline struct info sock_info(int fd)
{
	uint8_t raw[512] = { 0 };
	socklen_t len = sizeof(raw);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, raw, &len), 0);
	assert_true(len >= 228);
	return (struct info){
		.state = raw[0],
		.srtt_us = (uint32_t)info_at(raw, 68, 4),
		.rtt_var_us = (uint32_t)info_at(raw, 72, 4),
		.retransmits = (uint32_t)info_at(raw, 100, 4),
		.bytes_received = info_at(raw, 128, 8),
		.segments_out = (uint32_t)info_at(raw, 136, 4),
		.segments_in = (uint32_t)info_at(raw, 140, 4),
		.min_rtt_us = (uint32_t)info_at(raw, 148, 4),
		.rwnd_limited_us = info_at(raw, 176, 8),
		.sndbuf_limited_us = info_at(raw, 184, 8),
		.bytes_sent = info_at(raw, 200, 8) - info_at(raw, 208, 8),
		.out_of_order = (uint32_t)info_at(raw, 224, 4),
	};
}

#endif
