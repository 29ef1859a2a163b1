/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consuming and acknowledging, and what a message looks like when it arrives, through librabbitmq.
 *
 * librabbitmq is the one client of our suites that knows every type of a header table, so this is
 * where they are all sent. They are compared as the bytes of their encoding: a broker that turns an
 * unsigned short into a long keeps the value and breaks the receiver that asks for the type.
 */
#include "client.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static amqp_bytes_t text(const char *string)
{
    return amqp_cstring_bytes(string);
}

static void publishes_and_consumes_in_order(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    unsigned int count = harness_is_quick() ? 1000 : 10000;
    struct client_message message;

    for (unsigned int i = 0; i < count; i++) {
        amqp_bytes_t body = {.len = sizeof i, .bytes = &i};
        amqp_basic_publish(connection, CHANNEL, amqp_empty_bytes, text(queue), 0, 0, NULL, body);
    }
    client_consume(connection, queue, false);
    for (unsigned int i = 0; i < count; i++) {
        unsigned int got;
        client_receive(connection, &message);
        expect_number("body length", message.content.body.len, sizeof got);
        memcpy(&got, message.content.body.bytes, sizeof got);
        expect_number("message", got, i);
        expect_number("delivery tag", message.delivery_tag, (uint64_t)i + 1);
        expect_true(!message.is_redelivered, "redelivered the first time");
        expect_bytes("routing key", message.routing_key, strlen(message.routing_key), queue);
        amqp_basic_ack(connection, CHANNEL, message.delivery_tag, 0);
        client_message_free(&message);
    }
    expect_number("messages left", client_message_count(connection, queue), 0);
    client_close(connection);
}

static void get_counts_down(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    struct client_message message;

    client_publish(connection, "", queue, NULL, "1");
    client_publish(connection, "", queue, NULL, "2");
    for (uint32_t left = 2; left-- > 0;) {
        expect_true(client_get(connection, queue, true, &message), "a message");
        expect_number("messages left", message.message_count, left);
        client_message_free(&message);
    }
    expect_true(!client_get(connection, queue, true, &message), "get-empty");
    client_close(connection);
}

static void prefetch_limits_deliveries(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    struct client_message message;

    for (int i = 0; i < 10; i++) {
        client_publish(connection, "", queue, NULL, "x");
    }
    amqp_basic_qos(connection, CHANNEL, 0, 3, 0);
    client_check(connection, "basic.qos");
    client_consume(connection, queue, false);
    for (int i = 0; i < 3; i++) {
        client_receive(connection, &message);
        client_message_free(&message);
    }
    expect_true(client_is_quiet(connection, 300), "a fourth delivery without an ack");
    amqp_basic_ack(connection, CHANNEL, message.delivery_tag, 1);
    for (int i = 0; i < 3; i++) {
        client_receive(connection, &message);
        client_message_free(&message);
    }
    expect_true(client_is_quiet(connection, 300), "a seventh delivery without an ack");
    client_close(connection);
}

static void nack_requeues_in_the_original_order(void)
{
    static const char *const bodies[] = {"1", "2", "3"};
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    struct client_message message;

    for (int i = 0; i < 3; i++) {
        client_publish(connection, "", queue, NULL, bodies[i]);
    }
    for (int i = 0; i < 2; i++) {
        expect_true(client_get(connection, queue, false, &message), "a message");
        client_message_free(&message);
    }
    amqp_basic_nack(connection, CHANNEL, message.delivery_tag, 1, 1);
    for (int i = 0; i < 3; i++) {
        expect_true(client_get(connection, queue, true, &message), "a message");
        expect_bytes("body", message.content.body.bytes, message.content.body.len, bodies[i]);
        expect_number("redelivered", message.is_redelivered, i < 2);
        client_message_free(&message);
    }
    client_close(connection);
}

static void reject_drops(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    struct client_message message;

    client_publish(connection, "", queue, NULL, "x");
    expect_true(client_get(connection, queue, false, &message), "a message");
    amqp_basic_reject(connection, CHANNEL, message.delivery_tag, 0);
    expect_number("messages left", client_message_count(connection, queue), 0);
    client_message_free(&message);
    client_close(connection);
}

static void recover_redelivers(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    struct client_message message;

    client_publish(connection, "", queue, NULL, "x");
    expect_true(client_get(connection, queue, false, &message), "a message");
    client_message_free(&message);
    amqp_basic_recover(connection, CHANNEL, 1);
    client_check(connection, "basic.recover");
    expect_true(client_get(connection, queue, true, &message), "the message again");
    expect_true(message.is_redelivered, "redelivered");
    client_message_free(&message);
    client_close(connection);
}

