// SPDX-License-Identifier: Apache-2.0
/*
 * http1 - HTTP/1.0 and HTTP/1.1 message heads and chunked framing (RFC 9110, RFC 9112).
 *
 * Tolerant where real traffic is (bare LF, obs-fold, blanks around values), strict where a wrong
 * reading would give a wrong number (lengths, status, chunk sizes). Bodies are not its business:
 * it says how long one is, track skips it.
 */
#ifndef SONDE_PROTO_HTTP1_H
#define SONDE_PROTO_HTTP1_H

#include "agent/core/slice.h"
#include "agent/proto/proto.h"

enum {
	SONDE_HTTP1_HEAD_MAX = 65536, /* bytes of one head; more is -E2BIG */
	SONDE_HTTP1_FIELDS_MAX = 256, /* header lines, folds included; more is -E2BIG */
	SONDE_HTTP1_METHOD_MAX = 32,  /* bytes; a longer token is -EPROTO */
};

/* How the body of a message is delimited. */
enum sonde_http1_body {
	SONDE_HTTP1_BODY_NONE = 0,   /* no body follows the head */
	SONDE_HTTP1_BODY_LENGTH = 1, /* body_length bytes */
	SONDE_HTTP1_BODY_CHUNKED = 2,
	SONDE_HTTP1_BODY_CLOSE = 3,   /* until the connection ends (responses) */
	SONDE_HTTP1_BODY_UNKNOWN = 4, /* the head was cut before it told */
};

struct sonde_http1_request {
	struct sonde_slice method;
	struct sonde_slice target; /* as on the wire: origin, absolute, authority or `*` form */
	/*
	 * Path of the target: no authority, query, fragment. "/" (static memory) for an absolute
	 * target without one; empty for the authority form and for what is none of the four forms.
	 */
	struct sonde_slice path;
	/* Host, or the authority of the target, which wins; with the port, without userinfo. */
	struct sonde_slice host;
	struct sonde_slice user_agent;
	struct sonde_slice trace_id; /* of a valid traceparent (W3C Trace Context), else empty */
	struct sonde_slice span_id;
	uint64_t body_length; /* for BODY_LENGTH */
	enum sonde_http1_body body;
	uint8_t version; /* 10 or 11; 0: the head was cut before it */
	bool expect_continue;
	bool upgrade; /* asks for an upgrade (Upgrade, named in Connection), or is CONNECT */
	bool close;   /* Connection: close, or 1.0 without keep-alive */
};

struct sonde_http1_response {
	uint16_t status; /* 100..599, or up to 999 as on the wire */
	uint64_t body_length;
	enum sonde_http1_body body; /* as the head alone tells: HEAD, CONNECT are track's to know */
	uint8_t version;
	bool close;
};

/*
 * Contract of proto.h: consumed bytes are the head with its empty line, and with empty lines before
 * a request. -EPROTO is also a body without a known length: a Content-Length that is no number or
 * several, a request whose Transfer-Encoding does not end in chunked. A response to HEAD or CONNECT
 * is told by its head as any other. Of a folded Host, User-Agent or traceparent only the first line
 * that is not empty counts.
 */
int sonde_http1_parse_request(struct sonde_slice in, struct sonde_http1_request *out);
int sonde_http1_parse_response(struct sonde_slice in, struct sonde_http1_response *out);

/*
 * The same for a head that was cut by the capture limit: fills *OUT with what whole lines tell, at
 * least method and path (a path cut by the end is given as far as it goes, and is empty when an
 * absolute target was cut in its authority) or the status. A line is whole when the byte behind its
 * end is there, which could fold the next one to it. body is BODY_UNKNOWN unless a whole line told.
 * A whole head is taken as well. Returns 0, or -EPROTO / -EAGAIN (not even that much).
 */
int sonde_http1_parse_cut_request(struct sonde_slice in, struct sonde_http1_request *out);
int sonde_http1_parse_cut_response(struct sonde_slice in, struct sonde_http1_response *out);

/* Where a chunked body stands. Zero it to begin. */
struct sonde_http1_chunks {
	/* Bytes of the current chunk not yet seen, its CRLF not included; within a size line, the
	 * size as far as it was read. */
	uint64_t remaining;
	uint64_t body_bytes; /* data bytes passed, framing not counted */
	uint8_t state;	     /* private */
};

/*
 * Walks chunked framing through IN. Returns 1 when the body (with its trailer section) ended and
 * *USED bytes belong to it, 0 when all of IN was used and more must follow, -EPROTO when the
 * framing is broken (*USED untouched), then and ever after. The state survives any split of the
 * input. A chunk and a body of more than INT64_MAX bytes are broken.
 */
int sonde_http1_chunks_walk(struct sonde_http1_chunks *c, struct sonde_slice in, size_t *used);
/* Passes over N bytes that nobody has seen. False when they are not all data of the current chunk:
 * then the walk is lost and *C unchanged. */
bool sonde_http1_chunks_skip(struct sonde_http1_chunks *c, uint64_t n);
/* The fewest bytes that can still follow: the current chunk, its line end, and a last chunk without
 * a trailer. 0: not known, within a size line or the trailer, or the body is over. */
uint64_t sonde_http1_chunks_least(const struct sonde_http1_chunks *c);

extern const struct sonde_proto_ops sonde_http1_ops;

#endif
