// SPDX-License-Identifier: Apache-2.0
/* From a finished request to its series: names first, in order, and every one is booked. */
#include "tests/unit/agg/fixture.h"

#include "agent/daemon/config.h"
#include "agent/daemon/pipeline.h"

struct bench {
	struct sonde_pipeline p;
	struct sonde_config config;
	struct sonde_ledger ledger;
	uint64_t now_ns;
};

static struct bench *bench_new(const char *yaml)
{
	struct bench *b = test_calloc(1, sizeof(*b));
	struct sonde_buf errors;
	char error[256] = "";

	sonde_buf_init(&errors, 4096);
	if (sonde_config_parse(sonde_slice_str(yaml), "test", &b->config, &errors))
		fail_msg("%.*s", (int)sonde_buf_slice(&errors).len,
			 (const char *)sonde_buf_slice(&errors).ptr);
	sonde_buf_fini(&errors);
	b->now_ns = 1000 * SONDE_NS_PER_SEC;
	assert_int_equal(sonde_pipeline_init(&b->p, &b->config, &b->ledger, error, sizeof(error)),
			 0);
	return b;
}

static void bench_free(struct bench *b)
{
	sonde_pipeline_fini(&b->p);
	sonde_config_fini(&b->config);
	test_free(b);
}

static struct sonde_process *process(struct bench *b, uint32_t pid, const char *comm)
{
	return sonde_processes_get(b->p.processes, pid, 1, 2, sonde_slice_str(comm));
}

/* The broker answers. */
static void name(struct bench *b, uint32_t pid, const char *comm)
{
	struct sonde_identity identity = { .pid = pid, .found = 1, .start_ns = 1, .cgroup_id = 2 };

	snprintf(identity.comm, sizeof(identity.comm), "%s", comm);
	assert_non_null(sonde_processes_answer(b->p.processes, &identity));
}

static void request_on(struct bench *b, const struct sonde_process *who,
		       const struct sonde_process *peer, const char *path)
{
	struct sonde_request r = request_of("", "", 200, 1000);

	r.path = sonde_slice_str(path);
	r.server.port = 80;
	r.process = who;
	r.peer = peer;
	b->ledger.produced[SONDE_KIND_REQUEST]++;
	sonde_pipeline_request(&b->p, &r, b->now_ns);
}

/* Requests of SERVICE in all series, by route ("" any). */
static uint64_t count_of(struct bench *b, const char *service, const char *route)
{
	struct sonde_series_view v;
	uint64_t count = 0;
	size_t cursor = 0;

	while (sonde_agg_next(b->p.agg, &cursor, &v))
		if (sonde_slice_eq(v.service, sonde_slice_str(service)) &&
		    (!*route || sonde_slice_eq(v.route, sonde_slice_str(route))))
			count += v.count;
	return count;
}

static void check_ledger(const struct bench *b)
{
	uint64_t ended = b->ledger.delivered[SONDE_KIND_REQUEST] + b->p.n_waiting;

	for (int i = 0; i < SONDE_LOSSES; i++)
		ended += b->ledger.dropped[SONDE_KIND_REQUEST][i];
	assert_int_equal(b->ledger.produced[SONDE_KIND_REQUEST], ended);
}

