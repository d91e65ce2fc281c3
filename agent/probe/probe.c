// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/probe_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "agent/probe/features.h"

enum { LOG_BYTES = 512, WALK_RING_BYTES = 1 << 20 };

/*
 * Programs that the daemon can do without, and what it then goes without. libbpf cannot ask what a
 * kernel lets an iterator or a tracing program call, so each is simply tried, and the whole object
 * once more without the one that was refused; what can be asked is asked before, for the verifier
 * takes its time. Those with a stand-in come before it: that one is tried when they were refused.
 */
static const struct {
	const char *name, *missing, *stand_in;
} optional[SONDE_PROBE_OPTIONAL] = {
	{ "sonde_adopt", "the kernel refused it: iterators reach sockets from 5.11 on", NULL },
	{ "sonde_progress", "the kernel refused the iterators over socket storage",
	  "sonde_progress_files" },
	{ "sonde_reopen", "the kernel refused the iterators over socket storage",
	  "sonde_reopen_files" },
	{ "sonde_facts", "the kernel refused the iterators over socket storage",
	  "sonde_facts_files" },
	{ "sonde_read", "the kernel refused it: tracepoints reach socket storage from 5.11 on",
	  NULL },
	{ "sonde_create", "the kernel refused it: UDP sockets have no process name", NULL },
	{ "sonde_error", "the kernel has no tracepoint inet_sk_error_report (5.15)", NULL },
	{ "sonde_drop", "the kernel tells no reason for the packets it drops (5.17)", NULL },
	{ "sonde_udp_index", "the kernel refused the iterators over maps", "sonde_udp_walk" },
	{ "sonde_udp_flows", "the kernel refused the iterators over maps", "sonde_udp_walk" },
	{ "sonde_udp_sock", "the kernel refused the iterators over socket storage",
	  "sonde_udp_sock_files" },
	{ "sonde_drop_sums", "the kernel refused the iterators over maps", "sonde_drop_walk" },
	{ "sonde_progress_files", "the kernel refused the iterators over files", NULL },
	{ "sonde_reopen_files", "the kernel refused the iterators over files", NULL },
	{ "sonde_facts_files", "the kernel refused the iterators over files", NULL },
	{ "sonde_udp_sock_files", "the kernel refused the iterators over files", NULL },
	{ "sonde_udp_walk", "the kernel cannot walk over maps (5.14)", NULL },
	{ "sonde_drop_walk", "the kernel cannot walk over maps (5.14)", NULL },
};

/* libbpf's last complaint: what the user should see when a load fails. */
static char last_complaint[LOG_BYTES];

__attribute__((format(printf, 2, 0))) static int keep_complaint(enum libbpf_print_level level,
								const char *format, va_list args)
{
	if (level == LIBBPF_WARN && !last_complaint[0])
		vsnprintf(last_complaint, sizeof(last_complaint), format, args);
	return 0;
}

/* Jiffies have no other name in userspace: the coarse clock moves with them. */
static long tick_ns(void)
{
	struct timespec ts;

	return clock_getres(CLOCK_MONOTONIC_COARSE, &ts) || ts.tv_sec ? 4000000 : ts.tv_nsec;
}

static bool has_helper(enum bpf_prog_type type, enum bpf_func_id helper)
{
	return libbpf_probe_bpf_helper(type, helper, NULL) == 1;
}

