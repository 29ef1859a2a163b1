/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which arguments a queue and a consumer may have. A rule is a row of a table: the argument, the
 * types of queue that know it, and what its value must be. The rows stand in RabbitMQ's order,
 * because of several faults the first is the one that the client is told; an argument that only
 * other types know is a fault as well, but only after all values have been looked at. What no row
 * names is nobody's business here and is accepted, as in RabbitMQ.
 *
 * Where versions of RabbitMQ differ, this is their union: x-queue-leader-locator for every type
 * (4.x), x-cancel-on-ha-failover for every consumer (4.x looks at it no more).
 */
#include "broker/queue_arguments.h"

#include <stdio.h>

#include "amqp/erlang.h"
#include "amqp/table.h"

enum {
    CLASSIC = 1 << QUEUE_CLASSIC,
    QUORUM = 1 << QUEUE_QUORUM,
    STREAM = 1 << QUEUE_STREAM,
    ANY = CLASSIC | QUORUM | STREAM,
};

static const int64_t milliseconds_max = 315360000000; /* ten years */
static const int64_t segment_bytes_max = 3000000000;

/* Says in *reason, as an Erlang term, what is wrong with a value. */
typedef bool check_value(const struct amqp_value *value, struct bytes arguments,
                         struct buffer *reason);

struct rule {
    const char *name;
    unsigned types;
    check_value *check; /* NULL: any value will do */
};

const char *queue_type_name(enum queue_type type)
{
    static const char *const names[] = {"classic", "quorum", "stream"};
    return names[type];
}

/* --- values */

static bool is_text(const struct amqp_value *value, struct buffer *reason)
{
    if (value->type != AMQP_TYPE_LONGSTR)
        buffer_append_format(reason, "{unacceptable_type,%s}", amqp_value_type_name(value->type));
    return value->type == AMQP_TYPE_LONGSTR;
}

static bool is_integer(const struct amqp_value *value, struct buffer *reason)
{
    if (!amqp_value_is_integer(value))
        buffer_append_format(reason, "\"expected integer, got %s\"",
                             amqp_value_type_name(value->type));
    return amqp_value_is_integer(value);
}

static bool number_fault(const struct amqp_value *value, const char *what, struct buffer *reason)
{
    buffer_append_format(reason, "{%s,%lld}", what, (long long)value->integer);
    return false;
}

static bool fault(const char *what, struct buffer *reason)
{
    buffer_append_format(reason, "%s", what);
    return false;
}

/* "unsupported queue type 'foo'", quotes included. */
static bool unsupported(const char *what, struct bytes text, struct buffer *reason)
{
    struct buffer phrase = {0};
    buffer_append_format(&phrase, "unsupported %s '", what);
    buffer_append_bytes(&phrase, text);
    buffer_append_u8(&phrase, '\'');
    erlang_append_string(reason, buffer_bytes(&phrase));
    buffer_fini(&phrase);
    return false;
}

static bool is_one_of(struct bytes text, const char *const *choices)
{
    for (; *choices != NULL; choices++) {
        if (bytes_equal_text(text, *choices))
            return true;
    }
    return false;
}

static bool check_integer(const struct amqp_value *value, struct bytes arguments,
                          struct buffer *reason)
{
    (void)arguments;
    return is_integer(value, reason);
}

static bool check_count(const struct amqp_value *value, struct bytes arguments,
                        struct buffer *reason)
{
    (void)arguments;
    return is_integer(value, reason) &&
           (value->integer >= 0 || number_fault(value, "value_negative", reason));
}

static bool check_positive(const struct amqp_value *value, struct bytes arguments,
                           struct buffer *reason)
{
    return check_count(value, arguments, reason) &&
           (value->integer > 0 || number_fault(value, "value_zero", reason));
}

static bool check_ttl(const struct amqp_value *value, struct bytes arguments, struct buffer *reason)
{
    (void)arguments;
    return is_integer(value, reason) &&
           (value->integer <= milliseconds_max || number_fault(value, "value_too_large", reason)) &&
           (value->integer >= 0 || number_fault(value, "value_negative", reason));
}

