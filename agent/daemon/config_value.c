// SPDX-License-Identifier: Apache-2.0
/*
 * config_value - what one value of each type looks like, in both directions.
 */
#include "agent/daemon/config_schema.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/escape.h"
#include "agent/daemon/config_address.h"

enum {
	QUOTE_MAX = 60, /* bytes of a wrong value that a message repeats */
	SMALL = 4096,	/* bytes; what is smaller is written as a mere number */
};

struct unit {
	const char *name;
	uint64_t factor;
};

/* From the largest down. */
static const struct unit byte_units[] = {
	{ "TiB", UINT64_C(1) << 40 }, { "GiB", 1 << 30 }, { "MiB", 1 << 20 },
	{ "KiB", 1 << 10 },	      { "", 1 },
};
static const struct unit time_units[] = {
	{ "h", UINT64_C(3600000000000) },
	{ "m", UINT64_C(60000000000) },
	{ "s", 1000000000 },
	{ "ms", 1000000 },
	{ "us", 1000 },
	{ "ns", 1 },
};

enum { N_BYTE_UNITS = sizeof(byte_units) / sizeof(byte_units[0]) };
enum { N_TIME_UNITS = sizeof(time_units) / sizeof(time_units[0]) };

/* 0, -EINVAL: no number with one of UNITS; -ERANGE: more than 64 bits. */
static int parse_units(struct sonde_slice text, const struct unit *units, size_t n, uint64_t *out)
{
	size_t digits = 0;
	uint64_t v;
	int err;

	while (sonde_slice_at(text, digits) >= '0' && sonde_slice_at(text, digits) <= '9')
		digits++;
	err = sonde_slice_u64(sonde_slice_sub(text, 0, digits), 10, &v);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (!sonde_slice_eq(sonde_slice_from(text, digits), sonde_slice_str(units[i].name)))
			continue;
		if (__builtin_mul_overflow(v, units[i].factor, &v))
			return -ERANGE;
		*out = v;
		return 0;
	}
	return -EINVAL;
}

static void put_units(uint64_t v, const struct unit *units, struct sonde_buf *out)
{
	while (v && v % units->factor)
		units++;
	sonde_buf_put_u64(out, v ? v / units->factor : 0);
	if (v)
		sonde_buf_put_str(out, units->name);
}

static bool is_size(const struct sonde_config_key *key)
{
	return key->type == SONDE_CONFIG_BYTES32 || key->type == SONDE_CONFIG_BYTES64;
}

static void put_number(const struct sonde_config_key *key, uint64_t v, struct sonde_buf *out)
{
	if (key->type == SONDE_CONFIG_DURATION)
		put_units(v, time_units, out);
	else if (is_size(key))
		put_units(v, byte_units, out);
	else
		sonde_buf_put_u64(out, v);
}

static bool is_number(const struct sonde_config_key *key)
{
	return key->type >= SONDE_CONFIG_U32 && key->type <= SONDE_CONFIG_PORT;
}

void sonde_config_quote(struct sonde_slice text, struct sonde_buf *out)
{
	sonde_buf_put_byte(out, '"');
	sonde_escape_terminal(out, sonde_slice_sub(text, 0, QUOTE_MAX));
	sonde_buf_put_str(out, text.len > QUOTE_MAX ? "...\"" : "\"");
}

static void expects_number(const struct sonde_config_key *key, struct sonde_buf *out)
{
	static const char *const what[] = {
		[SONDE_CONFIG_U32] = "a whole number",
		[SONDE_CONFIG_BYTES32] = "a number of bytes",
		[SONDE_CONFIG_BYTES64] = "a number of bytes",
		[SONDE_CONFIG_DURATION] = "a time",
		[SONDE_CONFIG_PORT] = "a port",
	};

	sonde_buf_printf(out, "%s%s from ", key->or_zero ? "0 or " : "", what[key->type]);
	put_number(key, key->min, out);
	sonde_buf_put_str(out, " to ");
	put_number(key, key->max, out);
	if (key->power_of_two)
		sonde_buf_put_str(out, " that is a power of two");
	if (key->type == SONDE_CONFIG_DURATION)
		sonde_buf_put_str(out, ", written like 10ms, 1s, 5m or 2h");
	else if (is_size(key) && key->max >= SMALL)
		sonde_buf_put_str(out, ", written like 64KiB or 8MiB");
}