static void set_knobs(struct sonde_knobs *k, const struct sonde_config *config,
		      const struct sonde_kernel_types *types)
{
	k->request_head_bytes = config->capture.request_head_bytes;
	k->response_head_bytes = config->capture.response_head_bytes;
	k->watermark_bytes = config->capture.ring_bytes / 4;
	k->progress_period_ns = SONDE_PROBE_PROGRESS_NS * 2;
	k->n_ignored_ports = (uint32_t)config->capture.n_ignored_ports;
	for (size_t i = 0; i < config->capture.n_ignored_ports; i++)
		k->ignored_ports[i] = config->capture.ignored_ports[i];
	k->tick_ns = (uint32_t)tick_ns();
	k->has_task_btf = has_helper(BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_current_task_btf);
	k->has_netns_cookie = has_helper(BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_netns_cookie);
	k->has_skb_task_btf = has_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_get_current_task_btf) &&
			      has_helper(BPF_PROG_TYPE_CGROUP_SOCK, BPF_FUNC_get_current_task_btf);
	k->has_drop_socket = types->drop_socket;
}

static size_t index_of(const char *name)
{
	size_t i = 0;

	while (i < SONDE_PROBE_OPTIONAL && strcmp(optional[i].name, name) != 0)
		i++;
	return i;
}

static bool is_wanted(const struct sonde_probe *p, size_t which)
{
	bool stands_in = false;

	for (size_t i = 0; i < which; i++) {
		if (!optional[i].stand_in ||
		    strcmp(optional[i].stand_in, optional[which].name) != 0)
			continue;
		if (p->missing[i])
			return !p->missing[which];
		stands_in = true;
	}
	return !stands_in && !p->missing[which];
}

/* Known beforehand not to work: no need to try. */
static void give_up(struct sonde_probe *p, const char *name)
{
	size_t i = index_of(name);

	p->missing[i] = optional[i].missing;
}

static void give_up_refused(struct sonde_probe *p)
{
	const struct sonde_kernel_types *t = &p->types;
	struct bpf_program *prog;

	bpf_object__for_each_program (prog, p->skel->obj) {
		const char *section = bpf_program__section_name(prog);

		if ((!t->map_iterators && strcmp(section, "iter/bpf_map_elem") == 0) ||
		    (!t->storage_iterators && strcmp(section, "iter/bpf_sk_storage_map") == 0))
			give_up(p, bpf_program__name(prog));
	}
}

/* One try at loading, without the programs that are known to be missing. */
static int load(struct sonde_probe *p, const struct sonde_config *config)
{
	int err;

	last_complaint[0] = '\0';
	p->skel = sonde_bpf__open();
	if (!p->skel)
		return -errno;
	give_up_refused(p);
	set_knobs(&p->skel->rodata->sonde_knobs, config, &p->types);
	bpf_map__set_max_entries(p->skel->maps.sonde_ring, config->capture.ring_bytes);
	if (is_wanted(p, index_of("sonde_udp_walk")) || is_wanted(p, index_of("sonde_drop_walk")))
		bpf_map__set_max_entries(p->skel->maps.sonde_walk_ring, WALK_RING_BYTES);
	for (size_t i = 0; i < SONDE_PROBE_OPTIONAL; i++)
		if (!is_wanted(p, i))
			bpf_program__set_autoload(
				bpf_object__find_program_by_name(p->skel->obj, optional[i].name),
				false);
	err = sonde_bpf__load(p->skel);
	if (err) {
		sonde_bpf__destroy(p->skel);
		p->skel = NULL;
	}
	return err;
}

/* Whether libbpf's complaint is about an optional program; that one is then left out. */
static bool give_up_one(struct sonde_probe *p)
{
	char quoted[64];

	for (size_t i = 0; i < SONDE_PROBE_OPTIONAL; i++) {
		snprintf(quoted, sizeof(quoted), "'%s'", optional[i].name);
		if (!p->missing[i] && strstr(last_complaint, quoted)) {
			p->missing[i] = optional[i].missing;
			return true;
		}
	}
	return false;
}

static int load_what_works(struct sonde_probe *p, const struct sonde_config *config)
{
	int err;

	sonde_kernel_types_read(&p->types);
	if (!p->types.error_report)
		give_up(p, "sonde_error");
	if (!p->types.drop_reason)
		give_up(p, "sonde_drop");
	do
		err = load(p, config);
	while (err && give_up_one(p));
	return err;
}

