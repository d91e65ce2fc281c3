// SPDX-License-Identifier: Apache-2.0
/* `sonde config`: the effective config of the daemon, the defaults, or a check of a file. */
#include "agent/daemon/config.h"

#include <stdio.h>
#include <unistd.h>

#include "tools/sonde/commands.h"
#include "tools/sonde/link.h"

enum { TEXT_BYTES = 1 << 20 };

struct options {
	bool defaults;
};

static const struct sonde_option option_table[] = {
	{ "defaults", 0, SONDE_OPTION_FLAG, offsetof(struct options, defaults), NULL, NULL,
	  "print: the defaults with an explanation of each key, without a daemon" },
};

static int print_defaults(void)
{
	struct sonde_config config = { 0 };
	struct sonde_buf out;

	if (sonde_config_defaults(&config)) {
		sonde_complain("config: out of memory");
		return SONDE_EXIT_FAILURE;
	}
	sonde_buf_init(&out, TEXT_BYTES);
	sonde_config_print(&config, true, &out);
	sonde_config_fini(&config);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

static int print_effective(const char *run_dir)
{
	Sonde__GetConfig get = SONDE__GET_CONFIG__INIT;
	Sonde__Frame ask = SONDE__FRAME__INIT, *answer;
	struct sonde_link link;
	struct sonde_buf out;
	int code = sonde_link_open(&link, run_dir);

	if (code != SONDE_EXIT_OK)
		return code;
	ask.body_case = SONDE__FRAME__BODY_GET_CONFIG;
	ask.get_config = &get;
	code = sonde_link_ask(&link, &ask, SONDE__FRAME__BODY_CONFIG, &answer);
	sonde_link_close(&link);
	if (code != SONDE_EXIT_OK)
		return code;
	sonde_buf_init(&out, TEXT_BYTES);
	sonde_buf_put_str(&out, answer->config->text);
	sonde__frame__free_unpacked(answer, NULL);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

static int check(const char *path)
{
	struct sonde_config config = { 0 };
	struct sonde_buf errors;
	int err;

	sonde_buf_init(&errors, TEXT_BYTES);
	err = sonde_config_load(path, &config, &errors);
	if (err)
		fwrite(errors.ptr, 1, errors.len, stderr);
	else
		sonde_config_fini(&config);
	sonde_buf_fini(&errors);
	return err ? SONDE_EXIT_FAILURE : SONDE_EXIT_OK;
}

static int run_config(const struct sonde_cli *cli, int argc, char **argv)
{
	struct options options = { .defaults = false };
	struct sonde_words words = { .n = 0 };
	int code;

	if (!sonde_cli_options(&sonde_config_command, &options, argc, argv, &words, &code))
		return code;
	if (words.n == 1 && strcmp(words.items[0], "print") == 0)
		return options.defaults ? print_defaults() : print_effective(cli->run_dir);
	if (words.n >= 1 && words.n <= 2 && strcmp(words.items[0], "check") == 0)
		return check(words.n == 2 ? words.items[1] : SONDE_CONFIG_PATH);
	sonde_complain(
		"config: say `config print`, `config print --defaults` or `config check FILE`");
	return SONDE_EXIT_USAGE;
}

const struct sonde_command sonde_config_command = {
	.name = "config",
	.arguments = "print | check [FILE]",
	.summary = "Print the daemon's config, or check a file",
	.notes = "`print` asks the running daemon. `check` needs none, prints what is wrong line "
		 "by\n"
		 "line and exits 1 then.",
	.options = option_table,
	.n_options = sizeof(option_table) / sizeof(option_table[0]),
	.run = run_config,
};
