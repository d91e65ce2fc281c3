// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/filter_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/suggest.h"

const char *const sonde_filter_role_names[] = { "server", "client", NULL };

/* Numbers from 1 to MAX. */
static int take_numbers(const struct sonde_words *words, const char *option, uint64_t max,
			uint32_t *out, char error[SONDE_OPTIONS_ERROR])
{
	uint64_t v;

	for (size_t i = 0; i < words->n; i++) {
		if (sonde_slice_u64(sonde_slice_str(words->items[i]), 10, &v) || !v || v > max) {
			snprintf(error, SONDE_OPTIONS_ERROR,
				 "--%s: '%.40s' is not a number from 1 to %llu", option,
				 words->items[i], (unsigned long long)max);
			return -EINVAL;
		}
		out[i] = (uint32_t)v;
	}
	return 0;
}

size_t sonde_filter_texts(const struct sonde_words *words, ProtobufCBinaryData *out)
{
	for (size_t i = 0; i < words->n; i++)
		out[i] = sonde_wire_bytes(sonde_slice_str(words->items[i]));
	return words->n;
}

int sonde_filter_name(const char *word, const char *const *names, const char *option,
		      char error[SONDE_OPTIONS_ERROR])
{
	const char *guess = sonde_suggest(word, names);

	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], word) == 0)
			return i;
	snprintf(error, SONDE_OPTIONS_ERROR, "--%s: '%.40s' is not known%s%s%s", option, word,
		 guess ? "; did you mean " : "", guess ? guess : "", guess ? "?" : "");
	return -EINVAL;
}

static int take_roles(const struct sonde_words *words, Sonde__Role *out,
		      char error[SONDE_OPTIONS_ERROR])
{
	for (size_t i = 0; i < words->n; i++) {
		int at = sonde_filter_name(words->items[i], sonde_filter_role_names, "role", error);

		if (at < 0)
			return at;
		out[i] = (Sonde__Role)(at + SONDE_ROLE_SERVER);
	}
	return 0;
}

int sonde_filter_take(const struct sonde_filter_words *words, struct sonde_filter_parts *parts,
		      Sonde__Filter *message, char error[SONDE_OPTIONS_ERROR])
{
	int err = take_roles(&words->roles, parts->roles, error);

	if (!err)
		err = take_numbers(&words->ports, "port", UINT16_MAX, parts->ports, error);
	if (!err)
		err = take_numbers(&words->pids, "pid", UINT32_MAX, parts->pids, error);
	if (err)
		return err;
	message->n_roles = words->roles.n;
	message->roles = parts->roles;
	message->n_ports = words->ports.n;
	message->ports = parts->ports;
	message->n_pids = words->pids.n;
	message->pids = parts->pids;
	message->n_services = sonde_filter_texts(&words->services, parts->services);
	message->services = parts->services;
	message->n_peers = sonde_filter_texts(&words->peers, parts->peers);
	message->peers = parts->peers;
	message->n_comms = sonde_filter_texts(&words->comms, parts->comms);
	message->comms = parts->comms;
	message->n_containers = sonde_filter_texts(&words->containers, parts->containers);
	message->containers = parts->containers;
	return 0;
}
