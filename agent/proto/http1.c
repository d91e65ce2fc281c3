// SPDX-License-Identifier: Apache-2.0
/*
 * Start lines, and what the header section (http1_fields.c) means for the message. The start line
 * is read from both ends: the method in front, the version behind; what is between is the target.
 */
#include "agent/proto/http1.h"

#include <errno.h>

#include "agent/proto/http1_fields.h"
#include "agent/proto/http1_target.h"
#include "agent/proto/traceparent.h"

enum {
	VERSION_LEN = 8,      /* "HTTP/1.1" */
	STATUS_LINE_LEN = 12, /* "HTTP/1.1 200" */
};

/* The front of a request, which is not yet known to be whole. */
struct request_line {
	struct sonde_slice method;
	struct sonde_slice target;
	size_t end; /* offset behind its line feed */
	uint8_t version;
};

/* RFC 9110 section 5.6.2. */
static const bool token_bytes[256] = {
	['!'] = true, ['#' ... '\''] = true, ['*'] = true,	   ['+'] = true,
	['-'] = true, ['.'] = true,	     ['0' ... '9'] = true, ['A' ... 'Z'] = true,
	['^'] = true, ['_' ... 'z'] = true,  ['|'] = true,	   ['~'] = true,
};

/* "HTTP/1.x" at P: 10 or 11, or 0. A later minor version is read as 1.1 (RFC 9110 section 2.5). */
static uint8_t version_at(const uint8_t *p)
{
	if (memcmp(p, "HTTP/1.", VERSION_LEN - 1) != 0 || p[7] - (unsigned int)'0' > 9)
		return 0;
	return p[7] == '0' ? 10 : 11;
}

/* Past the empty lines that may stand before a request; -EPROTO when a CR stands alone. */
static int skip_empty_lines(struct sonde_slice in, size_t *at)
{
	size_t i = 0;

	for (; i < in.len && (in.ptr[i] == '\r' || in.ptr[i] == '\n'); i++)
		if (in.ptr[i] == '\r' && i + 1 < in.len && in.ptr[i + 1] != '\n')
			return -EPROTO;
	*at = i;
	return 0;
}

/* The method in front of IN, with a space behind it. */
static int read_method(struct sonde_slice in, struct sonde_slice *method)
{
	const uint8_t *p, *end;
	size_t len, at = 0;

	if (!in.len)
		return -EAGAIN;
	if (in.ptr[0] <= '\r' && skip_empty_lines(in, &at))
		return -EPROTO;
	end = in.ptr + in.len;
	for (p = in.ptr + at; p < end && token_bytes[*p]; p++)
		;
	len = (size_t)(p - in.ptr) - at;
	if (len > SONDE_HTTP1_METHOD_MAX)
		return -EPROTO;
	if (p == end)
		return -EAGAIN;
	if (!len || *p != ' ')
		return -EPROTO;
	*method = sonde_slice_of(p - len, len);
	/* Reserved for the preface of HTTP/2 (RFC 9113 section 3.4). */
	return sonde_slice_eq(*method, SONDE_SLICE_LIT("PRI")) ? -EPROTO : 0;
}

/* Method, target and version of a whole line. */
static int read_request_line(struct sonde_slice in, struct request_line *line)
{
	const uint8_t *from, *end;
	int err = read_method(in, &line->method);

	if (err)
		return err;
	from = line->method.ptr + line->method.len;
	end = memchr(from, '\n', (size_t)(in.ptr + in.len - from));
	if (!end)
		return -EAGAIN;
	line->end = (size_t)(end - in.ptr) + 1;
	if (end[-1] == '\r')
		end--;
	while (end > from && end[-1] == ' ')
		end--;
	if (end - from <= VERSION_LEN)
		return -EPROTO;
	end -= VERSION_LEN;
	line->version = version_at(end);
	if (!line->version || end[-1] != ' ')
		return -EPROTO;
	while (from < end && *from == ' ')
		from++;
	while (end > from && end[-1] == ' ')
		end--;
	line->target = sonde_slice_of(from, (size_t)(end - from));
	return line->target.len ? 0 : -EPROTO;
}

