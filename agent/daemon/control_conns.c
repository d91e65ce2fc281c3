// SPDX-License-Identifier: Apache-2.0
/* Slices of connections, and of what happened on one. */
#include "agent/daemon/control_internal.h"

#include "agent/core/clock.h"

#define SLACK_NS (5 * SONDE_NS_PER_SEC)

enum {
	LOOKS = 8,   /* connections in a slice; each that is wanted is a frame of its own */
	EVENTS = 64, /* in a slice */
};

static void send_one(struct sonde_client *cl, const struct sonde_connection *c)
{
	struct sonde_wire_connection wire;
	Sonde__Connection *list[] = { &wire.message };
	Sonde__ConnectionBatch batch;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	sonde__connection_batch__init(&batch);
	if (c) {
		sonde_wire_from_connection(c, &wire);
		batch.connections = list;
		batch.n_connections = 1;
	} else {
		batch.last = true;
		batch.time_unix_ns = sonde_clock_ns(CLOCK_REALTIME);
	}
	frame.body_case = SONDE__FRAME__BODY_CONNECTION_BATCH;
	frame.connection_batch = &batch;
	sonde_client_reply(cl, &frame);
}

static uint64_t end_of(const struct sonde_connection *c)
{
	return c->opened_unix_ns + c->duration_ns;
}

/* The next one: of those that live, then of those that have closed, the latest first. */
static bool next(struct sonde_client *cl, struct sonde_connection *out)
{
	const struct sonde_control_source *src = &cl->control->source;
	const Sonde__GetConnections *get = cl->dump.request->get_connections;
	struct sonde_client_dump *dump = &cl->dump;

	if (get->live && !dump->closed && src->live(src->ctx, &dump->cursor, out))
		return true;
	dump->closed = true;
	/* Some are told a little later than they ended, so their order is not that of their ends.
	 */
	return get->closed && src->closed(src->ctx, &dump->far_cursor, out) &&
	       end_of(out) + SLACK_NS >= get->closed_since_unix_ns;
}

static bool is_wanted(const struct sonde_client *cl, const struct sonde_connection *c)
{
	const Sonde__GetConnections *get = cl->dump.request->get_connections;

	return (!cl->dump.closed || end_of(c) >= get->closed_since_unix_ns) &&
	       sonde_filter_match_connection(cl->dump.filter, c);
}

void sonde_client_dump_connections(struct sonde_client *cl)
{
	struct sonde_connection c;

	for (int i = 0; i < LOOKS && cl->dump.request; i++) {
		if (!next(cl, &c)) {
			sonde_client_end_dump(cl);
			send_one(cl, NULL);
			return;
		}
		/* A reply that finds no room ends the client, and the dump with it. */
		if (is_wanted(cl, &c))
			send_one(cl, &c);
	}
}

static size_t fill(struct sonde_client *cl, Sonde__Event events[EVENTS], Sonde__Event *list[EVENTS])
{
	const struct sonde_control_source *src = &cl->control->source;
	uint64_t id = cl->dump.request->get_events->connection_id;
	struct sonde_event event;
	size_t n = 0;

	while (n < EVENTS && src->event(src->ctx, id, &cl->dump.far_cursor, &event)) {
		sonde__event__init(&events[n]);
		events[n].time_unix_ns = event.time_unix_ns;
		events[n].what = (Sonde__Event__What)event.what;
		events[n].value = event.value;
		list[n] = &events[n];
		n++;
	}
	return n;
}

void sonde_client_dump_events(struct sonde_client *cl)
{
	Sonde__Event events[EVENTS], *list[EVENTS];
	Sonde__EventBatch batch;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	sonde__event_batch__init(&batch);
	batch.n_events = fill(cl, events, list);
	batch.events = list;
	batch.last = batch.n_events < EVENTS;
	if (batch.last)
		sonde_client_end_dump(cl);
	frame.body_case = SONDE__FRAME__BODY_EVENT_BATCH;
	frame.event_batch = &batch;
	sonde_client_reply(cl, &frame);
}