static bool check_expires(const struct amqp_value *value, struct bytes arguments,
                          struct buffer *reason)
{
    return is_integer(value, reason) &&
           (value->integer != 0 || number_fault(value, "value_zero", reason)) &&
           check_ttl(value, arguments, reason);
}

static bool check_priority_max(const struct amqp_value *value, struct bytes arguments,
                               struct buffer *reason)
{
    return check_count(value, arguments, reason) &&
           (value->integer <= UINT8_MAX || number_fault(value, "max_value_exceeded", reason));
}

static bool check_text(const struct amqp_value *value, struct bytes arguments,
                       struct buffer *reason)
{
    (void)arguments;
    return is_text(value, reason);
}

static bool check_dead_letter_key(const struct amqp_value *value, struct bytes arguments,
                                  struct buffer *reason)
{
    struct amqp_value exchange;
    return is_text(value, reason) &&
           (amqp_table_find(arguments, "x-dead-letter-exchange", &exchange) ||
            fault("routing_key_but_no_dlx_defined", reason));
}

static bool check_strategy(const struct amqp_value *value, struct bytes arguments,
                           struct buffer *reason)
{
    static const char *const known[] = {"at-most-once", "at-least-once", NULL};
    (void)arguments;
    return is_text(value, reason) &&
           (is_one_of(value->bytes, known) || fault("invalid_dlx_strategy", reason));
}

static bool check_overflow(const struct amqp_value *value, struct bytes arguments,
                           struct buffer *reason)
{
    static const char *const known[] = {"drop-head", "reject-publish", "reject-publish-dlx", NULL};
    (void)arguments;
    return is_text(value, reason) &&
           (is_one_of(value->bytes, known) || fault("invalid_overflow", reason));
}

static bool check_mode(const struct amqp_value *value, struct bytes arguments,
                       struct buffer *reason)
{
    static const char *const known[] = {"default", "lazy", NULL};
    (void)arguments;
    return is_text(value, reason) &&
           (is_one_of(value->bytes, known) || unsupported("queue mode", value->bytes, reason));
}

static bool check_version(const struct amqp_value *value, struct bytes arguments,
                          struct buffer *reason)
{
    char number[24];
    if (!check_count(value, arguments, reason))
        return false;
    if (value->integer == 1 || value->integer == 2)
        return true;
    snprintf(number, sizeof number, "%lld", (long long)value->integer);
    return unsupported("queue version", bytes_of_text(number), reason);
}

static bool check_flag(const struct amqp_value *value, struct bytes arguments,
                       struct buffer *reason)
{
    (void)arguments;
    if (value->type != AMQP_TYPE_BOOL)
        buffer_append_format(reason, "{unacceptable_type,%s}", amqp_value_type_name(value->type));
    return value->type == AMQP_TYPE_BOOL;
}

/* "" and "undefined" are what some clients send for none. */
static bool check_type(const struct amqp_value *value, struct bytes arguments,
                       struct buffer *reason)
{
    static const char *const known[] = {"classic", "quorum", "stream", "", "undefined", NULL};
    (void)arguments;
    return is_text(value, reason) &&
           (is_one_of(value->bytes, known) || unsupported("queue type", value->bytes, reason));
}

