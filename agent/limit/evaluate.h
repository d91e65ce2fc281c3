// SPDX-License-Identifier: Apache-2.0
/*
 * evaluate - what rules would do to packets, worked out in plain C: the same answer as the kernel
 * program gives while its table has a bucket for every source.
 *
 *   no IP, neighbours, DHCP, malformed -> pass
 *   allowed source                     -> pass
 *   the rules that cover it, in order  -> one with room is charged, the first without limits it
 *
 * Buckets begin full, as in a table that nobody has used. A rule with the action count limits
 * nothing, the next one is asked. Why else a rule may be muted does not matter here.
 */
#ifndef SONDE_LIMIT_EVALUATE_H
#define SONDE_LIMIT_EVALUATE_H

#include "agent/limit/packet.h"
#include "agent/limit/set.h"

enum { SONDE_LIMIT_BUCKETS = 1 << 20 };

enum sonde_limit_verdict {
	SONDE_LIMIT_PASSED = 0, /* a rule covers it, and each has room */
	SONDE_LIMIT_LIMITED = 1,
	SONDE_LIMIT_UNCOVERED = 2, /* by any rule */
	SONDE_LIMIT_EXEMPT = 3,	   /* what it is, see its kind */
	SONDE_LIMIT_LET = 4,	   /* its source is allowed */
	SONDE_LIMIT_COUNTED = 5,   /* a rule that only counts has no room for it; it passes */
	SONDE_LIMIT_VERDICTS = 6,
};

struct sonde_limit_evaluator;

struct sonde_limit_outcome {
	enum sonde_limit_verdict verdict;
	const struct sonde_limit_spec *rule; /* that limits it, or the first that covers it */
	const struct sonde_limit_allow *allow;
};

const char *sonde_limit_verdict_name(enum sonde_limit_verdict verdict); /* "passed", ... */

/* RULES and ALLOWS are copied; ended rules are the caller's to leave out. 0 or -ENOMEM. */
int sonde_limit_evaluator_new(const struct sonde_limit_spec *rules, size_t n_rules,
			      const struct sonde_limit_allow *allows, size_t n_allows,
			      struct sonde_limit_evaluator **out);
void sonde_limit_evaluator_free(struct sonde_limit_evaluator *e); /* accepts NULL */

/* PACKET at NOW_NS on IFACE; NULL: on whichever interface there are rules for. */
void sonde_limit_evaluate(struct sonde_limit_evaluator *e, const struct sonde_limit_packet *packet,
			  const char *iface, uint64_t now_ns, struct sonde_limit_outcome *out);

/* Whether RULE covers PACKET, apart from the interface. */
bool sonde_limit_covers(const struct sonde_limit_spec *rule,
			const struct sonde_limit_packet *packet);
/* The address whose bucket PACKET takes from: the source, its network, or zeros for the rule. */
void sonde_limit_key(const struct sonde_limit_spec *rule, const struct sonde_limit_packet *packet,
		     uint8_t key[16]);

#endif
