/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the socket to commands. One read per turn goes into a large buffer that all connections of a
 * reactor share; where several were readable in the last turn each gets a part of what one turn
 * reads, so that a connection that floods does not make the others wait for all of it. Frames are
 * parsed there in place: an idle connection holds no input memory. Only the start of a frame whose
 * end has not come is kept, and put in front of the next read. The exception is a large body frame,
 * which is copied to its message as it arrives, or read straight into it: no frame-max, however
 * large, makes us keep a body twice.
 *
 * Frames that are not bodies must fit the shared buffer. That bounds what one peer can make us
 * keep, also where the configuration says that frames have no limit.
 *
 * Invariant: after every parse either nothing is left, or rest holds less than a frame, or input
 * waits for an answer (login, vhost) and nothing is read until then.
 */
#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "net/net_internal.h"

enum {
    rest_kept_bytes = 4096, /* a rest of that capacity may stay with an idle connection */
    ack_payload_bytes = 13,
};

/* --- frames of a running connection */

static uint32_t method_id_of(struct bytes payload)
{
    return (uint32_t)payload.data[0] << 24 | (uint32_t)payload.data[1] << 16 |
           (uint32_t)payload.data[2] << 8 | payload.data[3];
}

static bool is_close(uint32_t method_id)
{
    return method_id == AMQP_CHANNEL_CLOSE || method_id == AMQP_CHANNEL_CLOSE_OK;
}

/* What the core will do with the channel, as far as frames depend on it. */
static void track_channel(struct connection *connection, uint16_t number,
                          struct net_channel *channel, uint32_t method_id)
{
    if (method_id == AMQP_CHANNEL_OPEN && number != 0)
        channels_open(connection, number);
    else if (method_id == AMQP_CHANNEL_CLOSE_OK && channel != NULL)
        channel->is_discarding = false;
}

/* Is the method one that opens a channel, and one too many? */
static bool may_open(const struct connection *connection, uint16_t number,
                     const struct net_channel *channel, uint32_t method_id,
                     struct amqp_error *error)
{
    const struct connection_host *host = connection->host;
    if (method_id != AMQP_CHANNEL_OPEN || number == 0 || channel != NULL ||
        host->allow_channel == NULL || host->allow_channel(host->context, error))
        return true;
    error->class_id = amqp_method_class(method_id);
    error->method_id = amqp_method_number(method_id);
    return false;
}

static void submit_method(struct connection *connection, uint16_t number,
                          struct net_channel *channel, struct bytes payload)
{
    struct amqp_error error = {0};
    struct command_method *method =
        command_method_decode(payload, connection->host->settings->table_depth_max, &error);
    if (method == NULL) {
        connection_fail(connection, &error);
        return;
    }
    if (!may_open(connection, number, channel, method->method.id, &error)) {
        free(method);
        connection_fail(connection, &error);
        return;
    }
    track_channel(connection, number, channel, method->method.id);
    connection_command(connection, COMMAND_METHOD, number)->method = method;
}

static void submit_ack(struct connection *connection, uint16_t number, struct bytes payload)
{
    uint64_t tag;
    memcpy(&tag, payload.data + 4, sizeof tag);
    struct command *command = connection_command(connection, COMMAND_ACK, number);
    command->tag = __builtin_bswap64(tag);
    command->multiple = (payload.data[ack_payload_bytes - 1] & 1) != 0;
}

static void on_method(struct connection *connection, uint16_t number, struct bytes payload)
{
    struct net_channel *channel = number != 0 ? channels_find(connection, number) : NULL;
    uint32_t method_id = method_id_of(payload);
    if (channel != NULL && channel->is_discarding && !is_close(method_id))
        return;
    if (channel != NULL && !amqp_content_is_idle(&channel->content)) {
        struct amqp_frame frame = {AMQP_FRAME_METHOD, number, payload};
        publish_on_frame(connection, channel, &frame);
    } else if (method_id == AMQP_BASIC_ACK && payload.size == ack_payload_bytes && number != 0) {
        submit_ack(connection, number, payload);
    } else if (method_id == AMQP_BASIC_PUBLISH && channel != NULL) {
        publish_on_method(connection, channel, payload);
    } else {
        submit_method(connection, number, channel, payload);
    }
}

