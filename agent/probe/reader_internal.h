// SPDX-License-Identifier: Apache-2.0
/* What both files of the reader decode. */
#ifndef SONDE_PROBE_READER_INTERNAL_H
#define SONDE_PROBE_READER_INTERNAL_H

#include "agent/model/record.h"
#include "bpf/abi/record.h"

/*
 * Structs of the ABI are copied out before a field is read: ring records are 8-byte aligned, but a
 * recording or a fuzzer's input need not be.
 */
static inline void sonde_reader_endpoint(struct sonde_endpoint *to, const uint8_t address[16],
					 uint16_t port)
{
	memcpy(to->address, address, sizeof(to->address));
	to->port = port;
}

/* reader.c */
void sonde_reader_tcp(struct sonde_tcp_view *to, const struct sonde_tcp_facts *from);

#endif
