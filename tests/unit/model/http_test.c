// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/model/http.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

static void only_known_methods_have_a_name(void **state)
{
	static const char *const known[] = { "CONNECT", "DELETE", "GET", "HEAD",  "OPTIONS",
					     "PATCH",	"POST",	  "PUT", "QUERY", "TRACE" };
	static const char *const other[] = { "", "get", "GETT", "GE", "PROPFIND", "_OTHER", "PRI" };

	(void)state;
	for (size_t i = 0; i < N_OF(known); i++)
		assert_true(sonde_slice_eq(sonde_http_method(sonde_slice_str(known[i])),
					   sonde_slice_str(known[i])));
	for (size_t i = 0; i < N_OF(other); i++)
		assert_true(sonde_slice_eq(sonde_http_method(sonde_slice_str(other[i])),
					   SONDE_SLICE_LIT("_OTHER")));
}

static void host_names_lose_their_port(void **state)
{
	static const char *const samples[][2] = {
		{ "shop.example:8080", "shop.example" },
		{ "shop.example", "shop.example" },
		{ "[::1]:80", "::1" },
		{ "[::1", "::1" },
		{ "[", "" },
		{ "::1", "::1" },
		{ ":80", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(samples); i++)
		assert_true(sonde_slice_eq(sonde_http_host_name(sonde_slice_str(samples[i][0])),
					   sonde_slice_str(samples[i][1])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_known_methods_have_a_name),
		cmocka_unit_test(host_names_lose_their_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
