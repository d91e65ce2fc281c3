// SPDX-License-Identifier: GPL-2.0-only
/*
 * limit - hold packets back that are beyond the rate of a rule (XDP).
 *
 * The order of the questions: is it IP, and nothing that a network needs to work; is any rule of
 * this interface about such a packet; is its source allowed; which rules cover it; does the lease
 * hold; and for each rule, in their order, has its bucket room. The first that has none and drops
 * ends it. A clock is read only when a rule covers the packet.
 *
 * Everything is counted, once by outcome and interface, and for each rule that was asked. The
 * tables are read only and swapped as a whole; see bpf/abi/limit.h.
 */
#include "bpf/lib/limit_bucket.bpf.h"
#include "bpf/lib/limit_parse.bpf.h"
#include "bpf/lib/limit_sample.bpf.h"
#include "bpf/lib/limit_source.bpf.h"

/* The four vectors whose AND are the rules of a packet. */
struct cover {
	const struct sonde_xdp_vector *iface, *kind, *source, *port;
};

/* One packet on its way. */
struct judgement {
	struct xdp_md *ctx;
	const struct sonde_xdp_control *control;
	struct sonde_xdp_iface_counts *counts;
	__u64 now;
	__u32 generation;
};

/* Position of the lowest bit of X, which is not 0: by a de Bruijn sequence. */
static __always_inline __u32 lowest_bit(__u64 x)
{
	static const __u8 position[64] = {
		0,  1,	2,  53, 3,  7,	54, 27, 4,  38, 41, 8,	34, 55, 48, 28,
		62, 5,	39, 46, 44, 42, 22, 9,	24, 35, 59, 56, 49, 18, 29, 11,
		63, 52, 6,  26, 37, 40, 33, 47, 61, 45, 43, 21, 23, 58, 17, 10,
		51, 25, 36, 32, 60, 20, 57, 16, 50, 31, 19, 15, 30, 14, 13, 12,
	};

	return position[((x & -x) * 0x022fdd63cc95386dULL) >> 58];
}

static __always_inline __u32 slot_of(const struct sonde_xdp_set *set, __u32 ifindex)
{
#pragma unroll
	for (int i = 0; i < SONDE_XDP_IFACE_PROBES; i++) {
		const struct sonde_xdp_iface *iface =
			&set->ifaces[(ifindex + i) & (SONDE_XDP_IFACE_HASH - 1)];

		if (iface->ifindex == ifindex)
			return iface->slot;
	}
	return SONDE_XDP_IFACES;
}

static __always_inline __u64 cover_word(const struct cover *c, __u32 at)
{
	at &= SONDE_XDP_WORDS - 1;
	return c->iface->word[at] & c->kind->word[at] & c->source->word[at] & c->port->word[at];
}

static __always_inline __u64 bucket_hash(const struct sonde_xdp_control *control,
					 const struct sonde_xdp_rule *rule, const struct packet *p)
{
	__u64 hi = p->hi & rule->key6_hi, lo = p->lo & rule->key6_lo;

	if (is_ipv4(p->hi, p->lo)) {
		hi = 0;
		lo = p->lo & rule->key4;
	}
	return sonde_xdp_hash(hi, lo, rule->id, control->bucket_seed);
}

/* Charges the rule's bucket. True: it has no room. */
static __always_inline bool is_limited(const struct judgement *j, const struct packet *p,
				       const struct sonde_xdp_rule *rule, bool cas)
{
	__u64 units = rule->unit == SONDE_XDP_BYTES ? p->len : 1;
	__u32 got =
		charge_bucket(j->control, bucket_hash(j->control, rule, p), j->now,
			      (units * rule->cost) >> (rule->shift & 31), rule->tolerance_ns, cas);

	if (got & (CHARGE_CROWDED | CHARGE_CONTENDED)) {
		if (got & CHARGE_CROWDED)
			j->counts->crowded++;
		else
			j->counts->contended++;
	}
	return got & CHARGE_LIMITED;
}

/* Holds the packet against rule number AT. True: it is dropped. */
static __always_inline bool ask(const struct judgement *j, const struct packet *p, __u32 at,
				bool cas)
{
	__u32 index = j->generation * SONDE_XDP_RULES + at;
	const struct sonde_xdp_rule *rule = bpf_map_lookup_elem(&limit_rules, &index);
	struct sonde_xdp_rule_counts *counts;

	if (!rule || j->now >= rule->expires_ns)
		return false;
	index = rule->slot;
	counts = bpf_map_lookup_elem(&limit_counts, &index);
	if (!counts)
		return false;
	if (!is_limited(j, p, rule, cas)) {
		counts->passed++;
		counts->passed_bytes += p->len;
		return false;
	}
	counts->limited++;
	counts->limited_bytes += p->len;
	sample(j->ctx, j->control, p, rule, j->now, j->counts);
	return rule->action == SONDE_XDP_DROP;
}

/* Asks the rules in WORDS of the cover, in their order. */
static __always_inline __u32 ask_all(struct judgement *j, const struct packet *p,
				     const struct cover *c, __u64 words, bool cas)
{
	__u64 bits = 0;
	__u32 base = 0;

	for (int i = 0; i < SONDE_XDP_WORDS && words && !bits; i++) {
		base = lowest_bit(words);
		words &= words - 1;
		bits = cover_word(c, base);
	}
	if (!bits)
		return SONDE_XDP_UNMATCHED;
	j->now = clock_ns(j->control);
	if (j->now >= READ_ONCE(j->control->lease_ns))
		return SONDE_XDP_UNLEASED;
	for (int i = 0; i < SONDE_XDP_STEPS; i++) {
		if (bits) {
			if (ask(j, p, base * 64 + lowest_bit(bits), cas))
				return SONDE_XDP_DROPPED;
			bits &= bits - 1;
		} else if (words) {
			base = lowest_bit(words);
			words &= words - 1;
			bits = cover_word(c, base);
		} else {
			return SONDE_XDP_PASSED;
		}
	}
	j->counts->skipped++;
	return SONDE_XDP_PASSED;
}

