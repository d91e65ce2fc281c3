// SPDX-License-Identifier: Apache-2.0
/* output - the file below the JSON lines: whole writes, rotation, re-opening. One thread at a time.
 */
#ifndef SONDE_EXPORTERS_JSONL_OUTPUT_H
#define SONDE_EXPORTERS_JSONL_OUTPUT_H

#include "agent/core/slice.h"

struct sonde_output {
	char *path;    /* owned; NULL: a borrowed descriptor that neither rotates nor re-opens */
	int fd;	       /* -1: closed, try again */
	uint64_t size; /* of the file, whole lines */
	uint64_t max_bytes;
	uint32_t max_files;
};

/*
 * PATH "-" is standard output. Creates the file (0640) or appends to it. 0 or negative errno with
 * *OUT closed.
 */
int sonde_output_open(struct sonde_output *out, const char *path, uint64_t max_bytes,
		      uint32_t max_files);
void sonde_output_close(struct sonde_output *out); /* accepts a zeroed path and fd -1 */

/*
 * Before COMING bytes are written: opens again what was lost or moved away, and rotates a file that
 * would grow too far with them.
 */
void sonde_output_prepare(struct sonde_output *out, size_t coming);

/*
 * Writes LINES. Returns how many bytes stay in the output: less than LINES.len after an error (also
 * in *ERR, a negative errno), or -EINTR when STOP_FD became readable while the output blocked. On a
 * file, what stays ends with a newline.
 */
size_t sonde_output_write(struct sonde_output *out, struct sonde_slice lines, int stop_fd,
			  int *err);

#endif
