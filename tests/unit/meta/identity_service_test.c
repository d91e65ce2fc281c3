// SPDX-License-Identifier: Apache-2.0
/* identity_service - what services are called by what metadata tells of their containers. */
#include "agent/meta/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/guard.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))
#define T(text) SONDE_SLICE_LIT(text)

#define ID "3f4a5b6c7d8e9f00112233445566778899aabbccddeeff000102030405060708"

/* A process with what is known of it. */
struct who {
	const char *unit, *container_id, *comm;
	struct sonde_workload workload;
	struct sonde_workload_label labels[3];
	size_t n_labels;
};

static struct sonde_process process_of(const struct who *who, struct sonde_workload *w)
{
	struct sonde_process p = { .pid = 1 };

	snprintf(p.unit, sizeof(p.unit), "%s", who->unit ? who->unit : "");
	snprintf(p.container_id, sizeof(p.container_id), "%s",
		 who->container_id ? who->container_id : "");
	snprintf(p.comm, sizeof(p.comm), "%s", who->comm ? who->comm : "httpd");
	*w = who->workload;
	w->labels = who->labels;
	w->n_labels = who->n_labels;
	p.workload = w;
	return p;
}

static void assert_slice(struct sonde_slice got, const char *want)
{
	if (!sonde_slice_eq(got, sonde_slice_str(want)))
		fail_msg("\"%.*s\", not \"%s\"", (int)got.len, got.len ? (const char *)got.ptr : "",
			 want);
}

static void without_rules_the_best_known_name_is_taken(void **state)
{
	static const struct {
		struct who who;
		const char *want;
	} rows[] = {
		{ { .unit = "shop", .workload = { .pod = T("web-1"), .owner = T("web") } },
		  "shop" },
		{ { .workload = { .pod = T("web-1"), .owner = T("web"), .container = T("c") },
		    .labels = { { T("app"), T("till") },
				{ T("app.kubernetes.io/name"), T("cash") } },
		    .n_labels = 2 },
		  "cash" },
		{ { .workload = { .pod = T("web-1"), .owner = T("web") },
		    .labels = { { T("app"), T("till") } },
		    .n_labels = 1 },
		  "till" },
		{ { .workload = { .pod = T("web-1"), .owner = T("web") },
		    .labels = { { T("app"), T("") } },
		    .n_labels = 1 },
		  "web" },
		{ { .workload = { .pod = T("web-1"), .container = T("c") } }, "web-1" },
		/* What Kubernetes means by a label, Docker does not. */
		{ { .container_id = ID,
		    .workload = { .container = T("shop-web-1") },
		    .labels = { { T("app"), T("till") } },
		    .n_labels = 1 },
		  "shop-web-1" },
		{ { .container_id = ID, .workload = { .image = T("web:1") } }, "3f4a5b6c7d8e" },
		{ { .comm = "nginx" }, "nginx" },
		{ { .comm = "" }, "unknown" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_config config = { 0 };
		struct sonde_workload w;
		struct sonde_process p = process_of(&rows[i].who, &w);
		char out[SONDE_SERVICE_MAX];

		assert_string_equal(sonde_identity_service(&config, &p, 80, true, out, sizeof(out)),
				    rows[i].want);
	}
}

static const struct who pod = {
	.comm = "java",
	.workload = { .image = T("reg:5000/web:1.4"),
		      .image_tag = T("1.4"),
		      .container = T("web"),
		      .pod = T("web-7d9-x2"),
		      .pod_namespace = T("prod"),
		      .owner = T("web") },
	.labels = { { T("app"), T("till") }, { T("tier"), T("front") }, { T("empty"), T("") } },
	.n_labels = 3,
};

static void rules_see_what_metadata_tells(void **state)
{
	static char yes[] = "yes", image[] = "reg:5000/*", tag[] = "*:1.5", container[] = "we?",
		    ns[] = "prod", staging[] = "staging", name[] = "web-*", db[] = "db-*",
		    app[] = "app=till", glob[] = "app=t*", other[] = "app=shop", absent[] = "x=*",
		    any[] = "empty=*", nothing[] = "tier=";
	static const struct {
		struct sonde_service_rule rule;
		bool matches;
	} rows[] = {
		{ { .name = yes, .image = image }, true },
		{ { .name = yes, .image = tag }, false },
		{ { .name = yes, .container_name = container }, true },
		{ { .name = yes, .container_name = db }, false },
		{ { .name = yes, .pod_namespace = ns }, true },
		{ { .name = yes, .pod_namespace = staging }, false },
		{ { .name = yes, .pod = name }, true },
		{ { .name = yes, .pod = db }, false },
		{ { .name = yes, .label = app }, true },
		{ { .name = yes, .label = glob }, true },
		{ { .name = yes, .label = other }, false },
		{ { .name = yes, .label = absent }, false },
		{ { .name = yes, .label = any }, true },
		{ { .name = yes, .label = nothing }, false },
		{ { .name = yes, .pod = name, .label = other }, false },
		{ { .name = yes, .pod = name, .label = app, .image = image }, true },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_config config = { .services = { .rules = { rows[i].rule },
							     .n_rules = 1 } };
		struct sonde_workload w;
		struct sonde_process p = process_of(&pod, &w), bare = { .comm = "java" };
		char out[SONDE_SERVICE_MAX];

		sonde_identity_service(&config, &p, 80, true, out, sizeof(out));
		if (strcmp(out, rows[i].matches ? "yes" : "till") != 0)
			fail_msg("row %zu: %s", i, out);
		/* Where nothing is known, a condition on it does not hold. */
		sonde_identity_service(&config, &bare, 80, true, out, sizeof(out));
		assert_string_equal(out, "java");
	}
}

static void placeholders_are_filled_or_the_next_rule_is_tried(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "{namespace}/{label:app}", "prod/till" },
		{ "{container_name}-{image_tag}", "web-1.4" },
		{ "{pod}", "web-7d9-x2" },
		{ "{comm}:{label:tier}", "java:front" },
		{ "plain", "plain" },
		{ "{unit}", "next" },
		{ "a-{label:none}-b", "next" },
		{ "{label:empty}", "next" },
		{ "{pod}-{unit}", "next" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		char name[64], next[] = "next", out[SONDE_SERVICE_MAX];
		struct sonde_config config = { .services = { .rules = { { .name = name },
									{ .name = next } },
							     .n_rules = 2 } };
		struct sonde_workload w;
		struct sonde_process p = process_of(&pod, &w);

		snprintf(name, sizeof(name), "%s", rows[i].name);
		assert_string_equal(sonde_identity_service(&config, &p, 80, true, out, sizeof(out)),
				    rows[i].want);
	}
}

