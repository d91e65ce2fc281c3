// SPDX-License-Identifier: Apache-2.0
/* kernel_types - what the running kernel's BTF says beforehand of what its programs may rely on. */
#ifndef SONDE_PROBE_KERNEL_TYPES_H
#define SONDE_PROBE_KERNEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/model/record.h"

struct sonde_kernel_types {
	bool error_report; /* there is a tracepoint inet_sk_error_report */
	bool drop_reason;  /* the tracepoint kfree_skb tells a reason */
	bool drop_socket;  /* and the socket that would have received the packet */
	size_t n_reasons;
	char reasons[SONDE_REASONS][SONDE_REASON_NAME]; /* without "SKB_DROP_REASON_" */
};

/* Fills OUT; without BTF everything is absent. Takes some milliseconds. */
void sonde_kernel_types_read(struct sonde_kernel_types *out);

#endif
