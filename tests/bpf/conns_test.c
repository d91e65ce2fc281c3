// SPDX-License-Identifier: Apache-2.0
/* How connections begin, what TCP counts for them, how they end, and that nothing is left then. */
#include "tests/bpf/bed.h"
#include "tests/bpf/snapshots.h"
#include "tests/bpf/sockets.h"
#include "tests/bpf/tcp_info.h"
#include "tests/bpf/tun_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#define HELLO  "hello"
#define NS(ms) ((uint64_t)(ms)*SONDE_NS_PER_MS)

static int setup(void **state)
{
	struct bed *b = bed_new();

	bed_load(b);
	bed_attach(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bed_free(*state);
	return 0;
}

static struct pair open_pair(struct bed *b)
{
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");

	b->ports[0] = p.port;
	return p;
}

static void abort_socket(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* Waits until all that was sent has been acknowledged, so that no segment is on its way. */
static void settle(int fd)
{
	int left = 1;

	for (int i = 0; i < 5000 && left; i++, usleep(1000))
		assert_int_equal(ioctl(fd, SIOCOUTQ, &left), 0);
	assert_int_equal(left, 0);
	usleep(60000); /* a delayed ACK */
}

static void talk(const struct pair *p)
{
	static char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 20; i++) {
		text[100 + i * 90] = '\0';
		pair_exchange(p, text, HELLO);
		text[100 + i * 90] = 'x';
	}
	settle(p->client);
	settle(p->server);
}

static void check_facts(const struct sonde_tcp_view *v, const struct info *i, uint32_t more_out,
			uint32_t more_in)
{
	assert_int_equal(v->bytes_sent, i->bytes_sent);
	assert_int_equal(v->bytes_received, i->bytes_received);
	assert_int_equal(v->segments_out, i->segments_out + more_out);
	assert_int_equal(v->segments_in, i->segments_in + more_in);
	assert_int_equal(v->retransmits, i->retransmits);
	assert_int_equal(v->out_of_order, i->out_of_order);
	assert_int_equal(v->rwnd_limited_ns / 1000, i->rwnd_limited_us);
	assert_int_equal(v->sndbuf_limited_ns / 1000, i->sndbuf_limited_us);
}

static void check_times(const struct sonde_tcp_view *v, const struct info *i)
{
	assert_true(i->srtt_us > 0);
	assert_int_equal(v->srtt_us, i->srtt_us);
	assert_int_equal(v->rtt_var_us, i->rtt_var_us);
	assert_int_equal(v->min_rtt_us, i->min_rtt_us);
}

/* The RST leaves after the last word of its sender, and is the last word to its receiver. */
static void facts_at_an_abort_are_those_of_tcp_itself(void **state)
{
	struct bed *b = *state;
	struct pair p = open_pair(b);
	struct info client, server;

	talk(&p);
	client = sock_info(p.client);
	server = sock_info(p.server);
	abort_socket(p.client);
	bed_until(b, bed_is_closed, p.server_id);
	bed_until(b, bed_is_closed, p.client_id);
	check_facts(&bed_close_of(b, p.client_id)->tcp, &client, 0, 0);
	check_times(&bed_close_of(b, p.client_id)->tcp, &client);
	check_facts(&bed_close_of(b, p.server_id)->tcp, &server, 0, 1);
	check_times(&bed_close_of(b, p.server_id)->tcp, &server);
	assert_int_equal(bed_close_of(b, p.server_id)->tcp.state, SONDE_TCP_ESTABLISHED);
	close(p.server);
	close(p.listener);
	assert_false(bed_holds(b, p.client_id));
	bed_check_ledger(b);
}

/* A FIN is no byte. Each end sends one and has one acknowledged. */
static void facts_at_an_orderly_close_are_those_of_tcp_itself(void **state)
{
	struct bed *b = *state;
	struct pair p = open_pair(b);
	struct info client, server;
	char byte;

	talk(&p);
	client = sock_info(p.client);
	server = sock_info(p.server);
	shutdown(p.client, SHUT_WR);
	assert_int_equal(recv(p.server, &byte, 1, 0), 0);
	settle(p.client); /* the FIN is acknowledged by itself */
	close(p.server);
	assert_int_equal(recv(p.client, &byte, 1, 0), 0);
	bed_until(b, bed_is_closed, p.server_id);
	bed_until(b, bed_is_closed, p.client_id);
	check_facts(&bed_close_of(b, p.client_id)->tcp, &client, 2, 2);
	check_facts(&bed_close_of(b, p.server_id)->tcp, &server, 2, 2);
	assert_int_equal(bed_close_of(b, p.server_id)->tcp.state, SONDE_TCP_LAST_ACK);
	assert_int_equal(bed_close_of(b, p.client_id)->tcp.state, SONDE_TCP_FIN_WAIT2);
	close(p.client);
	close(p.listener);
	assert_false(bed_holds(b, p.client_id));
	bed_check_ledger(b);
}

/* What an iterator reads of a live connection. */
static struct sonde_tcp_view snapshot_of(struct bed *b, uint64_t id)
{
	struct sonde_tcp_view view = { 0 };
	struct snapshots k = { 0 };

	snapshots_take(&k, b->probe);
	for (size_t i = 0; i < k.n; i++)
		if (k.all[i].kind == SONDE_SNAPSHOT_TCP && k.all[i].id == id)
			view = k.all[i].tcp.tcp;
	free(k.all);
	return view;
}

static void a_snapshot_shows_what_tcp_says_of_a_live_connection(void **state)
{
	struct bed *b = *state;
	struct pair p = open_pair(b);
	struct sonde_tcp_view view;
	struct info info;

	talk(&p);
	info = sock_info(p.server);
	view = snapshot_of(b, p.server_id);
	check_facts(&view, &info, 0, 0);
	check_times(&view, &info);
	assert_int_equal(view.state, SONDE_TCP_ESTABLISHED);
	info = sock_info(p.client);
	view = snapshot_of(b, p.client_id);
	check_facts(&view, &info, 0, 0);
	pair_close(&p);
}

/* A socket that has not been connected yet, and where it would go. */
static int unconnected(uint16_t port, struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*to = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_true(fd >= 0);
	return fd;
}

static const struct sonde_record_close *check_failed(struct bed *b, uint64_t id, uint16_t error)
{
	const struct sonde_record_close *c;

	bed_until(b, bed_is_closed, id);
	assert_int_equal(bed_count(b, SONDE_KIND_OPEN, id), 1);
	assert_true(bed_open_of(b, id)->failed);
	assert_int_equal(bed_open_of(b, id)->role, SONDE_ROLE_CLIENT);
	assert_int_equal(bed_open_of(b, id)->pid, getpid());
	assert_int_equal(bed_open_of(b, id)->peer, 0);
	c = bed_close_of(b, id);
	assert_true(c->failed);
	assert_int_equal(c->error, error);
	assert_int_equal(c->tcp.state, SONDE_TCP_SYN_SENT);
	assert_true(c->stamp_ns >= bed_open_of(b, id)->stamp_ns);
	assert_false(bed_holds(b, id));
	return c;
}

static void a_refused_connect_is_told_with_the_reason(void **state)
{
	struct bed *b = *state;
	struct sockaddr_in to;
	uint16_t port;
	uint64_t id;
	int fd;

	close(sock_listen("127.0.0.1", &port));
	b->ports[0] = port;
	fd = unconnected(port, &to);
	id = sock_id(fd);
	connect(fd, (struct sockaddr *)&to, sizeof(to));
	check_failed(b, id, ECONNREFUSED);
	assert_int_equal(bed_close_of(b, id)->tcp.segments_out, 1);
	close(fd);
	bed_check_ledger(b);
}

/* The queue of the listener is full: the SYN is dropped, and the client loses patience. */
static void a_connect_that_is_given_up_is_told_as_that(void **state)
{
	struct bed *b = *state;
	struct sockaddr_in to;
	int listener, fd[3];
	uint16_t port;
	uint64_t id;

	listener = sock_listen("127.0.0.1", &port);
	b->ports[0] = port;
	assert_int_equal(listen(listener, 0), 0);
	for (int i = 0; i < 3; i++) {
		fd[i] = unconnected(port, &to);
		connect(fd[i], (struct sockaddr *)&to, sizeof(to));
	}
	assert_int_equal(sock_info(fd[2]).state, SONDE_TCP_SYN_SENT);
	id = sock_id(fd[2]);
	close(fd[2]);
	check_failed(b, id, 0);
	for (int i = 0; i < 2; i++)
		close(fd[i]);
	close(listener);
	bed_check_ledger(b);
}

static void a_socket_that_connects_twice_is_two_connections(void **state)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct bed *b = *state;
	struct sockaddr_in to;
	struct pair p = { 0 };
	uint16_t port;

	close(sock_listen("127.0.0.1", &port));
	p.listener = sock_listen("127.0.0.1", &p.port);
	b->ports[0] = port;
	b->ports[1] = p.port;
	p.client = unconnected(port, &to);
	p.client_id = sock_id(p.client);
	connect(p.client, (struct sockaddr *)&to, sizeof(to));
	bed_until(b, bed_is_closed, p.client_id);
	fcntl(p.client, F_SETFL, 0);
	connect(p.client, &none, sizeof(none));
	to.sin_port = htons(p.port);
	assert_int_equal(connect(p.client, (struct sockaddr *)&to, sizeof(to)), 0);
	p.server = sock_accept(p.listener);
	p.server_id = sock_id(p.server);
	pair_exchange(&p, HELLO, HELLO);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	assert_int_equal(bed_count(b, SONDE_KIND_OPEN, p.client_id), 2);
	assert_int_equal(bed_count(b, SONDE_KIND_CLOSE, p.client_id), 2);
	assert_true(bed_nth(b, SONDE_KIND_OPEN, p.client_id, 0)->r.open.failed);
	assert_false(bed_nth(b, SONDE_KIND_OPEN, p.client_id, 1)->r.open.failed);
	assert_int_equal(bed_nth(b, SONDE_KIND_CLOSE, p.client_id, 1)->r.close.tcp.bytes_sent, 5);
	assert_false(bed_holds(b, p.client_id));
}

