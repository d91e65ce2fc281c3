// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/core/clock.h"
#include "exporters/jsonl/jsonl.h"
#include "exporters/jsonl/output.h"
#include "tests/unit/sample_connection.h"

struct fixture {
	char dir[64];
	char path[96];
	struct sonde_config config;
	struct sonde_exporter *e;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/sonde-jsonl-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/out", f->dir);
	f->config.jsonl.enabled = true;
	f->config.jsonl.path = f->path;
	f->config.jsonl.max_files = 2;
	f->config.jsonl.queue_records = 20000;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const ends[] = { "", ".1", ".2", ".3", ".moved" };
	struct fixture *f = *state;
	char path[128];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(path, sizeof(path), "%s/out%s", f->dir, ends[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

static void open_exporter(struct fixture *f)
{
	char error[128] = "";

	assert_int_equal(sonde_jsonl_ops.open(&f->config, &f->e, error, sizeof(error)), 0);
}

static void push(struct fixture *f, int n)
{
	struct sonde_request r = sample_request();

	for (int i = 0; i < n; i++)
		sonde_jsonl_ops.push(f->e, &r);
}

/* Until all that was pushed is settled. */
static struct sonde_exporter_stats settle(struct fixture *f)
{
	struct sonde_exporter_stats stats;

	do {
		sched_yield();
		sonde_jsonl_ops.stats(f->e, &stats);
		assert_int_equal(stats.produced, stats.delivered + stats.dropped_full +
							 stats.dropped_error + stats.queued);
	} while (stats.queued);
	return stats;
}

/* Whole lines in DIR/out END; -1 when the file is not there. */
static int lines_in(const struct fixture *f, const char *end)
{
	char path[128], line[4096];
	int n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/out%s", f->dir, end);
	file = fopen(path, "re");
	if (!file)
		return -1;
	for (; fgets(line, sizeof(line), file); n++) {
		assert_int_equal(line[0], '{');
		assert_string_equal(line + strlen(line) - 3, "}}\n");
	}
	fclose(file);
	return n;
}

static void each_request_is_a_line(void **state)
{
	struct fixture *f = *state;
	struct sonde_exporter_stats stats;
	struct stat st;

	open_exporter(f);
	push(f, 1000);
	stats = settle(f);
	assert_int_equal(stats.delivered, 1000);
	assert_int_equal(lines_in(f, ""), 1000);
	stat(f->path, &st);
	assert_int_equal(stats.bytes, st.st_size);
	assert_int_equal(st.st_mode & 0777, 0640);
	sonde_jsonl_ops.close(f->e, SONDE_NS_PER_SEC);
}

static bool has_line(const struct fixture *f, const char *part)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen(f->path, "re");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		found |= strstr(line, part) != NULL;
	fclose(file);
	return found;
}

static void connections_are_written_when_they_are_wanted(void **state)
{
	struct sonde_connection c = sample_connection();
	struct fixture *f = *state;

	for (int wanted = 0; wanted < 2; wanted++) {
		f->config.jsonl.connections = wanted;
		open_exporter(f);
		push(f, 1);
		assert_true(sonde_jsonl_ops.push_connection(f->e, &c));
		assert_int_equal(settle(f).delivered, 1 + wanted);
		sonde_jsonl_ops.close(f->e, 60 * SONDE_NS_PER_SEC);
		assert_true(has_line(f, "{\"record\":\"request\","));
		assert_int_equal(has_line(f, "{\"record\":\"connection\","), wanted);
	}
}

static void close_writes_what_is_queued(void **state)
{
	struct fixture *f = *state;

	open_exporter(f);
	push(f, 10000);
	sonde_jsonl_ops.close(f->e, 60 * SONDE_NS_PER_SEC);
	assert_int_equal(lines_in(f, ""), 10000);
}

static void file_that_has_grown_rotates(void **state)
{
	struct fixture *f = *state;

	f->config.jsonl.max_bytes = 1;
	open_exporter(f);
	for (int i = 1; i <= 4; i++) {
		push(f, 1);
		settle(f);
		assert_int_equal(lines_in(f, ""), 1);
	}
	assert_int_equal(lines_in(f, ".1"), 1);
	assert_int_equal(lines_in(f, ".2"), 1);
	assert_int_equal(lines_in(f, ".3"), -1);
	sonde_jsonl_ops.close(f->e, SONDE_NS_PER_SEC);
}

static void file_moved_away_is_opened_anew(void **state)
{
	struct fixture *f = *state;
	char moved[128];

	snprintf(moved, sizeof(moved), "%s.moved", f->path);
	open_exporter(f);
	push(f, 3);
	settle(f);
	rename(f->path, moved);
	push(f, 2);
	assert_int_equal(settle(f).delivered, 5);
	assert_int_equal(lines_in(f, ".moved"), 3);
	assert_int_equal(lines_in(f, ""), 2);
	sonde_jsonl_ops.close(f->e, SONDE_NS_PER_SEC);
}

static void full_device_drops_everything_and_counts_it(void **state)
{
	char full[] = "/dev/full";
	struct fixture *f = *state;
	struct sonde_exporter_stats stats;

	f->config.jsonl.path = full;
	open_exporter(f);
	push(f, 700);
	stats = settle(f);
	assert_int_equal(stats.produced, 700);
	assert_int_equal(stats.dropped_error, 700);
	assert_int_equal(stats.delivered, 0);
	assert_int_equal(stats.bytes, 0);
	sonde_jsonl_ops.close(f->e, SONDE_NS_PER_SEC);
}

static void disk_full_leaves_whole_lines_and_goes_on_later(void **state)
{
	struct fixture *f = *state;
	struct sonde_exporter_stats stats;
	struct rlimit before, small;

	/* A file that may not grow beyond this is as good as a full disk. */
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = 20000;
	open_exporter(f);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	push(f, 500);
	stats = settle(f);
	assert_true(stats.delivered > 0);
	assert_true(stats.dropped_error > 0);
	assert_int_equal(stats.delivered, lines_in(f, ""));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	push(f, 100);
	assert_int_equal(settle(f).delivered, stats.delivered + 100);
	assert_int_equal(lines_in(f, ""), stats.delivered + 100);
	sonde_jsonl_ops.close(f->e, SONDE_NS_PER_SEC);
}

static void path_that_cannot_be_opened_is_an_error_with_a_line(void **state)
{
	char path[] = "/nowhere/at/all";
	struct fixture *f = *state;
	struct sonde_exporter *e = NULL;
	char error[128] = "";

	f->config.jsonl.path = path;
	assert_int_equal(sonde_jsonl_ops.open(&f->config, &e, error, sizeof(error)), -ENOENT);
	assert_null(e);
	assert_non_null(strstr(error, "/nowhere/at/all"));
	sonde_jsonl_ops.close(NULL, 0);
}

static void blocked_pipe_gives_way_to_the_end(void **state)
{
	static uint8_t lines[200000];
	int fds[2], stop[2], err = 0;
	struct sonde_output out = { .fd = -1 };
	size_t done;

	(void)state;
	memset(lines, 'x', sizeof(lines));
	for (size_t i = 99; i < sizeof(lines); i += 100)
		lines[i] = '\n';
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	assert_int_equal(write(stop[1], "x", 1), 1);
	out.fd = fds[1];
	done = sonde_output_write(&out, sonde_slice_of(lines, sizeof(lines)), stop[0], &err);
	assert_int_equal(err, -EINTR);
	assert_true(done > 0 && done < sizeof(lines));
	assert_int_equal(done % 100, 0);
	close(fds[0]);
	done = sonde_output_write(&out, sonde_slice_of(lines, sizeof(lines)), stop[0], &err);
	assert_int_equal(err, -EPIPE);
	assert_int_equal(done, 0);
	close(fds[1]);
	close(stop[0]);
	close(stop[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		CASE(each_request_is_a_line),
		CASE(connections_are_written_when_they_are_wanted),
		CASE(close_writes_what_is_queued),
		CASE(file_that_has_grown_rotates),
		CASE(file_moved_away_is_opened_anew),
		CASE(full_device_drops_everything_and_counts_it),
		CASE(disk_full_leaves_whole_lines_and_goes_on_later),
		CASE(path_that_cannot_be_opened_is_an_error_with_a_line),
		cmocka_unit_test(blocked_pipe_gives_way_to_the_end),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
