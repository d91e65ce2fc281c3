// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/daemon/filter.h"
#include "tests/unit/sample_request.h"

/* One condition, and what it says of the sample (and of a variation of it). */
struct sample {
	const char *name;
	void (*condition)(Sonde__Filter *f);
	void (*vary)(struct sonde_request *r); /* NULL: the sample as it is */
	bool passes;
};

static ProtobufCBinaryData texts[2];
static uint32_t numbers[2];
static Sonde__Filter__StatusRange ranges[2], *range_list[2] = { &ranges[0], &ranges[1] };
static Sonde__Protocol protocols[1] = { SONDE__PROTOCOL__PROTOCOL_HTTP1 };
static Sonde__Role roles[1];

static ProtobufCBinaryData *text_list(const char *a, const char *b)
{
	texts[0] = sonde_wire_bytes(sonde_slice_str(a));
	texts[1] = sonde_wire_bytes(sonde_slice_str(b));
	return texts;
}

#define TEXT(name, field, a, b)             \
	static void name(Sonde__Filter *f)  \
	{                                   \
		f->field = text_list(a, b); \
		f->n_##field = b ? 2 : 1;   \
	}
#define NUMBER(name, field, a, b)          \
	static void name(Sonde__Filter *f) \
	{                                  \
		numbers[0] = a;            \
		numbers[1] = b;            \
		f->field = numbers;        \
		f->n_##field = b ? 2 : 1;  \
	}

static const char *const none;
TEXT(service_shop, services, "shop", none)
TEXT(service_glob, services, "other", "s*p")
TEXT(service_other, services, "sho", none)
TEXT(peer_name, peers, "front*", none)
TEXT(peer_address, peers, "10.0.0.2", none)
TEXT(peer_server_address, peers, "10.0.0.1", none)
TEXT(comm_server, comms, "ngin?", none)
TEXT(comm_client, comms, "curl", none)
TEXT(comm_other, comms, "apache", none)
TEXT(container_prefix, containers, "0123", none)
TEXT(container_inside, containers, "123", none)
TEXT(method_get, methods, "GET", none)
TEXT(method_lower, methods, "get", "POST")
TEXT(path_glob, paths, "/users/*", none)
TEXT(path_part, paths, "/users", none)
NUMBER(port_server, ports, 8080, 0)
NUMBER(port_client, ports, 40000, 0)
NUMBER(port_two, ports, 1, 8080)
NUMBER(pid_server, pids, 4711, 0)
NUMBER(pid_client, pids, 4712, 0)
NUMBER(pid_other, pids, 4713, 1)

static void pid_of_one_comm_of_other(Sonde__Filter *f)
{
	pid_server(f);
	comm_client(f);
}

static void status_list(Sonde__Filter *f)
{
	sonde__filter__status_range__init(&ranges[0]);
	sonde__filter__status_range__init(&ranges[1]);
	ranges[0].first = 500;
	ranges[0].last = 599;
	ranges[1].first = ranges[1].last = 404;
	f->statuses = range_list;
	f->n_statuses = 2;
}

static void errors_only(Sonde__Filter *f)
{
	f->errors_only = true;
}

static void latency(Sonde__Filter *f)
{
	f->min_duration_ns = 12500000;
}

static void role_server(Sonde__Filter *f)
{
	roles[0] = SONDE__ROLE__ROLE_SERVER;
	f->roles = roles;
	f->n_roles = 1;
}

static void protocol_http(Sonde__Filter *f)
{
	f->protocols = protocols;
	f->n_protocols = 1;
}

static void nothing(Sonde__Filter *f)
{
	(void)f;
}

static void be_404(struct sonde_request *r)
{
	r->status = 404;
}

static void be_403(struct sonde_request *r)
{
	r->status = 403;
}

static void be_unanswered(struct sonde_request *r)
{
	r->status = 0;
	r->error = SONDE_ERROR_RESET;
}

static void be_fine(struct sonde_request *r)
{
	r->error = SONDE_ERROR_NONE;
	r->status = 200;
}

static void be_quick(struct sonde_request *r)
{
	r->duration_ns--;
}

static void be_client(struct sonde_request *r)
{
	r->role = SONDE_ROLE_CLIENT;
	r->peer_service = SONDE_SLICE_EMPTY;
}

static void be_unknown(struct sonde_request *r)
{
	r->protocol = SONDE_PROTOCOL_UNKNOWN;
}

static void lose_peer(struct sonde_request *r)
{
	r->peer = NULL;
	r->peer_service = SONDE_SLICE_EMPTY;
}

