// SPDX-License-Identifier: Apache-2.0
/*
 * http1_heads - what must hold for any message head, whichever parser reads it. Included by the
 * tests of requests and of responses, which bring the parser in a common form.
 */
#ifndef SONDE_TESTS_UNIT_PROTO_HTTP1_HEADS_H
#define SONDE_TESTS_UNIT_PROTO_HTTP1_HEADS_H

#include <errno.h>
#include <string.h>

#include "tests/unit/guard.h"

enum { HEAD_OUT_MAX = 256 };

struct head_parser {
	int (*parse)(struct sonde_slice in, void *out);
	size_t out_size;
};

/* Parses behind a guard page; on failure the out-parameter must be as it was. */
static inline int head_parse(const struct head_parser *p, const struct guard *g,
			     struct sonde_slice in)
{
	uint8_t out[HEAD_OUT_MAX] __attribute__((aligned(16))), before[HEAD_OUT_MAX];
	int ret;

	assert_true(p->out_size <= sizeof(out));
	memset(out, 0xa5, sizeof(out));
	memset(before, 0xa5, sizeof(before));
	ret = p->parse(guard_put(g, in), out);
	if (ret <= 0)
		assert_memory_equal(out, before, p->out_size);
	return ret;
}

static inline void head_every_prefix_asks_for_more(const struct head_parser *p, const char *text)
{
	struct sonde_slice in = sonde_slice_str(text);
	struct guard g = guard_new(in.len);

	for (size_t n = 0; n < in.len; n++)
		if (head_parse(p, &g, sonde_slice_sub(in, 0, n)) != -EAGAIN)
			fail_msg("prefix of %zu bytes of: %s", n, text);
	assert_int_equal(head_parse(p, &g, in), in.len);
	guard_free(&g);
}

/* What follows a head belongs to somebody else. */
static inline void head_consumes_no_more(const struct head_parser *p, const char *text)
{
	struct sonde_slice in = sonde_slice_str(text);
	struct guard g = guard_new(2 * in.len);
	char twice[4096];

	assert_true(2 * in.len < sizeof(twice));
	memcpy(twice, in.ptr, in.len);
	memcpy(twice + in.len, in.ptr, in.len);
	for (size_t n = in.len; n <= 2 * in.len; n++)
		assert_int_equal(head_parse(p, &g, sonde_slice_of(twice, n)), in.len);
	guard_free(&g);
}

/* Any byte may be any other: a known return code, and no prefix knows better than the whole. */
static inline void head_survives_mutation(const struct head_parser *p, const char *text)
{
	struct sonde_slice in = sonde_slice_str(text);
	struct guard g = guard_new(in.len);
	uint8_t copy[2048];

	assert_true(in.len <= sizeof(copy));
	memcpy(copy, in.ptr, in.len);
	for (size_t i = 0; i < in.len; i++) {
		for (unsigned int byte = 0; byte < 256; byte++) {
			int whole, part;

			copy[i] = (uint8_t)byte;
			whole = head_parse(p, &g, sonde_slice_of(copy, in.len));
			assert_true(whole == -EAGAIN || whole == -EPROTO || whole == -E2BIG ||
				    (whole > 0 && (size_t)whole <= in.len));
			part = head_parse(p, &g, sonde_slice_of(copy, i + 1));
			if (part != -EAGAIN && part != whole)
				fail_msg("byte %u at %zu: %d, then %d", byte, i, part, whole);
		}
		copy[i] = in.ptr[i];
	}
	guard_free(&g);
}

/* START, then N times LINE, then the empty line. */
static inline int head_of_lines(const struct head_parser *p, const char *start, const char *line,
				size_t n)
{
	size_t cap = strlen(start) + n * strlen(line) + 3, len;
	struct guard g = guard_new(cap);
	char *text = malloc(cap), *at;
	int ret;

	assert_non_null(text);
	at = stpcpy(text, start);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, line);
	at = stpcpy(at, "\r\n");
	len = (size_t)(at - text);
	ret = head_parse(p, &g, sonde_slice_of(text, len));
	if (ret > 0)
		assert_int_equal(ret, len);
	guard_free(&g);
	free(text);
	return ret;
}

#endif
