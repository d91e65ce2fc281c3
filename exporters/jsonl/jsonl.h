// SPDX-License-Identifier: Apache-2.0
/*
 * jsonl - the reference exporter: one JSON object a line, to a file that rotates or to stdout.
 *
 * A line is whole or not there: when a write stops in the middle (disk full), the file is cut back
 * to the last whole line, the records behind it are counted as dropped, and the next batch tries
 * again. The file is opened anew when its name leads elsewhere, so logrotate needs no signal.
 * path -> path.1 -> path.2 ... path.max_files.
 */
#ifndef SONDE_EXPORTERS_JSONL_H
#define SONDE_EXPORTERS_JSONL_H

#include "exporters/exporter.h"

extern const struct sonde_exporter_ops sonde_jsonl_ops;

#endif
