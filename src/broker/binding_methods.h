/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_BINDING_METHODS_H
#define LEVERET_BROKER_BINDING_METHODS_H

#include "broker/channel.h"

/* queue.bind, queue.unbind, exchange.bind and exchange.unbind in one form; names are stripped. */
struct binding_request {
    struct bytes source;
    struct bytes destination;
    struct bytes key;
    struct bytes arguments;
    bool to_queue;
    bool is_unbind;
    bool no_wait;
};

enum outcome binding_apply(struct channel *channel, const struct binding_request *request,
                           uint32_t reply_id, struct amqp_error *error);

/* The binding of that identity, made (in the store too where both ends are) if it is not there.
 * NULL with error set where its arguments are wrong. */
struct binding *binding_define(struct vhost *vhost, const struct binding_identity *identity,
                               struct amqp_error *error);

/* Makes an exchange that is not there, in the store too where it is durable. NULL with error set
 * where the type does not take the arguments. */
struct exchange_definition {
    const struct exchange_type *type;
    struct bytes arguments;
    bool is_durable, is_auto_delete, is_internal;
};
struct exchange *exchange_define(struct vhost *vhost, struct bytes name,
                                 const struct exchange_definition *definition,
                                 struct amqp_error *error);

/* false, with 404. */
bool queue_not_found(const struct vhost *vhost, struct bytes name, struct amqp_error *error);
/* Is the queue free, or exclusive to this connection? 405 where not. */
bool queue_check_owner(const struct channel *channel, const struct queue *queue,
                       struct amqp_error *error);

#endif
