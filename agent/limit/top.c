// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/top.h"

#include <stdlib.h>
#include <string.h>

static struct sonde_limit_source *smallest(struct sonde_limit_top *top)
{
	struct sonde_limit_source *least = &top->items[0];

	for (size_t i = 1; i < top->n; i++)
		if (top->items[i].limited < least->limited)
			least = &top->items[i];
	return least;
}

void sonde_limit_top_add(struct sonde_limit_top *top, const uint8_t address[16], uint64_t n)
{
	struct sonde_limit_source *s;

	for (size_t i = 0; i < top->n; i++) {
		if (memcmp(top->items[i].address, address, sizeof(top->items[i].address)) != 0)
			continue;
		top->items[i].limited += n;
		return;
	}
	if (top->n < SONDE_LIMIT_TOP) {
		s = &top->items[top->n++];
		s->limited = 0;
	} else {
		s = smallest(top);
	}
	memcpy(s->address, address, sizeof(s->address));
	s->limited += n;
}

static int most_first(const void *a, const void *b)
{
	const struct sonde_limit_source *x = a, *y = b;

	return (x->limited < y->limited) - (x->limited > y->limited);
}

size_t sonde_limit_top_get(const struct sonde_limit_top *top, struct sonde_limit_source *out,
			   size_t max)
{
	struct sonde_limit_source sorted[SONDE_LIMIT_TOP];
	size_t n = top->n < max ? top->n : max;

	memcpy(sorted, top->items, top->n * sizeof(sorted[0]));
	qsort(sorted, top->n, sizeof(sorted[0]), most_first);
	memcpy(out, sorted, n * sizeof(out[0]));
	return n;
}
