// SPDX-License-Identifier: Apache-2.0
/*
 * Paths of any kind become few templates, and the same one each time.
 */
#include "agent/agg/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/agg/route_pattern.h"

static struct sonde_config config;
static struct sonde_routes *routes;

static char *word(const char *text)
{
	/* The list is of char *, but nobody writes to it. */
	union {
		const char *in;
		char *out;
	} cast = { .in = text };

	return cast.out;
}

static int begin(void **state)
{
	(void)state;
	config = (struct sonde_config){ 0 };
	config.routes.max_segment_values = 10;
	config.routes.max_per_service = 200;
	return 0;
}

static void open_routes(void)
{
	assert_int_equal(sonde_routes_new(&config, &routes), 0);
}

static int end(void **state)
{
	(void)state;
	sonde_routes_free(routes);
	routes = NULL;
	return 0;
}

/* The template of PATH as a C string; "(ignored)". */
static const char *find_for(const char *service, const char *path)
{
	static char text[300];
	struct sonde_slice route = SONDE_SLICE_LIT("untouched");

	if (!sonde_routes_find(routes, sonde_slice_str(service), sonde_slice_str(path), &route)) {
		assert_int_equal(route.len, 9);
		return "(ignored)";
	}
	assert_in_range(route.len, 0, 256);
	snprintf(text, sizeof(text), "%.*s", (int)route.len, (const char *)route.ptr);
	return text;
}

static const char *find(const char *path)
{
	return find_for("shop", path);
}

static struct sonde_routes_stats stats(void)
{
	struct sonde_routes_stats out;

	sonde_routes_stats(routes, &out);
	return out;
}

static void generated_segments_are_told_from_words(void **state)
{
	static const struct {
		const char *segment;
		bool generated;
	} cases[] = {
		{ "users", false },
		{ "v1", false },
		{ "v2.1", false },
		{ "v2024", false },
		{ "oauth2", false },
		{ "http2", false },
		{ "sha256", false },
		{ "base64url", false },
		{ "2fa", false },
		{ "index.html", false },
		{ "app.min.js", false },
		{ "user_profile", false },
		{ "order-history", false },
		{ "getUserByName", false },
		{ "InternationalShippingRates", false },
		{ "facade", false },
		{ "caf\xc3\xa9", false },
		{ "{id}", false },
		{ ".well-known", false },
		{ "openid-configuration", false },
		{ "a", false },
		{ "-", false },
		{ "item42", false },
		{ "0", true },
		{ "17", true },
		{ "-5", true },
		{ "12.5", true },
		{ "2024-01-31", true },
		{ "10.0.0.1", true },
		{ "deadbeef", true },
		{ "DEADBEEF01", true },
		{ "507f1f77bcf86cd799439011", true },
		{ "550e8400-e29b-41d4-a716-446655440000", true },
		{ "u10017", true },
		{ "order-20240131", true },
		{ "x7f3k9q2", true },
		{ "dQw4w9WgXcQ12345", true },
		{ "eyJhbGciOiJIUzI1NiJ9", true },
		{ "photo_12345.jpg", true },
		{ "app.3f2a91bc.js", true },
		{ "hello%20world", true },
		{ "me@example.org", true },
		{ "a=b", true },
		{ "\xff\xfe", true },
		{ "a\x01", true },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is = sonde_route_is_generated(sonde_slice_str(cases[i].segment));

		if (is != cases[i].generated)
			fail_msg("%s", cases[i].segment);
	}
}

static void heuristic_replaces_what_looks_generated(void **state)
{
	(void)state;
	open_routes();
	assert_string_equal(find("/users/17"), "/users/*");
	assert_string_equal(find("/users/18"), "/users/*");
	assert_string_equal(find("/users/18/orders/550e8400-e29b-41d4-a716-446655440000"),
			    "/users/*/orders/*");
	assert_string_equal(find("/users/me"), "/users/me");
	assert_string_equal(find("/static/app.3f2a91bc.js"), "/static/*");
	assert_int_equal(stats().templates, 4);
	assert_int_equal(stats().collapsed, 0);
}

