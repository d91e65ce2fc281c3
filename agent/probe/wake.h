// SPDX-License-Identifier: Apache-2.0
/*
 * wake - the worker's side of the control page: sleep, wake up, ask for a connection whole.
 *
 * A mapping and nothing else: the worker may not use bpf(2).
 */
#ifndef SONDE_PROBE_WAKE_H
#define SONDE_PROBE_WAKE_H

#include <stdbool.h>
#include <stdint.h>

struct sonde_control_page; /* struct sonde_control of bpf/abi/control.h */

struct sonde_wake {
	struct sonde_control_page *page;
};

int sonde_wake_map(int fd, struct sonde_wake *out); /* FD stays the caller's. 0 or negative errno */
void sonde_wake_unmap(struct sonde_wake *w);	    /* accepts a zeroed one */
/* From now on the next record wakes whoever waits for the ring. Look into the ring after this. */
void sonde_wake_sleep(struct sonde_wake *w);
void sonde_wake_up(struct sonde_wake *w);
/* ALL bytes of connection ID are captured from now on, or none; may end that for another one. */
void sonde_wake_stream(struct sonde_wake *w, uint64_t id, bool all);

#endif
