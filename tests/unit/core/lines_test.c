// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/core/lines.h"
#include "tests/unit/guard.h"

static uint64_t expected(struct sonde_slice in, size_t at)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < SONDE_LINES_BLOCK && at + i < in.len; i++)
		mask |= (uint64_t)(in.ptr[at + i] == '\n') << i;
	return mask;
}

static void check_all_offsets(const struct guard *g, const uint8_t *bytes, size_t len)
{
	struct sonde_slice in = sonde_slice_of(bytes, len);

	for (size_t at = 0; at < len; at++)
		if (sonde_lines_mask(guard_put(g, in), at) != expected(in, at) ||
		    sonde_lines_mask(guard_put_front(g, in), at) != expected(in, at))
			fail_msg("length %zu, offset %zu", len, at);
}

static void mask_is_exact_at_every_length_and_offset(void **state)
{
	uint8_t bytes[200];
	struct guard g = guard_new(sizeof(bytes));

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (i * i) % 7 < 2 ? '\n' : (uint8_t)i;
	for (size_t len = 1; len <= sizeof(bytes); len++)
		check_all_offsets(&g, bytes, len);
	guard_free(&g);
}

/* Bytes that differ from a line feed by one bit or by one, beside one. */
static void neighbours_of_a_line_feed_are_none(void **state)
{
	struct guard g = guard_new(64);
	uint8_t bytes[64];

	(void)state;
	for (unsigned int byte = 0; byte < 256; byte++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = i % 2 ? '\n' : (uint8_t)byte;
		check_all_offsets(&g, bytes, sizeof(bytes));
	}
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mask_is_exact_at_every_length_and_offset),
		cmocka_unit_test(neighbours_of_a_line_feed_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
