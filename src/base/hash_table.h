/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_HASH_TABLE_H
#define LEVERET_BASE_HASH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An intrusive chained hash table that grows a few buckets at a time, so that no insertion pauses.
 * The table owns its buckets, not its entries. */
struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash_table {
    struct hash_node **buckets;     /* owned; NULL while empty and never used */
    struct hash_node **old_buckets; /* owned; what is left to move while the table grows */
    size_t mask;
    size_t old_mask;
    size_t moved; /* old buckets below this are empty */
    size_t count;
};

/* Does the entry have this key? key is what was handed to hash_table_find. */
typedef bool hash_match(const struct hash_node *node, const void *key);

void hash_table_init(struct hash_table *table);
/* Frees the buckets; entries that are still in are the caller's. */
void hash_table_fini(struct hash_table *table);

/* Adds an entry; the caller has made sure that its key is not there. */
void hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash);
/* Removes an entry that is in the table. */
void hash_table_remove(struct hash_table *table, struct hash_node *node);
/* NULL where no entry has the hash and matches the key. */
struct hash_node *hash_table_find(const struct hash_table *table, uint64_t hash, hash_match *match,
                                  const void *key);

/* Walks all entries in bucket order: start with NULL, ends with NULL. The table must not change in
 * between, except that the entry last returned may be removed after the next one was asked for. */
struct hash_node *hash_table_next(const struct hash_table *table, const struct hash_node *node);

/* Visits all entries a bucket at a time, while the table changes in between: *cursor is 0 at the
 * beginning; false, and *cursor 0 again, when that was the last bucket. What is in the table all
 * the time is visited exactly once. The visitor changes nothing. */
bool hash_table_scan(const struct hash_table *table, uint64_t *cursor,
                     void (*visit)(void *context, struct hash_node *node), void *context);

/* An entry that is still in, for a table that is emptied by removing what this returns; NULL: it is
 * empty. *cursor is 0 at the beginning; nothing is inserted meanwhile, and other entries may go. To
 * ask hash_table_next for the first one each time would look at all empty buckets before it. */
struct hash_node *hash_table_remaining(const struct hash_table *table, size_t *cursor);

/* Empties the table a bucket at a time, for one that is going to be freed and is not used any more:
 * the chain of the next bucket (linked by next, NULL where it is empty). *cursor is 0 at the
 * beginning; false when that was the last bucket. */
bool hash_table_drain(struct hash_table *table, size_t *cursor, struct hash_node **chain);

/* Mixes a number into a hash (for tables keyed by numbers). */
static inline uint64_t hash_u64(uint64_t value)
{
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    value ^= value >> 32;
    return value;
}

#endif