static void a_named_process_is_delivered_at_once(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = process(b, 7, "first");

	(void)state;
	name(b, 7, "shop");
	request_on(b, who, NULL, "/a");
	assert_int_equal(b->p.n_waiting, 0);
	assert_int_equal(b->ledger.delivered[SONDE_KIND_REQUEST], 1);
	assert_int_equal(count_of(b, "shop", "/a"), 1);
	check_ledger(b);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void an_unnamed_one_waits_for_its_name(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = process(b, 7, "first");

	(void)state;
	request_on(b, who, NULL, "/a");
	sonde_pipeline_release(&b->p, b->now_ns + 49 * SONDE_NS_PER_MS);
	assert_int_equal(b->ledger.delivered[SONDE_KIND_REQUEST], 0);
	check_ledger(b);
	name(b, 7, "shop");
	sonde_pipeline_release(&b->p, b->now_ns + 49 * SONDE_NS_PER_MS);
	assert_int_equal(count_of(b, "shop", ""), 1);
	assert_int_equal(count_of(b, "first", ""), 0);
	check_ledger(b);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void the_wait_ends_after_fifty_milliseconds(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = process(b, 7, "first");

	(void)state;
	request_on(b, who, NULL, "/a");
	sonde_pipeline_release(&b->p, b->now_ns + 50 * SONDE_NS_PER_MS);
	assert_int_equal(b->p.n_waiting, 0);
	assert_int_equal(count_of(b, "first", ""), 1);
	check_ledger(b);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void a_peer_is_waited_for_too(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = process(b, 7, "a"), *peer = process(b, 8, "b");
	struct sonde_series_view v;
	size_t cursor = 0;

	(void)state;
	name(b, 7, "shop");
	request_on(b, who, peer, "/a");
	assert_int_equal(b->p.n_waiting, 1);
	name(b, 8, "front");
	sonde_pipeline_release(&b->p, b->now_ns);
	assert_true(sonde_agg_next(b->p.agg, &cursor, &v));
	assert_slice(v.service, "shop");
	assert_slice(v.peer_service, "front");
	sonde_processes_put(b->p.processes, who);
	sonde_processes_put(b->p.processes, peer);
	bench_free(b);
}

/* What is named already does not overtake what waits: sinks see requests in their order. */
static void requests_keep_their_order(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *slow = process(b, 7, "slow"), *quick = process(b, 8, "quick");

	(void)state;
	name(b, 8, "quick");
	request_on(b, slow, NULL, "/a");
	request_on(b, quick, NULL, "/a");
	assert_int_equal(b->p.n_waiting, 2);
	sonde_pipeline_release(&b->p, b->now_ns);
	assert_int_equal(b->p.n_waiting, 2);
	check_ledger(b);
	name(b, 7, "slow");
	sonde_pipeline_release(&b->p, b->now_ns);
	assert_int_equal(b->p.n_waiting, 0);
	assert_int_equal(count_of(b, "slow", "") + count_of(b, "quick", ""), 2);
	check_ledger(b);
	sonde_processes_put(b->p.processes, slow);
	sonde_processes_put(b->p.processes, quick);
	bench_free(b);
}

static void when_too_many_wait_the_first_goes_as_it_is(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = process(b, 7, "first");

	(void)state;
	for (int i = 0; i < SONDE_PIPELINE_WAITING + 3; i++)
		request_on(b, who, NULL, "/a");
	assert_int_equal(b->p.n_waiting, SONDE_PIPELINE_WAITING);
	assert_int_equal(count_of(b, "first", ""), 3);
	check_ledger(b);
	name(b, 7, "shop");
	sonde_pipeline_release(&b->p, b->now_ns);
	assert_int_equal(count_of(b, "shop", ""), SONDE_PIPELINE_WAITING);
	check_ledger(b);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void those_that_wait_at_the_end_let_go_of_their_processes(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = process(b, 7, "first");

	(void)state;
	request_on(b, who, who, "/a");
	assert_int_equal(who->refs, 3);
	sonde_processes_put(b->p.processes, who);
	bench_free(b); /* a sanitiser sees what is left */
}

static void an_ignored_route_is_booked_and_seen_nowhere(void **state)
{
	struct bench *b = bench_new("routes:\n  ignored_patterns: [/health, /live/*]\n");
	struct sonde_process *who = process(b, 7, "first");

	(void)state;
	name(b, 7, "shop");
	request_on(b, who, NULL, "/health");
	request_on(b, who, NULL, "/live/x");
	request_on(b, who, NULL, "/healthy");
	assert_int_equal(b->ledger.dropped[SONDE_KIND_REQUEST][SONDE_LOSS_IGNORED], 2);
	assert_int_equal(b->ledger.delivered[SONDE_KIND_REQUEST], 1);
	assert_int_equal(count_of(b, "shop", ""), 1);
	check_ledger(b);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void a_new_config_names_the_next_request(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = process(b, 7, "first");
	struct sonde_config next;
	struct sonde_buf errors;

	(void)state;
	name(b, 7, "shop");
	request_on(b, who, NULL, "/a");
	sonde_buf_init(&errors, 4096);
	assert_int_equal(sonde_config_parse(SONDE_SLICE_LIT("services:\n"
							    "  rules:\n"
							    "    - name: renamed\n"
							    "      comm: shop\n"
							    "routes:\n"
							    "  ignored_patterns: [/b]\n"),
					    "test", &next, &errors),
			 0);
	assert_int_equal(sonde_pipeline_configure(&b->p, &next), 0);
	request_on(b, who, NULL, "/a");
	request_on(b, who, NULL, "/b");
	assert_int_equal(count_of(b, "shop", ""), 1);
	assert_int_equal(count_of(b, "renamed", ""), 1);
	check_ledger(b);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
	sonde_config_fini(&next);
	sonde_buf_fini(&errors);
}

/* A rule with a port applies to the side at that port: one process may be two services. */
static void the_port_of_the_connection_decides(void **state)
{
	struct bench *b = bench_new("services:\n  rules:\n    - name: web\n      port: 80\n");
	struct sonde_process *who = process(b, 7, "first");
	struct sonde_request r = request_of("", "", 200, 1);

	(void)state;
	name(b, 7, "shop");
	request_on(b, who, NULL, "/a");
	r.path = SONDE_SLICE_LIT("/a");
	r.process = who;
	r.server.port = 81;
	sonde_pipeline_request(&b->p, &r, b->now_ns);
	r.server.port = 80;
	r.role = SONDE_ROLE_CLIENT;
	sonde_pipeline_request(&b->p, &r, b->now_ns);
	request_on(b, who, NULL, "/a");
	assert_int_equal(count_of(b, "web", ""), 2);
	assert_int_equal(count_of(b, "shop", ""), 2);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void address(struct sonde_endpoint *e, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const uint8_t bytes[16] = { [10] = 0xff, 0xff, a, b, c, d };

	memcpy(e->address, bytes, sizeof(bytes));
}

#define GROUPS                 \
	"peers:\n"             \
	"  max_addresses: 1\n" \
	"  groups:\n"          \
	"    - name: office\n" \
	"      cidr: 10.1.0.0/16\n"

/* The label has many others to be multiplied with. */
static void a_remote_peer_of_a_request_is_its_group_alone(void **state)
{
	struct bench *b = bench_new(GROUPS);
	struct sonde_process *who = process(b, 7, "first");
	struct sonde_request r = request_of("", "", 200, 1);
	struct sonde_series_view v;
	size_t cursor = 0;

	(void)state;
	name(b, 7, "shop");
	r.process = who;
	r.path = SONDE_SLICE_LIT("/a");
	address(&r.client, 10, 1, 2, 3);
	address(&r.server, 10, 9, 9, 9);
	sonde_pipeline_request(&b->p, &r, b->now_ns);
	assert_slice(r.peer_service, "office");
	assert_true(sonde_agg_next(b->p.agg, &cursor, &v));
	assert_slice(v.peer_service, "office");
	r.role = SONDE_ROLE_CLIENT;
	sonde_pipeline_request(&b->p, &r, b->now_ns);
	assert_slice(r.peer_service, "");
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void a_remote_peer_of_a_connection_has_a_name_always(void **state)
{
	struct bench *b = bench_new(GROUPS);
	struct sonde_process *who = process(b, 7, "first");
	struct sonde_connection c = { .role = SONDE_ROLE_SERVER, .process = who };

	(void)state;
	name(b, 7, "shop");
	address(&c.client, 10, 1, 2, 3);
	address(&c.server, 192, 0, 2, 1);
	sonde_pipeline_name_connection(&b->p, &c);
	assert_slice(c.service, "shop");
	assert_slice(c.peer_service, "office");
	c.role = SONDE_ROLE_CLIENT;
	sonde_pipeline_name_connection(&b->p, &c);
	assert_slice(c.peer_service, "192.0.2.1");
	address(&c.server, 192, 0, 2, 2);
	sonde_pipeline_name_connection(&b->p, &c);
	assert_slice(c.peer_service, "__other__");
	c.peer = who;
	sonde_pipeline_name_connection(&b->p, &c);
	assert_slice(c.peer_service, "shop");
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void set_workload(struct bench *b, const char *tag)
{
	struct sonde_workload facts = {
		.container_id = SONDE_SLICE_LIT("0123456789ab"),
		.container = SONDE_SLICE_LIT("till"),
		.image_tag = sonde_slice_str(tag),
		.pod_namespace = SONDE_SLICE_LIT("sales"),
	};

	assert_true(sonde_workloads_set(b->p.workloads, sonde_workload_new(&facts)));
	sonde_processes_refresh(b->p.processes);
}

static struct sonde_process *in_container(struct bench *b, uint32_t pid)
{
	struct sonde_identity identity = { .pid = pid, .found = 1, .start_ns = 1, .cgroup_id = 2 };
	struct sonde_process *who = process(b, pid, "first");

	snprintf(identity.cgroup, sizeof(identity.cgroup), "/docker-0123456789ab.scope");
	assert_non_null(sonde_processes_answer(b->p.processes, &identity));
	return who;
}

static void what_metadata_tells_later_names_the_next_request(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = in_container(b, 7);

	(void)state;
	request_on(b, who, NULL, "/a");
	assert_int_equal(count_of(b, "0123456789ab", ""), 1);
	set_workload(b, "1.4");
	request_on(b, who, NULL, "/a");
	assert_int_equal(count_of(b, "till", ""), 1);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

/* How many series carry this label. */
static size_t series_with(struct bench *b, const char *label, const char *value)
{
	struct sonde_metric_source source = sonde_agg_source(b->p.agg);
	struct sonde_metric_cursor cursor = { 0 };
	struct sonde_metric_point point;
	size_t n = 0;

	while (source.next(source.ctx, &cursor, &point)) {
		const struct sonde_label *l = find_label(&point, label);

		if (strcmp(point.desc->name, "http.server.request.duration") == 0 && l &&
		    sonde_slice_eq(l->value, sonde_slice_str(value)))
			n++;
	}
	return n;
}

static void versions_part_series_when_asked(void **state)
{
	struct bench *b =
		bench_new("metrics:\n  service_version: true\n  service_namespace: true\n");
	struct sonde_process *who = in_container(b, 7);

	(void)state;
	set_workload(b, "1.4");
	request_on(b, who, NULL, "/a");
	set_workload(b, "1.5");
	request_on(b, who, NULL, "/a");
	assert_int_equal(series_with(b, "service.version", "1.4"), 1);
	assert_int_equal(series_with(b, "service.version", "1.5"), 1);
	assert_int_equal(series_with(b, "service.namespace", "sales"), 2);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void versions_are_no_labels_unless_asked(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = in_container(b, 7);
	struct sonde_series_view v;
	size_t cursor = 0;

	(void)state;
	set_workload(b, "1.4");
	request_on(b, who, NULL, "/a");
	set_workload(b, "1.5");
	request_on(b, who, NULL, "/a");
	assert_int_equal(series_with(b, "service.version", "1.4"), 0);
	assert_true(sonde_agg_next(b->p.agg, &cursor, &v));
	assert_false(sonde_agg_next(b->p.agg, &cursor, &v));
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void nobody_is_counted_as_unknown(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = sonde_processes_get(b->p.processes, 0, 0, 0, SONDE_SLICE_EMPTY);

	(void)state;
	request_on(b, who, NULL, "/a");
	assert_int_equal(b->p.unknown, 1);
	assert_int_equal(count_of(b, "unknown", ""), 1);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

static void lost_requests_are_booked_to_their_service(void **state)
{
	struct bench *b = bench_new("");
	struct sonde_process *who = process(b, 7, "first");

	(void)state;
	name(b, 7, "shop");
	sonde_pipeline_lost(&b->p, who, 80, SONDE_ROLE_SERVER, SONDE_LOSS_RING_FULL, 5);
	assert_int_equal(family_count(b->p.agg, "sonde.requests"), 5);
	sonde_processes_put(b->p.processes, who);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_named_process_is_delivered_at_once),
		cmocka_unit_test(an_unnamed_one_waits_for_its_name),
		cmocka_unit_test(the_wait_ends_after_fifty_milliseconds),
		cmocka_unit_test(a_peer_is_waited_for_too),
		cmocka_unit_test(requests_keep_their_order),
		cmocka_unit_test(when_too_many_wait_the_first_goes_as_it_is),
		cmocka_unit_test(those_that_wait_at_the_end_let_go_of_their_processes),
		cmocka_unit_test(an_ignored_route_is_booked_and_seen_nowhere),
		cmocka_unit_test(a_new_config_names_the_next_request),
		cmocka_unit_test(the_port_of_the_connection_decides),
		cmocka_unit_test(a_remote_peer_of_a_request_is_its_group_alone),
		cmocka_unit_test(a_remote_peer_of_a_connection_has_a_name_always),
		cmocka_unit_test(what_metadata_tells_later_names_the_next_request),
		cmocka_unit_test(versions_part_series_when_asked),
		cmocka_unit_test(versions_are_no_labels_unless_asked),
		cmocka_unit_test(nobody_is_counted_as_unknown),
		cmocka_unit_test(lost_requests_are_booked_to_their_service),
	};

	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
