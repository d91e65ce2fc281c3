/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * udp - packets and bytes of UDP, counted per flow: a socket and one peer of it.
 *
 * A packet costs one storage lookup (whose socket is it?), one hash lookup (which flow?) and two
 * additions; nothing goes through the ring. A flow outlives its socket, so a resolver that asks
 * once and closes is counted all the same; the iterator (udp.bpf.c) tells of flows and forgets
 * those that are idle. When the table of flows is full, further peers of a socket share one flow
 * without a peer's address, so sums stay exact.
 *
 * Both hooks may run for one flow on several CPUs at once: UDP sends without the socket lock. What
 * is added up is added atomically; who owns a flow may be written twice with the same words.
 */
#ifndef SONDE_LIB_UDP_BPF_H
#define SONDE_LIB_UDP_BPF_H

#include "bpf/lib/udp_state.bpf.h"

#define UDP_HEADER 8

/* One packet, from the side of its socket. */
struct udp_packet {
	struct endpoints at;
	__u32 bytes;	/* payload, of all its segments */
	__u32 segments; /* datagrams in it: several with segmentation offload */
};

/* Where the UDP header is; 0: it is none. Extension headers are few, so this is short. */
static __always_inline __u32 udp_offset(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *v6 = data;
	struct iphdr *v4 = data;
	__u32 offset = sizeof(*v6);
	__u8 next;

	if (skb->protocol == bpf_htons(0x0800)) {
		if ((void *)(v4 + 1) > end || v4->protocol != IPPROTO_UDP)
			return 0;
		return v4->ihl * 4;
	}
	if (skb->protocol != bpf_htons(0x86dd) || (void *)(v6 + 1) > end)
		return 0;
	next = v6->nexthdr;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		struct ipv6_opt_hdr opt;

		if (next == IPPROTO_UDP)
			return offset;
		if (next != 0 && next != 43 && next != 60) /* hop-by-hop, routing, destination */
			return 0;
		if (bpf_skb_load_bytes(skb, offset, &opt, sizeof(opt)))
			return 0;
		next = opt.nexthdr;
		offset += (opt.hdrlen + 1) * 8;
	}
	return 0;
}

static __always_inline bool read_udp(struct __sk_buff *skb, struct udp_packet *p,
				     const int direction)
{
	const bool out = direction == SONDE_DIR_EGRESS;
	__u32 offset = udp_offset(skb), segments;
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *v6 = data;
	struct iphdr *v4 = data;
	struct udphdr *udp;

	if (!offset || offset > 512 || (void *)(v4 + 1) > end)
		return false;
	udp = data + offset;
	if ((void *)(udp + 1) > end) {
		COUNT(headers_odd);
		return false;
	}
	p->at.local_port = bpf_ntohs(out ? udp->source : udp->dest);
	p->at.remote_port = bpf_ntohs(out ? udp->dest : udp->source);
	if (skb->protocol == bpf_htons(0x0800)) {
		map_ipv4(p->at.local, out ? v4->saddr : v4->daddr);
		map_ipv4(p->at.remote, out ? v4->daddr : v4->saddr);
	} else {
		if ((void *)(v6 + 1) > end)
			return false;
		copy_address(p->at.local, out ? &v6->saddr : &v6->daddr);
		copy_address(p->at.remote, out ? &v6->daddr : &v6->saddr);
	}
	p->bytes = skb->len > offset + UDP_HEADER ? skb->len - offset - UDP_HEADER : 0;
	segments = skb->gso_segs;
	asm volatile("" : "+r"(segments)); /* loaded once, by a plain offset from the context */
	p->segments = segments ? segments : 1;
	return true;
}

/* Never inlined: see read_ipv4() in conn.bpf.c. */
static __noinline int udp_peer4(struct bpf_sock *sk, struct udp_key *key)
{
	if (!sk || !key)
		return 0;
	map_ipv4(key->remote, sk->dst_ip4);
	return 0;
}

static __noinline int udp_peer6(struct bpf_sock *sk, struct udp_key *key)
{
	__u32 *word;

	if (!sk || !key)
		return 0;
	word = (__u32 *)key->remote;
	word[0] = sk->dst_ip6[0];
	word[1] = sk->dst_ip6[1];
	word[2] = sk->dst_ip6[2];
	word[3] = sk->dst_ip6[3];
	return 0;
}

/* A socket that has not been seen at its creation: older than the agent, or the kernel's own. */
static __noinline struct udp_socket *adopt_udp(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct udp_socket *s;

	if (!sk)
		return NULL;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_UDP)
		return NULL;
	s = bpf_sk_storage_get(&sonde_udp_socks, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		COUNT(storage_failed);
		return NULL;
	}
	if (!s->owner.pid) {
		s->owner.cgroup_id = bpf_skb_cgroup_id(skb);
		judge_owner(&s->owner);
	}
	return s;
}

