// SPDX-License-Identifier: Apache-2.0
/*
 * packet - what the limiter sees of a packet: the same reading as bpf/limit.bpf.c, for `sonde limit
 * test` and in plain C.
 *
 * Ethernet, up to 4 VLAN tags, IPv4 with options or IPv6 with up to 8 extension headers, then TCP,
 * UDP or ICMP. Formats: IEEE 802.3 and 802.1Q, RFC 791, 8200, 9293, 768, 4861.
 */
#ifndef SONDE_LIMIT_PACKET_H
#define SONDE_LIMIT_PACKET_H

#include "agent/core/slice.h"

enum {
	SONDE_LIMIT_VLANS = 4,
	SONDE_LIMIT_EXTENSIONS = 8,
};

/* What a packet is to the limiter. Only IP is ever limited. */
enum sonde_limit_kind {
	SONDE_LIMIT_IP = 0,
	SONDE_LIMIT_NEIGHBOUR = 1, /* ARP, neighbour discovery */
	SONDE_LIMIT_DHCP = 2,
	SONDE_LIMIT_OTHER = 3,	   /* no IP: passes */
	SONDE_LIMIT_MALFORMED = 4, /* cut, or headers beyond the bounds: passes, counted */
	SONDE_LIMIT_KINDS = 5,
};

struct sonde_limit_packet {
	enum sonde_limit_kind kind;
	uint8_t source[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t protocol;   /* IANA number; 0 when the packet does not get as far */
	bool v6;
	bool has_port;	     /* not so in fragments after the first */
	bool opens;	     /* TCP with SYN and without ACK */
	bool begins_request; /* TCP payload that begins with a method of HTTP/1 */
	uint16_t port;	     /* destination */
	uint32_t bytes;	     /* of the frame on the wire */
};

const char *sonde_limit_kind_name(enum sonde_limit_kind kind);

/* Reads FRAME, whose WIRE_BYTES may be more than was kept of it. Never fails: see kind. */
void sonde_limit_packet_read(struct sonde_slice frame, uint32_t wire_bytes,
			     struct sonde_limit_packet *out);
/* The same for a packet that begins with its IP header; an Ethernet header's bytes are added. */
void sonde_limit_packet_read_ip(struct sonde_slice packet, uint32_t wire_bytes,
				struct sonde_limit_packet *out);
/*
 * "src=192.0.2.7,proto=tcp,dport=443,syn": words of src, proto (tcp, udp, icmp or a number), dport,
 * len, syn, request, fragment; or the bytes of a frame as hex digits. NULL, or what is wrong.
 */
const char *sonde_limit_packet_parse(struct sonde_slice text, struct sonde_limit_packet *out);

#endif
