/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From effects to frames. Effects come in the order in which the core made them, and each appends
 * its bytes to the output, so the order on the wire is the core's. A delivery names its consumer by
 * a number; the tag that belongs to it came with EFFECT_CONSUMER_ADD.
 *
 * An effect for a connection whose socket is closed is dropped: nobody is there to read it, and the
 * core hears of it by the COMMAND_SESSION_CLOSE that is on its way. What belongs to a channel that
 * the core has closed cannot come: CHANNEL_CLOSED is the last effect of a channel.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "net/net_internal.h"

typedef void effect_handler(struct connection *connection, struct effect *effect);

/* --- deliveries and confirms */

static struct bytes consumer_tag(const struct net_channel *channel, uint32_t number)
{
    CHECK(channel != NULL && number < channel->consumer_capacity);
    const char *tag = channel->consumer_tags[number];
    CHECK(tag != NULL);
    return bytes_of(tag + 1, (uint8_t)tag[0]);
}

static void on_deliver(struct connection *connection, struct effect *effect)
{
    struct output *output = &connection->output;
    struct message *message = effect->message;
    struct net_channel *channel = channels_find(connection, effect->channel);
    struct bytes tag = consumer_tag(channel, effect->consumer);
    size_t before = output->data.size;
    amqp_frame_write_deliver(&output->data, effect->channel, tag, effect->tag, effect->flag,
                             message_exchange(message), message_routing_key(message));
    output_appended(output, before);
    output_add_content(output, effect->channel, message, connection->frame_max);
    output_charge(output, effect_deliver_cost(message));
}

enum { ack_frame_bytes = AMQP_FRAME_OVERHEAD + 13 };

static void write_ack(struct connection *connection, const struct effect *effect,
                      uint32_t method_id, uint8_t bits)
{
    struct buffer *data = &connection->output.data;
    size_t before = data->size;
    buffer_reserve(data, ack_frame_bytes);
    amqp_frame_write_start(data, AMQP_FRAME_METHOD, effect->channel,
                           ack_frame_bytes - AMQP_FRAME_OVERHEAD);
    buffer_append_u32(data, method_id);
    buffer_append_u64(data, effect->tag);
    buffer_append_u8(data, bits);
    amqp_frame_write_end(data);
    output_appended(&connection->output, before);
}

static void on_ack(struct connection *connection, struct effect *effect)
{
    write_ack(connection, effect, AMQP_BASIC_ACK, effect->flag);
}

/* To a publisher requeue means nothing; RabbitMQ sends its default, which is true. */
static void on_nack(struct connection *connection, struct effect *effect)
{
    enum { multiple_bit = 1, requeue_bit = 2 };
    write_ack(connection, effect, AMQP_BASIC_NACK, (effect->flag ? multiple_bit : 0) | requeue_bit);
}

/* --- methods */

static uint32_t method_id_of(const struct effect_method *method)
{
    CHECK(method->size >= sizeof(uint32_t));
    return (uint32_t)method->data[0] << 24 | (uint32_t)method->data[1] << 16 |
           (uint32_t)method->data[2] << 8 | method->data[3];
}

static void write_method(struct connection *connection, const struct effect *effect)
{
    struct output *output = &connection->output;
    size_t before = output->data.size;
    amqp_frame_write_start(&output->data, AMQP_FRAME_METHOD, effect->channel, effect->method->size);
    buffer_append(&output->data, effect->method->data, effect->method->size);
    amqp_frame_write_end(&output->data);
    output_appended(output, before);
    if (effect->message != NULL)
        output_add_content(output, effect->channel, effect->message, connection->frame_max);
}

static void on_method(struct connection *connection, struct effect *effect)
{
    write_method(connection, effect);
    if (effect->channel == 0 && connection->state == STATE_RUNNING &&
        method_id_of(effect->method) == AMQP_CONNECTION_CLOSE_OK) {
        connection_note(connection, CONNECTION_NOTE_INFO, "closed by the client");
        connection_await_close(connection, STATE_CLOSED);
        channels_clear(connection);
    }
}