/* A mixture of what makes a flow, positive in every language's numbers, never a socket's cookie. */
static __always_inline __u64 flow_id(const struct udp_key *key, __u64 now)
{
	const __u64 *address = (const __u64 *)key->remote;
	__u64 h = now;

	h = (h ^ key->socket) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ (h >> 29) ^ address[0]) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ (h >> 32) ^ address[1]) * 0x94d049bb133111ebULL;
	h = (h ^ (h >> 29) ^ key->remote_port) * 0x9e3779b97f4a7c15ULL;
	return (h >> 12) | (1ULL << 52);
}

/* The process that sends through a socket is who uses it, whoever has made it. */
static __always_inline void name_sender(struct udp_socket *s, struct udp_flow *f)
{
	if (s->owner.pid)
		read_current(&s->owner, s->owner.pid, s->owner.start_ns,
			     sonde_knobs.has_skb_task_btf);
	f->owner = s->owner;
}

/* The flow is new: its first packet. */
static __noinline int begin_flow(struct udp_socket *s, struct udp_key *key, struct udp_packet *p,
				 int direction)
{
	struct udp_flow f = {};

	if (!s || !key || !p)
		return 0;
	if (direction == SONDE_DIR_EGRESS)
		name_sender(s, &f);
	else
		f.owner = s->owner;
	f.flags = direction == SONDE_DIR_EGRESS ? SONDE_SIDE_CLIENT : SONDE_SIDE_SERVER;
	f.first_ns = bpf_ktime_get_ns();
	f.id = flow_id(key, f.first_ns);
	f.packet = p->at;
	f.netns = is_loopback(p->at.local) ? s->netns : 0;
	if (!bpf_map_update_elem(&sonde_udp, key, &f, BPF_NOEXIST))
		return 1;
	/* Another CPU was faster; or there is no room. */
	if (bpf_map_lookup_elem(&sonde_udp, key))
		return 1;
	__builtin_memset(key->remote, 0, sizeof(key->remote));
	key->remote_port = 0;
	__builtin_memset(f.packet.remote, 0, sizeof(f.packet.remote));
	f.packet.remote_port = 0;
	f.id = flow_id(key, f.first_ns);
	bpf_map_update_elem(&sonde_udp_rest, key, &f, BPF_NOEXIST);
	return 0;
}

static __always_inline struct udp_flow *find_flow(struct udp_socket *s, struct udp_key *key,
						  struct udp_packet *p, const int direction)
{
	struct udp_flow *f = bpf_map_lookup_elem(&sonde_udp, key);

	if (f)
		return f;
	if (is_ignored_port(p->at.local_port, p->at.remote_port))
		return NULL;
	f = begin_flow(s, key, p, direction) ? bpf_map_lookup_elem(&sonde_udp, key)
					     : bpf_map_lookup_elem(&sonde_udp_rest, key);
	if (!f)
		COUNT(udp_uncounted);
	return f;
}

static __always_inline void count_packet(struct udp_socket *s, struct udp_flow *f,
					 const struct udp_packet *p, const int direction)
{
	/* Who made a socket may be known later than its first packet, or not be who answers. */
	if (direction == SONDE_DIR_EGRESS && !f->packets[SONDE_DIR_EGRESS])
		name_sender(s, f);
	else if (!f->owner.pid && s->owner.pid)
		f->owner = s->owner;
	f->last = bpf_jiffies64();
	__sync_fetch_and_add(&f->packets[direction], p->segments);
	__sync_fetch_and_add(&f->bytes[direction], p->bytes);
}

/* A packet that is not TCP's. */
static __noinline int on_udp(struct __sk_buff *skb, int direction)
{
	struct bpf_sock *sk = skb->sk;
	struct udp_packet p = {};
	struct udp_key key = {};
	struct udp_socket *s;
	struct udp_flow *f;
	bool there;

	if (!sk)
		return 0;
	there = direction == SONDE_DIR_EGRESS ? read_udp(skb, &p, SONDE_DIR_EGRESS)
					      : read_udp(skb, &p, SONDE_DIR_INGRESS);
	if (!there)
		return 0;
	s = bpf_sk_storage_get(&sonde_udp_socks, sk, NULL, 0);
	if (!s)
		s = adopt_udp(skb);
	if (!s || (s->owner.flags & SOCK_IGNORED))
		return 0;
	if (!s->id)
		s->id = bpf_get_socket_cookie(skb);
	key.socket = s->id;
	__builtin_memcpy(key.remote, p.at.remote, 16);
	key.remote_port = p.at.remote_port;
	if (sk->state == UDP_CONNECTED) {
		if (sk->family == 2)
			udp_peer4(sk, &key);
		else
			udp_peer6(sk, &key);
		key.remote_port = bpf_ntohs((__u16)sk->dst_port);
	}
	if (direction == SONDE_DIR_EGRESS) {
		f = find_flow(s, &key, &p, SONDE_DIR_EGRESS);
		if (f)
			count_packet(s, f, &p, SONDE_DIR_EGRESS);
	} else {
		f = find_flow(s, &key, &p, SONDE_DIR_INGRESS);
		if (f)
			count_packet(s, f, &p, SONDE_DIR_INGRESS);
	}
	return 0;
}

#endif
