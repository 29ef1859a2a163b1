/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AMQP_PROPERTIES_H
#define LEVERET_AMQP_PROPERTIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/reader.h"

/* The properties of a message as they stand in a content header: two octets of flags, then the
 * values that the flags announce. They are kept and forwarded as received; what the broker needs is
 * read out of them. No bytes at all count as no property. Getters want valid properties. */

enum amqp_property {
    AMQP_PROPERTY_CONTENT_TYPE = 1 << 15,
    AMQP_PROPERTY_CONTENT_ENCODING = 1 << 14,
    AMQP_PROPERTY_HEADERS = 1 << 13,
    AMQP_PROPERTY_DELIVERY_MODE = 1 << 12,
    AMQP_PROPERTY_PRIORITY = 1 << 11,
    AMQP_PROPERTY_CORRELATION_ID = 1 << 10,
    AMQP_PROPERTY_REPLY_TO = 1 << 9,
    AMQP_PROPERTY_EXPIRATION = 1 << 8,
    AMQP_PROPERTY_MESSAGE_ID = 1 << 7,
    AMQP_PROPERTY_TIMESTAMP = 1 << 6,
    AMQP_PROPERTY_TYPE = 1 << 5,
    AMQP_PROPERTY_USER_ID = 1 << 4,
    AMQP_PROPERTY_APP_ID = 1 << 3,
    AMQP_PROPERTY_CLUSTER_ID = 1 << 2,
};

enum { AMQP_DELIVERY_MODE_TRANSIENT = 1, AMQP_DELIVERY_MODE_PERSISTENT = 2 };

struct amqp_properties {
    uint16_t flags; /* enum amqp_property: which of the members are there */
    uint8_t delivery_mode;
    uint8_t priority;
    struct bytes content_type;
    struct bytes content_encoding;
    struct bytes headers; /* table */
    struct bytes correlation_id;
    struct bytes reply_to;
    struct bytes expiration;
    struct bytes message_id;
    uint64_t timestamp_s;
    struct bytes type;
    struct bytes user_id;
    struct bytes app_id;
    struct bytes cluster_id;
};

static inline bool amqp_properties_has(const struct amqp_properties *properties,
                                       enum amqp_property property)
{
    return (properties->flags & property) != 0;
}

static inline uint16_t amqp_properties_flags(struct bytes raw)
{
    if (raw.size < 2)
        return 0;
    return (uint16_t)(raw.data[0] << 8 | raw.data[1]);
}

/* Do the values fit the flags exactly, and is the headers table valid to that depth (see
 * amqp_table_is_valid)? The continuation flag is not supported, as in RabbitMQ. */
bool amqp_properties_is_valid(struct bytes raw, unsigned depth_max);

/* Views of all properties; members that are not there are zero. False where the values do not fit
 * the flags (the headers table is not looked into). */
bool amqp_properties_parse(struct bytes raw, struct amqp_properties *properties);

/* Appends flags and values. Short strings are at most AMQP_SHORTSTR_MAX bytes (checked). */
void amqp_properties_encode(struct buffer *buffer, const struct amqp_properties *properties);

/* A reader standing at the value of a property; only if the property is there. */
struct reader amqp_properties_seek(struct bytes raw, enum amqp_property property);

/* Single properties, without reading what stands behind them. Numbers are 0 where the property is
 * not there; the others return whether it is. */
uint8_t amqp_properties_priority(struct bytes raw);
bool amqp_properties_headers(struct bytes raw, struct bytes *headers);
bool amqp_properties_reply_to(struct bytes raw, struct bytes *reply_to);
bool amqp_properties_expiration(struct bytes raw, struct bytes *expiration);
bool amqp_properties_user_id(struct bytes raw, struct bytes *user_id);
bool amqp_properties_message_id(struct bytes raw, struct bytes *message_id);

/* Runs for every message, and nearly all have nothing in front of the delivery mode, or a content
 * type alone. */
static inline uint8_t amqp_properties_delivery_mode(struct bytes raw)
{
    unsigned flags = amqp_properties_flags(raw);
    unsigned before = flags & (AMQP_PROPERTY_CONTENT_ENCODING | AMQP_PROPERTY_HEADERS);
    size_t at = sizeof(uint16_t);
    if ((flags & AMQP_PROPERTY_DELIVERY_MODE) == 0)
        return 0;
    if (before != 0) {
        struct reader reader = amqp_properties_seek(raw, AMQP_PROPERTY_DELIVERY_MODE);
        return reader_u8(&reader);
    }
    if ((flags & AMQP_PROPERTY_CONTENT_TYPE) != 0 && at < raw.size)
        at += 1u + raw.data[at];
    return at < raw.size ? raw.data[at] : 0;
}

static inline bool amqp_properties_is_persistent(struct bytes raw)
{
    return amqp_properties_delivery_mode(raw) == AMQP_DELIVERY_MODE_PERSISTENT;
}

#endif
