// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/filter_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/suggest.h"

const char *const sonde_filter_role_names[] = { "server", "client", NULL };

int sonde_filter_numbers(const struct sonde_words *words, const char *option, uint64_t max,
			 uint32_t *out, char error[SONDE_OPTIONS_ERROR])
{
	uint64_t v;

	for (size_t i = 0; i < words->n; i++) {
		if (sonde_slice_u64(sonde_slice_str(words->items[i]), 10, &v) || !v || v > max) {
			snprintf(error, SONDE_OPTIONS_ERROR,
				 "--%s: '%.40s' is not a number from 1 to %llu", option,
				 words->items[i], (unsigned long long)max);
			return -EINVAL;
		}
		out[i] = (uint32_t)v;
	}
	return 0;
}

void sonde_filter_texts(const struct sonde_words *words, ProtobufCBinaryData *out)
{
	for (size_t i = 0; i < words->n; i++)
		out[i] = sonde_wire_bytes(sonde_slice_str(words->items[i]));
}

int sonde_filter_name(const char *word, const char *const *names, const char *option,
		      char error[SONDE_OPTIONS_ERROR])
{
	const char *guess = sonde_suggest(word, names);

	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], word) == 0)
			return i;
	snprintf(error, SONDE_OPTIONS_ERROR, "--%s: '%.40s' is not known%s%s%s", option, word,
		 guess ? "; did you mean " : "", guess ? guess : "", guess ? "?" : "");
	return -EINVAL;
}

int sonde_filter_roles(const struct sonde_words *words, Sonde__Role *out,
		       char error[SONDE_OPTIONS_ERROR])
{
	for (size_t i = 0; i < words->n; i++) {
		int at = sonde_filter_name(words->items[i], sonde_filter_role_names, "role", error);

		if (at < 0)
			return at;
		out[i] = (Sonde__Role)(at + SONDE_ROLE_SERVER);
	}
	return 0;
}
