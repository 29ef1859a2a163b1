/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames. The common frame is read inline (amqp_frame_read); what comes here is incomplete, short,
 * on channel 0, or wrong. The texts of what is wrong show the first octets of the payload, as
 * RabbitMQ's do, because somebody who sees them has a client that speaks something else and wants
 * to know what. A frame that is too large is refused as soon as its size is known and so has none
 * to show; everything else waits for the whole frame, which frame-max bounds.
 *
 * Writing puts whole frames behind each other into one buffer. A method's size is known only once
 * it is written, so it is put in front afterwards; deliveries, the most frequent by far, know
 * theirs and are written without the table that describes methods.
 */
#include "amqp/frame.h"

#include <stdio.h>

#include "amqp/erlang.h"
#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/check.h"

const uint8_t amqp_protocol_header[AMQP_PROTOCOL_HEADER_SIZE] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};

enum { octets_shown_max = 16 };

/* --- reading */

/* Sets "type 1, all octets = <<...>>" and, where there is one, what is wrong with it. */
static enum amqp_frame_result invalid(struct amqp_error *error, enum amqp_code code,
                                      const struct amqp_frame *frame, const char *fault)
{
    struct buffer text = {0};
    bool is_short = frame->payload.size <= octets_shown_max;
    struct bytes octets =
        is_short ? frame->payload : bytes_of(frame->payload.data, octets_shown_max);
    erlang_append_binary(&text, octets);
    amqp_error_set(error, code, "type %u, %s octets = %.*s%s%s", frame->type,
                   is_short ? "all" : "first 16", (int)text.size, (const char *)text.data,
                   fault != NULL ? ": " : "", fault != NULL ? fault : "");
    buffer_fini(&text);
    return AMQP_FRAME_INVALID;
}

static enum amqp_frame_result too_large(struct amqp_error *error, uint8_t type, size_t size,
                                        size_t frame_max)
{
    struct amqp_frame frame = {.type = type};
    char fault[80];
    snprintf(fault, sizeof fault, "{frame_too_large,%zu,%zu}", size,
             frame_max - AMQP_FRAME_OVERHEAD);
    return invalid(error, AMQP_FRAME_ERROR, &frame, fault);
}

static enum amqp_frame_result bad_end(struct amqp_error *error, const struct amqp_frame *frame,
                                      uint8_t end)
{
    char fault[40];
    snprintf(fault, sizeof fault, "{invalid_frame_end_marker,%u}", end);
    return invalid(error, AMQP_FRAME_ERROR, frame, fault);
}

/* Is there a frame of that type with a payload of that size? */
static bool is_known(const struct amqp_frame *frame)
{
    switch (frame->type) {
    case AMQP_FRAME_METHOD:
        return frame->payload.size >= sizeof(uint32_t);
    case AMQP_FRAME_HEADER:
        return frame->payload.size >= AMQP_CONTENT_HEADER_SIZE_MIN;
    case AMQP_FRAME_BODY:
        return true;
    case AMQP_FRAME_HEARTBEAT:
        return frame->payload.size == 0;
    default:
        return false;
    }
}

/* Content belongs on a channel, a heartbeat to the connection, a method may be either's. */
static bool is_expected(const struct amqp_frame *frame)
{
    if (frame->type == AMQP_FRAME_METHOD)
        return true;
    return (frame->type == AMQP_FRAME_HEARTBEAT) == (frame->channel == 0);
}

enum amqp_frame_result amqp_frame_read_slow(struct bytes input, size_t frame_max,
                                            struct amqp_frame *frame, size_t *consumed,
                                            struct amqp_error *error)
{
    struct reader reader = reader_of(input);
    frame->type = reader_u8(&reader);
    frame->channel = reader_u16(&reader);
    size_t size = reader_u32(&reader);
    if (reader.failed)
        return AMQP_FRAME_INCOMPLETE;
    if (frame_max != 0 && size > frame_max)
        return too_large(error, frame->type, size, frame_max);
    frame->payload = reader_take(&reader, size);
    uint8_t end = reader_u8(&reader);
    if (reader.failed)
        return AMQP_FRAME_INCOMPLETE;
    if (end != AMQP_FRAME_END)
        return bad_end(error, frame, end);
    if (!is_known(frame))
        return invalid(error, AMQP_FRAME_ERROR, frame, "unknown_frame");
    if (!is_expected(frame))
        return invalid(error, AMQP_UNEXPECTED_FRAME, frame, NULL);
    *consumed = size + AMQP_FRAME_OVERHEAD;
    return AMQP_FRAME_COMPLETE;
}

bool amqp_content_header_decode(struct bytes payload, struct amqp_content_header *header,
                                struct amqp_error *error)
{
    struct reader reader = reader_of(payload);
    header->class_id = reader_u16(&reader);
    header->weight = reader_u16(&reader);
    header->body_size = reader_u64(&reader);
    header->properties = reader_take(&reader, reader_left(&reader));
    if (reader.failed || header->properties.size < sizeof(uint16_t) ||
        !amqp_properties_is_valid(header->properties, AMQP_TABLE_DEPTH_MAX))
        return amqp_error_set(error, AMQP_FRAME_ERROR, "cannot decode the content properties");
    return true;
}

