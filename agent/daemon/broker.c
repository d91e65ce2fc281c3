// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/core/log.h"
#include "agent/daemon/broker_metadata.h"
#include "agent/daemon/channel.h"
#include "agent/daemon/config.h"
#include "agent/daemon/limiter.h"
#include "agent/daemon/loop.h"
#include "agent/daemon/rundir.h"
#include "agent/daemon/sandbox.h"
#include "agent/meta/cgroup.h"
#include "agent/probe/probe.h"

enum {
	EXIT_PRIVILEGE = 4,
	STOP_WAIT_MS = 4000,   /* for the worker to flush */
	START_WAIT_MS = 10000, /* for a worker to say that it is ready */
};

#define RESTART_MIN_NS (100 * SONDE_NS_PER_MS)
#define RESTART_MAX_NS (1500 * SONDE_NS_PER_MS) /* capture is back within two seconds */
#define REOPEN_MIN_NS  (500 * SONDE_NS_PER_MS)
#define STEADY_NS      (5 * SONDE_NS_PER_SEC) /* a worker that lived this long starts afresh */

struct broker {
	const struct sonde_broker_options *options;
	struct sonde_config *config;
	struct sonde_loop *loop;
	struct sonde_rundir rundir;
	struct sonde_probe *probe;
	struct sonde_limiter *limiter;
	struct sonde_cgroup_cache cgroups;
	struct sonde_watch signals, channel;
	struct sonde_timer status, progress, restart;
	int shared_fd;
	pid_t worker; /* 0: none */
	uint64_t start_unix_ns;
	uint64_t worker_start_ns;
	uint64_t restart_delay_ns;
	uint32_t restarts;
	uint64_t reopened_ns;
	bool worker_ready;
	bool ready; /* it was said to the world */
	bool stop;
	int status_code;
};

static void fail(struct broker *b, int status, const char *text)
{
	sonde_log(SONDE_LOG_ERROR, "%s", text);
	b->status_code = status;
	b->stop = true;
}

/* ---- worker ------------------------------------------------------------------------------------
 */

/* The effective config as a sealed-off file that the worker can read without any right. */
static int config_memfd(const struct sonde_config *config)
{
	struct sonde_buf text;
	int fd = -ENOMEM;

	sonde_buf_init(&text, SONDE_CONFIG_TEXT_MAX);
	sonde_config_print(config, false, &text);
	if (!text.failed)
		fd = memfd_create("sonde-config", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, text.ptr, text.len) != (ssize_t)text.len) {
		close(fd);
		fd = -EIO;
	}
	sonde_buf_fini(&text);
	return fd;
}

static int send_setup(struct broker *b)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_SETUP };
	int fds[SONDE_FDS], err;

	m.setup.ring_bytes = b->config->capture.ring_bytes;
	m.setup.start_unix_ns = b->start_unix_ns;
	m.setup.restarts = b->restarts;
	fds[SONDE_FD_CONFIG] = config_memfd(b->config);
	if (fds[SONDE_FD_CONFIG] < 0)
		return fds[SONDE_FD_CONFIG];
	fds[SONDE_FD_RING] = sonde_probe_ring_fd(b->probe);
	fds[SONDE_FD_CONTROL] = sonde_probe_control_fd(b->probe);
	fds[SONDE_FD_SHARED] = b->shared_fd;
	fds[SONDE_FD_LISTEN] = b->rundir.listen_fd;
	fds[SONDE_FD_LIMIT] = sonde_limiter_view_fd(b->limiter);
	err = sonde_channel_send(b->channel.fd, &m, fds, SONDE_FDS);
	close(fds[SONDE_FD_CONFIG]);
	return err;
}

