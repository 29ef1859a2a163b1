/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message interceptors (https://www.rabbitmq.com/docs/message-interceptors): what the configuration
 * has the broker write into every message that a client publishes, before it is routed. When it
 * came is the header timestamp_in_ms and the property timestamp; who took it is the header
 * x-routed-by. A message is immutable, so a new one is made, around the body of the old one.
 */
#include "broker/interceptor.h"

#include "amqp/properties.h"
#include "amqp/table.h"
#include "queue/message.h"

static const char time_header[] = "timestamp_in_ms";
static const char node_header[] = "x-routed-by";

/* Is the header to be written, where the message has one already or has none? */
static bool writes(enum stamp stamp, struct bytes headers, const char *name)
{
    struct amqp_value value;
    return stamp == STAMP_ALWAYS ||
           (stamp == STAMP_WHERE_MISSING && !amqp_table_find(headers, name, &value));
}

static void copy_others(struct buffer *to, struct bytes headers, bool leaves_time, bool leaves_node)
{
    struct amqp_field field;
    struct reader reader = reader_of(headers);
    while (amqp_table_next(&reader, &field)) {
        if (!(leaves_time && bytes_equal_text(field.name, time_header)) &&
            !(leaves_node && bytes_equal_text(field.name, node_header)))
            amqp_table_add_field(to, &field);
    }
}

static void stamp_property(struct amqp_properties *properties, enum stamp stamp, uint64_t now_ms)
{
    if (stamp != STAMP_ALWAYS &&
        (stamp == STAMP_NEVER || amqp_properties_has(properties, AMQP_PROPERTY_TIMESTAMP)))
        return;
    properties->flags |= AMQP_PROPERTY_TIMESTAMP;
    properties->timestamp_s = now_ms / 1000;
}

struct message *interceptor_stamp(const struct vhost_config *config, struct message *message,
                                  uint64_t now_ms)
{
    struct amqp_properties properties;
    struct buffer headers = {0}, raw = {0};
    if (!amqp_properties_parse(message_properties(message), &properties))
        return message;
    bool writes_time = writes(config->stamps_time, properties.headers, time_header);
    bool writes_node = writes(config->stamps_node, properties.headers, node_header);
    copy_others(&headers, properties.headers, writes_time, writes_node);
    if (writes_time)
        amqp_table_add_int(&headers, time_header, (int64_t)now_ms);
    if (writes_node)
        amqp_table_add_text(&headers, node_header, config->node_name);
    stamp_property(&properties, config->stamps_time, now_ms);
    properties.headers = buffer_bytes(&headers);
    properties.flags |= AMQP_PROPERTY_HEADERS;
    amqp_properties_encode(&raw, &properties);
    struct message *stamped = message_readdress(message, message_exchange(message),
                                                message_routing_key(message), buffer_bytes(&raw));
    buffer_fini(&headers);
    buffer_fini(&raw);
    message_unref(message);
    return stamped;
}
