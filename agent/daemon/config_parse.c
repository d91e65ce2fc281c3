// SPDX-License-Identifier: Apache-2.0
/*
 * config_parse - libyaml's events walked along the table.
 *
 * The walk goes down only where the table has a section, so its depth is the table's. Whatever is
 * wrong is written down with its place and skipped, and the walk goes on: one run shows all the
 * mistakes. Only text that is not YAML ends it. The config is built aside and handed over when not
 * one mistake was found.
 */
#include "agent/daemon/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "agent/core/escape.h"
#include "agent/daemon/config_schema.h"

enum {
	ERRORS_MAX = 64, /* further ones are only counted */
	LINE_MAX_BYTES = 2048,
	SHOWN_MAX = 128, /* bytes of a key's path in a message */
};

struct walk {
	yaml_parser_t yaml;
	yaml_event_t event; /* the one being looked at; owned */
	struct sonde_slice text;
	const char *file;
	struct sonde_buf *errors;
	size_t n_errors;
	int err;	    /* -ENOMEM, or -EINVAL: not YAML from here on */
	yaml_mark_t listen; /* where listen.http stands */
	struct sonde_config *config;
};

/* Where in the tree a map is. */
struct place {
	const char *prefix; /* of the names of rows: "capture.", "services.rules[]." */
	const char *shown;  /* the same for people: "services.rules[2]." */
	void *base;	    /* the struct that the rows' offsets count from */
};

/* The lines on which the keys of one map were given, 0 for not; a section by its first row. */
struct given {
	size_t line[SONDE_CONFIG_KEYS_MAX];
};

static void report(struct walk *w, yaml_mark_t at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void report(struct walk *w, yaml_mark_t at, const char *fmt, ...)
{
	char what[LINE_MAX_BYTES];
	va_list ap;

	if (w->n_errors++ >= ERRORS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	sonde_buf_printf(w->errors, "%s:%zu:%zu: %s\n", w->file, at.line + 1, at.column + 1, what);
}

/* The line and column of byte OFFSET; libyaml keeps no mark where its reader fails. */
static yaml_mark_t mark_of(struct sonde_slice text, size_t offset)
{
	yaml_mark_t at = { .index = offset };

	for (size_t i = 0; i < offset && i < text.len; i++) {
		if (text.ptr[i] == '\n') {
			at.line++;
			at.column = 0;
		} else if ((text.ptr[i] & 0xC0) != 0x80) { /* not in the middle of a character */
			at.column++;
		}
	}
	return at;
}

static void report_yaml(struct walk *w)
{
	const yaml_parser_t *y = &w->yaml;
	yaml_mark_t at = y->problem_mark;
	const char *hint = "check the indentation, colons and quotes here and above";

	if (y->error == YAML_READER_ERROR) {
		at = mark_of(w->text, y->problem_offset);
		hint = "a config is text in UTF-8";
	} else if (at.index < w->text.len && w->text.ptr[at.index] == '\t') {
		hint = "indent with spaces, not with tabs";
	}
	report(w, at, "not YAML: %s%s%s; %s", y->problem ? y->problem : "cannot be read",
	       y->context ? " " : "", y->context ? y->context : "", hint);
}

/* The next event's type; YAML_NO_EVENT when the text can be followed no further. */
static yaml_event_type_t next(struct walk *w)
{
	if (w->err)
		return YAML_NO_EVENT;
	yaml_event_delete(&w->event);
	if (yaml_parser_parse(&w->yaml, &w->event))
		return w->event.type;
	w->event = (yaml_event_t){ 0 };
	w->err = w->yaml.error == YAML_MEMORY_ERROR ? -ENOMEM : -EINVAL;
	if (w->err == -EINVAL)
		report_yaml(w);
	return YAML_NO_EVENT;
}

static struct sonde_slice scalar(const struct walk *w)
{
	return sonde_slice_of(w->event.data.scalar.value, w->event.data.scalar.length);
}

/* True for nothing at all, ~ and null: what YAML takes for no value. */
static bool is_null(const struct walk *w)
{
	return w->event.type == YAML_SCALAR_EVENT &&
	       w->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!w->event.data.scalar.length || sonde_slice_eq(scalar(w), SONDE_SLICE_LIT("~")) ||
		sonde_slice_eq(scalar(w), SONDE_SLICE_LIT("null")));
}

static const char *kind(const struct walk *w)
{
	if (is_null(w))
		return "has no value";
	switch (w->event.type) {
	case YAML_SEQUENCE_START_EVENT:
		return "is a list";
	case YAML_MAPPING_START_EVENT:
		return "is a map";
	default:
		return "is a single value";
	}
}

/* Passes over the rest of the node whose first event is the current one. */
static void skip(struct walk *w)
{
	yaml_event_type_t type = w->event.type;
	size_t depth = 0;

	do {
		if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
			depth++;
		else if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT)
			depth--;
	} while (depth && (type = next(w)) != YAML_NO_EVENT);
}

