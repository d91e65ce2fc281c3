// SPDX-License-Identifier: Apache-2.0
/*
 * Docker's API, which Podman speaks too. The events are asked for from the second on in which the
 * list was: what happens in between is told twice rather than never.
 */
#include "agent/meta/metadata_internal.h"

#include <errno.h>
#include <stdio.h>

#include "agent/core/clock.h"

enum { HTTP_OK = 200, HTTP_NOT_FOUND = 404, ANSWER_TIMEOUT_S = 30, TRIES = 3 };

static bool has_room(struct source *s)
{
	if (s->n_questions < SONDE_METADATA_QUESTIONS)
		return true;
	pthread_mutex_lock(&s->metadata->lock);
	s->metadata->status.dropped_questions++;
	pthread_mutex_unlock(&s->metadata->lock);
	return false;
}

void sonde_docker_question(struct source *s, const char *id)
{
	size_t at = (s->first_question + s->n_questions) % SONDE_METADATA_QUESTIONS;

	for (size_t i = 0; i < s->n_questions; i++)
		if (!strcmp(s->questions[(s->first_question + i) % SONDE_METADATA_QUESTIONS], id))
			return;
	if (!has_room(s))
		return;
	memcpy(s->questions[at], id, strlen(id) + 1);
	s->n_questions++;
}

/* ---- list, then events ---- */

static bool follow_wants(const struct talk *t)
{
	(void)t;
	return true;
}

static int on_event(void *ctx, struct sonde_slice line)
{
	struct talk *t = ctx;
	char id[SONDE_CONTAINER_MAX];
	int err = sonde_docker_parse_event(line, id);

	if (!err)
		sonde_docker_question(t->source, id);
	else if (err != -ENOENT)
		sonde_metadata_misunderstood(t->source);
	sonde_metadata_alive(t->source);
	return 0;
}

static void follow_prepare(struct talk *t, struct talk_request *out)
{
	struct source *s = t->source;

	if (!s->listed) {
		s->since_s = sonde_clock_ns(CLOCK_REALTIME) / SONDE_NS_PER_SEC;
		snprintf(out->url, sizeof(out->url), "http://127.0.0.1/containers/json");
		out->timeout_s = ANSWER_TIMEOUT_S;
		return;
	}
	/* filters={"type":["container"]} */
	snprintf(out->url, sizeof(out->url),
		 "http://127.0.0.1/events?since=%llu&"
		 "filters=%%7B%%22type%%22%%3A%%5B%%22container%%22%%5D%%7D",
		 (unsigned long long)s->since_s);
	out->line = on_event;
}

static int follow_done(struct talk *t, int status, struct sonde_slice body, const char **why)
{
	struct source *s = t->source;
	int err;

	if (status != HTTP_OK)
		return -EIO;
	if (s->listed) {
		/* Nobody ends this stream but an engine that ends. */
		*why = "the stream of events has ended";
		return -EPIPE;
	}
	err = sonde_docker_parse_list(body, sonde_metadata_found, s);
	if (err) {
		*why = "the list of containers cannot be understood";
		return err;
	}
	s->listed = true;
	return 0;
}

static void follow_failed(struct talk *t, int err)
{
	(void)err;
	t->source->listed = false;
	sonde_metadata_set_following(t->source, false);
}

const struct talk_ops sonde_docker_follow = {
	.wants = follow_wants,
	.prepare = follow_prepare,
	.done = follow_done,
	.failed = follow_failed,
};

/* ---- one container at a time ---- */

static bool query_wants(const struct talk *t)
{
	return t->source->n_questions > 0;
}

static void query_prepare(struct talk *t, struct talk_request *out)
{
	struct source *s = t->source;

	memcpy(s->inspected, s->questions[s->first_question], SONDE_CONTAINER_MAX);
	s->first_question = (s->first_question + 1) % SONDE_METADATA_QUESTIONS;
	s->n_questions--;
	snprintf(out->url, sizeof(out->url), "http://127.0.0.1/containers/%s/json", s->inspected);
	out->timeout_s = ANSWER_TIMEOUT_S;
}

static int query_done(struct talk *t, int status, struct sonde_slice body, const char **why)
{
	int err;

	if (status != HTTP_OK && status != HTTP_NOT_FOUND)
		return -EIO;
	/* Not found: it is somebody else's, or gone already. */
	err = status == HTTP_OK ? sonde_docker_parse_inspect(body, sonde_metadata_found, t->source)
				: 0;
	if (err)
		*why = "a container cannot be understood";
	else
		t->source->inspected[0] = '\0';
	return err;
}

/* The question is put again, before all others; but not for ever, or they would have no turn. */
static void query_failed(struct talk *t, int err)
{
	struct source *s = t->source;

	(void)err;
	if (*s->inspected && t->failures < TRIES && has_room(s)) {
		s->first_question = (s->first_question + SONDE_METADATA_QUESTIONS - 1) %
				    SONDE_METADATA_QUESTIONS;
		memcpy(s->questions[s->first_question], s->inspected, SONDE_CONTAINER_MAX);
		s->n_questions++;
	}
	s->inspected[0] = '\0';
}

const struct talk_ops sonde_docker_query = {
	.wants = query_wants,
	.prepare = query_prepare,
	.done = query_done,
	.failed = query_failed,
};
