// SPDX-License-Identifier: Apache-2.0
#include "exporters/json_put.h"

#include "agent/core/escape.h"
#include "exporters/json.h"

void sonde_json_string(struct sonde_buf *b, struct sonde_slice s)
{
	sonde_buf_put_byte(b, '"');
	sonde_escape_json(b, s);
	sonde_buf_put_byte(b, '"');
}

void sonde_json_put_key(struct sonde_buf *b, const char *key)
{
	if (!b->failed && b->len && b->ptr[b->len - 1] != '{')
		sonde_buf_put_byte(b, ',');
	sonde_buf_put_byte(b, '"');
	sonde_buf_put_str(b, key);
	sonde_buf_put(b, "\":", 2);
}

void sonde_json_put_string(struct sonde_buf *b, const char *key, struct sonde_slice s)
{
	sonde_json_put_key(b, key);
	sonde_json_string(b, s);
}

void sonde_json_put_number(struct sonde_buf *b, const char *key, uint64_t v)
{
	sonde_json_put_key(b, key);
	sonde_buf_put_u64(b, v);
}

void sonde_json_put_id(struct sonde_buf *b, const char *key, uint64_t id)
{
	sonde_json_put_key(b, key);
	sonde_buf_put_byte(b, '"');
	sonde_buf_put_u64(b, id);
	sonde_buf_put_byte(b, '"');
}

void sonde_json_put_known(struct sonde_buf *b, const char *key, struct sonde_slice s)
{
	if (s.len)
		sonde_json_put_string(b, key, s);
}

void sonde_json_put_known_number(struct sonde_buf *b, const char *key, uint64_t v)
{
	if (v)
		sonde_json_put_number(b, key, v);
}

void sonde_json_put_true(struct sonde_buf *b, const char *key, bool v)
{
	if (!v)
		return;
	sonde_json_put_key(b, key);
	sonde_buf_put_str(b, "true");
}

void sonde_json_open(struct sonde_buf *b, const char *key)
{
	sonde_json_put_key(b, key);
	sonde_buf_put_byte(b, '{');
}

void sonde_json_close(struct sonde_buf *b)
{
	sonde_buf_put_byte(b, '}');
}

static void put_address(struct sonde_buf *b, const char *key, const struct sonde_endpoint *e)
{
	char text[SONDE_ADDRESS_TEXT];

	sonde_endpoint_address(e, text);
	sonde_json_put_string(b, key, sonde_slice_str(text));
}

void sonde_json_put_endpoint(struct sonde_buf *b, const char *key, const struct sonde_endpoint *e,
			     const struct sonde_endpoint *original)
{
	sonde_json_open(b, key);
	put_address(b, "address", e);
	sonde_json_put_number(b, "port", e->port);
	if (original && original->port) {
		put_address(b, "original_address", original);
		sonde_json_put_number(b, "original_port", original->port);
	}
	sonde_json_close(b);
}

static void put_labels(struct sonde_buf *b, const struct sonde_workload *w)
{
	if (!w->n_labels)
		return;
	sonde_json_open(b, "labels");
	for (size_t i = 0; i < w->n_labels; i++) {
		if (i)
			sonde_buf_put_byte(b, ',');
		sonde_json_string(b, w->labels[i].key);
		sonde_buf_put_byte(b, ':');
		sonde_json_string(b, w->labels[i].value);
	}
	sonde_json_close(b);
}

static void put_workload(struct sonde_buf *b, const struct sonde_workload *w)
{
	sonde_json_put_known(b, "container_name", w->container);
	sonde_json_put_known(b, "image", w->image);
	sonde_json_put_known(b, "image_tag", w->image_tag);
	sonde_json_put_known(b, "pod", w->pod);
	sonde_json_put_known(b, "namespace", w->pod_namespace);
	sonde_json_put_known(b, "node", w->node);
	sonde_json_put_known(b, "owner", w->owner);
	put_labels(b, w);
}

void sonde_json_put_process(struct sonde_buf *b, const char *key, const struct sonde_process *p)
{
	sonde_json_open(b, key);
	sonde_json_put_number(b, "pid", p->pid);
	sonde_json_put_string(b, "comm", sonde_slice_str(p->comm));
	sonde_json_put_known_number(b, "start_ns", p->start_ns);
	sonde_json_put_known(b, "exe", sonde_slice_str(p->exe));
	sonde_json_put_known(b, "cgroup", sonde_slice_str(p->cgroup));
	sonde_json_put_known(b, "unit", sonde_slice_str(p->unit));
	sonde_json_put_known(b, "container_id", sonde_slice_str(p->container_id));
	sonde_json_put_known(b, "container_runtime",
			     sonde_slice_str(sonde_runtime_name(p->runtime)));
	sonde_json_put_known(b, "pod_uid", sonde_slice_str(p->pod_uid));
	if (p->workload)
		put_workload(b, p->workload);
	sonde_json_close(b);
}
