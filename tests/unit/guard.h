// SPDX-License-Identifier: Apache-2.0
/*
 * guard - hands an input to the code under test so that its last byte is the last one of a page
 * behind which nothing may be touched: a read past the end of the slice ends the test. The same in
 * front of it, for code that looks back.
 *
 *   | PROT_NONE | ................ input | PROT_NONE |      guard_put
 *   | PROT_NONE | input ................ | PROT_NONE |      guard_put_front
 *
 * Sanitisers do not watch a slice inside a larger buffer; this does, and in every build.
 */
#ifndef SONDE_TESTS_UNIT_GUARD_H
#define SONDE_TESTS_UNIT_GUARD_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/core/slice.h"

struct guard {
	uint8_t *room; /* between the pages that trap */
	size_t cap;    /* its bytes, a whole number of pages */
	size_t page;
};

/* Room for inputs of up to LEN bytes. */
static inline struct guard guard_new(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct guard g = { .cap = (len / page + 1) * page, .page = page };
	uint8_t *map = mmap(NULL, g.cap + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	g.room = map + page;
	if (map == MAP_FAILED || mprotect(g.room, g.cap, PROT_READ | PROT_WRITE))
		abort();
	return g;
}

static inline struct sonde_slice guard_copy(const struct guard *g, size_t at,
					    struct sonde_slice input)
{
	if (input.len)
		memcpy(g->room + at, input.ptr, input.len);
	return sonde_slice_of(g->room + at, input.len);
}

/* A copy of INPUT that ends at the page behind; valid until the next one. */
static inline struct sonde_slice guard_put(const struct guard *g, struct sonde_slice input)
{
	if (input.len > g->cap)
		abort();
	return guard_copy(g, g->cap - input.len, input);
}

/* A copy of INPUT that begins behind the page in front; valid until the next one. */
static inline struct sonde_slice guard_put_front(const struct guard *g, struct sonde_slice input)
{
	if (input.len > g->cap)
		abort();
	return guard_copy(g, 0, input);
}

static inline void guard_free(struct guard *g)
{
	munmap(g->room - g->page, g->cap + 2 * g->page);
	g->room = NULL;
}

#endif
