// SPDX-License-Identifier: Apache-2.0
/*
 * amount - how rates, bursts and times of limit rules are written.
 *
 * A rate is a whole number of units per second: "100/s", "10K/s", "1M/s", "8Mi/s". K, M and G are
 * thousands, Ki, Mi and Gi are 1024s. Each parser returns NULL and fills *OUT, or what is wrong
 * ("is no number per second") with *OUT untouched; the text is borrowed from nobody.
 */
#ifndef SONDE_LIMIT_AMOUNT_H
#define SONDE_LIMIT_AMOUNT_H

#include "agent/core/buf.h"

#define SONDE_LIMIT_FOREVER UINT64_MAX

enum { SONDE_LIMIT_AMOUNT_TEXT = 32 }; /* bytes that any of these needs, with a NUL */

/* 1 .. 10^12 per second. */
const char *sonde_limit_rate_parse(struct sonde_slice text, uint64_t *per_second);
/* The same without "/s". */
const char *sonde_limit_count_parse(struct sonde_slice text, uint64_t *out);
/* "90s", "10m", "1h", "7d" in nanoseconds, from one second to 366 days; "none" is
 * SONDE_LIMIT_FOREVER. */
const char *sonde_limit_ttl_parse(struct sonde_slice text, uint64_t *ns);

/* The shortest text that reads back as the same. */
void sonde_limit_rate_print(uint64_t per_second, struct sonde_buf *out);
void sonde_limit_count_print(uint64_t count, struct sonde_buf *out);
void sonde_limit_ttl_print(uint64_t ns, struct sonde_buf *out);

#endif