static void odd_targets_have_a_template_too(void **state)
{
	static const char *const cases[][2] = {
		{ "", "/" },	       { "/", "/" },
		{ "//", "/" },	       { "///", "/" },
		{ "*", "*" },	       { "example.com:443", "*" },
		{ "/cart/", "/cart" }, { "//cart//list//", "/cart/list" },
		{ "/a/17/", "/a/*" },
	};

	(void)state;
	open_routes();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(find(cases[i][0]), cases[i][1]);
		assert_string_equal(find(cases[i][0]), cases[i][1]);
	}
}

static void the_eleventh_value_collapses_the_position_for_good(void **state)
{
	static const char *const names[] = { "amy", "bob", "cat", "dan", "eve", "fay",
					     "gus", "hal", "ida", "joe", "kim", "leo" };
	char path[64], expected[64];

	(void)state;
	open_routes();
	for (size_t i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "/users/%s/posts", names[i]);
		assert_string_equal(find(path), path);
	}
	assert_int_equal(stats().templates, 10);
	assert_string_equal(find("/users/kim/posts"), "/users/*/posts");
	assert_int_equal(stats().collapsed, 1);
	assert_int_equal(stats().templates, 1);
	/* Those seen before too, although their answers had been remembered. */
	for (size_t i = 0; i < 12; i++) {
		snprintf(path, sizeof(path), "/users/%s/posts", names[i]);
		assert_string_equal(find(path), "/users/*/posts");
		snprintf(path, sizeof(path), "/teams/%s", i % 2 ? "red" : "blue");
		snprintf(expected, sizeof(expected), "%s", path);
		assert_string_equal(find(path), expected);
	}
	assert_int_equal(stats().templates, 3);
}

static void what_had_collapsed_stays_so_when_its_parent_does(void **state)
{
	char path[64];

	(void)state;
	config.routes.max_segment_values = 3;
	open_routes();
	for (char c = 'a'; c <= 'd'; c++) {
		snprintf(path, sizeof(path), "/t/x/%c/edit", c);
		find(path);
	}
	assert_string_equal(find("/t/x/z/edit"), "/t/x/*/edit");
	find("/t/y/k");
	find("/t/q/k");
	find("/t/r/k");
	assert_string_equal(find("/t/s/other"), "/t/*/*");
	assert_string_equal(find("/t/x/a/edit"), "/t/*/*/edit");
	assert_string_equal(find("/t/y/k"), "/t/*/*");
	assert_int_equal(stats().collapsed, 3);
}

static void a_service_learns_for_itself(void **state)
{
	char path[64], expected[64];

	(void)state;
	open_routes();
	for (char c = 'a'; c <= 'z'; c++) {
		snprintf(path, sizeof(path), "/%c", c);
		find_for("one", path);
	}
	assert_string_equal(find_for("one", "/a"), "/*");
	for (char c = 'a'; c <= 'e'; c++) {
		snprintf(path, sizeof(path), "/%c", c);
		snprintf(expected, sizeof(expected), "/%c", c);
		assert_string_equal(find_for("two", path), expected);
	}
}

static void user_patterns_win_in_their_order(void **state)
{
	static const char *const cases[][2] = {
		{ "/", "/" },
		{ "/foo/bar/baz", "/foo/bar/baz/" },
		{ "/foo/bar/baz/", "/foo/bar/baz/" },
		{ "/foo/1234", "/foo/:id" },
		{ "/foo/5/push", "/foo/{id}/push" },
		{ "/foo/5/push/up", "" },
		{ "/foo", "" },
		{ "/ski", "/ski/*" },
		{ "/ski/doo", "/ski/*" },
		{ "/ski/doo/new/", "/ski/*" },
		{ "/one/x/two", "/one/*/two" },
		{ "/one/x/three", "" },
		{ "*", "" },
	};
	static const char *const patterns[] = { "/foo/bar/baz/", "/foo/:id",   "/foo/{id}/push",
						"/ski/*",	 "/one/*/two", "/" };

	(void)state;
	config.routes.unmatched = SONDE_UNMATCHED_UNSET;
	for (size_t i = 0; i < 6; i++)
		config.routes.patterns.items[config.routes.patterns.n_items++] = word(patterns[i]);
	open_routes();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(find(cases[i][0]), cases[i][1]);
		assert_string_equal(find(cases[i][0]), cases[i][1]);
	}
}

