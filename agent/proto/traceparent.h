// SPDX-License-Identifier: Apache-2.0
/* traceparent - the value of the traceparent header (W3C Trace Context, section 3.2). */
#ifndef SONDE_PROTO_TRACEPARENT_H
#define SONDE_PROTO_TRACEPARENT_H

#include "agent/core/slice.h"

/*
 * Reads VALUE, without blanks around it: "00-<32 hex>-<16 hex>-<2 hex>", lower case. Version ff and
 * ids of zeros alone are refused; version 00 has exactly these 55 bytes, a later one may go on
 * after another "-". Returns 0 with both ids borrowed from VALUE, or -EPROTO with them untouched.
 */
int sonde_traceparent_parse(struct sonde_slice value, struct sonde_slice *trace_id,
			    struct sonde_slice *span_id);

#endif
