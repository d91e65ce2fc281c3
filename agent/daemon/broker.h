// SPDX-License-Identifier: Apache-2.0
/*
 * broker - the privileged process: programs, identities, and the life of the worker.
 *
 * It reads no byte from the network and listens nowhere: it creates the control socket and hands it
 * over. A worker that ends is started again with the same ring; the records that waited in it are
 * not lost, nor is the ledger.
 *
 *   SIGTERM, SIGINT  detach, let the worker flush, leave nothing behind
 *   SIGHUP           read the config again: all of it or nothing
 *   SIGUSR1 / 2      detach / attach the programs (measurements toggle with these)
 */
#ifndef SONDE_DAEMON_BROKER_H
#define SONDE_DAEMON_BROKER_H

#include "agent/model/config.h"

struct sonde_broker_options {
	const char *config_path; /* NULL: built-in defaults */
	const char *run_dir;
	const char *http; /* overrides listen.http; NULL does not */
};

/*
 * Runs the daemon until it is told to end. CONFIG becomes the broker's. Returns the exit status:
 * 0, 1 failure, 4 missing privilege or kernel feature.
 */
int sonde_broker_run(const struct sonde_broker_options *options, struct sonde_config *config);

#endif
