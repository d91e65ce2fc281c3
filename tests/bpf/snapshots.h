// SPDX-License-Identifier: Apache-2.0
/* snapshots - what the iterators tell, all of it, kept for the test to look at. */
#ifndef SONDE_TESTS_BPF_SNAPSHOTS_H
#define SONDE_TESTS_BPF_SNAPSHOTS_H

#include "agent/probe/snapshot.h"
#include "bpf/abi/control.h"
#include "tests/bpf/bed.h"

struct snapshots {
	struct sonde_snapshot *all;
	size_t n, cap;
};

static inline void snapshots_keep(void *ctx, const struct sonde_snapshot *s)
{
	struct snapshots *k = ctx;

	if (k->n == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 1024;
		k->all = realloc(k->all, k->cap * sizeof(*k->all));
		assert_non_null(k->all);
	}
	k->all[k->n++] = *s;
}

/* Takes one of everything, in place of what K held. */
static inline void snapshots_take(struct snapshots *k, struct sonde_probe *p)
{
	struct sonde_snapshot_reader reader = { 0 };
	int fds[SONDE_PROBE_SNAPSHOTS], more;
	size_t n = sonde_probe_snapshot(p, fds);

	k->n = 0;
	sonde_snapshot_begin(&reader, fds, n);
	do
		more = sonde_snapshot_read(&reader, snapshots_keep, k);
	while (more > 0);
	assert_int_equal(more, 0);
	assert_int_equal(reader.invalid, 0);
	sonde_snapshot_fini(&reader);
}

/* The NTH (from 0) of KIND with this local port; remote port 0: any. NULL: none. */
static inline const struct sonde_snapshot *snapshots_find(const struct snapshots *k,
							  enum sonde_snapshot_kind kind,
							  uint16_t local_port, uint16_t remote_port,
							  size_t nth)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct sonde_snapshot *s = &k->all[i];
		uint16_t local = 0, remote = 0;

		if (s->kind != kind)
			continue;
		if (kind == SONDE_SNAPSHOT_UDP_FLOW) {
			local = s->udp_flow.local.port;
			remote = s->udp_flow.remote.port;
		} else if (kind == SONDE_SNAPSHOT_UDP_SOCKET) {
			local = s->udp_socket.local.port;
		} else if (kind == SONDE_SNAPSHOT_LISTENER) {
			local = s->listener.local.port;
		}
		if (local == local_port && (!remote_port || remote == remote_port) && !nth--)
			return s;
	}
	return NULL;
}

typedef bool (*snapshots_fn)(const struct snapshots *k, void *arg);

/* Takes them until HOLDS(ARG), for ten seconds at most. */
static inline void snapshots_until(struct snapshots *k, struct sonde_probe *p, snapshots_fn holds,
				   void *arg)
{
	uint64_t deadline = sonde_clock_mono_ns() + 10 * SONDE_NS_PER_SEC;

	for (snapshots_take(k, p); !holds(k, arg); snapshots_take(k, p)) {
		if (sonde_clock_mono_ns() > deadline)
			fail_msg("what was waited for did not come");
		usleep(5000);
	}
}

#endif
