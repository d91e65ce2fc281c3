// SPDX-License-Identifier: Apache-2.0
/* struct sonde_status as a message. The parts of the message lie in one struct on the stack. */
#include "agent/daemon/control_internal.h"

struct parts {
	Sonde__Status status;
	Sonde__ProgramStatus programs[SONDE_STATUS_PROGRAMS];
	Sonde__ProgramStatus *program_list[SONDE_STATUS_PROGRAMS];
	Sonde__MapStatus maps[SONDE_STATUS_MAPS];
	Sonde__MapStatus *map_list[SONDE_STATUS_MAPS];
	Sonde__LedgerRow rows[SONDE_KINDS];
	Sonde__LedgerRow *row_list[SONDE_KINDS];
	Sonde__LedgerDrop drops[SONDE_KINDS][SONDE_LOSSES];
	Sonde__LedgerDrop *drop_lists[SONDE_KINDS][SONDE_LOSSES];
	Sonde__SourceStatus sources[SONDE_STATUS_SOURCES];
	Sonde__SourceStatus *source_list[SONDE_STATUS_SOURCES];
	Sonde__LedgerRow subscriptions;
	Sonde__LedgerDrop subscription_drops[2];
	Sonde__LedgerDrop *subscription_drop_list[2];
	Sonde__LimitInterface ifaces[SONDE_LIMIT_IFACES], *iface_list[SONDE_LIMIT_IFACES];
	Sonde__LimitLease lease;
};

static void put_programs(const struct sonde_kernel_status *k, struct parts *p)
{
	size_t n = k->n_programs < SONDE_STATUS_PROGRAMS ? k->n_programs : SONDE_STATUS_PROGRAMS;

	for (size_t i = 0; i < n; i++) {
		Sonde__ProgramStatus *out = &p->programs[i];

		sonde__program_status__init(out);
		out->name = sonde_wire_string(k->programs[i].name);
		out->note = sonde_wire_string(k->programs[i].note);
		out->id = k->programs[i].id;
		out->attached = k->programs[i].attached != 0;
		out->runs = k->programs[i].runs;
		out->run_time_ns = k->programs[i].run_time_ns;
		p->program_list[i] = out;
	}
	p->status.n_programs = n;
	p->status.programs = p->program_list;
}

static void put_maps(const struct sonde_kernel_status *k, struct parts *p)
{
	size_t n = k->n_maps < SONDE_STATUS_MAPS ? k->n_maps : SONDE_STATUS_MAPS;

	for (size_t i = 0; i < n; i++) {
		Sonde__MapStatus *out = &p->maps[i];

		sonde__map_status__init(out);
		out->name = sonde_wire_string(k->maps[i].name);
		out->max_entries = k->maps[i].max_entries;
		out->entries_known = k->maps[i].entries != UINT64_MAX;
		out->entries = out->entries_known ? k->maps[i].entries : 0;
		out->memory_bytes = k->maps[i].memory_bytes;
		p->map_list[i] = out;
	}
	p->status.n_maps = n;
	p->status.maps = p->map_list;
}

static void put_sources(const struct sonde_metadata_status *m, struct parts *p)
{
	for (size_t i = 0; i < m->n_sources && i < SONDE_STATUS_SOURCES; i++) {
		const struct sonde_source_status *in = &m->sources[i];
		Sonde__SourceStatus *out = &p->sources[i];

		sonde__source_status__init(out);
		out->name = sonde_wire_string(in->name);
		out->address = sonde_wire_string(in->address);
		out->error = sonde_wire_string(in->error);
		out->following = in->following;
		out->requests = in->requests;
		out->failures = in->failures;
		out->told = in->told;
		out->misunderstood = in->misunderstood;
		out->last_success_unix_ns = in->last_success_unix_ns;
		p->source_list[p->status.n_sources++] = out;
	}
	p->status.sources = p->source_list;
	p->status.workloads = m->entries;
}

static void put_drop(Sonde__LedgerDrop *out, const char *stage, const char *reason, uint64_t count)
{
	sonde__ledger_drop__init(out);
	out->stage = sonde_wire_string(stage);
	out->reason = sonde_wire_string(reason);
	out->count = count;
}

