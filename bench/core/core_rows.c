/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the core: what vhost_apply does with a batch of 256 commands, and what is taken from
 * the vhost after it. In: the checks, routing, the queue, the delivery, confirms, the operations
 * for the store and the news that they are on disk. Out: making the message and freeing it (they
 * are in the rows of the wire), and the store.
 */
#include <stdio.h>
#include <stdlib.h>

#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/buffer.h"
#include "base/check.h"
#include "driver.h"
#include "rows.h"

static const uint8_t persistent_bytes[] = {0x10, 0x00, 2}; /* delivery mode 2 and no more */

static const struct bytes transient = {(const uint8_t *)"\0\0", 2};

/* 16 bytes, transient, to a queue that nobody reads, through the default exchange. */
static size_t publish(void)
{
    struct driver driver;
    driver_init(&driver);
    driver_queue(&driver, "q", false);
    for (int i = 0; i < row_rounds; i++) {
        driver_publish_round(&driver, "", "q", transient);
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_DELIVER) == 0);
        driver_purge(&driver, "q");
    }
    driver_fini(&driver);
    return row_rounds * round_messages;
}

/* The same, to a consumer that waits and wants no acks: through the broker in one turn. */
static size_t pass(void)
{
    struct driver driver;
    driver_init(&driver);
    driver_queue(&driver, "q", false);
    driver_consume(&driver, "q", true);
    for (int i = 0; i < row_rounds; i++) {
        driver_publish_round(&driver, "", "q", transient);
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_DELIVER) == round_messages);
    }
    driver_fini(&driver);
    return row_rounds * round_messages;
}

/* What stands in a queue goes to a consumer that has just come and that acks. */
static size_t deliver(void)
{
    enum { depth = 4096 };
    struct driver driver;
    size_t count = 0;
    driver_init(&driver);
    driver_queue(&driver, "q", false);
    for (int i = 0; i < row_rounds / 4; i++) {
        for (int j = 0; j < depth / round_messages; j++)
            driver_publish_round(&driver, "", "q", transient);
        driver_turn(&driver);
        driver_method(&driver,
                      &(struct amqp_method){.id = AMQP_BASIC_CONSUME,
                                            .basic_consume = {.queue = bytes_of_text("q"),
                                                              .consumer_tag = bytes_of_text("q")}});
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_DELIVER) == depth);
        count += depth;
        driver_ack(&driver, count);
        driver.batch->commands[0].multiple = true;
        driver_turn(&driver);
        driver_cancel(&driver, "q");
    }
    driver_fini(&driver);
    return count;
}

/* One message each. */
static size_t ack(void)
{
    struct driver driver;
    uint64_t tag = 0;
    driver_init(&driver);
    driver_queue(&driver, "q", false);
    driver_consume(&driver, "q", false);
    for (int i = 0; i < row_rounds; i++) {
        driver_publish_round(&driver, "", "q", transient);
        driver_turn(&driver);
        for (int j = 0; j < round_messages; j++)
            driver_ack(&driver, ++tag);
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_METHOD) == 0);
    }
    struct queue_status status;
    CHECK(vhost_queue_status(driver.vhost, bytes_of_text("q"), &status) && status.unacked == 0);
    driver_fini(&driver);
    return row_rounds * round_messages;
}

/* Into a durable queue that nobody reads, on a channel with confirms: until they have left. */
static size_t publish_persistent(void)
{
    struct driver driver;
    struct bytes properties = bytes_of(persistent_bytes, sizeof persistent_bytes);
    driver_init(&driver);
    driver_queue(&driver, "q", true);
    driver_method(&driver, &(struct amqp_method){.id = AMQP_CONFIRM_SELECT});
    driver_turn(&driver);
    for (int i = 0; i < row_rounds; i++) {
        driver_publish_round(&driver, "", "q", properties);
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_ACK) == 0);
        CHECK(driver.stored != NULL && driver.stored->count == round_messages);
        measured_commit(&driver);
        CHECK(driver_collect(&driver, EFFECT_ACK) == 1);
        store_batch_free(driver.stored);
        driver_purge(&driver, "q");
    }
    driver_fini(&driver);
    return row_rounds * round_messages;
}

/* The same, to a consumer that waits; its acks come when the message is on disk, one for each, and
 * the removals go to the disk like the messages before. */
