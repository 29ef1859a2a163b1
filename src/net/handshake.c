/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the first byte to the session: protocol header, start, SASL, tune, open. Nothing of it
 * concerns the core; the host knows users and vhosts, and may answer later.
 *
 * What RabbitMQ does is done here too, the silence included. A peer that breaks the rules before it
 * has logged in learns nothing: its connection is closed after refusal_delay_ms without a word. A
 * wrong password is told to those who announced that they understand it, and closed as late. Only
 * connection.open is answered at once, since who asks is known then.
 *
 * A client may send everything up to its first publish in one write: each step takes its frame off
 * the input and leaves the rest to the next state.
 */
#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "base/check.h"
#include "broker/vhost.h"
#include "net/net_internal.h"

static bool tune_in_bounds(uint32_t offered, uint32_t wanted, uint32_t lowest)
{
    if (wanted != 0 && wanted < lowest)
        return false;
    return offered == 0 || (wanted != 0 && wanted <= offered);
}

void handshake_refuse(struct connection *connection, const char *reason)
{
    connection_note(connection, CONNECTION_NOTE_ERROR, reason);
    connection->state = STATE_REFUSED;
    heartbeat_set_deadline(connection,
                           connection->host->now_ms + connection->host->settings->refusal_delay_ms);
}

/* --- the protocol header */

static bool is_version(struct bytes header, const char *version)
{
    return memcmp(header.data, "AMQP", 4) == 0 && memcmp(header.data + 4, version, 4) == 0;
}

static void send_start(struct connection *connection)
{
    struct connection_host *host = connection->host;
    struct buffer mechanisms = {0}, properties = {0};
    if (host->server_properties != NULL)
        host->server_properties(host->context, &properties);
    host->mechanisms(host->context, connection, &mechanisms);
    struct amqp_method start = {
        .id = AMQP_CONNECTION_START,
        .connection_start = {.version_major = 0,
                             .version_minor = 9,
                             .server_properties = buffer_bytes(&properties),
                             .mechanisms = buffer_bytes(&mechanisms),
                             .locales = bytes_of_text("en_US")},
    };
    connection_send(connection, &start);
    buffer_fini(&mechanisms);
    buffer_fini(&properties);
    connection->state = STATE_START;
}

/* 0-9 is what clients older than 0-9-1 ask for, and the same on the wire. */
static size_t on_header(struct connection *connection, struct bytes input)
{
    if (input.size < AMQP_PROTOCOL_HEADER_SIZE)
        return 0;
    if (is_version(input, "\0\0\x09\1") || is_version(input, "\1\1\0\x09")) {
        connection_note(connection, CONNECTION_NOTE_INFO, "accepted");
        send_start(connection);
        return AMQP_PROTOCOL_HEADER_SIZE;
    }
    size_t before = connection->output.data.size;
    connection_note(connection, CONNECTION_NOTE_ERROR, "unsupported protocol header");
    amqp_frame_write_protocol_header(&connection->output.data);
    output_appended(&connection->output, before);
    connection_end(connection);
    return input.size;
}

/* --- start-ok and SASL */

static void keep_text(struct buffer *buffer, struct bytes text)
{
    buffer_clear(buffer);
    buffer_append_bytes(buffer, text);
    buffer_append_u8(buffer, 0);
}

static struct bytes kept_text(const struct buffer *buffer)
{
    return bytes_of(buffer->data, buffer->size > 0 ? buffer->size - 1 : 0);
}

static bool is_true(struct bytes capabilities, const char *name)
{
    struct amqp_value value;
    return amqp_table_find(capabilities, name, &value) && value.type == AMQP_TYPE_BOOL &&
           value.boolean;
}

static void read_client_properties(struct connection *connection, struct bytes properties)
{
    struct amqp_value value;
    buffer_append_bytes(&connection->client_properties, properties);
    if (amqp_table_find(properties, "connection_name", &value) && value.type == AMQP_TYPE_LONGSTR) {
        free(connection->client_name);
        connection->client_name = bytes_to_text(value.bytes);
    }
    if (!amqp_table_find(properties, "capabilities", &value) || value.type != AMQP_TYPE_TABLE)
        return;
    connection->has_close_on_failure = is_true(value.bytes, "authentication_failure_close");
    connection->has_cancel_notify = is_true(value.bytes, "consumer_cancel_notify");
    connection->has_blocked_notify = is_true(value.bytes, "connection.blocked");
}