static void abandoned_connection_gives_back(void)
{
    amqp_connection_state_t lost = client_open();
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    struct client_message message;

    client_publish(connection, "", queue, NULL, "x");
    client_expect_count(connection, queue, 1);
    expect_true(client_get(lost, queue, false, &message), "a message");
    client_message_free(&message);
    client_abandon(lost);
    client_expect_message(connection, queue, "x");
    client_close(connection);
}

static void double_ack_is_406(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    struct client_message message;

    client_publish(connection, "", queue, NULL, "x");
    expect_true(client_get(connection, queue, false, &message), "a message");
    client_message_free(&message);
    amqp_basic_ack(connection, CHANNEL, message.delivery_tag, 0);
    amqp_basic_ack(connection, CHANNEL, message.delivery_tag, 0);
    amqp_queue_declare(connection, CHANNEL, text(queue), 1, 0, 0, 0, amqp_empty_table);
    client_expect_channel_closed(connection, 406, "PRECONDITION_FAILED - unknown delivery tag 1");
    client_close(connection);
}

/* Older versions of the library do not announce that they understand basic.cancel, and must then
 * not be sent it. */
static bool announces_cancel_notify(amqp_connection_state_t connection)
{
    const amqp_field_value_t *capabilities =
        client_find(amqp_get_client_properties(connection), "capabilities");

    return capabilities != NULL &&
           client_find(&capabilities->value.table, "consumer_cancel_notify") != NULL;
}

static void deleting_the_queue_tells_the_consumer_that_asked(void)
{
    amqp_connection_state_t connection = client_open();
    amqp_connection_state_t other = client_open();
    const char *queue = client_queue(connection, false);
    const char *tag = client_consume(connection, queue, false);

    expect_bytes("prefix of the tag", tag, 9, "amq.ctag-");
    amqp_queue_delete(other, CHANNEL, text(queue), 0, 0);
    client_check(other, "queue.delete");
    if (announces_cancel_notify(connection)) {
        amqp_basic_cancel_t *cancel = client_wait_method(connection, AMQP_BASIC_CANCEL_METHOD);
        expect_bytes("cancelled tag", cancel->consumer_tag.bytes, cancel->consumer_tag.len, tag);
    } else {
        expect_true(client_is_quiet(connection, 300), "a client without the capability was told");
    }
    client_exclusive_queue(connection);
    client_close(other);
    client_close(connection);
}

/* --- content ----------------------------------------------------------------------------- */

static void round_trip(amqp_connection_state_t connection, const char *queue, size_t body_bytes)
{
    struct client_message message;
    amqp_bytes_t body = amqp_bytes_malloc(body_bytes);

    for (size_t i = 0; i < body_bytes; i++) {
        ((unsigned char *)body.bytes)[i] = (unsigned char)(i * 31 + i / 1009);
    }
    expect_number("publish",
                  (uint64_t)amqp_basic_publish(connection, CHANNEL, amqp_empty_bytes, text(queue),
                                               0, 0, NULL, body),
                  AMQP_STATUS_OK);
    expect_true(client_get(connection, queue, true, &message), "the message");
    expect_number("body length", message.content.body.len, body_bytes);
    expect_true(body_bytes == 0 || memcmp(message.content.body.bytes, body.bytes, body_bytes) == 0,
                "another body came back");
    client_message_free(&message);
    amqp_bytes_free(body);
}

static void bodies_of_all_sizes(void)
{
    size_t limit = AMQP_DEFAULT_FRAME_SIZE - 8;
    size_t sizes[] = {0, 1, 100, limit - 1, limit, limit + 1, 3 * limit, 10000000};
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        round_trip(connection, queue, sizes[i]);
    }
    client_close(connection);
}

static void body_in_small_frames(void)
{
    struct client_options options = {.frame_max = 8192};
    amqp_connection_state_t connection = client_open_with(&options);

    round_trip(connection, client_queue(connection, false), 300000);
    client_close(connection);
}

