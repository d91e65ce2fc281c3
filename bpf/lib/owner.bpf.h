/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * owner - which process a socket belongs to: the one that makes, listens or connects, then the one
 * that reads or writes.
 *
 * Only in process context is `current` that process. A process is its pid and when it began, since
 * pids are used again; its name is that of its first thread, which is what /proc shows.
 */
#ifndef SONDE_LIB_OWNER_BPF_H
#define SONDE_LIB_OWNER_BPF_H

#include "bpf/lib/emit.bpf.h"

#define PF_KTHREAD 0x00200000

struct owner {
	__u64 cgroup_id;
	__u64 start_ns;
	__u32 pid;   /* 0 unknown */
	__u32 flags; /* SOCK_IGNORED, SOCK_OWN */
	__u8 comm[16];
};

/* What is left alone: the agent's own, and what the config says. */
static __always_inline void judge_owner(struct owner *o)
{
	struct sonde_control *control = control_page();

	o->flags = 0;
	if (o->pid && control && (o->pid == control->broker_pid || o->pid == control->worker_pid))
		o->flags = SOCK_IGNORED | SOCK_OWN;
	else if (bpf_map_lookup_elem(&sonde_ignored, &o->cgroup_id))
		o->flags = SOCK_IGNORED;
}

/* TASK by direct loads: from an iterator or a tracepoint, or bpf_get_current_task_btf(). */
static __always_inline void read_owner(struct owner *o, const struct task_struct *task)
{
	o->pid = task->tgid;
	o->start_ns = task->group_leader->start_boottime;
	o->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	for (int i = 0; i < 16; i++)
		o->comm[i] = task->group_leader->comm[i];
	judge_owner(o);
}

/*
 * The current process. False, and *O untouched, when it is the one with UNLESS_PID that began at
 * UNLESS_START_NS, or when there is such a one (it is not 0) and this is a thread of the kernel.
 * BTF: the task can be had with its type and be read directly, which lockdown=confidentiality
 * allows where it forbids probe reads.
 */
static __always_inline bool read_current(struct owner *o, __u32 unless_pid, __u64 unless_start_ns,
					 const bool btf)
{
	struct task_struct *task;
	__u32 pid, flags;
	__u64 start_ns;

	if (btf) {
		task = bpf_get_current_task_btf();
		if (((__u32)task->tgid == unless_pid &&
		     task->group_leader->start_boottime == unless_start_ns) ||
		    (unless_pid && (task->flags & PF_KTHREAD)))
			return false;
		read_owner(o, task);
		return true;
	}
	task = (void *)bpf_get_current_task();
	pid = BPF_CORE_READ(task, tgid);
	flags = BPF_CORE_READ(task, flags);
	start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	if ((pid == unless_pid && start_ns == unless_start_ns) ||
	    (unless_pid && (flags & PF_KTHREAD)))
		return false;
	o->pid = pid;
	o->start_ns = start_ns;
	o->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	BPF_CORE_READ_INTO(&o->comm, task, group_leader, comm);
	judge_owner(o);
	return true;
}

static __always_inline void set_owner(struct sock_state *s, const struct owner *o)
{
	s->pid = o->pid;
	s->start_ns = o->start_ns;
	s->cgroup_id = o->cgroup_id;
	__builtin_memcpy(s->comm, o->comm, sizeof(s->comm));
}

/* The process that runs uses the socket, under its lock. Not believed until it has been told. */
static __always_inline void note_user(struct sock_state *s, const bool btf)
{
	struct sonde_rec_owner *r;
	struct owner o = {};
	__u64 flags;

	if (!read_current(&o, s->pid, s->start_ns, btf))
		return;
	r = reserve(SONDE_REC_OWNER, sizeof(*r), sizeof(*r), s->id, &flags);
	if (!r)
		return;
	set_owner(s, &o);
	r->stamp_ns = bpf_ktime_get_ns();
	r->cgroup_id = o.cgroup_id;
	r->start_ns = o.start_ns;
	r->pid = o.pid;
	r->pad = 0;
	__builtin_memcpy(r->comm, o.comm, sizeof(r->comm));
	bpf_ringbuf_submit(r, flags);
}

#endif