static void on_login_ok(struct connection *connection, struct login_answer *answer)
{
    const struct net_settings *settings = connection->host->settings;
    struct amqp_method tune = {
        .id = AMQP_CONNECTION_TUNE,
        .connection_tune = {.channel_max = settings->channel_max,
                            .frame_max = settings->frame_max,
                            .heartbeat = settings->heartbeat_s},
    };
    keep_text(&connection->user, buffer_bytes(&answer->user));
    connection->can_impersonate = answer->can_impersonate;
    connection->asks_access = answer->asks_access;
    connection->state = STATE_TUNE;
    connection_send(connection, &tune);
}

static void on_login_refused(struct connection *connection)
{
    struct amqp_error error = {0};
    amqp_error_set(&error, AMQP_ACCESS_REFUSED,
                   "Login was refused using authentication mechanism %s. For details see the "
                   "broker logfile.",
                   (const char *)connection->mechanism.data);
    if (connection->has_close_on_failure)
        connection_send_close(connection, &error);
    handshake_refuse(connection, error.text);
}

static void on_login_more(struct connection *connection, const struct login_answer *answer)
{
    struct amqp_method secure = {
        .id = AMQP_CONNECTION_SECURE,
        .connection_secure = {.challenge = buffer_bytes(&answer->challenge)},
    };
    connection->state = STATE_SECURE;
    connection_send(connection, &secure);
}

static void on_login_result(struct connection *connection, enum login_result result,
                            struct login_answer *answer)
{
    switch (result) {
    case LOGIN_OK:
        on_login_ok(connection, answer);
        break;
    case LOGIN_REFUSED:
        on_login_refused(connection);
        break;
    case LOGIN_MALFORMED:
        handshake_refuse(connection, "unknown SASL mechanism or malformed response");
        break;
    case LOGIN_MORE:
        on_login_more(connection, answer);
        break;
    case LOGIN_PENDING:
        connection->state = STATE_LOGIN;
        connection_pause(connection, PAUSE_PENDING);
    }
    buffer_fini(&answer->user);
    buffer_fini(&answer->challenge);
}

/* second NULL: nothing was asked yet. */
static void log_in(struct connection *connection, struct bytes response, const struct bytes *second)
{
    struct connection_host *host = connection->host;
    struct login_answer answer = {0};
    struct buffer peer_name = {0};
    if (connection->stream.tls != NULL)
        tls_peer_name(connection->stream.tls, &peer_name);
    struct login_request request = {
        .connection = connection,
        .mechanism = kept_text(&connection->mechanism),
        .response = response,
        .second_response = second != NULL ? *second : bytes_of(NULL, 0),
        .has_second_response = second != NULL,
        .peer_name = buffer_bytes(&peer_name),
        .is_loopback = connection->is_loopback,
    };
    enum login_result result = host->login(host->context, &request, &answer);
    if (result == LOGIN_MORE)
        buffer_append_bytes(&connection->first_response, response);
    buffer_fini(&peer_name);
    on_login_result(connection, result, &answer);
}

void connection_login_done(struct connection *connection, enum login_result result,
                           struct login_answer *answer)
{
    if (connection->state != STATE_LOGIN) {
        buffer_fini(&answer->user);
        buffer_fini(&answer->challenge);
        return;
    }
    CHECK(result != LOGIN_PENDING);
    on_login_result(connection, result, answer);
    connection_resume(connection, PAUSE_PENDING);
    input_continue(connection);
}

static void on_start_ok(struct connection *connection, const struct amqp_method *method)
{
    const struct amqp_connection_start_ok *start_ok = &method->connection_start_ok;
    read_client_properties(connection, start_ok->client_properties);
    keep_text(&connection->mechanism, start_ok->mechanism);
    log_in(connection, start_ok->response, NULL);
}

static void on_secure_ok(struct connection *connection, const struct amqp_method *method)
{
    log_in(connection, buffer_bytes(&connection->first_response),
           &method->connection_secure_ok.response);
}

/* --- tune */

static void on_tune_ok(struct connection *connection, const struct amqp_method *method)
{
    const struct net_settings *settings = connection->host->settings;
    const struct amqp_connection_tune_ok *tune_ok = &method->connection_tune_ok;
    buffer_fini(&connection->first_response);
    if (!tune_in_bounds(settings->frame_max, tune_ok->frame_max, AMQP_FRAME_MAX_MIN) ||
        !tune_in_bounds(settings->channel_max, tune_ok->channel_max, 1)) {
        handshake_refuse(connection, "failed to negotiate connection parameters");
        return;
    }
    connection->frame_max = tune_ok->frame_max;
    connection->channel_max = tune_ok->channel_max;
    connection->heartbeat_s = tune_ok->heartbeat;
    connection->state = STATE_OPEN;
    heartbeat_start(connection);
}

/* --- open */

