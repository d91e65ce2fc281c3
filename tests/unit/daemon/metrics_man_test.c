// SPDX-License-Identifier: Apache-2.0
/*
 * Every metric is in the manual page and in README.md, and README.md has no other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/metrics_man.h"
#include "agent/daemon/selfmetrics.h"

enum { README_MAX = 1 << 20 };

static char readme[README_MAX];

static bool is_name(const char *text, size_t len)
{
	struct sonde_metric_family f;
	char name[SONDE_METRICS_NAME];

	for (size_t i = 0; sonde_metrics_family(i, &f); i++) {
		sonde_metrics_name(f.desc, name);
		if (strlen(name) == len && !memcmp(name, text, len))
			return true;
	}
	return false;
}

/* The section on metrics, read from the root of the tree, where tests run. */
static char *section(void)
{
	FILE *file = fopen("README.md", "re");
	char *from, *to;
	size_t n;

	assert_non_null(file);
	n = fread(readme, 1, sizeof(readme) - 1, file);
	fclose(file);
	readme[n] = '\0';
	from = strstr(readme, "\n## Metrics\n");
	assert_non_null(from);
	to = strstr(from + 1, "\n## ");
	assert_non_null(to);
	*to = '\0';
	return from;
}

static void every_name_is_one_of_prometheus_and_comes_once(void **state)
{
	struct sonde_metric_family f, other;
	char name[SONDE_METRICS_NAME], again[SONDE_METRICS_NAME];

	(void)state;
	for (size_t i = 0; sonde_metrics_family(i, &f); i++) {
		sonde_metrics_name(f.desc, name);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
				 strlen(name));
		assert_true(name[0] >= 'a' && name[0] <= 'z');
		assert_null(strstr(name, "__"));
		for (size_t k = 0; k < i; k++) {
			assert_true(sonde_metrics_family(k, &other));
			sonde_metrics_name(other.desc, again);
			assert_string_not_equal(name, again);
		}
	}
}

static void every_name_ends_with_its_unit(void **state)
{
	static const struct {
		const char *unit, *ending;
	} units[] = { { "s", "_seconds" }, { "By", "_bytes" } };
	struct sonde_metric_family f;
	char name[SONDE_METRICS_NAME], ending[32];

	(void)state;
	for (size_t i = 0; sonde_metrics_family(i, &f); i++) {
		bool counter = f.desc->type == SONDE_METRIC_COUNTER;

		ending[0] = '\0';
		for (size_t u = 0; u < 2; u++) {
			if (!strcmp(f.desc->unit, units[u].unit))
				strcpy(ending, units[u].ending);
		}
		strcat(ending, counter ? "_total" : "");
		sonde_metrics_name(f.desc, name);
		assert_true(strlen(name) > strlen(ending));
		assert_string_equal(name + strlen(name) - strlen(ending), ending);
		if (f.desc->type == SONDE_METRIC_HISTOGRAM)
			assert_true(ending[0] && f.desc->n_bounds);
		assert_true(f.desc->help[0] && f.desc->help[strlen(f.desc->help) - 1] == '.');
		assert_null(strchr(f.desc->help, '\n'));
	}
}

static void the_manual_page_has_every_family(void **state)
{
	struct sonde_metric_family f;
	struct sonde_buf page;
	char name[SONDE_METRICS_NAME], heading[SONDE_METRICS_NAME + 8];

	(void)state;
	sonde_buf_init(&page, 1 << 20);
	sonde_metrics_man(&page);
	sonde_buf_put_byte(&page, '\0');
	assert_false(page.failed);
	for (size_t i = 0; sonde_metrics_family(i, &f); i++) {
		sonde_metrics_name(f.desc, name);
		snprintf(heading, sizeof(heading), ".B %s\n", name);
		assert_non_null(strstr((char *)page.ptr, heading));
	}
	assert_non_null(strstr((char *)page.ptr,
			       "Labels: client_service, server_service, direction (to_server, "
			       "to_client).\n"));
	assert_non_null(strstr((char *)page.ptr, "Labels: type, stage, reason.\n"));
	sonde_buf_fini(&page);
}

static void the_readme_has_every_family(void **state)
{
	const char *text = section();
	struct sonde_metric_family f;
	char quoted[SONDE_METRICS_NAME + 2], name[SONDE_METRICS_NAME];

	(void)state;
	for (size_t i = 0; sonde_metrics_family(i, &f); i++) {
		sonde_metrics_name(f.desc, name);
		snprintf(quoted, sizeof(quoted), "`%s`", name);
		if (!strstr(text, quoted))
			fail_msg("README.md, Metrics: %s is missing", name);
	}
}

/* Names stand in the first column; settings in it have dots. */
static void the_readme_has_no_other_family(void **state)
{
	size_t n = 0;

	(void)state;
	for (char *row = strstr(section(), "\n| `"); row; row = strstr(row + 1, "\n| `")) {
		char *at = row + 4, *end_of_column = strstr(row + 2, " |");

		while (at < end_of_column) {
			size_t len = strcspn(at, "`");

			if (!is_name(at, len))
				fail_msg("README.md, Metrics: no metric is called %.*s", (int)len,
					 at);
			n++;
			at = strchr(at + len + 1, '`');
			if (!at)
				break;
			at++;
		}
	}
	assert_true(n > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_one_of_prometheus_and_comes_once),
		cmocka_unit_test(every_name_ends_with_its_unit),
		cmocka_unit_test(the_manual_page_has_every_family),
		cmocka_unit_test(the_readme_has_every_family),
		cmocka_unit_test(the_readme_has_no_other_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
