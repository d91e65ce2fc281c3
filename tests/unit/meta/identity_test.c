// SPDX-License-Identifier: Apache-2.0
/* identity - cgroup paths as engines, kubelets and systemd really write them, and service names. */
#include "agent/meta/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define ID	"3f4a5b6c7d8e9f00112233445566778899aabbccddeeff000102030405060708"
#define ID2	"0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"
#define UID	"0b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa"
#define UID_	"0b1c2d3e_4f50_6172_8394_a5b6c7d8e9fa"
#define UIDHASH "0b1c2d3e4f5061728394a5b6c7d8e9fa"
#define NAMED	"/user.slice/user-1000.slice/user@1000.service"

struct path_case {
	const char *path, *unit, *container, *pod;
	enum sonde_runtime runtime;
};

static const struct path_case paths[] = {
	/* no container */
	{ "", "", "", "", SONDE_RUNTIME_NONE },
	{ "/", "", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/nginx.service", "nginx", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/nginx.service/workers", "nginx", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/nginx.service (deleted)", "nginx", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/system-postgresql.slice/postgresql@15-main.service", "postgresql@15-main",
	  "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/a:b.service", "a:b", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/run-u23.service", "", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/run-r0123456789abcdef0123456789abcdef.scope", "", "", "",
	  SONDE_RUNTIME_NONE },
	{ "/system.slice/run-p12-i34.service", "", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/run-tests.service", "run-tests", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/run-reports.service", "run-reports", "", "", SONDE_RUNTIME_NONE },
	{ "/init.scope", "", "", "", SONDE_RUNTIME_NONE },
	{ "/user.slice/user-1000.slice/session-3.scope", "", "", "", SONDE_RUNTIME_NONE },
	{ NAMED "/app.slice/foo.service", "foo", "", "", SONDE_RUNTIME_NONE },
	{ NAMED "/app.slice/app-editor-77.scope", "app-editor-77.scope", "", "",
	  SONDE_RUNTIME_NONE },
	{ NAMED "/init.scope", "", "", "", SONDE_RUNTIME_NONE },
	{ "/.service", "", "", "", SONDE_RUNTIME_NONE },
	{ "//x.service//", "x", "", "", SONDE_RUNTIME_NONE },
	{ "/../../x.service", "x", "", "", SONDE_RUNTIME_NONE },
	/* podman */
	{ "/libpod_parent/libpod-" ID, "", ID, "", SONDE_RUNTIME_PODMAN },
	{ "/libpod_parent/" ID2 "/libpod-" ID, "", ID, "", SONDE_RUNTIME_PODMAN },
	{ "/libpod_parent/" ID2, "", ID2, "", SONDE_RUNTIME_PODMAN },
	{ "/kubepods/burstable/pod" UID "/libpod-" ID, "", ID, UID, SONDE_RUNTIME_PODMAN },
	{ "/machine.slice/libpod-" ID ".scope/container", "", ID, "", SONDE_RUNTIME_PODMAN },
	{ "/machine.slice/libpod-conmon-" ID ".scope", "", "", "", SONDE_RUNTIME_NONE },
	{ NAMED "/user.slice/libpod-" ID ".scope", "", ID, "", SONDE_RUNTIME_PODMAN },
	{ "/system.slice/shop.service/libpod-payload-" ID, "shop", ID, "", SONDE_RUNTIME_PODMAN },
	/* docker */
	{ "/docker/" ID, "", ID, "", SONDE_RUNTIME_DOCKER },
	{ "/system.slice/docker-" ID ".scope", "", ID, "", SONDE_RUNTIME_DOCKER },
	{ "/docker/" ID "/docker/" ID2, "", ID2, "", SONDE_RUNTIME_DOCKER },
	{ "/docker/" ID "/system.slice/nginx.service", "nginx", ID, "", SONDE_RUNTIME_DOCKER },
	{ "/system.slice/docker.service", "docker", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/docker.service/docker/" ID, "", ID, "", SONDE_RUNTIME_DOCKER },
	{ "/ecs/task/" ID, "", ID, "", SONDE_RUNTIME_OTHER },
	/* Kubernetes */
	{ "/kubepods/besteffort/pod" UID "/" ID, "", ID, UID, SONDE_RUNTIME_OTHER },
	{ "/kubepods/pod" UID "/" ID, "", ID, UID, SONDE_RUNTIME_OTHER },
	{ "/kubepods/besteffort/pod" UIDHASH "/" ID, "", ID, UIDHASH, SONDE_RUNTIME_OTHER },
	{ "/kubepods/burstable/pod" UID "/crio-" ID, "", ID, UID, SONDE_RUNTIME_CRIO },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	  ".slice/cri-containerd-" ID ".scope",
	  "", ID, UID, SONDE_RUNTIME_CONTAINERD },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope", "", ID, UID,
	  SONDE_RUNTIME_CRIO },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope", "", "", UID,
	  SONDE_RUNTIME_NONE },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice", "", "", UID, SONDE_RUNTIME_NONE },
	{ "/kubepods.slice/kubepods-pod" UIDHASH ".slice/docker-" ID ".scope", "", ID, UIDHASH,
	  SONDE_RUNTIME_DOCKER },
	{ "/system.slice/containerd.service/kubepods-burstable-pod" UID_
	  ".slice:cri-containerd:" ID,
	  "", ID, UID, SONDE_RUNTIME_CONTAINERD },
	{ "/docker/" ID2 "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_
	  ".slice/cri-containerd-" ID ".scope",
	  "", ID, UID, SONDE_RUNTIME_CONTAINERD },
	/* nearly */
	{ "/docker/" ID "0", "", "", "", SONDE_RUNTIME_NONE },
	{ "/docker/3f4a5b6c7d8e", "", "", "", SONDE_RUNTIME_NONE },
	{ "/system.slice/docker-3f4a5b6c7d8e.scope", "", "3f4a5b6c7d8e", "", SONDE_RUNTIME_DOCKER },
	{ "/system.slice/docker-3f4a5b6c7d8.scope", "docker-3f4a5b6c7d8.scope", "", "",
	  SONDE_RUNTIME_NONE },
	{ "/system.slice/docker-" ID "0.scope", "docker-" ID "0.scope", "", "",
	  SONDE_RUNTIME_NONE },
	{ "/system.slice/docker-registry.service", "docker-registry", "", "", SONDE_RUNTIME_NONE },
	{ "/kubepods/pod" UIDHASH "0", "", "", "", SONDE_RUNTIME_NONE },
	{ "/podman.slice/x.service", "x", "", "", SONDE_RUNTIME_NONE },
	{ "docker/" ID, "", ID, "", SONDE_RUNTIME_OTHER }, /* cut in front */
	{ "shop.service", "", "", "", SONDE_RUNTIME_NONE },
};

