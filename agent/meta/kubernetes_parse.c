// SPDX-License-Identifier: Apache-2.0
#include "agent/meta/kubernetes_parse.h"

#include <errno.h>

#include "agent/meta/json.h"

enum { GONE = 410, CRON_STAMP_MIN = 8 };

/* Copies S and a NUL when it fits; false otherwise. */
static bool copy(char *out, size_t len, struct sonde_slice s)
{
	if (s.len >= len)
		return false;
	if (s.len)
		memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	return true;
}

/* NAME without "-TAIL"; NAME itself when it does not end so. */
static struct sonde_slice without_tail(struct sonde_slice name, struct sonde_slice tail)
{
	size_t stem = name.len > tail.len + 1 ? name.len - tail.len - 1 : 0;

	if (!tail.len || !stem || name.ptr[stem] != '-' ||
	    !sonde_slice_eq(sonde_slice_from(name, stem + 1), tail))
		return name;
	return sonde_slice_sub(name, 0, stem);
}

/* A CronJob names its jobs after the minute they were due in. */
static struct sonde_slice without_stamp(struct sonde_slice name)
{
	size_t digits = name.len;

	while (digits && name.ptr[digits - 1] >= '0' && name.ptr[digits - 1] <= '9')
		digits--;
	return name.len - digits < CRON_STAMP_MIN
		       ? name
		       : without_tail(name, sonde_slice_from(name, digits));
}

/*
 * The controller that people know. A ReplicaSet is a Deployment's, named after the hash of the pod
 * template, which the pod has as a label. A pod that belongs to its node (a static one) has none.
 */
static struct sonde_slice find_owner(const json_t *metadata, const struct sonde_workload *facts)
{
	static const struct sonde_slice hash = { (const uint8_t *)"pod-template-hash", 17 };
	const json_t *ref;
	size_t i;

	json_array_foreach(json_object_get(metadata, "ownerReferences"), i, ref)
	{
		struct sonde_slice kind = sonde_json_text(ref, "kind");
		struct sonde_slice name = sonde_json_text(ref, "name");

		if (!json_is_true(json_object_get(ref, "controller")))
			continue;
		if (sonde_slice_eq(kind, SONDE_SLICE_LIT("Node")))
			break;
		if (sonde_slice_eq(kind, SONDE_SLICE_LIT("ReplicaSet")))
			return without_tail(name, sonde_workload_label(facts, hash));
		return sonde_slice_eq(kind, SONDE_SLICE_LIT("Job")) ? without_stamp(name) : name;
	}
	return SONDE_SLICE_EMPTY;
}

/* The image of container NAME as the pod's author wrote it; the status may have only a digest. */
static struct sonde_slice find_image(const json_t *spec, const char *list, struct sonde_slice name)
{
	const json_t *container;
	size_t i;

	json_array_foreach(json_object_get(spec, list), i, container)
	{
		if (sonde_slice_eq(sonde_json_text(container, "name"), name))
			return sonde_json_text(container, "image");
	}
	return SONDE_SLICE_EMPTY;
}

/* "containerd://<id>" without the engine; empty when it is no id. */
static struct sonde_slice bare_id(struct sonde_slice id)
{
	for (size_t i = 0; i + 3 <= id.len; i++)
		if (sonde_slice_starts(sonde_slice_from(id, i), SONDE_SLICE_LIT("://"))) {
			id = sonde_slice_from(id, i + 3);
			break;
		}
	return sonde_docker_is_id(id) ? id : SONDE_SLICE_EMPTY;
}

/* Tells the containers of one of the pod's lists: FACTS holds what is the pod's. */
static void tell_containers(const json_t *pod, const char *list, const char *statuses,
			    struct sonde_workload facts, sonde_workload_sink *sink, void *ctx)
{
	const json_t *spec = json_object_get(pod, "spec"), *status;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(pod, "status"), statuses), i, status)
	{
		facts.container_id = bare_id(sonde_json_text(status, "containerID"));
		facts.container = sonde_json_text(status, "name");
		facts.image = find_image(spec, list, facts.container);
		if (!facts.image.len)
			facts.image = sonde_json_text(status, "image");
		facts.image_tag = sonde_workload_image_tag(facts.image);
		if (facts.container_id.len)
			sink(ctx, &facts);
	}
}