static void long_names_are_cut(void **state)
{
	static char name[] = "{label:app}/{label:app}";
	static uint8_t value[SONDE_WORKLOAD_LABEL_VALUE_MAX];
	struct sonde_config config = { .services = { .rules = { { .name = name } },
						     .n_rules = 1 } };
	struct who who = { .labels = { { T("app"), { value, sizeof(value) } } }, .n_labels = 1 };
	struct sonde_workload w;
	struct sonde_process p;
	char out[SONDE_SERVICE_MAX], one = 'x';

	(void)state;
	memset(value, 'v', sizeof(value));
	p = process_of(&who, &w);
	sonde_identity_service(&config, &p, 80, true, out, sizeof(out));
	assert_int_equal(strlen(out), SONDE_SERVICE_MAX - 1);
	assert_int_equal(strspn(out, "v"), SONDE_SERVICE_MAX - 1);
	sonde_identity_service(&config, &p, 80, true, &one, 1);
	assert_int_equal(one, '\0');
	sonde_identity_service(&config, &p, 80, true, NULL, 0);
}

static void namespace_is_of_the_pod_or_of_compose(void **state)
{
	static const struct {
		struct who who;
		const char *want;
	} rows[] = {
		{ { .workload = { .pod_namespace = T("prod") },
		    .labels = { { T("com.docker.compose.project"), T("shop") } },
		    .n_labels = 1 },
		  "prod" },
		{ { .labels = { { T("com.docker.compose.project"), T("shop") } }, .n_labels = 1 },
		  "shop" },
		{ { .unit = "shop" }, "" },
	};
	struct sonde_process bare = { .comm = "java" };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_workload w;
		struct sonde_process p = process_of(&rows[i].who, &w);

		assert_slice(sonde_identity_service_namespace(&p), rows[i].want);
	}
	assert_slice(sonde_identity_service_namespace(&bare), "");
	assert_slice(sonde_identity_service_version(&bare), "");
}

