// SPDX-License-Identifier: Apache-2.0
/*
 * config_address - "127.0.0.1:9764" and "[::1]:9764": an address as listen.http spells it.
 *
 * Numbers only: a name would have to be resolved, and may one day mean another machine.
 */
#ifndef SONDE_DAEMON_CONFIG_ADDRESS_H
#define SONDE_DAEMON_CONFIG_ADDRESS_H

#include <sys/socket.h>

#include "agent/core/slice.h"

/* NULL when TEXT is ADDRESS:PORT with a port from 1 to 65535, else what is wrong. */
const char *sonde_config_address_check(struct sonde_slice text);
/* Reads TEXT as the socket address to bind and its length. 0 or -EINVAL with both untouched. */
int sonde_config_address_parse(struct sonde_slice text, struct sockaddr_storage *out,
			       socklen_t *len);
/* True for 127.0.0.0/8, ::1 and the first mapped into IPv6. */
bool sonde_config_address_is_loopback(const struct sockaddr_storage *address);

#endif