/* A fresh address space: nothing of the broker's memory reaches the process that parses. */
static void exec_worker(int fd)
{
	char number[16];
	char *argv[] = { (char *)(uintptr_t) "sonded: worker", (char *)(uintptr_t) "--worker",
			 number, NULL };
	sigset_t none;

	snprintf(number, sizeof(number), "%d", fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fcntl(fd, F_SETFD, 0);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static void drop_channel(struct broker *b)
{
	if (b->channel.fd < 0)
		return;
	sonde_loop_remove(b->loop, &b->channel);
	close(b->channel.fd);
	b->channel.fd = -1;
}

static int start_worker(struct broker *b)
{
	int fds[2], err = sonde_channel_pair(fds);

	if (err)
		return err;
	b->worker = fork();
	if (b->worker == 0)
		exec_worker(fds[1]);
	close(fds[1]);
	if (b->worker < 0) {
		b->worker = 0;
		close(fds[0]);
		return -errno;
	}
	b->channel.fd = fds[0];
	b->worker_start_ns = sonde_clock_mono_ns();
	sonde_probe_set_own(b->probe, (uint32_t)getpid(), (uint32_t)b->worker);
	b->worker_ready = false;
	err = sonde_loop_add(b->loop, &b->channel, EPOLLIN);
	if (!err)
		err = send_setup(b);
	if (err) {
		/* Reaped by SIGCHLD, which also starts the next one. */
		kill(b->worker, SIGKILL);
		drop_channel(b);
	}
	return b->ready ? 0 : err;
}

static void restart_expired(struct sonde_timer *t, uint64_t times)
{
	struct broker *b = sonde_container_of(t, struct broker, restart);
	int err;

	(void)times;
	sonde_timer_set(t, 0);
	err = start_worker(b);
	if (err) {
		sonde_log(SONDE_LOG_ERROR, "worker: start: %s; trying again", strerror(-err));
		sonde_timer_set(t, RESTART_MAX_NS);
	}
}

static void say_how_it_ended(int status)
{
	if (WIFSIGNALED(status))
		sonde_log(SONDE_LOG_WARN, "worker: ended by signal %d; starting another",
			  WTERMSIG(status));
	else
		sonde_log(SONDE_LOG_WARN, "worker: ended with status %d; starting another",
			  WEXITSTATUS(status));
}

static void worker_ended(struct broker *b, int status)
{
	uint64_t lived = sonde_clock_mono_ns() - b->worker_start_ns;

	b->worker = 0;
	drop_channel(b);
	if (b->stop)
		return;
	if (!b->ready) {
		fail(b, 1, "worker: could not start");
		return;
	}
	say_how_it_ended(status);
	b->restarts++;
	if (lived > STEADY_NS)
		b->restart_delay_ns = 1;
	else if (b->restart_delay_ns < RESTART_MIN_NS)
		b->restart_delay_ns = RESTART_MIN_NS;
	else if (b->restart_delay_ns < RESTART_MAX_NS / 2)
		b->restart_delay_ns *= 2;
	else
		b->restart_delay_ns = RESTART_MAX_NS;
	sonde_timer_set(&b->restart, b->restart_delay_ns);
}

/* ---- what the worker says ----------------------------------------------------------------- */

/* Ids of the cgroups of the config and of all below them, to the programs. */
static struct sonde_probe *ignore_probe; /* nftw() carries no context */

static int ignore_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_D)
		sonde_probe_ignore_cgroup(ignore_probe, st->st_ino);
	return 0;
}

static void ignore_cgroups(struct broker *b)
{
	const struct sonde_string_list *list = &b->config->capture.ignored_cgroups;
	char path[512];

	ignore_probe = b->probe;
	for (size_t i = 0; i < list->n_items; i++) {
		snprintf(path, sizeof(path), "%s%s", b->rundir.cgroup_root, list->items[i]);
		nftw(path, ignore_one, 8, FTW_PHYS);
	}
}

static void first_capture(struct broker *b)
{
	char error[512];
	int err = sonde_probe_attach(b->probe, error, sizeof(error));

	if (err) {
		fail(b, EXIT_PRIVILEGE, error);
		return;
	}
	ignore_cgroups(b);
	err = sonde_probe_adopt(b->probe);
	if (err)
		sonde_log(SONDE_LOG_WARN,
			  "old sockets: %s: connections older than the daemon have no process name",
			  strerror(-err));
	malloc_trim(0); /* the kernel's types, read to load the programs, were most of the heap */
	b->ready = true;
	printf("sonded: ready\n");
	fflush(stdout);
}

static uint64_t own_rss(void)
{
	unsigned long long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void send_status(struct broker *b)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_STATUS };

	if (b->channel.fd < 0)
		return;
	sonde_probe_status(b->probe, &m.status);
	m.status.broker_pid = (uint32_t)getpid();
	m.status.broker_rss_bytes = own_rss();
	m.status.worker_restarts = b->restarts;
	sonde_channel_send(b->channel.fd, &m, NULL, 0);
}

