/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the frames of a publish to one message. Two ways lead there.
 *
 * Most messages are small and arrive whole: method, header and one body frame lie behind each other
 * in the input. publish_whole recognises exactly that, checks all of it before it touches
 * anything, and makes the message with one allocation. Whatever is different in any way it leaves
 * to the other way, which also finds the words for what is wrong.
 *
 * That way takes frame by frame, with content.h watching their order. The message is allocated when
 * its header comes and grows as the body arrives, since a header alone must not take memory; a body
 * that is larger than allowed is refused by its header, and what comes of it is dropped.
 *
 * Invariant: a channel has a message exactly while its content waits for body bytes;
 * message->body_size is then what is allocated, and body_bytes of it are filled.
 */
#include <stdlib.h>
#include <string.h>

#include "amqp/properties.h"
#include "base/check.h"
#include "base/utf8.h"
#include "base/xmalloc.h"
#include "net/net_internal.h"

enum {
    at_once_bytes = 128 * 1024,   /* a body is allocated at once up to this */
    partial_bytes_min = 4096,     /* smaller body frames are waited for */
    direct_bytes_min = 16 * 1024, /* read straight into the message from this on */
    publish_method_bytes_min = 4 + 2 + 1 + 1 + 1,
};

/* --- the fields of basic.publish */

struct publish {
    struct bytes exchange;
    struct bytes routing_key;
    uint8_t flags;
};

enum { FLAG_MANDATORY = 1, FLAG_IMMEDIATE = 2 };

/* payload is at least its id long. False where anything is wrong with it. */
static inline bool parse_publish(struct bytes payload, struct publish *publish)
{
    const uint8_t *at = payload.data + 6, *end = payload.data + payload.size;
    if (payload.size < publish_method_bytes_min || *at + 2 > end - at)
        return false;
    publish->exchange = bytes_of(at + 1, *at);
    at += 1 + *at;
    if (*at + 2 != end - at)
        return false;
    publish->routing_key = bytes_of(at + 1, *at);
    publish->flags = end[-1];
    return utf8_is_valid(publish->exchange) && utf8_is_valid(publish->routing_key);
}

static void submit(struct connection *connection, uint16_t channel, struct message *message,
                   bool mandatory, bool immediate)
{
    struct command *command = connection_command(connection, COMMAND_PUBLISH, channel);
    command->message = message;
    command->mandatory = mandatory;
    command->immediate = immediate;
}

/* --- a message that is all there */

static inline uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap64(value);
}

/* The payload of the frame at *at, which is then behind it. False where it is not a whole frame of
 * that type and channel. */
static inline bool take_frame(const uint8_t **at, const uint8_t *end, enum amqp_frame_type type,
                              const uint8_t channel[2], struct bytes *payload)
{
    size_t left = (size_t)(end - *at);
    const uint8_t *frame = *at;
    if (left < AMQP_FRAME_OVERHEAD || frame[0] != type || frame[1] != channel[0] ||
        frame[2] != channel[1])
        return false;
    size_t size = load_u32(frame + 3);
    if (size > left - AMQP_FRAME_OVERHEAD || frame[AMQP_FRAME_START_SIZE + size] != AMQP_FRAME_END)
        return false;
    *payload = bytes_of(frame + AMQP_FRAME_START_SIZE, size);
    *at = frame + AMQP_FRAME_OVERHEAD + size;
    return true;
}

static bool is_header_allowed(const struct connection *connection, struct bytes properties)
{
    const struct net_settings *settings = connection->host->settings;
    return properties.size <= settings->header_bytes_max &&
           amqp_properties_is_valid(properties, settings->table_depth_max);
}

static inline bool take_header(const struct connection *connection, struct bytes payload,
                               struct bytes *properties, uint64_t *body_size)
{
    if (payload.size < AMQP_CONTENT_HEADER_SIZE_MIN + 2 ||
        load_u32(payload.data) != (uint32_t)AMQP_CLASS_BASIC << 16)
        return false;
    *body_size = load_u64(payload.data + 4);
    *properties = bytes_of(payload.data + AMQP_CONTENT_HEADER_SIZE_MIN,
                           payload.size - AMQP_CONTENT_HEADER_SIZE_MIN);
    if (properties->size == 2 && properties->data[0] == 0 && properties->data[1] == 0)
        return true;
    return is_header_allowed(connection, *properties);
}

static bool may_publish(const struct net_channel *channel)
{
    return channel != NULL && !channel->is_discarding && amqp_content_is_idle(&channel->content);
}

