/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message interceptors: what is written into a message, over what, and that it is there before the
 * message is routed.
 */
#include "core_fixture.h"

#include "amqp/properties.h"
#include "amqp/table.h"
#include "broker/interceptor.h"
#include "queue/message.h"

static const uint64_t NOW_MS = 1700000000123;

/* headers: fields in a buffer that is freed; timestamp_s 0: none. */
static struct message *new_message(struct buffer *headers, uint64_t timestamp_s)
{
    struct buffer raw = {0};
    struct amqp_properties properties = {
        .flags = AMQP_PROPERTY_DELIVERY_MODE | AMQP_PROPERTY_APP_ID,
        .delivery_mode = 2,
        .app_id = bytes_of_text("app"),
        .headers = buffer_bytes(headers),
        .timestamp_s = timestamp_s,
    };
    if (headers->size > 0)
        properties.flags |= AMQP_PROPERTY_HEADERS;
    if (timestamp_s != 0)
        properties.flags |= AMQP_PROPERTY_TIMESTAMP;
    amqp_properties_encode(&raw, &properties);
    struct message *message = message_new(bytes_of_text("x"), bytes_of_text("key"),
                                          buffer_bytes(&raw), bytes_of_text("body"));
    message->is_persistent = true;
    buffer_fini(&raw);
    buffer_fini(headers);
    return message;
}

static struct message *stamp(enum stamp time, enum stamp node, struct message *message)
{
    struct vhost_config config;
    vhost_config_init(&config);
    config.node_name = "rabbit@here";
    config.stamps_time = time;
    config.stamps_node = node;
    assert_int_equal(interceptor_is_wanted(&config), time != STAMP_NEVER || node != STAMP_NEVER);
    return interceptor_stamp(&config, message, NOW_MS);
}

/* The stamps of a message, which is released: -1 and "" where there is none. */
struct stamps {
    int64_t time_ms;
    char node[32];
    uint64_t timestamp_s;
    char other[32]; /* the header "other" */
    size_t header_count;
};

static void text_of(struct bytes headers, const char *name, char text[32])
{
    struct amqp_value value;
    snprintf(text, 32, "%s", "");
    if (amqp_table_find(headers, name, &value))
        snprintf(text, 32, "%.*s", (int)value.bytes.size, (const char *)value.bytes.data);
}

static struct stamps stamps_of(struct message *message)
{
    struct amqp_properties properties;
    struct amqp_value value;
    struct amqp_field field;
    struct stamps stamps = {.time_ms = -1};
    assert_true(amqp_properties_parse(message_properties(message), &properties));
    assert_true(bytes_equal_text(message_body(message), "body"));
    assert_true(bytes_equal_text(message_exchange(message), "x"));
    assert_true(bytes_equal_text(message_routing_key(message), "key"));
    assert_true(message->is_persistent);
    assert_true(bytes_equal_text(properties.app_id, "app"));
    if (amqp_table_find(properties.headers, "timestamp_in_ms", &value))
        stamps.time_ms = value.integer;
    text_of(properties.headers, "x-routed-by", stamps.node);
    text_of(properties.headers, "other", stamps.other);
    stamps.timestamp_s = properties.timestamp_s;
    struct reader reader = reader_of(properties.headers);
    while (amqp_table_next(&reader, &field))
        stamps.header_count++;
    message_unref(message);
    return stamps;
}

static void a_message_without_headers_gets_them(void **state)
{
    (void)state;
    struct buffer none = {0};
    struct stamps stamps = stamps_of(stamp(STAMP_ALWAYS, STAMP_ALWAYS, new_message(&none, 0)));
    assert_true(stamps.time_ms == (int64_t)NOW_MS);
    assert_int_equal(stamps.timestamp_s, NOW_MS / 1000);
    assert_string_equal(stamps.node, "rabbit@here");
    stamps = stamps_of(stamp(STAMP_WHERE_MISSING, STAMP_NEVER, new_message(&none, 0)));
    assert_true(stamps.time_ms == (int64_t)NOW_MS);
    assert_int_equal(stamps.timestamp_s, NOW_MS / 1000);
    assert_string_equal(stamps.node, "");
    stamps = stamps_of(stamp(STAMP_NEVER, STAMP_WHERE_MISSING, new_message(&none, 7)));
    assert_int_equal(stamps.time_ms, -1);
    assert_int_equal(stamps.timestamp_s, 7);
    assert_string_equal(stamps.node, "rabbit@here");
}

static struct message *new_stamped(void)
{
    struct buffer headers = {0};
    amqp_table_add_text(&headers, "x-routed-by", "rabbit@elsewhere");
    amqp_table_add_text(&headers, "other", "stays");
    amqp_table_add_int(&headers, "timestamp_in_ms", 5);
    return new_message(&headers, 7);
}

static void what_is_there_stays_or_is_written_over(void **state)
{
    (void)state;
    struct stamps stamps =
        stamps_of(stamp(STAMP_WHERE_MISSING, STAMP_WHERE_MISSING, new_stamped()));
    assert_int_equal(stamps.time_ms, 5);
    assert_int_equal(stamps.timestamp_s, 7);
    assert_string_equal(stamps.node, "rabbit@elsewhere");
    assert_string_equal(stamps.other, "stays");
    assert_int_equal(stamps.header_count, 3);
    stamps = stamps_of(stamp(STAMP_ALWAYS, STAMP_ALWAYS, new_stamped()));
    assert_true(stamps.time_ms == (int64_t)NOW_MS);
    assert_int_equal(stamps.timestamp_s, NOW_MS / 1000);
    assert_string_equal(stamps.node, "rabbit@here");
    assert_string_equal(stamps.other, "stays");
    assert_int_equal(stamps.header_count, 3);
}

/* A queue that is bound by the header gets the message, of a transaction too. */
static void it_comes_before_the_route(void **state)
{
    struct core *core = *state;
    struct vhost_config config = core->config;
    config.node_name = "rabbit@here";
    config.stamps_node = STAMP_ALWAYS;
    core_fini(core);
    core_init_with(core, &config);
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait\n"
        "1.1 queue.bind q amq.headers - no-wait x-match=any-with-x x-routed-by=rabbit@here\n"
        "1.1 basic.publish amq.headers - a",
        "");
    assert_queue(core, "q", "1 0 0");
    run(core, "1.2 tx.select\n1.2 basic.publish amq.headers - b\n1.2 tx.commit",
        "1.2 tx.select-ok\n1.2 tx.commit-ok\n");
    assert_queue(core, "q", "2 0 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_without_headers_gets_them),
        cmocka_unit_test(what_is_there_stays_or_is_written_over),
        core_test(it_comes_before_the_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
