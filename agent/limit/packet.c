// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/packet.h"

enum {
	ETHER_HEAD = 14,
	ETHER_MIN = 60,
	VLAN_TAG = 4,
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_VLAN = 0x8100,
	TYPE_IPV6 = 0x86dd,
	TYPE_QINQ = 0x88a8,
	TYPE_QINQ_OLD = 0x9100,
	IPV4_HEAD = 20,
	IPV4_OFFSET = 0x1fff,
	IPV4_MORE = 0x2000,
	IPV6_HEAD = 40,
	IPV6_OFFSET = 0xfff8,
	IPV6_MORE = 0x0001,
	TCP_HEAD = 20,
	TCP_SYN = 0x02,
	TCP_ACK = 0x10,
	UDP_HEAD = 8,
	PROTO_HOPS = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_ICMPV6 = 58,
	PROTO_OPTIONS = 60,
	PROTO_MOBILITY = 135,
	PROTO_HIP = 139,
	PROTO_SHIM6 = 140,
	ND_FIRST = 133, /* router solicitation .. redirect */
	ND_LAST = 137,
	REQUEST_MIN = 4, /* bytes that tell a method: "GET ", "POST" */
};

const char *sonde_limit_kind_name(enum sonde_limit_kind kind)
{
	static const char *const names[SONDE_LIMIT_KINDS] = { "ip", "neighbour", "dhcp", "other",
							      "malformed" };

	return kind < SONDE_LIMIT_KINDS ? names[kind] : "?";
}

/* Two bytes at AT in network order; -1 when they are not all there. */
static int word(struct sonde_slice s, size_t at)
{
	return at + 2 <= s.len ? s.ptr[at] << 8 | s.ptr[at + 1] : -1;
}

