// SPDX-License-Identifier: Apache-2.0
/* The control socket: greeting, roles, frames, answers. */
#include "tests/unit/daemon/control_fixture.h"

#include <grp.h>
#include <sys/wait.h>

#include "agent/core/clock.h"

static void hello_tells_version_and_role(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_adopt(f);
	Sonde__Frame *frame;

	client_send_empty(&cl, SONDE__FRAME__BODY_HELLO);
	frame = client_expect(f, &cl, SONDE__FRAME__BODY_HELLO);
	assert_string_equal(frame->hello->version, SONDE_VERSION);
	assert_int_equal(frame->hello->schema, SONDE_SCHEMA);
	assert_int_equal(frame->hello->access, SONDE__ACCESS__ACCESS_CONTROL);
	sonde__frame__free_unpacked(frame, NULL);
	client_end(&cl);
	pump(f);
	assert_int_equal(f->control->stats.clients, 0);
}

static void any_other_first_message_is_refused(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_adopt(f);

	client_send_empty(&cl, SONDE__FRAME__BODY_GET_STATUS);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__BAD_FRAME);
	client_expect_end(f, &cl);
	client_end(&cl);
}

static void silence_ends_at_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_adopt(f);
	uint64_t now_ns = sonde_clock_mono_ns();

	sonde_control_tick(f->control, now_ns + 4 * SONDE_NS_PER_SEC);
	pump(f);
	assert_null(client_receive(&cl));
	assert_true(f->control->ticking);
	sonde_control_tick(f->control, now_ns + 6 * SONDE_NS_PER_SEC);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__TIMEOUT);
	client_expect_end(f, &cl);
	sonde_control_tick(f->control, now_ns + 7 * SONDE_NS_PER_SEC);
	assert_false(f->control->ticking);
	client_end(&cl);
}

static void greeted_client_has_no_deadline(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);

	sonde_control_tick(f->control, sonde_clock_mono_ns() + 3600 * SONDE_NS_PER_SEC);
	client_send_empty(&cl, SONDE__FRAME__BODY_GET_CONFIG);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_CONFIG), NULL);
	client_end(&cl);
}

static void wrong_frame_lengths_are_refused(void **state)
{
	static const uint32_t lengths[] = { 0, 65537, 0x7fffffff, 0xffffffff };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct client cl = client_open(f);
		uint8_t head[SONDE_WIRE_HEAD];

		sonde_wire_put_head(head, lengths[i]);
		assert_int_equal(send(cl.fd, head, sizeof(head), 0), (ssize_t)sizeof(head));
		client_expect_error(f, &cl, SONDE__ERROR__CODE__BAD_FRAME);
		client_expect_end(f, &cl);
		client_end(&cl);
		assert_int_equal(f->control->stats.clients, 0);
	}
}

static void bytes_that_are_no_message_are_refused(void **state)
{
	static const uint8_t bytes[] = { 3, 0, 0, 0, 0x0a, 0xff, 0x00 };
	struct fixture *f = *state;
	struct client cl = client_open(f);

	assert_int_equal(send(cl.fd, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
	client_expect_error(f, &cl, SONDE__ERROR__CODE__BAD_FRAME);
	client_expect_end(f, &cl);
	client_end(&cl);
}

static void message_may_come_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__GetStatus get = SONDE__GET_STATUS__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct sonde_buf b;

	frame.body_case = SONDE__FRAME__BODY_GET_STATUS;
	frame.get_status = &get;
	sonde_buf_init(&b, 1024);
	assert_int_equal(sonde_wire_put_frame(&b, &frame, 1024), 0);
	for (size_t i = 0; i < b.len; i++) {
		pump(f);
		assert_null(client_receive(&cl));
		assert_int_equal(send(cl.fd, b.ptr + i, 1, 0), 1);
	}
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_STATUS), NULL);
	sonde_buf_fini(&b);
	client_end(&cl);
}

