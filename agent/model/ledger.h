// SPDX-License-Identifier: Apache-2.0
/*
 * ledger - the promise "produced = delivered + dropped", written down.
 *
 * One row per (what, stage, reason). Kernel rows are copied in from the kernel's counters; each
 * userspace queue counts its own. At rest, for every kind of record:
 *   produced == sum of delivered + sum of dropped
 * and the ledger is printed in /metrics, in `sonde status` and in line in `sonde trace`.
 */
#ifndef SONDE_MODEL_LEDGER_H
#define SONDE_MODEL_LEDGER_H

#include <stdint.h>

/* What is counted. First the kernel's record types, in the order of the ABI. */
enum sonde_kind {
	SONDE_KIND_OPEN = 0,
	SONDE_KIND_DATA = 1,
	SONDE_KIND_PROGRESS = 2,
	SONDE_KIND_CLOSE = 3,
	SONDE_KIND_OWNER = 4,
	SONDE_KIND_NAT = 5,
	SONDE_KIND_REQUEST = 6,	   /* requests that track has finished */
	SONDE_KIND_CONNECTION = 7, /* connections that have closed, or failed to open */
	SONDE_KINDS = 8,
};

/* Where a loss happened and why. Names: sonde_loss_name(). */
enum sonde_loss {
	SONDE_LOSS_RING_FULL = 0,    /* stage kernel: no room in the ring */
	SONDE_LOSS_INVALID = 1,	     /* stage reader: version, type or length is wrong */
	SONDE_LOSS_TABLE_FULL = 2,   /* stage track: more connections than the table holds */
	SONDE_LOSS_UNPARSED = 3,     /* stage track: heads that no parser understood */
	SONDE_LOSS_NO_MEMORY = 4,    /* stage pipeline */
	SONDE_LOSS_WORKER_DIED = 5,  /* stage worker: it ended before it was through with them */
	SONDE_LOSS_LOCAL_PEER = 6,   /* stage track: the other end on this node reports the same */
	SONDE_LOSS_IGNORED = 7,	     /* stage pipeline: the route is in routes.ignored_patterns */
	SONDE_LOSS_OUT_OF_SIGHT = 8, /* stage track: it lay behind what is captured of a segment */
	SONDE_LOSSES = 9,
};

struct sonde_ledger {
	uint64_t produced[SONDE_KINDS];	 /* kernel rows: by the kernel; requests: by track */
	uint64_t delivered[SONDE_KINDS]; /* handed to the next stage and accepted */
	uint64_t dropped[SONDE_KINDS][SONDE_LOSSES];
};

const char *sonde_kind_name(enum sonde_kind kind);  /* "open", "data", ... */
const char *sonde_loss_stage(enum sonde_loss loss); /* "kernel", "reader", ... */
const char *sonde_loss_name(enum sonde_loss loss);  /* "ring_full", ... */

#endif
