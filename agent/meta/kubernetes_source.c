// SPDX-License-Identifier: Apache-2.0
/*
 * The pods of one node: a list, page by page, and a watch from the version that the list was of
 * ("Efficient detection of changes" and "Retrieving large results sets in chunks" of the
 * Kubernetes API concepts). Bookmarks keep that version fresh on a quiet node.
 */
#include "agent/meta/metadata_internal.h"

#include <errno.h>
#include <stdio.h>

#include "agent/core/clock.h"

enum {
	HTTP_OK = 200,
	HTTP_GONE = 410,
	ANSWER_TIMEOUT_S = 60,
	PAGE_PODS = 64,
	HALVINGS_MAX = 6,   /* then a page is one pod */
	WATCH_S = 300,	    /* then the server ends it, and it begins anew */
	WATCH_GRACE_S = 30, /* should it not */
};
#define WATCH_MIN_NS SONDE_NS_PER_SEC /* one that ends sooner is a failure */

static bool wants(const struct talk *t)
{
	(void)t;
	return true;
}

static int on_event(void *ctx, struct sonde_slice line)
{
	struct talk *t = ctx;
	int err = sonde_kubernetes_parse_event(line, sonde_metadata_found, t->source,
					       t->source->page.version);

	sonde_metadata_alive(t->source);
	if (err == -EPROTO) {
		sonde_metadata_misunderstood(t->source);
		return 0;
	}
	return err;
}

/* Percent-encodes what may not stand in a query. */
static void put_escaped(struct sonde_buf *b, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";

	for (; *text; text++)
		if (strchr(plain, *text))
			sonde_buf_put_byte(b, (uint8_t)*text);
		else
			sonde_buf_printf(b, "%%%02X", (unsigned int)(uint8_t)*text);
}

static void prepare(struct talk *t, struct talk_request *out)
{
	struct source *s = t->source;
	size_t base = strlen(s->address);
	struct sonde_buf b;

	while (base && s->address[base - 1] == '/')
		base--;
	sonde_buf_over(&b, out->url, sizeof(out->url) - 1);
	sonde_buf_put(&b, s->address, base);
	sonde_buf_put_str(&b, "/api/v1/pods?fieldSelector=spec.nodeName%3D");
	put_escaped(&b, s->node);
	if (s->listed) {
		sonde_buf_put_str(&b, "&watch=true&allowWatchBookmarks=true&timeoutSeconds=");
		sonde_buf_put_u64(&b, WATCH_S);
		sonde_buf_put_str(&b, "&resourceVersion=");
		put_escaped(&b, s->page.version);
		out->line = on_event;
		out->timeout_s = WATCH_S + WATCH_GRACE_S;
		s->watched_ns = sonde_clock_mono_ns();
	} else {
		sonde_buf_put_str(&b, "&limit=");
		sonde_buf_put_u64(&b, PAGE_PODS >> s->halvings);
		if (*s->page.next) {
			sonde_buf_put_str(&b, "&continue=");
			put_escaped(&b, s->page.next);
		}
		out->timeout_s = ANSWER_TIMEOUT_S;
	}
	/* One that is too long for the buffer is cut and fails at the server, which says why. */
	out->url[b.len] = '\0';
}

static int list_done(struct source *s, struct sonde_slice body, const char **why)
{
	int err = sonde_kubernetes_parse_list(body, sonde_metadata_found, s, &s->page);

	if (err)
		*why = "the list of pods cannot be understood";
	else
		s->listed = !*s->page.next;
	return err;
}

static int done(struct talk *t, int status, struct sonde_slice body, const char **why)
{
	struct source *s = t->source;

	if (status == HTTP_GONE)
		return -ESTALE;
	if (status != HTTP_OK)
		return -EIO;
	if (!s->listed)
		return list_done(s, body, why);
	if (sonde_clock_mono_ns() - s->watched_ns >= WATCH_MIN_NS)
		return 0;
	*why = "the watch has ended at once";
	return -EPIPE;
}

/*
 * A watch that broke goes on where it was. What the server has forgotten is listed anew; so is what
 * comes in one piece that is too long, as it would be the next piece again.
 */
static void failed(struct talk *t, int err)
{
	struct source *s = t->source;

	sonde_metadata_set_following(s, false);
	if (s->listed && err != -ESTALE && err != -E2BIG && t->failures < 3)
		return;
	if (!s->listed && err == -E2BIG && s->halvings < HALVINGS_MAX)
		s->halvings++;
	s->listed = false;
	s->page = (struct sonde_kubernetes_page){ { 0 }, { 0 } };
}

const struct talk_ops sonde_kubernetes_follow = {
	.wants = wants,
	.prepare = prepare,
	.done = done,
	.failed = failed,
};
