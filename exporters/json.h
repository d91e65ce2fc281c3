// SPDX-License-Identifier: Apache-2.0
/*
 * json - a request or a connection as one JSON object: what the command line and the exporter
 * print.
 *
 * `record` says which of the two it is. Times are RFC 3339 in UTC with nine digits; connection_id
 * is a string, since a JSON number loses bits beyond 2^53. Attributes carry OpenTelemetry names
 * (semconv 1.44). What is not known is absent. Bytes from the network come out as valid, harmless
 * UTF-8 (sonde_escape_json).
 */
#ifndef SONDE_EXPORTERS_JSON_H
#define SONDE_EXPORTERS_JSON_H

#include "agent/core/buf.h"
#include "agent/model/connection.h"
#include "agent/model/request.h"

/* Appends the object, without a newline. */
void sonde_json_request(struct sonde_buf *b, const struct sonde_request *r);
void sonde_json_connection(struct sonde_buf *b, const struct sonde_connection *c);

/* "2026-11-24T02:27:29.000000001Z", without quotes. */
void sonde_json_time(struct sonde_buf *b, uint64_t unix_ns);
/* A quoted string. */
void sonde_json_string(struct sonde_buf *b, struct sonde_slice s);

#endif
