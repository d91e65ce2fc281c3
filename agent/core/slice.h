// SPDX-License-Identifier: Apache-2.0
/*
 * slice - a borrowed run of bytes.
 *
 * A slice never owns memory and is never NUL-terminated by contract. Everything that comes from the
 * network travels as a slice; sonde_slice_at() and sonde_slice_sub() are the only ways in, and both
 * refuse to leave it.
 */
#ifndef SONDE_CORE_SLICE_H
#define SONDE_CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sonde_slice {
	const uint8_t *ptr; /* may be NULL only when len is 0 */
	size_t len;	    /* bytes */
};

#define SONDE_SLICE_EMPTY ((struct sonde_slice){ NULL, 0 })
/* A slice over a string literal, without its NUL. */
#define SONDE_SLICE_LIT(s) ((struct sonde_slice){ (const uint8_t *)(s), sizeof(s) - 1 })

/* Borrows LEN bytes at PTR. */
static inline struct sonde_slice sonde_slice_of(const void *ptr, size_t len)
{
	return (struct sonde_slice){ (const uint8_t *)ptr, len };
}

/* Borrows a C string without its NUL; NULL gives the empty slice. */
static inline struct sonde_slice sonde_slice_str(const char *s)
{
	return s ? sonde_slice_of(s, strlen(s)) : SONDE_SLICE_EMPTY;
}

/* The byte at I, or -1 past the end. */
static inline int sonde_slice_at(struct sonde_slice s, size_t i)
{
	return i < s.len ? s.ptr[i] : -1;
}

/* The part [FROM, FROM + LEN), cut to what S holds: never longer, possibly empty. */
static inline struct sonde_slice sonde_slice_sub(struct sonde_slice s, size_t from, size_t len)
{
	if (from >= s.len)
		return SONDE_SLICE_EMPTY;
	if (len > s.len - from)
		len = s.len - from;
	return sonde_slice_of(s.ptr + from, len);
}

/* Everything from FROM on. */
static inline struct sonde_slice sonde_slice_from(struct sonde_slice s, size_t from)
{
	return sonde_slice_sub(s, from, SIZE_MAX);
}

static inline bool sonde_slice_eq(struct sonde_slice a, struct sonde_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case-insensitive equality; other bytes compare as they are. */
bool sonde_slice_eq_nocase(struct sonde_slice a, struct sonde_slice b);

static inline bool sonde_slice_starts(struct sonde_slice s, struct sonde_slice prefix)
{
	return s.len >= prefix.len && sonde_slice_eq(sonde_slice_sub(s, 0, prefix.len), prefix);
}

/* Index of the first BYTE at or after FROM, or S.len when there is none. */
static inline size_t sonde_slice_find(struct sonde_slice s, size_t from, uint8_t byte)
{
	const void *hit;

	if (from >= s.len)
		return s.len;
	hit = memchr(s.ptr + from, byte, s.len - from);
	return hit ? (size_t)((const uint8_t *)hit - s.ptr) : s.len;
}

/* S without ASCII space and tab at either end. */
struct sonde_slice sonde_slice_trim(struct sonde_slice s);

/*
 * Reads all of S as an unsigned number in BASE (10 or 16), no sign, no blanks.
 * Returns 0, -EINVAL (empty or a foreign byte) or -ERANGE; *OUT is set on 0 only.
 */
int sonde_slice_u64(struct sonde_slice s, unsigned int base, uint64_t *out);

/* Shell-style match of all of S: `*` any run (also of `/`), `?` one byte, `\` quotes. At most
 * len(S) * len(pattern) steps. */
bool sonde_slice_glob(struct sonde_slice s, struct sonde_slice pattern);

#endif
