// SPDX-License-Identifier: Apache-2.0
/*
 * view - everything that is to be known of the rules, in a memory file that the broker writes and
 * the worker reads: rules with their counts, interfaces, who is allowed, the lease.
 *
 * One writer. A sequence number says whether a reader has caught it in between (odd, or another
 * one afterwards); sonde_limit_view_read() copies until it has not. Pages are touched as rules are
 * added, so a node without rules pays for one.
 */
#ifndef SONDE_LIMIT_VIEW_H
#define SONDE_LIMIT_VIEW_H

#include "agent/limit/set.h"

enum sonde_limit_mode {
	SONDE_LIMIT_MODE_NONE = 0,
	SONDE_LIMIT_MODE_NATIVE = 1,
	SONDE_LIMIT_MODE_GENERIC = 2,
	SONDE_LIMIT_MODES = 3,
};

enum { SONDE_LIMIT_NOTE = 128 };

struct sonde_limit_counts {
	uint64_t passed, limited; /* packets that had room, and those that had none */
	uint64_t passed_bytes, limited_bytes;
};

struct sonde_limit_rule_view {
	struct sonde_limit_spec spec;
	struct sonde_limit_counts counts;
	uint64_t added_ns;
	uint64_t ends_ns; /* SONDE_LIMIT_FOREVER */
	uint32_t id;
	uint8_t state, origin, mute;
	bool attached;
};

/* What became of a packet: exactly one. All but DROPPED have passed. */
enum sonde_limit_fate {
	SONDE_LIMIT_FATE_PASSED = 0, /* within every rule that covers it */
	SONDE_LIMIT_FATE_DROPPED = 1,
	SONDE_LIMIT_FATE_UNMATCHED = 2, /* no rule covers it */
	SONDE_LIMIT_FATE_ALLOWED = 3,
	SONDE_LIMIT_FATE_UNLEASED = 4, /* a rule covers it, but the lease is over */
	SONDE_LIMIT_FATE_NEIGHBOUR = 5,
	SONDE_LIMIT_FATE_DHCP = 6,
	SONDE_LIMIT_FATE_NOT_IP = 7,
	SONDE_LIMIT_FATE_MALFORMED = 8,
	SONDE_LIMIT_FATES = 9,
};
const char *sonde_limit_fate_name(enum sonde_limit_fate fate); /* "passed", "dropped", ... */

struct sonde_limit_iface_view {
	char name[SONDE_LIMIT_IFACE];
	char note[SONDE_LIMIT_NOTE]; /* why it is not attached */
	uint32_t ifindex;	     /* 0: there is none of this name */
	uint32_t mode;		     /* enum sonde_limit_mode */
	uint64_t packets[SONDE_LIMIT_FATES], bytes[SONDE_LIMIT_FATES];
	uint64_t fragments;    /* after the first: held against rules without a port */
	uint64_t crowded;      /* more sources than there is room for: a bucket was shared */
	uint64_t contended;    /* charged unseen: other CPUs were faster every time */
	uint64_t skipped;      /* more rules cover it than one packet is held against */
	uint64_t samples_lost; /* of what was limited */
	uint64_t gaps;	       /* times that it was there without being watched */
	uint64_t gap_ns;       /* and for how long in all */
};

struct sonde_limit_view {
	uint64_t sequence;
	uint64_t generation;
	uint64_t lease_ns, lease_until_ns; /* until: SONDE_LIMIT_FOREVER when kept */
	uint64_t memory_bytes;		   /* of the kernel's tables: real, or what they will be */
	uint32_t max_sources;
	uint32_t keep;
	uint32_t n_rules, n_ifaces, n_allows;
	uint32_t pad;
	struct sonde_limit_iface_view ifaces[SONDE_LIMIT_IFACES];
	struct sonde_limit_allow allows[SONDE_LIMIT_ALLOWS];
	struct sonde_limit_rule_view rules[SONDE_LIMIT_RULES];
};

/* The writer: whatever is changed is changed between the two. */
void sonde_limit_view_begin(struct sonde_limit_view *view);
void sonde_limit_view_end(struct sonde_limit_view *view);
/* A copy of what is there, as of one moment. False: the writer was always in between. */
bool sonde_limit_view_read(const struct sonde_limit_view *view, struct sonde_limit_view *out);

#endif