static void ignored_patterns_are_not_reported(void **state)
{
	(void)state;
	config.routes.ignored_patterns.items[0] = word("/health");
	config.routes.ignored_patterns.items[1] = word("/internal/*");
	config.routes.ignored_patterns.n_items = 2;
	config.routes.patterns.items[0] = word("/internal/*");
	config.routes.patterns.n_items = 1;
	open_routes();
	for (unsigned int i = 0; i < 2; i++) {
		assert_string_equal(find("/health"), "(ignored)");
		assert_string_equal(find("/internal/a/b"), "(ignored)");
		assert_string_equal(find("/healthy"), "/healthy");
	}
}

static void unmatched_modes_differ(void **state)
{
	static const struct {
		enum sonde_unmatched mode;
		const char *expected;
	} cases[] = {
		{ SONDE_UNMATCHED_HEURISTIC, "/users/*" },
		{ SONDE_UNMATCHED_PATH, "/users/17" },
		{ SONDE_UNMATCHED_WILDCARD, "/**" },
		{ SONDE_UNMATCHED_UNSET, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		config.routes.unmatched = cases[i].mode;
		open_routes();
		assert_string_equal(find("/users/17"), cases[i].expected);
		sonde_routes_free(routes);
	}
	routes = NULL;
}

static void beyond_the_cap_of_a_service_is_other_and_counted(void **state)
{
	char path[64];

	(void)state;
	config.routes.unmatched = SONDE_UNMATCHED_PATH;
	open_routes();
	for (unsigned int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "/p%u", i);
		assert_string_equal(find(path), i < 200 ? path : "__other__");
	}
	assert_string_equal(find("/p7"), "/p7");
	assert_string_equal(find("/p250"), "__other__");
	assert_int_equal(stats().templates, 200);
	assert_int_equal(stats().overflowed, 101);
	assert_string_equal(find_for("another", "/p250"), "/p250");
}

/* Whatever is thrown at one service, its templates stay under the cap and below 256 bytes. */
static void hostile_paths_stay_within_bounds(void **state)
{
	uint8_t path[2048];
	struct sonde_slice route;
	uint64_t memory = 0;

	(void)state;
	open_routes();
	srand(23);
	for (unsigned int i = 0; i < 60000; i++) {
		size_t len = (size_t)rand() % (i % 64 ? 40 : sizeof(path));

		for (size_t k = 0; k < len; k++)
			path[k] = k % 4 && i % 3 ? (uint8_t)('a' + rand() % 26)
				  : k && i % 7	 ? '/'
						 : (uint8_t)rand();
		path[0] = '/';
		assert_true(sonde_routes_find(routes, SONDE_SLICE_LIT("s"),
					      sonde_slice_of(path, len), &route));
		assert_in_range(route.len, 1, 256);
		if (i == 30000)
			memory = stats().memory_bytes;
	}
	assert_in_range(stats().templates, 1, 200);
	assert_in_range(stats().memory_bytes, memory / 2, memory * 5 / 4);
}

static void deep_and_long_paths_end_in_a_star(void **state)
{
	char path[1200] = "", long_one[400];

	(void)state;
	for (unsigned int i = 0; i < 100; i++)
		strcat(path, "/deep");
	open_routes();
	assert_string_equal(find(path),
			    "/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep"
			    "/deep/deep/*");
	memset(long_one, 'x', sizeof(long_one));
	long_one[0] = '/';
	long_one[sizeof(long_one) - 1] = '\0';
	assert_string_equal(find(long_one), "/*");
	sonde_routes_free(routes);
	config.routes.unmatched = SONDE_UNMATCHED_PATH;
	open_routes();
	assert_string_equal(find(long_one), "/*");
}

/* More services than there are trees: templates given out stay valid, new ones are learnt. */
static void services_that_come_and_go_make_room(void **state)
{
	struct sonde_slice first;
	char name[32];

	(void)state;
	open_routes();
	assert_true(sonde_routes_find(routes, SONDE_SLICE_LIT("first"), SONDE_SLICE_LIT("/kept"),
				      &first));
	for (unsigned int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "service-%u", i);
		assert_string_equal(find_for(name, "/kept"), "/kept");
		assert_string_equal(find_for(name, "/also/17"), "/also/*");
	}
	assert_memory_equal(first.ptr, "/kept", 5);
	assert_int_equal(stats().overflowed, 0);
	assert_string_equal(find_for("first", "/kept"), "/kept");
}

