// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/daemon/config.h"
#include "agent/daemon/sandbox.h"
#include "agent/daemon/worker_state.h"
#include "agent/probe/reader.h"

enum {
	DRAIN_BUDGET = 16384, /* records per turn of the loop: a few milliseconds */
	IDLE_DRAINS = 50,     /* empty ones in a row before the timer is put away */
	SETUP_WAIT_MS = 5000,
};

#define QUESTION_AGE_NS (1 * SONDE_NS_PER_SEC)

/* ---- what track asks for -------------------------------------------------------------------- */

static struct sonde_process *on_identify(void *ctx, const struct sonde_record_open *open)
{
	struct worker *w = ctx;

	return sonde_processes_get(w->pipeline.processes, open->pid, open->start_ns,
				   open->cgroup_id, sonde_slice_str(open->comm));
}

static struct sonde_process *on_hold(void *ctx, struct sonde_process *p)
{
	(void)ctx;
	return sonde_processes_hold(p);
}

static void on_release(void *ctx, struct sonde_process *p)
{
	struct worker *w = ctx;

	sonde_processes_put(w->pipeline.processes, p);
}

static void on_request(void *ctx, struct sonde_request *r)
{
	struct worker *w = ctx;

	if (sonde_canary_heard(w->canary, r, w->now_ns)) {
		w->shared->ledger.delivered[SONDE_KIND_REQUEST]++;
		return;
	}
	sonde_pipeline_request(&w->pipeline, r, w->now_ns);
}

static void on_connection(void *ctx, struct sonde_connection *c, enum sonde_connection_event event)
{
	struct worker *w = ctx;

	/* The canary's own way is nobody's business. */
	if (c->server.port == sonde_canary_port(w->canary) &&
	    c->process->pid == (uint32_t)getpid()) {
		if (event == SONDE_CONNECTION_CLOSED && !c->superseded)
			w->shared->ledger.delivered[SONDE_KIND_CONNECTION]++;
		return;
	}
	sonde_pipeline_connection(&w->pipeline, c, event, w->now_ns);
}

static void on_lost(void *ctx, struct sonde_process *p, uint16_t port, enum sonde_role role,
		    enum sonde_loss why, uint64_t n)
{
	struct worker *w = ctx;

	sonde_pipeline_lost(&w->pipeline, p, port, role, why, n);
}

static void on_want_stream(void *ctx, uint64_t id, bool all)
{
	struct worker *w = ctx;

	sonde_wake_stream(&w->wake, id, all);
}

static void on_want_reopen(void *ctx)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_REOPEN };
	struct worker *w = ctx;

	if (sonde_log_gate(&w->reopen_gate, w->now_ns, SONDE_NS_PER_SEC))
		sonde_channel_send(w->channel.fd, &m, NULL, 0);
}

/* ---- ring ---------------------------------------------------------------------------------------
 */

static void on_record(void *ctx, struct sonde_slice raw)
{
	struct worker *w = ctx;
	struct sonde_record record;

	if (sonde_reader_decode(raw, &record))
		w->shared->ledger.dropped[sonde_reader_kind(raw)][SONDE_LOSS_INVALID]++;
	else
		sonde_track_record(w->track, &record);
}

/* Sends what the process table wants to know. */
static void ask(struct worker *w)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_QUESTION };

	while (sonde_processes_next_question(w->pipeline.processes, w->now_ns, &m.question)) {
		if (!sonde_channel_send(w->channel.fd, &m, NULL, 0))
			continue;
		sonde_processes_unask(w->pipeline.processes, &m.question);
		return;
	}
}

static void start_draining(struct worker *w)
{
	if (w->draining)
		return;
	w->draining = true;
	w->idle_drains = 0;
	sonde_timer_set(&w->drain, w->config.capture.drain_interval_ns);
}

/* No timer from here on: the next record wakes us. */
static void go_idle(struct worker *w)
{
	w->draining = false;
	sonde_timer_set(&w->drain, 0);
	sonde_wake_sleep(&w->wake);
	/* A record may have come before the programs could see that we sleep. */
	if (sonde_ring_used(&w->ring)) {
		sonde_wake_up(&w->wake);
		start_draining(w);
	}
}

