// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/limiter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/daemon/config_limit.h"
#include "agent/daemon/limiter_internal.h"
#include "agent/limit/sample.h"
#include "agent/limit/state.h"

#define TICK_NS	  (500 * SONDE_NS_PER_MS)
#define GUARD_NS  (10 * SONDE_NS_PER_SEC)
#define SAMPLE_NS (1 * SONDE_NS_PER_SEC)
#define REOPEN_NS (30 * SONDE_NS_PER_SEC)

/* ---- what there is -------------------------------------------------------------------------- */

static size_t count_live(const struct sonde_limit_set *set)
{
	size_t n = 0;

	for (uint32_t i = 0; i < set->n_entries; i++)
		n += !set->entries[i].ended;
	return n;
}

static const struct sonde_limit_port *port_of(const struct sonde_limiter *l, const char *iface)
{
	for (size_t i = 0; i < l->n_ports; i++)
		if (strcmp(l->ports[i].view.name, iface) == 0)
			return &l->ports[i];
	return NULL;
}

static void view_rule(struct sonde_limiter *l, const struct sonde_limit_entry *e,
		      struct sonde_limit_rule_view *out)
{
	const struct sonde_limit_port *port = port_of(l, e->spec.iface);

	*out = (struct sonde_limit_rule_view){
		.spec = e->spec,
		.added_ns = e->added_ns,
		.ends_ns = sonde_limit_entry_ends_ns(e),
		.id = e->id,
		.state = (uint8_t)sonde_limit_entry_state(e),
		.origin = e->origin,
		.mute = (uint8_t)sonde_limit_entry_mute(e),
		.attached = port && port->view.mode != SONDE_LIMIT_MODE_NONE,
	};
	if (l->kernel && !e->ended)
		sonde_limit_kernel_counts(l->kernel, e->id, &out->counts);
}

static void refresh_view(struct sonde_limiter *l)
{
	struct sonde_limit_view *v = l->view;

	sonde_limit_view_begin(v);
	v->generation = l->set->generation;
	v->keep = l->config->limit.on_agent_loss != 0;
	v->lease_ns = l->config->limit.lease_ns;
	v->max_sources = l->config->limit.max_sources;
	v->memory_bytes = sonde_limit_kernel_memory(v->max_sources);
	v->n_rules = l->set->n_entries;
	for (uint32_t i = 0; i < v->n_rules; i++)
		view_rule(l, &l->set->entries[i], &v->rules[i]);
	v->n_ifaces = (uint32_t)l->n_ports;
	for (size_t i = 0; i < l->n_ports; i++) {
		struct sonde_limit_iface_view *port = &l->ports[i].view;

		if (l->kernel && port->mode != SONDE_LIMIT_MODE_NONE)
			sonde_limit_kernel_iface(l->kernel, port);
		v->ifaces[i] = *port;
	}
	v->n_allows = l->set->n_allows;
	memcpy(v->allows, l->set->allows, v->n_allows * sizeof(v->allows[0]));
	sonde_limit_view_end(v);
}

/* ---- the kernel ----------------------------------------------------------------------------- */

static void renew_lease(struct sonde_limiter *l)
{
	uint64_t until_ns = l->config->limit.on_agent_loss
				    ? SONDE_LIMIT_FOREVER
				    : sonde_clock_mono_ns() + l->config->limit.lease_ns;

	sonde_limit_kernel_renew(l->kernel, until_ns);
	sonde_limit_view_begin(l->view);
	l->view->lease_until_ns = until_ns;
	sonde_limit_view_end(l->view);
}

static uint32_t index_of(void *ctx, const char *iface)
{
	const struct sonde_limit_port *port = port_of(ctx, iface);

	return port ? port->last_index : 0;
}