static void put_row(const struct sonde_ledger *l, enum sonde_kind kind, struct parts *p)
{
	Sonde__LedgerRow *row = &p->rows[kind];

	sonde__ledger_row__init(row);
	row->kind = sonde_wire_string(sonde_kind_name(kind));
	row->produced = l->produced[kind];
	row->delivered = l->delivered[kind];
	row->drops = p->drop_lists[kind];
	for (int loss = 0; loss < SONDE_LOSSES; loss++) {
		Sonde__LedgerDrop *drop = &p->drops[kind][loss];

		if (!l->dropped[kind][loss])
			continue;
		put_drop(drop, sonde_loss_stage(loss), sonde_loss_name(loss),
			 l->dropped[kind][loss]);
		row->drops[row->n_drops++] = drop;
	}
	p->row_list[kind] = row;
}

static void put_subscriptions(const struct sonde_control_stats *s, struct parts *p)
{
	Sonde__LedgerRow *row = &p->subscriptions;

	sonde__ledger_row__init(row);
	row->kind = sonde_wire_string("subscription");
	row->produced = s->produced;
	row->delivered = s->delivered;
	row->drops = p->subscription_drop_list;
	put_drop(&p->subscription_drops[0], "control", "slow_client", s->dropped_slow);
	put_drop(&p->subscription_drops[1], "control", "client_gone", s->dropped_gone);
	for (int i = 0; i < 2; i++)
		if (p->subscription_drops[i].count)
			row->drops[row->n_drops++] = &p->subscription_drops[i];
	p->status.subscriptions = row;
	p->status.clients = s->clients;
	p->status.subscribers = s->subscribers;
}

static void put_numbers(const struct sonde_status *s, Sonde__Status *m)
{
	m->version = sonde_wire_string(s->version);
	m->start_unix_ns = s->start_unix_ns;
	m->broker_pid = s->kernel.broker_pid;
	m->worker_pid = s->worker_pid;
	m->worker_restarts = s->kernel.worker_restarts;
	m->broker_rss_bytes = s->kernel.broker_rss_bytes;
	m->worker_rss_bytes = s->worker_rss_bytes;
	m->connections = s->connections;
	m->connections_max = s->connections_max;
	m->ring_bytes = s->ring_bytes;
	m->ring_used_bytes = s->ring_used_bytes;
	m->canary_known = s->canary_age_ns != UINT64_MAX;
	m->canary_age_ns = m->canary_known ? s->canary_age_ns : 0;
	m->series = s->series;
	m->series_max = s->series_max;
	m->series_overflowed = s->series_overflowed;
	m->routes_overflowed = s->routes_overflowed;
	m->identities_unknown = s->identities_unknown;
	m->connections_unknown = s->connections_unknown;
	m->shadowed = s->shadowed;
}

static void put_limits(const struct sonde_control_source *src, struct parts *p)
{
	const struct sonde_limit_view *v = src->limits ? src->limits(src->ctx) : NULL;

	if (!v || !v->n_rules)
		return;
	for (uint32_t i = 0; i < v->n_rules; i++) {
		p->status.limit_rules += v->rules[i].state != SONDE_LIMIT_ENDED;
		p->status.limit_muted += v->rules[i].state != SONDE_LIMIT_ENDED && v->rules[i].mute;
	}
	for (uint32_t i = 0; i < v->n_ifaces; i++) {
		sonde_limit_put_interface(&v->ifaces[i], &p->ifaces[i]);
		p->iface_list[i] = &p->ifaces[i];
	}
	p->status.n_limit_interfaces = v->n_ifaces;
	p->status.limit_interfaces = p->iface_list;
	sonde_limit_put_lease(v, &p->lease);
	p->status.limit_lease = &p->lease;
}

void sonde_client_send_status(struct sonde_client *cl)
{
	const struct sonde_control_source *src = &cl->control->source;
	struct sonde_status status = { 0 };
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct parts p;

	src->status(src->ctx, &status);
	sonde__status__init(&p.status);
	put_numbers(&status, &p.status);
	put_programs(&status.kernel, &p);
	put_maps(&status.kernel, &p);
	put_sources(&status.metadata, &p);
	for (int kind = 0; kind < SONDE_KINDS; kind++)
		put_row(&status.ledger, kind, &p);
	p.status.n_ledger = SONDE_KINDS;
	p.status.ledger = p.row_list;
	put_subscriptions(&cl->control->stats, &p);
	put_limits(src, &p);
	frame.body_case = SONDE__FRAME__BODY_STATUS;
	frame.status = &p.status;
	sonde_client_reply(cl, &frame);
}