static void longest_message_is_taken(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	Sonde__Hello hello;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	char *text = malloc(SONDE_WIRE_CLIENT_MAX);

	sonde__hello__init(&hello);
	memset(text, 'a', SONDE_WIRE_CLIENT_MAX);
	text[SONDE_WIRE_CLIENT_MAX - 8] = '\0';
	hello.version = text;
	frame.body_case = SONDE__FRAME__BODY_HELLO;
	frame.hello = &hello;
	assert_int_equal(sonde__frame__get_packed_size(&frame), SONDE_WIRE_CLIENT_MAX);
	client_send(&cl, &frame);
	/* A second Hello is answered as something that is not asked, and the client stays. */
	client_expect_error(f, &cl, SONDE__ERROR__CODE__UNSUPPORTED);
	assert_int_equal(f->control->stats.clients, 1);
	free(text);
	client_end(&cl);
}

static void view_may_look_but_not_subscribe(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);

	f->control->clients[0].access = SONDE_ACCESS_VIEW;
	client_subscribe(f, &cl, NULL, 0);
	client_expect_error(f, &cl, SONDE__ERROR__CODE__DENIED);
	assert_int_equal(f->control->stats.subscribers, 0);
	client_send_empty(&cl, SONDE__FRAME__BODY_GET_STATUS);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_STATUS), NULL);
	f->control->clients[0].access = SONDE_ACCESS_TRACE;
	client_subscribe(f, &cl, NULL, 0);
	sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_SUBSCRIBED), NULL);
	client_end(&cl);
}

static void status_carries_the_ledger(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	const Sonde__LedgerRow *row;
	Sonde__Frame *frame;

	client_send_empty(&cl, SONDE__FRAME__BODY_GET_STATUS);
	frame = client_expect(f, &cl, SONDE__FRAME__BODY_STATUS);
	assert_string_equal(frame->status->version, "9.9");
	assert_false(frame->status->canary_known);
	assert_int_equal(frame->status->clients, 1);
	assert_string_equal(frame->status->programs[0]->name, "sonde_ingress");
	assert_int_equal(frame->status->n_ledger, SONDE_KINDS);
	row = frame->status->ledger[SONDE_KIND_DATA];
	assert_string_equal(row->kind, "data");
	assert_int_equal(row->produced, 10);
	assert_int_equal(row->delivered, 7);
	assert_int_equal(row->n_drops, 1);
	assert_string_equal(row->drops[0]->reason, "ring_full");
	assert_int_equal(row->drops[0]->count, 3);
	sonde__frame__free_unpacked(frame, NULL);
	client_end(&cl);
}

/* Reads batches until the last one, each series with buckets of its own; returns their number. */
static size_t read_dump(struct fixture *f, struct client *cl)
{
	size_t n = 0;
	bool last = false;

	while (!last) {
		Sonde__Frame *frame = client_expect(f, cl, SONDE__FRAME__BODY_SERIES_BATCH);

		n += frame->series_batch->n_series;
		last = frame->series_batch->last;
		for (size_t i = 0; i < frame->series_batch->n_series; i++) {
			const Sonde__Series *s = frame->series_batch->series[i];

			assert_int_equal(s->duration->n_counts, 3);
			assert_int_equal(s->duration->counts[1], s->count);
		}
		sonde__frame__free_unpacked(frame, NULL);
	}
	return n;
}

static void dump_of_series_comes_in_slices(void **state)
{
	static const size_t sizes[] = { 0, 1, 8, 63, 64, 65, 10000 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct client cl = client_open(f);

		f->n_series = sizes[i];
		client_send_empty(&cl, SONDE__FRAME__BODY_GET_SERIES);
		/* The next question waits for the end of the dump. */
		client_send_empty(&cl, SONDE__FRAME__BODY_GET_CONFIG);
		assert_int_equal(read_dump(f, &cl), sizes[i]);
		sonde__frame__free_unpacked(client_expect(f, &cl, SONDE__FRAME__BODY_CONFIG), NULL);
		client_end(&cl);
		pump(f);
	}
}

static void dump_waits_for_its_reader(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);

	f->n_series = 100000;
	client_send_empty(&cl, SONDE__FRAME__BODY_GET_SERIES);
	for (int i = 0; i < 40; i++)
		pump(f);
	assert_true(f->control->clients[0].out.len < 2 * SONDE_CONTROL_PAUSE_BYTES);
	assert_int_equal(read_dump(f, &cl), 100000);
	client_end(&cl);
}

