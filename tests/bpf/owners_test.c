// SPDX-License-Identifier: Apache-2.0
/* Whose a connection is: the process that uses it, whoever has listened, and nobody else. */
#include "tests/bpf/bed.h"
#include "tests/bpf/sockets.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#define ASK    "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

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

static bool reads_are_told(const struct bed *b)
{
	return !sonde_probe_missing(b->probe, b->probe->skel->progs.sonde_read);
}

/* Serves one connection of LISTENER in a process of its own. READS: it hears the request first. */
static pid_t serve(int listener, bool reads)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = accept(listener, NULL, NULL);
	if (reads)
		sock_expect(fd, ASK);
	sock_send(fd, ANSWER);
	shutdown(fd, SHUT_WR);
	while (recv(fd, (char[64]){ 0 }, 64, 0) > 0)
		;
	_exit(0);
}

/* A client's end that asks, or only listens, until the server hangs up. */
static void visit(struct bed *b, const char *ask, uint16_t port)
{
	int fd = sock_connect("127.0.0.1", port);

	b->ports[0] = port;
	if (ask)
		sock_send(fd, ask);
	sock_expect(fd, ANSWER);
	assert_int_equal(recv(fd, (char[64]){ 0 }, 64, 0), 0);
	close(fd);
}

static void reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool has_both_ends(const struct bed *b, uint64_t n)
{
	return b->n_ids >= n;
}

/* The server's end, once it has closed; there is one. */
static uint64_t server_of(struct bed *b)
{
	uint64_t id = 0;

	bed_until(b, has_both_ends, 2);
	for (size_t i = 0; i < b->n_ids; i++) {
		bed_until(b, bed_is_closed, b->ids[i]);
		if (bed_open_of(b, b->ids[i])->role == SONDE_ROLE_SERVER)
			id = b->ids[i];
	}
	assert_true(id > 0);
	return id;
}

static void check_handed(struct bed *b, pid_t listener, pid_t user)
{
	uint64_t id = server_of(b);
	const struct seen *owner = bed_nth(b, SONDE_KIND_OWNER, id, 0);

	assert_int_equal(bed_open_of(b, id)->pid, listener);
	assert_int_equal(bed_count(b, SONDE_KIND_OWNER, id), 1);
	assert_int_equal(owner->r.owner.pid, user);
	assert_string_equal(owner->r.owner.comm, "owners_test");
	assert_true(owner->r.owner.start_ns > 0 && owner->r.owner.cgroup_id > 0);
	/* Told before the answer, so that no request is told of under another's name. */
	for (const struct seen *s = owner; s < b->seen + b->n; s++)
		if (s->r.id == id && s->r.kind == SONDE_KIND_DATA &&
		    s->r.data.direction == SONDE_EGRESS) {
			bed_check_ledger(b);
			return;
		}
	fail_msg("the answer was told before its owner");
}

static void a_prefork_worker_owns_what_it_reads(void **state)
{
	struct bed *b = *state;
	uint16_t port;
	int listener = sock_listen("127.0.0.1", &port);
	pid_t worker;

	if (!reads_are_told(b))
		skip();
	worker = serve(listener, true);
	visit(b, ASK, port);
	reap(worker);
	close(listener);
	check_handed(b, getpid(), worker);
}

static void a_worker_that_only_writes_owns_what_it_writes(void **state)
{
	struct bed *b = *state;
	uint16_t port;
	int listener = sock_listen("127.0.0.1", &port);
	pid_t worker = serve(listener, false);

	visit(b, NULL, port);
	reap(worker);
	close(listener);
	check_handed(b, getpid(), worker);
}

static void of_a_fork_after_accept_the_child_owns_it(void **state)
{
	struct bed *b = *state;
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");
	pid_t child;

	if (!reads_are_told(b))
		skip();
	b->ports[0] = p.port;
	sock_send(p.client, ASK);
	child = fork();
	if (!child) {
		sock_expect(p.server, ASK);
		sock_send(p.server, ANSWER);
		_exit(0);
	}
	sock_expect(p.client, ANSWER);
	reap(child);
	close(p.client);
	close(p.server);
	close(p.listener);
	check_handed(b, getpid(), child);
}

static void pass_on(int channel, int fd)
{
	char byte = 0, room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	assert_int_equal(sendmsg(channel, &m, 0), 1);
}

