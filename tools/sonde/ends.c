// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/ends.h"

#include <stdio.h>

const char *sonde_ends_address(const struct sonde_endpoint *e, char out[SONDE_ENDS_ADDRESS])
{
	char address[SONDE_ADDRESS_TEXT];

	sonde_endpoint_address(e, address);
	snprintf(out, SONDE_ENDS_ADDRESS, strchr(address, ':') ? "[%s]:%u" : "%s:%u", address,
		 e->port);
	return out;
}

/* END is the one that reports; one whose role nobody knows counts as a server. */
static bool reports(const struct sonde_connection *c, enum sonde_role end)
{
	return (c->role == SONDE_ROLE_CLIENT) == (end == SONDE_ROLE_CLIENT);
}

const struct sonde_process *sonde_ends_process(const struct sonde_connection *c,
					       enum sonde_role end)
{
	return reports(c, end) ? c->process : c->peer;
}

struct sonde_slice sonde_ends_service(const struct sonde_connection *c, enum sonde_role end)
{
	return reports(c, end) ? c->service : c->peer_service;
}

void sonde_ends_put_name(struct sonde_buf *b, const struct sonde_connection *c, enum sonde_role end)
{
	const struct sonde_endpoint *e = end == SONDE_ROLE_CLIENT ? &c->client : &c->server;
	struct sonde_slice service = sonde_ends_service(c, end);
	char text[SONDE_ENDS_ADDRESS];

	if (!service.len) {
		sonde_buf_put_str(b, sonde_ends_address(e, text));
		return;
	}
	sonde_buf_put_slice(b, sonde_slice_sub(service, 0, SONDE_SERVICE_MAX));
	if (end != SONDE_ROLE_CLIENT)
		sonde_buf_printf(b, ":%u", e->port);
}
