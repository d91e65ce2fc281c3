// SPDX-License-Identifier: Apache-2.0
/*
 * breaker - a rule that drops more than a share of its interface's packets for some time on end is
 * taken for a mistake, and turns to count.
 *
 *            share or less, or no packet at all
 *      .---------------------------------------.
 *      v            more than the share        |
 *   quiet -------------------------------> suspicious -- for duration_ns --> tripped
 *
 * Tripped is the end: it is up to the caller to turn the rule to count and to forget the breaker,
 * which a person arms anew by confirming the rule or adding it again.
 */
#ifndef SONDE_LIMIT_BREAKER_H
#define SONDE_LIMIT_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct sonde_limit_breaker_config {
	uint32_t percent;     /* 1 .. 99; more than this is suspicious; 0: never */
	uint64_t duration_ns; /* how long on end; 0: never */
};

struct sonde_limit_breaker {
	uint64_t packets, dropped; /* as last sampled */
	uint64_t sampled_ns;	   /* when that was; 0: never */
	uint64_t since_ns;	   /* suspicious since; 0: quiet */
};

/*
 * The totals at NOW_NS: packets that came in on the interface, and those of them that the rule
 * dropped. Counters that went back (the interface is a new one) begin anew. True: it has tripped.
 */
bool sonde_limit_breaker_sample(struct sonde_limit_breaker *b,
				const struct sonde_limit_breaker_config *config, uint64_t now_ns,
				uint64_t packets, uint64_t dropped);

#endif
