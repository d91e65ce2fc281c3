// SPDX-License-Identifier: Apache-2.0
/* Rules, their counts, interfaces and the allowed, for people and programs. */
#include <stdio.h>

#include "agent/core/clock.h"
#include "agent/core/escape.h"
#include "agent/model/request.h"
#include "exporters/json.h"
#include "tools/sonde/limit.h"
#include "tools/sonde/text.h"

enum { OUTPUT_BYTES = 8 << 20 };

/* ---- people --------------------------------------------------------------------------------- */

static const char *remaining(const Sonde__LimitRow *row, char text[SONDE_TEXT_NUMBER])
{
	uint64_t s = row->ends_in_ns / SONDE_NS_PER_SEC;

	if (!row->ends)
		return "never";
	return sonde_text_duration((double)(s * SONDE_NS_PER_SEC), text);
}

static void describe(const Sonde__LimitRule *r, struct sonde_buf *out)
{
	bool any = true;
	const struct {
		const char *key, *value;
	} parts[] = { { "src", r->src },
		      { "dport", r->dport },
		      { "proto", strcmp(r->proto, "any") == 0 ? "" : r->proto } };

	for (size_t i = 0; i < 3; i++) {
		if (!parts[i].value[0])
			continue;
		sonde_buf_printf(out, "%s%s %s", any ? "" : ", ", parts[i].key, parts[i].value);
		any = false;
	}
	if (any)
		sonde_buf_put_str(out, "everything");
}

static const char *does(const Sonde__LimitRow *row)
{
	if (strcmp(row->state, "ended") == 0)
		return "nothing";
	if (!row->attached)
		return "waits";
	return row->mute[0] ? "counts" : "drops";
}

static void add_text(struct sonde_grid *g,
		     void (*put)(const Sonde__LimitRule *, struct sonde_buf *),
		     const Sonde__LimitRule *rule)
{
	struct sonde_buf b;

	sonde_buf_init(&b, 1024);
	put(rule, &b);
	sonde_grid_add(g, sonde_buf_slice(&b));
	sonde_buf_fini(&b);
}

static void put_rate(const Sonde__LimitRule *r, struct sonde_buf *b)
{
	sonde_buf_printf(b, "%s %s, burst %s, per %s", r->rate, r->unit, r->burst, r->per);
}

static void print_rules_table(const struct sonde_limit_answers *a, struct sonde_buf *out)
{
	struct sonde_grid g;
	char text[SONDE_TEXT_NUMBER];

	sonde_grid_init(&g, "RULE IFACE COVERS RATE STATE DOES >ENDS >PASSED >LIMITED");
	for (size_t i = 0; i < a->n_rows; i++) {
		const Sonde__LimitRow *row = a->rows[i];

		sonde_grid_add_str(&g, row->rule->name);
		sonde_grid_add_str(&g, row->rule->iface);
		add_text(&g, describe, row->rule);
		add_text(&g, put_rate, row->rule);
		sonde_grid_add_str(&g, row->state);
		sonde_grid_add_str(&g, does(row));
		sonde_grid_add_str(&g, remaining(row, text));
		sonde_grid_add_u64(&g, row->passed);
		sonde_grid_add_u64(&g, row->limited);
	}
	sonde_grid_print(&g, out);
}

void sonde_limit_print_interfaces(Sonde__LimitInterface *const *interfaces, size_t n,
				  struct sonde_buf *out)
{
	struct sonde_grid g;

	sonde_grid_init(&g, "INTERFACE >INDEX XDP >GAPS >GAP >CROWDED >CONTENDED >SKIPPED NOTE");
	for (size_t i = 0; i < n; i++) {
		const Sonde__LimitInterface *iface = interfaces[i];

		sonde_grid_add_str(&g, iface->name);
		sonde_grid_add_u64(&g, iface->ifindex);
		sonde_grid_add_str(&g, iface->mode);
		sonde_grid_add_u64(&g, iface->gaps);
		sonde_grid_add_duration(&g, (double)iface->gap_ns);
		sonde_grid_add_u64(&g, iface->crowded);
		sonde_grid_add_u64(&g, iface->contended);
		sonde_grid_add_u64(&g, iface->skipped);
		sonde_grid_add_str(&g, iface->note[0] ? iface->note : "-");
	}
	sonde_grid_print(&g, out);
}

