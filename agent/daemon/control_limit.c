// SPDX-License-Identifier: Apache-2.0
/*
 * Rules of rate limiting over the control socket: a request becomes a command for the broker, its
 * answer becomes rows of the view. One request of a client at a time.
 */
#include "agent/daemon/control_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/core/clock.h"

enum { ROWS = 64 /* in one frame */, WHY_MAX = 320 };

/* ---- request --------------------------------------------------------------------------------- */

static void refuse(struct sonde_client *cl, const char *key, const char *value, const char *wrong)
{
	const char *form = sonde_limit_spec_form(key);
	char why[WHY_MAX];

	snprintf(why, sizeof(why), "%s: \"%.64s\" %s%s%s", key, value, wrong,
		 *form ? "; expected " : "", form);
	sonde_client_error(cl, SONDE__ERROR__CODE__INVALID, why);
}

/* False: refused. */
static bool read_rule(struct sonde_client *cl, const Sonde__LimitRule *r,
		      struct sonde_limit_spec *out)
{
	const struct {
		const char *key, *value;
	} pairs[] = {
		{ "name", r->name },	 { "iface", r->iface }, { "src", r->src },
		{ "per", r->per },	 { "dport", r->dport }, { "proto", r->proto },
		{ "rate", r->rate },	 { "burst", r->burst }, { "unit", r->unit },
		{ "action", r->action }, { "ttl", r->ttl },	{ "priority", r->priority },
	};
	const char *wrong;

	sonde_limit_spec_init(out);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (!pairs[i].value[0])
			continue;
		wrong = sonde_limit_spec_set(out, pairs[i].key, sonde_slice_str(pairs[i].value));
		if (!wrong)
			continue;
		refuse(cl, pairs[i].key, pairs[i].value, wrong);
		return false;
	}
	wrong = sonde_limit_spec_complete(out);
	if (wrong)
		refuse(cl, "rule", out->name, wrong);
	return !wrong;
}

/* False: refused. */
static bool read_request(struct sonde_client *cl, const Sonde__LimitRequest *in,
			 struct sonde_limit_command *out)
{
	const char *wrong = NULL;

	if ((unsigned int)in->verb >= SONDE_LIMIT_VERBS) {
		sonde_client_error(cl, SONDE__ERROR__CODE__UNSUPPORTED,
				   "nothing that this daemon does with rules");
		return false;
	}
	*out = (struct sonde_limit_command){ .verb = (uint32_t)in->verb };
	if (in->name[0])
		wrong = sonde_limit_check_name(sonde_slice_str(in->name));
	if (wrong) {
		refuse(cl, "name", in->name, wrong);
		return false;
	}
	snprintf(out->name, sizeof(out->name), "%s", in->name);
	if (in->network[0])
		wrong = sonde_limit_network_parse(sonde_slice_str(in->network), &out->network);
	if (wrong) {
		refuse(cl, "src", in->network, wrong);
		return false;
	}
	if (out->verb == SONDE_LIMIT_ADD && !in->rule) {
		sonde_client_error(cl, SONDE__ERROR__CODE__INVALID, "there is no rule to add");
		return false;
	}
	return out->verb != SONDE_LIMIT_ADD || read_rule(cl, in->rule, &out->spec);
}

void sonde_client_limit(struct sonde_client *cl, const Sonde__LimitRequest *in)
{
	struct sonde_control *c = cl->control;
	struct sonde_limit_command command;

	if (cl->limit.token) {
		sonde_client_error(cl, SONDE__ERROR__CODE__BUSY, "one request at a time");
		return;
	}
	if (!c->source.limit) {
		sonde_client_error(cl, SONDE__ERROR__CODE__UNSUPPORTED, "nothing limits here");
		return;
	}
	if (!read_request(cl, in, &command))
		return;
	command.token = ++c->last_token;
	if (c->source.limit(c->source.ctx, cl->watch.fd, &command)) {
		sonde_client_error(cl, SONDE__ERROR__CODE__BUSY,
				   "the daemon has too much to do; try again");
		return;
	}
	cl->limit.token = command.token;
	cl->limit.verb = command.verb;
	snprintf(cl->limit.name, sizeof(cl->limit.name), "%s",
		 command.verb == SONDE_LIMIT_ADD ? command.spec.name : command.name);
}

