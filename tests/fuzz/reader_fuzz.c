// SPDX-License-Identifier: Apache-2.0
/* Records of the ring and of snapshots: whatever the bytes, refused or decoded within bounds. */
#include <stdlib.h>

#include "agent/probe/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool is_text(const char comm[SONDE_COMM_LEN])
{
	return memchr(comm, 0, SONDE_COMM_LEN) != NULL;
}

static void check_data(const struct sonde_record_data *d, const uint8_t *data, size_t size)
{
	check(d->direction < SONDE_DIRECTIONS);
	check(d->segment_len >= d->payload.len);
	check(!d->payload.len || d->payload.ptr >= data);
	check(!d->payload.len || d->payload.ptr + d->payload.len <= data + size);
}

static void check_record(const struct sonde_record *r, const uint8_t *data, size_t size)
{
	switch (r->kind) {
	case SONDE_KIND_OPEN:
		check(r->open.role <= SONDE_ROLE_CLIENT);
		check(is_text(r->open.comm));
		break;
	case SONDE_KIND_DATA:
		check_data(&r->data, data, size);
		break;
	case SONDE_KIND_CLOSE:
		check(r->close.role <= SONDE_ROLE_CLIENT);
		check(r->close.tcp.state < SONDE_TCP_STATES);
		break;
	case SONDE_KIND_OWNER:
		check(is_text(r->owner.comm));
		break;
	case SONDE_KIND_PROGRESS:
	case SONDE_KIND_NAT:
		break;
	default:
		abort();
	}
}

static void check_snapshot(const struct sonde_snapshot *s)
{
	switch (s->kind) {
	case SONDE_SNAPSHOT_TCP:
		check(s->tcp.tcp.state < SONDE_TCP_STATES);
		break;
	case SONDE_SNAPSHOT_LISTENER:
		check(is_text(s->listener.owner.comm));
		break;
	case SONDE_SNAPSHOT_UDP_SOCKET:
		check(is_text(s->udp_socket.owner.comm));
		break;
	case SONDE_SNAPSHOT_UDP_FLOW:
		check(s->udp_flow.role <= SONDE_ROLE_CLIENT);
		check(is_text(s->udp_flow.owner.comm));
		break;
	case SONDE_SNAPSHOT_DROP:
		check(is_text(s->drop.owner.comm));
		break;
	default:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sonde_slice raw = sonde_slice_of(data, size);
	struct sonde_snapshot s;
	struct sonde_record r;
	int err = sonde_reader_decode(raw, &r);

	check(sonde_reader_kind(raw) <= SONDE_KIND_NAT);
	if (!err) {
		check(r.kind == sonde_reader_kind(raw));
		check_record(&r, data, size);
	}
	/* No bytes are both. */
	if (!sonde_reader_snapshot(raw, &s)) {
		check(err);
		check_snapshot(&s);
	}
	return 0;
}