/* Has the kernel do what the set says. 0, or negative errno with a line in ERROR. */
static int apply(struct sonde_limiter *l, char *error, size_t error_len)
{
	int err = 0;

	if (!count_live(l->set) && !l->kernel)
		return 0;
	if (!l->kernel) {
		l->opened_ns = sonde_clock_mono_ns();
		err = sonde_limit_kernel_open(l->run_dir, l->config, &l->kernel, error, error_len);
		if (err)
			return err;
	}
	sonde_limiter_find_ports(l);
	err = sonde_limit_kernel_apply(l->kernel, l->set, index_of, l, error, error_len);
	if (err)
		return err;
	renew_lease(l);
	sonde_limiter_attach_ports(l);
	if (!count_live(l->set)) {
		sonde_limit_kernel_close(l->kernel, false);
		l->kernel = NULL;
	}
	return 0;
}

static void store(struct sonde_limiter *l)
{
	int err;

	if (l->saved_generation == l->set->generation)
		return;
	err = sonde_limit_store(l->run_dir, l->boot, l->set);
	if (!err)
		l->saved_generation = l->set->generation;
	else if (sonde_log_gate(&l->gate, sonde_clock_mono_ns(), 60 * SONDE_NS_PER_SEC))
		sonde_log(SONDE_LOG_ERROR,
			  "limit: %s: cannot be written: %s; a restart would lose the rules",
			  l->run_dir, strerror(-err));
}

/* Applies what is not a person's: what cannot be is said, and tried again. */
static void apply_own(struct sonde_limiter *l)
{
	char error[192] = "";
	int err = apply(l, error, sizeof(error));

	if (err && strcmp(error, l->refusal) != 0)
		sonde_log(SONDE_LOG_ERROR, "limit: %s; nothing is limited", error);
	snprintf(l->refusal, sizeof(l->refusal), "%s", error);
	store(l);
}

/* ---- changes by time ------------------------------------------------------------------------ */

static void on_over(void *ctx, const struct sonde_limit_entry *e)
{
	struct sonde_limiter *l = ctx;
	struct sonde_limit_actor self = { .why = "its time is over" };

	if (sonde_limit_entry_state(e) == SONDE_LIMIT_TRIAL && e->trial_ends_ns <= e->expires_ns)
		self.why = "nobody confirmed it";
	sonde_limit_audit(&l->audit, &self, "ended", e->spec.name, NULL);
}

/* All that came in on the interface. */
static uint64_t packets_of(const struct sonde_limit_port *port)
{
	uint64_t sum = 0;

	for (int i = 0; i < SONDE_LIMIT_FATES; i++)
		sum += port->view.packets[i];
	return sum;
}

static void sample_breakers(struct sonde_limiter *l, uint64_t now_ns)
{
	const struct sonde_limit_breaker_config config = { l->config->limit.breaker_percent,
							   l->config->limit.breaker_ns };
	struct sonde_limit_actor self = { .why = "the breaker" };

	for (uint32_t i = 0; i < l->set->n_entries; i++) {
		struct sonde_limit_entry *e = &l->set->entries[i];
		const struct sonde_limit_port *port = port_of(l, e->spec.iface);
		struct sonde_limit_counts counts = { 0 };
		char detail[128];

		if (e->ended || sonde_limit_entry_mute(e) || !port ||
		    port->view.mode == SONDE_LIMIT_MODE_NONE)
			continue;
		sonde_limit_kernel_counts(l->kernel, e->id, &counts);
		if (!sonde_limit_breaker_sample(&e->breaker, &config, now_ns, packets_of(port),
						counts.limited))
			continue;
		sonde_limit_set_trip(l->set, e);
		snprintf(detail, sizeof(detail), "it dropped more than %u%% of what came in on %s",
			 config.percent, e->spec.iface);
		sonde_limit_audit(&l->audit, &self, "counts only", e->spec.name, detail);
	}
}

static void count_ports(struct sonde_limiter *l)
{
	for (size_t i = 0; i < l->n_ports; i++)
		if (l->ports[i].view.mode != SONDE_LIMIT_MODE_NONE)
			sonde_limit_kernel_iface(l->kernel, &l->ports[i].view);
}

