// SPDX-License-Identifier: Apache-2.0
/*
 * pcap - the packets of a capture file, one after the other.
 *
 * The classic format in either byte order with stamps in micro- or nanoseconds
 * (draft-ietf-opsawg-pcap), of link types Ethernet (1), raw IP (101, 228, 229) and null (0). Reads
 * a slice, allocates nothing.
 */
#ifndef SONDE_LIMIT_PCAP_H
#define SONDE_LIMIT_PCAP_H

#include "agent/core/slice.h"

struct sonde_pcap {
	struct sonde_slice rest;
	bool swapped, nanoseconds;
	uint32_t link_type;
};

struct sonde_pcap_packet {
	struct sonde_slice bytes; /* borrows from the file */
	uint32_t wire_bytes;
	uint64_t time_ns; /* since the Unix epoch */
	bool is_ip;	  /* bytes begin with the IP header, else with Ethernet's */
};

/* NULL, or why FILE is none that we read. */
const char *sonde_pcap_open(struct sonde_slice file, struct sonde_pcap *out);
/* > 0: bytes passed over, with *OUT; 0: the end; -EPROTO: what follows is none or is cut. */
int sonde_pcap_next(struct sonde_pcap *p, struct sonde_pcap_packet *out);

#endif
