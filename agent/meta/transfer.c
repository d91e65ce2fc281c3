// SPDX-License-Identifier: Apache-2.0
#include "agent/meta/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_S = 10, HTTP_OK = 200 };

int sonde_transfer_status(const struct sonde_transfer *t)
{
	long status = 0;

	if (t->easy)
		t->curl->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

/* Hands out the whole lines of the buffer and keeps the rest. */
static int take_lines(struct sonde_transfer *t)
{
	struct sonde_slice rest = sonde_buf_slice(&t->body);
	int err = 0;

	while (!err) {
		size_t end = sonde_slice_find(rest, 0, '\n');

		if (end == rest.len)
			break;
		if (end)
			err = t->options.line(t->options.ctx, sonde_slice_sub(rest, 0, end));
		rest = sonde_slice_from(rest, end + 1);
	}
	if (rest.len)
		memmove(t->body.ptr, rest.ptr, rest.len);
	t->body.len = rest.len;
	return err;
}

static size_t on_bytes(char *ptr, size_t size, size_t n, void *ctx)
{
	struct sonde_transfer *t = ctx;
	size_t len = size * n;

	sonde_buf_put(&t->body, ptr, len);
	if (t->body.failed) {
		t->too_long = true;
		return 0;
	}
	/* What comes with another status is no stream but says why there is none. */
	if (t->options.line && sonde_transfer_status(t) == HTTP_OK)
		t->line_error = take_lines(t);
	return t->line_error ? 0 : len;
}

/*
 * A socket that is connected already, to a path that this process may not open. libcurl has a word
 * for that, CURL_SOCKOPT_ALREADY_CONNECTED, which 7.88 hears and then connects all the same. So it
 * is given a UDP socket, whose connect() sends nothing and succeeds, and finds the other one in its
 * place when the request is about to be sent.
 */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct sonde_transfer *t = ctx;
	int fd = t->options.socket < 0
			 ? -1
			 : socket(address->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)purpose;
	t->stand_in = fd;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_request(void *ctx, char *remote, char *local, int remote_port, int local_port)
{
	struct sonde_transfer *t = ctx;

	(void)remote;
	(void)local;
	(void)remote_port;
	(void)local_port;
	if (t->stand_in < 0 || dup3(t->options.socket, t->stand_in, O_CLOEXEC) < 0)
		return CURL_PREREQFUNC_ABORT;
	close(t->options.socket);
	t->options.socket = t->stand_in = -1;
	return CURL_PREREQFUNC_OK;
}

static void use_socket(struct sonde_transfer *t)
{
	const struct sonde_curl *c = t->curl;

	c->easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	c->easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
	c->easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_request);
	c->easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
	c->easy_setopt(t->easy, CURLOPT_TCP_NODELAY, 0L);
	c->easy_setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 0L);
	c->easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
	c->easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
}

static int use_token(struct sonde_transfer *t, struct sonde_slice token)
{
	char line[16384 + 32];
	int n = snprintf(line, sizeof(line), "Authorization: Bearer %.*s", (int)token.len,
			 (const char *)token.ptr);

	if (n > 0 && (size_t)n < sizeof(line))
		t->headers = t->curl->slist_append(t->headers, line);
	explicit_bzero(line, sizeof(line));
	return t->headers ? 0 : -ENOMEM;
}

static void use_ca(struct sonde_transfer *t, struct sonde_slice pem)
{
	struct curl_blob blob = { (void *)(uintptr_t)pem.ptr, pem.len, CURL_BLOB_COPY };

	t->curl->easy_setopt(t->easy, CURLOPT_CAINFO_BLOB, &blob);
	/* Otherwise the system's would be trusted beside them. */
	t->curl->easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
}

static void set_common(struct sonde_transfer *t, const struct sonde_transfer_options *o)
{
	const struct sonde_curl *c = t->curl;

	c->easy_setopt(t->easy, CURLOPT_URL, o->url);
	c->easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	c->easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
	c->easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_bytes);
	c->easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	c->easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	c->easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L);
	c->easy_setopt(t->easy, CURLOPT_PROXY, "");
	c->easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	c->easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	c->easy_setopt(t->easy, CURLOPT_USERAGENT, "sonde/" SONDE_VERSION);
	c->easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	c->easy_setopt(t->easy, CURLOPT_TIMEOUT, o->timeout_s);
	/* A server that has vanished without a word is noticed within a minute and a half. */
	c->easy_setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	c->easy_setopt(t->easy, CURLOPT_TCP_KEEPIDLE, 30L);
	c->easy_setopt(t->easy, CURLOPT_TCP_KEEPINTVL, 10L);
}

static int set_up(struct sonde_transfer *t, const struct sonde_transfer_options *o)
{
	int err = 0;

	t->easy = t->curl->easy_init();
	if (!t->easy)
		return -ENOMEM;
	set_common(t, o);
	if (o->socket >= 0)
		use_socket(t);
	if (o->token.len)
		err = use_token(t, o->token);
	if (o->ca_pem.len)
		use_ca(t, o->ca_pem);
	if (t->headers)
		t->curl->easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	if (!err && t->curl->multi_add_handle(t->multi, t->easy))
		err = -ENOMEM;
	return err;
}

int sonde_transfer_start(struct sonde_transfer *t, const struct sonde_curl *curl, CURLM *multi,
			 const struct sonde_transfer_options *options)
{
	int err;

	*t = (struct sonde_transfer){ .curl = curl, .multi = multi, .options = *options };
	t->options.url = NULL;
	t->options.token = t->options.ca_pem = SONDE_SLICE_EMPTY;
	sonde_buf_init(&t->body, options->line ? SONDE_TRANSFER_LINE_MAX : SONDE_TRANSFER_BODY_MAX);
	err = set_up(t, options);
	if (err)
		sonde_transfer_end(t);
	return err;
}

int sonde_transfer_result(struct sonde_transfer *t, CURLcode result, const char **why)
{
	*why = "";
	if (t->too_long) {
		*why = t->options.line ? "a line is too long" : "the answer is too long";
		return -E2BIG;
	}
	if (t->line_error)
		return t->line_error;
	if (result != CURLE_OK) {
		*why = t->error[0] ? t->error : t->curl->easy_strerror(result);
		return -EIO;
	}
	return sonde_transfer_status(t);
}

void sonde_transfer_end(struct sonde_transfer *t)
{
	if (t->easy) {
		t->curl->multi_remove_handle(t->multi, t->easy);
		t->curl->easy_cleanup(t->easy);
	}
	if (t->headers)
		t->curl->slist_free_all(t->headers);
	/* A zeroed one has no socket; once started it is -1 when curl has it. */
	if (t->curl && t->options.socket >= 0)
		close(t->options.socket);
	sonde_buf_fini(&t->body);
	*t = (struct sonde_transfer){ 0 };
}
