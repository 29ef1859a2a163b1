/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same broker through librabbitmq, RabbitMQ's C client: what its users do, over plain TCP and
 * over TLS.
 *
 * The raw client shows that the bytes are right; this shows that a client which others wrote thinks
 * so too.
 */
#include "broker_test.h"

#include <amqp.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct timeval patience = {.tv_sec = RAW_DEADLINE_MS / 1000};

static void expect_normal(amqp_rpc_reply_t reply)
{
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        fail_msg("librabbitmq: %s", amqp_error_string2(reply.library_error));
    assert_int_equal(reply.reply_type, AMQP_RESPONSE_NORMAL);
}

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value == NULL ? otherwise : value;
}

static void connect_plain(amqp_socket_t *socket)
{
    assert_non_null(socket);
    assert_int_equal(amqp_socket_open(socket, environment("AMQP_HOST", "localhost"),
                                      atoi(environment("AMQP_PORT", "5672"))),
                     AMQP_STATUS_OK);
}

static amqp_connection_state_t log_in(amqp_connection_state_t c)
{
    expect_normal(amqp_login(c, "/", 0, 131072, 10, AMQP_SASL_METHOD_PLAIN, "guest", "guest"));
    amqp_channel_open(c, 1);
    expect_normal(amqp_get_rpc_reply(c));
    return c;
}

static amqp_connection_state_t open_plain(void)
{
    amqp_connection_state_t c = amqp_new_connection();

    connect_plain(amqp_tcp_socket_new(c));
    return log_in(c);
}

static amqp_connection_state_t open_tls(void)
{
    amqp_connection_state_t c = amqp_new_connection();
    amqp_socket_t *socket = amqp_ssl_socket_new(c);

    assert_non_null(socket);
    assert_int_equal(amqp_ssl_socket_set_cacert(socket, getenv("AMQP_CA_FILE")), AMQP_STATUS_OK);
    amqp_ssl_socket_set_verify_peer(socket, 1);
    amqp_ssl_socket_set_verify_hostname(socket, 1);
    /* By name: this version compares the host with the names of a certificate, not with its
     * addresses. */
    assert_int_equal(amqp_socket_open(socket, "localhost", atoi(getenv("AMQP_TLS_PORT"))),
                     AMQP_STATUS_OK);
    return log_in(c);
}

static void end(amqp_connection_state_t c)
{
    expect_normal(amqp_channel_close(c, 1, AMQP_REPLY_SUCCESS));
    expect_normal(amqp_connection_close(c, AMQP_REPLY_SUCCESS));
    assert_int_equal(amqp_destroy_connection(c), AMQP_STATUS_OK);
}

static amqp_bytes_t declare(amqp_connection_state_t c)
{
    amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(c, 1, amqp_empty_bytes, 0, 0, 1, 1, amqp_empty_table);

    expect_normal(amqp_get_rpc_reply(c));
    return amqp_bytes_malloc_dup(ok->queue);
}

static void consume(amqp_connection_state_t c, amqp_bytes_t queue, bool no_ack)
{
    amqp_basic_consume(c, 1, queue, amqp_empty_bytes, 0, no_ack, 0, amqp_empty_table);
    expect_normal(amqp_get_rpc_reply(c));
}

static amqp_envelope_t receive(amqp_connection_state_t c)
{
    amqp_envelope_t envelope;
    struct timeval wait = patience;

    amqp_maybe_release_buffers(c);
    expect_normal(amqp_consume_message(c, &envelope, &wait, 0));
    return envelope;
}

static void publish_and_consume(amqp_connection_state_t c)
{
    amqp_bytes_t queue = declare(c);
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                  AMQP_BASIC_CORRELATION_ID_FLAG,
        .content_type = amqp_cstring_bytes("text/plain"),
        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
        .correlation_id = amqp_cstring_bytes("id-1"),
    };

    consume(c, queue, false);
    for (int i = 0; i < 100; i++)
        assert_int_equal(amqp_basic_publish(c, 1, amqp_empty_bytes, queue, 0, 0, &properties,
                                            amqp_cstring_bytes("hello")),
                         AMQP_STATUS_OK);
    for (int i = 0; i < 100; i++) {
        amqp_envelope_t envelope = receive(c);
        assert_int_equal(envelope.delivery_tag, i + 1);
        assert_int_equal(envelope.message.body.len, 5);
        assert_memory_equal(envelope.message.body.bytes, "hello", 5);
        assert_int_equal(envelope.message.properties.delivery_mode, AMQP_DELIVERY_PERSISTENT);
        assert_int_equal(amqp_basic_ack(c, 1, envelope.delivery_tag, 0), AMQP_STATUS_OK);
        amqp_destroy_envelope(&envelope);
    }
    amqp_bytes_free(queue);
    end(c);
}

