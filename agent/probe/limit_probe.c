// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/limit_probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/probe/limit_tables.h"

#include <bpf/limit.skel.h> // NOLINT

enum { PATH_BYTES = 256 };

struct table {
	void *at;
	size_t bytes;
};

struct sonde_limit_probe {
	struct limit_bpf *skel;
	struct ring_buffer *ring;
	char pins[PATH_BYTES];
	bool adopted;
	uint32_t variant; /* enum variant */
	int n_cpus;
	struct table control, sets, prefixes, ports, vectors, rules;
	struct sonde_limit_tables tables;
	sonde_limit_probe_on_sample *on_sample;
	void *ctx;
};

static int fail(int err, char *error, size_t error_len, const char *what)
{
	snprintf(error, error_len, "%s: %s", what, strerror(-err));
	return err;
}

uint64_t sonde_limit_probe_memory(uint32_t sources)
{
	const uint64_t generation =
		sizeof(struct sonde_xdp_set) +
		(uint64_t)SONDE_XDP_PREFIX_TABLE * sizeof(struct sonde_xdp_prefix) +
		(uint64_t)65536 * sizeof(uint16_t) +
		(uint64_t)SONDE_XDP_VECTORS * sizeof(struct sonde_xdp_vector) +
		(uint64_t)SONDE_XDP_RULES * sizeof(struct sonde_xdp_rule);
	const uint64_t cpu =
		(uint64_t)SONDE_XDP_RULES * sizeof(struct sonde_xdp_rule_counts) +
		((uint64_t)SONDE_XDP_IFACES + 1) * sizeof(struct sonde_xdp_iface_counts);
	const uint64_t lines = sonde_limit_lines(sources);

	return lines * sizeof(struct sonde_xdp_line) + 2 * generation + SONDE_XDP_RING_BYTES +
	       (uint64_t)libbpf_num_possible_cpus() * cpu;
}

/* ---- open ---------------------------------------------------------------------------------- */

/* Whether pins can live there; the place that the kernel keeps for it is made one when it is not.
 */
static bool is_bpffs(const char *path)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME;
	struct statfs fs;

	if (statfs(path, &fs))
		return false;
	if (fs.f_type == SYSFS_MAGIC && !mount("bpf", path, "bpf", flags, "mode=0700"))
		return true;
	return fs.f_type == BPF_FS_MAGIC;
}

static int make_pins(const char *pins, char *error, size_t error_len)
{
	char parent[PATH_BYTES];
	struct stat st;
	char *slash;

	snprintf(parent, sizeof(parent), "%s", pins);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return fail(-EINVAL, error, error_len, pins);
	*slash = '\0';
	if (!is_bpffs(parent)) {
		snprintf(error, error_len,
			 "%s: no bpffs is mounted there: mount -t bpf bpf /sys/fs/bpf", parent);
		return -ENOTSUP;
	}
	if (mkdir(pins, 0700) && errno != EEXIST)
		return fail(-errno, error, error_len, pins);
	if (lstat(pins, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077)) {
		snprintf(error, error_len, "%s: belongs to somebody else, or others may enter",
			 pins);
		return -EPERM;
	}
	return 0;
}

static int map_table(struct bpf_map *map, struct table *t)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes =
		(size_t)bpf_map__max_entries(map) * ((bpf_map__value_size(map) + 7) & ~(size_t)7);

	t->bytes = (bytes + page - 1) & ~(page - 1);
	t->at = mmap(NULL, t->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (t->at == MAP_FAILED) {
		t->at = NULL;
		return -errno;
	}
	return 0;
}

/* Buckets that are there keep their number. */
static uint32_t pinned_lines(const char *path)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.max_entries = 0;
	close(fd);
	return info.max_entries;
}

