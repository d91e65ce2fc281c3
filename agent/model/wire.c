// SPDX-License-Identifier: Apache-2.0
#include "agent/model/wire.h"

#include <errno.h>

#include "agent/core/buf.h"

ProtobufCBinaryData sonde_wire_bytes(struct sonde_slice s)
{
	union {
		const uint8_t *in;
		uint8_t *out;
	} ptr = { .in = s.ptr };

	return (ProtobufCBinaryData){ .len = s.len, .data = ptr.out };
}

char *sonde_wire_string(const char *s)
{
	union {
		const char *in;
		char *out;
	} ptr = { .in = s ? s : "" };

	return ptr.out;
}

int sonde_wire_put_frame(struct sonde_buf *b, const Sonde__Frame *frame, size_t limit)
{
	size_t len = sonde__frame__get_packed_size(frame);
	int err;

	if (len > limit)
		return -E2BIG;
	err = sonde_buf_reserve(b, SONDE_WIRE_HEAD + len);
	if (err)
		return err;
	sonde_wire_put_head(b->ptr + b->len, (uint32_t)len);
	sonde__frame__pack(frame, b->ptr + b->len + SONDE_WIRE_HEAD);
	b->len += SONDE_WIRE_HEAD + len;
	return 0;
}