static void on_ready(struct broker *b, const struct sonde_message *m)
{
	struct sonde_message reply = { .type = SONDE_MESSAGE_REOPENED };

	b->worker_ready = true;
	sonde_probe_set_canary(b->probe, m->ready.canary_port);
	if (!b->ready)
		first_capture(b);
	else
		sonde_probe_reopen(b->probe);
	if (b->stop)
		return;
	sonde_channel_send(b->channel.fd, &reply, NULL, 0);
	send_status(b);
}

/* All connections once more. Each time is a walk over all sockets, so it is not done at will. */
static void on_reopen(struct broker *b)
{
	struct sonde_message reply = { .type = SONDE_MESSAGE_REOPENED };
	uint64_t now = sonde_clock_mono_ns();

	if (now - b->reopened_ns < REOPEN_MIN_NS)
		return;
	b->reopened_ns = now;
	sonde_probe_reopen(b->probe);
	send_status(b);
	sonde_channel_send(b->channel.fd, &reply, NULL, 0);
}

static void on_question(struct broker *b, const struct sonde_process_question *q)
{
	struct sonde_message reply = { .type = SONDE_MESSAGE_IDENTITY };

	sonde_identity_read_cached(&b->cgroups, "/proc", b->rundir.cgroup_root, q->pid, q->start_ns,
				   q->cgroup_id, &reply.identity);
	/* A worker that does not read gives up on the answer by itself. */
	sonde_channel_send(b->channel.fd, &reply, NULL, 0);
}

/* Files whose reading is the worker's: however much there is, it does not pass through here. */
static void on_snapshot(struct broker *b)
{
	struct sonde_message reply = { .type = SONDE_MESSAGE_SNAPSHOT };
	int fds[SONDE_PROBE_SNAPSHOTS];
	size_t n = sonde_probe_snapshot(b->probe, fds);

	sonde_channel_send(b->channel.fd, &reply, fds, n);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

/* The person's socket comes along: the kernel, not the worker, says who that is. */
static void on_limit(struct broker *b, const struct sonde_limit_command *command, int peer_fd)
{
	struct sonde_message reply = { .type = SONDE_MESSAGE_LIMITED };

	sonde_limiter_command(b->limiter, command, peer_fd, &reply.limited);
	sonde_channel_send(b->channel.fd, &reply, NULL, 0);
}

/* What finds no room is the worker's loss of a sample; counts are kept elsewhere. */
static void on_sample(void *ctx, const struct sonde_limit_sample *s)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_SAMPLE, .sample = *s };
	struct broker *b = ctx;

	if (b->worker_ready && b->channel.fd >= 0)
		sonde_channel_send(b->channel.fd, &m, NULL, 0);
}

