/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_EVENT_H
#define LEVERET_BROKER_EVENT_H

#include "broker/vhost_internal.h"

/* What happens in this vhost, told to who is bound to amq.rabbitmq.event. Each of these costs
 * nothing while nobody is. */

void event_queue_created(struct vhost *vhost, const struct queue *queue);
void event_queue_deleted(struct vhost *vhost, const struct queue *queue);

void event_exchange_created(struct vhost *vhost, const struct exchange *exchange);
void event_exchange_deleted(struct vhost *vhost, const struct exchange *exchange);

void event_binding_created(struct vhost *vhost, const struct binding *binding);
void event_binding_deleted(struct vhost *vhost, const struct binding *binding);

void event_channel_created(const struct channel *channel);
void event_channel_closed(const struct channel *channel);

/* arguments: those of basic.consume. */
void event_consumer_created(const struct consumer *consumer, struct bytes arguments);
/* user: who ended it; NULL: the broker itself. */
void event_consumer_deleted(const struct consumer *consumer, const char *user);
/* Those of a queue that is about to be deleted. */
void event_consumers_deleted(struct vhost *vhost, const struct queue *queue);

/* Tells an event that was made elsewhere; the reference passes. */
void event_emit(struct vhost *vhost, struct message *message);

void event_fini(struct vhost *vhost);

/* A binding comes to, or has gone from, an exchange: is anybody bound to the events, or to the log,
 * still? */
void event_note_bindings(struct vhost *vhost, const struct exchange *exchange);

#endif
