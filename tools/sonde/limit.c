// SPDX-License-Identifier: Apache-2.0
/* `sonde limit`: rules that hold traffic back at XDP. */
#include "tools/sonde/limit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "tools/sonde/commands.h"
#include "tools/sonde/text.h"

enum { ANSWER_S = 15, OUTPUT_BYTES = 1 << 16 };

static const char *const per_names[] = { "source", "/24", "/64", "rule", NULL };
static const char *const proto_names[] = { "tcp", "udp", "icmp", "any", NULL };
static const char *const unit_names[] = { "packets", "bytes", "connections", "requests", NULL };
static const char *const action_names[] = { "drop", "count", NULL };

#define TEXT(name, value, choices, help)                                                        \
	{                                                                                       \
#name, 0, SONDE_OPTION_TEXT, offsetof(struct sonde_limit_options, name), value, \
			choices, help                                                           \
	}

static const struct sonde_option option_table[] = {
	TEXT(iface, "NAME", NULL, "add: the interface whose incoming packets are looked at"),
	TEXT(rate, "N/s", NULL, "add: units per second that may pass, such as 100/s, 10K/s, 1M/s"),
	TEXT(unit, "UNIT", unit_names, "add: packets (default), bytes, connections, requests"),
	TEXT(src, "CIDR", NULL, "add: only these sources"),
	TEXT(per, "PER", per_names, "add: the rate is for each source, /24, /64 or for the rule"),
	TEXT(dport, "N[-M]", NULL, "add: only these destination ports"),
	TEXT(proto, "PROTO", proto_names, "add: only tcp, udp or icmp"),
	TEXT(burst, "N", NULL, "add: units that may come at once (a tenth of a second's)"),
	TEXT(action, "ACTION", action_names, "add: drop (default), or count what drop would do"),
	TEXT(ttl, "TIME", NULL, "add: how long it lives: 90s, 10m, 1h (default), 7d, or none"),
	TEXT(priority, "N", NULL, "add: rules with a lower number are asked first (100)"),
	{ "dry-run", 0, SONDE_OPTION_FLAG, offsetof(struct sonde_limit_options, dry_run), NULL,
	  NULL, "add: only say what it would be and what memory it takes" },
	TEXT(packet, "PACKET", NULL, "test: src=ADDRESS,proto=tcp,dport=443,syn or a frame in hex"),
	TEXT(config, "FILE", NULL, "test: the rules of this config, without a daemon"),
	{ "output", 'o', SONDE_OPTION_CHOICE, offsetof(struct sonde_limit_options, format),
	  "FORMAT", sonde_plain_format_names, "table or json" },
};

/* ---- the daemon ----------------------------------------------------------------------------- */

void sonde_limit_answers_free(struct sonde_limit_answers *a)
{
	sonde_frames_free(&a->frames);
	free(a->rows);
	*a = (struct sonde_limit_answers){ 0 };
}

/* Takes over FRAMES, also when it fails. 0 or -ENOMEM. */
static int make_answers(struct sonde_frames frames, struct sonde_limit_answers *out)
{
	struct sonde_limit_answers a = { .frames = frames, .first = frames.items[0]->limit_reply };
	size_t n = 0;

	for (size_t i = 0; i < frames.n; i++)
		n += frames.items[i]->limit_reply->n_rows;
	a.rows = calloc(n ? n : 1, sizeof(Sonde__LimitRow *));
	if (!a.rows) {
		sonde_limit_answers_free(&a);
		return -ENOMEM;
	}
	for (size_t i = 0; i < frames.n; i++) {
		const Sonde__LimitReply *reply = frames.items[i]->limit_reply;

		for (size_t k = 0; k < reply->n_rows; k++)
			a.rows[a.n_rows++] = reply->rows[k];
	}
	*out = a;
	return 0;
}

int sonde_limit_ask(const char *run_dir, const Sonde__LimitRequest *request,
		    struct sonde_limit_answers *answers)
{
	Sonde__Frame frame = SONDE__FRAME__INIT;
	Sonde__LimitRequest copy = *request;
	struct sonde_frames frames;
	struct sonde_link link;
	int code = sonde_link_open(&link, run_dir), err;

