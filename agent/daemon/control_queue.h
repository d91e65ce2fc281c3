// SPDX-License-Identifier: Apache-2.0
/*
 * control_queue - bytes on their way to one client: whole frames in, any number of bytes out.
 *
 *   ptr ....[ head ......... head + len )....... cap
 *
 * It grows to a limit and gives its memory back when it runs empty. Because frames carry their
 * length, it knows exactly how many frames of a subscription (Request, Connection) it still holds,
 * also after half of one was sent.
 */
#ifndef SONDE_DAEMON_CONTROL_QUEUE_H
#define SONDE_DAEMON_CONTROL_QUEUE_H

#include "agent/core/slice.h"

struct sonde_control_queue {
	uint8_t *ptr; /* owned */
	size_t head, len, cap;
	size_t frame_left; /* bytes of the frame at head not yet taken; 0 between frames */
	bool frame_counts; /* that frame is a record of a subscription */
	uint64_t records;  /* such frames not yet taken whole */
};

/* Appends one frame when the queue stays within LIMIT bytes. 0, -ENOSPC or -ENOMEM. */
int sonde_control_queue_put(struct sonde_control_queue *q, struct sonde_slice frame, size_t limit);
static inline struct sonde_slice sonde_control_queue_front(const struct sonde_control_queue *q)
{
	return sonde_slice_of(q->ptr + q->head, q->len);
}
/* Forgets N bytes at the front (N <= len). Returns how many records ended in them. */
uint64_t sonde_control_queue_take(struct sonde_control_queue *q, size_t n);
void sonde_control_queue_fini(struct sonde_control_queue *q);

#endif
