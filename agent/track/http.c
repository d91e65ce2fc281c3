// SPDX-License-Identifier: Apache-2.0
/*
 * http - HTTP/1 over the two streams of a connection: which bytes are heads, which answer belongs
 * to which request, when an answer is over.
 */
#include "agent/track/connection.h"

#include <errno.h>

static bool asks(const struct connection *c, enum sonde_direction direction)
{
	return direction == sonde_request_direction(c);
}

/* Where a chunked body ends at the earliest: if the chunk that the walk stands in is its last. */
static uint64_t end_if_last_chunk(const struct stream *s)
{
	uint64_t least = sonde_http1_chunks_least(&s->chunks);

	if (s->chunk_at == SONDE_POSITION_UNKNOWN || !least)
		return SONDE_POSITION_UNKNOWN;
	return s->chunk_at + least;
}

static void raise_to(uint64_t *value, uint64_t to)
{
	if (to > *value)
		*value = to;
}

/* Ends the first exchange; answers to the others begin at AT or later. */
static void finish_first(struct sonde_track *t, struct connection *c, uint64_t at, uint64_t end_ns)
{
	sonde_exchange_finish(t, c, end_ns, SONDE_ERROR_NONE);
	if (c->first)
		raise_to(&c->first->response_base, at);
}

/* Ends the first exchange when its answer is known to be complete with BYTES seen. */
static bool finish_if_complete(struct sonde_track *t, struct connection *c, uint64_t bytes,
			       uint64_t last_ns)
{
	struct stream *s = sonde_response_stream(c);
	struct exchange *e = c->first;

	if (!e || !e->answered)
		return false;
	if (e->response_end == SONDE_POSITION_UNKNOWN && bytes == end_if_last_chunk(s)) {
		e->response_end = bytes;
		e->response_length = s->chunks.body_bytes + s->chunks.remaining;
		s->chunk_at = SONDE_POSITION_UNKNOWN;
		s->next = bytes;
	}
	if (e->response_end == SONDE_POSITION_UNKNOWN || bytes < e->response_end)
		return false;
	if (e->end_is_least)
		e->response_end = bytes;
	finish_first(t, c, e->response_end, last_ns);
	return true;
}

/* An answer has passed in the BYTES until now, and its head never came here, or made no sense. */
static bool lose_if_unseen(struct sonde_track *t, struct connection *c, uint64_t bytes)
{
	enum sonde_loss why = SONDE_LOSS_UNPARSED;

	if (c->first->answered || bytes <= c->first->response_base)
		return false;
	if (c->streaming)
		why = SONDE_LOSS_OUT_OF_SIGHT;
	else if (t->ring_lost && !sonde_response_stream(c)->unparsed)
		why = SONDE_LOSS_RING_FULL;
	sonde_exchange_lose(t, c, why);
	return true;
}

/*
 * A new request turn begins, and BYTES of answers had passed until then, the last at LAST_NS: what
 * has been answered is over, and what should have been answered by now was lost on the way here.
 */
static void settle(struct sonde_track *t, struct connection *c, uint64_t bytes, uint64_t last_ns)
{
	while (c->first) {
		struct exchange *e = c->first;

		if (finish_if_complete(t, c, bytes, last_ns))
			continue;
		if (e->answered && e->response_end == SONDE_POSITION_UNKNOWN) {
			finish_first(t, c, bytes, last_ns);
			/* Where its answer ended, the next began: whose is what can no longer be
			 * told. */
			while (c->first && !c->first->answered)
				sonde_exchange_lose(t, c, SONDE_LOSS_OUT_OF_SIGHT);
		} else if (!lose_if_unseen(t, c, bytes))
			return;
	}
}

static void want_stream(struct sonde_track *t, struct connection *c)
{
	if (c->streaming)
		return;
	c->streaming = true;
	t->ops.want_stream(t->ops.ctx, c->id, true);
}

static void book_missing(struct sonde_track *t, struct connection *c, uint32_t missing)
{
	if (!missing)
		return;
	t->ledger->produced[SONDE_KIND_REQUEST] += missing;
	t->ledger->dropped[SONDE_KIND_REQUEST][SONDE_LOSS_RING_FULL] += missing;
	t->ops.lost(t->ops.ctx, c->process, sonde_server_port(c), c->role, SONDE_LOSS_RING_FULL,
		    missing);
}

