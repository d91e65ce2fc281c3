// SPDX-License-Identifier: Apache-2.0
/*
 * workload - what an engine or the cluster calls a container: names, image, labels.
 *
 * The cgroup of a process tells ids; who knows the names (Docker's socket, the Kubernetes API) is
 * asked by a thread of its own. What it learns is made into one of these, which nobody changes any
 * more: news of the same container is another workload in its place. So it may be shared between
 * threads and kept by copies of requests; the last holder frees it.
 */
#ifndef SONDE_MODEL_WORKLOAD_H
#define SONDE_MODEL_WORKLOAD_H

#include "agent/core/slice.h"

enum {
	SONDE_WORKLOAD_LABELS = 32,	    /* of one workload; further ones are left out */
	SONDE_WORKLOAD_TEXT_MAX = 255,	    /* bytes of a name; longer ones are cut */
	SONDE_WORKLOAD_LABEL_KEY_MAX = 317, /* prefix/name: 253 + 1 + 63 */
	SONDE_WORKLOAD_LABEL_VALUE_MAX = 253,
};

enum sonde_workload_source {
	SONDE_WORKLOAD_DOCKER = 0,
	SONDE_WORKLOAD_KUBERNETES = 1, /* knows more: not replaced by what Docker tells */
};

struct sonde_workload_label {
	struct sonde_slice key, value;
};

/* Empty is unknown, or that there is none. */
struct sonde_workload {
	enum sonde_workload_source source;
	struct sonde_slice container_id; /* empty: the pod as a whole */
	struct sonde_slice pod_uid;
	struct sonde_slice container; /* its name */
	struct sonde_slice image;     /* as its owner wrote it: "registry/shop:1.4" */
	struct sonde_slice image_tag; /* "1.4" */
	struct sonde_slice pod;
	struct sonde_slice pod_namespace;
	struct sonde_slice node;
	struct sonde_slice owner; /* the Deployment, StatefulSet, Job, ... behind the pod */
	const struct sonde_workload_label *labels;
	size_t n_labels;
};

/*
 * One that owns its bytes, with one reference: a copy of FACTS within the bounds above. Labels
 * whose key or value is too long are left out whole. NULL: no memory.
 */
struct sonde_workload *sonde_workload_new(const struct sonde_workload *facts);
/* One reference more. Accepts NULL. Any thread. */
struct sonde_workload *sonde_workload_hold(struct sonde_workload *w);
/* Ends a reference. Accepts NULL. Any thread. */
void sonde_workload_put(struct sonde_workload *w);
bool sonde_workload_is_shared(const struct sonde_workload *w); /* more than one reference */

/* The value of a label, or the empty slice. Accepts NULL. */
struct sonde_slice sonde_workload_label(const struct sonde_workload *w, struct sonde_slice key);
bool sonde_workload_equal(const struct sonde_workload *a, const struct sonde_workload *b);

/* The tag of "registry:5000/shop/web:1.4@sha256:...": "1.4"; empty when there is none. */
struct sonde_slice sonde_workload_image_tag(struct sonde_slice image);

#endif
