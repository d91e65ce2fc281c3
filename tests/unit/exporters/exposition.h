// SPDX-License-Identifier: Apache-2.0
/*
 * exposition - a strict reader of what Prometheus scrapes, for tests: it fails at the first byte
 * that the format does not allow, at a family that comes twice, at a sample of another family, at
 * two equal label sets, and at buckets that do not add up.
 */
#ifndef SONDE_TESTS_UNIT_EXPORTERS_EXPOSITION_H
#define SONDE_TESTS_UNIT_EXPORTERS_EXPOSITION_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/escape.h"

enum { EXPOSITION_SERIES = 4096, EXPOSITION_FAMILIES = 64, EXPOSITION_KEY = 8192 };

struct exposition {
	bool openmetrics;
	const char *at;
	char family[256], type[32];
	char families[EXPOSITION_FAMILIES][256];
	size_t n_families;
	char *series[EXPOSITION_SERIES]; /* name and labels as written, to find duplicates */
	size_t n_series;
	/* Of the histogram under way. */
	char buckets_of[EXPOSITION_KEY];
	double last_le, last_bucket;
	/* What the test asks about. */
	size_t n_histograms, n_samples, n_exemplars, n_created, n_units;
	double sum_of_counts;
	bool ended;
};

static void must(const struct exposition *e, bool holds, const char *what)
{
	if (!holds)
		fail_msg("%s, before: %.60s", what, e->at);
}

static void take_text(struct exposition *e, const char *text)
{
	must(e, !strncmp(e->at, text, strlen(text)), text);
	e->at += strlen(text);
}

static void take_name(struct exposition *e, char *out, size_t size)
{
	size_t n = 0;

	must(e, (*e->at >= 'a' && *e->at <= 'z') || *e->at == '_', "a name");
	while (strchr("abcdefghijklmnopqrstuvwxyz0123456789_", *e->at) && *e->at) {
		must(e, n < size - 1, "a shorter name");
		out[n++] = *e->at++;
	}
	out[n] = '\0';
}

/* A label value between its quotes, as written. */
static void take_value(struct exposition *e)
{
	take_text(e, "\"");
	while (*e->at != '"') {
		size_t n;

		if (*e->at == '\\') {
			must(e, e->at[1] && strchr("\\\"n", e->at[1]), "a known escape");
			e->at += 2;
			continue;
		}
		n = sonde_escape_char(sonde_slice_str(e->at), 0);
		must(e, n > 0, "a harmless character");
		e->at += n;
	}
	e->at++;
}

/* {key="value",...}; LE gets the value of `le`, and OUT everything else as written. */
static void take_labels(struct exposition *e, char *out, char le[32])
{
	char keys[16][64];
	size_t n = 0;

	le[0] = '\0';
	take_text(e, "{");
	do {
		const char *begin = e->at, *value;

		must(e, n < 16, "fewer labels");
		take_name(e, keys[n], sizeof(keys[n]));
		for (size_t i = 0; i < n; i++)
			must(e, strcmp(keys[i], keys[n]) != 0, "no label twice");
		take_text(e, "=");
		value = e->at + 1;
		take_value(e);
		if (!strcmp(keys[n], "le"))
			snprintf(le, 32, "%.*s", (int)(e->at - 1 - value), value);
		else
			strncat(out, begin, (size_t)(e->at - begin) + 1);
		n++;
	} while (*e->at == ',' && e->at++);
	take_text(e, "}");
}

static double take_number(struct exposition *e)
{
	char *end;
	double v;

	must(e, *e->at && strchr("+-0123456789N", *e->at), "a number");
	v = strtod(e->at, &end);
	must(e, end > e->at, "a number");
	e->at = end;
	return v;
}

static void take_exemplar(struct exposition *e, double least, double most)
{
	char labels[EXPOSITION_KEY] = "", le[32];
	double v;

	take_text(e, " # ");
	take_labels(e, labels, le);
	must(e, strlen(labels) <= 128, "a short exemplar");
	take_text(e, " ");
	v = take_number(e);
	must(e, v > least && v <= most, "an exemplar of this bucket");
	take_text(e, " ");
	must(e, take_number(e) > 1e9, "a time");
	e->n_exemplars++;
}