static bool begins_request(struct sonde_slice payload)
{
	static const char methods[][REQUEST_MIN + 1] = { "GET ", "POST", "PUT ", "HEAD", "DELE",
							 "PATC", "OPTI", "CONN", "TRAC" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (sonde_slice_starts(payload, sonde_slice_of(methods[i], REQUEST_MIN)))
			return true;
	return false;
}

/* A transport header that is cut: of the first of several fragments (FIRST) the source counts. */
static void read_cut(struct sonde_limit_packet *p, bool first)
{
	if (!first)
		p->kind = SONDE_LIMIT_MALFORMED;
}

static void read_tcp(struct sonde_slice tcp, bool first, struct sonde_limit_packet *p)
{
	int flags = sonde_slice_at(tcp, 13);
	size_t head;

	if (tcp.len < TCP_HEAD) {
		read_cut(p, first);
		return;
	}
	head = (size_t)(tcp.ptr[12] >> 4) * 4;
	if (head < TCP_HEAD) {
		p->kind = SONDE_LIMIT_MALFORMED;
		return;
	}
	p->port = (uint16_t)word(tcp, 2);
	p->has_port = true;
	p->opens = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	p->begins_request = begins_request(sonde_slice_from(tcp, head));
}

static bool is_dhcp(int source, int destination, bool v6)
{
	int client = v6 ? 546 : 68, server = v6 ? 547 : 67;

	return (source == client && destination == server) ||
	       (source == server && (destination == client || destination == server));
}

static void read_udp(struct sonde_slice udp, bool first, struct sonde_limit_packet *p)
{
	if (udp.len < UDP_HEAD) {
		read_cut(p, first);
		return;
	}
	p->port = (uint16_t)word(udp, 2);
	p->has_port = true;
	if (is_dhcp(word(udp, 0), p->port, p->v6))
		p->kind = SONDE_LIMIT_DHCP;
}

static void read_transport(struct sonde_slice rest, uint8_t protocol, bool first,
			   struct sonde_limit_packet *p)
{
	int type = sonde_slice_at(rest, 0);

	p->protocol = protocol;
	if (protocol == PROTO_TCP)
		read_tcp(rest, first, p);
	else if (protocol == PROTO_UDP)
		read_udp(rest, first, p);
	else if (protocol == PROTO_ICMPV6 && p->v6 && type >= ND_FIRST && type <= ND_LAST)
		p->kind = SONDE_LIMIT_NEIGHBOUR;
}

static void read_ipv4(struct sonde_slice ip, struct sonde_limit_packet *p)
{
	size_t head = (size_t)(sonde_slice_at(ip, 0) & 0x0f) * 4;

	p->kind = SONDE_LIMIT_MALFORMED;
	if (ip.len < IPV4_HEAD || ip.ptr[0] >> 4 != 4 || head < IPV4_HEAD || ip.len < head)
		return;
	p->kind = SONDE_LIMIT_IP;
	memset(p->source, 0, 10);
	p->source[10] = p->source[11] = 0xff;
	memcpy(p->source + 12, ip.ptr + 12, 4);
	if (word(ip, 6) & IPV4_OFFSET)
		p->protocol = ip.ptr[9]; /* a later fragment: no port in it */
	else
		read_transport(sonde_slice_from(ip, head), ip.ptr[9], word(ip, 6) & IPV4_MORE, p);
}

/* Bytes of the extension header NEXT at the beginning of S, which may be cut; 0: it is none. */
static size_t extension(struct sonde_slice s, uint8_t next)
{
	int len = s.len > 1 ? s.ptr[1] : 0;

	switch (next) {
	case PROTO_HOPS:
	case PROTO_ROUTING:
	case PROTO_OPTIONS:
	case PROTO_MOBILITY:
	case PROTO_HIP:
	case PROTO_SHIM6:
		return (size_t)(len + 1) * 8;
	case PROTO_AH:
		return (size_t)(len + 2) * 4;
	case PROTO_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

static void read_ipv6(struct sonde_slice ip, struct sonde_limit_packet *p)
{
	struct sonde_slice rest = sonde_slice_from(ip, IPV6_HEAD);
	bool first = false;
	uint8_t next;

	p->v6 = true;
	p->kind = SONDE_LIMIT_MALFORMED;
	if (ip.len < IPV6_HEAD || ip.ptr[0] >> 4 != 6)
		return;
	memcpy(p->source, ip.ptr + 8, 16);
	next = ip.ptr[6];
	for (int i = 0; i <= SONDE_LIMIT_EXTENSIONS; i++) {
		size_t len = extension(rest, next);

		if (!len) {
			p->kind = SONDE_LIMIT_IP;
			read_transport(rest, next, first, p);
			return;
		}
		if (i == SONDE_LIMIT_EXTENSIONS || rest.len < 8 || rest.len < len)
			return;
		if (next == PROTO_FRAGMENT && (word(rest, 2) & IPV6_OFFSET)) {
			p->kind = SONDE_LIMIT_IP;
			p->protocol = rest.ptr[0];
			return;
		}
		first = first || (next == PROTO_FRAGMENT && (word(rest, 2) & IPV6_MORE));
		next = rest.ptr[0];
		rest = sonde_slice_from(rest, len);
	}
}

static bool is_vlan(int type)
{
	return type == TYPE_VLAN || type == TYPE_QINQ || type == TYPE_QINQ_OLD;
}

void sonde_limit_packet_read(struct sonde_slice frame, uint32_t wire_bytes,
			     struct sonde_limit_packet *out)
{
	struct sonde_limit_packet p = { .bytes = wire_bytes };
	struct sonde_slice rest = sonde_slice_from(frame, ETHER_HEAD);
	int type = word(frame, ETHER_HEAD - 2);

	for (int i = 0; i < SONDE_LIMIT_VLANS && is_vlan(type); i++) {
		type = word(rest, 2);
		rest = sonde_slice_from(rest, VLAN_TAG);
	}
	if (type < 0 || is_vlan(type))
		p.kind = SONDE_LIMIT_MALFORMED;
	else if (type == TYPE_ARP)
		p.kind = SONDE_LIMIT_NEIGHBOUR;
	else if (type == TYPE_IPV4)
		read_ipv4(rest, &p);
	else if (type == TYPE_IPV6)
		read_ipv6(rest, &p);
	else
		p.kind = SONDE_LIMIT_OTHER;
	*out = p;
}

void sonde_limit_packet_read_ip(struct sonde_slice packet, uint32_t wire_bytes,
				struct sonde_limit_packet *out)
{
	struct sonde_limit_packet p = { .bytes = wire_bytes + ETHER_HEAD };

	if (sonde_slice_at(packet, 0) >> 4 == 6)
		read_ipv6(packet, &p);
	else
		read_ipv4(packet, &p);
	*out = p;
}
