// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/spec.h"

#include <arpa/inet.h>

#include "agent/limit/guards.h"

enum { ALL_BITS = 128, MAPPED_BITS = 96 };

static bool is_v4(const uint8_t a[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a, prefix, sizeof(prefix)) == 0;
}

static bool has_bits_beyond(const uint8_t a[16], unsigned int bits)
{
	for (unsigned int i = bits; i < ALL_BITS; i++)
		if (a[i / 8] & (0x80 >> i % 8))
			return true;
	return false;
}

const char *sonde_limit_network_parse(struct sonde_slice text, struct sonde_limit_network *out)
{
	struct sonde_limit_network n = { .bits = ALL_BITS };
	size_t slash = sonde_slice_find(text, 0, '/');
	struct sonde_slice host = sonde_slice_sub(text, 0, slash);
	unsigned int first;
	uint64_t bits;

	if (sonde_slice_find(host, 0, '%') < host.len ||
	    !sonde_limit_address_parse(host, n.address))
		return "has no numeric IP address";
	/* Written with dots it is of IPv4; ::ffff:a.b.c.d/96 has bits of its own. */
	first = sonde_slice_find(host, 0, ':') < host.len ? 0 : MAPPED_BITS;
	if (slash < text.len) {
		if (sonde_slice_u64(sonde_slice_from(text, slash + 1), 10, &bits) ||
		    bits > ALL_BITS - first)
			return "has no length of its prefix that fits the address";
		n.bits = (uint8_t)(bits + first);
	}
	if (has_bits_beyond(n.address, n.bits))
		return "has an address with bits set beyond its prefix";
	*out = n;
	return NULL;
}

void sonde_limit_network_print(const struct sonde_limit_network *n, struct sonde_buf *out)
{
	bool v4 = is_v4(n->address) && n->bits >= MAPPED_BITS;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? n->address + 12 : n->address, text, sizeof(text));
	sonde_buf_put_str(out, text);
	if (n->bits < ALL_BITS)
		sonde_buf_printf(out, "/%u", v4 ? n->bits - MAPPED_BITS : n->bits);
}

bool sonde_limit_network_holds(const struct sonde_limit_network *n, const uint8_t address[16])
{
	unsigned int bytes = n->bits / 8, rest = n->bits % 8;

	if (memcmp(n->address, address, bytes) != 0)
		return false;
	return !rest || !((n->address[bytes] ^ address[bytes]) >> (8 - rest));
}