static void bucket(struct exposition *e, const char *series, const char *le, double v)
{
	double bound = !strcmp(le, "+Inf") ? INFINITY : strtod(le, NULL);
	bool first = strcmp(e->buckets_of, series) != 0;
	double below = first ? -INFINITY : e->last_le;

	must(e, le[0] != '\0', "a bucket with le");
	must(e, !e->openmetrics || isinf(bound) || strchr(le, '.'), "le as a float");
	must(e, first || (bound > e->last_le && v >= e->last_bucket), "rising buckets");
	snprintf(e->buckets_of, sizeof(e->buckets_of), "%s", series);
	e->last_le = bound;
	e->last_bucket = v;
	if (*e->at == ' ')
		take_exemplar(e, below, bound);
}

static void no_duplicate(struct exposition *e, const char *suffix, const char *labels,
			 const char *le)
{
	char *key = NULL;

	assert_true(asprintf(&key, "%s%s{%s|%s", e->family, suffix, labels, le) > 0);
	must(e, e->n_series < EXPOSITION_SERIES, "fewer series");
	for (size_t i = 0; i < e->n_series; i++)
		must(e, strcmp(e->series[i], key) != 0, "no series twice");
	e->series[e->n_series++] = key;
}

static void take_sample(struct exposition *e)
{
	char name[256], labels[EXPOSITION_KEY] = "", le[32] = "";
	const char *suffix;
	size_t family_len = strlen(e->family);
	double v;

	take_name(e, name, sizeof(name));
	must(e, !strncmp(name, e->family, family_len), "a sample of the family");
	suffix = name + family_len;
	if (*e->at == '{')
		take_labels(e, labels, le);
	take_text(e, " ");
	no_duplicate(e, suffix, labels, le);
	v = take_number(e);
	e->n_samples++;
	if (!strcmp(suffix, "_bucket")) {
		bucket(e, labels, le, v);
	} else if (!strcmp(suffix, "_count")) {
		must(e, !strcmp(e->type, "histogram"), "a histogram");
		must(e, isinf(e->last_le) && v == e->last_bucket, "+Inf as the count");
		e->n_histograms++;
		e->sum_of_counts += v;
		e->buckets_of[0] = '\0';
	} else if (!strcmp(suffix, "_created")) {
		must(e, e->openmetrics && strcmp(e->type, "gauge"), "_created where it may be");
		e->n_created++;
	} else if (!strcmp(suffix, "_total")) {
		must(e, e->openmetrics && !strcmp(e->type, "counter"), "_total of a counter");
	} else if (!strcmp(suffix, "_sum")) {
		must(e, !strcmp(e->type, "histogram"), "a histogram");
	} else {
		must(e, !*suffix && (!e->openmetrics || strcmp(e->type, "counter")), "a suffix");
	}
	take_text(e, "\n");
}

static void take_comment(struct exposition *e)
{
	char name[256];

	if (!strncmp(e->at, "# EOF", 5)) {
		must(e, e->openmetrics, "no end mark in text");
		take_text(e, "# EOF\n");
		must(e, !*e->at, "nothing behind the end");
		e->ended = true;
		return;
	}
	take_text(e, "# HELP ");
	take_name(e, e->family, sizeof(e->family));
	for (size_t i = 0; i < e->n_families; i++)
		must(e, strcmp(e->families[i], e->family) != 0, "no family twice");
	must(e, e->n_families < EXPOSITION_FAMILIES, "fewer families");
	strcpy(e->families[e->n_families++], e->family);
	e->at = strchr(e->at, '\n');
	take_text(e, "\n# TYPE ");
	take_name(e, name, sizeof(name));
	assert_string_equal(name, e->family);
	take_text(e, " ");
	take_name(e, e->type, sizeof(e->type));
	take_text(e, "\n");
	if (strncmp(e->at, "# UNIT ", 7))
		return;
	must(e, e->openmetrics, "no unit in text");
	take_text(e, "# UNIT ");
	take_name(e, name, sizeof(name));
	assert_string_equal(name, e->family);
	take_text(e, " ");
	take_name(e, name, sizeof(name));
	take_text(e, "\n");
	must(e,
	     strlen(name) < strlen(e->family) &&
		     !strcmp(e->family + strlen(e->family) - strlen(name), name),
	     "a name that ends in its unit");
	e->n_units++;
}

/* Reads all of TEXT, a C string. What it holds stays in E; exposition_fini() frees. */
static void exposition_read(struct exposition *e, const char *text, bool openmetrics)
{
	*e = (struct exposition){ .openmetrics = openmetrics, .at = text };
	while (*e->at && !e->ended) {
		if (*e->at == '#')
			take_comment(e);
		else
			take_sample(e);
	}
	must(e, e->ended == openmetrics, "an end mark");
}

static void exposition_fini(struct exposition *e)
{
	for (size_t i = 0; i < e->n_series; i++)
		free(e->series[i]);
	e->n_series = 0;
}

#endif
