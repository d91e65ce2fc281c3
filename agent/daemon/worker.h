// SPDX-License-Identifier: Apache-2.0
/*
 * worker - the unprivileged process: ring, parsers, series, sockets.
 *
 * The data path is one thread and one direction. The loop drains the ring by a timer while records
 * come, and sleeps without one when none do: it says so in the control page, and the next record
 * wakes it. It ends when the broker does.
 */
#ifndef SONDE_DAEMON_WORKER_H
#define SONDE_DAEMON_WORKER_H

/* Runs the worker with the channel to the broker on CHANNEL_FD. Returns the exit status. */
int sonde_worker_run(int channel_fd);

#endif
