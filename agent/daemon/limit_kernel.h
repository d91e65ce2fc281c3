// SPDX-License-Identifier: Apache-2.0
/*
 * limit_kernel - the broker's rules as the probe's: what a set means to the kernel program.
 *
 * Opened with the first rule and closed with the last, so that a node without rules has no table,
 * no program and no link of it. All functions are the broker's, on its loop.
 */
#ifndef SONDE_DAEMON_LIMIT_KERNEL_H
#define SONDE_DAEMON_LIMIT_KERNEL_H

#include "agent/limit/view.h"
#include "agent/model/config.h"

struct sonde_limit_kernel;

#define SONDE_LIMIT_RUN_DIR "/run/sonde" /* whose pins have the plain name */

/* Where the pins of the daemon of RUN_DIR are. */
void sonde_limit_kernel_pins(const char *run_dir, char *out, size_t len);
/* True when a daemon before this one has left something that is to be adopted. */
bool sonde_limit_kernel_is_left(const char *run_dir);
/* Loads the program, or takes over what is pinned. 0, or negative errno with a line in ERROR. */
int sonde_limit_kernel_open(const char *run_dir, const struct sonde_config *config,
			    struct sonde_limit_kernel **out, char *error, size_t error_len);
/* LEAVE: links and tables stay pinned and enforce until the lease is over; else all goes. */
void sonde_limit_kernel_close(struct sonde_limit_kernel *k, bool leave);

/* The index of an interface by its name; 0: there has never been one. */
typedef uint32_t sonde_limit_index_of(void *ctx, const char *iface);
/* All rules and all that is allowed, in one step. 0, or negative errno with a line in ERROR. */
int sonde_limit_kernel_apply(struct sonde_limit_kernel *k, const struct sonde_limit_set *set,
			     sonde_limit_index_of *index_of, void *ctx, char *error,
			     size_t error_len);
/* Rules limit until UNTIL_NS (CLOCK_MONOTONIC; SONDE_LIMIT_FOREVER). */
void sonde_limit_kernel_renew(struct sonde_limit_kernel *k, uint64_t until_ns);

/* Watches V->ifindex, natively or, when GENERIC, as it can be; or exchanges the program that is
 * there for one that fits the MTU. Fills mode and note. 0 or negative errno. */
int sonde_limit_kernel_attach(struct sonde_limit_kernel *k, bool generic,
			      struct sonde_limit_iface_view *v);
/* No rule is for it any more. */
void sonde_limit_kernel_detach(struct sonde_limit_kernel *k, struct sonde_limit_iface_view *v);

void sonde_limit_kernel_counts(struct sonde_limit_kernel *k, uint32_t id,
			       struct sonde_limit_counts *out);
/* Fills what is counted of V->ifindex. */
void sonde_limit_kernel_iface(struct sonde_limit_kernel *k, struct sonde_limit_iface_view *v);
/* Bytes of the tables with room for MAX_SOURCES. */
uint64_t sonde_limit_kernel_memory(uint32_t max_sources);

struct sonde_limit_sample; /* agent/limit/sample.h */
typedef void sonde_limit_on_sample(void *ctx, const struct sonde_limit_sample *s);
/* What the ring of samples holds. */
void sonde_limit_kernel_samples(struct sonde_limit_kernel *k, sonde_limit_on_sample *on_sample,
				void *ctx);

#endif
