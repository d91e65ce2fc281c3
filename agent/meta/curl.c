// SPDX-License-Identifier: Apache-2.0
#include "agent/meta/curl.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
	{ "curl_global_init", offsetof(struct sonde_curl, global_init) },
	{ "curl_easy_strerror", offsetof(struct sonde_curl, easy_strerror) },
	{ "curl_easy_init", offsetof(struct sonde_curl, easy_init) },
	{ "curl_easy_cleanup", offsetof(struct sonde_curl, easy_cleanup) },
	{ "curl_easy_setopt", offsetof(struct sonde_curl, easy_setopt) },
	{ "curl_easy_getinfo", offsetof(struct sonde_curl, easy_getinfo) },
	{ "curl_multi_init", offsetof(struct sonde_curl, multi_init) },
	{ "curl_multi_cleanup", offsetof(struct sonde_curl, multi_cleanup) },
	{ "curl_multi_add_handle", offsetof(struct sonde_curl, multi_add_handle) },
	{ "curl_multi_remove_handle", offsetof(struct sonde_curl, multi_remove_handle) },
	{ "curl_multi_perform", offsetof(struct sonde_curl, multi_perform) },
	{ "curl_multi_poll", offsetof(struct sonde_curl, multi_poll) },
	{ "curl_multi_info_read", offsetof(struct sonde_curl, multi_info_read) },
	{ "curl_slist_append", offsetof(struct sonde_curl, slist_append) },
	{ "curl_slist_free_all", offsetof(struct sonde_curl, slist_free_all) },
};

static bool fill(void *library, struct sonde_curl *out)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return false;
		memcpy((char *)out + symbols[i].offset, &symbol, sizeof(symbol));
	}
	return true;
}

const struct sonde_curl *sonde_curl_load(const char **error)
{
	static struct sonde_curl table;
	static bool loaded;
	void *library;

	if (loaded)
		return &table;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library || !fill(library, &table)) {
		*error = dlerror();
		return NULL;
	}
	if (table.global_init(CURL_GLOBAL_DEFAULT)) {
		*error = LIBRARY " does not start";
		return NULL;
	}
	loaded = true;
	return &table;
}
