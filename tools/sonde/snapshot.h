// SPDX-License-Identifier: Apache-2.0
/*
 * snapshot - all series of the daemon at one moment, and rows made of them.
 *
 *   snapshot: Series messages, sorted by their labels
 *   rows:     snapshot - earlier snapshot, series by series, then added up by service or operation
 *
 * Differences are taken per series, so one that expired meanwhile takes nothing from the others; a
 * series that began anew (another start time) counts from 0.
 */
#ifndef SONDE_TOOLS_SNAPSHOT_H
#define SONDE_TOOLS_SNAPSHOT_H

#include "agent/model/histogram.h"
#include "tools/sonde/frames.h"
#include "tools/sonde/options.h"

struct sonde_snapshot {
	struct sonde_frames frames; /* own the series */
	Sonde__Series **series;	    /* sorted */
	size_t n_series;
	uint64_t time_unix_ns; /* 0: none was taken */
};

/* Asks for the series of SERVICES (globs; none: all). SONDE_EXIT_OK, or the code after complaining.
 */
int sonde_snapshot_fetch(struct sonde_link *l, const struct sonde_words *services,
			 struct sonde_snapshot *out);
/*
 * Takes over FRAMES of series, also when it fails, and sorts them. 0 or -ENOMEM. For fetch, and for
 * tests.
 */
int sonde_snapshot_make(struct sonde_frames frames, struct sonde_snapshot *out);
void sonde_snapshot_free(struct sonde_snapshot *s); /* accepts a zeroed one */

enum sonde_grouping {
	SONDE_GROUP_OPERATION = 0, /* service, role, method, route */
	SONDE_GROUP_SERVICE = 1,   /* service, role */
};

struct sonde_row {
	const Sonde__Series *first; /* its labels name the row; lives in the newer snapshot */
	size_t from, n;		    /* its series: snapshot.series[from .. from + n) */
	uint64_t count, errors, request_bytes, response_bytes;
	struct sonde_buckets duration; /* seconds */
};

/*
 * Rows of NEWER minus OLDER, sorted by labels; OLDER may be zeroed. *OUT is to be freed. Returns
 * the number of rows, or -ENOMEM.
 */
long sonde_rows_make(const struct sonde_snapshot *older, const struct sonde_snapshot *newer,
		     enum sonde_grouping grouping, struct sonde_row **out);

/* The quantile Q of a row's duration in nanoseconds; NaN when unknown. */
double sonde_row_quantile_ns(const struct sonde_row *row, double q);
double sonde_row_error_share(const struct sonde_row *row);

/* The next distinct peer service of a row from *CURSOR (begin at 0); false at the end. */
bool sonde_row_next_peer(const struct sonde_snapshot *s, const struct sonde_row *row,
			 size_t *cursor, struct sonde_slice *out);

#endif
