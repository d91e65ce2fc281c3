// SPDX-License-Identifier: Apache-2.0
/*
 * connection - the insides of track, shared by its files and by nobody else.
 *
 * A connection owns its open exchanges (first in, first answered) and, while a head is incomplete,
 * one assembly per direction. Exchanges and assemblies come from pools of track and go back there.
 */
#ifndef SONDE_TRACK_CONNECTION_H
#define SONDE_TRACK_CONNECTION_H

#include "agent/core/table.h"
#include "agent/proto/http1.h"
#include "agent/track/assembly.h"
#include "agent/track/track.h"

#define SONDE_POSITION_UNKNOWN UINT64_MAX

enum {
	SONDE_EXCHANGE_PATH = 512, /* bytes kept of each; longer ones are cut */
	SONDE_EXCHANGE_HOST = 128,
	SONDE_EXCHANGE_AGENT = 128,
	SONDE_EXCHANGE_POOLS = 2,
	SONDE_EXCHANGES_PER_CONNECTION = 256, /* pipelined; more end as lost */
};

struct connection;

/* A request that has begun. */
struct exchange {
	struct exchange *next;		/* of this connection, in order; or of the free list */
	struct exchange *older, *newer; /* of all connections, by start */
	struct connection *conn;
	uint64_t start_ns;
	uint64_t first_byte_ns; /* of the final answer */
	uint64_t asked_ns;	/* when the last byte of the request passed, before the answer */
	uint64_t quiet_ns;	/* when the answer was found silent; 0 not */
	uint64_t quiet_end_ns;	/* its last byte then */
	uint64_t request_at;	/* positions: head, body, end (or unknown) */
	uint64_t request_body_at;
	uint64_t request_end;
	uint64_t response_base; /* of answers, before this exchange's own */
	uint64_t response_at;
	uint64_t response_body_at;
	uint64_t response_end;
	/* Body bytes, when they are told by other than positions (chunks that were walked, a head
	 * that was cut); else unknown. */
	uint64_t request_length, response_length;
	enum sonde_http1_body response_body;
	uint32_t read_at; /* when it was first read: struct sonde_record_data */
	uint16_t status;
	uint8_t version;
	bool answered;	   /* the final answer has begun */
	bool cut_off;	   /* the connection ended within the answer's head */
	bool end_is_least; /* its head was cut: it ends at response_end or a little behind */
	bool reported;	   /* timed out and told; waits for its answer only to swallow it */
	bool truncated;
	bool is_head, is_connect;
	uint16_t method_len, path_len, host_len, agent_len;
	char trace_id[32], span_id[16];
	bool traced;
	uint8_t pool; /* where it came from and goes back to */
	char text[];  /* method, path, host and agent, one behind the other */
};

/* Bytes of text of an exchange of each pool; the last holds all that is ever kept. */
extern const uint16_t sonde_exchange_room[SONDE_EXCHANGE_POOLS];

static inline size_t sonde_exchange_size(size_t pool)
{
	return (sizeof(struct exchange) + sonde_exchange_room[pool] + 7) & ~(size_t)7;
}

/* One direction. */
struct stream {
	uint64_t next;	   /* position of the next message head, or unknown: at a turn */
	uint64_t seen;	   /* payload bytes the kernel has told of */
	uint64_t chunk_at; /* position that the chunk walk has come to, or unknown */
	uint32_t heads;	   /* number of the last head seen */
	uint32_t captured; /* bytes of this turn in records so far */
	bool unparsed;	   /* the last thing that should have been a head was none */
	struct sonde_http1_chunks chunks;
	struct sonde_assembly *assembly; /* NULL: none under way */
};

/* What TCP counts at one end, and what has been told of it. */
struct facts {
	bool known; /* `own` has been seen */
	bool based; /* the other fields are what was told last */
	struct sonde_tcp_view own;
	uint64_t bytes[SONDE_DIRECTIONS]; /* told, by the direction of the client: as in struct */
	uint64_t rwnd_limited_ns, sndbuf_limited_ns; /* sonde_connection_counts */
	uint32_t segments[SONDE_DIRECTIONS], retransmits[SONDE_DIRECTIONS];
	uint32_t out_of_order[SONDE_DIRECTIONS];
	uint32_t zero_windows;
};

struct connection {
	uint64_t id;
	uint64_t peer_id; /* the other end on this node: a server's client, a shadow's server */
	struct sonde_endpoint local, remote;
	struct sonde_process *process; /* held */
	struct sonde_process *peer;    /* held, or NULL */
	struct stream stream[SONDE_DIRECTIONS];
	struct exchange *first, *last;
	uint64_t opened_ns;
	struct facts facts;
	struct sonde_tcp_view
		*gone_peer; /* owned: the last word of the other end, which closed first */
	struct sonde_record_close *ending; /* owned: closed, waits for the other end's last word */
	/* Owned; NULL: packets bear the addresses above. A client's: what they bear. A server's:
	 * what its client on this node asked for. */
	struct sonde_record_nat *nat;
	uint32_t connect_us;
	uint32_t told;		/* the telling that last named it */
	uint32_t missing_heads; /* lost before a head was parsed: of HTTP or of something else */
	uint32_t unmatched; /* answers booked for requests that never came, perhaps lost heads */
	uint16_t n_exchanges;
	uint8_t n_missed; /* snapshots in a row that did not show it */
	uint8_t role;	  /* enum sonde_role */
	bool opened;	  /* an open record named it */
	bool counted;	  /* `heads` are known from the start: a jump is a loss */
	bool http;	  /* a head was parsed */
	bool shadow;	  /* its other end on this node reports */
	bool left_alone;  /* upgraded, or not HTTP */
	bool streaming;	  /* all its bytes are asked for */
	bool preexisting;
	bool old;	/* older than the programs: they may not see its end */
	bool failed;	/* it was never established */
	bool told_open; /* OPENED has been told */
	bool renamed;	/* who owns it, or its addresses, have changed since it was last told */
};

