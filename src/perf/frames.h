/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_FRAMES_H
#define LEVERET_PERF_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_METHOD = 1, FRAME_HEADER = 2, FRAME_BODY = 3, FRAME_HEARTBEAT = 8 };
enum { FRAME_HEAD_BYTES = 7, FRAME_END_BYTES = 1, FRAME_END = 0xce };

/* A method as one number: class id in the upper half, method id in the lower. */
#define METHOD(class_id, method_id) (((uint32_t)(class_id) << 16) | (uint32_t)(method_id))

enum {
    CONNECTION_START = METHOD(10, 10),
    CONNECTION_START_OK = METHOD(10, 11),
    CONNECTION_TUNE = METHOD(10, 30),
    CONNECTION_TUNE_OK = METHOD(10, 31),
    CONNECTION_OPEN = METHOD(10, 40),
    CONNECTION_OPEN_OK = METHOD(10, 41),
    CONNECTION_CLOSE = METHOD(10, 50),
    CONNECTION_CLOSE_OK = METHOD(10, 51),
    CONNECTION_BLOCKED = METHOD(10, 60),
    CONNECTION_UNBLOCKED = METHOD(10, 61),
    CHANNEL_OPEN = METHOD(20, 10),
    CHANNEL_OPEN_OK = METHOD(20, 11),
    CHANNEL_CLOSE = METHOD(20, 40),
    CHANNEL_CLOSE_OK = METHOD(20, 41),
    EXCHANGE_DECLARE = METHOD(40, 10),
    EXCHANGE_DECLARE_OK = METHOD(40, 11),
    EXCHANGE_DELETE = METHOD(40, 20),
    EXCHANGE_DELETE_OK = METHOD(40, 21),
    QUEUE_DECLARE = METHOD(50, 10),
    QUEUE_DECLARE_OK = METHOD(50, 11),
    QUEUE_BIND = METHOD(50, 20),
    QUEUE_BIND_OK = METHOD(50, 21),
    QUEUE_DELETE = METHOD(50, 40),
    QUEUE_DELETE_OK = METHOD(50, 41),
    QUEUE_UNBIND = METHOD(50, 50),
    QUEUE_UNBIND_OK = METHOD(50, 51),
    BASIC_QOS = METHOD(60, 10),
    BASIC_QOS_OK = METHOD(60, 11),
    BASIC_CONSUME = METHOD(60, 20),
    BASIC_CONSUME_OK = METHOD(60, 21),
    BASIC_CANCEL = METHOD(60, 30),
    BASIC_PUBLISH = METHOD(60, 40),
    BASIC_DELIVER = METHOD(60, 60),
    BASIC_ACK = METHOD(60, 80),
    BASIC_NACK = METHOD(60, 120),
    CONFIRM_SELECT = METHOD(85, 10),
    CONFIRM_SELECT_OK = METHOD(85, 11),
};

static inline uint16_t load_u16(const uint8_t *at)
{
    uint16_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return __builtin_bswap16(value);
}

static inline uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return __builtin_bswap64(value);
}

static inline void store_u64(uint8_t *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    __builtin_memcpy(at, &value, sizeof value);
}

/* A frame inside somebody's read buffer; valid as long as that buffer is not read into again. */
struct frame {
    const uint8_t *payload; /* borrowed: points into the read buffer */
    uint32_t payload_bytes;
    uint16_t channel;
    uint8_t type;
};

enum frame_result { FRAME_WHOLE, FRAME_PARTIAL, FRAME_MALFORMED };

/* Takes the frame at data, if all its bytes are there. */
static inline enum frame_result frame_parse(const uint8_t *data, size_t bytes, struct frame *frame)
{
    if (bytes < FRAME_HEAD_BYTES + FRAME_END_BYTES)
        return FRAME_PARTIAL;
    frame->type = data[0];
    frame->channel = load_u16(data + 1);
    frame->payload_bytes = load_u32(data + 3);
    if (bytes - FRAME_HEAD_BYTES - FRAME_END_BYTES < frame->payload_bytes)
        return FRAME_PARTIAL;
    frame->payload = data + FRAME_HEAD_BYTES;
    return frame->payload[frame->payload_bytes] == FRAME_END ? FRAME_WHOLE : FRAME_MALFORMED;
}

static inline size_t frame_bytes(const struct frame *frame)
{
    return (size_t)frame->payload_bytes + FRAME_HEAD_BYTES + FRAME_END_BYTES;
}

/* The method a method frame carries, 0 when the frame is too short to carry one. */
static inline uint32_t frame_method(const struct frame *frame)
{
    return frame->payload_bytes < 4 ? 0 : load_u32(frame->payload);
}

struct delivery {
    const uint8_t *consumer_tag; /* borrowed: points into the frame */
    uint8_t consumer_tag_bytes;
    bool is_redelivered;
    uint64_t delivery_tag;
};

/* Reads the arguments of basic.deliver up to the redelivered bit; false when they are cut short. */
static inline bool frame_delivery(const struct frame *frame, struct delivery *delivery)
{
    if (frame->payload_bytes < 5)
        return false;
    size_t tag_bytes = frame->payload[4];
    if (frame->payload_bytes < 5 + tag_bytes + 9)
        return false;
    delivery->consumer_tag = frame->payload + 5;
    delivery->consumer_tag_bytes = (uint8_t)tag_bytes;
    delivery->delivery_tag = load_u64(frame->payload + 5 + tag_bytes);
    delivery->is_redelivered = (frame->payload[5 + tag_bytes + 8] & 1) != 0;
    return true;
}

/* A growing byte string to encode into; {0} is an empty one. */
struct frames {
    uint8_t *data; /* owned */
    size_t bytes;
    size_t capacity_bytes;
    size_t frame_start;
};

void frames_fini(struct frames *frames);
void frames_put_u8(struct frames *frames, uint8_t value);
void frames_put_u16(struct frames *frames, uint16_t value);
void frames_put_u32(struct frames *frames, uint32_t value);
void frames_put_u64(struct frames *frames, uint64_t value);
void frames_put_bytes(struct frames *frames, const void *data, size_t bytes);

/* At most 255 bytes. */
void frames_put_short_string(struct frames *frames, const char *text);
void frames_put_long_string(struct frames *frames, const void *data, size_t bytes);

/* A field of a table whose value is a long string. */
void frames_put_text_field(struct frames *frames, const char *name, const char *value);

/* Everything put between begin and end is the payload of one frame. */
void frames_begin(struct frames *frames, uint8_t type, uint16_t channel);
void frames_begin_method(struct frames *frames, uint16_t channel, uint32_t method);
void frames_end(struct frames *frames);

/* One whole message as a publisher sends it: method, header and body frames on channel 1. With a
 * header_name it has one header of that name, whose value is the routing key as well. Offsets are
 * counted from the start of the message to the first byte; that of the header's value is 0 when
 * there is none. */
struct frames_message {
    const char *exchange;
    const char *routing_key;
    const char *header_name; /* or NULL */
    uint32_t body_bytes;
    uint32_t frame_max;
    bool is_persistent;
};
struct frames_offsets {
    size_t routing_key;
    size_t header_value;
    size_t body;
};
void frames_put_message(struct frames *frames, const struct frames_message *message,
                        struct frames_offsets *offsets);

void frames_put_ack(struct frames *frames, uint64_t delivery_tag, bool is_multiple);

#endif
