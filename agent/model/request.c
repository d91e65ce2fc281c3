// SPDX-License-Identifier: Apache-2.0
#include "agent/model/request.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

struct sonde_slice sonde_request_error_type(const struct sonde_request *r, char scratch[8])
{
	switch (r->error) {
	case SONDE_ERROR_NONE:
		return SONDE_SLICE_EMPTY;
	case SONDE_ERROR_STATUS:
		snprintf(scratch, 8, "%u", (unsigned int)r->status);
		return sonde_slice_str(scratch);
	case SONDE_ERROR_RESET:
		return SONDE_SLICE_LIT("reset");
	case SONDE_ERROR_CLOSED:
		return SONDE_SLICE_LIT("closed");
	case SONDE_ERROR_TIMEOUT:
		return SONDE_SLICE_LIT("timeout");
	case SONDE_ERRORS:
		break;
	}
	/* A kind that a newer daemon knows: OpenTelemetry's word for it. */
	return SONDE_SLICE_LIT("_OTHER");
}

const char *sonde_protocol_name(enum sonde_protocol protocol)
{
	return protocol == SONDE_PROTOCOL_HTTP1 ? "http" : "unknown";
}

const char *sonde_role_name(enum sonde_role role)
{
	static const char *const names[SONDE_ROLES] = { "unknown", "server", "client" };

	return (unsigned int)role < SONDE_ROLES ? names[role] : names[0];
}

/* Every slice of a request, so that a copy cannot forget one. */
enum { SLICES = 12 };

static void list_slices(struct sonde_request *r, struct sonde_slice *out[SLICES])
{
	struct sonde_slice *all[SLICES] = {
		&r->method,
		&r->path,
		&r->host,
		&r->user_agent,
		&r->trace_id,
		&r->span_id,
		&r->service,
		&r->peer_service,
		&r->route,
		&r->operation,
		&r->service_namespace,
		&r->service_version,
	};

	memcpy(out, all, sizeof(all));
}

/* One block: the request, its process, its peer, then the bytes of the slices. */
struct owned {
	struct sonde_request request;
	struct sonde_process process;
	struct sonde_process peer;
	bool has_peer;
	uint8_t bytes[];
};

struct sonde_request *sonde_request_copy(const struct sonde_request *r)
{
	struct sonde_slice *slices[SLICES];
	struct sonde_request shell = *r;
	size_t size = sizeof(struct owned);
	struct owned *copy;
	uint8_t *at;

	list_slices(&shell, slices);
	for (int i = 0; i < SLICES; i++)
		if (__builtin_add_overflow(size, slices[i]->len, &size))
			return NULL;
	copy = malloc(size);
	if (!copy)
		return NULL;
	at = copy->bytes;
	for (int i = 0; i < SLICES; i++) {
		size_t len = slices[i]->len;

		if (len)
			memcpy(at, slices[i]->ptr, len);
		*slices[i] = len ? sonde_slice_of(at, len) : SONDE_SLICE_EMPTY;
		at += len;
	}
	copy->request = shell;
	copy->process = *r->process;
	sonde_workload_hold(copy->process.workload);
	copy->request.process = &copy->process;
	copy->has_peer = r->peer != NULL;
	if (r->peer) {
		copy->peer = *r->peer;
		sonde_workload_hold(copy->peer.workload);
		copy->request.peer = &copy->peer;
	}
	return &copy->request;
}

void sonde_request_free(struct sonde_request *copy)
{
	/* The request is the first member of its block. Who passed it on may have put other
	 * processes into it: those of the block are the held ones. */
	struct owned *own = (struct owned *)copy;

	if (!copy)
		return;
	sonde_workload_put(own->process.workload);
	if (own->has_peer)
		sonde_workload_put(own->peer.workload);
	free(own);
}

void sonde_endpoint_address(const struct sonde_endpoint *e, char text[SONDE_ADDRESS_TEXT])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	text[0] = '\0';
	if (memcmp(e->address, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, e->address + sizeof(mapped), text, SONDE_ADDRESS_TEXT);
	else
		inet_ntop(AF_INET6, e->address, text, SONDE_ADDRESS_TEXT);
}