void sonde_worker_drain(struct worker *w)
{
	size_t n;

	w->now_ns = sonde_clock_mono_ns();
	n = sonde_ring_drain(&w->ring, DRAIN_BUDGET, on_record, w);
	ask(w);
	sonde_pipeline_release(&w->pipeline, w->now_ns);
	if (n || w->pipeline.n_waiting)
		w->idle_drains = 0;
	else if (++w->idle_drains >= IDLE_DRAINS)
		go_idle(w);
}

static void drain_expired(struct sonde_timer *t, uint64_t times)
{
	(void)times;
	sonde_worker_drain(sonde_container_of(t, struct worker, drain));
}

static void ring_ready(struct sonde_watch *watch, uint32_t events)
{
	struct worker *w = sonde_container_of(watch, struct worker, ring_watch);

	(void)events;
	start_draining(w);
	sonde_worker_drain(w);
}

/* ---- broker --------------------------------------------------------------------------------- */

/* Reads a config that the broker has found to be good. */
static int read_config(int fd, struct sonde_config *out)
{
	struct sonde_buf errors;
	struct stat st;
	void *text;
	int err;

	if (fstat(fd, &st))
		return -errno;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return -errno;
	sonde_buf_init(&errors, 4096);
	err = sonde_config_parse(sonde_slice_of(text, (size_t)st.st_size), "config", out, &errors);
	if (err)
		sonde_log(SONDE_LOG_ERROR, "config: %.*s", (int)errors.len, (char *)errors.ptr);
	sonde_buf_fini(&errors);
	munmap(text, (size_t)st.st_size);
	return err;
}

static void reload(struct worker *w, int fd)
{
	struct sonde_config fresh, old = w->config;
	int err = read_config(fd, &fresh);

	if (err) {
		sonde_log(SONDE_LOG_ERROR, "reload: %s; the former config stays", strerror(-err));
		return;
	}
	w->config = fresh;
	err = sonde_pipeline_configure(&w->pipeline, &w->config);
	if (err) {
		w->config = old;
		sonde_config_fini(&fresh);
		sonde_log(SONDE_LOG_ERROR, "reload: %s; the former config stays", strerror(-err));
		return;
	}
	sonde_track_configure(w->track, &w->config);
	sonde_control_configure(w->control, &w->config);
	if (w->http)
		sonde_http_configure(w->http, &w->config);
	sonde_config_fini(&old);
	sonde_log(SONDE_LOG_INFO, "reload: done");
}

/*
 * A close record that was lost leaves a connection behind. So when some were, all that live are
 * told anew, and what is not among them has ended.
 */
static void on_status(struct worker *w, const struct sonde_kernel_status *status)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_REOPEN };
	bool first = !w->kernel.broker_pid;

	w->kernel = *status;
	if (first)
		memcpy(w->told_full, status->ring_full, sizeof(w->told_full));
	sonde_worker_tell_losses(w);
	if (status->ring_full[SONDE_KIND_DATA])
		sonde_track_ring_lost(w->track);
	if (status->ring_full[SONDE_KIND_CLOSE] == w->swept_close || w->telling)
		return;
	w->sweep_open = status->ring_full[SONDE_KIND_OPEN];
	w->sweep_close = status->ring_full[SONDE_KIND_CLOSE];
	sonde_track_begin_telling(w->track);
	w->telling = !sonde_channel_send(w->channel.fd, &m, NULL, 0);
}

/* Everything that lives has been told, and waits in the ring if it did not fit into this drain. */
static void on_reopened(struct worker *w)
{
	if (!w->telling)
		return;
	w->telling = false;
	while (sonde_ring_used(&w->ring) && sonde_ring_drain(&w->ring, DRAIN_BUDGET, on_record, w))
		continue;
	/* Some of the tellings were lost too: nobody can be sure. The next status tries again. */
	if (w->kernel.ring_full[SONDE_KIND_OPEN] != w->sweep_open)
		return;
	sonde_track_end_telling(w->track);
	w->swept_close = w->sweep_close;
}

static void on_message(struct worker *w, const struct sonde_message *m, const int *fds)
{
	switch (m->type) {
	case SONDE_MESSAGE_IDENTITY:
		sonde_worker_identified(
			w, sonde_processes_answer(w->pipeline.processes, &m->identity));
		sonde_pipeline_release(&w->pipeline, sonde_clock_mono_ns());
		break;
	case SONDE_MESSAGE_STATUS:
		on_status(w, &m->status);
		break;
	case SONDE_MESSAGE_REOPENED:
		on_reopened(w);
		break;
	case SONDE_MESSAGE_RELOAD:
		reload(w, fds[0]);
		break;
	case SONDE_MESSAGE_LIMITED:
		sonde_control_limit_answered(w->control, &m->limited);
		break;
	case SONDE_MESSAGE_SAMPLE:
		sonde_worker_take_sample(w, &m->sample);
		break;
	case SONDE_MESSAGE_STOP:
		w->stop = true;
		break;
	default:
		break;
	}
}

