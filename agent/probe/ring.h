// SPDX-License-Identifier: Apache-2.0
/*
 * ring - the consumer's end of a BPF ring buffer, over the mapping alone.
 *
 * libbpf's consumer publishes its position after every record and cannot stop after a budget; this
 * one does both once per drain, needs no bpf(2) (the worker may not use it), and can read a
 * recorded image as well. Layout (kernel/bpf/ringbuf.c): consumer position page, producer position
 * page, data pages mapped twice in a row, so that a record that wraps is still one run of bytes.
 */
#ifndef SONDE_PROBE_RING_H
#define SONDE_PROBE_RING_H

#include <stddef.h>
#include <stdint.h>

#include "agent/core/slice.h"

/* Where a consumer stands, in memory that outlives it: positions of the ring. */
struct sonde_ring_marks {
	uint64_t begun; /* end of the record taken up last */
	uint64_t done;	/* end of the record done with last; less than begun: in between */
};

struct sonde_ring {
	uint64_t *consumer;	  /* written by us */
	const uint64_t *producer; /* written by the kernel */
	const uint8_t *data;	  /* of the window */
	size_t size;		  /* bytes of the ring, power of two */
	size_t window;	  /* bytes mapped, beside a margin that holds any record; = size: all */
	size_t window_at; /* offset of data in the ring */
	int fd;		  /* -1: an image in memory, all of it at data */
	struct sonde_ring_marks *marks; /* borrowed; NULL: nobody wants to know */
};

typedef void (*sonde_ring_fn)(void *ctx, struct sonde_slice record);

/* Maps the ring of SIZE bytes behind FD, which must stay open. 0 or negative errno. */
int sonde_ring_map(int fd, size_t size, struct sonde_ring *out);
void sonde_ring_unmap(struct sonde_ring *ring); /* accepts a zeroed one */

/*
 * Goes on where another consumer with the same MARKS ended, and keeps them from now on. What that
 * one was done with is not handed out again. The record it died over, if there is one, goes to FN
 * and is freed; FN must not process it.
 */
void sonde_ring_resume(struct sonde_ring *ring, struct sonde_ring_marks *marks, sonde_ring_fn fn,
		       void *ctx);

/*
 * Hands at most BUDGET records to FN, in order, and frees their room. Stops at a record that is
 * still being written. Returns how many were handed on.
 */
size_t sonde_ring_drain(struct sonde_ring *ring, size_t budget, sonde_ring_fn fn, void *ctx);

/* Hands every whole record that waits to FN and leaves it there. */
void sonde_ring_peek(struct sonde_ring *ring, sonde_ring_fn fn, void *ctx);

/* Bytes waiting. */
size_t sonde_ring_used(const struct sonde_ring *ring);

#endif