/* ---- samples -------------------------------------------------------------------------------- */

static struct sonde_slice encode_sample(struct sonde_control *c, const struct sonde_limit_sample *s)
{
	Sonde__Frame frame = SONDE__FRAME__INIT;
	Sonde__Limited m;

	sonde__limited__init(&m);
	m.time_unix_ns = (uint64_t)((int64_t)s->stamp_ns + sonde_clock_wall_offset_ns());
	m.rule = sonde_wire_string(s->rule);
	m.iface = sonde_wire_string(s->iface);
	m.source = sonde_wire_bytes(sonde_slice_of(s->source, sizeof(s->source)));
	m.port = s->port;
	m.protocol = s->protocol;
	m.bytes = s->bytes;
	m.dropped = s->dropped != 0;
	m.packets = s->weight;
	frame.body_case = SONDE__FRAME__BODY_LIMITED;
	frame.limited = &m;
	sonde_buf_reset(&c->scratch);
	if (sonde_wire_put_frame(&c->scratch, &frame, SONDE_WIRE_DAEMON_MAX))
		return SONDE_SLICE_EMPTY;
	return sonde_buf_slice(&c->scratch);
}

void sonde_control_sample(struct sonde_control *c, const struct sonde_limit_sample *sample)
{
	for (int i = 0; c->stats.subscribers && i < SONDE_CONTROL_CLIENTS; i++) {
		struct sonde_client *cl = &c->clients[i];

		if (!cl->filter || !cl->limited)
			continue;
		sonde_client_publish(cl, encode_sample(c, sample));
	}
}

/* ---- reply ----------------------------------------------------------------------------------- */

/* A frame's worth of the reply, with all that its messages point to. */
struct reply {
	Sonde__LimitReply message;
	Sonde__LimitLease lease;
	Sonde__LimitRow rows[ROWS], *row_list[ROWS];
	Sonde__LimitRule rules[ROWS];
	char values[ROWS][16][SONDE_LIMIT_VALUE_TEXT];
	Sonde__LimitSource sources[ROWS][SONDE_LIMIT_TOP_SHOWN];
	Sonde__LimitSource *source_lists[ROWS][SONDE_LIMIT_TOP_SHOWN];
	struct sonde_limit_source tops[ROWS][SONDE_LIMIT_TOP_SHOWN];
	Sonde__LimitAllow allows[SONDE_LIMIT_ALLOWS], *allow_list[SONDE_LIMIT_ALLOWS];
	char networks[SONDE_LIMIT_ALLOWS][SONDE_LIMIT_VALUE_TEXT];
	Sonde__LimitInterface ifaces[SONDE_LIMIT_IFACES], *iface_list[SONDE_LIMIT_IFACES];
};

static void put_value(const struct sonde_limit_spec *spec, const char *key,
		      char out[SONDE_LIMIT_VALUE_TEXT], char **field)
{
	struct sonde_buf b;

	sonde_buf_over(&b, out, SONDE_LIMIT_VALUE_TEXT - 1);
	sonde_limit_spec_get(spec, key, &b);
	out[b.len] = '\0';
	*field = out;
}

