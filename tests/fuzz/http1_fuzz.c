// SPDX-License-Identifier: Apache-2.0
/* Heads: nothing read outside, a known return code, and no prefix that knows better than the whole.
 */
#include <errno.h>
#include <stdlib.h>

#include "agent/proto/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_codes(int whole, int part, size_t size)
{
	check(whole == -EAGAIN || whole == -EPROTO || whole == -E2BIG ||
	      (whole > 0 && (size_t)whole <= size));
	check(part == -EAGAIN || part == whole);
}

static void check_inside(struct sonde_slice in, struct sonde_slice part)
{
	check(!part.len || (part.ptr >= in.ptr && part.ptr + part.len <= in.ptr + in.len));
}

static void check_request(struct sonde_slice in, const struct sonde_http1_request *r)
{
	const struct sonde_slice parts[] = { r->method,	    r->target,	 r->host,
					     r->user_agent, r->trace_id, r->span_id };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_inside(in, parts[i]);
	if (!sonde_slice_eq(r->path, SONDE_SLICE_LIT("/")))
		check_inside(in, r->path);
	check(sonde_slice_find(r->path, 0, '?') == r->path.len);
	check(sonde_slice_find(r->host, 0, '@') == r->host.len);
	check(r->method.len >= 1 && r->method.len <= SONDE_HTTP1_METHOD_MAX && r->target.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sonde_slice in = sonde_slice_of(data, size);
	struct sonde_slice part = sonde_slice_sub(in, 0, size ? data[size - 1] * size / 256 : 0);
	struct sonde_http1_response response;
	struct sonde_http1_request request;
	int ret;

	ret = sonde_http1_parse_request(in, &request);
	if (ret > 0)
		check_request(in, &request);
	check(ret <= 0 || sonde_http1_ops.request_likeness(in) == SONDE_LIKENESS_YES);
	check_codes(ret, sonde_http1_parse_request(part, &request), size);
	if (sonde_http1_parse_cut_request(part, &request) == 0)
		check_request(part, &request);
	ret = sonde_http1_parse_response(in, &response);
	check(ret <= 0 || sonde_http1_ops.response_likeness(in) == SONDE_LIKENESS_YES);
	check_codes(ret, sonde_http1_parse_response(part, &response), size);
	if (sonde_http1_parse_cut_response(part, &response) == 0)
		check(response.status >= 100 && response.status <= 999);
	return 0;
}
