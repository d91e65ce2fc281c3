// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/config_limit.h"

const char *sonde_limit_wish_of(const struct sonde_limit_text *text, uint64_t trial_ns,
				struct sonde_limit_wish *out)
{
	const struct {
		const char *key, *value;
	} pairs[] = {
		{ "name", text->name },	    { "iface", text->iface }, { "src", text->src },
		{ "per", text->per },	    { "dport", text->dport }, { "proto", text->proto },
		{ "rate", text->rate },	    { "burst", text->burst }, { "unit", text->unit },
		{ "action", text->action }, { "ttl", text->ttl },
	};
	struct sonde_limit_wish wish = { .trial_ns = text->trial ? trial_ns : 0 };
	const char *wrong = NULL;

	sonde_limit_spec_init(&wish.spec);
	wish.spec.priority = text->priority;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]) && !wrong; i++)
		if (pairs[i].value[0])
			wrong = sonde_limit_spec_set(&wish.spec, pairs[i].key,
						     sonde_slice_str(pairs[i].value));
	if (!wrong)
		wrong = sonde_limit_spec_complete(&wish.spec);
	if (!wrong)
		*out = wish;
	return wrong;
}

const char *sonde_limit_check_item(const void *items, size_t i)
{
	const struct sonde_limit_text *rules = items;
	struct sonde_limit_wish wish;

	for (size_t k = 0; k < i; k++)
		if (strcmp(rules[k].name, rules[i].name) == 0)
			return "has the name of an earlier rule; each needs one of its own";
	return sonde_limit_wish_of(&rules[i], 1, &wish);
}
