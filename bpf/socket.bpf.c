// SPDX-License-Identifier: GPL-2.0-only
/*
 * socket - payload where it enters and leaves a socket (cgroup_skb).
 *
 * Every packet of every socket on the node passes here, so the order of the questions is the
 * design. What is not TCP leaves for lib/udp.bpf.h. Of TCP: no payload and no flag that ends
 * something: leave, before the first helper call. Then one storage lookup, then: nothing to watch:
 * leave. Only the first payload of a turn costs more: the clock (ingress; on egress TCP's own send
 * time is in the skb), a reservation and a bounded copy.
 *
 * The program counts, stamps and copies; it does not interpret. Its one hint is whether a turn
 * begins with "HTTP/1.": a connection whose first turns never do is counted but no longer copied.
 */
#include "bpf/lib/state.bpf.h"
#include "bpf/lib/emit.bpf.h"
#include "bpf/lib/udp.bpf.h"
#include "bpf/lib/owner.bpf.h"

#define AF_INET	   2
#define ETH_P_IP   0x0800
#define ETH_P_IPV6 0x86dd

#define IPPROTO_HOPOPTS 0 /* uapi macros, absent from BTF */
#define IPPROTO_ROUTING 43
#define IPPROTO_DSTOPTS 60

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define SHUTDOWN_MASK 3 /* of struct sock: both ways */

#define PASS	       1 /* the neutral verdict of a cgroup_skb program */
#define SCAN_TURNS     2 /* request turns of a connection that are looked through */
#define EMPTY_LINE     bpf_htonl(0x0d0a0d0a) /* ends a head: two CRLF */
#define EMPTY_LINE_LEN 4
#define REQUEST_LEN    10 /* bytes that begins_request() looks at */
#define HINT_BYTES     8  /* of a turn's beginning, for the hint */
#define MAX_SLICES     8  /* records of one segment when a connection is captured whole */

/* The part of a segment that is new to its direction. */
struct segment {
	__u32 offset; /* of the payload in the packet */
	__u32 len;    /* payload bytes */
	__u32 seq;    /* of the first one */
	__u8 tcp_flags;
	bool zero_window; /* its sender has no room */
};

/* Finds the TCP header behind IPv4 options or IPv6 extension headers. 0: not TCP, or not readable.
 */
static __always_inline __u32 tcp_offset(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *v6 = data;
	struct iphdr *v4 = data;
	__u32 offset;
	__u8 next;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if ((void *)(v4 + 1) > end || v4->protocol != IPPROTO_TCP)
			return 0;
		return v4->ihl * 4;
	}
	if (skb->protocol != bpf_htons(ETH_P_IPV6) || (void *)(v6 + 1) > end)
		return 0;
	next = v6->nexthdr;
	offset = sizeof(*v6);
#pragma unroll
	for (int i = 0; i < 4; i++) {
		struct ipv6_opt_hdr opt;

		if (next == IPPROTO_TCP)
			return offset;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return 0;
		if (bpf_skb_load_bytes(skb, offset, &opt, sizeof(opt)))
			return 0;
		next = opt.nexthdr;
		offset += (opt.hdrlen + 1) * 8;
	}
	return 0;
}

/*
 * Reads the place and size of the segment whose header is at OFFSET; false when this packet is none
 * of our business.
 */
