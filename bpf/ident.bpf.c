// SPDX-License-Identifier: GPL-2.0-only
/*
 * ident - iterators: sockets older than the agent, and connections that have gone quiet.
 *
 * sonde_adopt walks the open files of all tasks (run four times, see sonde_control.ident_pass) and
 * puts on each TCP socket what the callbacks would have put there, had the agent been running.
 * sonde_progress walks the watched sockets and tells of those whose last turn is over by the look
 * of it, so that an answer on an idle keep-alive connection need not wait for the next request.
 * sonde_reopen walks them for a worker that was started anew and tells it all connections again.
 * sonde_facts writes what TCP counts for each of them, and the listeners, into its own file: that
 * is read at the reader's pace, so however many there are, none is lost. The last three come twice:
 * where a kernel refuses iterators over socket storage, those that end in _files walk all files.
 */
#include "bpf/lib/state.bpf.h"
#include "bpf/lib/emit.bpf.h"
#include "bpf/lib/files.bpf.h"
#include "bpf/lib/udp_state.bpf.h"

#define QUIET_NS 200000000ULL /* a connection is quiet after this long without payload */

struct listen_key {
	__u32 netns;
	__u16 port;
	__u16 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct listen_key);
	__type(value, __u8);
} sonde_listen SEC(".maps");

static __always_inline struct listen_key listen_key_of(const struct sock *sk)
{
	struct listen_key key = {
		.netns = sk->__sk_common.skc_net.net->ns.inum,
		.port = sk->__sk_common.skc_num,
	};

	return key;
}

static __always_inline void name_owner(struct sock_state *s, const struct task_struct *task)
{
	struct owner o = {};

	read_owner(&o, task);
	set_owner(s, &o);
	s->flags |= o.flags;
}

static __always_inline void read_endpoints(const struct sock *sk, struct endpoints *e)
{
	if (sk->__sk_common.skc_family == AF_INET) {
		map_ipv4(e->local, sk->__sk_common.skc_rcv_saddr);
		map_ipv4(e->remote, sk->__sk_common.skc_daddr);
	} else {
		copy_address(e->local, &sk->__sk_common.skc_v6_rcv_saddr);
		copy_address(e->remote, &sk->__sk_common.skc_v6_daddr);
	}
	e->local_port = sk->__sk_common.skc_num;
	e->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
}

static __always_inline void make_key(const struct sock *sk, const struct endpoints *e,
				     struct pair_key *key, bool server)
{
	__builtin_memcpy(key->client, server ? e->remote : e->local, 16);
	__builtin_memcpy(key->server, server ? e->local : e->remote, 16);
	key->client_port = server ? e->remote_port : e->local_port;
	key->server_port = server ? e->local_port : e->remote_port;
	key->pad = 0;
	key->netns = 0;
	if (sonde_knobs.has_netns_cookie && is_loopback(key->client))
		key->netns = sk->__sk_common.skc_net.net->net_cookie;
}

static __always_inline void adopt_connected(struct sock *sk, struct sock_state *s, __u32 pass)
{
	struct pair_key key = {};
	struct endpoints e = {};
	__u64 *client;
	__u8 one = 1;

	s->id = bpf_get_socket_cookie(sk);
	/* Opened already: accepted since the attachment from a listener that had no name yet. */
	s->flags |= (s->flags & SOCK_OPENED ? 0 : SOCK_PREEXISTING) | SOCK_OPENED |
		    (pass == SONDE_IDENT_SERVERS ? SONDE_SIDE_SERVER : SONDE_SIDE_CLIENT);
	read_endpoints(sk, &e);
	if (is_ignored_port(e.local_port, e.remote_port))
		s->flags |= SOCK_IGNORED;
	make_key(sk, &e, &key, pass == SONDE_IDENT_SERVERS);
	if (pass == SONDE_IDENT_SERVERS) {
		client = bpf_map_lookup_elem(&sonde_pairs, &key);
		if (client) {
			s->peer = *client;
			bpf_map_update_elem(&sonde_claimed, &s->peer, &one, BPF_ANY);
			bpf_map_delete_elem(&sonde_pairs, &key);
		}
	} else if (bpf_map_update_elem(&sonde_pairs, &key, &s->id, BPF_ANY)) {
		COUNT(pairs_failed);
	} else {
		s->flags |= SOCK_PAIRED;
	}
	if (!(s->flags & SOCK_IGNORED))
		emit_open(s, &e, bpf_ktime_get_ns(), 0, 0);
}

