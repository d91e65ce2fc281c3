// SPDX-License-Identifier: Apache-2.0
/*
 * metadata - the two queues between the data thread and the one that asks. The thread is the real
 * one; the test is the data thread, the broker and the engine.
 */
#include "agent/meta/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/core/buf.h"
#include "agent/core/clock.h"

enum { FOLLOW = 0, QUERY = 1, WAIT_MS = 10000, LIST_MAX = 1 << 20 };
#define NOW_NS (1000 * SONDE_NS_PER_SEC)

static struct sonde_config config_of(char *socket)
{
	static char none[] = "";
	struct sonde_config c = { 0 };

	c.metadata.docker.sockets.items[0] = socket;
	c.metadata.docker.sockets.n_items = socket ? 1 : 0;
	c.metadata.kubernetes.api_server = none;
	return c;
}

static int setup(void **state)
{
	static char path[] = "/run/docker.sock";
	struct sonde_config config = config_of(path);
	struct sonde_metadata *m = NULL;
	const char *why = NULL;

	if (sonde_metadata_load(&why))
		fail_msg("%s", why);
	assert_int_equal(sonde_metadata_new(&config, &m), 0);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	sonde_metadata_free(*state);
	return 0;
}

static struct sonde_metadata_status stats(struct sonde_metadata *m)
{
	struct sonde_metadata_status s;

	sonde_metadata_stats(m, &s);
	return s;
}

/* ---- the data thread ---- */

static struct sonde_metadata_news next(struct sonde_metadata *m)
{
	struct pollfd p = { .fd = sonde_metadata_fd(m), .events = POLLIN };
	struct sonde_metadata_news news = { 0 };

	while (!sonde_metadata_next(m, &news))
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	return news;
}

static void expect_wish(struct sonde_metadata *m, uint32_t talk)
{
	struct sonde_metadata_news news = next(m);

	assert_null(news.workload);
	assert_int_equal(news.talk, talk);
}

/* The next is the container that is number I. */
static void expect_container(struct sonde_metadata *m, unsigned int i)
{
	struct sonde_metadata_news news = next(m);
	char name[16];

	snprintf(name, sizeof(name), "c%u", i);
	assert_non_null(news.workload);
	assert_true(sonde_slice_eq(news.workload->container, sonde_slice_str(name)));
	sonde_workload_put(news.workload);
}

static const char *id_of(unsigned int i)
{
	static char id[SONDE_CONTAINER_MAX];

	snprintf(id, sizeof(id), "%064x", i);
	return id;
}

static void ask(struct sonde_metadata *m, unsigned int i, uint64_t now_ns)
{
	char id[SONDE_CONTAINER_MAX];

	snprintf(id, sizeof(id), "%s", id_of(i));
	sonde_metadata_ask(m, id, now_ns);
}

/* Waits for VALUE, which the other thread counts up, to be WANT. */
#define WAIT_FOR(value, want)                                             \
	do {                                                              \
		for (int i_ = 0; i_ < WAIT_MS && (value) != (want); i_++) \
			poll(NULL, 0, 1);                                 \
		assert_int_equal(value, want);                            \
	} while (0)

/* ---- the broker and the engine ---- */

/* Connects TALK; the engine's end. */
static int connect_to(struct sonde_metadata *m, uint32_t talk)
{
	struct sonde_metadata_connection c = { .talk = talk, .fds = { -1, -1 } };
	struct timeval patience = { .tv_sec = WAIT_MS / 1000 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	c.fds[0] = pair[0];
	sonde_metadata_connected(m, &c);
	return pair[1];
}

static void expect_request(int fd, const char *what)
{
	char text[2048] = "";
	size_t len = 0;

	while (!strstr(text, "\r\n\r\n")) {
		ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

		assert_true(n > 0);
		len += (size_t)n;
		text[len] = '\0';
	}
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in \"%s\"", what, text);
}

static void expect_end(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static void answer(int fd, int status, struct sonde_slice body)
{
	char head[128];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n\r\n", status,
			 body.len);

	assert_int_equal(send(fd, head, (size_t)n, MSG_NOSIGNAL), n);
	while (body.len) {
		ssize_t sent = send(fd, body.ptr, body.len, MSG_NOSIGNAL);

		assert_true(sent > 0);
		body = sonde_slice_from(body, (size_t)sent);
	}
	close(fd);
}

/* The engine lists N containers, number 0 first. */
static void list(struct sonde_metadata *m, unsigned int n)
{
	struct sonde_buf b;
	int fd;

	sonde_buf_init(&b, LIST_MAX);
	for (unsigned int i = 0; i < n; i++)
		sonde_buf_printf(&b, "%s{\"Id\":\"%s\",\"Names\":[\"/c%u\"]}", i ? "," : "[",
				 id_of(i), i);
	sonde_buf_put_str(&b, n ? "]" : "[]");
	assert_false(b.failed);
	expect_wish(m, FOLLOW);
	fd = connect_to(m, FOLLOW);
	expect_request(fd, "GET /containers/json ");
	answer(fd, 200, sonde_buf_slice(&b));
	sonde_buf_fini(&b);
}

/* ---- news ---- */

static void only_a_config_that_names_somebody_wants_it(void **state)
{
	static char path[] = "/run/docker.sock", url[] = "https://10.96.0.1";
	struct sonde_config config = config_of(NULL);

	(void)state;
	assert_false(sonde_metadata_wanted(&config));
	config.metadata.kubernetes.api_server = url;
	assert_true(sonde_metadata_wanted(&config));
	config = config_of(path);
	assert_true(sonde_metadata_wanted(&config));
}