static void the_time_to_connect_is_that_of_the_client(void **state)
{
	struct bed *b = *state;
	uint64_t before = sonde_clock_mono_ns();
	struct pair p = open_pair(b);
	uint64_t spent = sonde_clock_mono_ns() - before;

	bed_until(b, bed_is_open, p.server_id);
	assert_in_range(bed_open_of(b, p.client_id)->connect_ns, 1, spent);
	assert_int_equal(bed_open_of(b, p.server_id)->connect_ns, 0);
	pair_close(&p);
}

static void unread_data_makes_a_close_an_abort(void **state)
{
	struct bed *b = *state;
	struct pair p = open_pair(b);

	sock_send(p.client, HELLO);
	settle(p.client);
	close(p.server);
	bed_until(b, bed_is_closed, p.server_id);
	bed_until(b, bed_is_closed, p.client_id);
	assert_true(bed_close_of(b, p.server_id)->aborted);
	assert_false(bed_close_of(b, p.server_id)->rst_in);
	assert_true(bed_close_of(b, p.client_id)->rst_in);
	assert_int_equal(bed_close_of(b, p.client_id)->error, ECONNRESET);
	close(p.client);
	close(p.listener);
	assert_false(bed_holds(b, p.client_id));
}

static void a_half_closed_connection_lives_on(void **state)
{
	struct bed *b = *state;
	struct pair p = open_pair(b);
	char byte;

	sock_send(p.client, HELLO);
	shutdown(p.client, SHUT_WR);
	sock_expect(p.server, HELLO);
	assert_int_equal(recv(p.server, &byte, 1, 0), 0);
	for (int i = 0; i < 10; i++)
		sock_send(p.server, HELLO);
	for (int i = 0; i < 10; i++)
		sock_expect(p.client, HELLO);
	bed_drain(b);
	assert_false(bed_is_closed(b, p.server_id) || bed_is_closed(b, p.client_id));
	close(p.server);
	assert_int_equal(recv(p.client, &byte, 1, 0), 0);
	bed_until(b, bed_is_closed, p.server_id);
	bed_until(b, bed_is_closed, p.client_id);
	assert_true(bed_close_of(b, p.server_id)->peer_first);
	assert_false(bed_close_of(b, p.client_id)->peer_first);
	assert_int_equal(bed_close_of(b, p.client_id)->tcp.bytes_received, 50);
	assert_int_equal(bed_close_of(b, p.server_id)->tcp.bytes_received, 5);
	close(p.client);
	close(p.listener);
}