static __always_inline bool read_segment(struct __sk_buff *skb, __u32 offset, struct segment *seg,
					 const int direction)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct tcphdr *tcp;
	__u32 header;

	if (offset > 512)
		return false;
	tcp = data + offset;
	if ((void *)(tcp + 1) > end) {
		COUNT(headers_odd);
		return false;
	}
	header = offset + tcp->doff * 4;
	seg->tcp_flags = ((__u8 *)tcp)[13];
	seg->offset = header;
	seg->len = skb->len > header ? skb->len - header : 0;
	/* A SYN takes a number of its own; payload on it (fast open) begins behind. */
	seg->seq = bpf_ntohl(tcp->seq) + tcp->syn;
	seg->zero_window = !tcp->window && !(seg->tcp_flags & (TCP_SYN | TCP_RST));
	if (seg->len || seg->zero_window || (seg->tcp_flags & (TCP_FIN | TCP_RST)))
		return true;
	return direction == SONDE_DIR_EGRESS && (seg->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline struct sock_state *find_state(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk ? bpf_sk_storage_get(&sonde_socks, sk, NULL, 0) : NULL;
}

/* Never inlined, like their namesakes in conn.bpf.c and for the same reason. */
static __noinline int read_ipv4(struct bpf_sock *sk, struct endpoints *e)
{
	if (!sk || !e)
		return 0;
	map_ipv4(e->local, sk->src_ip4);
	map_ipv4(e->remote, sk->dst_ip4);
	return 0;
}

static __noinline int read_ipv6(struct bpf_sock *sk, struct endpoints *e)
{
	__u32 *l, *r;

	if (!sk || !e)
		return 0;
	l = (__u32 *)e->local;
	r = (__u32 *)e->remote;
	l[0] = sk->src_ip6[0];
	l[1] = sk->src_ip6[1];
	l[2] = sk->src_ip6[2];
	l[3] = sk->src_ip6[3];
	r[0] = sk->dst_ip6[0];
	r[1] = sk->dst_ip6[1];
	r[2] = sk->dst_ip6[2];
	r[3] = sk->dst_ip6[3];
	return 0;
}

static __always_inline void read_socket(struct bpf_sock *sk, struct endpoints *e)
{
	__builtin_memset(e, 0, sizeof(*e));
	if (sk->family == AF_INET)
		read_ipv4(sk, e);
	else
		read_ipv6(sk, e);
	e->local_port = sk->src_port;
	e->remote_port = bpf_ntohs((__u16)sk->dst_port);
}

/* A socket that neither a callback nor the iterator has shown us: it is older than the agent. */
static __noinline struct sock_state *adopt(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct endpoints e;
	struct sock_state *s;

	if (!sk)
		return NULL;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->state == BPF_TCP_LISTEN)
		return NULL;
	s = bpf_sk_storage_get(&sonde_socks, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		COUNT(storage_failed);
		return NULL;
	}
	s->id = bpf_get_socket_cookie(skb);
	s->cgroup_id = bpf_skb_cgroup_id(skb);
	s->flags |= SOCK_PREEXISTING | SOCK_OPENED;
	read_socket(sk, &e);
	if (is_ignored_port(e.local_port, e.remote_port) ||
	    bpf_map_lookup_elem(&sonde_ignored, &s->cgroup_id)) {
		s->flags |= SOCK_IGNORED;
		return s;
	}
	emit_open(s, &e, bpf_ktime_get_ns(), 0, 0);
	return s;
}

/* The addresses that a packet bears, from the side of the socket that sends it. */
static __always_inline bool read_packet(struct __sk_buff *skb, struct endpoints *e)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 offset = tcp_offset(skb);
	struct ipv6hdr *v6 = data;
	struct iphdr *v4 = data;
	struct tcphdr *tcp;

	if (!offset || offset > 512 || (void *)(v4 + 1) > end)
		return false;
	tcp = data + offset;
	if ((void *)(tcp + 1) > end)
		return false;
	e->local_port = bpf_ntohs(tcp->source);
	e->remote_port = bpf_ntohs(tcp->dest);
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		map_ipv4(e->local, v4->saddr);
		map_ipv4(e->remote, v4->daddr);
		return true;
	}
	if ((void *)(v6 + 1) > end)
		return false;
	__builtin_memcpy(e->local, &v6->saddr, 16);
	__builtin_memcpy(e->remote, &v6->daddr, 16);
	return true;
}

static __always_inline bool same_address(const __u8 a[16], const __u8 b[16])
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1];
}

/*
 * A client's SYN on its way out, behind the address translation: when it bears other addresses than
 * the socket, the server will know the client by those, so the pair is entered under them too.
 */
