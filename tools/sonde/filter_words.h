// SPDX-License-Identifier: Apache-2.0
/*
 * filter_words - from the words of the command line to the parts of a Filter message.
 *
 * OUT has room for SONDE_WORDS_MAX. Functions that can fail return 0 (or what they say), or -EINVAL
 * with a line in ERROR that names the OPTION.
 */
#ifndef SONDE_TOOLS_FILTER_WORDS_H
#define SONDE_TOOLS_FILTER_WORDS_H

#include "agent/model/wire.h"
#include "tools/sonde/options.h"

/* Numbers from 1 to MAX. */
int sonde_filter_numbers(const struct sonde_words *words, const char *option, uint64_t max,
			 uint32_t *out, char error[SONDE_OPTIONS_ERROR]);
void sonde_filter_texts(const struct sonde_words *words, ProtobufCBinaryData *out);
/* The place of WORD in NAMES, which end with NULL. */
int sonde_filter_name(const char *word, const char *const *names, const char *option,
		      char error[SONDE_OPTIONS_ERROR]);
extern const char *const sonde_filter_role_names[]; /* "server", "client": roles from 1 on */
int sonde_filter_roles(const struct sonde_words *words, Sonde__Role *out,
		       char error[SONDE_OPTIONS_ERROR]);

#endif
