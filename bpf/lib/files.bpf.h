/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets by the open files of all tasks: for what is older than the agent, and instead of the
 * iterators over socket storage where a kernel refuses these. Without a file (closed, but not yet
 * at its end; not yet accepted) a socket is not found.
 */
#ifndef SONDE_BPF_LIB_FILES_H
#define SONDE_BPF_LIB_FILES_H

#include "bpf/lib/state.bpf.h"

#define AF_INET	 2
#define AF_INET6 10

/* The IPv4 or IPv6 socket behind a file; NULL: it is something else. */
static __always_inline struct sock *sock_of_file(struct file *file)
{
	struct socket *sock = file ? bpf_sock_from_file(file) : NULL;
	struct sock *sk = sock ? sock->sk : NULL;

	if (!sk ||
	    (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return NULL;
	return sk;
}

/*
 * Whether this walk has met the socket already, as another task's same file. WALK is the socket's
 * own mark. Another walk that starts in the middle forgets it: the socket is then told twice.
 */
static __always_inline bool seen_on_walk(__u32 *walk)
{
	struct sonde_control *control = control_page();

	if (!control || *walk == control->walk)
		return true;
	*walk = control->walk;
	return false;
}

#endif
