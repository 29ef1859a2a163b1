/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_EXCHANGE_EXCHANGE_INTERNAL_H
#define LEVERET_EXCHANGE_EXCHANGE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "exchange/exchange_type.h"

/* What the exchange types share: chains of routes, from which any route leaves in constant time
 * however many destinations one key has. */

static inline void route_chain_add(struct route **first, struct route *route)
{
    route->next = *first;
    route->link = first;
    if (route->next != NULL)
        route->next->link = &route->next;
    *first = route;
}

static inline void route_chain_remove(struct route *route)
{
    *route->link = route->next;
    if (route->next != NULL)
        route->next->link = route->link;
    route->next = NULL;
    route->link = NULL;
}

static inline void route_chain_push(struct route *first, struct route_matches *matches)
{
    for (struct route *route = first; route != NULL; route = route->next)
        route_matches_push(matches, route);
}

/* An array of routes in no order: a route knows its place there, so that it leaves in constant
 * time.
 */
static inline void route_list_set(struct route_matches *list, struct route *route, size_t place)
{
    list->routes[place] = route;
    route->index_entry = (void *)(uintptr_t)place;
}

static inline void route_list_add(struct route_matches *list, struct route *route)
{
    route_matches_push(list, route);
    route_list_set(list, route, list->count - 1);
}

static inline void route_list_remove(struct route_matches *list, struct route *route)
{
    size_t place = (uintptr_t)route->index_entry;
    CHECK(place < list->count && list->routes[place] == route);
    route_list_set(list, list->routes[--list->count], place);
    route->index_entry = NULL;
}

/* The checks of a type that takes any arguments, and any binding. */
bool exchange_takes_any_arguments(struct bytes arguments, struct amqp_error *error);
bool exchange_takes_any_binding(const void *state, const struct route *route,
                                struct amqp_error *error);

/* The functions of fanout, for types that route alike. */
void *exchange_fanout_new(uint64_t hash_seed, struct bytes arguments);
void exchange_fanout_free(void *state);
void exchange_fanout_add(void *state, struct route *route);
void exchange_fanout_remove(void *state, struct route *route);
void exchange_fanout_match(void *state, const struct route_subject *subject,
                           struct route_matches *matches);

#endif