static __noinline int note_nat(struct __sk_buff *skb, struct sock_state *s)
{
	struct endpoints socket = {}, packet = {};
	struct bpf_sock *sk = skb->sk;
	struct pair_key key;
	struct nat nat = {};
	__u64 id;

	if (!s || !sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk || !read_packet(skb, &packet))
		return 0;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		read_ipv4(sk, &socket);
	else
		read_ipv6(sk, &socket);
	socket.local_port = sk->src_port;
	socket.remote_port = bpf_ntohs((__u16)sk->dst_port);
	if (same_address(socket.local, packet.local) &&
	    same_address(socket.remote, packet.remote) && socket.local_port == packet.local_port &&
	    socket.remote_port == packet.remote_port)
		return 0;
	__builtin_memcpy(nat.local, packet.local, 16);
	__builtin_memcpy(nat.remote, packet.remote, 16);
	nat.local_port = packet.local_port;
	nat.remote_port = packet.remote_port;
	nat.netns = is_loopback(nat.local) ? s->peer : 0;
	nat_key(&nat, &key);
	id = s->id;
	if (bpf_map_update_elem(&sonde_nats, &id, &nat, BPF_ANY)) {
		COUNT(nats_failed);
		return 0;
	}
	s->flags |= SOCK_NATED;
	if (bpf_map_update_elem(&sonde_pairs, &key, &id, BPF_ANY))
		COUNT(pairs_failed);
	return 0;
}

/*
 * A client's first answer: by now its server has claimed it or never will, so the pair need not
 * wait in its table for as long as the connection lives.
 */
static __noinline int leave_pairs(struct __sk_buff *skb, struct sock_state *s)
{
	struct bpf_sock *sk = skb->sk;
	struct pair_key key = {};
	struct endpoints e;

	if (!s || !sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	read_socket(sk, &e);
	__builtin_memcpy(key.client, e.local, 16);
	__builtin_memcpy(key.server, e.remote, 16);
	key.client_port = e.local_port;
	key.server_port = e.remote_port;
	key.netns = s->peer;
	bpf_map_delete_elem(&sonde_pairs, &key);
	if (s->flags & SOCK_NATED)
		leave_nat_pair(s->id);
	return 0;
}

/*
 * The first payload that a socket sends: who sends it owns it, whoever has listened or connected.
 * The lock of the socket tells whether that is who runs, or whether this is the kernel's own doing.
 */
static __noinline int note_writer(struct __sk_buff *skb, struct sock_state *s)
{
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tp;

	if (!s || !sk)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp && tp->inet_conn.icsk_inet.sk.sk_lock.owned)
		note_user(s, sonde_knobs.has_skb_task_btf);
	return 0;
}

/* What is about to be written as a data record. */
struct slice {
	__u64 position;
	__u64 stamp_ns;
	__u32 offset; /* in the packet */
	__u32 len;    /* payload bytes from there on */
	__u32 want;   /* how many to capture */
	__u8 direction;
	__u8 flags;
};

/*
 * When the turn that this one answers was first read. Taken from the socket's state here and not
 * carried in the slice: with one more word in that the verifier looks at ten times as many states.
 */
static __always_inline __u32 read_at(const struct sock_state *s, const struct slice *w)
{
	return w->direction == SONDE_DIR_EGRESS && s->reads.heads == s->in.heads ? s->reads.at : 0;
}

static __always_inline void fill_data(struct sonde_rec_data *r, const struct sock_state *s,
				      const struct flow *f, const struct flow *peer,
				      const struct slice *w)
{
	r->stamp_ns = w->stamp_ns;
	r->position = w->position;
	r->peer_bytes = peer->bytes;
	r->peer_last_ns = peer->last_ns;
	r->head = f->heads;
	r->read_at = read_at(s, w);
	r->segment_len = w->len;
	r->captured = w->want;
	r->direction = w->direction;
	r->flags = w->flags;
}

/*
 * One record of a fixed SIZE with room for ROOM captured bytes: the ring takes constant sizes only,
 * so there is a class for every power of two and this is inlined once for each.
 */
static __always_inline void emit_class(struct __sk_buff *skb, const struct sock_state *s,
				       const struct flow *f, const struct flow *peer,
				       const struct slice *w, const __u32 size)
{
	const __u32 room = size - sizeof(struct sonde_rec_data);
	struct sonde_rec_data *r;
	__u32 want = w->want;
	__u64 flags;

	r = reserve(SONDE_REC_DATA, size, sizeof(*r) + want, s->id, &flags);
	if (!r)
		return;
	fill_data(r, s, f, peer, w);
	/*
	 * The verifier forgets bounds across the spill and wants them here; that of 6.1 and before
	 * learns nothing from a comparison with zero, so the two tests must stay two.
	 */
	asm volatile("" : "+r"(want));
	if (want > room)
		want = 0;
	asm volatile("" : "+r"(want));
	if ((__s32)want < 1 || bpf_skb_load_bytes(skb, w->offset, r + 1, want)) {
		r->captured = 0;
		r->rec.len = sizeof(*r);
	}
	bpf_ringbuf_submit(r, flags);
}

