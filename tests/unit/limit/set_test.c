// SPDX-License-Identifier: Apache-2.0
/*
 * Rules live as long as they were given, end unless confirmed, and change all at once or not.
 */
#include "agent/limit/set.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/core/clock.h"
#include "agent/limit/state.h"

#define S SONDE_NS_PER_SEC

static struct sonde_limit_set *set;

static int setup(void **state)
{
	(void)state;
	set = calloc(1, sizeof(*set));
	return set ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(set);
	return 0;
}

static struct sonde_limit_spec spec(const char *name, const char *iface, uint64_t rate)
{
	struct sonde_limit_spec s;

	sonde_limit_spec_init(&s);
	assert_null(sonde_limit_spec_set(&s, "name", sonde_slice_str(name)));
	assert_null(sonde_limit_spec_set(&s, "iface", sonde_slice_str(iface)));
	s.rate = rate;
	assert_null(sonde_limit_spec_complete(&s));
	return s;
}

static const char *add(const char *name, uint64_t trial_ns, uint64_t now_ns)
{
	struct sonde_limit_spec s = spec(name, "eth0", 100);

	return sonde_limit_set_add(set, &s, SONDE_LIMIT_BY_PERSON, trial_ns, now_ns);
}

static struct sonde_limit_network network(const char *text)
{
	struct sonde_limit_network n;

	assert_null(sonde_limit_network_parse(sonde_slice_str(text), &n));
	return n;
}

static void a_rule_that_nobody_confirms_ends_with_its_trial(void **state)
{
	(void)state;
	assert_null(add("a", 60 * S, 1000 * S));
	assert_int_equal(sonde_limit_entry_state(&set->entries[0]), SONDE_LIMIT_TRIAL);
	assert_int_equal(sonde_limit_entry_ends_ns(&set->entries[0]), 1060 * S);
	assert_int_equal(sonde_limit_set_expire(set, 1060 * S - 1, NULL, NULL), 0);
	assert_int_equal(sonde_limit_set_expire(set, 1060 * S, NULL, NULL), 1);
	assert_int_equal(set->n_entries, 0);
}

static void a_confirmed_rule_lives_for_its_time_since_it_was_added(void **state)
{
	(void)state;
	assert_null(add("a", 60 * S, 1000 * S));
	assert_null(add("b", 60 * S, 1000 * S));
	assert_int_equal(sonde_limit_set_confirm(set, "a"), 1);
	assert_int_equal(sonde_limit_set_confirm(set, "a"), 0);
	assert_int_equal(sonde_limit_set_confirm(set, "z"), 0);
	assert_int_equal(sonde_limit_entry_state(&set->entries[0]), SONDE_LIMIT_ACTIVE);
	assert_int_equal(sonde_limit_set_expire(set, 1060 * S, NULL, NULL), 1);
	assert_string_equal(set->entries[0].spec.name, "a");
	assert_int_equal(sonde_limit_set_expire(set, 4600 * S - 1, NULL, NULL), 0);
	assert_int_equal(sonde_limit_set_expire(set, 4600 * S, NULL, NULL), 1);
}

static void without_a_name_all_trials_are_confirmed(void **state)
{
	(void)state;
	assert_null(add("a", 60 * S, 0));
	assert_null(add("b", 60 * S, 0));
	assert_null(add("c", 0, 0));
	assert_int_equal(sonde_limit_set_confirm(set, NULL), 2);
	assert_int_equal(sonde_limit_set_expire(set, 100 * S, NULL, NULL), 0);
}

static void a_time_to_live_may_be_shorter_than_the_trial(void **state)
{
	struct sonde_limit_spec s = spec("a", "eth0", 1);

	(void)state;
	s.ttl_ns = 5 * S;
	assert_null(sonde_limit_set_add(set, &s, SONDE_LIMIT_BY_PERSON, 60 * S, 0));
	assert_int_equal(sonde_limit_entry_ends_ns(&set->entries[0]), 5 * S);
}

static void none_lives_for_ever(void **state)
{
	struct sonde_limit_spec s = spec("a", "eth0", 1);

	(void)state;
	s.ttl_ns = SONDE_LIMIT_FOREVER;
	assert_null(sonde_limit_set_add(set, &s, SONDE_LIMIT_BY_PERSON, 0, 5));
	assert_int_equal(sonde_limit_set_expire(set, UINT64_MAX - 1, NULL, NULL), 0);
}

static void a_name_is_taken_once(void **state)
{
	uint64_t generation;

	(void)state;
	assert_null(add("a", 0, 0));
	generation = set->generation;
	assert_non_null(add("a", 0, 0));
	assert_int_equal(set->generation, generation);
	assert_true(sonde_limit_set_remove(set, "a"));
	assert_false(sonde_limit_set_remove(set, "a"));
	assert_null(add("a", 0, 0));
	assert_int_equal(set->entries[0].id, 2);
}

