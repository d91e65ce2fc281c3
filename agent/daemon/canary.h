// SPDX-License-Identifier: Apache-2.0
/*
 * canary - a request of our own, every ten seconds, that must come back through the whole pipeline.
 *
 * A tiny HTTP server and client in the worker, over loopback, without a thread. It is the one
 * connection of the agent that the programs observe. When its request arrives at the end of the
 * pipeline, capture, ring, reader, track and parser all work; readiness is how long ago that was.
 */
#ifndef SONDE_DAEMON_CANARY_H
#define SONDE_DAEMON_CANARY_H

#include "agent/daemon/loop.h"
#include "agent/model/request.h"

struct sonde_canary;

/* Listens on a free port of loopback. 0 or negative errno. */
int sonde_canary_new(struct sonde_loop *loop, struct sonde_canary **out);
void sonde_canary_free(struct sonde_canary *c); /* accepts NULL */
uint16_t sonde_canary_port(const struct sonde_canary *c);
/* Begins to sing; the first time at once. */
int sonde_canary_start(struct sonde_canary *c);
/* True when R is the canary's own; then it is noted, and nobody else need see it. */
bool sonde_canary_heard(struct sonde_canary *c, const struct sonde_request *r, uint64_t now_ns);
/* Nanoseconds since a request last came back; UINT64_MAX: never. */
uint64_t sonde_canary_age_ns(const struct sonde_canary *c, uint64_t now_ns);

#endif
