// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp - who owns UDP sockets, what they are told of errors, and the telling of sockets and flows.
 *
 * Packets are counted by the hooks (lib/udp.bpf.h); everything here runs once a socket, once an
 * error, or when a snapshot is read. Both ends of a flow on this node find each other by their
 * addresses: before a snapshot begins sonde_udp_index is run twice, to enter each flow and then to
 * look for the other end of each, so that both are told together; flows that are younger wait.
 */
#include "bpf/lib/udp_state.bpf.h"
#include "bpf/lib/files.bpf.h"
#include "bpf/lib/walk.bpf.h"

#define SOCK_DGRAM   2
#define ECONNREFUSED 111
#define READY_NS     50000000ULL /* the other end has seen the first packet long before */

/* Ids of flows, by the addresses of their packets: client is the local one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct pair_key);
	__type(value, __u64);
} sonde_udp_ends SEC(".maps");

SEC("cgroup/sock_create")
int sonde_create(struct bpf_sock *ctx)
{
	struct udp_socket *s;

	if (ctx->type != SOCK_DGRAM || ctx->protocol != IPPROTO_UDP)
		return 1;
	count_run(SONDE_PROGRAM_CREATE);
	s = bpf_sk_storage_get(&sonde_udp_socks, ctx, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		COUNT(storage_failed);
		return 1;
	}
	s->id = bpf_get_socket_cookie(ctx);
	if (sonde_knobs.has_netns_cookie)
		s->netns = bpf_get_netns_cookie(ctx);
	read_current(&s->owner, 0, 0, sonde_knobs.has_skb_task_btf);
	return 1;
}

/* TCP calls it too, for every reset: leave at once. */
SEC("tp_btf/inet_sk_error_report")
int sonde_error(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct udp_key key = {};
	struct udp_socket *s;
	struct udp_flow *f;

	if (sk->sk_protocol != IPPROTO_UDP || sk->sk_err != ECONNREFUSED)
		return 0;
	count_run(SONDE_PROGRAM_ERROR);
	s = bpf_sk_storage_get(&sonde_udp_socks, sk, NULL, 0);
	if (!s || !s->id)
		return 0;
	__sync_fetch_and_add(&s->unreachable, 1);
	if (sk->__sk_common.skc_state != UDP_CONNECTED)
		return 0;
	key.socket = s->id;
	if (sk->__sk_common.skc_family == 2)
		map_ipv4(key.remote, sk->__sk_common.skc_daddr);
	else
		copy_address(key.remote, &sk->__sk_common.skc_v6_daddr);
	key.remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	f = bpf_map_lookup_elem(&sonde_udp, &key);
	if (f)
		__sync_fetch_and_add(&f->unreachable, 1);
	return 0;
}

static __always_inline void end_key(const struct udp_flow *f, struct pair_key *key,
				    const bool other)
{
	const struct endpoints *e = &f->packet;

	__builtin_memcpy(key->client, other ? e->remote : e->local, 16);
	__builtin_memcpy(key->server, other ? e->local : e->remote, 16);
	key->client_port = other ? e->remote_port : e->local_port;
	key->server_port = other ? e->local_port : e->remote_port;
	key->pad = 0;
	key->netns = f->netns;
}

/* A flow without a peer's address has no other end. */
static __always_inline bool is_rest(const struct udp_flow *f)
{
	return !f->packet.remote_port;
}

static __always_inline void find_peer(struct udp_flow *f)
{
	struct pair_key key;
	__u64 *id;

	end_key(f, &key, true);
	id = bpf_map_lookup_elem(&sonde_udp_ends, &key);
	f->peer = id && *id != f->id ? *id : 0;
}

static __always_inline void index_flow(struct udp_flow *f)
{
	struct pair_key key;
	__u64 id;

	if (!(f->flags & FLOW_INDEXED)) {
		end_key(f, &key, false);
		id = f->id;
		if (bpf_map_update_elem(&sonde_udp_ends, &key, &id, BPF_ANY))
			COUNT(pairs_failed);
	}
	find_peer(f);
	f->flags |= FLOW_INDEXED | (bpf_ktime_get_ns() - f->first_ns > READY_NS ? FLOW_READY : 0);
}