static void put_summary(const Sonde__LimitReply *r, struct sonde_buf *out)
{
	char memory[SONDE_TEXT_NUMBER], length[SONDE_TEXT_NUMBER], left[SONDE_TEXT_NUMBER];

	sonde_buf_printf(out, "memory: %s in the kernel for %u sources, whatever comes\n",
			 sonde_text_bytes((double)r->memory_bytes, memory), r->max_sources);
	if (!r->lease)
		return;
	if (r->lease->keep)
		sonde_buf_put_str(out, "lease: none; rules go on without a daemon\n");
	else
		sonde_buf_printf(out, "lease: %s, renewed by the daemon; %s left\n",
				 sonde_text_duration((double)r->lease->length_ns, length),
				 sonde_text_duration((double)r->lease->left_ns, left));
}

void sonde_limit_print_row(const Sonde__LimitRow *row, struct sonde_buf *out)
{
	char text[SONDE_TEXT_NUMBER];

	sonde_buf_printf(out, "%s: %s: ", row->rule->name, row->rule->iface);
	describe(row->rule, out);
	sonde_buf_put_str(out, ": at most ");
	put_rate(row->rule, out);
	if (strcmp(row->state, "trial") == 0)
		sonde_buf_printf(out,
				 "\non trial: it ends in %s unless you say `sonde limit confirm "
				 "%s`; its time is %s then\n",
				 remaining(row, text), row->rule->name, row->rule->ttl);
	else
		sonde_buf_printf(out, "\n%s; ends: %s\n", row->state, remaining(row, text));
}

static void put_top_line(const Sonde__LimitSource *s, struct sonde_buf *out)
{
	struct sonde_endpoint e = { .port = 0 };
	char text[SONDE_ADDRESS_TEXT];

	if (s->address.len != sizeof(e.address))
		return;
	memcpy(e.address, s->address.data, sizeof(e.address));
	sonde_endpoint_address(&e, text);
	sonde_buf_printf(out, "    %-39s %llu\n", text, (unsigned long long)s->limited);
}

static void print_rule_text(const Sonde__LimitRow *row, struct sonde_buf *out)
{
	char text[SONDE_TEXT_NUMBER];

	sonde_limit_print_row(row, out);
	sonde_buf_printf(out, "does: %s%s%s%s\n", does(row), row->mute[0] ? " (" : "", row->mute,
			 row->mute[0] ? ")" : "");
	sonde_buf_printf(out, "passed:  %llu packets, %s\n", (unsigned long long)row->passed,
			 sonde_text_bytes((double)row->passed_bytes, text));
	sonde_buf_printf(out, "limited: %llu packets, %s\n", (unsigned long long)row->limited,
			 sonde_text_bytes((double)row->limited_bytes, text));
	if (row->n_top)
		sonde_buf_put_str(out, "most limited sources (by samples):\n");
	for (size_t i = 0; i < row->n_top; i++)
		put_top_line(row->top[i], out);
}

/* ---- programs ------------------------------------------------------------------------------- */

static void put_text(struct sonde_buf *b, const char *key, const char *value)
{
	sonde_buf_printf(b, ",\"%s\":", key);
	sonde_json_string(b, sonde_slice_str(value));
}

static void put_number(struct sonde_buf *b, const char *key, uint64_t v)
{
	sonde_buf_printf(b, ",\"%s\":%llu", key, (unsigned long long)v);
}

