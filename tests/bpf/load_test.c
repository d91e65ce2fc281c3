// SPDX-License-Identifier: Apache-2.0
/* Under load the counts stay exact: both directions at once, and a ring that nobody reads. */
#include "tests/bpf/bed.h"
#include "tests/bpf/sockets.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#define ASK    "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

enum { HAMMER_BYTES = 32 * 1024 * 1024, HAMMER_BLOCK = 64 * 1024 };

/* One end: sends all it has and takes all that comes, as fast as it can. */
struct hammer {
	int fd;
	size_t sent, received;
	bool failed;
};

static bool hammer_once(struct hammer *h, const char *block, char *room)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	ssize_t n;

	if (h->sent < HAMMER_BYTES)
		p.events |= POLLOUT;
	if (poll(&p, 1, 10000) <= 0)
		return false;
	if (p.revents & POLLOUT) {
		size_t left = HAMMER_BYTES - h->sent;

		n = send(h->fd, block, left < HAMMER_BLOCK ? left : HAMMER_BLOCK,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		h->sent += n > 0 ? (size_t)n : 0;
	}
	if (p.revents & POLLIN) {
		n = recv(h->fd, room, HAMMER_BLOCK, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		h->received += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static void *hammer_run(void *ctx)
{
	static const char block[HAMMER_BLOCK];
	char *room = malloc(HAMMER_BLOCK);
	struct hammer *h = ctx;

	while (room && (h->sent < HAMMER_BYTES || h->received < HAMMER_BYTES))
		if (!hammer_once(h, block, room))
			break;
	h->failed = h->sent < HAMMER_BYTES || h->received < HAMMER_BYTES;
	free(room);
	return NULL;
}

/* Heads are numbered without a gap, and payload of each direction comes once and in order. */
static void check_order(const struct bed *b, uint64_t id, uint32_t last_head[SONDE_DIRECTIONS])
{
	uint64_t next[SONDE_DIRECTIONS] = { 0 };

	for (size_t i = 0; i < b->n; i++) {
		const struct sonde_record_data *d = &b->seen[i].r.data;

		if (b->seen[i].r.kind != SONDE_KIND_DATA || b->seen[i].r.id != id)
			continue;
		/* A receiver under pressure drops segments: these come again, out of order. */
		if (d->repeat)
			continue;
		assert_true(d->position >= next[d->direction]);
		assert_true(d->head == last_head[d->direction] ||
			    d->head == last_head[d->direction] + 1);
		assert_int_equal(d->first, d->head != last_head[d->direction]);
		last_head[d->direction] = d->head;
		next[d->direction] = d->position + d->payload.len;
	}
}

static void both_ends_at_once_are_counted_to_the_byte(void **state)
{
	struct bed *b = bed_new();
	struct hammer ends[2] = { { .fd = -1 }, { .fd = -1 } };
	uint32_t heads[SONDE_DIRECTIONS] = { 0 };
	const struct sonde_record_close *c;
	pthread_t threads[2];
	struct pair p;

	(void)state;
	bed_load(b);
	bed_attach(b);
	p = pair_open("127.0.0.1", "127.0.0.1");
	b->ports[0] = p.port;
	pair_exchange(&p, ASK, ANSWER); /* from here on every turn is captured */
	ends[0].fd = p.client;
	ends[1].fd = p.server;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer_run, &ends[i]), 0);
	for (int i = 0; i < 2; i++)
		while (pthread_tryjoin_np(threads[i], NULL)) {
			bed_drain(b);
			usleep(1000);
		}
	assert_false(ends[0].failed || ends[1].failed);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	c = bed_close_of(b, p.server_id);
	assert_int_equal(c->flow[SONDE_INGRESS].bytes, strlen(ASK) + HAMMER_BYTES);
	assert_int_equal(c->flow[SONDE_EGRESS].bytes, strlen(ANSWER) + HAMMER_BYTES);
	check_order(b, p.server_id, heads);
	assert_int_equal(heads[SONDE_INGRESS], c->flow[SONDE_INGRESS].heads);
	assert_int_equal(heads[SONDE_EGRESS], c->flow[SONDE_EGRESS].heads);
	assert_true(heads[SONDE_INGRESS] > 10);
	assert_int_equal(bed_check_ledger(b).ring_full[SONDE_KIND_DATA], 0);
	bed_free(b);
}

/* Turns and connections until every type of record has been refused. */
static void flood(struct pair *p, int turns, int connections)
{
	for (int i = 0; i < turns; i++)
		pair_exchange(p, ASK, ANSWER);
	for (int i = 0; i < connections; i++) {
		struct pair q = pair_open("127.0.0.1", "127.0.0.1");

		pair_exchange(&q, ASK, ANSWER);
		pair_close(&q);
	}
}

static bool progress_was_refused(const struct bed *b, uint64_t arg)
{
	struct sonde_kernel_status s;

	(void)arg;
	sonde_probe_progress(b->probe);
	sonde_probe_status(b->probe, &s);
	return s.ring_full[SONDE_KIND_PROGRESS] > 0;
}

static void a_full_ring_loses_records_and_counts_each(void **state)
{
	enum { TURNS = 3000, CONNECTIONS = 50 };
	struct bed *b = bed_new();
	struct sonde_kernel_status s;
	const struct seen *first;
	uint32_t heads;
	struct pair p;

	(void)state;
	b->config.capture.ring_bytes = 64 * 1024;
	bed_load(b);
	bed_attach(b);
	p = pair_open("127.0.0.1", "127.0.0.1");
	b->ports[0] = p.port;
	flood(&p, TURNS, CONNECTIONS);
	for (int i = 0; i < 5000 && !progress_was_refused(b, 0); i++)
		usleep(1000);
	bed_drain(b);
	heads = bed_data_of(b, p.server_id, bed_count(b, SONDE_KIND_DATA, p.server_id) - 1)->head;
	assert_true(heads < TURNS);

	/* Room again: the next turn is told, with a number that says how many were not. */
	b->n = 0;
	pair_exchange(&p, ASK, ANSWER);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.server_id), 2);
	first = bed_nth(b, SONDE_KIND_DATA, p.server_id, 0);
	assert_int_equal(first->r.data.head, TURNS + 1);
	assert_int_equal(first->r.data.position, TURNS * strlen(ASK));
	assert_int_equal(first->r.data.peer_bytes, TURNS * strlen(ANSWER));
	bed_check_payload(b, p.server_id, 0, ASK);
	bed_check_payload(b, p.server_id, 1, ANSWER);
	assert_int_equal(bed_close_of(b, p.server_id)->flow[SONDE_INGRESS].heads, TURNS + 1);

	s = bed_check_ledger(b);
	for (int kind = SONDE_KIND_OPEN; kind <= SONDE_KIND_CLOSE; kind++)
		assert_true(s.ring_full[kind] > 0);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_at_once_are_counted_to_the_byte),
		cmocka_unit_test(a_full_ring_loses_records_and_counts_each),
	};

	return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
