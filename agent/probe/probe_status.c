// SPDX-License-Identifier: Apache-2.0
/* What the kernel says of our programs and maps, and the kernel's rows of the ledger. */
#include "agent/probe/probe_internal.h"

#include <stdio.h>
#include <string.h>

enum { COUNTED_MAX = 2048 }; /* entries of a map: a system call each, twice a second */

static const char *note_for(const struct sonde_probe *p, const struct bpf_program *prog)
{
	const char *missing = sonde_probe_missing(p, prog);

	if (missing || bpf_program__expected_attach_type(prog) == BPF_TRACE_ITER ||
	    bpf_program__type(prog) == BPF_PROG_TYPE_SYSCALL)
		return missing;
	return p->ingress ? NULL : "detached";
}

/* Of a program and its stand-in only the one that works is shown; when neither does, both. */
static bool is_shown(const struct sonde_probe *p, const struct bpf_program *prog)
{
	return bpf_program__fd(prog) >= 0 || note_for(p, prog);
}

static void program_status(struct sonde_probe *p, struct bpf_program *prog,
			   struct sonde_program_status *out)
{
	struct bpf_prog_info info = { 0 };
	const char *note = note_for(p, prog);
	uint32_t len = sizeof(info);

	*out = (struct sonde_program_status){ 0 };
	snprintf(out->name, sizeof(out->name), "%s", bpf_program__name(prog));
	snprintf(out->note, sizeof(out->note), "%s", note ? note : "");
	if (bpf_program__fd(prog) < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		return;
	out->id = info.id;
	out->attached = !note;
	out->runs = info.run_cnt;
	out->run_time_ns = info.run_time_ns;
}

/* What the kernel accounts for a map: the memlock line of its fdinfo. */
static uint64_t map_memory(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	fclose(f);
	return bytes;
}

/* How many entries a hash map has, counted to a bound; UINT64_MAX when it is not to be told. */
static uint64_t count_entries(const struct bpf_map *map)
{
	uint8_t key[64], next[64];
	size_t size = bpf_map__key_size(map);
	uint64_t n = 0;

	if (bpf_map__type(map) != BPF_MAP_TYPE_HASH || size > sizeof(key))
		return UINT64_MAX;
	for (; !bpf_map__get_next_key(map, n ? key : NULL, next, size); n++) {
		if (n == COUNTED_MAX)
			return UINT64_MAX;
		memcpy(key, next, size);
	}
	return n;
}

static void map_status(const struct bpf_map *map, struct sonde_map_status *out)
{
	*out = (struct sonde_map_status){ .entries = count_entries(map) };
	snprintf(out->name, sizeof(out->name), "%s", bpf_map__name(map));
	out->max_entries = bpf_map__max_entries(map);
	out->memory_bytes = map_memory(bpf_map__fd(map));
}

/* Our own count of runs, where the kernel is not told to keep one. */
static void fill_runs(const struct sonde_probe *p, struct sonde_program_status *status,
		      const uint64_t runs[SONDE_PROGRAMS])
{
	const struct bpf_program *const programs[SONDE_PROGRAMS] = {
		[SONDE_PROGRAM_INGRESS] = p->skel->progs.sonde_ingress,
		[SONDE_PROGRAM_EGRESS] = p->skel->progs.sonde_egress,
		[SONDE_PROGRAM_SOCKOPS] = p->skel->progs.sonde_sockops,
		[SONDE_PROGRAM_READ] = p->skel->progs.sonde_read,
		[SONDE_PROGRAM_CREATE] = p->skel->progs.sonde_create,
		[SONDE_PROGRAM_ERROR] = p->skel->progs.sonde_error,
		[SONDE_PROGRAM_DROP] = p->skel->progs.sonde_drop,
	};

	for (int i = 0; i < SONDE_PROGRAMS; i++)
		if (!status->runs && !strcmp(status->name, bpf_program__name(programs[i])))
			status->runs = runs[i];
}

static void sum_counters(struct sonde_probe *p, struct sonde_kernel_status *out)
{
	struct bpf_map *map = p->skel->maps.sonde_counters;
	uint64_t runs[SONDE_PROGRAMS] = { 0 };
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(map), &zero, p->per_cpu))
		return;
	for (int cpu = 0; cpu < p->n_cpus; cpu++) {
		const struct sonde_counters *c = &p->per_cpu[cpu];

		for (int kind = 0; kind < SONDE_REC_TYPES; kind++) {
			out->produced[kind] += c->produced[kind];
			out->ring_full[kind] += c->ring_full[kind];
		}
		for (int i = 0; i < SONDE_PROGRAMS; i++)
			runs[i] += c->runs[i];
		out->storage_failed += c->storage_failed;
		out->pairs_failed += c->pairs_failed;
		out->nats_failed += c->nats_failed;
		out->headers_odd += c->headers_odd;
		out->early_lost += c->early_lost;
		out->udp_uncounted += c->udp_uncounted;
		out->drops_uncounted += c->drops_uncounted;
	}
	for (uint32_t i = 0; i < out->n_programs; i++)
		fill_runs(p, &out->programs[i], runs);
}

void sonde_probe_status(struct sonde_probe *p, struct sonde_kernel_status *out)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	*out = (struct sonde_kernel_status){ 0 };
	bpf_object__for_each_program (prog, p->skel->obj)
		if (out->n_programs < SONDE_STATUS_PROGRAMS && is_shown(p, prog))
			program_status(p, prog, &out->programs[out->n_programs++]);
	bpf_object__for_each_map (map, p->skel->obj)
		if (out->n_maps < SONDE_STATUS_MAPS && bpf_map__fd(map) >= 0)
			map_status(map, &out->maps[out->n_maps++]);
	sum_counters(p, out);
}
