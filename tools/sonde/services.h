// SPDX-License-Identifier: Apache-2.0
/*
 * services - a line for each service of this node and each role that it plays: what its requests
 * add up to, and what its connections do. One of the two may be missing.
 */
#ifndef SONDE_TOOLS_SERVICES_H
#define SONDE_TOOLS_SERVICES_H

#include "tools/sonde/edges.h"
#include "tools/sonde/options.h"
#include "tools/sonde/snapshot.h"

struct sonde_service_line {
	struct sonde_slice service; /* borrowed from the snapshots, as the rest */
	enum sonde_role role;
	const struct sonde_row *requests; /* NULL: none were seen */
	bool has_connections;
	struct sonde_edge_row connections; /* `edge` is NULL: of several */
};

struct sonde_services {
	struct sonde_snapshot series;
	struct sonde_edges_snapshot edges;
	struct sonde_row *rows;
	struct sonde_service_line *lines; /* sorted by service and role */
	size_t n;
};

/* Takes over both snapshots; services not in GLOBS (none: all) are left out. 0 or -ENOMEM. */
int sonde_services_make(struct sonde_snapshot *series, struct sonde_edges_snapshot *edges,
			const struct sonde_words *globs, struct sonde_services *out);
void sonde_services_free(struct sonde_services *s); /* accepts a zeroed one */
/* The next peer of LINE from *CURSOR (begin at 0), each once; false at the end. */
bool sonde_services_next_peer(const struct sonde_services *s, const struct sonde_service_line *line,
			      size_t *cursor, struct sonde_slice *out);

#endif
