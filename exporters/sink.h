// SPDX-License-Identifier: Apache-2.0
/*
 * sink - a bounded queue and a thread: what stands between the data thread and a slow way out.
 *
 *   data thread: push -- copy --> [ ring of at most max_records ] --> sink's thread: write(batch)
 *                   \-- full: counted, false
 *
 * The ring is a fixed array of pointers to copies, of requests and connections in one order. The
 * thread takes all that is there as one batch and calls write() without the lock. Counts change
 * together with the queue under the lock, so the identity of struct sonde_exporter_stats holds at
 * every moment; a batch being written counts as queued.
 */
#ifndef SONDE_EXPORTERS_SINK_H
#define SONDE_EXPORTERS_SINK_H

#include "exporters/exporter.h"

struct sonde_sink;

/* One of the two. */
struct sonde_sink_record {
	struct sonde_request *request;
	struct sonde_connection *connection;
};

struct sonde_sink_ops {
	/*
	 * Sink's thread: writes N records out, in order. Returns how many of them have left for
	 * good; the others are counted as dropped_error. *BYTES gets what was written. May block,
	 * but must return soon after STOP_FD becomes readable.
	 */
	size_t (*write)(void *ctx, const struct sonde_sink_record *batch, size_t n, int stop_fd,
			uint64_t *bytes);
};

/*
 * A thread of this NAME (at most 15 characters) with CTX for the ops, which must both outlive it.
 * 0 and *OUT, -EINVAL (no records), -ENOMEM, or what pthread_create says.
 */
int sonde_sink_new(const char *name, uint32_t max_records, const struct sonde_sink_ops *ops,
		   void *ctx, struct sonde_sink **out);
/* Copies R into the queue. Never blocks for longer than the lock. False: dropped and counted. */
bool sonde_sink_push(struct sonde_sink *s, const struct sonde_request *r);
bool sonde_sink_push_connection(struct sonde_sink *s, const struct sonde_connection *c);
void sonde_sink_stats(struct sonde_sink *s, struct sonde_exporter_stats *out);
/*
 * Lets the thread go on for at most TIMEOUT_NS to empty the queue, then makes STOP_FD readable and
 * joins it. What is left is counted as dropped_error. Pushing afterwards drops. Call once.
 */
void sonde_sink_stop(struct sonde_sink *s, uint64_t timeout_ns);
void sonde_sink_free(struct sonde_sink *s); /* accepts NULL; stopped before */

#endif
