// SPDX-License-Identifier: Apache-2.0
/* How a talk goes on, whoever it is with: the states of metadata.h. */
#include "agent/meta/metadata_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/core/clock.h"

#define PATIENCE_NS (10 * SONDE_NS_PER_SEC) /* with the broker */
#define BEGIN_NS    (30 * SONDE_NS_PER_SEC) /* for a stream to begin in */
#define STEADY_NS   (10 * SONDE_NS_PER_SEC) /* one that lasted so long was no failure */
#define REST_MIN_NS SONDE_NS_PER_SEC
#define REST_MAX_NS (60 * SONDE_NS_PER_SEC)

enum { HTTP_OK = 200, DOUBLINGS = 6 };

/* Half of it for certain and half by chance, so that not all nodes come back at once. */
static uint64_t rest_of(unsigned int failures)
{
	unsigned int doublings = failures - 1 < DOUBLINGS ? failures - 1 : DOUBLINGS;
	uint64_t rest = REST_MIN_NS << doublings, chance = 0;

	if (rest > REST_MAX_NS)
		rest = REST_MAX_NS;
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance = sonde_clock_mono_ns();
	return rest / 2 + chance % (rest / 2);
}

/* Failures of which an error number would say nothing. */
static const char *words_of(int err)
{
	switch (err) {
	case -ESTALE:
		return "what it told is too old (410): all is asked for anew";
	case -EIO:
		return "the stream has ended with an error";
	default:
		return strerror(-err);
	}
}

static void note_failure(struct talk *t, const char *what, const char *why)
{
	struct sonde_source_status *s;

	pthread_mutex_lock(&t->source->metadata->lock);
	s = sonde_metadata_status_of(t->source);
	s->failures++;
	snprintf(s->error, sizeof(s->error), "%s%s%s", what, *what && *why ? ": " : "", why);
	pthread_mutex_unlock(&t->source->metadata->lock);
}

static void note_success(struct talk *t)
{
	struct sonde_source_status *s;

	pthread_mutex_lock(&t->source->metadata->lock);
	s = sonde_metadata_status_of(t->source);
	s->last_success_unix_ns = sonde_clock_ns(CLOCK_REALTIME);
	s->error[0] = '\0';
	pthread_mutex_unlock(&t->source->metadata->lock);
}

static void fail(struct talk *t, int err, const char *what, const char *why, uint64_t now_ns)
{
	/* WHY may be the transfer's own. */
	note_failure(t, what, *why ? why : words_of(err));
	sonde_transfer_end(&t->transfer);
	t->failures++;
	t->state = TALK_RESTING;
	t->until_ns = now_ns + rest_of(t->failures);
	t->ops->failed(t, err);
}

/* A stream says nothing for as long as there are no news, but its head comes at once. */
static void note_beginning(struct talk *t, uint64_t now_ns)
{
	if (t->begun_ns || !t->transfer.options.line ||
	    sonde_transfer_status(&t->transfer) != HTTP_OK)
		return;
	t->begun_ns = now_ns;
	t->until_ns = UINT64_MAX;
	sonde_metadata_set_following(t->source, true);
	note_success(t);
}

uint64_t sonde_talk_step(struct talk *t, uint64_t now_ns)
{
	if (t->state == TALK_RUNNING)
		note_beginning(t, now_ns);
	if (t->state == TALK_ASKED && now_ns >= t->until_ns)
		fail(t, -ETIMEDOUT, "connect", "the broker does not answer", now_ns);
	if (t->state == TALK_RUNNING && now_ns >= t->until_ns)
		fail(t, -ETIMEDOUT, "", "the stream does not begin", now_ns);
	if (t->state == TALK_RESTING && now_ns >= t->until_ns)
		t->state = TALK_IDLE;
	if (t->state == TALK_IDLE && t->ops->wants(t)) {
		if (!sonde_metadata_wish(t->source->metadata, t->number))
			return now_ns + SONDE_NS_PER_SEC;
		t->state = TALK_ASKED;
		t->until_ns = now_ns + PATIENCE_NS;
	}
	return t->state == TALK_IDLE ? UINT64_MAX : t->until_ns;
}

/* What the memory file FD holds, at most MAX bytes. Empty: none, or too much. */
static struct sonde_slice read_all(int fd, size_t max, uint8_t **out)
{
	struct stat st;
	ssize_t n;

