// SPDX-License-Identifier: Apache-2.0
/*
 * talk - from a wish to an answer or a rest. The clock is the test's, the other end of each
 * connection too; of the metadata thread there is only what it would do in one round.
 */
#include "agent/meta/metadata_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/core/clock.h"

#define START_NS (1000 * SONDE_NS_PER_SEC)
#define STREAM	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define LIST	 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]"
#define PODS                                                                 \
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 47\r\n\r\n" \
	"{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}"
#define BOOKMARK "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n"

enum { ROUNDS = 500, ROUND_MS = 10 };

struct bed {
	struct sonde_metadata *m;
	struct source *s;
	struct talk *t;
	uint64_t now_ns;
	int listener; /* of the API server */
	int peer;     /* the other end of the connection */
};

static struct bed *new_bed(void)
{
	struct bed *b = calloc(1, sizeof(*b));
	const char *why = NULL;

	assert_non_null(b);
	b->m = calloc(1, sizeof(*b->m));
	assert_non_null(b->m);
	pthread_mutex_init(&b->m->lock, NULL);
	pthread_cond_init(&b->m->room, NULL);
	b->m->curl = sonde_curl_load(&why);
	if (!b->m->curl)
		fail_msg("%s", why);
	b->m->multi = b->m->curl->multi_init();
	b->m->news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	b->m->wake_fd = -1;
	b->m->n_sources = b->m->status.n_sources = 1;
	b->s = &b->m->sources[0];
	b->s->metadata = b->m;
	b->t = &b->s->follow;
	b->t->source = b->s;
	b->listener = b->peer = -1;
	b->now_ns = START_NS;
	return b;
}

static int docker(void **state)
{
	struct bed *b = new_bed();

	b->t->ops = &sonde_docker_follow;
	b->s->address = strdup("/run/docker.sock");
	*state = b;
	return 0;
}