static size_t pass_persistent(void)
{
    struct driver driver;
    struct bytes properties = bytes_of(persistent_bytes, sizeof persistent_bytes);
    uint64_t tag = 0;
    driver_init(&driver);
    driver_queue(&driver, "q", true);
    driver_method(&driver, &(struct amqp_method){.id = AMQP_CONFIRM_SELECT});
    driver_consume(&driver, "q", false);
    for (int i = 0; i < row_rounds; i++) {
        driver_publish_round(&driver, "", "q", properties);
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_DELIVER) == round_messages);
        measured_commit(&driver);
        CHECK(driver_collect(&driver, EFFECT_ACK) == 1);
        store_batch_free(driver.stored);
        for (int j = 0; j < round_messages; j++)
            driver_ack(&driver, ++tag);
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_METHOD) == 0 && driver.stored != NULL);
        measured_commit(&driver);
        driver_collect(&driver, EFFECT_METHOD);
        store_batch_free(driver.stored);
    }
    driver_fini(&driver);
    return row_rounds * round_messages;
}

/* --- routing: keys that differ each time, so that no channel remembers where the last one went */

enum { topic_bindings = 10000, fanout_queues = 50, headers_bindings = 100 };

/* Half of the patterns are plain, the others have wildcards; each key matches one. */
static void topic_pattern(int number, char *pattern, size_t size)
{
    static const char *const patterns[] = {"stock.n%d.price", "stock.n%d.price", "stock.n%d.*",
                                           "*.n%d.#"};
    snprintf(pattern, size, patterns[number % 4], number);
}

static size_t route_topic(void)
{
    struct driver driver;
    char text[64];
    driver_init(&driver);
    driver_exchange(&driver, "x", "topic");
    driver_queue(&driver, "q", false);
    driver_consume(&driver, "q", true);
    for (int i = 0; i < topic_bindings; i++) {
        topic_pattern(i, text, sizeof text);
        driver_bind(&driver, "q", "x", text, bytes_of(NULL, 0));
    }
    for (int i = 0; i < row_rounds; i++) {
        for (int j = 0; j < round_messages; j++) {
            snprintf(text, sizeof text, "stock.n%d.price",
                     (i * round_messages + j) * 7919 % topic_bindings);
            driver_publish(&driver, "x", text, transient);
        }
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_DELIVER) == round_messages);
    }
    driver_fini(&driver);
    return row_rounds * round_messages;
}

/* To 50 queues, each with a consumer; counted per message that was published. */
static size_t fan_out(void)
{
    struct driver driver;
    char text[64];
    driver_init(&driver);
    driver_exchange(&driver, "x", "fanout");
    for (int i = 0; i < fanout_queues; i++) {
        snprintf(text, sizeof text, "q%d", i);
        driver_queue(&driver, text, false);
        driver_consume(&driver, text, true);
        driver_bind(&driver, text, "x", "", bytes_of(NULL, 0));
    }
    for (int i = 0; i < row_rounds; i++) {
        driver_publish_round(&driver, "x", "", transient);
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_DELIVER) == fanout_queues * round_messages);
    }
    driver_fini(&driver);
    return row_rounds * round_messages;
}

static void headers_of(struct buffer *table, int number, bool is_binding)
{
    buffer_clear(table);
    if (is_binding)
        amqp_table_add_text(table, "x-match", "all");
    amqp_table_add_text(table, "region", "north");
    amqp_table_add_int(table, "number", number);
}

/* 100 bindings with two headers each, of which one matches. */
static size_t route_headers(void)
{
    struct driver driver;
    struct buffer table = {0}, properties = {0};
    driver_init(&driver);
    driver_exchange(&driver, "x", "headers");
    driver_queue(&driver, "q", false);
    driver_consume(&driver, "q", true);
    for (int i = 0; i < headers_bindings; i++) {
        headers_of(&table, i, true);
        driver_bind(&driver, "q", "x", "", buffer_bytes(&table));
    }
    for (int i = 0; i < row_rounds; i++) {
        for (int j = 0; j < round_messages; j++) {
            headers_of(&table, j % headers_bindings, false);
            struct amqp_properties fields = {.flags = AMQP_PROPERTY_HEADERS,
                                             .headers = buffer_bytes(&table)};
            buffer_clear(&properties);
            amqp_properties_encode(&properties, &fields);
            driver_publish(&driver, "x", "", buffer_bytes(&properties));
        }
        measured_turn(&driver);
        CHECK(driver_collect(&driver, EFFECT_DELIVER) == round_messages);
    }
    buffer_fini(&table);
    buffer_fini(&properties);
    driver_fini(&driver);
    return row_rounds * round_messages;
}

const struct row core_rows[] = {
    {"publish", publish},
    {"deliver", deliver},
    {"ack", ack},
    {"pass", pass},
    {"publish-persistent", publish_persistent},
    {"pass-persistent", pass_persistent},
    {"route-topic", route_topic},
    {"fan-out", fan_out},
    {"route-headers", route_headers},
    {NULL, NULL},
};