void sonde_config_value_expects(const struct sonde_config_key *key, bool item,
				struct sonde_buf *out)
{
	if (is_number(key)) {
		expects_number(key, out);
	} else if (key->choices) {
		for (size_t i = 0; key->choices[i]; i++)
			sonde_buf_printf(out, "%s%s",
					 !i		       ? ""
					 : key->choices[i + 1] ? ", "
							       : " or ",
					 key->choices[i]);
	} else if (key->type == SONDE_CONFIG_BOOL) {
		sonde_buf_put_str(out, "true or false");
	} else if (key->type == SONDE_CONFIG_LISTEN) {
		sonde_buf_put_str(out, "ADDRESS:PORT such as 127.0.0.1:9764 or [::1]:9764, "
				       "or \"\" for off");
	} else if (sonde_config_key_is_list(key) && !item) {
		sonde_buf_printf(out, "a list of at most %zu, each %s", sonde_config_list_max(key),
				 key->form);
	} else {
		sonde_buf_put_str(out, key->form);
	}
}

/* Writes `"TEXT" WRONG; expected ...` and gives -EINVAL. */
static int refuse(const struct sonde_config_key *key, struct sonde_slice text, const char *wrong,
		  struct sonde_buf *problem)
{
	sonde_config_quote(text, problem);
	sonde_buf_printf(problem, " %s; expected ", wrong);
	sonde_config_value_expects(key, true, problem);
	return -EINVAL;
}

static int parse_number(const struct sonde_config_key *key, struct sonde_slice text, uint64_t *out,
			struct sonde_buf *problem)
{
	const char *wrong = "is not a number";
	uint64_t v;
	int err;

	if (key->type == SONDE_CONFIG_DURATION) {
		wrong = "is not a time";
		err = sonde_slice_eq(text, SONDE_SLICE_LIT("0"))
			      ? (v = 0, 0)
			      : parse_units(text, time_units, N_TIME_UNITS, &v);
	} else if (is_size(key)) {
		wrong = "is not a number of bytes";
		err = parse_units(text, byte_units, N_BYTE_UNITS, &v);
	} else {
		err = sonde_slice_u64(text, 10, &v);
	}
	if (err == -EINVAL)
		return refuse(key, text, wrong, problem);
	if (err || v > key->max || (v < key->min && !(v == 0 && key->or_zero)))
		return refuse(key, text, "is out of range", problem);
	if (key->power_of_two && (v & (v - 1)))
		return refuse(key, text, "is not a power of two", problem);
	*out = v;
	return 0;
}

/* Stores a number that has passed the range of KEY, and so fits its field. */
static void store_number(const struct sonde_config_key *key, uint64_t v, void *field)
{
	if (key->type == SONDE_CONFIG_PORT)
		*(uint16_t *)field = (uint16_t)v;
	else if (key->type == SONDE_CONFIG_U32 || key->type == SONDE_CONFIG_BYTES32)
		*(uint32_t *)field = (uint32_t)v;
	else
		*(uint64_t *)field = v;
}

static uint64_t load_number(const struct sonde_config_key *key, const void *field)
{
	if (key->type == SONDE_CONFIG_PORT)
		return *(const uint16_t *)field;
	if (key->type == SONDE_CONFIG_U32 || key->type == SONDE_CONFIG_BYTES32)
		return *(const uint32_t *)field;
	return *(const uint64_t *)field;
}

static bool is_harmless(struct sonde_slice text)
{
	size_t len;

	for (size_t i = 0; i < text.len; i += len) {
		len = sonde_escape_char(text, i);
		if (!len)
			return false;
	}
	return true;
}

/* The index of TEXT among CHOICES, or -1. */
static int find_choice(const char *const *choices, struct sonde_slice text)
{
	for (int i = 0; choices[i]; i++)
		if (sonde_slice_eq(text, sonde_slice_str(choices[i])))
			return i;
	return -1;
}

static const char *check_string(const struct sonde_config_key *key, struct sonde_slice text)
{
	if (key->choices)
		return find_choice(key->choices, text) < 0 ? "is none of the choices" : NULL;
	if (text.len < key->min)
		return "is empty";
	if (text.len > key->max)
		return "is too long";
	if (!is_harmless(text))
		return "holds a control character";
	if (key->type == SONDE_CONFIG_LISTEN)
		return text.len ? sonde_config_address_check(text) : NULL;
	return key->check ? key->check(text) : NULL;
}

static int copy_string(const struct sonde_config_key *key, struct sonde_slice text, char **out,
		       struct sonde_buf *problem)
{
	const char *wrong = check_string(key, text);
	char *copy;

	if (wrong)
		return refuse(key, text, wrong, problem);
	copy = strndup(text.len ? (const char *)text.ptr : "", text.len);
	if (!copy)
		return -ENOMEM;
	*out = copy;
	return 0;
}

static int set_string(const struct sonde_config_key *key, struct sonde_slice text, char **field,
		      struct sonde_buf *problem)
{
	char *copy;
	int err = copy_string(key, text, &copy, problem);

	if (err)
		return err;
	free(*field);
	*field = copy;
	return 0;
}

static int set_bool(const struct sonde_config_key *key, struct sonde_slice text, bool *field,
		    struct sonde_buf *problem)
{
	bool yes = sonde_slice_eq(text, SONDE_SLICE_LIT("true"));

