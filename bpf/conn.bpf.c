// SPDX-License-Identifier: GPL-2.0-only
/*
 * conn - the life of a TCP connection (sockops): listen, connect, established, closed.
 *
 * Identity is taken in process context only, at listen and connect, and put on the socket; children
 * inherit it from the listener. Established and closed run in softirq and never ask who `current`
 * is. This is also where both ends of a node-local connection meet: the client enters its addresses
 * before its SYN leaves, the server finds them when the handshake ends, and from then on the server
 * reports for both.
 */
#include "bpf/lib/state.bpf.h"
#include "bpf/lib/emit.bpf.h"
#include "bpf/lib/owner.bpf.h"

#define AF_INET	     2
#define EPIPE	     32
#define ECONNABORTED 103
#define ECONNRESET   104

#define SO_EE_ORIGIN_ICMP  2
#define SO_EE_ORIGIN_ICMP6 3

static __always_inline bool has_ignored_port(const struct bpf_sock_ops *ctx)
{
	return is_ignored_port(ctx->local_port, bpf_ntohl(ctx->remote_port));
}

/* The self-made request that must come back through the whole pipeline. Port 0: there is none. */
static __always_inline bool is_canary(const struct bpf_sock_ops *ctx)
{
	struct sonde_control *control = control_page();
	__u32 local = ctx->local_port, remote = bpf_ntohl(ctx->remote_port);

	return control && control->canary_port &&
	       (local == control->canary_port || remote == control->canary_port);
}

static __always_inline bool is_own(const struct bpf_sock_ops *ctx, __u32 pid)
{
	struct sonde_control *control = control_page();

	if (!control || (pid != control->broker_pid && pid != control->worker_pid))
		return false;
	return !is_canary(ctx);
}

/* Process context only. */
static __always_inline void take_identity(struct bpf_sock_ops *ctx, struct sock_state *s)
{
	struct owner o = {};

	read_current(&o, 0, 0, sonde_knobs.has_task_btf);
	set_owner(s, &o);
	if (is_own(ctx, s->pid))
		s->flags |= SOCK_IGNORED | SOCK_OWN;
	else if (bpf_map_lookup_elem(&sonde_ignored, &s->cgroup_id))
		s->flags |= SOCK_IGNORED;
}

static __always_inline struct sock_state *create_state(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct sock_state *s = NULL;

	if (sk)
		s = bpf_sk_storage_get(&sonde_socks, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s)
		COUNT(storage_failed);
	return s;
}

static __always_inline struct sock_state *get_state(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	return sk ? bpf_sk_storage_get(&sonde_socks, sk, NULL, 0) : NULL;
}

/*
 * Two functions that are never inlined: merged into one, clang would compute the offset of the
 * field first, and the verifier allows no arithmetic on a context pointer.
 */
static __noinline int read_ipv4(struct bpf_sock_ops *ctx, struct endpoints *e)
{
	if (!e)
		return 0;
	map_ipv4(e->local, ctx->local_ip4);
	map_ipv4(e->remote, ctx->remote_ip4);
	return 0;
}

static __noinline int read_ipv6(struct bpf_sock_ops *ctx, struct endpoints *e)
{
	__u32 *l, *r;

	if (!e)
		return 0;
	l = (__u32 *)e->local;
	r = (__u32 *)e->remote;
	l[0] = ctx->local_ip6[0];
	l[1] = ctx->local_ip6[1];
	l[2] = ctx->local_ip6[2];
	l[3] = ctx->local_ip6[3];
	r[0] = ctx->remote_ip6[0];
	r[1] = ctx->remote_ip6[1];
	r[2] = ctx->remote_ip6[2];
	r[3] = ctx->remote_ip6[3];
	return 0;
}

static __always_inline void read_endpoints(struct bpf_sock_ops *ctx, struct endpoints *e)
{
	__builtin_memset(e, 0, sizeof(*e));
	if (ctx->family == AF_INET)
		read_ipv4(ctx, e);
	else
		read_ipv6(ctx, e);
	e->local_port = ctx->local_port;
	e->remote_port = bpf_ntohl(ctx->remote_port);
}

