// SPDX-License-Identifier: Apache-2.0
/*
 * buf - an owned, bounded run of bytes that is written front to back.
 *
 * The error is sticky: a write that does not fit (or that malloc refuses) writes nothing, marks the
 * buffer, and so do all later writes; the caller looks once, at the end. A buffer either grows up
 * to its limit (sonde_buf_init) or lives in memory of the caller (sonde_buf_over).
 */
#ifndef SONDE_CORE_BUF_H
#define SONDE_CORE_BUF_H

#include "agent/core/slice.h"

struct sonde_buf {
	uint8_t *ptr; /* owned when grows is set, else borrowed */
	size_t len;   /* bytes written */
	size_t cap;   /* bytes at ptr */
	size_t limit; /* cap never passes it */
	bool grows;
	bool failed; /* something did not fit */
};

/* An empty buffer that allocates as it grows, to at most LIMIT bytes. */
void sonde_buf_init(struct sonde_buf *b, size_t limit);
/* A buffer over CAP bytes at PTR, which must outlive it. Never allocates. */
void sonde_buf_over(struct sonde_buf *b, void *ptr, size_t cap);
/* Frees what a growing buffer owns. Accepts a zeroed or finished buffer. */
void sonde_buf_fini(struct sonde_buf *b);
/* Forgets contents and error, keeps the memory. */
void sonde_buf_reset(struct sonde_buf *b);

/* Makes room for LEN more bytes. 0, or -ENOSPC / -ENOMEM with the buffer marked as failed. */
int sonde_buf_reserve(struct sonde_buf *b, size_t len);
void sonde_buf_put(struct sonde_buf *b, const void *ptr, size_t len);
void sonde_buf_put_slice(struct sonde_buf *b, struct sonde_slice s);
void sonde_buf_put_str(struct sonde_buf *b, const char *s);
void sonde_buf_put_byte(struct sonde_buf *b, uint8_t byte);
void sonde_buf_put_u64(struct sonde_buf *b, uint64_t v);
void sonde_buf_put_i64(struct sonde_buf *b, int64_t v);
/* The shortest text that reads back as V ("0.25", "1e+10"); "+Inf", "-Inf", "NaN". */
void sonde_buf_put_double(struct sonde_buf *b, double v);
/* Text of more than 255 bytes needs room for one byte more than it has. */
void sonde_buf_printf(struct sonde_buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What has been written. Valid until the next write. */
static inline struct sonde_slice sonde_buf_slice(const struct sonde_buf *b)
{
	return sonde_slice_of(b->ptr, b->len);
}

#endif
