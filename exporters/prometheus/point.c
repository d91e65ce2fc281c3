// SPDX-License-Identifier: Apache-2.0
/*
 * The lines of one histogram differ only in the text of `le` and a number, so everything before
 * that is written once, and every line is copies of known length.
 */
#include "exporters/prometheus/internal.h"

static bool is_openmetrics(const struct sonde_prometheus_scrape *s)
{
	return s->format == SONDE_PROMETHEUS_OPENMETRICS;
}

static void put_words(struct sonde_buf *b, const char *const *words)
{
	for (; *words; words++)
		sonde_buf_put_str(b, *words);
}

/* One line of text: backslashes and newlines are escaped, in OpenMetrics quotes too. */
static void put_help(struct sonde_buf *b, const char *help, bool quotes)
{
	for (; *help; help++) {
		if (*help == '\n') {
			sonde_buf_put_str(b, "\\n");
			continue;
		}
		if (*help == '\\' || (*help == '"' && quotes))
			sonde_buf_put_byte(b, '\\');
		sonde_buf_put_byte(b, (uint8_t)*help);
	}
}

/* The texts of `le`; OpenMetrics wants every one of them to look like a float. */
static void spell_bounds(struct sonde_prometheus_scrape *s, const struct sonde_metric_desc *desc)
{
	for (size_t i = 0; i < desc->n_bounds && i < SONDE_BOUNDS_MAX; i++) {
		struct sonde_buf b;

		sonde_buf_over(&b, s->bounds[i], sizeof(s->bounds[i]));
		sonde_prometheus_put_number(&b, desc->bounds[i]);
		if (is_openmetrics(s) && !memchr(b.ptr, '.', b.len) && !memchr(b.ptr, 'e', b.len))
			sonde_buf_put_str(&b, ".0");
		s->bounds_len[i] = b.len;
	}
}

void sonde_prometheus_put_heading(struct sonde_prometheus_scrape *s,
				  const struct sonde_metric_desc *desc)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	const char *unit = sonde_prometheus_unit(desc);
	/* In text the family of a counter is named like its sample. */
	const char *total =
		desc->type == SONDE_METRIC_COUNTER && !is_openmetrics(s) ? "_total" : "";

	sonde_prometheus_name(desc, s->name);
	spell_bounds(s, desc);
	s->family = desc;
	put_words(&s->point, (const char *[]){ "# HELP ", s->name, total, " ", NULL });
	put_help(&s->point, desc->help, is_openmetrics(s));
	put_words(&s->point, (const char *[]){ "\n# TYPE ", s->name, total, " ", types[desc->type],
					       "\n", NULL });
	if (is_openmetrics(s) && *unit)
		put_words(&s->point, (const char *[]){ "# UNIT ", s->name, " ", unit, "\n", NULL });
}

/* NAME + SUFFIX + labels + a blank. */
static void put_head(struct sonde_prometheus_scrape *s, const char *suffix)
{
	sonde_buf_put_str(&s->point, s->name);
	sonde_buf_put_str(&s->point, suffix);
	if (s->labels.len) {
		sonde_buf_put_byte(&s->point, '{');
		sonde_buf_put_slice(&s->point, sonde_buf_slice(&s->labels));
		sonde_buf_put_byte(&s->point, '}');
	}
	sonde_buf_put_byte(&s->point, ' ');
}

static void put_created(struct sonde_prometheus_scrape *s, uint64_t start_unix_ns)
{
	if (!is_openmetrics(s) || !start_unix_ns)
		return;
	put_head(s, "_created");
	sonde_prometheus_put_seconds(&s->point, start_unix_ns);
	sonde_buf_put_byte(&s->point, '\n');
}

static void put_exemplar(struct sonde_buf *b, const struct sonde_exemplar *e)
{
	struct sonde_label ids[] = { { "trace_id", e->trace_id }, { "span_id", e->span_id } };

	sonde_buf_put_str(b, " # {");
	sonde_prometheus_put_labels(b, ids, e->span_id.len ? 2 : 1);
	sonde_buf_put_str(b, "} ");
	sonde_prometheus_put_number(b, e->value);
	sonde_buf_put_byte(b, ' ');
	sonde_prometheus_put_seconds(b, e->time_unix_ns);
}

