// SPDX-License-Identifier: Apache-2.0
/* Connections through the public schema: what goes in comes out, what is not known stays so. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/model/wire.h"
#include "exporters/json.h"
#include "tests/unit/sample_connection.h"

/* The two as JSON, which shows every field that has a meaning outside the daemon. */
static void assert_same(const struct sonde_connection *a, const struct sonde_connection *b)
{
	struct sonde_buf x, y;

	sonde_buf_init(&x, 1 << 16);
	sonde_buf_init(&y, 1 << 16);
	sonde_json_connection(&x, a);
	sonde_json_connection(&y, b);
	sonde_buf_put_byte(&x, '\0');
	sonde_buf_put_byte(&y, '\0');
	assert_string_equal((char *)x.ptr, (char *)y.ptr);
	sonde_buf_fini(&x);
	sonde_buf_fini(&y);
}

static void assert_survives(const struct sonde_connection *c)
{
	struct sonde_wire_connection wire;
	struct sonde_wire_decoded_connection back;
	Sonde__Connection *message;
	uint8_t bytes[8192];
	size_t len;

	sonde_wire_from_connection(c, &wire);
	assert_true(sonde__connection__get_packed_size(&wire.message) <= sizeof(bytes));
	len = sonde__connection__pack(&wire.message, bytes);
	message = sonde__connection__unpack(NULL, len, bytes);
	assert_non_null(message);
	assert_int_equal(sonde_wire_to_connection(message, &back), 0);
	assert_same(&back.connection, c);
	sonde__connection__free_unpacked(message, NULL);
}

static void connection_reads_back_as_the_same(void **state)
{
	struct sonde_connection c = sample_connection();

	(void)state;
	assert_survives(&c);
	c.peer = NULL;
	c.reset_by = SONDE_ROLE_SERVER;
	c.preexisting = c.timed_out = c.unseen_end = true;
	c.client_original = (struct sonde_endpoint){ .address = { [15] = 1 }, .port = 9 };
	c.total.to_server.retransmits = SONDE_COUNT_UNKNOWN;
	c.total.to_server.out_of_order = SONDE_COUNT_UNKNOWN;
	c.total.to_client.out_of_order = 0;
	assert_survives(&c);
}

static void flow_of_udp_reads_back_as_the_same(void **state)
{
	struct sonde_connection c = sample_connection();

	(void)state;
	c.transport = SONDE_TRANSPORT_UDP;
	c.close_state = SONDE_TCP_UNKNOWN;
	c.server_original.port = 0;
	c.port_unreachable = 3;
	assert_survives(&c);
}

static void every_failure_and_state_survives(void **state)
{
	struct sonde_connection c = sample_connection();

	(void)state;
	for (int i = 0; i < SONDE_CONNECT_ERRORS; i++) {
		c.connect_error = (enum sonde_connect_error)i;
		assert_survives(&c);
	}
	for (int i = 0; i < SONDE_TCP_STATES; i++) {
		c.state = c.close_state = (enum sonde_tcp_state)i;
		assert_survives(&c);
	}
}

static void workload_and_its_labels_survive(void **state)
{
	struct sonde_workload_label labels[SONDE_WORKLOAD_LABELS + 1];
	struct sonde_workload workload = {
		.container = SONDE_SLICE_LIT("web"),
		.image = SONDE_SLICE_LIT("shop:1.4"),
		.image_tag = SONDE_SLICE_LIT("1.4"),
		.pod = SONDE_SLICE_LIT("shop-1"),
		.pod_namespace = SONDE_SLICE_LIT("x"),
		.node = SONDE_SLICE_LIT("n"),
		.owner = SONDE_SLICE_LIT("shop"),
		.labels = labels,
		.n_labels = SONDE_WORKLOAD_LABELS,
	};
	struct sonde_process process = sample_server;
	struct sonde_connection c = sample_connection();

	(void)state;
	for (size_t i = 0; i <= SONDE_WORKLOAD_LABELS; i++)
		labels[i] = (struct sonde_workload_label){ SONDE_SLICE_LIT("app"),
							   SONDE_SLICE_LIT("shop") };
	process.workload = &workload;
	process.runtime = SONDE_RUNTIME_PODMAN;
	process.start_ns = 77;
	c.process = &process;
	assert_survives(&c);
}

/* A message of a newer daemon may hold more labels than there is room for. */
static void labels_beyond_the_bound_are_left_out(void **state)
{
	Sonde__Label label = SONDE__LABEL__INIT, *list[SONDE_WORKLOAD_LABELS + 5];
	struct sonde_connection c = sample_connection();
	Sonde__Workload workload = SONDE__WORKLOAD__INIT;
	struct sonde_wire_decoded_connection back;
	struct sonde_wire_connection wire;

	(void)state;
	for (size_t i = 0; i < SONDE_WORKLOAD_LABELS + 5; i++)
		list[i] = &label;
	sonde_wire_from_connection(&c, &wire);
	workload.labels = list;
	workload.n_labels = SONDE_WORKLOAD_LABELS + 5;
	wire.process.message.workload = &workload;
	assert_int_equal(sonde_wire_to_connection(&wire.message, &back), 0);
	assert_int_equal(back.connection.process->workload->n_labels, SONDE_WORKLOAD_LABELS);
}

static void impossible_message_is_refused(void **state)
{
	struct sonde_connection c = sample_connection();
	struct sonde_wire_decoded_connection back = { .connection = { .id = 1 } };
	struct sonde_wire_connection wire;

	(void)state;
	sonde_wire_from_connection(&c, &wire);
	wire.server_original.address.len = 4;
	assert_int_equal(sonde_wire_to_connection(&wire.message, &back), -EPROTO);
	sonde_wire_from_connection(&c, &wire);
	wire.client.port = 65536;
	assert_int_equal(sonde_wire_to_connection(&wire.message, &back), -EPROTO);
	sonde_wire_from_connection(&c, &wire);
	wire.message.server = NULL;
	assert_int_equal(sonde_wire_to_connection(&wire.message, &back), -EPROTO);
	assert_int_equal(back.connection.id, 1);
}

static void bare_message_is_a_connection_of_which_nothing_is_known(void **state)
{
	struct sonde_connection c = sample_connection();
	struct sonde_wire_decoded_connection back;
	struct sonde_wire_connection wire;

	(void)state;
	sonde_wire_from_connection(&c, &wire);
	wire.message.process = wire.message.peer_process = NULL;
	wire.message.to_server = wire.message.to_client = NULL;
	assert_int_equal(sonde_wire_to_connection(&wire.message, &back), 0);
	assert_int_equal(back.connection.process->pid, 0);
	assert_null(back.connection.peer);
	assert_int_equal(back.connection.total.to_client.retransmits, SONDE_COUNT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_reads_back_as_the_same),
		cmocka_unit_test(flow_of_udp_reads_back_as_the_same),
		cmocka_unit_test(every_failure_and_state_survives),
		cmocka_unit_test(workload_and_its_labels_survive),
		cmocka_unit_test(labels_beyond_the_bound_are_left_out),
		cmocka_unit_test(impossible_message_is_refused),
		cmocka_unit_test(bare_message_is_a_connection_of_which_nothing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