static void forget_people(struct sonde_limiter *l)
{
	if (!l->set->n_entries)
		sonde_limit_allow_replace(l->set, SONDE_LIMIT_ALLOW_SSH, NULL, 0);
}

/* An interface with another index is another one to the rules. */
static void follow_ports(struct sonde_limiter *l)
{
	if (sonde_limiter_find_ports(l))
		apply_own(l);
	else
		sonde_limiter_attach_ports(l);
}

/* The worker knows rules by name. */
static void on_sample(void *ctx, const struct sonde_limit_sample *s)
{
	struct sonde_limiter *l = ctx;
	struct sonde_limit_sample named = *s;

	for (uint32_t i = 0; i < l->set->n_entries; i++) {
		const struct sonde_limit_entry *e = &l->set->entries[i];

		if (e->id != s->id)
			continue;
		memcpy(named.rule, e->spec.name, sizeof(named.rule));
		memcpy(named.iface, e->spec.iface, sizeof(named.iface));
		l->on_sample(l->ctx, &named);
		return;
	}
}

static void tick(struct sonde_limiter *l)
{
	uint64_t now_ns = sonde_clock_mono_ns(), generation = l->set->generation;

	if (l->kernel)
		renew_lease(l);
	sonde_limit_set_expire(l->set, now_ns, on_over, l);
	forget_people(l);
	if (l->kernel && now_ns - l->sampled_ns >= SAMPLE_NS) {
		l->sampled_ns = now_ns;
		count_ports(l);
		sample_breakers(l, now_ns);
	}
	if (count_live(l->set) && now_ns - l->guarded_ns >= GUARD_NS) {
		l->guarded_ns = now_ns;
		sonde_limit_guard_node(l->set);
	}
	if (generation != l->set->generation ||
	    (!l->kernel && count_live(l->set) && now_ns - l->opened_ns >= REOPEN_NS))
		apply_own(l);
	else if (l->kernel)
		follow_ports(l);
	if (l->kernel)
		sonde_limit_kernel_samples(l->kernel, on_sample, l);
	refresh_view(l);
	if (!l->set->n_entries)
		sonde_timer_set(&l->tick, 0);
}

static void tick_expired(struct sonde_timer *t, uint64_t times)
{
	(void)times;
	tick(sonde_container_of(t, struct sonde_limiter, tick));
}

static void links_changed(struct sonde_limit_links *links)
{
	struct sonde_limiter *l = sonde_container_of(links, struct sonde_limiter, links);

	if (!l->kernel)
		return;
	follow_ports(l);
	refresh_view(l);
}

/* ---- changes by people ---------------------------------------------------------------------- */