/*
 * No callback will tell of the end of an old client, so it leaves the tables of pairs at once: all
 * the old servers have been seen.
 */
static __always_inline void tidy_up(struct sock *sk)
{
	struct sock_state *s = bpf_sk_storage_get(&sonde_socks, sk, NULL, 0);
	struct pair_key key = {};
	struct endpoints e = {};
	__u64 *client, id;

	if (!s || !(s->flags & SOCK_PREEXISTING) || !(s->flags & SOCK_PAIRED))
		return;
	read_endpoints(sk, &e);
	make_key(sk, &e, &key, false);
	id = s->id;
	client = bpf_map_lookup_elem(&sonde_pairs, &key);
	if (client && *client == id)
		bpf_map_delete_elem(&sonde_pairs, &key);
	if (!bpf_map_delete_elem(&sonde_claimed, &id))
		s->out.marks |= MARK_LOCAL | MARK_BEGUN;
	s->flags &= ~SOCK_PAIRED;
}

static __always_inline void adopt_socket(struct sock *sk, const struct task_struct *task,
					 __u32 pass)
{
	__u8 state = sk->__sk_common.skc_state, one = 1;
	struct listen_key key = listen_key_of(sk);
	bool listening = state == BPF_TCP_LISTEN, served;
	struct sock_state *s;

	if (pass == SONDE_IDENT_TIDY) {
		tidy_up(sk);
		return;
	}
	if (listening != (pass == SONDE_IDENT_LISTENERS))
		return;
	if (listening) {
		bpf_map_update_elem(&sonde_listen, &key, &one, BPF_ANY);
	} else {
		served = bpf_map_lookup_elem(&sonde_listen, &key) != NULL;
		if (state != BPF_TCP_ESTABLISHED || served != (pass == SONDE_IDENT_SERVERS))
			return;
	}
	s = bpf_sk_storage_get(&sonde_socks, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		COUNT(storage_failed);
		return;
	}
	/* Known already: by a callback since the attachment, or as another task's same file. */
	if (s->pid && (listening || (s->flags & SOCK_SIDE)))
		return;
	/* A reader's name is better than that of whoever has the file. */
	if (!s->pid)
		name_owner(s, task);
	if (listening)
		bpf_get_socket_cookie(sk);
	else
		adopt_connected(sk, s, pass);
}

static __always_inline void adopt_udp_socket(struct sock *sk, const struct task_struct *task)
{
	struct udp_socket *s;

	s = bpf_sk_storage_get(&sonde_udp_socks, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		COUNT(storage_failed);
		return;
	}
	if (s->owner.pid)
		return;
	s->id = bpf_get_socket_cookie(sk);
	if (sonde_knobs.has_netns_cookie)
		s->netns = sk->__sk_common.skc_net.net->net_cookie;
	read_owner(&s->owner, task);
}

SEC("iter/task_file")
int sonde_adopt(struct bpf_iter__task_file *ctx)
{
	struct sonde_control *control = control_page();
	struct task_struct *task = ctx->task;
	struct sock *sk = sock_of_file(ctx->file);

	if (!task || !sk || !control)
		return 0;
	if (sk->sk_protocol == IPPROTO_TCP)
		adopt_socket(sk, task, control->ident_pass);
	else if (sk->sk_protocol == IPPROTO_UDP && control->ident_pass == SONDE_IDENT_LISTENERS)
		adopt_udp_socket(sk, task);
	return 0;
}

static __always_inline struct sock_state *state_of_file(struct file *file, struct sock **sk)
{
	struct sock_state *s;

	*sk = sock_of_file(file);
	s = *sk ? bpf_sk_storage_get(&sonde_socks, *sk, NULL, 0) : NULL;
	return s && !seen_on_walk(&s->walk) ? s : NULL;
}

