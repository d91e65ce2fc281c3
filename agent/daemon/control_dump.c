// SPDX-License-Identifier: Apache-2.0
/*
 * Answers in slices: a few whenever the socket has room, so that the ring never waits. Those that
 * show what the kernel counts wait first until it has been read anew.
 */
#include "agent/daemon/control_internal.h"

#include <errno.h>

#include "agent/core/clock.h"

enum {
	SLICES = 8,    /* at a time: some 64 rows, well below a millisecond */
	REFRESH_S = 3, /* without an answer of the kernel by then, what is known must do */
};

static void dump_slice(struct sonde_client *cl)
{
	switch (cl->dump.request->body_case) {
	case SONDE__FRAME__BODY_GET_SERIES:
		sonde_client_dump_series(cl);
		break;
	case SONDE__FRAME__BODY_GET_CONNECTIONS:
		sonde_client_dump_connections(cl);
		break;
	case SONDE__FRAME__BODY_GET_EVENTS:
		sonde_client_dump_events(cl);
		break;
	case SONDE__FRAME__BODY_GET_EDGES:
		sonde_client_dump_edges(cl);
		break;
	default:
		sonde_client_end_dump(cl);
		break;
	}
}

void sonde_client_dump(struct sonde_client *cl)
{
	for (int i = 0; i < SLICES && cl->dump.request; i++) {
		if (cl->out.len > SONDE_CONTROL_PAUSE_BYTES)
			return;
		dump_slice(cl);
	}
}

/* Whether the request can be answered; if not, the client has been told why. */
static bool prepare(struct sonde_client *cl, const Sonde__Frame *frame,
		    struct sonde_client_dump *dump)
{
	char why[128];
	int err;

	if (frame->body_case == SONDE__FRAME__BODY_GET_SERIES) {
		dump->left = frame->get_series->limit ? frame->get_series->limit : UINT64_MAX;
		if (frame->get_series->n_services <= SONDE_FILTER_VALUES)
			return true;
		sonde_client_error(cl, SONDE__ERROR__CODE__INVALID, "service: more than 32 values");
		return false;
	}
	if (frame->body_case != SONDE__FRAME__BODY_GET_CONNECTIONS)
		return true;
	err = sonde_filter_new(SONDE_FILTER_CONNECTIONS, frame->get_connections->filter,
			       &dump->filter, why, sizeof(why));
	if (err)
		sonde_client_error(cl,
				   err == -EINVAL ? SONDE__ERROR__CODE__INVALID
						  : SONDE__ERROR__CODE__INTERNAL,
				   why);
	return !err;
}

static bool shows_totals(const Sonde__Frame *frame)
{
	return frame->body_case == SONDE__FRAME__BODY_GET_CONNECTIONS ||
	       frame->body_case == SONDE__FRAME__BODY_GET_EDGES;
}

static void await_totals(struct sonde_client *cl)
{
	struct sonde_control *c = cl->control;
	unsigned int n = c->source.refresh(c->source.ctx);

	if (!n)
		return;
	cl->dump.waiting = true;
	cl->dump.refreshes = c->refreshes + n;
	cl->dump.deadline_ns = sonde_clock_mono_ns() + REFRESH_S * SONDE_NS_PER_SEC;
	sonde_control_await_deadline(c);
}

void sonde_client_begin_dump(struct sonde_client *cl, Sonde__Frame **frame)
{
	struct sonde_client_dump dump = { .request = *frame };

	if (!prepare(cl, *frame, &dump))
		return;
	cl->dump = dump;
	*frame = NULL;
	if (shows_totals(dump.request))
		await_totals(cl);
	if (!cl->dump.waiting)
		sonde_client_dump(cl);
	sonde_client_arm(cl);
}

void sonde_client_resume_dump(struct sonde_client *cl, uint64_t now_ns)
{
	if (!cl->dump.waiting)
		return;
	if (cl->control->refreshes < cl->dump.refreshes && now_ns < cl->dump.deadline_ns)
		return;
	/* The first slice is sent when the loop finds room in the socket. */
	cl->dump.waiting = false;
	sonde_client_arm(cl);
}

void sonde_client_end_dump(struct sonde_client *cl)
{
	if (!cl->dump.request)
		return;
	sonde__frame__free_unpacked(cl->dump.request, NULL);
	sonde_filter_free(cl->dump.filter);
	cl->dump = (struct sonde_client_dump){ 0 };
}