static int receive(int channel)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	int fd;

	assert_int_equal(recvmsg(channel, &m, 0), 1);
	assert_non_null(CMSG_FIRSTHDR(&m));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void who_gets_a_socket_by_a_message_owns_it(void **state)
{
	struct bed *b = *state;
	int channel[2], fd;
	struct pair p;
	pid_t child;

	if (!reads_are_told(b))
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	child = fork();
	if (!child) {
		fd = receive(channel[1]);
		sock_expect(fd, ASK);
		sock_send(fd, ANSWER);
		_exit(0);
	}
	p = pair_open("127.0.0.1", "127.0.0.1");
	b->ports[0] = p.port;
	pass_on(channel[0], p.server);
	close(p.server);
	sock_send(p.client, ASK);
	sock_expect(p.client, ANSWER);
	reap(child);
	close(p.client);
	close(p.listener);
	close(channel[0]);
	close(channel[1]);
	check_handed(b, getpid(), child);
}

static void *read_in_thread(void *arg)
{
	struct pair *p = arg;

	sock_expect(p->server, ASK);
	sock_send(p->server, ANSWER);
	return NULL;
}

static void a_thread_is_its_process(void **state)
{
	struct bed *b = *state;
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");
	pthread_t thread;

	b->ports[0] = p.port;
	sock_send(p.client, ASK);
	assert_int_equal(pthread_create(&thread, NULL, read_in_thread, &p), 0);
	pthread_join(thread, NULL);
	sock_expect(p.client, ANSWER);
	pair_close(&p);
	assert_int_equal(bed_count(b, SONDE_KIND_OWNER, server_of(b)), 0);
	assert_int_equal(bed_open_of(b, p.server_id)->pid, getpid());
}

/* Forks until the child gets pid WANT; -1: somebody else has it. */
static pid_t fork_as(pid_t want)
{
	int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);

	if (last < 0)
		return -1;
	for (int i = 0; i < 200; i++) {
		pid_t pid;

		lseek(last, 0, SEEK_SET);
		if (dprintf(last, "%d", want - 1) < 0)
			break;
		pid = fork();
		if (!pid && getpid() != want)
			_exit(0);
		if (!pid || pid == want) {
			close(last);
			return pid;
		}
		reap(pid);
	}
	close(last);
	return -1;
}

static void a_pid_that_is_used_again_is_somebody_else(void **state)
{
	struct bed *b = *state;
	int channel[2], listener;
	uint16_t port;
	pid_t first, second;
	const struct seen *owner;
	uint64_t id;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	first = fork();
	if (!first) {
		pass_on(channel[1], sock_listen("127.0.0.1", &port));
		_exit(0);
	}
	listener = receive(channel[0]);
	port = sock_port(listener);
	reap(first);
	usleep(20000); /* so that the second one begins at another tick */
	second = fork_as(first);
	if (second < 0) {
		printf("# skip: a pid cannot be chosen here\n");
		skip();
	}
	if (!second) {
		int fd = accept(listener, NULL, NULL);

		sock_expect(fd, ASK);
		sock_send(fd, ANSWER);
		_exit(0);
	}
	visit(b, ASK, port);
	reap(second);
	close(listener);
	id = server_of(b);
	owner = bed_nth(b, SONDE_KIND_OWNER, id, 0);
	assert_non_null(owner);
	assert_int_equal(bed_open_of(b, id)->pid, first);
	assert_int_equal(owner->r.owner.pid, first);
	assert_true(owner->r.owner.start_ns > bed_open_of(b, id)->start_ns);
}

/* The client's end is passed on as well. */
static void a_client_that_reads_for_another_owns_the_socket(void **state)
{
	struct bed *b = *state;
	struct pair p = pair_open("127.0.0.1", "127.0.0.1");
	const struct seen *owner;
	pid_t child;

	if (!reads_are_told(b))
		skip();
	b->ports[0] = p.port;
	child = fork();
	if (!child) {
		sock_expect(p.client, ANSWER);
		_exit(0);
	}
	sock_send(p.client, ASK);
	sock_expect(p.server, ASK);
	sock_send(p.server, ANSWER);
	reap(child);
	pair_close(
		&(struct pair){ .client = p.server, .server = p.client, .listener = p.listener });
	bed_until(b, bed_is_closed, p.client_id);
	owner = bed_nth(b, SONDE_KIND_OWNER, p.client_id, 0);
	assert_non_null(owner);
	assert_int_equal(owner->r.owner.pid, child);
}

#define BED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(a_prefork_worker_owns_what_it_reads),
		BED_TEST(a_worker_that_only_writes_owns_what_it_writes),
		BED_TEST(of_a_fork_after_accept_the_child_owns_it),
		BED_TEST(who_gets_a_socket_by_a_message_owns_it),
		BED_TEST(a_thread_is_its_process),
		BED_TEST(a_pid_that_is_used_again_is_somebody_else),
		BED_TEST(a_client_that_reads_for_another_owns_the_socket),
	};

	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}
