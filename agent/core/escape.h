// SPDX-License-Identifier: Apache-2.0
/*
 * escape - how bytes from the network become text.
 *
 * One scanner decides what is a harmless character: valid UTF-8 that is neither C0, DEL, C1
 * (U+0080..9F), a line or paragraph separator (U+2028/9), a byte order mark (U+FEFF) nor a
 * bidirectional control (U+061C, U+200E/F, U+202A..E, U+2066..9). Each encoder spells the rest in
 * its own format.
 */
#ifndef SONDE_CORE_ESCAPE_H
#define SONDE_CORE_ESCAPE_H

#include "agent/core/buf.h"

/* Length in bytes (1..4) of the harmless character at S[I], or 0 when S[I] starts none. */
size_t sonde_escape_char(struct sonde_slice s, size_t i);

/* For terminals and logs: each byte of a harmful character becomes \xNN; a backslash stays. */
void sonde_escape_terminal(struct sonde_buf *b, struct sonde_slice s);
/*
 * For JSON, without the quotes (RFC 8259 section 7). Every character that is not harmless becomes
 * \u00NN per byte, so that the output is valid UTF-8 and safe to print; a consumer reads such a
 * byte as the code point of the same number.
 */
void sonde_escape_json(struct sonde_buf *b, struct sonde_slice s);
/*
 * For a Prometheus or OpenMetrics label value, without the quotes: backslash, quote and newline are
 * escaped; other harmful bytes become U+FFFD, since the format knows no other escape.
 */
void sonde_escape_label(struct sonde_buf *b, struct sonde_slice s);

#endif
