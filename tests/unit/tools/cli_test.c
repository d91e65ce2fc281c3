// SPDX-License-Identifier: Apache-2.0
/* The commands against a control server of the test's own: what they print, how they exit. */
#include "tests/unit/daemon/control_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tools/sonde/cli.h"

enum { ARGS = 16, TEXT = 1 << 20 };

struct run {
	pid_t pid;
	int out, err; /* pipes */
	char *stdout_text, *stderr_text;
	size_t stdout_len, stderr_len;
	int code;
};

static char dir[64];

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sonde_control_source source = fixture_source(f);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(dir, sizeof(dir), "/tmp/sonde-cli-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	f->address.sun_family = AF_UNIX;
	snprintf(f->address.sun_path, sizeof(f->address.sun_path), "%s/control.sock", dir);
	if (bind(fd, (struct sockaddr *)&f->address, sizeof(f->address)) || listen(fd, 8))
		return -1;
	f->n_series = 100;
	*state = f;
	return sonde_loop_new(&f->loop) ||
			       sonde_control_new(f->loop, fd, &f->config, &source, &f->control)
		       ? -1
		       : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->address.sun_path);
	rmdir(dir);
	return fixture_close(state);
}

/* Starts `sonde --run-dir DIR LINE...`; the words of LINE are separated by one blank. */
static struct run start(const char *run_dir, const char *line)
{
	struct run r = { .stdout_text = calloc(1, TEXT), .stderr_text = calloc(1, TEXT) };
	int out[2], err[2];

	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC | O_NONBLOCK), 0);
	r.pid = fork();
	if (r.pid == 0) {
		char *argv[ARGS] = { strdup("sonde"), strdup("--run-dir"), strdup(run_dir) };
		char *save = NULL, *text = strdup(line), *word;
		int argc = 3, code;

		close(out[0]);
		close(err[0]);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		fcntl(STDOUT_FILENO, F_SETFL, 0);
		fcntl(STDERR_FILENO, F_SETFL, 0);
		signal(SIGPIPE, SIG_IGN);
		for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
			argv[argc++] = word;
		code = sonde_cli_main(argc, argv);
		fflush(stderr);
		_exit(code);
	}
	close(out[1]);
	close(err[1]);
	r.out = out[0];
	r.err = err[0];
	return r;
}

static void collect(int fd, char *text, size_t *len)
{
	ssize_t n;

	while (*len + 1 < TEXT && (n = read(fd, text + *len, TEXT - 1 - *len)) > 0)
		*len += (size_t)n;
}

/* One turn of the server; true when the command has ended. */
static bool turn(struct fixture *f, struct run *r)
{
	int status;
	bool ended;

	sonde_loop_once(f->loop, 10);
	ended = waitpid(r->pid, &status, WNOHANG) == r->pid;
	if (r->out >= 0)
		collect(r->out, r->stdout_text, &r->stdout_len);
	collect(r->err, r->stderr_text, &r->stderr_len);
	if (!ended)
		return false;
	assert_true(WIFEXITED(status));
	r->code = WEXITSTATUS(status);
	return true;
}

static void finish(struct fixture *f, struct run *r)
{
	while (!turn(f, r))
		;
}

static void forget(struct run *r)
{
	if (r->out >= 0)
		close(r->out);
	close(r->err);
	free(r->stdout_text);
	free(r->stderr_text);
}

static void await_subscriber(struct fixture *f, struct run *r)
{
	while (f->control->stats.subscribers == 0)
		assert_false(turn(f, r));
}

static void expect(struct fixture *f, const char *line, int code, const char *out, const char *err)
{
	struct run r = start(dir, line);

	finish(f, &r);
	if (r.code != code || (out && !strstr(r.stdout_text, out)) ||
	    (err && !strstr(r.stderr_text, err)))
		fail_msg("%s: %d\n%s\n%s", line, r.code, r.stdout_text, r.stderr_text);
	forget(&r);
}