static bool is_age(struct bytes text)
{
    size_t digits = 0;
    bool has_value = false;
    for (; digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9'; digits++)
        has_value = has_value || text.data[digits] != '0';
    return has_value && digits + 1 == text.size && memchr("YMDhms", text.data[digits], 6) != NULL;
}

static bool check_age(const struct amqp_value *value, struct bytes arguments, struct buffer *reason)
{
    (void)arguments;
    return is_text(value, reason) && (is_age(value->bytes) || fault("invalid_max_age", reason));
}

static bool check_locator(const struct amqp_value *value, struct bytes arguments,
                          struct buffer *reason)
{
    static const char *const known[] = {"client-local", "balanced", "random", "least-leaders",
                                        NULL};
    (void)arguments;
    return is_text(value, reason) &&
           (is_one_of(value->bytes, known) || fault("invalid_queue_locator_arg", reason));
}

/* --- the rules */

static const struct rule type_rule = {"x-queue-type", ANY, check_type};

static const struct rule queue_rules[] = {
    {"x-expires", CLASSIC | QUORUM, check_expires},
    {"x-message-ttl", CLASSIC | QUORUM, check_ttl},
    {"x-dead-letter-exchange", CLASSIC | QUORUM, check_text},
    {"x-dead-letter-routing-key", CLASSIC | QUORUM, check_dead_letter_key},
    {"x-dead-letter-strategy", QUORUM, check_strategy},
    {"x-max-length", CLASSIC | QUORUM, check_count},
    {"x-max-length-bytes", ANY, check_count},
    {"x-max-in-memory-length", QUORUM, check_count},
    {"x-max-in-memory-bytes", QUORUM, check_count},
    {"x-max-priority", CLASSIC, check_priority_max},
    {"x-overflow", CLASSIC | QUORUM, check_overflow},
    {"x-queue-mode", CLASSIC, check_mode},
    {"x-queue-version", CLASSIC, check_version},
    {"x-single-active-consumer", CLASSIC | QUORUM, check_flag},
    {"x-quorum-initial-group-size", QUORUM, check_positive},
    {"x-max-age", STREAM, check_age},
    {"x-stream-max-segment-size-bytes", STREAM, check_count},
    {"x-initial-cluster-size", STREAM, check_positive},
    {"x-queue-leader-locator", ANY, check_locator},
    {"x-delivery-limit", QUORUM, NULL},
    {"x-queue-master-locator", CLASSIC, NULL},
};

static const struct rule consumer_rules[] = {
    {"x-priority", CLASSIC | QUORUM, check_integer},
    {"x-cancel-on-ha-failover", ANY, check_flag},
    {"x-stream-offset", STREAM, NULL},
};

/* --- applying them */

static bool obeys(const struct rule *rule, const char *resource, struct bytes arguments,
                  struct amqp_error *error)
{
    struct buffer reason = {0};
    struct amqp_value value;
    if (rule->check == NULL || !amqp_table_find(arguments, rule->name, &value))
        return true;
    bool is_right = rule->check(&value, arguments, &reason);
    if (!is_right)
        amqp_error_set(error, AMQP_PRECONDITION_FAILED, "invalid arg '%s' for %s: %.*s", rule->name,
                       resource, (int)reason.size, (const char *)reason.data);
    buffer_fini(&reason);
    return is_right;
}

static const struct rule *find_rule(const struct rule *rules, size_t count, struct bytes name)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_text(name, rules[i].name))
            return &rules[i];
    }
    return NULL;
}

static bool check_known(const struct rule *rules, size_t count, const char *resource,
                        enum queue_type type, struct bytes arguments, struct amqp_error *error)
{
    struct reader reader = reader_of(arguments);
    struct amqp_field field;
    while (amqp_table_next(&reader, &field)) {
        const struct rule *rule = find_rule(rules, count, field.name);
        if (rule != NULL && (rule->types & 1U << type) == 0)
            return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                                  "invalid arg '%s' for %s of queue type rabbit_%s_queue",
                                  rule->name, resource, queue_type_name(type));
    }
    return true;
}

static bool check_rules(const struct rule *rules, size_t count, const char *resource,
                        enum queue_type type, struct bytes arguments, struct amqp_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if ((rules[i].types & 1U << type) != 0 && !obeys(&rules[i], resource, arguments, error))
            return false;
    }
    return check_known(rules, count, resource, type, arguments, error);
}

static bool property_fault(const char *property, const char *resource, struct amqp_error *error)
{
    return amqp_error_set(error, AMQP_PRECONDITION_FAILED, "invalid property '%s' for %s", property,
                          resource);
}

static bool check_flags(const struct queue_flags *flags, const char *resource,
                        struct amqp_error *error)
{
    if (flags->is_auto_delete)
        return property_fault("auto-delete", resource, error);
    if (flags->is_exclusive)
        return property_fault("exclusive-owner", resource, error);
    return flags->is_durable || property_fault("non-durable", resource, error);
}

