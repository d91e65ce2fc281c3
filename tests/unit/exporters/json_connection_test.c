// SPDX-License-Identifier: Apache-2.0
/* Connections as JSON: the names are a promise, and what is not known is absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exporters/json.h"
#include "tests/unit/sample_connection.h"

static void expect(const struct sonde_connection *c, const char *json)
{
	struct sonde_buf b;

	sonde_buf_init(&b, 1 << 16);
	sonde_json_connection(&b, c);
	sonde_buf_put_byte(&b, '\0');
	assert_false(b.failed);
	assert_string_equal((char *)b.ptr, json);
	sonde_buf_fini(&b);
}

static void whole_connection(void **state)
{
	struct sonde_connection c = sample_connection();

	(void)state;
	c.reset_by = SONDE_ROLE_CLIENT;
	c.timed_out = c.preexisting = c.unseen_end = true;
	expect(&c, "{\"record\":\"connection\",\"time\":\"2023-11-14T22:13:20.000000007Z\","
		   "\"connection_id\":\"18446744073709551615\",\"protocol\":\"tcp\","
		   "\"role\":\"server\",\"state\":\"closed\",\"service\":\"shop\","
		   "\"peer_service\":\"frontend\","
		   "\"client\":{\"address\":\"10.0.0.2\",\"port\":40000},"
		   "\"server\":{\"address\":\"10.0.0.1\",\"port\":8080,"
		   "\"original_address\":\"10.96.0.1\",\"original_port\":80},"
		   "\"process\":{\"pid\":4711,\"comm\":\"nginx\","
		   "\"cgroup\":\"/system.slice/nginx.service\",\"unit\":\"nginx\","
		   "\"container_id\":\"0123456789abcdef\"},"
		   "\"peer_process\":{\"pid\":4712,\"comm\":\"curl\"},"
		   "\"bytes_to_server\":120,\"bytes_to_client\":4096,"
		   "\"segments_to_server\":5,\"segments_to_client\":6,"
		   "\"retransmits_to_server\":1,\"retransmits_to_client\":3,"
		   "\"out_of_order_to_server\":2,"
		   "\"srtt_ns\":180000,\"min_rtt_ns\":90000,\"rtt_var_ns\":12000,"
		   "\"connect_ns\":210000,\"accept_ns\":35000,\"duration_ns\":2500000000,"
		   "\"rwnd_limited_ns\":7000,\"sndbuf_limited_ns\":8000,\"zero_windows\":4,"
		   "\"close_state\":\"last_ack\",\"closed_by\":\"client\","
		   "\"reset_by\":\"client\",\"timed_out\":true,\"preexisting\":true,"
		   "\"unseen_end\":true}");
}

static void flow_of_udp_has_packets(void **state)
{
	struct sonde_process unknown = { 0 };
	struct sonde_connection c = {
		.id = 7,
		.transport = SONDE_TRANSPORT_UDP,
		.role = SONDE_ROLE_CLIENT,
		.state = SONDE_TCP_ESTABLISHED,
		.process = &unknown,
		.duration_ns = 5,
		.port_unreachable = 1,
		.total = { .to_server = { 10, 2, 0, 0 }, .to_client = { 20, 3, 0, 0 } },
	};

	(void)state;
	expect(&c, "{\"record\":\"connection\",\"time\":\"1970-01-01T00:00:00.000000000Z\","
		   "\"connection_id\":\"7\",\"protocol\":\"udp\",\"role\":\"client\","
		   "\"state\":\"established\",\"service\":\"\","
		   "\"client\":{\"address\":\"::\",\"port\":0},"
		   "\"server\":{\"address\":\"::\",\"port\":0},"
		   "\"process\":{\"pid\":0,\"comm\":\"\"},"
		   "\"bytes_to_server\":10,\"bytes_to_client\":20,"
		   "\"packets_to_server\":2,\"packets_to_client\":3,\"duration_ns\":5,"
		   "\"port_unreachable\":1}");
}

static void counts_that_are_not_known_are_absent(void **state)
{
	struct sonde_connection c = sample_connection();
	struct sonde_buf b;

	(void)state;
	c.total.to_server.out_of_order = c.total.to_server.retransmits = SONDE_COUNT_UNKNOWN;
	c.total.to_client.retransmits = SONDE_COUNT_UNKNOWN;
	c.total.to_client.out_of_order = 0;
	sonde_buf_init(&b, 1 << 16);
	sonde_json_connection(&b, &c);
	sonde_buf_put_byte(&b, '\0');
	assert_null(strstr((char *)b.ptr, "retransmits_to_"));
	assert_null(strstr((char *)b.ptr, "out_of_order_to_server"));
	assert_non_null(strstr((char *)b.ptr, "\"out_of_order_to_client\":0,"));
	sonde_buf_fini(&b);
}

static void failed_connect_says_why(void **state)
{
	static const char *const names[] = { NULL,	    "refused", "timed_out",
					     "unreachable", "reset",   "aborted" };
	struct sonde_buf b;

	(void)state;
	for (int error = 0; error < SONDE_CONNECT_ERRORS; error++) {
		struct sonde_connection c = sample_connection();
		char text[64] = "connect_error";

		c.connect_error = (enum sonde_connect_error)error;
		if (error)
			snprintf(text, sizeof(text), "\"connect_error\":\"%s\"}", names[error]);
		sonde_buf_init(&b, 1 << 16);
		sonde_json_connection(&b, &c);
		sonde_buf_put_byte(&b, '\0');
		assert_int_equal(strstr((char *)b.ptr, text) != NULL, error != 0);
		sonde_buf_fini(&b);
	}
}

static void hostile_bytes_stay_inside_their_string(void **state)
{
	struct sonde_connection c = sample_connection();
	uint8_t name[256];
	struct sonde_buf b;

	(void)state;
	for (int i = 0; i < 256; i++)
		name[i] = (uint8_t)i;
	c.service = c.peer_service = sonde_slice_of(name, sizeof(name));
	sonde_buf_init(&b, 1 << 16);
	sonde_json_connection(&b, &c);
	assert_false(b.failed);
	for (size_t i = 0; i < b.len; i++)
		assert_true(b.ptr[i] >= 0x20 && b.ptr[i] != 0x7f);
	sonde_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_connection),
		cmocka_unit_test(flow_of_udp_has_packets),
		cmocka_unit_test(counts_that_are_not_known_are_absent),
		cmocka_unit_test(failed_connect_says_why),
		cmocka_unit_test(hostile_bytes_stay_inside_their_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
