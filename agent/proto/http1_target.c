// SPDX-License-Identifier: Apache-2.0
#include "agent/proto/http1_target.h"

static struct sonde_slice cut_query(struct sonde_slice s)
{
	s.len = sonde_slice_find(s, 0, '?');
	s.len = sonde_slice_find(s, 0, '#');
	return s;
}

struct sonde_slice sonde_http1_target_host(struct sonde_slice authority)
{
	const uint8_t *at = authority.len ? memrchr(authority.ptr, '@', authority.len) : NULL;

	return at ? sonde_slice_from(authority, (size_t)(at - authority.ptr) + 1) : authority;
}

static size_t authority_end(struct sonde_slice s, size_t at)
{
	while (at < s.len && s.ptr[at] != '/' && s.ptr[at] != '?' && s.ptr[at] != '#')
		at++;
	return at;
}

static bool is_scheme_byte(uint8_t c)
{
	uint8_t lower = c | 0x20;

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
	       c == '.';
}

/* Offset behind "scheme://" (RFC 3986 section 3.1), or 0 when S does not begin so. */
static size_t scheme_end(struct sonde_slice s)
{
	size_t i = 0;

	while (i < s.len && is_scheme_byte(s.ptr[i]))
		i++;
	return i && sonde_slice_starts(sonde_slice_from(s, i), SONDE_SLICE_LIT("://")) ? i + 3 : 0;
}

/* "scheme://authority/path?query" with START behind the slashes, or "host:port" with START 0. */
static void split_authority(struct sonde_http1_request *r, size_t start, bool whole)
{
	size_t end = authority_end(r->target, start);

	if (!whole && end == r->target.len)
		return;
	r->host = sonde_http1_target_host(sonde_slice_sub(r->target, start, end - start));
	if (!start)
		return;
	r->path = cut_query(sonde_slice_from(r->target, end));
	if (!r->path.len)
		r->path = SONDE_SLICE_LIT("/");
}

void sonde_http1_target_split(struct sonde_http1_request *r, bool whole)
{
	struct sonde_slice t = r->target;
	size_t start;

	if (t.ptr[0] == '/') {
		r->path = t.len > 1 ? cut_query(t) : t;
	} else if (t.ptr[0] == '*' && t.len == 1) {
		r->path = t;
	} else {
		start = scheme_end(t);
		if (start || sonde_http1_is_connect(r->method))
			split_authority(r, start, whole);
	}
}