/* A head was parsed: this connection is HTTP, and so were the heads that were lost before. */
static void note_http(struct sonde_track *t, struct connection *c)
{
	c->http = true;
	book_missing(t, c, c->missing_heads);
	c->missing_heads = 0;
}

/* Heads of D's direction that the kernel offered and that never came. */
static void note_heads(struct sonde_track *t, struct connection *c, struct stream *s,
		       uint32_t heads, uint32_t expected, bool requests)
{
	if (c->counted && requests && heads > expected) {
		uint32_t missing = heads - expected;
		/* Some of these were booked already, by their answers. */
		uint32_t booked = missing < c->unmatched ? missing : c->unmatched;

		c->unmatched -= booked;
		if (c->http)
			book_missing(t, c, missing - booked);
		else
			c->missing_heads += missing - booked;
	}
	s->heads = heads;
}

/* Walks chunked framing through BYTES at POSITION; sets s->next when the body ends in them. */
static void walk_chunks(struct stream *s, uint64_t position, struct sonde_slice bytes,
			uint32_t segment_len)
{
	size_t used;
	int done = sonde_http1_chunks_walk(&s->chunks, bytes, &used);
	uint64_t unseen = segment_len - bytes.len;

	if (done > 0) {
		s->next = position + used;
		s->chunk_at = SONDE_POSITION_UNKNOWN;
		return;
	}
	s->chunk_at = SONDE_POSITION_UNKNOWN;
	/* What was not captured may be skipped only inside a chunk. */
	if (done == 0 && sonde_http1_chunks_skip(&s->chunks, unseen))
		s->chunk_at = position + segment_len;
}

/* Sets where the next message of S begins, from the framing that a head at [AT, AT+HEAD) told. */
static void frame(struct stream *s, enum sonde_http1_body body, uint64_t length, uint64_t body_at,
		  struct sonde_slice rest, uint32_t segment_rest)
{
	s->next = SONDE_POSITION_UNKNOWN;
	s->chunk_at = SONDE_POSITION_UNKNOWN;
	if (body == SONDE_HTTP1_BODY_NONE)
		s->next = body_at;
	else if (body == SONDE_HTTP1_BODY_LENGTH &&
		 __builtin_add_overflow(body_at, length, &s->next))
		s->next = SONDE_POSITION_UNKNOWN;
	else if (body == SONDE_HTTP1_BODY_CHUNKED) {
		s->chunks = (struct sonde_http1_chunks){ 0 };
		walk_chunks(s, body_at, rest, segment_rest);
	}
}

/* What is being read: a run of bytes at a position, and how much of the segment follows it. */
struct run {
	struct sonde_slice bytes;
	uint64_t position;
	uint64_t stamp_ns; /* when the first of them passed */
	uint64_t last_ns;  /* and the last */
	uint64_t peer_bytes;
	uint64_t peer_last_ns;
	uint32_t segment_len; /* >= bytes.len */
	uint32_t read_at;
	bool final; /* no more of this head will come */
};

static void advance(struct run *run, size_t n)
{
	run->bytes = sonde_slice_from(run->bytes, n);
	run->position += n;
	run->segment_len -= (uint32_t)n;
}

/* The head was cut: where it ends, and with it everything behind it, is not known. */
static void lose_place(struct stream *s)
{
	s->next = SONDE_POSITION_UNKNOWN;
	s->chunk_at = SONDE_POSITION_UNKNOWN;
}

static void begin_request(struct sonde_track *t, struct connection *c, struct stream *s,
			  const struct sonde_http1_request *head, struct run *run, size_t head_len,
			  bool cut)
{
	struct exchange *e = sonde_exchange_begin(t, c, head);
	uint64_t at = run->position;
	uint64_t base = run->peer_bytes;

	note_http(t, c);
	advance(run, head_len);
	if (cut)
		lose_place(s);
	else
		frame(s, head->body, head->body_length, run->position, run->bytes,
		      run->segment_len);
	if (!e)
		return;
	/* Pipelined: answers to earlier requests come first, and how long they are is not known. */
	if (e != c->first) {
		want_stream(t, c);
		run->final = false;
	}
	e->start_ns = run->stamp_ns;
	e->request_at = at;
	e->request_body_at = run->position;
	e->request_end = s->next;
	if (cut && head->body != SONDE_HTTP1_BODY_CHUNKED)
		e->request_length = head->body_length;
	e->response_base = base;
	e->truncated |= cut;
}

