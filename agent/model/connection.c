// SPDX-License-Identifier: Apache-2.0
#include "agent/model/connection.h"

#include <stdlib.h>
#include <string.h>

static const char *const transports[SONDE_TRANSPORTS] = { "tcp", "udp" };

static const char *const connect_errors[SONDE_CONNECT_ERRORS] = {
	"", "refused", "timed_out", "unreachable", "reset", "aborted",
};

static const char *const states[SONDE_TCP_STATES] = {
	"unknown",   "established", "syn_sent",	  "syn_recv", "fin_wait1", "fin_wait2",
	"time_wait", "closed",	    "close_wait", "last_ack", "listen",	   "closing",
};

const char *sonde_transport_name(enum sonde_transport transport)
{
	return transport < SONDE_TRANSPORTS ? transports[transport] : "unknown";
}

const char *sonde_connect_error_name(enum sonde_connect_error error)
{
	return error < SONDE_CONNECT_ERRORS ? connect_errors[error] : "unknown";
}

const char *sonde_tcp_state_name(enum sonde_tcp_state state)
{
	return state < SONDE_TCP_STATES ? states[state] : "unknown";
}

static char *put(char *to, struct sonde_slice *s)
{
	size_t len = s->len;

	if (len)
		memcpy(to, s->ptr, len);
	*s = sonde_slice_of(to, len);
	return to + len;
}

/* One block: the connection, its processes, then the text of the names. */
struct owned {
	struct sonde_connection connection;
	struct sonde_process process, peer;
	bool has_peer;
	char text[];
};

struct sonde_connection *sonde_connection_copy(const struct sonde_connection *c)
{
	struct owned *own = malloc(sizeof(*own) + c->service.len + c->peer_service.len);

	if (!own)
		return NULL;
	own->connection = *c;
	own->process = *c->process;
	sonde_workload_hold(own->process.workload);
	own->connection.process = &own->process;
	own->has_peer = c->peer != NULL;
	if (c->peer) {
		own->peer = *c->peer;
		sonde_workload_hold(own->peer.workload);
		own->connection.peer = &own->peer;
	}
	put(put(own->text, &own->connection.service), &own->connection.peer_service);
	return &own->connection;
}

void sonde_connection_free(struct sonde_connection *copy)
{
	/* The connection is the first member of its block. */
	struct owned *own = (struct owned *)copy;

	if (!copy)
		return;
	sonde_workload_put(own->process.workload);
	if (own->has_peer)
		sonde_workload_put(own->peer.workload);
	free(own);
}