SEC("iter/bpf_map_elem")
int sonde_udp_index(struct bpf_iter__bpf_map_elem *ctx)
{
	struct udp_flow *f = ctx->value; /* read once: what was checked is what is used */

	if (f)
		index_flow(f);
	return 0;
}

static __always_inline __u64 since(__u64 jiffies)
{
	return (bpf_jiffies64() - jiffies) * sonde_knobs.tick_ns;
}

static __always_inline bool is_idle(const struct udp_flow *f)
{
	__u64 packets = f->packets[SONDE_DIR_INGRESS] + f->packets[SONDE_DIR_EGRESS];

	return since(f->last) >
	       (packets > SONDE_UDP_BRIEF_PACKETS ? SONDE_UDP_IDLE_NS : SONDE_UDP_BRIEF_NS);
}

static __always_inline void copy_counts(struct sonde_snap_udp_flow *r, const struct udp_flow *f)
{
	for (int i = 0; i < SONDE_DIRS; i++) {
		r->packets[i] = f->packets[i];
		r->bytes[i] = f->bytes[i];
	}
	r->unreachable = f->unreachable;
	r->first_ns = f->first_ns;
	r->last_ns = bpf_ktime_get_ns() - since(f->last);
}

static __always_inline void copy_ends(struct sonde_snap_udp_flow *r, const struct udp_flow *f,
				      const struct udp_key *key)
{
	const __u64 *socket = (const __u64 *)key->remote, *packet = (const __u64 *)r->remote;

	__builtin_memcpy(r->local, f->packet.local, 16);
	__builtin_memcpy(r->remote, f->packet.remote, 16);
	r->local_port = f->packet.local_port;
	r->remote_port = f->packet.remote_port;
	if (socket[0] == packet[0] && socket[1] == packet[1] && key->remote_port == r->remote_port)
		return;
	__builtin_memcpy(r->asked, key->remote, 16);
	r->asked_port = key->remote_port;
}

/* It has been told of for the last time. */
static __always_inline void forget(struct udp_flow *f, const struct udp_key *key)
{
	struct udp_key copy = *key; /* the verifier wants a map's key on the stack */
	struct pair_key end;
	__u64 *id;

	if (is_rest(f)) {
		bpf_map_delete_elem(&sonde_udp_rest, &copy);
		return;
	}
	end_key(f, &end, false);
	id = bpf_map_lookup_elem(&sonde_udp_ends, &end);
	if (id && *id == f->id)
		bpf_map_delete_elem(&sonde_udp_ends, &end);
	bpf_map_delete_elem(&sonde_udp, &copy);
}

/* False: it is to be told another time. */
static __always_inline bool describe(struct sonde_snap_udp_flow *r, const struct udp_flow *f,
				     const struct udp_key *key)
{
	if (!is_rest(f) && !(f->flags & FLOW_READY))
		return false;
	__builtin_memset(r, 0, sizeof(*r));
	r->rec.version = SONDE_ABI_VERSION;
	r->rec.type = SONDE_SNAP_UDP_FLOW;
	r->rec.len = sizeof(*r);
	r->rec.id = f->id;
	r->peer = f->peer;
	r->socket = key->socket;
	r->cgroup_id = f->owner.cgroup_id;
	r->start_ns = f->owner.start_ns;
	r->pid = f->owner.pid;
	__builtin_memcpy(r->comm, f->owner.comm, 16);
	r->side = f->flags & FLOW_SIDE;
	r->flags = is_idle(f) ? SONDE_UDP_ENDED : 0;
	copy_counts(r, f);
	copy_ends(r, f, key);
	return true;
}

/* Over sonde_udp and over sonde_udp_rest. */
SEC("iter/bpf_map_elem")
int sonde_udp_flows(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct udp_key *key = ctx->key;
	struct udp_flow *f = ctx->value;
	struct sonde_snap_udp_flow r;

	if (!f || !key || !describe(&r, f, key))
		return 0;
	/* No room left: it is told again with the next read. */
	if (!bpf_seq_write(ctx->meta->seq, &r, sizeof(r)) && r.flags)
		forget(f, key);
	return 0;
}

