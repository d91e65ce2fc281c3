// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/probe/reader.h"
#include "bpf/abi/record.h"

static void close_files(struct sonde_snapshot_reader *r)
{
	for (; r->at < r->n_fds; r->at++)
		close(r->fds[r->at]);
	r->n_fds = 0;
	r->at = 0;
	r->len = 0;
}

void sonde_snapshot_begin(struct sonde_snapshot_reader *r, const int *fds, size_t n_fds)
{
	close_files(r);
	for (size_t i = 0; i < n_fds; i++) {
		if (i < SONDE_SNAPSHOT_FILES)
			r->fds[r->n_fds++] = fds[i];
		else
			close(fds[i]);
	}
}

/* Hands on the whole records of the buffer and keeps the rest. */
static void take(struct sonde_snapshot_reader *r,
		 void (*fn)(void *ctx, const struct sonde_snapshot *s), void *ctx)
{
	struct sonde_snapshot snapshot;
	struct sonde_rec head;
	size_t at = 0;

	while (r->len - at >= sizeof(head)) {
		memcpy(&head, r->buffer + at, sizeof(head));
		/* Without a length there is no next record. */
		if (head.len < sizeof(head)) {
			r->invalid++;
			at = r->len;
			break;
		}
		if (head.len > r->len - at)
			break;
		if (sonde_reader_snapshot(sonde_slice_of(r->buffer + at, head.len), &snapshot))
			r->invalid++;
		else
			fn(ctx, &snapshot);
		at += head.len;
	}
	r->len -= at;
	memmove(r->buffer, r->buffer + at, r->len);
}

int sonde_snapshot_read(struct sonde_snapshot_reader *r,
			void (*fn)(void *ctx, const struct sonde_snapshot *s), void *ctx)
{
	ssize_t n;

	if (r->at == r->n_fds)
		return 0;
	if (!r->buffer && !(r->buffer = malloc(SONDE_SNAPSHOT_BYTES)))
		return -ENOMEM;
	n = read(r->fds[r->at], r->buffer + r->len, SONDE_SNAPSHOT_BYTES - r->len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n <= 0) {
		close(r->fds[r->at++]);
		r->len = 0;
		return r->at < r->n_fds;
	}
	r->len += (size_t)n;
	take(r, fn, ctx);
	return 1;
}

bool sonde_snapshot_busy(const struct sonde_snapshot_reader *r)
{
	return r->at < r->n_fds;
}

void sonde_snapshot_fini(struct sonde_snapshot_reader *r)
{
	close_files(r);
	free(r->buffer);
	r->buffer = NULL;
}
