// SPDX-License-Identifier: Apache-2.0
/* `sonde completion`: scripts for shells, made from the command table. */
#include <stdio.h>

#include "tools/sonde/commands.h"

enum { OUTPUT_BYTES = 1 << 20 };

static void put_names(struct sonde_buf *b)
{
	for (size_t i = 0; i < sonde_n_commands; i++)
		sonde_buf_printf(b, "%s%s", i ? " " : "", sonde_commands[i]->name);
}

static void put_option_names(struct sonde_buf *b, const struct sonde_command *c)
{
	if (c->verbs)
		sonde_buf_printf(b, "%s ", c->verbs);
	for (size_t i = 0; i < c->n_options; i++)
		sonde_buf_printf(b, "--%s ", c->options[i].name);
	sonde_buf_put_str(b, "--help");
}

static void put_choices(struct sonde_buf *b, const struct sonde_option *o)
{
	for (size_t i = 0; o->choices && o->choices[i]; i++)
		sonde_buf_printf(b, "%s%s", i ? " " : "", o->choices[i]);
}

/* The choices of an option are offered after it, whatever the command. */
static void put_bash_choices(struct sonde_buf *b)
{
	for (size_t i = 0; i < sonde_n_commands; i++) {
		const struct sonde_command *c = sonde_commands[i];

		for (size_t k = 0; k < c->n_options; k++) {
			const struct sonde_option *o = &c->options[k];

			if (!o->choices)
				continue;
			sonde_buf_printf(b, "\t%s:--%s", c->name, o->name);
			if (o->letter)
				sonde_buf_printf(b, "|%s:-%c", c->name, o->letter);
			sonde_buf_put_str(b, ") words=\"");
			put_choices(b, o);
			sonde_buf_put_str(b, "\" ;;\n");
		}
	}
}

static void put_bash(struct sonde_buf *b)
{
	sonde_buf_put_str(b,
			  "# bash completion for sonde\n"
			  "_sonde() {\n"
			  "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
			  "\tlocal i command= words=\n"
			  "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
			  "\t\tcase ${COMP_WORDS[i]} in\n"
			  "\t\t--run-dir) ((i++)) ;;\n"
			  "\t\t-*) ;;\n"
			  "\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
			  "\t\tesac\n"
			  "\tdone\n"
			  "\tcase $command:$prev in\n");
	put_bash_choices(b);
	sonde_buf_put_str(b, "\t*) case $command in\n\t\t\"\") words=\"--run-dir --help ");
	put_names(b);
	sonde_buf_put_str(b, "\" ;;\n\t\tconfig) words=\"print check --defaults --help\" ;;\n"
			     "\t\tcompletion) words=\"bash zsh fish\" ;;\n\t\thelp) words=\"");
	put_names(b);
	sonde_buf_put_str(b, "\" ;;\n");
	for (size_t i = 0; i < sonde_n_commands; i++) {
		if (!sonde_commands[i]->n_options || strcmp(sonde_commands[i]->name, "config") == 0)
			continue;
		sonde_buf_printf(b, "\t\t%s) words=\"", sonde_commands[i]->name);
		put_option_names(b, sonde_commands[i]);
		sonde_buf_put_str(b, "\" ;;\n");
	}
	sonde_buf_put_str(b, "\t\tesac ;;\n\tesac\n"
			     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
			     "\t[[ $command == config && -z $COMPREPLY ]] && COMPREPLY=($(compgen "
			     "-f -- \"$cur\"))\n"
			     "\treturn 0\n}\n"
			     "complete -F _sonde sonde\n");
}

static void put_zsh(struct sonde_buf *b)
{
	sonde_buf_put_str(b, "#compdef sonde\n"
			     "# zsh completion for sonde, by way of the one for bash\n"
			     "autoload -U +X bashcompinit && bashcompinit\n");
	put_bash(b);
}

static void put_fish_options(struct sonde_buf *b, const struct sonde_command *c)
{
	if (c->verbs)
		sonde_buf_printf(b,
				 "complete -c sonde -n '__fish_seen_subcommand_from %s' -a '%s'\n",
				 c->name, c->verbs);
	for (size_t i = 0; i < c->n_options; i++) {
		const struct sonde_option *o = &c->options[i];

		sonde_buf_printf(b, "complete -c sonde -n '__fish_seen_subcommand_from %s' -l %s",
				 c->name, o->name);
		if (o->letter)
			sonde_buf_printf(b, " -s %c", o->letter);
		if (o->value)
			sonde_buf_put_str(b, " -x");
		if (o->choices) {
			sonde_buf_put_str(b, " -a '");
			put_choices(b, o);
			sonde_buf_put_str(b, "'");
		}
		sonde_buf_put_str(b, " -d \"");
		sonde_buf_put_str(b, o->help);
		sonde_buf_put_str(b, "\"\n");
	}
}

static void put_fish(struct sonde_buf *b)
{
	sonde_buf_put_str(b, "# fish completion for sonde\ncomplete -c sonde -f\n"
			     "complete -c sonde -n __fish_use_subcommand -l run-dir -r\n");
	for (size_t i = 0; i < sonde_n_commands; i++) {
		sonde_buf_printf(b, "complete -c sonde -n __fish_use_subcommand -a %s -d '%s'\n",
				 sonde_commands[i]->name, sonde_commands[i]->summary);
		put_fish_options(b, sonde_commands[i]);
	}
	sonde_buf_put_str(
		b, "complete -c sonde -n '__fish_seen_subcommand_from config' -a 'print check' -F\n"
		   "complete -c sonde -n '__fish_seen_subcommand_from completion' -a 'bash zsh "
		   "fish'\n");
}

static int run_completion(const struct sonde_cli *cli, int argc, char **argv)
{
	static const struct {
		const char *shell;
		void (*put)(struct sonde_buf *b);
	} shells[] = { { "bash", put_bash }, { "zsh", put_zsh }, { "fish", put_fish } };
	struct sonde_words words = { .n = 0 };
	struct sonde_buf out;
	int code;

	(void)cli;
	if (!sonde_cli_options(&sonde_completion_command, NULL, argc, argv, &words, &code))
		return code;
	for (size_t i = 0; words.n == 1 && i < 3; i++) {
		if (strcmp(words.items[0], shells[i].shell) != 0)
			continue;
		sonde_buf_init(&out, OUTPUT_BYTES);
		shells[i].put(&out);
		return sonde_print_last(&out, SONDE_EXIT_OK);
	}
	sonde_complain("completion: for which shell: bash, zsh or fish?");
	return SONDE_EXIT_USAGE;
}

const struct sonde_command sonde_completion_command = {
	.name = "completion",
	.arguments = "bash | zsh | fish",
	.summary = "Print a completion script for a shell",
	.run = run_completion,
};
