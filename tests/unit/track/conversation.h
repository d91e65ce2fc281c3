// SPDX-License-Identifier: Apache-2.0
/*
 * conversation - a script of segments, and the requests that track must tell of it.
 *
 * Each step happens one millisecond after the one before, so that times are known to the
 * nanosecond. A conversation is played with the agent at the server and at the client, and, unless
 * it says otherwise, again with each segment cut in two at each byte: the same must come out.
 */
#ifndef SONDE_TESTS_UNIT_TRACK_CONVERSATION_H
#define SONDE_TESTS_UNIT_TRACK_CONVERSATION_H

#include "tests/unit/track/wire.h"

enum { STEPS = 24, WANTS = 12 };

enum act {
	ACT_END = 0,
	ACT_ASK = 1, /* a segment of the client; TEXT, or N bytes of body */
	ACT_ANSWER = 2,
	ACT_ASK_AHEAD = 3, /* N bytes before it are missing so far */
	ACT_ANSWER_AHEAD = 4,
	ACT_ASK_REPEAT = 5, /* begins N bytes below what has passed */
	ACT_ANSWER_REPEAT = 6,
	ACT_PROGRESS = 7,
	ACT_TICK = 8, /* after N ms of silence */
	ACT_CLOSE = 9,
	ACT_RESET = 10,
	ACT_ABORT = 11,
	ACT_GIVE_UP = 12,
	ACT_RING_FULL = 13, /* N 1: from now on records are lost; 0: no more */
};

struct step {
	enum act act;
	const char *text;
	uint32_t n;
};

#define ASK(text)                \
	{                        \
		ACT_ASK, text, 0 \
	}
#define ASK_BODY(n)              \
	{                        \
		ACT_ASK, NULL, n \
	}
#define ANSWER(text)                \
	{                           \
		ACT_ANSWER, text, 0 \
	}
#define ANSWER_BODY(n)              \
	{                           \
		ACT_ANSWER, NULL, n \
	}
#define ASK_AHEAD(n, text)             \
	{                              \
		ACT_ASK_AHEAD, text, n \
	}
#define ANSWER_AHEAD(n, text)             \
	{                                 \
		ACT_ANSWER_AHEAD, text, n \
	}
#define ASK_REPEAT(n, text)             \
	{                               \
		ACT_ASK_REPEAT, text, n \
	}
#define ANSWER_REPEAT(n, text)             \
	{                                  \
		ACT_ANSWER_REPEAT, text, n \
	}
#define PROGRESS                      \
	{                             \
		ACT_PROGRESS, NULL, 0 \
	}
#define TICK(ms)                   \
	{                          \
		ACT_TICK, NULL, ms \
	}
#define CLOSE                      \
	{                          \
		ACT_CLOSE, NULL, 0 \
	}
#define RESET                      \
	{                          \
		ACT_RESET, NULL, 0 \
	}
#define ABORT                      \
	{                          \
		ACT_ABORT, NULL, 0 \
	}
#define GIVE_UP                      \
	{                            \
		ACT_GIVE_UP, NULL, 0 \
	}
#define RING_FULL(yes)                   \
	{                                \
		ACT_RING_FULL, NULL, yes \
	}

struct want {
	const char *method, *path;
	uint16_t status;
	enum sonde_error error; /* as the server sees it */
	uint32_t ttfb_ms, duration_ms;
	uint32_t request_bytes, response_bytes, request_body, response_body;
	bool truncated;
};

struct conversation {
	const char *name;
	struct step steps[STEPS];
	struct want wants[WANTS];
	uint64_t lost;	   /* requests that were counted and not seen */
	uint64_t unsynced; /* answers without a request */
	bool streams;	   /* all its bytes are asked for */
	bool left_alone;   /* upgraded */
	bool whole_only;   /* not to be cut: what comes out depends on segments */
};

static inline void play_bytes(struct line *l, const struct step *s, size_t cut)
{
	static char body[WIRE_SEGMENT];
	bool asks = s->act == ACT_ASK;
	enum sonde_direction d = asks ? line_asks(l) : !line_asks(l);
	const char *text = s->text ? s->text : memset(body, 'x', sizeof(body));
	size_t len = s->text ? strlen(s->text) : s->n;

	if (cut && cut < len)
		line_segment(l, d, text, cut);
	else
		cut = 0;
	line_segment(l, d, text + cut, len - cut);
}

static inline void play_odd_bytes(struct line *l, const struct step *s)
{
	bool asks = s->act == ACT_ASK_AHEAD || s->act == ACT_ASK_REPEAT;
	enum sonde_direction d = asks ? line_asks(l) : !line_asks(l);

	if (s->act == ACT_ASK_AHEAD || s->act == ACT_ANSWER_AHEAD)
		line_segment_ahead(l, d, s->n, s->text, strlen(s->text));
	else
		line_repeat(l, d, s->n, s->text, strlen(s->text));
}