/* Anchors, aliases and tags make a value other than what is written; a config has no use for it. */
static bool is_indirect(const struct walk *w)
{
	switch (w->event.type) {
	case YAML_ALIAS_EVENT:
		return true;
	case YAML_SCALAR_EVENT:
		return w->event.data.scalar.anchor || w->event.data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return w->event.data.sequence_start.anchor || w->event.data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return w->event.data.mapping_start.anchor || w->event.data.mapping_start.tag;
	default:
		return false;
	}
}

/* Reports and skips an indirect node. */
static bool refuse_indirect(struct walk *w, const char *shown)
{
	if (!is_indirect(w))
		return false;
	report(w, w->event.start_mark,
	       "%s: anchors, aliases and tags are not understood; write the value itself", shown);
	skip(w);
	return true;
}

/* Reports and skips a node of the wrong kind for KEY. */
static void refuse_kind(struct walk *w, const struct sonde_config_key *key, bool item,
			const char *shown)
{
	char memory[LINE_MAX_BYTES];
	struct sonde_buf expects;

	sonde_buf_over(&expects, memory, sizeof(memory));
	sonde_config_value_expects(key, item, &expects);
	report(w, w->event.start_mark, "%s: %s; expected %.*s", shown, kind(w), (int)expects.len,
	       memory);
	skip(w);
}

/* The current event is one value, or an item, of KEY. */
static void walk_scalar(struct walk *w, const struct sonde_config_key *key, bool item,
			const char *shown, void *base)
{
	char memory[LINE_MAX_BYTES];
	struct sonde_buf problem;
	int err;

	if (refuse_indirect(w, shown))
		return;
	if (w->event.type != YAML_SCALAR_EVENT || is_null(w)) {
		refuse_kind(w, key, item, shown);
		return;
	}
	if (key->type == SONDE_CONFIG_LISTEN)
		w->listen = w->event.start_mark;
	sonde_buf_over(&problem, memory, sizeof(memory));
	err = sonde_config_value_set(key, scalar(w), base, &problem);
	if (err == -EINVAL)
		report(w, w->event.start_mark, "%s: %.*s", shown, (int)problem.len, memory);
	else if (err)
		w->err = err;
}

static void walk_map(struct walk *w, const struct place *at);

/* Reports what the item at BASE, which began at MARK, must have and has not. */
static void require_keys(struct walk *w, const struct sonde_config_key *list, const char *shown,
			 const void *base, yaml_mark_t mark)
{
	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		const struct sonde_config_key *key = &sonde_config_keys[i];
		const char *const *text = (const void *)((const char *)base + key->offset);

		if (key->required && sonde_config_key_belongs(key, list) && !**text)
			report(w, mark, "%s%s: is missing; %s", shown, sonde_config_key_in_map(key),
			       key->required);
	}
}

/* The item in place AT of the list, whose keys are all good; WRITTEN is its number in the text. */
static void check_whole(struct walk *w, const struct sonde_config_key *key, size_t at,
			size_t written, void *base, yaml_mark_t mark)
{
	const char *wrong = key->check_item(sonde_config_item(key, base, 0), at);

	if (wrong)
		report(w, mark, "%s[%zu]: %s", key->name, written, wrong);
}

