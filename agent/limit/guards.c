// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/guards.h"

#include <arpa/inet.h>

enum {
	HEX_V4 = 8,
	HEX_V6 = 32,
	/* columns of /proc/net/route and /proc/net/ipv6_route */
	V4_DESTINATION = 1,
	V4_GATEWAY = 2,
	V4_MASK = 7,
	V6_BITS = 1,
	V6_GATEWAY = 4,
};

/* Cuts the next line off REST. False: there is none. */
static bool next_line(struct sonde_slice *rest, struct sonde_slice *line)
{
	size_t end = sonde_slice_find(*rest, 0, '\n');

	if (!rest->len)
		return false;
	*line = sonde_slice_sub(*rest, 0, end);
	*rest = sonde_slice_from(*rest, end + 1);
	return true;
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next word off LINE; empty at its end. */
static struct sonde_slice next_word(struct sonde_slice *line)
{
	size_t from = 0, to;
	struct sonde_slice word;

	while (is_blank(sonde_slice_at(*line, from)))
		from++;
	to = from;
	while (to < line->len && !is_blank(line->ptr[to]))
		to++;
	word = sonde_slice_sub(*line, from, to - from);
	*line = sonde_slice_from(*line, to);
	return word;
}

static struct sonde_slice column(struct sonde_slice line, int n)
{
	struct sonde_slice word = next_word(&line);

	while (n-- > 0)
		word = next_word(&line);
	return word;
}

static bool is_mapped(const uint8_t a[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a, prefix, sizeof(prefix)) == 0;
}

static bool is_own(const uint8_t a[16])
{
	static const uint8_t zero[16], loopback[16] = { [15] = 1 };

	if (is_mapped(a))
		return a[12] == 127 || memcmp(a + 12, zero, 4) == 0;
	return memcmp(a, zero, 16) == 0 || memcmp(a, loopback, 16) == 0;
}

static void tell(const uint8_t address[16], sonde_limit_found *found, void *ctx)
{
	if (!is_own(address))
		found(ctx, address);
}

static void map_v4(const void *four, uint8_t out[16])
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, four, 4);
}

bool sonde_limit_address_parse(struct sonde_slice text, uint8_t address[16])
{
	struct sonde_slice bare = sonde_slice_sub(text, 0, sonde_slice_find(text, 0, '%'));
	char z[INET6_ADDRSTRLEN];
	struct in_addr v4;

	if (!bare.len || bare.len >= sizeof(z))
		return false;
	memcpy(z, bare.ptr, bare.len);
	z[bare.len] = '\0';
	if (inet_pton(AF_INET6, z, address) == 1)
		return true;
	if (inet_pton(AF_INET, z, &v4) != 1)
		return false;
	map_v4(&v4, address);
	return true;
}

static bool is_zero_hex(struct sonde_slice word, size_t len)
{
	uint64_t v;

	return word.len == len && sonde_slice_u64(word, 16, &v) == 0 && v == 0;
}

static void gateway_v4(struct sonde_slice line, sonde_limit_found *found, void *ctx)
{
	struct sonde_slice gateway = column(line, V4_GATEWAY);
	uint8_t address[16];
	uint64_t v;
	uint32_t raw;

	if (!is_zero_hex(column(line, V4_DESTINATION), HEX_V4) ||
	    !is_zero_hex(column(line, V4_MASK), HEX_V4) || gateway.len != HEX_V4 ||
	    sonde_slice_u64(gateway, 16, &v))
		return;
	raw = (uint32_t)v; /* the kernel prints the word as it lies in memory */
	map_v4(&raw, address);
	tell(address, found, ctx);
}

void sonde_limit_gateways_v4(struct sonde_slice text, sonde_limit_found *found, void *ctx)
{
	struct sonde_slice line;

	while (next_line(&text, &line))
		gateway_v4(line, found, ctx);
}

static void gateway_v6(struct sonde_slice line, sonde_limit_found *found, void *ctx)
{
	struct sonde_slice gateway = column(line, V6_GATEWAY);
	uint8_t address[16];
	uint64_t v;

	if (!is_zero_hex(column(line, V6_BITS), 2) || gateway.len != HEX_V6)
		return;
	for (size_t i = 0; i < sizeof(address); i++) {
		if (sonde_slice_u64(sonde_slice_sub(gateway, 2 * i, 2), 16, &v))
			return;
		address[i] = (uint8_t)v;
	}
	tell(address, found, ctx);
}

void sonde_limit_gateways_v6(struct sonde_slice text, sonde_limit_found *found, void *ctx)
{
	struct sonde_slice line;

	while (next_line(&text, &line))
		gateway_v6(line, found, ctx);
}

void sonde_limit_resolvers(struct sonde_slice text, sonde_limit_found *found, void *ctx)
{
	struct sonde_slice line;
	uint8_t address[16];

	while (next_line(&text, &line)) {
		if (!sonde_slice_eq(next_word(&line), SONDE_SLICE_LIT("nameserver")))
			continue;
		if (sonde_limit_address_parse(next_word(&line), address))
			tell(address, found, ctx);
	}
}

bool sonde_limit_ssh_peer(struct sonde_slice environ, uint8_t address[16])
{
	static const struct sonde_slice names[] = {
		{ (const uint8_t *)"SSH_CONNECTION=", 15 },
		{ (const uint8_t *)"SSH_CLIENT=", 11 },
	};

	while (environ.len) {
		size_t end = sonde_slice_find(environ, 0, '\0');
		struct sonde_slice one = sonde_slice_sub(environ, 0, end);

		environ = sonde_slice_from(environ, end + 1);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			struct sonde_slice value = sonde_slice_from(one, names[i].len);
			uint8_t peer[16];

			if (!sonde_slice_starts(one, names[i]) ||
			    !sonde_limit_address_parse(next_word(&value), peer) || is_own(peer))
				continue;
			memcpy(address, peer, sizeof(peer));
			return true;
		}
	}
	return false;
}
