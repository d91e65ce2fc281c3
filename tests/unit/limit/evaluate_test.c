// SPDX-License-Identifier: Apache-2.0
/*
 * Rules tried on packets: who is covered, who has room, and who is never asked.
 */
#include "agent/limit/evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/core/clock.h"
#include "agent/limit/top.h"
#include "agent/limit/view.h"

#define S SONDE_NS_PER_SEC

static struct sonde_limit_spec rules[8];
static struct sonde_limit_allow allows[4];
static size_t n_rules, n_allows;
static struct sonde_limit_evaluator *evaluator;

static int setup(void **state)
{
	(void)state;
	n_rules = n_allows = 0;
	evaluator = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sonde_limit_evaluator_free(evaluator);
	return 0;
}

/* "key=value ..." on top of name, eth0 and a rate of 1/s with a burst of 1. */
static void rule(const char *name, const char *text)
{
	struct sonde_limit_spec *s = &rules[n_rules++];
	struct sonde_slice rest = sonde_slice_str(text);

	sonde_limit_spec_init(s);
	assert_null(sonde_limit_spec_set(s, "name", sonde_slice_str(name)));
	assert_null(sonde_limit_spec_set(s, "iface", SONDE_SLICE_LIT("eth0")));
	s->rate = s->burst = 1;
	while (rest.len) {
		size_t end = sonde_slice_find(rest, 0, ' '), eq = sonde_slice_find(rest, 0, '=');
		char key[16] = "";

		memcpy(key, rest.ptr, eq);
		assert_null(
			sonde_limit_spec_set(s, key, sonde_slice_sub(rest, eq + 1, end - eq - 1)));
		rest = sonde_slice_from(rest, end + 1);
	}
	assert_null(sonde_limit_spec_complete(s));
}

static struct sonde_limit_outcome try_at(const char *packet, uint64_t now_ns)
{
	struct sonde_limit_packet p;
	struct sonde_limit_outcome o;

	if (!evaluator)
		assert_int_equal(
			sonde_limit_evaluator_new(rules, n_rules, allows, n_allows, &evaluator), 0);
	assert_null(sonde_limit_packet_parse(sonde_slice_str(packet), &p));
	sonde_limit_evaluate(evaluator, &p, NULL, 1000 * S + now_ns, &o);
	return o;
}

static enum sonde_limit_verdict verdict(const char *packet, uint64_t now_ns)
{
	return try_at(packet, now_ns).verdict;
}

static void only_what_matches_in_everything_is_covered(void **state)
{
	static const char *const covered[] = { "src=10.0.0.1,proto=tcp,dport=80,syn",
					       "src=10.9.0.1,proto=tcp,dport=89,syn" };
	static const char *const others[] = {
		"src=11.0.0.1,proto=tcp,dport=80,syn",	  "src=10.0.0.1,proto=tcp,dport=79,syn",
		"src=10.0.0.1,proto=tcp,dport=90,syn",	  "src=10.0.0.1,proto=tcp,dport=80",
		"src=10.0.0.1,proto=udp,dport=80",	  "src=10.0.0.1,proto=tcp,syn,fragment",
		"src=2001:db8::1,proto=tcp,dport=80,syn",
	};

	(void)state;
	rule("a", "src=10.0.0.0/8 dport=80-89 unit=connections");
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(verdict(covered[i], 0), SONDE_LIMIT_PASSED);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(verdict(others[i], 0), SONDE_LIMIT_UNCOVERED);
}

static void beyond_burst_and_rate_a_source_is_limited_and_others_are_not(void **state)
{
	(void)state;
	rule("a", "rate=10/s burst=3");
	for (int i = 0; i < 3; i++)
		assert_int_equal(verdict("src=10.0.0.1", 0), SONDE_LIMIT_PASSED);
	assert_int_equal(verdict("src=10.0.0.1", 0), SONDE_LIMIT_LIMITED);
	assert_int_equal(verdict("src=10.0.0.2", 0), SONDE_LIMIT_PASSED);
	assert_int_equal(verdict("src=10.0.0.1", S / 10 - 1), SONDE_LIMIT_LIMITED);
	assert_int_equal(verdict("src=10.0.0.1", S / 10), SONDE_LIMIT_PASSED);
	assert_int_equal(verdict("src=10.0.0.1", S / 10), SONDE_LIMIT_LIMITED);
}

static void a_steady_excess_passes_the_rate(void **state)
{
	int passed = 0;

	(void)state;
	rule("a", "rate=100/s burst=1");
	for (uint64_t i = 0; i < 10000; i++)
		passed += verdict("src=10.0.0.1", i * S / 1000) == SONDE_LIMIT_PASSED;
	assert_in_range(passed, 999, 1001);
}

static void sources_share_what_the_rule_says_they_share(void **state)
{
	(void)state;
	rule("a", "per=/24 src=10.0.0.0/8");
	rule("b", "per=rule src=11.0.0.0/8");
	rule("c", "per=/64 src=2001:db8::/32");
	assert_int_equal(verdict("src=10.0.0.1", 0), SONDE_LIMIT_PASSED);
	assert_int_equal(verdict("src=10.0.0.2", 0), SONDE_LIMIT_LIMITED);
	assert_int_equal(verdict("src=10.0.1.1", 0), SONDE_LIMIT_PASSED);
	assert_int_equal(verdict("src=11.0.0.1", 0), SONDE_LIMIT_PASSED);
	assert_int_equal(verdict("src=11.7.0.1", 0), SONDE_LIMIT_LIMITED);
	assert_int_equal(verdict("src=2001:db8::1", 0), SONDE_LIMIT_PASSED);
	assert_int_equal(verdict("src=2001:db8::2", 0), SONDE_LIMIT_LIMITED);
	assert_int_equal(verdict("src=2001:db8:0:1::1", 0), SONDE_LIMIT_PASSED);
}

