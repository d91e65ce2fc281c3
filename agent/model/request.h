// SPDX-License-Identifier: Apache-2.0
/*
 * request - one exchange between a client and a server, whatever the protocol.
 *
 * track builds it on the stack when the exchange is over and hands it down the pipeline; every
 * slice borrows memory of the connection and is valid only during that call. A sink that keeps one
 * copies it with sonde_request_copy().
 */
#ifndef SONDE_MODEL_REQUEST_H
#define SONDE_MODEL_REQUEST_H

#include "agent/core/slice.h"
#include "agent/model/process.h"

enum sonde_protocol {
	SONDE_PROTOCOL_UNKNOWN = 0,
	SONDE_PROTOCOL_HTTP1 = 1, /* named "http" to people; version in `version` */
	SONDE_PROTOCOLS = 2,
};

enum sonde_role {
	SONDE_ROLE_UNKNOWN = 0,
	SONDE_ROLE_SERVER = 1,
	SONDE_ROLE_CLIENT = 2,
	SONDE_ROLES = 3,
};

/* Why an exchange failed. STATUS: the answer itself says so (HTTP 5xx, or 4xx seen by a client). */
enum sonde_error {
	SONDE_ERROR_NONE = 0,
	SONDE_ERROR_STATUS = 1,
	SONDE_ERROR_RESET = 2,	 /* the connection was reset before the answer ended */
	SONDE_ERROR_CLOSED = 3,	 /* closed in order, but the answer had not come or was cut */
	SONDE_ERROR_TIMEOUT = 4, /* no answer within the configured time, or TCP gave up */
	SONDE_ERRORS = 5,
};

struct sonde_endpoint {
	uint8_t address[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	uint16_t port;	     /* host order */
};

struct sonde_request {
	uint64_t connection_id;
	uint64_t start_ns;     /* CLOCK_MONOTONIC: first byte of the request */
	uint64_t time_unix_ns; /* the same moment as wall time */
	uint64_t duration_ns;  /* first byte of the request to last byte of the answer */
	uint64_t ttfb_ns;      /* to the first byte of the (final) answer; 0 when none came */
	/*
	 * Where duration_ns went; the four add up to it when has_parts. The network: a client's
	 * round trip, a server's wait for the rest of the request. The queue: the socket's, until
	 * the application read (0 when queue_known is false: it is in application_ns then). The
	 * transfer: first to last byte of the answer.
	 */
	uint64_t network_ns, queue_ns, application_ns, transfer_ns;
	uint64_t request_bytes; /* on the socket, head included */
	uint64_t response_bytes;
	uint64_t request_body_bytes; /* without heads and chunk framing where known */
	uint64_t response_body_bytes;
	enum sonde_protocol protocol;
	enum sonde_role role;
	enum sonde_error error;
	uint16_t status; /* protocol's own number, 0 when there was no answer */
	uint8_t version; /* HTTP: 10 or 11 */
	bool has_parts;	 /* the answer came */
	bool queue_known;
	bool truncated; /* the head was cut by the capture limit: fields may be missing */

	struct sonde_slice method; /* as on the wire; metrics use sonde_http_method() */
	struct sonde_slice path;   /* without query and fragment */
	struct sonde_slice host;
	struct sonde_slice user_agent;
	struct sonde_slice trace_id; /* 32 lower-case hex digits, or empty */
	struct sonde_slice span_id;  /* 16, or empty */

	struct sonde_endpoint client;
	struct sonde_endpoint server;
	struct sonde_endpoint server_original; /* what the client asked for; port 0: the same */
	const struct sonde_process *process;   /* the reporting side; never NULL */
	const struct sonde_process *peer;      /* the other side when on this node, else NULL */

	/* Filled on the way down, by the rooms that know. Names live as long as the process does.
	 */
	struct sonde_slice service; /* service.name of the reporting side */
	struct sonde_slice service_namespace, service_version; /* of the same; empty: unknown */
	/* Of the other side: its service when it is on this node, else its group of addresses. */
	struct sonde_slice peer_service;
	struct sonde_slice route;     /* template such as /users/{id}; empty: unset */
	struct sonde_slice operation; /* "GET /users/{id}" */
};

/* What `error.type` says: the status as text, or "reset", "closed", "timeout"; "" for none. */
struct sonde_slice sonde_request_error_type(const struct sonde_request *r, char scratch[8]);
const char *sonde_protocol_name(enum sonde_protocol protocol); /* "http", "unknown" */
const char *sonde_role_name(enum sonde_role role);	       /* "server", "client", "unknown" */

/* A request that owns its bytes: one allocation, strings and both processes behind the struct. */
struct sonde_request *sonde_request_copy(const struct sonde_request *r); /* NULL: no memory */
void sonde_request_free(struct sonde_request *copy);

/* Dotted quad for v4-mapped, RFC 5952 otherwise; no brackets. */
enum { SONDE_ADDRESS_TEXT = 46 };
void sonde_endpoint_address(const struct sonde_endpoint *e, char text[SONDE_ADDRESS_TEXT]);

#endif
