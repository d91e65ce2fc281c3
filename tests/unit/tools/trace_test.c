// SPDX-License-Identifier: Apache-2.0
/* `sonde trace`: its filter, and how -o wide shows where the time of a request went. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/sample_request.h"
#include "tools/sonde/trace.h"

/* Column N of the line of R; words are separated by blanks. */
static void expect_column(const struct sonde_request *r, const char *head, const char *value)
{
	char *save_head = NULL, *save_line = NULL, *h, *l;
	struct sonde_buf heads, line;

	sonde_buf_init(&heads, 4096);
	sonde_buf_init(&line, 4096);
	sonde_trace_print_head(&heads, SONDE_FORMAT_WIDE);
	sonde_trace_print(&line, SONDE_FORMAT_WIDE, false, r);
	sonde_buf_put_byte(&heads, '\0');
	sonde_buf_put_byte(&line, '\0');
	h = strtok_r((char *)heads.ptr, " \n", &save_head);
	l = strtok_r((char *)line.ptr, " \n", &save_line);
	while (h && l && strcmp(h, head) != 0) {
		h = strtok_r(NULL, " \n", &save_head);
		l = strtok_r(NULL, " \n", &save_line);
	}
	assert_non_null(h);
	assert_string_equal(l, value);
	sonde_buf_fini(&heads);
	sonde_buf_fini(&line);
}

static struct sonde_request with_parts(void)
{
	struct sonde_request r = sample_request();

	r.has_parts = r.queue_known = true;
	r.network_ns = 1000000;
	r.queue_ns = 2000000;
	r.application_ns = 9000000;
	r.transfer_ns = 500000;
	return r;
}

static void parts_stand_in_their_columns(void **state)
{
	struct sonde_request r = with_parts();

	(void)state;
	expect_column(&r, "LATENCY", "12.5ms");
	expect_column(&r, "NETWORK", "1.00ms");
	expect_column(&r, "QUEUE", "2.00ms");
	expect_column(&r, "APP", "9.00ms");
	expect_column(&r, "TRANSFER", "500us");
	expect_column(&r, "TTFB", "12.0ms");
}

static void what_the_kernel_does_not_tell_is_a_dash(void **state)
{
	struct sonde_request r = with_parts();

	(void)state;
	r.queue_known = false;
	r.queue_ns = 0;
	expect_column(&r, "QUEUE", "-");
	expect_column(&r, "APP", "9.00ms");
	r.has_parts = false;
	expect_column(&r, "NETWORK", "-");
	expect_column(&r, "APP", "-");
	expect_column(&r, "TRANSFER", "-");
}

static void expect_text(size_t n, const ProtobufCBinaryData *list, const char *text)
{
	assert_int_equal(n, 1);
	assert_true(sonde_slice_eq(sonde_wire_slice(list[0]), sonde_slice_str(text)));
}

static void filter_holds_what_was_asked_for(void **state)
{
	char service[] = "a*", peer[] = "b", comm[] = "c", container[] = "d", method[] = "GET";
	char path[] = "/e", role[] = "client", port[] = "65535", pid[] = "4294967295";
	char status[] = "5xx", protocol[] = "http";
	struct sonde_trace_options o = {
		.words = { .services = { { service }, 1 },
			   .peers = { { peer }, 1 },
			   .ports = { { port, port }, 2 },
			   .pids = { { pid }, 1 },
			   .comms = { { comm }, 1 },
			   .containers = { { container }, 1 },
			   .roles = { { role }, 1 } },
		.protocols = { { protocol }, 1 },
		.methods = { { method }, 1 },
		.paths = { { path }, 1 },
		.statuses = { { status }, 1 },
		.errors = true,
		.min_latency_ns = 7,
	};
	struct sonde_trace_filter f;
	char error[SONDE_OPTIONS_ERROR];

	(void)state;
	assert_int_equal(sonde_trace_filter(&o, &f, error), 0);
	expect_text(f.message.n_services, f.message.services, "a*");
	expect_text(f.message.n_peers, f.message.peers, "b");
	expect_text(f.message.n_comms, f.message.comms, "c");
	expect_text(f.message.n_containers, f.message.containers, "d");
	expect_text(f.message.n_methods, f.message.methods, "GET");
	expect_text(f.message.n_paths, f.message.paths, "/e");
	assert_int_equal(f.message.n_ports, 2);
	assert_int_equal(f.message.ports[1], 65535);
	assert_int_equal(f.message.n_pids, 1);
	assert_int_equal(f.message.pids[0], UINT32_MAX);
	assert_int_equal(f.message.n_roles, 1);
	assert_int_equal(f.message.roles[0], SONDE__ROLE__ROLE_CLIENT);
	assert_int_equal(f.message.n_protocols, 1);
	assert_int_equal(f.message.protocols[0], SONDE_PROTOCOL_HTTP1);
	assert_int_equal(f.message.n_statuses, 1);
	assert_int_equal(f.message.statuses[0]->first, 500);
	assert_int_equal(f.message.statuses[0]->last, 599);
	assert_true(f.message.errors_only);
	assert_int_equal(f.message.min_duration_ns, 7);
}

static void filter_says_the_first_that_is_wrong(void **state)
{
	char status[] = "40x", port[] = "65536";
	struct sonde_trace_options o = {
		.words.ports = { { port }, 1 },
		.statuses = { { status }, 1 },
	};
	struct sonde_trace_filter f;
	char error[SONDE_OPTIONS_ERROR];

	(void)state;
	assert_int_equal(sonde_trace_filter(&o, &f, error), -EINVAL);
	assert_string_equal(error, "--port: '65536' is not a number from 1 to 65535");
	o.words.ports.n = 0;
	assert_int_equal(sonde_trace_filter(&o, &f, error), -EINVAL);
	assert_string_equal(error, "--status: '40x' is not a status, such as 404, 5xx or 400-403");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_stand_in_their_columns),
		cmocka_unit_test(what_the_kernel_does_not_tell_is_a_dash),
		cmocka_unit_test(filter_holds_what_was_asked_for),
		cmocka_unit_test(filter_says_the_first_that_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
