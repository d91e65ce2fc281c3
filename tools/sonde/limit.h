// SPDX-License-Identifier: Apache-2.0
/*
 * limit - `sonde limit`, in files by what is done.
 *
 *   limit.c        the command, its verbs, and the questions to the daemon
 *   limit_print.c  its answers for people and programs
 *   limit_test.c   what the rules would do to packets of a file or a description
 *   limit_detach.c removal of everything without a daemon
 */
#ifndef SONDE_TOOLS_LIMIT_H
#define SONDE_TOOLS_LIMIT_H

#include "agent/limit/set.h"
#include "tools/sonde/cli.h"
#include "tools/sonde/frames.h"

struct sonde_limit_options {
	char *iface, *src, *per, *dport, *proto, *rate, *burst, *unit, *action, *ttl, *priority;
	char *packet, *config;
	bool dry_run;
	int format; /* enum sonde_plain_format */
};

/* All frames of a reply, put together. */
struct sonde_limit_answers {
	struct sonde_frames frames;	/* own the rows */
	const Sonde__LimitReply *first; /* what is said once is in here */
	const Sonde__LimitRow **rows;	/* owned list of borrowed rows */
	size_t n_rows;
};

/* SONDE_EXIT_OK with ANSWERS to be freed, or the exit code after complaining. */
int sonde_limit_ask(const char *run_dir, const Sonde__LimitRequest *request,
		    struct sonde_limit_answers *answers);
void sonde_limit_answers_free(struct sonde_limit_answers *answers);

int sonde_limit_print_list(const struct sonde_limit_answers *a, int format);
/* Rules at length with their live counts; in JSON a list, or the object of the only one. */
int sonde_limit_print_rules(const struct sonde_limit_answers *a, int format);
int sonde_limit_print_rule(const struct sonde_limit_answers *a, int format);
int sonde_limit_print_allows(const struct sonde_limit_answers *a, int format);
/* What became of an add or confirm, on standard output. */
void sonde_limit_print_row(const Sonde__LimitRow *row, struct sonde_buf *out);

/* What is watched, and what the program could not do there as it should. */
void sonde_limit_print_interfaces(Sonde__LimitInterface *const *interfaces, size_t n,
				  struct sonde_buf *out);

/* The rule of a row, back as a spec. False: the daemon says what we do not understand. */
bool sonde_limit_row_spec(const Sonde__LimitRow *row, struct sonde_limit_spec *out);

int sonde_limit_test(const struct sonde_cli *cli, const struct sonde_limit_options *o,
		     const struct sonde_words *words);
int sonde_limit_detach(const struct sonde_cli *cli);

#endif
