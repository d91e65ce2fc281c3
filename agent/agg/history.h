// SPDX-License-Identifier: Apache-2.0
/*
 * history - connections that have closed within the last minutes, and what happened on them.
 *
 * Two rings of fixed size: closed connections, and events (opened, handed to another process,
 * retransmitted, window closed, round trip doubled, closed). The oldest entry makes room; how far
 * back they reach is config.connections.history at most, less when much happens. Names and
 * processes are interned: an entry is some 250 bytes. Runs on the worker's data thread.
 */
#ifndef SONDE_AGG_HISTORY_H
#define SONDE_AGG_HISTORY_H

#include "agent/model/config.h"
#include "agent/model/connection.h"

struct sonde_history;

enum sonde_happening {
	SONDE_HAPPENED_OPENED = 0,
	SONDE_HAPPENED_OWNER = 1,	/* value: pid */
	SONDE_HAPPENED_RETRANSMITS = 2, /* value: how many more */
	SONDE_HAPPENED_ZERO_WINDOW = 3, /* value: how many more */
	SONDE_HAPPENED_RTT = 4,		/* value: srtt in ns; at least doubled or halved */
	SONDE_HAPPENED_CLOSED = 5,
	SONDE_HAPPENED_FAILED = 6, /* value: enum sonde_connect_error */
	SONDE_HAPPENINGS = 7,
};
const char *sonde_happening_name(enum sonde_happening h); /* "opened", "owner", ... */

struct sonde_event {
	uint64_t connection_id;
	uint64_t time_unix_ns;
	uint64_t value;
	enum sonde_happening what;
};

int sonde_history_new(const struct sonde_config *config, struct sonde_history **out);
void sonde_history_free(struct sonde_history *h); /* accepts NULL */
void sonde_history_configure(struct sonde_history *h, const struct sonde_config *config);
/* News of a connection, services filled; NOW as wall time. */
void sonde_history_connection(struct sonde_history *h, const struct sonde_connection *c,
			      enum sonde_connection_event event, uint64_t now_unix_ns);
/*
 * The next closed connection from *CURSOR (begin at 0), newest first; false at the end. *OUT
 * borrows until the next call of this room. A cursor stays good while others close: none is shown
 * twice, and one that was overwritten meanwhile is left out.
 */
bool sonde_history_next(struct sonde_history *h, uint64_t *cursor, uint64_t now_unix_ns,
			struct sonde_connection *out);
/* The next event of connection ID from *CURSOR (begin at 0), oldest first. */
bool sonde_history_event(const struct sonde_history *h, uint64_t id, uint64_t *cursor,
			 struct sonde_event *out);
size_t sonde_history_memory(const struct sonde_history *h);

#endif
