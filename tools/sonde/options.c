// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/slice.h"
#include "tools/sonde/cli.h"

enum { NAMES_MAX = 48 };

struct parser {
	const struct sonde_option *table;
	size_t n;
	char *into;
	int argc;
	char **argv;
	int at;
	char *error;
};

int sonde_duration_parse(const char *text, bool bare, uint64_t *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ns", 1 },  { "us", 1e3 }, { "ms", 1e6 },
		      { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
	char *end;
	double v;

	/* strtod also takes signs, hexadecimal, "inf" and "nan". */
	if (text[strspn(text, "0123456789.")] == '\0' ? !bare : *text < '0' || *text > '9')
		return -EINVAL;
	if (strpbrk(text, "xXeE"))
		return -EINVAL;
	errno = 0;
	v = strtod(text, &end);
	if (end == text || errno)
		return -EINVAL;
	if (!*end) {
		v *= 1e9;
	} else {
		size_t i = 0, n = sizeof(units) / sizeof(units[0]);

		while (i < n && strcmp(end, units[i].unit) != 0)
			i++;
		if (i == n)
			return -EINVAL;
		v *= units[i].ns;
	}
	if (!(v >= 0 && v < 9e18))
		return -ERANGE;
	*ns = (uint64_t)v;
	return 0;
}

static int complain(struct parser *p, const struct sonde_option *o, const char *value,
		    const char *expected)
{
	snprintf(p->error, SONDE_OPTIONS_ERROR, "--%s: '%.40s' is not %s", o->name, value,
		 expected);
	return -EINVAL;
}

static int take_choice(struct parser *p, const struct sonde_option *o, const char *value)
{
	char expected[100] = "one of";
	const char *guess;

	for (int i = 0; o->choices[i]; i++) {
		if (strcmp(value, o->choices[i]) == 0) {
			*(int *)(void *)(p->into + o->offset) = i;
			return 0;
		}
		strncat(expected, i ? ", " : " ", sizeof(expected) - strlen(expected) - 1);
		strncat(expected, o->choices[i], sizeof(expected) - strlen(expected) - 1);
	}
	guess = sonde_suggest(value, o->choices);
	if (guess)
		snprintf(expected, sizeof(expected), "known; did you mean %s?", guess);
	return complain(p, o, value, expected);
}

static int add_word(struct parser *p, const struct sonde_option *o, char *word)
{
	struct sonde_words *words = (void *)(p->into + o->offset);

	if (!*word)
		return complain(p, o, word, "a value");
	if (words->n == SONDE_WORDS_MAX) {
		snprintf(p->error, SONDE_OPTIONS_ERROR, "--%s: more than %d values", o->name,
			 SONDE_WORDS_MAX);
		return -EINVAL;
	}
	words->items[words->n++] = word;
	return 0;
}

static int add_words(struct parser *p, const struct sonde_option *o, char *value)
{
	char *next;
	int err = 0;

	for (; !err && value; value = next) {
		next = strchr(value, ',');
		if (next)
			*next++ = '\0';
		err = add_word(p, o, value);
	}
	return err;
}

static int take_value(struct parser *p, const struct sonde_option *o, char *value)
{
	uint64_t *number = (void *)(p->into + o->offset);

	switch (o->kind) {
	case SONDE_OPTION_FLAG:
		*(bool *)(p->into + o->offset) = true;
		return 0;
	case SONDE_OPTION_TEXT:
		*(char **)(void *)(p->into + o->offset) = value;
		return 0;
	case SONDE_OPTION_COUNT:
		if (sonde_slice_u64(sonde_slice_str(value), 10, number) || !*number)
			return complain(p, o, value, "a number from 1");
		return 0;
	case SONDE_OPTION_SECONDS:
		if (sonde_duration_parse(value, true, number) || !*number)
			return complain(p, o, value, "a time in seconds, such as 5 or 500ms");
		return 0;
	case SONDE_OPTION_DURATION:
		if (sonde_duration_parse(value, false, number))
			return complain(p, o, value, "a duration, such as 10ms or 1.5s");
		return 0;
	case SONDE_OPTION_CHOICE:
		return take_choice(p, o, value);
	case SONDE_OPTION_LIST:
		return add_word(p, o, value);
	case SONDE_OPTION_COMMAS:
		return add_words(p, o, value);
	}
	return -EINVAL;
}

static const struct sonde_option *find_name(const struct parser *p, const char *name, size_t len)
{
	for (size_t i = 0; i < p->n; i++)
		if (strlen(p->table[i].name) == len && memcmp(p->table[i].name, name, len) == 0)
			return &p->table[i];
	return NULL;
}

static const struct sonde_option *find_letter(const struct parser *p, char letter)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->table[i].letter && p->table[i].letter == letter)
			return &p->table[i];
	return NULL;
}

