// SPDX-License-Identifier: Apache-2.0
#include "agent/proto/traceparent.h"

#include <errno.h>

/* Offsets in "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01". */
enum {
	TRACE_AT = 3,
	TRACE_LEN = 32,
	SPAN_AT = 36,
	SPAN_LEN = 16,
	FLAGS_AT = 53,
	VALUE_LEN = 55,
};

#define EACH_BYTE(x) (0x0101010101010101ULL * (x))

/* The high bit of each byte of W that is at least LEAST; all bytes of W are below 0x80. */
static uint64_t bytes_from(uint64_t w, uint8_t least)
{
	return (w + EACH_BYTE(0x80u - least)) & EACH_BYTE(0x80u);
}

static bool is_hex_word(uint64_t w)
{
	uint64_t digits = bytes_from(w, '0') & ~bytes_from(w, '9' + 1);
	uint64_t letters = bytes_from(w, 'a') & ~bytes_from(w, 'f' + 1);

	return !(w & EACH_BYTE(0x80u)) && (digits | letters) == EACH_BYTE(0x80u);
}

/* LEN, a multiple of 8, lower-case hex digits that are not all zero. */
static bool is_id(const uint8_t *p, size_t len)
{
	uint64_t w, any = 0;

	for (size_t i = 0; i < len; i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		if (!is_hex_word(w))
			return false;
		any |= w ^ EACH_BYTE((uint8_t)'0');
	}
	return any != 0;
}

static bool is_hex_pair(const uint8_t *p)
{
	uint64_t w = EACH_BYTE((uint8_t)'0');

	memcpy(&w, p, 2);
	return is_hex_word(w);
}

int sonde_traceparent_parse(struct sonde_slice value, struct sonde_slice *trace_id,
			    struct sonde_slice *span_id)
{
	const uint8_t *p = value.ptr;

	if (value.len < VALUE_LEN || p[TRACE_AT - 1] != '-' || p[SPAN_AT - 1] != '-' ||
	    p[FLAGS_AT - 1] != '-')
		return -EPROTO;
	if (!is_hex_pair(p) || memcmp(p, "ff", 2) == 0 || !is_hex_pair(p + FLAGS_AT))
		return -EPROTO;
	if (value.len > VALUE_LEN && (memcmp(p, "00", 2) == 0 || p[VALUE_LEN] != '-'))
		return -EPROTO;
	if (!is_id(p + TRACE_AT, TRACE_LEN) || !is_id(p + SPAN_AT, SPAN_LEN))
		return -EPROTO;
	*trace_id = sonde_slice_sub(value, TRACE_AT, TRACE_LEN);
	*span_id = sonde_slice_sub(value, SPAN_AT, SPAN_LEN);
	return 0;
}
