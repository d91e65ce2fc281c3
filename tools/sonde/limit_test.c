// SPDX-License-Identifier: Apache-2.0
/*
 * `sonde limit test`: nothing is sent and nothing is changed; the rules, of the daemon or of a
 * config, are tried on packets of a file or on one that is described.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/daemon/config.h"
#include "agent/daemon/config_limit.h"
#include "agent/limit/evaluate.h"
#include "agent/limit/packet.h"
#include "agent/limit/pcap.h"
#include "agent/model/request.h"
#include "exporters/json.h"
#include "tools/sonde/limit.h"

enum { OUTPUT_BYTES = 64 << 20, ERRORS_BYTES = 1 << 16 };

struct trial {
	const struct sonde_limit_options *options;
	struct sonde_limit_spec *rules; /* owned */
	struct sonde_limit_allow allows[SONDE_LIMIT_ALLOWS];
	size_t n_rules, n_allows;
	struct sonde_limit_evaluator *evaluator;
	uint64_t counts[SONDE_LIMIT_VERDICTS];
	uint64_t n;
	uint64_t first_ns; /* stamp of the first packet */
	struct sonde_buf out;
};

/* ---- rules ---------------------------------------------------------------------------------- */

static int take_rows(struct trial *t, const struct sonde_limit_answers *a)
{
	t->rules = calloc(a->n_rows + 1, sizeof(*t->rules));
	if (!t->rules)
		return sonde_link_fail(-ENOMEM);
	for (size_t i = 0; i < a->n_rows; i++) {
		if (strcmp(a->rows[i]->state, "ended") == 0)
			continue;
		if (!sonde_limit_row_spec(a->rows[i], &t->rules[t->n_rules]))
			return sonde_link_fail(-EPROTO);
		t->n_rules++;
	}
	for (size_t i = 0; i < a->first->n_allows && t->n_allows < SONDE_LIMIT_ALLOWS; i++)
		if (!sonde_limit_network_parse(sonde_slice_str(a->first->allows[i]->network),
					       &t->allows[t->n_allows].network))
			t->n_allows++;
	return SONDE_EXIT_OK;
}

static int rules_of_daemon(struct trial *t, const char *run_dir)
{
	struct sonde_limit_answers a;
	Sonde__LimitRequest list;
	int code;

	sonde__limit_request__init(&list);
	code = sonde_limit_ask(run_dir, &list, &a);
	if (code != SONDE_EXIT_OK)
		return code;
	code = take_rows(t, &a);
	sonde_limit_answers_free(&a);
	return code;
}

static int take_config(struct trial *t, const struct sonde_config *config)
{
	t->rules = calloc(config->limit.n_rules + 1, sizeof(*t->rules));
	if (!t->rules)
		return SONDE_EXIT_FAILURE;
	for (size_t i = 0; i < config->limit.n_rules; i++) {
		struct sonde_limit_wish wish;

		if (!sonde_limit_wish_of(&config->limit.rules[i], 0, &wish))
			t->rules[t->n_rules++] = wish.spec;
	}
	for (size_t i = 0; i < config->limit.allow.n_items; i++)
		if (!sonde_limit_network_parse(sonde_slice_str(config->limit.allow.items[i]),
					       &t->allows[t->n_allows].network))
			t->allows[t->n_allows++].why = SONDE_LIMIT_ALLOW_CONFIG;
	return SONDE_EXIT_OK;
}

static int rules_of_config(struct trial *t, const char *path)
{
	struct sonde_config *config = calloc(1, sizeof(*config));
	struct sonde_buf errors;
	int code = SONDE_EXIT_FAILURE;

	if (!config)
		return code;
	sonde_buf_init(&errors, ERRORS_BYTES);
	if (sonde_config_load(path, config, &errors)) {
		fwrite(errors.ptr, 1, errors.len, stderr);
	} else {
		code = take_config(t, config);
		sonde_config_fini(config);
	}
	sonde_buf_fini(&errors);
	free(config);
	return code;
}

/* ---- packets -------------------------------------------------------------------------------- */

