// SPDX-License-Identifier: Apache-2.0
/* Lines of input are paths of one service: answers are short, and the same when asked again. */
#include <assert.h>

#include "agent/agg/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sonde_config config;
	const struct sonde_slice service = SONDE_SLICE_LIT("fuzz");
	struct sonde_slice all = sonde_slice_of(data, size), route, again;
	struct sonde_routes *routes;

	config.routes.unmatched = (enum sonde_unmatched)(size ? data[0] % 2 : 0);
	config.routes.max_segment_values = 3;
	config.routes.max_per_service = 20;
	if (sonde_routes_new(&config, &routes))
		return 0;
	for (size_t i = 0; i < size;) {
		size_t end = sonde_slice_find(all, i, '\n');
		struct sonde_slice path = sonde_slice_sub(all, i, end - i);

		sonde_route_check(path);
		assert(sonde_routes_find(routes, service, path, &route) && route.len <= 256);
		assert(sonde_routes_find(routes, service, path, &again) && again.ptr == route.ptr);
		i = end + 1;
	}
	sonde_routes_free(routes);
	return 0;
}
