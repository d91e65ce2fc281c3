// SPDX-License-Identifier: Apache-2.0
/*
 * assembly - a message head that came in several pieces, perhaps out of order.
 *
 * A window over the first bytes of a message: pieces are put where they belong, and what is whole
 * from the front can be parsed. Used only when one piece did not do.
 */
#ifndef SONDE_TRACK_ASSEMBLY_H
#define SONDE_TRACK_ASSEMBLY_H

#include "agent/core/slice.h"

enum {
	SONDE_ASSEMBLY_BYTES = 4096,
	SONDE_ASSEMBLY_PIECES = 8, /* islands behind a gap; a ninth is left out */
};

struct sonde_assembly {
	uint64_t base;	   /* position of bytes[0] */
	uint64_t stamp_ns; /* of the piece that came first */
	uint64_t last_ns;  /* of the one that came last */
	uint32_t front;	   /* bytes[0..front) are whole */
	uint32_t n_pieces;
	struct {
		uint32_t from, to;
	} pieces[SONDE_ASSEMBLY_PIECES];
	uint8_t bytes[SONDE_ASSEMBLY_BYTES];
};

void sonde_assembly_begin(struct sonde_assembly *a, uint64_t base);
/* Puts what of PIECE at POSITION falls into the window there. */
void sonde_assembly_add(struct sonde_assembly *a, uint64_t position, struct sonde_slice piece);
/* What is whole from the front. */
static inline struct sonde_slice sonde_assembly_front(const struct sonde_assembly *a)
{
	return sonde_slice_of(a->bytes, a->front);
}

#endif
