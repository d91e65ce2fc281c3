// SPDX-License-Identifier: Apache-2.0
/*
 * route_segment - does a path segment look generated?
 *
 * A word of a programmer is letters with perhaps a digit or two at the end (v2, oauth2, base64url).
 * What a program puts there is digits, hex, or a mix of cases and digits that no one would type.
 * One pass counts the kinds of bytes; tokens between dots, dashes and the like are judged one by
 * one.
 */
#include "agent/agg/route_pattern.h"

#include "agent/core/escape.h"

enum {
	LONGEST = 64,
	HEX_LEAST = 8,	  /* digits of a hex number */
	NUMBER_LEAST = 4, /* digits of a number inside a name */
	TOKEN_LEAST = 16, /* bytes of a mixed-case token */
};

/* How many bytes of each kind. A segment that is counted has at most LONGEST of them. */
union kinds {
	struct {
		uint8_t n, digits, hex, upper, lower, separators, odd;
	};
	uint64_t all; /* adds them all at once */
};

/* What a byte adds. Zero is for the UTF-8 scanner to judge, and counts as one of no kind. */
static const union kinds kinds_of[256] = {
	['0' ... '9'] = { .n = 1, .digits = 1, .hex = 1 },
	['A' ... 'F'] = { .n = 1, .hex = 1, .upper = 1 },
	['G' ... 'Z'] = { .n = 1, .upper = 1 },
	['a' ... 'f'] = { .n = 1, .hex = 1, .lower = 1 },
	['g' ... 'z'] = { .n = 1, .lower = 1 },
	['-'] = { .separators = 1 },
	['_'] = { .separators = 1 },
	['.'] = { .separators = 1 },
	['~'] = { .separators = 1 },
	['+'] = { .separators = 1 },
	[','] = { .separators = 1 },
	/* Not in the name of a route: encoded, an address, parameters, not plain text. */
	['%'] = { .odd = 1 },
	['@'] = { .odd = 1 },
	['='] = { .odd = 1 },
	[';'] = { .odd = 1 },
	[' '] = { .odd = 1 },
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* v2, v1.12, v2024: a version is a name. */
static bool is_version(struct sonde_slice s)
{
	if (s.len < 2 || s.len > 6 || (s.ptr[0] != 'v' && s.ptr[0] != 'V'))
		return false;
	for (size_t i = 1; i < s.len; i++) {
		if (!is_digit(s.ptr[i]) && s.ptr[i] != '.')
			return false;
	}
	return true;
}

/* A token is a run without separators. */
static bool is_generated_token(const union kinds *k)
{
	if (k->digits == k->n)
		return k->n >= NUMBER_LEAST;
	if (k->hex == k->n && k->n >= HEX_LEAST && k->digits)
		return true;
	/* Mostly digits, such as u10017; or a third of a longer one, such as x7f3k9q2. */
	if (k->n >= 5 && k->digits * 5 >= k->n * 3)
		return true;
	if (k->n >= HEX_LEAST && k->digits * 3 >= k->n)
		return true;
	return k->n >= TOKEN_LEAST && k->digits && k->upper && k->lower;
}

/*
 * Counts S whole into ALL, and *TOKEN says whether one of its tokens looks generated. False: it has
 * bytes that no name has.
 */
static bool count(struct sonde_slice s, union kinds *all, bool *token)
{
	union kinds k = { .all = 0 };

	*token = false;
	for (size_t i = 0; i < s.len;) {
		union kinds byte = kinds_of[s.ptr[i]];
		size_t n = byte.all ? 1 : sonde_escape_char(s, i);

		if (!n || byte.odd)
			return false;
		i += n;
		if (!byte.separators) {
			k.all += byte.all;
			k.n += byte.all ? 0 : n;
			continue;
		}
		*token |= k.n && is_generated_token(&k);
		all->all += k.all + byte.all;
		k.all = 0;
	}
	*token |= k.n && is_generated_token(&k);
	all->all += k.all;
	return true;
}

bool sonde_route_is_generated(struct sonde_slice s)
{
	union kinds all = { .all = 0 };
	bool token;

	if (s.len > LONGEST || !count(s, &all, &token))
		return true;
	if (is_version(s))
		return false;
	/* Numbers however written: 17, -5, 12.5, 2024-01-31, 10.0.0.1. */
	if (all.digits && all.digits == all.n)
		return true;
	/* deadbeef has no digit and is hex all the same. */
	if (!all.separators && all.hex == all.n && all.n >= HEX_LEAST)
		return true;
	/* A token in URL-safe base64 may have separators anywhere. */
	if (s.len >= TOKEN_LEAST && all.digits >= 2 && all.upper >= 2 && all.lower >= 2)
		return true;
	return token;
}
