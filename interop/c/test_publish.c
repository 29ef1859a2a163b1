/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publisher confirms, returned messages and transactions, through librabbitmq.
 *
 * The library of this version has no helper for confirms: its users read the frames themselves,
 * and so does this file. It keeps one flag per published message, because a broker may confirm
 * in any order and several at once, and each message has to be confirmed exactly once.
 */
#include "client.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#define PERSISTENT 2

static amqp_bytes_t text(const char *string)
{
    return amqp_cstring_bytes(string);
}

/* Reads confirms until every tag up to count has had exactly one. */
static void wait_for_confirms(amqp_connection_state_t connection, uint64_t count)
{
    bool *is_confirmed = calloc(count + 1, sizeof *is_confirmed);
    uint64_t confirmed_count = 0;

    while (confirmed_count < count) {
        amqp_basic_ack_t *ack = client_wait_method(connection, AMQP_BASIC_ACK_METHOD);
        uint64_t first = ack->multiple ? 1 : ack->delivery_tag;
        expect_true(ack->delivery_tag >= 1 && ack->delivery_tag <= count, "a tag out of range");
        expect_true(ack->multiple || !is_confirmed[ack->delivery_tag], "confirmed twice");
        for (uint64_t tag = first; tag <= ack->delivery_tag; tag++) {
            confirmed_count += is_confirmed[tag] ? 0 : 1;
            is_confirmed[tag] = true;
        }
        amqp_maybe_release_buffers(connection);
    }
    free(is_confirmed);
    expect_true(client_is_quiet(connection, 100), "a frame after the last confirm");
}

static void confirms_one_by_one(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, true);
    amqp_basic_properties_t persistent = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
                                          .delivery_mode = PERSISTENT};

    client_select_confirms(connection);
    for (uint64_t i = 1; i <= 50; i++) {
        client_publish(connection, "", queue, &persistent, "x");
        amqp_basic_ack_t *ack = client_wait_method(connection, AMQP_BASIC_ACK_METHOD);
        expect_number("delivery tag", ack->delivery_tag, i);
    }
    expect_number("messages", client_message_count(connection, queue), 50);
    client_close(connection);
}

static void confirms_of_a_batch(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, true);
    amqp_basic_properties_t persistent = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
                                          .delivery_mode = PERSISTENT};
    uint64_t count = harness_is_quick() ? 1000 : 10000;

    client_select_confirms(connection);
    for (uint64_t i = 0; i < count; i++) {
        client_publish(connection, "", queue, &persistent, "x");
    }
    wait_for_confirms(connection, count);
    expect_number("messages", client_message_count(connection, queue), count);
    client_close(connection);
}

static void confirms_of_transient_and_unroutable(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    const char *nowhere = client_unique("nowhere");

    client_select_confirms(connection);
    for (int i = 0; i < 100; i++) {
        client_publish(connection, "", i % 2 == 0 ? queue : nowhere, NULL, "x");
    }
    wait_for_confirms(connection, 100);
    expect_number("messages", client_message_count(connection, queue), 50);
    client_close(connection);
}

static void publish_mandatory(amqp_connection_state_t connection, const char *exchange,
                              const char *key, const char *body)
{
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_MESSAGE_ID_FLAG,
                                          .message_id = text("id")};

    amqp_basic_publish(connection, CHANNEL, text(exchange), text(key), 1, 0, &properties,
                       text(body));
}

