// SPDX-License-Identifier: Apache-2.0
#include "agent/agg/owners.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/hash.h"

enum text {
	TEXT_EXE = 0,
	TEXT_CGROUP = 1,
	TEXT_UNIT = 2,
	TEXT_CONTAINER = 3,
	TEXT_POD = 4,
	TEXTS = 5,
};

struct sonde_owner_entry {
	struct sonde_text *texts[TEXTS]; /* a reference each */
	struct sonde_workload *workload; /* held, or NULL */
	uint64_t start_ns, cgroup_id;
	uint32_t pid;
	uint32_t refs, number;
	char comm[SONDE_COMM_LEN];
	enum sonde_runtime runtime;
};

enum { FIRST_CAP = 64 };

static int grow(struct sonde_owners *o)
{
	uint32_t cap = o->cap ? o->cap * 2 : FIRST_CAP;
	struct sonde_owner_entry **entries;
	uint32_t *unused;

	entries = reallocarray(o->entries, cap, sizeof(struct sonde_owner_entry *));
	if (!entries)
		return -ENOMEM;
	o->entries = entries;
	unused = reallocarray(o->unused, cap, sizeof(*unused));
	if (!unused)
		return -ENOMEM;
	o->unused = unused;
	if (o->cap ? sonde_index_grow(&o->index, cap) : sonde_index_init(&o->index, cap))
		return -ENOMEM;
	o->cap = cap;
	return 0;
}

int sonde_owners_init(struct sonde_owners *o, struct sonde_intern *intern, uint32_t max)
{
	*o = (struct sonde_owners){ .intern = intern, .fresh = 1, .max = max };
	return grow(o);
}

static void free_entry(struct sonde_owners *o, struct sonde_owner_entry *t)
{
	for (size_t i = 0; i < TEXTS; i++)
		sonde_intern_put(o->intern, t->texts[i]);
	sonde_workload_put(t->workload);
	free(t);
}

void sonde_owners_fini(struct sonde_owners *o)
{
	for (uint32_t i = 1; o->entries && i < o->fresh; i++) {
		if (o->entries[i])
			free_entry(o, o->entries[i]);
	}
	sonde_index_fini(&o->index);
	free(o->entries);
	free(o->unused);
	*o = (struct sonde_owners){ 0 };
}

static uint32_t hash_of(uint32_t pid, uint64_t start_ns, uint64_t cgroup_id)
{
	return (uint32_t)sonde_hash_u64(sonde_hash_u64(start_ns ^ (uint64_t)pid << 32) ^ cgroup_id);
}

static void texts_of(const struct sonde_process *p, struct sonde_slice out[TEXTS])
{
	out[TEXT_EXE] = sonde_slice_str(p->exe);
	out[TEXT_CGROUP] = sonde_slice_str(p->cgroup);
	out[TEXT_UNIT] = sonde_slice_str(p->unit);
	out[TEXT_CONTAINER] = sonde_slice_str(p->container_id);
	out[TEXT_POD] = sonde_slice_str(p->pod_uid);
}

static bool is_of(const struct sonde_owner_entry *t, const struct sonde_process *p,
		  const struct sonde_slice texts[TEXTS])
{
	if (t->pid != p->pid || t->start_ns != p->start_ns || t->cgroup_id != p->cgroup_id ||
	    t->runtime != p->runtime || t->workload != p->workload ||
	    memcmp(t->comm, p->comm, sizeof(t->comm)) != 0)
		return false;
	for (size_t i = 0; i < TEXTS; i++) {
		if (!sonde_text_is(t->texts[i], texts[i]))
			return false;
	}
	return true;
}

static struct sonde_owner_entry *make(struct sonde_owners *o, const struct sonde_process *p,
				      const struct sonde_slice texts[TEXTS])
{
	struct sonde_owner_entry *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->workload = sonde_workload_hold(p->workload);
	t->start_ns = p->start_ns;
	t->cgroup_id = p->cgroup_id;
	t->pid = p->pid;
	memcpy(t->comm, p->comm, sizeof(t->comm));
	t->runtime = p->runtime;
	for (size_t i = 0; i < TEXTS; i++) {
		t->texts[i] = sonde_intern_get(o->intern, texts[i]);
		if (!t->texts[i]) {
			free_entry(o, t);
			return NULL;
		}
	}
	return t;
}

static struct sonde_owner_entry *add(struct sonde_owners *o, const struct sonde_process *p,
				     const struct sonde_slice texts[TEXTS], uint32_t hash)
{
	struct sonde_owner_entry *t;

	if (o->n >= o->max || (!o->n_unused && o->fresh >= o->cap && grow(o)))
		return NULL;
	t = make(o, p, texts);
	if (!t)
		return NULL;
	t->number = o->n_unused ? o->unused[--o->n_unused] : o->fresh++;
	o->entries[t->number] = t;
	sonde_index_put(&o->index, hash, t->number);
	o->n++;
	return t;
}

struct sonde_owner_entry *sonde_owners_get(struct sonde_owners *o, const struct sonde_process *p)
{
	uint32_t hash = hash_of(p->pid, p->start_ns, p->cgroup_id), number;
	struct sonde_owner_entry *t = NULL;
	struct sonde_slice texts[TEXTS];
	size_t at = hash;

	texts_of(p, texts);
	while (!t && (number = sonde_index_next(&o->index, hash, &at)) != 0) {
		if (is_of(o->entries[number], p, texts))
			t = o->entries[number];
	}
	if (!t)
		t = add(o, p, texts, hash);
	if (t)
		t->refs++;
	return t;
}

void sonde_owners_put(struct sonde_owners *o, struct sonde_owner_entry *t)
{
	if (!t || --t->refs)
		return;
	sonde_index_remove(&o->index, hash_of(t->pid, t->start_ns, t->cgroup_id), t->number);
	o->entries[t->number] = NULL;
	o->unused[o->n_unused++] = t->number;
	o->n--;
	free_entry(o, t);
}

static void put(char *to, size_t size, const struct sonde_text *text)
{
	size_t len = text->len < size ? text->len : size - 1;

	memcpy(to, text->bytes, len);
	to[len] = '\0';
}

void sonde_owners_read(const struct sonde_owner_entry *t, struct sonde_process *out)
{
	*out = (struct sonde_process){ .resolved = true };
	if (!t)
		return;
	out->pid = t->pid;
	out->start_ns = t->start_ns;
	out->cgroup_id = t->cgroup_id;
	memcpy(out->comm, t->comm, sizeof(out->comm));
	out->runtime = t->runtime;
	out->workload = t->workload;
	put(out->exe, sizeof(out->exe), t->texts[TEXT_EXE]);
	put(out->cgroup, sizeof(out->cgroup), t->texts[TEXT_CGROUP]);
	put(out->unit, sizeof(out->unit), t->texts[TEXT_UNIT]);
	put(out->container_id, sizeof(out->container_id), t->texts[TEXT_CONTAINER]);
	put(out->pod_uid, sizeof(out->pod_uid), t->texts[TEXT_POD]);
}

size_t sonde_owners_memory(const struct sonde_owners *o)
{
	return o->n * sizeof(struct sonde_owner_entry) + sonde_index_memory(&o->index) +
	       o->cap * (sizeof(struct sonde_owner_entry *) + sizeof(*o->unused));
}
