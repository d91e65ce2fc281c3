// SPDX-License-Identifier: Apache-2.0
/*
 * http1_fields - the header section of an HTTP/1.x message, reduced to what Sonde needs.
 *
 * Private to http1.c. Only lines whose name is wanted are looked into; of the others nothing but
 * the line end is sought, which is what makes a head cheap.
 */
#ifndef SONDE_PROTO_HTTP1_FIELDS_H
#define SONDE_PROTO_HTTP1_FIELDS_H

#include "agent/core/slice.h"

/* What Transfer-Encoding names last; "identity" does not count. */
enum sonde_http1_coding {
	SONDE_HTTP1_CODING_NONE = 0,
	SONDE_HTTP1_CODING_CHUNKED = 1,
	SONDE_HTTP1_CODING_OTHER = 2,
};

struct sonde_http1_fields {
	/* Trimmed; the first of several; of a folded value the first line that is not empty. */
	struct sonde_slice host;
	struct sonde_slice user_agent;
	struct sonde_slice traceparent;
	uint64_t length; /* Content-Length */
	bool has_length;
	uint8_t coding;			 /* enum sonde_http1_coding */
	uint8_t n_traceparent;		 /* 0, 1, 2 for more */
	bool close, keep_alive, upgrade; /* options of Connection */
	bool has_upgrade;		 /* there is an Upgrade field */
	bool expect_continue;
};

/* First letters of the names that are wanted, as bits by alphabet. */
#define SONDE_HTTP1_LETTER(c) (1u << ((c)&31))
#define SONDE_HTTP1_REQUEST_LETTERS                                                    \
	(SONDE_HTTP1_LETTER('c') | SONDE_HTTP1_LETTER('e') | SONDE_HTTP1_LETTER('h') | \
	 SONDE_HTTP1_LETTER('t') | SONDE_HTTP1_LETTER('u'))
#define SONDE_HTTP1_RESPONSE_LETTERS (SONDE_HTTP1_LETTER('c') | SONDE_HTTP1_LETTER('t'))

/*
 * Reads the fields of IN from AT on, which is behind the start line. Names that begin with none of
 * LETTERS are passed over. *F must be zeroed. Returns the
 * offset behind the empty line; -EAGAIN when there is none yet; -E2BIG when there are more lines
 * than SONDE_HTTP1_FIELDS_MAX; -EPROTO when Content-Length is no number or two. Unlike elsewhere
 * *F holds what was read so far in any case: the cut heads need it. A line was read when the byte
 * behind it has been seen, since that byte may fold the next line to it.
 */
int sonde_http1_fields_parse(struct sonde_slice in, size_t at, uint32_t letters,
			     struct sonde_http1_fields *f);

#endif
