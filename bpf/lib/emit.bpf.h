/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * emit - records into the ring, written in place, never staged elsewhere.
 *
 * Nobody is woken for a record: the worker drains by a timer. It is woken when it sleeps without a
 * timer (it said so in the control page) or, looked at once in 64 records of a CPU, when the ring
 * holds more than the watermark.
 */
#ifndef SONDE_LIB_EMIT_BPF_H
#define SONDE_LIB_EMIT_BPF_H

#include "bpf/lib/facts.bpf.h"
#include "bpf/lib/state.bpf.h"

/* Wake-up flag for the record about to be submitted; N is how many this CPU has produced. */
static __always_inline __u64 wakeup(__u64 n)
{
	struct sonde_control *control = control_page();

	if (control && control->sleeping) {
		control->sleeping = 0;
		return BPF_RB_FORCE_WAKEUP;
	}
	if ((n & 63) == 0 &&
	    bpf_ringbuf_query(&sonde_ring, BPF_RB_AVAIL_DATA) > sonde_knobs.watermark_bytes)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/*
 * Reserves SIZE (constant) bytes for a record of TYPE that means LEN of them, and fills its header.
 * NULL: the ring is full, counted. *FLAGS is for bpf_ringbuf_submit().
 */
static __always_inline void *reserve(__u32 type, const __u64 size, __u32 len, __u64 id,
				     __u64 *flags)
{
	struct sonde_counters *c = counters();
	struct sonde_rec *rec;

	if (!c || type >= SONDE_REC_TYPES)
		return NULL;
	__sync_fetch_and_add(&c->produced[type], 1); /* see COUNT */
	rec = bpf_ringbuf_reserve(&sonde_ring, size, 0);
	if (!rec) {
		__sync_fetch_and_add(&c->ring_full[type], 1);
		return NULL;
	}
	rec->version = SONDE_ABI_VERSION;
	rec->type = type;
	rec->len = len;
	rec->pad = 0;
	rec->id = id;
	*flags = wakeup(c->produced[type]);
	return rec;
}

static __always_inline void copy_flow(struct sonde_flow *to, const struct flow *from)
{
	to->bytes = from->bytes;
	to->last_ns = from->last_ns;
	to->heads = from->heads;
	to->retransmits = from->retransmits;
	to->gaps = from->gaps;
	to->pad = 0;
}

/* Local and remote address of a socket, 16 bytes each, ports in host order. */
struct endpoints {
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
};

static __always_inline void map_ipv4(__u8 to[16], __u32 address_be)
{
	__u32 *word = (__u32 *)to;

	word[0] = 0;
	word[1] = 0;
	word[2] = bpf_htonl(0xffff);
	word[3] = address_be;
}

static __always_inline void copy_address(__u8 to[16], const struct in6_addr *from)
{
	__u32 *word = (__u32 *)to;

	word[0] = from->in6_u.u6_addr32[0];
	word[1] = from->in6_u.u6_addr32[1];
	word[2] = from->in6_u.u6_addr32[2];
	word[3] = from->in6_u.u6_addr32[3];
}

static __always_inline bool is_loopback(const __u8 a[16])
{
	const __u32 *word = (const __u32 *)a;

	if (word[0] || word[1])
		return false;
	if (word[2] == bpf_htonl(0xffff))
		return a[12] == 127;
	return !word[2] && word[3] == bpf_htonl(1);
}

static __always_inline __u64 peer_of(const struct sock_state *s)
{
	return (s->flags & SOCK_SIDE) == SONDE_SIDE_SERVER ? s->peer : 0;
}

/* CONNECT_NS: as in the record. ALSO: more SONDE_OPEN_* flags. */
static __always_inline void emit_open(const struct sock_state *s, const struct endpoints *e,
				      __u64 stamp_ns, __u64 connect_ns, __u32 also)
{
	struct sonde_rec_open *r;
	__u64 flags;

	r = reserve(SONDE_REC_OPEN, sizeof(*r), sizeof(*r), s->id, &flags);
	if (!r)
		return;
	r->stamp_ns = stamp_ns;
	r->cgroup_id = s->cgroup_id;
	r->start_ns = s->start_ns;
	r->peer = peer_of(s);
	__builtin_memcpy(r->local, e->local, 16);
	__builtin_memcpy(r->remote, e->remote, 16);
	r->local_port = e->local_port;
	r->remote_port = e->remote_port;
	r->pid = s->pid;
	__builtin_memcpy(r->comm, s->comm, 16);
	r->side = s->flags & SOCK_SIDE;
	r->pad[0] = 0;
	r->pad[1] = 0;
	r->pad[2] = 0;
	r->flags = (s->flags & SOCK_PREEXISTING ? SONDE_OPEN_PREEXISTING : 0) |
		   (peer_of(s) ? SONDE_OPEN_LOCAL_PEER : 0) | also;
	r->connect_ns = connect_ns;
	bpf_ringbuf_submit(r, flags);
}

/* Follows the open record of a connection whose packets bear other addresses. */
static __always_inline void emit_nat(const struct sock_state *s)
{
	__u64 id = s->id, flags;
	struct sonde_rec_nat *r;
	struct nat *nat;

	if (!(s->flags & SOCK_NATED))
		return;
	nat = bpf_map_lookup_elem(&sonde_nats, &id);
	if (!nat)
		return;
	r = reserve(SONDE_REC_NAT, sizeof(*r), sizeof(*r), s->id, &flags);
	if (!r)
		return;
	__builtin_memcpy(r->local, nat->local, 16);
	__builtin_memcpy(r->remote, nat->remote, 16);
	r->local_port = nat->local_port;
	r->remote_port = nat->remote_port;
	r->pad = 0;
	bpf_ringbuf_submit(r, flags);
}

/* How a connection ended, as far as its flows do not tell. */
struct ending {
	__u64 stamp_ns;
	__u32 why;   /* SONDE_CLOSE_* */
	__u16 error; /* errno */
	__u8 state;  /* that it was closed from */
};

/* TP: its socket, or NULL when that cannot be had. */
static __always_inline void emit_close(const struct sock_state *s, const struct tcp_sock *tp,
				       const struct ending *end)
{
	struct sonde_rec_close *r;
	__u64 flags;

	r = reserve(SONDE_REC_CLOSE, sizeof(*r), sizeof(*r), s->id, &flags);
	if (!r)
		return;
	r->stamp_ns = end->stamp_ns;
	copy_flow(&r->flow[SONDE_DIR_INGRESS], &s->in);
	copy_flow(&r->flow[SONDE_DIR_EGRESS], &s->out);
	if (tp)
		read_facts(tp, s, end->state, &r->tcp);
	else
		__builtin_memset(&r->tcp, 0, sizeof(r->tcp));
	r->flags = end->why | ((s->in.marks | s->out.marks) & MARK_HTTP ? SONDE_CLOSE_HTTP : 0) |
		   (s->in.marks & MARK_FIN ? SONDE_CLOSE_FIN_IN : 0) |
		   (s->out.marks & MARK_FIN ? SONDE_CLOSE_FIN_OUT : 0) |
		   (s->in.marks & MARK_FIRST ? SONDE_CLOSE_PEER_FIRST : 0) |
		   (s->out.marks & MARK_RST ? SONDE_CLOSE_RST_OUT : 0);
	r->side = s->flags & SOCK_SIDE;
	r->pad = 0;
	r->error = end->error;
	bpf_ringbuf_submit(r, flags);
}

#endif
