/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fanout exchange: every route matches every message. Its index is one chain, because there is
 * nothing to look up; the order of the chain has no meaning.
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>

#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

struct fanout {
    struct route *routes; /* borrowed: the broker removes a route before it frees it */
};

void *exchange_fanout_new(uint64_t hash_seed, struct bytes arguments)
{
    (void)arguments;
    (void)hash_seed;
    return xcalloc(1, sizeof(struct fanout));
}

void exchange_fanout_free(void *state)
{
    free(state);
}

void exchange_fanout_add(void *state, struct route *route)
{
    struct fanout *fanout = state;
    route_chain_add(&fanout->routes, route);
}

void exchange_fanout_remove(void *state, struct route *route)
{
    (void)state;
    route_chain_remove(route);
}

void exchange_fanout_match(void *state, const struct route_subject *subject,
                           struct route_matches *matches)
{
    const struct fanout *fanout = state;
    (void)subject;
    route_chain_push(fanout->routes, matches);
}

const struct exchange_type exchange_fanout = {
    .name = "fanout",
    .routes_by_key = true,
    .check_arguments = exchange_takes_any_arguments,
    .new = exchange_fanout_new,
    .free = exchange_fanout_free,
    .check = exchange_takes_any_binding,
    .add = exchange_fanout_add,
    .remove = exchange_fanout_remove,
    .match = exchange_fanout_match,
};
