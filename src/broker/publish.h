/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_PUBLISH_H
#define LEVERET_BROKER_PUBLISH_H

/* Publishing, by clients and by the broker itself, and confirms. */

#include "broker/channel.h"

/* --- publishing and confirms: publish.c, confirm.c */

void channel_publish(struct channel *channel, struct command *command);
/* Routes and enqueues, and confirms where tag is not 0; the reference passes. false where a queue
 * rejected the message. */
bool publish_route(struct channel *channel, struct message *message, bool mandatory, uint64_t tag);
void confirm_rejected(struct channel *channel, uint64_t tag);
void confirm_settled(struct channel *channel, uint64_t tag);
void confirm_waits(struct channel *channel, uint64_t tag, uint64_t batch);
/* The publish that waits under this tag is the operations from first on of the batch being
 * gathered. */
void confirm_note(struct channel *channel, uint64_t tag, size_t first);
/* A message was acked, or given to a consumer that does not ack: before it is forgotten. */
void confirm_noted_consumed(struct vhost *vhost, uint64_t batch, uint32_t operation);
static inline void confirm_consumed(struct vhost *vhost, uint64_t batch, uint32_t operation)
{
    if (batch != 0 && batch == vhost->note_batch)
        confirm_noted_consumed(vhost, batch, operation);
}
/* The batch that was gathered is with the store, or came to nothing: what was noted of it means
 * nothing any more. */
void confirm_batch_left(struct vhost *vhost);
void confirm_flush(struct channel *channel);
void confirm_committed(struct vhost *vhost);
void confirm_forget(struct channel *channel);

/* --- what the broker itself publishes: internal_publish.c */

/* Publishes to the exchange and with the key that the message names, after what is being done now
 * and before the next command. The reference passes. */
void internal_publish(struct vhost *vhost, struct message *message);
/* Publishes from an exchange, whichever the message names, and at once: not while anything is being
 * routed or enqueued. The reference passes. */
void internal_publish_from(struct vhost *vhost, struct exchange *exchange, struct message *message);
/* The same for a dead letter that must not be lost: without a place it is parked at its origin. */
void internal_publish_or_park(struct vhost *vhost, struct message *letter, struct queue *origin);
/* At once, to all of a dead letter's queues; false where one has no room or there is none, and the
 * letter is in no queue. The reference stays. */
bool internal_publish_surely(struct vhost *vhost, struct message *letter);
void internal_publish_waiting(struct vhost *vhost);
static inline void internal_publish_all(struct vhost *vhost)
{
    if (vhost->internal.first < vhost->internal.count)
        internal_publish_waiting(vhost);
}
void internal_publish_fini(struct vhost *vhost);

#endif