static void commands_exit_as_documented(void **state)
{
	struct fixture *f = *state;

	expect(f, "status", 0, "ring_full: 3", "");
	expect(f, "status -o json", 0, "\"reason\":\"ring_full\",\"count\":3", "");
	expect(f, "services", 0, "even", "");
	expect(f, "services -o json", 0, "\"service\":\"odd\"", "");
	expect(f, "services --service nothing -o json", 0, "[]\n", "");
	expect(f, "config print", 0, "capture: {}\n", "");
	expect(f, "top --count 1 --interval 0.01", 0, "RATE/s", "");
	expect(f, "top --count 1 --interval 0.01 --by connection", 0, "connections, by rate", "");
	expect(f, "top --count 1 --interval 0.01 --by peer", 0, "TO-CLIENT/s", "");
	expect(f, "top --count 1 --interval 0.01 --by process --sort bytes", 0, "COMM", "");
	expect(f, "top --by service", 2, "", "--by");
	expect(f, "version", 0, "sonde " SONDE_VERSION, "");
	expect(f, "help trace", 0, "--min-latency TIME", "");
	expect(f, "trace --help", 0, "--min-latency TIME", "");
	expect(f, "completion bash", 0, "complete -F _sonde sonde", "");
	expect(f, "completion fish", 0, "complete -c sonde", "");
	expect(f, "help --help", 0, "Usage: sonde help [COMMAND]", "");
	expect(f, "help -h", 0, "Usage: sonde help [COMMAND]", "");
	expect(f, "version -o json", 0, "\"schema\":", "");
	expect(f, "version -o wide", 2, "", "'wide' is not one of table, json");
	expect(f, "doctor -o jsonl", 2, "", "did you mean json?");
	expect(f, "status -o jsonl", 2, "", "did you mean json?");
	expect(f, "help nothing", 2, "", "no such command: nothing");
	expect(f, "statsu", 2, "", "did you mean status?");
	expect(f, "trace --status 5yy", 2, "", "'5yy' is not a status");
	expect(f, "trace --role srever", 2, "", "did you mean server?");
	expect(f, "trace --port 70000", 2, "", "--port");
	expect(f, "completion tcsh", 2, "", "bash, zsh or fish");
	expect(f, "", 2, "", "which command?");
}

static void connections_are_listed_and_told(void **state)
{
	struct fixture *f = *state;

	f->n_live = 3;
	f->n_closed = 2;
	f->n_events = 2;
	expect(f, "conns", 0, "1001  tcp    closed", "");
	expect(f, "conns --live --limit 1", 0, "1   tcp    established  frontend  shop:8080", "");
	expect(f, "conns --closed -o jsonl", 0, "\"connection_id\":\"1000\"", "");
	expect(f, "conns --sort rtt -o json", 0, "[{\"record\":\"connection\"", "");
	expect(f, "conns -o wide --role server", 0, "10.96.0.1:80", "");
	expect(f, "conns --peer nobody -o json", 0, "[]\n", "");
	expect(f, "conns 1001", 0, "retransmits  1 more", "");
	expect(f, "conns 1001 -o json", 0, "\"event\":\"opened\"", "");
	expect(f, "conns 77", 1, "", "no connection 77 is open or remembered");
	expect(f, "conns 77 78", 2, "", "the id of one connection");
	expect(f, "conns x", 2, "", "'x' is not the id of a connection");
	expect(f, "conns --protocol http", 2, "", "'http' is not known");
	expect(f, "conns --sort size", 2, "", "--sort");
}

static void connections_are_followed_as_they_close(void **state)
{
	static const char *const lines[] = {
		"conns --follow --limit 2 --failed",
		"conns -f -n 2 --failed -o jsonl",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		struct sonde_connection c = sample_connection();
		struct run r = start(dir, lines[i]);

		await_subscriber(f, &r);
		sonde_control_connection(f->control, &c);
		c.connect_error = SONDE_CONNECT_REFUSED;
		sonde_control_connection(f->control, &c);
		sonde_control_connection(f->control, &c);
		finish(f, &r);
		assert_int_equal(r.code, 0);
		assert_non_null(strstr(r.stderr_text, "-- 2 connections, 2 failed, 0 records"));
		assert_non_null(strstr(r.stdout_text, i ? "\"connect_error\":\"refused\"}\n"
							: "  refused      frontend  "));
		forget(&r);
	}
	expect(f, "conns --follow --timeout 0.01", 0, "CLIENT", "0 connections");
	expect(f, "conns -f -n 1 --timeout 0.01", 1, "", "0 of 1 connections within the time");
	expect(f, "conns --follow --live", 2, "", "--follow tells what closes from now on");
	expect(f, "conns --timeout 1", 2, "", "--timeout ends --follow");
}

static void map_comes_in_every_format(void **state)
{
	struct fixture *f = *state;

	f->n_edges = 2;
	expect(f, "map -i 0.01", 0, "cron    shop", "");
	expect(f, "map -i 0.01 -o wide --recent", 0, "TRANSFER", "");
	expect(f, "map -i 0.01 -o json", 0, "[{\"client\":\"cron\",\"server\":\"shop\"", "");
	expect(f, "map -i 0.01 -o dot", 0, "digraph sonde {", "");
	expect(f, "map -i 0.01 -o mermaid --service we*", 0, "n0[\"web\"]", "");
	expect(f, "map -i 0.01 -o json --service nobody", 0, "[]\n", "");
	expect(f, "map -o svg", 2, "", "'svg' is not one of table, wide, json, dot, mermaid");
	expect(f, "map x", 2, "", "takes no arguments");
}

