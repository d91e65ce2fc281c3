// SPDX-License-Identifier: Apache-2.0
/*
 * table - a bounded map from 64-bit keys to fixed-size entries that never move.
 *
 *   index: open addressing, linear probing, capacity a power of two, at most half full
 *            slot = key, entry number + 1
 *   slab:  max entries in one lazily touched mapping; freed entries are chained and reused first
 *
 * Memory is reserved at once and touched as it is used, so an idle table costs next to nothing and
 * a full one refuses instead of growing. Not thread-safe.
 */
#ifndef SONDE_CORE_TABLE_H
#define SONDE_CORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sonde_table;

/* At most MAX entries of ENTRY_SIZE bytes. 0 and *OUT, -EINVAL, -ENOMEM. */
int sonde_table_new(size_t max, size_t entry_size, struct sonde_table **out);
void sonde_table_free(struct sonde_table *t); /* accepts NULL */

void *sonde_table_find(const struct sonde_table *t, uint64_t key); /* NULL: not there */
/* Finds or adds; a new entry is zeroed and *ADDED says so. NULL: the table is full. */
void *sonde_table_get(struct sonde_table *t, uint64_t key, bool *added);
/* Removes; the entry's memory may be reused at once. False: not there. */
bool sonde_table_remove(struct sonde_table *t, uint64_t key);

size_t sonde_table_len(const struct sonde_table *t);
size_t sonde_table_memory(const struct sonde_table *t); /* bytes touched, about */
/*
 * The next entry from *CURSOR (begin at 0) and its key; NULL at the end. Removing the entry just
 * returned is allowed; entries added meanwhile may or may not be seen.
 */
void *sonde_table_next(const struct sonde_table *t, size_t *cursor, uint64_t *key);

#endif
