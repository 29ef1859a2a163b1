/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core without anything around it. Methods go in as the bytes that a client sends; what they
 * answer is not looked at, because a refused one closes the channel and the next round then finds
 * other effects than it wants. The output credit is more than a row uses.
 */
#include "driver.h"

#include <stdlib.h>

#include "amqp/properties.h"
#include "base/buffer.h"
#include "base/check.h"
#include "rows.h"

enum { now_ms = 1000, channel = 1, body_bytes = 16 };

struct command *driver_command(struct driver *driver, enum command_kind kind)
{
    struct command *command = command_batch_add(driver->batch);
    *command =
        (struct command){.kind = (uint8_t)kind, .channel = channel, .session = driver->session};
    return command;
}

void driver_publish(struct driver *driver, const char *exchange, const char *key,
                    struct bytes properties)
{
    static const uint8_t body[body_bytes];
    struct message *message = message_new(bytes_of_text(exchange), bytes_of_text(key), properties,
                                          bytes_of(body, sizeof body));
    message->is_persistent = amqp_properties_is_persistent(properties);
    driver_command(driver, COMMAND_PUBLISH)->message = message;
}

void driver_publish_round(struct driver *driver, const char *exchange, const char *key,
                          struct bytes properties)
{
    for (int i = 0; i < round_messages; i++)
        driver_publish(driver, exchange, key, properties);
}

void driver_ack(struct driver *driver, uint64_t tag)
{
    driver_command(driver, COMMAND_ACK)->tag = tag;
}

void driver_method(struct driver *driver, const struct amqp_method *method)
{
    struct buffer payload = {0};
    struct amqp_error error;
    amqp_method_encode(&payload, method);
    struct command_method *decoded = command_method_decode(buffer_bytes(&payload), 8, &error);
    CHECK(decoded != NULL);
    driver_command(driver, COMMAND_METHOD)->method = decoded;
    buffer_fini(&payload);
}

/* --- turns */

__attribute__((noinline)) void measured_turn(struct driver *driver)
{
    vhost_apply(driver->vhost, driver->batch, now_ms);
    driver->effects = vhost_take_effects(driver->vhost, 0);
    driver->stored = vhost_take_batch(driver->vhost);
}

__attribute__((noinline)) void measured_commit(struct driver *driver)
{
    vhost_complete(driver->vhost, driver->stored->number, now_ms);
    driver->effects = vhost_take_effects(driver->vhost, 0);
}

size_t driver_collect(struct driver *driver, enum effect_kind kind)
{
    size_t count = 0;
    for (struct effect_chunk *chunk = driver->effects.first; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < chunk->count; i++)
            count += chunk->effects[i].kind == kind;
    }
    effect_chain_clear(&driver->effects);
    return count;
}

void driver_turn(struct driver *driver)
{
    vhost_apply(driver->vhost, driver->batch, now_ms);
    while ((driver->stored = vhost_take_batch(driver->vhost)) != NULL) {
        vhost_complete(driver->vhost, driver->stored->number, now_ms);
        store_batch_free(driver->stored);
    }
    driver->effects = vhost_take_effects(driver->vhost, 0);
    driver_collect(driver, EFFECT_METHOD);
}

/* --- methods */

static void apply_method(struct driver *driver, const struct amqp_method *method)
{
    driver_method(driver, method);
    driver_turn(driver);
}

void driver_exchange(struct driver *driver, const char *name, const char *type)
{
    apply_method(driver, &(struct amqp_method){.id = AMQP_EXCHANGE_DECLARE,
                                               .exchange_declare = {.exchange = bytes_of_text(name),
                                                                    .type = bytes_of_text(type)}});
}

void driver_queue(struct driver *driver, const char *name, bool is_durable)
{
    apply_method(driver, &(struct amqp_method){.id = AMQP_QUEUE_DECLARE,
                                               .queue_declare = {.queue = bytes_of_text(name),
                                                                 .durable = is_durable}});
}

void driver_bind(struct driver *driver, const char *queue, const char *exchange, const char *key,
                 struct bytes arguments)
{
    apply_method(driver, &(struct amqp_method){.id = AMQP_QUEUE_BIND,
                                               .queue_bind = {.queue = bytes_of_text(queue),
                                                              .exchange = bytes_of_text(exchange),
                                                              .routing_key = bytes_of_text(key),
                                                              .arguments = arguments}});
}

static struct amqp_method consume_method(const char *queue, bool no_ack)
{
    return (struct amqp_method){.id = AMQP_BASIC_CONSUME,
                                .basic_consume = {.queue = bytes_of_text(queue),
                                                  .consumer_tag = bytes_of_text(queue),
                                                  .no_ack = no_ack}};
}

void driver_consume(struct driver *driver, const char *queue, bool no_ack)
{
    struct amqp_method method = consume_method(queue, no_ack);
    apply_method(driver, &method);
}

void driver_cancel(struct driver *driver, const char *queue)
{
    apply_method(driver,
                 &(struct amqp_method){.id = AMQP_BASIC_CANCEL,
                                       .basic_cancel = {.consumer_tag = bytes_of_text(queue)}});
}

void driver_purge(struct driver *driver, const char *queue)
{
    apply_method(driver, &(struct amqp_method){.id = AMQP_QUEUE_PURGE,
                                               .queue_purge = {.queue = bytes_of_text(queue)}});
}

/* --- from nothing to an open channel, and back */

void driver_init(struct driver *driver)
{
    struct vhost_config config;
    struct session_config session = {
        .connection = 1, .user = "guest", .channel_max = 16, .output_bytes = UINT32_MAX};
    vhost_config_init(&config);
    *driver = (struct driver){.access = access_new_open(), .batch = command_batch_new()};
    driver->messages.bytes_max = message_cache_bytes;
    message_cache_use(&driver->messages);
    driver->vhost = vhost_new(&config, driver->access);
    driver->session = session_new(&session);
    driver_command(driver, COMMAND_SESSION_OPEN)->channel = 0;
    apply_method(driver, &(struct amqp_method){.id = AMQP_CHANNEL_OPEN});
}

void driver_fini(struct driver *driver)
{
    driver_command(driver, COMMAND_SESSION_CLOSE)->channel = 0;
    driver_turn(driver);
    command_batch_free(driver->batch);
    vhost_free(driver->vhost);
    access_free(driver->access);
    message_cache_use(NULL);
    message_cache_fini(&driver->messages);
}
