/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a queue's arguments make of its messages, through librabbitmq: time to live, dead letters,
 * limits, priorities, quorum queues, single active consumers. x-death is read entry by entry with
 * its types: a program in C asks for the kind of a field before it looks at it.
 */
#include "client.h"
#include "harness.h"

#include <string.h>

static amqp_bytes_t text(const char *string)
{
    return amqp_cstring_bytes(string);
}

static amqp_table_entry_t string_entry(const char *key, const char *value)
{
    return (amqp_table_entry_t){
        .key = text(key),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = text(value)},
    };
}

static amqp_table_entry_t int_entry(const char *key, int32_t value)
{
    return (amqp_table_entry_t){
        .key = text(key),
        .value = {.kind = AMQP_FIELD_KIND_I32, .value.i32 = value},
    };
}

static amqp_table_entry_t bool_entry(const char *key, bool value)
{
    return (amqp_table_entry_t){
        .key = text(key),
        .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = value},
    };
}

/* A durable queue that a later declaration of its own name cannot meet: what client_queue made is
 * deleted, and declared again with the arguments. */
static const char *queue_with(amqp_connection_state_t connection, int count,
                              amqp_table_entry_t *entries)
{
    const char *name = client_queue(connection, true);
    amqp_table_t arguments = {.num_entries = count, .entries = entries};

    amqp_queue_delete(connection, CHANNEL, text(name), 0, 0);
    client_check(connection, "queue.delete");
    amqp_queue_declare(connection, CHANNEL, text(name), 0, 1, 0, 0, arguments);
    client_check(connection, "queue.declare");
    return name;
}

/* An exchange, and in *queue the queue of what arrives at it. */
static const char *dead_letters(amqp_connection_state_t connection, const char **queue)
{
    const char *exchange = client_exchange(connection, "fanout", false);

    *queue = client_queue(connection, false);
    amqp_queue_bind(connection, CHANNEL, text(*queue), text(exchange), amqp_empty_bytes,
                    amqp_empty_table);
    client_check(connection, "queue.bind");
    return exchange;
}

/* The next message of the queue, which may be on its way. */
static void take(amqp_connection_state_t connection, const char *queue,
                 struct client_message *message)
{
    client_expect_count(connection, queue, 1);
    expect_true(client_get(connection, queue, true, message), "a message");
}

static void expect_string(const amqp_table_t *table, const char *key, const char *wanted)
{
    const amqp_field_value_t *value = client_find(table, key);

    expect_true(value != NULL && value->kind == AMQP_FIELD_KIND_UTF8, key);
    expect_bytes(key, value->value.bytes.bytes, value->value.bytes.len, wanted);
}

/* The first entry of x-death. */
static const amqp_table_t *death_of(const struct client_message *message)
{
    const amqp_table_t *headers = &message->content.properties.headers;
    const amqp_field_value_t *deaths = client_find(headers, "x-death");

    expect_true(deaths != NULL && deaths->kind == AMQP_FIELD_KIND_ARRAY, "x-death is an array");
    expect_true(deaths->value.array.num_entries > 0, "x-death has an entry");
    expect_number("kind of a death", deaths->value.array.entries[0].kind, AMQP_FIELD_KIND_TABLE);
    return &deaths->value.array.entries[0].value.table;
}

static void expect_death(const struct client_message *message, const char *reason,
                         const char *queue, const char *key)
{
    const amqp_table_t *headers = &message->content.properties.headers;
    const amqp_table_t *death = death_of(message);
    const amqp_field_value_t *count = client_find(death, "count");
    const amqp_field_value_t *time = client_find(death, "time");
    const amqp_field_value_t *keys = client_find(death, "routing-keys");

    expect_true(count != NULL && count->kind == AMQP_FIELD_KIND_I64, "count is a long");
    expect_number("count", (uint64_t)count->value.i64, 1);
    expect_true(time != NULL && time->kind == AMQP_FIELD_KIND_TIMESTAMP, "time is a timestamp");
    expect_true(keys != NULL && keys->kind == AMQP_FIELD_KIND_ARRAY, "routing-keys is an array");
    expect_number("routing keys", (uint64_t)keys->value.array.num_entries, 1);
    const amqp_bytes_t first = keys->value.array.entries[0].value.bytes;
    expect_bytes("routing key", first.bytes, first.len, key);
    expect_string(death, "reason", reason);
    expect_string(death, "queue", queue);
    expect_string(death, "exchange", "");
    expect_string(headers, "x-first-death-reason", reason);
    expect_string(headers, "x-first-death-queue", queue);
    expect_string(headers, "x-first-death-exchange", "");
}

