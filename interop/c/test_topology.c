/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues, exchanges, bindings and the errors of their declarations, through librabbitmq.
 *
 * A reply code is half of what a client sees; the text is compared too, because operators search
 * for it and some clients match on it. After each soft error the channel is opened again under
 * the same number, which proves that the broker took the close-ok and kept the connection.
 */
#include "client.h"
#include "harness.h"

#include <stdio.h>
#include <string.h>

#define NO_ARGUMENTS amqp_empty_table

static amqp_bytes_t text(const char *string)
{
    return amqp_cstring_bytes(string);
}

static void bind_queue(amqp_connection_state_t connection, const char *queue, const char *exchange,
                       const char *key, amqp_table_t arguments)
{
    amqp_queue_bind(connection, CHANNEL, text(queue), text(exchange), text(key), arguments);
    client_check(connection, "queue.bind");
}

static void direct_fanout_and_topic_routing(void)
{
    static const struct {
        const char *type;
        const char *binding;
        const char *key;
        uint32_t message_count;
    } cases[] = {
        {"direct", "a", "a", 1},      {"direct", "a", "b", 0},      {"fanout", "a", "b", 1},
        {"topic", "a.*", "a.b", 1},   {"topic", "a.*", "a.b.c", 0}, {"topic", "a.#", "a", 1},
        {"topic", "a.#", "a.b.c", 1}, {"topic", "#.c", "a.b.c", 1}, {"topic", "*.b.#", "b", 0},
        {"topic", "#", "", 1},
    };
    amqp_connection_state_t connection = client_open();

    client_select_confirms(connection);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *exchange = client_exchange(connection, cases[i].type, false);
        const char *queue = client_exclusive_queue(connection);
        char what[100];

        bind_queue(connection, queue, exchange, cases[i].binding, NO_ARGUMENTS);
        client_publish_confirmed(connection, exchange, cases[i].key, NULL, "x");
        snprintf(what, sizeof what, "messages by %s exchange, binding '%s', key '%s'",
                 cases[i].type, cases[i].binding, cases[i].key);
        expect_number(what, client_message_count(connection, queue), cases[i].message_count);
    }
    client_close(connection);
}

static amqp_table_entry_t string_entry(const char *key, const char *value)
{
    return (amqp_table_entry_t){
        .key = text(key),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = text(value)},
    };
}

static void headers_routing(void)
{
    amqp_connection_state_t connection = client_open();
    const char *exchange = client_exchange(connection, "headers", false);
    const char *all = client_exclusive_queue(connection);
    const char *any = client_exclusive_queue(connection);
    amqp_table_entry_t wanted[3] = {string_entry("a", "1"), string_entry("b", "2"),
                                    string_entry("x-match", "all")};
    amqp_table_t arguments = {.num_entries = 3, .entries = wanted};

    client_select_confirms(connection);
    bind_queue(connection, all, exchange, "", arguments);
    wanted[2] = string_entry("x-match", "any");
    bind_queue(connection, any, exchange, "", arguments);

    amqp_table_entry_t given[2] = {string_entry("b", "2"), string_entry("a", "1")};
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_HEADERS_FLAG,
                                          .headers = {.num_entries = 2, .entries = given}};
    client_publish_confirmed(connection, exchange, "", &properties, "both");
    properties.headers.num_entries = 1;
    client_publish_confirmed(connection, exchange, "", &properties, "one");
    expect_number("messages of x-match=all", client_message_count(connection, all), 1);
    expect_number("messages of x-match=any", client_message_count(connection, any), 2);
    client_close(connection);
}

static void exchange_to_exchange(void)
{
    amqp_connection_state_t connection = client_open();
    const char *source = client_exchange(connection, "topic", false);
    const char *sink = client_exchange(connection, "fanout", false);
    const char *queue = client_exclusive_queue(connection);

    client_select_confirms(connection);
    amqp_exchange_bind(connection, CHANNEL, text(sink), text(source), text("a.#"), NO_ARGUMENTS);
    client_check(connection, "exchange.bind");
    bind_queue(connection, queue, sink, "", NO_ARGUMENTS);
    client_publish_confirmed(connection, source, "a.b", NULL, "through");
    client_publish_confirmed(connection, source, "b", NULL, "past");
    client_expect_message(connection, queue, "through");
    amqp_exchange_unbind(connection, CHANNEL, text(sink), text(source), text("a.#"), NO_ARGUMENTS);
    client_check(connection, "exchange.unbind");
    client_publish_confirmed(connection, source, "a.b", NULL, "unbound");
    expect_number("messages left", client_message_count(connection, queue), 0);
    client_close(connection);
}

static void server_named_queue(void)
{
    amqp_connection_state_t connection = client_open();
    const char *name = client_exclusive_queue(connection);

    expect_bytes("prefix", name, 8, "amq.gen-");
    expect_number("length", strlen(name), 30);
    client_close(connection);
}

static bool queue_exists(amqp_connection_state_t connection, const char *queue)
{
    amqp_queue_declare(connection, CHANNEL, text(queue), 1, 0, 0, 0, NO_ARGUMENTS);
    if (amqp_get_rpc_reply(connection).reply_type == AMQP_RESPONSE_NORMAL) {
        return true;
    }
    client_expect_channel_closed(connection, 404, "NOT_FOUND - no queue '%s' in vhost '/'", queue);
    client_open_channel(connection, CHANNEL);
    return false;
}

