// SPDX-License-Identifier: Apache-2.0
/* Requests: copies, names, and the way through the public schema. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/core/buf.h"
#include "agent/model/ledger.h"
#include "agent/model/wire.h"
#include "tests/unit/sample_request.h"

static void assert_same(const struct sonde_request *a, const struct sonde_request *b)
{
	const struct sonde_slice x[] = { a->method,
					 a->path,
					 a->host,
					 a->user_agent,
					 a->trace_id,
					 a->span_id,
					 a->service,
					 a->peer_service,
					 a->route,
					 a->operation,
					 a->service_namespace,
					 a->service_version };
	const struct sonde_slice y[] = { b->method,
					 b->path,
					 b->host,
					 b->user_agent,
					 b->trace_id,
					 b->span_id,
					 b->service,
					 b->peer_service,
					 b->route,
					 b->operation,
					 b->service_namespace,
					 b->service_version };

	for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++)
		assert_true(sonde_slice_eq(x[i], y[i]));
	assert_int_equal(a->connection_id, b->connection_id);
	assert_int_equal(a->time_unix_ns, b->time_unix_ns);
	assert_int_equal(a->duration_ns, b->duration_ns);
	assert_int_equal(a->ttfb_ns, b->ttfb_ns);
	assert_int_equal(a->request_bytes, b->request_bytes);
	assert_int_equal(a->response_bytes, b->response_bytes);
	assert_int_equal(a->request_body_bytes, b->request_body_bytes);
	assert_int_equal(a->response_body_bytes, b->response_body_bytes);
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->role, b->role);
	assert_int_equal(a->error, b->error);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->truncated, b->truncated);
	assert_int_equal(a->has_parts, b->has_parts);
	assert_int_equal(a->queue_known, b->queue_known);
	assert_int_equal(a->network_ns, b->network_ns);
	assert_int_equal(a->queue_ns, b->queue_ns);
	assert_int_equal(a->application_ns, b->application_ns);
	assert_int_equal(a->transfer_ns, b->transfer_ns);
	assert_memory_equal(&a->server_original, &b->server_original, sizeof(a->server));
	assert_memory_equal(&a->client, &b->client, sizeof(a->client));
	assert_memory_equal(&a->server, &b->server, sizeof(a->server));
	assert_string_equal(a->process->comm, b->process->comm);
	assert_string_equal(a->process->container_id, b->process->container_id);
	assert_int_equal(a->peer == NULL, b->peer == NULL);
	if (a->peer)
		assert_int_equal(a->peer->pid, b->peer->pid);
}

static void copy_outlives_the_original(void **state)
{
	struct sonde_request r = sample_request(), same = sample_request();
	uint8_t path[] = "/users/17";
	struct sonde_request *copy;

	(void)state;
	r.path = sonde_slice_of(path, sizeof(path) - 1);
	copy = sonde_request_copy(&r);
	assert_non_null(copy);
	memset(path, 'x', sizeof(path));
	assert_same(copy, &same);
	assert_ptr_not_equal(copy->process, r.process);
	assert_ptr_not_equal(copy->service.ptr, r.service.ptr);
	sonde_request_free(copy);
	sonde_request_free(NULL);
}

static void copy_of_a_bare_request(void **state)
{
	struct sonde_process unknown = { 0 };
	struct sonde_request r = { .process = &unknown }, *copy = sonde_request_copy(&r);

	(void)state;
	assert_non_null(copy);
	assert_same(copy, &r);
	assert_int_equal(copy->path.len, 0);
	sonde_request_free(copy);
}

static void message_reads_back_as_the_same(void **state)
{
	struct sonde_request r = sample_request();
	struct sonde_wire_request wire;
	struct sonde_wire_decoded back;
	Sonde__Request *message;
	uint8_t bytes[4096];
	size_t len;

	(void)state;
	for (int with_peer = 0; with_peer < 2; with_peer++) {
		r.peer = with_peer ? &sample_client : NULL;
		if (with_peer) {
			r.has_parts = r.queue_known = true;
			r.network_ns = 1;
			r.queue_ns = 2;
			r.application_ns = 3;
			r.transfer_ns = 4;
			r.server_original = r.client;
			r.service_namespace = SONDE_SLICE_LIT("prod");
			r.service_version = SONDE_SLICE_LIT("1.4");
		}
		sonde_wire_from_request(&r, &wire);
		len = sonde__request__pack(&wire.message, bytes);
		message = sonde__request__unpack(NULL, len, bytes);
		assert_non_null(message);
		assert_int_equal(sonde_wire_to_request(message, &back), 0);
		assert_same(&back.request, &r);
		sonde__request__free_unpacked(message, NULL);
	}
}

static void impossible_message_is_refused(void **state)
{
	struct sonde_request r = sample_request();
	struct sonde_wire_request wire;
	struct sonde_wire_decoded back = { .request = { .status = 1 } };

	(void)state;
	sonde_wire_from_request(&r, &wire);
	wire.client.address.len = 4;
	assert_int_equal(sonde_wire_to_request(&wire.message, &back), -EPROTO);
	wire.client.address.len = 16;
	wire.server.port = 65536;
	assert_int_equal(sonde_wire_to_request(&wire.message, &back), -EPROTO);
	wire.server.port = 1;
	wire.message.client = NULL;
	assert_int_equal(sonde_wire_to_request(&wire.message, &back), -EPROTO);
	assert_int_equal(back.request.status, 1);
}

static void long_names_are_cut_not_overrun(void **state)
{
	struct sonde_request r = sample_request();
	struct sonde_wire_request wire;
	struct sonde_wire_decoded back;
	uint8_t name[100];

	(void)state;
	memset(name, 'n', sizeof(name));
	sonde_wire_from_request(&r, &wire);
	wire.process.message.comm = (ProtobufCBinaryData){ sizeof(name), name };
	assert_int_equal(sonde_wire_to_request(&wire.message, &back), 0);
	assert_int_equal(strlen(back.process.process.comm), SONDE_COMM_LEN - 1);
}

static void frame_beyond_its_limit_is_not_begun(void **state)
{
	Sonde__Error error;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct sonde_buf b;
	size_t len;

	sonde__error__init(&error);
	(void)state;
	error.message = sonde_wire_string("why");
	frame.body_case = SONDE__FRAME__BODY_ERROR;
	frame.error = &error;
	len = sonde__frame__get_packed_size(&frame);
	sonde_buf_init(&b, 1024);
	assert_int_equal(sonde_wire_put_frame(&b, &frame, len - 1), -E2BIG);
	assert_int_equal(b.len, 0);
	assert_int_equal(sonde_wire_put_frame(&b, &frame, len), 0);
	assert_int_equal(b.len, SONDE_WIRE_HEAD + len);
	assert_int_equal(sonde_wire_head(b.ptr), len);
	sonde_buf_fini(&b);
}

static void error_types_are_opentelemetrys(void **state)
{
	static const struct {
		enum sonde_error error;
		uint16_t status;
		const char *text;
	} samples[] = {
		{ SONDE_ERROR_NONE, 200, "" },		{ SONDE_ERROR_STATUS, 500, "500" },
		{ SONDE_ERROR_STATUS, 65535, "65535" }, { SONDE_ERROR_RESET, 0, "reset" },
		{ SONDE_ERROR_CLOSED, 200, "closed" },	{ SONDE_ERROR_TIMEOUT, 0, "timeout" },
		{ SONDE_ERRORS, 0, "_OTHER" },
	};
	char scratch[8];

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct sonde_request r = { .error = samples[i].error, .status = samples[i].status };

		assert_true(sonde_slice_eq(sonde_request_error_type(&r, scratch),
					   sonde_slice_str(samples[i].text)));
	}
}

static void addresses_read_as_people_write_them(void **state)
{
	static const struct {
		struct sonde_endpoint e;
		const char *text;
	} samples[] = {
		{ { { [10] = 0xff, 0xff, 192, 0, 2, 1 }, 80 }, "192.0.2.1" },
		{ { { [15] = 1 }, 80 }, "::1" },
		{ { { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x42 }, 80 }, "2001:db8::42" },
		{ { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		      0xff, 0xff, 0xff },
		    80 },
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	char text[SONDE_ADDRESS_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		sonde_endpoint_address(&samples[i].e, text);
		assert_string_equal(text, samples[i].text);
	}
}

static void every_loss_and_kind_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < SONDE_LOSSES; i++) {
		assert_string_not_equal(sonde_loss_name(i), "unknown");
		assert_string_not_equal(sonde_loss_stage(i), "unknown");
	}
	for (int i = 0; i < SONDE_KINDS; i++)
		assert_string_not_equal(sonde_kind_name(i), "unknown");
	assert_string_equal(sonde_loss_name(SONDE_LOSSES), "unknown");
	assert_string_equal(sonde_kind_name(SONDE_KINDS), "unknown");
	assert_string_equal(sonde_role_name((enum sonde_role)77), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_outlives_the_original),
		cmocka_unit_test(copy_of_a_bare_request),
		cmocka_unit_test(message_reads_back_as_the_same),
		cmocka_unit_test(impossible_message_is_refused),
		cmocka_unit_test(long_names_are_cut_not_overrun),
		cmocka_unit_test(frame_beyond_its_limit_is_not_begun),
		cmocka_unit_test(error_types_are_opentelemetrys),
		cmocka_unit_test(addresses_read_as_people_write_them),
		cmocka_unit_test(every_loss_and_kind_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