static void put_rule(const struct sonde_limit_spec *spec, char values[16][SONDE_LIMIT_VALUE_TEXT],
		     Sonde__LimitRule *out)
{
	sonde__limit_rule__init(out);
	put_value(spec, "name", values[0], &out->name);
	put_value(spec, "iface", values[1], &out->iface);
	if (spec->source.bits)
		put_value(spec, "src", values[2], &out->src);
	put_value(spec, "per", values[3], &out->per);
	if (spec->port_first)
		put_value(spec, "dport", values[4], &out->dport);
	put_value(spec, "proto", values[5], &out->proto);
	put_value(spec, "rate", values[6], &out->rate);
	put_value(spec, "burst", values[7], &out->burst);
	put_value(spec, "unit", values[8], &out->unit);
	put_value(spec, "action", values[9], &out->action);
	put_value(spec, "ttl", values[10], &out->ttl);
	put_value(spec, "priority", values[11], &out->priority);
}

static void put_top(const struct sonde_control_source *src, uint32_t id, struct reply *r, size_t i)
{
	size_t n = src->limit_top ? src->limit_top(src->ctx, id, r->tops[i], SONDE_LIMIT_TOP_SHOWN)
				  : 0;

	for (size_t k = 0; k < n; k++) {
		Sonde__LimitSource *s = &r->sources[i][k];

		sonde__limit_source__init(s);
		s->address = sonde_wire_bytes(sonde_slice_of(r->tops[i][k].address, 16));
		s->limited = r->tops[i][k].limited;
		r->source_lists[i][k] = s;
	}
	r->rows[i].n_top = n;
	r->rows[i].top = r->source_lists[i];
}

static void put_row(const struct sonde_control_source *src, const struct sonde_limit_rule_view *v,
		    uint64_t now_ns, struct reply *r)
{
	size_t i = r->message.n_rows++;
	Sonde__LimitRow *row = &r->rows[i];

	sonde__limit_row__init(row);
	put_rule(&v->spec, r->values[i], &r->rules[i]);
	row->rule = &r->rules[i];
	row->state = sonde_wire_string(sonde_limit_state_name(v->state));
	row->origin = sonde_wire_string(sonde_limit_origin_name(v->origin));
	row->mute = sonde_wire_string(sonde_limit_mute_name(v->mute));
	row->ends = v->ends_ns != SONDE_LIMIT_FOREVER;
	row->ends_in_ns = row->ends && v->ends_ns > now_ns ? v->ends_ns - now_ns : 0;
	row->age_ns = now_ns > v->added_ns ? now_ns - v->added_ns : 0;
	row->passed = v->counts.passed;
	row->limited = v->counts.limited;
	row->passed_bytes = v->counts.passed_bytes;
	row->limited_bytes = v->counts.limited_bytes;
	row->attached = v->attached;
	put_top(src, v->id, r, i);
	r->row_list[i] = row;
	r->message.rows = r->row_list;
}

void sonde_limit_put_interface(const struct sonde_limit_iface_view *v, Sonde__LimitInterface *out)
{
	static const char *const modes[SONDE_LIMIT_MODES] = { "none", "native", "generic" };

	sonde__limit_interface__init(out);
	out->name = sonde_wire_string(v->name);
	out->ifindex = v->ifindex;
	out->mode = sonde_wire_string(v->mode < SONDE_LIMIT_MODES ? modes[v->mode] : "?");
	out->note = sonde_wire_string(v->note);
	out->gaps = v->gaps;
	out->gap_ns = v->gap_ns;
	out->fragments = v->fragments;
	out->crowded = v->crowded;
	out->contended = v->contended;
	out->skipped = v->skipped;
}

void sonde_limit_put_lease(const struct sonde_limit_view *v, Sonde__LimitLease *out)
{
	uint64_t now_ns = sonde_clock_mono_ns();

	sonde__limit_lease__init(out);
	out->length_ns = v->lease_ns;
	out->left_ns = v->lease_until_ns > now_ns ? v->lease_until_ns - now_ns : 0;
	out->keep = v->keep != 0;
	if (out->keep)
		out->left_ns = 0;
}

