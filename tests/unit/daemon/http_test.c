// SPDX-License-Identifier: Apache-2.0
/* Which Host headers are served: a page of another site must not read this server by its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/daemon/http.h"

static const struct row {
	const char *host;
	bool allowed;
} rows[] = {
	{ "localhost", true },
	{ "LOCALHOST:9764", true },
	{ "127.0.0.1", true },
	{ "127.0.0.1:1", true },
	{ "[::1]:9764", true },
	{ "[::1]", true },
	{ "10.0.0.7:9764", true }, /* the address it listens on */
	{ "10.0.0.7", true },
	{ "metrics.example", true }, /* allowed by name */
	{ "Metrics.Example:80", true },
	{ "", false },
	{ "evil.example", false },
	{ "evil.example:9764", false },
	{ "localhost.evil.example", false },
	{ "evil.localhost", false },
	{ "127.0.0.1.evil.example", false },
	{ "127.0.0.10", false },
	{ "10.0.0.70", false },
	{ "metrics.example.evil", false },
	{ "[::2]", false },
	{ "metrics.example evil", false },
	{ ":9764", false },
};

static void known_names_are_served_and_no_others(void **state)
{
	char listen[] = "10.0.0.7:9764", name[] = "metrics.example";
	struct sonde_config config = { .listen = { .listen = listen,
						   .allowed_hosts = { { name }, 1 } } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool allowed = sonde_http_host_allowed(&config, sonde_slice_str(rows[i].host));

		if (allowed != rows[i].allowed)
			fail_msg("%s", rows[i].host);
	}
	assert_false(sonde_http_host_allowed(&config, SONDE_SLICE_EMPTY));
}

static void a_name_is_served_only_while_it_is_configured(void **state)
{
	char listen[] = "[fd00::1]:9764";
	struct sonde_config config = { .listen = { .listen = listen } };

	(void)state;
	assert_true(sonde_http_host_allowed(&config, SONDE_SLICE_LIT("[fd00::1]:9764")));
	assert_false(sonde_http_host_allowed(&config, SONDE_SLICE_LIT("10.0.0.7")));
	assert_false(sonde_http_host_allowed(&config, SONDE_SLICE_LIT("metrics.example")));
}

/* Without a listener nobody asks, but an empty name must match nothing then either. */
static void no_listener_allows_no_empty_name(void **state)
{
	char listen[] = "";
	struct sonde_config config = { .listen = { .listen = listen } };

	(void)state;
	assert_false(sonde_http_host_allowed(&config, SONDE_SLICE_EMPTY));
	assert_false(sonde_http_host_allowed(&config, SONDE_SLICE_LIT(":80")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_names_are_served_and_no_others),
		cmocka_unit_test(a_name_is_served_only_while_it_is_configured),
		cmocka_unit_test(no_listener_allows_no_empty_name),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