static void publishes_and_consumes(const void *row)
{
    (void)row;
    publish_and_consume(open_plain());
}

static void publishes_and_consumes_over_tls(const void *row)
{
    (void)row;
    broker_test_need("AMQP_TLS_PORT");
    publish_and_consume(open_tls());
}

static void several_megabytes_pass(const void *row)
{
    amqp_connection_state_t c = open_plain();
    amqp_bytes_t queue = declare(c);
    amqp_bytes_t body = amqp_bytes_malloc(6u << 20);

    (void)row;
    for (size_t i = 0; i < body.len; i++)
        ((uint8_t *)body.bytes)[i] = (uint8_t)(i % 253);
    consume(c, queue, true);
    assert_int_equal(amqp_basic_publish(c, 1, amqp_empty_bytes, queue, 0, 0, NULL, body),
                     AMQP_STATUS_OK);
    amqp_envelope_t envelope = receive(c);
    assert_int_equal(envelope.message.body.len, body.len);
    assert_memory_equal(envelope.message.body.bytes, body.bytes, body.len);
    amqp_destroy_envelope(&envelope);
    amqp_bytes_free(body);
    amqp_bytes_free(queue);
    end(c);
}

static void confirms_arrive(const void *row)
{
    amqp_connection_state_t c = open_plain();
    amqp_bytes_t queue = declare(c);
    uint64_t settled_count = 0;

    (void)row;
    amqp_confirm_select(c, 1);
    expect_normal(amqp_get_rpc_reply(c));
    for (int i = 0; i < 50; i++)
        amqp_basic_publish(c, 1, amqp_empty_bytes, queue, 0, 0, NULL, amqp_cstring_bytes("m"));
    while (settled_count < 50) {
        amqp_frame_t frame;
        struct timeval wait = patience;
        assert_int_equal(amqp_simple_wait_frame_noblock(c, &frame, &wait), AMQP_STATUS_OK);
        assert_int_equal(frame.payload.method.id, AMQP_BASIC_ACK_METHOD);
        const amqp_basic_ack_t *ack = frame.payload.method.decoded;
        settled_count = ack->multiple ? ack->delivery_tag : settled_count + 1;
    }
    amqp_bytes_free(queue);
    end(c);
}

static void unroutable_is_returned(const void *row)
{
    amqp_connection_state_t c = open_plain();
    struct timeval wait = patience;
    amqp_frame_t frame;
    amqp_message_t message;

    (void)row;
    amqp_basic_publish(c, 1, amqp_empty_bytes, amqp_cstring_bytes("no-such-queue"), 1, 0, NULL,
                       amqp_cstring_bytes("back"));
    assert_int_equal(amqp_simple_wait_frame_noblock(c, &frame, &wait), AMQP_STATUS_OK);
    assert_int_equal(frame.payload.method.id, AMQP_BASIC_RETURN_METHOD);
    expect_normal(amqp_read_message(c, 1, &message, 0));
    assert_memory_equal(message.body.bytes, "back", 4);
    amqp_destroy_message(&message);
    end(c);
}

static void prefetch_and_requeue_work(const void *row)
{
    amqp_connection_state_t c = open_plain();
    amqp_bytes_t queue = declare(c);

    (void)row;
    amqp_basic_qos(c, 1, 0, 1, 0);
    expect_normal(amqp_get_rpc_reply(c));
    amqp_basic_publish(c, 1, amqp_empty_bytes, queue, 0, 0, NULL, amqp_cstring_bytes("1"));
    amqp_basic_publish(c, 1, amqp_empty_bytes, queue, 0, 0, NULL, amqp_cstring_bytes("2"));
    consume(c, queue, false);
    for (int i = 0; i < 3; i++) {
        amqp_envelope_t envelope = receive(c);
        assert_int_equal(envelope.redelivered, i == 1);
        assert_memory_equal(envelope.message.body.bytes, i < 2 ? "1" : "2", 1);
        if (i == 0)
            amqp_basic_nack(c, 1, envelope.delivery_tag, 0, 1);
        else
            amqp_basic_ack(c, 1, envelope.delivery_tag, 0);
        amqp_destroy_envelope(&envelope);
    }
    amqp_bytes_free(queue);
    end(c);
}