/* Content of a channel that was never opened. */
static void on_stray_content(struct connection *connection)
{
    struct amqp_error error = {0};
    amqp_error_set(&error, AMQP_UNEXPECTED_FRAME,
                   "expected method frame, got non method frame instead");
    connection_fail(connection, &error);
}

static void on_frame(struct connection *connection, const struct amqp_frame *frame)
{
    if (frame->type == AMQP_FRAME_METHOD) {
        on_method(connection, frame->channel, frame->payload);
        return;
    }
    if (frame->type == AMQP_FRAME_HEARTBEAT)
        return;
    struct net_channel *channel = channels_find(connection, frame->channel);
    if (channel == NULL)
        on_stray_content(connection);
    else if (!channel->is_discarding)
        publish_on_frame(connection, channel, frame);
}

/* --- frames of a connection that ends */

static void close_without_session(struct connection *connection, uint32_t method_id)
{
    if (method_id == AMQP_CONNECTION_CLOSE)
        connection_send(connection, &(struct amqp_method){.id = AMQP_CONNECTION_CLOSE_OK});
}

static void on_frame_while_closing(struct connection *connection, const struct amqp_frame *frame)
{
    if (frame->type != AMQP_FRAME_METHOD || frame->channel != 0)
        return;
    uint32_t method_id = method_id_of(frame->payload);
    if (method_id == AMQP_CONNECTION_CLOSE_OK && connection->state == STATE_CLOSING)
        connection_end(connection);
    else if (method_id != AMQP_CONNECTION_CLOSE)
        return;
    else if (connection->session != NULL)
        submit_method(connection, 0, NULL, frame->payload);
    else
        close_without_session(connection, method_id);
}

/* --- parsing */

/* Frames but bodies are taken whole, so they must fit the buffer. */
size_t input_frame_max(const struct connection *connection)
{
    size_t whole_max = connection->host->input_size - AMQP_FRAME_OVERHEAD;
    return connection->frame_max == 0 || connection->frame_max > whole_max ? whole_max
                                                                           : connection->frame_max;
}

static size_t parse_slow(struct connection *connection, struct bytes input)
{
    struct amqp_frame frame;
    struct amqp_error error;
    size_t consumed = publish_begin_partial(connection, input);
    if (consumed > 0)
        return consumed;
    switch (amqp_frame_read(input, input_frame_max(connection), &frame, &consumed, &error)) {
    case AMQP_FRAME_COMPLETE:
        on_frame(connection, &frame);
        return consumed;
    case AMQP_FRAME_INCOMPLETE:
        return 0;
    case AMQP_FRAME_INVALID:
        connection->is_deaf = true;
        connection_fail(connection, &error);
        return input.size;
    }
    return 0;
}

static size_t parse_running(struct connection *connection, struct bytes input)
{
    size_t consumed;
    if (connection->partial.is_active)
        return publish_continue_partial(connection, input);
    consumed = publish_whole(connection, input);
    return consumed > 0 ? consumed : parse_slow(connection, input);
}

static size_t parse_closing(struct connection *connection, struct bytes input)
{
    struct amqp_frame frame;
    struct amqp_error error = {0};
    size_t consumed = 0;
    /* A partial body goes on being one: the framing stays. */
    if (connection->partial.is_active)
        return publish_continue_partial(connection, input);
    switch (amqp_frame_read(input, input_frame_max(connection), &frame, &consumed, &error)) {
    case AMQP_FRAME_COMPLETE:
        on_frame_while_closing(connection, &frame);
        return consumed;
    case AMQP_FRAME_INCOMPLETE:
        return 0;
    case AMQP_FRAME_INVALID:
        connection->is_deaf = true;
    }
    return input.size;
}

/* After a frame error nobody knows where the next frame starts; but a client that reads our close
 * answers it, and that is easy to recognise. */
static size_t parse_deaf(struct connection *connection, struct bytes input)
{
    static const uint8_t close_ok[] = {AMQP_FRAME_METHOD, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51,
                                       AMQP_FRAME_END};
    for (size_t at = 0; at + sizeof close_ok <= input.size; at++) {
        if (memcmp(input.data + at, close_ok, sizeof close_ok) != 0)
            continue;
        connection_end(connection);
        return input.size;
    }
    return input.size >= sizeof close_ok ? input.size - sizeof close_ok + 1 : 0;
}

