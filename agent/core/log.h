// SPDX-License-Identifier: Apache-2.0
/*
 * log - one line per event on stderr: "object: operation: cause".
 *
 * Only the composition root (agent/daemon, tools) logs; rooms below it return errors. Under
 * journald each line carries its <N> priority. Bytes that are not printable are escaped, so a
 * hostile name in a message cannot forge a line. sonde_log_gate() bounds how often one place may
 * speak.
 */
#ifndef SONDE_CORE_LOG_H
#define SONDE_CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum sonde_log_level {
	SONDE_LOG_ERROR = 3, /* syslog numbers */
	SONDE_LOG_WARN = 4,
	SONDE_LOG_INFO = 6,
	SONDE_LOG_DEBUG = 7,
};

/* The level of this name (error, warn, info, debug); INFO when there is none. */
enum sonde_log_level sonde_log_level_of(const char *name);
/* NAME prefixes every line ("sonded", "sonded[worker]"); it must live on. */
void sonde_log_init(const char *name, enum sonde_log_level max);
void sonde_log(enum sonde_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A gate for repeated messages: true at most once per INTERVAL_NS. */
struct sonde_log_gate {
	uint64_t next_ns;
	uint64_t suppressed; /* calls refused since the last true */
};
bool sonde_log_gate(struct sonde_log_gate *gate, uint64_t now_ns, uint64_t interval_ns);

#endif