static void expired_messages_are_dead_lettered(void)
{
    amqp_connection_state_t connection = client_open();
    const char *dead;
    const char *exchange = dead_letters(connection, &dead);
    amqp_table_entry_t entries[] = {int_entry("x-message-ttl", 50),
                                    string_entry("x-dead-letter-exchange", exchange)};
    const char *queue = queue_with(connection, 2, entries);
    struct client_message message;

    client_publish(connection, "", queue, NULL, "x");
    take(connection, dead, &message);
    expect_bytes("routing key", message.routing_key, strlen(message.routing_key), queue);
    expect_death(&message, "expired", queue, queue);
    client_message_free(&message);
    client_close(connection);
}

static void expiration_of_a_message_is_taken_off_and_told(void)
{
    amqp_connection_state_t connection = client_open();
    const char *dead;
    const char *exchange = dead_letters(connection, &dead);
    amqp_table_entry_t entries[] = {string_entry("x-dead-letter-exchange", exchange)};
    const char *queue = queue_with(connection, 1, entries);
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_EXPIRATION_FLAG,
                                          .expiration = text("40")};
    struct client_message message;

    client_publish(connection, "", queue, &properties, "x");
    take(connection, dead, &message);
    expect_true(!(message.content.properties._flags & AMQP_BASIC_EXPIRATION_FLAG), "expiration");
    expect_string(death_of(&message), "original-expiration", "40");
    client_message_free(&message);
    client_close(connection);
}

static void rejected_messages_get_the_dead_letter_routing_key(void)
{
    amqp_connection_state_t connection = client_open();
    const char *dead = client_queue(connection, false);
    amqp_table_entry_t entries[] = {string_entry("x-dead-letter-exchange", ""),
                                    string_entry("x-dead-letter-routing-key", dead)};
    const char *queue = queue_with(connection, 2, entries);
    struct client_message message;

    client_publish(connection, "", queue, NULL, "x");
    client_expect_count(connection, queue, 1);
    expect_true(client_get(connection, queue, false, &message), "the message");
    amqp_basic_reject(connection, CHANNEL, message.delivery_tag, 0);
    client_message_free(&message);
    take(connection, dead, &message);
    expect_bytes("routing key", message.routing_key, strlen(message.routing_key), dead);
    expect_death(&message, "rejected", queue, queue);
    client_message_free(&message);
    client_close(connection);
}

static void max_length_drops_the_oldest(void)
{
    amqp_connection_state_t connection = client_open();
    const char *dead;
    const char *exchange = dead_letters(connection, &dead);
    amqp_table_entry_t entries[] = {int_entry("x-max-length", 2),
                                    string_entry("x-dead-letter-exchange", exchange)};
    const char *queue = queue_with(connection, 2, entries);
    struct client_message message;

    client_select_confirms(connection);
    client_publish_confirmed(connection, "", queue, NULL, "1");
    client_publish_confirmed(connection, "", queue, NULL, "2");
    client_publish_confirmed(connection, "", queue, NULL, "3");
    take(connection, dead, &message);
    expect_bytes("body", message.content.body.bytes, message.content.body.len, "1");
    expect_death(&message, "maxlen", queue, queue);
    client_message_free(&message);
    client_expect_message(connection, queue, "2");
    client_expect_message(connection, queue, "3");
    client_close(connection);
}

static void full_queue_nacks_publishes(void)
{
    amqp_connection_state_t connection = client_open();
    amqp_table_entry_t entries[] = {int_entry("x-max-length", 1),
                                    string_entry("x-overflow", "reject-publish")};
    const char *queue = queue_with(connection, 2, entries);

    client_select_confirms(connection);
    client_publish_confirmed(connection, "", queue, NULL, "1");
    client_publish(connection, "", queue, NULL, "2");
    amqp_basic_nack_t *nack = client_wait_method(connection, AMQP_BASIC_NACK_METHOD);
    expect_number("nacked", nack->delivery_tag, 2);
    client_expect_message(connection, queue, "1");
    client_expect_count(connection, queue, 0);
    client_close(connection);
}

static void priorities_come_first(void)
{
    amqp_connection_state_t connection = client_open();
    amqp_table_entry_t entries[] = {int_entry("x-max-priority", 5)};
    const char *queue = queue_with(connection, 1, entries);
    const struct {
        const char *body;
        uint8_t priority;
    } sent[] = {{"a", 0}, {"b", 5}, {"c", 3}, {"d", 5}, {"e", 200}};
    const char *wanted[] = {"b", "d", "e", "c", "a"};

    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        amqp_basic_properties_t properties = {._flags = AMQP_BASIC_PRIORITY_FLAG,
                                              .priority = sent[i].priority};
        client_publish(connection, "", queue, &properties, sent[i].body);
    }
    client_expect_count(connection, queue, 5);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        client_expect_message(connection, queue, wanted[i]);
    }
    client_close(connection);
}

