// SPDX-License-Identifier: Apache-2.0
/* ends - the two ends of a connection by what they are, not by which of them reports. */
#ifndef SONDE_TOOLS_ENDS_H
#define SONDE_TOOLS_ENDS_H

#include "agent/core/buf.h"
#include "agent/model/connection.h"

enum {
	SONDE_ENDS_ADDRESS = SONDE_ADDRESS_TEXT + 10,
	SONDE_ENDS_TEXT = SONDE_SERVICE_MAX + SONDE_ENDS_ADDRESS,
};

/* "10.0.0.1:80", "[::1]:80". Returns OUT. */
const char *sonde_ends_address(const struct sonde_endpoint *e, char out[SONDE_ENDS_ADDRESS]);
/* The process at END (server or client), or NULL when nothing is known of it. */
const struct sonde_process *sonde_ends_process(const struct sonde_connection *c,
					       enum sonde_role end);
/* The service at END, or empty. */
struct sonde_slice sonde_ends_service(const struct sonde_connection *c, enum sonde_role end);
/* The service, with the port of a server, or else the address with its port. Not escaped. */
void sonde_ends_put_name(struct sonde_buf *b, const struct sonde_connection *c,
			 enum sonde_role end);

#endif
