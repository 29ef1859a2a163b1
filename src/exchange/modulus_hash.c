/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x-modulus-hash exchange: a hash of the routing key, modulo the number of bindings, chooses
 * one of them. The bindings stand in the order of their destinations' names, and the hash has no
 * seed, so that a key goes the same way after a restart. When a binding comes or goes, most keys
 * change their way; who minds takes x-consistent-hash.
 *
 * The order is made when a message needs it, so that declaring many bindings costs one sort.
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>

#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

struct modulus_hash {
    struct route_matches routes; /* borrowed: the broker removes a route before it frees it */
    bool is_sorted;
};

static void *modulus_hash_new(uint64_t hash_seed, struct bytes arguments)
{
    (void)hash_seed;
    (void)arguments;
    return xcalloc(1, sizeof(struct modulus_hash));
}

static void modulus_hash_free(void *state)
{
    struct modulus_hash *modulus_hash = state;
    route_matches_fini(&modulus_hash->routes);
    free(modulus_hash);
}

static void modulus_hash_add(void *state, struct route *route)
{
    struct modulus_hash *modulus_hash = state;
    route_list_add(&modulus_hash->routes, route);
    modulus_hash->is_sorted = false;
}

static void modulus_hash_remove(void *state, struct route *route)
{
    struct modulus_hash *modulus_hash = state;
    route_list_remove(&modulus_hash->routes, route);
    modulus_hash->is_sorted = false;
}

/* A destination that is bound more than once has as many places; their order decides nothing. */
static int compare_routes(const void *a, const void *b)
{
    const struct route *route_a = *(struct route *const *)a, *route_b = *(struct route *const *)b;
    int exchanges_first =
        (route_b->target == ROUTE_TO_EXCHANGE) - (route_a->target == ROUTE_TO_EXCHANGE);
    return exchanges_first != 0 ? exchanges_first
                                : bytes_compare(route_a->destination, route_b->destination);
}

static void sort(struct modulus_hash *modulus_hash)
{
    struct route_matches *routes = &modulus_hash->routes;
    qsort(routes->routes, routes->count, sizeof routes->routes[0], compare_routes);
    for (size_t i = 0; i < routes->count; i++)
        route_list_set(routes, routes->routes[i], i);
    modulus_hash->is_sorted = true;
}

static void modulus_hash_match(void *state, const struct route_subject *subject,
                               struct route_matches *matches)
{
    struct modulus_hash *modulus_hash = state;
    size_t count = modulus_hash->routes.count;
    if (count == 0)
        return;
    if (!modulus_hash->is_sorted)
        sort(modulus_hash);
    uint64_t hash = bytes_hash(subject->keys[0], 0);
    route_matches_push(matches, modulus_hash->routes.routes[hash % count]);
}

const struct exchange_type exchange_modulus_hash = {
    .name = "x-modulus-hash",
    .routes_by_key = true,
    .check_arguments = exchange_takes_any_arguments,
    .new = modulus_hash_new,
    .free = modulus_hash_free,
    .check = exchange_takes_any_binding,
    .add = modulus_hash_add,
    .remove = modulus_hash_remove,
    .match = modulus_hash_match,
};
