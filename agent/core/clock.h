// SPDX-License-Identifier: Apache-2.0
/*
 * clock - the three clocks of the agent, in nanoseconds.
 *
 * The kernel side stamps records with CLOCK_MONOTONIC (bpf_ktime_get_ns, skb->tstamp). Durations
 * are differences of those. Only what a person reads is turned into wall time, with an offset taken
 * anew every second, so that a step of the wall clock never reaches a duration.
 */
#ifndef SONDE_CORE_CLOCK_H
#define SONDE_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define SONDE_NS_PER_SEC 1000000000ULL
#define SONDE_NS_PER_MS	 1000000ULL
#define SONDE_NS_PER_US	 1000ULL

static inline uint64_t sonde_clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * SONDE_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* CLOCK_MONOTONIC: the clock of every record. */
static inline uint64_t sonde_clock_mono_ns(void)
{
	return sonde_clock_ns(CLOCK_MONOTONIC);
}

/* What to add to a CLOCK_MONOTONIC stamp to get nanoseconds since the Unix epoch, now. */
static inline int64_t sonde_clock_wall_offset_ns(void)
{
	return (int64_t)(sonde_clock_ns(CLOCK_REALTIME) - sonde_clock_mono_ns());
}

#endif
