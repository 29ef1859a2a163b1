/* SPDX-License-Identifier: Apache-2.0 */
/*
 * librabbitmq as the tests use it: every call that can go wrong ends the test with a reason.
 *
 * The library hands out memory that lives until the buffers of a connection are released; what a
 * test keeps is therefore copied. Names are kept in a small table for the life of the process,
 * which is that of one test, and what was declared under them is deleted by an exit handler
 * through a connection of its own, since that of the test may be closed, blocked or broken.
 */
#include "client.h"

#include "harness.h"

#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define NAMES_MAX 600
#define WAIT_S 20

struct declared {
    char name[200];
    bool is_queue;
    bool is_exchange;
};

static struct declared names[NAMES_MAX];
static unsigned int name_count;

/* --- connections ------------------------------------------------------------------------- */

static const char *or_environment(const char *value, const char *name)
{
    return value != NULL ? value : harness_environment(name);
}

static amqp_socket_t *new_tls_socket(const struct client_options *options,
                                     amqp_connection_state_t connection)
{
    amqp_socket_t *socket = amqp_ssl_socket_new(connection);

    if (socket == NULL ||
        amqp_ssl_socket_set_cacert(socket, or_environment(options->ca_file, "AMQP_CA_FILE"))) {
        test_fail("cannot make a TLS socket");
    }
    amqp_ssl_socket_set_verify_peer(socket, 1);
    amqp_ssl_socket_set_verify_hostname(socket, 1);
    if (options->has_certificate &&
        amqp_ssl_socket_set_key(socket, harness_environment("AMQP_CLIENT_CERT"),
                                harness_environment("AMQP_CLIENT_KEY"))) {
        test_fail("cannot use the client's certificate");
    }
    return socket;
}

static int open_socket(const struct client_options *options, amqp_connection_state_t connection)
{
    struct timeval timeout = {.tv_sec = WAIT_S};
    const char *port = options->is_tls ? "AMQP_TLS_PORT" : "AMQP_PORT";
    amqp_socket_t *socket =
        options->is_tls ? new_tls_socket(options, connection) : amqp_tcp_socket_new(connection);

    amqp_set_handshake_timeout(connection, &timeout);
    amqp_set_rpc_timeout(connection, &timeout);
    return amqp_socket_open_noblock(
        socket, options->is_tls ? "localhost" : harness_environment("AMQP_HOST"),
        atoi(harness_environment(port)), &timeout);
}

amqp_rpc_reply_t client_login(const struct client_options *options,
                              amqp_connection_state_t *connection)
{
    const char *vhost = or_environment(options->vhost, "AMQP_VHOST");
    const char *user = or_environment(options->user, "AMQP_USER");
    int frame_max = options->frame_max != 0 ? options->frame_max : AMQP_DEFAULT_FRAME_SIZE;

    *connection = amqp_new_connection();
    int status = open_socket(options, *connection);
    if (status != AMQP_STATUS_OK) {
        return (amqp_rpc_reply_t){.reply_type = AMQP_RESPONSE_LIBRARY_EXCEPTION,
                                  .library_error = status};
    }
    if (options->is_external) {
        return amqp_login(*connection, vhost, options->channel_max, frame_max, options->heartbeat_s,
                          AMQP_SASL_METHOD_EXTERNAL, user);
    }
    return amqp_login(*connection, vhost, options->channel_max, frame_max, options->heartbeat_s,
                      AMQP_SASL_METHOD_PLAIN, user,
                      or_environment(options->password, "AMQP_PASSWORD"));
}

static void check_reply(amqp_rpc_reply_t reply, const char *what)
{
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        test_fail("%s: %s", what, amqp_error_string2(reply.library_error));
    }
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
        amqp_channel_close_t *close = reply.reply.decoded; /* the same fields in both classes */
        test_fail("%s: %u %.*s", what, close->reply_code, (int)close->reply_text.len,
                  (char *)close->reply_text.bytes);
    }
}

amqp_connection_state_t client_open_with(const struct client_options *options)
{
    amqp_connection_state_t connection;

    check_reply(client_login(options, &connection), "login");
    client_open_channel(connection, CHANNEL);
    return connection;
}

amqp_connection_state_t client_open(void)
{
    return client_open_with(&(struct client_options){0});
}

void client_close(amqp_connection_state_t connection)
{
    check_reply(amqp_connection_close(connection, AMQP_REPLY_SUCCESS), "connection.close");
    client_abandon(connection);
}

void client_abandon(amqp_connection_state_t connection)
{
    amqp_destroy_connection(connection);
}

void client_open_channel(amqp_connection_state_t connection, amqp_channel_t channel)
{
    amqp_channel_open(connection, channel);
    client_check(connection, "channel.open");
}

/* --- replies ----------------------------------------------------------------------------- */

void client_check(amqp_connection_state_t connection, const char *what)
{
    check_reply(amqp_get_rpc_reply(connection), what);
}

