/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Basic properties. A message carries them from its publisher to its consumers untouched, so the
 * bytes are what is kept and the struct is made only where several of them are wanted. The values
 * stand in the order of their flags, from the highest bit down: to read one is to skip the few in
 * front of it, which are short strings, single octets or a length, never more than a step each.
 *
 * A short string here is not checked for UTF-8: RabbitMQ does not, and what a message id contains
 * is between the clients.
 */
#include "amqp/properties.h"

#include <stddef.h>

#include "amqp/error.h"
#include "amqp/table.h"
#include "amqp/write.h"
#include "base/check.h"

enum kind { OCTET, SHORTSTR, HEADERS, TIMESTAMP };

struct property {
    uint16_t flag; /* enum amqp_property */
    uint8_t kind;  /* enum kind */
    uint8_t offset;
};

#define PROPERTY(constant, kind, member)                                                           \
    {                                                                                              \
        AMQP_PROPERTY_##constant, kind, offsetof(struct amqp_properties, member)                   \
    }

/* In wire order. */
static const struct property all[] = {
    PROPERTY(CONTENT_TYPE, SHORTSTR, content_type),
    PROPERTY(CONTENT_ENCODING, SHORTSTR, content_encoding),
    PROPERTY(HEADERS, HEADERS, headers),
    PROPERTY(DELIVERY_MODE, OCTET, delivery_mode),
    PROPERTY(PRIORITY, OCTET, priority),
    PROPERTY(CORRELATION_ID, SHORTSTR, correlation_id),
    PROPERTY(REPLY_TO, SHORTSTR, reply_to),
    PROPERTY(EXPIRATION, SHORTSTR, expiration),
    PROPERTY(MESSAGE_ID, SHORTSTR, message_id),
    PROPERTY(TIMESTAMP, TIMESTAMP, timestamp_s),
    PROPERTY(TYPE, SHORTSTR, type),
    PROPERTY(USER_ID, SHORTSTR, user_id),
    PROPERTY(APP_ID, SHORTSTR, app_id),
    PROPERTY(CLUSTER_ID, SHORTSTR, cluster_id),
};

enum {
    property_count = sizeof all / sizeof *all,
    flags_known = 0xfffc, /* all of enum amqp_property; bit 1 means nothing, bit 0 continues */
    flag_continues = 1,
};

_Static_assert(sizeof(struct amqp_properties) <= UINT8_MAX, "offsets are one octet");

static void read_property(struct reader *reader, const struct property *property, void *place)
{
    switch ((enum kind)property->kind) {
    case OCTET:
        *(uint8_t *)place = reader_u8(reader);
        break;
    case SHORTSTR:
        *(struct bytes *)place = reader_take(reader, reader_u8(reader));
        break;
    case HEADERS:
        *(struct bytes *)place = reader_take(reader, reader_u32(reader));
        break;
    case TIMESTAMP:
        *(uint64_t *)place = reader_u64(reader);
        break;
    }
}

/* The first property that flags (not 0) announces. */
static const struct property *first_of(unsigned flags)
{
    return &all[__builtin_clz(flags << 16)];
}

static bool is_read(const struct reader *reader, uint16_t flags)
{
    return !reader->failed && reader_left(reader) == 0 && (flags & flag_continues) == 0;
}

bool amqp_properties_parse(struct bytes raw, struct amqp_properties *properties)
{
    *properties = (struct amqp_properties){0};
    if (raw.size == 0)
        return true;
    struct reader reader = reader_of(raw);
    uint16_t flags = reader_u16(&reader);
    properties->flags = flags & flags_known;
    for (unsigned left = properties->flags; left != 0; left ^= first_of(left)->flag) {
        const struct property *property = first_of(left);
        read_property(&reader, property, (uint8_t *)properties + property->offset);
    }
    return is_read(&reader, flags);
}