static void book_unparsed(struct sonde_track *t, struct connection *c, struct stream *s)
{
	s->next = SONDE_POSITION_UNKNOWN;
	s->unparsed = true;
	/* Never HTTP so far: two more chances, then the kernel side stops by itself. */
	if (!c->http)
		return;
	t->unparsed = true;
}

/* One request head from RUN. 1: go on, 0: done, -EAGAIN: the head goes on in what is to come. */
static int read_request(struct sonde_track *t, struct connection *c, struct run *run)
{
	struct stream *s = sonde_request_stream(c);
	struct sonde_http1_request head;
	int n = sonde_http1_parse_request(run->bytes, &head);
	bool cut = false;

	if (n == -EAGAIN && !run->final)
		return -EAGAIN;
	if (n == -EAGAIN || n == -E2BIG) {
		cut = !sonde_http1_parse_cut_request(run->bytes, &head);
		n = cut ? (int)run->bytes.len : 0;
	}
	if (n <= 0) {
		book_unparsed(t, c, s);
		return 0;
	}
	begin_request(t, c, s, &head, run, (size_t)n, cut);
	return 1;
}

static bool has_no_body(const struct exchange *e, uint16_t status)
{
	return e->is_head || status == 204 || status == 304 ||
	       (e->is_connect && status >= 200 && status < 300);
}

/* What the end of the answer E is known to be when its head was cut at AT. */
static void frame_cut_answer(struct exchange *e, uint64_t at, uint64_t length)
{
	e->response_end = SONDE_POSITION_UNKNOWN;
	if (e->response_body != SONDE_HTTP1_BODY_NONE &&
	    e->response_body != SONDE_HTTP1_BODY_LENGTH)
		return;
	e->response_length = length;
	e->end_is_least = true;
	if (__builtin_add_overflow(at, length, &e->response_end))
		e->response_end = SONDE_POSITION_UNKNOWN;
}

static void begin_answer(struct sonde_track *t, struct connection *c,
			 const struct sonde_http1_response *head, struct run *run, size_t head_len,
			 bool cut)
{
	struct stream *s = sonde_response_stream(c);
	struct exchange *e = c->first;
	bool none = has_no_body(e, head->status);
	enum sonde_http1_body body = none ? SONDE_HTTP1_BODY_NONE : head->body;
	uint64_t length = none ? 0 : head->body_length;

	e->answered = true;
	e->status = head->status;
	/* A head that was cut may not have told. */
	if (!e->version || (head->version && head->version < e->version))
		e->version = head->version;
	e->first_byte_ns = run->stamp_ns;
	e->asked_ns = run->peer_last_ns;
	e->read_at = run->read_at;
	e->response_at = run->position;
	advance(run, head_len);
	e->response_body_at = run->position;
	e->response_body = body;
	if (cut) {
		lose_place(s);
		frame_cut_answer(e, run->position, length);
	} else {
		frame(s, body, length, run->position, run->bytes, run->segment_len);
		e->response_end = s->next;
		if (body == SONDE_HTTP1_BODY_CHUNKED && s->next != SONDE_POSITION_UNKNOWN)
			e->response_length = s->chunks.body_bytes;
	}
	if (head->status == 101 || (e->is_connect && none)) {
		e->response_end = run->position;
		c->left_alone = true;
		t->ops.want_stream(t->ops.ctx, c->id, false);
		t->stats.upgraded++;
	}
}

/* Another answer begins in RUN: the one before it is over. */
static void end_former(struct sonde_track *t, struct connection *c, const struct run *run)
{
	if (c->first && c->first->answered &&
	    !finish_if_complete(t, c, run->position, run->last_ns))
		finish_first(t, c, run->position, run->last_ns);
}

/* An answer to a request that was not seen; HEAD_LEN 0: its head was cut. */
static int skip_answer(struct sonde_track *t, struct connection *c, struct stream *s,
		       const struct sonde_http1_response *head, struct run *run, size_t head_len)
{
	t->stats.unsynced++;
	/* Of a connection that was watched from its first request on, it is an answer to one
	 * unseen. */
	if (c->counted && head->status >= 200) {
		c->unmatched++;
		t->ledger->produced[SONDE_KIND_REQUEST]++;
		t->ledger->dropped[SONDE_KIND_REQUEST][SONDE_LOSS_OUT_OF_SIGHT]++;
		t->ops.lost(t->ops.ctx, c->process, sonde_server_port(c), c->role,
			    SONDE_LOSS_OUT_OF_SIGHT, 1);
	}
	if (!head_len) {
		lose_place(s);
		return 0;
	}
	advance(run, head_len);
	frame(s, head->body, head->body_length, run->position, run->bytes, run->segment_len);
	return 1;
}

