// SPDX-License-Identifier: Apache-2.0
#include "exporters/jsonl/jsonl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/core/buf.h"
#include "exporters/json.h"
#include "exporters/jsonl/output.h"
#include "exporters/sink.h"

enum {
	TEXT_MAX = 4 << 20,  /* of the lines of one write */
	TEXT_FULL = 1 << 20, /* enough to write: longer lines than that are rare */
};

struct sonde_exporter {
	struct sonde_sink *sink;
	struct sonde_output output; /* the sink's thread alone touches it and the text */
	struct sonde_buf text;
	bool connections; /* are written too */
};

static bool is_enabled(const struct sonde_config *config)
{
	return config->jsonl.enabled;
}

/* Appends one line. False: it does not fit, or there is no memory; nothing is appended. */
static bool put_line(struct sonde_buf *b, const struct sonde_sink_record *r)
{
	size_t before = b->len;

	if (r->request)
		sonde_json_request(b, r->request);
	else
		sonde_json_connection(b, r->connection);
	sonde_buf_put_byte(b, '\n');
	if (!b->failed)
		return true;
	b->len = before;
	b->failed = false;
	return false;
}

/* Encodes from BATCH[*AT] on until the text is long enough. Returns how many lines it holds. */
static size_t encode_some(struct sonde_buf *text, const struct sonde_sink_record *batch, size_t n,
			  size_t *at, uint64_t max_bytes)
{
	size_t lines = 0, len = 0;

	sonde_buf_reset(text);
	while (*at < n && text->len < TEXT_FULL) {
		len = text->len;
		lines += put_line(text, &batch[(*at)++]);
		if (!max_bytes || text->len <= max_bytes || !len)
			continue;
		/* It would make a file of its own too long: the last line goes into the next one.
		 */
		text->len = len;
		lines--;
		(*at)--;
		break;
	}
	return lines;
}

static size_t count_lines(struct sonde_slice text)
{
	size_t n = 0;

	for (size_t i = sonde_slice_find(text, 0, '\n'); i < text.len;
	     i = sonde_slice_find(text, i + 1, '\n'))
		n++;
	return n;
}

static size_t write_batch(void *ctx, const struct sonde_sink_record *batch, size_t n, int stop_fd,
			  uint64_t *bytes)
{
	struct sonde_exporter *e = ctx;
	size_t at = 0, delivered = 0;
	int err = 0;

	while (at < n && !err) {
		size_t lines = encode_some(&e->text, batch, n, &at, e->output.max_bytes), written;
		struct sonde_slice text = sonde_buf_slice(&e->text);

		sonde_output_prepare(&e->output, text.len);
		written = sonde_output_write(&e->output, text, stop_fd, &err);
		*bytes += written;
		delivered += written == text.len ? lines
						 : count_lines(sonde_slice_sub(text, 0, written));
	}
	return delivered;
}

static const struct sonde_sink_ops sink_ops = { .write = write_batch };

static void jsonl_free(struct sonde_exporter *e)
{
	sonde_sink_free(e->sink);
	sonde_output_close(&e->output);
	sonde_buf_fini(&e->text);
	free(e);
}

static int jsonl_open(const struct sonde_config *config, struct sonde_exporter **out, char *error,
		      size_t error_len)
{
	struct sonde_exporter *e = calloc(1, sizeof(*e));
	int err;

	if (!e) {
		snprintf(error, error_len, "jsonl: out of memory");
		return -ENOMEM;
	}
	e->output.fd = -1;
	e->connections = config->jsonl.connections;
	sonde_buf_init(&e->text, TEXT_MAX);
	err = sonde_output_open(&e->output, config->jsonl.path, config->jsonl.max_bytes,
				config->jsonl.max_files);
	if (!err)
		err = sonde_sink_new("sonde-jsonl", config->jsonl.queue_records, &sink_ops, e,
				     &e->sink);
	if (err) {
		snprintf(error, error_len, "jsonl: %s: %s", config->jsonl.path, strerror(-err));
		jsonl_free(e);
		return err;
	}
	*out = e;
	return 0;
}

static bool jsonl_push(struct sonde_exporter *e, const struct sonde_request *r)
{
	return sonde_sink_push(e->sink, r);
}

static bool jsonl_push_connection(struct sonde_exporter *e, const struct sonde_connection *c)
{
	return !e->connections || sonde_sink_push_connection(e->sink, c);
}

static void jsonl_stats(struct sonde_exporter *e, struct sonde_exporter_stats *out)
{
	sonde_sink_stats(e->sink, out);
}

static void jsonl_close(struct sonde_exporter *e, uint64_t timeout_ns)
{
	if (!e)
		return;
	sonde_sink_stop(e->sink, timeout_ns);
	jsonl_free(e);
}

const struct sonde_exporter_ops sonde_jsonl_ops = {
	.name = "jsonl",
	.enabled = is_enabled,
	.open = jsonl_open,
	.push = jsonl_push,
	.push_connection = jsonl_push_connection,
	.stats = jsonl_stats,
	.close = jsonl_close,
};