static void put_outcome(struct sonde_buf *b, const struct sonde_limit_packet *p,
			const struct sonde_limit_outcome *o)
{
	switch (o->verdict) {
	case SONDE_LIMIT_PASSED:
		sonde_buf_printf(b, "passes: rule %s covers it, and has room (", o->rule->name);
		sonde_limit_spec_get(o->rule, "rate", b);
		sonde_buf_put_str(b, ", burst ");
		sonde_limit_spec_get(o->rule, "burst", b);
		sonde_buf_put_byte(b, ')');
		break;
	case SONDE_LIMIT_LIMITED:
		sonde_buf_printf(b, "limited by rule %s", o->rule->name);
		break;
	case SONDE_LIMIT_COUNTED:
		sonde_buf_printf(b, "passes: rule %s has no room, but only counts", o->rule->name);
		break;
	case SONDE_LIMIT_UNCOVERED:
		sonde_buf_put_str(b, "passes: no rule covers it");
		break;
	case SONDE_LIMIT_EXEMPT:
		sonde_buf_printf(b, "passes: %s", sonde_limit_kind_name(p->kind));
		break;
	default:
		sonde_buf_put_str(b, "passes: its source is allowed by ");
		sonde_limit_network_print(&o->allow->network, b);
		break;
	}
}

static void put_source(struct sonde_buf *b, const struct sonde_limit_packet *p)
{
	struct sonde_endpoint e = { .port = 0 };
	char text[SONDE_ADDRESS_TEXT];

	memcpy(e.address, p->source, sizeof(e.address));
	sonde_endpoint_address(&e, text);
	sonde_buf_put_str(b, text);
}

static void put_json(struct sonde_buf *b, const struct sonde_limit_packet *p,
		     const struct sonde_limit_outcome *o)
{
	sonde_buf_printf(b, "{\"kind\":\"%s\",\"verdict\":\"%s\",\"limited\":%s",
			 sonde_limit_kind_name(p->kind), sonde_limit_verdict_name(o->verdict),
			 o->verdict == SONDE_LIMIT_LIMITED ? "true" : "false");
	if (o->rule) {
		sonde_buf_put_str(b, ",\"rule\":");
		sonde_json_string(b, sonde_slice_str(o->rule->name));
	}
	if (p->kind == SONDE_LIMIT_IP) {
		sonde_buf_put_str(b, ",\"source\":\"");
		put_source(b, p);
		sonde_buf_printf(b, "\",\"protocol\":%u", p->protocol);
		if (p->has_port)
			sonde_buf_printf(b, ",\"port\":%u", p->port);
	}
	sonde_buf_printf(b, ",\"bytes\":%u}", p->bytes);
}

/* One line a packet, or one object. */
static void try_packet(struct trial *t, const struct sonde_limit_packet *p, uint64_t time_ns)
{
	struct sonde_limit_outcome o;

	if (!t->n)
		t->first_ns = time_ns;
	/* Any beginning will do, as long as it is later than that of an unused bucket. */
	sonde_limit_evaluate(t->evaluator, p, t->options->iface,
			     time_ns - t->first_ns + 3600 * SONDE_NS_PER_SEC, &o);
	t->counts[o.verdict]++;
	if (t->options->format == SONDE_PLAIN_JSON) {
		sonde_buf_put_str(&t->out, t->n ? ",\n" : "[");
		put_json(&t->out, p, &o);
	} else {
		sonde_buf_printf(&t->out, "%llu: ", (unsigned long long)t->n + 1);
		if (p->kind == SONDE_LIMIT_IP) {
			put_source(&t->out, p);
			if (p->has_port)
				sonde_buf_printf(&t->out, " to port %u", p->port);
			sonde_buf_put_str(&t->out, ": ");
		}
		put_outcome(&t->out, p, &o);
		sonde_buf_put_byte(&t->out, '\n');
	}
	t->n++;
}

static int try_pcap(struct trial *t, struct sonde_pcap *pcap, const char *path)
{
	struct sonde_pcap_packet packet;
	int n;

	while ((n = sonde_pcap_next(pcap, &packet)) > 0) {
		struct sonde_limit_packet p;

		if (packet.is_ip)
			sonde_limit_packet_read_ip(packet.bytes, packet.wire_bytes, &p);
		else
			sonde_limit_packet_read(packet.bytes, packet.wire_bytes, &p);
		try_packet(t, &p, packet.time_ns);
	}
	if (!n)
		return SONDE_EXIT_OK;
	sonde_complain("limit test: %s: ends within packet %llu", path,
		       (unsigned long long)t->n + 1);
	return SONDE_EXIT_FAILURE;
}