static void bytes_are_charged_by_size(void **state)
{
	(void)state;
	rule("a", "unit=bytes rate=1000/s burst=1000");
	assert_int_equal(verdict("src=10.0.0.1,len=600", 0), SONDE_LIMIT_PASSED);
	assert_int_equal(verdict("src=10.0.0.1,len=401", 0), SONDE_LIMIT_LIMITED);
	assert_int_equal(verdict("src=10.0.0.1,len=400", 0), SONDE_LIMIT_PASSED);
}

static void the_rule_with_the_lower_priority_is_named(void **state)
{
	(void)state;
	rule("late", "priority=200");
	rule("early", "priority=1 burst=2");
	assert_string_equal(try_at("src=10.0.0.1", 0).rule->name, "early");
	assert_string_equal(try_at("src=10.0.0.1", 0).rule->name, "late");
	assert_string_equal(try_at("src=10.0.0.1", 0).rule->name, "early");
}

static void a_rule_that_only_counts_limits_nothing(void **state)
{
	(void)state;
	rule("counts", "action=count priority=1");
	rule("drops", "burst=2");
	assert_int_equal(verdict("src=10.0.0.1", 0), SONDE_LIMIT_PASSED);
	assert_int_equal(verdict("src=10.0.0.1", 0), SONDE_LIMIT_COUNTED);
	assert_int_equal(verdict("src=10.0.0.1", 0), SONDE_LIMIT_LIMITED);
}

static void the_allowed_and_the_exempt_are_never_limited(void **state)
{
	(void)state;
	rule("a", "");
	assert_null(sonde_limit_network_parse(SONDE_SLICE_LIT("10.1.0.0/16"), &allows[0].network));
	n_allows = 1;
	for (int i = 0; i < 9; i++) {
		assert_int_equal(verdict("src=10.1.2.3", 0), SONDE_LIMIT_LET);
		assert_int_equal(verdict("0200000000010200000000020806", 0), SONDE_LIMIT_EXEMPT);
	}
	assert_int_equal(verdict("src=10.2.0.1", 0), SONDE_LIMIT_PASSED);
}

static void rules_of_another_interface_are_not_asked(void **state)
{
	struct sonde_limit_packet p;
	struct sonde_limit_outcome o;

	(void)state;
	rule("a", "");
	verdict("src=10.0.0.9", 0);
	assert_null(sonde_limit_packet_parse(SONDE_SLICE_LIT("src=10.0.0.1"), &p));
	sonde_limit_evaluate(evaluator, &p, "eth1", 1000 * S, &o);
	assert_int_equal(o.verdict, SONDE_LIMIT_UNCOVERED);
	sonde_limit_evaluate(evaluator, &p, "eth0", 1000 * S, &o);
	assert_int_equal(o.verdict, SONDE_LIMIT_PASSED);
}

/* ---- top, view ---- */

static void the_heaviest_sources_are_known_though_many_come(void **state)
{
	struct sonde_limit_top top = { .n = 0 };
	struct sonde_limit_source out[4];
	uint8_t address[16] = { 0 };

	(void)state;
	for (int i = 0; i < 5000; i++) {
		address[0] = 1;
		address[1] = (uint8_t)(i >> 8);
		address[2] = (uint8_t)i;
		sonde_limit_top_add(&top, address, 1);
		memset(address, 0, sizeof(address));
		address[15] = (uint8_t)(i % 3 == 0 ? 1 : 2);
		sonde_limit_top_add(&top, address, 100);
	}
	assert_int_equal(top.n, SONDE_LIMIT_TOP);
	assert_int_equal(sonde_limit_top_get(&top, out, 4), 4);
	assert_int_equal(out[0].address[15], 2);
	assert_int_equal(out[1].address[15], 1);
	assert_in_range(out[0].limited, 333300, 333300 + 5000);
	assert_true(out[1].limited > out[2].limited);
}

static void a_reader_between_begin_and_end_gets_nothing(void **state)
{
	static struct sonde_limit_view view, copy;

	(void)state;
	view.n_rules = 1;
	snprintf(view.rules[0].spec.name, sizeof(view.rules[0].spec.name), "a");
	assert_true(sonde_limit_view_read(&view, &copy));
	assert_string_equal(copy.rules[0].spec.name, "a");
	sonde_limit_view_begin(&view);
	assert_false(sonde_limit_view_read(&view, &copy));
	sonde_limit_view_end(&view);
	view.n_rules = SONDE_LIMIT_RULES + 1;
	assert_true(sonde_limit_view_read(&view, &copy));
	assert_int_equal(copy.n_rules, SONDE_LIMIT_RULES);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(only_what_matches_in_everything_is_covered),
		T(beyond_burst_and_rate_a_source_is_limited_and_others_are_not),
		T(a_steady_excess_passes_the_rate),
		T(sources_share_what_the_rule_says_they_share),
		T(bytes_are_charged_by_size),
		T(the_rule_with_the_lower_priority_is_named),
		T(a_rule_that_only_counts_limits_nothing),
		T(the_allowed_and_the_exempt_are_never_limited),
		T(rules_of_another_interface_are_not_asked),
		T(the_heaviest_sources_are_known_though_many_come),
		T(a_reader_between_begin_and_end_gets_nothing),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