static int kubernetes(void **state)
{
	struct bed *b = new_bed();
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	char url[64];

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(b->listener, (const struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(b->listener, 8), 0);
	assert_int_equal(getsockname(b->listener, (struct sockaddr *)&a, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(a.sin_port));
	b->t->ops = &sonde_kubernetes_follow;
	b->t->number = SONDE_METADATA_KUBERNETES;
	b->s->address = strdup(url);
	strcpy(b->s->node, "n1");
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	if (b->peer >= 0)
		close(b->peer);
	if (b->listener >= 0)
		close(b->listener);
	sonde_metadata_free(b->m);
	free(b);
	return 0;
}

static const struct sonde_source_status *status(const struct bed *b)
{
	return &b->m->status.sources[0];
}

/* ---- what the thread does ---- */

static void round_of(struct bed *b, int wait_ms)
{
	CURLMsg *end;
	int n;

	b->m->curl->multi_perform(b->m->multi, &n);
	while ((end = b->m->curl->multi_info_read(b->m->multi, &n)))
		if (end->msg == CURLMSG_DONE)
			sonde_talk_ended(b->t, end->data.result, b->now_ns);
	sonde_talk_step(b->t, b->now_ns);
	if (wait_ms)
		b->m->curl->multi_poll(b->m->multi, NULL, 0, wait_ms, &n);
}

static void until_state(struct bed *b, enum talk_state state)
{
	for (int i = 0; i < ROUNDS && b->t->state != state; i++)
		round_of(b, ROUND_MS);
	assert_int_equal(b->t->state, state);
}

/* The talk's one wish is taken. */
static void take_wish(struct bed *b)
{
	struct sonde_metadata_news news;

	sonde_talk_step(b->t, b->now_ns);
	assert_int_equal(b->t->state, TALK_ASKED);
	assert_true(sonde_metadata_next(b->m, &news));
	assert_null(news.workload);
	assert_int_equal(news.talk, b->t->number);
	assert_false(sonde_metadata_next(b->m, &news));
}

/* ---- what the other end does ---- */

static void drop_peer(struct bed *b)
{
	if (b->peer >= 0)
		close(b->peer);
	b->peer = -1;
}

static void connect_docker(struct bed *b)
{
	struct sonde_metadata_connection c = { .fds = { -1, -1 } };
	int pair[2];

	drop_peer(b);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	c.fds[0] = pair[0];
	b->peer = pair[1];
	sonde_talk_connected(b->t, &c, b->now_ns);
}

static void accept_kubernetes(struct bed *b)
{
	for (int i = 0; i < ROUNDS && b->peer < 0; i++) {
		round_of(b, ROUND_MS);
		b->peer = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	}
	assert_true(b->peer >= 0);
}

static void connect_kubernetes(struct bed *b)
{
	struct sonde_metadata_connection c = { .talk = SONDE_METADATA_KUBERNETES,
					       .fds = { -1, -1 } };

	drop_peer(b);
	sonde_talk_connected(b->t, &c, b->now_ns);
	accept_kubernetes(b);
}

/* Waits for a request with WHAT in it. */
static void expect(struct bed *b, const char *what)
{
	char text[4096] = "";
	size_t len = 0;

	for (int i = 0; i < ROUNDS && !strstr(text, "\r\n\r\n"); i++) {
		ssize_t n;

		round_of(b, ROUND_MS);
		n = recv(b->peer, text + len, sizeof(text) - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
		text[len] = '\0';
	}
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in \"%s\"", what, text);
}

static void say(struct bed *b, const char *text)
{
	assert_int_equal(send(b->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void chunk(struct bed *b, const char *text)
{
	char head[24];

	snprintf(head, sizeof(head), "%zx\r\n", strlen(text));
	say(b, head);
	say(b, text);
	say(b, "\r\n");
}

/* A list is asked for, and ANSWER is one. */
static void list(struct bed *b, void (*connect_to)(struct bed *), const char *answer)
{
	take_wish(b);
	connect_to(b);
	expect(b, "GET ");
	say(b, answer);
	for (int i = 0; i < ROUNDS && !b->s->listed; i++)
		round_of(b, ROUND_MS);
	assert_true(b->s->listed);
}

/* Asks for the stream; its head is not said yet. */
static void ask_stream(struct bed *b, void (*connect_to)(struct bed *), const char *what)
{
	until_state(b, TALK_ASKED);
	while (b->m->n_news) {
		struct sonde_metadata_news news;

		assert_true(sonde_metadata_next(b->m, &news));
	}
	connect_to(b);
	expect(b, what);
}

static void begin_stream(struct bed *b)
{
	say(b, STREAM);
	for (int i = 0; i < ROUNDS && !status(b)->following; i++)
		round_of(b, ROUND_MS);
	assert_true(status(b)->following);
}

static void cut_stream(struct bed *b)
{
	drop_peer(b);
	until_state(b, TALK_RESTING);
}

/* ---- waiting ---- */

static void broker_that_does_not_answer_is_asked_again(void **state)
{
	struct bed *b = *state;

	take_wish(b);
	b->now_ns += 10 * SONDE_NS_PER_SEC - 1;
	assert_int_equal(sonde_talk_step(b->t, b->now_ns), b->now_ns + 1);
	assert_int_equal(b->t->state, TALK_ASKED);
	sonde_talk_step(b->t, ++b->now_ns);
	assert_int_equal(b->t->state, TALK_RESTING);
	assert_string_equal(status(b)->error, "connect: the broker does not answer");
	b->now_ns += SONDE_NS_PER_SEC;
	take_wish(b);
}

static void connection_that_comes_too_late_is_closed(void **state)
{
	struct bed *b = *state;
	char byte;

	take_wish(b);
	b->now_ns += 10 * SONDE_NS_PER_SEC;
	sonde_talk_step(b->t, b->now_ns);
	connect_docker(b);
	assert_int_equal(b->t->state, TALK_RESTING);
	assert_int_equal(recv(b->peer, &byte, 1, 0), 0);
	assert_int_equal(status(b)->requests, 0);
}

static void rests_double_up_to_a_minute(void **state)
{
	static const unsigned int seconds[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
	struct sonde_metadata_connection refused = { .error = -ECONNREFUSED, .fds = { -1, -1 } };
	struct bed *b = *state;

	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		uint64_t most = seconds[i] * SONDE_NS_PER_SEC, rest;

		take_wish(b);
		sonde_talk_connected(b->t, &refused, b->now_ns);
		rest = b->t->until_ns - b->now_ns;
		assert_in_range(rest, most / 2, most);
		sonde_talk_step(b->t, b->now_ns + rest - 1);
		assert_int_equal(b->t->state, TALK_RESTING);
		b->now_ns += rest;
	}
	assert_int_equal(status(b)->failures, sizeof(seconds) / sizeof(seconds[0]));
	assert_string_equal(status(b)->error, "connect: Connection refused");
}

/* ---- streams ---- */

static void stream_is_followed_when_its_head_has_come(void **state)
{
	struct bed *b = *state;

	list(b, connect_docker, LIST);
	ask_stream(b, connect_docker, "GET /events?");
	assert_false(status(b)->following);
	begin_stream(b);
	assert_true(sonde_talk_step(b->t, b->now_ns) == UINT64_MAX);
	b->now_ns += 86400 * SONDE_NS_PER_SEC;
	round_of(b, 0);
	assert_int_equal(b->t->state, TALK_RUNNING);
	cut_stream(b);
	assert_false(status(b)->following);
	assert_false(b->s->listed);
}

static void stream_that_does_not_begin_is_given_up(void **state)
{
	struct bed *b = *state;
	char rest[4096];

	list(b, connect_docker, LIST);
	ask_stream(b, connect_docker, "GET /events?");
	b->now_ns += 30 * SONDE_NS_PER_SEC - 1;
	round_of(b, 0);
	assert_int_equal(b->t->state, TALK_RUNNING);
	b->now_ns++;
	round_of(b, 0);
	assert_int_equal(b->t->state, TALK_RESTING);
	assert_string_equal(status(b)->error, "the stream does not begin");
	assert_false(status(b)->following);
	assert_int_equal(recv(b->peer, rest, sizeof(rest), 0), 0);
}

static void refusal_is_no_stream(void **state)
{
	struct bed *b = *state;

	list(b, connect_docker, LIST);
	ask_stream(b, connect_docker, "GET /events?");
	say(b, "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\n");
	for (int i = 0; i < ROUNDS && sonde_transfer_status(&b->t->transfer) != 500; i++)
		round_of(b, ROUND_MS);
	assert_false(status(b)->following);
	say(b, "{}\n\n");
	until_state(b, TALK_RESTING);
	assert_string_equal(status(b)->error, "HTTP status 500");
	assert_false(status(b)->following);
}

static void error_is_over_when_the_stream_goes_on(void **state)
{
	struct bed *b = *state;

	list(b, connect_kubernetes, PODS);
	ask_stream(b, connect_kubernetes, "&resourceVersion=7 ");
	begin_stream(b);
	cut_stream(b);
	assert_true(status(b)->error[0]);
	b->now_ns = b->t->until_ns;
	ask_stream(b, connect_kubernetes, "&resourceVersion=7 ");
	assert_true(status(b)->error[0]);
	begin_stream(b);
	assert_string_equal(status(b)->error, "");
}

/* Three that are cut within seconds have the pods listed anew; three that lasted do not. */
static void check_three_cuts(struct bed *b, uint64_t lasts_ns, bool goes_on)
{
	list(b, connect_kubernetes, PODS);
	for (int i = 0; i < 3; i++) {
		ask_stream(b, connect_kubernetes,
			   i ? "&resourceVersion=9 " : "&resourceVersion=7 ");
		begin_stream(b);
		chunk(b, BOOKMARK);
		for (int r = 0; r < ROUNDS && strcmp(b->s->page.version, "9") != 0; r++)
			round_of(b, ROUND_MS);
		b->now_ns += lasts_ns;
		cut_stream(b);
		assert_int_equal(b->t->failures, goes_on ? 1 : i + 1);
		assert_int_equal(b->s->listed, goes_on || i < 2);
		b->now_ns = b->t->until_ns;
	}
	assert_string_equal(b->s->page.version, goes_on ? "9" : "");
}

static void streams_that_lasted_are_no_failures_in_a_row(void **state)
{
	check_three_cuts(*state, 10 * SONDE_NS_PER_SEC, true);
}

static void three_short_streams_in_a_row_list_anew(void **state)
{
	check_three_cuts(*state, 10 * SONDE_NS_PER_SEC - 1, false);
}

/* ---- long and short pieces ---- */

/* Sends LEN bytes or so many as are taken before the talk has had enough. */
static void pour(struct bed *b, size_t len)
{
	static char block[65536];

	memset(block, ' ', sizeof(block));
	while (len && b->t->state == TALK_RUNNING) {
		size_t want = len < sizeof(block) ? len : sizeof(block);
		ssize_t n = send(b->peer, block, want, MSG_NOSIGNAL);

		len -= n > 0 ? (size_t)n : 0;
		round_of(b, n > 0 ? 0 : ROUND_MS);
	}
	until_state(b, TALK_RESTING);
	b->now_ns = b->t->until_ns;
}

static void list_that_is_too_long_is_asked_for_in_smaller_pages(void **state)
{
	static const char *const limits[] = { "limit=64 ", "limit=32 ", "limit=16 ", "limit=8 ",
					      "limit=4 ",  "limit=2 ",	"limit=1 ",  "limit=1 " };
	struct bed *b = *state;
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
		 2 * SONDE_TRANSFER_BODY_MAX);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		take_wish(b);
		connect_kubernetes(b);
		expect(b, limits[i]);
		say(b, head);
		pour(b, 2 * SONDE_TRANSFER_BODY_MAX);
		assert_string_equal(status(b)->error, "the answer is too long");
	}
	list(b, connect_kubernetes, PODS);
}

static void news_that_are_too_long_list_anew(void **state)
{
	struct bed *b = *state;
	char size[16];

	list(b, connect_kubernetes, PODS);
	ask_stream(b, connect_kubernetes, "watch=true");
	begin_stream(b);
	snprintf(size, sizeof(size), "%x\r\n", 2 * SONDE_TRANSFER_LINE_MAX);
	say(b, size);
	pour(b, 2 * SONDE_TRANSFER_LINE_MAX);
	assert_string_equal(status(b)->error, "a line is too long");
	/* From that version on the same would come again. */
	assert_string_equal(b->s->page.version, "");
	take_wish(b);
	connect_kubernetes(b);
	expect(b, "limit=64 ");
}

static void news_in_pieces_are_put_together(void **state)
{
	struct bed *b = *state;
	size_t len = strlen(BOOKMARK);

	list(b, connect_kubernetes, PODS);
	ask_stream(b, connect_kubernetes, "watch=true");
	begin_stream(b);
	for (size_t at = 1; at < len; at++) {
		char first[sizeof(BOOKMARK)], version[16];
		char *text;

		/* Each has a version of its own, of which every byte must have arrived. */
		snprintf(version, sizeof(version), "%zu", 100 + at);
		assert_true(asprintf(&text, "%.*s%s%s", (int)(strchr(BOOKMARK, '9') - BOOKMARK),
				     BOOKMARK, version, strchr(BOOKMARK, '9') + 1) > 0);
		snprintf(first, sizeof(first), "%.*s", (int)at, text);
		chunk(b, first);
		round_of(b, ROUND_MS);
		assert_string_not_equal(b->s->page.version, version);
		chunk(b, text + at);
		for (int i = 0; i < ROUNDS && strcmp(b->s->page.version, version) != 0; i++)
			round_of(b, ROUND_MS);
		assert_string_equal(b->s->page.version, version);
		free(text);
	}
	assert_int_equal(status(b)->misunderstood, 0);
}

/* ---- token and CA ---- */

static int file_of(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* TOKEN and CA are what the files hold, NULL: there is none. */
static void connect_with(struct bed *b, const char *token, const char *ca)
{
	struct sonde_metadata_connection c = { .talk = SONDE_METADATA_KUBERNETES };

	c.fds[0] = token ? file_of(token) : -1;
	c.fds[1] = ca ? file_of(ca) : -1;
	take_wish(b);
	sonde_talk_connected(b->t, &c, b->now_ns);
	for (int i = 0; i < SONDE_METADATA_FDS; i++)
		if (c.fds[i] >= 0)
			assert_int_equal(fcntl(c.fds[i], F_GETFD), -1);
}

static void check_not_asked(struct bed *b, const char *error)
{
	assert_int_equal(b->t->state, TALK_RESTING);
	assert_string_equal(status(b)->error, error);
	assert_null(b->t->transfer.easy);
	b->now_ns = b->t->until_ns;
}

static void files_that_hold_nothing_are_not_as_if_there_were_none(void **state)
{
	static const char *const empty[] = { "", "\n", " \r\n\n" };
	struct bed *b = *state;

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		connect_with(b, empty[i], NULL);
		check_not_asked(b, "connect: the token file is empty");
		connect_with(b, "secret\n", empty[i]);
		check_not_asked(b, "connect: the CA file is empty");
	}
	assert_int_equal(accept4(b->listener, NULL, NULL, SOCK_CLOEXEC), -1);
	connect_with(b, NULL, NULL);
	assert_int_equal(b->t->state, TALK_RUNNING);
}

static void token_is_not_said_in_the_clear(void **state)
{
	struct bed *b = *state;
	char text[4096] = "";

	connect_with(b, "secret\n", NULL);
	accept_kubernetes(b);
	for (int i = 0; i < ROUNDS && recv(b->peer, text, sizeof(text) - 1, MSG_PEEK) <= 0; i++)
		round_of(b, ROUND_MS);
	assert_non_null(strstr(text, "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1&limit="));
	assert_null(strstr(text, "secret"));
	assert_null(strstr(text, "Authorization"));
}

int main(void)
{
#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(docker, broker_that_does_not_answer_is_asked_again),
		WITH(docker, connection_that_comes_too_late_is_closed),
		WITH(docker, rests_double_up_to_a_minute),
		WITH(docker, stream_is_followed_when_its_head_has_come),
		WITH(docker, stream_that_does_not_begin_is_given_up),
		WITH(docker, refusal_is_no_stream),
		WITH(kubernetes, error_is_over_when_the_stream_goes_on),
		WITH(kubernetes, streams_that_lasted_are_no_failures_in_a_row),
		WITH(kubernetes, three_short_streams_in_a_row_list_anew),
		WITH(kubernetes, list_that_is_too_long_is_asked_for_in_smaller_pages),
		WITH(kubernetes, news_that_are_too_long_list_anew),
		WITH(kubernetes, news_in_pieces_are_put_together),
		WITH(kubernetes, files_that_hold_nothing_are_not_as_if_there_were_none),
		WITH(kubernetes, token_is_not_said_in_the_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