/* One response head from RUN; same results as read_request(). */
static int read_response(struct sonde_track *t, struct connection *c, struct run *run)
{
	struct stream *s = sonde_response_stream(c);
	struct sonde_http1_response head;
	uint64_t end = run->position + run->segment_len;
	int n = sonde_http1_parse_response(run->bytes, &head);
	bool cut = false;

	if (n == -EAGAIN && !run->final)
		return -EAGAIN;
	if (n == -EAGAIN || n == -E2BIG) {
		cut = !sonde_http1_parse_cut_response(run->bytes, &head);
		n = cut ? (int)run->bytes.len : 0;
	}
	if (n <= 0) {
		book_unparsed(t, c, s);
		return 0;
	}
	note_http(t, c);
	end_former(t, c, run);
	if (!c->first)
		return skip_answer(t, c, s, &head, run, cut ? 0 : (size_t)n);
	if (head.status < 200 && head.status != 101) {
		advance(run, (size_t)n);
		s->next = run->position;
		c->first->response_base = s->next;
		return 1;
	}
	begin_answer(t, c, &head, run, (size_t)n, cut);
	return finish_if_complete(t, c, end, run->last_ns) && !c->left_alone;
}

/* Puts RUN at the stream's next message; false when there is none in it. */
static bool seek(struct stream *s, struct run *run)
{
	if (s->next == SONDE_POSITION_UNKNOWN || s->next < run->position ||
	    s->next - run->position >= run->bytes.len)
		return false;
	advance(run, (size_t)(s->next - run->position));
	return true;
}

/* Reads all messages that begin in RUN. */
static void read_messages(struct sonde_track *t, struct connection *c, struct stream *s,
			  struct run *run, bool requests)
{
	while (seek(s, run)) {
		int more = requests ? read_request(t, c, run) : read_response(t, c, run);

		if (more == -EAGAIN) {
			struct sonde_assembly *a = sonde_track_assembly(t, s, run->position);

			if (a) {
				a->stamp_ns = run->stamp_ns;
				a->last_ns = run->last_ns;
				sonde_assembly_add(a, run->position, run->bytes);
			}
			return;
		}
		if (!more)
			return;
	}
	/* A message that began behind what was captured of this segment is out of sight. */
	if (s->next != SONDE_POSITION_UNKNOWN && s->next < run->position + run->segment_len &&
	    run->segment_len > run->bytes.len) {
		want_stream(t, c);
		s->next = SONDE_POSITION_UNKNOWN;
	}
}

/* Parses what an assembly has got; with FINAL as much as can be told of a head that was cut. */
static void read_assembly(struct sonde_track *t, struct connection *c, struct stream *s,
			  const struct sonde_record_data *d, bool requests, bool final)
{
	struct sonde_assembly *a = s->assembly;
	struct run run = { .final = final };
	uint64_t seen;
	int more;

	run.bytes = sonde_assembly_front(a);
	run.position = a->base;
	run.stamp_ns = a->stamp_ns;
	run.last_ns = a->last_ns;
	seen = s->seen > a->base ? s->seen - a->base : 0;
	run.segment_len =
		(uint32_t)(seen > run.bytes.len && seen < UINT32_MAX ? seen : run.bytes.len);
	run.peer_last_ns = d ? d->peer_last_ns : 0;
	run.read_at = d ? d->read_at : 0;
	run.peer_bytes = d ? d->peer_bytes : c->stream[s == &c->stream[0]].seen;
	run.final |= a->front == SONDE_ASSEMBLY_BYTES;
	more = requests ? read_request(t, c, &run) : read_response(t, c, &run);
	if (more == -EAGAIN)
		return;
	s->assembly = NULL;
	if (more)
		read_messages(t, c, s, &run, requests);
	/* read_messages() may have begun another one; the old one goes back to the pool now. */
	{
		struct sonde_assembly *fresh = s->assembly;

		s->assembly = a;
		sonde_track_assembly_done(t, s);
		s->assembly = fresh;
	}
}

