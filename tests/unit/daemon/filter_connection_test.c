// SPDX-License-Identifier: Apache-2.0
/* Filters of connections: each condition by itself, and what only requests have is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/daemon/filter.h"
#include "tests/unit/sample_connection.h"

static Sonde__Transport transport_udp[] = { SONDE__TRANSPORT__TRANSPORT_UDP };
static Sonde__Transport transports[] = { SONDE__TRANSPORT__TRANSPORT_TCP,
					 SONDE__TRANSPORT__TRANSPORT_UDP };
static Sonde__TcpState closed[] = { SONDE__TCP_STATE__TCP_CLOSE };
static uint64_t own_id[] = { 3, UINT64_MAX };
static uint64_t other_id[] = { 3 };
static uint32_t port[] = { 8080 }, original_port[] = { 80 }, other_port[] = { 81 };
static uint32_t pid[] = { 4712 }, other_pid[] = { 1 };
static Sonde__Role client[] = { SONDE__ROLE__ROLE_CLIENT };
static ProtobufCBinaryData text[1];

static void with_text(size_t *n, ProtobufCBinaryData **field, const char *value)
{
	text[0] = sonde_wire_bytes(sonde_slice_str(value));
	*n = 1;
	*field = text;
}

#define LIST(name, field, list)                              \
	static void name(Sonde__Filter *f)                   \
	{                                                    \
		f->field = list;                             \
		f->n_##field = sizeof(list) / sizeof(*list); \
	}
#define TEXT(name, field, value)                            \
	static void name(Sonde__Filter *f)                  \
	{                                                   \
		with_text(&f->n_##field, &f->field, value); \
	}
#define SET(name, field, value)            \
	static void name(Sonde__Filter *f) \
	{                                  \
		f->field = value;          \
	}
#define VARY(name, field, value)                     \
	static void name(struct sonde_connection *c) \
	{                                            \
		c->field = value;                    \
	}

LIST(udp, transports, transport_udp)
LIST(tcp_or_udp, transports, transports)
LIST(state_closed, states, closed)
LIST(id_own, ids, own_id)
LIST(id_other, ids, other_id)
LIST(port_own, ports, port)
LIST(port_original, ports, original_port)
LIST(port_other, ports, other_port)
LIST(pid_of_peer, pids, pid)
LIST(pid_other, pids, other_pid)
LIST(role_client, roles, client)
TEXT(service, services, "sh*")
TEXT(service_other, services, "x*")
TEXT(peer_service, peers, "front*")
TEXT(peer_address, peers, "10.0.0.2")
TEXT(peer_other, peers, "10.0.0.1")
TEXT(comm, comms, "curl")
TEXT(container, containers, "0123")
SET(failed, failed_only, true)
SET(errors, errors_only, true)
SET(long_ones, min_duration_ns, 2500000000)
SET(longer_ones, min_duration_ns, 2500000001)

VARY(refused, connect_error, SONDE_CONNECT_REFUSED)
VARY(reset, reset_by, SONDE_ROLE_CLIENT)
VARY(timed_out, timed_out, true)
VARY(icmp, port_unreachable, 1)
VARY(open, state, SONDE_TCP_ESTABLISHED)
VARY(flow, transport, SONDE_TRANSPORT_UDP)

static const struct {
	const char *name;
	void (*condition)(Sonde__Filter *f);
	void (*vary)(struct sonde_connection *c);
	bool passes;
} samples[] = {
	{ "udp: tcp", udp, NULL, false },
	{ "udp: udp", udp, flow, true },
	{ "any transport", tcp_or_udp, NULL, true },
	{ "state", state_closed, NULL, true },
	{ "state: another", state_closed, open, false },
	{ "id", id_own, NULL, true },
	{ "id: another", id_other, NULL, false },
	{ "port", port_own, NULL, true },
	{ "port that was asked for", port_original, NULL, true },
	{ "port: another", port_other, NULL, false },
	{ "pid of the peer", pid_of_peer, NULL, true },
	{ "pid: another", pid_other, NULL, false },
	{ "role", role_client, NULL, false },
	{ "service", service, NULL, true },
	{ "service: another", service_other, NULL, false },
	{ "peer by service", peer_service, NULL, true },
	{ "peer by address", peer_address, NULL, true },
	{ "peer: the own address", peer_other, NULL, false },
	{ "comm of the peer", comm, NULL, true },
	{ "container", container, NULL, true },
	{ "failed: it did not", failed, NULL, false },
	{ "failed: reset later", failed, reset, false },
	{ "failed: refused", failed, refused, true },
	{ "error: none", errors, NULL, false },
	{ "error: refused", errors, refused, true },
	{ "error: reset", errors, reset, true },
	{ "error: timed out", errors, timed_out, true },
	{ "error: unreachable port", errors, icmp, true },
	{ "duration: exactly", long_ones, NULL, true },
	{ "duration: less", longer_ones, NULL, false },
};

static void each_condition_holds_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct sonde_connection c = sample_connection();
		Sonde__Filter message = SONDE__FILTER__INIT;
		struct sonde_filter *f;
		char error[128];

		samples[i].condition(&message);
		if (samples[i].vary)
			samples[i].vary(&c);
		assert_int_equal(sonde_filter_new(SONDE_FILTER_CONNECTIONS, &message, &f, error,
						  sizeof(error)),
				 0);
		if (sonde_filter_match_connection(f, &c) != samples[i].passes)
			fail_msg("%s", samples[i].name);
		sonde_filter_free(f);
	}
}

static Sonde__Protocol http[] = { SONDE__PROTOCOL__PROTOCOL_HTTP1 };
static Sonde__Transport wrong_transport[] = { (Sonde__Transport)7 };
static Sonde__TcpState wrong_state[] = { SONDE__TCP_STATE__TCP_UNKNOWN };
static Sonde__Filter__StatusRange range = { .first = 500, .last = 599 };
static Sonde__Filter__StatusRange *ranges[] = { &range };
static uint64_t many_ids[SONDE_FILTER_VALUES + 1];

LIST(protocol, protocols, http)
LIST(status, statuses, ranges)
TEXT(path, paths, "/")
TEXT(method, methods, "GET")
LIST(transport_unknown, transports, wrong_transport)
LIST(state_unknown, states, wrong_state)
LIST(ids_beyond, ids, many_ids)

static void refuses(enum sonde_filter_subject subject, void (*condition)(Sonde__Filter *))
{
	Sonde__Filter message = SONDE__FILTER__INIT;
	struct sonde_filter *f = NULL;
	char error[128] = "";

	condition(&message);
	assert_int_equal(sonde_filter_new(subject, &message, &f, error, sizeof(error)), -EINVAL);
	assert_null(f);
	assert_memory_equal(error, "filter: ", 8);
}

static void conditions_of_the_other_subject_are_refused(void **state)
{
	static void (*const of_requests[])(Sonde__Filter *) = { protocol, status, path, method };
	static void (*const of_connections[])(Sonde__Filter *) = { udp, state_closed, failed,
								   id_own };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		refuses(SONDE_FILTER_CONNECTIONS, of_requests[i]);
		refuses(SONDE_FILTER_REQUESTS, of_connections[i]);
	}
}

static void values_that_mean_nothing_are_refused(void **state)
{
	(void)state;
	refuses(SONDE_FILTER_CONNECTIONS, transport_unknown);
	refuses(SONDE_FILTER_CONNECTIONS, state_unknown);
	refuses(SONDE_FILTER_CONNECTIONS, ids_beyond);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_condition_holds_or_not),
		cmocka_unit_test(conditions_of_the_other_subject_are_refused),
		cmocka_unit_test(values_that_mean_nothing_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
