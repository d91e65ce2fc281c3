// SPDX-License-Identifier: Apache-2.0
/*
 * docker_parse - answers of the Docker Engine API as workloads. Pure: bytes in, facts out.
 *
 * The fields are those of API v1.24 and later (docs.docker.com/engine/api), which Podman's
 * compatible socket has too. What is missing or of another type than it should be is unknown.
 */
#ifndef SONDE_META_DOCKER_PARSE_H
#define SONDE_META_DOCKER_PARSE_H

#include "agent/model/process.h"
#include "agent/model/workload.h"

/* Where parsers put what they find; FACTS borrows from the answer, for the call only. */
typedef void sonde_workload_sink(void *ctx, const struct sonde_workload *facts);

/* GET /containers/json. 0, -EPROTO (no such answer: nothing, or a part, has been found). */
int sonde_docker_parse_list(struct sonde_slice body, sonde_workload_sink *sink, void *ctx);
/* GET /containers/ID/json. 0 or -EPROTO. */
int sonde_docker_parse_inspect(struct sonde_slice body, sonde_workload_sink *sink, void *ctx);
/*
 * One line of GET /events. 0 with the id of a container whose names may be new; -ENOENT for other
 * news; -EPROTO.
 */
int sonde_docker_parse_event(struct sonde_slice line, char id[SONDE_CONTAINER_MAX]);
/* True for 12 to 64 lower-case hex digits: what may stand in a path. */
bool sonde_docker_is_id(struct sonde_slice id);

#endif
