// SPDX-License-Identifier: Apache-2.0
/*
 * What holds a connection up, from what TCP counts. The network comes first, since loss makes all
 * else slow; then time that data spent in a queue of a kernel, because the application at one end
 * did not read or the buffer of the sender was small. When neither is so, the time is spent in the
 * applications: TCP calls such a connection application-limited.
 */
#include <stdio.h>

#include "agent/core/clock.h"
#include "tools/sonde/conns.h"

#define RETRANSMIT_SHARE 0.01			/* one segment in a hundred */
#define STALLED_SHARE	 0.1			/* a tenth of its life */
#define ACCEPT_NS	 (10 * SONDE_NS_PER_MS) /* until the first read */
#define BLOAT_FACTOR	 4
/* Beyond what a delayed acknowledgement (40 ms) adds to a round trip. */
#define BLOAT_NS (50 * SONDE_NS_PER_MS)

const char *sonde_limit_name(enum sonde_limit limit)
{
	static const char *const names[] = { "-", "network", "queue", "application" };

	return names[limit];
}

static void add_travel(const struct sonde_travel *t, uint64_t *again, uint64_t *sent)
{
	if (t->retransmits == SONDE_COUNT_UNKNOWN)
		return;
	*again += t->retransmits;
	*sent += t->segments;
}

double sonde_conns_retransmit_share(const struct sonde_connection *c)
{
	uint64_t again = 0, sent = 0;

	add_travel(&c->total.to_server, &again, &sent);
	add_travel(&c->total.to_client, &again, &sent);
	if (!again)
		return 0;
	return sent > again ? (double)again / (double)sent : 1;
}

static bool is_network(const struct sonde_connection *c, char why[SONDE_LIMIT_WHY])
{
	double share = sonde_conns_retransmit_share(c);

	if (c->connect_error == SONDE_CONNECT_TIMED_OUT ||
	    c->connect_error == SONDE_CONNECT_UNREACHABLE)
		snprintf(why, SONDE_LIMIT_WHY, "the server could not be reached");
	else if (c->timed_out)
		snprintf(why, SONDE_LIMIT_WHY, "the other end no longer answered");
	else if (share >= RETRANSMIT_SHARE)
		snprintf(why, SONDE_LIMIT_WHY, "%.1f%% of the segments were sent again",
			 100 * share);
	else if (c->min_rtt_ns && c->srtt_ns > BLOAT_FACTOR * c->min_rtt_ns &&
		 c->srtt_ns - c->min_rtt_ns > BLOAT_NS)
		snprintf(why, SONDE_LIMIT_WHY, "the round trip takes %.0f times its least",
			 (double)c->srtt_ns / (double)c->min_rtt_ns);
	else
		return false;
	return true;
}

static bool is_queue(const struct sonde_connection *c, char why[SONDE_LIMIT_WHY])
{
	double life = c->duration_ns ? (double)c->duration_ns : 1;
	double window = (double)c->total.rwnd_limited_ns / life;
	double buffer = (double)c->total.sndbuf_limited_ns / life;

	if (window >= STALLED_SHARE)
		snprintf(why, SONDE_LIMIT_WHY, "%.0f%% of its life the receiver's queue was full",
			 100 * window);
	else if (buffer >= STALLED_SHARE)
		snprintf(why, SONDE_LIMIT_WHY, "%.0f%% of its life the send buffer was full",
			 100 * buffer);
	else if (c->total.zero_windows)
		snprintf(why, SONDE_LIMIT_WHY, "a receiver's queue was full, %llu segments said",
			 (unsigned long long)c->total.zero_windows);
	else if (c->accept_ns >= ACCEPT_NS)
		snprintf(why, SONDE_LIMIT_WHY, "%.1f ms until the application first read",
			 (double)c->accept_ns / 1e6);
	else
		return false;
	return true;
}

static bool is_application(const struct sonde_connection *c, char why[SONDE_LIMIT_WHY])
{
	if (c->connect_error == SONDE_CONNECT_REFUSED || c->port_unreachable)
		snprintf(why, SONDE_LIMIT_WHY, "nobody listens there");
	else if (c->connect_error == SONDE_CONNECT_ABORTED)
		snprintf(why, SONDE_LIMIT_WHY, "the client gave up");
	else if (c->transport == SONDE_TRANSPORT_TCP && c->connect_error == SONDE_CONNECT_OK &&
		 c->total.to_server.bytes + c->total.to_client.bytes > 0)
		snprintf(why, SONDE_LIMIT_WHY, "neither the network nor a queue held it up");
	else
		return false;
	return true;
}

enum sonde_limit sonde_conns_limit(const struct sonde_connection *c, char why[SONDE_LIMIT_WHY])
{
	why[0] = '\0';
	if (is_network(c, why))
		return SONDE_LIMIT_NETWORK;
	if (is_queue(c, why))
		return SONDE_LIMIT_QUEUE;
	return is_application(c, why) ? SONDE_LIMIT_APPLICATION : SONDE_LIMIT_NONE;
}
