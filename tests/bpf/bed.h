// SPDX-License-Identifier: Apache-2.0
/*
 * bed - the programs on the root cgroup, and what they tell of this test's own connections.
 *
 * Other sockets of the machine make records too: all are counted, those of connections with a
 * watched port are kept. Nothing waits for a time: bed_until() reads on until what is asked for has
 * come, and fails after ten seconds.
 */
#ifndef SONDE_TESTS_BPF_BED_H
#define SONDE_TESTS_BPF_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/core/clock.h"
#include "agent/meta/identity.h"
#include "agent/probe/probe_internal.h"
#include "agent/probe/reader.h"
#include "agent/probe/ring.h"
#include "bpf/abi/record.h"

enum { BED_RECORDS = 65536, BED_PORTS = 4, BED_IDS = 8192 };

/* A record that was kept. */
struct seen {
	struct sonde_record r; /* the payload is in `payload` */
	uint8_t payload[256];  /* cut to this */
};

struct bed {
	struct sonde_config config;
	struct sonde_probe *probe;
	struct sonde_ring ring;
	uint64_t read[SONDE_KINDS]; /* of the whole machine */
	uint64_t invalid;
	uint16_t ports[BED_PORTS]; /* watched; 0 none */
	uint64_t ids[BED_IDS];	   /* of connections with such a port */
	size_t n_ids;
	struct seen *seen;
	size_t n;
};

static inline bool bed_watches(const struct bed *b, const struct sonde_record_open *o)
{
	for (int i = 0; i < BED_PORTS; i++)
		if (b->ports[i] && (o->local.port == b->ports[i] || o->remote.port == b->ports[i]))
			return true;
	return false;
}

static inline bool bed_knows(const struct bed *b, uint64_t id)
{
	for (size_t i = b->n_ids; i > 0; i--)
		if (b->ids[i - 1] == id)
			return true;
	return false;
}

static inline void bed_take(void *ctx, struct sonde_slice raw)
{
	struct bed *b = ctx;
	struct sonde_record r;
	struct seen *s;

	b->read[sonde_reader_kind(raw)]++;
	if (sonde_reader_decode(raw, &r)) {
		b->invalid++;
		return;
	}
	if (r.kind == SONDE_KIND_OPEN && bed_watches(b, &r.open) && !bed_knows(b, r.id)) {
		assert_true(b->n_ids < BED_IDS);
		b->ids[b->n_ids++] = r.id;
	}
	if (!bed_knows(b, r.id))
		return;
	assert_true(b->n < BED_RECORDS);
	s = &b->seen[b->n++];
	s->r = r;
	if (r.kind == SONDE_KIND_DATA) {
		struct sonde_slice cut = sonde_slice_sub(r.data.payload, 0, sizeof(s->payload));

		memcpy(s->payload, cut.ptr, cut.len);
		s->r.data.payload.ptr = NULL;
	}
}

static inline void bed_drain(struct bed *b)
{
	while (sonde_ring_drain(&b->ring, 4096, bed_take, b) == 4096)
		;
}

typedef bool (*bed_fn)(const struct bed *b, uint64_t arg);

/* Reads until HOLDS(ARG). */
static inline void bed_until(struct bed *b, bed_fn holds, uint64_t arg)
{
	uint64_t deadline = sonde_clock_mono_ns() + 10 * SONDE_NS_PER_SEC;

	for (bed_drain(b); !holds(b, arg); bed_drain(b)) {
		if (sonde_clock_mono_ns() > deadline)
			fail_msg("what was waited for did not come; %zu records did", b->n);
		usleep(500);
	}
}

static inline size_t bed_count(const struct bed *b, enum sonde_kind kind, uint64_t id)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->seen[i].r.kind == kind && b->seen[i].r.id == id;
	return n;
}

/* The NTH record (from 0) of a kind and a connection; NULL: there is none. */
static inline const struct seen *bed_nth(const struct bed *b, enum sonde_kind kind, uint64_t id,
					 size_t nth)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->seen[i].r.kind == kind && b->seen[i].r.id == id && !nth--)
			return &b->seen[i];
	return NULL;
}

