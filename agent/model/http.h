// SPDX-License-Identifier: Apache-2.0
/* http - what the names of OpenTelemetry's HTTP conventions (semconv 1.44) need of a request. */
#ifndef SONDE_MODEL_HTTP_H
#define SONDE_MODEL_HTTP_H

#include "agent/core/slice.h"

/*
 * http.request.method: METHOD when it is one that OpenTelemetry knows (CONNECT, DELETE, GET, HEAD,
 * OPTIONS, PATCH, POST, PUT, QUERY, TRACE; methods are case-sensitive), else "_OTHER". Static.
 */
struct sonde_slice sonde_http_method(struct sonde_slice method);

/* The host of a Host field: without the port, an IPv6 literal without its brackets. */
struct sonde_slice sonde_http_host_name(struct sonde_slice host);

#endif
