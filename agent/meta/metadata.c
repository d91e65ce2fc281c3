// SPDX-License-Identifier: Apache-2.0
#include "agent/meta/metadata.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/core/hash.h"
#include "agent/meta/metadata_internal.h"

enum { ROOM_WAIT_MS = 1000 };

static void wake(int fd)
{
	uint64_t one = 1;

	/* Full means that it wakes anyway. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static void calm(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return;
}

/* ---- on the metadata thread: what it says ---- */

/* The lock is held. */
static void put_news(struct sonde_metadata *m, const struct sonde_metadata_news *news)
{
	m->news[(m->first_news + m->n_news++) % SONDE_METADATA_NEWS] = *news;
	wake(m->news_fd);
}

bool sonde_metadata_wish(struct sonde_metadata *m, uint32_t talk)
{
	struct sonde_metadata_news news = { .talk = talk };
	bool fits;

	pthread_mutex_lock(&m->lock);
	fits = m->n_news < SONDE_METADATA_NEWS;
	if (fits)
		put_news(m, &news);
	pthread_mutex_unlock(&m->lock);
	return fits;
}

/* Here nobody is in a hurry: it waits for the data thread to make room before anything is lost. */
static bool wait_for_room(struct sonde_metadata *m)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ROOM_WAIT_MS / 1000;
	while (m->n_news == SONDE_METADATA_NEWS && !m->stop)
		if (pthread_cond_timedwait(&m->room, &m->lock, &until))
			break;
	return m->n_news < SONDE_METADATA_NEWS && !m->stop;
}

void sonde_metadata_found(void *ctx, const struct sonde_workload *facts)
{
	struct source *s = ctx;
	struct sonde_metadata *m = s->metadata;
	struct sonde_metadata_news news = { .workload = sonde_workload_new(facts) };

	pthread_mutex_lock(&m->lock);
	if (news.workload && wait_for_room(m)) {
		put_news(m, &news);
		news.workload = NULL;
		sonde_metadata_status_of(s)->told++;
	} else {
		m->status.dropped_workloads++;
	}
	pthread_mutex_unlock(&m->lock);
	sonde_workload_put(news.workload);
}

struct sonde_source_status *sonde_metadata_status_of(struct source *s)
{
	return &s->metadata->status.sources[s - s->metadata->sources];
}

void sonde_metadata_misunderstood(struct source *s)
{
	pthread_mutex_lock(&s->metadata->lock);
	sonde_metadata_status_of(s)->misunderstood++;
	pthread_mutex_unlock(&s->metadata->lock);
}

void sonde_metadata_set_following(struct source *s, bool following)
{
	pthread_mutex_lock(&s->metadata->lock);
	sonde_metadata_status_of(s)->following = following;
	pthread_mutex_unlock(&s->metadata->lock);
}

void sonde_metadata_alive(struct source *s)
{
	pthread_mutex_lock(&s->metadata->lock);
	sonde_metadata_status_of(s)->last_success_unix_ns = sonde_clock_ns(CLOCK_REALTIME);
	pthread_mutex_unlock(&s->metadata->lock);
}

/* ---- on the metadata thread: what it hears ---- */

static struct talk *find_talk(struct sonde_metadata *m, uint32_t number)
{
	for (size_t i = 0; i < m->n_sources; i++) {
		struct source *s = &m->sources[i];

		if (s->follow.number == number)
			return &s->follow;
		if (s->query.ops && s->query.number == number)
			return &s->query;
	}
	return NULL;
}

static void close_all(const struct sonde_metadata_connection *c)
{
	for (int i = 0; i < SONDE_METADATA_FDS; i++)
		if (c->fds[i] >= 0)
			close(c->fds[i]);
}

static void take_message(struct sonde_metadata *m, const struct message *message, uint64_t now_ns)
{
	struct talk *t;

	if (!*message->id) {
		t = find_talk(m, message->connection.talk);
		if (t)
			sonde_talk_connected(t, &message->connection, now_ns);
		else
			close_all(&message->connection);
		return;
	}
	for (size_t i = 0; i < m->n_sources; i++)
		if (m->sources[i].query.ops)
			sonde_docker_question(&m->sources[i], message->id);
}

/* False: it is to end. */
static bool take_inbox(struct sonde_metadata *m)
{
	uint64_t now = sonde_clock_mono_ns();
	struct message message;
	bool stop = false, any = true;

	while (any && !stop) {
		pthread_mutex_lock(&m->lock);
		stop = m->stop;
		any = m->n_messages > 0;
		if (any) {
			message = m->inbox[m->first_message];
			m->first_message = (m->first_message + 1) % SONDE_METADATA_INBOX;
			m->n_messages--;
		}
		pthread_mutex_unlock(&m->lock);
		if (any)
			take_message(m, &message, now);
	}
	return !stop;
}