/* Ten words at each of five positions: nothing collapses, and there are 100,000 paths. */
static void words_alone_cannot_outgrow_a_service(void **state)
{
	char path[16] = "/a/a/a/a/a";
	uint64_t before;

	(void)state;
	open_routes();
	before = stats().memory_bytes;
	for (unsigned int i = 0; i < 100000; i++) {
		for (unsigned int k = 0, rest = i; k < 5; k++, rest /= 10)
			path[1 + 2 * k] = (char)('a' + rest % 10);
		find(path);
	}
	assert_int_equal(stats().templates, 200);
	assert_int_equal(stats().collapsed, 0);
	assert_int_equal(stats().overflowed, 100000 - 200);
	/* 2048 nodes, 200 templates. */
	assert_in_range(stats().memory_bytes - before, 1, 160 * 1024);
}

/* Few services with many paths each reach the bound of all trees before that of services. */
static void nodes_of_all_services_are_bounded(void **state)
{
	char name[32], path[32];

	(void)state;
	config.routes.unmatched = SONDE_UNMATCHED_PATH;
	open_routes();
	for (unsigned int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "service-%u", i);
		for (unsigned int k = 0; k < 200; k++) {
			snprintf(path, sizeof(path), "/p%u", k);
			assert_string_equal(find_for(name, path), path);
		}
	}
	assert_in_range(stats().templates, 50000, 65536);
	assert_int_equal(stats().overflowed, 0);
}

static void a_remembered_path_is_compared_byte_by_byte(void **state)
{
	char service[] = "one", path[] = "/static/aaaa";

	(void)state;
	open_routes();
	assert_string_equal(find_for(service, path), "/static/aaaa");
	/* The same addresses, other bytes. */
	memcpy(path, "/stable/", 8);
	assert_string_equal(find_for(service, path), "/stable/aaaa");
	memcpy(service, "two", 3);
	assert_string_equal(find_for(service, path), "/stable/aaaa");
	assert_int_equal(stats().templates, 3);
}

static void bad_patterns_are_named(void **state)
{
	static const struct {
		const char *pattern;
		bool good;
	} cases[] = {
		{ "/", true },	    { "/users/:id", true }, { "/users/{id}/x", true },
		{ "/a/*/b", true }, { "/a/*", true },	    { "/a/b/", true },
		{ "", false },	    { "users", false },	    { "*", false },
		{ "/a*", false },   { "/:", false },	    { "/{}", false },
		{ "/{id", false },  { "/id}", false },	    { "/x{id}", false },
		{ "/a b", false },  { "/a?b", false },	    { "/a#b", false },
		{ "/a\nb", false }, { "/\xff", false },
	};
	char many[200] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *wrong = sonde_route_check(sonde_slice_str(cases[i].pattern));

		if ((wrong == NULL) != cases[i].good)
			fail_msg("%s: %s", cases[i].pattern, wrong ? wrong : "good");
	}
	for (unsigned int i = 0; i < 33; i++)
		strcat(many, "/a");
	assert_non_null(sonde_route_check(sonde_slice_str(many)));
	config.routes.patterns.items[0] = word("bad");
	config.routes.patterns.n_items = 1;
	assert_true(sonde_routes_new(&config, &routes) < 0);
	assert_null(routes);
}

#define with_routes(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generated_segments_are_told_from_words),
		with_routes(heuristic_replaces_what_looks_generated),
		with_routes(odd_targets_have_a_template_too),
		with_routes(the_eleventh_value_collapses_the_position_for_good),
		with_routes(what_had_collapsed_stays_so_when_its_parent_does),
		with_routes(a_service_learns_for_itself),
		with_routes(user_patterns_win_in_their_order),
		with_routes(ignored_patterns_are_not_reported),
		with_routes(unmatched_modes_differ),
		with_routes(beyond_the_cap_of_a_service_is_other_and_counted),
		with_routes(hostile_paths_stay_within_bounds),
		with_routes(deep_and_long_paths_end_in_a_star),
		with_routes(services_that_come_and_go_make_room),
		with_routes(words_alone_cannot_outgrow_a_service),
		with_routes(nodes_of_all_services_are_bounded),
		with_routes(a_remembered_path_is_compared_byte_by_byte),
		with_routes(bad_patterns_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
