// SPDX-License-Identifier: Apache-2.0
#include "agent/model/http.h"

/* As SONDE_SLICE_LIT, which a static table cannot hold. */
#define METHOD(text)                                                    \
	{                                                               \
		.ptr = (const uint8_t *)(text), .len = sizeof(text) - 1 \
	}

struct sonde_slice sonde_http_method(struct sonde_slice method)
{
	static const struct sonde_slice known[] = {
		METHOD("GET"),	   METHOD("POST"),  METHOD("PUT"),     METHOD("DELETE"),
		METHOD("HEAD"),	   METHOD("PATCH"), METHOD("OPTIONS"), METHOD("QUERY"),
		METHOD("CONNECT"), METHOD("TRACE"),
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sonde_slice_eq(method, known[i]))
			return known[i];
	return SONDE_SLICE_LIT("_OTHER");
}

struct sonde_slice sonde_http_host_name(struct sonde_slice host)
{
	size_t end;

	if (sonde_slice_at(host, 0) == '[') {
		end = sonde_slice_find(host, 1, ']');
		return sonde_slice_sub(host, 1, end - 1);
	}
	end = sonde_slice_find(host, 0, ':');
	/* More than one colon is a bare IPv6 address, which has no port. */
	if (end < host.len && sonde_slice_find(host, end + 1, ':') < host.len)
		return host;
	return sonde_slice_sub(host, 0, end);
}
