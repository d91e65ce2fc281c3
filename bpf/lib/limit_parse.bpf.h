/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * limit_parse - what the limiter reads of a packet: Ethernet, VLAN tags, IPv4 or IPv6 with its
 * extension headers, the first words of TCP and UDP.
 *
 * Each function is given where its header begins and returns an outcome: SONDE_XDP_PASSED when
 * rules are to be asked, else what the packet is that no rule is about. A packet that is cut, or
 * has more tags or headers than are followed, is malformed: it passes, and the host's own stack
 * judges. Of a first fragment whose transport header is cut only the source counts, as of later
 * fragments. Formats: IEEE 802.1Q, RFC 791, 8200, 4302, 9293, 768, 4861, 2131, 8415.
 */
#ifndef SONDE_LIB_LIMIT_PARSE_BPF_H
#define SONDE_LIB_LIMIT_PARSE_BPF_H

#include "bpf/lib/limit.bpf.h"

#define TYPE_IPV4     0x0800
#define TYPE_ARP      0x0806
#define TYPE_VLAN     0x8100
#define TYPE_IPV6     0x86dd
#define TYPE_QINQ     0x88a8
#define TYPE_QINQ_OLD 0x9100

#define PROTO_HOPS     0
#define PROTO_ICMP     1
#define PROTO_TCP      6
#define PROTO_UDP      17
#define PROTO_ROUTING  43
#define PROTO_FRAGMENT 44
#define PROTO_AH       51
#define PROTO_ICMPV6   58
#define PROTO_OPTIONS  60
#define PROTO_MOBILITY 135
#define PROTO_HIP      139
#define PROTO_SHIM6    140

#define IPV4_PREFIX (0xffffULL << 32) /* of ::ffff:a.b.c.d */
#define IPV4_OFFSET 0x1fff
#define IPV4_MORE   0x2000
#define IPV6_OFFSET 0xfff8
#define IPV6_MORE   0x0001

#define ND_FIRST 133 /* router solicitation .. redirect */
#define ND_LAST	 137

#define FLAG_SYN 0x02
#define FLAG_ACK 0x10

struct wire_ether {
	__u8 to[6], from[6];
	__be16 type;
};

struct wire_vlan {
	__be16 tag;
	__be16 type;
};

struct wire_ipv4 {
	__u8 version_ihl, tos;
	__be16 total, id, fragment;
	__u8 ttl, protocol;
	__be16 check;
	__be32 source, destination;
};

struct wire_ipv6 {
	__be32 flow;
	__be16 payload;
	__u8 next, hops;
	__be32 source[4], destination[4];
};

struct wire_extension {
	__u8 next, len;
	__be16 fragment; /* of the fragment header */
	__be32 rest;
};

struct wire_tcp {
	__be16 source, destination;
	__be32 seq, ack;
	__u8 offset, flags;
	__be16 window, check, urgent;
};

struct wire_udp {
	__be16 source, destination, len, check;
};

static __always_inline __u64 two_words(const __be32 *at)
{
	return (__u64)bpf_ntohl(at[0]) << 32 | bpf_ntohl(at[1]);
}

static __always_inline bool begins_request(const void *at, const void *end)
{
	__be32 word;

	if (at + 4 > end)
		return false;
	word = *(const __be32 *)at;
	return word == bpf_htonl(0x47455420) /* "GET " */ ||
	       word == bpf_htonl(0x504f5354) /* POST */ ||
	       word == bpf_htonl(0x48454144) /* HEAD */ ||
	       word == bpf_htonl(0x50555420) /* "PUT " */ ||
	       word == bpf_htonl(0x44454c45) /* DELE */ ||
	       word == bpf_htonl(0x50415443) /* PATC */ ||
	       word == bpf_htonl(0x4f505449) /* OPTI */ ||
	       word == bpf_htonl(0x434f4e4e) /* CONN */ || word == bpf_htonl(0x54524143) /* TRAC */;
}