static int answer(struct sonde_limit_answer *a, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int answer(struct sonde_limit_answer *a, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(a->text, sizeof(a->text), fmt, args);
	va_end(args);
	a->err = err;
	return err;
}

static void describe(const struct sonde_limit_spec *spec, char *out, size_t len)
{
	struct sonde_buf b;

	sonde_buf_over(&b, out, len - 1);
	sonde_limit_spec_print(spec, &b);
	out[b.len] = '\0';
}

/* A person who can be told wants to know now that the rule can do nothing. */
static int check_port(const struct sonde_limiter *l, const char *iface,
		      struct sonde_limit_answer *a)
{
	const struct sonde_limit_port *port = port_of(l, iface);

	if (port && port->view.mode != SONDE_LIMIT_MODE_NONE)
		return 0;
	return answer(a, -ENODEV, "%s: %s", iface, port ? port->view.note : "is not watched");
}

static int do_add(struct sonde_limiter *l, const struct sonde_limit_command *c,
		  const struct sonde_limit_actor *actor, struct sonde_limit_answer *a)
{
	struct sonde_limit_spec spec = c->spec;
	const char *wrong = sonde_limit_spec_complete(&spec);
	uint8_t peer[16];

	if (!wrong) {
		/* Whom it must not hit is allowed before it is there. */
		sonde_limit_guard_node(l->set);
		if (sonde_limit_guard_actor(l->set, actor, peer))
			answer(a, 0, "the far end of your SSH connection is allowed");
		wrong = sonde_limit_set_add(l->set, &spec, SONDE_LIMIT_BY_PERSON,
					    l->config->limit.trial_ns, sonde_clock_mono_ns());
	}
	if (wrong)
		return answer(a, -EINVAL, "rule %.31s: %s", spec.name, wrong);
	a->changed = 1;
	return 0;
}

/* Rules of the config end, so that a restart does not bring them back. */
static void remove_all(struct sonde_limiter *l, struct sonde_limit_answer *a)
{
	a->changed = count_live(l->set);
	for (uint32_t i = l->set->n_entries; i-- > 0;)
		if (l->set->entries[i].origin == SONDE_LIMIT_BY_CONFIG)
			sonde_limit_set_end(l->set, &l->set->entries[i]);
		else
			sonde_limit_set_remove(l->set, l->set->entries[i].spec.name);
}

static int do_remove(struct sonde_limiter *l, const struct sonde_limit_command *c,
		     struct sonde_limit_answer *a)
{
	const struct sonde_limit_entry *e = sonde_limit_set_find(l->set, c->name);

	if (!c->name[0]) {
		remove_all(l, a);
		return answer(a, 0, "all rules are removed");
	}
	if (!e)
		return answer(a, -ENOENT, "there is no rule %s; `sonde limit list` has all",
			      c->name);
	a->changed = 1;
	if (e->origin == SONDE_LIMIT_BY_CONFIG) {
		sonde_limit_set_end(l->set, sonde_limit_set_find(l->set, c->name));
		return answer(a, 0, "%s: ended; a reload brings it back only when it is changed",
			      c->name);
	}
	sonde_limit_set_remove(l->set, c->name);
	return answer(a, 0, "%s: removed", c->name);
}

static int do_confirm(struct sonde_limiter *l, const struct sonde_limit_command *c,
		      struct sonde_limit_answer *a)
{
	if (c->name[0] && !sonde_limit_set_find(l->set, c->name))
		return answer(a, -ENOENT, "there is no rule %s; `sonde limit list` has all",
			      c->name);
	a->changed = sonde_limit_set_confirm(l->set, c->name[0] ? c->name : NULL);
	if (c->name[0])
		return answer(a, 0, "%s: %s", c->name,
			      a->changed ? "confirmed" : "was not on trial");
	return answer(a, 0, "%llu confirmed", (unsigned long long)a->changed);
}

static int do_off(struct sonde_limiter *l, bool off, struct sonde_limit_answer *a)
{
	a->changed = sonde_limit_set_off(l->set, off);
	return answer(a, 0, off ? "%llu rules only count now" : "%llu rules limit again",
		      (unsigned long long)a->changed);
}

static int do_allow(struct sonde_limiter *l, const struct sonde_limit_command *c,
		    struct sonde_limit_answer *a)
{
	const char *wrong;

	if (c->network.bits > 128 || !c->network.bits)
		return answer(a, -EINVAL, "no network was given");
	if (c->verb == SONDE_LIMIT_ALLOW_REMOVE) {
		if (!sonde_limit_allow_remove(l->set, &c->network, SONDE_LIMIT_ALLOW_PERSON) &&
		    !sonde_limit_allow_remove(l->set, &c->network, SONDE_LIMIT_ALLOW_SSH))
			return answer(a, -ENOENT,
				      "nobody has allowed this network by hand; `sonde limit allow "
				      "list` has all");
		return answer(a, 0, "no longer allowed");
	}
	wrong = sonde_limit_allow_add(l->set, &c->network, SONDE_LIMIT_ALLOW_PERSON);
	if (wrong)
		return answer(a, -ENOSPC, "%s", wrong);
	return answer(a, 0, "allowed");
}

static int change(struct sonde_limiter *l, const struct sonde_limit_command *c,
		  const struct sonde_limit_actor *actor, struct sonde_limit_answer *a)
{
	switch (c->verb) {
	case SONDE_LIMIT_ADD:
		return do_add(l, c, actor, a);
	case SONDE_LIMIT_REMOVE:
		return do_remove(l, c, a);
	case SONDE_LIMIT_CONFIRM:
		return do_confirm(l, c, a);
	case SONDE_LIMIT_OFF:
	case SONDE_LIMIT_ON:
		return do_off(l, c->verb == SONDE_LIMIT_OFF, a);
	case SONDE_LIMIT_ALLOW_ADD:
	case SONDE_LIMIT_ALLOW_REMOVE:
		return do_allow(l, c, a);
	default:
		return answer(a, -EINVAL, "nothing that can be done with rules");
	}
}

static void put_back(struct sonde_limiter *l)
{
	char ignored[192];

	memcpy(l->set, l->former, sizeof(*l->set));
	apply(l, ignored, sizeof(ignored));
}

/* Changes the set and the kernel, or neither. */
static void change_and_apply(struct sonde_limiter *l, const struct sonde_limit_command *c,
			     const struct sonde_limit_actor *actor, struct sonde_limit_answer *a)
{
	char error[192] = "";
	int err;

	memcpy(l->former, l->set, sizeof(*l->set));
	if (change(l, c, actor, a)) {
		memcpy(l->set, l->former, sizeof(*l->set));
		return;
	}
	if (l->set->generation == l->former->generation)
		return;
	err = apply(l, error, sizeof(error));
	if (err)
		answer(a, err, "%s", error);
	if (!err && c->verb == SONDE_LIMIT_ADD)
		err = check_port(l, c->spec.iface, a);
	if (err)
		put_back(l);
}

static void tell_change(struct sonde_limiter *l, const struct sonde_limit_command *c,
			const struct sonde_limit_actor *actor, const struct sonde_limit_answer *a)
{
	const char *name = c->verb == SONDE_LIMIT_ADD ? c->spec.name : c->name[0] ? c->name : NULL;
	char detail[512] = "";
	struct sonde_buf b;

	if (a->err) {
		snprintf(detail, sizeof(detail), "refused: %s", a->text);
	} else if (c->verb == SONDE_LIMIT_ADD) {
		const struct sonde_limit_entry *e = sonde_limit_set_find(l->set, c->spec.name);

		if (e)
			describe(&e->spec, detail, sizeof(detail));
	} else if (c->verb == SONDE_LIMIT_ALLOW_ADD || c->verb == SONDE_LIMIT_ALLOW_REMOVE) {
		sonde_buf_over(&b, detail, sizeof(detail) - 1);
		sonde_limit_network_print(&c->network, &b);
	}
	sonde_limit_audit(&l->audit, actor, sonde_limit_verb_name(c->verb), name,
			  detail[0] ? detail : NULL);
}

/* Names and such must end where they should: they come from a process that may be anybody's. */
static bool is_sane(const struct sonde_limit_command *c)
{
	return c->verb < SONDE_LIMIT_VERBS && memchr(c->name, 0, sizeof(c->name)) &&
	       memchr(c->spec.name, 0, sizeof(c->spec.name)) &&
	       memchr(c->spec.iface, 0, sizeof(c->spec.iface)) &&
	       (!c->name[0] || !sonde_limit_check_name(sonde_slice_str(c->name)));
}

void sonde_limiter_command(struct sonde_limiter *l, const struct sonde_limit_command *command,
			   int peer_fd, struct sonde_limit_answer *a)
{
	struct sonde_limit_actor actor;
	int err;

	*a = (struct sonde_limit_answer){ .token = command->token };
	if (!is_sane(command)) {
		answer(a, -EINVAL, "not a request about rules");
		return;
	}
	err = sonde_limit_actor_of(peer_fd, l->config, &actor);
	if (err) {
		answer(a, -EACCES, "needs the role control");
		return;
	}
	if (command->verb != SONDE_LIMIT_LIST) {
		change_and_apply(l, command, &actor, a);
		tell_change(l, command, &actor, a);
		store(l);
		sonde_timer_set(&l->tick, TICK_NS);
	}
	refresh_view(l);
}

/* ---- the config ----------------------------------------------------------------------------- */

/* The rules that CONFIG wishes for, to be freed. Its text has been found good. */
static struct sonde_limit_wish *wishes_of(const struct sonde_config *config, size_t *n)
{
	struct sonde_limit_wish *wishes = calloc(config->limit.n_rules + 1, sizeof(*wishes));

	*n = 0;
	for (size_t i = 0; wishes && i < config->limit.n_rules; i++)
		if (!sonde_limit_wish_of(&config->limit.rules[i], config->limit.trial_ns,
					 &wishes[*n]))
			(*n)++;
	return wishes;
}

/* SET becomes what CONFIG wishes for, all of it or nothing. */
static bool wish(struct sonde_limit_set *set, const struct sonde_config *config, char *error,
		 size_t error_len)
{
	size_t n, at = 0;
	struct sonde_limit_wish *wishes = wishes_of(config, &n);
	const char *wrong =
		wishes ? sonde_limit_set_reload(set, wishes, n, sonde_clock_mono_ns(), &at)
		       : "there is no memory for it";

	if (wrong)
		snprintf(error, error_len, "limit.rules[%zu]: %s: %s", at,
			 at < config->limit.n_rules ? config->limit.rules[at].name : "?", wrong);
	free(wishes);
	return !wrong;
}

static void allow_of_config(struct sonde_limit_set *set, const struct sonde_config *config)
{
	struct sonde_limit_network networks[SONDE_CONFIG_LIST_MAX];
	size_t n = 0;

	for (size_t i = 0; i < config->limit.allow.n_items; i++)
		if (!sonde_limit_network_parse(sonde_slice_str(config->limit.allow.items[i]),
					       &networks[n]))
			n++;
	sonde_limit_allow_replace(set, SONDE_LIMIT_ALLOW_CONFIG, networks, n);
}

static void take_settings(struct sonde_limiter *l, const struct sonde_config *config)
{
	l->config = config;
	l->audit.path = config->limit.audit_path;
	l->audit.max_bytes = config->limit.audit_max_bytes;
	l->audit.max_files = config->limit.audit_max_files;
}

bool sonde_limiter_can_reload(struct sonde_limiter *l, const struct sonde_config *config,
			      char *error, size_t error_len)
{
	memcpy(l->former, l->set, sizeof(*l->former));
	return wish(l->former, config, error, error_len);
}

void sonde_limiter_reload(struct sonde_limiter *l, const struct sonde_config *config)
{
	struct sonde_limit_actor self = { .why = "the config" };
	uint64_t generation = l->set->generation;
	char error[192] = "";

	take_settings(l, config);
	if (!wish(l->set, config, error, sizeof(error)))
		sonde_log(SONDE_LOG_ERROR, "%s; the former rules stay", error);
	allow_of_config(l->set, config);
	if (count_live(l->set))
		sonde_limit_guard_node(l->set);
	if (generation != l->set->generation)
		sonde_limit_audit(&l->audit, &self, "reload", NULL, NULL);
	apply_own(l);
	refresh_view(l);
	if (l->set->n_entries)
		sonde_timer_set(&l->tick, TICK_NS);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void read_boot(char *out, size_t len)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(out, (int)len, f))
		snprintf(out, len, "unknown");
	out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
}