static const struct sample samples[] = {
	{ "nothing", nothing, NULL, true },
	{ "service", service_shop, NULL, true },
	{ "service, any of two globs", service_glob, NULL, true },
	{ "service must match whole", service_other, NULL, false },
	{ "peer by name", peer_name, NULL, true },
	{ "peer by name, unknown", peer_name, lose_peer, false },
	{ "peer by address", peer_address, NULL, true },
	{ "own address is no peer", peer_server_address, NULL, false },
	{ "peer of a client is the server", peer_server_address, be_client, true },
	{ "comm of the server", comm_server, NULL, true },
	{ "comm of the client", comm_client, NULL, true },
	{ "comm of the client, unknown", comm_client, lose_peer, false },
	{ "comm of neither", comm_other, NULL, false },
	{ "container by prefix", container_prefix, NULL, true },
	{ "container not from the middle", container_inside, NULL, false },
	{ "method", method_get, NULL, true },
	{ "method is case-sensitive", method_lower, NULL, false },
	{ "path", path_glob, NULL, true },
	{ "path must match whole", path_part, NULL, false },
	{ "server port", port_server, NULL, true },
	{ "client port does not count", port_client, NULL, false },
	{ "any of two ports", port_two, NULL, true },
	{ "pid of the server", pid_server, NULL, true },
	{ "pid of the client", pid_client, NULL, true },
	{ "pid of neither", pid_other, NULL, false },
	{ "both must hold for one side", pid_of_one_comm_of_other, NULL, false },
	{ "5xx,404: 503", status_list, NULL, true },
	{ "5xx,404: 404", status_list, be_404, true },
	{ "5xx,404: 403", status_list, be_403, false },
	{ "5xx,404: no answer", status_list, be_unanswered, false },
	{ "error: a 503", errors_only, NULL, true },
	{ "error: a reset", errors_only, be_unanswered, true },
	{ "error: a 200", errors_only, be_fine, false },
	{ "latency: exactly", latency, NULL, true },
	{ "latency: less", latency, be_quick, false },
	{ "role", role_server, NULL, true },
	{ "role: the other", role_server, be_client, false },
	{ "protocol", protocol_http, NULL, true },
	{ "protocol: unknown", protocol_http, be_unknown, false },
};

static void each_condition_holds_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		Sonde__Filter message = SONDE__FILTER__INIT;
		struct sonde_request r = sample_request();
		struct sonde_filter *f;
		char error[128];

		samples[i].condition(&message);
		if (samples[i].vary)
			samples[i].vary(&r);
		assert_int_equal(
			sonde_filter_new(SONDE_FILTER_REQUESTS, &message, &f, error, sizeof(error)),
			0);
		if (sonde_filter_match(f, &r) != samples[i].passes)
			fail_msg("%s", samples[i].name);
		sonde_filter_free(f);
	}
}

static void empty_text(Sonde__Filter *f)
{
	f->paths = text_list("", none);
	f->n_paths = 1;
}

static void long_text(Sonde__Filter *f)
{
	static char text[SONDE_FILTER_TEXT + 2];

	memset(text, 'a', SONDE_FILTER_TEXT + 1);
	f->comms = text_list(text, none);
	f->n_comms = 1;
}

static void many_texts(Sonde__Filter *f)
{
	static ProtobufCBinaryData many[SONDE_FILTER_VALUES + 1];

	for (int i = 0; i <= SONDE_FILTER_VALUES; i++)
		many[i] = sonde_wire_bytes(SONDE_SLICE_LIT("x"));
	f->methods = many;
	f->n_methods = SONDE_FILTER_VALUES + 1;
}

static void upside_down_status(Sonde__Filter *f)
{
	status_list(f);
	ranges[1].first = 405;
}

static void unknown_protocol(Sonde__Filter *f)
{
	static Sonde__Protocol wrong[] = { (Sonde__Protocol)99 };

	f->protocols = wrong;
	f->n_protocols = 1;
}

static void negative_role(Sonde__Filter *f)
{
	roles[0] = (Sonde__Role)-1;
	f->roles = roles;
	f->n_roles = 1;
}

NUMBER(port_beyond, ports, 65536, 0)

static void bad_filter_is_refused_and_leaves_nothing(void **state)
{
	static void (*const bad[])(Sonde__Filter *) = {
		empty_text,	  long_text,	 many_texts,  upside_down_status,
		unknown_protocol, negative_role, port_beyond,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		Sonde__Filter message = SONDE__FILTER__INIT;
		struct sonde_filter *f = NULL;
		char error[128] = "";

		bad[i](&message);
		assert_int_equal(
			sonde_filter_new(SONDE_FILTER_REQUESTS, &message, &f, error, sizeof(error)),
			-EINVAL);
		assert_null(f);
		assert_memory_equal(error, "filter: ", 8);
	}
}

static void no_message_is_everything(void **state)
{
	struct sonde_request r = sample_request();
	struct sonde_filter *f;
	char error[64];

	(void)state;
	assert_int_equal(sonde_filter_new(SONDE_FILTER_REQUESTS, NULL, &f, error, sizeof(error)),
			 0);
	assert_true(sonde_filter_match(f, &r));
	sonde_filter_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_condition_holds_or_not),
		cmocka_unit_test(bad_filter_is_refused_and_leaves_nothing),
		cmocka_unit_test(no_message_is_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
