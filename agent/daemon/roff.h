// SPDX-License-Identifier: Apache-2.0
/* roff - text for manual pages that are made from tables. */
#ifndef SONDE_DAEMON_ROFF_H
#define SONDE_DAEMON_ROFF_H

#include "agent/core/buf.h"

/* TEXT so that the formatter takes no character of it as its own. */
void sonde_roff_put(struct sonde_buf *out, struct sonde_slice text);
/* A line of help a sentence, as manual pages are kept. */
void sonde_roff_put_sentences(struct sonde_buf *out, const char *text);

#endif
