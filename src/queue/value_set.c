/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value stands once, under two keys: itself, by which a message that comes is known again, and
 * the place of the message that holds it, by which it goes with that message. For an unacked
 * message that is stored nothing is in memory but its place, so there is no other way back.
 *
 * Values are compared whole: a message that were dropped for the hash of its value would be lost.
 *
 * A message that has expired holds its value no longer, even if it is still there (behind one that
 * lives longer, or unacked), and the next one of the same value takes it over. The one that goes
 * later then finds that it holds nothing.
 */
#include "queue/value_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"

struct value {
    struct hash_node by_key;
    struct hash_node by_place;
    uint64_t position;
    uint64_t expiry_ms : 48; /* 0 = never */
    uint64_t priority : 16;
    uint32_t key_size;
    uint8_t key[];
};

struct value_set *value_set_new(uint64_t hash_seed)
{
    struct value_set *set = xcalloc(1, sizeof *set);
    hash_table_init(&set->by_key);
    hash_table_init(&set->by_place);
    set->hash_seed = hash_seed;
    return set;
}

/* --- finding */

static struct bytes key_of(const struct value *value)
{
    return bytes_of(value->key, value->key_size);
}

static bool has_key(const struct hash_node *node, const void *key)
{
    return bytes_equal(key_of(container_of(node, struct value, by_key)),
                       *(const struct bytes *)key);
}

static bool has_place(const struct hash_node *node, const void *key)
{
    const struct value *value = container_of(node, struct value, by_place);
    const struct value_place *place = key;
    return value->position == place->position && value->priority == place->priority;
}

/* Messages come and go in the order of their positions, and so do these buckets: a table that is
 * larger than the processor's caches is walked, not jumped about in. */
static uint64_t hash_of_place(struct value_place place)
{
    return place.position + hash_u64(place.priority);
}

static struct value *find_key(const struct value_set *set, struct bytes key)
{
    struct hash_node *node =
        hash_table_find(&set->by_key, bytes_hash(key, set->hash_seed), has_key, &key);
    return node != NULL ? container_of(node, struct value, by_key) : NULL;
}

static struct value *find_place(const struct value_set *set, struct value_place place)
{
    struct hash_node *node =
        hash_table_find(&set->by_place, hash_of_place(place), has_place, &place);
    return node != NULL ? container_of(node, struct value, by_place) : NULL;
}

bool value_set_holds(const struct value_set *set, struct bytes key, uint64_t now_ms)
{
    const struct value *value = find_key(set, key);
    return value != NULL && (value->expiry_ms == 0 || value->expiry_ms > now_ms);
}

/* --- changing */

static size_t bytes_of_value(const struct value *value)
{
    return sizeof *value + value->key_size;
}

static void take_out(struct value_set *set, struct value *value)
{
    hash_table_remove(&set->by_key, &value->by_key);
    hash_table_remove(&set->by_place, &value->by_place);
    set->bytes -= bytes_of_value(value);
}

static void put_in(struct value_set *set, struct value *value)
{
    struct value_place place = {value->position, (uint8_t)value->priority};
    hash_table_insert(&set->by_key, &value->by_key, bytes_hash(key_of(value), set->hash_seed));
    hash_table_insert(&set->by_place, &value->by_place, hash_of_place(place));
    set->bytes += bytes_of_value(value);
}

/* Of two messages that hold the value, does the one that is known already leave first? */
static bool leaves_before(const struct value *value, struct value_place place, uint64_t expiry_ms)
{
    if (value->expiry_ms != expiry_ms)
        return value->expiry_ms != 0 && (expiry_ms == 0 || value->expiry_ms < expiry_ms);
    if (value->priority != place.priority)
        return value->priority > place.priority;
    return value->position < place.position;
}

void value_set_put(struct value_set *set, struct bytes key, struct value_place place,
                   uint64_t expiry_ms)
{
    struct value *other = find_key(set, key);
    if (other != NULL && !leaves_before(other, place, expiry_ms))
        return;
    if (other != NULL)
        take_out(set, other);
    free(other);
    CHECK(key.size <= UINT32_MAX);
    struct value *value = xmalloc(sizeof *value + key.size);
    value->position = place.position;
    value->priority = place.priority;
    value->expiry_ms = expiry_ms & ((UINT64_C(1) << 48) - 1);
    value->key_size = (uint32_t)key.size;
    memcpy(value->key, key.data, key.size);
    put_in(set, value);
}

void value_set_remove(struct value_set *set, struct value_place place)
{
    struct value *value = find_place(set, place);
    if (value != NULL)
        take_out(set, value);
    free(value);
}

void value_set_move(struct value_set *from, struct value_set *to, struct value_place place)
{
    struct value *value = find_place(from, place);
    if (value == NULL)
        return;
    take_out(from, value);
    put_in(to, value);
}

size_t value_set_bytes(const struct value_set *set)
{
    size_t buckets = set->by_key.mask + set->by_place.mask + 2;
    return sizeof *set + set->bytes + buckets * sizeof(struct hash_node *);
}

/* --- freeing */

static size_t free_chain(struct hash_node *node)
{
    struct hash_node *next;
    size_t count = 0;
    for (; node != NULL; node = next, count++) {
        next = node->next;
        free(container_of(node, struct value, by_key));
    }
    return count;
}

bool value_set_free_some(struct value_set *set, size_t count)
{
    struct hash_node *chain;
    bool has_more = true;
    hash_table_fini(&set->by_place);
    for (size_t freed = 0; has_more && freed < count; freed++) { /* an empty bucket counts, too */
        has_more = hash_table_drain(&set->by_key, &set->cursor, &chain);
        freed += free_chain(chain);
    }
    if (has_more)
        return false;
    hash_table_fini(&set->by_key);
    free(set);
    return true;
}

void value_set_free(struct value_set *set)
{
    if (set != NULL)
        CHECK(value_set_free_some(set, SIZE_MAX));
}

/* --- checking */

void value_set_check(const struct value_set *set)
{
    struct hash_node *node = NULL;
    size_t bytes = 0, count = 0;
    while ((node = hash_table_next(&set->by_key, node)) != NULL) {
        const struct value *value = container_of(node, struct value, by_key);
        struct value_place place = {value->position, (uint8_t)value->priority};
        CHECK(find_place(set, place) == value && find_key(set, key_of(value)) == value);
        bytes += bytes_of_value(value);
        count++;
    }
    CHECK(bytes == set->bytes && count == set->by_key.count && count == set->by_place.count);
}
