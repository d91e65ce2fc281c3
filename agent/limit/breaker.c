// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/breaker.h"

/* More than the share of what came in since the last sample was dropped. */
static bool is_much(const struct sonde_limit_breaker *b,
		    const struct sonde_limit_breaker_config *config, uint64_t packets,
		    uint64_t dropped)
{
	__uint128_t seen = packets - b->packets, lost = dropped - b->dropped;

	if (!b->sampled_ns || packets < b->packets || dropped < b->dropped)
		return false;
	return lost && lost * 100 > seen * config->percent;
}

bool sonde_limit_breaker_sample(struct sonde_limit_breaker *b,
				const struct sonde_limit_breaker_config *config, uint64_t now_ns,
				uint64_t packets, uint64_t dropped)
{
	bool armed = config->percent && config->duration_ns;
	bool much = armed && is_much(b, config, packets, dropped);

	if (!much)
		b->since_ns = 0;
	else if (!b->since_ns)
		b->since_ns = b->sampled_ns;
	b->packets = packets;
	b->dropped = dropped;
	b->sampled_ns = now_ns;
	return much && now_ns - b->since_ns >= config->duration_ns;
}
