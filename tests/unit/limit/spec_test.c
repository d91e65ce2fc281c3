// SPDX-License-Identifier: Apache-2.0
/*
 * A rule says what it means or why it cannot be, and is written back as it was read.
 */
#include "agent/limit/spec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "agent/core/clock.h"

/* "key=value key=value": NULL, or what is wrong with one of them. */
static const char *set_words(struct sonde_limit_spec *spec, const char *text)
{
	struct sonde_slice rest = sonde_slice_str(text);

	while (rest.len) {
		size_t end = sonde_slice_find(rest, 0, ' '), eq = sonde_slice_find(rest, 0, '=');
		char key[16] = "";
		const char *wrong;

		memcpy(key, rest.ptr, eq);
		wrong = sonde_limit_spec_set(spec, key,
					     sonde_slice_sub(rest, eq + 1, end - eq - 1));
		if (wrong)
			return wrong;
		rest = sonde_slice_from(rest, end + 1);
	}
	return NULL;
}

static const char *make(struct sonde_limit_spec *spec, const char *text)
{
	const char *wrong;

	sonde_limit_spec_init(spec);
	wrong = set_words(spec, text);
	return wrong ? wrong : sonde_limit_spec_complete(spec);
}

static const char *print(const struct sonde_limit_spec *spec)
{
	static char text[512];
	struct sonde_buf b;

	sonde_buf_over(&b, text, sizeof(text) - 1);
	sonde_limit_spec_print(spec, &b);
	text[b.len] = '\0';
	return text;
}

static void what_is_left_out_gets_a_sensible_value(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "name=a iface=eth0 rate=100/s",
		  "iface=eth0 per=source rate=100/s burst=10 unit=packets action=drop ttl=1h "
		  "priority=100" },
		{ "name=a iface=eth0 rate=100/s unit=connections dport=443",
		  "iface=eth0 per=source dport=443 proto=tcp rate=100/s burst=10 unit=connections "
		  "action=drop ttl=1h priority=100" },
		{ "name=a iface=eth0 rate=1M/s",
		  "iface=eth0 per=source rate=1M/s burst=100K unit=packets action=drop ttl=1h "
		  "priority=100" },
		{ "name=a iface=eth0 rate=1K/s unit=bytes",
		  "iface=eth0 per=source rate=1K/s burst=128Ki unit=bytes action=drop ttl=1h "
		  "priority=100" },
		{ "name=a iface=eth0 rate=1/s unit=requests ttl=none",
		  "iface=eth0 per=source proto=tcp rate=1/s burst=10 unit=requests action=drop "
		  "ttl=none priority=100" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sonde_limit_spec s;

		assert_null(make(&s, rows[i].text));
		assert_string_equal(print(&s), rows[i].want);
	}
}

static void a_rule_reads_back_as_it_was_written(void **state)
{
	static const char *const rows[] = {
		"iface=eth0.7 src=192.0.2.0/24 per=/24 dport=8000-8099 proto=udp rate=10K/s "
		"burst=1 "
		"unit=bytes action=count ttl=90s priority=0",
		"iface=veth@a src=2001:db8::/32 per=/64 proto=icmp rate=1/s burst=1 unit=packets "
		"action=drop ttl=none priority=65535",
		"iface=eth0 src=192.0.2.7 per=rule dport=443 proto=tcp rate=5/s burst=2 "
		"unit=requests action=drop ttl=1d priority=1",
		"iface=eth0 src=0.0.0.0/0 per=source rate=5/s burst=2 unit=packets action=drop "
		"ttl=1h priority=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sonde_limit_spec a, b;
		char text[512];

		assert_null(sonde_limit_spec_set((sonde_limit_spec_init(&a), &a), "name",
						 SONDE_SLICE_LIT("x")));
		assert_null(set_words(&a, rows[i]));
		assert_null(sonde_limit_spec_complete(&a));
		strcpy(text, print(&a));
		assert_string_equal(text, rows[i]);
		sonde_limit_spec_init(&b);
		sonde_limit_spec_set(&b, "name", SONDE_SLICE_LIT("x"));
		assert_null(set_words(&b, text));
		assert_null(sonde_limit_spec_complete(&b));
		assert_true(sonde_limit_spec_equal(&a, &b));
	}
}

