// SPDX-License-Identifier: Apache-2.0
/* Rules over the control socket: who may, what becomes a command, and what comes back. */
#include "tests/unit/daemon/control_fixture.h"

#include <errno.h>

#include "agent/core/clock.h"

enum { RULES = 150 };

static struct sonde_limit_command last; /* that was handed over */
static unsigned int n_commands;
static int refusal; /* what limit() answers */
static struct sonde_limit_view view;

static int source_limit(void *ctx, int fd, const struct sonde_limit_command *command)
{
	(void)ctx;
	assert_true(fd >= 0);
	last = *command;
	n_commands++;
	return refusal;
}

static const struct sonde_limit_view *source_limits(void *ctx)
{
	(void)ctx;
	return &view;
}

static size_t source_top(void *ctx, uint32_t id, struct sonde_limit_source *out, size_t max)
{
	(void)ctx;
	assert_true(max >= 1);
	memset(out[0].address, 0, sizeof(out[0].address));
	out[0].address[15] = (uint8_t)id;
	out[0].limited = 1000 + id;
	return 1;
}

static int setup(void **state)
{
	struct fixture *f;
	int err = fixture_open(state);

	if (err)
		return err;
	f = *state;
	f->control->source.limit = source_limit;
	f->control->source.limits = source_limits;
	f->control->source.limit_top = source_top;
	n_commands = 0;
	refusal = 0;
	memset(&last, 0, sizeof(last));
	memset(&view, 0, sizeof(view));
	return 0;
}

static void fill_view(uint32_t n)
{
	view.n_rules = n;
	view.n_ifaces = 1;
	view.n_allows = 1;
	view.memory_bytes = 4711;
	snprintf(view.ifaces[0].name, sizeof(view.ifaces[0].name), "eth0");
	view.ifaces[0].mode = SONDE_LIMIT_MODE_NATIVE;
	sonde_limit_network_parse(SONDE_SLICE_LIT("10.0.0.0/8"), &view.allows[0].network);
	for (uint32_t i = 0; i < n; i++) {
		struct sonde_limit_rule_view *r = &view.rules[i];

		sonde_limit_spec_init(&r->spec);
		snprintf(r->spec.name, sizeof(r->spec.name), "r%u", i);
		snprintf(r->spec.iface, sizeof(r->spec.iface), "eth0");
		r->spec.rate = 5;
		sonde_limit_spec_complete(&r->spec);
		r->id = i + 1;
		r->state = SONDE_LIMIT_TRIAL;
		r->ends_ns = SONDE_LIMIT_FOREVER;
		r->counts.passed = i;
		r->counts.limited = 2 * i;
	}
}

static void ask(struct client *cl, Sonde__LimitRequest__Verb verb, const char *name,
		Sonde__LimitRule *rule)
{
	Sonde__LimitRequest r = SONDE__LIMIT_REQUEST__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	r.verb = verb;
	r.name = sonde_wire_string(name);
	r.rule = rule;
	frame.body_case = SONDE__FRAME__BODY_LIMIT_REQUEST;
	frame.limit_request = &r;
	client_send(cl, &frame);
}

static void answer(struct fixture *f, int err, const char *text)
{
	struct sonde_limit_answer a = { .token = last.token, .err = err, .changed = 1 };

	snprintf(a.text, sizeof(a.text), "%s", text);
	sonde_control_limit_answered(f->control, &a);
}

static void a_rule_becomes_a_command_with_all_that_it_says(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__LimitRule rule = SONDE__LIMIT_RULE__INIT;
	Sonde__Frame *frame;

	rule.name = sonde_wire_string("r0");
	rule.iface = sonde_wire_string("eth0");
	rule.rate = sonde_wire_string("10K/s");
	rule.dport = sonde_wire_string("80-90");
	rule.per = sonde_wire_string("/24");
	ask(&cl, SONDE__LIMIT_REQUEST__VERB__ADD, "", &rule);
	pump(f);
	assert_int_equal(n_commands, 1);
	assert_int_equal(last.verb, SONDE_LIMIT_ADD);
	assert_string_equal(last.spec.iface, "eth0");
	assert_int_equal(last.spec.rate, 10000);
	assert_int_equal(last.spec.burst, 1000);
	assert_int_equal(last.spec.port_last, 90);
	assert_int_equal(last.spec.per, SONDE_LIMIT_PER_24);
	fill_view(3);
	answer(f, 0, "a note");
	frame = client_expect(f, &cl, SONDE__FRAME__BODY_LIMIT_REPLY);
	assert_int_equal(frame->limit_reply->n_rows, 1);
	assert_string_equal(frame->limit_reply->rows[0]->rule->name, "r0");
	assert_string_equal(frame->limit_reply->rows[0]->rule->rate, "5/s");
	assert_string_equal(frame->limit_reply->note, "a note");
	assert_true(frame->limit_reply->last);
	sonde__frame__free_unpacked(frame, NULL);
	client_end(&cl);
}