static void no_daemon_is_exit_3(void **state)
{
	static const char *const lines[] = { "trace",	     "status", "services", "top",
					     "config print", "conns",  "map" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct run r = start("/nowhere", lines[i]);

		finish(f, &r);
		assert_int_equal(r.code, SONDE_EXIT_UNREACHABLE);
		assert_non_null(strstr(r.stderr_text, "is sonded running?"));
		forget(&r);
	}
}

static void trace_prints_what_the_filter_lets_through(void **state)
{
	struct fixture *f = *state;
	struct run r = start(dir, "trace --path /b* --count 2 -o jsonl");
	struct sonde_request sent = sample_request();

	await_subscriber(f, &r);
	sent.path = SONDE_SLICE_LIT("/a");
	sonde_control_request(f->control, &sent);
	sent.path = SONDE_SLICE_LIT("/b1");
	sonde_control_request(f->control, &sent);
	sonde_control_lost(f->control, SONDE_KIND_DATA, SONDE_LOSS_RING_FULL, 5);
	sent.path = SONDE_SLICE_LIT("/b2");
	sonde_control_request(f->control, &sent);
	sonde_control_request(f->control, &sent);
	finish(f, &r);
	assert_int_equal(r.code, 0);
	assert_null(strstr(r.stdout_text, "\"/a\""));
	assert_non_null(strstr(r.stdout_text, "\"url.path\":\"/b1\""));
	assert_non_null(strstr(r.stdout_text, "\"url.path\":\"/b2\""));
	assert_null(strstr(r.stdout_text, "lost"));
	assert_non_null(strstr(r.stderr_text, "-- lost 5 data records (kernel: ring_full) --"));
	assert_non_null(strstr(r.stderr_text, "2 requests, 2 errors, 5 records lost"));
	forget(&r);
}

static void header_comes_after_the_subscription(void **state)
{
	struct fixture *f = *state;
	struct run r = start(dir, "trace");
	struct sonde_request sent = sample_request();

	while (!strstr(r.stdout_text, "REQUEST\n"))
		assert_false(turn(f, &r));
	assert_int_equal(f->control->stats.subscribers, 1);
	sonde_control_request(f->control, &sent);
	while (!strstr(r.stdout_text, "GET /users/17\n"))
		assert_false(turn(f, &r));
	kill(r.pid, SIGINT);
	finish(f, &r);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.stderr_text, "1 requests, 1 errors, 0 records lost"));
	forget(&r);
}

static void fail_on_is_exit_5(void **state)
{
	struct fixture *f = *state;
	struct sonde_request sent = sample_request();

	for (int met = 0; met < 2; met++) {
		struct run r = start(dir, "trace --count 1 --fail-on 5xx");

		await_subscriber(f, &r);
		sent.status = met ? 503 : 200;
		sonde_control_request(f->control, &sent);
		finish(f, &r);
		assert_int_equal(r.code, met ? SONDE_EXIT_CONDITION : SONDE_EXIT_OK);
		forget(&r);
	}
}

static void timeout_before_count_is_exit_1(void **state)
{
	struct fixture *f = *state;

	expect(f, "trace --timeout 0.02", 0, "REQUEST", "0 requests");
	expect(f, "trace --timeout 0.02 --count 1", 1, "REQUEST", "0 of 1 requests");
}

static void hostile_bytes_do_not_reach_the_terminal(void **state)
{
	struct fixture *f = *state;
	struct run r = start(dir, "trace --count 1 -o wide");
	struct sonde_request sent = sample_request();

	await_subscriber(f, &r);
	sent.path = SONDE_SLICE_LIT("/\x1b]0;owned\x07\xff\xe2\x80\xae");
	sent.service = SONDE_SLICE_LIT("\x9b"
				       "31m");
	sonde_control_request(f->control, &sent);
	finish(f, &r);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.stdout_text, "/\\x1b]0;owned\\x07\\xff\\xe2\\x80\\xae"));
	assert_non_null(strstr(r.stdout_text, "\\x9b31m"));
	for (size_t i = 0; i < r.stdout_len; i++)
		assert_true(r.stdout_text[i] == '\n' ||
			    (r.stdout_text[i] >= ' ' && r.stdout_text[i] < 0x7f));
	forget(&r);
}

static void reader_that_leaves_ends_it_quietly(void **state)
{
	struct fixture *f = *state;
	struct run r = start(dir, "trace -o jsonl");
	struct sonde_request sent = sample_request();

	await_subscriber(f, &r);
	close(r.out);
	r.out = -1;
	sonde_control_request(f->control, &sent);
	finish(f, &r);
	assert_int_equal(r.code, 0);
	assert_null(strstr(r.stderr_text, "sonde:"));
	forget(&r);
}

