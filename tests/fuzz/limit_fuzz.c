// SPDX-License-Identifier: Apache-2.0
/* Frames, capture files, descriptions of packets, states: whatever the bytes, read within bounds.
 */
#include <stdlib.h>

#include "agent/limit/evaluate.h"
#include "agent/limit/guards.h"
#include "agent/limit/pcap.h"
#include "agent/limit/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void note(void *ctx, const uint8_t address[16])
{
	(void)ctx;
	check(address[0] + address[15] >= 0);
}

static void try_frame(struct sonde_slice frame)
{
	struct sonde_limit_packet p;

	sonde_limit_packet_read(frame, (uint32_t)frame.len, &p);
	check(p.kind < SONDE_LIMIT_KINDS);
	check(p.kind != SONDE_LIMIT_IP || frame.len >= 34);
	sonde_limit_packet_read_ip(frame, (uint32_t)frame.len, &p);
	check(p.kind < SONDE_LIMIT_KINDS);
}

static void try_state(struct sonde_slice text)
{
	static struct sonde_limit_set set;
	size_t bad = 0;

	memset(&set, 0, sizeof(set));
	if (sonde_limit_state_parse(text, SONDE_SLICE_LIT("b"), &set, &bad))
		return;
	check(set.n_entries <= SONDE_LIMIT_RULES && set.n_allows <= SONDE_LIMIT_ALLOWS);
	for (uint32_t i = 0; i < set.n_entries; i++)
		check(!sonde_limit_spec_complete(&set.entries[i].spec));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sonde_slice all = sonde_slice_of(data, size);
	struct sonde_limit_packet p;
	struct sonde_pcap pcap;
	struct sonde_pcap_packet packet;
	uint8_t address[16];

	try_frame(all);
	try_state(all);
	sonde_limit_packet_parse(all, &p);
	sonde_limit_gateways_v4(all, note, NULL);
	sonde_limit_gateways_v6(all, note, NULL);
	sonde_limit_resolvers(all, note, NULL);
	sonde_limit_ssh_peer(all, address);
	if (!sonde_pcap_open(all, &pcap))
		while (sonde_pcap_next(&pcap, &packet) > 0)
			try_frame(packet.bytes);
	return 0;
}
