/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a queue to its consumers. A consumer that can take a message stands in its queue's list of
 * the active; one that has used up its prefetch leaves it until an ack wakes it, and one whose
 * session has used up its output credit waits with its session (starved). A message that meets an
 * active consumer at an empty queue never enters the queue.
 *
 * A stored message is taken out of the store when it is acked, or here, when the consumer does not
 * ack. Before a stored message is delivered for the first time the store has been told that it may
 * be (STORE_DELIVERED), in strides that run ahead, so that after a crash nothing comes twice
 * without redelivered.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/broker_internal.h"

enum { read_bytes_max = 2 << 20 };

/* --- consumers */

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

static bool has_prefetch(const struct consumer *consumer)
{
    const struct channel *channel = consumer->channel;
    if (consumer->no_ack)
        return true;
    return (consumer->prefetch_count == 0 || consumer->unacked_count < consumer->prefetch_count) &&
           (channel->prefetch_global == 0 || channel->global_unacked < channel->prefetch_global);
}

void consumer_wake(struct consumer *consumer)
{
    struct session *session = consumer->channel->session;
    if (list_node_is_linked(&consumer->subscriber.active_node) || !has_prefetch(consumer))
        return;
    if (session->output_credit <= 0) {
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

/* The consumer whose turn it is; those that cannot take a message after all step aside. */
static struct consumer *next_consumer(struct queue *queue)
{
    struct subscriber *subscriber;
    while ((subscriber = queue_next_subscriber(queue)) != NULL) {
        struct consumer *consumer = container_of(subscriber, struct consumer, subscriber);
        if (consumer->channel->session->output_credit > 0 && has_prefetch(consumer))
            return consumer;
        queue_deactivate(subscriber);
        consumer_wake(consumer);
    }
    return NULL;
}

/* --- the store's part of a delivery */

void queue_forget(struct vhost *vhost, struct queue *queue, uint64_t position, uint64_t batch,
                  uint32_t operation)
{
    if (batch == 0 || queue->is_deleted)
        return;
    if (batch == vhost->batch->number) {
        store_batch_cancel(vhost->batch, operation);
        return;
    }
    if (queue->remove_batch == vhost->batch->number) {
        struct store_operation *last = &vhost->batch->operations[queue->remove_operation];
        if (last->position + last->count == position) {
            last->count++;
            return;
        }
    }
    queue->remove_batch = vhost->batch->number;
    queue->remove_operation = vhost_store(
        vhost, (struct store_operation){
                   .kind = STORE_REMOVE, .lane = queue->lane.id, .position = position, .count = 1});
}

static void raise_mark(struct vhost *vhost, struct lane *lane, uint64_t position)
{
    if (lane->marked_batch <= vhost->committed)
        lane->marked_before = lane->marked_below;
    lane->marked_below = position + vhost->config.mark_stride;
    lane->marked_batch = vhost->batch->number;
    vhost_store(vhost, (struct store_operation){.kind = STORE_DELIVERED,
                                                .lane = lane->id,
                                                .position = lane->marked_below});
}

/* May this message be delivered now? Not while the disk may come to hold the message before the
 * mark that covers it; a message of the mark's own batch or a later one cannot. */
static bool mark_delivered(struct vhost *vhost, struct queue *queue, const struct entry *entry)
{
    struct lane *lane = &queue->lane;
    if (entry->batch == 0 || entry->position < lane->delivered_below)
        return true;
    if (entry->position + vhost->config.mark_stride / 2 >= lane->marked_below)
        raise_mark(vhost, lane, entry->position);
    uint64_t on_disk =
        lane->marked_batch <= vhost->committed ? lane->marked_below : lane->marked_before;
    if (entry->batch >= lane->marked_batch || entry->position < on_disk)
        return true;
    if (!list_node_is_linked(&queue->mark_node))
        list_push_back(&vhost->mark_waits, &queue->mark_node);
    return false;
}

/* --- delivering */

void channel_add_unacked(struct channel *channel, struct queue *queue, struct consumer *consumer,
                         struct entry *entry)
{
    bool is_on_disk = entry->batch != 0 && entry->batch <= channel_vhost(channel)->committed;
    struct unacked unacked = {
        .tag = channel->delivery_tag,
        .position = entry->position,
        .expiry_ms = entry->expiry_ms,
        .queue = queue,
        .consumer = consumer,
        .message = is_on_disk ? NULL : message_ref(entry->message),
        .batch = entry->batch,
        .operation = entry->operation,
        .body_bytes = entry->body_bytes & INT32_MAX,
    };
    unacked_ring_push(&channel->unacked, unacked);
    queue->unacked_count++;
    channel->session->memory_bytes += sizeof unacked;
    if (consumer != NULL) {
        consumer->unacked_count++;
        channel->global_unacked++;
    }
}

/* A few unacked messages whose batches were committed since drop their bodies, each time. */
static void sweep_bodies(struct channel *channel)
{
    uint64_t committed = channel_vhost(channel)->committed;
    struct unacked_ring *ring = &channel->unacked;
    size_t index = unacked_ring_search(ring, channel->sweep_tag + 1);
    for (int i = 0; i < 2 && index < ring->count; i++, index++) {
        struct unacked *unacked = unacked_ring_at(ring, index);
        if (unacked->queue != NULL && unacked->batch != 0) {
            if (unacked->batch > committed)
                return;
            message_unref(unacked->message);
            unacked->message = NULL;
        }
        channel->sweep_tag = unacked->tag;
    }
}

static void deliver(struct vhost *vhost, struct queue *queue, struct consumer *consumer,
                    struct entry *entry, bool redelivered)
{
    struct channel *channel = consumer->channel;
    struct message *message = entry->message;
    channel->delivery_tag++;
    channel->last_served = consumer->number;
    channel->session->output_credit -= (int64_t)effect_deliver_cost(message);
    vhost->counters.delivered++;
    vhost->counters.redelivered += redelivered;
    if (consumer->no_ack) {
        queue_forget(vhost, queue, entry->position, entry->batch, entry->operation);
    } else {
        channel_add_unacked(channel, queue, consumer, entry);
        if (entry->batch != 0)
            sweep_bodies(channel);
    }
    struct effect *effect = session_emit(channel->session, EFFECT_DELIVER, channel->number);
    effect->consumer = consumer->number;
    effect->flag = redelivered;
    effect->tag = channel->delivery_tag;
    effect->message = message;
}

/* Takes the first message of a queue if it may be delivered now. */
static enum lane_head take_first(struct vhost *vhost, struct queue *queue, struct entry *entry,
                                 bool *redelivered)
{
    struct lane *lane = &queue->lane;
    struct entry *front;
    enum lane_head head = lane_peek(lane, &front);
    if (head != LANE_READY)
        return head;
    if (!mark_delivered(vhost, queue, front))
        return LANE_IN_STORE;
    *entry = lane_pop(lane);
    *redelivered = lane_is_redelivered(lane, entry);
    if (!*redelivered)
        lane->delivered_below = entry->position + 1;
    return LANE_READY;
}

void queue_read(struct vhost *vhost, struct queue *queue)
{
    struct store_read read;
    if (!queue_is_stored(queue))
        return;
    if (!lane_wants_read(&queue->lane, vhost->read_tokens + 1, read_bytes_max, &read))
        return;
    vhost->read_tokens++;
    vhost->reads =
        xgrow(vhost->reads, &vhost->read_capacity, vhost->read_count + 1, sizeof *vhost->reads);
    vhost->reads[vhost->read_count++] = read;
}

void queue_schedule(struct vhost *vhost, struct queue *queue)
{
    if (!list_node_is_linked(&queue->dispatch_node))
        list_push_back(&vhost->dispatch, &queue->dispatch_node);
}

void queue_touch(struct vhost *vhost, struct queue *queue)
{
    list_remove(&queue->lane.memory_node);
    list_push_back(&vhost->touched, &queue->lane.memory_node);
}

void queue_dispatch(struct vhost *vhost, struct queue *queue)
{
    struct consumer *consumer = NULL;
    struct entry entry;
    bool redelivered;
    bool has_taken = false;
    while (vhost->dispatch_left > 0 && (consumer = next_consumer(queue)) != NULL) {
        enum lane_head head = take_first(vhost, queue, &entry, &redelivered);
        if (head != LANE_READY)
            break;
        deliver(vhost, queue, consumer, &entry, redelivered);
        queue_rotate(queue, &consumer->subscriber);
        has_taken = true;
        vhost->dispatch_left--;
    }
    if (vhost->dispatch_left == 0)
        queue_schedule(vhost, queue);
    if (has_taken)
        queue_touch(vhost, queue);
    if (consumer != NULL || queue->lane.paged.count > 0)
        queue_read(vhost, queue);
}

enum lane_head queue_get(struct vhost *vhost, struct queue *queue, struct entry *entry,
                         bool *redelivered)
{
    enum lane_head head = take_first(vhost, queue, entry, redelivered);
    if (head == LANE_READY)
        queue_touch(vhost, queue);
    queue_read(vhost, queue);
    return head;
}

/* --- from a publish */

static void store_insert(struct vhost *vhost, struct queue *queue, struct entry *entry)
{
    entry->batch = vhost->batch->number;
    entry->operation = (uint32_t)vhost_store(vhost, (struct store_operation){
                                                        .kind = STORE_INSERT,
                                                        .lane = queue->lane.id,
                                                        .position = entry->position,
                                                        .message = message_ref(entry->message),
                                                        .expiry_ms = entry->expiry_ms,
                                                    });
}

void queue_enqueue(struct vhost *vhost, struct queue *queue, struct message *message)
{
    struct lane *lane = &queue->lane;
    struct entry entry = {
        .position = lane->next_position++,
        .message = message,
        .body_bytes = (uint32_t)message->body_size,
    };
    struct consumer *consumer = next_consumer(queue);
    bool is_stored = queue_is_stored(queue) && message->is_persistent;
    bool is_direct = consumer != NULL && lane->ready_count == 0;
    if (is_stored && !(is_direct && consumer->no_ack))
        store_insert(vhost, queue, &entry);
    if (is_direct) {
        mark_delivered(vhost, queue, &entry);
        lane->delivered_below = entry.position + 1;
        deliver(vhost, queue, consumer, &entry, false);
        queue_rotate(queue, &consumer->subscriber);
        return;
    }
    lane_push(lane, entry);
    queue_touch(vhost, queue);
    if (consumer != NULL)
        queue_schedule(vhost, queue);
}