static void put_json_top(const Sonde__LimitRow *row, struct sonde_buf *b)
{
	const char *comma = "";

	sonde_buf_put_str(b, ",\"top\":[");
	for (size_t i = 0; i < row->n_top; i++) {
		struct sonde_endpoint e = { .port = 0 };
		char text[SONDE_ADDRESS_TEXT];

		if (row->top[i]->address.len != sizeof(e.address))
			continue;
		memcpy(e.address, row->top[i]->address.data, sizeof(e.address));
		sonde_endpoint_address(&e, text);
		sonde_buf_printf(b, "%s{\"address\":\"%s\",\"limited\":%llu}", comma, text,
				 (unsigned long long)row->top[i]->limited);
		comma = ",";
	}
	sonde_buf_put_byte(b, ']');
}

static void put_json_row(const Sonde__LimitRow *row, struct sonde_buf *b)
{
	const Sonde__LimitRule *r = row->rule;

	sonde_buf_put_str(b, "{\"name\":");
	sonde_json_string(b, sonde_slice_str(r->name));
	put_text(b, "iface", r->iface);
	if (r->src[0])
		put_text(b, "src", r->src);
	if (r->dport[0])
		put_text(b, "dport", r->dport);
	put_text(b, "per", r->per);
	put_text(b, "proto", r->proto);
	put_text(b, "rate", r->rate);
	put_text(b, "burst", r->burst);
	put_text(b, "unit", r->unit);
	put_text(b, "action", r->action);
	put_text(b, "ttl", r->ttl);
	put_text(b, "priority", r->priority);
	put_text(b, "state", row->state);
	put_text(b, "origin", row->origin);
	if (row->mute[0])
		put_text(b, "muted_by", row->mute);
	sonde_buf_printf(b, ",\"enforces\":%s", strcmp(does(row), "drops") == 0 ? "true" : "false");
	sonde_buf_printf(b, ",\"attached\":%s", row->attached ? "true" : "false");
	if (row->ends)
		put_number(b, "ends_in_ns", row->ends_in_ns);
	put_number(b, "age_ns", row->age_ns);
	put_number(b, "passed", row->passed);
	put_number(b, "limited", row->limited);
	put_number(b, "passed_bytes", row->passed_bytes);
	put_number(b, "limited_bytes", row->limited_bytes);
	put_json_top(row, b);
	sonde_buf_put_byte(b, '}');
}

static void put_json_rules(const struct sonde_limit_answers *a, struct sonde_buf *b)
{
	sonde_buf_put_byte(b, '[');
	for (size_t i = 0; i < a->n_rows; i++) {
		if (i)
			sonde_buf_put_byte(b, ',');
		put_json_row(a->rows[i], b);
	}
	sonde_buf_put_byte(b, ']');
}

static void put_json_allows(const Sonde__LimitReply *r, struct sonde_buf *b)
{
	sonde_buf_put_byte(b, '[');
	for (size_t i = 0; i < r->n_allows; i++) {
		sonde_buf_printf(b, "%s{\"network\":", i ? "," : "");
		sonde_json_string(b, sonde_slice_str(r->allows[i]->network));
		put_text(b, "why", r->allows[i]->why);
		sonde_buf_put_byte(b, '}');
	}
	sonde_buf_put_byte(b, ']');
}

static void put_json_ifaces(const Sonde__LimitReply *r, struct sonde_buf *b)
{
	sonde_buf_put_byte(b, '[');
	for (size_t i = 0; i < r->n_interfaces; i++) {
		const Sonde__LimitInterface *n = r->interfaces[i];

		sonde_buf_printf(b, "%s{\"name\":", i ? "," : "");
		sonde_json_string(b, sonde_slice_str(n->name));
		put_number(b, "ifindex", n->ifindex);
		put_text(b, "mode", n->mode);
		put_number(b, "gaps", n->gaps);
		put_number(b, "gap_ns", n->gap_ns);
		put_number(b, "fragments", n->fragments);
		put_number(b, "crowded", n->crowded);
		put_number(b, "contended", n->contended);
		put_number(b, "skipped", n->skipped);
		if (n->note[0])
			put_text(b, "note", n->note);
		sonde_buf_put_byte(b, '}');
	}
	sonde_buf_put_byte(b, ']');
}

