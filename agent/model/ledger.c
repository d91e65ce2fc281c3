// SPDX-License-Identifier: Apache-2.0
#include "agent/model/ledger.h"

#include <stddef.h>

static const char *const kinds[SONDE_KINDS] = {
	[SONDE_KIND_OPEN] = "open",	    [SONDE_KIND_DATA] = "data",
	[SONDE_KIND_PROGRESS] = "progress", [SONDE_KIND_CLOSE] = "close",
	[SONDE_KIND_OWNER] = "owner",	    [SONDE_KIND_NAT] = "nat",
	[SONDE_KIND_REQUEST] = "request",   [SONDE_KIND_CONNECTION] = "connection",
};

static const struct {
	const char *stage, *name;
} losses[SONDE_LOSSES] = {
	[SONDE_LOSS_RING_FULL] = { "kernel", "ring_full" },
	[SONDE_LOSS_INVALID] = { "reader", "invalid" },
	[SONDE_LOSS_TABLE_FULL] = { "track", "table_full" },
	[SONDE_LOSS_UNPARSED] = { "track", "unparsed" },
	[SONDE_LOSS_NO_MEMORY] = { "pipeline", "no_memory" },
	[SONDE_LOSS_WORKER_DIED] = { "worker", "worker_died" },
	[SONDE_LOSS_LOCAL_PEER] = { "track", "local_peer" },
	[SONDE_LOSS_IGNORED] = { "pipeline", "ignored" },
	[SONDE_LOSS_OUT_OF_SIGHT] = { "track", "out_of_sight" },
};

const char *sonde_kind_name(enum sonde_kind kind)
{
	return (unsigned int)kind < SONDE_KINDS ? kinds[kind] : "unknown";
}

const char *sonde_loss_stage(enum sonde_loss loss)
{
	return (unsigned int)loss < SONDE_LOSSES ? losses[loss].stage : "unknown";
}

const char *sonde_loss_name(enum sonde_loss loss)
{
	return (unsigned int)loss < SONDE_LOSSES ? losses[loss].name : "unknown";
}