static inline void play_end(struct line *l, enum act act)
{
	struct sonde_record_close how = { .fin_in = act == ACT_CLOSE, .fin_out = act == ACT_CLOSE };

	how.rst_in = act == ACT_RESET;
	how.aborted = act == ACT_ABORT;
	how.timeout = act == ACT_GIVE_UP;
	line_close(l, how);
}

static inline void play_step(struct line *l, const struct step *s, size_t cut)
{
	l->wire->now_ns += SONDE_NS_PER_MS;
	switch (s->act) {
	case ACT_ASK:
	case ACT_ANSWER:
		play_bytes(l, s, cut);
		break;
	case ACT_ASK_AHEAD:
	case ACT_ANSWER_AHEAD:
	case ACT_ASK_REPEAT:
	case ACT_ANSWER_REPEAT:
		play_odd_bytes(l, s);
		break;
	case ACT_PROGRESS:
		line_progress(l);
		break;
	case ACT_TICK:
		wire_tick(l->wire, s->n);
		break;
	case ACT_RING_FULL:
		l->ring_full = s->n;
		break;
	default:
		play_end(l, s->act);
	}
}

static inline void check_want(const struct want *want, const struct told *told,
			      enum sonde_role role)
{
	const struct sonde_request *r = &told->r;
	enum sonde_error error = want->error;

	if (error == SONDE_ERROR_NONE && role == SONDE_ROLE_CLIENT && want->status >= 400)
		error = SONDE_ERROR_STATUS;
	assert_string_equal(told->method, want->method);
	assert_string_equal(told->path, want->path);
	assert_int_equal(r->status, want->status);
	assert_int_equal(r->error, error);
	assert_int_equal(r->ttfb_ns, want->ttfb_ms * SONDE_NS_PER_MS);
	assert_int_equal(r->duration_ns, want->duration_ms * SONDE_NS_PER_MS);
	assert_int_equal(r->request_bytes, want->request_bytes);
	assert_int_equal(r->response_bytes, want->response_bytes);
	assert_int_equal(r->request_body_bytes, want->request_body);
	assert_int_equal(r->response_body_bytes, want->response_body);
	assert_int_equal(r->truncated, want->truncated);
	assert_int_equal(r->role, role);
	assert_int_equal(r->server.port, 8080);
	assert_int_equal(r->client.port, 40000);
	assert_int_equal(r->time_unix_ns, r->start_ns);
}

/* Plays C once; STEP is the one whose segment is cut at byte CUT (0: none is). */
static inline void play(const struct conversation *c, enum sonde_role role, size_t step, size_t cut)
{
	struct wire *w = wire_new(16);
	struct line l = line_open(w, 7, role);
	struct sonde_track_stats stats;
	size_t n = 0;

	for (size_t i = 0; i < STEPS && c->steps[i].act; i++)
		play_step(&l, &c->steps[i], i == step ? cut : 0);
	for (; n < WANTS && c->wants[n].method; n++) {
		assert_true(n < w->n_told);
		check_want(&c->wants[n], &w->told[n], role);
	}
	assert_int_equal(w->n_told, n);
	assert_int_equal(w->lost, c->lost);
	assert_int_equal(w->n_streams, c->streams);
	sonde_track_stats(w->track, &stats);
	assert_int_equal(stats.unsynced, c->unsynced);
	assert_int_equal(stats.upgraded, c->left_alone);
	assert_int_equal(w->ledger.dropped[SONDE_KIND_DATA][SONDE_LOSS_UNPARSED], 0);
	wire_check_rest(w);
	wire_free(w);
}

/* Where the segment of STEP can be cut: an answer's first bytes must show what it is. */
static inline size_t first_cut(const struct step *s)
{
	if (!s->text || (s->act != ACT_ASK && s->act != ACT_ANSWER))
		return SIZE_MAX;
	return s->act == ACT_ASK ? 1 : WIRE_LIKE_BYTES;
}

static inline void play_all_ways(void **state)
{
	const struct conversation *c = *state;

	for (int role = SONDE_ROLE_SERVER; role <= SONDE_ROLE_CLIENT; role++) {
		play(c, (enum sonde_role)role, 0, 0);
		for (size_t i = 0; !c->whole_only && i < STEPS && c->steps[i].act; i++) {
			const struct step *s = &c->steps[i];

			for (size_t cut = first_cut(s); s->text && cut < strlen(s->text); cut++)
				play(c, (enum sonde_role)role, i, cut);
		}
	}
}

/* Runs each of the N conversations as a test of its own. */
static inline int run_conversations(const char *group, const struct conversation *all, size_t n)
{
	struct CMUnitTest *tests = calloc(n, sizeof(*tests));
	int failed;

	if (!tests)
		return 1;
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){
			.name = all[i].name,
			.test_func = play_all_ways,
			.initial_state = (void *)(uintptr_t)&all[i],
		};
	failed = _cmocka_run_group_tests(group, tests, n, NULL, NULL);
	free(tests);
	return failed;
}

#endif