static __noinline int emit_data(struct __sk_buff *skb, struct sock_state *s, struct slice *w)
{
	struct flow *f, *peer;

	if (!s || !w)
		return 0;
	f = w->direction == SONDE_DIR_INGRESS ? &s->in : &s->out;
	peer = w->direction == SONDE_DIR_INGRESS ? &s->out : &s->in;
	if (w->want <= 64)
		emit_class(skb, s, f, peer, w, 128);
	else if (w->want <= 192)
		emit_class(skb, s, f, peer, w, 256);
	else if (w->want <= 448)
		emit_class(skb, s, f, peer, w, 512);
	else if (w->want <= 960)
		emit_class(skb, s, f, peer, w, 1024);
	else
		emit_class(skb, s, f, peer, w, 2048);
	return 0;
}

/*
 * Payload that came with the last ACK of a handshake (TCP_DEFER_ACCEPT) passes here on the
 * listener's behalf, a moment before its own socket exists. It is kept until sockops opens that
 * socket, next thing on this CPU, and takes it from here.
 */
static __noinline int keep_early(struct __sk_buff *skb, struct segment *seg)
{
	__u32 zero = 0, want;
	struct early *e;

	if (!seg || !skb->sk)
		return 0;
	e = bpf_map_lookup_elem(&sonde_early, &zero);
	if (!e)
		return 0;
	want = sonde_knobs.request_head_bytes;
	if (want > seg->len)
		want = seg->len;
	if (want > EARLY_BYTES)
		want = EARLY_BYTES;
	e->len = 0;
	asm volatile("" : "+r"(want)); /* as in emit_class() */
	if ((__s32)want < 1 || bpf_skb_load_bytes(skb, seg->offset, e->payload, want)) {
		COUNT(early_lost);
		return 0;
	}
	e->seq = seg->seq;
	e->stamp_ns = bpf_ktime_get_ns();
	e->captured = want;
	e->len = seg->len;
	return 0;
}

/* At a client's first payload: has a server on this node claimed the other end? Asked once. */
static __always_inline bool is_claimed(const struct sock_state *s)
{
	__u64 id = s->id;

	if ((s->flags & SOCK_SIDE) != SONDE_SIDE_CLIENT ||
	    !bpf_map_lookup_elem(&sonde_claimed, &id))
		return false;
	bpf_map_delete_elem(&sonde_claimed, &id);
	return true;
}

/* "HTTP/1." at OFFSET of the packet. */
static __always_inline bool begins_response(struct __sk_buff *skb, __u32 offset)
{
	char head[HINT_BYTES];

	if (bpf_skb_load_bytes(skb, offset, head, sizeof(head)))
		return false;
	return head[0] == 'H' && head[1] == 'T' && head[2] == 'T' && head[3] == 'P' &&
	       head[4] == '/' && head[5] == '1' && head[6] == '.';
}

/* Whether the worker has seen this connection turn into something else than HTTP. */
static __always_inline bool is_left_alone(const struct sock_state *s)
{
	struct sonde_control *control = control_page();

	return control && control->leave[SONDE_STREAM_SLOT(s->id)] == s->id;
}