static void rules_and_interfaces_are_bounded(void **state)
{
	char name[16], iface[16];

	(void)state;
	for (int i = 0; i < SONDE_LIMIT_IFACES; i++) {
		struct sonde_limit_spec s;

		snprintf(name, sizeof(name), "i%d", i);
		snprintf(iface, sizeof(iface), "eth%d", i);
		s = spec(name, iface, 1);
		assert_null(sonde_limit_set_add(set, &s, SONDE_LIMIT_BY_PERSON, 0, 0));
	}
	{
		struct sonde_limit_spec s = spec("one-more", "other", 1);

		assert_non_null(sonde_limit_set_add(set, &s, SONDE_LIMIT_BY_PERSON, 0, 0));
	}
	for (int i = SONDE_LIMIT_IFACES; i < SONDE_LIMIT_RULES; i++) {
		snprintf(name, sizeof(name), "r%d", i);
		assert_null(add(name, 0, 0));
	}
	assert_non_null(add("too-many", 0, 0));
	assert_int_equal(set->n_entries, SONDE_LIMIT_RULES);
}

static void the_panic_switch_mutes_all_and_lets_go_again(void **state)
{
	(void)state;
	assert_null(add("a", 0, 0));
	assert_null(add("b", 0, 0));
	sonde_limit_set_trip(set, &set->entries[1]);
	assert_int_equal(sonde_limit_entry_mute(&set->entries[1]), SONDE_LIMIT_MUTE_BREAKER);
	assert_int_equal(sonde_limit_set_off(set, true), 2);
	assert_int_equal(sonde_limit_set_off(set, true), 0);
	assert_int_equal(sonde_limit_entry_mute(&set->entries[0]), SONDE_LIMIT_MUTE_OFF);
	assert_null(add("c", 0, 0));
	assert_int_equal(sonde_limit_entry_mute(&set->entries[2]), SONDE_LIMIT_MUTE_NONE);
	assert_int_equal(sonde_limit_set_off(set, false), 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sonde_limit_entry_mute(&set->entries[i]), SONDE_LIMIT_MUTE_NONE);
}

/* ---- reload ---- */

static size_t at;

static const char *reload(const struct sonde_limit_wish *wishes, size_t n, uint64_t now_ns)
{
	at = SIZE_MAX;
	return sonde_limit_set_reload(set, wishes, n, now_ns, &at);
}

static void a_reload_keeps_what_is_the_same_word_by_word(void **state)
{
	struct sonde_limit_wish w[] = { { spec("a", "eth0", 1), 60 * S },
					{ spec("b", "eth0", 2), 60 * S } };

	(void)state;
	assert_null(add("mine", 0, 0));
	assert_null(reload(w, 2, 0));
	assert_int_equal(sonde_limit_set_confirm(set, NULL), 2);
	w[1].spec.rate = 3;
	assert_null(reload(w, 2, 10 * S));
	assert_int_equal(set->n_entries, 3);
	assert_int_equal(sonde_limit_entry_state(sonde_limit_set_find(set, "a")),
			 SONDE_LIMIT_ACTIVE);
	assert_int_equal(sonde_limit_set_find(set, "a")->id, 2);
	assert_int_equal(sonde_limit_entry_state(sonde_limit_set_find(set, "b")),
			 SONDE_LIMIT_TRIAL);
	assert_int_equal(sonde_limit_set_find(set, "b")->spec.rate, 3);
	assert_null(reload(w, 0, 20 * S));
	assert_int_equal(set->n_entries, 1);
	assert_string_equal(set->entries[0].spec.name, "mine");
}

static void a_reload_that_fails_changes_nothing(void **state)
{
	struct sonde_limit_wish w[] = { { spec("new", "eth0", 1), 0 },
					{ spec("mine", "eth0", 2), 0 } };
	static struct sonde_limit_set before;

	(void)state;
	assert_null(add("mine", 0, 0));
	before = *set;
	assert_non_null(reload(w, 2, 0));
	assert_int_equal(at, 1);
	assert_memory_equal(set, &before, sizeof(before));
	w[1] = w[0];
	assert_null(reload(w, 1, 0));
}