static void exclusive_queue_vanishes(void)
{
    amqp_connection_state_t owner = client_open();
    amqp_connection_state_t other = client_open();
    const char *queue = client_exclusive_queue(owner);

    client_close(owner);
    /* close-ok comes after the queues are gone, so there is nothing to wait for. */
    expect_true(!queue_exists(other, queue), "the queue outlived its connection");
    client_close(other);
}

static void auto_delete_queue_vanishes(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_unique("auto-delete");

    amqp_queue_declare(connection, CHANNEL, text(queue), 0, 0, 0, 1, NO_ARGUMENTS);
    client_check(connection, "queue.declare");
    const char *tag = client_consume(connection, queue, true);
    expect_true(queue_exists(connection, queue), "the queue is there while it has a consumer");
    amqp_basic_cancel(connection, CHANNEL, text(tag));
    client_check(connection, "basic.cancel");
    expect_true(!queue_exists(connection, queue), "the queue outlived its last consumer");
    client_close(connection);
}

static void missing_queue_is_404(void)
{
    amqp_connection_state_t connection = client_open();

    expect_true(!queue_exists(connection, client_unique("missing")), "a missing queue exists");
    client_close(connection);
}

static void inequivalent_queue_is_406(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, true);

    amqp_queue_declare(connection, CHANNEL, text(queue), 0, 0, 0, 0, NO_ARGUMENTS);
    client_expect_channel_closed(connection, 406,
                                 "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '%s' "
                                 "in vhost '/': received 'false' but current is 'true'",
                                 queue);
    client_open_channel(connection, CHANNEL);
    expect_true(queue_exists(connection, queue), "the queue is still there");
    client_close(connection);
}

static void exclusive_queue_of_another_is_405(void)
{
    amqp_connection_state_t owner = client_open();
    amqp_connection_state_t other = client_open();
    const char *queue = client_unique("exclusive");
    char wanted[600];

    amqp_queue_declare(owner, CHANNEL, text(queue), 0, 0, 1, 0, NO_ARGUMENTS);
    client_check(owner, "queue.declare");
    snprintf(
        wanted, sizeof wanted,
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '%s' in vhost '/'. It "
        "could be originally declared on another connection or the exclusive property value "
        "does not match that of the original declaration.",
        queue);
    if (strlen(wanted) > 255) {
        strcpy(wanted + 252, "...");
    }
    amqp_queue_declare(other, CHANNEL, text(queue), 0, 0, 1, 0, NO_ARGUMENTS);
    client_expect_channel_closed(other, 405, "%s", wanted);
    client_close(other);
    client_close(owner);
}

static void exchange_errors(void)
{
    amqp_connection_state_t connection = client_open();
    const char *exchange = client_exchange(connection, "direct", false);
    const char *missing = client_unique("missing");

    amqp_exchange_declare(connection, CHANNEL, text(exchange), text("fanout"), 0, 0, 0, 0,
                          NO_ARGUMENTS);
    client_expect_channel_closed(
        connection, 406,
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '%s' in "
        "vhost '/': received 'fanout' but current is 'direct'",
        exchange);
    client_open_channel(connection, CHANNEL);
    amqp_exchange_declare(connection, CHANNEL, text(missing), text("direct"), 1, 0, 0, 0,
                          NO_ARGUMENTS);
    client_expect_channel_closed(connection, 404, "NOT_FOUND - no exchange '%s' in vhost '/'",
                                 missing);
    client_open_channel(connection, CHANNEL);
    amqp_exchange_declare(connection, CHANNEL, text("amq.mine"), text("direct"), 0, 0, 0, 0,
                          NO_ARGUMENTS);
    client_expect_channel_closed(
        connection, 403,
        "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'");
    client_close(connection);
}

static void purge_and_delete_count(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);

    for (int i = 0; i < 7; i++) {
        client_publish(connection, "", queue, NULL, "x");
    }
    amqp_queue_purge_ok_t *purged = amqp_queue_purge(connection, CHANNEL, text(queue));
    client_check(connection, "queue.purge");
    expect_number("purged", purged->message_count, 7);
    client_publish(connection, "", queue, NULL, "x");
    amqp_queue_delete(connection, CHANNEL, text(queue), 0, 1);
    client_expect_channel_closed(connection, 406,
                                 "PRECONDITION_FAILED - queue '%s' in vhost '/' not empty", queue);
    client_open_channel(connection, CHANNEL);
    amqp_queue_delete_ok_t *deleted = amqp_queue_delete(connection, CHANNEL, text(queue), 0, 0);
    client_check(connection, "queue.delete");
    expect_number("deleted", deleted->message_count, 1);
    client_close(connection);
}

const struct interop_test topology_tests[] = {
    {"direct_fanout_and_topic_routing", direct_fanout_and_topic_routing},
    {"headers_routing", headers_routing},
    {"exchange_to_exchange", exchange_to_exchange},
    {"server_named_queue", server_named_queue},
    {"exclusive_queue_vanishes", exclusive_queue_vanishes},
    {"auto_delete_queue_vanishes", auto_delete_queue_vanishes},
    {"missing_queue_is_404", missing_queue_is_404},
    {"inequivalent_queue_is_406", inequivalent_queue_is_406},
    {"exclusive_queue_of_another_is_405", exclusive_queue_of_another_is_405},
    {"exchange_errors", exchange_errors},
    {"purge_and_delete_count", purge_and_delete_count},
    {NULL, NULL},
};
