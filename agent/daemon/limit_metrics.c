// SPDX-License-Identifier: Apache-2.0
/* One table of families, as in selfmetrics.c; a node without rules has but the memory to tell. */
#include "agent/daemon/limit_metrics.h"

#include "agent/core/clock.h"

struct family {
	struct sonde_metric_desc desc;
	size_t (*count)(const struct sonde_limit_metrics *m);
	/* NULL: the point is a count of an interface, at this offset in its view. */
	void (*fill)(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out);
	size_t at;
};

static void add_label(struct sonde_metric_point *out, const char *key, const char *value)
{
	out->labels[out->n_labels].key = key;
	out->labels[out->n_labels++].value = sonde_slice_str(value);
}

static size_t rules(const struct sonde_limit_metrics *m)
{
	return m->view.n_rules;
}

/* Each rule twice: what had room and what had none. */
static size_t rules_twice(const struct sonde_limit_metrics *m)
{
	return 2 * (size_t)m->view.n_rules;
}

static size_t ifaces(const struct sonde_limit_metrics *m)
{
	return m->view.n_ifaces;
}

static size_t fates(const struct sonde_limit_metrics *m)
{
	return (size_t)m->view.n_ifaces * SONDE_LIMIT_FATES;
}

static size_t any_rules(const struct sonde_limit_metrics *m)
{
	return m->view.n_rules ? 1 : 0;
}

static const struct sonde_limit_rule_view *result(const struct sonde_limit_metrics *m, size_t i,
						  struct sonde_metric_point *out)
{
	const struct sonde_limit_rule_view *r = &m->view.rules[i / 2];

	add_label(out, "rule", r->spec.name);
	add_label(out, "iface", r->spec.iface);
	add_label(out, "result", i % 2 ? "limited" : "passed");
	return r;
}

static void rule_packets(const struct sonde_limit_metrics *m, size_t i,
			 struct sonde_metric_point *out)
{
	const struct sonde_limit_rule_view *r = result(m, i, out);

	out->value = (double)(i % 2 ? r->counts.limited : r->counts.passed);
}

static void rule_bytes(const struct sonde_limit_metrics *m, size_t i,
		       struct sonde_metric_point *out)
{
	const struct sonde_limit_rule_view *r = result(m, i, out);

	out->value = (double)(i % 2 ? r->counts.limited_bytes : r->counts.passed_bytes);
}

static void enforcing(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out)
{
	const struct sonde_limit_rule_view *r = &m->view.rules[i];

	add_label(out, "rule", r->spec.name);
	add_label(out, "iface", r->spec.iface);
	add_label(out, "state", sonde_limit_state_name(r->state));
	out->value = r->attached && r->state != SONDE_LIMIT_ENDED && !r->mute;
}

static void tripped(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out)
{
	const struct sonde_limit_rule_view *r = &m->view.rules[i];

	add_label(out, "rule", r->spec.name);
	out->value = r->mute == SONDE_LIMIT_MUTE_BREAKER;
}

static const struct sonde_limit_iface_view *fate(const struct sonde_limit_metrics *m, size_t i,
						 struct sonde_metric_point *out)
{
	const struct sonde_limit_iface_view *v = &m->view.ifaces[i / SONDE_LIMIT_FATES];

	add_label(out, "iface", v->name);
	add_label(out, "outcome",
		  sonde_limit_fate_name((enum sonde_limit_fate)(i % SONDE_LIMIT_FATES)));
	return v;
}

static void packets(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out)
{
	out->value = (double)fate(m, i, out)->packets[i % SONDE_LIMIT_FATES];
}

static void bytes(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out)
{
	out->value = (double)fate(m, i, out)->bytes[i % SONDE_LIMIT_FATES];
}

static void attached(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out)
{
	static const char *const modes[SONDE_LIMIT_MODES] = { "none", "native", "generic" };
	const struct sonde_limit_iface_view *v = &m->view.ifaces[i];

	add_label(out, "iface", v->name);
	add_label(out, "mode", v->mode < SONDE_LIMIT_MODES ? modes[v->mode] : "?");
	out->value = v->mode != SONDE_LIMIT_MODE_NONE;
}

static void gap_time(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out)
{
	add_label(out, "iface", m->view.ifaces[i].name);
	out->value = (double)m->view.ifaces[i].gap_ns / 1e9;
}

/* AT: of a uint64_t in struct sonde_limit_iface_view. */
static void iface_count(const struct sonde_limit_metrics *m, size_t i, size_t at,
			struct sonde_metric_point *out)
{
	uint64_t n;

	memcpy(&n, (const char *)&m->view.ifaces[i] + at, sizeof(n));
	add_label(out, "iface", m->view.ifaces[i].name);
	out->value = (double)n;
}

static void lease(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	if (m->view.keep)
		out->value = -1;
	else if (m->view.lease_until_ns > m->now_ns)
		out->value = (double)(m->view.lease_until_ns - m->now_ns) / 1e9;
}