/* One step: the bytes taken off the front, 0 where more is needed first. */
static size_t parse_step(struct connection *connection, struct bytes input)
{
    if (connection->is_deaf && connection->state == STATE_CLOSING)
        return parse_deaf(connection, input);
    switch ((enum connection_state)connection->state) {
    case STATE_RUNNING:
        return parse_running(connection, input);
    case STATE_CLOSING:
    case STATE_CLOSED:
        return parse_closing(connection, input);
    case STATE_REFUSED:
    case STATE_ENDING:
    case STATE_GONE:
        return input.size;
    default:
        return handshake_input(connection, input);
    }
}

/* Everything that is complete; returns how much was taken. */
static size_t parse(struct connection *connection, struct bytes input)
{
    size_t at = 0;
    while (at < input.size) {
        size_t taken = parse_step(connection, bytes_of(input.data + at, input.size - at));
        if (taken == 0)
            break;
        at += taken;
    }
    return at;
}

static void keep_rest(struct connection *connection, struct bytes rest)
{
    buffer_clear(&connection->rest);
    if (connection->state == STATE_GONE)
        return;
    if (rest.size == 0 && connection->rest.capacity > rest_kept_bytes)
        buffer_fini(&connection->rest);
    buffer_append_bytes(&connection->rest, rest);
}

void input_continue(struct connection *connection)
{
    struct buffer input = connection->rest;
    if (input.size == 0)
        return;
    connection->rest = (struct buffer){0};
    size_t taken = parse(connection, buffer_bytes(&input));
    keep_rest(connection, bytes_of(input.data + taken, input.size - taken));
    buffer_fini(&input);
}

/* --- reading */

static void on_end(struct connection *connection)
{
    switch ((enum connection_state)connection->state) {
    case STATE_RUNNING:
        connection_gone(connection, CONNECTION_NOTE_WARNING,
                        "client unexpectedly closed TCP connection");
        break;
    case STATE_HEADER:
    case STATE_CLOSING:
    case STATE_CLOSED:
    case STATE_REFUSED:
    case STATE_ENDING:
        connection_gone(connection, CONNECTION_NOTE_INFO, NULL);
        break;
    default:
        connection_gone(connection, CONNECTION_NOTE_WARNING,
                        "client closed TCP connection during the handshake");
    }
}

static void on_failure(struct connection *connection)
{
    bool is_running = connection->state == STATE_RUNNING || connection->is_tls;
    connection_gone(connection, CONNECTION_NOTE_WARNING,
                    is_running ? stream_failure(&connection->stream) : NULL);
}

/* How much may be in the buffer. Before the login that is no more than a frame: while a back end is
 * asked about a client, what it has sent meanwhile is kept, and there may be many who have proven
 * nothing yet. */
static size_t input_size_max(const struct connection *connection)
{
    size_t frame_size_max = input_frame_max(connection) + AMQP_FRAME_OVERHEAD;
    bool is_unknown = connection->session == NULL && connection->rest.size < frame_size_max;
    return is_unknown ? frame_size_max : connection->host->input_size;
}

static struct iovec input_space(struct connection *connection)
{
    struct connection_host *host = connection->host;
    size_t rest = connection->rest.size;
    if (rest > 0)
        memcpy(host->input, connection->rest.data, rest);
    size_t size = input_size_max(connection) - rest;
    return (struct iovec){host->input + rest, size < host->input_share ? size : host->input_share};
}

void input_read(struct connection *connection)
{
    if (connection->state == STATE_PROXY) {
        proxy_read(connection);
        return;
    }
    struct iovec parts[2] = {publish_partial_space(connection), input_space(connection)};
    bool is_direct = parts[0].iov_len > 0;
    connection->host->readers++;
    ssize_t size = stream_read(&connection->stream, parts + !is_direct, 1 + is_direct);
    if (size == STREAM_END)
        on_end(connection);
    else if (size == STREAM_FAILED)
        on_failure(connection);
    if (size <= 0)
        return;
    size_t read = (size_t)size;
    size_t direct = read < parts[0].iov_len ? read : parts[0].iov_len;
    connection->read_bytes += read;
    connection->read_count++;
    if (is_direct)
        publish_partial_read(connection, direct);
    size_t filled = connection->rest.size + read - direct;
    const uint8_t *input = connection->host->input;
    size_t taken = parse(connection, bytes_of(input, filled));
    keep_rest(connection, bytes_of(input + taken, filled - taken));
}
