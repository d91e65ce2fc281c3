// SPDX-License-Identifier: Apache-2.0
/* edge_histogram - the durations of an edge: explicit buckets that fit them, exponential cells. */
#include "agent/agg/edge_store.h"

#include <math.h>

#define US 1000ull
#define MS 1000000ull
#define S  1000000000ull

const struct sonde_edge_scale sonde_edge_requests = {
	{ 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10 },
	{ 5 * MS, 10 * MS, 25 * MS, 50 * MS, 75 * MS, 100 * MS, 250 * MS, 500 * MS, 750 * MS, S,
	  2500 * MS, 5 * S, 7500 * MS, 10 * S, UINT64_MAX, UINT64_MAX },
};

/* A first SYN that was lost is sent again after a second: such connects are beyond the last. */
const struct sonde_edge_scale sonde_edge_trips = {
	{ 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
	  1 },
	{ 50 * US, 100 * US, 250 * US, 500 * US, MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS,
	  100 * MS, 250 * MS, 500 * MS, S, UINT64_MAX, UINT64_MAX },
};

const struct sonde_edge_scale sonde_edge_lives = {
	{ 0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 86400 },
	{ MS, 10 * MS, 100 * MS, 500 * MS, S, 5 * S, 10 * S, 30 * S, 60 * S, 300 * S, 600 * S,
	  1800 * S, 3600 * S, 86400 * S, UINT64_MAX, UINT64_MAX },
};

bool sonde_edge_measure(struct sonde_edges *e, struct sonde_edge_histogram *h,
			const struct sonde_edge_scale *scale, uint64_t ns)
{
	size_t at;

	if (!h->cells.ptr && sonde_cells_init(&h->cells, &e->arena))
		return false;
	/* The first one may move the cells. */
	at = sonde_cells_of_value(&h->cells, &e->arena, ns);
	sonde_cells_add(&h->cells, &e->arena, at);
	at = SONDE_CELL_DURATION + sonde_cells_bucket(scale->ns, ns);
	sonde_cells_add(&h->cells, &e->arena, at);
	h->sum_ns += ns;
	return true;
}

void sonde_edge_view_histogram(struct sonde_edges *e, const struct sonde_edge_histogram *h,
			       size_t i, struct sonde_histogram_view *out)
{
	const struct sonde_cells *c = &h->cells;
	uint64_t *explicit_counts = e->view[i].explicit_counts, count = 0;

	for (size_t k = 0; k <= SONDE_EDGE_BOUNDS; k++) {
		explicit_counts[k] = c->ptr ? sonde_cells_at(c, SONDE_CELL_DURATION + k) : 0;
		count += explicit_counts[k];
	}
	for (size_t k = 0; k < c->n; k++) {
		uint64_t v = sonde_cells_at(c, SONDE_CELLS_FIXED + k);

		e->view[i].counts[k] = v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
	}
	*out = (struct sonde_histogram_view){
		.count = count,
		.sum = (double)h->sum_ns / 1e9,
		.min = NAN,
		.max = NAN,
		.zero_count = c->ptr ? sonde_cells_at(c, SONDE_CELL_ZERO) : 0,
		.scale = c->ptr ? c->scale : SONDE_HISTOGRAM_SCALE,
		.offset = c->offset,
		.counts = e->view[i].counts,
		.n_counts = c->n,
		.explicit_counts = explicit_counts,
	};
}
