// SPDX-License-Identifier: Apache-2.0
/* status - a Status message as text and as JSON. */
#ifndef SONDE_TOOLS_STATUS_H
#define SONDE_TOOLS_STATUS_H

#include "agent/core/buf.h"
#include "agent/model/wire.h"

void sonde_status_print(const Sonde__Status *s, struct sonde_buf *out);
/* One object and a newline; names are those of the message's fields. */
void sonde_status_print_json(const Sonde__Status *s, struct sonde_buf *out);

#endif