static void memory(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = (double)m->view.memory_bytes;
}

static void allowed(const struct sonde_limit_metrics *m, size_t i, struct sonde_metric_point *out)
{
	(void)i;
	out->value = m->view.n_allows;
}

#define COUNTER(name_, unit_, help_)                                                            \
	{                                                                                       \
		.name = (name_), .unit = (unit_), .help = (help_), .type = SONDE_METRIC_COUNTER \
	}
#define GAUGE(name_, unit_, help_)                                                            \
	{                                                                                     \
		.name = (name_), .unit = (unit_), .help = (help_), .type = SONDE_METRIC_GAUGE \
	}

#define IFACE(count) ifaces, NULL, offsetof(struct sonde_limit_iface_view, count)

static const struct family families[] = {
	{ COUNTER("sonde.limit.rule.packets", "{packet}",
		  "Packets that a rule covers: passed had room, limited had none."),
	  rules_twice, rule_packets, 0 },
	{ COUNTER("sonde.limit.rule", "By", "Bytes of the packets that a rule covers."),
	  rules_twice, rule_bytes, 0 },
	{ GAUGE("sonde.limit.rule.enforcing", "", "1 when a rule drops what it has no room for."),
	  rules, enforcing, 0 },
	{ GAUGE("sonde.limit.rule.tripped", "", "1 when the breaker has turned a rule to count."),
	  rules, tripped, 0 },
	{ COUNTER("sonde.limit.packets", "{packet}",
		  "Packets that came in on an interface, by what became of them."),
	  fates, packets, 0 },
	{ COUNTER("sonde.limit", "By", "Bytes of these packets."), fates, bytes, 0 },
	{ GAUGE("sonde.limit.interface.attached", "", "1 when an interface is watched."), ifaces,
	  attached, 0 },
	{ COUNTER("sonde.limit.interface.gaps", "{gap}",
		  "Times that an interface was there without being watched."),
	  IFACE(gaps) },
	{ COUNTER("sonde.limit.interface.gap", "s", "And for how long."), ifaces, gap_time, 0 },
	{ COUNTER("sonde.limit.fragments", "{packet}",
		  "Fragments after the first, held against rules without a port."),
	  IFACE(fragments) },
	{ COUNTER("sonde.limit.crowded", "{packet}",
		  "Packets that had to share a bucket: more sources than there is room for."),
	  IFACE(crowded) },
	{ COUNTER("sonde.limit.contended", "{packet}",
		  "Packets charged without a look at what they found: other CPUs were faster."),
	  IFACE(contended) },
	{ COUNTER("sonde.limit.skipped", "{packet}",
		  "Packets that more rules cover than one packet is held against."),
	  IFACE(skipped) },
	{ COUNTER("sonde.limit.samples.lost", "{sample}",
		  "Samples of limited packets that found no room."),
	  IFACE(samples_lost) },
	{ GAUGE("sonde.limit.lease", "s", "Until rules stop without a daemon; -1 never."),
	  any_rules, lease, 0 },
	{ GAUGE("sonde.limit.allowed", "{network}", "Networks that no rule limits."), any_rules,
	  allowed, 0 },
	{ GAUGE("sonde.limit.memory", "By", "Kernel memory of the tables, now or with rules."),
	  any_rules, memory, 0 },
};

static void fill_point(const struct family *f, const struct sonde_limit_metrics *m, size_t i,
		       struct sonde_metric_point *out)
{
	if (f->fill)
		f->fill(m, i, out);
	else
		iface_count(m, i, f->at, out);
}

static bool next_point(void *ctx, struct sonde_metric_cursor *cursor,
		       struct sonde_metric_point *out)
{
	const struct sonde_limit_metrics *m = ctx;
	const size_t n = sizeof(families) / sizeof(families[0]);

	while (cursor->family < n && cursor->item >= families[cursor->family].count(m)) {
		cursor->family++;
		cursor->item = 0;
	}
	if (cursor->family == n)
		return false;
	*out = (struct sonde_metric_point){
		.desc = &families[cursor->family].desc,
		.start_unix_ns = m->start_unix_ns,
	};
	fill_point(&families[cursor->family], m, cursor->item++, out);
	return true;
}

struct sonde_metric_source sonde_limit_metrics_source(struct sonde_limit_metrics *m)
{
	return (struct sonde_metric_source){ .ctx = m, .next = next_point };
}

bool sonde_limit_metrics_family(size_t i, struct sonde_metric_family *out)
{
	/* The first point of each tells its labels, of a node without rules, too. */
	static struct sonde_limit_metrics nothing; /* not const: else it is in the file */
	struct sonde_metric_point p = { 0 };

	if (i >= sizeof(families) / sizeof(families[0]))
		return false;
	fill_point(&families[i], &nothing, 0, &p);
	*out = (struct sonde_metric_family){ .desc = &families[i].desc, .n_labels = p.n_labels };
	for (size_t k = 0; k < p.n_labels; k++)
		out->labels[k] = p.labels[k].key;
	return true;
}
