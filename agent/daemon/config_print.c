// SPDX-License-Identifier: Apache-2.0
/*
 * config_print - the table the other way round: a config as YAML that reads back as itself.
 */
#include "agent/daemon/config.h"

#include <string.h>

#include "agent/daemon/config_schema.h"

enum { INDENT = 2, COMMENT_COLUMNS = 78 };

static void put_indent(struct sonde_buf *out, size_t depth)
{
	sonde_buf_printf(out, "%*s", (int)(depth * INDENT), "");
}

/* TEXT as comment lines, broken at blanks. */
static void put_comment(struct sonde_buf *out, size_t depth, const char *text)
{
	size_t room = COMMENT_COLUMNS - depth * INDENT;

	while (*text) {
		size_t len = strlen(text);

		if (len > room) {
			len = room;
			while (len && text[len] != ' ')
				len--;
			if (!len)
				len = strcspn(text, " ");
		}
		put_indent(out, depth);
		sonde_buf_printf(out, "# %.*s\n", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

/* Opens the sections of NAME that the key before it, LAST, was not in. The depth of the key. */
static size_t open_sections(const char *name, const char *last, struct sonde_buf *out)
{
	size_t depth = 0;
	bool same = true;

	for (const char *dot; (dot = strchr(name, '.')); name = dot + 1, depth++) {
		size_t len = (size_t)(dot - name) + 1;

		same = same && !strncmp(name, last, len);
		if (same) {
			last += len;
			continue;
		}
		put_indent(out, depth);
		sonde_buf_printf(out, "%.*s:\n", (int)len - 1, name);
	}
	return depth;
}

static void put_help(const struct sonde_config_key *key, size_t depth, struct sonde_buf *out)
{
	char memory[256];
	struct sonde_buf line;

	put_comment(out, depth, key->help);
	sonde_buf_over(&line, memory, sizeof(memory) - 1);
	sonde_buf_put_str(&line, "Value: ");
	sonde_config_value_expects(key, false, &line);
	sonde_buf_put_byte(&line, '.');
	memory[line.len] = '\0';
	put_comment(out, depth, memory);
}

static void put_item(const struct sonde_config_key *list, const void *item, size_t depth,
		     struct sonde_buf *out)
{
	const char *lead = "- ";

	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		const struct sonde_config_key *key = &sonde_config_keys[i];

		if (!sonde_config_key_belongs(key, list))
			continue;
		put_indent(out, depth);
		sonde_buf_printf(out, "%s%s: ", lead, sonde_config_key_in_map(key));
		sonde_config_value_print(key, item, out);
		sonde_buf_put_byte(out, '\n');
		lead = "  ";
	}
}

static void put_list(const struct sonde_config_key *key, const struct sonde_config *config,
		     size_t depth, struct sonde_buf *out)
{
	size_t n = sonde_config_list_len(key, config);

	sonde_buf_put_str(out, n ? "\n" : " []\n");
	for (size_t i = 0; i < n; i++) {
		if (key->type == SONDE_CONFIG_MAPS) {
			put_item(key, (const char *)config + key->offset + i * key->item_size,
				 depth + 1, out);
			continue;
		}
		put_indent(out, depth + 1);
		sonde_buf_put_str(out, "- ");
		sonde_config_list_print_item(key, config, i, out);
		sonde_buf_put_byte(out, '\n');
	}
}

void sonde_config_print(const struct sonde_config *config, bool comments, struct sonde_buf *out)
{
	const char *last = "";

	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		const struct sonde_config_key *key = &sonde_config_keys[i];
		size_t depth;

		if (!sonde_config_key_belongs(key, NULL))
			continue;
		depth = open_sections(key->name, last, out);
		last = key->name;
		if (comments)
			put_help(key, depth, out);
		put_indent(out, depth);
		sonde_buf_printf(out, "%s:", strrchr(key->name, '.') + 1);
		if (sonde_config_key_is_list(key)) {
			put_list(key, config, depth, out);
			continue;
		}
		sonde_buf_put_byte(out, ' ');
		sonde_config_value_print(key, config, out);
		sonde_buf_put_byte(out, '\n');
	}
}
