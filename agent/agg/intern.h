// SPDX-License-Identifier: Apache-2.0
/*
 * intern - label values, each kept once, so that two equal ones are one pointer.
 *
 * A text is canonical: at most SONDE_TEXT_MAX bytes, valid UTF-8 without control characters; what
 * is not becomes U+FFFD before texts are compared. So two different texts are different on every
 * way out too, and no escaping can make one label set of two series. Texts are counted by reference
 * and live as long as a series holds them, which bounds the table by the number of series. The hash
 * is seeded by getrandom(): names from the network cannot be chosen to collide.
 */
#ifndef SONDE_AGG_INTERN_H
#define SONDE_AGG_INTERN_H

#include "agent/agg/index.h"
#include "agent/core/slice.h"
#include "agent/model/metric.h"

enum { SONDE_TEXT_MAX = SONDE_LABEL_VALUE_MAX };

struct sonde_text {
	uint32_t hash;
	uint32_t number; /* in the table */
	uint32_t refs;
	uint32_t len;
	uint8_t bytes[];
};

struct sonde_intern {
	struct sonde_index index;
	struct sonde_text **texts; /* by number; 0 is unused */
	uint32_t *unused;	   /* stack of free numbers */
	uint32_t n_unused, n_texts, cap;
	uint64_t seed;
	size_t text_bytes;
};

int sonde_intern_init(struct sonde_intern *in);	 /* 0 or negative errno */
void sonde_intern_fini(struct sonde_intern *in); /* frees every text; accepts a zeroed table */
/* The text equal to the canonical form of S, or NULL. No reference is taken. */
struct sonde_text *sonde_intern_find(struct sonde_intern *in, struct sonde_slice s);
/* The same, added when it is not there, with one more reference. NULL: no memory. */
struct sonde_text *sonde_intern_get(struct sonde_intern *in, struct sonde_slice s);
/* Gives a reference back; the last one frees the text. Accepts NULL. */
void sonde_intern_put(struct sonde_intern *in, struct sonde_text *text);
size_t sonde_intern_memory(const struct sonde_intern *in);

/* Whether N bytes, at least the size of a word, are the same: by words, the last one overlapping.
 */
static inline bool sonde_same_words(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint64_t x, y;

	for (size_t i = 0; i + sizeof(x) < n; i += sizeof(x)) {
		memcpy(&x, a + i, sizeof(x));
		memcpy(&y, b + i, sizeof(y));
		if (x != y)
			return false;
	}
	memcpy(&x, a + n - sizeof(x), sizeof(x));
	memcpy(&y, b + n - sizeof(y), sizeof(y));
	return x == y;
}

/* The same for 4 to 7 bytes. */
static inline bool sonde_same_half(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint32_t head[2], tail[2];

	memcpy(&head[0], a, 4);
	memcpy(&head[1], b, 4);
	memcpy(&tail[0], a + n - 4, 4);
	memcpy(&tail[1], b + n - 4, 4);
	return head[0] == head[1] && tail[0] == tail[1];
}

/* Whether N bytes are the same. Inline: it decides every lookup of the fast path. */
static inline bool sonde_same_bytes(const uint8_t *a, const uint8_t *b, size_t n)
{
	if (n >= sizeof(uint64_t))
		return sonde_same_words(a, b, n);
	if (n >= sizeof(uint32_t))
		return sonde_same_half(a, b, n);
	/* Of three bytes or fewer: the first, the middle one, the last. */
	return !n || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
}

static inline bool sonde_text_is(const struct sonde_text *text, struct sonde_slice s)
{
	return text->len == s.len && sonde_same_bytes(text->bytes, s.ptr, s.len);
}

static inline struct sonde_slice sonde_text_slice(const struct sonde_text *text)
{
	return sonde_slice_of(text->bytes, text->len);
}

#endif