static void expect_reply(amqp_rpc_reply_t reply, amqp_method_number_t method, uint16_t code,
                         const char *text)
{
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        test_fail("expected %u, got: %s", code, amqp_error_string2(reply.library_error));
    }
    if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION) {
        test_fail("expected %u, got no error", code);
    }
    amqp_channel_close_t *close = reply.reply.decoded; /* the same fields in both classes */
    expect_number("reply code", close->reply_code, code);
    expect_bytes("reply text", close->reply_text.bytes, close->reply_text.len, text);
    expect_true(reply.reply.id == method, "closed the connection instead of the channel, or not");
}

void client_expect_channel_closed(amqp_connection_state_t connection, uint16_t code,
                                  const char *format, ...)
{
    char text[1024];
    amqp_channel_close_ok_t ok = {0};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    expect_reply(amqp_get_rpc_reply(connection), AMQP_CHANNEL_CLOSE_METHOD, code, text);
    amqp_send_method(connection, CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
}

void client_expect_connection_closed(amqp_rpc_reply_t reply, uint16_t code, const char *text)
{
    expect_reply(reply, AMQP_CONNECTION_CLOSE_METHOD, code, text);
}

void *client_wait_method(amqp_connection_state_t connection, amqp_method_number_t method)
{
    struct timeval timeout = {.tv_sec = WAIT_S};
    amqp_frame_t frame;
    int status = amqp_simple_wait_frame_noblock(connection, &frame, &timeout);

    if (status != AMQP_STATUS_OK) {
        test_fail("waiting for %s: %s", amqp_method_name(method), amqp_error_string2(status));
    }
    if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != method) {
        test_fail("expected %s, got a frame of type %u, method %s", amqp_method_name(method),
                  frame.frame_type,
                  frame.frame_type == AMQP_FRAME_METHOD ? amqp_method_name(frame.payload.method.id)
                                                        : "none");
    }
    return frame.payload.method.decoded;
}

bool client_is_quiet(amqp_connection_state_t connection, unsigned int milliseconds)
{
    struct timeval timeout = {.tv_sec = milliseconds / 1000,
                              .tv_usec = (suseconds_t)(milliseconds % 1000) * 1000};
    amqp_frame_t frame;

    return amqp_simple_wait_frame_noblock(connection, &frame, &timeout) == AMQP_STATUS_TIMEOUT;
}

const amqp_field_value_t *client_find(const amqp_table_t *table, const char *key)
{
    for (int i = 0; i < table->num_entries; i++) {
        const amqp_table_entry_t *entry = &table->entries[i];
        if (entry->key.len == strlen(key) && memcmp(entry->key.bytes, key, entry->key.len) == 0) {
            return &entry->value;
        }
    }
    return NULL;
}

/* --- names ------------------------------------------------------------------------------- */

static void delete_declared(void)
{
    amqp_connection_state_t connection;
    bool is_needed = false;

    for (unsigned int i = 0; i < name_count; i++) {
        is_needed = is_needed || names[i].is_queue || names[i].is_exchange;
    }
    if (!is_needed ||
        client_login(&(struct client_options){0}, &connection).reply_type != AMQP_RESPONSE_NORMAL) {
        return;
    }
    amqp_channel_open(connection, CHANNEL);
    for (unsigned int i = 0; i < name_count; i++) {
        if (names[i].is_queue) {
            amqp_queue_delete(connection, CHANNEL, amqp_cstring_bytes(names[i].name), 0, 0);
        }
        if (names[i].is_exchange) {
            amqp_exchange_delete(connection, CHANNEL, amqp_cstring_bytes(names[i].name), 0);
        }
    }
    amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(connection);
}

static struct declared *new_name(void)
{
    if (name_count == 0) {
        atexit(delete_declared);
    }
    expect_true(name_count < NAMES_MAX, "too many names");
    return &names[name_count++];
}

const char *client_unique(const char *what)
{
    struct declared *entry = new_name();

    snprintf(entry->name, sizeof entry->name, "interop.c.%s.%ld.%llu.%u", what, (long)getpid(),
             (unsigned long long)harness_now_ms(), name_count);
    return entry->name;
}

const char *client_queue(amqp_connection_state_t connection, bool is_durable)
{
    const char *name = client_unique("queue");

    amqp_queue_declare(connection, CHANNEL, amqp_cstring_bytes(name), 0, is_durable, 0, 0,
                       amqp_empty_table);
    client_check(connection, "queue.declare");
    names[name_count - 1].is_queue = true;
    return name;
}

const char *client_exchange(amqp_connection_state_t connection, const char *type, bool is_durable)
{
    const char *name = client_unique(type);

    amqp_exchange_declare(connection, CHANNEL, amqp_cstring_bytes(name), amqp_cstring_bytes(type),
                          0, is_durable, 0, 0, amqp_empty_table);
    client_check(connection, "exchange.declare");
    names[name_count - 1].is_exchange = true;
    return name;
}

const char *client_exclusive_queue(amqp_connection_state_t connection)
{
    struct declared *entry = new_name();
    amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(connection, CHANNEL, amqp_empty_bytes, 0, 0, 1, 0, amqp_empty_table);

    client_check(connection, "queue.declare");
    snprintf(entry->name, sizeof entry->name, "%.*s", (int)ok->queue.len, (char *)ok->queue.bytes);
    return entry->name;
}

