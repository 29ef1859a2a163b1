/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equivalence of declarations. RabbitMQ compares the fixed fields and the arguments that it knows,
 * by value, and ignores all others; the reply text says what was received and what is there, with
 * the type where only one side has the argument.
 */
#include "broker/argument.h"

#include <stdlib.h>
#include <string.h>

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

bool argument_check_type(const char *resource, const char *received, const char *current,
                         struct amqp_error *error)
{
    struct buffer quoted[2] = {{0}, {0}};
    const char *const names[] = {received, current};
    if (strcmp(received, current) == 0)
        return true;
    for (int i = 0; i < 2; i++) {
        const char *quote = strchr(names[i], '-') != NULL ? "'" : "";
        buffer_append_format(&quoted[i], "%s%s%s", quote, names[i], quote);
    }
    quoted_differ(resource, "type", buffer_bytes(&quoted[0]), buffer_bytes(&quoted[1]), error);
    buffer_fini(&quoted[0]);
    buffer_fini(&quoted[1]);
    return false;
}

bool argument_check_flag(const char *resource, const char *name, bool received, bool current,
                         struct amqp_error *error)
{
    return received == current ||
           quoted_differ(resource, name, bytes_of_text(received ? "true" : "false"),
                         bytes_of_text(current ? "true" : "false"), error);
}

/* none, 'value', or the value 'value' of type 'type'. Beside another value, void is none too. */
static void describe(struct buffer *text, bool is_there, const struct amqp_value *value,
                     bool with_type)
{
    if (!is_there || (value->type == AMQP_TYPE_VOID && !with_type)) {
        buffer_append_format(text, "none");
        return;
    }
    buffer_append_format(text, with_type ? "the value '" : "'");
    amqp_value_append_text(text, value);
    buffer_append_format(text, "'");
    if (with_type)
        buffer_append_format(text, " of type '%s'", amqp_value_type_name(value->type));
}

static bool is_float(const struct amqp_value *value)
{
    return value->type == AMQP_TYPE_FLOAT || value->type == AMQP_TYPE_DOUBLE;
}

/* 1 and 1.0, which headers exchanges hold to be the same, are not. */
static bool values_equal(const struct amqp_value *a, const struct amqp_value *b)
{
    return is_float(a) == is_float(b) && amqp_value_equal(a, b);
}

bool argument_check_equal(const char *resource, const char *name, struct bytes received,
                          struct bytes current, struct amqp_error *error)
{
    struct amqp_value a, b;
    struct buffer a_text = {0}, b_text = {0};
    bool has_a = amqp_table_find(received, name, &a), has_b = amqp_table_find(current, name, &b);
    if (has_a == has_b && (!has_a || values_equal(&a, &b)))
        return true;
    describe(&a_text, has_a, &a, !has_b);
    describe(&b_text, has_b, &b, !has_a);
    differs(resource, name, &a_text, &b_text, error);
    buffer_fini(&a_text);
    buffer_fini(&b_text);
    return false;
}

/* --- queues */

static const char *const classic_arguments[] = {
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
    "x-queue-leader-locator",
    NULL,
};

static const char *const quorum_arguments[] = {
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-message-ttl",
    "x-queue-leader-locator",
    NULL,
};

static const char *const stream_arguments[] = {
    "x-max-length-bytes",
    "x-queue-type",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-initial-cluster-size",
    "x-queue-leader-locator",
    NULL,
};

static const char *const relaxed_arguments[] = {
    "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-expires",     "x-max-length",
    "x-max-length-bytes",     "x-single-active-consumer",  "x-message-ttl", NULL,
};

/* An empty type, "undefined" and "classic" all say what none says. */
static bool is_classic(struct bytes arguments)
{
    struct amqp_value value;
    return !amqp_table_find(arguments, "x-queue-type", &value) ||
           (value.type == AMQP_TYPE_LONGSTR &&
            (value.bytes.size == 0 || bytes_equal_text(value.bytes, "classic") ||
             bytes_equal_text(value.bytes, "undefined")));
}

static bool check_all(const char *const *names, const char *resource, struct bytes received,
                      struct bytes current, struct amqp_error *error)
{
    for (; *names != NULL; names++) {
        if (strcmp(*names, "x-queue-type") == 0 && is_classic(received) && is_classic(current))
            continue;
        if (!argument_check_equal(resource, *names, received, current, error))
            return false;
    }
    return true;
}

bool argument_check_queue(const char *resource, enum queue_type type, struct bytes received,
                          struct bytes current, struct amqp_error *error)
{
    static const char *const *const compared[] = {classic_arguments, quorum_arguments,
                                                  stream_arguments};
    return check_all(compared[type], resource, received, current, error);
}

bool argument_check_relaxed(const char *resource, struct bytes received, struct bytes current,
                            struct amqp_error *error)
{
    return check_all(relaxed_arguments, resource, received, current, error);
}
