// SPDX-License-Identifier: Apache-2.0
/*
 * track - connections, and the exchanges on them: records in, requests out.
 *
 * Each direction of a connection is a stream of bytes of which the kernel side shows the beginning
 * of every turn. track knows at which position the next message begins, because the head of the
 * last one told its length; where it did not (chunked bodies that were not captured whole, heads
 * that were cut), a turn's beginning is taken for a message's.
 *
 *   request head ------> exchange OPEN --- final response head ---> ANSWERED --- last byte --->
 * done |  (1xx: stays open)                       |
 *                            +--- close, reset, timeout: done as error--+
 *
 * The last byte is seen in the same segment, or told by the next record of the connection: its
 * peer_bytes and peer_last_ns, a progress record, or the close record. Everything runs on the
 * worker's data thread; memory is bounded by the table and by two pools.
 */
#ifndef SONDE_TRACK_TRACK_H
#define SONDE_TRACK_TRACK_H

#include "agent/model/config.h"
#include "agent/model/connection.h"
#include "agent/model/record.h"
#include "agent/model/request.h"

struct sonde_track;

/* What track needs from the one who composes it. Called on the data thread; must not call back. */
struct sonde_track_ops {
	void *ctx;
	/* The process behind a new connection, held until release(). Never NULL. */
	struct sonde_process *(*identify)(void *ctx, const struct sonde_record_open *open);
	struct sonde_process *(*hold)(void *ctx, struct sonde_process *p);
	void (*release)(void *ctx, struct sonde_process *p);
	/* An exchange is over. R borrows from the connection; services and route are not filled. */
	void (*request)(void *ctx, struct sonde_request *r);
	/* N requests of this connection were counted by the kernel but never seen here. */
	void (*lost)(void *ctx, struct sonde_process *p, uint16_t server_port, enum sonde_role role,
		     enum sonde_loss why, uint64_t n);
	/* From now on all bytes of this connection are wanted (it pipelines), or none (upgraded).
	 */
	void (*want_stream)(void *ctx, uint64_t id, bool all);
	/* News of a connection. C borrows; services are not filled. */
	void (*connection)(void *ctx, struct sonde_connection *c,
			   enum sonde_connection_event event);
	/* A record came for a connection that was never opened here; told again, it would be. */
	void (*want_reopen)(void *ctx);
};

enum { SONDE_TRACK_FLOWS = 81920 }; /* of UDP: more than the kernel side has room for */

struct sonde_track_stats {
	uint64_t flows; /* of UDP */
	uint64_t connections, connections_max;
	uint64_t exchanges;	 /* open now */
	uint64_t unnamed;	 /* connections made from a record without an open record */
	uint64_t unsynced;	 /* response heads without a request that we saw */
	uint64_t ended_by_quiet; /* answers whose end was told by silence alone */
	uint64_t shadowed;	 /* connections that their other end reports */
	uint64_t upgraded;	 /* connections left alone after an upgrade or CONNECT */
	uint64_t ending;	 /* closed, produced, and not told yet: see news.c */
	uint64_t memory_bytes;
};

/* LEDGER is the caller's; requests and connection records are booked there. */
int sonde_track_new(const struct sonde_config *config, const struct sonde_track_ops *ops,
		    struct sonde_ledger *ledger, struct sonde_track **out);
void sonde_track_free(struct sonde_track *t); /* accepts NULL; open exchanges end unreported */

/* Takes one record of the kernel side. */
void sonde_track_record(struct sonde_track *t, const struct sonde_record *record);
/* What TCP counts for a connection now; unknown ones are passed over. */
void sonde_track_facts(struct sonde_track *t, uint64_t id,
		       const struct sonde_snapshot_tcp *snapshot);
/* What the kernel side has counted for a flow of UDP. */
void sonde_track_udp(struct sonde_track *t, uint64_t id, const struct sonde_snapshot_udp_flow *s);
/*
 * A whole snapshot has been taken in. The programs do not always see the end of sockets that are
 * older than they, and the last word of a flow may be lost: one that several snapshots in a row
 * have not shown is gone.
 */
void sonde_track_end_facts(struct sonde_track *t);
/* The next live connection or flow from *CURSOR (begin at 0), as it stands; `fresh` is 0. False:
 * the end.
 */
bool sonde_track_next_connection(struct sonde_track *t, size_t *cursor,
				 struct sonde_connection *out);
/* The kernel side has dropped records: from now on that may be why something is missing. */
void sonde_track_ring_lost(struct sonde_track *t);

/*
 * Between these two calls every connection that lives is told again (open records). Those that
 * were not have ended without a word: they are forgotten, their open exchanges booked as lost.
 */
void sonde_track_begin_telling(struct sonde_track *t);
void sonde_track_end_telling(struct sonde_track *t);
/* No more records will come: tells what waits for a last word that cannot be waited for. */
void sonde_track_finish(struct sonde_track *t);
/* Call about once a second: timeouts, answers that ended in silence. */
void sonde_track_tick(struct sonde_track *t, uint64_t mono_ns, int64_t wall_offset_ns);
/* Calls FN for every exchange that is open and not reported. METHOD is as on the wire. */
typedef void (*sonde_track_open_fn)(void *ctx, struct sonde_process *p, uint16_t server_port,
				    enum sonde_role role, struct sonde_slice method);
void sonde_track_each_open(const struct sonde_track *t, sonde_track_open_fn fn, void *ctx);
void sonde_track_configure(struct sonde_track *t, const struct sonde_config *config);
void sonde_track_stats(const struct sonde_track *t, struct sonde_track_stats *out);

#endif
