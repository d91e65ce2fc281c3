// SPDX-License-Identifier: Apache-2.0
/* config_limit - rules of rate limiting from their text in the config. Pure. */
#ifndef SONDE_DAEMON_CONFIG_LIMIT_H
#define SONDE_DAEMON_CONFIG_LIMIT_H

#include "agent/limit/set.h"
#include "agent/model/config.h"

/* For the table of the config: what is wrong with item I of ITEMS (struct sonde_limit_text). */
const char *sonde_limit_check_item(const void *items, size_t i);
/* The rule that TEXT means, complete. NULL, or what is wrong. */
const char *sonde_limit_wish_of(const struct sonde_limit_text *text, uint64_t trial_ns,
				struct sonde_limit_wish *out);

#endif
