// SPDX-License-Identifier: Apache-2.0
/*
 * peers - what the other end of a connection is called when it is not on this node.
 *
 * The name of the group whose network holds its address (the longest prefix wins); else the address
 * as text, for a bounded number of distinct ones; else "__other__". An address once named keeps its
 * name, so a table that is full goes on naming what it knows. Not thread-safe.
 */
#ifndef SONDE_META_PEERS_H
#define SONDE_META_PEERS_H

#include "agent/model/config.h"
#include "agent/model/request.h"

#define SONDE_PEERS_OTHER "__other__"

struct sonde_peers;

/* 0, -ENOMEM, -EINVAL (a CIDR that sonde_cidr_check() refuses). CONFIG is read, not kept. */
int sonde_peers_new(const struct sonde_config *config, struct sonde_peers **out);
void sonde_peers_free(struct sonde_peers *t); /* accepts NULL */
/* Takes over the groups and the bound of CONFIG; addresses named so far keep their place. Names of
 * groups that were handed out before end here. On failure nothing has changed. */
int sonde_peers_configure(struct sonde_peers *t, const struct sonde_config *config);

/* Never empty. Valid until the table is configured anew or freed. */
struct sonde_slice sonde_peers_name(struct sonde_peers *t, const struct sonde_endpoint *e);
/* The name of its group alone, or the empty slice. Valid as above. */
struct sonde_slice sonde_peers_group(const struct sonde_peers *t, const struct sonde_endpoint *e);

struct sonde_peers_stats {
	size_t addresses;    /* with a name of their own */
	uint64_t overflowed; /* times that __other__ was the answer */
};
void sonde_peers_stats(const struct sonde_peers *t, struct sonde_peers_stats *out);

/* A network: 16 bytes of address as in struct sonde_endpoint, and how many bits of it count. */
struct sonde_cidr {
	uint8_t address[16];
	unsigned int bits; /* 0 .. 128; IPv4 counts from 96 */
};
/* "10.0.0.0/8", "fd00::/8", or a mere address. 0 or -EINVAL with *OUT untouched. */
int sonde_cidr_parse(struct sonde_slice text, struct sonde_cidr *out);
/* What is wrong with TEXT as a network, or NULL. */
const char *sonde_cidr_check(struct sonde_slice text);

#endif
