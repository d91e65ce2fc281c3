// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/pcap.h"

#include <errno.h>

enum {
	FILE_HEAD = 24,
	PACKET_HEAD = 16,
	PACKET_MAX = 1 << 18, /* as libpcap does not go beyond either */
	NULL_HEAD = 4,
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_RAW = 101,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
};
#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du

/* Four bytes at AT, which are there. */
static uint32_t word(const struct sonde_pcap *p, struct sonde_slice s, size_t at)
{
	const uint8_t *b = s.ptr + at;
	uint32_t little = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;

	return p->swapped ? __builtin_bswap32(little) : little;
}

const char *sonde_pcap_open(struct sonde_slice file, struct sonde_pcap *out)
{
	struct sonde_pcap p = { .rest = sonde_slice_from(file, FILE_HEAD) };
	uint32_t magic;

	if (file.len < FILE_HEAD)
		return "is too short for a capture file";
	magic = word(&p, file, 0);
	p.swapped = magic == __builtin_bswap32(MAGIC_US) || magic == __builtin_bswap32(MAGIC_NS);
	magic = word(&p, file, 0);
	if (magic != MAGIC_US && magic != MAGIC_NS)
		return "is no capture file of the classic pcap format (tcpdump -w writes it)";
	p.nanoseconds = magic == MAGIC_NS;
	p.link_type = word(&p, file, 20) & 0x0fffffff;
	if (p.link_type != LINK_ETHERNET && p.link_type != LINK_NULL && p.link_type != LINK_RAW &&
	    p.link_type != LINK_IPV4 && p.link_type != LINK_IPV6)
		return "holds packets of another link type than Ethernet or IP";
	*out = p;
	return NULL;
}

int sonde_pcap_next(struct sonde_pcap *p, struct sonde_pcap_packet *out)
{
	struct sonde_pcap_packet packet;
	uint32_t kept, fraction;

	if (!p->rest.len)
		return 0;
	if (p->rest.len < PACKET_HEAD)
		return -EPROTO;
	kept = word(p, p->rest, 8);
	if (kept > PACKET_MAX || kept > p->rest.len - PACKET_HEAD)
		return -EPROTO;
	fraction = word(p, p->rest, 4);
	packet.time_ns = (uint64_t)word(p, p->rest, 0) * 1000000000u +
			 (uint64_t)fraction * (p->nanoseconds ? 1 : 1000);
	packet.wire_bytes = word(p, p->rest, 12);
	packet.bytes = sonde_slice_sub(p->rest, PACKET_HEAD, kept);
	packet.is_ip = p->link_type != LINK_ETHERNET;
	if (p->link_type == LINK_NULL)
		packet.bytes = sonde_slice_from(packet.bytes, NULL_HEAD);
	p->rest = sonde_slice_from(p->rest, PACKET_HEAD + kept);
	*out = packet;
	return (int)(PACKET_HEAD + kept);
}