static void take_ends(struct sonde_metadata *m)
{
	CURLMsg *end;
	int left;

	while ((end = m->curl->multi_info_read(m->multi, &left))) {
		CURLcode result = end->data.result;
		struct sonde_transfer *of = NULL;

		if (end->msg != CURLMSG_DONE)
			continue;
		m->curl->easy_getinfo(end->easy_handle, CURLINFO_PRIVATE, (char **)&of);
		for (size_t i = 0; i < m->n_sources; i++) {
			struct source *s = &m->sources[i];
			struct talk *t = of == &s->follow.transfer ? &s->follow : &s->query;

			if (of == &t->transfer)
				sonde_talk_ended(t, result, sonde_clock_mono_ns());
		}
	}
}

/* Does what is due; milliseconds until something is again. */
static int step_all(struct sonde_metadata *m)
{
	uint64_t now = sonde_clock_mono_ns(), next = now + 60 * SONDE_NS_PER_SEC;

	for (size_t i = 0; i < m->n_sources; i++) {
		struct source *s = &m->sources[i];
		uint64_t follow = sonde_talk_step(&s->follow, now);
		uint64_t query = s->query.ops ? sonde_talk_step(&s->query, now) : UINT64_MAX;

		next = follow < next ? follow : next;
		next = query < next ? query : next;
	}
	return next <= now ? 1 : (int)((next - now) / SONDE_NS_PER_MS) + 1;
}

static void *run(void *ctx)
{
	struct sonde_metadata *m = ctx;
	struct curl_waitfd extra = { .fd = m->wake_fd, .events = CURL_WAIT_POLLIN };
	int running, ready;

	pthread_setname_np(pthread_self(), "sonde-metadata");
	while (take_inbox(m)) {
		m->curl->multi_perform(m->multi, &running);
		take_ends(m);
		m->curl->multi_poll(m->multi, &extra, 1, step_all(m), &ready);
		calm(m->wake_fd);
	}
	return NULL;
}

/* ---- on the data thread ---- */

bool sonde_metadata_wanted(const struct sonde_config *config)
{
	return config->metadata.docker.sockets.n_items ||
	       *config->metadata.kubernetes.api_server != '\0';
}

int sonde_metadata_load(const char **error)
{
	return sonde_curl_load(error) ? 0 : -ENOENT;
}

static int init_source(struct sonde_metadata *m, const char *name, const char *address)
{
	struct source *s = &m->sources[m->n_sources];
	struct sonde_source_status *status = &m->status.sources[m->n_sources];

	s->metadata = m;
	s->name = name;
	s->address = strdup(address);
	if (!s->address)
		return -ENOMEM;
	s->follow.source = s->query.source = s;
	strncpy(status->name, name, sizeof(status->name) - 1);
	strncpy(status->address, address, sizeof(status->address) - 1);
	m->status.n_sources = (uint32_t)++m->n_sources;
	return 0;
}

static int init_docker(struct sonde_metadata *m, uint32_t i, const char *path)
{
	struct source *s = &m->sources[m->n_sources];

	s->follow.ops = &sonde_docker_follow;
	s->follow.number = 2 * i;
	s->query.ops = &sonde_docker_query;
	s->query.number = 2 * i + 1;
	return init_source(m, "docker", path);
}

/* A node is called after its host, in lower case, unless somebody says otherwise. */
static void name_node(const char *configured, char out[254])
{
	struct utsname host = { .nodename = "" };

	if (!*configured)
		uname(&host);
	strncpy(out, *configured ? configured : host.nodename, 253);
	for (char *c = out; !*configured && *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
}

static int init_kubernetes(struct sonde_metadata *m, const struct sonde_config *config)
{
	struct source *s = &m->sources[m->n_sources];

	s->follow.ops = &sonde_kubernetes_follow;
	s->follow.number = SONDE_METADATA_KUBERNETES;
	name_node(config->metadata.kubernetes.node_name, s->node);
	return init_source(m, "kubernetes", config->metadata.kubernetes.api_server);
}

static int init_sources(struct sonde_metadata *m, const struct sonde_config *config)
{
	const struct sonde_string_list *sockets = &config->metadata.docker.sockets;
	int err = 0;

	for (uint32_t i = 0; i < sockets->n_items && i < SONDE_CONFIG_DOCKER_SOCKETS_MAX && !err;
	     i++)
		err = init_docker(m, i, sockets->items[i]);
	if (!err && *config->metadata.kubernetes.api_server)
		err = init_kubernetes(m, config);
	return err;
}

static int open_all(struct sonde_metadata *m, const struct sonde_config *config)
{
	const char *why;
	int err = init_sources(m, config);

	if (err)
		return err;
	m->curl = sonde_curl_load(&why);
	m->multi = m->curl ? m->curl->multi_init() : NULL;
	m->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	m->news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!m->multi || m->wake_fd < 0 || m->news_fd < 0)
		return -ENOMEM;
	err = pthread_create(&m->thread, NULL, run, m);
	m->running = !err;
	return -err;
}