static void channel_ready(struct sonde_watch *watch, uint32_t events)
{
	struct worker *w = sonde_container_of(watch, struct worker, channel);
	struct sonde_message m;
	int fds[SONDE_FDS];
	size_t n_fds;
	int err;

	(void)events;
	while ((err = sonde_channel_receive(watch->fd, &m, fds, &n_fds)) == 0) {
		if (m.type == SONDE_MESSAGE_SNAPSHOT) {
			sonde_worker_take_snapshot(w, fds, n_fds);
			continue;
		}
		if (m.type == SONDE_MESSAGE_CONNECTION) {
			sonde_worker_take_connection(w, &m, fds, n_fds);
			continue;
		}
		if (m.type != SONDE_MESSAGE_RELOAD || n_fds == 1)
			on_message(w, &m, fds);
		for (size_t i = 0; i < n_fds; i++)
			close(fds[i]);
	}
	/* Without the broker nothing is captured any more; systemd starts both again. */
	if (err == -EPIPE)
		w->stop = true;
}

static void signals_ready(struct sonde_watch *watch, uint32_t events)
{
	struct worker *w = sonde_container_of(watch, struct worker, signals);

	(void)events;
	w->stop = true;
}

static void tick_expired(struct sonde_timer *t, uint64_t times)
{
	struct worker *w = sonde_container_of(t, struct worker, tick);
	uint64_t mono = sonde_clock_mono_ns();
	int64_t offset = sonde_clock_wall_offset_ns();

	(void)times;
	w->now_ns = mono;
	sonde_track_tick(w->track, mono, offset);
	sonde_processes_give_up(w->pipeline.processes, mono - QUESTION_AGE_NS);
	sonde_pipeline_release(&w->pipeline, mono);
	sonde_agg_tick(w->pipeline.agg, mono, (uint64_t)((int64_t)mono + offset));
	sonde_edges_tick(w->pipeline.edges, mono, (uint64_t)((int64_t)mono + offset));
	if (w->http)
		sonde_http_tick(w->http);
	/* Should a wake-up have been missed between the ring and the control page. */
	if (!w->draining && sonde_ring_used(&w->ring))
		start_draining(w);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* The record that the worker before this one died over. */
static void book_record(void *ctx, struct sonde_slice raw)
{
	struct sonde_ledger *ledger = ctx;

	ledger->dropped[sonde_reader_kind(raw)][SONDE_LOSS_WORKER_DIED]++;
}

/* The requests and connections that it had begun with and not finished. */
static void book_unfinished(struct sonde_shared *s, enum sonde_kind kind)
{
	uint64_t ended = s->ledger.delivered[kind];

	for (int i = 0; i < SONDE_LOSSES; i++)
		ended += s->ledger.dropped[kind][i];
	if (s->ledger.produced[kind] > ended)
		s->ledger.dropped[kind][SONDE_LOSS_WORKER_DIED] += s->ledger.produced[kind] - ended;
}

static int take_setup(struct worker *w, const struct sonde_message *m, const int *fds)
{
	int err = read_config(fds[SONDE_FD_CONFIG], &w->config);

	if (err)
		return err;
	sonde_log_init("sonded[worker]", sonde_log_level_of(w->config.daemon.log_level));
	w->start_unix_ns = m->setup.start_unix_ns;
	w->kernel.worker_restarts = m->setup.restarts;
	err = sonde_ring_map(fds[SONDE_FD_RING], m->setup.ring_bytes, &w->ring);
	if (!err)
		err = sonde_wake_map(fds[SONDE_FD_CONTROL], &w->wake);
	if (err)
		return err;
	w->shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			 fds[SONDE_FD_SHARED], 0);
	if (w->shared == MAP_FAILED)
		return -errno;
	err = sonde_worker_open_limits(w, fds[SONDE_FD_LIMIT]);
	if (err)
		return err;
	sonde_ring_resume(&w->ring, &w->shared->marks, book_record, &w->shared->ledger);
	book_unfinished(w->shared, SONDE_KIND_REQUEST);
	book_unfinished(w->shared, SONDE_KIND_CONNECTION);
	w->ring_watch = (struct sonde_watch){ .fd = fds[SONDE_FD_RING], .ready = ring_ready };
	return 0;
}

