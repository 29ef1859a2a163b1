/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a queue shall do. Its arguments stay the bytes that the client sent, because clients and
 * tools are shown them again; what they mean is read from them when the queue comes to be, and
 * whenever a policy changes, into a struct queue_settings that the queue works with.
 *
 * Where both an argument and a policy say something, the lower number counts, and of texts the
 * argument; but a quorum queue lets the policy decide how it overflows and when it expires. Of a
 * user's policy and an operator's, again the lower number counts, and of texts the operator's.
 *
 * RabbitMQ reads an argument of a wrong type that it does not check (x-delivery-limit is one) as if
 * it were not there, and so does this file.
 */
#include "broker/queue_arguments.h"

#include "amqp/table.h"

static uint64_t find_number(struct bytes arguments, const char *name)
{
    struct amqp_value value;
    int64_t number;
    return amqp_table_find(arguments, name, &value) && amqp_value_get_integer(&value, &number) &&
                   number >= 0
               ? (uint64_t)number
               : QUEUE_SETTING_ABSENT;
}

static struct bytes find_text(struct bytes arguments, const char *name)
{
    struct amqp_value value;
    return amqp_table_find(arguments, name, &value) && value.type == AMQP_TYPE_LONGSTR
               ? value.bytes
               : (struct bytes){0};
}

static bool find_flag(struct bytes arguments, const char *name)
{
    struct amqp_value value;
    return amqp_table_find(arguments, name, &value) && value.type == AMQP_TYPE_BOOL &&
           value.boolean;
}

/* A quorum queue takes reject-publish-dlx and drops from its head. */
static enum queue_overflow overflow_of(struct bytes text, enum queue_type type)
{
    if (bytes_equal_text(text, "reject-publish"))
        return OVERFLOW_REJECT_PUBLISH;
    return bytes_equal_text(text, "reject-publish-dlx") && type == QUEUE_CLASSIC
               ? OVERFLOW_REJECT_PUBLISH_DLX
               : OVERFLOW_DROP_HEAD;
}

static enum dead_letter_strategy strategy_of(struct bytes text)
{
    return bytes_equal_text(text, "at-least-once") ? DEAD_LETTER_AT_LEAST_ONCE
                                                   : DEAD_LETTER_AT_MOST_ONCE;
}

static void read_common(struct queue_settings *settings, struct bytes arguments)
{
    settings->message_ttl_ms = find_number(arguments, "x-message-ttl");
    settings->expires_ms = find_number(arguments, "x-expires");
    settings->max_length = find_number(arguments, "x-max-length");
    struct bytes overflow = find_text(arguments, "x-overflow");
    settings->overflow = overflow_of(overflow, settings->type);
    settings->has_overflow = overflow.data != NULL;
    settings->dead_letter_exchange = find_text(arguments, "x-dead-letter-exchange");
    settings->dead_letter_routing_key = find_text(arguments, "x-dead-letter-routing-key");
    settings->single_active_consumer = find_flag(arguments, "x-single-active-consumer");
}

/* The plug-in takes whatever is not false for true, and looks at classic queues alone. */
static bool deduplicates(struct bytes arguments)
{
    struct amqp_value value;
    return amqp_table_find(arguments, "x-message-deduplication", &value) &&
           (value.type != AMQP_TYPE_BOOL || value.boolean);
}

static void read_classic(struct queue_settings *settings, struct bytes arguments)
{
    settings->deduplicates = deduplicates(arguments);
    uint64_t max_priority = find_number(arguments, "x-max-priority");
    if (max_priority <= UINT8_MAX)
        settings->max_priority = (uint8_t)max_priority;
}

static void read_quorum(struct queue_settings *settings, struct bytes arguments)
{
    uint64_t limit = find_number(arguments, "x-delivery-limit");
    if (limit != QUEUE_SETTING_ABSENT)
        settings->delivery_limit = (int64_t)limit;
    struct bytes strategy = find_text(arguments, "x-dead-letter-strategy");
    settings->dead_letter_strategy = strategy_of(strategy);
    settings->has_dead_letter_strategy = strategy.data != NULL;
}

void queue_settings_of_arguments(struct queue_settings *settings, struct bytes arguments)
{
    *settings = (struct queue_settings)QUEUE_SETTINGS_PLAIN;
    settings->type = queue_arguments_type(arguments);
    settings->max_length_bytes = find_number(arguments, "x-max-length-bytes");
    settings->consumer_timeout_ms = find_number(arguments, "x-consumer-timeout");
    if (settings->type != QUEUE_STREAM)
        read_common(settings, arguments);
    if (settings->type == QUEUE_CLASSIC)
        read_classic(settings, arguments);
    else if (settings->type == QUEUE_QUORUM)
        read_quorum(settings, arguments);
}

