// SPDX-License-Identifier: Apache-2.0
/*
 * transfer - one GET over libcurl: an answer as a whole, or a stream of lines without an end.
 *
 * Embedded in whoever asks, started on a multi handle of the metadata thread, which also drives it
 * and hears of its end. Both shapes are bounded: an answer or a line that is longer than allowed
 * ends the transfer. Used on one thread.
 */
#ifndef SONDE_META_TRANSFER_H
#define SONDE_META_TRANSFER_H

#include "agent/core/buf.h"
#include "agent/meta/curl.h"

enum {
	SONDE_TRANSFER_URL_MAX = 2048,
	SONDE_TRANSFER_BODY_MAX = 16 << 20,
	SONDE_TRANSFER_LINE_MAX = 2 << 20,
};

/* A line of a stream, without its end; a negative errno ends the transfer. */
typedef int sonde_transfer_line(void *ctx, struct sonde_slice line);

struct sonde_transfer_options {
	const char *url;
	int socket; /* connected; the transfer's from now on. -1: it connects itself */
	struct sonde_slice token;  /* for "Authorization: Bearer"; empty: none */
	struct sonde_slice ca_pem; /* who may sign for the server; empty: the system's */
	long timeout_s;		   /* of all of it; 0: none */
	sonde_transfer_line *line; /* NULL: the answer as a whole */
	void *ctx;
};

struct sonde_transfer {
	const struct sonde_curl *curl;
	CURLM *multi;
	CURL *easy; /* NULL: nothing is under way */
	struct curl_slist *headers;
	struct sonde_transfer_options options;
	struct sonde_buf body; /* the answer, or the line that is not whole yet */
	int stand_in;	       /* for the socket, until the request is sent; curl's to close */
	int line_error;	       /* what `line` ended it with */
	bool too_long;
	char error[CURL_ERROR_SIZE];
};

/* Begins with OPTIONS, of which url, token and ca_pem are read during the call only. 0 or -ENOMEM;
 * the socket is taken over in any case. T is zeroed, or ended. */
int sonde_transfer_start(struct sonde_transfer *t, const struct sonde_curl *curl, CURLM *multi,
			 const struct sonde_transfer_options *options);
/* The HTTP status that the server has begun to answer with, 0 before that. */
int sonde_transfer_status(const struct sonde_transfer *t);
/* Of one that has ended with RESULT: the HTTP status, or a negative errno with one line in *WHY,
 * which is valid until the next start. The body is sonde_buf_slice(&t->body). */
int sonde_transfer_result(struct sonde_transfer *t, CURLcode result, const char **why);
/* Ends it, done or not. The body goes with it. Accepts one that never began. */
void sonde_transfer_end(struct sonde_transfer *t);

#endif