static int open_track(struct worker *w)
{
	struct sonde_track_ops ops = {
		.ctx = w,
		.identify = on_identify,
		.hold = on_hold,
		.release = on_release,
		.request = on_request,
		.connection = on_connection,
		.lost = on_lost,
		.want_stream = on_want_stream,
		.want_reopen = on_want_reopen,
	};

	return sonde_track_new(&w->config, &ops, &w->shared->ledger, &w->track);
}

static int open_services(struct worker *w, int listen_fd, char *error, size_t error_len)
{
	struct sonde_control_source control = { .ctx = w,
						.status = sonde_worker_status,
						.series = sonde_worker_series,
						.config = sonde_worker_config,
						.limit = sonde_worker_limit,
						.limits = sonde_worker_limits,
						.limit_top = sonde_worker_limit_top,
						.refresh = sonde_worker_refresh,
						.live = sonde_worker_live,
						.closed = sonde_worker_closed,
						.event = sonde_worker_event,
						.edge = sonde_worker_edge };
	struct sonde_http_source http = { .ctx = w,
					  .prepare = sonde_worker_prepare_scrape,
					  .not_ready = sonde_worker_not_ready };
	int err;

	err = sonde_pipeline_init(&w->pipeline, &w->config, &w->shared->ledger, error, error_len);
	w->pipeline.reasons = (const char(*)[SONDE_REASON_NAME])w->shared->reasons;
	if (!err)
		err = open_track(w);
	if (!err)
		err = sonde_canary_new(w->loop, &w->canary);
	if (!err)
		err = sonde_control_new(w->loop, listen_fd, &w->config, &control, &w->control);
	if (!err && w->config.listen.listen[0])
		err = sonde_http_new(w->loop, &w->config, &http, &w->http, error, error_len);
	if (!err)
		err = sonde_worker_open_metadata(w);
	w->pipeline.control = w->control;
	return err;
}

