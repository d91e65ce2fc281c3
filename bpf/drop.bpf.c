// SPDX-License-Identifier: GPL-2.0-only
/*
 * drop - packets that the kernel threw away, by its own reason and by whose socket they were for.
 *
 * kfree_skb is hit by what is no loss as well (buffers given back without a reason): that leaves at
 * the first comparison. Kernels before 5.17 tell no reason; this program is then not loaded.
 */
#include "bpf/lib/udp_state.bpf.h"
#include "bpf/lib/walk.bpf.h"

struct drop_key {
	__u64 start_ns;
	__u32 pid; /* 0: whose is not known */
	__u32 reason;
};

struct drop {
	__u64 count;
	__u64 last; /* jiffies */
	__u64 cgroup_id;
	__u8 comm[16];
};

/* Prepared beforehand: packets are dropped where no memory can be had. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, struct drop_key);
	__type(value, struct drop);
} sonde_drops SEC(".maps");

/* What the kernel calls by this name, whatever its number; -1 where it has none. */
#define REASON(name)                                                    \
	(bpf_core_enum_value_exists(enum skb_drop_reason, name)         \
		 ? (int)bpf_core_enum_value(enum skb_drop_reason, name) \
		 : -1)

/* QUEUE_PURGE is what every closed socket gives back that has a FIN in its queue. */
static __always_inline bool is_drop(int reason)
{
	return reason > 0 && reason != REASON(SKB_CONSUMED) &&
	       reason != REASON(SKB_DROP_REASON_NOT_SPECIFIED) &&
	       reason != REASON(SKB_DROP_REASON_QUEUE_PURGE);
}

/* Fills what is known of the owner of SK. */
static __always_inline bool read_owner_of(struct sock *sk, struct drop_key *key, struct drop *d)
{
	struct udp_socket *udp;
	struct sock_state *tcp;

	tcp = bpf_sk_storage_get(&sonde_socks, sk, NULL, 0);
	if (tcp) {
		key->pid = tcp->pid;
		key->start_ns = tcp->start_ns;
		d->cgroup_id = tcp->cgroup_id;
		__builtin_memcpy(d->comm, tcp->comm, 16);
		return !(tcp->flags & SOCK_IGNORED);
	}
	udp = bpf_sk_storage_get(&sonde_udp_socks, sk, NULL, 0);
	if (udp) {
		key->pid = udp->owner.pid;
		key->start_ns = udp->owner.start_ns;
		d->cgroup_id = udp->owner.cgroup_id;
		__builtin_memcpy(d->comm, udp->owner.comm, 16);
		return !(udp->owner.flags & SOCK_IGNORED);
	}
	return true;
}

static __always_inline void count_drop(struct drop_key *key, struct drop *fresh)
{
	struct drop *d = bpf_map_lookup_elem(&sonde_drops, key);

	if (!d) {
		bpf_map_update_elem(&sonde_drops, key, fresh, BPF_NOEXIST);
		d = bpf_map_lookup_elem(&sonde_drops, key);
	}
	if (!d) {
		COUNT(drops_uncounted);
		return;
	}
	d->last = bpf_jiffies64();
	__sync_fetch_and_add(&d->count, 1);
}

SEC("tp_btf/kfree_skb")
int sonde_drop(__u64 *ctx)
{
	int reason = (int)ctx[2];
	struct drop_key key = {};
	struct drop fresh = {};
	struct sk_buff *skb;
	struct sock *sk;

	if (!is_drop(reason))
		return 0;
	count_run(SONDE_PROGRAM_DROP);
	skb = (struct sk_buff *)ctx[0];
	sk = skb->sk;
	if (sonde_knobs.has_drop_socket && ctx[3])
		sk = (struct sock *)ctx[3];
	key.reason = reason;
	if (sk && !read_owner_of(sk, &key, &fresh))
		return 0;
	count_drop(&key, &fresh);
	return 0;
}

static __always_inline void describe(struct sonde_snap_drop *r, const struct drop *d,
				     const struct drop_key *key)
{
	__builtin_memset(r, 0, sizeof(*r));
	r->rec.version = SONDE_ABI_VERSION;
	r->rec.type = SONDE_SNAP_DROP;
	r->rec.len = sizeof(*r);
	r->cgroup_id = d->cgroup_id;
	r->start_ns = key->start_ns;
	r->count = d->count;
	r->pid = key->pid;
	r->reason = key->reason;
	if ((bpf_jiffies64() - d->last) * sonde_knobs.tick_ns > SONDE_DROP_IDLE_NS)
		r->flags = SONDE_DROP_ENDED;
	__builtin_memcpy(r->comm, d->comm, 16);
}

SEC("iter/bpf_map_elem")
int sonde_drop_sums(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct drop_key *key = ctx->key;
	const struct drop *d = ctx->value;
	struct sonde_snap_drop r;
	struct drop_key copy;

	if (!d || !key)
		return 0;
	describe(&r, d, key);
	if (bpf_seq_write(ctx->meta->seq, &r, sizeof(r)) || !r.flags)
		return 0;
	copy = *key;
	bpf_map_delete_elem(&sonde_drops, &copy);
	return 0;
}

static int walk_drop(void *map, const struct drop_key *key, const struct drop *d, struct walk *w)
{
	struct sonde_snap_drop r;
	struct drop_key copy;

	(void)map;
	if (is_behind(w))
		return 0;
	describe(&r, d, key);
	if (!tell_walker(w, &r, sizeof(r)))
		return 1;
	if (r.flags) {
		copy = *key;
		bpf_map_delete_elem(&sonde_drops, &copy);
		return 0;
	}
	w->at++;
	return 0;
}

/* Where a kernel refuses the iterator above. */
SEC("syscall")
int sonde_drop_walk(struct sonde_walk_ask *ask)
{
	struct walk w = { .skip = ask->at };

	bpf_for_each_map_elem(&sonde_drops, walk_drop, &w, 0);
	ask->at = w.at;
	ask->more = w.full;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
