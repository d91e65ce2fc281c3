// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/message_json.h"
#include "tools/sonde/status.h"

void sonde_status_print_json(const Sonde__Status *s, struct sonde_buf *out)
{
	sonde_message_json(out, &s->base);
	sonde_buf_put_byte(out, '\n');
}
