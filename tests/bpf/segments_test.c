// SPDX-License-Identifier: Apache-2.0
/* Segments that come late, twice, overlapping or never: positions stay right. */
#include "tests/bpf/bed.h"
#include "tests/bpf/sockets.h"
#include "tests/bpf/tun_peer.h"

#define FRONT  "GET /a HTTP/1.1\r\n"
#define MIDDLE "Host: shop\r\n"
#define BACK   "X: 1\r\n\r\n"
#define ASK    FRONT MIDDLE BACK
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define LEN(t) ((int64_t)sizeof(t) - 1)

struct scene {
	struct bed *bed;
	struct tun_peer peer;
	int listener, server;
	uint64_t id;
};

static int setup(void **state)
{
	struct scene *s = test_calloc(1, sizeof(*s));

	s->bed = bed_new();
	*state = s;
	if (!tun_open(&s->peer)) {
		printf("# skip: this kernel has no tun device\n");
		return 0;
	}
	bed_load(s->bed);
	bed_attach(s->bed);
	s->listener = sock_listen("10.9.9.1", &s->peer.server_port);
	s->bed->ports[0] = s->peer.server_port;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	if (s->bed->probe) {
		close(s->listener);
		close(s->server);
		close(s->peer.fd);
	}
	bed_free(s->bed);
	test_free(s);
	return 0;
}

/* The handshake, from sequence number ISN on. Skips the test without a device. */
static struct scene *meet(void **state, uint32_t isn)
{
	struct scene *s = *state;

	if (!s->bed->probe)
		skip();
	s->peer.isn = isn;
	tun_connect(&s->peer);
	s->server = sock_accept(s->listener);
	s->id = sock_id(s->server);
	return s;
}

/* The server answers what it has got, and the connection is reset. */
static const struct sonde_record_close *finish(struct scene *s)
{
	sock_expect(s->server, ASK);
	sock_send(s->server, ANSWER);
	tun_receive(&s->peer, false, strlen(ANSWER));
	tun_send(&s->peer, TH_RST | TH_ACK, LEN(ASK), "");
	bed_until(s->bed, bed_is_closed, s->id);
	return bed_close_of(s->bed, s->id);
}

static const struct sonde_record_data *check_data(struct scene *s, size_t nth, int64_t position,
						  const char *text)
{
	const struct sonde_record_data *d = bed_data_of(s->bed, s->id, nth);

	bed_check_payload(s->bed, s->id, nth, text);
	assert_int_equal(d->position, position);
	return d;
}

static void in_order(void **state)
{
	struct scene *s = meet(state, 1);
	const struct sonde_record_close *c;

	tun_say(&s->peer, 0, ASK);
	c = finish(s);
	check_data(s, 0, 0, ASK);
	check_data(s, 1, 0, ANSWER);
	assert_int_equal(bed_count(s->bed, SONDE_KIND_DATA, s->id), 2);
	assert_int_equal(c->flow[SONDE_INGRESS].bytes, LEN(ASK));
	assert_int_equal(c->flow[SONDE_INGRESS].gaps, 0);
	assert_int_equal(c->flow[SONDE_INGRESS].retransmits, 0);
	assert_true(c->rst_in);
}

/* Positions do not care where sequence numbers wrap. */
static void around_the_end_of_the_sequence_space(void **state)
{
	struct scene *s = meet(state, UINT32_MAX - (uint32_t)LEN(FRONT) + 3);
	const struct sonde_record_close *c;

	tun_say(&s->peer, 0, FRONT);
	tun_say(&s->peer, LEN(FRONT), MIDDLE);
	tun_say(&s->peer, LEN(FRONT MIDDLE), BACK);
	c = finish(s);
	check_data(s, 0, 0, FRONT);
	check_data(s, 1, LEN(FRONT), MIDDLE);
	check_data(s, 2, LEN(FRONT MIDDLE), BACK);
	assert_int_equal(c->flow[SONDE_INGRESS].bytes, LEN(ASK));
	assert_int_equal(c->flow[SONDE_INGRESS].gaps, 0);
}

