// SPDX-License-Identifier: Apache-2.0
/*
 * exporter - the contract of a way out that is pushed to, and their table.
 *
 * push() is called on the worker's data thread for every finished request. It must not block, must
 * not keep the request (copy it, or encode it), and returns false when the record was dropped,
 * having counted it. push_connection() is the same for connections; one that the config does not
 * want is not offered, and neither produced nor dropped. Everything slow happens on the exporter's
 * own thread, behind a bounded queue (exporters/sink.h). close() flushes what it can within the
 * time given and joins the thread. An exporter that fails at run time keeps counting and retrying;
 * it never ends the daemon.
 */
#ifndef SONDE_EXPORTERS_EXPORTER_H
#define SONDE_EXPORTERS_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/model/config.h"
#include "agent/model/connection.h"
#include "agent/model/request.h"

struct sonde_exporter; /* each folder defines its own */

struct sonde_exporter_stats {
	uint64_t produced;	/* records offered by push() */
	uint64_t delivered;	/* written out */
	uint64_t dropped_full;	/* the queue was full */
	uint64_t dropped_error; /* the way out refused them for good */
	uint64_t queued;	/* in the queue now */
	uint64_t bytes;		/* written out */
};

struct sonde_exporter_ops {
	const char *name; /* "jsonl" */
	bool (*enabled)(const struct sonde_config *config);
	/* 0 and *OUT, or negative errno with nothing left behind. ERROR gets a line for the log. */
	int (*open)(const struct sonde_config *config, struct sonde_exporter **out, char *error,
		    size_t error_len);
	bool (*push)(struct sonde_exporter *e, const struct sonde_request *r);
	/* The same for a connection that has closed or failed; NULL: this way out has none. */
	bool (*push_connection)(struct sonde_exporter *e, const struct sonde_connection *c);
	/* Any thread. produced == delivered + dropped_full + dropped_error + queued, always. */
	void (*stats)(struct sonde_exporter *e, struct sonde_exporter_stats *out);
	void (*close)(struct sonde_exporter *e, uint64_t timeout_ns); /* accepts NULL */
};

extern const struct sonde_exporter_ops *const sonde_exporters[];
extern const size_t sonde_n_exporters;

#endif