/* Before the other side's turn, and at the end: an incomplete head will not get more complete. */
static void flush_assembly(struct sonde_track *t, struct connection *c, bool requests)
{
	struct stream *s = requests ? sonde_request_stream(c) : sonde_response_stream(c);

	if (s->assembly)
		read_assembly(t, c, s, NULL, requests, true);
}

/* Nobody told which side this old socket is: the bytes do. */
static bool learn_role(struct connection *c, const struct sonde_record_data *d)
{
	bool answers = sonde_http1_ops.response_likeness(d->payload) == SONDE_LIKENESS_YES;

	if (c->role != SONDE_ROLE_UNKNOWN)
		return true;
	if (!answers && sonde_http1_ops.request_likeness(d->payload) != SONDE_LIKENESS_YES)
		return false;
	c->role =
		(d->direction == SONDE_INGRESS) == answers ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER;
	return true;
}

/* All of this turn that the capture limit allows has been seen. */
static bool is_final(const struct sonde_track *t, const struct connection *c,
		     const struct stream *s, bool requests)
{
	return !c->streaming && s->captured >= t->head_bytes[requests];
}

static void feed(struct sonde_track *t, struct connection *c, struct stream *s,
		 const struct sonde_record_data *d, bool requests)
{
	struct run run = {
		.bytes = d->payload,
		.position = d->position,
		.stamp_ns = d->stamp_ns,
		.last_ns = d->stamp_ns,
		.peer_bytes = d->peer_bytes,
		.peer_last_ns = d->peer_last_ns,
		.read_at = d->read_at,
		.segment_len = d->segment_len,
		.final = is_final(t, c, s, requests),
	};

	if (s->assembly) {
		s->assembly->last_ns = d->stamp_ns;
		sonde_assembly_add(s->assembly, d->position, d->payload);
		read_assembly(t, c, s, d, requests, run.final && !d->gap);
		return;
	}
	if (s->chunk_at == d->position && s->next == SONDE_POSITION_UNKNOWN && s->chunk_at) {
		walk_chunks(s, d->position, d->payload, d->segment_len);
		if (s->next != SONDE_POSITION_UNKNOWN && !requests && c->first &&
		    c->first->answered) {
			c->first->response_end = s->next;
			c->first->response_length = s->chunks.body_bytes;
		}
	} else if (s->next == SONDE_POSITION_UNKNOWN && (d->first || d->response)) {
		s->next = d->position;
	} else if (s->next < d->position && d->gap) {
		struct sonde_assembly *a = sonde_track_assembly(t, s, s->next);

		if (a) {
			a->stamp_ns = d->stamp_ns;
			a->last_ns = d->stamp_ns;
			sonde_assembly_add(a, d->position, d->payload);
		}
		return;
	} else if (s->next < d->position) {
		s->next = d->first || d->response ? d->position : SONDE_POSITION_UNKNOWN;
	}
	read_messages(t, c, s, &run, requests);
}

/* The turn goes on with a body whose head was in a former one: an answer may be under way. */
static bool continues(const struct stream *s, const struct sonde_record_data *d)
{
	return (s->next != SONDE_POSITION_UNKNOWN && d->position < s->next) ||
	       (s->chunk_at != SONDE_POSITION_UNKNOWN && d->position == s->chunk_at);
}

/* A head where the body of a request was due that has had its answer: the client thought better. */
static bool gives_up_body(const struct connection *c, const struct stream *s,
			  const struct sonde_record_data *d)
{
	return s->next != SONDE_POSITION_UNKNOWN && d->position < s->next &&
	       (!c->first || c->first->answered) &&
	       sonde_http1_ops.request_likeness(d->payload) == SONDE_LIKENESS_YES;
}

void sonde_http_data(struct sonde_track *t, struct connection *c, const struct sonde_record_data *d)
{
	struct stream *s = &c->stream[d->direction];
	bool requests;

	if (!learn_role(c, d))
		return;
	requests = asks(c, d->direction);
	if (d->head > s->heads) {
		note_heads(t, c, s, d->head, s->heads + 1, requests);
		s->captured = 0;
		c->counted |= requests;
	}
	s->captured += (uint32_t)d->payload.len;
	c->streaming |= d->payload.len > t->head_bytes[requests];
	if (requests && d->first && gives_up_body(c, s, d))
		s->next = d->position;
	/* What was before this segment belongs to what is settled now, the segment does not. */
	raise_to(&s->seen, d->position);
	raise_to(&c->stream[!d->direction].seen, d->peer_bytes);
	if (d->first)
		flush_assembly(t, c, !requests);
	if (requests && d->first && !continues(s, d))
		settle(t, c, d->peer_bytes, d->peer_last_ns);
	raise_to(&s->seen, d->position + d->segment_len);
	feed(t, c, s, d, requests);
	if (!requests)
		finish_if_complete(t, c, s->seen, d->stamp_ns);
}

