// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/sonde/commands.h"

const char *const sonde_format_names[] = { "table", "wide", "json", "jsonl", NULL };
const char *const sonde_plain_format_names[] = { "table", "json", NULL };

const struct sonde_command *const sonde_commands[] = {
	&sonde_trace_command,	   &sonde_top_command,	    &sonde_conns_command,
	&sonde_map_command,	   &sonde_services_command, &sonde_limit_command,
	&sonde_status_command,	   &sonde_doctor_command,   &sonde_config_command,
	&sonde_completion_command, &sonde_version_command,  &sonde_help_command,
};
const size_t sonde_n_commands = sizeof(sonde_commands) / sizeof(sonde_commands[0]);

const struct sonde_option sonde_global_options[] = {
	{ "run-dir", 0, SONDE_OPTION_TEXT, offsetof(struct sonde_cli, run_dir), "DIR", NULL,
	  "where the daemon keeps its socket (/run/sonde)" },
};
const size_t sonde_n_global_options =
	sizeof(sonde_global_options) / sizeof(sonde_global_options[0]);

void sonde_complain(const char *fmt, ...)
{
	va_list args;

	fputs("sonde: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

bool sonde_wants_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}

static int write_all(struct sonde_slice s)
{
	while (s.len) {
		ssize_t n = write(STDOUT_FILENO, s.ptr, s.len);

		if (n >= 0)
			s = sonde_slice_from(s, (size_t)n);
		else if (errno != EINTR || sonde_interrupted())
			return -errno;
	}
	return 0;
}

bool sonde_print(struct sonde_buf *b, int *code)
{
	int err = b->failed ? -ENOMEM : write_all(sonde_buf_slice(b));

	sonde_buf_reset(b);
	if (!err)
		return true;
	if (err == -EPIPE || err == -EINTR) {
		*code = SONDE_EXIT_OK;
	} else {
		sonde_complain("standard output: %s", strerror(-err));
		*code = SONDE_EXIT_FAILURE;
	}
	return false;
}

int sonde_print_last(struct sonde_buf *b, int code)
{
	sonde_print(b, &code);
	sonde_buf_fini(b);
	return code;
}

bool sonde_cli_options(const struct sonde_command *command, void *into, int argc, char **argv,
		       struct sonde_words *words, int *code)
{
	char error[SONDE_OPTIONS_ERROR];
	int at = sonde_options_parse(command->options, command->n_options, into, argc, argv, words,
				     error);

	if (at == -ECANCELED) {
		*code = sonde_help_print(command);
		return false;
	}
	if (at < 0) {
		sonde_complain("%s: %s", command->name, error);
		*code = SONDE_EXIT_USAGE;
		return false;
	}
	return true;
}

static const struct sonde_command *find_command(const char *name)
{
	for (size_t i = 0; i < sonde_n_commands; i++)
		if (strcmp(sonde_commands[i]->name, name) == 0)
			return sonde_commands[i];
	return NULL;
}

static int complain_unknown(const char *name)
{
	const char *names[32] = { NULL };
	const char *guess;

	for (size_t i = 0; i < sonde_n_commands && i < 31; i++)
		names[i] = sonde_commands[i]->name;
	guess = sonde_suggest(name, names);
	if (guess)
		sonde_complain("unknown command '%.40s'; did you mean %s?", name, guess);
	else
		sonde_complain("unknown command '%.40s'; `sonde help` lists them", name);
	return SONDE_EXIT_USAGE;
}

int sonde_cli_main(int argc, char **argv)
{
	static char default_dir[] = "/run/sonde";
	struct sonde_cli cli = { .run_dir = default_dir };
	char error[SONDE_OPTIONS_ERROR];
	const struct sonde_command *command;
	int code;
	int at = sonde_options_parse(sonde_global_options, sonde_n_global_options, &cli, argc, argv,
				     NULL, error);

	if (at == -ECANCELED)
		return sonde_help_print(NULL);
	if (at < 0) {
		/* People type it out of habit. */
		if (argc == 2 && strcmp(argv[1], "--version") == 0)
			return sonde_version_command.run(&cli, 1, argv);
		sonde_complain("%s", error);
		return SONDE_EXIT_USAGE;
	}
	if (at >= argc) {
		sonde_complain("which command? `sonde help` lists them");
		return SONDE_EXIT_USAGE;
	}
	command = find_command(argv[at]);
	if (!command)
		return complain_unknown(argv[at]);
	code = command->run(&cli, argc - at, argv + at);
	return code == SONDE_EXIT_STOPPED ? SONDE_EXIT_OK : code;
}
