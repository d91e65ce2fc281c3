// SPDX-License-Identifier: GPL-2.0-only
/*
 * gun - packets of many sources out of an interface, as fast as the kernel can make them.
 *
 * Run by gun.c over live frames: what it returns is sent. The frame is IPv4 without
 * options, its checksum that of source 0.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} gun SEC(".maps"); /* 0: which source is next; 1: how many there are, less one */

SEC("xdp")
int fire(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u32 zero = 0, one = 1, source, sum;
	__u32 *next = bpf_map_lookup_elem(&gun, &zero);
	__u32 *last = bpf_map_lookup_elem(&gun, &one);

	if (!next || !last || (void *)(ip + 1) > end)
		return XDP_DROP;
	source = 0x0a000000 + ((*next)++ & *last);
	/* The frame may be one that was sent before. */
	sum = (__u16)~bpf_ntohs(ip->check) + (__u16) ~(bpf_ntohl(ip->saddr) >> 16) +
	      (__u16)~bpf_ntohl(ip->saddr) + (source >> 16) + (source & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = bpf_htons((__u16)~sum);
	ip->saddr = bpf_htonl(source);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
