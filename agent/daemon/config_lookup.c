// SPDX-License-Identifier: Apache-2.0
/*
 * config_lookup - from the words of a file to rows of the table, and from unknown words to the one
 * that was probably meant.
 */
#include <string.h>

#include "agent/core/suggest.h"
#include "agent/daemon/config_schema.h"

static const char in_map[] = "[].";

bool sonde_config_key_belongs(const struct sonde_config_key *key,
			      const struct sonde_config_key *list)
{
	const char *mark = strstr(key->name, in_map);
	size_t len = mark ? (size_t)(mark - key->name) : 0;

	if (!list)
		return !mark;
	return mark && strlen(list->name) == len && !strncmp(key->name, list->name, len);
}

const char *sonde_config_key_in_map(const struct sonde_config_key *key)
{
	return strstr(key->name, in_map) + strlen(in_map);
}

void *sonde_config_item(const struct sonde_config_key *key, void *base, size_t i)
{
	return (char *)base + key->offset + i * key->item_size;
}

size_t *sonde_config_item_count(const struct sonde_config_key *key, void *base)
{
	return (void *)((char *)base + key->count_offset);
}

size_t sonde_config_list_max(const struct sonde_config_key *key)
{
	if (key->max_items)
		return key->max_items;
	return key->type == SONDE_CONFIG_PORTS ? SONDE_CONFIG_PORTS_MAX : SONDE_CONFIG_LIST_MAX;
}

bool sonde_config_key_is_list(const struct sonde_config_key *key)
{
	return key->type == SONDE_CONFIG_STRINGS || key->type == SONDE_CONFIG_PORTS ||
	       key->type == SONDE_CONFIG_MAPS;
}

/* What follows PREFIX in the name of KEY, or NULL when it is not below PREFIX. */
static const char *below(const struct sonde_config_key *key, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(key->name, prefix, len) ? NULL : key->name + len;
}

/* True when NAME is the first part of REST and END follows it. */
static bool is_part(const char *rest, struct sonde_slice name, char end)
{
	return rest && name.len && !strncmp(rest, (const char *)name.ptr, name.len) &&
	       strlen(rest) >= name.len && rest[name.len] == end;
}

const struct sonde_config_key *sonde_config_key_find(const char *prefix, struct sonde_slice name)
{
	for (size_t i = 0; i < sonde_n_config_keys; i++)
		if (is_part(below(&sonde_config_keys[i], prefix), name, '\0'))
			return &sonde_config_keys[i];
	return NULL;
}

const struct sonde_config_key *sonde_config_section_find(const char *prefix,
							 struct sonde_slice name)
{
	for (size_t i = 0; i < sonde_n_config_keys; i++)
		if (is_part(below(&sonde_config_keys[i], prefix), name, '.'))
			return &sonde_config_keys[i];
	return NULL;
}

/* The part of KEY's name directly below PREFIX; empty when it is elsewhere. */
static struct sonde_slice part_below(const struct sonde_config_key *key, const char *prefix)
{
	const char *rest = below(key, prefix);

	return rest ? sonde_slice_of(rest, strcspn(rest, ".[")) : SONDE_SLICE_EMPTY;
}

/* The known key below PREFIX that is nearest to NAME; empty when all are other words. */
static struct sonde_slice nearest(const char *prefix, struct sonde_slice name)
{
	struct sonde_slice best = SONDE_SLICE_EMPTY;
	size_t best_distance = SIZE_MAX;

	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		struct sonde_slice part = part_below(&sonde_config_keys[i], prefix);
		size_t d = sonde_suggest_distance(name, part);

		if (d < best_distance) {
			best = part;
			best_distance = d;
		}
	}
	return best;
}

/* The right word in the wrong section, or a whole path written as one key. */
static bool suggest_elsewhere(struct sonde_slice name, struct sonde_buf *out)
{
	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		const char *full = sonde_config_keys[i].name;
		const char *last = strrchr(full, '.') + 1;

		if (!sonde_slice_eq(name, sonde_slice_str(last)) &&
		    !sonde_slice_eq(name, sonde_slice_str(full)))
			continue;
		sonde_buf_printf(out, "%s in the section %.*s", last, (int)(last - full - 1), full);
		return true;
	}
	return false;
}

bool sonde_config_key_suggest(const char *prefix, struct sonde_slice name, struct sonde_buf *out)
{
	struct sonde_slice best;

	if (suggest_elsewhere(name, out))
		return true;
	best = nearest(prefix, name);
	sonde_buf_put_slice(out, best);
	return best.len > 0;
}

void sonde_config_key_siblings(const char *prefix, struct sonde_buf *out)
{
	struct sonde_slice last = SONDE_SLICE_EMPTY;

	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		struct sonde_slice part = part_below(&sonde_config_keys[i], prefix);

		if (!part.len || sonde_slice_eq(part, last))
			continue;
		if (last.len)
			sonde_buf_put_str(out, ", ");
		sonde_buf_put_slice(out, part);
		last = part;
	}
}
