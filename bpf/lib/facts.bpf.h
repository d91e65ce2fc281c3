/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * facts - what TCP itself counts for a socket, read from struct tcp_sock.
 *
 * No packet pays for any of it: TCP keeps these numbers anyway, so they are read when a connection
 * closes and when somebody wants to see it.
 */
#ifndef SONDE_LIB_FACTS_BPF_H
#define SONDE_LIB_FACTS_BPF_H

#include "bpf/lib/state.bpf.h"

#define FLAG_DONE (1u << 1) /* SOCK_DONE of enum sock_flags: the peer's FIN has been taken in */

#define CHRONO_RWND   2 /* TCP_CHRONO_RWND_LIMITED and _SNDBUF_LIMITED of enum tcp_chrono */
#define CHRONO_SNDBUF 3

/* Time in one of TCP's send states, the one that runs included. WHICH is constant. */
static __always_inline __u64 chrono_ns(const struct tcp_sock *tp, const __u32 which, __u8 running,
				       __u32 now)
{
	__u32 ticks = tp->chrono_stat[which - 1];

	if (running == which)
		ticks += now - tp->chrono_start;
	return (__u64)ticks * sonde_knobs.tick_ns;
}

/* STATE: the one to tell, which at a close is no longer the socket's. */
static __always_inline void read_facts(const struct tcp_sock *tp, const struct sock_state *s,
				       __u8 state, struct sonde_tcp_facts *to)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	__u8 running = BPF_CORE_READ_BITFIELD(tp, chrono_type);
	__u32 now = (__u32)bpf_jiffies64(), min_rtt = tp->rtt_min.s[0].v;

	to->bytes_sent = tp->bytes_sent - tp->bytes_retrans;
	to->bytes_received = tp->bytes_received;
	/* TCP counts a FIN as a byte. */
	if (sk->__sk_common.skc_flags & FLAG_DONE)
		to->bytes_received--;
	to->rwnd_limited_ns = chrono_ns(tp, CHRONO_RWND, running, now);
	to->sndbuf_limited_ns = chrono_ns(tp, CHRONO_SNDBUF, running, now);
	to->segments_out = tp->segs_out;
	to->segments_in = tp->segs_in;
	to->retransmits = tp->total_retrans;
	to->out_of_order = tp->rcv_ooopack;
	to->srtt_us = tp->srtt_us >> 3;
	to->rtt_var_us = tp->mdev_us >> 2;
	to->min_rtt_us = min_rtt == ~0u ? 0 : min_rtt;
	to->zero_windows = s->in.zero_windows + s->out.zero_windows;
	/* Of an old socket it is not known when it was established. */
	to->read_after_us = s->reads.opened_at ? s->reads.after_us : 0;
	to->repeats = s->in.retransmits;
	to->state = state;
	__builtin_memset(to->pad, 0, sizeof(to->pad));
}

#endif
