/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AMQP_FRAME_H
#define LEVERET_AMQP_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "amqp/error.h"
#include "amqp/method.h"
#include "base/buffer.h"
#include "base/bytes.h"

/* Frames: type (1 octet), channel (2), payload size (4), payload, end (0xCE). */

enum amqp_frame_type {
    AMQP_FRAME_METHOD = 1,
    AMQP_FRAME_HEADER = 2,
    AMQP_FRAME_BODY = 3,
    AMQP_FRAME_HEARTBEAT = 8,
};

enum {
    AMQP_FRAME_END = 0xCE,
    AMQP_FRAME_START_SIZE = 7, /* what stands in front of the payload */
    AMQP_FRAME_OVERHEAD = 8,
    AMQP_FRAME_MAX_MIN = 4096,         /* the smallest frame-max that may be negotiated */
    AMQP_CONTENT_HEADER_SIZE_MIN = 12, /* class, weight, body size */
};

/* What both sides send first to agree on the protocol. */
enum { AMQP_PROTOCOL_HEADER_SIZE = 8 };
extern const uint8_t amqp_protocol_header[AMQP_PROTOCOL_HEADER_SIZE];

struct amqp_frame {
    uint8_t type; /* enum amqp_frame_type */
    uint16_t channel;
    struct bytes payload;
};

enum amqp_frame_result {
    AMQP_FRAME_COMPLETE,   /* *frame and *consumed are set; the payload is a view into input */
    AMQP_FRAME_INCOMPLETE, /* more input is needed; nothing is set */
    AMQP_FRAME_INVALID,    /* *error is set: it closes the connection */
};

/* See amqp_frame_read, which is what to call. */
enum amqp_frame_result amqp_frame_read_slow(struct bytes input, size_t frame_max,
                                            struct amqp_frame *frame, size_t *consumed,
                                            struct amqp_error *error);

/* The frame at the start of input. What comes back complete is a heartbeat on channel 0 without
 * payload, a method with at least its id, a content header (on a channel) with at least
 * AMQP_CONTENT_HEADER_SIZE_MIN octets, or a body (on a channel). frame_max 0 is no limit; as
 * RabbitMQ it lets a payload be frame_max long, not frame_max - AMQP_FRAME_OVERHEAD; a frame that
 * is too large is refused when its start is there. */
static inline enum amqp_frame_result amqp_frame_read(struct bytes input, size_t frame_max,
                                                     struct amqp_frame *frame, size_t *consumed,
                                                     struct amqp_error *error)
{
    const uint8_t *data = input.data;
    if (input.size < AMQP_FRAME_START_SIZE)
        return AMQP_FRAME_INCOMPLETE;
    size_t size = (size_t)data[3] << 24 | (size_t)data[4] << 16 | (size_t)data[5] << 8 | data[6];
    /* Method ids and content headers are the caller's common case; all else takes the long way. */
    if (data[0] - 1u > 2u || size < AMQP_CONTENT_HEADER_SIZE_MIN || (data[1] | data[2]) == 0 ||
        size > input.size - AMQP_FRAME_START_SIZE || input.size - AMQP_FRAME_START_SIZE == size ||
        (frame_max != 0 && size > frame_max) ||
        data[AMQP_FRAME_START_SIZE + size] != AMQP_FRAME_END)
        return amqp_frame_read_slow(input, frame_max, frame, consumed, error);
    frame->type = data[0];
    frame->channel = (uint16_t)(data[1] << 8 | data[2]);
    frame->payload = bytes_of(data + AMQP_FRAME_START_SIZE, size);
    *consumed = size + AMQP_FRAME_OVERHEAD;
    return AMQP_FRAME_COMPLETE;
}

/* --- content headers */

struct amqp_content_header {
    uint16_t class_id;
    uint16_t weight;
    uint64_t body_size;
    struct bytes properties; /* see properties.h */
};

/* Decodes the payload of a content header frame; properties point into it and are valid when it
 * succeeds. Otherwise false and *error is set. Whether class and weight are what is expected is
 * content.h's. */
bool amqp_content_header_decode(struct bytes payload, struct amqp_content_header *header,
                                struct amqp_error *error) __attribute__((warn_unused_result));

/* --- writing */

/* What stands in front of a payload of that size; the payload and AMQP_FRAME_END follow. */
static inline void amqp_frame_write_start(struct buffer *buffer, enum amqp_frame_type type,
                                          uint16_t channel, size_t size)
{
    uint8_t start[AMQP_FRAME_START_SIZE] = {
        (uint8_t)type,         (uint8_t)(channel >> 8), (uint8_t)channel, (uint8_t)(size >> 24),
        (uint8_t)(size >> 16), (uint8_t)(size >> 8),    (uint8_t)size};
    buffer_append(buffer, start, sizeof(start));
}

static inline void amqp_frame_write_end(struct buffer *buffer)
{
    buffer_append_u8(buffer, AMQP_FRAME_END);
}

void amqp_frame_write_protocol_header(struct buffer *buffer);
void amqp_frame_write_heartbeat(struct buffer *buffer);
void amqp_frame_write_method(struct buffer *buffer, uint16_t channel,
                             const struct amqp_method *method);

/* The header frame of a basic message; properties as in properties.h (no bytes: none). */
void amqp_frame_write_header(struct buffer *buffer, uint16_t channel, uint64_t body_size,
                             struct bytes properties);

/* The body in frames of at most frame_max octets (0: no limit), none if it is empty. */
void amqp_frame_write_body(struct buffer *buffer, uint16_t channel, struct bytes body,
                           size_t frame_max);

/* A basic.deliver frame: what amqp_frame_write_method would write, faster. */
void amqp_frame_write_deliver(struct buffer *buffer, uint16_t channel, struct bytes consumer_tag,
                              uint64_t delivery_tag, bool redelivered, struct bytes exchange,
                              struct bytes routing_key);

#endif