/* The bucket whose line bears the exemplar; SIZE_MAX: none does. */
static size_t exemplar_bucket(const struct sonde_prometheus_scrape *s,
			      const struct sonde_metric_point *p)
{
	size_t i = 0;

	if (!is_openmetrics(s) || !p->exemplar.trace_id.len)
		return SIZE_MAX;
	while (i < p->desc->n_bounds && p->exemplar.value > p->desc->bounds[i])
		i++;
	return i;
}

/* What all bucket lines begin with: name_bucket{labels,le=" */
static struct sonde_slice put_bucket_head(struct sonde_prometheus_scrape *s)
{
	size_t from = s->labels.len;

	sonde_buf_put_str(&s->labels, s->name);
	sonde_buf_put_str(&s->labels, "_bucket{");
	if (sonde_buf_reserve(&s->labels, from + 8))
		return SONDE_SLICE_EMPTY;
	sonde_buf_put(&s->labels, s->labels.ptr, from);
	sonde_buf_put_str(&s->labels, from ? ",le=\"" : "le=\"");
	return sonde_slice_from(sonde_buf_slice(&s->labels), from);
}

static char *copy(char *at, const void *from, size_t len)
{
	memcpy(at, from, len);
	return at + len;
}

static void put_bucket(struct sonde_prometheus_scrape *s, struct sonde_slice head,
		       const char *bound, size_t bound_len, uint64_t count)
{
	char *begin, *at;

	/* Three bytes between, twenty digits. */
	if (sonde_buf_reserve(&s->point, head.len + bound_len + 3 + 20))
		return;
	begin = at = (char *)s->point.ptr + s->point.len;
	at = copy(at, head.ptr, head.len);
	at = copy(at, bound, bound_len);
	at = copy(at, "\"} ", 3);
	at += sonde_prometheus_u64(at, count);
	s->point.len += (size_t)(at - begin);
}

static void put_buckets(struct sonde_prometheus_scrape *s, const struct sonde_metric_point *p)
{
	size_t labels_len = s->labels.len, n = p->desc->n_bounds;
	size_t exemplar = exemplar_bucket(s, p);
	struct sonde_slice head = put_bucket_head(s);
	uint64_t sum = 0;

	for (size_t i = 0; head.len && i <= n; i++) {
		sum += p->histogram.explicit_counts[i];
		put_bucket(s, head, i < n ? s->bounds[i] : "+Inf", i < n ? s->bounds_len[i] : 4,
			   sum);
		if (i == exemplar)
			put_exemplar(&s->point, &p->exemplar);
		sonde_buf_put_byte(&s->point, '\n');
	}
	s->labels.len = labels_len;
}

static void put_histogram(struct sonde_prometheus_scrape *s, const struct sonde_metric_point *p)
{
	put_buckets(s, p);
	put_head(s, "_sum");
	sonde_prometheus_put_number(&s->point, p->histogram.sum);
	sonde_buf_put_byte(&s->point, '\n');
	put_head(s, "_count");
	sonde_buf_put_u64(&s->point, p->histogram.count);
	sonde_buf_put_byte(&s->point, '\n');
	put_created(s, p->start_unix_ns);
}

void sonde_prometheus_put_point(struct sonde_prometheus_scrape *s,
				const struct sonde_metric_point *p)
{
	bool counter = p->desc->type == SONDE_METRIC_COUNTER;

	sonde_buf_reset(&s->labels);
	sonde_prometheus_put_labels(&s->labels, p->labels, p->n_labels);
	if (s->labels.failed) {
		s->point.failed = true;
		return;
	}
	if (p->desc->type == SONDE_METRIC_HISTOGRAM) {
		put_histogram(s, p);
	} else {
		put_head(s, counter ? "_total" : "");
		sonde_prometheus_put_number(&s->point, p->value);
		sonde_buf_put_byte(&s->point, '\n');
		if (counter)
			put_created(s, p->start_unix_ns);
	}
	if (s->labels.failed)
		s->point.failed = true;
}
