/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an event of the broker, or a line of its log, looks like as a message. Of an event all that
 * is known of it stands in the headers, with the names and types of RabbitMQ's plug-in
 * rabbitmq_event_exchange, and the body is empty. Types follow from what RabbitMQ has at hand,
 * which is why a table of arguments is an array of texts there: each is a term that is no list.
 */
#include "broker/event_message.h"

#include <inttypes.h>
#include <stdio.h>

#include "amqp/properties.h"
#include "amqp/table.h"

const char event_exchange_name[] = "amq.rabbitmq.event";
const char log_exchange_name[] = "amq.rabbitmq.log";

struct message *event_message_new(const char *routing_key, struct buffer *headers, uint64_t now_ms)
{
    struct buffer raw = {0};
    amqp_table_add_int(headers, "timestamp_in_ms", (int64_t)now_ms);
    const struct amqp_properties properties = {
        .flags = AMQP_PROPERTY_HEADERS | AMQP_PROPERTY_DELIVERY_MODE | AMQP_PROPERTY_TIMESTAMP,
        .headers = buffer_bytes(headers),
        .delivery_mode = AMQP_DELIVERY_MODE_PERSISTENT,
        .timestamp_s = now_ms / 1000,
    };
    amqp_properties_encode(&raw, &properties);
    struct message *message =
        message_new(bytes_of_text(event_exchange_name), bytes_of_text(routing_key),
                    buffer_bytes(&raw), bytes_of(NULL, 0));
    message->is_persistent = true;
    buffer_fini(&raw);
    return message;
}

struct message *log_message_new(const char *level, struct bytes line, bool is_json,
                                const char *node_name, uint64_t now_ms)
{
    struct buffer headers = {0}, raw = {0};
    amqp_table_add_text(&headers, "node", node_name);
    const struct amqp_properties properties = {
        .flags = AMQP_PROPERTY_CONTENT_TYPE | AMQP_PROPERTY_HEADERS | AMQP_PROPERTY_TIMESTAMP,
        .content_type = bytes_of_text(is_json ? "application/json" : "text/plain"),
        .headers = buffer_bytes(&headers),
        .timestamp_s = now_ms / 1000,
    };
    amqp_properties_encode(&raw, &properties);
    struct message *message = message_new(bytes_of_text(log_exchange_name), bytes_of_text(level),
                                          buffer_bytes(&raw), line);
    buffer_fini(&headers);
    buffer_fini(&raw);
    return message;
}

void event_add_arguments(struct buffer *headers, const char *name, struct bytes table)
{
    struct reader reader = reader_of(table);
    struct amqp_field field;
    struct buffer text = {0};
    size_t begin = amqp_table_add_array_begin(headers, name);
    while (amqp_table_next(&reader, &field)) {
        buffer_clear(&text);
        amqp_field_append_term(&text, &field);
        amqp_array_add_longstr(headers, buffer_bytes(&text));
    }
    amqp_table_end(headers, begin);
    buffer_fini(&text);
}

const char *event_pid(const struct event_source *source, uint64_t channel, char *text)
{
    snprintf(text, EVENT_PID_SIZE, "<%.255s.%" PRIu64 ".%" PRIu64 ".%" PRIu64 ">",
             source->node_name, source->started_s, source->connection, channel);
    return text;
}
