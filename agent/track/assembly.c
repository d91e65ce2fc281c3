// SPDX-License-Identifier: Apache-2.0
#include "agent/track/assembly.h"

void sonde_assembly_begin(struct sonde_assembly *a, uint64_t base)
{
	a->base = base;
	a->stamp_ns = 0;
	a->last_ns = 0;
	a->front = 0;
	a->n_pieces = 0;
}

/* Lets the front swallow every island that it has reached. */
static void advance(struct sonde_assembly *a)
{
	for (uint32_t i = 0; i < a->n_pieces;) {
		if (a->pieces[i].from > a->front) {
			i++;
			continue;
		}
		if (a->pieces[i].to > a->front)
			a->front = a->pieces[i].to;
		a->pieces[i] = a->pieces[--a->n_pieces];
		i = 0;
	}
}

void sonde_assembly_add(struct sonde_assembly *a, uint64_t position, struct sonde_slice piece)
{
	uint64_t from;

	if (position < a->base) {
		if (a->base - position >= piece.len)
			return;
		piece = sonde_slice_from(piece, (size_t)(a->base - position));
		position = a->base;
	}
	from = position - a->base;
	if (from >= SONDE_ASSEMBLY_BYTES || !piece.len)
		return;
	piece = sonde_slice_sub(piece, 0, SONDE_ASSEMBLY_BYTES - (size_t)from);
	if (from > a->front) {
		if (a->n_pieces == SONDE_ASSEMBLY_PIECES)
			return;
		a->pieces[a->n_pieces].from = (uint32_t)from;
		a->pieces[a->n_pieces++].to = (uint32_t)(from + piece.len);
	} else if (from + piece.len > a->front) {
		a->front = (uint32_t)(from + piece.len);
	}
	memcpy(a->bytes + from, piece.ptr, piece.len);
	advance(a);
}