static int pin_maps(struct sonde_limit_probe *p, uint32_t lines)
{
	struct bpf_map *map;
	char path[PATH_BYTES + 64];
	uint32_t there;
	int err = 0;

	bpf_object__for_each_map (map, p->skel->obj) {
		if (bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", p->pins, bpf_map__name(map));
		err = bpf_map__set_pin_path(map, path);
		if (!err && map == p->skel->maps.limit_lines) {
			there = pinned_lines(path);
			p->adopted = there != 0;
			err = bpf_map__set_max_entries(map, there ? there : lines);
		}
		if (err)
			break;
	}
	return err;
}

/* The forms of the program, the best first: what a kernel does not know it refuses to load. */
enum variant {
	VARIANT_FRAGS = 0, /* packets in several buffers, 5.18 */
	VARIANT_PLAIN = 1, /* compare-and-swap, 5.12 */
	VARIANT_OLD = 2,
	VARIANTS = 3,
};

static struct bpf_program *program_of(const struct sonde_limit_probe *p, uint32_t variant)
{
	struct bpf_program *const all[VARIANTS] = { p->skel->progs.sonde_limit_frg,
						    p->skel->progs.sonde_limit,
						    p->skel->progs.sonde_limit_old };

	return all[variant];
}

static int load(struct sonde_limit_probe *p, uint32_t lines, uint32_t variant)
{
	int err;

	p->skel = limit_bpf__open();
	if (!p->skel)
		return -errno;
	for (uint32_t i = 0; i < VARIANTS; i++)
		bpf_program__set_autoload(program_of(p, i), i == variant);
	err = pin_maps(p, lines);
	if (!err)
		err = limit_bpf__load(p->skel);
	if (err) {
		limit_bpf__destroy(p->skel);
		p->skel = NULL;
	}
	p->variant = variant;
	return err;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct sonde_limit_probe *p = ctx;
	const struct sonde_xdp_limited *r = data;
	struct sonde_limit_probe_sample s = { 0 };

	if (size < sizeof(*r) || r->rec.type != SONDE_REC_LIMITED || !p->on_sample)
		return 0;
	s.stamp_ns = r->stamp_ns;
	s.weight = r->weight;
	memcpy(s.source, r->source, 16);
	memcpy(s.destination, r->destination, 16);
	s.source_port = r->source_port;
	s.destination_port = r->destination_port;
	s.bytes = r->bytes;
	s.rule = r->rule;
	s.ifindex = r->ifindex;
	s.protocol = r->protocol;
	s.dropped = r->action == SONDE_XDP_DROP;
	s.unit = r->unit;
	p->on_sample(p->ctx, &s);
	return 0;
}

static int map_tables(struct sonde_limit_probe *p)
{
	int err = map_table(p->skel->maps.limit_control, &p->control);

	if (!err)
		err = map_table(p->skel->maps.limit_sets, &p->sets);
	if (!err)
		err = map_table(p->skel->maps.limit_prefixes, &p->prefixes);
	if (!err)
		err = map_table(p->skel->maps.limit_ports, &p->ports);
	if (!err)
		err = map_table(p->skel->maps.limit_vectors, &p->vectors);
	if (!err)
		err = map_table(p->skel->maps.limit_rules, &p->rules);
	return err;
}

static void first_values(struct sonde_limit_probe *p, const struct sonde_limit_probe_config *c)
{
	struct sonde_xdp_control *control = p->control.at;

	if (control->version != SONDE_XDP_ABI) {
		memset(control, 0, sizeof(*control));
		if (getrandom(&control->bucket_seed, sizeof(control->bucket_seed), 0) < 0)
			control->bucket_seed = (uint64_t)(uintptr_t)p;
		control->version = SONDE_XDP_ABI;
	}
	control->line_mask = bpf_map__max_entries(p->skel->maps.limit_lines) - 1;
	control->sample_gap_ns =
		c->samples_per_second ? 1000000000u / c->samples_per_second : 1000000000u;
}

int sonde_limit_probe_open(const struct sonde_limit_probe_config *config,
			   struct sonde_limit_probe **out, char *error, size_t error_len)
{
	struct sonde_limit_probe *p;
	int err = make_pins(config->pins, error, error_len);

	if (err)
		return err;
	p = calloc(1, sizeof(*p));
	if (!p)
		return fail(-ENOMEM, error, error_len, "limiter");
	snprintf(p->pins, sizeof(p->pins), "%s", config->pins);
	p->n_cpus = libbpf_num_possible_cpus();
	err = -EINVAL;
	for (uint32_t v = 0; v < VARIANTS && err; v++)
		err = load(p, sonde_limit_lines(config->sources), v);
	if (!err)
		err = map_tables(p);
	if (!err) {
		p->ring =
			ring_buffer__new(bpf_map__fd(p->skel->maps.limit_ring), on_record, p, NULL);
		if (!p->ring)
			err = -errno;
	}
	if (err) {
		sonde_limit_probe_close(p);
		return fail(err, error, error_len, "limiter: the kernel refuses the program");
	}
	first_values(p, config);
	sonde_limit_tables_init(&p->tables, p->control.at, p->sets.at, p->prefixes.at, p->ports.at,
				p->vectors.at, p->rules.at);
	*out = p;
	return 0;
}

static void unmap(struct table *t)
{
	if (t->at)
		munmap(t->at, t->bytes);
}

void sonde_limit_probe_close(struct sonde_limit_probe *p)
{
	if (!p)
		return;
	unmap(&p->control);
	unmap(&p->sets);
	unmap(&p->prefixes);
	unmap(&p->ports);
	unmap(&p->vectors);
	unmap(&p->rules);
	ring_buffer__free(p->ring);
	limit_bpf__destroy(p->skel);
	free(p);
}

bool sonde_limit_probe_adopted(const struct sonde_limit_probe *p)
{
	return p->adopted;
}

/* ---- rules --------------------------------------------------------------------------------- */

static void forget_counts(struct bpf_map *map, uint32_t slot, size_t size, int n_cpus)
{
	void *zeros = calloc((size_t)n_cpus, (size + 7) & ~(size_t)7);

	if (zeros)
		bpf_map_update_elem(bpf_map__fd(map), &slot, zeros, BPF_ANY);
	free(zeros);
}

int sonde_limit_probe_apply(struct sonde_limit_probe *p, const struct sonde_limit_probe_set *set,
			    char *error, size_t error_len)
{
	struct sonde_limit_fresh fresh = { 0 };
	int err = sonde_limit_tables_fill(&p->tables, set, &fresh, error, error_len);

	if (err)
		return err;
	for (size_t i = 0; i < SONDE_XDP_RULES; i++)
		if (fresh.rules[i])
			forget_counts(p->skel->maps.limit_counts, (uint32_t)i,
				      sizeof(struct sonde_xdp_rule_counts), p->n_cpus);
	for (size_t i = 0; i < SONDE_XDP_IFACES; i++)
		if (fresh.ifaces[i])
			forget_counts(p->skel->maps.limit_ifaces, (uint32_t)i,
				      sizeof(struct sonde_xdp_iface_counts), p->n_cpus);
	sonde_limit_tables_swap(&p->tables);
	return 0;
}

void sonde_limit_probe_lease(struct sonde_limit_probe *p, uint64_t until_ns)
{
	struct sonde_xdp_control *control = p->control.at;

	__atomic_store_n(&control->lease_ns, until_ns, __ATOMIC_RELEASE);
}

uint64_t sonde_limit_probe_lease_ns(const struct sonde_limit_probe *p)
{
	const struct sonde_xdp_control *control = p->control.at;

	return control->lease_ns;
}

/* ---- links --------------------------------------------------------------------------------- */

static int program_fd(const struct sonde_limit_probe *p)
{
	return bpf_program__fd(program_of(p, p->variant));
}

static void link_path(const char *pins, uint32_t ifindex, char out[PATH_BYTES + 64])
{
	snprintf(out, PATH_BYTES + 64, "%s/link-%u", pins, ifindex);
}

static int link_info(int fd, struct bpf_link_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len);
}

