// SPDX-License-Identifier: Apache-2.0
#include "exporters/prometheus/internal.h"

#include <math.h>

#include "agent/core/clock.h"
#include "agent/core/escape.h"

static const struct {
	const char *ucum, *word;
} units[] = {
	{ "s", "seconds" },	 { "ms", "milliseconds" }, { "us", "microseconds" },
	{ "ns", "nanoseconds" }, { "min", "minutes" },	   { "h", "hours" },
	{ "d", "days" },	 { "By", "bytes" },	   { "KiBy", "kibibytes" },
	{ "MiBy", "mebibytes" }, { "GiBy", "gibibytes" },  { "%", "percent" },
};

const char *sonde_prometheus_unit(const struct sonde_metric_desc *desc)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(units[i].ucum, desc->unit))
			return units[i].word;
	}
	/* A plain 1 is a ratio only where it is not a count. */
	return !strcmp(desc->unit, "1") && desc->type == SONDE_METRIC_GAUGE ? "ratio" : "";
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool ends_with_word(const char *name, const char *word)
{
	size_t n = strlen(name), w = strlen(word);

	return n > w && name[n - w - 1] == '_' && !strcmp(name + n - w, word);
}

static void append(char out[SONDE_PROMETHEUS_NAME_MAX], const char *word)
{
	size_t n = strlen(out), w = strlen(word);

	if (!w || ends_with_word(out, word) || n + 1 + w >= SONDE_PROMETHEUS_NAME_MAX)
		return;
	out[n] = '_';
	memcpy(out + n + 1, word, w + 1);
}

void sonde_prometheus_name(const struct sonde_metric_desc *desc,
			   char out[SONDE_PROMETHEUS_NAME_MAX])
{
	size_t n = 0;

	if (desc->name[0] >= '0' && desc->name[0] <= '9')
		out[n++] = '_';
	/* Runs of anything else become one underscore. */
	for (const char *c = desc->name; *c && n < SONDE_PROMETHEUS_NAME_MAX - 1; c++) {
		if (is_name_byte(*c))
			out[n++] = *c;
		else if (!n || out[n - 1] != '_')
			out[n++] = '_';
	}
	out[n] = '\0';
	/* The _total of a counter comes last and belongs to its samples. */
	if (desc->type == SONDE_METRIC_COUNTER && ends_with_word(out, "total"))
		out[n - strlen("_total")] = '\0';
	append(out, sonde_prometheus_unit(desc));
}

size_t sonde_prometheus_u64(char *out, uint64_t v)
{
	char text[20];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + v % 10);
	while (v /= 10);
	memcpy(out, text + at, sizeof(text) - at);
	return sizeof(text) - at;
}

static void put_digits(struct sonde_buf *b, uint64_t v)
{
	char text[20];

	sonde_buf_put(b, text, sonde_prometheus_u64(text, v));
}

/* WHOLE and a fraction of 10^9, without trailing zeros. */
static void put_fixed(struct sonde_buf *b, uint64_t whole, uint32_t billionths)
{
	char text[10] = ".000000000";
	size_t n = sizeof(text);

	put_digits(b, whole);
	for (size_t i = n; --i; billionths /= 10)
		text[i] = (char)('0' + billionths % 10);
	while (n > 1 && text[n - 1] == '0')
		n--;
	sonde_buf_put(b, text, n > 1 ? n : 0);
}

void sonde_prometheus_put_seconds(struct sonde_buf *b, uint64_t ns)
{
	put_fixed(b, ns / SONDE_NS_PER_SEC, (uint32_t)(ns % SONDE_NS_PER_SEC));
}

void sonde_prometheus_put_number(struct sonde_buf *b, double v)
{
	static const double exact = 9007199254740992.0; /* 2^53 */
	double billionths;

	if (!(v >= 0) || signbit(v) || v >= exact) {
		sonde_buf_put_double(b, v);
		return;
	}
	/* Most sums are whole nanoseconds; those need no search for the shortest text. */
	billionths = rint(v * 1e9);
	if (v == (double)(uint64_t)v)
		put_digits(b, (uint64_t)v);
	else if (billionths < exact && billionths / 1e9 == v)
		sonde_prometheus_put_seconds(b, (uint64_t)billionths);
	else
		sonde_buf_put_double(b, v);
}

/* Whether a value can stand between quotes as it is: printable ASCII without quote or backslash. */
static bool is_plain(struct sonde_slice s)
{
	uint8_t odd = 0;

	for (size_t i = 0; i < s.len; i++)
		odd |= s.ptr[i] < 0x20 || s.ptr[i] > 0x7e || s.ptr[i] == '"' || s.ptr[i] == '\\';
	return !odd;
}

static void put_key(struct sonde_buf *b, const char *key)
{
	for (; *key; key++)
		sonde_buf_put_byte(b, is_name_byte(*key) ? (uint8_t)*key : '_');
}

void sonde_prometheus_put_labels(struct sonde_buf *b, const struct sonde_label *labels, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			sonde_buf_put_byte(b, ',');
		put_key(b, labels[i].key);
		sonde_buf_put_str(b, "=\"");
		if (is_plain(labels[i].value))
			sonde_buf_put_slice(b, labels[i].value);
		else
			sonde_escape_label(b, labels[i].value);
		sonde_buf_put_byte(b, '"');
	}
}
