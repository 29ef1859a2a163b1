/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is there again after a restart of the broker, through librabbitmq.
 *
 * The library does not reconnect by itself; a program sees the connection end and opens a new one.
 * The end itself is checked too: a broker that goes down in order says so with connection.close
 * 320 and does not just drop the socket.
 */
#include "client.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

static void restart_broker(void)
{
    fflush(stdout);
    expect_number("exit status of BROKER_RESTART",
                  (uint64_t)system(harness_environment("BROKER_RESTART")), 0);
}

static void publish_confirmed(amqp_connection_state_t connection, const char *queue,
                              uint8_t delivery_mode, const char *body)
{
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
                                          .delivery_mode = delivery_mode};

    client_publish_confirmed(connection, "", queue, &properties, body);
}

static void expect_shutdown_was_announced(amqp_connection_state_t connection)
{
    amqp_connection_close_t *close = client_wait_method(connection, AMQP_CONNECTION_CLOSE_METHOD);

    expect_number("reply code", close->reply_code, 320);
    expect_bytes("reply text", close->reply_text.bytes, close->reply_text.len,
                 "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'");
}

static void restart_keeps_persistent_messages(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, true);
    const char *exchange = client_exchange(connection, "direct", true);

    amqp_queue_bind(connection, CHANNEL, amqp_cstring_bytes(queue), amqp_cstring_bytes(exchange),
                    amqp_cstring_bytes("key"), amqp_empty_table);
    client_check(connection, "queue.bind");
    client_select_confirms(connection);
    publish_confirmed(connection, queue, 2, "first");
    publish_confirmed(connection, queue, 1, "transient");
    publish_confirmed(connection, queue, 2, "second");

    restart_broker();

    expect_shutdown_was_announced(connection);
    client_abandon(connection);
    connection = client_open();
    client_publish(connection, exchange, "key", NULL, "third");
    client_expect_message(connection, queue, "first");
    client_expect_message(connection, queue, "second");
    client_expect_message(connection, queue, "third");
    expect_number("messages left", client_message_count(connection, queue), 0);
    client_close(connection);
}

const struct interop_test recovery_tests[] = {
    {"restart_keeps_persistent_messages", restart_keeps_persistent_messages},
    {NULL, NULL},
};