static void a_rule_of_the_config_that_has_ended_does_not_come_back_by_itself(void **state)
{
	struct sonde_limit_wish w = { spec("a", "eth0", 1), 60 * S };

	(void)state;
	assert_null(reload(&w, 1, 0));
	assert_int_equal(sonde_limit_set_expire(set, 60 * S, NULL, NULL), 1);
	assert_int_equal(sonde_limit_entry_state(&set->entries[0]), SONDE_LIMIT_ENDED);
	assert_int_equal(sonde_limit_set_expire(set, 61 * S, NULL, NULL), 0);
	assert_null(reload(&w, 1, 70 * S));
	assert_int_equal(sonde_limit_entry_state(&set->entries[0]), SONDE_LIMIT_ENDED);
	w.spec.rate = 2;
	assert_null(reload(&w, 1, 70 * S));
	assert_int_equal(set->n_entries, 1);
	assert_int_equal(sonde_limit_entry_state(&set->entries[0]), SONDE_LIMIT_TRIAL);
}

/* ---- allowed ---- */

static void addresses_are_allowed_for_each_reason_apart(void **state)
{
	struct sonde_limit_network a = network("192.0.2.0/24"), host = network("192.0.2.7"),
				   far = network("198.51.100.1");

	(void)state;
	assert_null(sonde_limit_allow_add(set, &a, SONDE_LIMIT_ALLOW_PERSON));
	assert_null(sonde_limit_allow_add(set, &a, SONDE_LIMIT_ALLOW_PERSON));
	assert_null(sonde_limit_allow_add(set, &a, SONDE_LIMIT_ALLOW_CONFIG));
	assert_int_equal(set->n_allows, 2);
	assert_non_null(sonde_limit_allow_find(set, host.address));
	assert_null(sonde_limit_allow_find(set, far.address));
	assert_true(sonde_limit_allow_remove(set, &a, SONDE_LIMIT_ALLOW_PERSON));
	assert_false(sonde_limit_allow_remove(set, &a, SONDE_LIMIT_ALLOW_PERSON));
	assert_int_equal(sonde_limit_allow_find(set, host.address)->why, SONDE_LIMIT_ALLOW_CONFIG);
}

static void what_the_node_says_replaces_what_it_said(void **state)
{
	struct sonde_limit_network two[] = { network("192.0.2.1"), network("192.0.2.2") };
	uint64_t generation;

	(void)state;
	assert_int_equal(sonde_limit_allow_replace(set, SONDE_LIMIT_ALLOW_GATEWAY, two, 2), 0);
	generation = set->generation;
	assert_int_equal(sonde_limit_allow_replace(set, SONDE_LIMIT_ALLOW_GATEWAY, two, 2), 0);
	assert_int_equal(set->generation, generation);
	assert_int_equal(sonde_limit_allow_replace(set, SONDE_LIMIT_ALLOW_GATEWAY, two + 1, 1), 0);
	assert_int_equal(set->n_allows, 1);
	assert_null(sonde_limit_allow_find(set, two[0].address));
}

static void the_oldest_ssh_peer_makes_room_and_the_list_is_bounded(void **state)
{
	struct sonde_limit_network n = network("10.0.0.0");

	(void)state;
	for (int i = 0; i < SONDE_LIMIT_SSH_PEERS + 5; i++) {
		n.address[15] = (uint8_t)i;
		assert_null(sonde_limit_allow_add(set, &n, SONDE_LIMIT_ALLOW_SSH));
	}
	assert_int_equal(set->n_allows, SONDE_LIMIT_SSH_PEERS);
	assert_int_equal(set->allows[0].network.address[15], 5);
	for (int i = 0; i < SONDE_LIMIT_ALLOWS - SONDE_LIMIT_SSH_PEERS; i++) {
		n.address[14] = (uint8_t)(1 + i / 256);
		n.address[15] = (uint8_t)i;
		assert_null(sonde_limit_allow_add(set, &n, SONDE_LIMIT_ALLOW_PERSON));
	}
	n.address[13] = 1;
	assert_non_null(sonde_limit_allow_add(set, &n, SONDE_LIMIT_ALLOW_PERSON));
	assert_int_equal(sonde_limit_allow_replace(set, SONDE_LIMIT_ALLOW_CONFIG, &n, 1), 1);
}

/* ---- state ---- */

static char text[1 << 20];

static struct sonde_slice print(void)
{
	struct sonde_buf b;

	sonde_buf_over(&b, text, sizeof(text));
	sonde_limit_state_print(set, SONDE_SLICE_LIT("boot-1"), &b);
	assert_false(b.failed);
	return sonde_buf_slice(&b);
}

static void fill_for_state(void)
{
	struct sonde_limit_wish w = { spec("conf", "eth1", 7), 60 * S };
	struct sonde_limit_network a = network("192.0.2.0/24"), b = network("2001:db8::1");

	assert_null(add("a", 60 * S, 5));
	assert_null(add("b", 0, 6));
	sonde_limit_set_off(set, true);
	sonde_limit_set_trip(set, &set->entries[1]);
	assert_null(sonde_limit_set_reload(set, &w, 1, 7, &at));
	set->entries[2].ended = true;
	assert_null(sonde_limit_allow_add(set, &a, SONDE_LIMIT_ALLOW_PERSON));
	assert_null(sonde_limit_allow_add(set, &b, SONDE_LIMIT_ALLOW_SSH));
}

