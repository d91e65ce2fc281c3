// SPDX-License-Identifier: Apache-2.0
/*
 * config - the text of sonde.yaml becomes struct sonde_config, all of it or nothing.
 *
 * One table (config_schema.c) says for each key its name, type, default, range and a sentence of
 * help. Parsing, error messages, `sonde config print` and the man page are walks over it; a new
 * key is one field of struct sonde_config and one row.
 *
 *   text -> libyaml events -> config.c (where am I, which row) -> config_value.c (text -> field)
 */
#ifndef SONDE_DAEMON_CONFIG_H
#define SONDE_DAEMON_CONFIG_H

#include "agent/core/buf.h"
#include "agent/model/config.h"

#define SONDE_CONFIG_PATH "/etc/sonde/sonde.yaml"

enum { SONDE_CONFIG_TEXT_MAX = 1024 * 1024 }; /* bytes of a config file */

/* Fills *OUT with the defaults. 0 or -ENOMEM with *OUT untouched. */
int sonde_config_defaults(struct sonde_config *out);
/* Frees what CONFIG owns and zeroes it. Accepts a zeroed config. */
void sonde_config_fini(struct sonde_config *config);

/*
 * Reads TEXT (YAML 1.1, UTF-8) over the defaults. 0 with a new config in *OUT, whose former content
 * is not freed. -EINVAL with everything that is wrong in ERRORS, a line each: "FILE:LINE:COLUMN:
 * KEY: what is wrong; what would be right", FILE being FILE_NAME as given, line and column from 1.
 * -ENOMEM. *OUT is untouched on failure. An empty text is all defaults.
 */
int sonde_config_parse(struct sonde_slice text, const char *file_name, struct sonde_config *out,
		       struct sonde_buf *errors);
/*
 * The same for the file at PATH. Also -ENOENT, -EACCES and their like when it cannot be read, and
 * -EFBIG, each with a line in ERRORS.
 */
int sonde_config_load(const char *path, struct sonde_config *out, struct sonde_buf *errors);
/*
 * Sets one key of CONFIG to TEXT, as an option of the command line does; a list gets one more item.
 * 0; -ENOENT: no such key; -EINVAL with "WHERE: what is wrong; what would be right" in ERRORS
 * (WHERE is the option's name); -ENOMEM. CONFIG is untouched on failure.
 */
int sonde_config_set(struct sonde_config *config, const char *key, struct sonde_slice text,
		     const char *where, struct sonde_buf *errors);

/* Writes every key with its value as YAML that reads back as the same config; with COMMENTS each
 * key is preceded by its help. Look at OUT->failed afterwards. */
void sonde_config_print(const struct sonde_config *config, bool comments, struct sonde_buf *out);
/* Writes the manual page sonde.yaml(5), in man(7) macros. */
void sonde_config_man(struct sonde_buf *out);

#endif
