// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exporters/json.h"
#include "tests/unit/sample_request.h"

static void expect(const struct sonde_request *r, const char *json)
{
	struct sonde_buf b;

	sonde_buf_init(&b, 1 << 16);
	sonde_json_request(&b, r);
	sonde_buf_put_byte(&b, '\0');
	assert_false(b.failed);
	assert_string_equal((char *)b.ptr, json);
	sonde_buf_fini(&b);
}

static void whole_request(void **state)
{
	struct sonde_request r = sample_request();

	(void)state;
	r.truncated = true;
	expect(&r, "{\"record\":\"request\",\"time\":\"2023-11-14T22:13:20.000000007Z\","
		   "\"protocol\":\"http\","
		   "\"role\":\"server\",\"service\":\"shop\",\"peer_service\":\"frontend\","
		   "\"operation\":\"GET /users/{id}\",\"status\":503,\"error\":\"503\","
		   "\"duration_ns\":12500000,\"ttfb_ns\":12000000,\"request_bytes\":120,"
		   "\"response_bytes\":4096,\"client\":{\"address\":\"10.0.0.2\",\"port\":40000},"
		   "\"server\":{\"address\":\"10.0.0.1\",\"port\":8080},"
		   "\"process\":{\"pid\":4711,\"comm\":\"nginx\","
		   "\"cgroup\":\"/system.slice/nginx.service\",\"unit\":\"nginx\","
		   "\"container_id\":\"0123456789abcdef\"},"
		   "\"peer_process\":{\"pid\":4712,\"comm\":\"curl\"},"
		   "\"connection_id\":\"18446744073709551615\","
		   "\"attributes\":{\"http.request.method\":\"GET\",\"url.path\":\"/users/17\","
		   "\"http.route\":\"/users/{id}\",\"http.response.status_code\":503,"
		   "\"server.address\":\"shop.example\",\"user_agent.original\":\"curl/8\","
		   "\"network.protocol.version\":\"1.1\",\"error.type\":\"503\","
		   "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\","
		   "\"span_id\":\"b7ad6b7169203331\",\"sonde.truncated\":true}}");
}

static struct sonde_buf render(const struct sonde_request *r)
{
	struct sonde_buf b;

	sonde_buf_init(&b, 1 << 16);
	sonde_json_request(&b, r);
	sonde_buf_put_byte(&b, '\0');
	assert_false(b.failed);
	return b;
}

static void parts_of_the_latency_are_told_when_they_are_known(void **state)
{
	struct sonde_request r = sample_request();
	struct sonde_buf b;

	(void)state;
	r.has_parts = r.queue_known = true;
	r.network_ns = 1;
	r.queue_ns = 2;
	r.application_ns = 12499990;
	r.transfer_ns = 7;
	b = render(&r);
	assert_non_null(strstr((char *)b.ptr, "\"network_ns\":1,\"queue_ns\":2,"
					      "\"application_ns\":12499990,\"transfer_ns\":7,"));
	sonde_buf_fini(&b);
	r.queue_known = false;
	b = render(&r);
	assert_non_null(strstr((char *)b.ptr, "\"network_ns\":1,\"application_ns\":"));
	sonde_buf_fini(&b);
}

static void address_that_was_asked_for_is_told_when_it_differs(void **state)
{
	struct sonde_request r = sample_request();
	struct sonde_buf b;

	(void)state;
	r.server_original = (struct sonde_endpoint){
		.address = { [10] = 0xff, 0xff, 10, 96, 0, 1 },
		.port = 80,
	};
	b = render(&r);
	assert_non_null(strstr((char *)b.ptr,
			       "\"server\":{\"address\":\"10.0.0.1\",\"port\":8080,"
			       "\"original_address\":\"10.96.0.1\",\"original_port\":80}"));
	sonde_buf_fini(&b);
}

static void workload_is_part_of_its_process(void **state)
{
	const struct sonde_workload_label labels[] = {
		{ SONDE_SLICE_LIT("app"), SONDE_SLICE_LIT("shop{") },
		{ SONDE_SLICE_LIT("tier"), SONDE_SLICE_LIT("web") },
	};
	struct sonde_workload workload = {
		.container = SONDE_SLICE_LIT("web"),
		.image = SONDE_SLICE_LIT("shop:1.4"),
		.image_tag = SONDE_SLICE_LIT("1.4"),
		.pod = SONDE_SLICE_LIT("shop-1"),
		.pod_namespace = SONDE_SLICE_LIT("prod"),
		.labels = labels,
		.n_labels = 2,
	};
	struct sonde_request r = sample_request();
	struct sonde_process process = sample_server;
	struct sonde_buf b;

	(void)state;
	process.workload = &workload;
	process.runtime = SONDE_RUNTIME_CONTAINERD;
	r.process = &process;
	r.service_namespace = SONDE_SLICE_LIT("prod");
	r.service_version = SONDE_SLICE_LIT("1.4");
	b = render(&r);
	assert_non_null(strstr((char *)b.ptr,
			       "\"container_runtime\":\"containerd\",\"container_name\":\"web\","
			       "\"image\":\"shop:1.4\",\"image_tag\":\"1.4\",\"pod\":\"shop-1\","
			       "\"namespace\":\"prod\","
			       "\"labels\":{\"app\":\"shop{\",\"tier\":\"web\"}}"));
	assert_non_null(strstr((char *)b.ptr, "\"service_namespace\":\"prod\","
					      "\"service_version\":\"1.4\""));
	sonde_buf_fini(&b);
}