/* A new turn of F: is it to be captured, and how much of it? Sets F->left and F->heads. */
static __always_inline __u8 begin_turn(struct __sk_buff *skb, const struct sock_state *s,
				       struct flow *f, const struct flow *peer,
				       const struct segment *seg, const int direction)
{
	const __u32 side = s->flags & SOCK_SIDE;
	const bool server = side == SONDE_SIDE_SERVER, client = side == SONDE_SIDE_CLIENT;
	const bool answers = direction == SONDE_DIR_EGRESS ? !client : !server;
	const bool asks = direction == SONDE_DIR_EGRESS ? !server : !client;
	__u8 hint = 0;

	f->left = 0;
	if (answers && (f->marks & MARK_HTTP)) {
		f->left = sonde_knobs.response_head_bytes;
	} else if (answers && !(peer->marks & MARK_HTTP) &&
		   (f->marks & MARK_PROBES) != MARK_PROBES) {
		if (begins_response(skb, seg->offset)) {
			f->marks |= MARK_HTTP;
			f->left = sonde_knobs.response_head_bytes;
			hint = SONDE_DATA_RESPONSE;
		} else {
			f->marks += MARK_PROBE;
			/* Too short to tell: userspace may, when the rest has come. */
			if (seg->len < HINT_BYTES)
				f->left = sonde_knobs.response_head_bytes;
		}
	}
	if (asks && !f->left &&
	    ((peer->marks & MARK_HTTP) || (peer->marks & MARK_PROBES) != MARK_PROBES))
		f->left = sonde_knobs.request_head_bytes;
	if (f->left && is_left_alone(s)) {
		f->marks = (f->marks & ~MARK_HTTP) | MARK_PROBES;
		f->left = 0;
	}
	if (f->left)
		f->heads++;
	return hint;
}

/* Whether the worker wants all bytes of this connection. */
static __always_inline bool wants_stream(const struct sock_state *s)
{
	struct sonde_control *control = control_page();

	return control && control->stream[SONDE_STREAM_SLOT(s->id)] == s->id;
}

/* Bytes that begin like "GET /": three to seven capitals, a blank, a slash. */
static __always_inline bool begins_request(const __u8 *p)
{
	__u32 i = 0;

	for (; i < 8; i++)
		if (p[i] < 'A' || p[i] > 'Z')
			break;
	return i >= 3 && i < 8 && p[i] == ' ' && p[i + 1] == '/';
}

/*
 * Whether requests come several at a time: a second one behind the empty line of the first, or at
 * the beginning of a segment that does not begin a turn. A hint, looked for in the first turns of a
 * connection only; the worker finds the others, but cannot see what has passed by then. Not static:
 * the verifier then looks at it once, and not once for every way that leads here.
 */
__noinline int find_pipeline(struct __sk_buff *skb, __u32 offset, __u32 segment_len, int turn)
{
	__u32 zero = 0, len, at;
	struct scan *scan;

	scan = bpf_map_lookup_elem(&sonde_scan, &zero);
	if (!scan)
		return 0;
	len = segment_len > SCAN_BYTES ? SCAN_BYTES : segment_len;
	asm volatile("" : "+r"(len)); /* as in emit_class() */
	if ((__s32)len < REQUEST_LEN || bpf_skb_load_bytes(skb, offset, scan->bytes, len))
		return 0;
	/*
	 * One comparison a byte, and the place through the map: the verifier must not follow every
	 * place it could be at, or loading takes seconds.
	 */
	scan->at = turn ? SCAN_BYTES : 0;
	for (__u32 i = 0; turn && i < SCAN_BYTES - REQUEST_LEN - EMPTY_LINE_LEN; i++) {
		if (*(__u32 *)(scan->bytes + i) == EMPTY_LINE) {
			scan->at = i + EMPTY_LINE_LEN;
			break;
		}
	}
	at = *(volatile __u32 *)&scan->at;
	if (at + REQUEST_LEN > len || at > SCAN_BYTES - REQUEST_LEN)
		return 0;
	return begins_request(scan->bytes + at);
}

/* Captures what the turn still wants of this segment, or all of it, as one or more records. */
static __always_inline void capture(struct __sk_buff *skb, struct sock_state *s, struct flow *f,
				    const struct segment *seg, struct slice *w)
{
	__u32 want = f->left, rest = seg->len;

	if (((s->in.marks | s->out.marks) & MARK_PIPES) || wants_stream(s))
		want = rest;
	if (want > rest)
		want = rest;
	f->left = f->left > want ? f->left - want : 0;
	for (int i = 0; i < MAX_SLICES && want; i++) {
		w->offset = seg->offset + (seg->len - rest);
		w->want = want > SONDE_HEAD_BYTES_MAX ? SONDE_HEAD_BYTES_MAX : want;
		/* A slice that another one follows speaks for itself alone. */
		w->len = want > w->want && i + 1 < MAX_SLICES ? w->want : rest;
		emit_data(skb, s, w);
		want -= w->want;
		rest -= w->want;
		w->position += w->want;
		w->flags &= ~(SONDE_DATA_FIRST | SONDE_DATA_RESPONSE);
	}
}

