/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_EXCHANGE_EXCHANGE_TYPE_H
#define LEVERET_EXCHANGE_EXCHANGE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/error.h"
#include "amqp/table.h"
#include "base/bytes.h"

/* Where a binding leads. */
enum route_target {
    ROUTE_TO_CLASSIC_QUEUE,
    ROUTE_TO_QUORUM_QUEUE,
    ROUTE_TO_STREAM,
    ROUTE_TO_EXCHANGE,
};

/* A binding as an exchange type sees it: a key, arguments, a destination, and a next pointer for
 * the type's own chains. The broker embeds it in its own record of the binding; what is in here
 * stays valid and unchanged while the binding is in a type's index. */
struct route {
    struct bytes key;         /* routing or binding key, at most 255 bytes */
    struct bytes arguments;   /* a field table without its length prefix */
    struct bytes destination; /* the name of the queue or exchange */
    uint8_t target;           /* enum route_target */
    struct route *next;       /* the rest is the type's while the route is in its index: a chain, */
    struct route **link;      /* what points to the route there, */
    void *index_entry;        /* and the entry that the route belongs to */
};

/* The matching routes of one message, grown as needed; a route may come more than once (the broker
 * drops repeats by destination). */
struct route_matches {
    struct route **routes; /* owned */
    size_t count;
    size_t capacity;
};

/* What is matched. headers and properties are read only by types that look at them. */
struct route_subject {
    const struct bytes *keys; /* the routing key, then those of CC and BCC */
    size_t key_count;         /* at least 1 */
    struct bytes headers; /* a field table without its length prefix; size 0 where there is none */
    struct bytes properties; /* raw, see amqp/properties.h */
};

/* An exchange type: its index over the routes of one exchange. All functions are pure; state is
 * what new returned, and those who take it run one at a time for one state. */
struct exchange_type {
    const char *name;
    bool routes_by_key; /* by the keys alone, so that a result may be kept for a key */
    /* May an exchange have these arguments? false with error set where not (406). */
    bool (*check_arguments)(struct bytes arguments, struct amqp_error *error);
    /* The arguments, which passed the check, stay valid and unchanged as long as the state. */
    void *(*new)(uint64_t hash_seed, struct bytes arguments);
    void (*free)(void *state); /* before the routes still inside, which are the caller's */
    /* May this binding be made? false with error set where not (406). */
    bool (*check)(const void *state, const struct route *route, struct amqp_error *error);
    void (*add)(void *state, struct route *route);
    void (*remove)(void *state, struct route *route); /* a route that was added */
    void (*match)(void *state, const struct route_subject *subject, struct route_matches *matches);
};

extern const struct exchange_type exchange_direct;
extern const struct exchange_type exchange_fanout;
extern const struct exchange_type exchange_topic;
extern const struct exchange_type exchange_headers;
/* Those that RabbitMQ has as plug-ins. */
extern const struct exchange_type exchange_consistent_hash;
extern const struct exchange_type exchange_random;
extern const struct exchange_type exchange_local_random;
extern const struct exchange_type exchange_modulus_hash;
extern const struct exchange_type exchange_jms_topic;
extern const struct exchange_type exchange_recent_history;
extern const struct exchange_type exchange_deduplication;
extern const struct exchange_type exchange_delayed;
extern const struct exchange_type exchange_federation_upstream;

/* The type as which an exchange of exchange_delayed routes; NULL where its arguments name none. */
const struct exchange_type *exchange_delayed_type(struct bytes arguments);

/* The number of an argument that must be positive, which may be written as text too; false where it
 * is not one. */
bool exchange_positive_argument(const struct amqp_value *value, int64_t *number);

/* NULL where there is no type of that name. */
const struct exchange_type *exchange_type_find(struct bytes name);

/* All types there are; NULL behind the last one. */
const struct exchange_type *exchange_type_at(size_t number);

void route_matches_push(struct route_matches *matches, struct route *route);
void route_matches_fini(struct route_matches *matches);

#endif
