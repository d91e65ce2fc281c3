// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as sonde.yaml: an accepted config prints as one that is accepted again and prints
 * alike.
 */
#include <stdlib.h>

#include "agent/daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t errors_memory[1 << 18], first_memory[1 << 18], second_memory[1 << 18];
	struct sonde_config first, second;
	struct sonde_buf errors, a, b;

	sonde_buf_over(&errors, errors_memory, sizeof(errors_memory));
	sonde_buf_over(&a, first_memory, sizeof(first_memory));
	sonde_buf_over(&b, second_memory, sizeof(second_memory));
	if (sonde_config_parse(sonde_slice_of(data, size), "fuzz", &first, &errors)) {
		if (!errors.len)
			abort();
		return 0;
	}
	sonde_config_print(&first, true, &a);
	if (sonde_config_parse(sonde_buf_slice(&a), "printed", &second, &errors))
		abort();
	sonde_config_print(&second, true, &b);
	if (a.failed || !sonde_slice_eq(sonde_buf_slice(&a), sonde_buf_slice(&b)))
		abort();
	sonde_config_fini(&first);
	sonde_config_fini(&second);
	return 0;
}
