// SPDX-License-Identifier: Apache-2.0
/* What probe.c, probe_iterators.c and probe_status.c share. */
#ifndef SONDE_PROBE_PROBE_INTERNAL_H
#define SONDE_PROBE_PROBE_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/probe/kernel_types.h"
#include "agent/probe/probe.h"
#include "bpf/abi/control.h"
#include "bpf/sonde.skel.h" /* NOLINT */

enum {
	SONDE_PROBE_OPTIONAL = 18, /* programs that may be missing */
	SONDE_PROBE_TRACES = 4,	   /* of those, attached all the time */
};

/* Iterators over a map. From FACTS on, their output is read by the worker. */
enum sonde_probe_iterator {
	SONDE_PROBE_PROGRESS = 0,
	SONDE_PROBE_REOPEN = 1,
	SONDE_PROBE_UDP_INDEX = 2, /* run before those that follow are read */
	SONDE_PROBE_FACTS = 3,
	SONDE_PROBE_UDP_SOCKETS = 4,
	SONDE_PROBE_UDP_FLOWS = 5,
	SONDE_PROBE_UDP_REST = 6,
	SONDE_PROBE_DROPS = 7,
	SONDE_PROBE_ITERATORS = 8,
};

struct sonde_probe {
	struct sonde_bpf *skel;
	struct sonde_kernel_types types;
	struct sonde_control *control; /* mapped */
	struct bpf_link *sockops, *ingress, *egress, *adopt;
	struct bpf_link *traces[SONDE_PROBE_TRACES];
	size_t n_traces;
	struct bpf_link *iterators[SONDE_PROBE_ITERATORS];
	const char *missing[SONDE_PROBE_OPTIONAL]; /* why; NULL: it is there */
	int cgroup_fd;
	int n_cpus;
	struct sonde_counters *per_cpu; /* n_cpus entries */
};

/* Why an optional program is not there, nor another in its place; NULL: what it does is done. */
const char *sonde_probe_missing(const struct sonde_probe *p, const struct bpf_program *prog);
/* PROG, or the one that stands in for it where the kernel refused PROG. */
struct bpf_program *sonde_probe_usable(const struct sonde_probe *p, struct bpf_program *prog);
/* A walk over a map instead of an iterator, which the kernel refused. WHAT: SONDE_WALK_*. Returns a
 * file with what there is to tell, at its beginning and the caller's; negative errno. */
int sonde_probe_walk(struct sonde_probe *p, const struct bpf_program *prog, uint32_t what);
/* An optional program turned out to be of no use after all: WHY lives on. */
void sonde_probe_set_missing(struct sonde_probe *p, const struct bpf_program *prog,
			     const char *why);

_Static_assert(SONDE_PROBE_ITERATORS - SONDE_PROBE_FACTS == SONDE_PROBE_SNAPSHOTS, "files");

#endif