static __always_inline void make_key(struct bpf_sock_ops *ctx, const struct endpoints *e,
				     struct pair_key *key, const bool server)
{
	__builtin_memcpy(key->client, server ? e->remote : e->local, 16);
	__builtin_memcpy(key->server, server ? e->local : e->remote, 16);
	key->client_port = server ? e->remote_port : e->local_port;
	key->server_port = server ? e->local_port : e->remote_port;
	key->pad = 0;
	key->netns = 0;
	if (sonde_knobs.has_netns_cookie && is_loopback(key->client))
		key->netns = bpf_get_netns_cookie(ctx);
}

/* Beside what others have asked for on this socket. */
static __always_inline void want_state(struct bpf_sock_ops *ctx)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline void on_listen(struct bpf_sock_ops *ctx)
{
	struct sock_state *s = create_state(ctx);

	if (!s)
		return;
	/* It may have been a connection before; its children are to inherit nothing of that. */
	__builtin_memset(s, 0, sizeof(*s));
	take_identity(ctx, s);
	bpf_get_socket_cookie(ctx); /* from here on it has one, for sonde_facts to tell */
}

static __always_inline void on_connect(struct bpf_sock_ops *ctx)
{
	struct sock_state *s = create_state(ctx);
	struct endpoints e;
	struct pair_key key;

	if (!s)
		return;
	/* A socket may connect again after AF_UNSPEC: nothing of its former life counts. */
	__builtin_memset(s, 0, sizeof(*s));
	take_identity(ctx, s);
	s->flags |= SONDE_SIDE_CLIENT;
	if (has_ignored_port(ctx))
		s->flags |= SOCK_IGNORED;
	s->id = bpf_get_socket_cookie(ctx);
	read_endpoints(ctx, &e);
	make_key(ctx, &e, &key, false);
	if (bpf_map_update_elem(&sonde_pairs, &key, &s->id, BPF_ANY))
		COUNT(pairs_failed);
	else
		s->flags |= SOCK_PAIRED;
	/* Nothing has come in yet: the moment of the SYN waits here for the handshake to end. */
	s->in.last_ns = bpf_ktime_get_ns();
	s->peer = key.netns;
	want_state(ctx);
}

/*
 * Both flows start where the handshake left the sequence numbers; but payload that went with the
 * SYN (fast open) has begun its flow already.
 */
static __always_inline void start_flows(struct bpf_sock_ops *ctx, struct sock_state *s)
{
	s->in.base_seq = ctx->rcv_nxt;
	s->in.marks = MARK_SEEN;
	if (s->out.marks & MARK_SEEN)
		return;
	s->out.base_seq = ctx->snd_nxt;
	s->out.marks = MARK_SEEN;
}

static __always_inline void on_active(struct bpf_sock_ops *ctx)
{
	struct sock_state *s = get_state(ctx);
	__u64 now, connect_ns;
	struct endpoints e;

	if (!s || (s->flags & SOCK_IGNORED))
		return;
	now = bpf_ktime_get_ns();
	connect_ns = s->in.last_ns ? now - s->in.last_ns : 0;
	s->in.last_ns = 0;
	start_flows(ctx, s);
	s->flags |= SOCK_OPENED;
	read_endpoints(ctx, &e);
	emit_open(s, &e, now, connect_ns, 0);
	emit_nat(s);
}

/* Payload that came with the handshake's last ACK: the first turn of this connection. */
static __always_inline void take_early(struct bpf_sock_ops *ctx, struct sock_state *s)
{
	struct sonde_rec_data *r;
	struct early *early;
	__u32 zero = 0;
	__u64 flags;

	early = bpf_map_lookup_elem(&sonde_early, &zero);
	if (!early || !early->len || early->seq != ctx->rcv_nxt)
		return;
	s->in.bytes = early->len;
	s->in.last_ns = early->stamp_ns;
	s->in.begun_at = COARSE(early->stamp_ns);
	s->in.marks |= MARK_BEGUN;
	s->in.heads = 1;
	/* What was kept may be the beginning of a head that goes on. */
	s->in.left = early->captured == early->len && early->len < sonde_knobs.request_head_bytes
			     ? sonde_knobs.request_head_bytes - early->len
			     : 0;
	r = reserve(SONDE_REC_DATA, sizeof(*r) + EARLY_BYTES, sizeof(*r) + early->captured, s->id,
		    &flags);
	if (r) {
		r->stamp_ns = early->stamp_ns;
		r->position = 0;
		r->peer_bytes = 0;
		r->peer_last_ns = 0;
		r->head = 1;
		r->read_at = 0;
		r->segment_len = early->len;
		r->captured = early->captured;
		r->direction = SONDE_DIR_INGRESS;
		r->flags = SONDE_DATA_FIRST;
		__builtin_memcpy(r + 1, early->payload, EARLY_BYTES);
		bpf_ringbuf_submit(r, flags);
	}
	early->len = 0;
}