/* --- writing */

void amqp_frame_write_protocol_header(struct buffer *buffer)
{
    buffer_append(buffer, amqp_protocol_header, sizeof amqp_protocol_header);
}

void amqp_frame_write_heartbeat(struct buffer *buffer)
{
    amqp_frame_write_start(buffer, AMQP_FRAME_HEARTBEAT, 0, 0);
    amqp_frame_write_end(buffer);
}

void amqp_frame_write_method(struct buffer *buffer, uint16_t channel,
                             const struct amqp_method *method)
{
    size_t start = buffer->size;
    amqp_frame_write_start(buffer, AMQP_FRAME_METHOD, channel, 0);
    amqp_method_encode(buffer, method);
    uint32_t size = __builtin_bswap32((uint32_t)(buffer->size - start - AMQP_FRAME_START_SIZE));
    memcpy(buffer->data + start + AMQP_FRAME_START_SIZE - sizeof size, &size, sizeof size);
    amqp_frame_write_end(buffer);
}

/* The frames of messages know their sizes in advance: room is made once, then put_* fills it. */
static uint8_t *put_u32(uint8_t *place, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(place, &value, sizeof value);
    return place + sizeof value;
}

static uint8_t *put_u64(uint8_t *place, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(place, &value, sizeof value);
    return place + sizeof value;
}

static uint8_t *put_bytes(uint8_t *place, struct bytes bytes)
{
    if (bytes.size > 0)
        memcpy(place, bytes.data, bytes.size);
    return place + bytes.size;
}

static uint8_t *put_shortstr(uint8_t *place, struct bytes text)
{
    *place++ = (uint8_t)text.size;
    return put_bytes(place, text);
}

static uint8_t *put_start(uint8_t *place, enum amqp_frame_type type, uint16_t channel, size_t size)
{
    *place++ = (uint8_t)type;
    *place++ = (uint8_t)(channel >> 8);
    *place++ = (uint8_t)channel;
    return put_u32(place, (uint32_t)size);
}

void amqp_frame_write_header(struct buffer *buffer, uint16_t channel, uint64_t body_size,
                             struct bytes properties)
{
    static const uint8_t none[2] = {0, 0};
    if (properties.size == 0)
        properties = bytes_of(none, sizeof none);
    size_t size = AMQP_CONTENT_HEADER_SIZE_MIN + properties.size;
    buffer_reserve(buffer, size + AMQP_FRAME_OVERHEAD);
    uint8_t *place = buffer->data + buffer->size;
    place = put_start(place, AMQP_FRAME_HEADER, channel, size);
    place = put_u32(place, AMQP_CLASS_BASIC << 16); /* class and weight */
    place = put_u64(place, body_size);
    place = put_bytes(place, properties);
    *place = AMQP_FRAME_END;
    buffer->size += size + AMQP_FRAME_OVERHEAD;
}

static void write_body_frame(struct buffer *buffer, uint16_t channel, struct bytes part)
{
    buffer_reserve(buffer, part.size + AMQP_FRAME_OVERHEAD);
    uint8_t *place = buffer->data + buffer->size;
    place = put_start(place, AMQP_FRAME_BODY, channel, part.size);
    place = put_bytes(place, part);
    *place = AMQP_FRAME_END;
    buffer->size += part.size + AMQP_FRAME_OVERHEAD;
}

void amqp_frame_write_body(struct buffer *buffer, uint16_t channel, struct bytes body,
                           size_t frame_max)
{
    size_t part_max = frame_max == 0 ? UINT32_MAX : frame_max - AMQP_FRAME_OVERHEAD;
    CHECK(frame_max == 0 || frame_max > AMQP_FRAME_OVERHEAD);
    while (body.size > 0) {
        size_t size = body.size < part_max ? body.size : part_max;
        write_body_frame(buffer, channel, bytes_of(body.data, size));
        body = bytes_of(body.data + size, body.size - size);
    }
}

void amqp_frame_write_deliver(struct buffer *buffer, uint16_t channel, struct bytes consumer_tag,
                              uint64_t delivery_tag, bool redelivered, struct bytes exchange,
                              struct bytes routing_key)
{
    enum { fixed_size = 4 + 1 + 8 + 1 + 1 + 1 }; /* id, sizes of three strings, tag, redelivered */
    size_t size = fixed_size + consumer_tag.size + exchange.size + routing_key.size;
    CHECK(consumer_tag.size <= AMQP_SHORTSTR_MAX && exchange.size <= AMQP_SHORTSTR_MAX &&
          routing_key.size <= AMQP_SHORTSTR_MAX);
    buffer_reserve(buffer, size + AMQP_FRAME_OVERHEAD);
    uint8_t *place = buffer->data + buffer->size;
    place = put_start(place, AMQP_FRAME_METHOD, channel, size);
    place = put_u32(place, AMQP_BASIC_DELIVER);
    place = put_shortstr(place, consumer_tag);
    place = put_u64(place, delivery_tag);
    *place++ = redelivered;
    place = put_shortstr(place, exchange);
    place = put_shortstr(place, routing_key);
    *place = AMQP_FRAME_END;
    buffer->size += size + AMQP_FRAME_OVERHEAD;
}