/* Hex digits or descriptions, a packet a line, all at one time; # begins a comment. */
static int try_lines(struct trial *t, struct sonde_slice text, const char *path)
{
	for (size_t number = 1; text.len; number++) {
		size_t end = sonde_slice_find(text, 0, '\n');
		struct sonde_slice line = sonde_slice_trim(sonde_slice_sub(text, 0, end));
		struct sonde_limit_packet p;
		const char *wrong;

		text = sonde_slice_from(text, end + 1);
		if (!line.len || line.ptr[0] == '#')
			continue;
		wrong = sonde_limit_packet_parse(line, &p);
		if (wrong) {
			sonde_complain("limit test: %s:%zu: %s", path, number, wrong);
			return SONDE_EXIT_USAGE;
		}
		try_packet(t, &p, 0);
	}
	return SONDE_EXIT_OK;
}

static bool is_text(struct sonde_slice file)
{
	return sonde_slice_find(file, 0, '\0') == file.len;
}

static int try_bytes(struct trial *t, struct sonde_slice file, const char *path)
{
	struct sonde_pcap pcap;
	const char *wrong = sonde_pcap_open(file, &pcap);

	if (!wrong)
		return try_pcap(t, &pcap, path);
	if (is_text(file))
		return try_lines(t, file, path);
	sonde_complain("limit test: %s: %s", path, wrong);
	return SONDE_EXIT_USAGE;
}

static int try_file(struct trial *t, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), code;
	struct stat st;
	void *bytes;

	if (fd < 0 || fstat(fd, &st)) {
		sonde_complain("limit test: %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return SONDE_EXIT_FAILURE;
	}
	bytes = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
			   : MAP_FAILED;
	close(fd);
	if (bytes == MAP_FAILED) {
		sonde_complain("limit test: %s: is empty or cannot be read", path);
		return SONDE_EXIT_FAILURE;
	}
	code = try_bytes(t, sonde_slice_of(bytes, (size_t)st.st_size), path);
	munmap(bytes, (size_t)st.st_size);
	return code;
}

static int try_described(struct trial *t, const char *text)
{
	struct sonde_limit_packet p;
	const char *wrong = sonde_limit_packet_parse(sonde_slice_str(text), &p);

	if (wrong) {
		sonde_complain("limit test: --packet: %s", wrong);
		return SONDE_EXIT_USAGE;
	}
	try_packet(t, &p, 0);
	return SONDE_EXIT_OK;
}

static int finish(struct trial *t, int code)
{
	if (t->options->format == SONDE_PLAIN_JSON)
		sonde_buf_put_str(&t->out, t->n ? "]\n" : "[]\n");
	else if (t->n != 1 && code == SONDE_EXIT_OK)
		sonde_buf_printf(&t->out, "%llu packets: %llu limited, %llu pass\n",
				 (unsigned long long)t->n,
				 (unsigned long long)t->counts[SONDE_LIMIT_LIMITED],
				 (unsigned long long)(t->n - t->counts[SONDE_LIMIT_LIMITED]));
	return sonde_print_last(&t->out, code);
}

int sonde_limit_test(const struct sonde_cli *cli, const struct sonde_limit_options *o,
		     const struct sonde_words *words)
{
	struct trial *t;
	int code;

	if (words->n + (o->packet != NULL) != 2) {
		sonde_complain("limit test: needs one FILE, or --packet PACKET");
		return SONDE_EXIT_USAGE;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return sonde_link_fail(-ENOMEM);
	t->options = o;
	sonde_buf_init(&t->out, OUTPUT_BYTES);
	code = o->config ? rules_of_config(t, o->config) : rules_of_daemon(t, cli->run_dir);
	if (code == SONDE_EXIT_OK &&
	    sonde_limit_evaluator_new(t->rules, t->n_rules, t->allows, t->n_allows, &t->evaluator))
		code = sonde_link_fail(-ENOMEM);
	if (code == SONDE_EXIT_OK) {
		code = o->packet ? try_described(t, o->packet) : try_file(t, words->items[1]);
		code = finish(t, code);
	} else {
		sonde_buf_fini(&t->out);
	}
	sonde_limit_evaluator_free(t->evaluator);
	free(t->rules);
	free(t);
	return code;
}
