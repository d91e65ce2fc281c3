// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/evaluate.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/hash.h"
#include "agent/core/table.h"
#include "agent/limit/gcra.h"

enum {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMPV6 = 58,
	BITS_24 = 96 + 24,
	BITS_64 = 64,
	ALL_BITS = 128,
};

struct bucket {
	uint64_t tat;
};

struct sonde_limit_evaluator {
	struct sonde_limit_spec *rules; /* by priority */
	struct sonde_limit_allow *allows;
	size_t n_rules, n_allows;
	struct sonde_table *buckets;
};

const char *sonde_limit_verdict_name(enum sonde_limit_verdict verdict)
{
	static const char *const names[SONDE_LIMIT_VERDICTS] = { "passed", "limited", "uncovered",
								 "exempt", "allowed", "counted" };

	return verdict < SONDE_LIMIT_VERDICTS ? names[verdict] : "?";
}

static int by_priority(const void *a, const void *b)
{
	const struct sonde_limit_spec *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return strcmp(x->name, y->name);
}

int sonde_limit_evaluator_new(const struct sonde_limit_spec *rules, size_t n_rules,
			      const struct sonde_limit_allow *allows, size_t n_allows,
			      struct sonde_limit_evaluator **out)
{
	struct sonde_limit_evaluator *e = calloc(1, sizeof(*e));
	int err = -ENOMEM;

	if (!e)
		return err;
	e->rules = calloc(n_rules + 1, sizeof(*rules));
	e->allows = calloc(n_allows + 1, sizeof(*allows));
	if (e->rules && e->allows)
		err = sonde_table_new(SONDE_LIMIT_BUCKETS, sizeof(struct bucket), &e->buckets);
	if (err) {
		sonde_limit_evaluator_free(e);
		return err;
	}
	if (n_rules)
		memcpy(e->rules, rules, n_rules * sizeof(*rules));
	if (n_allows)
		memcpy(e->allows, allows, n_allows * sizeof(*allows));
	e->n_rules = n_rules;
	e->n_allows = n_allows;
	qsort(e->rules, n_rules, sizeof(*rules), by_priority);
	*out = e;
	return 0;
}

void sonde_limit_evaluator_free(struct sonde_limit_evaluator *e)
{
	if (!e)
		return;
	sonde_table_free(e->buckets);
	free(e->rules);
	free(e->allows);
	free(e);
}

static bool has_protocol(const struct sonde_limit_spec *r, uint8_t protocol)
{
	switch (r->proto) {
	case SONDE_LIMIT_PROTO_TCP:
		return protocol == PROTO_TCP;
	case SONDE_LIMIT_PROTO_UDP:
		return protocol == PROTO_UDP;
	case SONDE_LIMIT_PROTO_ICMP:
		return protocol == PROTO_ICMP || protocol == PROTO_ICMPV6;
	default:
		return true;
	}
}

bool sonde_limit_covers(const struct sonde_limit_spec *r, const struct sonde_limit_packet *p)
{
	if (p->kind != SONDE_LIMIT_IP || !has_protocol(r, p->protocol) ||
	    !sonde_limit_network_holds(&r->source, p->source))
		return false;
	if (r->port_first && (!p->has_port || p->port < r->port_first || p->port > r->port_last))
		return false;
	if (r->unit == SONDE_LIMIT_CONNECTIONS)
		return p->opens;
	return r->unit != SONDE_LIMIT_REQUESTS || p->begins_request;
}

void sonde_limit_key(const struct sonde_limit_spec *r, const struct sonde_limit_packet *p,
		     uint8_t key[16])
{
	unsigned int bits = r->per == SONDE_LIMIT_PER_RULE ? 0 : ALL_BITS;

	if (r->per == SONDE_LIMIT_PER_24)
		bits = p->v6 ? BITS_64 : BITS_24;
	else if (r->per == SONDE_LIMIT_PER_64 && p->v6)
		bits = BITS_64;
	memset(key, 0, 16);
	memcpy(key, p->source, bits / 8);
}

/* The bucket of PACKET for rule I; NULL: there are too many. */
static struct bucket *bucket_of(struct sonde_limit_evaluator *e, size_t i,
				const struct sonde_limit_packet *p)
{
	uint8_t key[16];
	bool added;

	sonde_limit_key(&e->rules[i], p, key);
	return sonde_table_get(e->buckets,
			       sonde_hash_bytes(sonde_slice_of(key, sizeof(key)), i + 1), &added);
}

static uint64_t cost_of(const struct sonde_limit_spec *r, const struct sonde_limit_packet *p)
{
	return sonde_gcra_cost_ns(r->unit == SONDE_LIMIT_BYTES ? p->bytes : 1, r->rate);
}

static bool is_on(const struct sonde_limit_spec *r, const char *iface)
{
	return !iface || strcmp(r->iface, iface) == 0;
}

static bool is_let(const struct sonde_limit_evaluator *e, const struct sonde_limit_packet *p,
		   struct sonde_limit_outcome *out)
{
	for (size_t i = 0; i < e->n_allows; i++) {
		if (!sonde_limit_network_holds(&e->allows[i].network, p->source))
			continue;
		*out = (struct sonde_limit_outcome){ SONDE_LIMIT_LET, NULL, &e->allows[i] };
		return true;
	}
	return false;
}

void sonde_limit_evaluate(struct sonde_limit_evaluator *e, const struct sonde_limit_packet *p,
			  const char *iface, uint64_t now_ns, struct sonde_limit_outcome *out)
{
	*out = (struct sonde_limit_outcome){ SONDE_LIMIT_EXEMPT, NULL, NULL };
	if (p->kind != SONDE_LIMIT_IP || is_let(e, p, out))
		return;
	out->verdict = SONDE_LIMIT_UNCOVERED;
	for (size_t i = 0; i < e->n_rules; i++) {
		const struct sonde_limit_spec *r = &e->rules[i];
		struct bucket *b;

		if (!is_on(r, iface) || !sonde_limit_covers(r, p))
			continue;
		if (!out->rule)
			*out = (struct sonde_limit_outcome){ SONDE_LIMIT_PASSED, r, NULL };
		b = bucket_of(e, i, p);
		if (!b || sonde_gcra_pass(&b->tat, now_ns, cost_of(r, p),
					  sonde_gcra_cost_ns(r->burst, r->rate)))
			continue;
		out->verdict = SONDE_LIMIT_COUNTED;
		out->rule = r;
		if (r->action == SONDE_LIMIT_COUNT)
			continue;
		out->verdict = SONDE_LIMIT_LIMITED;
		return;
	}
}
