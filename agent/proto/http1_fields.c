// SPDX-License-Identifier: Apache-2.0
#include "agent/proto/http1_fields.h"

#include <errno.h>

#include "agent/core/lines.h"
#include "agent/proto/http1.h"

#define EACH_BYTE(x) (0x0101010101010101ULL * (x))

/*
 * Whether 8 (or 4) bytes at P spell WANT, which is lower case. Letters have bit 0x40 set and differ
 * by 0x20 from their capitals, so that bit shifted once is the mask that folds letters only.
 */
static inline bool same8(const uint8_t *p, const char *want)
{
	uint64_t have, w;

	memcpy(&have, p, sizeof(have));
	memcpy(&w, want, sizeof(w));
	return (have | (w >> 1 & EACH_BYTE(0x20u))) == w;
}

static inline bool same4(const uint8_t *p, const char *want)
{
	uint32_t have, w;

	memcpy(&have, p, sizeof(have));
	memcpy(&w, want, sizeof(w));
	return (have | (w >> 1 & (uint32_t)EACH_BYTE(0x20u))) == w;
}

/*
 * The N bytes of S, which has as many, spell WANT in any case; 4 <= N <= 24. N is known wherever
 * this is inlined, so that a few loads are left.
 */
static inline __attribute__((always_inline)) bool begins(struct sonde_slice s, const char *want,
							 size_t n)
{
	if (n < 8)
		return same4(s.ptr, want) && same4(s.ptr + n - 4, want + n - 4);
	return same8(s.ptr, want) && (n <= 16 || same8(s.ptr + 8, want + 8)) &&
	       same8(s.ptr + n - 8, want + n - 8);
}

#define IS(s, literal) ((s).len == sizeof(literal) - 1 && begins(s, literal, sizeof(literal) - 1))

/* Optional whitespace, and the line ends inside a folded value. */
static inline bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct sonde_slice trim_all(const uint8_t *p, const uint8_t *end)
{
	while (p < end && is_blank(*p))
		p++;
	while (p < end && is_blank(end[-1]))
		end--;
	return sonde_slice_of(p, (size_t)(end - p));
}

/* Mostly there is one space in front and one CR behind. */
static inline struct sonde_slice trim(struct sonde_slice s)
{
	const uint8_t *p = s.ptr, *end = s.ptr + s.len;

	if (p < end && *p == ' ')
		p++;
	if (p < end && end[-1] == '\r')
		end--;
	if (p < end && (*p <= ' ' || end[-1] <= ' '))
		return trim_all(p, end);
	return sonde_slice_of(p, (size_t)(end - p));
}

/* When LINE is the field NAME of N bytes: true, and *VALUE is its trimmed value. */
static inline __attribute__((always_inline)) bool
field_value(struct sonde_slice line, const char *name, size_t n, struct sonde_slice *value)
{
	if (line.len <= n || !begins(line, name, n))
		return false;
	/* Blanks before the colon are forbidden, but where they get through they are ignored. */
	while (line.ptr[n] != ':')
		if (!is_blank(line.ptr[n]) || ++n == line.len)
			return false;
	*value = trim(sonde_slice_of(line.ptr + n + 1, line.len - n - 1));
	return true;
}

#define FIELD(line, literal, value) field_value(line, literal, sizeof(literal) - 1, value)

/* Of the comma-separated LIST, the element that begins at AT, not trimmed. */
static inline struct sonde_slice element_at(struct sonde_slice list, size_t at)
{
	return sonde_slice_of(list.ptr + at, sonde_slice_find(list, at, ',') - at);
}

/* A decimal number that fits in an off_t, which is what servers ask for; else -1. */
static inline int64_t number_of(struct sonde_slice s)
{
	const uint8_t *p = s.ptr, *end = p + s.len;
	int64_t n = 0;

	if (p == end)
		return -1;
	for (; p < end; p++) {
		unsigned int digit = *p - (unsigned int)'0';

		/* Refuses a few numbers just below the bound, which no length comes near. */
		if (digit > 9 || n >= INT64_MAX / 10)
			return -1;
		n = n * 10 + digit;
	}
	return n;
}

static inline bool set_length(struct sonde_http1_fields *f, int64_t n)
{
	if (n < 0 || (f->has_length && f->length != (uint64_t)n))
		return false;
	f->length = (uint64_t)n;
	f->has_length = true;
	return true;
}

/* RFC 9112 section 6.3 rule 5: several values are fine when all are the same number. */
static __attribute__((noinline)) int take_lengths(struct sonde_http1_fields *f,
						  struct sonde_slice list)
{
	struct sonde_slice element;

