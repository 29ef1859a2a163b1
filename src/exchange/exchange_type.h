/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_EXCHANGE_EXCHANGE_TYPE_H
#define LEVERET_EXCHANGE_EXCHANGE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/error.h"
#include "base/bytes.h"

/* A binding as an exchange type sees it: a key, arguments, and a next pointer for the type's own
 * chains. The broker embeds it in its own record of the binding; key and arguments stay valid and
 * unchanged while the binding is in a type's index. */
struct route {
    struct bytes key;       /* routing or binding key, at most 255 bytes */
    struct bytes arguments; /* a field table without its length prefix */
    struct route *next;     /* the rest is the type's while the route is in its index: a chain, */
    struct route **link;    /* what points to the route there, */
    void *index_entry;      /* and the entry that the route belongs to */
};

/* The matching routes of one message, grown as needed; a route may come more than once (the broker
 * drops repeats by destination). */
struct route_matches {
    struct route **routes; /* owned */
    size_t count;
    size_t capacity;
};

/* What is matched. headers is read only by types that look at them. */
struct route_key {
    struct bytes key;
    struct bytes headers; /* a field table without its length prefix; size 0 where there is none */
};

/* An exchange type: its index over the routes of one exchange. All functions are pure; state is
 * what new returned. */
struct exchange_type {
    const char *name;
    bool routes_by_headers; /* else only by key, and a result may be cached by key */
    void *(*new)(uint64_t hash_seed);
    void (*free)(void *state); /* before the routes still inside, which are the caller's */
    /* May this binding be made? false with error set where not (406). */
    bool (*check)(struct bytes key, struct bytes arguments, struct amqp_error *error);
    void (*add)(void *state, struct route *route);
    void (*remove)(void *state, struct route *route); /* a route that was added */
    void (*match)(const void *state, const struct route_key *key, struct route_matches *matches);
};

extern const struct exchange_type exchange_direct;
extern const struct exchange_type exchange_fanout;
extern const struct exchange_type exchange_topic;
extern const struct exchange_type exchange_headers;

/* NULL where there is no type of that name. */
const struct exchange_type *exchange_type_find(struct bytes name);

void route_matches_push(struct route_matches *matches, struct route *route);
void route_matches_fini(struct route_matches *matches);

#endif