/* Fills the way to a reader that does not read. */
static size_t stuff(int fd)
{
	static const char bytes[65536];
	size_t sent = 0;
	ssize_t n;

	while ((n = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0 || sent < sizeof(bytes))
		sent += n > 0 ? (size_t)n : 0;
	return sent;
}

static void a_window_of_zero_is_counted_and_timed(void **state)
{
	struct bed *b = *state;
	struct pair p = { 0 };
	static char bytes[65536];
	int small = 4096;
	struct info info;
	size_t sent;

	p.listener = sock_listen("127.0.0.1", &p.port);
	b->ports[0] = p.port;
	setsockopt(p.listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	pair_meet(&p, "127.0.0.1");
	sent = stuff(p.client);
	usleep(300000);
	for (size_t got = 0; got < sent;) {
		ssize_t n = recv(p.server, bytes, sizeof(bytes), 0);

		assert_true(n > 0);
		got += (size_t)n;
	}
	settle(p.client);
	info = sock_info(p.client);
	abort_socket(p.client);
	bed_until(b, bed_is_closed, p.server_id);
	bed_until(b, bed_is_closed, p.client_id);
	assert_true(bed_close_of(b, p.server_id)->tcp.zero_windows > 0);
	assert_true(info.rwnd_limited_us > 100000);
	assert_int_equal(bed_close_of(b, p.client_id)->tcp.rwnd_limited_ns / 1000,
			 info.rwnd_limited_us);
	assert_int_equal(bed_close_of(b, p.client_id)->tcp.sndbuf_limited_ns / 1000,
			 info.sndbuf_limited_us);
	assert_int_equal(bed_close_of(b, p.server_id)->tcp.bytes_received, sent);
	close(p.server);
	close(p.listener);
}

/* The low half of a moment in units of 64 ns, as the record has it. */
static uint64_t since(uint32_t at, uint64_t ns)
{
	return (uint64_t)(at - ((uint32_t)(ns >> 6) | 1)) << 6;
}

static void the_wait_before_the_first_read_is_told_with_the_answer(void **state)
{
	struct bed *b = *state;
	struct pair p = open_pair(b);
	const struct sonde_record_data *ask, *answer;
	static const int wait_ms[] = { 80, 20 };
	uint64_t wait;

	if (sonde_probe_missing(b->probe, b->probe->skel->progs.sonde_read))
		skip();
	for (size_t i = 0; i < 2; i++) {
		sock_send(p.client, "GET / HTTP/1.1\r\n\r\n");
		usleep((useconds_t)wait_ms[i] * 1000);
		sock_expect(p.server, "GET / HTTP/1.1\r\n\r\n");
		usleep(30000); /* works on it */
		sock_send(p.server, "HTTP/1.1 204 No\r\n\r\n");
		sock_expect(p.client, "HTTP/1.1 204 No\r\n\r\n");
	}
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	for (size_t i = 0; i < 2; i++) {
		ask = bed_data_of(b, p.server_id, i * 2);
		answer = bed_data_of(b, p.server_id, i * 2 + 1);
		assert_int_equal(answer->direction, SONDE_EGRESS);
		wait = since(answer->read_at, ask->stamp_ns);
		assert_true(wait >= NS(wait_ms[i]));
		assert_true(wait + NS(30) <= answer->stamp_ns - ask->stamp_ns + NS(1));
	}
	assert_in_range(bed_close_of(b, p.server_id)->tcp.read_after_us, 80000, 5000000);
}

static void read_only_once_is_waited_for_from_the_start(void **state)
{
	struct bed *b = *state;
	struct pair p;

	p.listener = sock_listen("127.0.0.1", &p.port);
	b->ports[0] = p.port;
	p.client = sock_connect("127.0.0.1", p.port);
	p.client_id = sock_id(p.client);
	sock_send(p.client, HELLO);
	usleep(50000); /* in the accept queue */
	p.server = sock_accept(p.listener);
	p.server_id = sock_id(p.server);
	sock_expect(p.server, HELLO);
	sock_send(p.client, HELLO);
	usleep(100000);
	sock_expect(p.server, HELLO);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	if (sonde_probe_missing(b->probe, b->probe->skel->progs.sonde_read))
		skip();
	assert_in_range(bed_close_of(b, p.server_id)->tcp.read_after_us, 50000, 99000);
}

/* Who speaks first, or nobody: the tables are left by the end, and most at the first answer. */
static void no_table_keeps_a_connection_that_has_ended(void **state)
{
	static const char *const says[] = { "client", "server", "nobody" };
	struct bed *b = *state;

	for (size_t i = 0; i < 3; i++) {
		struct pair p = open_pair(b);

		if (i == 0)
			pair_exchange(&p, HELLO, HELLO);
		if (i == 1) {
			sock_send(p.server, HELLO);
			sock_expect(p.client, HELLO);
			pair_exchange(&p, HELLO, HELLO);
		}
		if (i < 2 && bed_holds(b, p.client_id))
			fail_msg("%s spoke first: still held", says[i]);
		pair_close(&p);
		bed_until(b, bed_is_closed, p.client_id);
		if (bed_holds(b, p.client_id))
			fail_msg("%s spoke first: held at the end", says[i]);
		/* What the server says first passes before the client knows that it is one. */
		assert_int_equal(bed_count(b, SONDE_KIND_DATA, p.client_id), i == 1);
	}
	bed_check_ledger(b);
}

/* Neither accepts, one hangs up: what the kernel does for the application leaves no trace. */
static void a_connection_that_nobody_accepts_leaves_nothing(void **state)
{
	struct bed *b = *state;
	struct pair p;

	for (int client_first = 0; client_first < 2; client_first++) {
		p.listener = sock_listen("127.0.0.1", &p.port);
		b->ports[0] = p.port;
		p.client = sock_connect("127.0.0.1", p.port);
		p.client_id = sock_id(p.client);
		if (client_first)
			abort_socket(p.client);
		close(p.listener);
		bed_until(b, bed_is_closed, p.client_id);
		p.server_id = 0;
		for (size_t i = 0; i < b->n_ids; i++)
			if (b->ids[i] != p.client_id)
				p.server_id = b->ids[i];
		assert_true(p.server_id > 0);
		bed_until(b, bed_is_closed, p.server_id);
		assert_false(bed_holds(b, p.client_id));
		if (!client_first)
			close(p.client);
	}
	bed_check_ledger(b);
}

/* A server that is not on this node never claims its client: the answer ends the wait for it. */
static void a_client_waits_for_its_server_until_the_first_answer(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(TUN_CLIENT_PORT),
				  .sin_addr.s_addr = htonl(TUN_CLIENT) };
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(TUN_SERVER) };
	struct bed *b = *state;
	struct tun_peer peer;
	uint64_t id;
	int fd;

	if (!tun_open(&peer)) {
		printf("# skip: this kernel has no tun device\n");
		skip();
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	id = sock_id(fd);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	peer.server_port = sock_port(fd);
	b->ports[0] = peer.server_port;
	connect(fd, (struct sockaddr *)&to, sizeof(to));
	assert_true(bed_holds(b, id));
	tun_receive(&peer, true, 0);
	tun_send(&peer, TH_SYN | TH_ACK, -1, "");
	bed_until(b, bed_is_open, id);
	sock_send(fd, HELLO);
	tun_receive(&peer, false, strlen(HELLO));
	assert_true(bed_holds(b, id));
	fcntl(fd, F_SETFL, 0);
	tun_say(&peer, 0, HELLO);
	sock_expect(fd, HELLO);
	assert_false(bed_holds(b, id));
	tun_send(&peer, TH_RST | TH_ACK, strlen(HELLO), "");
	bed_until(b, bed_is_closed, id);
	assert_true(bed_close_of(b, id)->rst_in);
	close(fd);
	close(peer.fd);
}

/* Fast open: the request is on the SYN, before there is a socket or a connection. */
static void payload_on_the_syn_has_its_place(void **state)
{
	static const char ask[] = "GET /a HTTP/1.1\r\n\r\n";
	struct bed *b = *state;
	struct sockaddr_in to;
	struct pair p = { 0 };
	int queue = 16;

	if (unshare(CLONE_NEWNET) ||
	    system("ip link set lo up && sysctl -qw net.ipv4.tcp_fastopen=0x207")) { /* NOLINT */
		printf("# skip: no network namespace with fast open can be had\n");
		skip();
	}
	p.listener = sock_listen("127.0.0.1", &p.port);
	b->ports[0] = p.port;
	assert_int_equal(setsockopt(p.listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)),
			 0);
	p.client = unconnected(p.port, &to);
	p.client_id = sock_id(p.client);
	assert_int_equal(sendto(p.client, ask, sizeof(ask) - 1, MSG_FASTOPEN,
				(struct sockaddr *)&to, sizeof(to)),
			 sizeof(ask) - 1);
	fcntl(p.client, F_SETFL, 0);
	p.server = sock_accept(p.listener);
	p.server_id = sock_id(p.server);
	sock_expect(p.server, ask);
	sock_send(p.server, HELLO);
	sock_expect(p.client, HELLO);
	pair_exchange(&p, ask, HELLO);
	pair_close(&p);
	bed_until(b, bed_is_closed, p.server_id);
	bed_until(b, bed_is_closed, p.client_id);
	assert_int_equal(bed_open_of(b, p.server_id)->peer, p.client_id);
	bed_check_payload(b, p.server_id, 0, ask);
	assert_int_equal(bed_data_of(b, p.server_id, 0)->position, 0);
	assert_int_equal(bed_close_of(b, p.server_id)->flow[SONDE_INGRESS].bytes,
			 2 * (sizeof(ask) - 1));
	assert_int_equal(bed_close_of(b, p.server_id)->flow[SONDE_INGRESS].gaps, 0);
	assert_int_equal(bed_close_of(b, p.client_id)->flow[SONDE_EGRESS].retransmits, 0);
	assert_int_equal(bed_close_of(b, p.client_id)->tcp.bytes_sent, 2 * (sizeof(ask) - 1));
	assert_false(bed_holds(b, p.client_id));
}

