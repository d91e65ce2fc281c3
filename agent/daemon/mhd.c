// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/mhd.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libmicrohttpd.so.12"

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
	{ "MHD_start_daemon", offsetof(struct sonde_mhd, start_daemon) },
	{ "MHD_stop_daemon", offsetof(struct sonde_mhd, stop_daemon) },
	{ "MHD_run", offsetof(struct sonde_mhd, run) },
	{ "MHD_get_timeout", offsetof(struct sonde_mhd, get_timeout) },
	{ "MHD_get_daemon_info", offsetof(struct sonde_mhd, get_daemon_info) },
	{ "MHD_lookup_connection_value", offsetof(struct sonde_mhd, lookup_connection_value) },
	{ "MHD_create_response_from_buffer",
	  offsetof(struct sonde_mhd, create_response_from_buffer) },
	{ "MHD_create_response_from_callback",
	  offsetof(struct sonde_mhd, create_response_from_callback) },
	{ "MHD_add_response_header", offsetof(struct sonde_mhd, add_response_header) },
	{ "MHD_queue_response", offsetof(struct sonde_mhd, queue_response) },
	{ "MHD_destroy_response", offsetof(struct sonde_mhd, destroy_response) },
};

const struct sonde_mhd *sonde_mhd_load(const char **error)
{
	static struct sonde_mhd table;
	static bool loaded;
	void *library;

	if (loaded)
		return &table;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; library && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			library = NULL;
		else
			memcpy((char *)&table + symbols[i].offset, &symbol, sizeof(symbol));
	}
	if (!library) {
		*error = dlerror();
		return NULL;
	}
	loaded = true;
	return &table;
}