static int open_view(struct sonde_limiter *l)
{
	size_t size = sizeof(struct sonde_limit_view);

	l->view_fd = memfd_create("sonde-limits", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (l->view_fd < 0)
		return -errno;
	if (ftruncate(l->view_fd, (off_t)size))
		return -errno;
	l->view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, l->view_fd, 0);
	if (l->view == MAP_FAILED) {
		l->view = NULL;
		return -errno;
	}
	/* From here on nobody else gets a page of it that can be written to. */
	if (fcntl(l->view_fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL))
		return -errno;
	return 0;
}

static void load(struct sonde_limiter *l)
{
	size_t bad = 0;
	int err = sonde_limit_load(l->run_dir, l->boot, l->set, &bad);

	if (err && err != -ENOENT)
		sonde_log(SONDE_LOG_WARN, "limit: rules of before: %s; they are left behind",
			  err == -ESTALE ? "they are of another boot" : strerror(-err));
	if (bad)
		sonde_log(SONDE_LOG_WARN, "limit: rules of before: %zu lines say nothing", bad);
	l->saved_generation = l->set->generation;
}

/* Rules of before, then those of the config, then what has ended meanwhile. */
static void begin(struct sonde_limiter *l)
{
	char error[192] = "";
	bool left = sonde_limit_kernel_is_left(l->run_dir);

	load(l);
	if (!wish(l->set, l->config, error, sizeof(error)))
		sonde_log(SONDE_LOG_ERROR, "%s; the rules of before stay", error);
	allow_of_config(l->set, l->config);
	sonde_limit_set_expire(l->set, sonde_clock_mono_ns(), on_over, l);
	if (count_live(l->set))
		sonde_limit_guard_node(l->set);
	if (left && !count_live(l->set) &&
	    !sonde_limit_kernel_open(l->run_dir, l->config, &l->kernel, error, sizeof(error))) {
		sonde_limit_kernel_close(l->kernel, false);
		l->kernel = NULL;
	}
	apply_own(l);
	refresh_view(l);
	if (l->set->n_entries)
		sonde_timer_set(&l->tick, TICK_NS);
}

