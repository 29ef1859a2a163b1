/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firehose: while it is on, every message that a client publishes, and every one that is
 * delivered to a client, is published once more to amq.rabbitmq.trace, with the same body, the keys
 * publish.EXCHANGE and deliver.QUEUE, and all that is known of it in its headers
 * (https://www.rabbitmq.com/docs/firehose). What was published to that exchange itself is left out,
 * or there would be no end.
 */
#include "broker/trace.h"

#include <stdio.h>
#include <stdlib.h>

#include "amqp/properties.h"
#include "amqp/table.h"
#include "broker/copies.h"
#include "broker/publish.h"

static const char trace_exchange[] = "amq.rabbitmq.trace";

static void add_number(struct buffer *table, const char *name, int64_t number)
{
    struct amqp_value value = {.type = AMQP_TYPE_INT32, .integer = number};
    amqp_table_add_value(table, name, &value);
}

/* The properties that are there, in RabbitMQ's order. */
static void add_properties(struct buffer *headers, struct bytes raw)
{
    struct amqp_properties all = {0};
    size_t begin = amqp_table_add_table_begin(headers, "properties");
    if (amqp_properties_parse(raw, &all)) {
        const struct {
            enum amqp_property flag;
            const char *name;
            struct bytes text;
            int64_t number;
        } properties[] = {
            {AMQP_PROPERTY_CLUSTER_ID, "cluster_id", all.cluster_id, 0},
            {AMQP_PROPERTY_APP_ID, "app_id", all.app_id, 0},
            {AMQP_PROPERTY_USER_ID, "user_id", all.user_id, 0},
            {AMQP_PROPERTY_TYPE, "type", all.type, 0},
            {AMQP_PROPERTY_TIMESTAMP, "timestamp", {0}, (int64_t)all.timestamp_s},
            {AMQP_PROPERTY_MESSAGE_ID, "message_id", all.message_id, 0},
            {AMQP_PROPERTY_EXPIRATION, "expiration", all.expiration, 0},
            {AMQP_PROPERTY_REPLY_TO, "reply_to", all.reply_to, 0},
            {AMQP_PROPERTY_CORRELATION_ID, "correlation_id", all.correlation_id, 0},
            {AMQP_PROPERTY_PRIORITY, "priority", {0}, all.priority},
            {AMQP_PROPERTY_DELIVERY_MODE, "delivery_mode", {0}, all.delivery_mode},
            {AMQP_PROPERTY_HEADERS, "headers", all.headers, 0},
            {AMQP_PROPERTY_CONTENT_ENCODING, "content_encoding", all.content_encoding, 0},
            {AMQP_PROPERTY_CONTENT_TYPE, "content_type", all.content_type, 0},
        };
        for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
            struct amqp_value table = {.type = AMQP_TYPE_TABLE, .bytes = properties[i].text};
            if (!amqp_properties_has(&all, properties[i].flag))
                continue;
            if (properties[i].flag == AMQP_PROPERTY_HEADERS)
                amqp_table_add_value(headers, properties[i].name, &table);
            else if (properties[i].text.data != NULL)
                amqp_table_add_longstr(headers, properties[i].name, properties[i].text);
            else
                add_number(headers, properties[i].name, properties[i].number);
        }
    }
    amqp_table_end(headers, begin);
}

static void add_routing_keys(struct buffer *headers, const struct message *message)
{
    size_t count;
    struct bytes *keys = copies_keys(message, &count);
    size_t begin = amqp_table_add_array_begin(headers, "routing_keys");
    for (size_t i = 0; i < count; i++)
        amqp_array_add_longstr(headers, keys[i]);
    amqp_table_end(headers, begin);
    free(keys);
}

/* With every key that the message was routed by, but without the header BCC, which nobody sees. */
static void add_message(struct buffer *headers, const struct vhost *vhost, struct message *message)
{
    struct message *shown = copies_hide_bcc(message_ref(message));
    amqp_table_add_longstr(headers, "exchange_name", message_exchange(message));
    add_routing_keys(headers, message);
    add_properties(headers, message_properties(shown));
    amqp_table_add_text(headers, "node", vhost->config.node_name);
    message_unref(shown);
}

static void add_client(struct buffer *headers, const struct channel *channel)
{
    amqp_table_add_longstr(headers, "vhost", vhost_name_bytes(channel_vhost(channel)));
    amqp_table_add_text(headers, "connection", channel->session->name);
    add_number(headers, "channel", channel->number);
    amqp_table_add_text(headers, "user", channel->session->user);
}

/* The key is cut to what a routing key can hold. */
static void publish(struct vhost *vhost, struct message *message, const char *what,
                    struct bytes name, const struct buffer *headers)
{
    struct amqp_properties properties = {.flags = AMQP_PROPERTY_HEADERS,
                                         .headers = buffer_bytes(headers)};
    struct buffer raw = {0};
    char key[AMQP_SHORTSTR_MAX + 1];
    snprintf(key, sizeof key, "%s.%.*s", what, (int)name.size, (const char *)name.data);
    amqp_properties_encode(&raw, &properties);
    internal_publish(vhost, message_readdress(message, bytes_of_text(trace_exchange),
                                              bytes_of_text(key), buffer_bytes(&raw)));
    buffer_fini(&raw);
}

static bool is_traced(const struct message *message)
{
    return !bytes_equal_text(message_exchange(message), trace_exchange);
}

void trace_published(const struct channel *channel, struct message *message,
                     const struct route_result *route)
{
    struct vhost *vhost = channel_vhost(channel);
    struct buffer headers = {0};
    if (!is_traced(message))
        return;
    add_message(&headers, vhost, message);
    add_client(&headers, channel);
    size_t begin = amqp_table_add_array_begin(&headers, "routed_queues");
    for (size_t i = 0; i < route->count; i++)
        amqp_array_add_longstr(&headers, route->queues[i]->name);
    amqp_table_end(&headers, begin);
    publish(vhost, message, "publish", message_exchange(message), &headers);
    buffer_fini(&headers);
}

void trace_delivered(const struct channel *channel, const struct queue *queue,
                     struct message *message, bool redelivered)
{
    struct vhost *vhost = channel_vhost(channel);
    struct buffer headers = {0};
    if (!is_traced(message))
        return;
    add_message(&headers, vhost, message);
    add_number(&headers, "redelivered", redelivered);
    add_client(&headers, channel);
    publish(vhost, message, "deliver", queue->name, &headers);
    buffer_fini(&headers);
}
