// SPDX-License-Identifier: Apache-2.0
/*
 * limit_bench - nanoseconds that the limiter takes for a packet, over an empty program.
 *
 * BPF_PROG_TEST_RUN, minimum of nine. A small program in front gives each run another source, as
 * many as asked for, and goes on to the limiter or to a program that only passes; the difference is
 * the limiter. One JSON object on stdout.
 */
#include <bpf/bpf.h>
#include <err.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/probe/limit_tables.h"
#include "bpf/abi/limit.h"
#include "bpf/limit.skel.h" /* NOLINT */

enum { ROUNDS = 9, REPEAT = 200000, LOOPBACK = 1, SOURCE_AT = 26, FRAME = 64, RULE = 1 };

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MAP_FD(d, fd) \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
#define MOV_REG(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOV_IMM(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ALU(op, d, i) INSN(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define CALL(f)	      INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT	      INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

struct bench {
	struct limit_bpf *skel;
	struct sonde_limit_tables tables;
	struct sonde_xdp_control *control;
	int chain; /* program array: 0 what is measured */
	int empty;
};

static int load(const struct bpf_insn *insns, size_t n)
{
	/* As libbpf gives the limiter: programs that call each other must have it in common. */
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "limit_bench", "GPL", insns, n, &opts);

	if (fd < 0)
		err(1, "bench program");
	return fd;
}

/* A program that counts up in COUNTER, makes (count & MASK) * an odd number the source, goes on. */
static int load_front(int chain, int counter, uint32_t mask)
{
	const struct bpf_insn insns[] = {
		MOV_REG(6, 1),
		INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
		MAP_FD(1, counter),
		MOV_REG(2, 10),
		ALU(BPF_ADD, 2, -4),
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 14, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_DW, 3, 0, 0, 0),
		ALU(BPF_ADD, 3, 1),
		INSN(BPF_STX | BPF_MEM | BPF_DW, 0, 3, 0, 0),
		ALU(BPF_AND, 3, (int)mask),
		ALU(BPF_MUL, 3, 0x2545f491),
		INSN(BPF_LDX | BPF_MEM | BPF_W, 4, 6, 0, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_W, 5, 6, 4, 0),
		MOV_REG(2, 4),
		ALU(BPF_ADD, 2, SOURCE_AT + 4),
		INSN(BPF_JMP | BPF_JGT | BPF_X, 2, 5, 1, 0),
		INSN(BPF_STX | BPF_MEM | BPF_W, 4, 3, SOURCE_AT, 0),
		MOV_REG(1, 6),
		MAP_FD(2, chain),
		MOV_IMM(3, 0),
		CALL(BPF_FUNC_tail_call),
		MOV_IMM(0, XDP_PASS),
		EXIT,
	};

	return load(insns, sizeof(insns) / sizeof(insns[0]));
}

static void *map_at(const struct bpf_map *map)
{
	size_t bytes = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (at == MAP_FAILED)
		err(1, "map");
	return at;
}

static void open_limiter(struct bench *b)
{
	const struct bpf_insn empty[] = { MOV_IMM(0, XDP_PASS), EXIT };

	b->skel = limit_bpf__open_and_load();
	if (!b->skel)
		err(1, "limiter");
	b->control = map_at(b->skel->maps.limit_control);
	sonde_limit_tables_init(
		&b->tables, b->control, map_at(b->skel->maps.limit_sets),
		map_at(b->skel->maps.limit_prefixes), map_at(b->skel->maps.limit_ports),
		map_at(b->skel->maps.limit_vectors), map_at(b->skel->maps.limit_rules));
	b->control->version = SONDE_XDP_ABI;
	b->control->lease_ns = UINT64_MAX;
	b->control->bucket_seed = 0x9e3779b97f4a7c15;
	b->control->line_mask = bpf_map__max_entries(b->skel->maps.limit_lines) - 1;
	b->control->sample_gap_ns = 1000000;
	b->chain = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "chain", 4, 4, 1, NULL);
	b->empty = load(empty, 2);
}

/* One rule for every packet, and N allowed networks of /32 that none of the sources is in. */
static void apply(struct bench *b, uint32_t id, uint64_t rate, uint32_t n)
{
	struct sonde_limit_probe_network *allows = calloc(n + 1, sizeof(*allows));
	struct sonde_limit_probe_rule r = { .id = id,
					    .ifindex = LOOPBACK,
					    .rate = rate,
					    .burst = rate < 10 ? 10 : rate / 10,
					    .expires_ns = UINT64_MAX };
	const struct sonde_limit_probe_set set = { &r, RULE, allows, n };
	struct sonde_limit_fresh fresh = { 0 };
	char error[256];

	if (!allows)
		err(1, "allows");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (i + 1) * 2654435761u | 1u << 31; /* the sources vary below */

		memcpy(allows[i].address, (const uint8_t[12]){ [10] = 0xff, 0xff }, 12);
		memcpy(allows[i].address + 12, &at, 4);
		allows[i].bits = (uint8_t)(i % 4 == 0 ? 120 : 128);
	}
	if (sonde_limit_tables_fill(&b->tables, &set, &fresh, error, sizeof(error)))
		errx(1, "%s", error);
	sonde_limit_tables_swap(&b->tables);
	free(allows);
}

static double run(int program)
{
	static const uint8_t frame[FRAME] = {
		[12] = 8, [14] = 0x45, [22] = 64, [23] = 17, [26] = 10, [37] = 80, [39] = 18
	};
	double least = 1e18;

	for (int i = 0; i < ROUNDS; i++) {
		uint8_t out[FRAME];
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = FRAME,
			    .data_out = out, .data_size_out = FRAME, .repeat = REPEAT);

		if (bpf_prog_test_run_opts(program, &opts))
			err(1, "test run");
		if (opts.duration < least)
			least = opts.duration;
	}
	return least;
}

/* What the limiter adds for sources out of MASK + 1. */
static double added(struct bench *b, uint32_t mask)
{
	int counter = bpf_map_create(BPF_MAP_TYPE_ARRAY, "counter", 4, 8, 1, NULL);
	int front = load_front(b->chain, counter, mask), zero = 0;
	int limiter = bpf_program__fd(b->skel->progs.sonde_limit);
	double with, without;

	if (bpf_map_update_elem(b->chain, &zero, &b->empty, 0))
		err(1, "chain");
	without = run(front);
	if (bpf_map_update_elem(b->chain, &zero, &limiter, 0))
		err(1, "chain");
	with = run(front);
	return with - without;
}

int main(void)
{
	struct bench b = { 0 };

	open_limiter(&b);
	apply(&b, 1, 100, 0);
	printf("{\"one_source_limited_ns\":%.0f,", added(&b, 0));
	apply(&b, 2, 1000000000, 0);
	printf("\"one_source_passed_ns\":%.0f,", added(&b, 0));
	apply(&b, 3, 100, 0);
	printf("\"sources_32k_ns\":%.0f,", added(&b, (1 << 15) - 1));
	apply(&b, 4, 1000, 0);
	printf("\"every_packet_new_ns\":%.0f,", added(&b, 0x7fffffff));
	apply(&b, 5, 100, 1000);
	printf("\"prefixes_1k_ns\":%.0f,", added(&b, 0));
	apply(&b, 6, 100, 10000);
	printf("\"prefixes_10k_ns\":%.0f,", added(&b, 0));
	apply(&b, 7, 100, 10000);
	printf("\"prefixes_10k_32k_sources_ns\":%.0f}\n", added(&b, (1 << 15) - 1));
	limit_bpf__destroy(b.skel);
	return 0;
}
