/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections through librabbitmq: login, negotiation, refusals, heartbeats, many channels, TLS.
 *
 * The library announces authentication_failure_close, so a wrong password has to be answered with
 * connection.close and not with silence; it checks the server's certificate itself against the
 * authority and the name. A connection counts as good here only if a message went through it.
 */
#include "client.h"
#include "harness.h"

#include <string.h>
#include <sys/time.h>

static void expect_works(amqp_connection_state_t connection)
{
    const char *queue = client_exclusive_queue(connection);

    client_publish(connection, "", queue, NULL, "hello");
    client_expect_message(connection, queue, "hello");
}

static void opens_and_closes(void)
{
    amqp_connection_state_t connection = client_open();

    expect_works(connection);
    client_close(connection);
}

static const amqp_field_value_t *find(const amqp_table_t *table, const char *key)
{
    const amqp_field_value_t *value = client_find(table, key);

    if (value == NULL) {
        test_fail("no %s among the server's properties", key);
    }
    return value;
}

static void server_properties(void)
{
    amqp_connection_state_t connection = client_open();
    amqp_table_t *properties = amqp_get_server_properties(connection);
    const amqp_field_value_t *product = find(properties, "product");
    const amqp_field_value_t *capabilities = find(properties, "capabilities");

    expect_bytes("product", product->value.bytes.bytes, product->value.bytes.len, "RabbitMQ");
    expect_number("type of version", find(properties, "version")->kind, AMQP_FIELD_KIND_UTF8);
    expect_number("type of capabilities", capabilities->kind, AMQP_FIELD_KIND_TABLE);
    const amqp_field_value_t *confirms = find(&capabilities->value.table, "publisher_confirms");
    expect_number("type of a capability", confirms->kind, AMQP_FIELD_KIND_BOOLEAN);
    expect_true(confirms->value.boolean != 0, "publisher confirms are announced");
    client_close(connection);
}

static void negotiates_limits(void)
{
    struct client_options options = {.frame_max = 8192, .channel_max = 10, .heartbeat_s = 30};
    amqp_connection_state_t connection = client_open_with(&options);

    expect_number("frame_max", (uint64_t)amqp_get_frame_max(connection), 8192);
    expect_number("channel_max", (uint64_t)amqp_get_channel_max(connection), 10);
    expect_number("heartbeat", (uint64_t)amqp_get_heartbeat(connection), 30);
    expect_works(connection);
    client_close(connection);
}

static void wrong_password_is_403(void)
{
    amqp_connection_state_t connection;
    struct client_options options = {.password = "wrong"};

    client_expect_connection_closed(
        client_login(&options, &connection), 403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see "
        "the broker logfile.");
}

static void missing_vhost_is_530(void)
{
    amqp_connection_state_t connection;
    struct client_options options = {.vhost = "missing"};

    client_expect_connection_closed(client_login(&options, &connection), 530,
                                    "NOT_ALLOWED - vhost missing not found");
}

static void heartbeats_keep_an_idle_connection(void)
{
    struct client_options options = {.heartbeat_s = 1};
    amqp_connection_state_t connection = client_open_with(&options);
    uint64_t end_ms = harness_now_ms() + 4000;

    /* Waiting for frames is what makes librabbitmq send its heartbeats and see the server's. */
    while (harness_now_ms() < end_ms) {
        expect_true(client_is_quiet(connection, 500), "a frame or an error while idle");
    }
    expect_works(connection);
    client_close(connection);
}

static void many_channels(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_exclusive_queue(connection);
    amqp_channel_t last = harness_is_quick() ? 100 : 1000;

    for (amqp_channel_t channel = 2; channel <= last; channel++) {
        client_open_channel(connection, channel);
        expect_number("publish",
                      (uint64_t)amqp_basic_publish(connection, channel, amqp_empty_bytes,
                                                   amqp_cstring_bytes(queue), 0, 0, NULL,
                                                   amqp_cstring_bytes("x")),
                      AMQP_STATUS_OK);
        amqp_maybe_release_buffers(connection);
    }
    for (amqp_channel_t channel = 2; channel <= last; channel++) {
        amqp_channel_close(connection, channel, AMQP_REPLY_SUCCESS);
        client_check(connection, "channel.close");
    }
    client_expect_count(connection, queue, (uint32_t)last - 1);
    client_close(connection);
}

static void channel_max_is_enforced(void)
{
    struct client_options options = {.channel_max = 2};
    amqp_connection_state_t connection = client_open_with(&options);
    amqp_channel_open_t open = {0};

    client_open_channel(connection, 2);
    /* amqp_channel_open would refuse the number itself. */
    amqp_send_method(connection, 3, AMQP_CHANNEL_OPEN_METHOD, &open);
    amqp_connection_close_t *close = NULL;
    amqp_frame_t frame;
    struct timeval timeout = {.tv_sec = 20};
    expect_number("frame", (uint64_t)amqp_simple_wait_frame_noblock(connection, &frame, &timeout),
                  AMQP_STATUS_OK);
    expect_number("method", frame.payload.method.id, AMQP_CONNECTION_CLOSE_METHOD);
    close = frame.payload.method.decoded;
    expect_number("reply code", close->reply_code, 530);
    expect_bytes("reply text", close->reply_text.bytes, close->reply_text.len,
                 "NOT_ALLOWED - number of channels opened (2) has reached the negotiated "
                 "channel_max (2)");
    client_abandon(connection);
}

static void tls_with_server_verified(void)
{
    struct client_options options = {.is_tls = true};
    amqp_connection_state_t connection = client_open_with(&options);

    expect_works(connection);
    client_close(connection);
}

static void tls_mutual_with_plain(void)
{
    struct client_options options = {.is_tls = true, .has_certificate = true};
    amqp_connection_state_t connection = client_open_with(&options);

    expect_works(connection);
    client_close(connection);
}

static void tls_external(void)
{
    struct client_options options = {.is_tls = true, .has_certificate = true, .is_external = true};
    amqp_connection_state_t connection = client_open_with(&options);

    expect_works(connection);
    client_close(connection);
}

static void tls_with_another_authority_is_refused_by_the_client(void)
{
    amqp_connection_state_t connection;
    struct client_options options = {.is_tls = true};

    options.ca_file = harness_environment("AMQP_CLIENT_CERT"); /* no authority of the server's */
    amqp_rpc_reply_t reply = client_login(&options, &connection);
    expect_number("kind of reply", reply.reply_type, AMQP_RESPONSE_LIBRARY_EXCEPTION);
    expect_true(reply.library_error == AMQP_STATUS_SSL_PEER_VERIFY_FAILED,
                amqp_error_string2(reply.library_error));
}

const struct interop_test connection_tests[] = {
    {"opens_and_closes", opens_and_closes},
    {"server_properties", server_properties},
    {"negotiates_limits", negotiates_limits},
    {"wrong_password_is_403", wrong_password_is_403},
    {"missing_vhost_is_530", missing_vhost_is_530},
    {"heartbeats_keep_an_idle_connection", heartbeats_keep_an_idle_connection},
    {"many_channels", many_channels},
    {"channel_max_is_enforced", channel_max_is_enforced},
    {"tls_with_server_verified", tls_with_server_verified},
    {"tls_mutual_with_plain", tls_mutual_with_plain},
    {"tls_external", tls_external},
    {"tls_with_another_authority_is_refused_by_the_client",
     tls_with_another_authority_is_refused_by_the_client},
    {NULL, NULL},
};
