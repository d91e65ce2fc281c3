// SPDX-License-Identifier: Apache-2.0
/*
 * wire - structs of the pipeline to and from messages of the public schema (sonde.proto).
 *
 * Encoding borrows: a sonde_wire_request points into the request it was made from and allocates
 * nothing, so it can be made on the data thread. Decoding borrows too: the slices of the request
 * point into the unpacked message, which must outlive it.
 */
#ifndef SONDE_MODEL_WIRE_H
#define SONDE_MODEL_WIRE_H

#include "agent/model/connection.h"
#include "agent/model/request.h"
#include "agent/model/sonde.pb-c.h"

#define SONDE_WIRE_SOCKET "control.sock" /* below the run directory */

enum {
	SONDE_SCHEMA = 2,		/* raised when a message or a field is added */
	SONDE_WIRE_HEAD = 4,		/* bytes of a frame's length, little-endian */
	SONDE_WIRE_CLIENT_MAX = 65536,	/* bytes of a message from a client */
	SONDE_WIRE_DAEMON_MAX = 1 << 20 /* bytes of a message from the daemon */
};

static inline void sonde_wire_put_head(uint8_t head[SONDE_WIRE_HEAD], uint32_t len)
{
	for (int i = 0; i < SONDE_WIRE_HEAD; i++)
		head[i] = (uint8_t)(len >> (8 * i));
}

static inline uint32_t sonde_wire_head(const uint8_t head[SONDE_WIRE_HEAD])
{
	return head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
}

static inline struct sonde_slice sonde_wire_slice(ProtobufCBinaryData data)
{
	return sonde_slice_of(data.data, data.len);
}

/* The library's type has no const; nothing writes through it while packing. */
ProtobufCBinaryData sonde_wire_bytes(struct sonde_slice s);
char *sonde_wire_string(const char *s);

/* A Process message with its workload beside it. */
struct sonde_wire_process {
	Sonde__Process message;
	Sonde__Workload workload;
	Sonde__Label labels[SONDE_WORKLOAD_LABELS];
	Sonde__Label *label_list[SONDE_WORKLOAD_LABELS];
};

/* A process read back. Its workload borrows and is nobody's to hold: do not copy it with a request.
 */
struct sonde_wire_identity {
	struct sonde_process process;
	struct sonde_workload workload;
	struct sonde_workload_label labels[SONDE_WORKLOAD_LABELS];
};

/* A Request message with its parts beside it. Do not move it once filled. */
struct sonde_wire_request {
	Sonde__Request message;
	Sonde__Endpoint client, server, server_original;
	struct sonde_wire_process process, peer;
	Sonde__Http http;
};
void sonde_wire_from_request(const struct sonde_request *r, struct sonde_wire_request *out);

/* A request read back, with the processes it points to. Do not move it once filled. */
struct sonde_wire_decoded {
	struct sonde_request request;
	struct sonde_wire_identity process, peer;
};
/* 0, or -EPROTO with *OUT untouched: an address is not 16 bytes, or a number is out of range. */
int sonde_wire_to_request(const Sonde__Request *message, struct sonde_wire_decoded *out);

/* The same for connections. `opened_ns` and `fresh` stay behind: they mean nothing elsewhere. */
struct sonde_wire_connection {
	Sonde__Connection message;
	Sonde__Endpoint client, server, client_original, server_original;
	Sonde__Travel to_server, to_client;
	struct sonde_wire_process process, peer;
};
void sonde_wire_from_connection(const struct sonde_connection *c,
				struct sonde_wire_connection *out);
struct sonde_wire_decoded_connection {
	struct sonde_connection connection;
	struct sonde_wire_identity process, peer;
};
int sonde_wire_to_connection(const Sonde__Connection *message,
			     struct sonde_wire_decoded_connection *out);

/* What is SONDE_COUNT_UNKNOWN stays so on the way. IN may be NULL: nothing is known. */
void sonde_wire_put_travel(const struct sonde_travel *t, Sonde__Travel *out);
void sonde_wire_take_travel(const Sonde__Travel *in, struct sonde_travel *out);

/*
 * Appends FRAME with its length in front. 0, -E2BIG (over LIMIT bytes) or what the buffer says;
 * nothing is appended then.
 */
struct sonde_buf;
int sonde_wire_put_frame(struct sonde_buf *b, const Sonde__Frame *frame, size_t limit);

#endif
