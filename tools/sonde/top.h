// SPDX-License-Identifier: Apache-2.0
/*
 * top - what `sonde top` shows, apart from how: rows of the last interval, sorted and filtered.
 */
#ifndef SONDE_TOOLS_TOP_H
#define SONDE_TOOLS_TOP_H

#include "tools/sonde/conns.h"
#include "tools/sonde/edges.h"
#include "tools/sonde/snapshot.h"
#include "tools/sonde/text.h"

enum sonde_top_sort {
	SONDE_TOP_RATE = 0,
	SONDE_TOP_ERRORS = 1,
	SONDE_TOP_P50 = 2,
	SONDE_TOP_P90 = 3,
	SONDE_TOP_P99 = 4,
	SONDE_TOP_BYTES = 5,
	SONDE_TOP_NAME = 6,
	SONDE_TOP_SORTS = 7,
};
extern const char *const sonde_top_sort_names[]; /* ends with NULL */

enum sonde_top_by {
	SONDE_TOP_OPERATION = 0,
	SONDE_TOP_CONNECTION = 1,
	SONDE_TOP_PEER = 2,
	SONDE_TOP_PROCESS = 3,
};
extern const char *const sonde_top_by_names[]; /* ends with NULL */

enum { SONDE_TOP_FILTER = 64, SONDE_FLOW_NAME = 192 };

/* What one connection, pair of services or process has moved in the last interval. */
struct sonde_flow {
	uint64_t id, start_ns;		/* of the connection; or pid and start of the process */
	char names[2][SONDE_FLOW_NAME]; /* client and server; of a process comm and service */
	const char *state;
	uint64_t requests, errors, segments, retransmits, failed;
	uint64_t up, down;     /* bytes to the server and to the client; of a process out and in */
	uint64_t open;	       /* connections */
	double rtt_ns, p99_ns; /* NaN: not known */
};

struct sonde_top {
	struct sonde_link link;
	struct sonde_words services;
	enum sonde_top_sort sort;
	char filter[SONDE_TOP_FILTER]; /* part of service or operation; "" all */
	enum sonde_top_by by;
	struct sonde_snapshot older, newer;
	struct {					     /* unless by operation */
		struct sonde_conns older_conns, newer_conns; /* sorted by id */
		struct sonde_edges_snapshot older_edges, newer_edges;
		struct sonde_flow *rows; /* those that moved anything */
		size_t n;
	} flows;
	struct sonde_row *rows; /* of newer minus older: only those that had requests */
	size_t n_rows;
	double seconds; /* between the two */
	uint64_t count, errors;
};

/* Takes the next snapshot and makes the rows anew. An exit code; complained about. */
int sonde_top_refresh(struct sonde_top *t);
/* Sorts the rows and counts anew, after sort or filter changed. */
void sonde_top_arrange(struct sonde_top *t);
size_t sonde_top_n(const struct sonde_top *t);		    /* rows, shown or not */
uint64_t sonde_top_time_unix_ns(const struct sonde_top *t); /* of the newer look */
bool sonde_top_shows(const struct sonde_top *t, const struct sonde_row *row);
/* At most MAX rows that pass the filter, as a table with its header; SKIP rows are left out first.
 */
void sonde_top_print(const struct sonde_top *t, size_t skip, size_t max, struct sonde_buf *out);
void sonde_top_summary(const struct sonde_top *t, struct sonde_buf *out);
void sonde_top_fini(struct sonde_top *t);

/* The same by what flows: called by the functions above. */
int sonde_top_refresh_flows(struct sonde_top *t);
void sonde_top_arrange_flows(struct sonde_top *t);
void sonde_top_print_flows(const struct sonde_top *t, size_t skip, size_t max,
			   struct sonde_buf *out);
void sonde_top_summarise_flows(const struct sonde_top *t, struct sonde_buf *out);
void sonde_top_fini_flows(struct sonde_top *t);
/* The rows of T's looks at connections and edges, for tests. 0 or -ENOMEM. */
int sonde_top_make_flows(struct sonde_top *t);

/* The live table, on a terminal. An exit code. */
int sonde_top_screen(struct sonde_top *t, uint64_t interval_ns);

#endif
