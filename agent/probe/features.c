// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/features.h"

#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "agent/probe/kernel_types.h"

enum how {
	BY_PROGRAM = 0,	   /* a program of type `type` loads */
	BY_MAP = 1,	   /* a map of type `type` can be made */
	BY_HELPER = 2,	   /* programs of type `type` may call `helper` */
	BY_TRACEPOINT = 3, /* tp_btf of this name in BTF */
	BY_ITERATOR = 4,
	BY_FENTRY = 5, /* a fentry program for this function loads */
	BY_ENUM = 6,   /* BTF has an enum of this name */
};

struct feature {
	const char *name, *use;
	bool core;
	enum how how;
	int type;
	int helper;
	const char *target;
};

static const struct feature features[] = {
	{ "cgroup_skb programs", "payload of every socket", true, BY_PROGRAM,
	  BPF_PROG_TYPE_CGROUP_SKB, 0, NULL },
	{ "sockops programs", "connections that open and close", true, BY_PROGRAM,
	  BPF_PROG_TYPE_SOCK_OPS, 0, NULL },
	{ "socket storage", "state beside each socket", true, BY_MAP, BPF_MAP_TYPE_SK_STORAGE, 0,
	  NULL },
	{ "ring buffer", "records on their way to the daemon", true, BY_MAP, BPF_MAP_TYPE_RINGBUF,
	  0, NULL },
	{ "cgroup_skb: sk_storage_get", "state beside each socket", true, BY_HELPER,
	  BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_sk_storage_get, NULL },
	{ "cgroup_skb: ringbuf_reserve", "records on their way to the daemon", true, BY_HELPER,
	  BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_ringbuf_reserve, NULL },
	{ "cgroup_skb: skb_cgroup_id", "which container", true, BY_HELPER, BPF_PROG_TYPE_CGROUP_SKB,
	  BPF_FUNC_skb_cgroup_id, NULL },
	{ "cgroup_skb: tcp_sock", "sequence numbers", true, BY_HELPER, BPF_PROG_TYPE_CGROUP_SKB,
	  BPF_FUNC_tcp_sock, NULL },
	{ "sockops: sk_storage_get", "state beside each socket", true, BY_HELPER,
	  BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_sk_storage_get, NULL },
	{ "sockops: get_current_task", "who listens and connects", true, BY_HELPER,
	  BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_current_task, NULL },
	{ "sockops: get_current_pid_tgid", "the same, cheaper", false, BY_HELPER,
	  BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_current_pid_tgid, NULL },
	{ "iter/task_file", "sockets older than the daemon", false, BY_ITERATOR, 0, 0,
	  "task_file" },
	{ "iter/bpf_sk_storage_map", "quiet connections, what TCP counts; else by files", false,
	  BY_ITERATOR, 0, 0, "bpf_sk_storage_map" },
	{ "iter/bpf_map_elem", "UDP flows, drops; else by walks", false, BY_ITERATOR, 0, 0,
	  "bpf_map_elem" },
	{ "tp_btf/tcp_rcv_space_adjust", "who reads a socket, and how late", false, BY_TRACEPOINT,
	  0, 0, "tcp_rcv_space_adjust" },
	{ "tp_btf/inet_sk_error_report", "UDP: port unreachable", false, BY_TRACEPOINT, 0, 0,
	  "inet_sk_error_report" },
	{ "tp_btf/kfree_skb with a reason", "packets that the kernel drops, and why", false,
	  BY_ENUM, 0, 0, "skb_drop_reason" },
	{ "cgroup/sock_create programs", "who owns a UDP socket", false, BY_PROGRAM,
	  BPF_PROG_TYPE_CGROUP_SOCK, 0, NULL },
	{ "XDP programs", "the limiter", false, BY_PROGRAM, BPF_PROG_TYPE_XDP, 0, NULL },
	{ "fentry", "not needed by any part so far", false, BY_FENTRY, 0, 0, "tcp_close" },
	{ "kprobe programs", "not needed by any part so far", false, BY_PROGRAM,
	  BPF_PROG_TYPE_KPROBE, 0, NULL },
};

_Static_assert(sizeof(features) / sizeof(features[0]) <= SONDE_FEATURES_MAX, "room");

/* r0 = 0; exit */
static const struct bpf_insn nothing[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static int probe_iterator(const char *target)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool found = btf && sonde_kernel_types_iterator(btf, target);

	btf__free(btf);
	return found;
}

static int probe_fentry(const char *function)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);
	int fd, id = libbpf_find_vmlinux_btf_id(function, BPF_TRACE_FENTRY);

	if (id <= 0)
		return 0;
	opts.attach_btf_id = (__u32)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "sonde_doctor", "GPL", nothing,
			   sizeof(nothing) / sizeof(nothing[0]), &opts);
	if (fd < 0)
		return 0;
	/* Loading is not enough where the kernel's text may not be patched: attach for a moment. */
	id = bpf_raw_tracepoint_open(NULL, fd);
	close(fd);
	if (id >= 0)
		close(id);
	return id >= 0;
}

static int probe_enum(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_ENUM) : -1;

	btf__free(btf);
	return id > 0;
}

static int probe_one(const struct feature *f)
{
	switch (f->how) {
	case BY_PROGRAM:
		return libbpf_probe_bpf_prog_type((enum bpf_prog_type)f->type, NULL);
	case BY_MAP:
		return libbpf_probe_bpf_map_type((enum bpf_map_type)f->type, NULL);
	case BY_HELPER:
		return libbpf_probe_bpf_helper((enum bpf_prog_type)f->type,
					       (enum bpf_func_id)f->helper, NULL);
	case BY_TRACEPOINT:
		return libbpf_find_vmlinux_btf_id(f->target, BPF_TRACE_RAW_TP) > 0;
	case BY_ITERATOR:
		return probe_iterator(f->target);
	case BY_FENTRY:
		return probe_fentry(f->target);
	case BY_ENUM:
		return probe_enum(f->target);
	}
	return 0;
}

/* libbpf takes a refusal for want of privilege for a missing feature: ask first. */
static bool may_load(void)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "sonde_doctor", "GPL", nothing,
			       sizeof(nothing) / sizeof(nothing[0]), NULL);

	if (fd >= 0)
		close(fd);
	return fd != -EPERM && fd != -EACCES;
}

size_t sonde_features_probe(struct sonde_feature out[SONDE_FEATURES_MAX])
{
	size_t n = sizeof(features) / sizeof(features[0]);
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	bool allowed = may_load();

	for (size_t i = 0; i < n; i++) {
		const struct feature *f = &features[i];
		bool by_btf = f->how == BY_TRACEPOINT || f->how == BY_ENUM;
		int found = allowed || by_btf ? probe_one(f) : -EPERM;

		out[i] = (struct sonde_feature){ .name = f->name, .use = f->use, .core = f->core };
		if (found < 0)
			out[i].state = SONDE_FEATURE_UNKNOWN;
		else if (found)
			out[i].state = SONDE_FEATURE_PRESENT;
	}
	libbpf_set_print(print);
	return n;
}
