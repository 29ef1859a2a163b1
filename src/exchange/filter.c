/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two types that route as fanout and do something else beside, which is the broker's part:
 * x-recent-history keeps the last messages (broker/recent_history.c), x-message-deduplication drops
 * those that came before (broker/deduplication.c). Here are the checks of their arguments.
 */
#include "exchange/exchange_type.h"

#include "amqp/erlang.h"
#include "amqp/table.h"
#include "exchange/exchange_internal.h"

/* --- x-recent-history --- */

static bool refuse_length(const struct amqp_value *value, struct amqp_error *error)
{
    struct buffer text = {0};
    if (value->type == AMQP_TYPE_LONGSTR || value->type == AMQP_TYPE_BINARY)
        erlang_append_binary(&text, value->bytes);
    else
        amqp_value_append_text(&text, value);
    amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                   "Invalid argument %.*s, 'x-recent-history-length' must be a positive integer",
                   (int)text.size, (const char *)text.data);
    buffer_fini(&text);
    return false;
}

static bool recent_history_check_arguments(struct bytes arguments, struct amqp_error *error)
{
    struct amqp_value value;
    int64_t length;
    if (!amqp_table_find(arguments, "x-recent-history-length", &value) ||
        (amqp_value_get_integer(&value, &length) && length > 0))
        return true;
    return refuse_length(&value, error);
}

const struct exchange_type exchange_recent_history = {
    .name = "x-recent-history",
    .routes_by_key = false,
    .check_arguments = recent_history_check_arguments,
    .new = exchange_fanout_new,
    .free = exchange_fanout_free,
    .check = exchange_takes_any_binding,
    .add = exchange_fanout_add,
    .remove = exchange_fanout_remove,
    .match = exchange_fanout_match,
};

/* --- x-message-deduplication --- */

bool exchange_positive_argument(const struct amqp_value *value, int64_t *number)
{
    if (amqp_value_get_integer(value, number))
        return *number > 0;
    if (value->type != AMQP_TYPE_LONGSTR || value->bytes.size == 0 || value->bytes.size > 18)
        return false;
    *number = 0;
    for (size_t i = 0; i < value->bytes.size; i++) {
        if (value->bytes.data[i] < '0' || value->bytes.data[i] > '9')
            return false;
        *number = *number * 10 + (value->bytes.data[i] - '0');
    }
    return *number > 0;
}

static bool check_persistence(const struct amqp_value *value, struct amqp_error *error)
{
    return (value->type == AMQP_TYPE_LONGSTR &&
            (bytes_equal_text(value->bytes, "disk") || bytes_equal_text(value->bytes, "memory"))) ||
           amqp_error_set(
               error, AMQP_PRECONDITION_FAILED,
               "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'");
}

static bool deduplication_check_arguments(struct bytes arguments, struct amqp_error *error)
{
    struct amqp_value value;
    int64_t number;
    if (!amqp_table_find(arguments, "x-cache-size", &value) ||
        !exchange_positive_argument(&value, &number))
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                              "Missing or invalid argument, 'x-cache-size' must be an integer "
                              "greater than 0");
    if (amqp_table_find(arguments, "x-cache-ttl", &value) &&
        !exchange_positive_argument(&value, &number))
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                              "Invalid argument, 'x-cache-ttl' must be an integer greater than 0");
    return !amqp_table_find(arguments, "x-cache-persistence", &value) ||
           check_persistence(&value, error);
}

const struct exchange_type exchange_deduplication = {
    .name = "x-message-deduplication",
    .routes_by_key = false,
    .check_arguments = deduplication_check_arguments,
    .new = exchange_fanout_new,
    .free = exchange_fanout_free,
    .check = exchange_takes_any_binding,
    .add = exchange_fanout_add,
    .remove = exchange_fanout_remove,
    .match = exchange_fanout_match,
};
