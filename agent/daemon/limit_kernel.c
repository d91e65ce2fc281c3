// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/limit_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/core/hash.h"
#include "agent/limit/sample.h"
#include "agent/probe/limit_probe.h"

enum { PINS_BYTES = 96, SAMPLES_PER_SECOND = 100 };

/* The probe's numbers are those of the rules, and its bounds hold ours. */
_Static_assert((int)SONDE_LIMIT_PROBE_RULES >= (int)SONDE_LIMIT_RULES, "rules");
_Static_assert((int)SONDE_LIMIT_PROBE_IFACES >= (int)SONDE_LIMIT_IFACES, "interfaces");
_Static_assert((int)SONDE_LIMIT_PROBE_OUTCOMES == (int)SONDE_LIMIT_FATES, "outcomes");
_Static_assert((int)SONDE_LIMIT_PROBE_MALFORMED == (int)SONDE_LIMIT_FATE_MALFORMED, "outcomes");
_Static_assert((int)SONDE_LIMIT_PROBE_UNLEASED == (int)SONDE_LIMIT_FATE_UNLEASED, "outcomes");
_Static_assert(SONDE_LIMIT_PROBE_NEVER == SONDE_LIMIT_FOREVER, "for ever");

struct sonde_limit_kernel {
	struct sonde_limit_probe *probe;
	char pins[PINS_BYTES];
	struct sonde_limit_probe_rule rules[SONDE_LIMIT_RULES];
	struct sonde_limit_probe_network allows[SONDE_LIMIT_ALLOWS];
};

void sonde_limit_kernel_pins(const char *run_dir, char *out, size_t len)
{
	if (strcmp(run_dir, SONDE_LIMIT_RUN_DIR) == 0)
		snprintf(out, len, "%s", SONDE_LIMIT_PROBE_PINS);
	else
		snprintf(out, len, "%s-%016llx", SONDE_LIMIT_PROBE_PINS,
			 (unsigned long long)sonde_hash_bytes(sonde_slice_str(run_dir), 0));
}

bool sonde_limit_kernel_is_left(const char *run_dir)
{
	char pins[PINS_BYTES];

	sonde_limit_kernel_pins(run_dir, pins, sizeof(pins));
	return access(pins, F_OK) == 0;
}

int sonde_limit_kernel_open(const char *run_dir, const struct sonde_config *config,
			    struct sonde_limit_kernel **out, char *error, size_t error_len)
{
	struct sonde_limit_probe_config c = { .sources = config->limit.max_sources,
					      .samples_per_second = SAMPLES_PER_SECOND };
	struct sonde_limit_kernel *k = calloc(1, sizeof(*k));
	int err;

	if (!k) {
		snprintf(error, error_len, "there is no memory for rules");
		return -ENOMEM;
	}
	sonde_limit_kernel_pins(run_dir, k->pins, sizeof(k->pins));
	c.pins = k->pins;
	err = sonde_limit_probe_open(&c, &k->probe, error, error_len);
	if (err)
		free(k);
	else
		*out = k;
	return err;
}

void sonde_limit_kernel_close(struct sonde_limit_kernel *k, bool leave)
{
	char error[192];

	sonde_limit_probe_close(k->probe);
	if (!leave)
		sonde_limit_probe_remove(k->pins, error, sizeof(error));
	free(k);
}

/* ---- rules ---------------------------------------------------------------------------------- */

struct order {
	uint32_t priority, place, at;
};

