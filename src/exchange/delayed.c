/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x-delayed-message exchange, as far as routing goes: it routes as the type that its argument
 * x-delayed-type names, and everything is handed to that type. That messages wait is the broker's
 * part (broker/delayed.c).
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>

#include "amqp/table.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

struct delayed {
    const struct exchange_type *type;
    void *state; /* owned: the index of that type */
};

const struct exchange_type *exchange_delayed_type(struct bytes arguments)
{
    struct amqp_value value;
    return amqp_table_find(arguments, "x-delayed-type", &value) && value.type == AMQP_TYPE_LONGSTR
               ? exchange_type_find(value.bytes)
               : NULL;
}

static bool delayed_check_arguments(struct bytes arguments, struct amqp_error *error)
{
    struct amqp_value value;
    if (!amqp_table_find(arguments, "x-delayed-type", &value) || value.type != AMQP_TYPE_LONGSTR)
        return amqp_error_set(
            error, AMQP_PRECONDITION_FAILED,
            "Invalid argument, 'x-delayed-type' must be an existing exchange type");
    if (bytes_equal_text(value.bytes, exchange_delayed.name))
        return amqp_error_set(
            error, AMQP_PRECONDITION_FAILED,
            "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'");
    const struct exchange_type *type = exchange_type_find(value.bytes);
    if (type == NULL)
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED, "unknown exchange type '%.*s'",
                              (int)value.bytes.size, (const char *)value.bytes.data);
    return type->check_arguments(arguments, error);
}

static void *delayed_new(uint64_t hash_seed, struct bytes arguments)
{
    struct delayed *delayed = xcalloc(1, sizeof *delayed);
    delayed->type = exchange_delayed_type(arguments);
    CHECK(delayed->type != NULL);
    delayed->state = delayed->type->new (hash_seed, arguments);
    return delayed;
}

static void delayed_free(void *state)
{
    struct delayed *delayed = state;
    delayed->type->free(delayed->state);
    free(delayed);
}

static bool delayed_check(const void *state, const struct route *route, struct amqp_error *error)
{
    const struct delayed *delayed = state;
    return delayed->type->check(delayed->state, route, error);
}

static void delayed_add(void *state, struct route *route)
{
    const struct delayed *delayed = state;
    delayed->type->add(delayed->state, route);
}

static void delayed_remove(void *state, struct route *route)
{
    const struct delayed *delayed = state;
    delayed->type->remove(delayed->state, route);
}

static void delayed_match(void *state, const struct route_subject *subject,
                          struct route_matches *matches)
{
    const struct delayed *delayed = state;
    delayed->type->match(delayed->state, subject, matches);
}

const struct exchange_type exchange_delayed = {
    .name = "x-delayed-message",
    .routes_by_key = false,
    .check_arguments = delayed_check_arguments,
    .new = delayed_new,
    .free = delayed_free,
    .check = delayed_check,
    .add = delayed_add,
    .remove = delayed_remove,
    .match = delayed_match,
};
