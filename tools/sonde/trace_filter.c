// SPDX-License-Identifier: Apache-2.0
/* The options of `sonde trace`, and the filter they make. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/sonde/trace.h"

static const char *const protocol_names[] = { "http", NULL };

#define AT(member) offsetof(struct sonde_trace_options, member)

const struct sonde_option sonde_trace_options[SONDE_TRACE_OPTIONS] = {
	{ "protocol", 0, SONDE_OPTION_COMMAS, AT(protocols), "NAME", protocol_names, "http" },
	SONDE_FILTER_ROWS(AT(words)),
	{ "method", 0, SONDE_OPTION_COMMAS, AT(methods), "METHOD", NULL, "GET, POST, ..." },
	{ "path", 0, SONDE_OPTION_LIST, AT(paths), "GLOB", NULL, "such as '/api/*'" },
	{ "status", 0, SONDE_OPTION_COMMAS, AT(statuses), "STATUS", NULL,
	  "such as 5xx,404,400-403" },
	{ "error", 0, SONDE_OPTION_FLAG, AT(errors), NULL, NULL, "only what failed" },
	{ "min-latency", 0, SONDE_OPTION_DURATION, AT(min_latency_ns), "TIME", NULL,
	  "such as 10ms" },
	SONDE_FILTER_ROW_ROLE(AT(words)),
	{ "limited", 0, SONDE_OPTION_FLAG, AT(limited), NULL, NULL,
	  "samples of packets that `sonde limit` has held back, instead" },
	{ "count", 'n', SONDE_OPTION_COUNT, AT(count), "N", NULL, "end after N requests" },
	{ "timeout", 0, SONDE_OPTION_SECONDS, AT(timeout_ns), "SECONDS", NULL,
	  "end after so long" },
	{ "fail-on", 0, SONDE_OPTION_TEXT, AT(fail_on), "CONDITION", NULL,
	  "exit 5 when a request met it: error, 5xx, '>100ms'" },
	{ "output", 'o', SONDE_OPTION_CHOICE, AT(format), "FORMAT", sonde_format_names,
	  "table, wide, json or jsonl" },
};

int sonde_trace_status_range(const char *text, uint32_t *first, uint32_t *last)
{
	struct sonde_slice s = sonde_slice_str(text);
	size_t dash = sonde_slice_find(s, 0, '-');
	uint64_t low, high;

	if (s.len == 3 && sonde_slice_eq_nocase(sonde_slice_from(s, 1), SONDE_SLICE_LIT("xx"))) {
		if (text[0] < '1' || text[0] > '9')
			return -EINVAL;
		*first = (uint32_t)(text[0] - '0') * 100;
		*last = *first + 99;
		return 0;
	}
	if (sonde_slice_u64(sonde_slice_sub(s, 0, dash), 10, &low))
		return -EINVAL;
	high = low;
	if (dash < s.len && sonde_slice_u64(sonde_slice_from(s, dash + 1), 10, &high))
		return -EINVAL;
	if (!low || low > high || high > UINT16_MAX)
		return -EINVAL;
	*first = (uint32_t)low;
	*last = (uint32_t)high;
	return 0;
}

static int take_protocols(const struct sonde_trace_options *o, struct sonde_trace_filter *f,
			  char error[SONDE_OPTIONS_ERROR])
{
	for (size_t i = 0; i < o->protocols.n; i++) {
		int at =
			sonde_filter_name(o->protocols.items[i], protocol_names, "protocol", error);

		if (at < 0)
			return at;
		f->protocols[i] = (Sonde__Protocol)(at + SONDE_PROTOCOL_HTTP1);
	}
	f->message.n_protocols = o->protocols.n;
	f->message.protocols = f->protocols;
	return 0;
}

static int take_statuses(const struct sonde_trace_options *o, struct sonde_trace_filter *f,
			 char error[SONDE_OPTIONS_ERROR])
{
	for (size_t i = 0; i < o->statuses.n; i++) {
		sonde__filter__status_range__init(&f->ranges[i]);
		if (sonde_trace_status_range(o->statuses.items[i], &f->ranges[i].first,
					     &f->ranges[i].last)) {
			snprintf(error, SONDE_OPTIONS_ERROR,
				 "--status: '%.40s' is not a status, such as 404, 5xx or 400-403",
				 o->statuses.items[i]);
			return -EINVAL;
		}
		f->range_list[i] = &f->ranges[i];
	}
	f->message.n_statuses = o->statuses.n;
	f->message.statuses = f->range_list;
	return 0;
}

int sonde_trace_filter(const struct sonde_trace_options *o, struct sonde_trace_filter *out,
		       char error[SONDE_OPTIONS_ERROR])
{
	int err;

	sonde__filter__init(&out->message);
	out->message.errors_only = o->errors;
	out->message.min_duration_ns = o->min_latency_ns;
	out->message.n_methods = sonde_filter_texts(&o->methods, out->methods);
	out->message.methods = out->methods;
	out->message.n_paths = sonde_filter_texts(&o->paths, out->paths);
	out->message.paths = out->paths;
	err = take_protocols(o, out, error);
	if (!err)
		err = sonde_filter_take(&o->words, &out->parts, &out->message, error);
	return err ? err : take_statuses(o, out, error);
}

int sonde_trace_condition_parse(const char *text, struct sonde_trace_condition *out)
{
	*out = (struct sonde_trace_condition){ .above_ns = UINT64_MAX, .set = text != NULL };
	if (!text)
		return 0;
	if (strcmp(text, "error") == 0) {
		out->error = true;
		return 0;
	}
	if (text[0] == '>')
		return sonde_duration_parse(text + 1, false, &out->above_ns) ? -EINVAL : 0;
	return sonde_trace_status_range(text, &out->first, &out->last);
}

bool sonde_trace_condition_met(const struct sonde_trace_condition *c, const struct sonde_request *r)
{
	if (!c->set)
		return false;
	if (c->error)
		return r->error != SONDE_ERROR_NONE;
	if (c->first)
		return r->status >= c->first && r->status <= c->last;
	return r->duration_ns > c->above_ns;
}