struct sonde_track {
	struct sonde_track_ops ops;
	struct sonde_ledger *ledger;
	struct sonde_table *table;
	struct sonde_table *flows; /* of UDP: udp.c */
	uint32_t snapshots;	   /* that were read to their end */
	struct sonde_track_stats stats;
	uint32_t telling; /* see sonde_track_begin_telling() */
	bool ring_lost;	  /* the kernel has had to drop a record, ever */
	uint64_t timeout_ns;
	bool unparsed; /* the record in hand made no sense to the parser */
	uint64_t now_ns;
	int64_t wall_offset_ns;
	uint32_t head_bytes[2]; /* capture limits: responses, requests */
	struct exchange *oldest, *newest;
	size_t n_old;	 /* connections that are `old` */
	bool seen_facts; /* the kernel side takes snapshots of connections */
	size_t n_ending; /* connections with a close record that wait for their peer's */
	/* Free exchanges by how much text they hold: most requests need little. */
	struct {
		struct exchange *free;
		void *blocks; /* what they were cut from */
	} pools[SONDE_EXCHANGE_POOLS];
	void *free_assemblies;
	size_t pool_bytes;
	size_t aside_bytes; /* of what connections own beside the table */
};

/* track.c */
struct sonde_assembly *sonde_track_assembly(struct sonde_track *t, struct stream *s, uint64_t base);
void sonde_track_assembly_done(struct sonde_track *t, struct stream *s);

/* The other end of SERVER is on this node: takes its identity, and its word from it. */
void sonde_track_join(struct sonde_track *t, struct connection *server);

/* Ends its exchanges and forgets C. */
void sonde_track_forget(struct sonde_track *t, struct connection *c);

/* news.c: what is told of a connection itself */
void sonde_news_open(struct connection *c, const struct sonde_record_open *open);
void sonde_news_owner(struct sonde_track *t, struct connection *c,
		      const struct sonde_record_owner *owner);
void sonde_news_nat(struct sonde_track *t, struct connection *c,
		    const struct sonde_record_nat *nat);
/* CLIENT turned out to be the other end of SERVER. */
void sonde_news_join(struct sonde_track *t, struct connection *server, struct connection *client);
void sonde_news_facts(struct sonde_track *t, struct connection *c,
		      const struct sonde_snapshot_tcp *snapshot);
/* Its close record. True: it has been told of and can be forgotten; false: it waits for its peer.
 */
bool sonde_news_close(struct sonde_track *t, struct connection *c,
		      const struct sonde_record_close *r);
/* It has ended without a close record, or has waited for long enough. */
void sonde_news_end(struct sonde_track *t, struct connection *c);
void sonde_news_fini(struct sonde_track *t, struct connection *c);

/* The round trip that connection C measures, as far as is known; 0 not. */
uint64_t sonde_news_rtt(const struct connection *c);
/* The server's address that the client asked for, when packets went elsewhere; else all zero. */
struct sonde_endpoint sonde_news_asked(const struct connection *c);
/* Where packets of a client's connection really went. */
const struct sonde_endpoint *sonde_news_server(const struct connection *c);

/* udp.c */
int sonde_udp_init(struct sonde_track *t);
void sonde_udp_fini(struct sonde_track *t);
void sonde_udp_end_snapshot(struct sonde_track *t); /* of sonde_track_end_facts() */
/* The next flow that is told of from *CURSOR (begin at 0); false at the end. */
bool sonde_udp_next(const struct sonde_track *t, size_t *cursor, struct sonde_connection *out);

/* exchange.c */
struct exchange *sonde_exchange_begin(struct sonde_track *t, struct connection *c,
				      const struct sonde_http1_request *head);
/* Reports the connection's first exchange and removes it. END_NS: its last byte. */
void sonde_exchange_finish(struct sonde_track *t, struct connection *c, uint64_t end_ns,
			   enum sonde_error error);
/* Removes the first exchange and books it as lost. */
void sonde_exchange_lose(struct sonde_track *t, struct connection *c, enum sonde_loss why);
/* Tells of an exchange that has waited too long; it stays, to swallow a late answer. */
void sonde_exchange_timeout(struct sonde_track *t, struct exchange *e);
void sonde_exchange_pool_free(struct sonde_track *t);

/* http.c */
void sonde_http_data(struct sonde_track *t, struct connection *c,
		     const struct sonde_record_data *d);
void sonde_http_progress(struct sonde_track *t, struct connection *c,
			 const struct sonde_progress flow[SONDE_DIRECTIONS], uint64_t now_ns);
void sonde_http_close(struct sonde_track *t, struct connection *c,
		      const struct sonde_record_close *r);

static inline enum sonde_direction sonde_request_direction(const struct connection *c)
{
	return c->role == SONDE_ROLE_CLIENT ? SONDE_EGRESS : SONDE_INGRESS;
}

static inline struct stream *sonde_request_stream(struct connection *c)
{
	return &c->stream[sonde_request_direction(c)];
}

static inline struct stream *sonde_response_stream(struct connection *c)
{
	return &c->stream[!sonde_request_direction(c)];
}

static inline uint16_t sonde_server_port(const struct connection *c)
{
	return c->role == SONDE_ROLE_CLIENT ? c->remote.port : c->local.port;
}

#endif
