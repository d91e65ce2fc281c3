// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/route_pattern.h"

#include "agent/agg/route.h"
#include "agent/core/escape.h"

void sonde_segments_split(struct sonde_slice path, struct sonde_segments *out)
{
	size_t i = 0;

	out->n = 0;
	out->more = false;
	while (i < path.len) {
		size_t end = sonde_slice_find(path, i, '/');

		if (end > i && out->n == SONDE_SEGMENTS_MAX) {
			out->more = true;
			return;
		}
		if (end > i)
			out->at[out->n++] = sonde_slice_sub(path, i, end - i);
		i = end + 1;
	}
}

static bool is_star(struct sonde_slice segment)
{
	return segment.len == 1 && segment.ptr[0] == '*';
}

static bool is_variable(struct sonde_slice segment)
{
	return is_star(segment) || segment.ptr[0] == ':' || segment.ptr[0] == '{';
}

static const char *check_segment(struct sonde_slice segment)
{
	size_t open = sonde_slice_find(segment, 0, '{'), close = sonde_slice_find(segment, 0, '}');

	if (is_star(segment))
		return NULL;
	if (sonde_slice_find(segment, 0, '*') < segment.len)
		return "`*` must be a whole segment";
	if (segment.ptr[0] == ':')
		return segment.len > 1 ? NULL : "`:` needs a name behind it";
	if (open == segment.len && close == segment.len)
		return NULL;
	if (open != 0 || close != segment.len - 1)
		return "`{name}` must be a whole segment";
	return segment.len > 2 ? NULL : "`{}` needs a name inside";
}

const char *sonde_route_check(struct sonde_slice pattern)
{
	struct sonde_segments segments;
	const char *wrong = NULL;

	if (sonde_slice_at(pattern, 0) != '/')
		return "must begin with `/`";
	if (pattern.len > SONDE_PATTERN_MAX)
		return "longer than 256 bytes";
	for (size_t i = 0; i < pattern.len;) {
		size_t n = sonde_escape_char(pattern, i);

		if (!n || pattern.ptr[i] == ' ')
			return "contains a blank or a byte that is not text";
		if (pattern.ptr[i] == '?' || pattern.ptr[i] == '#')
			return "must not contain a query or fragment";
		i += n;
	}
	sonde_segments_split(pattern, &segments);
	if (segments.more)
		return "more than 32 segments";
	for (size_t i = 0; i < segments.n && !wrong; i++)
		wrong = check_segment(segments.at[i]);
	return wrong;
}

void sonde_route_pattern_compile(struct sonde_slice text, struct sonde_route_pattern *out)
{
	sonde_segments_split(text, &out->segments);
	out->open = out->segments.n && is_star(out->segments.at[out->segments.n - 1]);
	if (out->open)
		out->segments.n--;
}

bool sonde_route_pattern_matches(const struct sonde_route_pattern *p,
				 const struct sonde_segments *path)
{
	size_t n = p->segments.n;

	if (path->n < n || (!p->open && (path->n > n || path->more)))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct sonde_slice want = p->segments.at[i];

		if (!is_variable(want) && !sonde_slice_eq(want, path->at[i]))
			return false;
	}
	return true;
}
