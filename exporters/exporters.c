// SPDX-License-Identifier: Apache-2.0
/* The table of the ways out that are pushed to. To add one is to add a folder and a row here. */
#include "exporters/exporter.h"

#include "exporters/jsonl/jsonl.h"

const struct sonde_exporter_ops *const sonde_exporters[] = {
	&sonde_jsonl_ops,
};

const size_t sonde_n_exporters = sizeof(sonde_exporters) / sizeof(sonde_exporters[0]);
