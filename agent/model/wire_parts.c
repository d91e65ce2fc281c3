// SPDX-License-Identifier: Apache-2.0
/* What messages of requests and of connections have in common: endpoints, processes, workloads. */
#include "agent/model/wire_parts.h"

static ProtobufCBinaryData text(const char *s)
{
	return sonde_wire_bytes(sonde_slice_str(s));
}

static void put_labels(const struct sonde_workload *w, struct sonde_wire_process *out)
{
	for (size_t i = 0; i < w->n_labels && i < SONDE_WORKLOAD_LABELS; i++) {
		Sonde__Label *label = &out->labels[i];

		sonde__label__init(label);
		label->key = sonde_wire_bytes(w->labels[i].key);
		label->value = sonde_wire_bytes(w->labels[i].value);
		out->label_list[out->workload.n_labels++] = label;
	}
	out->workload.labels = out->label_list;
}

static void put_workload(const struct sonde_workload *w, struct sonde_wire_process *out)
{
	Sonde__Workload *m = &out->workload;

	sonde__workload__init(m);
	m->container = sonde_wire_bytes(w->container);
	m->image = sonde_wire_bytes(w->image);
	m->image_tag = sonde_wire_bytes(w->image_tag);
	m->pod = sonde_wire_bytes(w->pod);
	m->pod_namespace = sonde_wire_bytes(w->pod_namespace);
	m->node = sonde_wire_bytes(w->node);
	m->owner = sonde_wire_bytes(w->owner);
	put_labels(w, out);
	out->message.workload = m;
}

void sonde_wire_put_process(const struct sonde_process *p, struct sonde_wire_process *out)
{
	Sonde__Process *m = &out->message;

	sonde__process__init(m);
	m->pid = p->pid;
	m->comm = text(p->comm);
	m->cgroup = text(p->cgroup);
	m->container_id = text(p->container_id);
	m->unit = text(p->unit);
	m->exe = text(p->exe);
	m->pod_uid = text(p->pod_uid);
	m->start_ns = p->start_ns;
	m->cgroup_id = p->cgroup_id;
	m->runtime = (Sonde__Runtime)p->runtime;
	if (p->workload)
		put_workload(p->workload, out);
}

void sonde_wire_put_endpoint(const struct sonde_endpoint *e, Sonde__Endpoint *out)
{
	sonde__endpoint__init(out);
	out->address = sonde_wire_bytes(sonde_slice_of(e->address, sizeof(e->address)));
	out->port = e->port;
}

/* Copies what fits and ends it with a NUL; OUT is zeroed before. */
static void take_text(ProtobufCBinaryData in, char *out, size_t size)
{
	size_t len = in.len < size ? in.len : size - 1;

	if (len)
		memcpy(out, in.data, len);
}

static void take_workload(const Sonde__Process *in, struct sonde_wire_identity *out)
{
	const Sonde__Workload *m = in->workload;
	struct sonde_workload *w = &out->workload;

	*w = (struct sonde_workload){
		.container_id = sonde_wire_slice(in->container_id),
		.pod_uid = sonde_wire_slice(in->pod_uid),
		.container = sonde_wire_slice(m->container),
		.image = sonde_wire_slice(m->image),
		.image_tag = sonde_wire_slice(m->image_tag),
		.pod = sonde_wire_slice(m->pod),
		.pod_namespace = sonde_wire_slice(m->pod_namespace),
		.node = sonde_wire_slice(m->node),
		.owner = sonde_wire_slice(m->owner),
		.labels = out->labels,
	};
	for (; w->n_labels < m->n_labels && w->n_labels < SONDE_WORKLOAD_LABELS; w->n_labels++) {
		const Sonde__Label *label = m->labels[w->n_labels];

		out->labels[w->n_labels].key = sonde_wire_slice(label->key);
		out->labels[w->n_labels].value = sonde_wire_slice(label->value);
	}
	out->process.workload = w;
}

void sonde_wire_take_process(const Sonde__Process *in, struct sonde_wire_identity *out)
{
	struct sonde_process *p = &out->process;

	*p = (struct sonde_process){ 0 };
	if (!in)
		return;
	p->pid = in->pid;
	p->start_ns = in->start_ns;
	p->cgroup_id = in->cgroup_id;
	take_text(in->comm, p->comm, sizeof(p->comm));
	take_text(in->exe, p->exe, sizeof(p->exe));
	take_text(in->cgroup, p->cgroup, sizeof(p->cgroup));
	take_text(in->unit, p->unit, sizeof(p->unit));
	take_text(in->container_id, p->container_id, sizeof(p->container_id));
	take_text(in->pod_uid, p->pod_uid, sizeof(p->pod_uid));
	p->runtime = (enum sonde_runtime)in->runtime;
	p->resolved = true;
	if (in->workload)
		take_workload(in, out);
}

bool sonde_wire_is_endpoint(const Sonde__Endpoint *e)
{
	return e && e->address.len == sizeof(((struct sonde_endpoint *)0)->address) &&
	       e->port <= UINT16_MAX;
}

void sonde_wire_take_endpoint(const Sonde__Endpoint *in, struct sonde_endpoint *out)
{
	*out = (struct sonde_endpoint){ 0 };
	if (!in)
		return;
	memcpy(out->address, in->address.data, sizeof(out->address));
	out->port = (uint16_t)in->port;
}