static void dump_may_be_limited_and_filtered(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	char pattern[] = "o?d";
	ProtobufCBinaryData glob = { strlen(pattern), (uint8_t *)pattern };
	Sonde__GetSeries get = SONDE__GET_SERIES__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	f->n_series = 100;
	get.services = &glob;
	get.n_services = 1;
	frame.body_case = SONDE__FRAME__BODY_GET_SERIES;
	frame.get_series = &get;
	client_send(&cl, &frame);
	assert_int_equal(read_dump(f, &cl), 50);
	get.limit = 7;
	client_send(&cl, &frame);
	assert_int_equal(read_dump(f, &cl), 7);
	client_end(&cl);
}

static void client_beyond_the_limit_is_turned_away(void **state)
{
	struct fixture *f = *state;
	struct client all[SONDE_CONTROL_CLIENTS], extra;

	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++)
		all[i] = client_open(f);
	extra = client_adopt(f);
	client_expect_error(f, &extra, SONDE__ERROR__CODE__BUSY);
	client_expect_end(f, &extra);
	client_end(&extra);
	assert_int_equal(f->control->stats.refused, 1);
	client_end(&all[3]);
	pump(f);
	all[3] = client_open(f);
	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++)
		client_end(&all[i]);
}

static void questions_pause_while_answers_are_not_read(void **state)
{
	struct fixture *f = *state;
	struct client cl = client_open(f);
	size_t asked = 0, answered = 0;
	Sonde__Frame *frame;

	/* Each question is smaller than its answer: without a pause, the queue grows for ever. */
	for (int round = 0; round < 200; round++) {
		static const uint8_t get_status[] = { 2, 0, 0, 0, 0x32, 0 };

		for (int i = 0; i < 100; i++)
			if (send(cl.fd, get_status, sizeof(get_status), MSG_DONTWAIT) ==
			    (ssize_t)sizeof(get_status))
				asked++;
		pump(f);
		assert_true(f->control->clients[0].out.len < 2 * SONDE_CONTROL_PAUSE_BYTES);
	}
	for (;;) {
		pump(f);
		frame = client_receive(&cl);
		if (!frame)
			break;
		answered++;
		sonde__frame__free_unpacked(frame, NULL);
	}
	assert_true(asked > 1000);
	assert_int_equal(answered, asked);
	client_end(&cl);
}

/* In a child: becomes nobody in particular, connects, and says how it was received. */
static int stranger(const struct fixture *f)
{
	struct client cl = { .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	uint8_t bytes[512];
	Sonde__Frame *frame;
	ssize_t n;

	if (setgroups(0, NULL) || setgid(54321) || setuid(54321))
		return 2;
	if (connect(cl.fd, (const struct sockaddr *)&f->address, f->address_len))
		return 3;
	n = recv(cl.fd, bytes, sizeof(bytes), 0);
	if (n < SONDE_WIRE_HEAD)
		return 4;
	frame = sonde__frame__unpack(NULL, sonde_wire_head(bytes), bytes + SONDE_WIRE_HEAD);
	if (!frame || frame->body_case != SONDE__FRAME__BODY_ERROR)
		return 5;
	if (frame->error->code != SONDE__ERROR__CODE__DENIED ||
	    !strstr(frame->error->message, "54321"))
		return 6;
	return recv(cl.fd, bytes, sizeof(bytes), 0) == 0 ? 0 : 7;
}

static void stranger_is_refused_and_told_why(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("needs root to become somebody else\n");
		skip();
	}
	pid = fork();
	if (pid == 0)
		_exit(stranger(f));
	while (waitpid(pid, &status, WNOHANG) == 0)
		sonde_loop_once(f->loop, 20);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(f->control->stats.refused, 1);
	pump(f);
	assert_int_equal(f->control->stats.clients, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
		CASE(hello_tells_version_and_role),
		CASE(any_other_first_message_is_refused),
		CASE(silence_ends_at_the_deadline),
		CASE(greeted_client_has_no_deadline),
		CASE(wrong_frame_lengths_are_refused),
		CASE(bytes_that_are_no_message_are_refused),
		CASE(message_may_come_byte_by_byte),
		CASE(longest_message_is_taken),
		CASE(view_may_look_but_not_subscribe),
		CASE(status_carries_the_ledger),
		CASE(dump_of_series_comes_in_slices),
		CASE(dump_waits_for_its_reader),
		CASE(dump_may_be_limited_and_filtered),
		CASE(client_beyond_the_limit_is_turned_away),
		CASE(questions_pause_while_answers_are_not_read),
		CASE(stranger_is_refused_and_told_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
