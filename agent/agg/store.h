// SPDX-License-Identifier: Apache-2.0
/*
 * store - what the files of this room share: the series, the tallies, and the aggregator.
 *
 *   request --(pointers of its names)--> memo --> series          the path of nearly every record
 *           \-(bytes)--> intern --> index ------/                 the first of its kind, or a miss
 *
 * The memo is a guess, never an authority: the entry it names is compared with the bytes of the
 * request, since memory of a process that is gone may hold another name by now.
 */
#ifndef SONDE_AGG_STORE_H
#define SONDE_AGG_STORE_H

#include "agent/agg/agg.h"
#include "agent/agg/arena.h"
#include "agent/agg/cells.h"
#include "agent/agg/intern.h"

enum {
	SONDE_AGG_MEMO = 32768,	  /* guesses, in pairs; a power of two */
	SONDE_AGG_TALLIES = 4096, /* active and lost, by service and method */
	SONDE_AGG_TALLY_MEMO = 1024,
	SONDE_AGG_EXPIRE_SLICE = 1024, /* entries that one tick looks at */
};

struct sonde_series_key {
	struct sonde_text *service, *peer, *method,
		*route;			    /* a reference each; service NULL: free */
	struct sonde_text *space, *version; /* of the service; empty unless asked for */
	uint16_t status;
	uint8_t role;
	uint8_t error;
};

struct sonde_trace_sample {
	uint8_t trace_id[32];
	uint8_t span_id[16];
	double value;
	uint64_t time_unix_ns;
};

/* The counters are behind cells. */
struct sonde_series {
	struct sonde_series_key key;
	uint32_t last_s; /* when a record came, in the agent's seconds */
	uint64_t start_unix_ns;
	double sum_ns; /* exact up to 2^53 ns, then rounded like any double */
	uint64_t min_ns, max_ns;
	uint64_t request_body_sum, response_body_sum;
	uint64_t request_bytes, response_bytes;
	struct sonde_cells cells;
	struct sonde_trace_sample
		*sample; /* of the last traced request, NULL: none; in the arena */
};

enum sonde_tally_kind {
	SONDE_TALLY_ACTIVE = 0,
	SONDE_TALLY_LOST = 1,
};

/* One number by role, service and perhaps method. */
struct sonde_tally {
	struct sonde_text *service, *method; /* a reference each; service NULL: free */
	int64_t value;
	uint64_t start_unix_ns;
	uint32_t last_s;
	uint8_t role;
	uint8_t kind;
};

struct sonde_agg {
	struct sonde_intern intern;
	struct sonde_arena arena;
	struct sonde_text *other; /* "__other__" */
	struct sonde_text *empty; /* "" */

	struct sonde_index index;
	uint32_t *memo;		     /* SONDE_AGG_MEMO series numbers */
	struct sonde_series *series; /* a lazily touched mapping; number 0 is never used */
	uint32_t *unused;	     /* stack of freed numbers */
	uint32_t n_unused, fresh;    /* numbers below fresh have been used */
	uint32_t cap;		     /* numbers there is room for */
	uint32_t max_series;	     /* with labels of their own */
	uint32_t max_overflow;	     /* of __other__, set aside beyond max_series */
	uint32_t n_series, n_overflow;

	struct sonde_index tally_index;
	struct sonde_tally *tallies; /* SONDE_AGG_TALLIES; number 0 is never used */
	uint32_t *tally_memo;
	uint32_t n_tallies, tally_fresh;

	bool by_namespace, by_version; /* series are kept apart by them */
	uint64_t idle_ns;
	uint64_t base_ns; /* CLOCK_MONOTONIC at second 0 of last_s */
	uint64_t unix_ns;
	uint32_t now_s;
	uint32_t sweep, tally_sweep; /* where expiry goes on */
	uint64_t overflowed, expired, dropped;

	/* One point at a time is unpacked here for whoever reads it. */
	struct {
		uint64_t explicit_counts[SONDE_BOUNDS_MAX + 1];
		uint32_t counts[SONDE_HISTOGRAM_BUCKETS];
		char error_type[8], status[8];
	} view;
};

/* Room for __other__ is kept by this mark alone: no request has a method without a name. */
static inline bool sonde_series_is_overflow(const struct sonde_agg *agg,
					    const struct sonde_series *s)
{
	return s->key.route == agg->other && s->key.method == agg->empty;
}

/* In tally.c. */
int sonde_tally_init(struct sonde_agg *agg);
void sonde_tally_fini(struct sonde_agg *agg);
/* Drops tallies that are idle and, where they count what is in flight, at 0. */
void sonde_tally_expire(struct sonde_agg *agg, uint32_t idle_s);

/* Which series a pointer probably means: names of one process or route keep their addresses. */
static inline uint64_t sonde_agg_guess(uint64_t h, const void *ptr)
{
	return (h ^ (uintptr_t)ptr) * 0x9e3779b97f4a7c15ULL;
}

#endif