/* Listens like a daemon that is slow: the test answers by hand. */
static int slow_daemon(const char *at)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", at);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void answer_hello(int fd)
{
	Sonde__Frame frame = SONDE__FRAME__INIT;
	Sonde__Hello hello;
	uint8_t bytes[256];
	struct sonde_buf b;

	sonde_buf_over(&b, bytes, sizeof(bytes));
	sonde__hello__init(&hello);
	hello.schema = SONDE_SCHEMA;
	frame.body_case = SONDE__FRAME__BODY_HELLO;
	frame.hello = &hello;
	assert_int_equal(sonde_wire_put_frame(&b, &frame, SONDE_WIRE_DAEMON_MAX), 0);
	assert_int_equal(write(fd, b.ptr, b.len), b.len);
}

static void waits_for_an_answer_can_be_stopped(void **state)
{
	static const char *const lines[] = { "trace", "top --plain" };
	char at[] = "/tmp/sonde-slow-XXXXXX", path[64], bytes[512];
	struct fixture *f = *state;
	int listener;

	assert_non_null(mkdtemp(at));
	snprintf(path, sizeof(path), "%s/control.sock", at);
	listener = slow_daemon(at);
	for (size_t i = 0; i < 4; i++) {
		struct run r = start(at, lines[i / 2]);
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		/* The hello; on the second round, the question behind it too. */
		assert_true(read(fd, bytes, sizeof(bytes)) > 0);
		if (i % 2) {
			answer_hello(fd);
			assert_true(read(fd, bytes, sizeof(bytes)) > 0);
		}
		kill(r.pid, SIGINT);
		finish(f, &r);
		assert_int_equal(r.code, SONDE_EXIT_OK);
		assert_int_equal(r.stderr_len, 0);
		forget(&r);
		close(fd);
	}
	close(listener);
	unlink(path);
	rmdir(at);
}

static void daemon_that_ends_is_exit_3(void **state)
{
	struct fixture *f = *state;
	struct run r = start(dir, "trace");

	await_subscriber(f, &r);
	/* What a worker that is killed does to its sockets. */
	sonde_client_close(&f->control->clients[0]);
	finish(f, &r);
	assert_int_equal(r.code, SONDE_EXIT_UNREACHABLE);
	forget(&r);
}

static void reader_that_stops_is_told_exactly(void **state)
{
	enum { N = 60000 };
	struct fixture *f = *state;
	struct run r = start(dir, "trace -o jsonl");
	struct sonde_request sent = sample_request();
	struct sonde_control_stats stats;
	char want[80];
	size_t lines = 0;

	await_subscriber(f, &r);
	/* Nobody reads its output: the pipe fills, it blocks, the daemon's queue fills. */
	for (int i = 0; i < N; i++) {
		sonde_control_request(f->control, &sent);
		if (i % 1024 == 0)
			sonde_loop_once(f->loop, 0);
	}
	sonde_control_stats(f->control, &stats);
	assert_true(stats.dropped_slow > 0);
	for (;;) {
		ssize_t n = read(r.out, r.stdout_text, TEXT - 1);

		for (ssize_t i = 0; i < n; i++)
			lines += r.stdout_text[i] == '\n';
		sonde_loop_once(f->loop, 0);
		sonde_control_stats(f->control, &stats);
		if (lines + stats.dropped_slow == N)
			break;
		assert_true(lines + stats.dropped_slow < N);
	}
	kill(r.pid, SIGTERM);
	finish(f, &r);
	snprintf(want, sizeof(want), "%zu errors, %llu records lost", lines,
		 (unsigned long long)stats.dropped_slow);
	assert_non_null(strstr(r.stderr_text, want));
	forget(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE_CLI(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		CASE_CLI(commands_exit_as_documented),
		CASE_CLI(connections_are_listed_and_told),
		CASE_CLI(connections_are_followed_as_they_close),
		CASE_CLI(map_comes_in_every_format),
		CASE_CLI(no_daemon_is_exit_3),
		CASE_CLI(trace_prints_what_the_filter_lets_through),
		CASE_CLI(header_comes_after_the_subscription),
		CASE_CLI(fail_on_is_exit_5),
		CASE_CLI(timeout_before_count_is_exit_1),
		CASE_CLI(hostile_bytes_do_not_reach_the_terminal),
		CASE_CLI(reader_that_leaves_ends_it_quietly),
		CASE_CLI(daemon_that_ends_is_exit_3),
		CASE_CLI(waits_for_an_answer_can_be_stopped),
		CASE_CLI(reader_that_stops_is_told_exactly),
	};

	/* A command that never ends must not hold up the tests for ever. */
	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
