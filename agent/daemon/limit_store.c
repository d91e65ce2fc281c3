// SPDX-License-Identifier: Apache-2.0
/* What outlives the daemon: the rules of this boot, and who has changed what. */
#include "agent/daemon/limiter_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/core/escape.h"
#include "agent/limit/state.h"

enum { PATH_BYTES = 256, LINE_BYTES = 1024 };
#define STATE_FILE "limit.state"

/* ---- state ----------------------------------------------------------------------------------- */

static int write_all(int fd, struct sonde_slice s)
{
	while (s.len) {
		ssize_t n = write(fd, s.ptr, s.len);

		if (n >= 0)
			s = sonde_slice_from(s, (size_t)n);
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* All of TEXT under its name, or what was there before. */
static int replace_file(const char *path, struct sonde_slice text)
{
	char fresh[PATH_BYTES + 8];
	int fd, err;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text);
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	if (!err && rename(fresh, path))
		err = -errno;
	if (err)
		unlink(fresh);
	return err;
}

static bool is_worth_keeping(const struct sonde_limit_set *set)
{
	for (uint32_t i = 0; i < set->n_allows; i++)
		if (set->allows[i].why == SONDE_LIMIT_ALLOW_PERSON)
			return true;
	return set->n_entries > 0;
}

int sonde_limit_store(const char *run_dir, const char *boot, const struct sonde_limit_set *set)
{
	char path[PATH_BYTES];
	struct sonde_buf text;
	int err;

	snprintf(path, sizeof(path), "%s/" STATE_FILE, run_dir);
	if (!is_worth_keeping(set))
		return unlink(path) && errno != ENOENT ? -errno : 0;
	sonde_buf_init(&text, SONDE_LIMIT_STATE_BYTES);
	sonde_limit_state_print(set, sonde_slice_str(boot), &text);
	err = text.failed ? -ENOMEM : replace_file(path, sonde_buf_slice(&text));
	sonde_buf_fini(&text);
	return err;
}

static int read_file(const char *path, struct sonde_buf *text)
{
	uint8_t chunk[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), err = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (!text->failed && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n > 0)
			sonde_buf_put(text, chunk, (size_t)n);
		else if (errno != EINTR)
			err = -errno;
		if (err)
			break;
	}
	close(fd);
	return text->failed ? -EFBIG : err;
}

int sonde_limit_load(const char *run_dir, const char *boot, struct sonde_limit_set *set,
		     size_t *bad)
{
	char path[PATH_BYTES];
	struct sonde_buf text;
	int err;

	snprintf(path, sizeof(path), "%s/" STATE_FILE, run_dir);
	sonde_buf_init(&text, SONDE_LIMIT_STATE_BYTES);
	err = read_file(path, &text);
	if (!err)
		err = sonde_limit_state_parse(sonde_buf_slice(&text), sonde_slice_str(boot), set,
					      bad);
	sonde_buf_fini(&text);
	return err;
}

/* ---- audit ----------------------------------------------------------------------------------- */

static void put_time(struct sonde_buf *b)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	sonde_buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			 now.tv_nsec / 1000000);
}

static void put_member(struct sonde_buf *b, const char *key, const char *value)
{
	if (!value)
		return;
	sonde_buf_printf(b, ",\"%s\":\"", key);
	sonde_escape_json(b, sonde_slice_str(value));
	sonde_buf_put_byte(b, '"');
}

static void put_line(struct sonde_buf *b, const struct sonde_limit_actor *actor, const char *what,
		     const char *rule, const char *detail)
{
	sonde_buf_put_str(b, "{\"time\":\"");
	put_time(b);
	sonde_buf_put_byte(b, '"');
	put_member(b, "what", what);
	put_member(b, "rule", rule);
	put_member(b, "detail", detail);
	if (actor->pid) {
		sonde_buf_printf(b, ",\"uid\":%u,\"pid\":%d", actor->uid, actor->pid);
		put_member(b, "comm", actor->comm);
	}
	put_member(b, "why", actor->why);
	sonde_buf_put_str(b, "}\n");
}

/* PATH becomes PATH.1, PATH.1 becomes PATH.2, and so on; what goes beyond is deleted. */
static void rotate(const struct sonde_limit_audit *a)
{
	char from[PATH_BYTES + 16], to[PATH_BYTES + 16];

	snprintf(from, sizeof(from), "%s.%u", a->path, a->max_files);
	if (!a->max_files) {
		unlink(a->path);
		return;
	}
	unlink(from);
	for (uint32_t i = a->max_files; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%u", a->path, i);
		if (i > 1)
			snprintf(from, sizeof(from), "%s.%u", a->path, i - 1);
		else
			snprintf(from, sizeof(from), "%s", a->path);
		rename(from, to);
	}
}

static int append(const struct sonde_limit_audit *a, struct sonde_slice line)
{
	struct stat st;
	int fd, err;

	if (!stat(a->path, &st) && (uint64_t)st.st_size + line.len > a->max_bytes)
		rotate(a);
	fd = open(a->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0 && errno == ENOENT) {
		char dir[PATH_BYTES];
		char *slash;

		snprintf(dir, sizeof(dir), "%s", a->path);
		slash = strrchr(dir, '/');
		if (slash && slash != dir) {
			*slash = '\0';
			mkdir(dir, 0750);
		}
		fd = open(a->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	}
	if (fd < 0)
		return -errno;
	err = write_all(fd, line);
	close(fd);
	return err;
}

static void say(const struct sonde_limit_actor *actor, const char *what, const char *rule,
		const char *detail)
{
	const char *colon = detail ? ": " : "";

	if (!rule)
		rule = "rules";
	if (!detail)
		detail = "";
	if (actor->pid)
		sonde_log(SONDE_LOG_INFO, "limit: %s: %s by uid %u, pid %d (%s)%s%s", rule, what,
			  actor->uid, actor->pid, actor->comm, colon, detail);
	else
		sonde_log(SONDE_LOG_WARN, "limit: %s: %s (%s)%s%s", rule, what, actor->why, colon,
			  detail);
}

void sonde_limit_audit(struct sonde_limit_audit *a, const struct sonde_limit_actor *actor,
		       const char *what, const char *rule, const char *detail)
{
	uint8_t memory[LINE_BYTES];
	struct sonde_buf line;
	int err;

	say(actor, what, rule, detail);
	if (!a->path[0])
		return;
	sonde_buf_over(&line, memory, sizeof(memory));
	put_line(&line, actor, what, rule, detail);
	err = line.failed ? -E2BIG : append(a, sonde_buf_slice(&line));
	if (err && sonde_log_gate(&a->gate, sonde_clock_mono_ns(), 60 * SONDE_NS_PER_SEC))
		sonde_log(SONDE_LOG_ERROR, "limit: audit: %s: %s; the log alone has it", a->path,
			  strerror(-err));
}
