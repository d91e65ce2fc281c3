// SPDX-License-Identifier: Apache-2.0
#include "exporters/prometheus/prometheus.h"

/* One media range of an Accept header. Weights are in thousandths. */
struct range {
	struct sonde_slice type;
	struct sonde_slice version; /* empty: not named */
	int weight;		    /* -1: not a number, the range does not count */
};

const char *sonde_prometheus_content_type(enum sonde_prometheus_format format)
{
	return format == SONDE_PROMETHEUS_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}

/* The part of *REST up to BYTE, trimmed; *REST goes on behind it. Quoted bytes do not separate. */
static struct sonde_slice take(struct sonde_slice *rest, uint8_t byte)
{
	struct sonde_slice part;
	bool quoted = false;
	size_t i = 0;

	for (; i < rest->len && (quoted || rest->ptr[i] != byte); i++) {
		if (rest->ptr[i] == '"')
			quoted = !quoted;
	}
	part = sonde_slice_sub(*rest, 0, i);
	*rest = sonde_slice_from(*rest, i + 1);
	return sonde_slice_trim(part);
}

static struct sonde_slice unquote(struct sonde_slice s)
{
	if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
		return sonde_slice_sub(s, 1, s.len - 2);
	return s;
}

/* qvalue of RFC 9110 section 12.4.2: 0 or 1 and at most three decimals. */
static int parse_weight(struct sonde_slice s)
{
	int weight = 0, unit = 100;

	if (!s.len || s.len > 5 || (s.ptr[0] != '0' && s.ptr[0] != '1') ||
	    (s.len > 1 && s.ptr[1] != '.'))
		return -1;
	weight = (s.ptr[0] - '0') * 1000;
	for (size_t i = 2; i < s.len; i++, unit /= 10) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return -1;
		weight += (s.ptr[i] - '0') * unit;
	}
	return weight <= 1000 ? weight : -1;
}

static void parse_range(struct sonde_slice text, struct range *out)
{
	*out = (struct range){ .weight = 1000 };
	out->type = take(&text, ';');
	while (text.len) {
		struct sonde_slice value = take(&text, ';'), key = take(&value, '=');

		value = unquote(sonde_slice_trim(value));
		if (sonde_slice_eq_nocase(key, SONDE_SLICE_LIT("q")))
			out->weight = parse_weight(value);
		else if (sonde_slice_eq_nocase(key, SONDE_SLICE_LIT("version")))
			out->version = value;
	}
}

static bool names(const struct range *r, const char *type, const char *version)
{
	return sonde_slice_eq_nocase(r->type, sonde_slice_str(type)) &&
	       (!r->version.len || sonde_slice_eq(r->version, sonde_slice_str(version)));
}

enum sonde_prometheus_format sonde_prometheus_negotiate(struct sonde_slice accept)
{
	int openmetrics = 0, text = -1, any = 0;

	while (accept.len) {
		struct range r;

		parse_range(take(&accept, ','), &r);
		if (names(&r, "application/openmetrics-text", "1.0.0"))
			openmetrics = r.weight > openmetrics ? r.weight : openmetrics;
		else if (names(&r, "text/plain", "0.0.4"))
			text = r.weight > text ? r.weight : text;
		else if (names(&r, "text/*", "") || names(&r, "*/*", ""))
			any = r.weight > any ? r.weight : any;
	}
	/* A wildcard speaks for text only where text is not named. */
	if (text < 0)
		text = any;
	return openmetrics > 0 && openmetrics >= text ? SONDE_PROMETHEUS_OPENMETRICS
						      : SONDE_PROMETHEUS_TEXT;
}
