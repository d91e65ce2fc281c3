// SPDX-License-Identifier: Apache-2.0
/*
 * gcra - the generic cell rate algorithm (ITU-T I.371, annex A) in one 64-bit word.
 *
 * The word is the theoretical arrival time: when the bucket would be full again. A packet that
 * needs `cost` of time conforms while that is not more than `tolerance` ahead of now; only then is
 * it charged. A bucket that has never been used is 0.
 */
#ifndef SONDE_LIMIT_GCRA_H
#define SONDE_LIMIT_GCRA_H

#include <stdbool.h>
#include <stdint.h>

/* Units of N at RATE per second, in nanoseconds. */
static inline uint64_t sonde_gcra_cost_ns(uint64_t n, uint64_t rate)
{
	__uint128_t ns = (__uint128_t)n * 1000000000u / rate;

	return ns > UINT64_MAX / 4 ? UINT64_MAX / 4 : (uint64_t)ns;
}

/* True: it conforms, and *TAT is charged. */
static inline bool sonde_gcra_pass(uint64_t *tat, uint64_t now_ns, uint64_t cost_ns,
				   uint64_t tolerance_ns)
{
	uint64_t begin = *tat > now_ns ? *tat : now_ns;

	if (begin + cost_ns > now_ns + tolerance_ns)
		return false;
	*tat = begin + cost_ns;
	return true;
}

#endif