static __always_inline __u32 read_tcp(struct packet *p, const void *at, const void *end, bool first)
{
	const struct wire_tcp *tcp = at;
	__u32 head;

	if ((const void *)(tcp + 1) > end)
		return first ? SONDE_XDP_PASSED : SONDE_XDP_MALFORMED;
	head = (tcp->offset >> 4) * 4;
	if (head < sizeof(*tcp))
		return SONDE_XDP_MALFORMED;
	p->source_port = bpf_ntohs(tcp->source);
	p->port = bpf_ntohs(tcp->destination);
	p->has_port = true;
	if ((tcp->flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN)
		p->kind |= SONDE_XDP_OPENS;
	if (begins_request(at + head, end))
		p->kind |= SONDE_XDP_REQUEST;
	return SONDE_XDP_PASSED;
}

static __always_inline bool is_dhcp(const struct packet *p, __u16 client, __u16 server)
{
	return (p->source_port == client && p->port == server) ||
	       (p->source_port == server && (p->port == client || p->port == server));
}

static __always_inline __u32 read_udp(struct packet *p, const void *at, const void *end, bool first,
				      bool v6)
{
	const struct wire_udp *udp = at;

	if ((const void *)(udp + 1) > end)
		return first ? SONDE_XDP_PASSED : SONDE_XDP_MALFORMED;
	p->source_port = bpf_ntohs(udp->source);
	p->port = bpf_ntohs(udp->destination);
	p->has_port = true;
	return (v6 ? is_dhcp(p, 546, 547) : is_dhcp(p, 68, 67)) ? SONDE_XDP_DHCP : SONDE_XDP_PASSED;
}

static __always_inline __u8 class_of(__u8 protocol)
{
	if (protocol == PROTO_TCP)
		return SONDE_XDP_TCP;
	if (protocol == PROTO_UDP)
		return SONDE_XDP_UDP;
	return protocol == PROTO_ICMP || protocol == PROTO_ICMPV6 ? SONDE_XDP_ICMP
								  : SONDE_XDP_OTHER;
}

/* FIRST: it is the first of several fragments. */
static __always_inline __u32 read_transport(struct packet *p, const void *at, const void *end,
					    bool first, bool v6)
{
	const __u8 *icmp = at;

	if (p->protocol == PROTO_TCP)
		return read_tcp(p, at, end, first);
	if (p->protocol == PROTO_UDP)
		return read_udp(p, at, end, first, v6);
	if (v6 && p->protocol == PROTO_ICMPV6 && at + 1 <= end && *icmp >= ND_FIRST &&
	    *icmp <= ND_LAST)
		return SONDE_XDP_NEIGHBOUR;
	return SONDE_XDP_PASSED;
}

static __always_inline __u32 read_ipv4(struct packet *p, const void *at, const void *end)
{
	const struct wire_ipv4 *ip = at;
	__u32 head, fragment;

	if ((const void *)(ip + 1) > end)
		return SONDE_XDP_MALFORMED;
	head = (ip->version_ihl & 0x0f) * 4;
	if (ip->version_ihl >> 4 != 4 || head < sizeof(*ip) || at + head > end)
		return SONDE_XDP_MALFORMED;
	p->hi = 0;
	p->lo = IPV4_PREFIX | bpf_ntohl(ip->source);
	p->protocol = ip->protocol;
	p->kind = class_of(p->protocol);
	fragment = bpf_ntohs(ip->fragment);
	if (fragment & IPV4_OFFSET) {
		p->fragment = true;
		return SONDE_XDP_PASSED;
	}
	return read_transport(p, at + head, end, fragment & IPV4_MORE, false);
}

/* Bytes of the extension header NEXT that begins with X. */
static __always_inline __u32 extension(__u8 next, const struct wire_extension *x)
{
	if (next == PROTO_FRAGMENT)
		return sizeof(*x);
	return next == PROTO_AH ? (x->len + 2) * 4 : (x->len + 1) * 8;
}

static __always_inline bool is_extension(__u8 next)
{
	return next == PROTO_HOPS || next == PROTO_ROUTING || next == PROTO_OPTIONS ||
	       next == PROTO_MOBILITY || next == PROTO_HIP || next == PROTO_SHIM6 ||
	       next == PROTO_AH || next == PROTO_FRAGMENT;
}

/* What walking over extension headers came to: protocol, where it begins, and these. */
#define WALK_AT_MASK   0x3fff
#define WALK_AT(found) ((found) >> 8 & WALK_AT_MASK)
#define WALK_FIRST     (1u << 22) /* of several fragments */
#define WALK_LATER     (1u << 23) /* a later fragment: there is no transport header */
#define WALK_MALFORMED (1u << 24)

/* Walks from the header NEXT at byte AT. Not static, so that it is verified once and by itself. */
__noinline __u32 limit_walk(struct xdp_md *ctx, __u32 at, __u32 next)
{
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	__u32 first = 0;

	/* As a loop clang lets it fall back into its head, which no kernel before 6.12 takes. */
#pragma unroll
	for (int i = 0; i <= SONDE_XDP_EXTENSIONS; i++) {
		const struct wire_extension *x = data + (at & WALK_AT_MASK);

		if (!is_extension(next & 0xff))
			return (next & 0xff) | (at & WALK_AT_MASK) << 8 | first;
		if (i == SONDE_XDP_EXTENSIONS || (const void *)(x + 1) > end)
			return WALK_MALFORMED;
		at += extension(next & 0xff, x);
		if (data + (at & WALK_AT_MASK) > end || at > WALK_AT_MASK)
			return WALK_MALFORMED;
		if ((next & 0xff) == PROTO_FRAGMENT) {
			if (x->fragment & bpf_htons(IPV6_OFFSET))
				return x->next | WALK_LATER;
			first |= x->fragment & bpf_htons(IPV6_MORE) ? WALK_FIRST : 0;
		}
		next = x->next;
	}
	return WALK_MALFORMED;
}

static __always_inline __u32 read_ipv6(struct xdp_md *ctx, struct packet *p, const void *at,
				       const void *end)
{
	const struct wire_ipv6 *ip = at;
	__u32 found;

	if ((const void *)(ip + 1) > end || *(const __u8 *)at >> 4 != 6)
		return SONDE_XDP_MALFORMED;
	p->hi = two_words(ip->source);
	p->lo = two_words(ip->source + 2);
	found = ip->next | (p->ip_at + sizeof(*ip)) << 8;
	if (is_extension(ip->next))
		found = limit_walk(ctx, p->ip_at + sizeof(*ip), ip->next);
	if (found & WALK_MALFORMED)
		return SONDE_XDP_MALFORMED;
	p->protocol = found;
	p->kind = class_of(p->protocol);
	if (found & WALK_LATER) {
		p->fragment = true;
		return SONDE_XDP_PASSED;
	}
	at = (const void *)(long)ctx->data + WALK_AT(found);
	return read_transport(p, at, end, found & WALK_FIRST, true);
}

static __always_inline bool is_vlan(__be16 type)
{
	return type == bpf_htons(TYPE_VLAN) || type == bpf_htons(TYPE_QINQ) ||
	       type == bpf_htons(TYPE_QINQ_OLD);
}

static __always_inline __u32 read_packet(struct xdp_md *ctx, struct packet *p, const void *at,
					 const void *end)
{
	const struct wire_ether *ether = at;
	__be16 type;

	if ((const void *)(ether + 1) > end)
		return SONDE_XDP_MALFORMED;
	type = ether->type;
	at += sizeof(*ether);
#pragma unroll
	for (int i = 0; i < SONDE_XDP_VLANS; i++) {
		const struct wire_vlan *vlan = at;

		if (!is_vlan(type))
			break;
		if ((const void *)(vlan + 1) > end)
			return SONDE_XDP_MALFORMED;
		type = vlan->type;
		at += sizeof(*vlan);
	}
	p->ip_at = at - (const void *)ether;
	if (type == bpf_htons(TYPE_IPV4))
		return read_ipv4(p, at, end);
	if (type == bpf_htons(TYPE_IPV6))
		return read_ipv6(ctx, p, at, end);
	if (is_vlan(type))
		return SONDE_XDP_MALFORMED;
	return type == bpf_htons(TYPE_ARP) ? SONDE_XDP_NEIGHBOUR : SONDE_XDP_NOT_IP;
}

#endif
