// SPDX-License-Identifier: Apache-2.0
/*
 * curl - libcurl, loaded only by a worker that has somebody to ask.
 *
 * The library brings some thirty others along, which would cost memory in every process that is
 * linked with it. So it is opened when metadata is configured, before the sandbox closes: nothing
 * becomes executable later.
 */
#ifndef SONDE_META_CURL_H
#define SONDE_META_CURL_H

#include <curl/curl.h>

struct sonde_curl {
	CURLcode (*global_init)(long flags);
	const char *(*easy_strerror)(CURLcode code);
	CURL *(*easy_init)(void);
	void (*easy_cleanup)(CURL *easy);
	CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
	CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
	CURLM *(*multi_init)(void);
	CURLMcode (*multi_cleanup)(CURLM *multi);
	CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_perform)(CURLM *multi, int *running);
	CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *extra, unsigned int n_extra,
				int timeout_ms, int *ready);
	CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
};

/*
 * Opens the library once and for all; call it before there are threads. NULL: it is not there, or
 * cannot be used, and *ERROR says why.
 */
const struct sonde_curl *sonde_curl_load(const char **error);

#endif
