// SPDX-License-Identifier: Apache-2.0
#include "agent/proto/proto.h"

#include "agent/proto/http1.h"

const struct sonde_proto_ops *const sonde_protos[] = {
	&sonde_http1_ops,
};

const size_t sonde_n_protos = sizeof(sonde_protos) / sizeof(sonde_protos[0]);
