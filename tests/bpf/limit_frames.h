// SPDX-License-Identifier: Apache-2.0
/* limit_frames - Ethernet frames put together layer by layer, for tests of the limiter. */
#ifndef SONDE_TESTS_BPF_LIMIT_FRAMES_H
#define SONDE_TESTS_BPF_LIMIT_FRAMES_H

#include "tests/bpf/limit_bed.h"

struct frame {
	uint8_t at[BED_FRAME];
	size_t len;
	size_t type_at;	  /* the last EtherType */
	size_t next_at;	  /* where the protocol of what comes next is told */
	size_t source_at; /* the source address */
	bool v6;
};

static inline uint8_t *frame_put(struct frame *f, size_t n)
{
	uint8_t *at = f->at + f->len;

	assert_true(f->len + n <= sizeof(f->at));
	memset(at, 0, n);
	f->len += n;
	return at;
}

static inline void frame_16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void frame_ether(struct frame *f)
{
	*f = (struct frame){ .type_at = 12 };
	frame_put(f, 14);
}

static inline void frame_vlan(struct frame *f, uint32_t type)
{
	frame_16(f->at + f->type_at, type);
	frame_put(f, 4);
	f->type_at = f->len - 2;
}

/* From 10.0.0.0 + SOURCE, with OPTIONS words of options; FRAGMENT is its field. */
static inline void frame_ipv4(struct frame *f, uint32_t source, unsigned int options,
			      uint32_t fragment)
{
	uint8_t *ip;

	frame_16(f->at + f->type_at, 0x0800);
	f->next_at = f->len + 9;
	f->source_at = f->len + 12;
	ip = frame_put(f, 20 + 4 * (size_t)options);
	ip[0] = (uint8_t)(0x45 + options);
	ip[8] = 64;
	frame_16(ip + 6, fragment);
	ip[12] = 10;
	ip[13] = (uint8_t)(source >> 16);
	frame_16(ip + 14, source);
}

/* From fd00::, SOURCE in its last four bytes and its network. */
static inline void frame_ipv6(struct frame *f, uint32_t source)
{
	uint8_t *ip;

	frame_16(f->at + f->type_at, 0x86dd);
	f->next_at = f->len + 6;
	f->source_at = f->len + 8;
	f->v6 = true;
	ip = frame_put(f, 40);
	ip[0] = 0x60;
	ip[7] = 64;
	ip[8] = 0xfd;
	ip[15] = (uint8_t)source;
	frame_16(ip + 20, source >> 16);
	frame_16(ip + 22, source);
}

/* An extension header of KIND, MORE units longer than the least. */
static inline void frame_extension(struct frame *f, uint8_t kind, uint8_t more)
{
	size_t bytes = kind == 51 ? 8 + 4 * (size_t)more : kind == 44 ? 8 : 8 + 8 * (size_t)more;
	uint8_t *x;

	f->at[f->next_at] = kind;
	f->next_at = f->len;
	x = frame_put(f, bytes);
	if (kind != 44)
		x[1] = more;
}

static inline void frame_tcp(struct frame *f, uint32_t port, uint8_t flags, const char *payload)
{
	uint8_t *tcp;

	f->at[f->next_at] = 6;
	tcp = frame_put(f, 20);
	frame_16(tcp, 40000);
	frame_16(tcp + 2, port);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	memcpy(frame_put(f, strlen(payload)), payload, strlen(payload));
}

static inline void frame_udp(struct frame *f, uint32_t from, uint32_t port)
{
	uint8_t *udp;

	f->at[f->next_at] = 17;
	udp = frame_put(f, 8);
	frame_16(udp, from);
	frame_16(udp + 2, port);
	frame_put(f, 10);
}

static inline void frame_icmp(struct frame *f, uint8_t type)
{
	f->at[f->next_at] = f->v6 ? 58 : 1;
	frame_put(f, 8)[0] = type;
}

#endif
