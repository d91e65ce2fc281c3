// SPDX-License-Identifier: Apache-2.0
/*
 * kubernetes_parse - pods as the Kubernetes API tells them, as workloads. Pure: bytes in, facts
 * out.
 *
 * One pod makes a workload for each of its containers that has an id, and one for the pod as a
 * whole, by its uid: for containers whose status is still on its way. The fields are those of core
 * v1 (Pod, PodList) and of watch events ("Efficient detection of changes" in the API concepts).
 */
#ifndef SONDE_META_KUBERNETES_PARSE_H
#define SONDE_META_KUBERNETES_PARSE_H

#include "agent/meta/docker_parse.h"

enum {
	SONDE_KUBERNETES_VERSION_MAX = 64,
	SONDE_KUBERNETES_CONTINUE_MAX = 1024,
};

struct sonde_kubernetes_page {
	char version[SONDE_KUBERNETES_VERSION_MAX]; /* where a watch goes on from */
	char next[SONDE_KUBERNETES_CONTINUE_MAX];   /* asks for the next page; "" was the last */
};

/* A PodList. 0, or -EPROTO with *OUT untouched. */
int sonde_kubernetes_parse_list(struct sonde_slice body, sonde_workload_sink *sink, void *ctx,
				struct sonde_kubernetes_page *out);
/*
 * One line of a watch. 0 with the version it stands for in VERSION (a pod came, changed or went,
 * or a bookmark); -ESTALE (410 Gone: everything must be listed anew); -EIO (another error that the
 * server tells); -EPROTO.
 */
int sonde_kubernetes_parse_event(struct sonde_slice line, sonde_workload_sink *sink, void *ctx,
				 char version[SONDE_KUBERNETES_VERSION_MAX]);

#endif
