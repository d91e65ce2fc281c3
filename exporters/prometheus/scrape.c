// SPDX-License-Identifier: Apache-2.0
#include "exporters/prometheus/internal.h"

#include <errno.h>
#include <limits.h>

void sonde_prometheus_init(struct sonde_prometheus_scrape *s, enum sonde_prometheus_format format,
			   const struct sonde_metric_source *sources, size_t n)
{
	*s = (struct sonde_prometheus_scrape){
		.sources = sources,
		.n_sources = n,
		.format = format,
	};
	sonde_buf_init(&s->point, SONDE_PROMETHEUS_POINT_MAX);
	sonde_buf_init(&s->labels, SONDE_PROMETHEUS_POINT_MAX);
}

void sonde_prometheus_fini(struct sonde_prometheus_scrape *s)
{
	sonde_buf_fini(&s->point);
	sonde_buf_fini(&s->labels);
}

static bool next_point(struct sonde_prometheus_scrape *s, struct sonde_metric_point *out)
{
	for (; s->source < s->n_sources; s->source++) {
		const struct sonde_metric_source *source = &s->sources[s->source];

		if (source->next(source->ctx, &s->cursor, out))
			return true;
		s->cursor = (struct sonde_metric_cursor){ 0 };
		s->family = NULL;
	}
	return false;
}

/* Renders the next point, with the heading when it begins a family; the end mark is the last. */
static int render_next(struct sonde_prometheus_scrape *s)
{
	struct sonde_metric_point p = { 0 };

	sonde_buf_reset(&s->point);
	s->handed = 0;
	if (next_point(s, &p)) {
		if (p.desc != s->family)
			sonde_prometheus_put_heading(s, p.desc);
		sonde_prometheus_put_point(s, &p);
	} else {
		s->ended = true;
		if (s->format == SONDE_PROMETHEUS_OPENMETRICS)
			sonde_buf_put_str(&s->point, "# EOF\n");
	}
	if (!s->point.failed)
		return 0;
	return s->point.cap >= SONDE_PROMETHEUS_POINT_MAX / 2 ? -E2BIG : -ENOMEM;
}

int sonde_prometheus_render(struct sonde_prometheus_scrape *s, char *buf, size_t cap)
{
	size_t len = 0;

	if (cap > INT_MAX)
		cap = INT_MAX;
	while (len < cap) {
		size_t n = s->point.len - s->handed;

		if (!n && s->ended)
			break;
		if (!n) {
			int err = render_next(s);

			if (err)
				return err;
			continue;
		}
		n = n < cap - len ? n : cap - len;
		memcpy(buf + len, s->point.ptr + s->handed, n);
		s->handed += n;
		len += n;
	}
	return (int)len;
}
