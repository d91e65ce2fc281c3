// SPDX-License-Identifier: Apache-2.0
/* Chunked framing: in two parts and byte by byte it reads as in one. The first byte says where to
 * cut. */
#include <stdlib.h>

#include "agent/proto/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int walk_in_steps(struct sonde_slice in, size_t step, struct sonde_http1_chunks *c)
{
	size_t used;
	int ret = 0;

	for (size_t at = 0; at < in.len && ret == 0; at += step)
		ret = sonde_http1_chunks_walk(c, sonde_slice_sub(in, at, step), &used);
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sonde_slice in = sonde_slice_from(sonde_slice_of(data, size), 1);
	struct sonde_http1_chunks whole = { 0 }, parts = { 0 };
	size_t used = 0;
	int ret = sonde_http1_chunks_walk(&whole, in, &used);

	if (used > in.len || (ret == 0 && used != in.len) || whole.body_bytes > in.len)
		abort();
	if (size && (walk_in_steps(in, data[0] + 1u, &parts) != ret ||
		     parts.body_bytes != whole.body_bytes))
		abort();
	return 0;
}