	for (size_t at = 0; at <= list.len; at += element.len + 1) {
		element = element_at(list, at);
		if (!set_length(f, number_of(trim(element))))
			return -EPROTO;
	}
	return 0;
}

static inline int take_length(struct sonde_http1_fields *f, struct sonde_slice list)
{
	return set_length(f, number_of(list)) ? 0 : take_lengths(f, list);
}

static __attribute__((noinline)) void take_coding(struct sonde_http1_fields *f,
						  struct sonde_slice list)
{
	struct sonde_slice element;

	for (size_t at = 0; at < list.len; at += element.len + 1) {
		struct sonde_slice coding;

		element = element_at(list, at);
		coding = trim(element);
		if (IS(coding, "chunked"))
			f->coding = SONDE_HTTP1_CODING_CHUNKED;
		else if (coding.len && !IS(coding, "identity"))
			f->coding = SONDE_HTTP1_CODING_OTHER;
	}
}

static inline bool take_option(struct sonde_http1_fields *f, struct sonde_slice option)
{
	if (IS(option, "keep-alive"))
		return f->keep_alive = true;
	if (IS(option, "close"))
		return f->close = true;
	if (IS(option, "upgrade"))
		return f->upgrade = true;
	return false;
}

static __attribute__((noinline)) void take_options(struct sonde_http1_fields *f,
						   struct sonde_slice list)
{
	struct sonde_slice element;

	for (size_t at = 0; at < list.len; at += element.len + 1) {
		element = element_at(list, at);
		take_option(f, trim(element));
	}
}

static inline void take_text(struct sonde_slice *out, struct sonde_slice value, bool folded)
{
	if (out->len)
		return;
	if (folded && value.len)
		value = trim(sonde_slice_sub(value, 0, sonde_slice_find(value, 0, '\n')));
	*out = value;
}

static inline int take_field(struct sonde_http1_fields *f, struct sonde_slice line, bool folded)
{
	uint8_t letter = line.ptr[0] | 0x20;
	struct sonde_slice v;

	if (letter == 'c') {
		if (FIELD(line, "content-length", &v))
			return take_length(f, v);
		/* Nearly always the list is one option, or one number above. */
		if (FIELD(line, "connection", &v) && !take_option(f, v))
			take_options(f, v);
	} else if (letter == 'h') {
		if (FIELD(line, "host", &v))
			take_text(&f->host, v, folded);
	} else if (letter == 'u') {
		if (FIELD(line, "user-agent", &v))
			take_text(&f->user_agent, v, folded);
		else if (FIELD(line, "upgrade", &v))
			f->has_upgrade = true;
	} else if (letter == 't') {
		if (FIELD(line, "transfer-encoding", &v)) {
			take_coding(f, v);
		} else if (FIELD(line, "traceparent", &v)) {
			take_text(&f->traceparent, v, folded);
			f->n_traceparent = f->n_traceparent ? 2 : 1;
		}
	} else if (letter == 'e') {
		if (FIELD(line, "expect", &v))
			f->expect_continue |= IS(v, "100-continue");
	}
	return 0;
}

/* Length of the line end at P, 0 when there is none. */
static inline int line_end(const uint8_t *p, const uint8_t *end)
{
	if (*p == '\n')
		return 1;
	return *p == '\r' && end - p > 1 && p[1] == '\n' ? 2 : 0;
}

int sonde_http1_fields_parse(struct sonde_slice in, size_t at, uint32_t letters,
			     struct sonde_http1_fields *f)
{
	const uint8_t *line = in.ptr + at, *const end = in.ptr + in.len;
	unsigned int n_lines = 0;
	bool folded = false;

	if (line < end && line_end(line, end))
		return (int)at + line_end(line, end);
	for (; at < in.len; at += SONDE_LINES_BLOCK) {
		const uint8_t *behind = in.ptr + at + 1;
		uint64_t mask = sonde_lines_mask(in, at);

		for (; mask; mask &= mask - 1) {
			const uint8_t *next = behind + __builtin_ctzll(mask);

			if (next == end)
				return -EAGAIN;
			if (++n_lines > SONDE_HTTP1_FIELDS_MAX)
				return -E2BIG;
			/* The field goes on in the next line. */
			if (*next <= ' ' && (*next == ' ' || *next == '\t')) {
				folded = true;
				continue;
			}
			if (letters & 1u << (*line & 31) &&
			    take_field(f, sonde_slice_of(line, (size_t)(next - 1 - line)), folded))
				return -EPROTO;
			if (*next <= '\r' && line_end(next, end))
				return (int)(next - in.ptr) + line_end(next, end);
			folded = false;
			line = next;
		}
	}
	return -EAGAIN;
}