static void topics_are_routed(const void *row)
{
    amqp_connection_state_t c = open_plain();
    amqp_bytes_t queue = declare(c);

    (void)row;
    amqp_queue_bind(c, 1, queue, amqp_cstring_bytes("amq.topic"), amqp_cstring_bytes("lib.*.b"),
                    amqp_empty_table);
    expect_normal(amqp_get_rpc_reply(c));
    amqp_basic_publish(c, 1, amqp_cstring_bytes("amq.topic"), amqp_cstring_bytes("lib.a.c"), 0, 0,
                       NULL, amqp_cstring_bytes("no"));
    amqp_basic_publish(c, 1, amqp_cstring_bytes("amq.topic"), amqp_cstring_bytes("lib.a.b"), 0, 0,
                       NULL, amqp_cstring_bytes("ok"));
    amqp_rpc_reply_t reply = amqp_basic_get(c, 1, queue, 1);
    amqp_message_t message;
    expect_normal(reply);
    assert_int_equal(reply.reply.id, AMQP_BASIC_GET_OK_METHOD);
    expect_normal(amqp_read_message(c, 1, &message, 0));
    assert_memory_equal(message.body.bytes, "ok", 2);
    amqp_destroy_message(&message);
    reply = amqp_basic_get(c, 1, queue, 1);
    assert_int_equal(reply.reply.id, AMQP_BASIC_GET_EMPTY_METHOD);
    amqp_bytes_free(queue);
    end(c);
}

static void transactions_work(const void *row)
{
    amqp_connection_state_t c = open_plain();
    amqp_bytes_t queue = declare(c);

    (void)row;
    amqp_tx_select(c, 1);
    expect_normal(amqp_get_rpc_reply(c));
    amqp_basic_publish(c, 1, amqp_empty_bytes, queue, 0, 0, NULL, amqp_cstring_bytes("gone"));
    amqp_tx_rollback(c, 1);
    expect_normal(amqp_get_rpc_reply(c));
    amqp_basic_publish(c, 1, amqp_empty_bytes, queue, 0, 0, NULL, amqp_cstring_bytes("kept"));
    amqp_tx_commit(c, 1);
    expect_normal(amqp_get_rpc_reply(c));
    amqp_queue_purge_ok_t *purged = amqp_queue_purge(c, 1, queue);
    expect_normal(amqp_get_rpc_reply(c));
    assert_int_equal(purged->message_count, 1);
    amqp_bytes_free(queue);
    end(c);
}

static void channel_errors_are_told(const void *row)
{
    amqp_connection_state_t c = open_plain();

    (void)row;
    amqp_queue_declare(c, 1, amqp_cstring_bytes("no-such-queue"), 1, 0, 0, 0, amqp_empty_table);
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(c);
    assert_int_equal(reply.reply_type, AMQP_RESPONSE_SERVER_EXCEPTION);
    assert_int_equal(reply.reply.id, AMQP_CHANNEL_CLOSE_METHOD);
    assert_int_equal(((amqp_channel_close_t *)reply.reply.decoded)->reply_code, AMQP_NOT_FOUND);
    amqp_channel_close_ok_t ok = {0};
    amqp_send_method(c, 1, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    amqp_channel_open(c, 1);
    expect_normal(amqp_get_rpc_reply(c));
    end(c);
}

static void wrong_password_is_told(const void *row)
{
    amqp_connection_state_t c = amqp_new_connection();

    (void)row;
    connect_plain(amqp_tcp_socket_new(c));
    amqp_rpc_reply_t reply =
        amqp_login(c, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "wrong");
    assert_int_equal(reply.reply_type, AMQP_RESPONSE_SERVER_EXCEPTION);
    assert_int_equal(reply.reply.id, AMQP_CONNECTION_CLOSE_METHOD);
    assert_int_equal(((amqp_connection_close_t *)reply.reply.decoded)->reply_code,
                     AMQP_ACCESS_REFUSED);
    amqp_destroy_connection(c);
}

/* librabbitmq sends and checks heartbeats inside its own waits. */
static void heartbeats_keep_it_open(const void *row)
{
    amqp_connection_state_t c = amqp_new_connection();
    struct timeval wait = {.tv_sec = 4};
    amqp_frame_t frame;

    (void)row;
    connect_plain(amqp_tcp_socket_new(c));
    expect_normal(amqp_login(c, "/", 0, 131072, 1, AMQP_SASL_METHOD_PLAIN, "guest", "guest"));
    assert_int_equal(amqp_simple_wait_frame_noblock(c, &frame, &wait), AMQP_STATUS_TIMEOUT);
    amqp_channel_open(c, 1);
    expect_normal(amqp_get_rpc_reply(c));
    end(c);
}

int main(int argc, char **argv)
{
    BROKER_TEST(publishes_and_consumes);
    BROKER_TEST(publishes_and_consumes_over_tls);
    BROKER_TEST(several_megabytes_pass);
    BROKER_TEST(confirms_arrive);
    BROKER_TEST(unroutable_is_returned);
    BROKER_TEST(prefetch_and_requeue_work);
    BROKER_TEST(topics_are_routed);
    BROKER_TEST(transactions_work);
    BROKER_TEST(channel_errors_are_told);
    BROKER_TEST(wrong_password_is_told);
    BROKER_TEST(heartbeats_keep_it_open);
    return broker_test_run("librabbitmq", argc, argv);
}
