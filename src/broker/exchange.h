/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_EXCHANGE_H
#define LEVERET_BROKER_EXCHANGE_H

/* Exchanges, bindings, and where a message goes by them. */

#include "broker/vhost_internal.h"

/* --- exchanges and bindings: exchange.c */

struct delays;
struct recent_history;
struct deduplication;
struct sharding;

struct exchange {
    struct hash_node by_name;
    struct hash_node by_lane;   /* where lane is not 0 */
    struct bytes name;          /* behind the struct */
    struct bytes arguments;     /* likewise */
    struct bytes user;          /* likewise: who declared it; no data: nobody knows any more */
    struct bytes alternate;     /* view into arguments or a policy; no data where there is none; see
                                   exchange_refresh */
    uint64_t policy_generation; /* in which alternate is true */
    const struct exchange_type *type;
    void *state; /* owned: the type's index */
    bool is_durable;
    bool is_auto_delete;
    bool is_internal;
    bool is_predeclared;
    uint64_t stored_batch; /* the batch that stores its definition; 0 = none */
    uint64_t lane;         /* the number under which the store holds what it keeps; 0 = none */
    struct delays *delays; /* owned, like the next two: NULL where its type keeps no such thing */
    struct recent_history *history;
    struct deduplication *deduplication;
    struct sharding *sharding;      /* owned; NULL: no policy shards it */
    struct list_node sharding_node; /* in vhost->sharding_due */
    struct list sources;            /* bindings that lead away from here */
    struct list targets;            /* bindings that lead here */
    struct list_node going_node;    /* in vhost->going while it is being deleted */
    size_t source_count;
    uint64_t route_mark;
    struct exchange_counters counters;
    uint64_t sampled; /* likewise as in struct queue */
};

struct binding {
    struct route route;
    struct hash_node by_identity;
    struct exchange *source;
    struct queue *queue;               /* the destination: this, */
    struct exchange *exchange;         /* or this */
    struct list_node source_node;      /* in source->sources */
    struct list_node destination_node; /* in the destination's list */
    bool is_stored;
};

struct binding_identity {
    struct exchange *source;
    struct queue *queue;
    struct exchange *exchange;
    struct bytes key;
    struct bytes arguments;
};

struct exchange *exchange_find(const struct vhost *vhost, struct bytes name);
/* A new exchange with copies of name, arguments and user, in the vhost's table; nothing is stored.
 */
struct exchange *exchange_create(struct vhost *vhost, const struct exchange_type *type,
                                 struct bytes name, struct bytes arguments, struct bytes user);
/* Removes its bindings on both sides and the exchange, in the store too. */
void exchange_delete(struct vhost *vhost, struct exchange *exchange);
void exchange_free(struct vhost *vhost, struct exchange *exchange);

/* Looks up what the policies say of the exchange. */
void exchange_obey_policy(struct vhost *vhost, struct exchange *exchange);

/* Makes sure that what policies decide of the exchange is up to date. */
static inline void exchange_refresh(struct vhost *vhost, struct exchange *exchange)
{
    if (exchange->policy_generation != vhost->policy_generation)
        exchange_obey_policy(vhost, exchange);
}

struct binding *binding_find(const struct vhost *vhost, const struct binding_identity *identity);
/* May it be made, says its source's type? false with error set where not. */
bool binding_check(const struct binding_identity *identity, struct amqp_error *error);
struct binding *binding_create(struct vhost *vhost, const struct binding_identity *identity);
/* Tells the store that the binding came or goes (STORE_BINDING_PUT, STORE_BINDING_DELETE). */
void binding_store(struct vhost *vhost, const struct binding *binding,
                   enum store_operation_kind kind);
/* Removes the binding, in the store too, and then its source where that is an auto-delete
 * exchange that has no other. */
void binding_delete(struct vhost *vhost, struct binding *binding);
/* Likewise, but never deletes the source. */
void binding_remove(struct vhost *vhost, struct binding *binding);

/* --- routing: routing.c */

/* What is routed: the message, and its routing keys (more than one with CC or BCC). */
struct route_request {
    const struct bytes *keys;
    size_t key_count;
    struct message *message; /* borrowed; an exchange that keeps it takes a reference */
    struct rehearsal
        *rehearsal; /* NULL, or: no exchange keeps anything, those that would are here */
};

/* The queues that a message reaches, each once. */
void routing_find(struct vhost *vhost, struct exchange *exchange,
                  const struct route_request *request, struct route_result *result);

#endif
