// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/reader.h"

#include <errno.h>

#include "agent/probe/reader_internal.h"
#include "bpf/abi/record.h"

_Static_assert(SONDE_KIND_OPEN == SONDE_REC_OPEN && SONDE_KIND_DATA == SONDE_REC_DATA &&
		       SONDE_KIND_PROGRESS == SONDE_REC_PROGRESS &&
		       SONDE_KIND_CLOSE == SONDE_REC_CLOSE && SONDE_KIND_OWNER == SONDE_REC_OWNER &&
		       SONDE_KIND_NAT == SONDE_REC_NAT,
	       "ledger rows follow the ABI");
_Static_assert(SONDE_INGRESS == SONDE_DIR_INGRESS && SONDE_EGRESS == SONDE_DIR_EGRESS, "abi");
_Static_assert(SONDE_ROLE_SERVER == SONDE_SIDE_SERVER && SONDE_ROLE_CLIENT == SONDE_SIDE_CLIENT,
	       "abi");

static const uint16_t least_len[SONDE_REC_TYPES] = {
	[SONDE_REC_OPEN] = sizeof(struct sonde_rec_open),
	[SONDE_REC_DATA] = sizeof(struct sonde_rec_data),
	[SONDE_REC_PROGRESS] = sizeof(struct sonde_rec_progress),
	[SONDE_REC_CLOSE] = sizeof(struct sonde_rec_close),
	[SONDE_REC_OWNER] = sizeof(struct sonde_rec_owner),
	[SONDE_REC_NAT] = sizeof(struct sonde_rec_nat),
};

static int decode_open(struct sonde_slice raw, struct sonde_record *out)
{
	struct sonde_record_open *o = &out->open;
	struct sonde_rec_open r;

	memcpy(&r, raw.ptr, sizeof(r));
	if (r.side > SONDE_SIDE_CLIENT)
		return -EPROTO;
	o->stamp_ns = r.stamp_ns;
	o->cgroup_id = r.cgroup_id;
	o->start_ns = r.start_ns;
	o->peer = r.peer;
	sonde_reader_endpoint(&o->local, r.local, r.local_port);
	sonde_reader_endpoint(&o->remote, r.remote, r.remote_port);
	o->pid = r.pid;
	memcpy(o->comm, r.comm, sizeof(o->comm));
	o->comm[sizeof(o->comm) - 1] = '\0';
	o->role = r.side;
	o->preexisting = r.flags & SONDE_OPEN_PREEXISTING;
	o->again = r.flags & SONDE_OPEN_AGAIN;
	o->failed = r.flags & SONDE_OPEN_FAILED;
	o->connect_ns = r.connect_ns;
	return 0;
}

static int decode_data(struct sonde_slice raw, struct sonde_record *out)
{
	struct sonde_record_data *d = &out->data;
	struct sonde_rec_data r;

	memcpy(&r, raw.ptr, sizeof(r));
	if (r.direction > SONDE_DIR_EGRESS || r.captured != raw.len - sizeof(r) ||
	    r.segment_len < r.captured)
		return -EPROTO;
	d->stamp_ns = r.stamp_ns;
	d->position = r.position;
	d->peer_bytes = r.peer_bytes;
	d->peer_last_ns = r.peer_last_ns;
	d->head = r.head;
	d->read_at = r.read_at;
	d->segment_len = r.segment_len;
	d->direction = r.direction;
	d->first = r.flags & SONDE_DATA_FIRST;
	d->response = r.flags & SONDE_DATA_RESPONSE;
	d->gap = r.flags & SONDE_DATA_GAP;
	d->repeat = r.flags & SONDE_DATA_REPEAT;
	d->payload = sonde_slice_from(raw, sizeof(r));
	return 0;
}

static void decode_flow(struct sonde_progress *to, const struct sonde_flow *from)
{
	to->bytes = from->bytes;
	to->last_ns = from->last_ns;
	to->heads = from->heads;
	to->retransmits = from->retransmits;
	to->gaps = from->gaps;
}

static int decode_progress(struct sonde_slice raw, struct sonde_record *out)
{
	struct sonde_rec_progress r;

	memcpy(&r, raw.ptr, sizeof(r));
	for (int i = 0; i < SONDE_DIRS; i++)
		decode_flow(&out->progress[i], &r.flow[i]);
	return 0;
}

