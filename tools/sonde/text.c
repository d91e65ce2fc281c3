// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/text.h"

#include <stdio.h>

#include "agent/core/escape.h"

enum { GRID_BYTES = 256 << 20, CELL_BYTES = 4096 };

const char *sonde_text_duration(double ns, char out[SONDE_TEXT_NUMBER])
{
	static const struct {
		double below, unit;
		const char *name;
	} units[] = {
		{ 1e3, 1, "ns" }, { 1e6, 1e3, "us" }, { 1e9, 1e6, "ms" }, { 120e9, 1e9, "s" }
	};

	if (ns <= 0) {
		snprintf(out, SONDE_TEXT_NUMBER, "0");
		return out;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double v = ns / units[i].unit;

		if (ns >= units[i].below)
			continue;
		snprintf(out, SONDE_TEXT_NUMBER, "%.*f%s",
			 !i	   ? 0
			 : v < 10  ? 2
			 : v < 100 ? 1
				   : 0,
			 v, units[i].name);
		return out;
	}
	if (ns < 3600e9)
		snprintf(out, SONDE_TEXT_NUMBER, "%.0fm%.0fs", (double)(int)(ns / 60e9),
			 (double)((int)(ns / 1e9) % 60));
	else
		snprintf(out, SONDE_TEXT_NUMBER, "%.1fh", ns / 3600e9);
	return out;
}

const char *sonde_text_bytes(double bytes, char out[SONDE_TEXT_NUMBER])
{
	static const char units[] = " KMGTPE";
	size_t i = 0;

	for (; bytes >= 1024 && i + 2 < sizeof(units); i++)
		bytes /= 1024;
	if (!i)
		snprintf(out, SONDE_TEXT_NUMBER, "%.0f", bytes);
	else
		snprintf(out, SONDE_TEXT_NUMBER, "%.1f%c", bytes, units[i]);
	return out;
}

size_t sonde_text_width(struct sonde_slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += (s.ptr[i] & 0xc0) != 0x80;
	return n;
}

/* The first N characters of valid UTF-8. */
static struct sonde_slice first_chars(struct sonde_slice s, size_t n)
{
	size_t i = 0;

	for (; i < s.len; i++)
		if ((s.ptr[i] & 0xc0) != 0x80 && n-- == 0)
			break;
	return sonde_slice_sub(s, 0, i);
}

void sonde_text_cell(struct sonde_buf *b, struct sonde_slice s, size_t width, bool pad)
{
	uint8_t bytes[CELL_BYTES];
	struct sonde_buf escaped;
	struct sonde_slice text;
	size_t used;

	/* At most four bytes come out for one that goes in. */
	sonde_buf_over(&escaped, bytes, sizeof(bytes));
	sonde_escape_terminal(&escaped, sonde_slice_sub(s, 0, CELL_BYTES / 4 - 1));
	text = sonde_buf_slice(&escaped);
	used = sonde_text_width(text);
	if (width && used > width) {
		sonde_buf_put_slice(b, first_chars(text, width - 1));
		sonde_buf_put_byte(b, '~');
		used = width;
	} else {
		sonde_buf_put_slice(b, text);
	}
	for (; pad && used < width; used++)
		sonde_buf_put_byte(b, ' ');
}

void sonde_grid_init(struct sonde_grid *g, const char *heads)
{
	struct sonde_slice rest = sonde_slice_str(heads);

	*g = (struct sonde_grid){ 0 };
	sonde_buf_init(&g->cells, GRID_BYTES);
	while (rest.len && g->n_columns < SONDE_GRID_COLUMNS) {
		size_t end = sonde_slice_find(rest, 0, ' ');
		bool right = rest.ptr[0] == '>';

		g->right[g->n_columns++] = right;
		rest = sonde_slice_from(rest, end + 1);
	}
	rest = sonde_slice_str(heads);
	for (size_t i = 0; i < g->n_columns; i++) {
		size_t end = sonde_slice_find(rest, 0, ' '), from = g->right[i];

		sonde_grid_add(g, sonde_slice_sub(rest, from, end - from));
		rest = sonde_slice_from(rest, end + 1);
	}
}

void sonde_grid_add(struct sonde_grid *g, struct sonde_slice s)
{
	size_t column = g->n_cells++ % g->n_columns, before = g->cells.len, width;

	sonde_text_cell(&g->cells, s, 0, false);
	width = sonde_text_width(sonde_slice_from(sonde_buf_slice(&g->cells), before));
	sonde_buf_put_byte(&g->cells, '\0');
	if (width > g->width[column])
		g->width[column] = width;
}

void sonde_grid_add_str(struct sonde_grid *g, const char *s)
{
	sonde_grid_add(g, sonde_slice_str(s));
}

void sonde_grid_add_u64(struct sonde_grid *g, uint64_t v)
{
	char text[SONDE_TEXT_NUMBER];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	sonde_grid_add_str(g, text);
}

void sonde_grid_add_duration(struct sonde_grid *g, double ns)
{
	char text[SONDE_TEXT_NUMBER];

	sonde_grid_add_str(g, sonde_text_duration(ns, text));
}

void sonde_grid_add_bytes(struct sonde_grid *g, double bytes)
{
	char text[SONDE_TEXT_NUMBER];

	sonde_grid_add_str(g, sonde_text_bytes(bytes, text));
}

static void pad(struct sonde_buf *out, size_t n)
{
	while (n--)
		sonde_buf_put_byte(out, ' ');
}

void sonde_grid_print(struct sonde_grid *g, struct sonde_buf *out)
{
	struct sonde_slice rest = sonde_buf_slice(&g->cells);

	for (size_t i = 0; i < g->n_cells; i++) {
		size_t column = i % g->n_columns, end = sonde_slice_find(rest, 0, '\0');
		struct sonde_slice cell = sonde_slice_sub(rest, 0, end);
		size_t gap = g->width[column] - sonde_text_width(cell);
		bool last = column + 1 == g->n_columns;

		if (g->right[column])
			pad(out, gap);
		sonde_buf_put_slice(out, cell);
		if (!g->right[column] && !last)
			pad(out, gap);
		sonde_buf_put_str(out, last ? "\n" : "  ");
		rest = sonde_slice_from(rest, end + 1);
	}
	if (g->cells.failed)
		out->failed = true;
	sonde_buf_fini(&g->cells);
}
