// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/control_queue.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/model/wire.h"

enum {
	FIRST_CAP = 4096,
	KEEP_CAP = 65536, /* an empty queue keeps no more than this */
	/* Keys of these fields in Frame, length-delimited: the first byte of such a frame. */
	REQUEST_KEY = SONDE__FRAME__BODY_REQUEST << 3 | 2,
	CONNECTION_KEY = SONDE__FRAME__BODY_CONNECTION << 3 | 2,
};
_Static_assert(CONNECTION_KEY < 0x80, "a key of one byte");

static bool is_record(const uint8_t *frame)
{
	return sonde_wire_head(frame) > 0 &&
	       (frame[SONDE_WIRE_HEAD] == REQUEST_KEY || frame[SONDE_WIRE_HEAD] == CONNECTION_KEY);
}

static int grow(struct sonde_control_queue *q, size_t need)
{
	size_t cap = q->cap ? q->cap : FIRST_CAP;
	uint8_t *ptr;

	while (cap < need)
		cap *= 2;
	ptr = realloc(q->ptr, cap);
	if (!ptr)
		return -ENOMEM;
	q->ptr = ptr;
	q->cap = cap;
	return 0;
}

int sonde_control_queue_put(struct sonde_control_queue *q, struct sonde_slice frame, size_t limit)
{
	if (frame.len > limit || q->len > limit - frame.len)
		return -ENOSPC;
	if (q->cap - q->head - q->len < frame.len && q->head) {
		memmove(q->ptr, q->ptr + q->head, q->len);
		q->head = 0;
	}
	if (q->cap - q->len < frame.len && grow(q, q->len + frame.len))
		return -ENOMEM;
	memcpy(q->ptr + q->head + q->len, frame.ptr, frame.len);
	q->len += frame.len;
	q->records += is_record(frame.ptr);
	return 0;
}

static void rest(struct sonde_control_queue *q)
{
	q->head = 0;
	if (q->cap > KEEP_CAP) {
		free(q->ptr);
		q->ptr = NULL;
		q->cap = 0;
	}
}

uint64_t sonde_control_queue_take(struct sonde_control_queue *q, size_t n)
{
	uint64_t ended = 0;

	while (n) {
		size_t step;

		if (!q->frame_left) {
			q->frame_left = SONDE_WIRE_HEAD + sonde_wire_head(q->ptr + q->head);
			q->frame_counts = is_record(q->ptr + q->head);
		}
		step = n < q->frame_left ? n : q->frame_left;
		q->head += step;
		q->len -= step;
		q->frame_left -= step;
		n -= step;
		ended += !q->frame_left && q->frame_counts;
	}
	q->records -= ended;
	if (!q->len)
		rest(q);
	return ended;
}

void sonde_control_queue_fini(struct sonde_control_queue *q)
{
	free(q->ptr);
	*q = (struct sonde_control_queue){ 0 };
}
