/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * limit_bucket - charge a bucket, or find that it has no room. See bpf/abi/limit.h for its form.
 *
 * Most packets find their bucket first in its line and are done with one compare-and-swap, inlined.
 * All else is in a function that the verifier looks at once: it takes numbers only, since 5.10
 * knows no other arguments. Kernels before 5.12 have no compare-and-swap: there a busy bucket is
 * added to and an idle one overwritten. Two CPUs that charge one bucket in the same moment may then
 * both pass on room for one; the addition makes the second pay later, the overwriting does not.
 */
#ifndef SONDE_LIB_LIMIT_BUCKET_BPF_H
#define SONDE_LIB_LIMIT_BUCKET_BPF_H

#include "bpf/lib/limit.bpf.h"

#define TRIES 4

/* What charging came to. */
#define CHARGE_LIMITED	 (1u << 0) /* no room, nothing charged */
#define CHARGE_CROWDED	 (1u << 1)
#define CHARGE_CONTENDED (1u << 2)
#define CHARGE_AGAIN	 (1u << 3) /* another CPU was faster */
#define CHARGE_SPILLED	 (1u << 4) /* it is in the key's other line */

#define TAG_MASK ((1ULL << SONDE_XDP_TAG_BITS) - 1)

static __always_inline __u32 home_of(__u64 hash, __u64 line_mask)
{
	return (hash >> 16) & line_mask;
}

static __always_inline __u32 other_of(__u64 hash, __u64 line_mask)
{
	__u32 other = (hash >> 40) & line_mask;

	return other == home_of(hash, line_mask) ? other ^ 1 : other;
}

static __always_inline __u64 tag_of(__u64 hash)
{
	__u64 tag = hash & TAG_MASK;

	return tag ? tag : 1;
}

static __always_inline bool is_tagged(__u64 word, __u64 tag)
{
	return (word & TAG_MASK) == tag;
}

/* How far a bucket is ahead of now; one whose time has passed seems very far ahead. */
static __always_inline __u64 ahead_of(__u64 word, __u64 now)
{
	return ((word >> SONDE_XDP_TAG_BITS) - now) & SONDE_XDP_TIME_MASK;
}

/* A bucket that is about to be charged. */
struct claim {
	__u64 *at;
	__u64 word;  /* what it held when it was looked at */
	__u64 ahead; /* how far it is ahead of now, 0: idle */
	__u64 tag;   /* that it is to bear */
};

static __always_inline bool exchange(const struct claim *b, __u64 new, __u64 cost, bool cas)
{
	if (cas)
		return __sync_val_compare_and_swap(b->at, b->word, new) == b->word;
	if (b->ahead)
		__sync_fetch_and_add(b->at, cost << SONDE_XDP_TAG_BITS);
	else
		*b->at = new;
	return true;
}

/* 0: charged, and b->ahead moved on; else CHARGE_LIMITED or CHARGE_AGAIN. */
static __always_inline __u32 charge(struct claim *b, __u64 now, __u64 cost, __u64 tolerance,
				    bool cas)
{
	__u64 ahead = b->ahead + cost;

	if (ahead > tolerance)
		return CHARGE_LIMITED;
	if (!exchange(b, (now + ahead) << SONDE_XDP_TAG_BITS | b->tag, cost, cas))
		return CHARGE_AGAIN;
	b->ahead = ahead;
	return 0;
}

/*
 * The bucket at AT is that of a key. If it is further ahead than its rule tolerates, its time has
 * passed, or lies so long ago that it seems to come.
 */
static __always_inline void take_own(struct claim *b, __u64 *at, __u64 word, __u64 now,
				     __u64 tolerance)
{
	__u64 ahead = ahead_of(word, now);

	b->at = at;
	b->word = word;
	b->ahead = ahead > tolerance ? 0 : ahead;
}

/* Not ahead of now: by nothing, or by more than any bucket can be. */
static __always_inline bool is_idle(__u64 word, __u64 now)
{
	return !word || ahead_of(word, now) - 1 >= SONDE_XDP_AHEAD_MAX;
}

/* The first idle bucket that a key without one of its own may have. */
struct room {
	__u64 *at;
	__u64 word;
};

/* True: the key's own bucket is in this line, and B is it. Else R is what room there is. */
static __always_inline bool look_through(struct sonde_xdp_line *line, __u64 now, __u64 tolerance,
					 struct claim *b, struct room *r)
{
#pragma unroll
	for (int i = 0; i < SONDE_XDP_WAYS; i++) {
		__u64 word = READ_ONCE(line->bucket[i]);

		if (is_tagged(word, b->tag)) {
			take_own(b, &line->bucket[i], word, now, tolerance);
			return true;
		}
		if (!r->at && is_idle(word, now)) {
			r->at = &line->bucket[i];
			r->word = word;
		}
	}
	return false;
}