size_t publish_whole(struct connection *connection, struct bytes input)
{
    const uint8_t *at = input.data, *end = at + input.size, *number = at + 1;
    struct bytes method, header, body = {0}, properties;
    struct publish publish;
    uint64_t body_size;
    if (input.size < AMQP_FRAME_START_SIZE + publish_method_bytes_min ||
        load_u32(at + AMQP_FRAME_START_SIZE) != AMQP_BASIC_PUBLISH ||
        !take_frame(&at, end, AMQP_FRAME_METHOD, number, &method) ||
        !take_frame(&at, end, AMQP_FRAME_HEADER, number, &header) ||
        !parse_publish(method, &publish) ||
        !take_header(connection, header, &properties, &body_size))
        return 0;
    if (body_size > 0 && !take_frame(&at, end, AMQP_FRAME_BODY, number, &body))
        return 0;
    size_t frame_max = connection->frame_max;
    if (body.size != body_size || body_size > connection->host->settings->message_bytes_max ||
        (frame_max != 0 && (body_size > frame_max || header.size > frame_max)))
        return 0;
    uint16_t channel = (uint16_t)(number[0] << 8 | number[1]);
    if (channel == 0 || !may_publish(channels_find(connection, channel)))
        return 0;
    struct message *message = message_new(publish.exchange, publish.routing_key, properties, body);
    message->is_persistent = amqp_properties_is_persistent(properties);
    submit(connection, channel, message, (publish.flags & FLAG_MANDATORY) != 0,
           (publish.flags & FLAG_IMMEDIATE) != 0);
    return (size_t)(at - input.data);
}

/* --- frame by frame */

void publish_on_method(struct connection *connection, struct net_channel *channel,
                       struct bytes payload)
{
    struct publish publish;
    struct amqp_method method;
    struct amqp_error error = {0};
    if (!parse_publish(payload, &publish)) {
        /* The general decoder knows the words; what it accepts would not have come here. */
        if (amqp_method_decode(&method, payload, &error))
            amqp_error_set(&error, AMQP_FRAME_ERROR, "cannot decode basic.publish");
        connection_fail(connection, &error);
        return;
    }
    channel->mandatory = (publish.flags & FLAG_MANDATORY) != 0;
    channel->immediate = (publish.flags & FLAG_IMMEDIATE) != 0;
    amqp_content_expect(&channel->content, AMQP_BASIC_PUBLISH, payload);
    amqp_content_keep(&channel->content);
}

static void complete(struct connection *connection, struct net_channel *channel)
{
    struct message *message = channel->message;
    connection->content_bytes -= message->body_size;
    message->body_size = channel->body_bytes;
    message->is_persistent = amqp_properties_is_persistent(message_properties(message));
    channel->message = NULL;
    submit(connection, channel->number, message, channel->mandatory, channel->immediate);
}

static void refuse_size(struct connection *connection, struct net_channel *channel)
{
    uint64_t size_max = connection->host->settings->message_bytes_max;
    struct amqp_error *error = xcalloc(1, sizeof *error);
    amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                   size_max == AMQP_BODY_BYTES_MAX
                       ? "message size %llu is larger than max size %llu"
                       : "message size %llu is larger than configured max size %llu",
                   (unsigned long long)channel->content.body_size, (unsigned long long)size_max);
    error->class_id = amqp_method_class(AMQP_BASIC_PUBLISH);
    error->method_id = amqp_method_number(AMQP_BASIC_PUBLISH);
    connection_command(connection, COMMAND_CHANNEL_ERROR, channel->number)->error = error;
    channels_discard(connection, channel);
}

static void refuse_header(struct connection *connection, const struct net_channel *channel)
{
    const struct net_settings *settings = connection->host->settings;
    struct amqp_error error = {0};
    size_t size = channel->content.properties.size;
    if (size > settings->header_bytes_max)
        amqp_error_set(&error, AMQP_FRAME_ERROR,
                       "properties of %zu bytes are larger than the configured maximum %u", size,
                       settings->header_bytes_max);
    else
        amqp_error_set(&error, AMQP_FRAME_ERROR,
                       "headers are nested deeper than the configured maximum %u",
                       settings->table_depth_max);
    error.class_id = amqp_method_class(AMQP_BASIC_PUBLISH);
    error.method_id = amqp_method_number(AMQP_BASIC_PUBLISH);
    connection_fail(connection, &error);
}

static void allocate(struct connection *connection, struct net_channel *channel)
{
    struct publish publish;
    const struct amqp_content *content = &channel->content;
    size_t size = content->body_size < at_once_bytes ? content->body_size : at_once_bytes;
    CHECK(parse_publish(content->method, &publish));
    channel->message = message_new(publish.exchange, publish.routing_key, content->properties,
                                   bytes_of(NULL, size));
    channel->body_bytes = 0;
    connection->content_bytes += size;
}

static void on_header(struct connection *connection, struct net_channel *channel,
                      enum amqp_content_result result)
{
    const struct amqp_content *content = &channel->content;
    if (!is_header_allowed(connection, content->properties)) {
        refuse_header(connection, channel);
        return;
    }
    if (content->body_size > connection->host->settings->message_bytes_max) {
        refuse_size(connection, channel);
        return;
    }
    allocate(connection, channel);
    if (result == AMQP_CONTENT_COMPLETE)
        complete(connection, channel);
}

