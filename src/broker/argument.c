/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equivalence of declarations. RabbitMQ compares the fixed fields and the arguments that it knows,
 * by value, and ignores all others; the reply text says what was received and what is there, with
 * the type where only one side has the argument.
 */
#include "broker/argument.h"

#include <stdlib.h>

#include "amqp/table.h"

static bool differs(const char *resource, const char *name, const struct buffer *received,
                    const struct buffer *current, struct amqp_error *error)
{
    return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "inequivalent arg '%s' for %s: received %.*s but current is %.*s", name,
                          resource, (int)received->size, (const char *)received->data,
                          (int)current->size, (const char *)current->data);
}

static bool quoted_differ(const char *resource, const char *name, struct bytes received,
                          struct bytes current, struct amqp_error *error)
{
    return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "inequivalent arg '%s' for %s: received '%.*s' but current is '%.*s'",
                          name, resource, (int)received.size, (const char *)received.data,
                          (int)current.size, (const char *)current.data);
}

bool argument_check_text(const char *resource, const char *name, struct bytes received,
                         struct bytes current, struct amqp_error *error)
{
    return bytes_equal(received, current) ||
           quoted_differ(resource, name, received, current, error);
}

bool argument_check_flag(const char *resource, const char *name, bool received, bool current,
                         struct amqp_error *error)
{
    return argument_check_text(resource, name, bytes_of_text(received ? "true" : "false"),
                               bytes_of_text(current ? "true" : "false"), error);
}

/* none, 'value', or the value 'value' of type 'type'. */
static void describe(struct buffer *text, bool is_there, const struct amqp_value *value,
                     bool with_type)
{
    if (!is_there) {
        buffer_append_format(text, "none");
        return;
    }
    buffer_append_format(text, with_type ? "the value '" : "'");
    amqp_value_append_text(text, value);
    buffer_append_format(text, "'");
    if (with_type)
        buffer_append_format(text, " of type '%s'", amqp_value_type_name(value->type));
}

bool argument_check_equal(const char *resource, const char *name, struct bytes received,
                          struct bytes current, struct amqp_error *error)
{
    struct amqp_value a, b;
    struct buffer a_text = {0}, b_text = {0};
    bool has_a = amqp_table_find(received, name, &a), has_b = amqp_table_find(current, name, &b);
    if (has_a == has_b && (!has_a || amqp_value_equal(&a, &b)))
        return true;
    describe(&a_text, has_a, &a, !has_b);
    describe(&b_text, has_b, &b, !has_a);
    differs(resource, name, &a_text, &b_text, error);
    buffer_fini(&a_text);
    buffer_fini(&b_text);
    return false;
}

static struct bytes queue_type(struct bytes arguments)
{
    struct amqp_value value;
    if (!amqp_table_find(arguments, "x-queue-type", &value) || value.type != AMQP_TYPE_LONGSTR ||
        value.bytes.size == 0)
        return bytes_of_text("classic");
    return value.bytes;
}

bool argument_check_queue(const char *resource, struct bytes received, struct bytes current,
                          struct amqp_error *error)
{
    static const char *const compared[] = {
        "x-expires",
        "x-message-ttl",
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
        "x-max-length",
        "x-max-length-bytes",
        "x-max-priority",
        "x-overflow",
        "x-queue-mode",
        "x-single-active-consumer",
    };
    for (size_t i = 0; i < sizeof compared / sizeof compared[0]; i++) {
        if (!argument_check_equal(resource, compared[i], received, current, error))
            return false;
    }
    return bytes_equal(queue_type(received), queue_type(current)) ||
           argument_check_equal(resource, "x-queue-type", received, current, error);
}

bool argument_check_queue_type(const char *resource, struct bytes arguments,
                               struct amqp_error *error)
{
    struct bytes type = queue_type(arguments);
    return bytes_equal_text(type, "classic") || bytes_equal_text(type, "undefined") ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "invalid arg 'x-queue-type' for %s: \"unsupported queue type '%.*s'\"",
                          resource, (int)type.size, (const char *)type.data);
}