static void put_json_all(const struct sonde_limit_answers *a, struct sonde_buf *b)
{
	const Sonde__LimitReply *r = a->first;

	sonde_buf_put_str(b, "{\"rules\":");
	put_json_rules(a, b);
	sonde_buf_put_str(b, ",\"interfaces\":");
	put_json_ifaces(r, b);
	sonde_buf_put_str(b, ",\"allow\":");
	put_json_allows(r, b);
	if (r->lease) {
		sonde_buf_printf(b, ",\"lease\":{\"keep\":%s", r->lease->keep ? "true" : "false");
		put_number(b, "length_ns", r->lease->length_ns);
		put_number(b, "left_ns", r->lease->left_ns);
		sonde_buf_put_byte(b, '}');
	}
	put_number(b, "generation", r->generation);
	put_number(b, "memory_bytes", r->memory_bytes);
	put_number(b, "max_sources", r->max_sources);
	sonde_buf_put_str(b, "}\n");
}

/* ---- both ----------------------------------------------------------------------------------- */

int sonde_limit_print_list(const struct sonde_limit_answers *a, int format)
{
	struct sonde_buf out;

	sonde_buf_init(&out, OUTPUT_BYTES);
	if (format == SONDE_PLAIN_JSON) {
		put_json_all(a, &out);
	} else {
		print_rules_table(a, &out);
		if (a->first->n_interfaces) {
			sonde_buf_put_byte(&out, '\n');
			sonde_limit_print_interfaces(a->first->interfaces, a->first->n_interfaces,
						     &out);
		}
		sonde_buf_put_byte(&out, '\n');
		put_summary(a->first, &out);
	}
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

int sonde_limit_print_rule(const struct sonde_limit_answers *a, int format)
{
	struct sonde_buf out;

	if (format != SONDE_PLAIN_JSON || a->n_rows != 1)
		return sonde_limit_print_rules(a, format);
	sonde_buf_init(&out, OUTPUT_BYTES);
	put_json_row(a->rows[0], &out);
	sonde_buf_put_byte(&out, '\n');
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

int sonde_limit_print_rules(const struct sonde_limit_answers *a, int format)
{
	struct sonde_buf out;

	sonde_buf_init(&out, OUTPUT_BYTES);
	if (format == SONDE_PLAIN_JSON) {
		put_json_rules(a, &out);
		sonde_buf_put_byte(&out, '\n');
	}
	for (size_t i = 0; format != SONDE_PLAIN_JSON && i < a->n_rows; i++) {
		if (i)
			sonde_buf_put_byte(&out, '\n');
		print_rule_text(a->rows[i], &out);
	}
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

int sonde_limit_print_allows(const struct sonde_limit_answers *a, int format)
{
	struct sonde_buf out;
	struct sonde_grid g;

	sonde_buf_init(&out, OUTPUT_BYTES);
	if (format == SONDE_PLAIN_JSON) {
		put_json_allows(a->first, &out);
		sonde_buf_put_byte(&out, '\n');
		return sonde_print_last(&out, SONDE_EXIT_OK);
	}
	sonde_grid_init(&g, "NETWORK WHY");
	for (size_t i = 0; i < a->first->n_allows; i++) {
		sonde_grid_add_str(&g, a->first->allows[i]->network);
		sonde_grid_add_str(&g, a->first->allows[i]->why);
	}
	sonde_grid_print(&g, &out);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

bool sonde_limit_row_spec(const Sonde__LimitRow *row, struct sonde_limit_spec *out)
{
	const Sonde__LimitRule *r = row->rule;
	const struct {
		const char *key, *value;
	} pairs[] = {
		{ "name", r->name },	 { "iface", r->iface }, { "src", r->src },
		{ "per", r->per },	 { "dport", r->dport }, { "proto", r->proto },
		{ "rate", r->rate },	 { "burst", r->burst }, { "unit", r->unit },
		{ "action", r->action }, { "ttl", r->ttl },	{ "priority", r->priority },
	};

	sonde_limit_spec_init(out);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i].value[0] &&
		    sonde_limit_spec_set(out, pairs[i].key, sonde_slice_str(pairs[i].value)))
			return false;
	return !sonde_limit_spec_complete(out);
}