/* --- messages ---------------------------------------------------------------------------- */

void client_publish(amqp_connection_state_t connection, const char *exchange, const char *key,
                    const amqp_basic_properties_t *properties, const char *body)
{
    int status =
        amqp_basic_publish(connection, CHANNEL, amqp_cstring_bytes(exchange),
                           amqp_cstring_bytes(key), 0, 0, properties, amqp_cstring_bytes(body));

    if (status != AMQP_STATUS_OK) {
        test_fail("basic.publish: %s", amqp_error_string2(status));
    }
}

void client_select_confirms(amqp_connection_state_t connection)
{
    amqp_confirm_select(connection, CHANNEL);
    client_check(connection, "confirm.select");
}

void client_publish_confirmed(amqp_connection_state_t connection, const char *exchange,
                              const char *key, const amqp_basic_properties_t *properties,
                              const char *body)
{
    client_publish(connection, exchange, key, properties, body);
    client_wait_method(connection, AMQP_BASIC_ACK_METHOD);
}

const char *client_consume(amqp_connection_state_t connection, const char *queue, bool no_ack)
{
    struct declared *entry = new_name();
    amqp_basic_consume_ok_t *ok =
        amqp_basic_consume(connection, CHANNEL, amqp_cstring_bytes(queue), amqp_empty_bytes, 0,
                           no_ack, 0, amqp_empty_table);

    client_check(connection, "basic.consume");
    snprintf(entry->name, sizeof entry->name, "%.*s", (int)ok->consumer_tag.len,
             (char *)ok->consumer_tag.bytes);
    return entry->name;
}

static void copy_text(char *to, size_t to_bytes, amqp_bytes_t from)
{
    snprintf(to, to_bytes, "%.*s", (int)from.len, (char *)from.bytes);
}

void client_receive(amqp_connection_state_t connection, struct client_message *message)
{
    struct timeval timeout = {.tv_sec = WAIT_S};
    amqp_envelope_t envelope;

    amqp_maybe_release_buffers(connection);
    check_reply(amqp_consume_message(connection, &envelope, &timeout, 0), "delivery");
    *message = (struct client_message){.delivery_tag = envelope.delivery_tag,
                                       .is_redelivered = envelope.redelivered,
                                       .content = envelope.message};
    copy_text(message->exchange, sizeof message->exchange, envelope.exchange);
    copy_text(message->routing_key, sizeof message->routing_key, envelope.routing_key);
    amqp_bytes_free(envelope.exchange);
    amqp_bytes_free(envelope.routing_key);
    amqp_bytes_free(envelope.consumer_tag);
}

bool client_get(amqp_connection_state_t connection, const char *queue, bool no_ack,
                struct client_message *message)
{
    amqp_maybe_release_buffers(connection);
    amqp_rpc_reply_t reply = amqp_basic_get(connection, CHANNEL, amqp_cstring_bytes(queue), no_ack);
    check_reply(reply, "basic.get");
    if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) {
        return false;
    }
    amqp_basic_get_ok_t *ok = reply.reply.decoded;
    *message = (struct client_message){.delivery_tag = ok->delivery_tag,
                                       .message_count = ok->message_count,
                                       .is_redelivered = ok->redelivered};
    copy_text(message->exchange, sizeof message->exchange, ok->exchange);
    copy_text(message->routing_key, sizeof message->routing_key, ok->routing_key);
    check_reply(amqp_read_message(connection, CHANNEL, &message->content, 0), "content");
    return true;
}

void client_message_free(struct client_message *message)
{
    amqp_destroy_message(&message->content);
}

uint32_t client_message_count(amqp_connection_state_t connection, const char *queue)
{
    amqp_queue_declare_ok_t *ok = amqp_queue_declare(connection, CHANNEL, amqp_cstring_bytes(queue),
                                                     1, 0, 0, 0, amqp_empty_table);

    client_check(connection, "passive queue.declare");
    return ok->message_count;
}

void client_expect_count(amqp_connection_state_t connection, const char *queue, uint32_t count)
{
    uint64_t deadline_ms = harness_now_ms() + WAIT_S * 1000;
    uint32_t got;

    while ((got = client_message_count(connection, queue)) != count) {
        if (harness_now_ms() > deadline_ms) {
            expect_number("messages", got, count);
        }
        usleep(10000);
    }
}

void client_expect_message(amqp_connection_state_t connection, const char *queue, const char *body)
{
    struct client_message message;
    uint64_t deadline_ms = harness_now_ms() + WAIT_S * 1000;

    /* A message that another connection published may be on its way still. */
    while (!client_get(connection, queue, true, &message)) {
        if (harness_now_ms() > deadline_ms) {
            test_fail("expected message '%s', the queue is empty", body);
        }
        usleep(10000);
    }
    expect_bytes("body", message.content.body.bytes, message.content.body.len, body);
    client_message_free(&message);
}