#define BED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(facts_at_an_abort_are_those_of_tcp_itself),
		BED_TEST(facts_at_an_orderly_close_are_those_of_tcp_itself),
		BED_TEST(a_snapshot_shows_what_tcp_says_of_a_live_connection),
		BED_TEST(a_refused_connect_is_told_with_the_reason),
		BED_TEST(a_connect_that_is_given_up_is_told_as_that),
		BED_TEST(a_socket_that_connects_twice_is_two_connections),
		BED_TEST(the_time_to_connect_is_that_of_the_client),
		BED_TEST(unread_data_makes_a_close_an_abort),
		BED_TEST(a_half_closed_connection_lives_on),
		BED_TEST(a_window_of_zero_is_counted_and_timed),
		BED_TEST(the_wait_before_the_first_read_is_told_with_the_answer),
		BED_TEST(read_only_once_is_waited_for_from_the_start),
		BED_TEST(no_table_keeps_a_connection_that_has_ended),
		BED_TEST(a_connection_that_nobody_accepts_leaves_nothing),
		/* Last: they leave this process in a network namespace of its own. */
		BED_TEST(a_client_waits_for_its_server_until_the_first_answer),
		BED_TEST(payload_on_the_syn_has_its_place),
	};

	return cmocka_run_group_tests_name("conns", tests, NULL, NULL);
}
