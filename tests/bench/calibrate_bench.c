// SPDX-License-Identifier: Apache-2.0
/*
 * calibrate_bench - what this machine's primitives cost at this moment.
 *
 * Nanoseconds of one machine say little on another, and little on the same one an hour later; as
 * multiples of these they do. Tiny cgroup_skb programs, written as instructions, run by
 * BPF_PROG_TEST_RUN, minimum of nine, less the empty program; and a system call that does nothing.
 * One JSON object on stdout.
 */
#include <bpf/bpf.h>
#include <err.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { REPEAT = 200000, ROUNDS = 9, ENTRIES = 1000, CALLS = 1000000 };

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOV_IMM(d, i)	   INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV_REG(d, s)	   INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD_IMM(d, i)	   INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define STORE_IMM(d, o, i) INSN(BPF_ST | BPF_MEM | BPF_DW, d, 0, o, i)
#define CALL(f)		   INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT		   INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MAP_FD(d, fd) \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)

/* Nanoseconds per run, the least of the rounds. */
static double measure(const struct bpf_insn *insns, size_t n)
{
	LIBBPF_OPTS(bpf_prog_load_opts, load);
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "calibrate", "GPL", insns, n, &load);
	uint8_t packet[64] = { [12] = 8, [14] = 0x45 };
	double least = 1e18;

	if (fd < 0)
		err(1, "calibration program");
	for (int i = 0; i < ROUNDS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet,
			    .data_size_in = sizeof(packet), .repeat = REPEAT);

		if (bpf_prog_test_run_opts(fd, &run))
			err(1, "test run");
		if (run.duration < least)
			least = run.duration;
	}
	close(fd);
	return least;
}

static int fill_map(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "calibrate", 8, 8, 2 * ENTRIES, NULL);

	if (fd < 0)
		err(1, "calibration map");
	for (uint64_t key = 0; key < ENTRIES; key++)
		if (bpf_map_update_elem(fd, &key, &key, 0))
			err(1, "calibration map");
	return fd;
}

static double system_call_ns(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / CALLS;
}

#define MEASURE(insns) measure(insns, sizeof(insns) / sizeof((insns)[0]))

int main(void)
{
	int map = fill_map();
	const struct bpf_insn empty[] = { MOV_IMM(0, 1), EXIT };
	const struct bpf_insn ktime[] = { CALL(BPF_FUNC_ktime_get_ns), MOV_IMM(0, 1), EXIT };
	const struct bpf_insn hash[] = {
		STORE_IMM(10, -8, 77),		MAP_FD(1, map), MOV_REG(2, 10), ADD_IMM(2, -8),
		CALL(BPF_FUNC_map_lookup_elem), MOV_IMM(0, 1),	EXIT,
	};
	double floor = MEASURE(empty);

	printf("{\"empty_program_ns\":%.0f,\"ktime_ns\":%.0f,\"hash_lookup_1k_ns\":%.0f,"
	       "\"getppid_ns\":%.0f}\n",
	       floor, MEASURE(ktime) - floor, MEASURE(hash) - floor, system_call_ns());
	return 0;
}