/* Which outcome it is for a packet of IP on interface SLOT. */
static __always_inline __u32 judge(struct judgement *j, const struct packet *p, __u32 slot,
				   bool cas)
{
	const struct sonde_xdp_set *set = bpf_map_lookup_elem(&limit_sets, &j->generation);
	struct cover c;
	__u64 words;
	__u32 class;

	c.iface = vector(j->generation, SONDE_XDP_VECTOR_IFACE + slot);
	c.kind = vector(j->generation, SONDE_XDP_VECTOR_KIND + p->kind);
	if (!set || !c.iface || !c.kind)
		return SONDE_XDP_UNMATCHED;
	words = c.iface->summary & c.kind->summary;
	if (!words)
		return SONDE_XDP_UNMATCHED;
	class = source_class(set, j->generation, p);
	if (class == SONDE_XDP_SOURCE_ALLOWED)
		return SONDE_XDP_ALLOWED;
	c.source = vector(j->generation, SONDE_XDP_VECTOR_SOURCE + class);
	c.port = vector(j->generation, SONDE_XDP_VECTOR_PORT + port_class(j->generation, p));
	if (!c.source || !c.port)
		return SONDE_XDP_UNMATCHED;
	return ask_all(j, p, &c, words & c.source->summary & c.port->summary, cas);
}

/*
 * The packet crosses from reading to judging as four numbers, through a function that is not
 * static: the verifier looks at what follows once, not for every way there is to have read a
 * packet, and 5.10 knows no other arguments.
 */
static __always_inline __u64 pack_ports(const struct packet *p)
{
	return p->len | (__u64)p->port << 32 | (__u64)p->source_port << 48;
}

static __always_inline __u64 pack_rest(const struct packet *p, __u32 slot, __u32 generation)
{
	return slot | (__u64)generation << 8 | (__u64)p->has_port << 9 | (__u64)p->kind << 16 |
	       (__u64)p->protocol << 24 | (__u64)p->ip_at << 32;
}

static __always_inline __u32 judge_packed(struct xdp_md *ctx, __u64 hi, __u64 lo, __u64 ports,
					  __u64 rest, bool cas)
{
	struct packet p = {
		.hi = hi,
		.lo = lo,
		.len = ports,
		.port = ports >> 32,
		.source_port = ports >> 48,
		.has_port = rest >> 9 & 1,
		.kind = rest >> 16 & (SONDE_XDP_KINDS - 1),
		.protocol = rest >> 24,
		.ip_at = rest >> 32,
	};
	__u32 slot = rest & (SONDE_XDP_IFACES - 1);
	struct judgement j = {
		.ctx = ctx,
		.control = control_page(),
		.counts = bpf_map_lookup_elem(&limit_ifaces, &slot),
		.generation = rest >> 8 & 1,
	};

	return j.control && j.counts ? judge(&j, &p, slot, cas) : SONDE_XDP_UNMATCHED;
}

__noinline int limit_judge(struct xdp_md *ctx, __u64 hi, __u64 lo, __u64 ports, __u64 rest)
{
	return judge_packed(ctx, hi, lo, ports, rest, true);
}

__noinline int limit_judge_old(struct xdp_md *ctx, __u64 hi, __u64 lo, __u64 ports, __u64 rest)
{
	return judge_packed(ctx, hi, lo, ports, rest, false);
}

/* CAS: the kernel has compare-and-swap (5.12). FRAGS: a packet may lie in several buffers (5.18).
 */
static __always_inline int limit(struct xdp_md *ctx, bool cas, bool frags)
{
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	struct sonde_xdp_control *control = control_page();
	struct packet p = { .len = end - data };
	struct sonde_xdp_iface_counts *counts;
	const struct sonde_xdp_set *set;
	__u32 generation, slot, outcome;

	if (!control)
		return XDP_PASS;
	if (frags)
		p.len = bpf_xdp_get_buff_len(ctx);
	generation = READ_ONCE(control->active) & 1;
	set = bpf_map_lookup_elem(&limit_sets, &generation);
	if (!set)
		return XDP_PASS;
	slot = slot_of(set, ctx->ingress_ifindex);
	counts = bpf_map_lookup_elem(&limit_ifaces, &slot);
	if (!counts)
		return XDP_PASS;
	outcome = read_packet(ctx, &p, data, end);
	if (p.fragment)
		counts->fragments++;
	if (outcome == SONDE_XDP_PASSED && slot == SONDE_XDP_IFACES) {
		outcome = SONDE_XDP_UNMATCHED;
	} else if (outcome == SONDE_XDP_PASSED) {
		__u64 ports = pack_ports(&p), rest = pack_rest(&p, slot, generation);

		outcome = cas ? limit_judge(ctx, p.hi, p.lo, ports, rest)
			      : limit_judge_old(ctx, p.hi, p.lo, ports, rest);
	}
	if (outcome < SONDE_XDP_OUTCOMES) {
		counts->packets[outcome]++;
		counts->bytes[outcome] += p.len;
	}
	return outcome == SONDE_XDP_DROPPED ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int sonde_limit(struct xdp_md *ctx)
{
	return limit(ctx, true, false);
}

SEC("xdp.frags")
int sonde_limit_frg(struct xdp_md *ctx)
{
	return limit(ctx, true, true);
}

SEC("xdp")
int sonde_limit_old(struct xdp_md *ctx)
{
	return limit(ctx, false, false);
}

char LICENSE[] SEC("license") = "GPL";
