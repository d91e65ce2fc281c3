// SPDX-License-Identifier: Apache-2.0
/* kernel_types - what the running kernel's BTF says beforehand of what its programs may rely on. */
#ifndef SONDE_PROBE_KERNEL_TYPES_H
#define SONDE_PROBE_KERNEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/model/record.h"

struct sonde_kernel_types {
	bool error_report;	/* there is a tracepoint inet_sk_error_report */
	bool drop_reason;	/* the tracepoint kfree_skb tells a reason */
	bool drop_socket;	/* and the socket that would have received the packet */
	bool map_iterators;	/* programs of iter/bpf_map_elem are not refused */
	bool storage_iterators; /* nor those of iter/bpf_sk_storage_map */
	size_t n_reasons;
	char reasons[SONDE_REASONS][SONDE_REASON_NAME]; /* without "SKB_DROP_REASON_" */
};

struct btf;
/*
 * Whether a program of iter/TARGET is let in, found out by loading the smallest one: there are
 * kernels that have an iterator and still refuse it. BTF: the kernel's.
 */
bool sonde_kernel_types_iterator(const struct btf *btf, const char *target);

/* Fills OUT; without BTF everything is absent. Takes some milliseconds. */
void sonde_kernel_types_read(struct sonde_kernel_types *out);

#endif
