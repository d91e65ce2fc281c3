// SPDX-License-Identifier: Apache-2.0
/*
 * cli - the commands of `sonde`, their table, and what all of them share.
 *
 * A command is a row: name, summary, options as data, and a function that gets its arguments and
 * returns an exit code. Data goes to standard output, everything said about it to standard error.
 */
#ifndef SONDE_TOOLS_CLI_H
#define SONDE_TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/core/buf.h"
#include "agent/core/suggest.h"
#include "tools/sonde/options.h"

enum sonde_exit {
	SONDE_EXIT_STOPPED = -1, /* by a person: 0 to the outside, sonde_cli_main() sees to that */
	SONDE_EXIT_OK = 0,
	SONDE_EXIT_FAILURE = 1,
	SONDE_EXIT_USAGE = 2,
	SONDE_EXIT_UNREACHABLE = 3, /* no daemon */
	SONDE_EXIT_PRIVILEGE = 4,   /* not allowed, or the kernel lacks what is needed */
	SONDE_EXIT_CONDITION = 5,   /* --fail-on came true */
};

enum sonde_format {
	SONDE_FORMAT_TABLE = 0,
	SONDE_FORMAT_WIDE = 1,
	SONDE_FORMAT_JSON = 2,
	SONDE_FORMAT_JSONL = 3,
};
extern const char *const sonde_format_names[]; /* ends with NULL */

/* Of the commands that know two. */
enum sonde_plain_format {
	SONDE_PLAIN_TABLE = 0,
	SONDE_PLAIN_JSON = 1,
};
extern const char *const sonde_plain_format_names[]; /* ends with NULL */

/* What stands before the command. */
struct sonde_cli {
	char *run_dir;
};

struct sonde_command {
	const char *name;
	const char *arguments; /* "print | check FILE", or "" */
	const char *summary;   /* one line */
	const char *verbs;     /* words that may come first, parted by blanks, or NULL */
	const char *notes;     /* paragraphs for `--help`, or NULL */
	const struct sonde_option *options;
	size_t n_options;
	int (*run)(const struct sonde_cli *cli, int argc, char **argv); /* argv[0]: the command */
};

extern const struct sonde_command *const sonde_commands[];
extern const size_t sonde_n_commands;
extern const struct sonde_option sonde_global_options[];
extern const size_t sonde_n_global_options;

/* The whole program: returns the exit code. */
int sonde_cli_main(int argc, char **argv);

/*
 * Reads the options of COMMAND into INTO, and the other words into WORDS. SONDE_EXIT_OK to go on;
 * else *CODE is what to return: the help was printed, or the complaint.
 */
bool sonde_cli_options(const struct sonde_command *command, void *into, int argc, char **argv,
		       struct sonde_words *words, int *code);

/* "sonde: " and a line, on standard error. */
void sonde_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Writes all of B to standard output and empties it. False: nobody reads any more (quiet), or an
 * error (complained about); *CODE is then what to return.
 */
bool sonde_print(struct sonde_buf *b, int *code);
/* The same and done: the exit code, which is CODE when all was written. */
int sonde_print_last(struct sonde_buf *b, int code);

bool sonde_wants_colour(void); /* a terminal, and no NO_COLOR */

/* Ctrl-C and SIGTERM once set the flag and make the descriptor readable; twice, they end us. */
void sonde_interrupt_catch(void);
bool sonde_interrupted(void);
int sonde_interrupt_fd(void); /* -1 before sonde_interrupt_catch() */
/* Waits. False: a person wants to stop. */
bool sonde_interrupt_pause(uint64_t ns);

#endif
