// SPDX-License-Identifier: Apache-2.0
#include "agent/model/workload.h"

#include <stdatomic.h>
#include <stdlib.h>

/* One block: the workload, its labels, then the bytes of all slices. */
struct owned {
	struct sonde_workload workload; /* first: people hold pointers to it */
	atomic_uint refs;
	struct sonde_workload_label labels[];
};

enum { TEXTS = 9 };

static void list_texts(struct sonde_workload *w, struct sonde_slice *out[TEXTS])
{
	struct sonde_slice *all[TEXTS] = {
		&w->container_id, &w->pod_uid,	     &w->container, &w->image, &w->image_tag,
		&w->pod,	  &w->pod_namespace, &w->node,	    &w->owner,
	};

	memcpy(out, all, sizeof(all));
}

/* FACTS within the bounds; its labels go to LABELS. */
static struct sonde_workload bounded(const struct sonde_workload *facts,
				     struct sonde_workload_label labels[SONDE_WORKLOAD_LABELS])
{
	struct sonde_workload w = *facts;
	struct sonde_slice *texts[TEXTS];

	list_texts(&w, texts);
	for (int i = 0; i < TEXTS; i++)
		*texts[i] = sonde_slice_sub(*texts[i], 0, SONDE_WORKLOAD_TEXT_MAX);
	w.n_labels = 0;
	w.labels = labels;
	for (size_t i = 0; i < facts->n_labels && w.n_labels < SONDE_WORKLOAD_LABELS; i++)
		if (facts->labels[i].key.len &&
		    facts->labels[i].key.len <= SONDE_WORKLOAD_LABEL_KEY_MAX &&
		    facts->labels[i].value.len <= SONDE_WORKLOAD_LABEL_VALUE_MAX)
			labels[w.n_labels++] = facts->labels[i];
	return w;
}

static uint8_t *put(uint8_t *to, struct sonde_slice *s)
{
	size_t len = s->len;

	if (len)
		memcpy(to, s->ptr, len);
	*s = len ? sonde_slice_of(to, len) : SONDE_SLICE_EMPTY;
	return to + len;
}

struct sonde_workload *sonde_workload_new(const struct sonde_workload *facts)
{
	struct sonde_workload_label labels[SONDE_WORKLOAD_LABELS];
	struct sonde_workload shell = bounded(facts, labels);
	struct sonde_slice *texts[TEXTS];
	size_t size = sizeof(struct owned) + shell.n_labels * sizeof(labels[0]);
	struct owned *own;
	uint8_t *at;

	list_texts(&shell, texts);
	for (int i = 0; i < TEXTS; i++)
		size += texts[i]->len;
	for (size_t i = 0; i < shell.n_labels; i++)
		size += labels[i].key.len + labels[i].value.len;
	own = malloc(size);
	if (!own)
		return NULL;
	at = (uint8_t *)(own->labels + shell.n_labels);
	for (int i = 0; i < TEXTS; i++)
		at = put(at, texts[i]);
	for (size_t i = 0; i < shell.n_labels; i++) {
		at = put(put(at, &labels[i].key), &labels[i].value);
		own->labels[i] = labels[i];
	}
	own->workload = shell;
	own->workload.labels = own->labels;
	atomic_init(&own->refs, 1);
	return &own->workload;
}

/* The workload is the first member of its block. */
static struct owned *owner_of(struct sonde_workload *w)
{
	return (struct owned *)w;
}

struct sonde_workload *sonde_workload_hold(struct sonde_workload *w)
{
	if (w)
		atomic_fetch_add_explicit(&owner_of(w)->refs, 1, memory_order_relaxed);
	return w;
}

void sonde_workload_put(struct sonde_workload *w)
{
	/* Whoever is last must see what the others did with it before they let go. */
	if (w && atomic_fetch_sub_explicit(&owner_of(w)->refs, 1, memory_order_acq_rel) == 1)
		free(owner_of(w));
}

bool sonde_workload_is_shared(const struct sonde_workload *w)
{
	return atomic_load_explicit(&((const struct owned *)w)->refs, memory_order_acquire) > 1;
}

struct sonde_slice sonde_workload_label(const struct sonde_workload *w, struct sonde_slice key)
{
	for (size_t i = 0; w && i < w->n_labels; i++)
		if (sonde_slice_eq(w->labels[i].key, key))
			return w->labels[i].value;
	return SONDE_SLICE_EMPTY;
}

bool sonde_workload_equal(const struct sonde_workload *a, const struct sonde_workload *b)
{
	struct sonde_workload x = *a, y = *b;
	struct sonde_slice *of_x[TEXTS], *of_y[TEXTS];

	list_texts(&x, of_x);
	list_texts(&y, of_y);
	for (int i = 0; i < TEXTS; i++)
		if (!sonde_slice_eq(*of_x[i], *of_y[i]))
			return false;
	if (a->source != b->source || a->n_labels != b->n_labels)
		return false;
	for (size_t i = 0; i < a->n_labels; i++)
		if (!sonde_slice_eq(a->labels[i].key, b->labels[i].key) ||
		    !sonde_slice_eq(a->labels[i].value, b->labels[i].value))
			return false;
	return true;
}

struct sonde_slice sonde_workload_image_tag(struct sonde_slice image)
{
	size_t end = sonde_slice_find(image, 0, '@'), colon = end;

	/* A colon before the last slash is that of a registry's port. */
	for (size_t i = end; i > 0; i--) {
		if (image.ptr[i - 1] == '/')
			break;
		if (image.ptr[i - 1] == ':') {
			colon = i - 1;
			break;
		}
	}
	/* "sha256:<hex>" is an id, not a name with a tag. */
	if (colon == end || sonde_slice_starts(image, SONDE_SLICE_LIT("sha256:")))
		return SONDE_SLICE_EMPTY;
	return sonde_slice_sub(image, colon + 1, end - colon - 1);
}
