// SPDX-License-Identifier: Apache-2.0
#include "agent/core/slice.h"

#include <errno.h>

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool sonde_slice_eq_nocase(struct sonde_slice a, struct sonde_slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.ptr[i]) != lower(b.ptr[i]))
			return false;
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct sonde_slice sonde_slice_trim(struct sonde_slice s)
{
	while (s.len && is_blank(s.ptr[0]))
		s = sonde_slice_from(s, 1);
	while (s.len && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static int digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 255;
}

int sonde_slice_u64(struct sonde_slice s, unsigned int base, uint64_t *out)
{
	uint64_t value = 0;

	if (!s.len)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		unsigned int d = (unsigned int)digit_of(s.ptr[i]);

		if (d >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)d, &value))
			return -ERANGE;
	}
	*out = value;
	return 0;
}

bool sonde_slice_glob(struct sonde_slice s, struct sonde_slice pattern)
{
	size_t i = 0, p = 0, star = SIZE_MAX, star_at = 0;

	while (i < s.len) {
		int want = sonde_slice_at(pattern, p);

		if (want == '*') {
			star = p++;
			star_at = i;
			continue;
		}
		if (want == '\\' && p + 1 < pattern.len && pattern.ptr[p + 1] == s.ptr[i]) {
			p += 2;
			i++;
			continue;
		}
		if (want == '?' || (want != '\\' && want == s.ptr[i])) {
			p++;
			i++;
			continue;
		}
		if (star == SIZE_MAX)
			return false;
		p = star + 1;
		i = ++star_at;
	}
	while (sonde_slice_at(pattern, p) == '*')
		p++;
	return p == pattern.len;
}