static void a_gap_is_flagged_and_what_fills_it_is_told(void **state)
{
	struct scene *s = meet(state, 5);
	const struct sonde_record_close *c;

	tun_say(&s->peer, LEN(FRONT), MIDDLE BACK);
	tun_say(&s->peer, 0, FRONT);
	c = finish(s);
	assert_true(check_data(s, 0, LEN(FRONT), MIDDLE BACK)->gap);
	assert_true(check_data(s, 1, 0, FRONT)->repeat);
	assert_int_equal(bed_count(s->bed, SONDE_KIND_DATA, s->id), 3);
	assert_int_equal(c->flow[SONDE_INGRESS].bytes, LEN(ASK));
	assert_int_equal(c->flow[SONDE_INGRESS].gaps, 1);
	assert_int_equal(c->flow[SONDE_INGRESS].heads, 1);
}

static void segments_in_reverse_are_all_told(void **state)
{
	struct scene *s = meet(state, 5);
	const struct sonde_record_close *c;

	tun_say(&s->peer, LEN(FRONT MIDDLE), BACK);
	tun_say(&s->peer, LEN(FRONT), MIDDLE);
	tun_say(&s->peer, 0, FRONT);
	c = finish(s);
	check_data(s, 0, LEN(FRONT MIDDLE), BACK);
	check_data(s, 1, LEN(FRONT), MIDDLE);
	check_data(s, 2, 0, FRONT);
	assert_int_equal(c->flow[SONDE_INGRESS].bytes, LEN(ASK));
}

static void what_comes_twice_is_told_once(void **state)
{
	struct scene *s = meet(state, 5);
	const struct sonde_record_close *c;

	tun_say(&s->peer, 0, FRONT);
	tun_say(&s->peer, 0, FRONT);
	tun_say(&s->peer, LEN(FRONT), MIDDLE BACK);
	tun_say(&s->peer, 0, FRONT);
	tun_say(&s->peer, LEN(FRONT), MIDDLE BACK);
	c = finish(s);
	check_data(s, 0, 0, FRONT);
	check_data(s, 1, LEN(FRONT), MIDDLE BACK);
	assert_int_equal(bed_count(s->bed, SONDE_KIND_DATA, s->id), 3);
	assert_int_equal(c->flow[SONDE_INGRESS].bytes, LEN(ASK));
	assert_int_equal(c->flow[SONDE_INGRESS].retransmits, 3);
	assert_int_equal(c->flow[SONDE_INGRESS].gaps, 0);
}

/* A retransmission may carry more than the segment it stands for. */
static void of_an_overlap_the_new_part_is_told(void **state)
{
	struct scene *s = meet(state, 5);
	const struct sonde_record_close *c;

	tun_say(&s->peer, 0, FRONT);
	tun_say(&s->peer, 0, FRONT MIDDLE);
	tun_say(&s->peer, LEN(FRONT), MIDDLE BACK);
	c = finish(s);
	check_data(s, 0, 0, FRONT);
	check_data(s, 1, LEN(FRONT), MIDDLE);
	check_data(s, 2, LEN(FRONT MIDDLE), BACK);
	assert_int_equal(c->flow[SONDE_INGRESS].bytes, LEN(ASK));
	assert_int_equal(c->flow[SONDE_INGRESS].retransmits, 2);
	assert_int_equal(bed_check_ledger(s->bed).headers_odd, 0);
}

#define SCENE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(in_order),
		SCENE_TEST(around_the_end_of_the_sequence_space),
		SCENE_TEST(a_gap_is_flagged_and_what_fills_it_is_told),
		SCENE_TEST(segments_in_reverse_are_all_told),
		SCENE_TEST(what_comes_twice_is_told_once),
		SCENE_TEST(of_an_overlap_the_new_part_is_told),
	};

	return cmocka_run_group_tests_name("segments", tests, NULL, NULL);
}