/* The text of a connection.close or channel.close of ours, behind what it is about. */
static void note_error(struct connection *connection, enum connection_note note, const char *about,
                       const struct effect_method *close)
{
    enum { code_bytes = 2, at_text = sizeof(uint32_t) + code_bytes };
    char line[320];
    CHECK(close->size > at_text && close->size - at_text > close->data[at_text]);
    snprintf(line, sizeof line, "%s%.*s", about, close->data[at_text],
             (const char *)close->data + at_text + 1);
    connection_note(connection, note, line);
}

/* What the connection found itself is noted already. */
static void on_connection_close(struct connection *connection, struct effect *effect)
{
    write_method(connection, effect);
    if (connection->state == STATE_RUNNING)
        note_error(connection, CONNECTION_NOTE_ERROR, "", effect->method);
    connection_await_close(connection, STATE_CLOSING);
    channels_clear(connection);
}

/* --- channels and consumers */

static void on_consumer_add(struct connection *connection, struct effect *effect)
{
    struct net_channel *channel = channels_find(connection, effect->channel);
    CHECK(channel != NULL);
    channels_set_consumer(channel, effect->consumer,
                          bytes_of(effect->method->data, effect->method->size));
}

static void on_consumer_remove(struct connection *connection, struct effect *effect)
{
    struct net_channel *channel = channels_find(connection, effect->channel);
    if (channel == NULL || effect->consumer >= channel->consumer_capacity)
        return;
    free(channel->consumer_tags[effect->consumer]);
    channel->consumer_tags[effect->consumer] = NULL;
}

static void on_channel_error(struct connection *connection, struct effect *effect)
{
    struct net_channel *channel = channels_find(connection, effect->channel);
    char about[32];
    write_method(connection, effect);
    snprintf(about, sizeof about, "channel %u: ", effect->channel);
    note_error(connection, CONNECTION_NOTE_CHANNEL_ERROR, about, effect->method);
    if (channel != NULL)
        channels_discard(connection, channel);
}

static void on_channel_closed(struct connection *connection, struct effect *effect)
{
    channels_close(connection, effect->channel);
}

/* --- the connection */

static void on_pause(struct connection *connection, struct effect *effect)
{
    (void)effect;
    connection_pause(connection, PAUSE_CORE);
}

static void on_resume(struct connection *connection, struct effect *effect)
{
    (void)effect;
    connection_resume(connection, PAUSE_CORE);
}

static void nothing(struct connection *connection, struct effect *effect)
{
    (void)connection, (void)effect;
}

static void on_session_closed(struct connection *connection)
{
    connection->session = NULL;
    CHECK(connection->state == STATE_GONE);
    connection->is_over = true;
}

static effect_handler *const handlers[] = {
    [EFFECT_DELIVER] = on_deliver,
    [EFFECT_ACK] = on_ack,
    [EFFECT_NACK] = on_nack,
    [EFFECT_METHOD] = on_method,
    [EFFECT_CONSUMER_ADD] = on_consumer_add,
    [EFFECT_CONSUMER_REMOVE] = on_consumer_remove,
    [EFFECT_CHANNEL_OPENED] = nothing,
    [EFFECT_CHANNEL_ERROR] = on_channel_error,
    [EFFECT_CHANNEL_CLOSED] = on_channel_closed,
    [EFFECT_CONNECTION_CLOSE] = on_connection_close,
    [EFFECT_SESSION_OPENED] = nothing,
    [EFFECT_READ_PAUSE] = on_pause,
    [EFFECT_READ_RESUME] = on_resume,
    [EFFECT_ACCESS_QUESTION] = nothing,
    [EFFECT_SECRET_QUESTION] = nothing,
};

void connection_on_effect(struct connection *connection, struct effect *effect)
{
    if (effect->kind == EFFECT_SESSION_CLOSED)
        on_session_closed(connection);
    else if (connection->state != STATE_GONE && connection->state != STATE_ENDING)
        handlers[effect->kind](connection, effect);
    connection_mark_dirty(connection);
    effect_release(effect);
}