/* The current event is item I of the list of maps KEY. */
static void walk_item(struct walk *w, const struct sonde_config_key *key, size_t i, void *base)
{
	size_t n_errors = w->n_errors, *n = sonde_config_item_count(key, base);
	char shown[SHOWN_MAX], prefix[SHOWN_MAX];
	yaml_mark_t mark = w->event.start_mark;
	void *item;

	snprintf(shown, sizeof(shown), "%s[%zu]", key->name, i);
	if (refuse_indirect(w, shown))
		return;
	if (w->event.type != YAML_MAPPING_START_EVENT) {
		refuse_kind(w, key, true, shown);
		return;
	}
	if (*n == key->max_items) {
		report(w, mark, "%s: is one too many; at most %zu are possible", shown,
		       key->max_items);
		skip(w);
		return;
	}
	item = sonde_config_item(key, base, (*n)++);
	if (sonde_config_fill(item, key)) {
		w->err = -ENOMEM;
		return;
	}
	snprintf(shown, sizeof(shown), "%s[%zu].", key->name, i);
	snprintf(prefix, sizeof(prefix), "%s[].", key->name);
	walk_map(w, &(struct place){ prefix, shown, item });
	if (!w->err && w->n_errors == n_errors)
		require_keys(w, key, shown, item, mark);
	if (!w->err && w->n_errors == n_errors && key->check_item)
		check_whole(w, key, *n - 1, i, base, mark);
}

/* The current event is the value of the list KEY. */
static void walk_list(struct walk *w, const struct sonde_config_key *key, const char *shown,
		      void *base)
{
	yaml_event_type_t type;
	char item[SHOWN_MAX + 24];

	if (refuse_indirect(w, shown) || is_null(w))
		return;
	if (w->event.type != YAML_SEQUENCE_START_EVENT) {
		refuse_kind(w, key, false, shown);
		return;
	}
	for (size_t i = 0; (type = next(w)) != YAML_NO_EVENT; i++) {
		if (type == YAML_SEQUENCE_END_EVENT)
			return;
		snprintf(item, sizeof(item), "%s[%zu]", shown, i);
		if (key->type == SONDE_CONFIG_MAPS)
			walk_item(w, key, i, base);
		else
			walk_scalar(w, key, true, item, base);
	}
}

/* The current event is the value of a section. */
static void walk_section(struct walk *w, const struct place *at, struct sonde_slice name)
{
	char prefix[SHOWN_MAX], shown[SHOWN_MAX], memory[LINE_MAX_BYTES];
	struct sonde_buf keys;

	snprintf(prefix, sizeof(prefix), "%s%.*s.", at->prefix, (int)name.len,
		 (const char *)name.ptr);
	snprintf(shown, sizeof(shown), "%s%.*s", at->shown, (int)name.len, (const char *)name.ptr);
	if (refuse_indirect(w, shown) || is_null(w))
		return;
	if (w->event.type == YAML_MAPPING_START_EVENT) {
		walk_map(w, &(struct place){ prefix, prefix, at->base });
		return;
	}
	sonde_buf_over(&keys, memory, sizeof(memory));
	sonde_config_key_siblings(prefix, &keys);
	report(w, w->event.start_mark, "%s: %s; expected a map with the keys %.*s", shown, kind(w),
	       (int)keys.len, memory);
	skip(w);
}

/* Reports the current event, a key that no row has. */
static void refuse_unknown(struct walk *w, const struct place *at)
{
	struct sonde_slice name = sonde_slice_sub(scalar(w), 0, SHOWN_MAX);
	char memory[LINE_MAX_BYTES];
	struct sonde_buf line;

	sonde_buf_over(&line, memory, sizeof(memory));
	sonde_buf_put_str(&line, at->shown);
	sonde_escape_terminal(&line, name);
	sonde_buf_put_str(&line, ": unknown key; did you mean ");
	if (sonde_config_key_suggest(at->prefix, name, &line)) {
		sonde_buf_put_byte(&line, '?');
	} else {
		line.len -= strlen("did you mean ");
		sonde_buf_put_str(&line, "known here are ");
		sonde_config_key_siblings(at->prefix, &line);
	}
	report(w, w->event.start_mark, "%.*s", (int)line.len, memory);
}

/* True when *LINE, where the key was given before, was unset and is now AT. */
static bool first_time(struct walk *w, size_t *line, const char *shown, yaml_mark_t at)
{
	if (*line) {
		report(w, at, "%s: is given twice; keep this one or the one in line %zu", shown,
		       *line);
		return false;
	}
	*line = at.line + 1;
	return true;
}

/* True for what only the table's own names hold. */
static bool is_path(struct sonde_slice name)
{
	return sonde_slice_find(name, 0, '.') < name.len ||
	       sonde_slice_find(name, 0, '[') < name.len;
}

/* The row of the current event, a key of the map AT, or the first of its section; NULL: reported.
 */