/* What is said once, in the first frame. */
static void put_common(const struct sonde_limit_view *v, const struct sonde_limit_answer *a,
		       struct reply *r)
{
	for (uint32_t i = 0; i < v->n_allows; i++) {
		struct sonde_buf b;

		sonde__limit_allow__init(&r->allows[i]);
		sonde_buf_over(&b, r->networks[i], SONDE_LIMIT_VALUE_TEXT - 1);
		sonde_limit_network_print(&v->allows[i].network, &b);
		r->networks[i][b.len] = '\0';
		r->allows[i].network = r->networks[i];
		r->allows[i].why = sonde_wire_string(sonde_limit_why_name(v->allows[i].why));
		r->allow_list[i] = &r->allows[i];
	}
	for (uint32_t i = 0; i < v->n_ifaces; i++) {
		sonde_limit_put_interface(&v->ifaces[i], &r->ifaces[i]);
		r->iface_list[i] = &r->ifaces[i];
	}
	r->message.n_allows = v->n_allows;
	r->message.allows = r->allow_list;
	r->message.n_interfaces = v->n_ifaces;
	r->message.interfaces = r->iface_list;
	sonde_limit_put_lease(v, &r->lease);
	r->message.lease = &r->lease;
	r->message.changed = a->changed;
	r->message.generation = v->generation;
	r->message.memory_bytes = v->memory_bytes;
	r->message.max_sources = v->max_sources;
	r->message.note = sonde_wire_string(a->text);
}

static void send_part(struct sonde_client *cl, struct reply *r, bool last)
{
	Sonde__Frame frame = SONDE__FRAME__INIT;

	r->message.last = last;
	frame.body_case = SONDE__FRAME__BODY_LIMIT_REPLY;
	frame.limit_reply = &r->message;
	sonde_client_reply(cl, &frame);
	sonde__limit_reply__init(&r->message);
}

/* A change is answered with the rule that it was about, a list with all. */
static bool is_wanted(const struct sonde_client *cl, const struct sonde_limit_rule_view *v)
{
	if (cl->limit.name[0])
		return strcmp(v->spec.name, cl->limit.name) == 0;
	return cl->limit.verb == SONDE_LIMIT_LIST;
}

static void send_reply(struct sonde_client *cl, const struct sonde_limit_view *v,
		       const struct sonde_limit_answer *a, struct reply *r)
{
	uint64_t now_ns = sonde_clock_mono_ns();

	sonde__limit_reply__init(&r->message);
	put_common(v, a, r);
	for (uint32_t i = 0; i < v->n_rules; i++) {
		if (!is_wanted(cl, &v->rules[i]))
			continue;
		if (r->message.n_rows == ROWS)
			send_part(cl, r, false);
		put_row(&cl->control->source, &v->rules[i], now_ns, r);
	}
	send_part(cl, r, true);
}

static Sonde__Error__Code code_of(int err)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
		return SONDE__ERROR__CODE__DENIED;
	case -EINVAL:
	case -ENOENT:
	case -EEXIST:
		return SONDE__ERROR__CODE__INVALID;
	default:
		return SONDE__ERROR__CODE__INTERNAL;
	}
}

static struct sonde_client *client_of(struct sonde_control *c, uint64_t token)
{
	for (int i = 0; i < SONDE_CONTROL_CLIENTS; i++)
		if (c->clients[i].state == SONDE_CLIENT_SERVING &&
		    c->clients[i].limit.token == token)
			return &c->clients[i];
	return NULL;
}

void sonde_control_limit_answered(struct sonde_control *c, const struct sonde_limit_answer *a)
{
	struct sonde_client *cl = a->token ? client_of(c, a->token) : NULL;
	const struct sonde_limit_view *view;
	struct reply *r;

	if (!cl)
		return;
	cl->limit.token = 0;
	if (a->err) {
		sonde_client_error(cl, code_of(a->err), a->text);
		return;
	}
	view = c->source.limits(c->source.ctx);
	r = view ? malloc(sizeof(*r)) : NULL;
	if (r)
		send_reply(cl, view, a, r);
	else
		sonde_client_error(cl, SONDE__ERROR__CODE__INTERNAL, "the rules cannot be read");
	free(r);
}
