/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message is one block: names, properties and body behind a small head, so that publishing costs
 * one allocation and delivering walks one stretch of memory. The count of references is atomic
 * because the last holder may be any reactor or the store. An atomic write costs as much as fifty
 * other instructions, so a holder that sees itself alone needs none: it shares the message, or
 * frees it, with plain ones, and who needs several references takes and drops them together. A
 * message that is another one with a new address (a dead letter) refers to that one for its body.
 */
#include "queue/message.h"

#include <string.h>

#include "base/check.h"
#include "base/seldom.h"
#include "queue/message_cache.h"

static uint8_t *append(uint8_t *at, struct bytes bytes)
{
    if (bytes.size > 0)
        memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

/* Room for body_here bytes of body behind the rest. */
static struct message *make(struct bytes exchange, struct bytes routing_key,
                            struct bytes properties, size_t body_here)
{
    CHECK(exchange.size <= UINT8_MAX && routing_key.size <= UINT8_MAX);
    CHECK(properties.size <= UINT32_MAX);
    struct message *message = message_cache_take(sizeof *message + exchange.size +
                                                 routing_key.size + properties.size + body_here);
    atomic_init(&message->references, 1);
    message->is_persistent = message->hides_bcc = false;
    message->exchange_size = (uint8_t)exchange.size;
    message->routing_key_size = (uint8_t)routing_key.size;
    message->properties_size = (uint32_t)properties.size;
    message->property_flags = amqp_properties_flags(properties);
    message->body_size = body_here;
    message->body_owner = NULL;
    uint8_t *at = append(message->data, exchange);
    at = append(at, routing_key);
    append(at, properties);
    return message;
}

struct message *message_new(struct bytes exchange, struct bytes routing_key,
                            struct bytes properties, struct bytes body)
{
    struct message *message = make(exchange, routing_key, properties, body.size);
    if (body.data != NULL)
        append(message_body_for_writing(message), body);
    return message;
}

struct message *message_readdress(struct message *message, struct bytes exchange,
                                  struct bytes routing_key, struct bytes properties)
{
    struct message *owner = message->body_owner != NULL ? message->body_owner : message;
    struct message *copy = make(exchange, routing_key, properties, 0);
    copy->is_persistent = message->is_persistent;
    copy->hides_bcc = message->hides_bcc;
    copy->body_size = message->body_size;
    if (copy->body_size > 0)
        copy->body_owner = message_ref(owner);
    return copy;
}

uint8_t *message_body_for_writing(struct message *message)
{
    return message->data + message->exchange_size + message->routing_key_size +
           message->properties_size;
}

SELDOM static void free_readdressed(struct message *message)
{
    message_unref(message->body_owner);
    message_cache_give(message, message_footprint(message) - message->body_size);
}

void message_unref_several(struct message *message, uint32_t count)
{
    if (atomic_load_explicit(&message->references, memory_order_acquire) != count &&
        atomic_fetch_sub_explicit(&message->references, count, memory_order_acq_rel) != count)
        return;
    if (message->body_owner != NULL)
        free_readdressed(message);
    else
        message_cache_give(message, message_footprint(message));
}