static int by_priority(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

/* The places of rules that are to be asked, in their order; returns how many. */
static size_t put_in_order(const struct sonde_limit_set *set, struct order *out)
{
	size_t n = 0;

	for (uint32_t i = 0; i < set->n_entries; i++)
		if (!set->entries[i].ended)
			out[n++] = (struct order){ set->entries[i].spec.priority, i, i };
	qsort(out, n, sizeof(*out), by_priority);
	return n;
}

static void put_network(const struct sonde_limit_network *from,
			struct sonde_limit_probe_network *to)
{
	*to = (struct sonde_limit_probe_network){ .bits = from->bits };
	memcpy(to->address, from->address, sizeof(to->address));
}

static void put_rule(const struct sonde_limit_entry *e, uint32_t ifindex,
		     struct sonde_limit_probe_rule *out)
{
	const struct sonde_limit_spec *s = &e->spec;

	*out = (struct sonde_limit_probe_rule){
		.id = e->id,
		.ifindex = ifindex,
		.port_first = s->port_first,
		.port_last = s->port_last,
		.per = s->per,
		.unit = s->unit,
		.proto = s->proto,
		.action = sonde_limit_entry_mute(e) ? SONDE_LIMIT_COUNT : SONDE_LIMIT_DROP,
		.rate = s->rate,
		.burst = s->burst,
		.expires_ns = sonde_limit_entry_ends_ns(e),
	};
	put_network(&s->source, &out->source);
}

int sonde_limit_kernel_apply(struct sonde_limit_kernel *k, const struct sonde_limit_set *set,
			     sonde_limit_index_of *index_of, void *ctx, char *error,
			     size_t error_len)
{
	struct order order[SONDE_LIMIT_RULES];
	struct sonde_limit_probe_set s = { .rules = k->rules, .allows = k->allows };
	size_t n = put_in_order(set, order);

	for (size_t i = 0; i < n; i++) {
		const struct sonde_limit_entry *e = &set->entries[order[i].at];
		uint32_t ifindex = index_of(ctx, e->spec.iface);

		if (ifindex)
			put_rule(e, ifindex, &k->rules[s.n_rules++]);
	}
	for (; s.n_allows < set->n_allows; s.n_allows++)
		put_network(&set->allows[s.n_allows].network, &k->allows[s.n_allows]);
	return sonde_limit_probe_apply(k->probe, &s, error, error_len);
}

void sonde_limit_kernel_renew(struct sonde_limit_kernel *k, uint64_t until_ns)
{
	sonde_limit_probe_lease(k->probe, until_ns);
}

/* ---- interfaces ----------------------------------------------------------------------------- */

int sonde_limit_kernel_attach(struct sonde_limit_kernel *k, bool generic,
			      struct sonde_limit_iface_view *v)
{
	/* What is generic and may be is not taken off to see whether native would do. */
	bool stays = generic &&
		     sonde_limit_probe_mode(k->probe, v->ifindex) == SONDE_LIMIT_PROBE_GENERIC;
	int err = -EOPNOTSUPP;

	v->mode = SONDE_LIMIT_MODE_NATIVE;
	if (!stays)
		err = sonde_limit_probe_attach(k->probe, v->ifindex, SONDE_LIMIT_PROBE_NATIVE,
					       v->note, sizeof(v->note));
	if (err == -EOPNOTSUPP && generic) {
		err = sonde_limit_probe_attach(k->probe, v->ifindex, SONDE_LIMIT_PROBE_GENERIC,
					       v->note, sizeof(v->note));
		v->mode = SONDE_LIMIT_MODE_GENERIC;
	} else if (err == -EOPNOTSUPP) {
		snprintf(v->note, sizeof(v->note),
			 "the driver has no native XDP; limit.generic in the config allows the "
			 "slower generic mode");
	}
	if (err)
		v->mode = SONDE_LIMIT_MODE_NONE;
	else
		v->note[0] = '\0';
	return err;
}

void sonde_limit_kernel_detach(struct sonde_limit_kernel *k, struct sonde_limit_iface_view *v)
{
	sonde_limit_probe_detach(k->probe, v->ifindex);
	v->mode = SONDE_LIMIT_MODE_NONE;
}

/* ---- counts --------------------------------------------------------------------------------- */

void sonde_limit_kernel_counts(struct sonde_limit_kernel *k, uint32_t id,
			       struct sonde_limit_counts *out)
{
	struct sonde_limit_probe_counts c = { 0 };

	if (sonde_limit_probe_rule(k->probe, id, &c))
		return;
	*out = (struct sonde_limit_counts){
		.passed = c.passed,
		.limited = c.limited,
		.passed_bytes = c.passed_bytes,
		.limited_bytes = c.limited_bytes,
	};
}

void sonde_limit_kernel_iface(struct sonde_limit_kernel *k, struct sonde_limit_iface_view *v)
{
	struct sonde_limit_probe_iface c;

	if (sonde_limit_probe_iface(k->probe, v->ifindex, &c))
		return;
	memcpy(v->packets, c.packets, sizeof(v->packets));
	memcpy(v->bytes, c.bytes, sizeof(v->bytes));
	v->fragments = c.fragments;
	v->crowded = c.crowded;
	v->contended = c.contended;
	v->skipped = c.skipped;
	v->samples_lost = c.samples_lost;
}

uint64_t sonde_limit_kernel_memory(uint32_t max_sources)
{
	return sonde_limit_probe_memory(max_sources);
}

/* ---- samples -------------------------------------------------------------------------------- */

struct listener {
	sonde_limit_on_sample *on_sample;
	void *ctx;
};

static void on_sample(void *ctx, const struct sonde_limit_probe_sample *s)
{
	const struct listener *l = ctx;
	struct sonde_limit_sample sample = {
		.stamp_ns = s->stamp_ns,
		.weight = s->weight,
		.bytes = s->bytes,
		.id = s->rule,
		.port = s->destination_port,
		.protocol = s->protocol,
		.dropped = s->dropped,
	};

	memcpy(sample.source, s->source, sizeof(sample.source));
	l->on_sample(l->ctx, &sample);
}

void sonde_limit_kernel_samples(struct sonde_limit_kernel *k, sonde_limit_on_sample *told,
				void *ctx)
{
	struct listener l = { told, ctx };

	sonde_limit_probe_samples(k->probe, on_sample, &l);
}