/* The mode of the link, which a link does not tell itself. -ENOENT: it does not hold IFINDEX. */
static int mode_of(int link, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_link_info info;
	int err = link_info(link, &info);

	if (err || info.xdp.ifindex != ifindex)
		return -ENOENT;
	err = bpf_xdp_query((int)ifindex, 0, &q);
	if (err)
		return err;
	return q.skb_prog_id == info.prog_id ? SONDE_LIMIT_PROBE_GENERIC : SONDE_LIMIT_PROBE_NATIVE;
}

/* Exchanges the program of our link on the interface. -ENOENT: there is none of this mode. */
static int exchange(struct sonde_limit_probe *p, uint32_t ifindex, const char *path,
		    enum sonde_limit_probe_mode mode)
{
	int fd = bpf_obj_get(path), is, err;

	if (fd < 0)
		return -ENOENT;
	is = mode_of(fd, ifindex);
	if (is == (int)mode) {
		err = bpf_link_update(fd, program_fd(p), NULL);
	} else {
		if (is >= 0)
			bpf_link_detach(fd);
		unlink(path);
		err = -ENOENT;
	}
	close(fd);
	return err;
}

static int say_owner(uint32_t ifindex, char *error, size_t error_len)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd;

	bpf_xdp_query((int)ifindex, 0, &q);
	fd = bpf_prog_get_fd_by_id(q.prog_id);
	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &len);
		close(fd);
	}
	snprintf(error, error_len, "XDP is taken by another program, id %u (%s); it is left alone",
		 q.prog_id, info.name);
	return -EBUSY;
}

