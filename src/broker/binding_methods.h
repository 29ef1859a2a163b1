/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_BINDING_METHODS_H
#define LEVERET_BROKER_BINDING_METHODS_H

#include "broker/broker_internal.h"

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

/* Is the queue free, or exclusive to this connection? 405 where not. */
bool queue_check_owner(const struct channel *channel, const struct queue *queue,
                       struct amqp_error *error);

#endif
