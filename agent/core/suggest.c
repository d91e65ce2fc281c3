// SPDX-License-Identifier: Apache-2.0
#include "agent/core/suggest.h"

/* WORD_MAX: longer ones are not compared. STEM_MIN: shorter ones are no stem of another. */
enum { WORD_MAX = 40, STEM_MIN = 3 };

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance, one row at a time; B is at most WORD_MAX bytes. */
static size_t edits(struct sonde_slice a, struct sonde_slice b)
{
	size_t row[WORD_MAX + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 0; i < a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < b.len; j++) {
			size_t above = row[j + 1];

			row[j + 1] =
				least(above + 1, row[j] + 1, diagonal + (a.ptr[i] != b.ptr[j]));
			diagonal = above;
		}
	}
	return row[b.len];
}

size_t sonde_suggest_distance(struct sonde_slice word, struct sonde_slice known)
{
	size_t most = word.len < 4 ? 1 : word.len < 9 ? 2 : 3, n;

	if (!word.len || word.len > WORD_MAX || !known.len || known.len > WORD_MAX)
		return SIZE_MAX;
	if (word.len >= STEM_MIN &&
	    (sonde_slice_starts(known, word) || sonde_slice_starts(word, known)))
		return 1;
	n = edits(word, known);
	return n <= most ? n : SIZE_MAX;
}

const char *sonde_suggest(const char *word, const char *const *names)
{
	const char *found = NULL;
	size_t best = SIZE_MAX;

	for (; *names; names++) {
		size_t n = sonde_suggest_distance(sonde_slice_str(word), sonde_slice_str(*names));

		if (n < best) {
			best = n;
			found = *names;
		}
	}
	return found;
}
