// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/proto/http1.h"
#include "tests/unit/guard.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *text;
	uint64_t body_bytes;
} bodies[] = {
	{ "0\r\n\r\n", 0 },
	{ "0\n\n", 0 },
	{ "000\r\n\r\n", 0 },
	{ "5\r\nhello\r\n0\r\n\r\n", 5 },
	{ "5\nhello\n0\n\n", 5 },
	{ "1\r\na\r\n2\r\nbc\r\n00\r\n\r\n", 3 },
	{ "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", 21 },
	{ "4\r\n\r\n\r\n\r\n0\r\n\r\n", 4 },
	{ "5;a=b;c=\"d;\"\r\nhello\r\n0;last\r\n\r\n", 5 },
	{ "5 \t;a\r\nhello\r\n0 \r\n\r\n", 5 },
	{ "5\r\nhello\r\n0\r\nA: b\r\nLong-Trailer: \r c\r\n\r\n", 5 },
	{ "5\r\nhello\r\n0\r\nA: b\n\n", 5 },
};

static const char *const broken[] = {
	"\r\n",
	"g\r\n",
	"-1\r\n",
	"0x5\r\nhello",
	" 5\r\nhello",
	";a\r\n",
	"5\rhello",
	"5 5\r\nhello",
	"5\r\nhello0\r\n",
	"5\r\nhello\rx",
	"5\r\nhello 0\r\n",
	"0\r\n\rx",
	"0\r\r",
	"8000000000000000\r\n",
	"10000000000000000\r\n",
	"FFFFFFFFFFFFFFFFF",
};

static int walk(struct sonde_http1_chunks *c, const struct guard *g, const char *text, size_t len,
		size_t *used)
{
	return sonde_http1_chunks_walk(c, guard_put(g, sonde_slice_of(text, len)), used);
}

static void whole_body_ends_where_it_ends(void **state)
{
	struct guard g = guard_new(4096);

	(void)state;
	for (size_t i = 0; i < N_OF(bodies); i++) {
		struct sonde_http1_chunks c = { 0 };
		size_t len = strlen(bodies[i].text), used = 99;
		char text[256];

		assert_int_equal(walk(&c, &g, bodies[i].text, len, &used), 1);
		assert_int_equal(used, len);
		assert_int_equal(c.body_bytes, bodies[i].body_bytes);

		/* The next message is left alone, also when it comes with a later call. */
		c = (struct sonde_http1_chunks){ 0 };
		snprintf(text, sizeof(text), "%sGET /", bodies[i].text);
		assert_int_equal(walk(&c, &g, text, len + 5, &used), 1);
		assert_int_equal(used, len);
		assert_int_equal(walk(&c, &g, "5\r\n", 3, &used), 1);
		assert_int_equal(used, 0);
	}
	guard_free(&g);
}

static void any_split_gives_the_same(void **state)
{
	struct guard g = guard_new(4096);

	(void)state;
	for (size_t i = 0; i < N_OF(bodies); i++) {
		size_t len = strlen(bodies[i].text), used;

		for (size_t cut = 0; cut < len; cut++) {
			struct sonde_http1_chunks c = { 0 };

			used = 99;
			assert_int_equal(walk(&c, &g, bodies[i].text, cut, &used), 0);
			assert_int_equal(used, cut);
			assert_int_equal(walk(&c, &g, bodies[i].text + cut, len - cut, &used), 1);
			assert_int_equal(used, len - cut);
			assert_int_equal(c.body_bytes, bodies[i].body_bytes);
		}
	}
	guard_free(&g);
}

static void byte_by_byte_gives_the_same(void **state)
{
	struct guard g = guard_new(1);

	(void)state;
	for (size_t i = 0; i < N_OF(bodies); i++) {
		struct sonde_http1_chunks c = { 0 };
		size_t len = strlen(bodies[i].text), used;

		for (size_t at = 0; at < len; at++)
			assert_int_equal(walk(&c, &g, bodies[i].text + at, 1, &used),
					 at + 1 == len);
		assert_int_equal(c.body_bytes, bodies[i].body_bytes);
	}
	guard_free(&g);
}

static void broken_framing_is_refused_for_good(void **state)
{
	struct guard g = guard_new(4096);

	(void)state;
	for (size_t i = 0; i < N_OF(broken); i++) {
		size_t len = strlen(broken[i]);

		for (size_t cut = 0; cut <= len; cut++) {
			struct sonde_http1_chunks c = { 0 };
			size_t used = 99;
			int ret = walk(&c, &g, broken[i], cut, &used);

			if (ret == 0) {
				used = 99;
				ret = walk(&c, &g, broken[i] + cut, len - cut, &used);
			}
			if (ret != -EPROTO)
				fail_msg("%d for: %s", ret, broken[i]);
			assert_int_equal(used, 99);
			assert_int_equal(walk(&c, &g, "0\r\n\r\n", 5, &used), -EPROTO);
			assert_int_equal(walk(&c, &g, "", 0, &used), -EPROTO);
			assert_int_equal(used, 99);
		}
	}
	guard_free(&g);
}

static void remaining_counts_down_the_chunk(void **state)
{
	struct guard g = guard_new(4096);
	struct sonde_http1_chunks c = { 0 };
	size_t used;

	(void)state;
	assert_int_equal(walk(&c, &g, "7fffffffffffffff\r\nabc", 21, &used), 0);
	assert_int_equal(used, 21);
	assert_int_equal(c.body_bytes, 3);
	assert_true(c.remaining == (uint64_t)INT64_MAX - 3);
	guard_free(&g);
}

static void sum_of_chunks_cannot_overflow(void **state)
{
	struct guard g = guard_new(4096);
	struct sonde_http1_chunks c = { 0 };
	size_t used = 99;

	(void)state;
	assert_int_equal(walk(&c, &g, "1\r\na\r\n7fffffffffffffff\r\n", 24, &used), -EPROTO);
	assert_int_equal(used, 99);
	c = (struct sonde_http1_chunks){ 0 };
	assert_int_equal(walk(&c, &g, "1\r\na\r\n7ffffffffffffffe\r\n", 24, &used), 0);
	guard_free(&g);
}

static void one_wrong_byte_does_no_harm(void **state)
{
	struct guard g = guard_new(4096);

	(void)state;
	for (size_t i = 0; i < N_OF(bodies); i++) {
		size_t len = strlen(bodies[i].text);
		char text[256];

		memcpy(text, bodies[i].text, len + 1);
		for (size_t at = 0; at < len; at++) {
			for (int byte = 0; byte < 256; byte++) {
				struct sonde_http1_chunks c = { 0 }, split = { 0 };
				size_t used = 0, first = 0, second = 0;
				int ret, part;

				text[at] = (char)byte;
				ret = walk(&c, &g, text, len, &used);
				assert_true(ret == -EPROTO || (ret == 0 && used == len) ||
					    (ret == 1 && used <= len));
				part = walk(&split, &g, text, at, &first);
				if (part == 0)
					part = walk(&split, &g, text + at, len - at, &second);
				assert_int_equal(part, ret);
				if (ret >= 0)
					assert_int_equal(first + second, used);
				assert_true(split.body_bytes == c.body_bytes);
			}
			text[at] = bodies[i].text[at];
		}
	}
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_body_ends_where_it_ends),
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(byte_by_byte_gives_the_same),
		cmocka_unit_test(broken_framing_is_refused_for_good),
		cmocka_unit_test(remaining_counts_down_the_chunk),
		cmocka_unit_test(sum_of_chunks_cannot_overflow),
		cmocka_unit_test(one_wrong_byte_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