static void single_active_consumer_hands_over(void)
{
    amqp_connection_state_t one = client_open();
    amqp_connection_state_t two = client_open();
    amqp_table_entry_t entries[] = {bool_entry("x-single-active-consumer", true)};
    const char *queue = queue_with(one, 1, entries);
    struct client_message message;

    const char *tag = client_consume(one, queue, true);
    client_consume(two, queue, true);
    amqp_connection_state_t publisher = client_open();
    client_publish(publisher, "", queue, NULL, "1");
    client_receive(one, &message);
    client_message_free(&message);
    expect_true(client_is_quiet(two, 200), "a delivery to the one that waits");
    amqp_basic_cancel(one, CHANNEL, text(tag));
    client_check(one, "basic.cancel");
    client_publish(publisher, "", queue, NULL, "2");
    client_receive(two, &message);
    expect_bytes("body", message.content.body.bytes, message.content.body.len, "2");
    client_message_free(&message);
    client_close(publisher);
    client_close(one);
    client_close(two);
}

static void quorum_queue_buries_poison(void)
{
    amqp_connection_state_t connection = client_open();
    const char *dead;
    const char *exchange = dead_letters(connection, &dead);
    amqp_table_entry_t entries[] = {string_entry("x-queue-type", "quorum"),
                                    int_entry("x-delivery-limit", 1),
                                    string_entry("x-dead-letter-exchange", exchange)};
    const char *queue = queue_with(connection, 3, entries);
    struct client_message message;

    client_select_confirms(connection);
    client_publish_confirmed(connection, "", queue, NULL, "poison");
    for (int64_t count = 0; count < 2; count++) {
        client_expect_count(connection, queue, 1);
        expect_true(client_get(connection, queue, false, &message), "the message");
        const amqp_field_value_t *told =
            client_find(&message.content.properties.headers, "x-delivery-count");
        expect_true(told != NULL && told->kind == AMQP_FIELD_KIND_I64, "x-delivery-count");
        expect_number("x-delivery-count", (uint64_t)told->value.i64, (uint64_t)count);
        amqp_basic_nack(connection, CHANNEL, message.delivery_tag, 0, 1);
        client_message_free(&message);
    }
    take(connection, dead, &message);
    expect_string(&message.content.properties.headers, "x-first-death-reason", "delivery_limit");
    client_message_free(&message);
    client_close(connection);
}

static void wrong_arguments_are_406(void)
{
    amqp_connection_state_t connection = client_open();
    const struct {
        amqp_table_entry_t entry;
        const char *reason;
    } wrong[] = {
        {int_entry("x-message-ttl", -1), "{value_negative,-1}"},
        {int_entry("x-expires", 0), "{value_zero,0}"},
        {int_entry("x-max-priority", 256), "{max_value_exceeded,256}"},
        {string_entry("x-max-length", "ten"), "\"expected integer, got longstr\""},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *name = client_unique("wrong");
        amqp_table_entry_t entry = wrong[i].entry;
        amqp_table_t arguments = {.num_entries = 1, .entries = &entry};
        amqp_queue_declare(connection, CHANNEL, text(name), 0, 0, 0, 0, arguments);
        client_expect_channel_closed(
            connection, 406,
            "PRECONDITION_FAILED - invalid arg '%.*s' for queue '%s' in vhost '/': %s",
            (int)entry.key.len, (const char *)entry.key.bytes, name, wrong[i].reason);
        client_open_channel(connection, CHANNEL);
    }
    client_close(connection);
}

const struct interop_test feature_tests[] = {
    {"expired_messages_are_dead_lettered", expired_messages_are_dead_lettered},
    {"expiration_of_a_message_is_taken_off_and_told",
     expiration_of_a_message_is_taken_off_and_told},
    {"rejected_messages_get_the_dead_letter_routing_key",
     rejected_messages_get_the_dead_letter_routing_key},
    {"max_length_drops_the_oldest", max_length_drops_the_oldest},
    {"full_queue_nacks_publishes", full_queue_nacks_publishes},
    {"priorities_come_first", priorities_come_first},
    {"single_active_consumer_hands_over", single_active_consumer_hands_over},
    {"quorum_queue_buries_poison", quorum_queue_buries_poison},
    {"wrong_arguments_are_406", wrong_arguments_are_406},
    {NULL, NULL},
};
