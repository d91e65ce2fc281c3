// SPDX-License-Identifier: Apache-2.0
#include "agent/core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/core/escape.h"

enum { MESSAGE_MAX = 1024, LINE_MAX_BYTES = 4 * MESSAGE_MAX + 128 };

static struct {
	const char *name;
	enum sonde_log_level max;
	bool journal; /* stderr is journald's: prefix the priority */
} log_state = { .name = "sonde", .max = SONDE_LOG_INFO };

enum sonde_log_level sonde_log_level_of(const char *name)
{
	return !strcmp(name, "error")	? SONDE_LOG_ERROR
	       : !strcmp(name, "warn")	? SONDE_LOG_WARN
	       : !strcmp(name, "debug") ? SONDE_LOG_DEBUG
					: SONDE_LOG_INFO;
}

void sonde_log_init(const char *name, enum sonde_log_level max)
{
	log_state.name = name;
	log_state.max = max;
	log_state.journal = getenv("JOURNAL_STREAM") != NULL;
}

void sonde_log(enum sonde_log_level level, const char *fmt, ...)
{
	char message[MESSAGE_MAX], line[LINE_MAX_BYTES];
	struct sonde_buf out;
	va_list args;
	int len;

	if (level > log_state.max)
		return;
	va_start(args, fmt);
	len = vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(message))
		len = sizeof(message) - 1;

	sonde_buf_over(&out, line, sizeof(line));
	if (log_state.journal)
		sonde_buf_printf(&out, "<%d>", level);
	sonde_buf_printf(&out, "%s: ", log_state.name);
	sonde_escape_terminal(&out, sonde_slice_of(message, (size_t)len));
	sonde_buf_put_byte(&out, '\n');
	/* One write: lines of the two processes do not mix. Nobody is left to tell if it fails. */
	if (write(STDERR_FILENO, out.ptr, out.len) < 0)
		return;
}

bool sonde_log_gate(struct sonde_log_gate *gate, uint64_t now_ns, uint64_t interval_ns)
{
	if (now_ns < gate->next_ns) {
		gate->suppressed++;
		return false;
	}
	gate->next_ns = now_ns + interval_ns;
	gate->suppressed = 0;
	return true;
}
