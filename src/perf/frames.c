/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little of the AMQP 0-9-1 wire format that a load generator speaks.
 *
 * leveret-perf does not use the broker's codec in src/amqp: a mistake in it would be made on both
 * sides and stay invisible, and a generator that costs as much as a broker measures itself. So
 * decoding is a few inline loads in the header (a frame is looked at where it was read, nothing is
 * copied, nothing is allocated), and encoding happens once: a publisher encodes its message when it
 * starts and from then on only patches the bytes that change. What is here is therefore written for
 * clarity, not for speed.
 *
 * Encoding cannot fail; a frame's length is filled in when it is ended.
 */
#include "perf/frames.h"

#include "perf/fail.h"

#include <stdlib.h>
#include <string.h>

enum { CHANNEL = 1, BASIC_CLASS = 60, PERSISTENT = 2 };
enum { FLAG_HEADERS = 1 << 13, FLAG_DELIVERY_MODE = 1 << 12 };

void frames_fini(struct frames *frames)
{
    free(frames->data);
    *frames = (struct frames){0};
}

void frames_put_bytes(struct frames *frames, const void *data, size_t bytes)
{
    if (frames->capacity_bytes - frames->bytes < bytes) {
        frames->capacity_bytes = (frames->capacity_bytes + bytes) * 2;
        frames->data = realloc(frames->data, frames->capacity_bytes);
        if (frames->data == NULL)
            fail("out of memory");
    }
    if (bytes > 0)
        memcpy(frames->data + frames->bytes, data, bytes);
    frames->bytes += bytes;
}

void frames_put_u8(struct frames *frames, uint8_t value)
{
    frames_put_bytes(frames, &value, sizeof value);
}

void frames_put_u16(struct frames *frames, uint16_t value)
{
    value = __builtin_bswap16(value);
    frames_put_bytes(frames, &value, sizeof value);
}

void frames_put_u32(struct frames *frames, uint32_t value)
{
    value = __builtin_bswap32(value);
    frames_put_bytes(frames, &value, sizeof value);
}

void frames_put_u64(struct frames *frames, uint64_t value)
{
    value = __builtin_bswap64(value);
    frames_put_bytes(frames, &value, sizeof value);
}

void frames_put_short_string(struct frames *frames, const char *text)
{
    size_t bytes = strlen(text);
    if (bytes > UINT8_MAX)
        fail("'%s' is longer than a short string may be", text);
    frames_put_u8(frames, (uint8_t)bytes);
    frames_put_bytes(frames, text, bytes);
}

void frames_put_long_string(struct frames *frames, const void *data, size_t bytes)
{
    frames_put_u32(frames, (uint32_t)bytes);
    frames_put_bytes(frames, data, bytes);
}

void frames_put_text_field(struct frames *frames, const char *name, const char *value)
{
    frames_put_short_string(frames, name);
    frames_put_u8(frames, 'S');
    frames_put_long_string(frames, value, strlen(value));
}

void frames_begin(struct frames *frames, uint8_t type, uint16_t channel)
{
    frames->frame_start = frames->bytes;
    frames_put_u8(frames, type);
    frames_put_u16(frames, channel);
    frames_put_u32(frames, 0);
}

void frames_begin_method(struct frames *frames, uint16_t channel, uint32_t method)
{
    frames_begin(frames, FRAME_METHOD, channel);
    frames_put_u32(frames, method);
}

void frames_end(struct frames *frames)
{
    size_t payload_bytes = frames->bytes - frames->frame_start - FRAME_HEAD_BYTES;
    uint32_t length = __builtin_bswap32((uint32_t)payload_bytes);
    memcpy(frames->data + frames->frame_start + 3, &length, sizeof length);
    frames_put_u8(frames, FRAME_END);
}

static void put_publish(struct frames *frames, const struct frames_message *message,
                        size_t *routing_key_at)
{
    frames_begin_method(frames, CHANNEL, BASIC_PUBLISH);
    frames_put_u16(frames, 0);
    frames_put_short_string(frames, message->exchange);
    *routing_key_at = frames->bytes + 1;
    frames_put_short_string(frames, message->routing_key);
    frames_put_u8(frames, 0);
    frames_end(frames);
}

/* A table of one field, whose value ends with the table. */
static void put_headers(struct frames *frames, const struct frames_message *message)
{
    struct frames table = {0};
    frames_put_text_field(&table, message->header_name, message->routing_key);
    frames_put_long_string(frames, table.data, table.bytes);
    frames_fini(&table);
}

static void put_header(struct frames *frames, const struct frames_message *message,
                       size_t *header_value_at)
{
    uint16_t flags = (uint16_t)((message->header_name != NULL ? FLAG_HEADERS : 0) |
                                (message->is_persistent ? FLAG_DELIVERY_MODE : 0));
    frames_begin(frames, FRAME_HEADER, CHANNEL);
    frames_put_u16(frames, BASIC_CLASS);
    frames_put_u16(frames, 0);
    frames_put_u64(frames, message->body_bytes);
    frames_put_u16(frames, flags);
    if (message->header_name != NULL)
        put_headers(frames, message);
    *header_value_at = frames->bytes - strlen(message->routing_key);
    if (message->is_persistent)
        frames_put_u8(frames, PERSISTENT);
    frames_end(frames);
}

static void put_body(struct frames *frames, uint32_t body_bytes, uint32_t frame_max)
{
    const uint32_t payload_max = frame_max - FRAME_HEAD_BYTES - FRAME_END_BYTES;
    for (uint32_t sent = 0; sent < body_bytes;) {
        uint32_t part = body_bytes - sent < payload_max ? body_bytes - sent : payload_max;
        frames_begin(frames, FRAME_BODY, CHANNEL);
        for (uint32_t i = 0; i < part; i++)
            frames_put_u8(frames, (uint8_t)('a' + (sent + i) % 26));
        frames_end(frames);
        sent += part;
    }
}

void frames_put_message(struct frames *frames, const struct frames_message *message,
                        struct frames_offsets *offsets)
{
    const size_t start = frames->bytes;
    size_t routing_key_at, header_value_at;
    put_publish(frames, message, &routing_key_at);
    put_header(frames, message, &header_value_at);
    offsets->routing_key = routing_key_at - start;
    offsets->header_value = message->header_name == NULL ? 0 : header_value_at - start;
    offsets->body = frames->bytes + FRAME_HEAD_BYTES - start;
    put_body(frames, message->body_bytes, message->frame_max);
}

void frames_put_ack(struct frames *frames, uint64_t delivery_tag, bool is_multiple)
{
    frames_begin_method(frames, CHANNEL, BASIC_ACK);
    frames_put_u64(frames, delivery_tag);
    frames_put_u8(frames, is_multiple ? 1 : 0);
    frames_end(frames);
}
