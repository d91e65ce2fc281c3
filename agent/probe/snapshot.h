// SPDX-License-Identifier: Apache-2.0
/*
 * snapshot - the worker's reading of what iterators write: totals of connections, UDP and drops.
 *
 * The broker opens the files and hands them over; every read() runs the iterator for as much as
 * fits, so a snapshot of a hundred thousand connections is taken in slices, at the reader's pace,
 * and nothing is lost. Records may lie across two reads.
 */
#ifndef SONDE_PROBE_SNAPSHOT_H
#define SONDE_PROBE_SNAPSHOT_H

#include "agent/model/record.h"

enum {
	SONDE_SNAPSHOT_FILES = 5,
	SONDE_SNAPSHOT_BYTES = 32768, /* of one read: what the kernel gives at a time */
};

struct sonde_snapshot_reader {
	int fds[SONDE_SNAPSHOT_FILES];
	size_t n_fds, at; /* files, and the one that is being read */
	size_t len;	  /* bytes of a record's beginning, kept for the next read */
	uint8_t *buffer;  /* owned, SONDE_SNAPSHOT_BYTES; made by the first read */
	uint64_t invalid; /* records that made no sense, ever */
};

/* Begins to read FDS, which become the reader's; what it was reading is given up. */
void sonde_snapshot_begin(struct sonde_snapshot_reader *r, const int *fds, size_t n_fds);
/* Reads once and calls FN for each whole record. 1: there is more; 0: the end; negative errno. */
int sonde_snapshot_read(struct sonde_snapshot_reader *r,
			void (*fn)(void *ctx, const struct sonde_snapshot *s), void *ctx);
bool sonde_snapshot_busy(const struct sonde_snapshot_reader *r);
void sonde_snapshot_fini(struct sonde_snapshot_reader *r);

#endif
