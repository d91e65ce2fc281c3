// SPDX-License-Identifier: Apache-2.0
/* http1_target - what a request target names (RFC 9112 section 3.2). Private to http1.c. */
#ifndef SONDE_PROTO_HTTP1_TARGET_H
#define SONDE_PROTO_HTTP1_TARGET_H

#include "agent/proto/http1.h"

/*
 * Sets path and host of R from its method and target, which is not empty. WHOLE: the end of the
 * target was seen. What the target does not name stays as it is; a target in none of the four forms
 * names nothing. Userinfo never gets through, nor does an authority that may turn out to be one.
 */
void sonde_http1_target_split(struct sonde_http1_request *r, bool whole);

/* AUTHORITY without the userinfo in front of it. */
struct sonde_slice sonde_http1_target_host(struct sonde_slice authority);

static inline bool sonde_http1_is_connect(struct sonde_slice method)
{
	return sonde_slice_eq(method, SONDE_SLICE_LIT("CONNECT"));
}

#endif