static inline const struct sonde_record_open *bed_open_of(const struct bed *b, uint64_t id)
{
	const struct seen *s = bed_nth(b, SONDE_KIND_OPEN, id, 0);

	assert_non_null(s);
	return &s->r.open;
}

static inline const struct sonde_record_data *bed_data_of(const struct bed *b, uint64_t id,
							  size_t nth)
{
	const struct seen *s = bed_nth(b, SONDE_KIND_DATA, id, nth);

	assert_non_null(s);
	return &s->r.data;
}

static inline const struct sonde_record_close *bed_close_of(const struct bed *b, uint64_t id)
{
	const struct seen *s = bed_nth(b, SONDE_KIND_CLOSE, id, 0);

	assert_non_null(s);
	return &s->r.close;
}

static inline bool bed_is_closed(const struct bed *b, uint64_t id)
{
	return bed_count(b, SONDE_KIND_CLOSE, id) > 0;
}

static inline bool bed_is_open(const struct bed *b, uint64_t id)
{
	return bed_count(b, SONDE_KIND_OPEN, id) > 0;
}

/* Whether connection ID is in a table that it is to leave at its end, at the latest. */
static inline bool bed_holds(const struct bed *b, uint64_t id)
{
	int pairs = bpf_map__fd(b->probe->skel->maps.sonde_pairs);
	uint8_t key[64], next[64], claimed;
	void *from = NULL;
	uint64_t client;
	struct {
		uint8_t bytes[64];
	} nat;

	if (!bpf_map_lookup_elem(bpf_map__fd(b->probe->skel->maps.sonde_claimed), &id, &claimed) ||
	    !bpf_map_lookup_elem(bpf_map__fd(b->probe->skel->maps.sonde_nats), &id, &nat))
		return true;
	for (; !bpf_map_get_next_key(pairs, from, next); from = key) {
		memcpy(key, next, sizeof(key));
		if (!bpf_map_lookup_elem(pairs, key, &client) && client == id)
			return true;
	}
	return false;
}

/* The payload of the NTH data record of a connection is TEXT. */
static inline void bed_check_payload(const struct bed *b, uint64_t id, size_t nth, const char *text)
{
	const struct seen *s = bed_nth(b, SONDE_KIND_DATA, id, nth);

	assert_non_null(s);
	assert_int_equal(s->r.data.payload.len, strlen(text));
	assert_memory_equal(s->payload, text, strlen(text));
}

/* Loads the programs; change CONFIG of the result first with bed_new(). */
static inline void bed_load(struct bed *b)
{
	char root[256], error[512] = "";

	assert_int_equal(sonde_cgroup_find_root("/proc/self/mountinfo", root, sizeof(root)), 0);
	if (sonde_probe_open(&b->config, root, &b->probe, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(sonde_ring_map(sonde_probe_ring_fd(b->probe), b->config.capture.ring_bytes,
					&b->ring),
			 0);
}

static inline void bed_attach(struct bed *b)
{
	char error[512] = "";

	if (sonde_probe_attach(b->probe, error, sizeof(error)))
		fail_msg("%s", error);
}

static inline struct bed *bed_new(void)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->seen = calloc(BED_RECORDS, sizeof(*b->seen));
	assert_non_null(b->seen);
	b->config.capture.ring_bytes = 8 * 1024 * 1024;
	b->config.capture.request_head_bytes = 448;
	b->config.capture.response_head_bytes = 192;
	return b;
}

static inline void bed_free(struct bed *b)
{
	sonde_ring_unmap(&b->ring);
	sonde_probe_close(b->probe);
	free(b->seen);
	free(b);
}

/*
 * Takes the programs off and checks, to the record: what they wanted to write is what was read and
 * what the ring refused.
 */
static inline struct sonde_kernel_status bed_check_ledger(struct bed *b)
{
	struct sonde_kernel_status s;

	sonde_probe_detach(b->probe);
	bed_drain(b);
	sonde_probe_status(b->probe, &s);
	bed_drain(b);
	for (int kind = SONDE_KIND_OPEN; kind <= SONDE_KIND_NAT; kind++)
		assert_int_equal(s.produced[kind], b->read[kind] + s.ring_full[kind]);
	assert_int_equal(b->invalid, 0);
	return s;
}

#endif