/*
 * Places the segment in its direction by sequence number and cuts off what was seen before. False:
 * nothing new in it, unless it may fill a hole of this turn (then *W says REPEAT).
 */
static __always_inline bool place(struct flow *f, struct segment *seg, struct slice *w)
{
	__s32 ahead, fresh;

	if (!(f->marks & MARK_SEEN)) {
		f->base_seq = seg->seq - (__u32)f->bytes;
		f->marks |= MARK_SEEN;
	}
	ahead = (__s32)(seg->seq - (f->base_seq + (__u32)f->bytes));
	fresh = ahead + (__s32)seg->len;
	w->position = f->bytes + ahead;
	if (ahead > 0) {
		f->gaps++;
		w->flags = SONDE_DATA_GAP;
	} else if (ahead < 0) {
		f->retransmits++;
		if (fresh <= 0) {
			w->flags = SONDE_DATA_REPEAT;
			return f->marks & MARK_HOLE;
		}
		seg->offset -= ahead;
		seg->len = fresh;
		seg->seq -= ahead;
		w->position = f->bytes;
	}
	return true;
}

static __always_inline void on_payload(struct __sk_buff *skb, struct sock_state *s,
				       struct segment *seg, const int direction)
{
	struct flow *f = direction == SONDE_DIR_INGRESS ? &s->in : &s->out;
	struct flow *peer = direction == SONDE_DIR_INGRESS ? &s->out : &s->in;
	struct slice w = { .direction = direction };
	__u32 peer_now = (__u32)peer->bytes;
	const __u32 side = s->flags & SOCK_SIDE;
	const bool asks =
		side != (direction == SONDE_DIR_INGRESS ? SONDE_SIDE_CLIENT : SONDE_SIDE_SERVER);
	__u64 end, stamp;
	bool turn;

	if (!place(f, seg, &w))
		return;
	if (w.flags & SONDE_DATA_REPEAT) {
		w.stamp_ns = bpf_ktime_get_ns();
		w.offset = seg->offset;
		w.len = seg->len;
		w.want = seg->len > SONDE_HEAD_BYTES_MAX ? SONDE_HEAD_BYTES_MAX : seg->len;
		emit_data(skb, s, &w);
		return;
	}
	turn = !(f->marks & MARK_BEGUN) || f->peer_seen != peer_now;
	w.stamp_ns =
		direction == SONDE_DIR_EGRESS && skb->tstamp ? skb->tstamp : bpf_ktime_get_ns();
	if (!(f->marks & MARK_BEGUN))
		f->begun_at = COARSE(w.stamp_ns);
	if (turn) {
		f->peer_seen = peer_now;
		f->marks = (f->marks & ~MARK_HOLE) | MARK_BEGUN;
		w.flags |= SONDE_DATA_FIRST | begin_turn(skb, s, f, peer, seg, direction);
	} else if (!f->left && (f->marks & MARK_HTTP) && seg->len < 4096 &&
		   begins_response(skb, seg->offset)) {
		/* A pipelined answer in a segment of its own. */
		f->left = sonde_knobs.response_head_bytes;
		f->heads++;
		w.flags |= SONDE_DATA_RESPONSE;
	}
	if (asks && f->heads <= SCAN_TURNS && seg->len < 16384 &&
	    (f->left || (peer->marks & MARK_HTTP)) &&
	    find_pipeline(skb, seg->offset, seg->len, turn))
		f->marks |= MARK_PIPES;
	if ((w.flags & SONDE_DATA_GAP) && f->left)
		f->marks |= MARK_HOLE;
	end = w.position + seg->len;
	stamp = w.stamp_ns;
	if (f->left || ((f->marks | peer->marks) & MARK_HTTP))
		capture(skb, s, f, seg, &w);
	/* Last: what the other direction reads here must be in the ring before what it writes. */
	f->last_ns = stamp;
	f->bytes = end;
}