static int complain_unknown(struct parser *p, const char *name, size_t len)
{
	const char *names[NAMES_MAX + 1];
	char word[40];
	const char *guess;
	size_t n = p->n < NAMES_MAX ? p->n : NAMES_MAX;

	for (size_t i = 0; i < n; i++)
		names[i] = p->table[i].name;
	names[n] = NULL;
	snprintf(word, sizeof(word), "%.*s", (int)(len < 39 ? len : 39), name);
	guess = sonde_suggest(word, names);
	snprintf(p->error, SONDE_OPTIONS_ERROR, "unknown option --%s%s%s%s", word,
		 guess ? "; did you mean --" : "", guess ? guess : "", guess ? "?" : "");
	return -EINVAL;
}

/* VALUE: what follows in the same word, or NULL. */
static int take_option(struct parser *p, const struct sonde_option *o, char *value)
{
	if (o->kind == SONDE_OPTION_FLAG && value) {
		snprintf(p->error, SONDE_OPTIONS_ERROR, "--%s takes no value", o->name);
		return -EINVAL;
	}
	if (o->kind != SONDE_OPTION_FLAG && !value) {
		if (p->at == p->argc) {
			snprintf(p->error, SONDE_OPTIONS_ERROR, "--%s needs a value: %s", o->name,
				 o->value);
			return -EINVAL;
		}
		value = p->argv[p->at++];
	}
	return take_value(p, o, value);
}

static int take_long(struct parser *p, char *word)
{
	char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct sonde_option *o = find_name(p, word, len);

	if (!o && strcmp(word, "help") == 0)
		return -ECANCELED;
	return o ? take_option(p, o, equals ? equals + 1 : NULL) : complain_unknown(p, word, len);
}

static int take_short(struct parser *p, char *word)
{
	const struct sonde_option *o = find_letter(p, *word);

	if (!o && *word == 'h')
		return -ECANCELED;
	if (!o) {
		snprintf(p->error, SONDE_OPTIONS_ERROR, "unknown option -%.20s", word);
		return -EINVAL;
	}
	return take_option(p, o, word[1] ? word + 1 : NULL);
}

static int take_word(struct parser *p, struct sonde_words *words, char *word)
{
	if (words->n == SONDE_WORDS_MAX) {
		snprintf(p->error, SONDE_OPTIONS_ERROR, "too many arguments");
		return -EINVAL;
	}
	words->items[words->n++] = word;
	return 0;
}

int sonde_options_parse(const struct sonde_option *table, size_t n, void *into, int argc,
			char **argv, struct sonde_words *words, char error[SONDE_OPTIONS_ERROR])
{
	struct parser p = { table, n, into, argc, argv, 1, error };
	bool only_words = false;
	int err = 0;

	while (!err && p.at < argc) {
		char *word = argv[p.at++];

		if (only_words || word[0] != '-' || !word[1]) {
			if (!words)
				return p.at - 1;
			err = take_word(&p, words, word);
		} else if (strcmp(word, "--") == 0) {
			only_words = true;
		} else if (word[1] == '-') {
			err = take_long(&p, word + 2);
		} else {
			err = take_short(&p, word + 1);
		}
	}
	return err ? err : p.at;
}
