// SPDX-License-Identifier: Apache-2.0
/*
 * limit_bed - the limiter's program, run on crafted packets by BPF_PROG_TEST_RUN, with a clock that
 * the test sets.
 *
 * Nothing is attached or pinned. Packets seem to come in on the loopback interface of this network
 * namespace, whose number is 1.
 */
#ifndef SONDE_TESTS_BPF_LIMIT_BED_H
#define SONDE_TESTS_BPF_LIMIT_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>

#include "agent/probe/limit_tables.h"
#include "bpf/abi/limit.h"
#include "bpf/limit.skel.h" /* NOLINT */

enum {
	BED_LOOPBACK = 1,
	BED_FRAME = 1024,
	BED_DROP = 1, /* XDP_DROP */
	BED_PASS = 2,
};

#define BED_SECOND UINT64_C(1000000000)
#define BED_START  (1000 * BED_SECOND)

struct bed {
	struct limit_bpf *skel;
	struct sonde_limit_tables tables;
	struct sonde_xdp_control *control;
	int program;
};

static inline void *bed_map(const struct bpf_map *map)
{
	size_t bytes = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

/* OLD: the form for kernels before 5.12. */
static inline int bed_load(struct bed *b, uint32_t lines, bool old)
{
	b->skel = limit_bpf__open();
	assert_non_null(b->skel);
	b->skel->rodata->limit_knobs.test_clock = 1;
	bpf_map__set_max_entries(b->skel->maps.limit_lines, lines);
	bpf_program__set_autoload(b->skel->progs.sonde_limit, !old);
	bpf_program__set_autoload(b->skel->progs.sonde_limit_frg, false);
	bpf_program__set_autoload(b->skel->progs.sonde_limit_old, old);
	if (limit_bpf__load(b->skel)) {
		limit_bpf__destroy(b->skel);
		return -1;
	}
	b->program =
		bpf_program__fd(old ? b->skel->progs.sonde_limit_old : b->skel->progs.sonde_limit);
	return 0;
}

/*
 * With LINES of buckets, a power of two, and the clock at BED_START. SONDE_LIMIT_OLD in the
 * environment asks for the form that old kernels get, which they get in any case.
 */
static inline void bed_open(struct bed *b, uint32_t lines)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* before 5.11 maps count against it */
	if (getenv("SONDE_LIMIT_OLD") || bed_load(b, lines, false))
		assert_int_equal(bed_load(b, lines, true), 0);
	b->control = bed_map(b->skel->maps.limit_control);
	sonde_limit_tables_init(
		&b->tables, b->control, bed_map(b->skel->maps.limit_sets),
		bed_map(b->skel->maps.limit_prefixes), bed_map(b->skel->maps.limit_ports),
		bed_map(b->skel->maps.limit_vectors), bed_map(b->skel->maps.limit_rules));
	b->control->version = SONDE_XDP_ABI;
	b->control->lease_ns = UINT64_MAX;
	b->control->bucket_seed = 0x5eed;
	b->control->line_mask = lines - 1;
	b->control->sample_gap_ns = BED_SECOND;
	b->control->test_now_ns = BED_START;
}

static inline void bed_close(struct bed *b)
{
	limit_bpf__destroy(b->skel);
}

static inline void bed_apply(struct bed *b, const struct sonde_limit_probe_set *set)
{
	struct sonde_limit_fresh fresh = { 0 };
	char error[256] = "";

	if (sonde_limit_tables_fill(&b->tables, set, &fresh, error, sizeof(error)))
		fail_msg("%s", error);
	sonde_limit_tables_swap(&b->tables);
}

/* The verdict on one packet: BED_PASS or BED_DROP. */
static inline uint32_t bed_run(const struct bed *b, const uint8_t *frame, size_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = (uint32_t)len,
		    .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(b->program, &run), 0);
	return run.retval;
}

/* What this interface has counted, over all CPUs. */
static inline struct sonde_xdp_iface_counts bed_counts(const struct bed *b)
{
	struct sonde_xdp_iface_counts each[256], sum = { 0 };
	int slot = sonde_limit_tables_iface_slot(&b->tables, BED_LOOPBACK);
	uint64_t *to = (uint64_t *)&sum;
	uint32_t key = slot < 0 ? SONDE_XDP_IFACES : (uint32_t)slot;

	assert_in_range(libbpf_num_possible_cpus(), 1, 256);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.limit_ifaces), &key, each),
			 0);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		for (size_t i = 0; i < sizeof(sum) / 8; i++)
			to[i] += ((const uint64_t *)&each[cpu])[i];
	return sum;
}

static inline struct sonde_xdp_rule_counts bed_rule(const struct bed *b, uint32_t id)
{
	struct sonde_xdp_rule_counts each[256], sum = { 0 };
	int slot = sonde_limit_tables_rule_slot(&b->tables, id);
	uint32_t key = (uint32_t)slot;

	assert_true(slot >= 0);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.limit_counts), &key, each),
			 0);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++) {
		sum.passed += each[cpu].passed;
		sum.passed_bytes += each[cpu].passed_bytes;
		sum.limited += each[cpu].limited;
		sum.limited_bytes += each[cpu].limited_bytes;
	}
	return sum;
}

#endif
