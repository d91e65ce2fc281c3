// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/view.h"

#include "agent/limit/command.h"

enum { TRIES = 1000 };

const char *sonde_limit_verb_name(enum sonde_limit_verb verb)
{
	static const char *const names[SONDE_LIMIT_VERBS] = {
		"list", "add", "remove", "confirm", "off", "on", "allow-add", "allow-remove",
	};

	return verb < SONDE_LIMIT_VERBS ? names[verb] : "?";
}

const char *sonde_limit_fate_name(enum sonde_limit_fate fate)
{
	static const char *const names[SONDE_LIMIT_FATES] = {
		"passed",    "dropped", "unmatched", "allowed",	  "unleased",
		"neighbour", "dhcp",	"not_ip",    "malformed",
	};

	return fate < SONDE_LIMIT_FATES ? names[fate] : "?";
}

void sonde_limit_view_begin(struct sonde_limit_view *view)
{
	__atomic_store_n(&view->sequence, view->sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void sonde_limit_view_end(struct sonde_limit_view *view)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&view->sequence, view->sequence + 1, __ATOMIC_RELEASE);
}

/* Only what is in use, so that a reader touches no page for nothing. */
static void copy(const struct sonde_limit_view *from, struct sonde_limit_view *to)
{
	memcpy(to, from, offsetof(struct sonde_limit_view, ifaces));
	if (to->n_rules > SONDE_LIMIT_RULES)
		to->n_rules = SONDE_LIMIT_RULES;
	if (to->n_ifaces > SONDE_LIMIT_IFACES)
		to->n_ifaces = SONDE_LIMIT_IFACES;
	if (to->n_allows > SONDE_LIMIT_ALLOWS)
		to->n_allows = SONDE_LIMIT_ALLOWS;
	memcpy(to->ifaces, from->ifaces, to->n_ifaces * sizeof(to->ifaces[0]));
	memcpy(to->allows, from->allows, to->n_allows * sizeof(to->allows[0]));
	memcpy(to->rules, from->rules, to->n_rules * sizeof(to->rules[0]));
}

bool sonde_limit_view_read(const struct sonde_limit_view *view, struct sonde_limit_view *out)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t before = __atomic_load_n(&view->sequence, __ATOMIC_ACQUIRE);

		if (before & 1)
			continue;
		copy(view, out);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (__atomic_load_n(&view->sequence, __ATOMIC_RELAXED) == before)
			return true;
	}
	return false;
}