static void mandatory_message_is_returned_before_its_confirm(void)
{
    amqp_connection_state_t connection = client_open();
    const char *exchange = client_exchange(connection, "direct", false);
    amqp_message_t message;

    client_select_confirms(connection);
    publish_mandatory(connection, exchange, "nowhere", "back");
    amqp_basic_return_t *returned = client_wait_method(connection, AMQP_BASIC_RETURN_METHOD);
    expect_number("reply code", returned->reply_code, 312);
    expect_bytes("reply text", returned->reply_text.bytes, returned->reply_text.len, "NO_ROUTE");
    expect_bytes("exchange", returned->exchange.bytes, returned->exchange.len, exchange);
    expect_bytes("key", returned->routing_key.bytes, returned->routing_key.len, "nowhere");
    amqp_rpc_reply_t reply = amqp_read_message(connection, CHANNEL, &message, 0);
    expect_number("content", reply.reply_type, AMQP_RESPONSE_NORMAL);
    expect_bytes("body", message.body.bytes, message.body.len, "back");
    expect_bytes("message id", message.properties.message_id.bytes,
                 message.properties.message_id.len, "id");
    amqp_destroy_message(&message);
    amqp_basic_ack_t *ack = client_wait_method(connection, AMQP_BASIC_ACK_METHOD);
    expect_number("delivery tag", ack->delivery_tag, 1);
    client_close(connection);
}

static void publish_to_a_missing_exchange_is_404(void)
{
    amqp_connection_state_t connection = client_open();
    const char *missing = client_unique("missing");

    client_publish(connection, missing, "key", NULL, "x");
    amqp_queue_declare(connection, CHANNEL, amqp_empty_bytes, 0, 0, 1, 0, amqp_empty_table);
    client_expect_channel_closed(connection, 404, "NOT_FOUND - no exchange '%s' in vhost '/'",
                                 missing);
    client_open_channel(connection, CHANNEL);
    client_exclusive_queue(connection);
    client_close(connection);
}

static void immediate_is_not_implemented(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);

    amqp_basic_publish(connection, CHANNEL, amqp_empty_bytes, text(queue), 0, 1, NULL, text("x"));
    amqp_queue_declare(connection, CHANNEL, amqp_empty_bytes, 0, 0, 1, 0, amqp_empty_table);
    client_expect_connection_closed(amqp_get_rpc_reply(connection), 540,
                                    "NOT_IMPLEMENTED - immediate=true");
    client_abandon(connection);
}

static void transactions(void)
{
    amqp_connection_state_t connection = client_open();
    amqp_connection_state_t watcher = client_open();
    const char *queue = client_queue(connection, true);

    amqp_tx_select(connection, CHANNEL);
    client_check(connection, "tx.select");
    client_publish(connection, "", queue, NULL, "discarded");
    amqp_tx_rollback(connection, CHANNEL);
    client_check(connection, "tx.rollback");
    client_publish(connection, "", queue, NULL, "kept");
    expect_number("messages before the commit", client_message_count(watcher, queue), 0);
    amqp_tx_commit(connection, CHANNEL);
    client_check(connection, "tx.commit");
    client_expect_count(watcher, queue, 1);
    client_expect_message(watcher, queue, "kept");
    client_close(watcher);
    client_close(connection);
}

static void transaction_covers_acks(void)
{
    amqp_connection_state_t connection = client_open();
    amqp_connection_state_t other = client_open();
    const char *queue = client_queue(other, false);
    struct client_message message;

    client_publish(other, "", queue, NULL, "x");
    client_expect_count(other, queue, 1);
    amqp_tx_select(connection, CHANNEL);
    client_check(connection, "tx.select");
    expect_true(client_get(connection, queue, false, &message), "the message");
    client_message_free(&message);
    amqp_basic_ack(connection, CHANNEL, message.delivery_tag, 0);
    client_close(connection); /* without a commit */
    expect_true(client_get(other, queue, true, &message), "the message again");
    expect_true(message.is_redelivered, "redelivered");
    client_message_free(&message);
    client_close(other);
}

const struct interop_test publish_tests[] = {
    {"confirms_one_by_one", confirms_one_by_one},
    {"confirms_of_a_batch", confirms_of_a_batch},
    {"confirms_of_transient_and_unroutable", confirms_of_transient_and_unroutable},
    {"mandatory_message_is_returned_before_its_confirm",
     mandatory_message_is_returned_before_its_confirm},
    {"publish_to_a_missing_exchange_is_404", publish_to_a_missing_exchange_is_404},
    {"immediate_is_not_implemented", immediate_is_not_implemented},
    {"transactions", transactions},
    {"transaction_covers_acks", transaction_covers_acks},
    {NULL, NULL},
};
