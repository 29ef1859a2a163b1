/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_MESSAGE_H
#define LEVERET_QUEUE_MESSAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/properties.h"
#include "base/bytes.h"
#include "base/seldom.h"

/* One published message: immutable once it has been handed to the core, shared by reference. The
 * only type that several threads may hold at once; whoever drops the last reference frees it. */
struct message {
    _Atomic uint32_t references;
    bool is_persistent; /* delivery_mode 2 */
    bool hides_bcc;     /* the header BCC is for routing alone: no client sees it */
    uint8_t exchange_size;
    uint8_t routing_key_size;
    uint32_t properties_size;
    uint16_t property_flags;    /* enum amqp_property: which there are */
    size_t body_size;           /* bytes */
    struct message *body_owner; /* ref: the message that holds the body; NULL: this one does */
    uint8_t data[];             /* exchange, routing key, raw properties, body */
};

/* A new message with one reference. exchange and routing key are at most 255 bytes; properties are
 * the flags and values of the content header as received. The body is copied when body.data is not
 * NULL; otherwise its body.size bytes are left for message_body_for_writing. */
struct message *message_new(struct bytes exchange, struct bytes routing_key,
                            struct bytes properties, struct bytes body);

/* The message under another exchange and key and with other properties; the body is shared. */
struct message *message_readdress(struct message *message, struct bytes exchange,
                                  struct bytes routing_key, struct bytes properties);

/* Where the body goes while the message has one owner and nobody else has seen it. */
uint8_t *message_body_for_writing(struct message *message);

/* So many references more. While nobody else has one, nobody else can change their number. */
static inline struct message *message_ref_more(struct message *message, uint32_t count)
{
    uint32_t present = atomic_load_explicit(&message->references, memory_order_relaxed);
    if (present == 1)
        atomic_store_explicit(&message->references, 1 + count, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&message->references, count, memory_order_relaxed);
    return message;
}

static inline struct message *message_ref(struct message *message)
{
    return message_ref_more(message, 1);
}

/* Drops so many references, which the caller has all. */
void message_unref_several(struct message *message, uint32_t count);
static inline void message_unref(struct message *message)
{
    if (message != NULL)
        message_unref_several(message, 1);
}

static inline struct bytes message_exchange(const struct message *message)
{
    return bytes_of(message->data, message->exchange_size);
}

static inline struct bytes message_routing_key(const struct message *message)
{
    return bytes_of(message->data + message->exchange_size, message->routing_key_size);
}

static inline struct bytes message_properties(const struct message *message)
{
    return bytes_of(message->data + message->exchange_size + message->routing_key_size,
                    message->properties_size);
}

/* It is looked at soon: what another thread has written takes a hundred nanoseconds to come. (gcc
 * leaves calls of a function out that does nothing else, unless it must inline them.) */
static OFTEN void message_prefetch(const struct message *message)
{
    __builtin_prefetch(message);
}

/* Has the message any of these properties (enum amqp_property, or more than one)? */
static inline bool message_has(const struct message *message, unsigned properties)
{
    return (message->property_flags & properties) != 0;
}

/* Exchange and routing key, one behind the other. */
static inline struct bytes message_names(const struct message *message)
{
    return bytes_of(message->data, (size_t)message->exchange_size + message->routing_key_size);
}

/* Exchange, routing key and properties, one behind the other. The body may stand elsewhere. */
static inline struct bytes message_head(const struct message *message)
{
    return bytes_of(message->data, (size_t)message->exchange_size + message->routing_key_size +
                                       message->properties_size);
}

static inline struct bytes message_body(const struct message *message)
{
    if (message->body_owner != NULL)
        message = message->body_owner;
    return bytes_of(message->data + message->exchange_size + message->routing_key_size +
                        message->properties_size,
                    message->body_size);
}

/* What the message occupies: the unit of every memory and output account, in bytes. */
static inline size_t message_footprint(const struct message *message)
{
    return sizeof *message + message->exchange_size + message->routing_key_size +
           message->properties_size + message->body_size;
}

#endif