static int tell_pod(const json_t *pod, sonde_workload_sink *sink, void *ctx)
{
	const json_t *metadata = json_object_get(pod, "metadata");
	struct sonde_workload_label labels[SONDE_WORKLOAD_LABELS];
	struct sonde_workload facts = {
		.source = SONDE_WORKLOAD_KUBERNETES,
		.pod_uid = sonde_json_text(metadata, "uid"),
		.pod = sonde_json_text(metadata, "name"),
		.pod_namespace = sonde_json_text(metadata, "namespace"),
		.node = sonde_json_text(json_object_get(pod, "spec"), "nodeName"),
		.labels = labels,
		.n_labels = sonde_json_labels(json_object_get(metadata, "labels"), labels),
	};

	if (!facts.pod_uid.len || !facts.pod.len)
		return -EPROTO;
	facts.owner = find_owner(metadata, &facts);
	sink(ctx, &facts);
	tell_containers(pod, "containers", "containerStatuses", facts, sink, ctx);
	tell_containers(pod, "initContainers", "initContainerStatuses", facts, sink, ctx);
	tell_containers(pod, "ephemeralContainers", "ephemeralContainerStatuses", facts, sink, ctx);
	return 0;
}

int sonde_kubernetes_parse_list(struct sonde_slice body, sonde_workload_sink *sink, void *ctx,
				struct sonde_kubernetes_page *out)
{
	json_t *root = sonde_json_load(body), *pod;
	json_t *items = json_object_get(root, "items");
	const json_t *metadata = json_object_get(root, "metadata");
	struct sonde_slice version = sonde_json_text(metadata, "resourceVersion");
	struct sonde_kubernetes_page page;
	int err = 0;
	size_t i;

	if (!version.len || !copy(page.version, sizeof(page.version), version) ||
	    !copy(page.next, sizeof(page.next), sonde_json_text(metadata, "continue")))
		err = -EPROTO;
	/* A list without items may have null for them. */
	if (items && !json_is_array(items) && !json_is_null(items))
		err = -EPROTO;
	/* A pod that cannot be read does not keep the others from being told. */
	json_array_foreach(err ? NULL : items, i, pod)
	{
		tell_pod(pod, sink, ctx);
	}
	json_decref(root);
	if (!err)
		*out = page;
	return err;
}

static bool is_error(const json_t *root, json_int_t code)
{
	const json_t *told = json_object_get(json_object_get(root, "object"), "code");

	return json_is_integer(told) && json_integer_value(told) == code;
}

int sonde_kubernetes_parse_event(struct sonde_slice line, sonde_workload_sink *sink, void *ctx,
				 char version[SONDE_KUBERNETES_VERSION_MAX])
{
	json_t *root = sonde_json_load(line);
	const json_t *object = json_object_get(root, "object");
	struct sonde_slice type = sonde_json_text(root, "type");
	struct sonde_slice told =
		sonde_json_text(json_object_get(object, "metadata"), "resourceVersion");
	int err = 0;

	if (sonde_slice_eq(type, SONDE_SLICE_LIT("ERROR")))
		err = is_error(root, GONE) ? -ESTALE : -EIO;
	else if (!type.len || !told.len || told.len >= SONDE_KUBERNETES_VERSION_MAX)
		err = -EPROTO;
	else if (sonde_slice_eq(type, SONDE_SLICE_LIT("ADDED")) ||
		 sonde_slice_eq(type, SONDE_SLICE_LIT("MODIFIED")))
		err = tell_pod(object, sink, ctx);
	if (!err)
		copy(version, SONDE_KUBERNETES_VERSION_MAX, told);
	json_decref(root);
	return err;
}
