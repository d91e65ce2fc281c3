// SPDX-License-Identifier: Apache-2.0
/*
 * config_schema - the one table behind sonde.yaml, and what each type of value means.
 *
 * Private to config*.c and their test. A row's name is the path of its key with dots. A list of
 * maps has a row of its own, say "services.rules", and one for each key of its items, named
 * "services.rules[].KEY", whose offset counts from the item.
 */
#ifndef SONDE_DAEMON_CONFIG_SCHEMA_H
#define SONDE_DAEMON_CONFIG_SCHEMA_H

#include "agent/core/buf.h"
#include "agent/model/config.h"

enum sonde_config_type {
	SONDE_CONFIG_BOOL = 0,
	SONDE_CONFIG_U32 = 1,
	SONDE_CONFIG_BYTES32 = 2,
	SONDE_CONFIG_BYTES64 = 3,
	SONDE_CONFIG_DURATION = 4,
	SONDE_CONFIG_PORT = 5,
	SONDE_CONFIG_STRING = 6,
	SONDE_CONFIG_ENUM = 7,	 /* an int, the index of the choice */
	SONDE_CONFIG_LISTEN = 8, /* a string that is an address */
	SONDE_CONFIG_STRINGS = 9,
	SONDE_CONFIG_PORTS = 10,
	SONDE_CONFIG_MAPS = 11, /* a list of maps: structs of item_size bytes */
};

struct sonde_config_key {
	const char *name;
	enum sonde_config_type type;
	size_t offset;	      /* of the field in its struct */
	size_t count_offset;  /* PORTS and MAPS: of the number of items */
	const char *fallback; /* the default as it would be written; lists are empty */
	size_t item_size;     /* MAPS */
	/* MAPS: what is wrong with item I of ITEMS as a whole, its keys being good; NULL: nothing
	 */
	const char *(*check_item)(const void *items, size_t i);
	size_t max_items;     /* lists; 0: what the type holds. MAPS need it */
	const char *required; /* in a map: why an item without it is a mistake; NULL: it may lack */
	uint64_t min, max;    /* of the number, or of the length of a text in bytes */
	bool or_zero;	      /* 0 is allowed below min */
	bool power_of_two;    /* nothing else is allowed */
	const char *const *choices; /* ENUM and STRING: all that is allowed, ends with NULL */
	const char *(*check)(struct sonde_slice text); /* NULL when good, else what is wrong */
	const char *form; /* texts and lists: what one of them is, "a user name" */
	const char *help; /* sentences */
};

extern const struct sonde_config_key sonde_config_keys[];
extern const size_t sonde_n_config_keys;
enum { SONDE_CONFIG_KEYS_MAX = 192 }; /* bound of sonde_n_config_keys */

/* True for a row whose offset counts from an item of the list of maps LIST; NULL: from the config
 * itself. */
bool sonde_config_key_belongs(const struct sonde_config_key *key,
			      const struct sonde_config_key *list);
/* What follows "[]." in the name of a key of a map. */
const char *sonde_config_key_in_map(const struct sonde_config_key *key);
/* Item I of the list of maps KEY, and where the number of its items is. */
void *sonde_config_item(const struct sonde_config_key *key, void *base, size_t i);
size_t *sonde_config_item_count(const struct sonde_config_key *key, void *base);
/* How many items a list holds at most. */
size_t sonde_config_list_max(const struct sonde_config_key *key);
/* True for the types that hold several values. */
bool sonde_config_key_is_list(const struct sonde_config_key *key);
/* The row whose name is PREFIX followed by NAME, or NULL. */
const struct sonde_config_key *sonde_config_key_find(const char *prefix, struct sonde_slice name);
/* The first row below the section PREFIX NAME ("capture."), or NULL when there is none. */
const struct sonde_config_key *sonde_config_section_find(const char *prefix,
							 struct sonde_slice name);
/* Writes the key that was probably meant by the unknown NAME below PREFIX. False: nothing near. */
bool sonde_config_key_suggest(const char *prefix, struct sonde_slice name, struct sonde_buf *out);
/* Writes the keys that may stand directly below PREFIX, parted by commas. */
void sonde_config_key_siblings(const char *prefix, struct sonde_buf *out);

/*
 * Reads TEXT into KEY's field of the struct at BASE (the config or a rule); on a list, as one more
 * item. 0; -EINVAL with "what is wrong; what would be right" in PROBLEM; -ENOMEM. The field is
 * untouched on failure.
 */
int sonde_config_value_set(const struct sonde_config_key *key, struct sonde_slice text, void *base,
			   struct sonde_buf *problem);
/* What may stand there: "a whole number from 1 to 1000". ITEM: of one item of a list. */
void sonde_config_value_expects(const struct sonde_config_key *key, bool item,
				struct sonde_buf *out);
/* Writes the value of a key that is no list, as YAML on one line. */
void sonde_config_value_print(const struct sonde_config_key *key, const void *base,
			      struct sonde_buf *out);
/* Frees what the field owns. */
void sonde_config_value_fini(const struct sonde_config_key *key, void *base);
/* TEXT between quotes, cut and made harmless, for a message. */
void sonde_config_quote(struct sonde_slice text, struct sonde_buf *out);

/* Sets all keys of an item of LIST, or with NULL of the config, at the zeroed struct BASE to their
 * defaults. 0 or -ENOMEM with what could be set. */
int sonde_config_fill(void *base, const struct sonde_config_key *list);
/* True when listen.http can be reached by other machines and nobody has allowed it. */
bool sonde_config_is_exposed(const struct sonde_config *config);
#define SONDE_CONFIG_EXPOSED                                                                   \
	" can be reached by other machines, and nobody is asked for a password there; use an " \
	"address such as 127.0.0.1:9764, or allow it by listen.insecure: true"

/* The number of items of a list, and the text of item I of STRINGS or the I-th of PORTS. */
size_t sonde_config_list_len(const struct sonde_config_key *key, const void *base);
void sonde_config_list_print_item(const struct sonde_config_key *key, const void *base, size_t i,
				  struct sonde_buf *out);

#endif
