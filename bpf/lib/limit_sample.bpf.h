/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * limit_sample - now and then a record of a packet that a rule limited.
 *
 * At most one in `sample_gap_ns` on each CPU; it says how many limited packets it stands for, so
 * that shares can be told from samples. Nobody is woken: the broker reads by a timer.
 */
#ifndef SONDE_LIB_LIMIT_SAMPLE_BPF_H
#define SONDE_LIB_LIMIT_SAMPLE_BPF_H

#include "bpf/lib/limit_parse.bpf.h"

static __always_inline void put_words(__u8 to[16], __u64 hi, __u64 lo)
{
	((__u64 *)to)[0] = bpf_cpu_to_be64(hi);
	((__u64 *)to)[1] = bpf_cpu_to_be64(lo);
}

static __always_inline void put_destination(__u8 to[16], struct xdp_md *ctx, const struct packet *p)
{
	const void *end = (const void *)(long)ctx->data_end;
	const void *at = (const void *)(long)ctx->data + (p->ip_at & 63);
	const struct wire_ipv4 *v4 = at;
	const struct wire_ipv6 *v6 = at;

	put_words(to, 0, 0);
	if ((const void *)(v4 + 1) > end)
		return;
	if (v4->version_ihl >> 4 == 4)
		put_words(to, 0, IPV4_PREFIX | bpf_ntohl(v4->destination));
	else if ((const void *)(v6 + 1) <= end)
		put_words(to, two_words(v6->destination), two_words(v6->destination + 2));
}

static __always_inline void sample(struct xdp_md *ctx, const struct sonde_xdp_control *control,
				   const struct packet *p, const struct sonde_xdp_rule *rule,
				   __u64 now, struct sonde_xdp_iface_counts *counts)
{
	__u32 zero = 0;
	struct sonde_xdp_sampler *s = bpf_map_lookup_elem(&limit_sampler, &zero);
	struct sonde_xdp_limited *r;

	if (!s)
		return;
	s->since++;
	if (now < s->next_ns)
		return;
	s->next_ns = now + control->sample_gap_ns;
	r = bpf_ringbuf_reserve(&limit_ring, sizeof(*r), 0);
	if (!r) {
		counts->samples_lost++;
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	r->rec.version = SONDE_ABI_VERSION;
	r->rec.type = SONDE_REC_LIMITED;
	r->rec.len = sizeof(*r);
	r->stamp_ns = now;
	r->weight = s->since;
	s->since = 0;
	put_words(r->source, p->hi, p->lo);
	put_destination(r->destination, ctx, p);
	r->source_port = p->source_port;
	r->destination_port = p->port;
	r->bytes = p->len;
	r->rule = rule->id;
	r->ifindex = ctx->ingress_ifindex;
	r->protocol = p->protocol;
	r->action = rule->action;
	r->unit = rule->unit;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	counts->samples++;
}

#endif