/* Says which row it was, and only when it went wrong. */
static void assert_row(const char *row, const char *got, const char *want)
{
	if (strcmp(got, want))
		print_error("row: %s\n", row);
	assert_string_equal(got, want);
}

static void paths_name_unit_container_and_pod(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct path_case *c = &paths[i];
		/* Left over from before: a parse must clear what the new path does not tell. */
		struct sonde_process p = { .unit = "old",
					   .container_id = "old",
					   .pod_uid = "old",
					   .runtime = SONDE_RUNTIME_CRIO };

		sonde_identity_parse_cgroup(sonde_slice_str(c->path), &p);
		assert_row(c->path, p.unit, c->unit);
		assert_row(c->path, p.container_id, c->container);
		assert_row(c->path, p.pod_uid, c->pod);
		assert_int_equal(p.runtime, c->runtime);
	}
}

/* The input is an exact allocation, so that a sanitiser sees a read behind it. */
static void every_prefix_is_read_within_its_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		for (size_t n = strlen(paths[i].path); n > 0; n--) {
			uint8_t *copy = malloc(n);
			struct sonde_process p = { 0 };

			assert_non_null(copy);
			memcpy(copy, paths[i].path, n);
			sonde_identity_parse_cgroup(sonde_slice_of(copy, n), &p);
			assert_true(strlen(p.unit) < sizeof(p.unit));
			assert_true(strlen(p.container_id) < sizeof(p.container_id));
			free(copy);
		}
}

static void long_unit_is_cut(void **state)
{
	struct sonde_process p = { 0 };
	char path[400];

	(void)state;
	memset(path, 'u', sizeof(path));
	path[0] = '/';
	memcpy(path + sizeof(path) - 8, ".service", 8);
	sonde_identity_parse_cgroup(sonde_slice_of(path, sizeof(path)), &p);
	assert_int_equal(strlen(p.unit), SONDE_UNIT_MAX - 1);
}

static void answer_replaces_comm_and_cgroup(void **state)
{
	struct sonde_identity id = { .found = 1,
				     .comm = "nginx",
				     .exe = "/usr/sbin/nginx",
				     .cgroup = "/system.slice/nginx.service" };
	struct sonde_process p = { .comm = "old", .service = "old", .service_key = 7 };

	(void)state;
	sonde_identity_apply(&id, &p);
	assert_string_equal(p.comm, "nginx");
	assert_string_equal(p.exe, "/usr/sbin/nginx");
	assert_string_equal(p.cgroup, "/system.slice/nginx.service");
	assert_string_equal(p.unit, "nginx");
	assert_int_equal(p.service_key, 0);
	assert_true(p.resolved);
}

static void answer_without_a_process_keeps_what_the_kernel_told(void **state)
{
	struct sonde_identity id = { .found = 0, .comm = "other", .exe = "/other" };
	struct sonde_process p = { .comm = "curl" };

	(void)state;
	memcpy(id.cgroup, "/docker/" ID, sizeof("/docker/" ID));
	sonde_identity_apply(&id, &p);
	assert_string_equal(p.comm, "curl");
	assert_string_equal(p.exe, "");
	assert_string_equal(p.container_id, ID);
	assert_true(p.resolved);
}