static void on_connect(struct broker *b, uint32_t talk)
{
	struct sonde_message reply = { .type = SONDE_MESSAGE_CONNECTION };
	struct sonde_metadata_connection c;
	int fds[SONDE_METADATA_FDS];
	size_t n = 0;

	sonde_broker_connect(b->config, talk, &c);
	reply.talk.number = talk;
	reply.talk.error = c.error;
	for (unsigned int i = 0; i < SONDE_METADATA_FDS; i++) {
		if (c.fds[i] < 0)
			continue;
		reply.talk.fds |= 1U << i;
		fds[n++] = c.fds[i];
	}
	sonde_channel_send(b->channel.fd, &reply, fds, n);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static void on_message(struct broker *b, struct sonde_message *m, const int *fds, size_t n_fds)
{
	switch (m->type) {
	case SONDE_MESSAGE_READY:
		on_ready(b, m);
		break;
	case SONDE_MESSAGE_FAILED:
		m->failed[sizeof(m->failed) - 1] = '\0';
		if (!b->ready)
			fail(b, 1, m->failed);
		else
			sonde_log(SONDE_LOG_ERROR, "%s", m->failed);
		break;
	case SONDE_MESSAGE_QUESTION:
		on_question(b, &m->question);
		break;
	case SONDE_MESSAGE_REOPEN:
		on_reopen(b);
		break;
	case SONDE_MESSAGE_SNAPSHOT:
		on_snapshot(b);
		break;
	case SONDE_MESSAGE_LIMIT:
		if (n_fds == 1)
			on_limit(b, &m->limit, fds[0]);
		break;
	case SONDE_MESSAGE_CONNECT:
		on_connect(b, m->talk.number);
		break;
	default:
		break;
	}
}

static void channel_ready(struct sonde_watch *w, uint32_t events)
{
	struct broker *b = sonde_container_of(w, struct broker, channel);
	struct sonde_message m;
	int fds[SONDE_FDS], err;
	size_t n_fds;

	(void)events;
	/* A bounded number at a time: signals and timers must not starve. */
	for (int i = 0; i < 64; i++) {
		err = sonde_channel_receive(w->fd, &m, fds, &n_fds);
		if (err)
			break;
		on_message(b, &m, fds, n_fds);
		for (size_t k = 0; k < n_fds; k++)
			close(fds[k]);
	}
	if (err == -EPIPE) {
		/* Gone, or as good as gone: SIGCHLD does the rest. */
		drop_channel(b);
		if (b->worker > 0 && !b->stop)
			kill(b->worker, SIGKILL);
	}
}

/* ---- signals and timers --------------------------------------------------------------------- */

/*
 * What is read at start only keeps its value, and says so when the file has another one. Swapped,
 * not copied: FRESH and OLD each go on owning what they hold.
 */
#define SWAP(a, b)                      \
	do {                            \
		__typeof__(a) a_ = (a); \
		(a) = (b);              \
		(b) = a_;               \
	} while (0)

static bool same_metadata(const struct sonde_config *a, const struct sonde_config *b)
{
	const struct sonde_string_list *x = &a->metadata.docker.sockets;
	const struct sonde_string_list *y = &b->metadata.docker.sockets;

	for (size_t i = 0; x->n_items == y->n_items && i < x->n_items; i++)
		if (strcmp(x->items[i], y->items[i]) != 0)
			return false;
	return x->n_items == y->n_items &&
	       !strcmp(a->metadata.kubernetes.api_server, b->metadata.kubernetes.api_server) &&
	       !strcmp(a->metadata.kubernetes.node_name, b->metadata.kubernetes.node_name) &&
	       !strcmp(a->metadata.kubernetes.token_file, b->metadata.kubernetes.token_file) &&
	       !strcmp(a->metadata.kubernetes.ca_file, b->metadata.kubernetes.ca_file);
}

static void keep_start_only(struct sonde_config *fresh, struct sonde_config *old)
{
	bool changed = fresh->capture.ring_bytes != old->capture.ring_bytes ||
		       fresh->capture.request_head_bytes != old->capture.request_head_bytes ||
		       fresh->capture.response_head_bytes != old->capture.response_head_bytes ||
		       fresh->capture.max_connections != old->capture.max_connections ||
		       fresh->capture.n_ignored_ports != old->capture.n_ignored_ports ||
		       memcmp(fresh->capture.ignored_ports, old->capture.ignored_ports,
			      sizeof(old->capture.ignored_ports)) != 0 ||
		       strcmp(fresh->listen.listen, old->listen.listen) != 0 ||
		       fresh->jsonl.enabled != old->jsonl.enabled ||
		       strcmp(fresh->jsonl.path, old->jsonl.path) != 0 ||
		       !same_metadata(fresh, old);

	SWAP(fresh->capture.ring_bytes, old->capture.ring_bytes);
	SWAP(fresh->capture.request_head_bytes, old->capture.request_head_bytes);
	SWAP(fresh->capture.response_head_bytes, old->capture.response_head_bytes);
	SWAP(fresh->capture.max_connections, old->capture.max_connections);
	SWAP(fresh->capture.n_ignored_ports, old->capture.n_ignored_ports);
	for (size_t i = 0; i < SONDE_CONFIG_PORTS_MAX; i++)
		SWAP(fresh->capture.ignored_ports[i], old->capture.ignored_ports[i]);
	SWAP(fresh->listen.listen, old->listen.listen);
	SWAP(fresh->jsonl, old->jsonl);
	SWAP(fresh->metadata, old->metadata);
	if (changed)
		sonde_log(SONDE_LOG_WARN,
			  "reload: the file changes keys that are read at start only; their former "
			  "values stay until the next start");
}

static void reload(struct broker *b)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_RELOAD };
	struct sonde_config fresh;
	struct sonde_buf errors;
	char error[256];
	int fd, err;

	if (!b->options->config_path) {
		sonde_log(SONDE_LOG_WARN, "reload: no config file was given; nothing to read");
		return;
	}
	sonde_buf_init(&errors, 1 << 16);
	err = sonde_config_load(b->options->config_path, &fresh, &errors);
	if (!err && b->options->http)
		err = sonde_config_set(&fresh, "listen.http", sonde_slice_str(b->options->http),
				       "--http", &errors);
	if (err) {
		while (errors.len && errors.ptr[errors.len - 1] == '\n')
			errors.len--;
		sonde_log(SONDE_LOG_ERROR, "reload: the former config stays: %.*s", (int)errors.len,
			  (char *)errors.ptr);
		sonde_buf_fini(&errors);
		return;
	}
	sonde_buf_fini(&errors);
	if (!sonde_limiter_can_reload(b->limiter, &fresh, error, sizeof(error))) {
		sonde_log(SONDE_LOG_ERROR, "reload: the former config stays: %s: %s",
			  b->options->config_path, error);
		sonde_config_fini(&fresh);
		return;
	}
	keep_start_only(&fresh, b->config);
	sonde_config_fini(b->config);
	*b->config = fresh;
	sonde_limiter_reload(b->limiter, b->config);
	sonde_probe_ignore_none(b->probe);
	ignore_cgroups(b);
	fd = config_memfd(b->config);
	if (fd < 0)
		return;
	if (b->channel.fd >= 0)
		sonde_channel_send(b->channel.fd, &m, &fd, 1);
	close(fd);
}

