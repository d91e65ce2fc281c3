// SPDX-License-Identifier: Apache-2.0
/*
 * config - a config's life: defaults, from a file, one key at a time, and its end.
 */
#include "agent/daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/daemon/config_address.h"
#include "agent/daemon/config_schema.h"

enum { PROBLEM_MAX = 1024 };

/* Frees what the keys of an item of LIST, or with NULL of the config, own at BASE. */
static void fini_keys(void *base, const struct sonde_config_key *list)
{
	for (size_t i = 0; i < sonde_n_config_keys; i++)
		if (sonde_config_key_belongs(&sonde_config_keys[i], list))
			sonde_config_value_fini(&sonde_config_keys[i], base);
}

void sonde_config_fini(struct sonde_config *config)
{
	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		const struct sonde_config_key *key = &sonde_config_keys[i];

		if (key->type != SONDE_CONFIG_MAPS)
			continue;
		for (size_t *n = sonde_config_item_count(key, config); *n; --*n)
			fini_keys(sonde_config_item(key, config, *n - 1), key);
	}
	fini_keys(config, NULL);
	*config = (struct sonde_config){ 0 };
}

int sonde_config_fill(void *base, const struct sonde_config_key *list)
{
	char memory[PROBLEM_MAX];
	struct sonde_buf problem;

	sonde_buf_over(&problem, memory, sizeof(memory));
	for (size_t i = 0; i < sonde_n_config_keys; i++) {
		const struct sonde_config_key *key = &sonde_config_keys[i];
		char **string = (void *)((char *)base + key->offset);

		if (!sonde_config_key_belongs(key, list) || !key->fallback)
			continue;
		if (key->type == SONDE_CONFIG_STRING && !key->fallback[0])
			*string = strdup(""); /* what is required may not be set to nothing */
		else
			sonde_config_value_set(key, sonde_slice_str(key->fallback), base, &problem);
		if ((key->type == SONDE_CONFIG_STRING || key->type == SONDE_CONFIG_LISTEN) &&
		    !*string)
			return -ENOMEM;
	}
	return 0;
}

int sonde_config_defaults(struct sonde_config *out)
{
	struct sonde_config config = { 0 };
	int err = sonde_config_fill(&config, NULL);

	if (err)
		sonde_config_fini(&config);
	else
		*out = config;
	return err;
}

bool sonde_config_is_exposed(const struct sonde_config *config)
{
	struct sockaddr_storage address;
	socklen_t len;

	return !config->listen.insecure &&
	       !sonde_config_address_parse(sonde_slice_str(config->listen.listen), &address,
					   &len) &&
	       !sonde_config_address_is_loopback(&address);
}

int sonde_config_set(struct sonde_config *config, const char *name, struct sonde_slice text,
		     const char *where, struct sonde_buf *errors)
{
	const struct sonde_config_key *key = sonde_config_key_find("", sonde_slice_str(name));
	char *listen = config->listen.listen;
	char memory[PROBLEM_MAX];
	struct sonde_buf problem;
	int err;

	if (!key || !sonde_config_key_belongs(key, NULL) || key->type == SONDE_CONFIG_MAPS)
		return -ENOENT;
	sonde_buf_over(&problem, memory, sizeof(memory));
	if (key->type == SONDE_CONFIG_LISTEN)
		config->listen.listen = NULL; /* kept until the new one has passed */
	err = sonde_config_value_set(key, text, config, &problem);
	if (key->type == SONDE_CONFIG_LISTEN) {
		if (!err && sonde_config_is_exposed(config)) {
			sonde_config_quote(text, &problem);
			sonde_buf_put_str(&problem, SONDE_CONFIG_EXPOSED);
			err = -EINVAL;
		}
		if (err) {
			free(config->listen.listen);
			config->listen.listen = listen;
		} else {
			free(listen);
		}
	}
	if (err == -EINVAL)
		sonde_buf_printf(errors, "%s: %.*s\n", where, (int)problem.len, memory);
	return err;
}

/* Reads at most SONDE_CONFIG_TEXT_MAX bytes of FD. 0 or negative errno. */
static int read_text(int fd, struct sonde_buf *text)
{
	uint8_t chunk[4096];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		sonde_buf_put(text, chunk, (size_t)n);
		if (text->failed)
			return text->len + (size_t)n > text->limit ? -EFBIG : -ENOMEM;
	}
	return 0;
}

int sonde_config_load(const char *path, struct sonde_config *out, struct sonde_buf *errors)
{
	struct sonde_buf text;
	int fd, err;

	sonde_buf_init(&text, SONDE_CONFIG_TEXT_MAX);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	err = fd < 0 ? -errno : read_text(fd, &text);
	if (err)
		sonde_buf_printf(errors, "%s: cannot be read: %s\n", path, strerror(-err));
	else
		err = sonde_config_parse(sonde_buf_slice(&text), path, out, errors);
	if (fd >= 0)
		close(fd);
	sonde_buf_fini(&text);
	return err;
}
