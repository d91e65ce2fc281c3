// SPDX-License-Identifier: Apache-2.0
/* answers - JSON in tests with ' for ", and a sink that notes what a parser finds as text. */
#ifndef TESTS_UNIT_META_ANSWERS_H
#define TESTS_UNIT_META_ANSWERS_H

#include <stdio.h>
#include <stdlib.h>

#include "agent/model/workload.h"

struct answers_note {
	char text[2048]; /* one line for each workload */
	size_t len;
};

/* An exact allocation, so that a sanitiser sees a read behind it. To be freed. */
static inline char *answers_json(const char *text, struct sonde_slice *out)
{
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	for (size_t i = 0; i < len; i++)
		copy[i] = text[i] == '\'' ? '"' : text[i];
	*out = sonde_slice_of(copy, len);
	return copy;
}

static inline void answers_put(struct answers_note *note, struct sonde_slice s, char end)
{
	int n = snprintf(note->text + note->len, sizeof(note->text) - note->len, "%.*s%c",
			 (int)s.len, s.len ? (const char *)s.ptr : "", end);

	if (n < 0 || (size_t)n >= sizeof(note->text) - note->len)
		abort();
	note->len += (size_t)n;
}

/* "id|container|image|tag|namespace/pod|uid|node|owner|labels\n", the id by its first 12 digits. */
static inline void answers_sink(void *ctx, const struct sonde_workload *w)
{
	struct answers_note *note = ctx;

	answers_put(note, sonde_slice_sub(w->container_id, 0, 12), '|');
	answers_put(note, w->container, '|');
	answers_put(note, w->image, '|');
	answers_put(note, w->image_tag, '|');
	answers_put(note, w->pod_namespace, '/');
	answers_put(note, w->pod, '|');
	answers_put(note, w->pod_uid, '|');
	answers_put(note, w->node, '|');
	answers_put(note, w->owner, '|');
	for (size_t i = 0; i < w->n_labels; i++) {
		answers_put(note, w->labels[i].key, '=');
		answers_put(note, w->labels[i].value, ';');
	}
	answers_put(note, SONDE_SLICE_EMPTY, '\n');
}

#endif
