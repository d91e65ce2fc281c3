// SPDX-License-Identifier: Apache-2.0
#include "agent/core/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/core/hash.h"

struct slot {
	uint32_t tag;	/* of the key's hash: what differs here need not be looked up in keys[] */
	uint32_t entry; /* number in the slab plus 1; 0: free */
};

struct sonde_table {
	struct slot *slots;
	uint8_t *slab;
	uint64_t *keys; /* per slab entry; meaningful when used[] is set */
	uint8_t *used;
	size_t mask;
	size_t max;
	size_t entry_size;
	size_t len;
	size_t fresh;	/* entries never used so far */
	uint32_t freed; /* head of the chain of freed entries (number plus 1) */
	size_t slots_bytes, slab_bytes, keys_bytes;
};

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void release(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

int sonde_table_new(size_t max, size_t entry_size, struct sonde_table **out)
{
	struct sonde_table *t;
	size_t capacity = 16;

	/* A freed entry holds the number of the next one. */
	if (!max || max > UINT32_MAX / 4 || entry_size < sizeof(uint32_t) ||
	    entry_size > SIZE_MAX / 2 / max)
		return -EINVAL;
	while (capacity < max * 2)
		capacity *= 2;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->mask = capacity - 1;
	t->max = max;
	t->entry_size = (entry_size + 7) & ~(size_t)7;
	t->slots_bytes = capacity * sizeof(struct slot);
	t->slab_bytes = max * t->entry_size;
	t->keys_bytes = max * sizeof(uint64_t);
	t->slots = reserve(t->slots_bytes);
	t->slab = reserve(t->slab_bytes);
	t->keys = reserve(t->keys_bytes);
	t->used = reserve(max);
	if (!t->slots || !t->slab || !t->keys || !t->used) {
		sonde_table_free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void sonde_table_free(struct sonde_table *t)
{
	if (!t)
		return;
	release(t->slots, t->slots_bytes);
	release(t->slab, t->slab_bytes);
	release(t->keys, t->keys_bytes);
	release(t->used, t->max);
	free(t);
}

static uint64_t key_of(const struct sonde_table *t, const struct slot *s)
{
	return t->keys[s->entry - 1];
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

static void *entry_at(const struct sonde_table *t, uint32_t number)
{
	return t->slab + (size_t)(number - 1) * t->entry_size;
}

/* The slot that holds KEY, or the free one where it would go. */
static size_t probe(const struct sonde_table *t, uint64_t key)
{
	uint64_t hash = sonde_hash_u64(key);
	size_t i = hash & t->mask;
	const struct slot *s;

	while ((s = &t->slots[i])->entry && (s->tag != tag_of(hash) || key_of(t, s) != key))
		i = (i + 1) & t->mask;
	return i;
}

void *sonde_table_find(const struct sonde_table *t, uint64_t key)
{
	const struct slot *s = &t->slots[probe(t, key)];

	return s->entry ? entry_at(t, s->entry) : NULL;
}

static uint32_t take_entry(struct sonde_table *t)
{
	uint32_t number = t->freed;

	if (number)
		memcpy(&t->freed, entry_at(t, number), sizeof(t->freed));
	else
		number = (uint32_t)++t->fresh;
	return number;
}

void *sonde_table_get(struct sonde_table *t, uint64_t key, bool *added)
{
	struct slot *s = &t->slots[probe(t, key)];
	void *entry;

	*added = false;
	if (s->entry)
		return entry_at(t, s->entry);
	if (t->len == t->max)
		return NULL;
	s->tag = tag_of(sonde_hash_u64(key));
	s->entry = take_entry(t);
	t->keys[s->entry - 1] = key;
	t->used[s->entry - 1] = 1;
	t->len++;
	entry = entry_at(t, s->entry);
	memset(entry, 0, t->entry_size);
	*added = true;
	return entry;
}

/* Moves later members of the probe run back over the hole at I, so that no tombstone is needed. */
static void close_hole(struct sonde_table *t, size_t i)
{
	for (size_t j = (i + 1) & t->mask; t->slots[j].entry; j = (j + 1) & t->mask) {
		size_t want = sonde_hash_u64(key_of(t, &t->slots[j])) & t->mask;

		if (((j - want) & t->mask) >= ((j - i) & t->mask)) {
			t->slots[i] = t->slots[j];
			i = j;
		}
	}
	t->slots[i].entry = 0;
}

bool sonde_table_remove(struct sonde_table *t, uint64_t key)
{
	size_t i = probe(t, key);
	uint32_t number = t->slots[i].entry;

	if (!number)
		return false;
	memcpy(entry_at(t, number), &t->freed, sizeof(t->freed));
	t->freed = number;
	t->used[number - 1] = 0;
	t->len--;
	close_hole(t, i);
	return true;
}

size_t sonde_table_len(const struct sonde_table *t)
{
	return t->len;
}

size_t sonde_table_memory(const struct sonde_table *t)
{
	return t->slots_bytes + t->fresh * (t->entry_size + sizeof(uint64_t) + 1);
}

void *sonde_table_next(const struct sonde_table *t, size_t *cursor, uint64_t *key)
{
	while (*cursor < t->fresh) {
		size_t i = (*cursor)++;

		if (t->used[i]) {
			*key = t->keys[i];
			return entry_at(t, (uint32_t)i + 1);
		}
	}
	return NULL;
}