/* What a first line without its end tells. At least one byte of the target must be there. */
static int read_cut_request_line(struct sonde_slice in, struct request_line *line, bool *whole)
{
	size_t at, end;
	int err = read_method(in, &line->method);

	if (err)
		return err;
	at = (size_t)(line->method.ptr - in.ptr) + line->method.len;
	while (sonde_slice_at(in, at) == ' ')
		at++;
	end = sonde_slice_find(in, at, ' ');
	*whole = end < in.len;
	line->target = sonde_slice_sub(in, at, end - at);
	line->version = 0;
	return line->target.len ? 0 : -EAGAIN;
}

/* RFC 9112 section 6.3 for requests, as far as it was read; -EPROTO: the body has no known end. */
static int request_body(const struct sonde_http1_fields *f, bool whole)
{
	if (f->coding == SONDE_HTTP1_CODING_CHUNKED)
		return SONDE_HTTP1_BODY_CHUNKED;
	if (f->coding == SONDE_HTTP1_CODING_OTHER)
		return whole ? -EPROTO : SONDE_HTTP1_BODY_UNKNOWN;
	if (f->has_length)
		return SONDE_HTTP1_BODY_LENGTH;
	return whole ? SONDE_HTTP1_BODY_NONE : SONDE_HTTP1_BODY_UNKNOWN;
}

static inline int fill_request(struct sonde_http1_request *out, const struct request_line *line,
			       const struct sonde_http1_fields *f, bool whole_target, bool whole)
{
	int body = request_body(f, whole);

	if (body < 0)
		return body;
	*out = (struct sonde_http1_request){
		.method = line->method,
		.target = line->target,
		.user_agent = f->user_agent,
		.body_length = body == SONDE_HTTP1_BODY_LENGTH ? f->length : 0,
		.body = (enum sonde_http1_body)body,
		.version = line->version,
		.expect_continue = f->expect_continue,
		.upgrade = (f->has_upgrade && f->upgrade) || sonde_http1_is_connect(line->method),
		.close = f->close || (line->version == 10 && !f->keep_alive),
	};
	sonde_http1_target_split(out, whole_target);
	if (!out->host.len)
		out->host = sonde_http1_target_host(f->host);
	/* Several are as good as none: nobody could say which one counts. */
	if (f->n_traceparent == 1)
		sonde_traceparent_parse(f->traceparent, &out->trace_id, &out->span_id);
	return 0;
}

int sonde_http1_parse_request(struct sonde_slice in, struct sonde_http1_request *out)
{
	struct request_line line = { 0 };
	struct sonde_http1_fields f = { 0 };
	int ret;

	in = sonde_slice_sub(in, 0, SONDE_HTTP1_HEAD_MAX);
	ret = read_request_line(in, &line);
	if (!ret)
		ret = sonde_http1_fields_parse(in, line.end, SONDE_HTTP1_REQUEST_LETTERS, &f);
	if (ret == -EAGAIN && in.len == SONDE_HTTP1_HEAD_MAX)
		return -E2BIG;
	if (ret > 0 && fill_request(out, &line, &f, true, true))
		return -EPROTO;
	return ret;
}

int sonde_http1_parse_cut_request(struct sonde_slice in, struct sonde_http1_request *out)
{
	struct request_line line = { 0 };
	struct sonde_http1_fields f = { 0 };
	bool whole_target = true, whole = false;
	int ret;

	in = sonde_slice_sub(in, 0, SONDE_HTTP1_HEAD_MAX);
	ret = read_request_line(in, &line);
	if (ret == -EAGAIN)
		ret = read_cut_request_line(in, &line, &whole_target);
	else if (!ret)
		whole = (ret = sonde_http1_fields_parse(in, line.end, SONDE_HTTP1_REQUEST_LETTERS,
							&f)) > 0;
	if (ret == -EPROTO || !line.target.len)
		return ret;
	return fill_request(out, &line, &f, whole_target, whole);
}

/* The first 12 bytes of a response, and that the status ends with them. */
static inline int read_status(struct sonde_slice in, struct sonde_http1_response *r)
{
	const uint8_t *p = in.ptr;
	unsigned int hundreds, tens, ones;

	if (in.len < STATUS_LINE_LEN) {
		size_t n = in.len < VERSION_LEN - 1 ? in.len : VERSION_LEN - 1;

		return n && memcmp(p, "HTTP/1.", n) != 0 ? -EPROTO : -EAGAIN;
	}
	r->version = version_at(p);
	if (!r->version || p[VERSION_LEN] != ' ')
		return -EPROTO;
	hundreds = p[9] - (unsigned int)'0';
	tens = p[10] - (unsigned int)'0';
	ones = p[11] - (unsigned int)'0';
	if (hundreds - 1 > 8 || tens > 9 || ones > 9)
		return -EPROTO;
	if (in.len > STATUS_LINE_LEN && p[12] != ' ' && p[12] != '\r' && p[12] != '\n')
		return -EPROTO;
	r->status = (uint16_t)(hundreds * 100 + tens * 10 + ones);
	return 0;
}

