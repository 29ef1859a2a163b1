/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chained hash table that grows incrementally. While it grows there are two bucket arrays: an
 * entry is in the new one, or still in an old bucket that has not been moved. Every insertion
 * moves two old buckets, so that the move ends before the new array is full, and no single
 * operation costs more than a few chains. Looking up and removing never move anything, so that a
 * table that nobody changes can be read by several threads, and a walk may remove what it passed.
 */
#include "base/hash_table.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

enum { buckets_min = 8, moves_per_change = 2 };

void hash_table_init(struct hash_table *table)
{
    *table = (struct hash_table){0};
}

void hash_table_fini(struct hash_table *table)
{
    free(table->buckets);
    free(table->old_buckets);
    *table = (struct hash_table){0};
}

static void move_one_bucket(struct hash_table *table)
{
    struct hash_node *node = table->old_buckets[table->moved];
    table->old_buckets[table->moved] = NULL;
    while (node != NULL) {
        struct hash_node *next = node->next;
        struct hash_node **bucket = &table->buckets[node->hash & table->mask];
        node->next = *bucket;
        *bucket = node;
        node = next;
    }
    if (++table->moved > table->old_mask) {
        free(table->old_buckets);
        table->old_buckets = NULL;
    }
}

static void move_some(struct hash_table *table)
{
    for (int i = 0; i < moves_per_change && table->old_buckets != NULL; i++)
        move_one_bucket(table);
}

static void grow_if_full(struct hash_table *table)
{
    if (table->buckets == NULL) {
        table->buckets = xcalloc(buckets_min, sizeof *table->buckets);
        table->mask = buckets_min - 1;
        return;
    }
    if (table->old_buckets != NULL || table->count <= table->mask)
        return;
    table->old_buckets = table->buckets;
    table->old_mask = table->mask;
    table->moved = 0;
    table->mask = table->mask * 2 + 1;
    table->buckets = xcalloc(table->mask + 1, sizeof *table->buckets);
}

void hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash)
{
    grow_if_full(table);
    move_some(table);
    node->hash = hash;
    struct hash_node **bucket = &table->buckets[hash & table->mask];
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

static bool unlink_from(struct hash_node **link, const struct hash_node *node)
{
    while (*link != NULL) {
        if (*link == node) {
            *link = node->next;
            return true;
        }
        link = &(*link)->next;
    }
    return false;
}

void hash_table_remove(struct hash_table *table, struct hash_node *node)
{
    bool found = unlink_from(&table->buckets[node->hash & table->mask], node);
    if (!found && table->old_buckets != NULL)
        found = unlink_from(&table->old_buckets[node->hash & table->old_mask], node);
    CHECK(found);
    node->next = NULL;
    table->count--;
}

static struct hash_node *find_in(struct hash_node *node, uint64_t hash, hash_match *match,
                                 const void *key)
{
    while (node != NULL && !(node->hash == hash && match(node, key)))
        node = node->next;
    return node;
}

struct hash_node *hash_table_find(const struct hash_table *table, uint64_t hash, hash_match *match,
                                  const void *key)
{
    if (table->buckets == NULL)
        return NULL;
    struct hash_node *node = find_in(table->buckets[hash & table->mask], hash, match, key);
    if (node == NULL && table->old_buckets != NULL)
        node = find_in(table->old_buckets[hash & table->old_mask], hash, match, key);
    return node;
}

static struct hash_node *first_from(struct hash_node *const *buckets, size_t from, size_t mask)
{
    for (size_t i = from; i <= mask; i++) {
        if (buckets[i] != NULL)
            return buckets[i];
    }
    return NULL;
}

static bool is_in_old(const struct hash_table *table, const struct hash_node *node)
{
    if (table->old_buckets == NULL)
        return false;
    const struct hash_node *other = table->old_buckets[node->hash & table->old_mask];
    while (other != NULL && other != node)
        other = other->next;
    return other == node;
}

struct hash_node *hash_table_next(const struct hash_table *table, const struct hash_node *node)
{
    struct hash_node *next = NULL;
    if (table->buckets == NULL)
        return NULL;
    if (node != NULL && node->next != NULL)
        return node->next;
    bool in_old = node == NULL ? table->old_buckets != NULL : is_in_old(table, node);
    if (in_old) {
        size_t from = node == NULL ? 0 : (node->hash & table->old_mask) + 1;
        next = first_from(table->old_buckets, from, table->old_mask);
        if (next != NULL)
            return next;
        node = NULL;
    }
    return first_from(table->buckets, node == NULL ? 0 : (node->hash & table->mask) + 1,
                      table->mask);
}

/* --- scanning */

static uint64_t reverse(uint64_t bits)
{
    uint64_t reversed = 0;
    for (int i = 0; i < 64; i++, bits >>= 1)
        reversed = reversed << 1 | (bits & 1);
    return reversed;
}

/* Counts with the highest bit of the mask first. A bucket splits by a higher bit when the table
 * grows, so that all parts of a bucket that was visited lie before the next one in this order, and
 * all parts of one that was not lie behind. */
static uint64_t next_bucket(uint64_t bucket, uint64_t mask)
{
    return reverse(reverse(bucket | ~mask) + 1);
}

bool hash_table_scan(const struct hash_table *table, uint64_t *cursor,
                     void (*visit)(void *context, struct hash_node *node), void *context)
{
    if (table->buckets == NULL)
        return false;
    uint64_t bucket = *cursor & table->mask;
    for (struct hash_node *node = table->buckets[bucket]; node != NULL; node = node->next)
        visit(context, node);
    struct hash_node *old =
        table->old_buckets != NULL ? table->old_buckets[bucket & table->old_mask] : NULL;
    for (; old != NULL; old = old->next) {
        if ((old->hash & table->mask) == bucket)
            visit(context, old);
    }
    *cursor = next_bucket(bucket, table->mask);
    return *cursor != 0;
}

/* --- draining */

/* The new buckets, and behind them those that are left to move; NULL: there are no more. */
static struct hash_node **bucket_at(const struct hash_table *table, size_t index)
{
    size_t count = table->buckets != NULL ? table->mask + 1 : 0;
    size_t old_count = table->old_buckets != NULL ? table->old_mask + 1 : 0;
    if (index < count)
        return &table->buckets[index];
    return index < count + old_count ? &table->old_buckets[index - count] : NULL;
}

struct hash_node *hash_table_remaining(const struct hash_table *table, size_t *cursor)
{
    struct hash_node **bucket;
    while ((bucket = bucket_at(table, *cursor)) != NULL && *bucket == NULL)
        ++*cursor;
    return bucket != NULL ? *bucket : NULL;
}

bool hash_table_drain(struct hash_table *table, size_t *cursor, struct hash_node **chain)
{
    struct hash_node **bucket = bucket_at(table, *cursor);
    *chain = bucket != NULL ? *bucket : NULL;
    if (bucket != NULL)
        *bucket = NULL;
    for (struct hash_node *node = *chain; node != NULL; node = node->next)
        table->count--;
    return bucket_at(table, ++*cursor) != NULL;
}