static __always_inline int tell_progress(const struct sock_state *s)
{
	struct sonde_rec_progress *r;
	__u64 now, last, flags;

	if (!s || !s->id || !(s->flags & SOCK_OPENED) || (s->flags & SOCK_IGNORED) ||
	    (s->out.marks & MARK_LOCAL) || !((s->in.marks | s->out.marks) & MARK_HTTP))
		return 0;
	last = s->in.last_ns > s->out.last_ns ? s->in.last_ns : s->out.last_ns;
	now = bpf_ktime_get_ns();
	/* Quiet for long enough, but not so long that an earlier pass has told it already. */
	if (now < last + QUIET_NS || now > last + QUIET_NS + sonde_knobs.progress_period_ns)
		return 0;
	r = reserve(SONDE_REC_PROGRESS, sizeof(*r), sizeof(*r), s->id, &flags);
	if (!r)
		return 0;
	copy_flow(&r->flow[SONDE_DIR_INGRESS], &s->in);
	copy_flow(&r->flow[SONDE_DIR_EGRESS], &s->out);
	bpf_ringbuf_submit(r, flags);
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int sonde_progress(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return tell_progress(ctx->value);
}

SEC("iter/task_file")
int sonde_progress_files(struct bpf_iter__task_file *ctx)
{
	struct sock *sk;

	return tell_progress(state_of_file(ctx->file, &sk));
}

static __always_inline int tell_again(const struct sock_state *s, struct sock *sk)
{
	struct endpoints e = {};

	if (!s || !sk || !(s->flags & SOCK_OPENED) || (s->flags & SOCK_IGNORED))
		return 0;
	read_endpoints(sk, &e);
	emit_open(s, &e, bpf_ktime_get_ns(), 0, SONDE_OPEN_AGAIN);
	emit_nat(s);
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int sonde_reopen(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return tell_again(ctx->value, ctx->sk);
}

SEC("iter/task_file")
int sonde_reopen_files(struct bpf_iter__task_file *ctx)
{
	struct sock *sk;
	struct sock_state *s = state_of_file(ctx->file, &sk);

	return tell_again(s, sk);
}

static __always_inline void write_listener(struct seq_file *seq, const struct sock *sk,
					   const struct sock_state *s)
{
	struct sonde_snap_listener r = {
		.rec = { .version = SONDE_ABI_VERSION,
			 .type = SONDE_SNAP_LISTENER,
			 .len = sizeof(r) },
		.cgroup_id = s->cgroup_id,
		.start_ns = s->start_ns,
		.pid = s->pid,
		.drops = sk->sk_drops.counter,
		.backlog = sk->sk_ack_backlog,
		.backlog_max = sk->sk_max_ack_backlog,
		.local_port = sk->__sk_common.skc_num,
	};

	r.rec.id = sk->__sk_common.skc_cookie.counter;
	if (sk->__sk_common.skc_family == AF_INET)
		map_ipv4(r.local, sk->__sk_common.skc_rcv_saddr);
	else
		copy_address(r.local, &sk->__sk_common.skc_v6_rcv_saddr);
	__builtin_memcpy(r.comm, s->comm, 16);
	bpf_seq_write(seq, &r, sizeof(r));
}

static __always_inline int write_facts(struct seq_file *seq, const struct sock_state *s,
				       struct sock *sk)
{
	struct sonde_snap_tcp r = {};
	struct tcp_sock *tp;

	if (!s || !sk || (s->flags & SOCK_IGNORED))
		return 0;
	if (sk->__sk_common.skc_state == BPF_TCP_LISTEN) {
		write_listener(seq, sk, s);
		return 0;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !s->id || !(s->flags & SOCK_OPENED))
		return 0;
	r.rec.version = SONDE_ABI_VERSION;
	r.rec.type = SONDE_SNAP_TCP;
	r.rec.len = sizeof(r);
	r.rec.id = s->id;
	r.stamp_ns = bpf_ktime_get_ns();
	read_facts(tp, s, sk->__sk_common.skc_state, &r.tcp);
	bpf_seq_write(seq, &r, sizeof(r));
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int sonde_facts(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return write_facts(ctx->meta->seq, ctx->value, ctx->sk);
}

SEC("iter/task_file")
int sonde_facts_files(struct bpf_iter__task_file *ctx)
{
	struct sock *sk;
	struct sock_state *s = state_of_file(ctx->file, &sk);

	return write_facts(ctx->meta->seq, s, sk);
}

char LICENSE[] SEC("license") = "GPL";
