// SPDX-License-Identifier: Apache-2.0
/* suggest - which known word an unknown one was probably meant to be. */
#ifndef SONDE_CORE_SUGGEST_H
#define SONDE_CORE_SUGGEST_H

#include "agent/core/slice.h"

/*
 * How far WORD is from KNOWN: the bytes to insert, delete or replace; 1 for a word and its longer
 * form. SIZE_MAX when they are too different for one to be a slip of the other, or longer than any
 * known word is.
 */
size_t sonde_suggest_distance(struct sonde_slice word, struct sonde_slice known);

/* The nearest of NAMES (ends with NULL), the first of several, or NULL when none is near. */
const char *sonde_suggest(const char *word, const char *const *names);

#endif