static void a_mistake_is_refused_before_anybody_is_asked(void **state)
{
	static const char *const rows[][2] = { { "5", "/24" }, { "5/s", "/25" } };
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__LimitRule rule = SONDE__LIMIT_RULE__INIT;

	for (size_t i = 0; i < 2; i++) {
		rule.name = sonde_wire_string("a");
		rule.iface = sonde_wire_string("eth0");
		rule.rate = sonde_wire_string(rows[i][0]);
		rule.per = sonde_wire_string(rows[i][1]);
		ask(&cl, SONDE__LIMIT_REQUEST__VERB__ADD, "", &rule);
		client_expect_error(f, &cl, SONDE__ERROR__CODE__INVALID);
	}
	ask(&cl, SONDE__LIMIT_REQUEST__VERB__ADD, "", NULL);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__INVALID);
	ask(&cl, SONDE__LIMIT_REQUEST__VERB__REMOVE, "no such\nname", NULL);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__INVALID);
	ask(&cl, (Sonde__LimitRequest__Verb)99, "", NULL);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__UNSUPPORTED);
	assert_int_equal(n_commands, 0);
	client_end(&cl);
}

static void only_the_role_control_may(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);

	for (int access = SONDE_ACCESS_VIEW; access < SONDE_ACCESS_CONTROL; access++) {
		f->control->clients[0].access = access;
		ask(&cl, SONDE__LIMIT_REQUEST__VERB__LIST, "", NULL);
		client_expect_error(f, &cl, SONDE__ERROR__CODE__DENIED);
	}
	assert_int_equal(n_commands, 0);
	client_end(&cl);
}

static void one_request_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);

	ask(&cl, SONDE__LIMIT_REQUEST__VERB__OFF, "", NULL);
	pump(f);
	ask(&cl, SONDE__LIMIT_REQUEST__VERB__OFF, "", NULL);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__BUSY);
	answer(f, -ENOENT, "there is none");
	client_expect_error(f, &cl, SONDE__ERROR__CODE__INVALID);
	/* An answer that comes twice, or to somebody who has left, is nobody's. */
	answer(f, 0, "");
	refusal = -EAGAIN;
	ask(&cl, SONDE__LIMIT_REQUEST__VERB__OFF, "", NULL);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__BUSY);
	client_end(&cl);
	pump(f);
	answer(f, 0, "");
	assert_int_equal(n_commands, 2);
}

static void a_list_comes_in_several_frames_and_is_whole(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	uint64_t rows = 0;
	bool done = false;

	fill_view(RULES);
	ask(&cl, SONDE__LIMIT_REQUEST__VERB__LIST, "", NULL);
	pump(f);
	answer(f, 0, "");
	while (!done) {
		Sonde__Frame *frame = client_expect(f, &cl, SONDE__FRAME__BODY_LIMIT_REPLY);
		const Sonde__LimitReply *r = frame->limit_reply;

		assert_int_equal(r->n_allows, rows ? 0 : 1);
		assert_int_equal(r->memory_bytes, rows ? 0 : 4711);
		for (size_t i = 0; i < r->n_rows; i++, rows++) {
			assert_int_equal(r->rows[i]->passed, rows);
			assert_int_equal(r->rows[i]->limited, 2 * rows);
			assert_int_equal(r->rows[i]->top[0]->limited, 1001 + rows);
			assert_string_equal(r->rows[i]->state, "trial");
			assert_false(r->rows[i]->ends);
		}
		done = r->last;
		sonde__frame__free_unpacked(frame, NULL);
	}
	assert_int_equal(rows, RULES);
	client_end(&cl);
}

static void samples_go_to_those_who_asked_for_them(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__Subscribe subscribe = SONDE__SUBSCRIBE__INIT;
	Sonde__Frame ask_frame = SONDE__FRAME__INIT, *frame;
	struct sonde_limit_sample s = { .weight = 7, .port = 443, .dropped = 1, .rule = "web" };

	sonde_control_sample(f->control, &s);
	subscribe.limited = true;
	ask_frame.body_case = SONDE__FRAME__BODY_SUBSCRIBE;
	ask_frame.subscribe = &subscribe;
	client_send(&cl, &ask_frame);
	frame = client_expect(f, &cl, SONDE__FRAME__BODY_SUBSCRIBED);
	sonde__frame__free_unpacked(frame, NULL);
	sonde_control_sample(f->control, &s);
	frame = client_expect(f, &cl, SONDE__FRAME__BODY_LIMITED);
	assert_string_equal(frame->limited->rule, "web");
	assert_int_equal(frame->limited->packets, 7);
	assert_int_equal(frame->limited->port, 443);
	assert_true(frame->limited->dropped);
	sonde__frame__free_unpacked(frame, NULL);
	assert_int_equal(f->control->stats.produced, 1);
	client_end(&cl);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_close)
	const struct CMUnitTest tests[] = {
		T(a_rule_becomes_a_command_with_all_that_it_says),
		T(a_mistake_is_refused_before_anybody_is_asked),
		T(only_the_role_control_may),
		T(one_request_at_a_time),
		T(a_list_comes_in_several_frames_and_is_whole),
		T(samples_go_to_those_who_asked_for_them),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