static __always_inline void on_passive(struct bpf_sock_ops *ctx)
{
	struct sock_state *s = create_state(ctx);
	struct endpoints e;
	struct pair_key key;
	__u64 *client, now;
	__u8 one = 1;

	if (!s)
		return;
	/* The canary listened before its port was told. */
	if (is_canary(ctx))
		s->flags &= ~SOCK_IGNORED;
	/* Asked anew: what is to be ignored may have changed since its listener began. */
	s->flags = (s->flags & SOCK_OWN ? SOCK_OWN | SOCK_IGNORED : 0) | SONDE_SIDE_SERVER |
		   SOCK_OPENED;
	if (bpf_map_lookup_elem(&sonde_ignored, &s->cgroup_id))
		s->flags |= SOCK_IGNORED;
	if (has_ignored_port(ctx))
		s->flags |= SOCK_IGNORED;
	s->id = bpf_get_socket_cookie(ctx);
	read_endpoints(ctx, &e);
	make_key(ctx, &e, &key, true);
	client = bpf_map_lookup_elem(&sonde_pairs, &key);
	/* A server that is left alone reports nothing, so its client must; the agent's own are
	 * silent. */
	if (client && (!(s->flags & SOCK_IGNORED) || (s->flags & SOCK_OWN))) {
		s->peer = *client;
		if (bpf_map_update_elem(&sonde_claimed, &s->peer, &one, BPF_ANY))
			COUNT(pairs_failed);
		/* Taken out before us: the client has closed, and nobody else will tidy up. */
		if (bpf_map_delete_elem(&sonde_pairs, &key))
			bpf_map_delete_elem(&sonde_claimed, &s->peer);
	}
	if (s->flags & SOCK_IGNORED)
		return;
	now = bpf_ktime_get_ns();
	start_flows(ctx, s);
	s->reads.opened_at = COARSE(now);
	emit_open(s, &e, now, 0, 0);
	take_early(ctx, s);
	want_state(ctx);
}

/*
 * What ICMP has said of a connect that the application gave up: while its socket is in use, that is
 * a soft error, which it reads and which is gone then; but it waits in the error queue as well. The
 * lowest byte of an errno is all of it.
 */
static __always_inline int soft_error(const struct sock *sk)
{
	const __u32 at = bpf_core_field_offset(struct sock_exterr_skb, ee.ee_errno);
	const __u32 origin_at = bpf_core_field_offset(struct sock_exterr_skb, ee.ee_origin);
	const struct sk_buff *skb;
	__u8 origin;

	if (sk->sk_err_soft)
		return sk->sk_err_soft;
	if (!sk->sk_error_queue.qlen)
		return 0;
	skb = sk->sk_error_queue.next;
	origin = skb->cb[origin_at];
	if (origin != SO_EE_ORIGIN_ICMP && origin != SO_EE_ORIGIN_ICMP6)
		return 0;
	return skb->cb[at];
}

/* How it ended, by the error that TCP leaves on the socket before it changes the state. */
static __always_inline void read_ending(struct bpf_sock_ops *ctx, const struct tcp_sock *tp,
					struct ending *end)
{
	int err = tp ? tp->inet_conn.icsk_inet.sk.sk_err : 0;

	if (tp && !err && ctx->args[0] == BPF_TCP_SYN_SENT)
		err = soft_error(&tp->inet_conn.icsk_inet.sk);
	end->stamp_ns = bpf_ktime_get_ns();
	end->state = (__u8)ctx->args[0];
	end->error = (__u16)err;
	end->why = 0;
	if (err == ECONNRESET || err == EPIPE)
		end->why = SONDE_CLOSE_RST_IN;
	else if (err == ECONNABORTED)
		end->why = SONDE_CLOSE_ABORT; /* by an administrator: ss -K */
	else if (err)
		end->why = SONDE_CLOSE_TIMEOUT; /* ETIMEDOUT, or the soft error behind it */
	else if (end->state == BPF_TCP_ESTABLISHED || end->state == BPF_TCP_CLOSE_WAIT)
		end->why = SONDE_CLOSE_ABORT; /* with neither a FIN nor an error */
}

