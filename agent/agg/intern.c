// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/intern.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "agent/core/escape.h"
#include "agent/core/hash.h"

enum { FIRST_CAP = 64 };

static int grow(struct sonde_intern *in)
{
	uint32_t cap = in->cap ? in->cap * 2 : FIRST_CAP;
	struct sonde_text **texts;
	uint32_t *unused;

	texts = reallocarray(in->texts, cap, sizeof(struct sonde_text *));
	if (!texts)
		return -ENOMEM;
	in->texts = texts;
	unused = reallocarray(in->unused, cap, sizeof(*unused));
	if (!unused)
		return -ENOMEM;
	in->unused = unused;
	if (in->cap ? sonde_index_grow(&in->index, cap) : sonde_index_init(&in->index, cap))
		return -ENOMEM;
	/* Number 0 means none. */
	for (uint32_t number = cap - 1; number >= in->cap && number; number--)
		in->unused[in->n_unused++] = number;
	memset(in->texts + in->cap, 0, (cap - in->cap) * sizeof(struct sonde_text *));
	in->cap = cap;
	return 0;
}

int sonde_intern_init(struct sonde_intern *in)
{
	int err;

	*in = (struct sonde_intern){ 0 };
	if (getrandom(&in->seed, sizeof(in->seed), 0) != sizeof(in->seed))
		return -EIO;
	err = grow(in);
	if (err)
		sonde_intern_fini(in);
	return err;
}

void sonde_intern_fini(struct sonde_intern *in)
{
	for (uint32_t i = 0; i < in->cap; i++)
		free(in->texts[i]);
	free(in->texts);
	free(in->unused);
	sonde_index_fini(&in->index);
	*in = (struct sonde_intern){ 0 };
}

/* Writes the canonical form of S to OUT and returns it. */
static struct sonde_slice canonical(struct sonde_slice s, uint8_t out[SONDE_TEXT_MAX])
{
	static const uint8_t replacement[] = { 0xef, 0xbf, 0xbd };
	size_t len = 0;

	for (size_t i = 0; i < s.len;) {
		size_t n = sonde_escape_char(s, i);
		const uint8_t *from = n ? s.ptr + i : replacement;
		size_t put = n ? n : sizeof(replacement);

		if (len + put > SONDE_TEXT_MAX)
			break;
		memcpy(out + len, from, put);
		len += put;
		i += n ? n : 1;
	}
	return sonde_slice_of(out, len);
}

static struct sonde_text *lookup(const struct sonde_intern *in, struct sonde_slice s, uint32_t hash)
{
	size_t at = hash;
	uint32_t number;

	while ((number = sonde_index_next(&in->index, hash, &at)) != 0) {
		if (sonde_text_is(in->texts[number], s))
			return in->texts[number];
	}
	return NULL;
}

/*
 * Only canonical texts are in the table, so bytes that are found as they are need no check. Leaves
 * the canonical form and its hash for whoever wants to add it.
 */
static struct sonde_text *search(const struct sonde_intern *in, struct sonde_slice *s,
				 uint8_t scratch[SONDE_TEXT_MAX], uint32_t *hash)
{
	struct sonde_text *text;
	struct sonde_slice clean;

	if (s->len <= SONDE_TEXT_MAX) {
		*hash = (uint32_t)sonde_hash_bytes(*s, in->seed);
		text = lookup(in, *s, *hash);
		if (text)
			return text;
	}
	clean = canonical(*s, scratch);
	if (sonde_slice_eq(clean, *s))
		return NULL;
	*s = clean;
	*hash = (uint32_t)sonde_hash_bytes(clean, in->seed);
	return lookup(in, clean, *hash);
}

struct sonde_text *sonde_intern_find(struct sonde_intern *in, struct sonde_slice s)
{
	uint8_t scratch[SONDE_TEXT_MAX];
	uint32_t hash = 0;

	return search(in, &s, scratch, &hash);
}

static struct sonde_text *add(struct sonde_intern *in, struct sonde_slice s, uint32_t hash)
{
	struct sonde_text *text;

	if (!in->n_unused && grow(in))
		return NULL;
	text = malloc(sizeof(*text) + s.len);
	if (!text)
		return NULL;
	*text = (struct sonde_text){ .hash = hash, .len = (uint32_t)s.len };
	if (s.len)
		memcpy(text->bytes, s.ptr, s.len);
	text->number = in->unused[--in->n_unused];
	in->texts[text->number] = text;
	sonde_index_put(&in->index, hash, text->number);
	in->n_texts++;
	in->text_bytes += sizeof(*text) + s.len;
	return text;
}

struct sonde_text *sonde_intern_get(struct sonde_intern *in, struct sonde_slice s)
{
	uint8_t scratch[SONDE_TEXT_MAX];
	uint32_t hash = 0;
	struct sonde_text *text = search(in, &s, scratch, &hash);

	if (!text)
		text = add(in, s, hash);
	if (text)
		text->refs++;
	return text;
}

void sonde_intern_put(struct sonde_intern *in, struct sonde_text *text)
{
	if (!text || --text->refs)
		return;
	sonde_index_remove(&in->index, text->hash, text->number);
	in->texts[text->number] = NULL;
	in->unused[in->n_unused++] = text->number;
	in->n_texts--;
	in->text_bytes -= sizeof(*text) + text->len;
	free(text);
}

size_t sonde_intern_memory(const struct sonde_intern *in)
{
	return in->text_bytes + sonde_index_memory(&in->index) +
	       in->cap * (sizeof(struct sonde_text *) + sizeof(*in->unused));
}