static int watch_signals(struct worker *w)
{
	sigset_t set;

	/* SIGINT goes to the whole terminal's group: the broker decides. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	w->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	w->signals.ready = signals_ready;
	return w->signals.fd < 0 ? -errno : sonde_loop_add(w->loop, &w->signals, EPOLLIN);
}

static int open_timers(struct worker *w)
{
	int err;

	w->drain.expired = drain_expired;
	err = sonde_timer_start(w->loop, &w->drain, 0);
	w->tick.expired = tick_expired;
	if (!err)
		err = sonde_timer_start(w->loop, &w->tick, SONDE_NS_PER_SEC);
	if (!err)
		err = sonde_worker_open_snapshots(w);
	return err;
}

/* Who asks for names is not to be left with ids for want of a library. */
static int load_metadata(struct worker *w, char *error, size_t error_len)
{
	const char *why = "";

	if (!sonde_metadata_wanted(&w->config) || !sonde_metadata_load(&why))
		return 0;
	snprintf(error, error_len,
		 "metadata: %s; install libcurl4, or take metadata out of the config", why);
	return -ENOENT;
}

/* Everything between SETUP and READY. ERROR gets a line when it fails. */
static int open_worker(struct worker *w, const struct sonde_message *m, const int *fds, char *error,
		       size_t error_len)
{
	const char *what = "setup";
	int err = take_setup(w, m, fds);

	error[0] = '\0';
	if (!err) {
		what = "signals";
		err = watch_signals(w);
	}
	if (!err) {
		what = "timers";
		err = open_timers(w);
	}
	if (!err && w->config.listen.listen[0])
		err = sonde_http_load(error, error_len);
	if (!err)
		err = load_metadata(w, error, error_len);
	if (!err)
		err = sonde_sandbox_worker(w->config.daemon.user, &what);
	if (!err) {
		what = "services";
		err = open_services(w, fds[SONDE_FD_LISTEN], error, error_len);
	}
	if (err && !error[0])
		snprintf(error, error_len, "worker: %s: %s", what, strerror(-err));
	return err;
}

static void close_worker(struct worker *w)
{
	sonde_http_free(w->http);
	sonde_control_free(w->control);
	sonde_canary_free(w->canary);
	if (w->track)
		sonde_track_free(w->track);
	sonde_metadata_free(w->metadata);
	sonde_pipeline_fini(&w->pipeline);
	sonde_worker_close_snapshots(w);
	sonde_timer_stop(&w->drain);
	sonde_timer_stop(&w->tick);
	sonde_worker_close_limits(w);
	sonde_wake_unmap(&w->wake);
	sonde_ring_unmap(&w->ring);
	sonde_config_fini(&w->config);
	sonde_loop_free(w->loop);
}

/* Waits for one message of TYPE; only before the loop runs. */
static int wait_for(struct worker *w, uint32_t type, struct sonde_message *m, int *fds, size_t *n)
{
	uint64_t until = sonde_clock_mono_ns() + SETUP_WAIT_MS * SONDE_NS_PER_MS;
	int err;

	while ((err = sonde_channel_receive(w->channel.fd, m, fds, n)) == -EAGAIN || !err) {
		if (!err && m->type == type)
			return 0;
		if (sonde_clock_mono_ns() > until)
			return -ETIMEDOUT;
		sonde_loop_once(w->loop, 10);
	}
	return err;
}

/*
 * The ring may hold records of connections that only a former worker was told of. They have been
 * told again, behind those records: read the tellings first.
 */
static void on_record_ahead(void *ctx, struct sonde_slice raw)
{
	struct worker *w = ctx;
	struct sonde_record record;

	if (sonde_reader_kind(raw) == SONDE_KIND_OPEN && !sonde_reader_decode(raw, &record)) {
		struct sonde_ledger before = w->shared->ledger;

		sonde_track_record(w->track, &record);
		w->shared->ledger = before; /* it is still to come */
	}
}

static int start(struct worker *w)
{
	struct sonde_message m = { .type = SONDE_MESSAGE_READY };
	int fds[SONDE_FDS], err;
	size_t n;

	m.ready.canary_port = sonde_canary_port(w->canary);
	err = sonde_channel_send(w->channel.fd, &m, NULL, 0);
	if (!err)
		err = wait_for(w, SONDE_MESSAGE_REOPENED, &m, fds, &n);
	if (err)
		return err;
	w->channel.ready = channel_ready;
	err = sonde_loop_add(w->loop, &w->channel, EPOLLIN);
	if (!err)
		err = sonde_loop_add(w->loop, &w->ring_watch, EPOLLIN | EPOLLET);
	if (!err)
		err = sonde_canary_start(w->canary);
	if (err)
		return err;
	if (w->kernel.worker_restarts)
		sonde_ring_peek(&w->ring, on_record_ahead, w);
	start_draining(w);
	return 0;
}

/* Nothing is captured any more: what waits in the ring and for a name goes out before the sinks. */
static void finish(struct worker *w)
{
	w->now_ns = sonde_clock_mono_ns();
	while (sonde_ring_drain(&w->ring, DRAIN_BUDGET, on_record, w))
		continue;
	sonde_track_finish(w->track);
	sonde_pipeline_release(&w->pipeline, UINT64_MAX);
}

int sonde_worker_run(int channel_fd)
{
	struct worker w = { .channel = { .fd = channel_fd } };
	struct sonde_message m;
	char error[256];
	int fds[SONDE_FDS], err;
	size_t n = 0;

	sonde_log_init("sonded[worker]", SONDE_LOG_INFO);
	prctl(PR_SET_NAME, "sonded-worker");
	err = sonde_loop_new(&w.loop);
	if (!err)
		err = wait_for(&w, SONDE_MESSAGE_SETUP, &m, fds, &n);
	if (err || n != SONDE_FDS)
		return 1;
	err = open_worker(&w, &m, fds, error, sizeof(error));
	close(fds[SONDE_FD_CONFIG]);
	if (err) {
		m = (struct sonde_message){ .type = SONDE_MESSAGE_FAILED };
		snprintf(m.failed, sizeof(m.failed), "%s", error);
		sonde_channel_send(channel_fd, &m, NULL, 0);
		return 1;
	}
	err = start(&w);
	while (!err && !w.stop)
		err = sonde_loop_once(w.loop, -1);
	if (!err)
		finish(&w);
	close_worker(&w);
	return err ? 1 : 0;
}