int sonde_limit_probe_mode(struct sonde_limit_probe *p, uint32_t ifindex)
{
	char path[PATH_BYTES + 64];
	int fd, mode;

	link_path(p->pins, ifindex, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -ENOENT;
	mode = mode_of(fd, ifindex);
	close(fd);
	return mode;
}

int sonde_limit_probe_attach(struct sonde_limit_probe *p, uint32_t ifindex,
			     enum sonde_limit_probe_mode mode, char *error, size_t error_len)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = mode == SONDE_LIMIT_PROBE_GENERIC ? XDP_FLAGS_SKB_MODE
							       : XDP_FLAGS_DRV_MODE);
	char path[PATH_BYTES + 64];
	int fd, err;

	link_path(p->pins, ifindex, path);
	err = exchange(p, ifindex, path, mode);
	if (err != -ENOENT)
		return err ? fail(err, error, error_len, "exchange of the program") : 0;
	fd = bpf_link_create(program_fd(p), (int)ifindex, BPF_XDP, &opts);
	if (fd == -EBUSY || fd == -EEXIST)
		return say_owner(ifindex, error, error_len);
	if (fd < 0)
		return fail(fd, error, error_len, "attach");
	err = bpf_obj_pin(fd, path);
	close(fd);
	return err ? fail(err, error, error_len, path) : 0;
}

static int detach_path(const char *path)
{
	int fd = bpf_obj_get(path), err = 0;

	if (fd < 0)
		return -ENOENT;
	if (bpf_link_detach(fd) && errno != ENOLINK)
		err = -errno;
	close(fd);
	unlink(path);
	return err;
}

int sonde_limit_probe_detach(struct sonde_limit_probe *p, uint32_t ifindex)
{
	char path[PATH_BYTES + 64];

	link_path(p->pins, ifindex, path);
	return detach_path(path);
}

int sonde_limit_probe_remove(const char *pins, char *error, size_t error_len)
{
	DIR *dir = opendir(pins);
	struct dirent *entry;
	char path[PATH_BYTES + 256];

	if (!dir)
		return errno == ENOENT ? 0 : fail(-errno, error, error_len, pins);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", pins, entry->d_name);
		if (strncmp(entry->d_name, "link-", 5) == 0)
			detach_path(path);
		else
			unlink(path);
	}
	closedir(dir);
	return rmdir(pins) && errno != ENOENT ? fail(-errno, error, error_len, pins) : 0;
}

/* ---- counts -------------------------------------------------------------------------------- */

int sonde_limit_probe_rule(struct sonde_limit_probe *p, uint32_t id,
			   struct sonde_limit_probe_counts *out)
{
	int slot = sonde_limit_tables_rule_slot(&p->tables, id);
	struct sonde_xdp_rule_counts *each = calloc((size_t)p->n_cpus, sizeof(*each));
	int err = slot < 0 ? -ENOENT : !each ? -ENOMEM : 0;

	if (!err && bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.limit_counts), &slot, each))
		err = -errno;
	if (!err) {
		*out = (struct sonde_limit_probe_counts){ 0 };
		for (int i = 0; i < p->n_cpus; i++) {
			out->passed += each[i].passed;
			out->passed_bytes += each[i].passed_bytes;
			out->limited += each[i].limited;
			out->limited_bytes += each[i].limited_bytes;
		}
	}
	free(each);
	return err;
}

int sonde_limit_probe_iface(struct sonde_limit_probe *p, uint32_t ifindex,
			    struct sonde_limit_probe_iface *out)
{
	int slot = sonde_limit_tables_iface_slot(&p->tables, ifindex);
	struct sonde_xdp_iface_counts *each = calloc((size_t)p->n_cpus, sizeof(*each));
	int err = slot < 0 ? -ENOENT : !each ? -ENOMEM : 0;

	if (!err && bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.limit_ifaces), &slot, each))
		err = -errno;
	if (!err)
		*out = (struct sonde_limit_probe_iface){ 0 };
	for (int i = 0; !err && i < p->n_cpus; i++) {
		for (int k = 0; k < SONDE_LIMIT_PROBE_OUTCOMES; k++) {
			out->packets[k] += each[i].packets[k];
			out->bytes[k] += each[i].bytes[k];
		}
		out->fragments += each[i].fragments;
		out->crowded += each[i].crowded;
		out->contended += each[i].contended;
		out->skipped += each[i].skipped;
		out->samples += each[i].samples;
		out->samples_lost += each[i].samples_lost;
	}
	free(each);
	return err;
}

int sonde_limit_probe_samples(struct sonde_limit_probe *p, sonde_limit_probe_on_sample *on_sample,
			      void *ctx)
{
	p->on_sample = on_sample;
	p->ctx = ctx;
	return ring_buffer__consume(p->ring);
}
