/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_DIRECT_REPLY_H
#define LEVERET_BROKER_DIRECT_REPLY_H

#include "broker/vhost_internal.h"

/* Direct reply-to, an extension of RabbitMQ: a requester consumes from a pseudo-queue and names it
 * as reply_to; whoever answers publishes to a name that leads back to the requester's channel, and
 * no queue has to be declared. See direct_reply.c. */

/* Is this the pseudo-queue, and is this a name that one of its consumers got? */
bool direct_reply_is_pseudo(struct bytes name);
bool direct_reply_is_target(struct bytes name);

/* The queue behind a consumer of the pseudo-queue, made for this channel; NULL with error set. */
struct queue *direct_reply_open(struct channel *channel, const struct amqp_basic_consume *consume,
                                struct amqp_error *error);

/* May the message be published as far as its reply_to goes? 406 where it names the pseudo-queue
 * and the channel has no consumer there. */
bool direct_reply_check(const struct channel *channel, const struct message *message,
                        struct amqp_error *error);

/* The message with the channel's own name as reply_to where it named the pseudo-queue: itself, or
 * a new one in its place, the reference to the old one ended. */
struct message *direct_reply_address(const struct channel *channel, struct message *message);

/* Is somebody there to answer a queue.declare of one of these names? */
bool direct_reply_is_alive(const struct vhost *vhost, struct bytes name);

#endif