/* --- the policies */

/* The value that the two policies together have. */
static bool find_in_policies(const struct policy *user, const struct policy *operator,
                             const char * key, struct amqp_value *value)
{
    struct amqp_value theirs;
    if (!policy_value(operator, key, value))
        return policy_value(user, key, value);
    if (policy_value(user, key, &theirs) && amqp_value_is_integer(&theirs) &&
        amqp_value_is_integer(value) && theirs.integer < value->integer)
        *value = theirs;
    return true;
}

struct policy_pair {
    const struct policy *user;
    const struct policy *operator;
};

static uint64_t policy_number(struct policy_pair policies, const char *key)
{
    struct amqp_value value;
    return find_in_policies(policies.user, policies.operator, key, &value) &&
                   amqp_value_is_integer(&value) && value.integer >= 0
               ? (uint64_t)value.integer
               : QUEUE_SETTING_ABSENT;
}

static struct bytes policy_text(struct policy_pair policies, const char *key)
{
    struct amqp_value value;
    return find_in_policies(policies.user, policies.operator, key, &value) &&
                   value.type == AMQP_TYPE_LONGSTR
               ? value.bytes
               : (struct bytes){0};
}

/* What is absent is the highest number. */
static void lower(uint64_t *setting, uint64_t number)
{
    if (number < *setting)
        *setting = number;
}

static void complete_text(struct bytes *setting, struct bytes text)
{
    if (setting->data == NULL)
        *setting = text;
}

static void apply_overflow(struct queue_settings *settings, struct policy_pair policies)
{
    struct bytes text = policy_text(policies, "overflow");
    if (text.data == NULL || (settings->type == QUEUE_CLASSIC && settings->has_overflow))
        return;
    settings->overflow = overflow_of(text, settings->type);
}

static void apply_expires(struct queue_settings *settings, struct policy_pair policies)
{
    uint64_t number = policy_number(policies, "expires");
    if (settings->type == QUEUE_QUORUM && number != QUEUE_SETTING_ABSENT)
        settings->expires_ms = number;
    else
        lower(&settings->expires_ms, number);
}

static void apply_common(struct queue_settings *settings, struct policy_pair policies)
{
    lower(&settings->message_ttl_ms, policy_number(policies, "message-ttl"));
    lower(&settings->max_length, policy_number(policies, "max-length"));
    apply_expires(settings, policies);
    apply_overflow(settings, policies);
    complete_text(&settings->dead_letter_exchange, policy_text(policies, "dead-letter-exchange"));
    complete_text(&settings->dead_letter_routing_key,
                  policy_text(policies, "dead-letter-routing-key"));
}

/* The policy says the last word. */
static void apply_classic(struct queue_settings *settings, const struct policy *user)
{
    struct amqp_value value;
    if (policy_value(user, "x-message-deduplication", &value))
        settings->deduplicates = value.type != AMQP_TYPE_BOOL || value.boolean;
}

static void apply_quorum(struct queue_settings *settings, struct policy_pair policies)
{
    uint64_t limit = policy_number(policies, "delivery-limit");
    struct bytes strategy = policy_text(policies, "dead-letter-strategy");
    if (limit <= INT64_MAX &&
        (settings->delivery_limit < 0 || (int64_t)limit < settings->delivery_limit))
        settings->delivery_limit = (int64_t)limit;
    if (strategy.data != NULL && !settings->has_dead_letter_strategy)
        settings->dead_letter_strategy = strategy_of(strategy);
}

void queue_settings_apply_policy(struct queue_settings *settings, const struct policy *user,
                                 const struct policy *operator)
{
    struct policy_pair policies = {user, operator};
    lower(&settings->consumer_timeout_ms, policy_number(policies, "consumer-timeout"));
    if (settings->type == QUEUE_STREAM) {
        uint64_t bytes = policy_number(policies, "max-length-bytes");
        if (bytes != QUEUE_SETTING_ABSENT)
            settings->max_length_bytes = bytes;
        return;
    }
    lower(&settings->max_length_bytes, policy_number(policies, "max-length-bytes"));
    apply_common(settings, policies);
    if (settings->type == QUEUE_QUORUM)
        apply_quorum(settings, policies);
    else
        apply_classic(settings, user);
}