static void all_properties_round_trip(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    amqp_basic_properties_t sent = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG |
                  AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_PRIORITY_FLAG |
                  AMQP_BASIC_CORRELATION_ID_FLAG | AMQP_BASIC_REPLY_TO_FLAG |
                  AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                  AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_USER_ID_FLAG |
                  AMQP_BASIC_APP_ID_FLAG | AMQP_BASIC_CLUSTER_ID_FLAG,
        .content_type = text("text/plain"),
        .content_encoding = text("utf-8"),
        .delivery_mode = 2,
        .priority = 5,
        .correlation_id = text("correlation"),
        .reply_to = text("reply"),
        .expiration = text("600000"),
        .message_id = text("message"),
        .timestamp = 1700000000,
        .type = text("type"),
        .user_id = text(harness_environment("AMQP_USER")),
        .app_id = text("application"),
        .cluster_id = text("cluster"),
    };
    struct client_message message;

    client_publish(connection, "", queue, &sent, "x");
    expect_true(client_get(connection, queue, true, &message), "the message");
    const amqp_basic_properties_t *got = &message.content.properties;
    expect_number("flags", got->_flags, sent._flags);
    expect_bytes("content type", got->content_type.bytes, got->content_type.len, "text/plain");
    expect_bytes("encoding", got->content_encoding.bytes, got->content_encoding.len, "utf-8");
    expect_number("delivery mode", got->delivery_mode, 2);
    expect_number("priority", got->priority, 5);
    expect_bytes("correlation", got->correlation_id.bytes, got->correlation_id.len, "correlation");
    expect_bytes("reply to", got->reply_to.bytes, got->reply_to.len, "reply");
    expect_bytes("expiration", got->expiration.bytes, got->expiration.len, "600000");
    expect_bytes("message id", got->message_id.bytes, got->message_id.len, "message");
    expect_number("timestamp", got->timestamp, 1700000000);
    expect_bytes("type", got->type.bytes, got->type.len, "type");
    expect_bytes("app id", got->app_id.bytes, got->app_id.len, "application");
    expect_bytes("cluster id", got->cluster_id.bytes, got->cluster_id.len, "cluster");
    client_message_free(&message);
    client_close(connection);
}

static amqp_field_value_t inner_values[] = {
    {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = {.len = 3, .bytes = "one"}},
    {.kind = AMQP_FIELD_KIND_I64, .value.i64 = -2},
    {.kind = AMQP_FIELD_KIND_VOID},
};

static amqp_table_entry_t inner_entries[] = {
    {.key = {.len = 4, .bytes = "deep"},
     .value = {.kind = AMQP_FIELD_KIND_ARRAY,
               .value.array = {.num_entries = 3, .entries = inner_values}}},
};

