// SPDX-License-Identifier: Apache-2.0
/*
 * text - numbers as people read them, and tables whose columns fit what is in them.
 *
 * Cells are escaped for the terminal on their way in: nothing else puts foreign bytes on a screen.
 */
#ifndef SONDE_TOOLS_TEXT_H
#define SONDE_TOOLS_TEXT_H

#include "agent/core/buf.h"

enum {
	SONDE_TEXT_NUMBER = 24, /* bytes that any of these numbers needs */
	SONDE_GRID_COLUMNS = 32,
};

/* "0", "850ns", "12.3us", "1.25ms", "2.50s", "3m20s". Returns OUT. */
const char *sonde_text_duration(double ns, char out[SONDE_TEXT_NUMBER]);
/* "0", "512", "1.5K", "3.2M": binary multiples. */
const char *sonde_text_bytes(double bytes, char out[SONDE_TEXT_NUMBER]);

/* Appends at most WIDTH columns of S (0: all), escaped; padded to WIDTH when PAD. */
void sonde_text_cell(struct sonde_buf *b, struct sonde_slice s, size_t width, bool pad);
/* How many columns the escaped, valid UTF-8 of S takes: its characters. */
size_t sonde_text_width(struct sonde_slice s);

/* A table being collected: cells are added left to right, top to bottom. */
struct sonde_grid {
	size_t n_columns;
	bool right[SONDE_GRID_COLUMNS]; /* numbers */
	size_t width[SONDE_GRID_COLUMNS];
	size_t n_cells;
	struct sonde_buf cells; /* each cell, then a NUL */
};

/* HEADS are separated by blanks; a `>` in front aligns the column right: "SERVICE >RATE". */
void sonde_grid_init(struct sonde_grid *g, const char *heads);
void sonde_grid_add(struct sonde_grid *g, struct sonde_slice s);
void sonde_grid_add_str(struct sonde_grid *g, const char *s);
void sonde_grid_add_u64(struct sonde_grid *g, uint64_t v);
void sonde_grid_add_duration(struct sonde_grid *g, double ns);
void sonde_grid_add_bytes(struct sonde_grid *g, double bytes);
/* Prints the whole table and frees the grid. */
void sonde_grid_print(struct sonde_grid *g, struct sonde_buf *out);

#endif
