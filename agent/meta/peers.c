// SPDX-License-Identifier: Apache-2.0
/*
 * Groups are sorted by prefix, longest first, so the first that holds an address is the answer.
 * There are at most 64 of them, which a walk passes in less time than a cleverer tree would need to
 * be touched.
 */
#include "agent/meta/peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "agent/core/hash.h"
#include "agent/core/table.h"

enum { ADDRESS_BITS = 128, MAPPED_BITS = 96 };

struct group {
	struct sonde_cidr cidr;
	char *name; /* owned */
};

struct address {
	uint8_t bytes[16];
	char text[SONDE_ADDRESS_TEXT];
};

struct sonde_peers {
	struct group groups[SONDE_CONFIG_GROUPS_MAX];
	size_t n_groups;
	size_t max_addresses;
	struct sonde_table *addresses;
	uint64_t overflowed;
};

/* Room for what the key allows at most: memory is touched as it is used. */
enum { ADDRESSES_LIMIT = 65536 };

/* ---- networks ---- */

/* The address part as 16 bytes; *FIRST is 96 for IPv4, whose bits are counted from there. */
static bool parse_address(struct sonde_slice text, uint8_t out[16], unsigned int *first)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
	char buf[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(buf))
		return false;
	memcpy(buf, text.ptr, text.len);
	buf[text.len] = '\0';
	memcpy(out, mapped, sizeof(mapped));
	*first = MAPPED_BITS;
	if (inet_pton(AF_INET, buf, out + sizeof(mapped)) == 1)
		return true;
	*first = 0;
	return inet_pton(AF_INET6, buf, out) == 1;
}

static bool has_bits_beyond(const uint8_t address[16], unsigned int bits)
{
	for (unsigned int i = bits; i < ADDRESS_BITS; i++)
		if (address[i / 8] & (0x80 >> i % 8))
			return true;
	return false;
}

/* Reads TEXT; NULL, or what is wrong with it. */
static const char *read_cidr(struct sonde_slice text, struct sonde_cidr *out)
{
	size_t slash = sonde_slice_find(text, 0, '/');
	uint64_t bits = ADDRESS_BITS;
	unsigned int first;

	if (!slash || !parse_address(sonde_slice_sub(text, 0, slash), out->address, &first))
		return "has no numeric IP address";
	if (slash < text.len && (sonde_slice_u64(sonde_slice_from(text, slash + 1), 10, &bits) ||
				 bits > ADDRESS_BITS - first))
		return "has no length of its prefix that fits the address";
	if (slash < text.len)
		bits += first;
	if (has_bits_beyond(out->address, (unsigned int)bits))
		return "has an address with bits set beyond its prefix";
	out->bits = (unsigned int)bits;
	return NULL;
}

int sonde_cidr_parse(struct sonde_slice text, struct sonde_cidr *out)
{
	struct sonde_cidr cidr;

	if (read_cidr(text, &cidr))
		return -EINVAL;
	*out = cidr;
	return 0;
}

const char *sonde_cidr_check(struct sonde_slice text)
{
	struct sonde_cidr cidr;

	return read_cidr(text, &cidr);
}

static bool holds(const struct sonde_cidr *cidr, const uint8_t address[16])
{
	unsigned int bytes = cidr->bits / 8, rest = cidr->bits % 8;

	if (memcmp(cidr->address, address, bytes) != 0)
		return false;
	return !rest || !((cidr->address[bytes] ^ address[bytes]) >> (8 - rest));
}

/* ---- the table ---- */

static void free_groups(struct group *groups, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(groups[i].name);
}

static int longest_first(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->cidr.bits < y->cidr.bits) - (x->cidr.bits > y->cidr.bits);
}

static int read_groups(const struct sonde_config *config, struct group *out)
{
	for (size_t i = 0; i < config->peers.n_groups; i++) {
		const struct sonde_peer_group *from = &config->peers.groups[i];
		int err = sonde_cidr_parse(sonde_slice_str(from->cidr), &out[i].cidr);

		out[i].name = err ? NULL : strdup(from->name);
		if (out[i].name)
			continue;
		free_groups(out, i);
		return err ? err : -ENOMEM;
	}
	qsort(out, config->peers.n_groups, sizeof(*out), longest_first);
	return 0;
}

int sonde_peers_configure(struct sonde_peers *t, const struct sonde_config *config)
{
	struct group groups[SONDE_CONFIG_GROUPS_MAX];
	int err = read_groups(config, groups);

	if (err)
		return err;
	free_groups(t->groups, t->n_groups);
	memcpy(t->groups, groups, config->peers.n_groups * sizeof(groups[0]));
	t->n_groups = config->peers.n_groups;
	t->max_addresses = config->peers.max_addresses;
	return 0;
}

int sonde_peers_new(const struct sonde_config *config, struct sonde_peers **out)
{
	struct sonde_peers *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	err = sonde_table_new(ADDRESSES_LIMIT, sizeof(struct address), &t->addresses);
	if (!err)
		err = sonde_peers_configure(t, config);
	if (err)
		sonde_peers_free(t);
	else
		*out = t;
	return err;
}

void sonde_peers_free(struct sonde_peers *t)
{
	if (!t)
		return;
	free_groups(t->groups, t->n_groups);
	sonde_table_free(t->addresses);
	free(t);
}

struct sonde_slice sonde_peers_group(const struct sonde_peers *t, const struct sonde_endpoint *e)
{
	for (size_t i = 0; i < t->n_groups; i++)
		if (holds(&t->groups[i].cidr, e->address))
			return sonde_slice_str(t->groups[i].name);
	return SONDE_SLICE_EMPTY;
}

/* The entry of an address, made while there is room; NULL: there is none, or its key is taken. */
static const struct address *get_address(struct sonde_peers *t, const struct sonde_endpoint *e)
{
	uint64_t key = sonde_hash_bytes(sonde_slice_of(e->address, sizeof(e->address)), 0);
	struct address *a = sonde_table_find(t->addresses, key);
	bool added = false;

	if (!a && sonde_table_len(t->addresses) < t->max_addresses)
		a = sonde_table_get(t->addresses, key, &added);
	if (!a)
		return NULL;
	if (added) {
		memcpy(a->bytes, e->address, sizeof(a->bytes));
		sonde_endpoint_address(e, a->text);
	}
	return memcmp(a->bytes, e->address, sizeof(a->bytes)) == 0 ? a : NULL;
}

struct sonde_slice sonde_peers_name(struct sonde_peers *t, const struct sonde_endpoint *e)
{
	struct sonde_slice group = sonde_peers_group(t, e);
	const struct address *a = group.len ? NULL : get_address(t, e);

	if (group.len)
		return group;
	if (a)
		return sonde_slice_str(a->text);
	t->overflowed++;
	return SONDE_SLICE_LIT(SONDE_PEERS_OTHER);
}

void sonde_peers_stats(const struct sonde_peers *t, struct sonde_peers_stats *out)
{
	*out = (struct sonde_peers_stats){
		.addresses = sonde_table_len(t->addresses),
		.overflowed = t->overflowed,
	};
}