static const struct sonde_config_key *resolve(struct walk *w, const struct place *at)
{
	const struct sonde_config_key *row;

	if (is_indirect(w) || w->event.type != YAML_SCALAR_EVENT) {
		report(w, w->event.start_mark, "%s?: is no key; expected one plain word",
		       at->shown);
		skip(w);
		return NULL;
	}
	if (is_path(scalar(w))) {
		refuse_unknown(w, at);
		return NULL;
	}
	row = sonde_config_key_find(at->prefix, scalar(w));
	if (!row)
		row = sonde_config_section_find(at->prefix, scalar(w));
	if (!row)
		refuse_unknown(w, at);
	return row;
}

/* The current event is the value of ROW's key, or of the section NAME that begins with ROW. */
static void walk_value(struct walk *w, const struct place *at, const struct sonde_config_key *row,
		       struct sonde_slice name, const char *shown)
{
	if (name.ptr[name.len] == '.')
		walk_section(w, at, name);
	else if (sonde_config_key_is_list(row))
		walk_list(w, row, shown, at->base);
	else
		walk_scalar(w, row, false, shown, at->base);
}

/* The current event is a key of the map AT; its value comes next. */
static void walk_key(struct walk *w, const struct place *at, struct given *given)
{
	const struct sonde_config_key *row = resolve(w, at);
	yaml_mark_t mark = w->event.start_mark;
	struct sonde_slice name;
	char shown[SHOWN_MAX];
	bool first = false;

	if (row) {
		/* The event goes with the next one; the row's spelling of the name stays. */
		name = sonde_slice_of(row->name + strlen(at->prefix), scalar(w).len);
		snprintf(shown, sizeof(shown), "%s%.*s", at->shown, (int)name.len,
			 (const char *)name.ptr);
		first = first_time(w, &given->line[row - sonde_config_keys], shown, mark);
	}
	if (next(w) == YAML_NO_EVENT)
		return;
	if (first)
		walk_value(w, at, row, name, shown);
	else
		skip(w);
}

/* The current event begins the map AT. */
static void walk_map(struct walk *w, const struct place *at)
{
	struct given given = { 0 };
	yaml_event_type_t type;

	while ((type = next(w)) != YAML_NO_EVENT && type != YAML_MAPPING_END_EVENT)
		walk_key(w, at, &given);
}

static void walk_root(struct walk *w)
{
	char memory[LINE_MAX_BYTES];
	struct sonde_buf keys;

	if (next(w) == YAML_NO_EVENT || is_null(w))
		return;
	if (w->event.type == YAML_MAPPING_START_EVENT && !is_indirect(w)) {
		walk_map(w, &(struct place){ "", "", w->config });
		return;
	}
	sonde_buf_over(&keys, memory, sizeof(memory));
	sonde_config_key_siblings("", &keys);
	report(w, w->event.start_mark, "the config: %s; expected a map with the keys %.*s", kind(w),
	       (int)keys.len, memory);
	skip(w);
}

static void walk_stream(struct walk *w)
{
	next(w); /* the start of the stream, which is always there */
	if (next(w) != YAML_DOCUMENT_START_EVENT)
		return;
	walk_root(w);
	next(w); /* the end of the document */
	if (next(w) == YAML_DOCUMENT_START_EVENT)
		report(w, w->event.start_mark,
		       "the config: a second document begins here; expected one only");
	if (sonde_config_is_exposed(w->config))
		report(w, w->listen, "listen.http: \"%s\"" SONDE_CONFIG_EXPOSED,
		       w->config->listen.listen);
}

int sonde_config_parse(struct sonde_slice text, const char *file_name, struct sonde_config *out,
		       struct sonde_buf *errors)
{
	struct sonde_config config;
	struct walk w = { .text = text, .file = file_name, .errors = errors, .config = &config };
	int err = sonde_config_defaults(&config);

	if (err)
		return err;
	if (yaml_parser_initialize(&w.yaml)) {
		yaml_parser_set_encoding(&w.yaml, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&w.yaml, text.len ? text.ptr : (const uint8_t *)"",
					     text.len);
		walk_stream(&w);
		yaml_event_delete(&w.event);
		yaml_parser_delete(&w.yaml);
	} else {
		w.err = -ENOMEM;
	}
	if (w.n_errors > ERRORS_MAX)
		sonde_buf_printf(errors, "%s: and %zu further mistakes\n", file_name,
				 w.n_errors - ERRORS_MAX);
	err = w.err ? w.err : w.n_errors ? -EINVAL : 0;
	if (err)
		sonde_config_fini(&config);
	else
		*out = config;
	return err;
}