/* RFC 9112 section 6.3 for responses, as far as the head alone decides. */
static inline enum sonde_http1_body response_body(const struct sonde_http1_fields *f, bool whole,
						  unsigned int status)
{
	if (status < 200 || status == 204 || status == 304)
		return SONDE_HTTP1_BODY_NONE;
	if (f->coding == SONDE_HTTP1_CODING_CHUNKED)
		return SONDE_HTTP1_BODY_CHUNKED;
	if (f->coding == SONDE_HTTP1_CODING_NONE && f->has_length)
		return SONDE_HTTP1_BODY_LENGTH;
	return whole ? SONDE_HTTP1_BODY_CLOSE : SONDE_HTTP1_BODY_UNKNOWN;
}

/* As sonde_http1_parse_response(); with CUT a head that has its status is enough. */
static inline int parse_response(struct sonde_slice in, bool cut, struct sonde_http1_response *out)
{
	struct sonde_http1_fields f = { 0 };
	struct sonde_http1_response r;
	size_t lf;
	int ret;

	in = sonde_slice_sub(in, 0, SONDE_HTTP1_HEAD_MAX);
	ret = read_status(in, &r);
	if (ret)
		return ret;
	lf = sonde_slice_find(in, STATUS_LINE_LEN, '\n');
	ret = lf == in.len ? -EAGAIN
			   : sonde_http1_fields_parse(in, lf + 1, SONDE_HTTP1_RESPONSE_LETTERS, &f);
	if (ret == -EPROTO || (ret < 0 && !cut))
		return ret == -EAGAIN && in.len == SONDE_HTTP1_HEAD_MAX ? -E2BIG : ret;
	r.body = response_body(&f, ret > 0, r.status);
	r.body_length = r.body == SONDE_HTTP1_BODY_LENGTH ? f.length : 0;
	r.close = f.close || (r.version == 10 && !f.keep_alive);
	*out = r;
	return ret;
}

int sonde_http1_parse_response(struct sonde_slice in, struct sonde_http1_response *out)
{
	return parse_response(in, false, out);
}

int sonde_http1_parse_cut_response(struct sonde_slice in, struct sonde_http1_response *out)
{
	struct sonde_http1_response r = { 0 };
	int ret = parse_response(in, true, &r);

	if (!r.status)
		return ret;
	*out = r;
	return 0;
}

/*
 * A whole first line decides. Without its end, capitals and a path are taken for HTTP: the line may
 * be longer than the capture, and other protocols with such words send whole short lines.
 */
static enum sonde_likeness request_likeness(struct sonde_slice head)
{
	struct request_line line = { 0 };
	bool whole;
	int err = read_request_line(head, &line);

	if (err != -EAGAIN)
		return err ? SONDE_LIKENESS_NO : SONDE_LIKENESS_YES;
	if (read_cut_request_line(head, &line, &whole) || line.target.ptr[0] != '/')
		return SONDE_LIKENESS_MAYBE;
	for (size_t i = 0; i < line.method.len; i++)
		if (line.method.ptr[i] < 'A' || line.method.ptr[i] > 'Z')
			return SONDE_LIKENESS_MAYBE;
	return SONDE_LIKENESS_YES;
}

static enum sonde_likeness response_likeness(struct sonde_slice head)
{
	struct sonde_slice want = sonde_slice_sub(SONDE_SLICE_LIT("HTTP/1."), 0, head.len);

	if (!sonde_slice_starts(head, want))
		return SONDE_LIKENESS_NO;
	return want.len == VERSION_LEN - 1 ? SONDE_LIKENESS_YES : SONDE_LIKENESS_MAYBE;
}

const struct sonde_proto_ops sonde_http1_ops = {
	.id = SONDE_PROTOCOL_HTTP1,
	.name = "http",
	.request_likeness = request_likeness,
	.response_likeness = response_likeness,
};
