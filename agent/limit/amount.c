// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/amount.h"

#include "agent/core/clock.h"

#define COUNT_MAX UINT64_C(1000000000000)
#define TTL_MAX	  (366 * UINT64_C(86400) * SONDE_NS_PER_SEC)

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit count_units[] = {
	{ "", 1 },	   { "K", 1000 },     { "k", 1000 },	 { "M", 1000000 },
	{ "Ki", 1 << 10 }, { "Mi", 1 << 20 }, { "Gi", 1 << 30 }, { "G", 1000000000 },
};
static const struct unit time_units[] = {
	{ "s", SONDE_NS_PER_SEC },
	{ "m", 60 * SONDE_NS_PER_SEC },
	{ "h", 3600 * SONDE_NS_PER_SEC },
	{ "d", 86400 * SONDE_NS_PER_SEC },
};

enum { N_COUNT_UNITS = sizeof(count_units) / sizeof(count_units[0]) };
enum { N_TIME_UNITS = sizeof(time_units) / sizeof(time_units[0]) };

/* False: no number with one of UNITS, or one beyond 64 bits. */
static bool parse(struct sonde_slice text, const struct unit *units, size_t n, uint64_t *out)
{
	size_t digits = 0;
	uint64_t v;

	while (sonde_slice_at(text, digits) >= '0' && sonde_slice_at(text, digits) <= '9')
		digits++;
	if (sonde_slice_u64(sonde_slice_sub(text, 0, digits), 10, &v))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!sonde_slice_eq(sonde_slice_from(text, digits), sonde_slice_str(units[i].name)))
			continue;
		return !__builtin_mul_overflow(v, units[i].factor, out);
	}
	return false;
}

const char *sonde_limit_count_parse(struct sonde_slice text, uint64_t *out)
{
	uint64_t v = 0;

	if (!parse(text, count_units, N_COUNT_UNITS, &v))
		return "is no number";
	if (v == 0 || v > COUNT_MAX)
		return "is not from 1 to 1000G";
	*out = v;
	return NULL;
}

const char *sonde_limit_rate_parse(struct sonde_slice text, uint64_t *per_second)
{
	struct sonde_slice tail = SONDE_SLICE_LIT("/s");

	if (text.len < tail.len ||
	    !sonde_slice_eq(sonde_slice_from(text, text.len - tail.len), tail))
		return "is no number per second";
	return sonde_limit_count_parse(sonde_slice_sub(text, 0, text.len - tail.len), per_second);
}

const char *sonde_limit_ttl_parse(struct sonde_slice text, uint64_t *ns)
{
	uint64_t v = 0;

	if (sonde_slice_eq(text, SONDE_SLICE_LIT("none"))) {
		*ns = SONDE_LIMIT_FOREVER;
		return NULL;
	}
	if (!parse(text, time_units, N_TIME_UNITS, &v))
		return "is no time";
	if (v == 0 || v > TTL_MAX)
		return "is not from 1s to 366d";
	*ns = v;
	return NULL;
}

static void print(uint64_t v, const struct unit *units, size_t n, struct sonde_buf *out)
{
	const struct unit *best = &units[0];

	for (size_t i = 1; i < n; i++)
		if (v % units[i].factor == 0 && units[i].factor > best->factor)
			best = &units[i];
	sonde_buf_put_u64(out, v / best->factor);
	sonde_buf_put_str(out, best->name);
}

void sonde_limit_count_print(uint64_t count, struct sonde_buf *out)
{
	print(count, count_units, count ? N_COUNT_UNITS : 1, out);
}

void sonde_limit_rate_print(uint64_t per_second, struct sonde_buf *out)
{
	sonde_limit_count_print(per_second, out);
	sonde_buf_put_str(out, "/s");
}

void sonde_limit_ttl_print(uint64_t ns, struct sonde_buf *out)
{
	if (ns == SONDE_LIMIT_FOREVER)
		sonde_buf_put_str(out, "none");
	else
		print(ns - ns % SONDE_NS_PER_SEC, time_units, ns ? N_TIME_UNITS : 1, out);
}