/*
 * Old sockets have no callback that tells of their end: FINs both ways or a RST do, and the FIN of
 * a socket that the application has closed (not only shut down), because the peer's answer to that
 * one may go to a socket in TIME_WAIT, where no program is.
 */
static __always_inline bool is_last_word(const struct sock_state *s, const struct tcp_sock *tp,
					 __u8 tcp_flags, const int direction)
{
	if ((tcp_flags & TCP_RST) || (s->in.marks & s->out.marks & MARK_FIN))
		return true;
	return tp && direction == SONDE_DIR_EGRESS &&
	       tp->inet_conn.icsk_inet.sk.sk_shutdown == SHUTDOWN_MASK;
}

static __always_inline void on_flags(struct __sk_buff *skb, struct sock_state *s, __u8 tcp_flags,
				     const int direction)
{
	struct flow *f = direction == SONDE_DIR_INGRESS ? &s->in : &s->out;
	struct bpf_sock *sk = skb->sk;
	struct ending end = {};
	struct tcp_sock *tp;

	if ((tcp_flags & TCP_FIN) && !((s->in.marks | s->out.marks) & MARK_FIN))
		f->marks |= MARK_FIRST;
	f->marks |= (tcp_flags & TCP_FIN ? MARK_FIN : 0) | (tcp_flags & TCP_RST ? MARK_RST : 0);
	if (!(s->flags & SOCK_PREEXISTING) || !(s->flags & SOCK_OPENED))
		return;
	tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (is_last_word(s, tp, tcp_flags, direction)) {
		end.stamp_ns = bpf_ktime_get_ns();
		end.why = s->in.marks & MARK_RST ? SONDE_CLOSE_RST_IN : 0;
		emit_close(s, tp, &end);
		s->flags &= ~SOCK_OPENED;
	}
}

static __always_inline int on_packet(struct __sk_buff *skb, const int direction)
{
	__u32 offset = tcp_offset(skb);
	struct sock_state *s;
	struct segment seg;

	count_run(direction == SONDE_DIR_INGRESS ? SONDE_PROGRAM_INGRESS : SONDE_PROGRAM_EGRESS);
	if (!offset)
		on_udp(skb, direction);
	if (!offset || !read_segment(skb, offset, &seg, direction))
		return PASS;
	s = find_state(skb);
	if (!s && seg.len)
		s = adopt(skb);
	if (!s || !s->id) {
		if (direction == SONDE_DIR_INGRESS && seg.len)
			keep_early(skb, &seg);
		return PASS;
	}
	if (s->flags & SOCK_IGNORED)
		return PASS;
	if (direction == SONDE_DIR_EGRESS && (seg.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
	    !(s->flags & SOCK_NATED))
		note_nat(skb, s);
	if (direction == SONDE_DIR_EGRESS && seg.len &&
	    !(s->out.marks & (MARK_BEGUN | MARK_LOCAL))) {
		note_writer(skb, s);
		if (is_claimed(s))
			s->out.marks |= MARK_LOCAL | MARK_BEGUN;
	}
	if (!(s->out.marks & MARK_LOCAL)) {
		if (direction == SONDE_DIR_INGRESS && seg.len && (s->flags & SOCK_PAIRED) &&
		    !(s->in.marks & MARK_BEGUN))
			leave_pairs(skb, s);
		if (direction == SONDE_DIR_INGRESS)
			s->in.zero_windows += seg.zero_window;
		else
			s->out.zero_windows += seg.zero_window;
		if (seg.len)
			on_payload(skb, s, &seg, direction);
	}
	if (seg.tcp_flags & (TCP_FIN | TCP_RST))
		on_flags(skb, s, seg.tcp_flags, direction);
	return PASS;
}

SEC("cgroup_skb/ingress")
int sonde_ingress(struct __sk_buff *skb)
{
	return on_packet(skb, SONDE_DIR_INGRESS);
}

SEC("cgroup_skb/egress")
int sonde_egress(struct __sk_buff *skb)
{
	return on_packet(skb, SONDE_DIR_EGRESS);
}

char LICENSE[] SEC("license") = "GPL";
