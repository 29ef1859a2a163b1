/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchanges that choose one of their bindings by chance: x-random among all of them, whatever
 * the keys say, x-local-random among classic queues bound with an empty key. RabbitMQ's
 * x-local-random chooses among the queues of the node that the publisher is connected to; here that
 * is every queue.
 *
 * The core draws no randomness: numbers come from splitmix64, started with the vhost's hash seed,
 * which is random in the server and fixed in tests.
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>

#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

struct chance {
    struct route_matches routes; /* borrowed: the broker removes a route before it frees it */
    uint64_t state;
};

static uint64_t next_number(struct chance *chance)
{
    uint64_t number = chance->state += 0x9e3779b97f4a7c15u;
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
    number = (number ^ number >> 27) * 0x94d049bb133111ebu;
    return number ^ number >> 31;
}

static void *chance_new(uint64_t hash_seed, struct bytes arguments)
{
    (void)arguments;
    struct chance *chance = xcalloc(1, sizeof *chance);
    chance->state = hash_seed;
    return chance;
}

static void chance_free(void *state)
{
    struct chance *chance = state;
    route_matches_fini(&chance->routes);
    free(chance);
}

static void chance_add(void *state, struct route *route)
{
    struct chance *chance = state;
    route_list_add(&chance->routes, route);
}

static void chance_remove(void *state, struct route *route)
{
    struct chance *chance = state;
    route_list_remove(&chance->routes, route);
}

static void chance_match(void *state, const struct route_subject *subject,
                         struct route_matches *matches)
{
    struct chance *chance = state;
    (void)subject;
    if (chance->routes.count > 0)
        route_matches_push(matches,
                           chance->routes.routes[next_number(chance) % chance->routes.count]);
}

static bool check_local(const void *state, const struct route *route, struct amqp_error *error)
{
    static const char *const queue_types[] = {
        [ROUTE_TO_QUORUM_QUEUE] = "rabbit_quorum_queue", [ROUTE_TO_STREAM] = "rabbit_stream_queue"};
    (void)state;
    if (route->key.size > 0)
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                              "Non empty binding '%.*s' key not permitted", (int)route->key.size,
                              (const char *)route->key.data);
    if (route->target == ROUTE_TO_EXCHANGE)
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED, "Destination not found");
    return route->target == ROUTE_TO_CLASSIC_QUEUE ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "Queue type %s not valid for this exchange type",
                          queue_types[route->target]);
}

const struct exchange_type exchange_random = {
    .name = "x-random",
    .routes_by_key = false,
    .check_arguments = exchange_takes_any_arguments,
    .new = chance_new,
    .free = chance_free,
    .check = exchange_takes_any_binding,
    .add = chance_add,
    .remove = chance_remove,
    .match = chance_match,
};

const struct exchange_type exchange_local_random = {
    .name = "x-local-random",
    .routes_by_key = false,
    .check_arguments = exchange_takes_any_arguments,
    .new = chance_new,
    .free = chance_free,
    .check = check_local,
    .add = chance_add,
    .remove = chance_remove,
    .match = chance_match,
};