	if (code != SONDE_EXIT_OK)
		return code;
	frame.body_case = SONDE__FRAME__BODY_LIMIT_REQUEST;
	frame.limit_request = &copy;
	code = sonde_frames_ask(&link, &frame, SONDE__FRAME__BODY_LIMIT_REPLY,
				sonde_clock_mono_ns() + ANSWER_S * SONDE_NS_PER_SEC, &frames);
	sonde_link_close(&link);
	if (code != SONDE_EXIT_OK)
		return code;
	err = make_answers(frames, answers);
	return err ? sonde_link_fail(err) : SONDE_EXIT_OK;
}

/* ---- verbs ---------------------------------------------------------------------------------- */

struct call {
	const struct sonde_cli *cli;
	const struct sonde_limit_options *options;
	const struct sonde_words *words; /* the verb is the first */
};

static Sonde__LimitRequest request(Sonde__LimitRequest__Verb verb, const char *name)
{
	Sonde__LimitRequest r;

	sonde__limit_request__init(&r);
	r.verb = verb;
	r.name = sonde_wire_string(name ? name : "");
	return r;
}

static int complain_usage(const char *verb, const char *what)
{
	sonde_complain("limit %s: %s; `sonde limit --help` tells how", verb, what);
	return SONDE_EXIT_USAGE;
}

/* Sends R and lets PRINT show the answer. */
static int ask_and_print(const struct call *c, const Sonde__LimitRequest *r,
			 int (*print)(const struct sonde_limit_answers *a, int format))
{
	struct sonde_limit_answers a;
	int code = sonde_limit_ask(c->cli->run_dir, r, &a);

	if (code != SONDE_EXIT_OK)
		return code;
	code = print(&a, c->options->format);
	sonde_limit_answers_free(&a);
	return code;
}

/* False: complained. The message borrows from argv. */
static bool read_rule(const struct call *c, Sonde__LimitRule *out, struct sonde_limit_spec *spec)
{
	const struct sonde_limit_options *o = c->options;
	const struct {
		const char *key;
		char *value, **field;
	} pairs[] = {
		{ "name", c->words->items[1], &out->name },
		{ "iface", o->iface, &out->iface },
		{ "src", o->src, &out->src },
		{ "per", o->per, &out->per },
		{ "dport", o->dport, &out->dport },
		{ "proto", o->proto, &out->proto },
		{ "rate", o->rate, &out->rate },
		{ "burst", o->burst, &out->burst },
		{ "unit", o->unit, &out->unit },
		{ "action", o->action, &out->action },
		{ "ttl", o->ttl, &out->ttl },
		{ "priority", o->priority, &out->priority },
	};
	const char *wrong;

	sonde__limit_rule__init(out);
	sonde_limit_spec_init(spec);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (!pairs[i].value)
			continue;
		wrong = sonde_limit_spec_set(spec, pairs[i].key, sonde_slice_str(pairs[i].value));
		if (wrong) {
			sonde_complain("limit add: %s%s: '%.64s' %s; expected %s", i ? "--" : "",
				       i ? pairs[i].key : "NAME", pairs[i].value, wrong,
				       sonde_limit_spec_form(pairs[i].key));
			return false;
		}
		*pairs[i].field = pairs[i].value;
	}
	wrong = !o->iface  ? "needs --iface NAME, the interface it holds at"
		: !o->rate ? "needs --rate N/s, such as 100/s"
			   : sonde_limit_spec_complete(spec);
	if (wrong)
		sonde_complain("limit add: the rule %s", wrong);
	return !wrong;
}

