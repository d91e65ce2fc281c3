// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/frames.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/clock.h"
#include "tools/sonde/cli.h"

enum { FIRST_CAP = 16 };

int sonde_frames_add(struct sonde_frames *f, Sonde__Frame *frame)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : FIRST_CAP;
		Sonde__Frame **items = reallocarray(f->items, cap, sizeof(*items));

		if (!items) {
			sonde__frame__free_unpacked(frame, NULL);
			return -ENOMEM;
		}
		f->items = items;
		f->cap = cap;
	}
	f->items[f->n++] = frame;
	return 0;
}

void sonde_frames_free(struct sonde_frames *f)
{
	for (size_t i = 0; i < f->n; i++)
		sonde__frame__free_unpacked(f->items[i], NULL);
	free(f->items);
	*f = (struct sonde_frames){ 0 };
}

static bool is_last(const Sonde__Frame *frame)
{
	switch (frame->body_case) {
	case SONDE__FRAME__BODY_SERIES_BATCH:
		return frame->series_batch->last;
	case SONDE__FRAME__BODY_CONNECTION_BATCH:
		return frame->connection_batch->last;
	case SONDE__FRAME__BODY_EVENT_BATCH:
		return frame->event_batch->last;
	case SONDE__FRAME__BODY_EDGE_BATCH:
		return frame->edge_batch->last;
	case SONDE__FRAME__BODY_LIMIT_REPLY:
		return frame->limit_reply->last;
	default: /* the others come alone */
		return true;
	}
}

/* Adds the next frame of the answer to F. SONDE_EXIT_OK, or the exit code after complaining. */
static int take_frame(struct sonde_link *l, Sonde__Frame__BodyCase body, uint64_t until_ns,
		      struct sonde_frames *f)
{
	Sonde__Frame *frame;
	int err = sonde_link_receive(l, until_ns, &frame), code;

	if (err)
		return sonde_link_fail(err);
	code = sonde_link_check(frame, body);
	if (code != SONDE_EXIT_OK) {
		sonde__frame__free_unpacked(frame, NULL);
		return code;
	}
	err = sonde_frames_add(f, frame);
	return err ? sonde_link_fail(err) : SONDE_EXIT_OK;
}

static uint64_t frame_until_ns(void)
{
	return sonde_clock_mono_ns() + SONDE_LINK_ANSWER_S * SONDE_NS_PER_SEC;
}

int sonde_frames_ask(struct sonde_link *l, const Sonde__Frame *request, Sonde__Frame__BodyCase body,
		     uint64_t until_ns, struct sonde_frames *out)
{
	struct sonde_frames f = { 0 };
	int err = sonde_link_send(l, request), code;

	if (err)
		return sonde_link_fail(err);
	do
		code = take_frame(l, body, until_ns ? until_ns : frame_until_ns(), &f);
	while (code == SONDE_EXIT_OK && !is_last(f.items[f.n - 1]));
	if (code == SONDE_EXIT_OK)
		*out = f;
	else
		sonde_frames_free(&f);
	return code;
}