static void what_is_not_known_is_absent(void **state)
{
	struct sonde_process unknown = { 0 };
	struct sonde_request r = {
		.protocol = SONDE_PROTOCOL_HTTP1,
		.role = SONDE_ROLE_CLIENT,
		.error = SONDE_ERROR_RESET,
		.version = 10,
		.method = SONDE_SLICE_LIT("BREW"),
		.process = &unknown,
		.service = SONDE_SLICE_LIT("x"),
		.operation = SONDE_SLICE_LIT("_OTHER"),
	};

	(void)state;
	expect(&r, "{\"record\":\"request\",\"time\":\"1970-01-01T00:00:00.000000000Z\","
		   "\"protocol\":\"http\","
		   "\"role\":\"client\",\"service\":\"x\",\"operation\":\"_OTHER\","
		   "\"error\":\"reset\",\"duration_ns\":0,\"ttfb_ns\":0,\"request_bytes\":0,"
		   "\"response_bytes\":0,\"client\":{\"address\":\"::\",\"port\":0},"
		   "\"server\":{\"address\":\"::\",\"port\":0},"
		   "\"process\":{\"pid\":0,\"comm\":\"\"},\"connection_id\":\"0\","
		   "\"attributes\":{\"http.request.method\":\"_OTHER\","
		   "\"http.request.method_original\":\"BREW\","
		   "\"network.protocol.version\":\"1.0\",\"error.type\":\"reset\"}}");
}

/* Every byte a path can hold comes out as printable, valid text. */
static void hostile_bytes_stay_inside_their_string(void **state)
{
	uint8_t path[512];
	struct sonde_request r = sample_request();
	struct sonde_buf b;

	(void)state;
	for (int i = 0; i < 256; i++)
		path[i] = path[511 - i] = (uint8_t)i;
	r.path = r.service = r.host = r.user_agent = r.operation = r.method =
		sonde_slice_of(path, sizeof(path));
	sonde_buf_init(&b, 1 << 20);
	sonde_json_request(&b, &r);
	assert_false(b.failed);
	for (size_t i = 0; i < b.len; i++)
		assert_true(b.ptr[i] >= 0x20 && b.ptr[i] != 0x7f);
	assert_int_equal(b.ptr[b.len - 1], '}');
	sonde_buf_fini(&b);
}

static void brace_at_the_end_of_a_value_keeps_its_comma(void **state)
{
	struct sonde_request r = sample_request();
	struct sonde_buf b;

	(void)state;
	r.service = SONDE_SLICE_LIT("{");
	r.peer_service = SONDE_SLICE_LIT("\"{");
	sonde_buf_init(&b, 1 << 16);
	sonde_json_request(&b, &r);
	sonde_buf_put_byte(&b, '\0');
	assert_non_null(strstr((char *)b.ptr,
			       "\"service\":\"{\",\"peer_service\":\"\\\"{\",\"operation\""));
	sonde_buf_fini(&b);
}

static void buffer_too_small_says_so(void **state)
{
	struct sonde_request r = sample_request();
	uint8_t bytes[100];
	struct sonde_buf b;

	(void)state;
	sonde_buf_over(&b, bytes, sizeof(bytes));
	sonde_json_request(&b, &r);
	assert_true(b.failed);
	assert_true(b.len <= sizeof(bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_request),
		cmocka_unit_test(parts_of_the_latency_are_told_when_they_are_known),
		cmocka_unit_test(address_that_was_asked_for_is_told_when_it_differs),
		cmocka_unit_test(workload_is_part_of_its_process),
		cmocka_unit_test(what_is_not_known_is_absent),
		cmocka_unit_test(hostile_bytes_stay_inside_their_string),
		cmocka_unit_test(brace_at_the_end_of_a_value_keeps_its_comma),
		cmocka_unit_test(buffer_too_small_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