static void unterminated_answer_stays_in_its_arrays(void **state)
{
	struct sonde_identity id;
	struct sonde_process p = { 0 };

	(void)state;
	memset(&id, 'x', sizeof(id));
	sonde_identity_apply(&id, &p);
	assert_int_equal(strlen(p.comm), SONDE_COMM_LEN - 1);
	assert_int_equal(strlen(p.exe), SONDE_EXE_MAX - 1);
	assert_int_equal(strlen(p.cgroup), SONDE_CGROUP_MAX - 1);
}

struct service_case {
	struct sonde_service_rule rule;
	const char *want;
	uint16_t port;
	bool server;
};

static struct sonde_process shop_process(void)
{
	struct sonde_process p = { .comm = "python3" };

	memcpy(p.cgroup, "/system.slice/shop.service", sizeof("/system.slice/shop.service"));
	sonde_identity_parse_cgroup(sonde_slice_str(p.cgroup), &p);
	memcpy(p.container_id, ID, sizeof(ID));
	return p;
}

static void rules_match_when_all_that_is_set_matches(void **state)
{
	static char name[] = "web", shop[] = "sho?", full[] = "shop.service", python[] = "python*",
		    container[] = "3f4a*", cgroup[] = "/system.slice/*", other[] = "other",
		    none[] = "";
	const struct service_case cases[] = {
		{ { .name = name, .unit = shop }, "web", 80, true },
		{ { .name = name, .unit = full }, "web", 80, true },
		{ { .name = name, .unit = other }, "shop", 80, true },
		{ { .name = name, .comm = python }, "web", 80, false },
		{ { .name = name, .comm = python, .unit = other }, "shop", 80, true },
		{ { .name = name, .container = container }, "web", 80, true },
		{ { .name = name, .container = other }, "shop", 80, true },
		{ { .name = name, .cgroup = cgroup }, "web", 80, true },
		{ { .name = name, .cgroup = other }, "shop", 80, true },
		{ { .name = name, .port = 80 }, "web", 80, true },
		{ { .name = name, .port = 80 }, "shop", 81, true },
		{ { .name = name, .port = 80 }, "shop", 80, false },
		{ { .name = name, .unit = none, .comm = none }, "web", 80, true },
		{ { .name = none, .comm = python }, "shop", 80, true },
	};
	struct sonde_process p = shop_process();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sonde_config config = { .services = { .rules = { cases[i].rule },
							     .n_rules = 1 } };
		char out[SONDE_SERVICE_MAX], row[16];

		snprintf(row, sizeof(row), "rule %zu", i);
		sonde_identity_service(&config, &p, cases[i].port, cases[i].server, out,
				       sizeof(out));
		assert_row(row, out, cases[i].want);
	}
}

static void first_matching_rule_wins(void **state)
{
	static char first[] = "first", second[] = "second", other[] = "other";
	struct sonde_config config = { .services = { .rules = { { .name = other, .comm = other },
								{ .name = first },
								{ .name = second } },
						     .n_rules = 3 } };
	struct sonde_process p = shop_process();
	char out[SONDE_SERVICE_MAX];

	(void)state;
	assert_string_equal(sonde_identity_service(&config, &p, 80, true, out, sizeof(out)),
			    "first");
}

static void name_falls_from_unit_to_container_to_comm(void **state)
{
	struct sonde_config config = { 0 };
	struct sonde_process p = shop_process();
	char out[SONDE_SERVICE_MAX], small[4];

	(void)state;
	assert_string_equal(sonde_identity_service(&config, &p, 1, true, out, sizeof(out)), "shop");
	p.unit[0] = '\0';
	sonde_identity_service(&config, &p, 1, true, out, sizeof(out));
	assert_string_equal(out, "3f4a5b6c7d8e");
	p.container_id[0] = '\0';
	sonde_identity_service(&config, &p, 1, true, out, sizeof(out));
	assert_string_equal(out, "python3");
	sonde_identity_service(&config, &p, 1, true, small, sizeof(small));
	assert_string_equal(small, "pyt");
	p.comm[0] = '\0';
	sonde_identity_service(NULL, &p, 1, true, out, sizeof(out));
	assert_string_equal(out, "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_name_unit_container_and_pod),
		cmocka_unit_test(every_prefix_is_read_within_its_bounds),
		cmocka_unit_test(long_unit_is_cut),
		cmocka_unit_test(answer_replaces_comm_and_cgroup),
		cmocka_unit_test(answer_without_a_process_keeps_what_the_kernel_told),
		cmocka_unit_test(unterminated_answer_stays_in_its_arrays),
		cmocka_unit_test(rules_match_when_all_that_is_set_matches),
		cmocka_unit_test(first_matching_rule_wins),
		cmocka_unit_test(name_falls_from_unit_to_container_to_comm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
