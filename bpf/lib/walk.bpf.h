/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks over a hash map by a program that the broker runs, where a kernel refuses the iterators
 * over maps. What they find goes to a ring of their own, piece by piece: when that is full the walk
 * stops, and the next run goes on behind what was told. Needs bpf_for_each_map_elem() (5.13).
 */
#ifndef SONDE_BPF_LIB_WALK_H
#define SONDE_BPF_LIB_WALK_H

#include "bpf/lib/state.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* more where it is used */
} sonde_walk_ring SEC(".maps") __weak;

/* The state of one run, on the stack. */
struct walk {
	__u64 skip; /* elements that earlier runs have told */
	__u64 at;   /* elements done with, those included */
	bool full;
};

/* Whether this element is for an earlier run. */
static __always_inline bool is_behind(struct walk *w)
{
	if (w->at >= w->skip)
		return false;
	w->at++;
	return true;
}

/* Returns whether there was room. */
static __always_inline bool tell_walker(struct walk *w, void *record, __u32 len)
{
	w->full = bpf_ringbuf_output(&sonde_walk_ring, record, len, BPF_RB_NO_WAKEUP) != 0;
	return !w->full;
}

#endif
