// SPDX-License-Identifier: Apache-2.0
/* Records of snapshots: see reader.h for the contract, reader.c for those of the ring. */
#include "agent/probe/reader.h"

#include <errno.h>

#include "agent/probe/reader_internal.h"
#include "bpf/abi/record.h"

/* The four fields by which the ABI names an owner, wherever they lie in R. */
#define DECODE_OWNER(to, r)                                        \
	do {                                                       \
		(to)->cgroup_id = (r)->cgroup_id;                  \
		(to)->start_ns = (r)->start_ns;                    \
		(to)->pid = (r)->pid;                              \
		memcpy((to)->comm, (r)->comm, sizeof((to)->comm)); \
		(to)->comm[sizeof((to)->comm) - 1] = '\0';         \
	} while (0)

static int decode_tcp(struct sonde_slice raw, struct sonde_snapshot *out)
{
	struct sonde_snap_tcp r;

	memcpy(&r, raw.ptr, sizeof(r));
	out->tcp.stamp_ns = r.stamp_ns;
	sonde_reader_tcp(&out->tcp.tcp, &r.tcp);
	return 0;
}

static int decode_listener(struct sonde_slice raw, struct sonde_snapshot *out)
{
	struct sonde_snapshot_listener *l = &out->listener;
	struct sonde_snap_listener r;

	memcpy(&r, raw.ptr, sizeof(r));
	DECODE_OWNER(&l->owner, &r);
	sonde_reader_endpoint(&l->local, r.local, r.local_port);
	l->drops = r.drops;
	l->backlog = r.backlog;
	l->backlog_max = r.backlog_max;
	return 0;
}

static int decode_udp_socket(struct sonde_slice raw, struct sonde_snapshot *out)
{
	struct sonde_snapshot_udp_socket *s = &out->udp_socket;
	struct sonde_snap_udp_socket r;

	memcpy(&r, raw.ptr, sizeof(r));
	DECODE_OWNER(&s->owner, &r);
	sonde_reader_endpoint(&s->local, r.local, r.local_port);
	s->drops = r.drops;
	s->unreachable = r.unreachable;
	return 0;
}

static int decode_udp_flow(struct sonde_slice raw, struct sonde_snapshot *out)
{
	struct sonde_snapshot_udp_flow *f = &out->udp_flow;
	struct sonde_snap_udp_flow r;

	memcpy(&r, raw.ptr, sizeof(r));
	if (r.side > SONDE_SIDE_CLIENT)
		return -EPROTO;
	DECODE_OWNER(&f->owner, &r);
	f->socket = r.socket;
	f->peer = r.peer;
	f->first_ns = r.first_ns;
	f->last_ns = r.last_ns;
	for (int i = 0; i < SONDE_DIRS; i++) {
		f->packets[i] = r.packets[i];
		f->bytes[i] = r.bytes[i];
	}
	sonde_reader_endpoint(&f->local, r.local, r.local_port);
	sonde_reader_endpoint(&f->remote, r.remote, r.remote_port);
	sonde_reader_endpoint(&f->asked, r.asked, r.asked_port);
	f->unreachable = r.unreachable;
	f->role = (enum sonde_role)r.side;
	f->ended = r.flags & SONDE_UDP_ENDED;
	return 0;
}

static int decode_drop(struct sonde_slice raw, struct sonde_snapshot *out)
{
	struct sonde_snap_drop r;

	memcpy(&r, raw.ptr, sizeof(r));
	DECODE_OWNER(&out->drop.owner, &r);
	out->drop.count = r.count;
	out->drop.reason = r.reason;
	out->drop.ended = r.flags & SONDE_DROP_ENDED;
	return 0;
}

/* From the first type of snapshots on, in order. */
static const struct {
	enum sonde_snapshot_kind kind;
	uint16_t least_len;
	int (*decode)(struct sonde_slice raw, struct sonde_snapshot *out);
} types[] = {
	[SONDE_SNAP_TCP - SONDE_SNAP_TCP] = { SONDE_SNAPSHOT_TCP, sizeof(struct sonde_snap_tcp),
					      decode_tcp },
	[SONDE_SNAP_LISTENER - SONDE_SNAP_TCP] = { SONDE_SNAPSHOT_LISTENER,
						   sizeof(struct sonde_snap_listener),
						   decode_listener },
	[SONDE_SNAP_UDP_SOCKET - SONDE_SNAP_TCP] = { SONDE_SNAPSHOT_UDP_SOCKET,
						     sizeof(struct sonde_snap_udp_socket),
						     decode_udp_socket },
	[SONDE_SNAP_UDP_FLOW - SONDE_SNAP_TCP] = { SONDE_SNAPSHOT_UDP_FLOW,
						   sizeof(struct sonde_snap_udp_flow),
						   decode_udp_flow },
	[SONDE_SNAP_DROP - SONDE_SNAP_TCP] = { SONDE_SNAPSHOT_DROP, sizeof(struct sonde_snap_drop),
					       decode_drop },
};

int sonde_reader_snapshot(struct sonde_slice raw, struct sonde_snapshot *out)
{
	struct sonde_rec head;
	size_t type;

	if (raw.len < sizeof(head))
		return -EPROTO;
	memcpy(&head, raw.ptr, sizeof(head));
	if (head.version != SONDE_ABI_VERSION || head.type < SONDE_SNAP_TCP ||
	    head.type > SONDE_SNAP_DROP)
		return -EPROTO;
	type = head.type - SONDE_SNAP_TCP;
	if (head.len < types[type].least_len || head.len > raw.len)
		return -EPROTO;
	if (types[type].decode(sonde_slice_sub(raw, 0, head.len), out))
		return -EPROTO;
	out->kind = types[type].kind;
	out->id = head.id;
	return 0;
}
