// SPDX-License-Identifier: Apache-2.0
/* cgroup - any bytes as a cgroup path: strings end within their arrays, the outcome is stable. */
#include <stdlib.h>

#include "agent/meta/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sonde_process a = { 0 }, b = { .unit = "x", .container_id = "x", .pod_uid = "x" };

	sonde_identity_parse_cgroup(sonde_slice_of(data, size), &a);
	sonde_identity_parse_cgroup(sonde_slice_of(data, size), &b);
	if (strcmp(a.unit, b.unit) || strcmp(a.container_id, b.container_id) ||
	    strcmp(a.pod_uid, b.pod_uid) || !*a.container_id != (a.runtime == SONDE_RUNTIME_NONE))
		abort();
	return 0;
}
