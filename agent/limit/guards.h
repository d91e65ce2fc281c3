// SPDX-License-Identifier: Apache-2.0
/*
 * guards - whom no rule may ever hold back, read from what the node says of itself.
 *
 * Pure readers of the text of files that the broker hands over: the default gateways, the
 * resolvers, and the far end of the SSH session that somebody types in. Each calls FOUND for every
 * address (16 bytes, IPv4 as ::ffff:a.b.c.d) in the order of the text; what it does not understand
 * it leaves out, and so it does with loopback and unspecified addresses.
 */
#ifndef SONDE_LIMIT_GUARDS_H
#define SONDE_LIMIT_GUARDS_H

#include "agent/core/slice.h"

typedef void sonde_limit_found(void *ctx, const uint8_t address[16]);

/* /proc/net/route: gateways of routes to everywhere. The addresses are the host's own byte order.
 */
void sonde_limit_gateways_v4(struct sonde_slice text, sonde_limit_found *found, void *ctx);
/* /proc/net/ipv6_route. */
void sonde_limit_gateways_v6(struct sonde_slice text, sonde_limit_found *found, void *ctx);
/* resolv.conf(5): the name servers. */
void sonde_limit_resolvers(struct sonde_slice text, sonde_limit_found *found, void *ctx);
/* /proc/PID/environ: the client of SSH_CONNECTION or SSH_CLIENT, see ssh(1). True: there was one.
 */
bool sonde_limit_ssh_peer(struct sonde_slice environ, uint8_t address[16]);

/* "192.0.2.7" or "2001:db8::1", with "%eth0" at its end or without. False: it is none. */
bool sonde_limit_address_parse(struct sonde_slice text, uint8_t address[16]);

#endif
