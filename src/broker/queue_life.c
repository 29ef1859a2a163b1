/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How queues come and go. A deleted queue leaves the vhost at once, with its bindings and ready
 * messages; the struct stays until the last of its unacked deliveries is settled, so that an ack
 * that comes late finds something harmless.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/broker_internal.h"

static bool is_named(const struct hash_node *node, const void *key)
{
    return bytes_equal(container_of(node, struct queue, by_name)->name, *(const struct bytes *)key);
}

struct queue *queue_find_target(const struct vhost *vhost, struct bytes name)
{
    struct hash_node *node =
        hash_table_find(&vhost->queues, bytes_hash(name, vhost->config.hash_seed), is_named, &name);
    return node != NULL ? container_of(node, struct queue, by_name) : NULL;
}

struct queue *queue_find(const struct vhost *vhost, struct bytes name)
{
    struct queue *queue = queue_find_target(vhost, name);
    return queue != NULL && !queue->is_reply ? queue : NULL;
}

struct queue *queue_create(struct vhost *vhost, struct bytes name, struct bytes arguments,
                           uint64_t lane_id)
{
    struct queue *queue = queue_new(name, arguments, lane_id);
    queue->serial = ++vhost->serial_next;
    hash_table_insert(&vhost->queues, &queue->by_name, bytes_hash(name, vhost->config.hash_seed));
    if (lane_id != 0)
        hash_table_insert(&vhost->lanes, &queue->by_lane, hash_u64(lane_id));
    vhost->topology_generation++;
    vhost->counters.queues++;
    vhost->counters.queues_created++;
    return queue;
}

static void remove_range(void *context, uint64_t first, uint64_t count)
{
    struct queue *queue = ((struct queue **)context)[0];
    struct vhost *vhost = ((struct vhost **)context)[1];
    vhost_store(vhost, (struct store_operation){.kind = STORE_REMOVE,
                                                .lane = queue->lane.id,
                                                .position = first,
                                                .count = count});
}

static void ignore_range(void *context, uint64_t first, uint64_t count)
{
    (void)context, (void)first, (void)count;
}

static void cancel_insertion(void *context, const struct entry *entry)
{
    struct vhost *vhost = ((struct vhost **)context)[1];
    store_batch_cancel(vhost->batch, entry->operation);
}

/* The memory is freed later, in slices. */
static uint64_t drop_ready(struct vhost *vhost, struct queue *queue, lane_range *on_range)
{
    uint64_t count = queue->lane.ready_count;
    void *context[] = {queue, vhost};
    struct lane_remains *remains =
        lane_purge(&queue->lane, vhost_submitted(vhost), on_range, cancel_insertion, context);
    if (remains != NULL) {
        remains->next = vhost->remains;
        vhost->remains = remains;
    }
    vhost->window_bytes -= queue->lane.counted_bytes;
    queue->lane.counted_bytes = 0;
    list_remove(&queue->lane.memory_node);
    return count;
}

uint64_t queue_purge(struct vhost *vhost, struct queue *queue)
{
    return drop_ready(vhost, queue, remove_range);
}

static void cancel_consumers(struct queue *queue)
{
    struct list_node *node;
    while ((node = list_front(&queue->subscribers)) != NULL) {
        struct subscriber *subscriber = list_entry(node, struct subscriber, queue_node);
        struct consumer *consumer = container_of(subscriber, struct consumer, subscriber);
        struct channel *channel = consumer->channel;
        struct amqp_method cancel = {
            .id = AMQP_BASIC_CANCEL,
            .basic_cancel = {.consumer_tag = consumer->tag, .no_wait = true},
        };
        if (channel->session->config.has_cancel_notify && !channel->is_closing)
            channel_reply(channel, &cancel);
        consumer_cancel(consumer);
    }
}

void queue_resume(struct vhost *vhost, struct queue *queue)
{
    struct list waiting;
    struct list_node *node;
    list_init(&waiting);
    list_splice_back(&waiting, &queue->waiting);
    queue->unacked_count++; /* what resumes may delete the queue */
    while ((node = list_front(&waiting)) != NULL)
        channel_resume(list_entry(node, struct channel, wait_node));
    queue->unacked_count--;
    if (queue->is_deleted)
        queue_release(queue);
    else
        queue_schedule(vhost, queue);
}

static void leave_vhost(struct vhost *vhost, struct queue *queue)
{
    struct list_node *node;
    queue->is_deleted = true;
    hash_table_remove(&vhost->queues, &queue->by_name);
    if (queue_is_stored(queue))
        hash_table_remove(&vhost->lanes, &queue->by_lane);
    while ((node = list_front(&queue->bindings)) != NULL)
        binding_delete(vhost, list_entry(node, struct binding, destination_node));
    list_remove(&queue->owner_node);
    list_remove(&queue->dispatch_node);
    vhost->topology_generation++;
    vhost->counters.queues--;
    vhost->counters.queues_deleted++;
}

uint64_t queue_delete(struct vhost *vhost, struct queue *queue)
{
    leave_vhost(vhost, queue);
    cancel_consumers(queue);
    uint64_t count = drop_ready(vhost, queue, ignore_range);
    if (queue_is_stored(queue)) {
        struct store_definition definition = {.name = queue->name};
        vhost_store(vhost,
                    (struct store_operation){.kind = STORE_QUEUE_DELETE,
                                             .lane = queue->lane.id,
                                             .count = 1,
                                             .definition = store_definition_copy(&definition)});
    }
    queue_resume(vhost, queue);
    return count;
}

void queue_release(struct queue *queue)
{
    if (queue->is_deleted && queue->unacked_count == 0)
        queue_free(queue);
}

void queue_lost_subscriber(struct vhost *vhost, struct queue *queue)
{
    if (queue->is_auto_delete && !queue->is_deleted && queue->had_subscriber &&
        queue->subscriber_count == 0)
        queue_delete(vhost, queue);
}