static void a_mistake_is_named_and_changes_nothing(void **state)
{
	static const struct {
		const char *key, *text;
	} rows[] = {
		{ "name", "" },
		{ "name", "two words" },
		{ "name", "-x" },
		{ "name", "12345678901234567890123456789012" },
		{ "iface", "" },
		{ "iface", "a/b" },
		{ "iface", "1234567890123456" },
		{ "src", "10.0.0.1/8" },
		{ "src", "10.0.0.0/33" },
		{ "src", "fd00::/129" },
		{ "src", "host" },
		{ "src", "10.0.0.0/" },
		{ "src", "fe80::1%eth0" },
		{ "per", "/32" },
		{ "dport", "0" },
		{ "dport", "65536" },
		{ "dport", "90-80" },
		{ "dport", "80-" },
		{ "dport", "http" },
		{ "proto", "sctp" },
		{ "rate", "100" },
		{ "burst", "0" },
		{ "unit", "frames" },
		{ "action", "reject" },
		{ "ttl", "0" },
		{ "priority", "65536" },
		{ "priority", "-1" },
		{ "colour", "red" },
	};
	struct sonde_limit_spec before, s;

	(void)state;
	assert_null(make(&before, "name=a iface=eth0 rate=1/s"));
	s = before;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_non_null(
			sonde_limit_spec_set(&s, rows[i].key, sonde_slice_str(rows[i].text)));
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void what_does_not_go_together_is_refused(void **state)
{
	static const char *const rows[] = {
		"name=a rate=1/s",
		"iface=eth0 rate=1/s",
		"name=a iface=eth0",
		"name=a iface=eth0 rate=1/s unit=connections proto=udp",
		"name=a iface=eth0 rate=1/s unit=requests proto=icmp",
		"name=a iface=eth0 rate=1/s dport=80 proto=icmp",
		"name=a iface=eth0 rate=1/s burst=32400",
	};
	struct sonde_limit_spec s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_non_null(make(&s, rows[i]));
}

/* What a worker gone wrong might send. */
static void fields_out_of_range_are_refused(void **state)
{
	struct sonde_limit_spec good, s;

	(void)state;
	assert_null(make(&good, "name=a iface=eth0 rate=1/s"));
#define REFUSED(change)                                         \
	do {                                                    \
		s = good;                                       \
		change;                                         \
		assert_non_null(sonde_limit_spec_complete(&s)); \
	} while (0)
	REFUSED(memset(s.name, 'a', sizeof(s.name)));
	REFUSED(memset(s.iface, 'a', sizeof(s.iface)));
	REFUSED(s.name[0] = '\n');
	REFUSED(s.iface[0] = '/');
	REFUSED(s.per = SONDE_LIMIT_PERS);
	REFUSED(s.unit = SONDE_LIMIT_UNITS);
	REFUSED(s.proto = SONDE_LIMIT_PROTOS);
	REFUSED(s.action = SONDE_LIMIT_ACTIONS);
	REFUSED(s.source.bits = 129);
	REFUSED(s.port_first = 2);
	REFUSED(s.port_last = 2);
	REFUSED(s.priority = 65536);
	REFUSED(s.rate = UINT64_C(1000000000001));
	REFUSED(s.burst = UINT64_C(1000000000001));
#undef REFUSED
	s = good;
	assert_null(sonde_limit_spec_complete(&s));
}

static void a_network_holds_its_own_family_alone(void **state)
{
	static const struct {
		const char *network, *address;
		bool holds;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "10.0.0.128/25", "10.0.0.127", false },
		{ "10.0.0.128/25", "10.0.0.128", true },
		{ "0.0.0.0/0", "192.0.2.1", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "2001:db8::/33", "2001:db8:7fff::", true },
		{ "::/0", "192.0.2.1", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sonde_limit_network n, a;

		assert_null(sonde_limit_network_parse(sonde_slice_str(rows[i].network), &n));
		assert_null(sonde_limit_network_parse(sonde_slice_str(rows[i].address), &a));
		assert_int_equal(sonde_limit_network_holds(&n, a.address), rows[i].holds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out_gets_a_sensible_value),
		cmocka_unit_test(a_rule_reads_back_as_it_was_written),
		cmocka_unit_test(a_mistake_is_named_and_changes_nothing),
		cmocka_unit_test(what_does_not_go_together_is_refused),
		cmocka_unit_test(fields_out_of_range_are_refused),
		cmocka_unit_test(a_network_holds_its_own_family_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
