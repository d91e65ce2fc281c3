// SPDX-License-Identifier: Apache-2.0
/* hash - the two hash functions of the agent: 64-bit integers (splitmix64 finaliser) and bytes. */
#ifndef SONDE_CORE_HASH_H
#define SONDE_CORE_HASH_H

#include "agent/core/slice.h"

/* A bijective mix of X: every input bit reaches every output bit. */
static inline uint64_t sonde_hash_u64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* A seeded hash of bytes. Take the seed from getrandom() where the keys come from the network. */
static inline uint64_t sonde_hash_bytes(struct sonde_slice s, uint64_t seed)
{
	uint64_t h = seed ^ (s.len * 0x9e3779b97f4a7c15ULL), word;
	size_t i = 0;

	for (; i + sizeof(word) <= s.len; i += sizeof(word)) {
		memcpy(&word, s.ptr + i, sizeof(word));
		h = sonde_hash_u64(h ^ word);
	}
	if (i < s.len) {
		word = 0;
		memcpy(&word, s.ptr + i, s.len - i);
		h = sonde_hash_u64(h ^ word);
	}
	return sonde_hash_u64(h);
}

#endif
