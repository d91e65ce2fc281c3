// SPDX-License-Identifier: Apache-2.0
/* The rows of `sonde top`: differences between snapshots, sorted and filtered. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/sonde/cli.h"
#include "tools/sonde/top.h"

const char *const sonde_top_sort_names[] = { "rate", "errors", "p50",  "p90",
					     "p99",  "bytes",  "name", NULL };

const char *const sonde_top_by_names[] = { "operation", "connection", "peer", "process", NULL };

static double known(double v)
{
	return isnan(v) ? -1 : v;
}

static double weight(const struct sonde_row *row, enum sonde_top_sort sort)
{
	switch (sort) {
	case SONDE_TOP_RATE:
		return (double)row->count;
	case SONDE_TOP_ERRORS:
		return (double)row->errors;
	case SONDE_TOP_P50:
		return known(sonde_row_quantile_ns(row, 0.5));
	case SONDE_TOP_P90:
		return known(sonde_row_quantile_ns(row, 0.9));
	case SONDE_TOP_P99:
		return known(sonde_row_quantile_ns(row, 0.99));
	case SONDE_TOP_BYTES:
		return (double)(row->request_bytes + row->response_bytes);
	case SONDE_TOP_NAME:
	case SONDE_TOP_SORTS:
		break;
	}
	return 0;
}

/* Heaviest first; equals in the order of their names, which is that of `from`. */
static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct sonde_row *x = a, *y = b;
	const enum sonde_top_sort *sort = arg;
	double wx = weight(x, *sort), wy = weight(y, *sort);

	if (wx != wy)
		return wx > wy ? -1 : 1;
	return (x->from > y->from) - (x->from < y->from);
}

static void operation_of(const struct sonde_row *row, struct sonde_buf *b)
{
	sonde_buf_put_slice(b, sonde_wire_slice(row->first->method));
	if (row->first->method.len && row->first->route.len)
		sonde_buf_put_byte(b, ' ');
	sonde_buf_put_slice(b, sonde_wire_slice(row->first->route));
}

bool sonde_top_shows(const struct sonde_top *t, const struct sonde_row *row)
{
	uint8_t bytes[1024];
	struct sonde_buf b;

	if (!t->filter[0])
		return true;
	sonde_buf_over(&b, bytes, sizeof(bytes));
	sonde_buf_put_slice(&b, sonde_wire_slice(row->first->service));
	sonde_buf_put_byte(&b, ' ');
	operation_of(row, &b);
	return memmem(b.ptr, b.len, t->filter, strlen(t->filter)) != NULL;
}

size_t sonde_top_n(const struct sonde_top *t)
{
	return t->by == SONDE_TOP_OPERATION ? t->n_rows : t->flows.n;
}

uint64_t sonde_top_time_unix_ns(const struct sonde_top *t)
{
	if (t->by == SONDE_TOP_OPERATION)
		return t->newer.time_unix_ns;
	return t->by == SONDE_TOP_PEER ? t->flows.newer_edges.time_unix_ns
				       : t->flows.newer_conns.time_unix_ns;
}

void sonde_top_arrange(struct sonde_top *t)
{
	if (t->by != SONDE_TOP_OPERATION) {
		sonde_top_arrange_flows(t);
		return;
	}
	if (t->n_rows)
		qsort_r(t->rows, t->n_rows, sizeof(t->rows[0]), compare_rows, &t->sort);
	t->count = t->errors = 0;
	for (size_t i = 0; i < t->n_rows; i++) {
		if (!sonde_top_shows(t, &t->rows[i]))
			continue;
		t->count += t->rows[i].count;
		t->errors += t->rows[i].errors;
	}
}

/* Keeps the rows that had requests. */
static size_t drop_idle(struct sonde_row *rows, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (rows[i].count)
			rows[kept++] = rows[i];
	return kept;
}

