/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of exchange types, and the result that they fill. A type is its functions and nothing
 * else, so a new one is a new file and a line here. The table is searched one by one: it is short,
 * and looked at only when an exchange is declared.
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>

#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

static const struct exchange_type *const types[] = {
    &exchange_direct,
    &exchange_fanout,
    &exchange_topic,
    &exchange_headers,
    &exchange_consistent_hash,
    &exchange_random,
    &exchange_local_random,
    &exchange_modulus_hash,
    &exchange_jms_topic,
    &exchange_recent_history,
    &exchange_deduplication,
    &exchange_delayed,
    &exchange_federation_upstream,
};

const struct exchange_type *exchange_type_at(size_t number)
{
    return number < sizeof types / sizeof types[0] ? types[number] : NULL;
}

const struct exchange_type *exchange_type_find(struct bytes name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (bytes_equal_text(name, types[i]->name))
            return types[i];
    }
    return NULL;
}

void route_matches_push(struct route_matches *matches, struct route *route)
{
    if (matches->count == matches->capacity)
        matches->routes = xgrow(matches->routes, &matches->capacity, matches->count + 1,
                                sizeof matches->routes[0]);
    matches->routes[matches->count++] = route;
}

void route_matches_fini(struct route_matches *matches)
{
    free(matches->routes);
    *matches = (struct route_matches){0};
}

bool exchange_takes_any_arguments(struct bytes arguments, struct amqp_error *error)
{
    (void)arguments;
    (void)error;
    return true;
}

bool exchange_takes_any_binding(const void *state, const struct route *route,
                                struct amqp_error *error)
{
    (void)state;
    (void)route;
    (void)error;
    return true;
}