/* 64-bit unsigned is left out: the broker this dialect comes from sends it on as signed. */
static amqp_table_entry_t every_type[] = {
    {{4, "bool"}, {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
    {{2, "i8"}, {.kind = AMQP_FIELD_KIND_I8, .value.i8 = INT8_MIN}},
    {{2, "u8"}, {.kind = AMQP_FIELD_KIND_U8, .value.u8 = UINT8_MAX}},
    {{3, "i16"}, {.kind = AMQP_FIELD_KIND_I16, .value.i16 = INT16_MIN}},
    {{3, "u16"}, {.kind = AMQP_FIELD_KIND_U16, .value.u16 = UINT16_MAX}},
    {{3, "i32"}, {.kind = AMQP_FIELD_KIND_I32, .value.i32 = INT32_MIN}},
    {{3, "u32"}, {.kind = AMQP_FIELD_KIND_U32, .value.u32 = UINT32_MAX}},
    {{3, "i64"}, {.kind = AMQP_FIELD_KIND_I64, .value.i64 = INT64_MIN}},
    {{3, "f32"}, {.kind = AMQP_FIELD_KIND_F32, .value.f32 = 1.5f}},
    {{3, "f64"}, {.kind = AMQP_FIELD_KIND_F64, .value.f64 = -1e300}},
    {{7, "decimal"},
     {.kind = AMQP_FIELD_KIND_DECIMAL, .value.decimal = {.decimals = 3, .value = 31415}}},
    {{4, "utf8"}, {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = {5, "caf\xc3\xa9"}}},
    {{5, "bytes"}, {.kind = AMQP_FIELD_KIND_BYTES, .value.bytes = {4, "\x00\xff\x80\x01"}}},
    {{4, "time"}, {.kind = AMQP_FIELD_KIND_TIMESTAMP, .value.u64 = 1700000000}},
    {{4, "void"}, {.kind = AMQP_FIELD_KIND_VOID}},
    {{5, "array"},
     {.kind = AMQP_FIELD_KIND_ARRAY, .value.array = {.num_entries = 3, .entries = inner_values}}},
    {{5, "table"},
     {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {.num_entries = 1, .entries = inner_entries}}},
};

static int compare_entries(const void *left, const void *right)
{
    return amqp_table_entry_cmp(left, right);
}

/* A broker may send the entries of a table in another order; their encoding is compared sorted. */
static amqp_bytes_t encoded(amqp_table_t *table)
{
    amqp_bytes_t bytes = amqp_bytes_malloc(4096);
    size_t offset = 0;

    qsort(table->entries, (size_t)table->num_entries, sizeof table->entries[0], compare_entries);
    expect_number("encoding", (uint64_t)amqp_encode_table(bytes, table, &offset), AMQP_STATUS_OK);
    bytes.len = offset;
    return bytes;
}

static void every_header_type_round_trips(void)
{
    amqp_connection_state_t connection = client_open();
    const char *queue = client_queue(connection, false);
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_HEADERS_FLAG,
        .headers = {.num_entries = sizeof every_type / sizeof every_type[0],
                    .entries = every_type}};
    struct client_message message;

    client_publish(connection, "", queue, &properties, "x");
    expect_true(client_get(connection, queue, true, &message), "the message");
    amqp_table_t *got = &message.content.properties.headers;
    expect_number("entries", (uint64_t)got->num_entries, (uint64_t)properties.headers.num_entries);
    amqp_bytes_t sent_bytes = encoded(&properties.headers);
    amqp_bytes_t got_bytes = encoded(got);
    for (int i = 0; i < got->num_entries; i++) {
        expect_bytes("key", got->entries[i].key.bytes, got->entries[i].key.len,
                     properties.headers.entries[i].key.bytes);
        if (got->entries[i].value.kind != properties.headers.entries[i].value.kind) {
            test_fail("%s came back as type '%c'", (char *)properties.headers.entries[i].key.bytes,
                      got->entries[i].value.kind);
        }
    }
    expect_number("encoded length", got_bytes.len, sent_bytes.len);
    expect_true(memcmp(got_bytes.bytes, sent_bytes.bytes, got_bytes.len) == 0, "the same bytes");
    client_message_free(&message);
    client_close(connection);
}

static void rpc_over_a_reply_queue(void)
{
    amqp_connection_state_t client = client_open();
    amqp_connection_state_t server = client_open();
    const char *requests = client_queue(server, false);
    const char *replies = client_exclusive_queue(client);
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_REPLY_TO_FLAG |
                                                    AMQP_BASIC_CORRELATION_ID_FLAG,
                                          .reply_to = text(replies)};
    struct client_message message;

    client_consume(server, requests, false);
    client_consume(client, replies, true);
    for (int i = 0; i < 20; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        properties.correlation_id = text(id);
        client_publish(client, "", requests, &properties, id);

        client_receive(server, &message);
        char key[256] = {0};
        const amqp_basic_properties_t *asked = &message.content.properties;
        memcpy(key, asked->reply_to.bytes, asked->reply_to.len);
        amqp_basic_properties_t answer = {._flags = AMQP_BASIC_CORRELATION_ID_FLAG,
                                          .correlation_id = asked->correlation_id};
        client_publish(server, "", key, &answer, "answer");
        amqp_basic_ack(server, CHANNEL, message.delivery_tag, 0);
        client_message_free(&message);

        client_receive(client, &message);
        const amqp_bytes_t *got = &message.content.properties.correlation_id;
        expect_bytes("correlation id", got->bytes, got->len, id);
        client_message_free(&message);
    }
    client_close(server);
    client_close(client);
}

const struct interop_test delivery_tests[] = {
    {"publishes_and_consumes_in_order", publishes_and_consumes_in_order},
    {"get_counts_down", get_counts_down},
    {"prefetch_limits_deliveries", prefetch_limits_deliveries},
    {"nack_requeues_in_the_original_order", nack_requeues_in_the_original_order},
    {"reject_drops", reject_drops},
    {"recover_redelivers", recover_redelivers},
    {"abandoned_connection_gives_back", abandoned_connection_gives_back},
    {"double_ack_is_406", double_ack_is_406},
    {"deleting_the_queue_tells_the_consumer_that_asked",
     deleting_the_queue_tells_the_consumer_that_asked},
    {"bodies_of_all_sizes", bodies_of_all_sizes},
    {"body_in_small_frames", body_in_small_frames},
    {"all_properties_round_trip", all_properties_round_trip},
    {"every_header_type_round_trips", every_header_type_round_trips},
    {"rpc_over_a_reply_queue", rpc_over_a_reply_queue},
    {NULL, NULL},
};