static struct bytes take_value(struct reader *reader, enum kind kind)
{
    switch (kind) {
    case OCTET:
        return reader_take(reader, 1);
    case SHORTSTR:
        return reader_take(reader, reader_u8(reader));
    case HEADERS:
        return reader_take(reader, reader_u32(reader));
    case TIMESTAMP:
        return reader_take(reader, 8);
    }
    return bytes_of(NULL, 0);
}

bool amqp_properties_is_valid(struct bytes raw, unsigned depth_max)
{
    if (raw.size == 0)
        return true;
    struct reader reader = reader_of(raw);
    uint16_t flags = reader_u16(&reader);
    for (unsigned left = flags & flags_known; left != 0; left ^= first_of(left)->flag) {
        enum kind kind = first_of(left)->kind;
        struct bytes value = take_value(&reader, kind);
        if (kind == HEADERS && value.size > 0 && !amqp_table_is_valid(value, depth_max))
            return false;
    }
    return is_read(&reader, flags);
}

static void write_property(struct buffer *buffer, const struct property *property,
                           const void *place)
{
    switch ((enum kind)property->kind) {
    case OCTET:
        buffer_append_u8(buffer, *(const uint8_t *)place);
        break;
    case SHORTSTR:
        amqp_write_shortstr(buffer, *(const struct bytes *)place);
        break;
    case HEADERS:
        amqp_write_longstr(buffer, *(const struct bytes *)place);
        break;
    case TIMESTAMP:
        buffer_append_u64(buffer, *(const uint64_t *)place);
        break;
    }
}

void amqp_properties_encode(struct buffer *buffer, const struct amqp_properties *properties)
{
    CHECK((properties->flags & ~flags_known) == 0);
    buffer_append_u16(buffer, properties->flags);
    for (unsigned i = 0; i < property_count; i++) {
        if ((properties->flags & all[i].flag) != 0)
            write_property(buffer, &all[i], (const uint8_t *)properties + all[i].offset);
    }
}

struct reader amqp_properties_seek(struct bytes raw, enum amqp_property property)
{
    struct reader reader = reader_of(raw);
    /* What stands in front of it has the higher bits. */
    unsigned before = reader_u16(&reader) & flags_known & ~(2u * property - 1u);
    for (; before != 0; before ^= first_of(before)->flag)
        take_value(&reader, first_of(before)->kind);
    return reader;
}

uint8_t amqp_properties_priority(struct bytes raw)
{
    if ((amqp_properties_flags(raw) & AMQP_PROPERTY_PRIORITY) == 0)
        return 0;
    struct reader reader = amqp_properties_seek(raw, AMQP_PROPERTY_PRIORITY);
    return reader_u8(&reader);
}

static bool get_shortstr(struct bytes raw, enum amqp_property property, struct bytes *value)
{
    if ((amqp_properties_flags(raw) & property) == 0)
        return false;
    struct reader reader = amqp_properties_seek(raw, property);
    *value = reader_take(&reader, reader_u8(&reader));
    return true;
}

bool amqp_properties_headers(struct bytes raw, struct bytes *headers)
{
    if ((amqp_properties_flags(raw) & AMQP_PROPERTY_HEADERS) == 0)
        return false;
    struct reader reader = amqp_properties_seek(raw, AMQP_PROPERTY_HEADERS);
    *headers = reader_take(&reader, reader_u32(&reader));
    return true;
}

bool amqp_properties_reply_to(struct bytes raw, struct bytes *reply_to)
{
    return get_shortstr(raw, AMQP_PROPERTY_REPLY_TO, reply_to);
}

bool amqp_properties_expiration(struct bytes raw, struct bytes *expiration)
{
    return get_shortstr(raw, AMQP_PROPERTY_EXPIRATION, expiration);
}

bool amqp_properties_user_id(struct bytes raw, struct bytes *user_id)
{
    return get_shortstr(raw, AMQP_PROPERTY_USER_ID, user_id);
}

bool amqp_properties_message_id(struct bytes raw, struct bytes *message_id)
{
    return get_shortstr(raw, AMQP_PROPERTY_MESSAGE_ID, message_id);
}
