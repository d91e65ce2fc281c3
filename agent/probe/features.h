// SPDX-License-Identifier: Apache-2.0
/*
 * features - which of the kernel's BPF features this node has.
 *
 * Each is found out by trying (loading a two-instruction program, creating a map) or by looking in
 * the kernel's BTF; nothing is attached and nothing is left behind. Core features are those without
 * which sonded does not start; the others only make it see more.
 */
#ifndef SONDE_PROBE_FEATURES_H
#define SONDE_PROBE_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

enum sonde_feature_state {
	SONDE_FEATURE_MISSING = 0,
	SONDE_FEATURE_PRESENT = 1,
	SONDE_FEATURE_UNKNOWN = 2, /* not allowed to find out */
};

struct sonde_feature {
	const char *name;
	const char *use; /* what it is for */
	bool core;
	enum sonde_feature_state state;
};

enum { SONDE_FEATURES_MAX = 24 };

/* Fills OUT and returns how many there are. Takes some milliseconds. */
size_t sonde_features_probe(struct sonde_feature out[SONDE_FEATURES_MAX]);

#endif
