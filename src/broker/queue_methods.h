/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_QUEUE_METHODS_H
#define LEVERET_BROKER_QUEUE_METHODS_H

#include "broker/vhost_internal.h"

/* The name that a method means: the given one without CR and LF, or the queue that the channel
 * declared last; 404 where there was none. Size of clean: 255. */
bool queue_resolve_name(const struct channel *channel, struct bytes given, uint8_t *clean,
                        struct bytes *name, struct amqp_error *error);

/* The queue of that name, if it is free or exclusive to this connection; NULL with error set, or
 * with the channel waiting for a queue that leaves (queue_wait_for_departure). */
struct queue *queue_resolve(struct channel *channel, struct bytes name, struct amqp_error *error);

/* Lets the channel wait where the queue leaves: its command fails now, and is run again when the
 * queue is gone. */
bool queue_wait_for_departure(struct channel *channel, struct queue *queue);

/* Makes a queue that is not there, in the store too where it is durable; arguments are complete
 * (queue_arguments_complete). NULL with error set where they are wrong. */
struct queue_flags;
struct queue *queue_define(struct vhost *vhost, struct bytes name, const struct queue_flags *flags,
                           struct bytes arguments, struct amqp_error *error);

#endif
