// SPDX-License-Identifier: Apache-2.0
/* A packet as a person describes it, or as hex digits. */
#include "agent/limit/guards.h"
#include "agent/limit/packet.h"

enum {
	FRAME_MAX = 2048,
	LEN_DEFAULT = 60,
	LEN_MAX = 65549, /* the largest IP packet and its Ethernet header */
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMPV6 = 58,
};

static int digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_between(int c)
{
	return c == ' ' || c == ':' || c == '\n' || c == '\r' || c == '\t';
}

/* Pairs of hex digits with blanks or colons between them. False: something else is there. */
static bool read_hex(struct sonde_slice text, uint8_t frame[FRAME_MAX], size_t *len)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		int high = digit(text.ptr[i]), low = digit(sonde_slice_at(text, i + 1));

		if (is_between(text.ptr[i]))
			continue;
		if (high < 0 || low < 0 || n == FRAME_MAX)
			return false;
		frame[n++] = (uint8_t)(high << 4 | low);
		i++;
	}
	*len = n;
	return n > 0;
}

static bool is_v6(const uint8_t a[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a, prefix, sizeof(prefix)) != 0;
}

static const char *set_protocol(struct sonde_limit_packet *p, struct sonde_slice value)
{
	uint64_t v;

	if (sonde_slice_eq(value, SONDE_SLICE_LIT("tcp")))
		v = PROTO_TCP;
	else if (sonde_slice_eq(value, SONDE_SLICE_LIT("udp")))
		v = PROTO_UDP;
	else if (sonde_slice_eq(value, SONDE_SLICE_LIT("icmp")))
		v = p->v6 ? PROTO_ICMPV6 : PROTO_ICMP;
	else if (sonde_slice_u64(value, 10, &v) || v > UINT8_MAX)
		return "proto is tcp, udp, icmp or a number";
	p->protocol = (uint8_t)v;
	return NULL;
}

static const char *set_number(struct sonde_slice value, uint64_t max, const char *wrong,
			      uint64_t *out)
{
	return sonde_slice_u64(value, 10, out) || *out > max ? wrong : NULL;
}

static const char *set_word(struct sonde_limit_packet *p, struct sonde_slice key,
			    struct sonde_slice value)
{
	const char *wrong = NULL;
	uint64_t v = 0;

	if (sonde_slice_eq(key, SONDE_SLICE_LIT("src"))) {
		if (!sonde_limit_address_parse(value, p->source))
			return "src is no IP address";
		p->v6 = is_v6(p->source);
	} else if (sonde_slice_eq(key, SONDE_SLICE_LIT("proto"))) {
		wrong = set_protocol(p, value);
	} else if (sonde_slice_eq(key, SONDE_SLICE_LIT("dport"))) {
		wrong = set_number(value, UINT16_MAX, "dport is a number up to 65535", &v);
		p->port = (uint16_t)v;
		p->has_port = true;
	} else if (sonde_slice_eq(key, SONDE_SLICE_LIT("len"))) {
		wrong = set_number(value, LEN_MAX, "len is a number of bytes", &v);
		p->bytes = (uint32_t)v;
	} else if (sonde_slice_eq(key, SONDE_SLICE_LIT("syn"))) {
		p->opens = true;
	} else if (sonde_slice_eq(key, SONDE_SLICE_LIT("request"))) {
		p->begins_request = true;
	} else if (sonde_slice_eq(key, SONDE_SLICE_LIT("fragment"))) {
		p->has_port = false;
	} else {
		wrong = "what it says is none of src=, proto=, dport=, len=, syn, request and "
			"fragment";
	}
	return wrong;
}

static const char *read_words(struct sonde_slice text, struct sonde_limit_packet *out)
{
	struct sonde_limit_packet p = { .bytes = LEN_DEFAULT };
	bool has_source = false;

	while (text.len) {
		size_t end = sonde_slice_find(text, 0, ',');
		struct sonde_slice pair = sonde_slice_trim(sonde_slice_sub(text, 0, end));
		size_t eq = sonde_slice_find(pair, 0, '=');
		struct sonde_slice key = sonde_slice_sub(pair, 0, eq);
		const char *wrong = set_word(&p, key, sonde_slice_from(pair, eq + 1));

		if (wrong)
			return wrong;
		has_source |= sonde_slice_eq(key, SONDE_SLICE_LIT("src"));
		text = sonde_slice_from(text, end + 1);
	}
	if (!has_source)
		return "needs src=ADDRESS, or is a frame as hex digits";
	if (!p.protocol && (p.opens || p.begins_request))
		p.protocol = PROTO_TCP;
	*out = p;
	return NULL;
}

const char *sonde_limit_packet_parse(struct sonde_slice text, struct sonde_limit_packet *out)
{
	uint8_t frame[FRAME_MAX];
	size_t len;

	if (!read_hex(text, frame, &len))
		return read_words(text, out);
	sonde_limit_packet_read(sonde_slice_of(frame, len), (uint32_t)len, out);
	return NULL;
}
