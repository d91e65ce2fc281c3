// SPDX-License-Identifier: Apache-2.0
/* sample - one packet that a rule had no room for, and how many it stands for. */
#ifndef SONDE_LIMIT_SAMPLE_H
#define SONDE_LIMIT_SAMPLE_H

#include "agent/limit/spec.h"

/* Fixed size: it crosses the socketpair as it is. */
struct sonde_limit_sample {
	uint64_t stamp_ns; /* CLOCK_MONOTONIC */
	uint64_t weight;   /* limited packets that it stands for, itself included */
	uint8_t source[16];
	uint32_t bytes;
	uint32_t id; /* of the rule */
	char rule[SONDE_LIMIT_NAME];
	char iface[SONDE_LIMIT_IFACE];
	uint16_t port; /* destination; 0: none */
	uint8_t protocol;
	uint8_t dropped; /* 0: only counted */
	uint8_t pad[4];
};

#endif
