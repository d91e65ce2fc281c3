// SPDX-License-Identifier: Apache-2.0
/* One answer in several frames: where it ends, and what else the daemon may say instead. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/sonde/cli.h"
#include "tools/sonde/frames.h"

/* A link whose other end is FD of the test: what it says has been said before it is asked. */
struct ends {
	struct sonde_link link;
	int fd;
};

static struct ends connected(void)
{
	struct ends e = { .fd = -1 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	e.link.fd = fds[0];
	e.fd = fds[1];
	sonde_buf_init(&e.link.in, 1 << 20);
	return e;
}

static void disconnect(struct ends *e)
{
	sonde_link_close(&e->link);
	close(e->fd);
}

static void say(const struct ends *e, const Sonde__Frame *frame)
{
	struct sonde_buf b;

	sonde_buf_init(&b, 1 << 16);
	assert_int_equal(sonde_wire_put_frame(&b, frame, 1 << 16), 0);
	assert_int_equal(write(e->fd, b.ptr, b.len), (ssize_t)b.len);
	sonde_buf_fini(&b);
}

/* A frame of the answer to GetEdges, of moment TIME. */
static void say_edges(const struct ends *e, uint64_t time, bool last)
{
	Sonde__EdgeBatch batch = SONDE__EDGE_BATCH__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	batch.time_unix_ns = time;
	batch.last = last;
	frame.body_case = SONDE__FRAME__BODY_EDGE_BATCH;
	frame.edge_batch = &batch;
	say(e, &frame);
}

static void say_error(const struct ends *e, Sonde__Error__Code code)
{
	Sonde__Error error = SONDE__ERROR__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	error.code = code;
	error.message = sonde_wire_string("no");
	frame.body_case = SONDE__FRAME__BODY_ERROR;
	frame.error = &error;
	say(e, &frame);
}

static int ask(struct ends *e, uint64_t until_ns, struct sonde_frames *out)
{
	Sonde__GetEdges get = SONDE__GET_EDGES__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;

	frame.body_case = SONDE__FRAME__BODY_GET_EDGES;
	frame.get_edges = &get;
	return sonde_frames_ask(&e->link, &frame, SONDE__FRAME__BODY_EDGE_BATCH, until_ns, out);
}

/* Asks in vain, and finds what it handed out for the answer untouched. */
static void expect_code(struct ends *e, uint64_t until_ns, int code)
{
	struct sonde_frames f = { .n = 77 };

	assert_int_equal(ask(e, until_ns, &f), code);
	assert_int_equal(f.n, 77);
	assert_null(f.items);
	disconnect(e);
}

static void answer_ends_with_its_last_frame(void **state)
{
	enum { FRAMES = 100 }; /* more than there is room for at first */
	struct ends e = connected();
	struct sonde_frames f;

	(void)state;
	for (uint64_t i = 1; i <= FRAMES; i++)
		say_edges(&e, i, i == FRAMES);
	say_edges(&e, 500, true);
	assert_int_equal(ask(&e, 0, &f), SONDE_EXIT_OK);
	assert_int_equal(f.n, FRAMES);
	for (size_t i = 0; i < f.n; i++)
		assert_int_equal(f.items[i]->edge_batch->time_unix_ns, i + 1);
	sonde_frames_free(&f);
	assert_int_equal(f.n, 0);
	/* What follows belongs to the next question. */
	assert_int_equal(ask(&e, 0, &f), SONDE_EXIT_OK);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.items[0]->edge_batch->time_unix_ns, 500);
	sonde_frames_free(&f);
	sonde_frames_free(&f);
	disconnect(&e);
}

static void error_says_how_to_exit(void **state)
{
	static const struct {
		Sonde__Error__Code code;
		int exit;
	} cases[] = {
		{ SONDE__ERROR__CODE__DENIED, SONDE_EXIT_PRIVILEGE },
		{ SONDE__ERROR__CODE__INVALID, SONDE_EXIT_USAGE },
		{ SONDE__ERROR__CODE__BUSY, SONDE_EXIT_FAILURE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ends e = connected();

		say_edges(&e, 1, false);
		say_error(&e, cases[i].code);
		expect_code(&e, 0, cases[i].exit);
	}
}

static void frame_of_another_kind_is_refused(void **state)
{
	Sonde__SeriesBatch batch = SONDE__SERIES_BATCH__INIT;
	Sonde__Frame frame = SONDE__FRAME__INIT;
	struct ends e = connected();

	(void)state;
	batch.last = true;
	frame.body_case = SONDE__FRAME__BODY_SERIES_BATCH;
	frame.series_batch = &batch;
	say(&e, &frame);
	expect_code(&e, 0, SONDE_EXIT_FAILURE);
}

static void answer_that_breaks_off_is_none(void **state)
{
	struct ends e = connected();

	(void)state;
	say_edges(&e, 1, false);
	assert_int_equal(shutdown(e.fd, SHUT_WR), 0);
	expect_code(&e, 0, SONDE_EXIT_UNREACHABLE);
}

static void question_that_nobody_takes_is_no_answer(void **state)
{
	struct ends e = connected();

	(void)state;
	say_edges(&e, 1, true);
	assert_int_equal(shutdown(e.fd, SHUT_RD), 0);
	expect_code(&e, 0, SONDE_EXIT_UNREACHABLE);
}

static void time_that_is_over_ends_the_answer(void **state)
{
	struct ends e = connected();

	(void)state;
	say_edges(&e, 1, false);
	expect_code(&e, 1, SONDE_EXIT_UNREACHABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_ends_with_its_last_frame),
		cmocka_unit_test(error_says_how_to_exit),
		cmocka_unit_test(frame_of_another_kind_is_refused),
		cmocka_unit_test(answer_that_breaks_off_is_none),
		cmocka_unit_test(question_that_nobody_takes_is_no_answer),
		cmocka_unit_test(time_that_is_over_ends_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
