// SPDX-License-Identifier: Apache-2.0
/*
 * options - the command line as data.
 *
 * A table says for each option where its value goes; help, completion and complaints are made from
 * the same rows. Forms: --name VALUE, --name=VALUE, -n VALUE, -nVALUE; `--` ends options.
 */
#ifndef SONDE_TOOLS_OPTIONS_H
#define SONDE_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sonde_option_kind {
	SONDE_OPTION_FLAG = 0,	   /* bool */
	SONDE_OPTION_TEXT = 1,	   /* char *, borrowed from argv */
	SONDE_OPTION_COUNT = 2,	   /* uint64_t, 1 or more */
	SONDE_OPTION_SECONDS = 3,  /* uint64_t ns, from "5" or "0.5" or "500ms" */
	SONDE_OPTION_DURATION = 4, /* uint64_t ns, from "10ms"; a unit is needed */
	SONDE_OPTION_CHOICE = 5,   /* int, the place in choices */
	SONDE_OPTION_LIST = 6,	   /* struct sonde_words: may be given again */
	SONDE_OPTION_COMMAS = 7,   /* the same, and a value is split at commas */
};

enum { SONDE_WORDS_MAX = 32 };

struct sonde_words {
	char *items[SONDE_WORDS_MAX]; /* borrowed from argv */
	size_t n;
};

struct sonde_option {
	const char *name; /* without dashes */
	char letter;	  /* 0: none */
	enum sonde_option_kind kind;
	size_t offset;		    /* of the value in the struct given to the parser */
	const char *value;	    /* what the value is called in help; NULL for a flag */
	const char *const *choices; /* for CHOICE and completion; ends with NULL */
	const char *help;
};

enum { SONDE_OPTIONS_ERROR = 160 };

/*
 * Parses ARGV[1..] by TABLE into INTO. `-h` and `--help` are known by themselves. With WORDS NULL,
 * the first word that is no option ends it (for options before a command). Values split at commas
 * are cut in place. Returns the index where it stopped (ARGC at the end), -ECANCELED when help is
 * asked for, or -EINVAL with a line in ERROR.
 */
int sonde_options_parse(const struct sonde_option *table, size_t n, void *into, int argc,
			char **argv, struct sonde_words *words, char error[SONDE_OPTIONS_ERROR]);

/* "10ms", "1.5s", "250us", "2m", "1h": nanoseconds. Bare numbers only when BARE (then seconds). */
int sonde_duration_parse(const char *text, bool bare, uint64_t *ns);

#endif
