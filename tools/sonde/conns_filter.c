// SPDX-License-Identifier: Apache-2.0
/* The options of `sonde conns`, and the filter they make. */
#include <errno.h>
#include <stdio.h>

#include "tools/sonde/conns.h"

static const char *const protocol_names[] = { "tcp", "udp", NULL };
static const char *const sort_names[] = { "told", "rtt", "retrans", "bytes", "age", NULL };
/* As sonde_tcp_state_name() says, from 1 on. */
static const char *const state_names[] = { "established", "syn_sent",  "syn_recv", "fin_wait1",
					   "fin_wait2",	  "time_wait", "closed",   "close_wait",
					   "last_ack",	  "listen",    "closing",  NULL };

#define AT(member) offsetof(struct sonde_conns_options, member)

const struct sonde_option sonde_conns_options[SONDE_CONNS_OPTIONS] = {
	{ "live", 0, SONDE_OPTION_FLAG, AT(live), NULL, NULL, "those that are open" },
	{ "closed", 0, SONDE_OPTION_FLAG, AT(closed), NULL, NULL,
	  "those that closed or failed within the last minutes" },
	{ "sort", 's', SONDE_OPTION_CHOICE, AT(sort), "KEY", sort_names,
	  "most first: rtt, retrans, bytes or age; told: as they come" },
	{ "limit", 'n', SONDE_OPTION_COUNT, AT(limit), "ROWS", NULL,
	  "at most so many; --follow ends after them" },
	{ "protocol", 0, SONDE_OPTION_COMMAS, AT(protocols), "NAME", protocol_names, "tcp or udp" },
	{ "state", 0, SONDE_OPTION_COMMAS, AT(states), "STATE", state_names,
	  "such as established or close_wait" },
	{ "failed", 0, SONDE_OPTION_FLAG, AT(failed), NULL, NULL,
	  "only those that were never established" },
	{ "error", 0, SONDE_OPTION_FLAG, AT(errors), NULL, NULL,
	  "only those that failed, were reset or timed out" },
	SONDE_FILTER_ROWS(AT(words)),
	SONDE_FILTER_ROW_ROLE(AT(words)),
	{ "follow", 'f', SONDE_OPTION_FLAG, AT(follow), NULL, NULL,
	  "connections as they close or fail, from now on" },
	{ "timeout", 0, SONDE_OPTION_SECONDS, AT(timeout_ns), "SECONDS", NULL,
	  "end --follow after so long" },
	{ "watch", 'w', SONDE_OPTION_SECONDS, AT(watch_ns), "SECONDS", NULL,
	  "again and again, so long apart" },
	{ "output", 'o', SONDE_OPTION_CHOICE, AT(format), "FORMAT", sonde_format_names,
	  "table, wide, json or jsonl" },
};

static int take_names(const struct sonde_conns_options *o, struct sonde_conns_filter *f,
		      char error[SONDE_OPTIONS_ERROR])
{
	for (size_t i = 0; i < o->protocols.n; i++) {
		int at =
			sonde_filter_name(o->protocols.items[i], protocol_names, "protocol", error);

		if (at < 0)
			return at;
		f->transports[i] = (Sonde__Transport)at;
	}
	for (size_t i = 0; i < o->states.n; i++) {
		int at = sonde_filter_name(o->states.items[i], state_names, "state", error);

		if (at < 0)
			return at;
		f->states[i] = (Sonde__TcpState)(at + SONDE_TCP_ESTABLISHED);
	}
	f->message.n_transports = o->protocols.n;
	f->message.transports = f->transports;
	f->message.n_states = o->states.n;
	f->message.states = f->states;
	return 0;
}

static int take_id(const char *id, struct sonde_conns_filter *f, char error[SONDE_OPTIONS_ERROR])
{
	if (!*id)
		return 0;
	if (sonde_slice_u64(sonde_slice_str(id), 10, &f->id)) {
		snprintf(error, SONDE_OPTIONS_ERROR,
			 "'%.40s' is not the id of a connection, a number of the column ID", id);
		return -EINVAL;
	}
	f->message.ids = &f->id;
	f->message.n_ids = 1;
	return 0;
}

int sonde_conns_filter(const struct sonde_conns_options *o, const char *id,
		       struct sonde_conns_filter *out, char error[SONDE_OPTIONS_ERROR])
{
	int err;

	sonde__filter__init(&out->message);
	out->message.errors_only = o->errors;
	out->message.failed_only = o->failed;
	err = take_names(o, out, error);
	if (!err)
		err = sonde_filter_take(&o->words, &out->parts, &out->message, error);
	return err ? err : take_id(id, out, error);
}
