// SPDX-License-Identifier: Apache-2.0
#include "agent/meta/docker_parse.h"

#include <errno.h>

#include "agent/meta/json.h"

enum { ID_MIN = 12 };

bool sonde_docker_is_id(struct sonde_slice id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!((id.ptr[i] >= '0' && id.ptr[i] <= '9') ||
		      (id.ptr[i] >= 'a' && id.ptr[i] <= 'f')))
			return false;
	return id.len >= ID_MIN && id.len < SONDE_CONTAINER_MAX;
}

/* Names begin with a slash, which is no part of them to people. */
static struct sonde_slice bare_name(struct sonde_slice name)
{
	return sonde_slice_at(name, 0) == '/' ? sonde_slice_from(name, 1) : name;
}

/* The container that NAME, IMAGE and LABELS tell of, if its id is one. */
static int tell(struct sonde_slice id, struct sonde_slice name, struct sonde_slice image,
		json_t *labels, sonde_workload_sink *sink, void *ctx)
{
	struct sonde_workload_label found[SONDE_WORKLOAD_LABELS];
	struct sonde_workload facts = {
		.source = SONDE_WORKLOAD_DOCKER,
		.container_id = id,
		.container = bare_name(name),
		.image = image,
		.image_tag = sonde_workload_image_tag(image),
		.labels = found,
		.n_labels = sonde_json_labels(labels, found),
	};

	if (!sonde_docker_is_id(id))
		return -EPROTO;
	/* A kubelet that uses Docker leaves this behind. */
	facts.pod = sonde_workload_label(&facts, SONDE_SLICE_LIT("io.kubernetes.pod.name"));
	facts.pod_namespace =
		sonde_workload_label(&facts, SONDE_SLICE_LIT("io.kubernetes.pod.namespace"));
	facts.pod_uid = sonde_workload_label(&facts, SONDE_SLICE_LIT("io.kubernetes.pod.uid"));
	sink(ctx, &facts);
	return 0;
}

int sonde_docker_parse_list(struct sonde_slice body, sonde_workload_sink *sink, void *ctx)
{
	json_t *root = sonde_json_load(body), *item;
	int err = json_is_array(root) ? 0 : -EPROTO;
	size_t i;

	json_array_foreach(root, i, item)
	{
		if (tell(sonde_json_text(item, "Id"),
			 sonde_json_slice(json_array_get(json_object_get(item, "Names"), 0)),
			 sonde_json_text(item, "Image"), json_object_get(item, "Labels"), sink,
			 ctx))
			err = -EPROTO;
	}
	json_decref(root);
	return err;
}

int sonde_docker_parse_inspect(struct sonde_slice body, sonde_workload_sink *sink, void *ctx)
{
	json_t *root = sonde_json_load(body), *config = json_object_get(root, "Config");
	int err = tell(sonde_json_text(root, "Id"), sonde_json_text(root, "Name"),
		       sonde_json_text(config, "Image"), json_object_get(config, "Labels"), sink,
		       ctx);

	json_decref(root);
	return err;
}

static bool is_news(struct sonde_slice action)
{
	return sonde_slice_eq(action, SONDE_SLICE_LIT("create")) ||
	       sonde_slice_eq(action, SONDE_SLICE_LIT("start")) ||
	       sonde_slice_eq(action, SONDE_SLICE_LIT("rename"));
}

int sonde_docker_parse_event(struct sonde_slice line, char id[SONDE_CONTAINER_MAX])
{
	json_t *root = sonde_json_load(line);
	struct sonde_slice type = sonde_json_text(root, "Type");
	struct sonde_slice found = sonde_json_text(json_object_get(root, "Actor"), "ID");
	int err = -ENOENT;

	if (!json_is_object(root)) {
		err = -EPROTO;
	} else if ((!type.len || sonde_slice_eq(type, SONDE_SLICE_LIT("container"))) &&
		   is_news(sonde_json_text(root, "Action"))) {
		err = sonde_docker_is_id(found) ? 0 : -EPROTO;
		if (!err) {
			memcpy(id, found.ptr, found.len);
			id[found.len] = '\0';
		}
	}
	json_decref(root);
	return err;
}
