// SPDX-License-Identifier: Apache-2.0
/*
 * broker_metadata - what the worker may not open itself: Docker's sockets, token and CA files.
 *
 * The worker names a talk by its number; what is opened for that is the broker's own config alone.
 * Files are read anew each time, since tokens are replaced while the daemon runs, and are handed
 * over as memory files. Nothing here waits, and nothing that a file holds is ever logged.
 */
#ifndef SONDE_DAEMON_BROKER_METADATA_H
#define SONDE_DAEMON_BROKER_METADATA_H

#include "agent/meta/metadata.h"

/*
 * Opens what TALK needs into *OUT, whose descriptors are the caller's; error says what went wrong
 * (-EINVAL: the config knows no such talk, -EFBIG: a file is too long, -EISDIR: it is no file).
 */
void sonde_broker_connect(const struct sonde_config *config, uint32_t talk,
			  struct sonde_metadata_connection *out);

#endif
