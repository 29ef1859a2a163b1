/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_CONSUMER_H
#define LEVERET_BROKER_CONSUMER_H

/* Consumers, and what is delivered to them. */

#include "broker/channel.h"

/* --- consumers and deliveries: consumer.c, delivery.c */

struct consumer {
    struct subscriber subscriber;
    struct hash_node by_tag;
    struct channel *channel; /* borrowed; NULL once it is cancelled */
    struct list_node starved_node;
    uint32_t number;
    uint16_t prefetch_count; /* 0 = no limit */
    bool no_ack;
    bool is_exclusive;
    uint64_t unacked_count; /* a cancelled consumer lives until this is 0 */
    struct bytes tag;       /* behind the struct */
};

struct consumer *consumer_find(const struct channel *channel, struct bytes tag);
struct consumer *consumer_create(struct channel *channel, struct queue *queue, struct bytes tag,
                                 int32_t priority);
/* Takes the consumer from its channel and queue. */
void consumer_cancel(struct consumer *consumer);
/* May it have one more message that it is to ack? While its channel puts very much back, in slices,
 * nothing comes in between. */
static inline bool consumer_has_prefetch(const struct consumer *consumer)
{
    const struct channel *channel = consumer->channel;
    if (consumer->no_ack)
        return true;
    if (channel->holds.count > 0)
        return false;
    return (consumer->prefetch_count == 0 || consumer->unacked_count < consumer->prefetch_count) &&
           (channel->prefetch_global == 0 || channel->global_unacked < channel->prefetch_global);
}
/* One of the active, or NULL: those that cannot take a message after all step aside. */
struct consumer *queue_choose_consumer(struct queue *queue);
/* The consumer whose turn it is. Mostly it can take a message. */
static inline struct consumer *queue_next_consumer(struct queue *queue)
{
    struct subscriber *subscriber = queue_next_subscriber(queue);
    if (subscriber == NULL)
        return NULL;
    struct consumer *consumer = container_of(subscriber, struct consumer, subscriber);
    bool can_take =
        consumer->channel->session->output_credit > 0 && consumer_has_prefetch(consumer);
    return can_take ? consumer : queue_choose_consumer(queue);
}
/* A consumer that is not active becomes it, if nothing is against it. */
void consumer_wake_idle(struct consumer *consumer);
/* Something changed in its favour: it may take messages again. */
static inline void consumer_wake(struct consumer *consumer)
{
    if (!list_node_is_linked(&consumer->subscriber.active_node))
        consumer_wake_idle(consumer);
}
void channel_wake_consumers(struct channel *channel);

/* Hands out what is there to whom it can be handed. */
void queue_dispatch(struct vhost *vhost, struct queue *queue);
void queue_schedule(struct vhost *vhost, struct queue *queue);
/* The lane's memory has changed. */
static inline void lane_touch(struct vhost *vhost, struct lane *lane)
{
    if (vhost->touched.head.previous == &lane->memory_node)
        return;
    list_remove(&lane->memory_node);
    list_push_back(&vhost->touched, &lane->memory_node);
}
/* Goes on with what waited for the store, channels included. */
void queue_resume(struct vhost *vhost, struct queue *queue);
/* Asks the store for what the queue, or the lane, needs next, if it is not under way. */
void queue_read(struct vhost *vhost, struct queue *queue);
void lane_read(struct vhost *vhost, struct lane *lane);
/* The lanes whose turn it is are read, once those before them are. */
void vhost_read_lanes(struct vhost *vhost);
/* An answer brought so many bytes of it into memory. */
void lane_count_read(const struct vhost *vhost, struct lane *lane, uint64_t bytes);
/* For tests. */
void reading_check(const struct vhost *vhost);
/* It is the lane's turn no more. */
void lane_end_turn(struct vhost *vhost, struct lane *lane);
/* Asks for the first message alone. */
void lane_probe(struct vhost *vhost, struct lane *lane);
/* The lane that the next message comes from; what has expired before it is gone. NULL: so much has
 * that it goes in slices, and nothing leaves meanwhile. */
struct lane *queue_next_lane(struct vhost *vhost, struct queue *queue);
/* Takes the first message for basic.get: LANE_READY sets lane, entry and redelivered. */
enum lane_head queue_get(struct vhost *vhost, struct queue *queue, struct lane **lane,
                         struct entry *entry, bool *redelivered);
/* An entry that basic.get has taken waits for its ack. */
void channel_add_unacked(struct channel *channel, struct lane *lane, const struct entry *entry);
/* A delivery, or what was got, had the flag. */
static inline void count_redelivered(struct vhost *vhost, struct queue *queue,
                                     struct channel *channel)
{
    vhost->counters.redelivered++;
    queue->counters.deliveries.redeliver++;
    channel->counters.deliveries.redeliver++;
}

/* The message of an entry as a consumer gets it; the entry's reference passes. */
struct message *queue_show(const struct queue *queue, struct entry *entry, bool is_got);
/* An entry that never enters its lane, whose position it has; the reference passes, and where the
 * consumer acks a second one. */
void queue_deliver_at_once(struct vhost *vhost, struct lane *lane, struct consumer *consumer,
                           struct entry *entry);

/* --- deliveries that wait too long: ack_timeout.c */

/* A delivery of this queue waits for its ack from now on. */
void ack_timeout_note(struct channel *channel, const struct queue *queue);
void ack_timeout_due(struct vhost *vhost, struct timer *timer);

#endif
