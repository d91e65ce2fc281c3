// SPDX-License-Identifier: Apache-2.0
/*
 * state - a set of rules as text, so that it outlives the daemon.
 *
 *   sonde-limit 1 BOOT generation=9 last_id=4
 *   rule web id=3 origin=person added=1000 trial=0 expires=3600001000 mute=- iface=eth0 rate=100/s
 * ... allow 192.0.2.0/24 person
 *
 * Times are CLOCK_MONOTONIC, so a state is good for one boot: BOOT is
 * /proc/sys/kernel/random/boot_id. Networks that are allowed for what the node or the config says
 * are not kept, they are found anew.
 */
#ifndef SONDE_LIMIT_STATE_H
#define SONDE_LIMIT_STATE_H

#include "agent/limit/set.h"

enum { SONDE_LIMIT_STATE_BYTES = 1 << 20 }; /* more than any set needs */

void sonde_limit_state_print(const struct sonde_limit_set *set, struct sonde_slice boot,
			     struct sonde_buf *out);
/*
 * Reads TEXT into the zeroed SET. Lines that say nothing good are left out and counted in *BAD;
 * what has expired is there, for sonde_limit_set_expire() to tell of. 0, or -ESTALE (of another
 * boot) or -EINVAL (no state at all) with SET untouched.
 */
int sonde_limit_state_parse(struct sonde_slice text, struct sonde_slice boot,
			    struct sonde_limit_set *set, size_t *bad);

#endif
