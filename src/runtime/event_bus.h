/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_EVENT_BUS_H
#define LEVERET_RUNTIME_EVENT_BUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate;
struct message;

/*
 * The way of messages that the server itself has for an exchange, from wherever they were made to
 * the one vhost that has the exchange: events of other vhosts, of users, of connections, and lines
 * of the log. See event_bus.c. All functions may be called by any thread, holders of gates
 * included.
 */
struct event_bus;

struct event_bus *event_bus_new(void);
/* Nobody posts any more. */
void event_bus_free(struct event_bus *bus);

/* Set while somebody is bound to the exchange: who makes events looks here before. */
_Atomic bool *event_bus_interest(struct event_bus *bus);
static inline bool event_bus_is_wanted(struct event_bus *bus)
{
    return atomic_load_explicit(event_bus_interest(bus), memory_order_acquire);
}

/* The gate of the vhost with the exchange; from event_bus_detach on it is not touched. */
void event_bus_attach(struct event_bus *bus, struct gate *gate);
void event_bus_detach(struct event_bus *bus, const struct gate *gate);

/* Hands messages over, in this order and behind those that were posted before; the references
 * pass. Where too many wait already, or there is no such vhost, they are gone. */
void event_bus_post(struct event_bus *bus, struct message **messages, size_t count);
void event_bus_post_one(struct event_bus *bus, struct message *message);

/* For the gate: all that waits for it. The caller frees the array and owns the references. */
size_t event_bus_take(struct event_bus *bus, const struct gate *gate, struct message ***messages);

/* How many were dropped because too many waited. */
uint64_t event_bus_dropped(struct event_bus *bus);

#endif
