// SPDX-License-Identifier: Apache-2.0
/* Connections as the daemon tells them: each once, in the order asked for. */
#include <errno.h>
#include <stdlib.h>

#include "tools/sonde/conns.h"

struct place {
	uint64_t id;
	size_t at; /* in the order of the answer */
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* One that closed during the answer is in it twice: the earlier one is left out. */
static int drop_doubles(struct sonde_conns *c)
{
	struct place *places = calloc(c->n ? c->n : 1, sizeof(*places));
	size_t kept = 0;

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++)
		places[i] = (struct place){ c->list[i]->id, i };
	qsort(places, c->n, sizeof(*places), compare_places);
	for (size_t i = 0; i + 1 < c->n; i++)
		if (places[i].id == places[i + 1].id)
			c->list[places[i].at] = NULL;
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i])
			c->list[kept++] = c->list[i];
	c->n = kept;
	free(places);
	return 0;
}

int sonde_conns_make(struct sonde_frames frames, struct sonde_conns *out)
{
	struct sonde_conns c = { .frames = frames };
	size_t n = 0;

	for (size_t i = 0; i < frames.n; i++)
		n += frames.items[i]->connection_batch->n_connections;
	c.list = calloc(n ? n : 1, sizeof(Sonde__Connection *));
	for (size_t i = 0; c.list && i < frames.n; i++) {
		const Sonde__ConnectionBatch *batch = frames.items[i]->connection_batch;

		for (size_t k = 0; k < batch->n_connections; k++)
			c.list[c.n++] = batch->connections[k];
		c.time_unix_ns = batch->time_unix_ns;
	}
	if (!c.list || drop_doubles(&c)) {
		sonde_conns_free(&c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void sonde_conns_free(struct sonde_conns *c)
{
	sonde_frames_free(&c->frames);
	free(c->list);
	*c = (struct sonde_conns){ 0 };
}

int sonde_conns_fetch(struct sonde_link *l, Sonde__GetConnections *get, struct sonde_conns *out)
{
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct sonde_frames frames;
	int code, err;

	frame.body_case = SONDE__FRAME__BODY_GET_CONNECTIONS;
	frame.get_connections = get;
	code = sonde_frames_ask(l, &frame, SONDE__FRAME__BODY_CONNECTION_BATCH, 0, &frames);
	if (code != SONDE_EXIT_OK)
		return code;
	err = sonde_conns_make(frames, out);
	return err ? sonde_link_fail(err) : SONDE_EXIT_OK;
}

static uint64_t retransmits(const Sonde__Connection *c)
{
	return (c->to_server ? c->to_server->retransmits : 0) +
	       (c->to_client ? c->to_client->retransmits : 0);
}

static uint64_t bytes(const Sonde__Connection *c)
{
	return (c->to_server ? c->to_server->bytes : 0) + (c->to_client ? c->to_client->bytes : 0);
}

static uint64_t weight(const Sonde__Connection *c, enum sonde_conns_sort sort)
{
	switch (sort) {
	case SONDE_CONNS_RTT:
		return c->srtt_ns;
	case SONDE_CONNS_RETRANS:
		return retransmits(c);
	case SONDE_CONNS_BYTES:
		return bytes(c);
	case SONDE_CONNS_AGE:
		/* The earlier it began, the older it is. */
		return UINT64_MAX - c->opened_unix_ns;
	case SONDE_CONNS_AS_TOLD:
		break;
	}
	return 0;
}

static int compare_weights(const void *a, const void *b, void *arg)
{
	const Sonde__Connection *x = *(Sonde__Connection *const *)a;
	const Sonde__Connection *y = *(Sonde__Connection *const *)b;
	const enum sonde_conns_sort *sort = arg;
	uint64_t wx = weight(x, *sort), wy = weight(y, *sort);

	if (wx != wy)
		return wx > wy ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

void sonde_conns_sort(struct sonde_conns *c, enum sonde_conns_sort sort)
{
	if (sort != SONDE_CONNS_AS_TOLD && c->n)
		qsort_r(c->list, c->n, sizeof(Sonde__Connection *), compare_weights, &sort);
}