/* Chunks that were all seen so far are known not to be over: silence does not end them. */
static bool goes_on(struct connection *c, uint64_t bytes)
{
	uint64_t end = end_if_last_chunk(sonde_response_stream(c));

	return end != SONDE_POSITION_UNKNOWN && bytes < end;
}

void sonde_http_progress(struct sonde_track *t, struct connection *c,
			 const struct sonde_progress flow[SONDE_DIRECTIONS], uint64_t now_ns)
{
	const struct sonde_progress *requests = &flow[sonde_request_direction(c)];
	const struct sonde_progress *answers = &flow[!sonde_request_direction(c)];
	struct stream *s = sonde_request_stream(c);
	struct exchange *e;

	for (int i = 0; i < SONDE_DIRECTIONS; i++)
		raise_to(&c->stream[i].seen, flow[i].bytes);
	while (finish_if_complete(t, c, answers->bytes, answers->last_ns))
		;
	if (requests->heads > s->heads)
		note_heads(t, c, s, requests->heads, s->heads, true);
	/* It has been quiet since: what was to come of an answer that has passed would be here. */
	while (c->first && lose_if_unseen(t, c, answers->bytes))
		;
	e = c->first;
	if (!e || !e->answered || e->response_end != SONDE_POSITION_UNKNOWN ||
	    e->response_body == SONDE_HTTP1_BODY_CLOSE || goes_on(c, answers->bytes))
		return;
	if (e->quiet_end_ns != answers->last_ns) {
		e->quiet_ns = now_ns;
		e->quiet_end_ns = answers->last_ns;
	}
}

static enum sonde_error why_ended(const struct sonde_record_close *r)
{
	if (r->timeout)
		return SONDE_ERROR_TIMEOUT;
	if (r->rst_in || r->rst_out || r->aborted)
		return SONDE_ERROR_RESET;
	return SONDE_ERROR_CLOSED;
}

/* The first exchange at the connection's end: complete, cut short, or never answered. */
static void end_exchange(struct sonde_track *t, struct connection *c,
			 const struct sonde_record_close *r)
{
	const struct sonde_progress *answers = &r->flow[!sonde_request_direction(c)];
	enum sonde_error why = why_ended(r);
	struct exchange *e = c->first;

	if (finish_if_complete(t, c, answers->bytes, answers->last_ns))
		return;
	if (lose_if_unseen(t, c, answers->bytes))
		return;
	if (!e->answered) {
		sonde_exchange_finish(t, c, r->stamp_ns, why);
		return;
	}
	/* An end by close, or one that was not in sight, is as good as the close was. */
	if (e->response_end == SONDE_POSITION_UNKNOWN && why == SONDE_ERROR_CLOSED && !e->cut_off)
		why = SONDE_ERROR_NONE;
	sonde_exchange_finish(t, c, answers->last_ns, why);
}

void sonde_http_close(struct sonde_track *t, struct connection *c,
		      const struct sonde_record_close *r)
{
	struct stream *s = sonde_request_stream(c);
	uint32_t heads = r->flow[sonde_request_direction(c)].heads;
	const struct sonde_assembly *a = sonde_response_stream(c)->assembly;
	/* Not when there was more of it than is captured. */
	bool in_head = a && r->flow[!sonde_request_direction(c)].bytes <= a->base + a->front;

	c->http |= r->http;

	flush_assembly(t, c, true);
	flush_assembly(t, c, false);
	if (in_head && c->first)
		c->first->cut_off = true;
	if (heads > s->heads && !c->left_alone)
		note_heads(t, c, s, heads, s->heads, true);
	for (int i = 0; i < SONDE_DIRECTIONS; i++)
		raise_to(&c->stream[i].seen, r->flow[i].bytes);
	while (c->first)
		end_exchange(t, c, r);
}
