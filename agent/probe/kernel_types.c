// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/kernel_types.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "SKB_DROP_REASON_"

/* Parameters of tracepoint NAME; the kernel's first one, its own data, is not counted. -1: none. */
static int count_arguments(const struct btf *btf, const char *name)
{
	const struct btf_type *t;
	char type[64];
	int id;

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	id = btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF);
	if (id < 0)
		return -1;
	t = btf__type_by_id(btf, btf__type_by_id(btf, (__u32)id)->type);
	if (!t || !btf_is_ptr(t))
		return -1;
	t = btf__type_by_id(btf, t->type);
	return t && btf_is_func_proto(t) ? btf_vlen(t) - 1 : -1;
}

static void name_reason(struct sonde_kernel_types *out, const char *name, int value)
{
	if (value < 0 || value >= SONDE_REASONS || strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0)
		return;
	snprintf(out->reasons[value], SONDE_REASON_NAME, "%s", name + sizeof(PREFIX) - 1);
	if ((size_t)value >= out->n_reasons)
		out->n_reasons = (size_t)value + 1;
}

static void read_reasons(const struct btf *btf, struct sonde_kernel_types *out)
{
	int id = btf__find_by_name_kind(btf, "skb_drop_reason", BTF_KIND_ENUM);
	const struct btf_type *t;
	const struct btf_enum *e;

	if (id < 0)
		return;
	t = btf__type_by_id(btf, (__u32)id);
	e = btf_enum(t);
	for (int i = 0; i < btf_vlen(t); i++)
		name_reason(out, btf__name_by_offset(btf, e[i].name_off), e[i].val);
}

bool sonde_kernel_types_iterator(const struct btf *btf, const char *target)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_ITER);
	char function[64];
	int id, fd;

	snprintf(function, sizeof(function), "bpf_iter_%s", target);
	id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);
	if (id < 0)
		return false;
	opts.attach_btf_id = (__u32)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "sonde_try", "GPL", nothing,
			   sizeof(nothing) / sizeof(nothing[0]), &opts);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void sonde_kernel_types_read(struct sonde_kernel_types *out)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int arguments;

	*out = (struct sonde_kernel_types){ 0 };
	if (!btf)
		return;
	out->error_report = count_arguments(btf, "inet_sk_error_report") >= 1;
	arguments = count_arguments(btf, "kfree_skb");
	out->drop_reason = arguments >= 3;
	out->drop_socket = arguments >= 4;
	out->map_iterators = sonde_kernel_types_iterator(btf, "bpf_map_elem");
	out->storage_iterators = sonde_kernel_types_iterator(btf, "bpf_sk_storage_map");
	read_reasons(btf, out);
	btf__free(btf);
}