	if (!yes && !sonde_slice_eq(text, SONDE_SLICE_LIT("false")))
		return refuse(key, text, "is neither true nor false", problem);
	*field = yes;
	return 0;
}

static int set_enum(const struct sonde_config_key *key, struct sonde_slice text, int *field,
		    struct sonde_buf *problem)
{
	int choice = find_choice(key->choices, text);

	if (choice < 0)
		return refuse(key, text, "is none of the choices", problem);
	*field = choice;
	return 0;
}

static int set_number(const struct sonde_config_key *key, struct sonde_slice text, void *field,
		      struct sonde_buf *problem)
{
	uint64_t v;
	int err = parse_number(key, text, &v, problem);

	if (!err)
		store_number(key, v, field);
	return err;
}

static int append_string(const struct sonde_config_key *key, struct sonde_slice text,
			 struct sonde_string_list *list, struct sonde_buf *problem)
{
	int err;

	if (list->n_items == sonde_config_list_max(key))
		return refuse(key, text, "is one too many", problem);
	err = copy_string(key, text, &list->items[list->n_items], problem);
	if (!err)
		list->n_items++;
	return err;
}

static int append_port(const struct sonde_config_key *key, struct sonde_slice text, uint16_t *ports,
		       size_t *n, struct sonde_buf *problem)
{
	uint64_t v;
	int err;

	if (*n == sonde_config_list_max(key))
		return refuse(key, text, "is one too many", problem);
	err = parse_number(key, text, &v, problem);
	if (!err)
		ports[(*n)++] = (uint16_t)v;
	return err;
}

int sonde_config_value_set(const struct sonde_config_key *key, struct sonde_slice text, void *base,
			   struct sonde_buf *problem)
{
	void *field = (char *)base + key->offset;

	switch (key->type) {
	case SONDE_CONFIG_BOOL:
		return set_bool(key, text, field, problem);
	case SONDE_CONFIG_U32:
	case SONDE_CONFIG_BYTES32:
	case SONDE_CONFIG_BYTES64:
	case SONDE_CONFIG_DURATION:
	case SONDE_CONFIG_PORT:
		return set_number(key, text, field, problem);
	case SONDE_CONFIG_STRING:
	case SONDE_CONFIG_LISTEN:
		return set_string(key, text, field, problem);
	case SONDE_CONFIG_ENUM:
		return set_enum(key, text, field, problem);
	case SONDE_CONFIG_STRINGS:
		return append_string(key, text, field, problem);
	case SONDE_CONFIG_PORTS:
		return append_port(key, text, field, (void *)((char *)base + key->count_offset),
				   problem);
	case SONDE_CONFIG_MAPS:
		break;
	}
	return refuse(key, text, "is no map", problem);
}

static void put_string(const char *s, struct sonde_buf *out)
{
	/* The escapes of JSON are among those of YAML, and harmless text needs no others. */
	sonde_buf_put_byte(out, '"');
	sonde_escape_json(out, sonde_slice_str(s));
	sonde_buf_put_byte(out, '"');
}

void sonde_config_value_print(const struct sonde_config_key *key, const void *base,
			      struct sonde_buf *out)
{
	const void *field = (const char *)base + key->offset;

	if (is_number(key))
		put_number(key, load_number(key, field), out);
	else if (key->type == SONDE_CONFIG_BOOL)
		sonde_buf_put_str(out, *(const bool *)field ? "true" : "false");
	else if (key->type == SONDE_CONFIG_ENUM)
		sonde_buf_put_str(out, key->choices[*(const int *)field]);
	else if (key->choices)
		sonde_buf_put_str(out, *(char *const *)field);
	else
		put_string(*(char *const *)field, out);
}

size_t sonde_config_list_len(const struct sonde_config_key *key, const void *base)
{
	if (key->type == SONDE_CONFIG_STRINGS)
		return ((const struct sonde_string_list *)((const char *)base + key->offset))
			->n_items;
	return *(const size_t *)((const char *)base + key->count_offset);
}

void sonde_config_list_print_item(const struct sonde_config_key *key, const void *base, size_t i,
				  struct sonde_buf *out)
{
	const void *field = (const char *)base + key->offset;

	if (key->type == SONDE_CONFIG_PORTS)
		sonde_buf_put_u64(out, ((const uint16_t *)field)[i]);
	else
		put_string(((const struct sonde_string_list *)field)->items[i], out);
}

void sonde_config_value_fini(const struct sonde_config_key *key, void *base)
{
	void *field = (char *)base + key->offset;

	if (key->type == SONDE_CONFIG_STRING || key->type == SONDE_CONFIG_LISTEN) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (key->type == SONDE_CONFIG_STRINGS) {
		struct sonde_string_list *list = field;

		while (list->n_items)
			free(list->items[--list->n_items]);
	}
}