static int print_added(const struct sonde_limit_answers *a, int format)
{
	struct sonde_buf out;
	char text[SONDE_TEXT_NUMBER];

	if (format == SONDE_PLAIN_JSON)
		return sonde_limit_print_rule(a, format);
	sonde_buf_init(&out, OUTPUT_BYTES);
	for (size_t i = 0; i < a->n_rows; i++)
		sonde_limit_print_row(a->rows[i], &out);
	sonde_buf_printf(&out, "memory: %s in the kernel for %u sources, whatever comes\n",
			 sonde_text_bytes((double)a->first->memory_bytes, text),
			 a->first->max_sources);
	if (a->first->note[0])
		sonde_buf_printf(&out, "note: %s\n", a->first->note);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

static int print_dry(const struct sonde_limit_spec *spec, const struct sonde_limit_answers *a)
{
	struct sonde_buf out;
	char text[SONDE_TEXT_NUMBER];

	sonde_buf_init(&out, OUTPUT_BYTES);
	sonde_buf_printf(&out, "%s: ", spec->name);
	sonde_limit_spec_print(spec, &out);
	sonde_buf_printf(&out,
			 "\nmemory: %s in the kernel for %u sources, whatever comes\n"
			 "nothing was changed\n",
			 sonde_text_bytes((double)a->first->memory_bytes, text),
			 a->first->max_sources);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

static int run_add(const struct call *c)
{
	struct sonde_limit_answers a;
	struct sonde_limit_spec spec;
	Sonde__LimitRequest r = request(SONDE__LIMIT_REQUEST__VERB__ADD, NULL);
	Sonde__LimitRule rule;
	int code;

	if (c->words->n != 2)
		return complain_usage("add", "needs one NAME");
	if (!read_rule(c, &rule, &spec))
		return SONDE_EXIT_USAGE;
	if (c->options->dry_run) {
		r = request(SONDE__LIMIT_REQUEST__VERB__LIST, NULL);
		code = sonde_limit_ask(c->cli->run_dir, &r, &a);
		if (code != SONDE_EXIT_OK)
			return code;
		code = print_dry(&spec, &a);
		sonde_limit_answers_free(&a);
		return code;
	}
	r.rule = &rule;
	return ask_and_print(c, &r, print_added);
}

static int run_list(const struct call *c)
{
	Sonde__LimitRequest r = request(SONDE__LIMIT_REQUEST__VERB__LIST, NULL);

	if (c->words->n != 1)
		return complain_usage("list", "takes no arguments");
	return ask_and_print(c, &r, sonde_limit_print_list);
}

static int print_one(const struct sonde_limit_answers *a, int format)
{
	if (a->n_rows)
		return sonde_limit_print_rule(a, format);
	sonde_complain("limit show: there is no rule of this name; `sonde limit list` has all");
	return SONDE_EXIT_FAILURE;
}

static int run_show(const struct call *c)
{
	const char *name = c->words->n == 2 ? c->words->items[1] : NULL;
	Sonde__LimitRequest r = request(SONDE__LIMIT_REQUEST__VERB__LIST, name);

	if (c->words->n > 2)
		return complain_usage("show", "takes one NAME, or none for all");
	return ask_and_print(c, &r, name ? print_one : sonde_limit_print_rules);
}

static int print_changed(const struct sonde_limit_answers *a, int format)
{
	struct sonde_buf out;

	sonde_buf_init(&out, OUTPUT_BYTES);
	if (format == SONDE_PLAIN_JSON)
		sonde_buf_printf(&out, "{\"changed\":%llu,\"generation\":%llu}\n",
				 (unsigned long long)a->first->changed,
				 (unsigned long long)a->first->generation);
	else
		sonde_buf_printf(&out, "%s\n", a->first->note);
	return sonde_print_last(&out, SONDE_EXIT_OK);
}

static int run_rm(const struct call *c)
{
	Sonde__LimitRequest r = request(SONDE__LIMIT_REQUEST__VERB__REMOVE,
					c->words->n == 2 ? c->words->items[1] : "");

	if (c->words->n != 2)
		return complain_usage("rm", "needs one NAME");
	return ask_and_print(c, &r, print_changed);
}

static int run_confirm(const struct call *c)
{
	Sonde__LimitRequest r = request(SONDE__LIMIT_REQUEST__VERB__CONFIRM,
					c->words->n == 2 ? c->words->items[1] : "");

	if (c->words->n > 2)
		return complain_usage("confirm", "takes one NAME, or none for all on trial");
	return ask_and_print(c, &r, print_changed);
}

static int run_off(const struct call *c)
{
	Sonde__LimitRequest r = request(SONDE__LIMIT_REQUEST__VERB__OFF, NULL);

	if (c->words->n != 1)
		return complain_usage("off", "takes no arguments: it is for all rules");
	return ask_and_print(c, &r, print_changed);
}

static int run_on(const struct call *c)
{
	Sonde__LimitRequest r = request(SONDE__LIMIT_REQUEST__VERB__ON, NULL);

	if (c->words->n != 1)
		return complain_usage("on", "takes no arguments: it is for all rules");
	return ask_and_print(c, &r, print_changed);
}

static int run_allow(const struct call *c)
{
	const char *what = c->words->n > 1 ? c->words->items[1] : "list";
	bool add = strcmp(what, "add") == 0, list = strcmp(what, "list") == 0;
	Sonde__LimitRequest r = request(SONDE__LIMIT_REQUEST__VERB__LIST, NULL);
	const char *wrong;

	if (list && c->words->n <= 2)
		return ask_and_print(c, &r, sonde_limit_print_allows);
	if ((!add && strcmp(what, "rm") != 0) || c->words->n != 3)
		return complain_usage("allow", "is followed by add CIDR, rm CIDR or list");
	wrong = sonde_limit_check_network(sonde_slice_str(c->words->items[2]));
	if (wrong) {
		sonde_complain("limit allow: '%.64s' %s; expected %s", c->words->items[2], wrong,
			       sonde_limit_spec_form("src"));
		return SONDE_EXIT_USAGE;
	}
	r = request(add ? SONDE__LIMIT_REQUEST__VERB__ALLOW_ADD
			: SONDE__LIMIT_REQUEST__VERB__ALLOW_REMOVE,
		    NULL);
	r.network = c->words->items[2];
	return ask_and_print(c, &r, print_changed);
}

static int run_test(const struct call *c)
{
	return sonde_limit_test(c->cli, c->options, c->words);
}

static int run_detach(const struct call *c)
{
	if (c->words->n != 1)
		return complain_usage("detach", "takes no arguments: it removes everything");
	return sonde_limit_detach(c->cli);
}

static const struct {
	const char *name;
	int (*run)(const struct call *c);
} verbs[] = {
	{ "add", run_add },	  { "list", run_list },	      { "show", run_show },
	{ "rm", run_rm },	  { "confirm", run_confirm }, { "off", run_off },
	{ "on", run_on },	  { "allow", run_allow },     { "test", run_test },
	{ "detach", run_detach },
};
enum { N_VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static int complain_verb(const char *word)
{
	const char *names[N_VERBS + 1] = { NULL }, *guess;

	for (size_t i = 0; i < N_VERBS; i++)
		names[i] = verbs[i].name;
	guess = word ? sonde_suggest(word, names) : NULL;
	if (guess)
		sonde_complain("limit: unknown verb '%.40s'; did you mean %s?", word, guess);
	else
		sonde_complain("limit: expected add, list, show, rm, confirm, off, on, allow, test "
			       "or detach");
	return SONDE_EXIT_USAGE;
}

static int run_limit(const struct sonde_cli *cli, int argc, char **argv)
{
	struct sonde_limit_options options = { .format = SONDE_PLAIN_TABLE };
	struct sonde_words words = { .n = 0 };
	struct call call = { cli, &options, &words };
	int code;

	if (!sonde_cli_options(&sonde_limit_command, &options, argc, argv, &words, &code))
		return code;
	for (size_t i = 0; words.n && i < N_VERBS; i++)
		if (strcmp(words.items[0], verbs[i].name) == 0)
			return verbs[i].run(&call);
	return complain_verb(words.n ? words.items[0] : NULL);
}

const struct sonde_command sonde_limit_command = {
	.name = "limit",
	.arguments = "VERB ...",
	.verbs = "add list show rm confirm off on allow test detach",
	.summary = "Hold traffic back at XDP: rules, trials, the panic switch",
	.notes = "Verbs:\n"
		 "  add NAME --iface NAME --rate N/s ...  a rule, on trial for a minute\n"
		 "  confirm [NAME]       keep it, or all that are on trial, until their time is "
		 "over\n"
		 "  list                 all rules, interfaces and the lease\n"
		 "  show [NAME]          live counts and the most limited sources\n"
		 "  rm NAME              end a rule\n"
		 "  off, on              the panic switch: all rules only count; and back\n"
		 "  allow add CIDR, allow rm CIDR, allow list\n"
		 "                       who is never limited\n"
		 "  test FILE, test --packet PACKET\n"
		 "                       what the rules would do to packets of a pcap file, or of "
		 "hex\n"
		 "                       digits line by line, or to one that is described\n"
		 "  detach               remove everything from the kernel, also without a daemon\n"
		 "\n"
		 "A packet passes when every rule that covers it has room. ARP, neighbour "
		 "discovery and\n"
		 "DHCP always pass, and so do the allowed: the default gateway, the resolvers, and "
		 "the\n"
		 "far end of the SSH connection that you type on, without being asked.\n"
		 "connections are TCP segments with SYN; requests are TCP payloads that begin with "
		 "a\n"
		 "method of HTTP/1 (those of HTTP/2 and TLS are out of reach).",
	.options = option_table,
	.n_options = sizeof(option_table) / sizeof(option_table[0]),
	.run = run_limit,
};
