// SPDX-License-Identifier: Apache-2.0
/* kubernetes_parse - any bytes as a list of pods or a watch event: nothing half-read gets out. */
#include <errno.h>
#include <stdlib.h>

#include "agent/meta/kubernetes_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all that is borrowed, as the copy does, before the answer goes. */
static void check(void *ctx, const struct sonde_workload *facts)
{
	struct sonde_workload *w = sonde_workload_new(facts);

	if (!w || facts->source != SONDE_WORKLOAD_KUBERNETES || !w->pod_uid.len || !w->pod.len ||
	    (w->container_id.len && !sonde_docker_is_id(w->container_id)) ||
	    facts->n_labels > SONDE_WORKLOAD_LABELS || facts->image_tag.len > facts->image.len)
		abort();
	sonde_workload_put(w);
	++*(size_t *)ctx;
}

static void list(struct sonde_slice bytes)
{
	struct sonde_kubernetes_page page, before;
	size_t told = 0;
	int err;

	memset(&page, 'x', sizeof(page));
	before = page;
	err = sonde_kubernetes_parse_list(bytes, check, &told, &page);
	if (err && (err != -EPROTO || told || memcmp(&page, &before, sizeof(page))))
		abort();
	if (!err && (!strnlen(page.version, sizeof(page.version)) ||
		     strnlen(page.version, sizeof(page.version)) == sizeof(page.version) ||
		     strnlen(page.next, sizeof(page.next)) == sizeof(page.next)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char version[SONDE_KUBERNETES_VERSION_MAX] = "untouched";
	struct sonde_slice bytes = sonde_slice_of(data, size);
	size_t told = 0;
	int err;

	list(bytes);
	err = sonde_kubernetes_parse_event(bytes, check, &told, version);
	if (err ? told || strcmp(version, "untouched") : !*version)
		abort();
	if (err && err != -ESTALE && err != -EIO && err != -EPROTO)
		abort();
	return 0;
}
