// SPDX-License-Identifier: Apache-2.0
/* docker_parse - any bytes as an answer of an engine: facts hold together, ids are ids. */
#include <errno.h>
#include <stdlib.h>

#include "agent/meta/docker_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all that is borrowed, as the copy does, before the answer goes. */
static void check(void *ctx, const struct sonde_workload *facts)
{
	struct sonde_workload *w = sonde_workload_new(facts);

	if (!w || facts->source != SONDE_WORKLOAD_DOCKER || !sonde_docker_is_id(w->container_id) ||
	    facts->n_labels > SONDE_WORKLOAD_LABELS || w->container.len > SONDE_WORKLOAD_TEXT_MAX ||
	    facts->image_tag.len > facts->image.len)
		abort();
	sonde_workload_put(w);
	++*(size_t *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sonde_slice bytes = sonde_slice_of(data, size);
	char id[SONDE_CONTAINER_MAX] = "untouched";
	size_t listed = 0, inspected = 0;
	int err;

	sonde_docker_parse_list(bytes, check, &listed);
	err = sonde_docker_parse_inspect(bytes, check, &inspected);
	if (inspected != (err == 0) || (listed && inspected))
		abort();
	err = sonde_docker_parse_event(bytes, id);
	if (err ? (err != -ENOENT && err != -EPROTO) || strcmp(id, "untouched")
		: !sonde_docker_is_id(sonde_slice_str(id)))
		abort();
	return 0;
}