	*out = NULL;
	if (fd < 0 || fstat(fd, &st) || st.st_size <= 0 || (uint64_t)st.st_size > max)
		return SONDE_SLICE_EMPTY;
	*out = malloc((size_t)st.st_size);
	n = *out ? pread(fd, *out, (size_t)st.st_size, 0) : -1;
	return n > 0 ? sonde_slice_of(*out, (size_t)n) : SONDE_SLICE_EMPTY;
}

static struct sonde_slice trim_lines(struct sonde_slice s)
{
	while (s.len && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r'))
		s.len--;
	return sonde_slice_trim(s);
}

static int start(struct talk *t, int socket, struct sonde_slice token, struct sonde_slice ca)
{
	struct sonde_metadata *m = t->source->metadata;
	struct talk_request request = { .timeout_s = 0 };
	struct sonde_transfer_options o = {
		.url = request.url, .socket = socket, .token = token, .ca_pem = ca, .ctx = t
	};

	t->ops->prepare(t, &request);
	o.timeout_s = request.timeout_s;
	o.line = request.line;
	/* A token is for the server alone. */
	if (!sonde_slice_starts(sonde_slice_str(request.url), SONDE_SLICE_LIT("https://")))
		o.token = SONDE_SLICE_EMPTY;
	return sonde_transfer_start(&t->transfer, m->curl, m->multi, &o);
}

/*
 * The token's and the CA's file are read, not kept. One that is configured and holds nothing, as
 * while somebody writes it, is not as if it were not there: nobody is asked without a token that
 * should have one, nor is a server trusted on the word of the system's CAs instead.
 */
static int start_kubernetes(struct talk *t, const struct sonde_metadata_connection *c,
			    const char **why)
{
	uint8_t *token_bytes, *ca_bytes;
	struct sonde_slice token = read_all(c->fds[0], SONDE_METADATA_TOKEN_MAX, &token_bytes);
	struct sonde_slice ca = read_all(c->fds[1], SONDE_METADATA_CA_MAX, &ca_bytes);
	struct sonde_slice trimmed = trim_lines(token);
	int err = -EINVAL;

	if (c->fds[0] >= 0 && !trimmed.len)
		*why = "the token file is empty";
	else if (c->fds[1] >= 0 && !trim_lines(ca).len)
		*why = "the CA file is empty";
	else
		err = start(t, -1, trimmed, ca);
	if (token.len)
		explicit_bzero(token_bytes, token.len);
	free(token_bytes);
	free(ca_bytes);
	for (int i = 0; i < SONDE_METADATA_FDS; i++)
		if (c->fds[i] >= 0)
			close(c->fds[i]);
	return err;
}

void sonde_talk_connected(struct talk *t, const struct sonde_metadata_connection *c,
			  uint64_t now_ns)
{
	const char *why = "";
	int err = c->error;

	/* An answer that nobody waits for any more. */
	if (t->state != TALK_ASKED) {
		for (int i = 0; i < SONDE_METADATA_FDS; i++)
			if (c->fds[i] >= 0)
				close(c->fds[i]);
		return;
	}
	pthread_mutex_lock(&t->source->metadata->lock);
	sonde_metadata_status_of(t->source)->requests++;
	pthread_mutex_unlock(&t->source->metadata->lock);
	if (!err) {
		t->state = TALK_RUNNING;
		t->begun_ns = 0;
		err = t->number == SONDE_METADATA_KUBERNETES
			      ? start_kubernetes(t, c, &why)
			      : start(t, c->fds[0], SONDE_SLICE_EMPTY, SONDE_SLICE_EMPTY);
		t->until_ns = t->transfer.options.line ? now_ns + BEGIN_NS : UINT64_MAX;
	}
	if (err)
		fail(t, err, "connect", why, now_ns);
}

void sonde_talk_ended(struct talk *t, CURLcode result, uint64_t now_ns)
{
	const char *why = "";
	char text[32];
	int status = sonde_transfer_result(&t->transfer, result, &why), err = status;

	if (status >= 0)
		err = t->ops->done(t, status, sonde_buf_slice(&t->transfer.body), &why);
	if (status >= 0 && status != HTTP_OK && err && !*why) {
		snprintf(text, sizeof(text), "HTTP status %d", status);
		why = text;
	}
	if (err && t->begun_ns && now_ns - t->begun_ns >= STEADY_NS)
		t->failures = 0;
	if (err) {
		fail(t, err, "", why, now_ns);
		return;
	}
	sonde_transfer_end(&t->transfer);
	t->failures = 0;
	t->state = TALK_IDLE;
	note_success(t);
}