static void reap(struct broker *b)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == b->worker)
			worker_ended(b, status);
}

static void signals_ready(struct sonde_watch *w, uint32_t events)
{
	struct broker *b = sonde_container_of(w, struct broker, signals);
	struct signalfd_siginfo info;
	char error[512];

	(void)events;
	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(b);
			break;
		case SIGHUP:
			reload(b);
			break;
		case SIGUSR1:
			sonde_probe_detach(b->probe);
			break;
		case SIGUSR2:
			sonde_probe_detach(b->probe);
			if (sonde_probe_attach(b->probe, error, sizeof(error)))
				sonde_log(SONDE_LOG_ERROR, "%s", error);
			break;
		default:
			b->stop = true;
			break;
		}
	}
}

static void status_expired(struct sonde_timer *t, uint64_t times)
{
	struct broker *b = sonde_container_of(t, struct broker, status);

	(void)times;
	if (b->worker > 0 && !b->worker_ready &&
	    sonde_clock_mono_ns() - b->worker_start_ns > START_WAIT_MS * SONDE_NS_PER_MS)
		kill(b->worker, SIGKILL);
	send_status(b);
	/* Cgroups come and go: a unit that is restarted has another one. */
	if (b->ready && b->config->capture.ignored_cgroups.n_items)
		ignore_cgroups(b);
}

