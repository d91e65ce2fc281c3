// SPDX-License-Identifier: Apache-2.0
/*
 * proto - the contract of a protocol parser, and their table.
 *
 * A parser is a pure function: bytes in, struct out. It allocates nothing, reads no clock, logs
 * nothing and keeps no state of its own; it never reads outside the slice it is given. track calls
 * it on the worker's data thread with whatever has been captured so far.
 *
 * Every parse function returns
 *   > 0      bytes consumed: the message head is whole and *out is filled
 *   -EAGAIN  what is there is a proper prefix: come again with more
 *   -EPROTO  this is not the protocol
 *   -E2BIG   over one of the parser's limits
 * and leaves *out untouched unless it says otherwise beside the function.
 */
#ifndef SONDE_PROTO_PROTO_H
#define SONDE_PROTO_PROTO_H

#include "agent/core/slice.h"
#include "agent/model/request.h"

enum sonde_likeness {
	SONDE_LIKENESS_NO = 0,	  /* cannot be the start of a message of this protocol */
	SONDE_LIKENESS_MAYBE = 1, /* too short to tell, nothing speaks against it */
	SONDE_LIKENESS_YES = 2,
};

struct sonde_proto_ops {
	enum sonde_protocol id;
	const char *name;
	/* How much HEAD, the first bytes of a turn, looks like a request / a response. */
	enum sonde_likeness (*request_likeness)(struct sonde_slice head);
	enum sonde_likeness (*response_likeness)(struct sonde_slice head);
};

/* The table, walked by its size. */
extern const struct sonde_proto_ops *const sonde_protos[];
extern const size_t sonde_n_protos;

#endif