int sonde_top_refresh(struct sonde_top *t)
{
	struct sonde_row *rows = NULL;
	struct sonde_snapshot next;
	long n;
	int code;

	if (t->by != SONDE_TOP_OPERATION)
		return sonde_top_refresh_flows(t);
	code = sonde_snapshot_fetch(&t->link, &t->services, &next);
	if (code != SONDE_EXIT_OK)
		return code;
	sonde_snapshot_free(&t->older);
	t->older = t->newer;
	t->newer = next;
	t->seconds = t->older.time_unix_ns
			     ? (double)(int64_t)(next.time_unix_ns - t->older.time_unix_ns) / 1e9
			     : 0;
	free(t->rows);
	t->rows = NULL;
	t->n_rows = 0;
	n = sonde_rows_make(&t->older, &t->newer, SONDE_GROUP_OPERATION, &rows);
	if (n < 0) {
		sonde_complain("top: %s", strerror((int)-n));
		return SONDE_EXIT_FAILURE;
	}
	t->rows = rows;
	t->n_rows = drop_idle(rows, (size_t)n);
	sonde_top_arrange(t);
	return SONDE_EXIT_OK;
}

static double per_second(const struct sonde_top *t, uint64_t n)
{
	return t->seconds > 0 ? (double)n / t->seconds : 0;
}

static void add_row(const struct sonde_top *t, const struct sonde_row *row, struct sonde_grid *g)
{
	static const double quantiles[] = { 0.5, 0.9, 0.99 };
	uint8_t bytes[1024];
	char text[SONDE_TEXT_NUMBER];
	struct sonde_buf b;

	sonde_buf_over(&b, bytes, sizeof(bytes));
	snprintf(text, sizeof(text), "%.1f", per_second(t, row->count));
	sonde_grid_add_str(g, text);
	snprintf(text, sizeof(text), "%.1f%%", 100 * sonde_row_error_share(row));
	sonde_grid_add_str(g, text);
	for (size_t i = 0; i < 3; i++) {
		double ns = sonde_row_quantile_ns(row, quantiles[i]);

		sonde_grid_add_str(g, isnan(ns) ? "-" : sonde_text_duration(ns, text));
	}
	sonde_grid_add_bytes(g, per_second(t, row->request_bytes));
	sonde_grid_add_bytes(g, per_second(t, row->response_bytes));
	sonde_grid_add_str(g, sonde_role_name((enum sonde_role)row->first->role));
	sonde_grid_add(g, sonde_wire_slice(row->first->service));
	operation_of(row, &b);
	sonde_grid_add(g, sonde_buf_slice(&b));
}

void sonde_top_print(const struct sonde_top *t, size_t skip, size_t max, struct sonde_buf *out)
{
	struct sonde_grid g;

	if (t->by != SONDE_TOP_OPERATION) {
		sonde_top_print_flows(t, skip, max, out);
		return;
	}
	sonde_grid_init(&g, ">RATE/s >ERRORS >P50 >P90 >P99 >IN/s >OUT/s ROLE SERVICE OPERATION");
	for (size_t i = 0; i < t->n_rows && max; i++) {
		if (!sonde_top_shows(t, &t->rows[i]))
			continue;
		if (skip) {
			skip--;
			continue;
		}
		add_row(t, &t->rows[i], &g);
		max--;
	}
	sonde_grid_print(&g, out);
}

void sonde_top_summary(const struct sonde_top *t, struct sonde_buf *out)
{
	if (t->by == SONDE_TOP_OPERATION)
		sonde_buf_printf(out, "%.1f requests/s, %.1f errors/s, %zu operations",
				 per_second(t, t->count), per_second(t, t->errors), t->n_rows);
	else
		sonde_top_summarise_flows(t, out);
	sonde_buf_printf(out, ", by %s", sonde_top_sort_names[t->sort]);
	if (t->filter[0]) {
		sonde_buf_put_str(out, ", filter ");
		sonde_text_cell(out, sonde_slice_str(t->filter), 0, false);
	}
}

void sonde_top_fini(struct sonde_top *t)
{
	sonde_top_fini_flows(t);
	free(t->rows);
	sonde_snapshot_free(&t->older);
	sonde_snapshot_free(&t->newer);
	sonde_link_close(&t->link);
}
