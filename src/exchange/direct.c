/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The direct exchange: a route matches where its key is the message's routing key, byte by byte.
 *
 * The index is a hash table with one slot per different key, each with the chain of its routes. A
 * slot copies its key rather than point into a route's, because the route that made the slot may
 * go while others with the same key stay. A slot without routes does not exist: it goes with its
 * last route, so that an exchange through which short-lived reply keys pass does not grow.
 *
 * Keys come from peers, so the hash is seeded: who does not know the seed cannot choose keys that
 * fall into one bucket.
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash_table.h"
#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

struct direct {
    struct hash_table slots; /* owned: struct slot */
    uint64_t hash_seed;
};

struct slot {
    struct hash_node node;
    struct route *routes; /* borrowed: the broker removes a route before it frees it */
    size_t key_size;
    uint8_t key[];
};

static struct slot *slot_of(struct hash_node *node)
{
    return container_of(node, struct slot, node);
}

static bool slot_has_key(const struct hash_node *node, const void *key)
{
    const struct slot *slot = container_of(node, const struct slot, node);
    return bytes_equal(bytes_of(slot->key, slot->key_size), *(const struct bytes *)key);
}

static struct slot *slot_find(const struct direct *direct, struct bytes key, uint64_t hash)
{
    struct hash_node *node = hash_table_find(&direct->slots, hash, slot_has_key, &key);
    return node == NULL ? NULL : slot_of(node);
}

static struct slot *slot_new(struct direct *direct, struct bytes key, uint64_t hash)
{
    struct slot *slot = xcalloc(1, sizeof *slot + key.size);
    slot->key_size = key.size;
    if (key.size > 0)
        memcpy(slot->key, key.data, key.size);
    hash_table_insert(&direct->slots, &slot->node, hash);
    return slot;
}

static void *direct_new(uint64_t hash_seed, struct bytes arguments)
{
    (void)arguments;
    struct direct *direct = xcalloc(1, sizeof *direct);
    hash_table_init(&direct->slots);
    direct->hash_seed = hash_seed;
    return direct;
}

static void direct_free(void *state)
{
    struct direct *direct = state;
    struct hash_node *node = hash_table_next(&direct->slots, NULL);
    while (node != NULL) {
        struct hash_node *next = hash_table_next(&direct->slots, node);
        hash_table_remove(&direct->slots, node);
        free(slot_of(node));
        node = next;
    }
    hash_table_fini(&direct->slots);
    free(direct);
}

static void direct_add(void *state, struct route *route)
{
    struct direct *direct = state;
    uint64_t hash = bytes_hash(route->key, direct->hash_seed);
    struct slot *slot = slot_find(direct, route->key, hash);
    if (slot == NULL)
        slot = slot_new(direct, route->key, hash);
    route->index_entry = slot;
    route_chain_add(&slot->routes, route);
}

static void direct_remove(void *state, struct route *route)
{
    struct direct *direct = state;
    struct slot *slot = route->index_entry;
    CHECK(slot != NULL);
    route->index_entry = NULL;
    route_chain_remove(route);
    if (slot->routes == NULL) {
        hash_table_remove(&direct->slots, &slot->node);
        free(slot);
    }
}

static void direct_match(void *state, const struct route_subject *subject,
                         struct route_matches *matches)
{
    const struct direct *direct = state;
    for (size_t i = 0; i < subject->key_count; i++) {
        struct bytes key = subject->keys[i];
        struct slot *slot = slot_find(direct, key, bytes_hash(key, direct->hash_seed));
        if (slot != NULL)
            route_chain_push(slot->routes, matches);
    }
}

const struct exchange_type exchange_direct = {
    .name = "direct",
    .routes_by_key = true,
    .check_arguments = exchange_takes_any_arguments,
    .new = direct_new,
    .free = direct_free,
    .check = exchange_takes_any_binding,
    .add = direct_add,
    .remove = direct_remove,
    .match = direct_match,
};
