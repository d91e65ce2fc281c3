// SPDX-License-Identifier: Apache-2.0
/*
 * trace - the parts of `sonde trace`: its options, the filter they make, and how a request looks.
 */
#ifndef SONDE_TOOLS_TRACE_H
#define SONDE_TOOLS_TRACE_H

#include "agent/model/request.h"
#include "agent/model/wire.h"
#include "tools/sonde/cli.h"
#include "tools/sonde/filter_words.h"

struct sonde_trace_options {
	int format;
	uint64_t count;	     /* 0: no end */
	uint64_t timeout_ns; /* 0: no end */
	struct sonde_filter_words words;
	struct sonde_words protocols, methods, paths, statuses;
	bool errors, limited;
	uint64_t min_latency_ns;
	char *fail_on;
};

enum { SONDE_TRACE_OPTIONS = 18 };
extern const struct sonde_option sonde_trace_options[SONDE_TRACE_OPTIONS];

/* A Filter message with room for what it points to. Do not move it once filled. */
struct sonde_trace_filter {
	Sonde__Filter message;
	struct sonde_filter_parts parts;
	Sonde__Protocol protocols[SONDE_WORDS_MAX];
	ProtobufCBinaryData methods[SONDE_WORDS_MAX], paths[SONDE_WORDS_MAX];
	Sonde__Filter__StatusRange ranges[SONDE_WORDS_MAX];
	Sonde__Filter__StatusRange *range_list[SONDE_WORDS_MAX];
};

/* 0, or -EINVAL with a line in ERROR. Borrows from O. */
int sonde_trace_filter(const struct sonde_trace_options *o, struct sonde_trace_filter *out,
		       char error[SONDE_OPTIONS_ERROR]);

/* "404", "5xx", "400-499". 0 or -EINVAL. */
int sonde_trace_status_range(const char *text, uint32_t *first, uint32_t *last);

/* What --fail-on says: `error`, a status as above, or `>DURATION`. */
struct sonde_trace_condition {
	bool set, error;
	uint32_t first, last; /* statuses; 0: none */
	uint64_t above_ns;    /* UINT64_MAX: none */
};
/* TEXT may be NULL: never. 0 or -EINVAL. */
int sonde_trace_condition_parse(const char *text, struct sonde_trace_condition *out);
bool sonde_trace_condition_met(const struct sonde_trace_condition *c,
			       const struct sonde_request *r);

/* A packet that a rule has held back, as `--limited` shows it. */
void sonde_trace_print_limited_head(struct sonde_buf *b, enum sonde_format format);
void sonde_trace_print_limited(struct sonde_buf *b, enum sonde_format format,
			       const Sonde__Limited *limited);

void sonde_trace_print_head(struct sonde_buf *b, enum sonde_format format);
void sonde_trace_print(struct sonde_buf *b, enum sonde_format format, bool colour,
		       const struct sonde_request *r);

#endif