static void a_state_reads_back_as_the_set_it_was(void **state)
{
	struct sonde_limit_set *back = calloc(1, sizeof(*back));
	size_t bad = 9;

	(void)state;
	assert_non_null(back);
	fill_for_state();
	assert_int_equal(sonde_limit_state_parse(print(), SONDE_SLICE_LIT("boot-1"), back, &bad),
			 0);
	assert_int_equal(bad, 0);
	assert_int_equal(back->n_entries, set->n_entries);
	assert_memory_equal(back->entries, set->entries, sizeof(set->entries));
	assert_memory_equal(back->allows, set->allows, sizeof(set->allows));
	assert_int_equal(back->generation, set->generation);
	assert_int_equal(back->last_id, set->last_id);
	free(back);
}

static void what_others_say_is_not_kept(void **state)
{
	struct sonde_limit_network a = network("192.0.2.1");

	(void)state;
	assert_null(sonde_limit_allow_add(set, &a, SONDE_LIMIT_ALLOW_GATEWAY));
	assert_null(sonde_limit_allow_add(set, &a, SONDE_LIMIT_ALLOW_CONFIG));
	assert_int_equal(sonde_slice_find(print(), 0, '\n') + 1, print().len);
}

static void a_state_of_another_boot_is_stale(void **state)
{
	size_t bad;

	(void)state;
	fill_for_state();
	assert_int_equal(sonde_limit_state_parse(print(), SONDE_SLICE_LIT("boot-2"), set, &bad),
			 -ESTALE);
	assert_int_equal(sonde_limit_state_parse(SONDE_SLICE_LIT("else"), SONDE_SLICE_LIT("boot-1"),
						 set, &bad),
			 -EINVAL);
	assert_int_equal(set->n_entries, 3);
}

static void lines_gone_bad_are_left_out_and_counted(void **state)
{
	static const char good[] = "rule a id=1 origin=0 added=1 trial=0 expires=9 ended=0 off=0 "
				   "tripped=0 iface=eth0 rate=1/s\n";
	static const char *const lines[] = {
		"rule\n",
		"rule a b\n",
		"rule b id=0 expires=9 iface=eth0 rate=1/s\n",
		"rule b id=9 expires=9 iface=eth0\n",
		"rule b id=9 iface=eth0 rate=1/s\n",
		"rule b id=9 expires=9 ended=2 iface=eth0 rate=1/s\n",
		"rule b id=9 expires=9 origin=2 iface=eth0 rate=1/s\n",
		"rule b id=99999999999 expires=9 iface=eth0 rate=1/s\n",
		"rule b id=9 expires=9 iface=eth0 rate=1/s a_key_that_nobody_knows=1\n",
		"allow\n",
		"allow 10.0.0.0/8\n",
		"allow 10.0.0.0/8 friend\n",
		"allow ten person\n",
		"else\n",
		"\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		size_t bad = 0;
		int n = snprintf(text, sizeof(text), "sonde-limit 1 boot-1\n%s%s", lines[i], good);

		memset(set, 0, sizeof(*set));
		assert_int_equal(sonde_limit_state_parse(sonde_slice_of(text, (size_t)n),
							 SONDE_SLICE_LIT("boot-1"), set, &bad),
				 0);
		assert_int_equal(bad, 1);
		assert_int_equal(set->n_entries, 1);
		assert_int_equal(set->n_allows, 0);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_rule_that_nobody_confirms_ends_with_its_trial),
		T(a_confirmed_rule_lives_for_its_time_since_it_was_added),
		T(without_a_name_all_trials_are_confirmed),
		T(a_time_to_live_may_be_shorter_than_the_trial),
		T(none_lives_for_ever),
		T(a_name_is_taken_once),
		T(rules_and_interfaces_are_bounded),
		T(the_panic_switch_mutes_all_and_lets_go_again),
		T(a_reload_keeps_what_is_the_same_word_by_word),
		T(a_reload_that_fails_changes_nothing),
		T(a_rule_of_the_config_that_has_ended_does_not_come_back_by_itself),
		T(addresses_are_allowed_for_each_reason_apart),
		T(what_the_node_says_replaces_what_it_said),
		T(the_oldest_ssh_peer_makes_room_and_the_list_is_bounded),
		T(a_state_reads_back_as_the_set_it_was),
		T(what_others_say_is_not_kept),
		T(a_state_of_another_boot_is_stale),
		T(lines_gone_bad_are_left_out_and_counted),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
