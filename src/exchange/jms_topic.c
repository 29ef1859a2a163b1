/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x-jms-topic exchange, to which RabbitMQ's JMS client binds the queue of a subscriber with a
 * selector: a binding's argument rjms_erlang_selector is a condition over the headers of a message,
 * and decides alone; keys are not looked at. The client binds the exchange itself, by key, to the
 * exchange that it publishes to.
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>

#include "amqp/table.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"
#include "exchange/selector.h"

struct jms_topic {
    struct route *routes; /* borrowed: the broker removes a route before it frees it; the index
                             entry of each is its selector */
};

/* NULL, with the reason, where there is none or it is malformed. */
static struct selector *parse_selector(struct bytes arguments, const char **reason)
{
    struct amqp_value value;
    if (!amqp_table_find(arguments, "rjms_erlang_selector", &value) ||
        value.type != AMQP_TYPE_LONGSTR) {
        *reason = "rjms_erlang_selector must be a string";
        return NULL;
    }
    return selector_parse(value.bytes, reason);
}

static bool jms_topic_check(const void *state, const struct route *route, struct amqp_error *error)
{
    const char *reason;
    struct selector *selector = parse_selector(route->arguments, &reason);
    (void)state;
    if (selector == NULL)
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED, "invalid JMS selector: %s", reason);
    selector_free(selector);
    return true;
}

static void *jms_topic_new(uint64_t hash_seed, struct bytes arguments)
{
    (void)hash_seed;
    (void)arguments;
    return xcalloc(1, sizeof(struct jms_topic));
}

static void jms_topic_free(void *state)
{
    struct jms_topic *jms_topic = state;
    for (struct route *route = jms_topic->routes; route != NULL; route = route->next)
        selector_free(route->index_entry);
    free(jms_topic);
}

static void jms_topic_add(void *state, struct route *route)
{
    struct jms_topic *jms_topic = state;
    const char *reason;
    route->index_entry = parse_selector(route->arguments, &reason);
    CHECK(route->index_entry != NULL);
    route_chain_add(&jms_topic->routes, route);
}

static void jms_topic_remove(void *state, struct route *route)
{
    (void)state;
    selector_free(route->index_entry);
    route->index_entry = NULL;
    route_chain_remove(route);
}

static void jms_topic_match(void *state, const struct route_subject *subject,
                            struct route_matches *matches)
{
    const struct jms_topic *jms_topic = state;
    for (struct route *route = jms_topic->routes; route != NULL; route = route->next) {
        if (selector_matches(route->index_entry, subject->headers))
            route_matches_push(matches, route);
    }
}

const struct exchange_type exchange_jms_topic = {
    .name = "x-jms-topic",
    .routes_by_key = false,
    .check_arguments = exchange_takes_any_arguments,
    .new = jms_topic_new,
    .free = jms_topic_free,
    .check = jms_topic_check,
    .add = jms_topic_add,
    .remove = jms_topic_remove,
    .match = jms_topic_match,
};