static void more_than_the_queue_holds_comes_as_room_is_made(void **state)
{
	struct sonde_metadata *m = *state;
	const unsigned int n = 4 * SONDE_METADATA_NEWS;

	list(m, n);
	for (unsigned int i = 0; i < n; i++)
		expect_container(m, i);
	expect_wish(m, FOLLOW);
	assert_int_equal(stats(m).sources[0].told, n);
	assert_int_equal(stats(m).dropped_workloads, 0);
}

static void news_that_nobody_takes_are_counted_as_dropped(void **state)
{
	struct sonde_metadata *m = *state;

	list(m, SONDE_METADATA_NEWS + 2);
	WAIT_FOR(stats(m).dropped_workloads, 2);
	assert_int_equal(stats(m).sources[0].told, SONDE_METADATA_NEWS);
	for (unsigned int i = 0; i < SONDE_METADATA_NEWS; i++)
		expect_container(m, i);
	expect_wish(m, FOLLOW);
	assert_int_equal(stats(m).dropped_workloads, 2);
}

static void end_does_not_wait_for_room(void **state)
{
	struct sonde_metadata *m = *state;
	uint64_t began;

	list(m, SONDE_METADATA_NEWS + 20);
	WAIT_FOR(stats(m).sources[0].told, SONDE_METADATA_NEWS);
	began = sonde_clock_mono_ns();
	sonde_metadata_free(m);
	*state = NULL;
	assert_true(sonde_clock_mono_ns() - began < SONDE_NS_PER_SEC / 2);
}

/* ---- questions ---- */

/* The query talk is connected and asks for the container that is number I: it is nobody's. */
static void expect_question(struct sonde_metadata *m, unsigned int i)
{
	char line[128];
	int fd;

	snprintf(line, sizeof(line), "GET /containers/%s/json ", id_of(i));
	expect_wish(m, QUERY);
	fd = connect_to(m, QUERY);
	expect_request(fd, line);
	answer(fd, 404, SONDE_SLICE_LIT("{\"message\":\"No such container\"}"));
}

static void nobody_is_asked_twice_within_a_minute(void **state)
{
	struct sonde_metadata *m = *state;

	expect_wish(m, FOLLOW);
	ask(m, 1, NOW_NS);
	expect_question(m, 1);
	ask(m, 1, NOW_NS + SONDE_METADATA_ASK_AGAIN_NS - 1);
	ask(m, 2, NOW_NS + SONDE_METADATA_ASK_AGAIN_NS - 1);
	expect_question(m, 2);
	ask(m, 1, NOW_NS + SONDE_METADATA_ASK_AGAIN_NS);
	expect_question(m, 1);
	assert_int_equal(stats(m).sources[0].failures, 0);
}

static void what_is_no_id_is_not_asked_for(void **state)
{
	static const char *const odd[] = { "", "0123456789a", "../../etc/passwd", "0123456789AB",
					   "0123456789ab/json?x=" };
	struct sonde_metadata *m = *state;

	expect_wish(m, FOLLOW);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char id[SONDE_CONTAINER_MAX];

		snprintf(id, sizeof(id), "%s", odd[i]);
		sonde_metadata_ask(m, id, NOW_NS);
	}
	ask(m, 3, NOW_NS);
	expect_question(m, 3);
}

/* Whatever comes before that. */
static void take_until_wish(struct sonde_metadata *m, uint32_t talk)
{
	struct sonde_metadata_news news;

	do {
		news = next(m);
		sonde_workload_put(news.workload);
	} while (news.workload || news.talk != talk);
}

/* While the thread waits for room in the news it takes nothing in. */
static void full_inbox_loses_questions_for_now_and_counts_them(void **state)
{
	struct sonde_metadata *m = *state;
	const unsigned int last = SONDE_METADATA_INBOX;
	int fd;

	list(m, SONDE_METADATA_NEWS + 20);
	WAIT_FOR(stats(m).sources[0].told, SONDE_METADATA_NEWS);
	for (unsigned int i = 0; i <= last; i++)
		ask(m, i, NOW_NS);
	assert_int_equal(stats(m).dropped_questions, 1);
	fd = connect_to(m, QUERY);
	expect_end(fd);
	take_until_wish(m, QUERY);
	fd = connect_to(m, QUERY);
	expect_request(fd, id_of(0));
	answer(fd, 404, SONDE_SLICE_EMPTY);
	for (unsigned int i = 1; i < last; i++)
		expect_question(m, i);
	/* It was not taken, so that it need not wait for a minute. */
	ask(m, last, NOW_NS);
	expect_question(m, last);
	assert_int_equal(stats(m).dropped_questions, 1);
}

static void connection_for_nobody_is_closed(void **state)
{
	struct sonde_metadata *m = *state;

	expect_wish(m, FOLLOW);
	expect_end(connect_to(m, QUERY + 1));
	expect_end(connect_to(m, SONDE_METADATA_KUBERNETES));
	expect_end(connect_to(m, UINT32_MAX));
	expect_end(connect_to(m, QUERY));
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_config_that_names_somebody_wants_it),
		WITH(more_than_the_queue_holds_comes_as_room_is_made),
		WITH(news_that_nobody_takes_are_counted_as_dropped),
		WITH(end_does_not_wait_for_room),
		WITH(nobody_is_asked_twice_within_a_minute),
		WITH(what_is_no_id_is_not_asked_for),
		WITH(full_inbox_loses_questions_for_now_and_counts_them),
		WITH(connection_for_nobody_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