static void progress_expired(struct sonde_timer *t, uint64_t times)
{
	struct broker *b = sonde_container_of(t, struct broker, progress);

	(void)times;
	if (b->ready)
		sonde_probe_progress(b->probe);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int watch_signals(struct broker *b)
{
	static const int taken[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	b->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return b->signals.fd < 0 ? -errno : sonde_loop_add(b->loop, &b->signals, EPOLLIN);
}

static int open_timers(struct broker *b)
{
	int err;

	b->status.expired = status_expired;
	b->progress.expired = progress_expired;
	b->restart.expired = restart_expired;
	err = sonde_timer_start(b->loop, &b->status, SONDE_NS_PER_SEC / 2);
	if (!err)
		err = sonde_timer_start(b->loop, &b->progress, SONDE_PROBE_PROGRESS_NS);
	if (!err)
		err = sonde_timer_start(b->loop, &b->restart, 0);
	return err;
}

static int open_shared(struct broker *b)
{
	const char(*reasons)[SONDE_REASON_NAME];
	size_t len = sonde_probe_reasons(b->probe, &reasons) * SONDE_REASON_NAME;

	/* Sealed: a worker gone wrong must not take the page from under the next one. */
	b->shared_fd = memfd_create("sonde-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->shared_fd < 0)
		return -errno;
	if (ftruncate(b->shared_fd, sizeof(struct sonde_shared)) ||
	    fcntl(b->shared_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	if (pwrite(b->shared_fd, reasons, len, offsetof(struct sonde_shared, reasons)) !=
	    (ssize_t)len)
		return -EIO;
	return 0;
}

/* Everything up to a worker that has been told its setup. Failures have been said. */
static int open_broker(struct broker *b)
{
	char error[1024];
	int err =
		sonde_rundir_open(b->options->run_dir, b->config, &b->rundir, error, sizeof(error));

	if (err) {
		fail(b, err == -EPERM || err == -EACCES ? EXIT_PRIVILEGE : 1, error);
		return err;
	}
	err = sonde_probe_open(b->config, b->rundir.cgroup_root, &b->probe, error, sizeof(error));
	if (err) {
		fail(b, EXIT_PRIVILEGE, error);
		return err;
	}
	err = sonde_limiter_new(b->loop, b->rundir.path, b->config, on_sample, b, &b->limiter,
				error, sizeof(error));
	if (err) {
		fail(b, 1, error);
		return err;
	}
	err = open_shared(b);
	if (!err)
		err = watch_signals(b);
	if (!err)
		err = open_timers(b);
	if (!err)
		err = sonde_sandbox_broker();
	if (!err)
		err = start_worker(b);
	if (err) {
		snprintf(error, sizeof(error), "broker: start: %s", strerror(-err));
		fail(b, 1, error);
	}
	return err;
}

static void stop_worker(struct broker *b)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_STOP };
	uint64_t until = sonde_clock_mono_ns() + STOP_WAIT_MS * SONDE_NS_PER_MS;

	if (b->worker <= 0)
		return;
	/* The end of the channel says the same, should the message not fit. */
	if (b->channel.fd < 0 || sonde_channel_send(b->channel.fd, &m, NULL, 0))
		drop_channel(b);
	while (b->worker > 0 && sonde_clock_mono_ns() < until) {
		sonde_loop_once(b->loop, 20);
		reap(b);
	}
	if (b->worker > 0) {
		sonde_log(SONDE_LOG_WARN, "worker: did not end in time: killed");
		kill(b->worker, SIGKILL);
		waitpid(b->worker, NULL, 0);
		b->worker = 0;
	}
}

static void close_broker(struct broker *b)
{
	if (b->probe)
		sonde_probe_detach(b->probe);
	b->stop = true;
	stop_worker(b);
	drop_channel(b);
	sonde_limiter_free(b->limiter);
	sonde_probe_close(b->probe);
	sonde_timer_stop(&b->status);
	sonde_timer_stop(&b->progress);
	sonde_timer_stop(&b->restart);
	if (b->shared_fd >= 0)
		close(b->shared_fd);
	if (b->signals.fd >= 0)
		close(b->signals.fd);
	sonde_rundir_close(&b->rundir);
	sonde_config_fini(b->config);
	sonde_loop_free(b->loop);
}

int sonde_broker_run(const struct sonde_broker_options *options, struct sonde_config *config)
{
	struct broker b = {
		.options = options,
		.config = config,
		.rundir = { .lock_fd = -1, .listen_fd = -1 },
		.signals = { .fd = -1, .ready = signals_ready },
		.channel = { .fd = -1, .ready = channel_ready },
		.shared_fd = -1,
		.start_unix_ns = sonde_clock_ns(CLOCK_REALTIME),
	};
	uint64_t deadline;
	int err = sonde_loop_new(&b.loop);

	if (err)
		return 1;
	err = open_broker(&b);
	/* Loading takes as long as the kernel's verifier does; the worker has no such excuse. */
	deadline = sonde_clock_mono_ns() + START_WAIT_MS * SONDE_NS_PER_MS;
	while (!err && !b.stop) {
		err = sonde_loop_once(b.loop, b.ready ? -1 : 100);
		if (!b.ready && !b.stop && sonde_clock_mono_ns() > deadline)
			fail(&b, 1, "worker: did not get ready in time");
	}
	close_broker(&b);
	return err && !b.status_code ? 1 : b.status_code;
}