/* Two buckets that are others', one in each line, are offered: the one that is idle first. */
static __always_inline void share(struct sonde_xdp_line *home, struct sonde_xdp_line *other,
				  __u64 hash, __u64 now, struct claim *b)
{
	__u32 way = SONDE_XDP_SHARED_WAY(hash);
	__u64 first = READ_ONCE(home->bucket[way]), second = READ_ONCE(other->bucket[way]);
	bool at_home = ahead_of(first, now) <= ahead_of(second, now);

	b->at = at_home ? &home->bucket[way] : &other->bucket[way];
	b->word = at_home ? first : second;
	b->ahead = ahead_of(b->word, now);
	b->tag = b->word & TAG_MASK;
}

/* Chooses the bucket B of a key. Returns CHARGE_CROWDED or CHARGE_SPILLED as it applies. */
static __always_inline __u32 choose(struct sonde_xdp_line *home, struct sonde_xdp_line *other,
				    __u64 hash, __u64 now, __u64 tolerance, struct claim *b)
{
	struct room r = { .at = NULL };
	bool at_home;

	b->tag = tag_of(hash);
	if (look_through(home, now, tolerance, b, &r))
		return 0;
	at_home = r.at;
	if ((!at_home || READ_ONCE(home->spill) > now) &&
	    look_through(other, now, tolerance, b, &r))
		return CHARGE_SPILLED;
	if (!r.at) {
		share(home, other, hash, now, b);
		return CHARGE_CROWDED;
	}
	b->at = r.at;
	b->word = r.word;
	b->ahead = 0;
	return at_home ? 0 : CHARGE_SPILLED;
}

static __always_inline __u32 charge_fully(__u64 hash, __u64 now, __u64 cost, __u64 tolerance,
					  bool cas)
{
	struct sonde_xdp_control *control = control_page();
	struct sonde_xdp_line *home, *other;
	struct claim b = { .at = NULL };
	__u32 index, got, how;

	if (!control)
		return CHARGE_CONTENDED;
	index = home_of(hash, control->line_mask);
	home = bpf_map_lookup_elem(&limit_lines, &index);
	index = other_of(hash, control->line_mask);
	other = bpf_map_lookup_elem(&limit_lines, &index);
	if (!home || !other)
		return CHARGE_CONTENDED;
	for (int i = 0; i < TRIES; i++) {
		how = choose(home, other, hash, now, tolerance, &b);
		got = charge(&b, now, cost, tolerance, cas);
		if (got == CHARGE_AGAIN)
			continue;
		if (how & CHARGE_SPILLED && home->spill < now + b.ahead)
			home->spill = now + b.ahead;
		return got | (how & CHARGE_CROWDED);
	}
	__sync_fetch_and_add(&home->bucket[0], cost << SONDE_XDP_TAG_BITS);
	return CHARGE_CONTENDED;
}

/* The two forms of it: see above. Not static, so that each is verified once and by itself. */
__noinline __u32 limit_charge(__u64 hash, __u64 now, __u64 cost, __u64 tolerance)
{
	return charge_fully(hash, now, cost, tolerance, true);
}

__noinline __u32 limit_charge_old(__u64 hash, __u64 now, __u64 cost, __u64 tolerance)
{
	return charge_fully(hash, now, cost, tolerance, false);
}

/* Charges the bucket of HASH: what most packets need is done here, the rest there. */
static __always_inline __u32 charge_bucket(const struct sonde_xdp_control *control, __u64 hash,
					   __u64 now, __u64 cost, __u64 tolerance, bool cas)
{
	__u32 index = home_of(hash, control->line_mask), got;
	struct sonde_xdp_line *home = bpf_map_lookup_elem(&limit_lines, &index);
	struct claim b = { .tag = tag_of(hash) };
	__u64 word;

	if (!home)
		return CHARGE_CONTENDED;
	word = READ_ONCE(home->bucket[0]);
	if (is_tagged(word, b.tag)) {
		take_own(&b, &home->bucket[0], word, now, tolerance);
		got = charge(&b, now, cost, tolerance, cas);
		if (got != CHARGE_AGAIN)
			return got;
	}
	return cas ? limit_charge(hash, now, cost, tolerance)
		   : limit_charge_old(hash, now, cost, tolerance);
}

#endif
