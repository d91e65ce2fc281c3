// SPDX-License-Identifier: Apache-2.0
/*
 * Chunked framing (RFC 9112 section 7.1) as a machine that eats one run of bytes at a time:
 *
 *   SIZE_FIRST -> SIZE -> [BLANK] -> [EXTENSION] -> [SIZE_LF] -+-> DATA -> DATA_END -> DATA_LF
 *       ^                                                      |                          |
 *       +------------------------------------------------------|--------------------------+
 *                                                              +-> TRAILER (<-> TRAILER_LINE)
 *                                                                    -> TRAILER_LF -> DONE
 *
 * Data, extensions and trailer lines are passed over at once, so the cost is per chunk, not per
 * byte. Any other byte leads to BROKEN, which is for good.
 */
#include <errno.h>

#include "agent/proto/http1.h"

enum state {
	SIZE_FIRST = 0, /* the first digit of a size */
	SIZE = 1,
	BLANK = 2,     /* behind the size, before ";" or the line end */
	EXTENSION = 3, /* up to the line end */
	SIZE_LF = 4,
	DATA = 5,
	DATA_END = 6, /* CR or LF behind the data */
	DATA_LF = 7,
	TRAILER = 8, /* first byte of a trailer line */
	TRAILER_LINE = 9,
	TRAILER_LF = 10, /* LF of the empty line */
	DONE = 11,
	BROKEN = 12,
};

static int hex_digit(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* While the size line is read, `remaining` is the size so far. */
static enum state add_digit(struct sonde_http1_chunks *c, int digit)
{
	if (c->remaining > (INT64_MAX >> 4))
		return BROKEN;
	c->remaining = c->remaining << 4 | (uint64_t)digit;
	return SIZE;
}

static enum state end_size(struct sonde_http1_chunks *c)
{
	if (!c->remaining)
		return TRAILER;
	if (c->body_bytes > INT64_MAX - c->remaining)
		return BROKEN;
	return DATA;
}

/* Behind the last digit: blanks, an extension, or the end of the line. */
static enum state after_size(struct sonde_http1_chunks *c, uint8_t byte)
{
	switch (byte) {
	case ' ':
	case '\t':
		return BLANK;
	case ';':
		return EXTENSION;
	case '\r':
		return SIZE_LF;
	case '\n':
		return end_size(c);
	default:
		return BROKEN;
	}
}

/* The state after BYTE, for the states that look at single bytes. */
static enum state step(struct sonde_http1_chunks *c, uint8_t byte)
{
	int digit = hex_digit(byte);

	switch (c->state) {
	case SIZE_FIRST:
		return digit < 0 ? BROKEN : add_digit(c, digit);
	case SIZE:
		return digit < 0 ? after_size(c, byte) : add_digit(c, digit);
	case BLANK:
		return after_size(c, byte);
	case SIZE_LF:
		return byte == '\n' ? end_size(c) : BROKEN;
	case DATA_END:
		if (byte == '\r')
			return DATA_LF;
		return byte == '\n' ? SIZE_FIRST : BROKEN;
	case DATA_LF:
		return byte == '\n' ? SIZE_FIRST : BROKEN;
	case TRAILER:
		if (byte == '\r')
			return TRAILER_LF;
		return byte == '\n' ? DONE : TRAILER_LINE;
	case TRAILER_LF:
		return byte == '\n' ? DONE : BROKEN;
	default:
		return BROKEN;
	}
}

/* Passes over data, an extension or a trailer line in one go; returns where it stopped. */
static size_t skip(struct sonde_http1_chunks *c, struct sonde_slice in, size_t at)
{
	size_t n = in.len - at;

	if (c->state == DATA) {
		if (n > c->remaining)
			n = (size_t)c->remaining;
		c->remaining -= n;
		c->body_bytes += n;
		if (!c->remaining)
			c->state = DATA_END;
		return at + n;
	}
	at = sonde_slice_find(in, at, '\n');
	if (at == in.len)
		return at;
	c->state = (uint8_t)(c->state == EXTENSION ? end_size(c) : TRAILER);
	return at + 1;
}

int sonde_http1_chunks_walk(struct sonde_http1_chunks *c, struct sonde_slice in, size_t *used)
{
	size_t at = 0;

	while (at < in.len && c->state != DONE && c->state != BROKEN) {
		if (c->state == DATA || c->state == EXTENSION || c->state == TRAILER_LINE)
			at = skip(c, in, at);
		else
			c->state = (uint8_t)step(c, in.ptr[at++]);
	}
	if (c->state == BROKEN)
		return -EPROTO;
	*used = at;
	return c->state == DONE;
}

bool sonde_http1_chunks_skip(struct sonde_http1_chunks *c, uint64_t n)
{
	if (!n)
		return true;
	if (c->state != DATA || n > c->remaining)
		return false;
	c->remaining -= n;
	c->body_bytes += n;
	if (!c->remaining)
		c->state = DATA_END;
	return true;
}

uint64_t sonde_http1_chunks_least(const struct sonde_http1_chunks *c)
{
	enum { LAST_CHUNK_LEN = 5 /* "0\r\n\r\n" */ };

	switch (c->state) {
	case DATA:
		return c->remaining + 2 + LAST_CHUNK_LEN;
	case DATA_END:
		return 2 + LAST_CHUNK_LEN;
	case DATA_LF:
		return 1 + LAST_CHUNK_LEN;
	case SIZE_FIRST:
		return LAST_CHUNK_LEN;
	default:
		return 0;
	}
}