/* What a client left in the tables of pairs. An answer has taken the pairs out already. */
static __always_inline void leave_pairs(struct bpf_sock_ops *ctx, const struct sock_state *s,
					const struct endpoints *e)
{
	bool local = s->out.marks & MARK_LOCAL, nated = s->flags & SOCK_NATED;
	struct pair_key key;
	__u64 id = s->id;

	/* A server takes out the one pair by which it finds its client; of two, one is left. */
	if (!(s->in.marks & MARK_BEGUN) && (!local || nated) && (s->flags & SOCK_PAIRED)) {
		make_key(ctx, e, &key, false);
		bpf_map_delete_elem(&sonde_pairs, &key);
		if (nated)
			leave_nat_pair(id);
	}
	/* Claimed perhaps after the first payload, when nobody looks any more. */
	if (!local)
		bpf_map_delete_elem(&sonde_claimed, &id);
}

static __always_inline void forget_nat(const struct sock_state *s)
{
	__u64 id = s->id;

	if (s->flags & SOCK_NATED)
		bpf_map_delete_elem(&sonde_nats, &id);
}

static __always_inline void on_closed(struct bpf_sock_ops *ctx)
{
	struct sock_state *s = get_state(ctx);
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tp;
	struct endpoints e;
	struct ending end;

	if (!s || !s->id || !sk)
		return;
	read_endpoints(ctx, &e);
	if ((s->flags & SOCK_SIDE) == SONDE_SIDE_CLIENT)
		leave_pairs(ctx, s, &e);
	if (s->flags & SOCK_IGNORED) {
		forget_nat(s);
		return;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	read_ending(ctx, tp, &end);
	if (!(s->flags & SOCK_OPENED)) {
		/* Closed already; or a connect that came to nothing, told by both records. */
		if (end.state != BPF_TCP_SYN_SENT)
			return;
		emit_open(s, &e, s->in.last_ns, 0, SONDE_OPEN_FAILED);
		emit_nat(s);
		end.why |= SONDE_CLOSE_FAILED;
	}
	emit_close(s, tp, &end);
	forget_nat(s);
	/* The socket may be held for long; the iterators must not tell of it again. */
	s->flags &= ~SOCK_OPENED;
}

SEC("sockops")
int sonde_sockops(struct bpf_sock_ops *ctx)
{
	count_run(SONDE_PROGRAM_SOCKOPS);
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		on_listen(ctx);
		break;
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		on_connect(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		on_active(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		on_passive(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			on_closed(ctx);
		break;
	}
	return 1;
}

/*
 * An application reads from its socket, in process context, by whatever call: that is who owns it,
 * whoever has listened; and the first read of a turn ends its wait in the socket's queue. The
 * kernel's own readers (TLS, NFS) come from softirq, where the socket is not owned, or are threads
 * of the kernel.
 */
SEC("tp_btf/tcp_rcv_space_adjust")
int sonde_read(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct sock_state *s;
	__u32 since, now;

	count_run(SONDE_PROGRAM_READ);
	s = bpf_sk_storage_get(&sonde_socks, sk, NULL, 0);
	if (!s || !s->id || (s->flags & SOCK_IGNORED) || !sk->sk_lock.owned)
		return 0;
	note_user(s, true);
	if ((s->flags & SOCK_SIDE) != SONDE_SIDE_SERVER ||
	    (s->reads.after_us && s->reads.heads == s->in.heads))
		return 0;
	now = COARSE(bpf_ktime_get_ns());
	s->reads.heads = s->in.heads;
	s->reads.at = now;
	if (s->reads.after_us)
		return 0;
	since = s->reads.opened_at;
	if (since && s->in.begun_at && (__s32)(s->in.begun_at - since) > 0)
		since = s->in.begun_at;
	s->reads.after_us = since ? (__u32)(((__u64)(now - since) << 6) / 1000) + 1 : 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
