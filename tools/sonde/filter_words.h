// SPDX-License-Identifier: Apache-2.0
/*
 * filter_words - from the words of the command line to the parts of a Filter message.
 *
 * What every filter knows is taken here whole: a command has a struct sonde_filter_words among its
 * options and a struct sonde_filter_parts beside its message. What is a command's own it takes by
 * the functions below.
 *
 * OUT has room for SONDE_WORDS_MAX. Functions that can fail return 0 (or what they say), or -EINVAL
 * with a line in ERROR that names the OPTION.
 */
#ifndef SONDE_TOOLS_FILTER_WORDS_H
#define SONDE_TOOLS_FILTER_WORDS_H

#include "agent/model/wire.h"
#include "tools/sonde/options.h"

struct sonde_filter_words {
	struct sonde_words services, peers, ports, pids, comms, containers, roles;
};

extern const char *const sonde_filter_role_names[]; /* "server", "client": roles from 1 on */

#define SONDE_FILTER_ROW(name_, kind_, at, member, value_, choices_, help_)                      \
	{                                                                                        \
		.name = (name_), .kind = SONDE_OPTION_##kind_,                                   \
		.offset = (at) + offsetof(struct sonde_filter_words, member), .value = (value_), \
		.choices = (choices_), .help = (help_)                                           \
	}

/* Rows of an option table whose struct has its struct sonde_filter_words AT this offset. */
#define SONDE_FILTER_ROWS(at)                                                                   \
	SONDE_FILTER_ROW("service", LIST, at, services, "GLOB", NULL, "the reporting side"),    \
		SONDE_FILTER_ROW("peer", LIST, at, peers, "GLOB", NULL,                         \
				 "the other side's service or address"),                        \
		SONDE_FILTER_ROW("port", COMMAS, at, ports, "PORT", NULL, "the server's port"), \
		SONDE_FILTER_ROW("pid", COMMAS, at, pids, "PID", NULL, "of either side"),       \
		SONDE_FILTER_ROW("comm", LIST, at, comms, "GLOB", NULL,                         \
				 "process name of either side"),                                \
		SONDE_FILTER_ROW("container", LIST, at, containers, "ID", NULL,                 \
				 "container id of either side, or its beginning")
/* Apart, because help tells it later. */
#define SONDE_FILTER_ROW_ROLE(at)                                                    \
	SONDE_FILTER_ROW("role", COMMAS, at, roles, "ROLE", sonde_filter_role_names, \
			 "server or client")

/* What a Filter message points to for these words. Do not move it once filled. */
struct sonde_filter_parts {
	Sonde__Role roles[SONDE_WORDS_MAX];
	ProtobufCBinaryData services[SONDE_WORDS_MAX], peers[SONDE_WORDS_MAX],
		comms[SONDE_WORDS_MAX], containers[SONDE_WORDS_MAX];
	uint32_t ports[SONDE_WORDS_MAX], pids[SONDE_WORDS_MAX];
};

/* Fills PARTS from WORDS, from which it borrows, and points MESSAGE to them. */
int sonde_filter_take(const struct sonde_filter_words *words, struct sonde_filter_parts *parts,
		      Sonde__Filter *message, char error[SONDE_OPTIONS_ERROR]);

/* Returns how many. Borrows from WORDS. */
size_t sonde_filter_texts(const struct sonde_words *words, ProtobufCBinaryData *out);
/* The place of WORD in NAMES, which end with NULL. */
int sonde_filter_name(const char *word, const char *const *names, const char *option,
		      char error[SONDE_OPTIONS_ERROR]);

#endif