/* Makes room for size more body bytes, doubling, never more than the header announced. */
static void grow(struct connection *connection, struct net_channel *channel, size_t size)
{
    struct message *message = channel->message;
    size_t needed = channel->body_bytes + size, room = message->body_size;
    if (needed <= room)
        return;
    size_t wanted = 2 * room > needed ? 2 * room : needed;
    if (wanted > channel->content.body_size)
        wanted = channel->content.body_size;
    CHECK(wanted >= needed);
    message = xrealloc(message, message_footprint(message) - room + wanted);
    message->body_size = wanted;
    channel->message = message;
    connection->content_bytes += wanted - room;
}

static void append_body(struct connection *connection, struct net_channel *channel,
                        struct bytes bytes)
{
    if (bytes.size == 0)
        return;
    grow(connection, channel, bytes.size);
    memcpy(message_body_for_writing(channel->message) + channel->body_bytes, bytes.data,
           bytes.size);
    channel->body_bytes += bytes.size;
}

void publish_on_frame(struct connection *connection, struct net_channel *channel,
                      const struct amqp_frame *frame)
{
    struct amqp_error error = {0};
    bool is_header = channel->content.state == AMQP_CONTENT_HEADER;
    enum amqp_content_result result = amqp_content_on_frame(&channel->content, frame, &error);
    if (result == AMQP_CONTENT_INVALID) {
        connection_fail(connection, &error);
        return;
    }
    if (is_header) {
        on_header(connection, channel, result);
        return;
    }
    append_body(connection, channel, frame->payload);
    if (result == AMQP_CONTENT_COMPLETE)
        complete(connection, channel);
}

/* --- body frames of which a part is there */

static bool fits_content(const struct net_channel *channel, size_t size)
{
    return channel->content.state == AMQP_CONTENT_BODY && size <= channel->content.body_missing;
}

/* Takes what there is of the payload. */
static size_t take_partial(struct connection *connection, struct bytes input)
{
    struct partial_body *partial = &connection->partial;
    size_t size = input.size < partial->missing_bytes ? input.size : partial->missing_bytes;
    if (partial->channel != NULL)
        append_body(connection, partial->channel, bytes_of(input.data, size));
    partial->missing_bytes -= (uint32_t)size;
    return size;
}

size_t publish_begin_partial(struct connection *connection, struct bytes input)
{
    if (input.size < AMQP_FRAME_START_SIZE || input.data[0] != AMQP_FRAME_BODY)
        return 0;
    uint32_t size = load_u32(input.data + 3);
    uint16_t number = (uint16_t)(input.data[1] << 8 | input.data[2]);
    if (size < partial_bytes_min || input.size >= (size_t)size + AMQP_FRAME_OVERHEAD ||
        (connection->frame_max != 0 && size > connection->frame_max) || number == 0)
        return 0;
    struct net_channel *channel = channels_find(connection, number);
    if (channel == NULL || !(channel->is_discarding || fits_content(channel, size)))
        return 0;
    connection->partial = (struct partial_body){
        .is_active = true,
        .frame_bytes = size,
        .missing_bytes = size,
        .channel = channel->is_discarding ? NULL : channel,
    };
    size_t start = AMQP_FRAME_START_SIZE;
    return start + take_partial(connection, bytes_of(input.data + start, input.size - start));
}

static void end_partial(struct connection *connection, uint8_t end)
{
    struct net_channel *channel = connection->partial.channel;
    struct amqp_error error = {0};
    connection->partial.is_active = false;
    connection->partial.channel = NULL;
    if (end != AMQP_FRAME_END) {
        connection->is_deaf = true;
        amqp_error_set(&error, AMQP_FRAME_ERROR, "type 3: {invalid_frame_end_marker,%u}", end);
        if (connection->state == STATE_RUNNING)
            connection_fail(connection, &error);
        return;
    }
    if (channel == NULL || connection->state != STATE_RUNNING)
        return;
    struct bytes whole = bytes_of(NULL, connection->partial.frame_bytes);
    enum amqp_content_result result = amqp_content_on_body(&channel->content, whole, &error);
    CHECK(result != AMQP_CONTENT_INVALID);
    if (result == AMQP_CONTENT_COMPLETE)
        complete(connection, channel);
}

size_t publish_continue_partial(struct connection *connection, struct bytes input)
{
    if (connection->partial.missing_bytes > 0)
        return take_partial(connection, input);
    end_partial(connection, input.data[0]);
    return 1;
}

struct iovec publish_partial_space(struct connection *connection)
{
    struct partial_body *partial = &connection->partial;
    struct net_channel *channel = partial->channel;
    if (!partial->is_active || channel == NULL || partial->missing_bytes < direct_bytes_min)
        return (struct iovec){NULL, 0};
    /* The announced size of a frame must not take memory either. */
    size_t size =
        partial->missing_bytes < at_once_bytes ? partial->missing_bytes : (size_t)at_once_bytes;
    grow(connection, channel, size);
    return (struct iovec){message_body_for_writing(channel->message) + channel->body_bytes, size};
}

void publish_partial_read(struct connection *connection, size_t bytes)
{
    connection->partial.channel->body_bytes += bytes;
    connection->partial.missing_bytes -= (uint32_t)bytes;
}