void sonde_reader_tcp(struct sonde_tcp_view *to, const struct sonde_tcp_facts *from)
{
	to->bytes_sent = from->bytes_sent;
	to->bytes_received = from->bytes_received;
	to->rwnd_limited_ns = from->rwnd_limited_ns;
	to->sndbuf_limited_ns = from->sndbuf_limited_ns;
	to->segments_out = from->segments_out;
	to->segments_in = from->segments_in;
	to->retransmits = from->retransmits;
	to->out_of_order = from->out_of_order;
	to->srtt_us = from->srtt_us;
	to->rtt_var_us = from->rtt_var_us;
	to->min_rtt_us = from->min_rtt_us;
	to->zero_windows = from->zero_windows;
	to->read_after_us = from->read_after_us;
	to->repeats = from->repeats;
	to->state = from->state < SONDE_TCP_STATES ? (enum sonde_tcp_state)from->state
						   : SONDE_TCP_UNKNOWN;
}

static int decode_close(struct sonde_slice raw, struct sonde_record *out)
{
	struct sonde_record_close *c = &out->close;
	struct sonde_rec_close r;

	memcpy(&r, raw.ptr, sizeof(r));
	if (r.side > SONDE_SIDE_CLIENT)
		return -EPROTO;
	c->stamp_ns = r.stamp_ns;
	c->role = (enum sonde_role)r.side;
	c->http = r.flags & SONDE_CLOSE_HTTP;
	for (int i = 0; i < SONDE_DIRS; i++)
		decode_flow(&c->flow[i], &r.flow[i]);
	c->fin_in = r.flags & SONDE_CLOSE_FIN_IN;
	c->fin_out = r.flags & SONDE_CLOSE_FIN_OUT;
	c->rst_in = r.flags & SONDE_CLOSE_RST_IN;
	c->rst_out = r.flags & SONDE_CLOSE_RST_OUT;
	c->timeout = r.flags & SONDE_CLOSE_TIMEOUT;
	c->aborted = r.flags & SONDE_CLOSE_ABORT;
	c->peer_first = r.flags & SONDE_CLOSE_PEER_FIRST;
	c->failed = r.flags & SONDE_CLOSE_FAILED;
	c->error = r.error;
	sonde_reader_tcp(&c->tcp, &r.tcp);
	return 0;
}

static int decode_owner(struct sonde_slice raw, struct sonde_record *out)
{
	struct sonde_record_owner *o = &out->owner;
	struct sonde_rec_owner r;

	memcpy(&r, raw.ptr, sizeof(r));
	o->stamp_ns = r.stamp_ns;
	o->cgroup_id = r.cgroup_id;
	o->start_ns = r.start_ns;
	o->pid = r.pid;
	memcpy(o->comm, r.comm, sizeof(o->comm));
	o->comm[sizeof(o->comm) - 1] = '\0';
	return 0;
}

static int decode_nat(struct sonde_slice raw, struct sonde_record *out)
{
	struct sonde_rec_nat r;

	memcpy(&r, raw.ptr, sizeof(r));
	sonde_reader_endpoint(&out->nat.local, r.local, r.local_port);
	sonde_reader_endpoint(&out->nat.remote, r.remote, r.remote_port);
	return 0;
}

static int (*const decoders[SONDE_REC_TYPES])(struct sonde_slice, struct sonde_record *) = {
	[SONDE_REC_OPEN] = decode_open,		[SONDE_REC_DATA] = decode_data,
	[SONDE_REC_PROGRESS] = decode_progress, [SONDE_REC_CLOSE] = decode_close,
	[SONDE_REC_OWNER] = decode_owner,	[SONDE_REC_NAT] = decode_nat,
};

int sonde_reader_decode(struct sonde_slice raw, struct sonde_record *out)
{
	struct sonde_rec head;

	if (raw.len < sizeof(head))
		return -EPROTO;
	memcpy(&head, raw.ptr, sizeof(head));
	if (head.version != SONDE_ABI_VERSION || head.type >= SONDE_REC_TYPES ||
	    head.len < least_len[head.type] || head.len > raw.len)
		return -EPROTO;
	if (decoders[head.type](sonde_slice_sub(raw, 0, head.len), out))
		return -EPROTO;
	out->kind = (enum sonde_kind)head.type;
	out->id = head.id;
	return 0;
}

enum sonde_kind sonde_reader_kind(struct sonde_slice raw)
{
	int type = sonde_slice_at(raw, offsetof(struct sonde_rec, type));

	return type >= 0 && type < SONDE_REC_TYPES ? (enum sonde_kind)type : SONDE_KIND_DATA;
}