int sonde_metadata_new(const struct sonde_config *config, struct sonde_metadata **out)
{
	struct sonde_metadata *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->wake_fd = m->news_fd = -1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->room, NULL);
	err = open_all(m, config);
	if (err)
		sonde_metadata_free(m);
	else
		*out = m;
	return err;
}

static void stop(struct sonde_metadata *m)
{
	pthread_mutex_lock(&m->lock);
	m->stop = true;
	pthread_cond_signal(&m->room);
	pthread_mutex_unlock(&m->lock);
	wake(m->wake_fd);
	pthread_join(m->thread, NULL);
}

void sonde_metadata_free(struct sonde_metadata *m)
{
	if (!m)
		return;
	if (m->running)
		stop(m);
	for (; m->n_messages; m->n_messages--) {
		struct message *message = &m->inbox[m->first_message];

		if (!*message->id)
			close_all(&message->connection);
		m->first_message = (m->first_message + 1) % SONDE_METADATA_INBOX;
	}
	for (; m->n_news; m->n_news--) {
		sonde_workload_put(m->news[m->first_news].workload);
		m->first_news = (m->first_news + 1) % SONDE_METADATA_NEWS;
	}
	for (size_t i = 0; i < m->n_sources; i++) {
		sonde_transfer_end(&m->sources[i].follow.transfer);
		sonde_transfer_end(&m->sources[i].query.transfer);
		free(m->sources[i].address);
	}
	if (m->multi)
		m->curl->multi_cleanup(m->multi);
	if (m->wake_fd >= 0)
		close(m->wake_fd);
	if (m->news_fd >= 0)
		close(m->news_fd);
	pthread_cond_destroy(&m->room);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

int sonde_metadata_fd(const struct sonde_metadata *m)
{
	return m->news_fd;
}

bool sonde_metadata_next(struct sonde_metadata *m, struct sonde_metadata_news *out)
{
	bool any;

	pthread_mutex_lock(&m->lock);
	any = m->n_news > 0;
	if (any) {
		*out = m->news[m->first_news];
		m->first_news = (m->first_news + 1) % SONDE_METADATA_NEWS;
		m->n_news--;
		pthread_cond_signal(&m->room);
	} else {
		calm(m->news_fd);
	}
	pthread_mutex_unlock(&m->lock);
	return any;
}

static bool put_message(struct sonde_metadata *m, const struct message *message)
{
	bool fits;

	pthread_mutex_lock(&m->lock);
	fits = m->n_messages < SONDE_METADATA_INBOX;
	if (fits)
		m->inbox[(m->first_message + m->n_messages++) % SONDE_METADATA_INBOX] = *message;
	else if (*message->id)
		m->status.dropped_questions++;
	pthread_mutex_unlock(&m->lock);
	if (fits)
		wake(m->wake_fd);
	return fits;
}

void sonde_metadata_connected(struct sonde_metadata *m,
			      const struct sonde_metadata_connection *connection)
{
	struct message message = { .connection = *connection };

	/* Whoever waits for it runs out of patience, and asks again. */
	if (!put_message(m, &message))
		close_all(connection);
}

void sonde_metadata_ask(struct sonde_metadata *m, const char id[SONDE_CONTAINER_MAX],
			uint64_t now_ns)
{
	uint64_t hash = sonde_hash_bytes(sonde_slice_str(id), 0);
	size_t at = hash % SONDE_METADATA_ASKED;
	struct message message = { .connection = { .fds = { -1, -1 } } };

	if (!sonde_docker_is_id(sonde_slice_str(id)))
		return;
	if (m->asked[at].hash == hash && m->asked[at].when_ns &&
	    now_ns - m->asked[at].when_ns < SONDE_METADATA_ASK_AGAIN_NS)
		return;
	memcpy(message.id, id, strlen(id) + 1);
	if (!put_message(m, &message))
		return;
	m->asked[at].hash = hash;
	m->asked[at].when_ns = now_ns;
}

void sonde_metadata_stats(struct sonde_metadata *m, struct sonde_metadata_status *out)
{
	pthread_mutex_lock(&m->lock);
	*out = m->status;
	pthread_mutex_unlock(&m->lock);
}