int sonde_limiter_new(struct sonde_loop *loop, const char *run_dir,
		      const struct sonde_config *config, sonde_limit_on_sample *told, void *ctx,
		      struct sonde_limiter **out, char *error, size_t error_len)
{
	struct sonde_limiter *l = calloc(1, sizeof(*l));
	int err = -ENOMEM;

	if (!l)
		return err;
	l->loop = loop;
	l->on_sample = told;
	l->ctx = ctx;
	l->view_fd = -1;
	l->links.watch.fd = -1;
	l->links.changed = links_changed;
	l->tick.watch.fd = -1;
	l->tick.expired = tick_expired;
	snprintf(l->run_dir, sizeof(l->run_dir), "%s", run_dir);
	read_boot(l->boot, sizeof(l->boot));
	take_settings(l, config);
	l->set = calloc(1, sizeof(*l->set));
	l->former = calloc(1, sizeof(*l->former));
	if (l->set && l->former)
		err = open_view(l);
	if (!err)
		err = sonde_timer_start(loop, &l->tick, 0);
	if (!err)
		err = sonde_limit_links_open(loop, &l->links);
	if (err) {
		snprintf(error, error_len, "limit: %s", strerror(-err));
		sonde_limiter_free(l);
		return err;
	}
	begin(l);
	*out = l;
	return 0;
}

void sonde_limiter_free(struct sonde_limiter *l)
{
	if (!l)
		return;
	if (l->kernel)
		sonde_limit_kernel_close(l->kernel, true);
	sonde_limit_links_close(l->loop, &l->links);
	if (l->tick.loop)
		sonde_timer_stop(&l->tick);
	if (l->view)
		munmap(l->view, sizeof(*l->view));
	if (l->view_fd >= 0)
		close(l->view_fd);
	free(l->set);
	free(l->former);
	free(l);
}

int sonde_limiter_view_fd(const struct sonde_limiter *l)
{
	return l->view_fd;
}
