/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumers: how they come and go, and when they can take a message. One that can stands in its
 * queue's list of the active; one that has used up its prefetch leaves it until an ack wakes it,
 * and one whose session has used up its output credit waits with its session (starved).
 */
#include "broker/consumer.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

static bool is_tagged(const struct hash_node *node, const void *key)
{
    return bytes_equal(container_of(node, struct consumer, by_tag)->tag,
                       *(const struct bytes *)key);
}

static uint64_t tag_hash(const struct channel *channel, struct bytes tag)
{
    return bytes_hash(tag, channel_vhost(channel)->config.hash_seed);
}

struct consumer *consumer_find(const struct channel *channel, struct bytes tag)
{
    struct hash_node *node =
        hash_table_find(&channel->consumers, tag_hash(channel, tag), is_tagged, &tag);
    return node != NULL ? container_of(node, struct consumer, by_tag) : NULL;
}

static uint32_t take_slot(struct channel *channel, struct consumer *consumer)
{
    size_t number = channel->slot_free;
    while (number < channel->slot_count && channel->slots[number] != NULL)
        number++;
    if (number == channel->slot_count) {
        channel->slots =
            xgrow(channel->slots, &channel->slot_capacity, number + 1, sizeof *channel->slots);
        channel->slot_count++;
    }
    channel->slots[number] = consumer;
    channel->slot_free = number + 1;
    return (uint32_t)number;
}

struct consumer *consumer_create(struct channel *channel, struct queue *queue, struct bytes tag,
                                 int32_t priority)
{
    struct consumer *consumer = xcalloc(1, sizeof *consumer + tag.size);
    memcpy(consumer + 1, tag.data, tag.size);
    consumer->tag = bytes_of(consumer + 1, tag.size);
    consumer->channel = channel;
    consumer->prefetch_count = channel->prefetch_count;
    list_node_init(&consumer->starved_node);
    consumer->number = take_slot(channel, consumer);
    hash_table_insert(&channel->consumers, &consumer->by_tag, tag_hash(channel, tag));
    queue_subscribe(queue, &consumer->subscriber, priority);
    channel_vhost(channel)->counters.consumers++;
    channel->session->memory_bytes += sizeof *consumer + tag.size;
    return consumer;
}

void consumer_cancel(struct consumer *consumer)
{
    struct channel *channel = consumer->channel;
    struct queue *queue = consumer->subscriber.queue;
    if (consumer->is_exclusive)
        queue->has_exclusive = false;
    if (queue->is_reply)
        channel->reply_queue = NULL;
    queue_unsubscribe(queue, &consumer->subscriber);
    if (queue->settings->single_active_consumer && queue->single != NULL)
        consumer_wake(container_of(queue->single, struct consumer, subscriber));
    list_remove(&consumer->starved_node);
    hash_table_remove(&channel->consumers, &consumer->by_tag);
    channel->slots[consumer->number] = NULL;
    if (consumer->number < channel->slot_free)
        channel->slot_free = consumer->number;
    channel_emit(channel, EFFECT_CONSUMER_REMOVE)->consumer = consumer->number;
    channel_vhost(channel)->counters.consumers--;
    channel->session->memory_bytes -= sizeof *consumer + consumer->tag.size;
    consumer->channel = NULL;
    if (consumer->unacked_count == 0)
        free(consumer);
}

static bool has_credit(const struct consumer *consumer)
{
    const struct session *session = consumer->channel->session;
    return session->output_credit > 0 || (queue_is_private(consumer->subscriber.queue) &&
                                          session->output_credit + session->withheld_credit > 0);
}

void consumer_wake_idle(struct consumer *consumer)
{
    struct session *session = consumer->channel->session;
    if (consumer->channel->is_closing || !consumer_has_prefetch(consumer) ||
        !queue_admits(consumer->subscriber.queue, &consumer->subscriber))
        return;
    if (!has_credit(consumer)) {
        if (!list_node_is_linked(&consumer->starved_node))
            list_push_back(&session->starved, &consumer->starved_node);
        return;
    }
    list_remove(&consumer->starved_node);
    queue_activate(consumer->subscriber.queue, &consumer->subscriber);
    queue_schedule(session->vhost, consumer->subscriber.queue);
}

/* Whoever had the last delivery comes last, or it would take every one under a small limit. */
void channel_wake_consumers(struct channel *channel)
{
    size_t first = channel->last_served + 1;
    for (size_t i = 0; i < channel->slot_count; i++) {
        struct consumer *consumer = channel->slots[(first + i) % channel->slot_count];
        if (consumer != NULL)
            consumer_wake(consumer);
    }
}

struct consumer *queue_choose_consumer(struct queue *queue)
{
    struct subscriber *subscriber;
    while ((subscriber = queue_next_subscriber(queue)) != NULL) {
        struct consumer *consumer = container_of(subscriber, struct consumer, subscriber);
        if (has_credit(consumer) && consumer_has_prefetch(consumer))
            return consumer;
        queue_deactivate(subscriber);
        consumer_wake(consumer);
    }
    return NULL;
}