static void version_is_the_tag_or_the_label_or_of_the_unit(void **state)
{
	static const struct {
		struct who who;
		const char *want;
	} rows[] = {
		{ { .unit = "shop@1.2",
		    .workload = { .image_tag = T("1.4") },
		    .labels = { { T("app.kubernetes.io/version"), T("1.3") } },
		    .n_labels = 1 },
		  "1.4" },
		{ { .unit = "shop@1.2",
		    .labels = { { T("app.kubernetes.io/version"), T("1.3") } },
		    .n_labels = 1 },
		  "1.3" },
		{ { .unit = "shop@1.2" }, "1.2" },
		{ { .unit = "shop@v2" }, "v2" },
		{ { .unit = "shop@2" }, "" },
		{ { .unit = "shop@version" }, "" },
		{ { .unit = "shop@v" }, "" },
		{ { .unit = "shop@" }, "" },
		{ { .unit = "shop" }, "" },
		{ { .unit = "shop-1.2" }, "" },
		{ { .unit = "getty@tty1" }, "" },
		{ { .unit = "openvpn@site.example" }, "" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_workload w;
		struct sonde_process p = process_of(&rows[i].who, &w);

		assert_slice(sonde_identity_service_version(&p), rows[i].want);
	}
}

static void tags_are_of_the_last_part_of_the_image(void **state)
{
	static const struct {
		const char *image, *tag;
	} rows[] = {
		{ "web:1.4", "1.4" },
		{ "registry:5000/shop/web:1.4@sha256:" ID, "1.4" },
		{ "registry:5000/shop/web", "" },
		{ "web@sha256:" ID, "" },
		{ "sha256:" ID, "" },
		{ "web", "" },
		{ "web:", "" },
		{ ":1", "1" },
		{ "", "" },
	};
	struct guard g = guard_new(256);

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct sonde_slice image = sonde_slice_str(rows[i].image);

		assert_slice(sonde_workload_image_tag(guard_put(&g, image)), rows[i].tag);
		/* It looks back for the colon. */
		assert_slice(sonde_workload_image_tag(guard_put_front(&g, image)), rows[i].tag);
	}
	guard_free(&g);
}

static void mistakes_in_names_and_labels_are_told(void **state)
{
	static const struct {
		const char *text, *wrong;
	} names[] = {
		{ "", NULL },
		{ "shop", NULL },
		{ "{pod}", NULL },
		{ "a{comm}b{label:a/b}c", NULL },
		{ "{", "opens a brace" },
		{ "a{pod", "opens a brace" },
		{ "}", "closes a brace" },
		{ "{pod}}", "closes a brace" },
		{ "}{pod}", "closes a brace" },
		{ "{}", "unknown placeholder" },
		{ "{Pod}", "unknown placeholder" },
		{ "{label:}", "unknown placeholder" },
		{ "{{pod}}", "unknown placeholder" },
	}, labels[] = {
		{ "", NULL },
		{ "a=b", NULL },
		{ "a=", NULL },
		{ "a.b/c=*", NULL },
		{ "a", "no equals sign" },
		{ "=b", "names no label" },
	};
	struct guard g = guard_new(64);

	(void)state;
	for (size_t i = 0; i < N_OF(names); i++) {
		const char *got =
			sonde_identity_check_name(guard_put(&g, sonde_slice_str(names[i].text)));

		if (!got != !names[i].wrong || (got && !strstr(got, names[i].wrong)))
			fail_msg("%s: %s", names[i].text, got ? got : "taken");
	}
	for (size_t i = 0; i < N_OF(labels); i++) {
		const char *got =
			sonde_identity_check_label(guard_put(&g, sonde_slice_str(labels[i].text)));

		if (!got != !labels[i].wrong || (got && !strstr(got, labels[i].wrong)))
			fail_msg("%s: %s", labels[i].text, got ? got : "taken");
	}
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_the_best_known_name_is_taken),
		cmocka_unit_test(rules_see_what_metadata_tells),
		cmocka_unit_test(placeholders_are_filled_or_the_next_rule_is_tried),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(namespace_is_of_the_pod_or_of_compose),
		cmocka_unit_test(version_is_the_tag_or_the_label_or_of_the_unit),
		cmocka_unit_test(tags_are_of_the_last_part_of_the_image),
		cmocka_unit_test(mistakes_in_names_and_labels_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