static bool check_segment(struct bytes arguments, struct amqp_error *error)
{
    struct amqp_value value;
    return !amqp_table_find(arguments, "x-stream-max-segment-size-bytes", &value) ||
           value.integer <= segment_bytes_max ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "Exceeded max value for x-stream-max-segment-size-bytes");
}

enum queue_type queue_arguments_type(struct bytes arguments)
{
    struct amqp_value value;
    if (!amqp_table_find(arguments, type_rule.name, &value) || value.type != AMQP_TYPE_LONGSTR)
        return QUEUE_CLASSIC;
    if (bytes_equal_text(value.bytes, "quorum"))
        return QUEUE_QUORUM;
    return bytes_equal_text(value.bytes, "stream") ? QUEUE_STREAM : QUEUE_CLASSIC;
}

static bool names_type(struct bytes arguments)
{
    struct amqp_value value;
    return amqp_table_find(arguments, type_rule.name, &value) &&
           (value.type != AMQP_TYPE_LONGSTR ||
            !(value.bytes.size == 0 || bytes_equal_text(value.bytes, "undefined")));
}

struct bytes queue_arguments_complete(struct bytes arguments, enum queue_type default_type,
                                      const struct queue_flags *flags, struct buffer *buffer)
{
    struct reader reader = reader_of(arguments);
    struct amqp_field field;
    bool is_possible = flags->is_durable && !flags->is_exclusive && !flags->is_auto_delete;
    if (default_type == QUEUE_CLASSIC || !is_possible || names_type(arguments))
        return arguments;
    size_t begin = buffer->size;
    while (amqp_table_next(&reader, &field)) {
        if (!bytes_equal_text(field.name, type_rule.name))
            amqp_table_add_field(buffer, &field);
    }
    amqp_table_add_text(buffer, type_rule.name, queue_type_name(default_type));
    return bytes_of(buffer->data + begin, buffer->size - begin);
}

bool queue_arguments_check_server_named(struct bytes arguments, struct amqp_error *error)
{
    enum queue_type type = queue_arguments_type(arguments);
    return type == QUEUE_CLASSIC ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "Cannot declare a server-named queue for type rabbit_%s_queue",
                          queue_type_name(type));
}

bool queue_arguments_dead_letter(const char *resource, struct bytes arguments,
                                 struct bytes *exchange, struct amqp_error *error)
{
    struct amqp_value value;
    *exchange = (struct bytes){0};
    if (!amqp_table_find(arguments, "x-dead-letter-exchange", &value))
        return true;
    *exchange = value.bytes;
    return value.type == AMQP_TYPE_LONGSTR ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "invalid type '%s' for arg 'x-dead-letter-exchange' in %s",
                          amqp_value_type_name(value.type), resource);
}

bool queue_arguments_check(const char *resource, const struct queue_flags *flags,
                           struct bytes arguments, struct amqp_error *error)
{
    if (!obeys(&type_rule, resource, arguments, error))
        return false;
    enum queue_type type = queue_arguments_type(arguments);
    return check_rules(queue_rules, sizeof queue_rules / sizeof queue_rules[0], resource, type,
                       arguments, error) &&
           (type == QUEUE_CLASSIC || check_flags(flags, resource, error)) &&
           (type != QUEUE_STREAM || check_segment(arguments, error));
}

/* A priority beyond what a consumer can have is the highest or the lowest there is. */
static int32_t clamp(int64_t priority)
{
    if (priority > INT32_MAX)
        return INT32_MAX;
    return priority < INT32_MIN ? INT32_MIN : (int32_t)priority;
}

bool consumer_arguments_check(const char *resource, enum queue_type type, struct bytes arguments,
                              int32_t *priority, struct amqp_error *error)
{
    struct amqp_value value;
    *priority = 0;
    if (!check_rules(consumer_rules, sizeof consumer_rules / sizeof consumer_rules[0], resource,
                     type, arguments, error))
        return false;
    if (type != QUEUE_STREAM && amqp_table_find(arguments, "x-priority", &value))
        *priority = clamp(value.integer);
    return true;
}
