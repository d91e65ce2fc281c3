// SPDX-License-Identifier: Apache-2.0
#include "agent/core/buf.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAP = 256 };

void sonde_buf_init(struct sonde_buf *b, size_t limit)
{
	*b = (struct sonde_buf){ .limit = limit, .grows = true };
}

void sonde_buf_over(struct sonde_buf *b, void *ptr, size_t cap)
{
	*b = (struct sonde_buf){ .ptr = ptr, .cap = cap, .limit = cap };
}

void sonde_buf_fini(struct sonde_buf *b)
{
	if (b->grows)
		free(b->ptr);
	*b = (struct sonde_buf){ 0 };
}

void sonde_buf_reset(struct sonde_buf *b)
{
	b->len = 0;
	b->failed = false;
}

static int grow(struct sonde_buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	uint8_t *ptr;

	while (cap < need && cap < b->limit)
		cap = cap > b->limit / 2 ? b->limit : cap * 2;
	if (cap > b->limit)
		cap = b->limit;
	if (!b->grows || cap < need)
		return -ENOSPC;
	ptr = realloc(b->ptr, cap);
	if (!ptr)
		return -ENOMEM;
	b->ptr = ptr;
	b->cap = cap;
	return 0;
}

int sonde_buf_reserve(struct sonde_buf *b, size_t len)
{
	size_t need;
	int err = 0;

	if (b->failed || __builtin_add_overflow(b->len, len, &need))
		err = -ENOSPC;
	else if (need > b->cap)
		err = grow(b, need);
	if (err)
		b->failed = true;
	return err;
}

void sonde_buf_put(struct sonde_buf *b, const void *ptr, size_t len)
{
	if (!len || sonde_buf_reserve(b, len))
		return;
	memcpy(b->ptr + b->len, ptr, len);
	b->len += len;
}

void sonde_buf_put_slice(struct sonde_buf *b, struct sonde_slice s)
{
	sonde_buf_put(b, s.ptr, s.len);
}

void sonde_buf_put_str(struct sonde_buf *b, const char *s)
{
	sonde_buf_put(b, s, strlen(s));
}

void sonde_buf_put_byte(struct sonde_buf *b, uint8_t byte)
{
	sonde_buf_put(b, &byte, 1);
}

void sonde_buf_put_u64(struct sonde_buf *b, uint64_t v)
{
	char text[20];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + v % 10);
	while (v /= 10);
	sonde_buf_put(b, text + at, sizeof(text) - at);
}

void sonde_buf_put_i64(struct sonde_buf *b, int64_t v)
{
	uint64_t magnitude = (uint64_t)v;

	if (v < 0) {
		sonde_buf_put_byte(b, '-');
		magnitude = 0 - magnitude;
	}
	sonde_buf_put_u64(b, magnitude);
}

void sonde_buf_put_double(struct sonde_buf *b, double v)
{
	char text[32];

	if (isnan(v) || isinf(v)) {
		sonde_buf_put_str(b, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (digits == 17 || strtod(text, NULL) == v)
			break;
	}
	sonde_buf_put_str(b, text);
}

void sonde_buf_printf(struct sonde_buf *b, const char *fmt, ...)
{
	char text[256];
	va_list args, again;
	int len;

	va_start(args, fmt);
	va_copy(again, args);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < 0) {
		b->failed = true;
	} else if ((size_t)len < sizeof(text)) {
		sonde_buf_put(b, text, (size_t)len);
	} else if (sonde_buf_reserve(b, (size_t)len + 1) == 0) {
		/* One more for the NUL that vsnprintf insists on; it is not counted in len. */
		vsnprintf((char *)b->ptr + b->len, (size_t)len + 1, fmt, again);
		b->len += (size_t)len;
	}
	va_end(again);
}
