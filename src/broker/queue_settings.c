/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a queue shall do. Its arguments stay the bytes that the client sent, because clients and
 * tools are shown them again; what they mean is read from them when the queue comes to be, and
 * whenever a policy changes, into a struct queue_settings that the queue works with.
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
    settings->overflow = overflow_of(find_text(arguments, "x-overflow"), settings->type);
    settings->dead_letter_exchange = find_text(arguments, "x-dead-letter-exchange");
    settings->dead_letter_routing_key = find_text(arguments, "x-dead-letter-routing-key");
    settings->single_active_consumer = find_flag(arguments, "x-single-active-consumer");
    settings->deduplicates = find_flag(arguments, "x-message-deduplication");
}

static void read_classic(struct queue_settings *settings, struct bytes arguments)
{
    uint64_t max_priority = find_number(arguments, "x-max-priority");
    if (max_priority <= UINT8_MAX)
        settings->max_priority = (uint8_t)max_priority;
}

static void read_quorum(struct queue_settings *settings, struct bytes arguments)
{
    uint64_t limit = find_number(arguments, "x-delivery-limit");
    if (limit != QUEUE_SETTING_ABSENT)
        settings->delivery_limit = (int64_t)limit;
    settings->dead_letter_strategy = strategy_of(find_text(arguments, "x-dead-letter-strategy"));
}

void queue_settings_of_arguments(struct queue_settings *settings, struct bytes arguments)
{
    *settings = (struct queue_settings){
        .type = queue_arguments_type(arguments),
        .message_ttl_ms = QUEUE_SETTING_ABSENT,
        .expires_ms = QUEUE_SETTING_ABSENT,
        .max_length = QUEUE_SETTING_ABSENT,
        .max_length_bytes = find_number(arguments, "x-max-length-bytes"),
        .delivery_limit = -1,
        .consumer_timeout_ms = find_number(arguments, "x-consumer-timeout"),
    };
    if (settings->type != QUEUE_STREAM)
        read_common(settings, arguments);
    if (settings->type == QUEUE_CLASSIC)
        read_classic(settings, arguments);
    else if (settings->type == QUEUE_QUORUM)
        read_quorum(settings, arguments);
}