static void open_session(struct connection *connection, struct vhost_gate *gate)
{
    uint16_t channel_max = connection->channel_max;
    struct session_config config = {
        .reactor = connection->host->reactor,
        .connection = connection->handle,
        .user = (const char *)connection->user.data,
        .name = connection->name,
        .channel_max = channel_max != 0 ? channel_max : UINT16_MAX,
        .output_bytes = connection->host->settings->output_bytes,
        .has_cancel_notify = connection->has_cancel_notify,
        .has_blocked_notify = connection->has_blocked_notify,
        .can_impersonate = connection->can_impersonate,
        .asks_access = connection->asks_access,
    };
    connection->gate = gate;
    if (connection->host->opening != NULL)
        connection->host->opening(connection->host->context, connection, &config);
    connection->session = session_new(&config);
    connection->state = STATE_RUNNING;
    connection->deadline_ms = UINT64_MAX;
    connection_command(connection, COMMAND_SESSION_OPEN, 0);
}

static void refuse_vhost(struct connection *connection, const struct amqp_error *reason)
{
    struct amqp_error error = *reason;
    error.class_id = amqp_method_class(AMQP_CONNECTION_OPEN);
    error.method_id = amqp_method_number(AMQP_CONNECTION_OPEN);
    connection_fail(connection, &error);
}

static void on_open(struct connection *connection, const struct amqp_method *method)
{
    struct connection_host *host = connection->host;
    struct amqp_error error = {0};
    struct vhost_gate *gate =
        host->open_vhost(host->context, connection, (const char *)connection->user.data,
                         method->connection_open.virtual_host, &error);
    if (gate != NULL) {
        open_session(connection, gate);
    } else if (error.code != 0) {
        refuse_vhost(connection, &error);
    } else {
        connection->state = STATE_VHOST;
        connection_pause(connection, PAUSE_PENDING);
    }
}

void connection_vhost_done(struct connection *connection, struct vhost_gate *gate,
                           const struct amqp_error *error)
{
    /* The host keeps what it has given; connection_gate tells it that. */
    if (connection->state != STATE_VHOST) {
        connection->gate = gate;
        return;
    }
    if (gate != NULL)
        open_session(connection, gate);
    else
        refuse_vhost(connection, error);
    connection_resume(connection, PAUSE_PENDING);
    input_continue(connection);
}

/* A client that gives up before it has opened a vhost. */
static void on_close(struct connection *connection, const struct amqp_method *method)
{
    (void)method;
    connection_send(connection, &(struct amqp_method){.id = AMQP_CONNECTION_CLOSE_OK});
    connection_await_close(connection, STATE_CLOSED);
}

/* --- dispatching */

static const struct {
    uint8_t state;
    uint32_t method_id;
    void (*handler)(struct connection *connection, const struct amqp_method *method);
} steps[] = {
    {STATE_START, AMQP_CONNECTION_START_OK, on_start_ok},
    {STATE_SECURE, AMQP_CONNECTION_SECURE_OK, on_secure_ok},
    {STATE_TUNE, AMQP_CONNECTION_TUNE_OK, on_tune_ok},
    {STATE_OPEN, AMQP_CONNECTION_OPEN, on_open},
    {STATE_OPEN, AMQP_CONNECTION_CLOSE, on_close},
};

static void on_method(struct connection *connection, const struct amqp_method *method)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].state == connection->state && steps[i].method_id == method->id) {
            steps[i].handler(connection, method);
            return;
        }
    }
    handshake_refuse(connection, "unexpected method during the handshake");
}

static void on_frame(struct connection *connection, const struct amqp_frame *frame)
{
    struct amqp_method method;
    struct amqp_error error = {0};
    if (frame->type == AMQP_FRAME_HEARTBEAT)
        return;
    if (frame->type != AMQP_FRAME_METHOD || frame->channel != 0)
        handshake_refuse(connection, "unexpected frame during the handshake");
    else if (!amqp_method_decode_limited(&method, frame->payload,
                                         connection->host->settings->table_depth_max, &error))
        handshake_refuse(connection, error.text);
    else
        on_method(connection, &method);
}

size_t handshake_input(struct connection *connection, struct bytes input)
{
    struct amqp_frame frame;
    struct amqp_error error = {0};
    size_t consumed = 0;
    if (connection->state == STATE_HEADER)
        return on_header(connection, input);
    if (connection->state == STATE_LOGIN || connection->state == STATE_VHOST)
        return 0;
    switch (amqp_frame_read(input, input_frame_max(connection), &frame, &consumed, &error)) {
    case AMQP_FRAME_COMPLETE:
        on_frame(connection, &frame);
        return consumed;
    case AMQP_FRAME_INCOMPLETE:
        return 0;
    case AMQP_FRAME_INVALID:
        handshake_refuse(connection, error.text);
    }
    return input.size;
}
