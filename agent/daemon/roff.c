// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/roff.h"

#include <string.h>

void sonde_roff_put(struct sonde_buf *out, struct sonde_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			sonde_buf_put_str(out, "\\e");
		else if (text.ptr[i] == '-')
			sonde_buf_put_str(out, "\\-");
		else if ((text.ptr[i] == '.' || text.ptr[i] == '\'') && !i)
			sonde_buf_printf(out, "\\&%c", text.ptr[i]);
		else
			sonde_buf_put_byte(out, text.ptr[i]);
	}
}

void sonde_roff_put_sentences(struct sonde_buf *out, const char *text)
{
	const char *end;

	while ((end = strstr(text, ". "))) {
		sonde_roff_put(out, sonde_slice_of(text, (size_t)(end - text) + 1));
		sonde_buf_put_byte(out, '\n');
		text = end + 2;
	}
	sonde_roff_put(out, sonde_slice_str(text));
	sonde_buf_put_byte(out, '\n');
}
