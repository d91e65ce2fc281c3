// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/metrics_man.h"

#include <stdio.h>

#include "agent/agg/agg.h"
#include "agent/agg/edges.h"
#include "agent/daemon/config.h"
#include "agent/daemon/limit_metrics.h"
#include "agent/daemon/roff.h"
#include "agent/daemon/selfmetrics.h"
#include "exporters/prometheus/prometheus.h"

static const char head[] =
	".TH SONDE-METRICS 7 \"\" \"Sonde " SONDE_VERSION "\" \"Sonde\"\n"
	".SH NAME\n"
	"sonde-metrics \\- what the traffic telemetry daemon sonded counts\n"
	".SH DESCRIPTION\n"
	".BR sonded (8)\n"
	"serves these at\n"
	".I /metrics\n"
	"for Prometheus. The names below are those of the text format; in OpenMetrics the family\n"
	"of a counter goes without\n"
	".BR _total .\n"
	"Histograms have explicit buckets there. A family without a value is left out, and so are\n"
	"most values of an edge or a service that are 0.\n"
	".PP\n"
	"Every set of series is bounded, by\n"
	".B metrics.max_series\n"
	"and\n"
	".B edges.max\n"
	"of\n"
	".BR sonde.yaml (5);\n"
	"what is beyond a bound is counted under\n"
	".BR __other__ ,\n"
	"so the values of a family always add up.\n";

static const char tail[] = ".SH SEE ALSO\n"
			   ".BR sonded (8),\n"
			   ".BR sonde.yaml (5),\n"
			   ".BR sonde (1)\n";

static const struct {
	const char *title;
	bool (*family)(size_t i, struct sonde_metric_family *out);
} sections[] = {
	{ "REQUESTS", sonde_agg_family },
	{ "CONNECTIONS, SERVICES AND WHAT IS BETWEEN THEM", sonde_edges_family },
	{ "RATE LIMITING", sonde_limit_metrics_family },
	{ "THE DAEMON ITSELF", sonde_selfmetrics_family },
};

bool sonde_metrics_family(size_t i, struct sonde_metric_family *out)
{
	for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
		size_t n = 0;

		if (sections[s].family(i, out))
			return true;
		while (sections[s].family(n, out))
			n++;
		i -= n;
	}
	return false;
}

void sonde_metrics_name(const struct sonde_metric_desc *desc, char out[SONDE_METRICS_NAME])
{
	char name[SONDE_PROMETHEUS_NAME_MAX];

	sonde_prometheus_name(desc, name);
	snprintf(out, SONDE_METRICS_NAME, "%s%s", name,
		 desc->type == SONDE_METRIC_COUNTER ? "_total" : "");
}

/* Keys as Prometheus shows them; the last one with what it may be. */
static void put_labels(struct sonde_buf *out, const struct sonde_metric_family *f)
{
	for (size_t i = 0; i < f->n_labels; i++) {
		sonde_buf_put_str(out, i ? ", " : "Labels: ");
		for (const char *c = f->labels[i]; *c; c++)
			sonde_buf_put_byte(out, *c == '.' ? '_' : (uint8_t)*c);
	}
	for (size_t i = 0; i < f->n_values; i++)
		sonde_buf_printf(out, "%s%s", i ? ", " : " (", f->values[i]);
	if (f->n_values)
		sonde_buf_put_byte(out, ')');
	if (f->n_labels)
		sonde_buf_put_str(out, ".\n");
}

static void put_family(struct sonde_buf *out, const struct sonde_metric_family *f)
{
	static const char *const types[] = { "Counter", "Gauge", "Histogram" };
	char name[SONDE_METRICS_NAME];

	sonde_metrics_name(f->desc, name);
	sonde_buf_put_str(out, ".TP\n.B ");
	sonde_roff_put(out, sonde_slice_str(name));
	sonde_buf_put_byte(out, '\n');
	sonde_roff_put_sentences(out, f->desc->help);
	sonde_buf_printf(out, ".br\n%s.\n", types[f->desc->type]);
	put_labels(out, f);
}

void sonde_metrics_man(struct sonde_buf *out)
{
	struct sonde_metric_family f;

	sonde_buf_put_str(out, head);
	for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
		sonde_buf_printf(out, ".SH %s\n", sections[s].title);
		for (size_t i = 0; sections[s].family(i, &f); i++)
			put_family(out, &f);
	}
	sonde_buf_put_str(out, tail);
}