const char *sonde_probe_missing(const struct sonde_probe *p, const struct bpf_program *prog)
{
	size_t i = index_of(bpf_program__name(prog));

	if (i < SONDE_PROBE_OPTIONAL && p->missing[i] && optional[i].stand_in &&
	    !p->missing[index_of(optional[i].stand_in)])
		return NULL;
	return i < SONDE_PROBE_OPTIONAL ? p->missing[i] : NULL;
}

struct bpf_program *sonde_probe_usable(const struct sonde_probe *p, struct bpf_program *prog)
{
	size_t i = index_of(bpf_program__name(prog));

	if (i == SONDE_PROBE_OPTIONAL || !p->missing[i] || !optional[i].stand_in)
		return prog;
	return bpf_object__find_program_by_name(p->skel->obj, optional[i].stand_in);
}

void sonde_probe_set_missing(struct sonde_probe *p, const struct bpf_program *prog, const char *why)
{
	p->missing[index_of(bpf_program__name(prog))] = why;
}

static void raise_memlock(void)
{
	/* Before 5.11 map memory counts against it; later the call changes nothing that matters. */
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

static int map_control(struct sonde_probe *p)
{
	void *page = mmap(NULL, sizeof(struct sonde_control), PROT_READ | PROT_WRITE, MAP_SHARED,
			  bpf_map__fd(p->skel->maps.sonde_control), 0);

	if (page == MAP_FAILED)
		return -errno;
	p->control = page;
	return 0;
}

static const char *hint_for(int err)
{
	bool root = geteuid() == 0;

	switch (-err) {
	case EPERM:
		return root ? "root may not do it here: it lacks CAP_BPF, CAP_PERFMON or "
			      "CAP_NET_ADMIN, or the kernel is locked down; see `sonde doctor`"
			    : "run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN";
	case EACCES:
		return root ? "the kernel's verifier refused it; please report, with `uname -r`"
			    : "run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN";
	case ESRCH:
	case ENOENT:
		return "the kernel shows no BTF (/sys/kernel/btf/vmlinux)";
	default:
		return "see `sonde doctor`";
	}
}

int sonde_probe_open(const struct sonde_config *config, const char *cgroup_root,
		     struct sonde_probe **out, char *error, size_t error_len)
{
	struct sonde_probe *p = calloc(1, sizeof(*p));
	const char *what = "load";
	int err = -ENOMEM;

	if (!p)
		return err;
	p->cgroup_fd = -1;
	libbpf_set_print(keep_complaint);
	raise_memlock();
	err = load_what_works(p, config);
	if (err)
		goto out;
	what = cgroup_root;
	p->cgroup_fd = open(cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->cgroup_fd < 0) {
		err = -errno;
		goto out;
	}
	what = "counters";
	p->n_cpus = libbpf_num_possible_cpus();
	p->per_cpu = calloc((size_t)(p->n_cpus > 0 ? p->n_cpus : 1), sizeof(*p->per_cpu));
	err = p->per_cpu ? map_control(p) : -ENOMEM;
out:
	if (err) {
		last_complaint[strcspn(last_complaint, "\n")] = '\0';
		snprintf(error, error_len, "kernel programs: %s: %s (%s); %s", what, strerror(-err),
			 last_complaint, hint_for(err));
		sonde_probe_close(p);
		return err;
	}
	*out = p;
	return 0;
}

static void drop_link(struct bpf_link **link)
{
	bpf_link__destroy(*link);
	*link = NULL;
}

void sonde_probe_detach(struct sonde_probe *p)
{
	drop_link(&p->ingress);
	drop_link(&p->egress);
	drop_link(&p->sockops);
	for (size_t i = 0; i < p->n_traces; i++)
		drop_link(&p->traces[i]);
	p->n_traces = 0;
}

void sonde_probe_close(struct sonde_probe *p)
{
	if (!p)
		return;
	sonde_probe_detach(p);
	drop_link(&p->adopt);
	for (size_t i = 0; i < SONDE_PROBE_ITERATORS; i++)
		drop_link(&p->iterators[i]);
	if (p->control)
		munmap(p->control, sizeof(*p->control));
	sonde_bpf__destroy(p->skel);
	if (p->cgroup_fd >= 0)
		close(p->cgroup_fd);
	free(p->per_cpu);
	free(p);
}

static int attach_one(struct sonde_probe *p, struct bpf_program *prog, struct bpf_link **link,
		      char *error, size_t error_len)
{
	int err;

	*link = bpf_program__attach_cgroup(prog, p->cgroup_fd);
	if (*link)
		return 0;
	err = -errno;
	snprintf(error, error_len, "%s: attach to the root cgroup: %s; %s", bpf_program__name(prog),
		 strerror(-err), hint_for(err));
	return err;
}

/* What can be done without: a program that does not attach is missing, and that is said. */
static void attach_optional(struct sonde_probe *p)
{
	struct bpf_program *const traces[SONDE_PROBE_TRACES] = {
		p->skel->progs.sonde_read,
		p->skel->progs.sonde_create,
		p->skel->progs.sonde_error,
		p->skel->progs.sonde_drop,
	};

	for (size_t i = 0; i < SONDE_PROBE_TRACES; i++) {
		struct bpf_link *link;

		if (sonde_probe_missing(p, traces[i]))
			continue;
		link = bpf_program__type(traces[i]) == BPF_PROG_TYPE_TRACING
			       ? bpf_program__attach(traces[i])
			       : bpf_program__attach_cgroup(traces[i], p->cgroup_fd);
		if (link)
			p->traces[p->n_traces++] = link;
		else
			sonde_probe_set_missing(p, traces[i], "it could not be attached");
	}
}

int sonde_probe_attach(struct sonde_probe *p, char *error, size_t error_len)
{
	int err;

	/* Callbacks first: a connection opened meanwhile must not be taken for an old one. */
	err = attach_one(p, p->skel->progs.sonde_sockops, &p->sockops, error, error_len);
	if (!err)
		err = attach_one(p, p->skel->progs.sonde_ingress, &p->ingress, error, error_len);
	if (!err)
		err = attach_one(p, p->skel->progs.sonde_egress, &p->egress, error, error_len);
	if (err)
		sonde_probe_detach(p);
	else
		attach_optional(p);
	return err;
}

void sonde_probe_set_own(struct sonde_probe *p, uint32_t broker_pid, uint32_t worker_pid)
{
	p->control->broker_pid = broker_pid;
	p->control->worker_pid = worker_pid;
}

void sonde_probe_set_canary(struct sonde_probe *p, uint16_t port)
{
	p->control->canary_port = port;
}

int sonde_probe_ignore_cgroup(struct sonde_probe *p, uint64_t id)
{
	uint8_t one = 1;

	return bpf_map__update_elem(p->skel->maps.sonde_ignored, &id, sizeof(id), &one, sizeof(one),
				    BPF_ANY);
}

void sonde_probe_ignore_none(struct sonde_probe *p)
{
	struct bpf_map *map = p->skel->maps.sonde_ignored;
	uint64_t id;

	while (!bpf_map__get_next_key(map, NULL, &id, sizeof(id)))
		if (bpf_map__delete_elem(map, &id, sizeof(id), 0))
			return;
}

size_t sonde_probe_reasons(const struct sonde_probe *p, const char (**names)[SONDE_REASON_NAME])
{
	*names = p->types.reasons;
	return p->types.n_reasons;
}

int sonde_probe_ring_fd(const struct sonde_probe *p)
{
	return bpf_map__fd(p->skel->maps.sonde_ring);
}

int sonde_probe_control_fd(const struct sonde_probe *p)
{
	return bpf_map__fd(p->skel->maps.sonde_control);
}
