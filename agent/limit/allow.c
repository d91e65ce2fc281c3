// SPDX-License-Identifier: Apache-2.0
/* Who passes before any rule is looked at, and for which reason. */
#include "agent/limit/set.h"

const char *sonde_limit_why_name(enum sonde_limit_why why)
{
	static const char *const names[SONDE_LIMIT_WHYS] = { "person", "config", "gateway",
							     "resolver", "ssh" };

	return why < SONDE_LIMIT_WHYS ? names[why] : "?";
}

static bool is_same(const struct sonde_limit_allow *a, const struct sonde_limit_network *network,
		    enum sonde_limit_why why)
{
	return a->why == why && a->network.bits == network->bits &&
	       memcmp(a->network.address, network->address, sizeof(network->address)) == 0;
}

static struct sonde_limit_allow *find(struct sonde_limit_set *set,
				      const struct sonde_limit_network *network,
				      enum sonde_limit_why why)
{
	for (uint32_t i = 0; i < set->n_allows; i++)
		if (is_same(&set->allows[i], network, why))
			return &set->allows[i];
	return NULL;
}

static void take_out(struct sonde_limit_set *set, struct sonde_limit_allow *a)
{
	size_t behind = set->n_allows - (size_t)(a - set->allows) - 1;

	memmove(a, a + 1, behind * sizeof(*a));
	set->n_allows--;
	set->generation++;
}

/* The oldest of the SSH peers goes when there are as many as there may be. */
static void make_room(struct sonde_limit_set *set)
{
	struct sonde_limit_allow *oldest = NULL;
	unsigned int n = 0;

	for (uint32_t i = 0; i < set->n_allows; i++) {
		if (set->allows[i].why != SONDE_LIMIT_ALLOW_SSH)
			continue;
		n++;
		if (!oldest)
			oldest = &set->allows[i];
	}
	if (oldest && n >= SONDE_LIMIT_SSH_PEERS)
		take_out(set, oldest);
}

const char *sonde_limit_allow_add(struct sonde_limit_set *set,
				  const struct sonde_limit_network *network,
				  enum sonde_limit_why why)
{
	if (find(set, network, why))
		return NULL;
	if (why == SONDE_LIMIT_ALLOW_SSH)
		make_room(set);
	if (set->n_allows == SONDE_LIMIT_ALLOWS)
		return "512 networks are allowed already";
	set->allows[set->n_allows++] =
		(struct sonde_limit_allow){ .network = *network, .why = why };
	set->generation++;
	return NULL;
}

bool sonde_limit_allow_remove(struct sonde_limit_set *set,
			      const struct sonde_limit_network *network, enum sonde_limit_why why)
{
	struct sonde_limit_allow *a = find(set, network, why);

	if (a)
		take_out(set, a);
	return a != NULL;
}

static bool is_among(const struct sonde_limit_allow *a, const struct sonde_limit_network *networks,
		     size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_same(a, &networks[i], a->why))
			return true;
	return false;
}

size_t sonde_limit_allow_replace(struct sonde_limit_set *set, enum sonde_limit_why why,
				 const struct sonde_limit_network *networks, size_t n)
{
	size_t without_room = 0;

	for (uint32_t i = 0; i < set->n_allows;) {
		if (set->allows[i].why == why && !is_among(&set->allows[i], networks, n))
			take_out(set, &set->allows[i]);
		else
			i++;
	}
	for (size_t i = 0; i < n; i++)
		without_room += sonde_limit_allow_add(set, &networks[i], why) != NULL;
	return without_room;
}

const struct sonde_limit_allow *sonde_limit_allow_find(const struct sonde_limit_set *set,
						       const uint8_t address[16])
{
	for (uint32_t i = 0; i < set->n_allows; i++)
		if (sonde_limit_network_holds(&set->allows[i].network, address))
			return &set->allows[i];
	return NULL;
}