static int walk_index(void *map, const struct udp_key *key, struct udp_flow *f, struct walk *w)
{
	(void)map;
	(void)key;
	(void)w;
	index_flow(f);
	return 0;
}

static int walk_flow(void *map, const struct udp_key *key, struct udp_flow *f, struct walk *w)
{
	struct sonde_snap_udp_flow r;

	(void)map;
	if (is_behind(w))
		return 0;
	if (describe(&r, f, key)) {
		if (!tell_walker(w, &r, sizeof(r)))
			return 1;
		if (r.flags) {
			forget(f, key);
			return 0;
		}
	}
	w->at++;
	return 0;
}

/* Where a kernel refuses the two iterators above. */
SEC("syscall")
int sonde_udp_walk(struct sonde_walk_ask *ask)
{
	struct walk w = { .skip = ask->at };

	if (ask->what == SONDE_WALK_INDEX)
		bpf_for_each_map_elem(&sonde_udp, walk_index, &w, 0);
	else if (ask->what == SONDE_WALK_FLOWS)
		bpf_for_each_map_elem(&sonde_udp, walk_flow, &w, 0);
	else
		bpf_for_each_map_elem(&sonde_udp_rest, walk_flow, &w, 0);
	ask->at = w.at;
	ask->more = w.full;
	return 0;
}

/* From 6.18 on UDP counts its drops in a place of their own, one counter for half the nodes. */
struct numa_drop_counters___618 {
	atomic_t drops0, drops1;
} __attribute__((preserve_access_index));

struct sock___618 {
	struct numa_drop_counters___618 *sk_drop_counters;
} __attribute__((preserve_access_index));

static __always_inline __u32 drops_of(struct sock *sk)
{
	struct sock___618 *fresh = (void *)sk;
	struct numa_drop_counters___618 *apart;

	if (bpf_core_field_exists(fresh->sk_drop_counters)) {
		apart = fresh->sk_drop_counters;
		if (apart)
			return apart->drops0.counter + apart->drops1.counter;
	}
	return sk->sk_drops.counter;
}

static __always_inline int write_socket(struct seq_file *seq, const struct udp_socket *s,
					struct sock *sk)
{
	struct sonde_snap_udp_socket r = {
		.rec = { .version = SONDE_ABI_VERSION,
			 .type = SONDE_SNAP_UDP_SOCKET,
			 .len = sizeof(r) },
	};

	if (!s || !sk || !s->id || (s->owner.flags & SOCK_IGNORED) || !sk->__sk_common.skc_num)
		return 0;
	r.rec.id = s->id;
	r.cgroup_id = s->owner.cgroup_id;
	r.start_ns = s->owner.start_ns;
	r.pid = s->owner.pid;
	__builtin_memcpy(r.comm, s->owner.comm, 16);
	r.drops = drops_of(sk);
	r.unreachable = s->unreachable;
	r.local_port = sk->__sk_common.skc_num;
	if (sk->__sk_common.skc_family == 2)
		map_ipv4(r.local, sk->__sk_common.skc_rcv_saddr);
	else
		copy_address(r.local, &sk->__sk_common.skc_v6_rcv_saddr);
	bpf_seq_write(seq, &r, sizeof(r));
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int sonde_udp_sock(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return write_socket(ctx->meta->seq, ctx->value, ctx->sk);
}

/* Where a kernel refuses the one above. */
SEC("iter/task_file")
int sonde_udp_sock_files(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = sock_of_file(ctx->file);
	struct udp_socket *s = sk ? bpf_sk_storage_get(&sonde_udp_socks, sk, NULL, 0) : NULL;

	return s && !seen_on_walk(&s->walk) ? write_socket(ctx->meta->seq, s, sk) : 0;
}

char LICENSE[] SEC("license") = "GPL";
