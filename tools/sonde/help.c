// SPDX-License-Identifier: Apache-2.0
/* `sonde help` and `sonde version`. */
#include <stdio.h>
#include <sys/utsname.h>

#include "agent/model/wire.h"
#include "exporters/json.h"
#include "tools/sonde/commands.h"

static const char exit_codes[] =
	"Exit codes: 0 ok, 1 failure, 2 usage, 3 no daemon, 4 privilege or kernel,\n"
	"            5 a --fail-on condition was met.\n";

static void put_options(struct sonde_buf *b, const struct sonde_option *options, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sonde_option *o = &options[i];
		char left[64], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->value ? " " : "",
			 o->value ? o->value : "");
		sonde_buf_printf(b, "  %-32s %s\n", left, o->help);
	}
}

static void put_overview(struct sonde_buf *b)
{
	sonde_buf_put_str(b, "Usage: sonde [--run-dir DIR] COMMAND [OPTION...]\n\n"
			     "Watches the traffic of this node through the sonded daemon.\n\n"
			     "Commands:\n");
	for (size_t i = 0; i < sonde_n_commands; i++)
		sonde_buf_printf(b, "  %-12s %s\n", sonde_commands[i]->name,
				 sonde_commands[i]->summary);
	sonde_buf_put_str(b, "\nOptions:\n");
	put_options(b, sonde_global_options, sonde_n_global_options);
	sonde_buf_put_str(b, "\n`sonde COMMAND --help` tells more.\n\n");
	sonde_buf_put_str(b, exit_codes);
}

static void put_command(struct sonde_buf *b, const struct sonde_command *c)
{
	sonde_buf_printf(b, "Usage: sonde %s%s%s%s\n\n%s.\n", c->name,
			 c->n_options ? " [OPTION...]" : "", *c->arguments ? " " : "", c->arguments,
			 c->summary);
	if (c->n_options) {
		sonde_buf_put_str(b, "\nOptions:\n");
		put_options(b, c->options, c->n_options);
	}
	if (c->notes)
		sonde_buf_printf(b, "\n%s\n", c->notes);
}

int sonde_help_print(const struct sonde_command *command)
{
	struct sonde_buf b;

	sonde_buf_init(&b, 1 << 16);
	if (command)
		put_command(&b, command);
	else
		put_overview(&b);
	return sonde_print_last(&b, SONDE_EXIT_OK);
}

static int run_help(const struct sonde_cli *cli, int argc, char **argv)
{
	struct sonde_words words = { .n = 0 };
	int code;

	(void)cli;
	if (!sonde_cli_options(&sonde_help_command, NULL, argc, argv, &words, &code))
		return code;
	if (!words.n)
		return sonde_help_print(NULL);
	for (size_t i = 0; i < sonde_n_commands; i++)
		if (strcmp(sonde_commands[i]->name, words.items[0]) == 0)
			return sonde_help_print(sonde_commands[i]);
	sonde_complain("help: no such command: %.40s", words.items[0]);
	return SONDE_EXIT_USAGE;
}

const struct sonde_command sonde_help_command = {
	.name = "help",
	.arguments = "[COMMAND]",
	.summary = "Explain a command",
	.run = run_help,
};

struct version_options {
	int format;
};

static const struct sonde_option version_options[] = {
	{ "output", 'o', SONDE_OPTION_CHOICE, offsetof(struct version_options, format), "FORMAT",
	  sonde_plain_format_names, "table or json" },
};

static int run_version(const struct sonde_cli *cli, int argc, char **argv)
{
	struct version_options options = { SONDE_PLAIN_TABLE };
	struct sonde_words words = { .n = 0 };
	struct utsname kernel = { .release = "" };
	struct sonde_buf b;
	int code;

	(void)cli;
	if (!sonde_cli_options(&sonde_version_command, &options, argc, argv, &words, &code))
		return code;
	uname(&kernel);
	sonde_buf_init(&b, 4096);
	if (options.format == SONDE_PLAIN_JSON) {
		sonde_buf_printf(&b, "{\"version\":\"%s\",\"schema\":%d,\"kernel\":", SONDE_VERSION,
				 SONDE_SCHEMA);
		sonde_json_string(&b, sonde_slice_str(kernel.release));
		sonde_buf_put_str(&b, "}\n");
	} else {
		sonde_buf_printf(&b, "sonde %s (schema %d, kernel %s)\n", SONDE_VERSION,
				 SONDE_SCHEMA, kernel.release);
	}
	return sonde_print_last(&b, SONDE_EXIT_OK);
}

const struct sonde_command sonde_version_command = {
	.name = "version",
	.arguments = "",
	.summary = "Print versions",
	.options = version_options,
	.n_options = sizeof(version_options) / sizeof(version_options[0]),
	.run = run_version,
};
