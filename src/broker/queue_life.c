/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How queues come and go. A deleted queue leaves the vhost at once, with its bindings and ready
 * messages; the struct stays until the last of its unacked deliveries is settled, so that an ack
 * that comes late finds something harmless.
 *
 * What a queue has rejected becomes a dead letter, even when the queue goes right after. Where the
 * message has to be read from the store for that, the queue leaves first: it hands nothing out,
 * nothing is routed to it, and commands that name it wait. It is deleted when all was read. A crash
 * before finds the queue and its message as they were.
 */
#include "broker/queue_life.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/consumer.h"
#include "broker/event.h"
#include "broker/exchange.h"
#include "broker/queue_arguments.h"

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

/* --- lanes */

static bool is_lane(const struct hash_node *node, const void *key)
{
    return container_of(node, struct lane, by_id)->id == *(const uint64_t *)key;
}

struct lane *lane_find(const struct vhost *vhost, uint64_t lane_id)
{
    struct hash_node *node = hash_table_find(&vhost->lanes, hash_u64(lane_id), is_lane, &lane_id);
    return node != NULL ? container_of(node, struct lane, by_id) : NULL;
}

void lane_register(struct vhost *vhost, struct lane *lane)
{
    if (lane->id != 0)
        hash_table_insert(&vhost->lanes, &lane->by_id, hash_u64(lane->id));
}

void queue_register_spill(struct vhost *vhost, struct queue *queue)
{
    queue_number_lanes(queue, STORE_SPILL_LANES + vhost->spill_lane_next);
    vhost->spill_lane_next += STORE_LANES_MAX;
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        struct lane *lane = queue_lane(queue, priority);
        if (lane != NULL)
            lane_register(vhost, lane);
    }
}

struct lane *queue_make_lane(struct vhost *vhost, struct queue *queue, unsigned priority)
{
    struct lane *lane = queue_use_lane(queue, priority);
    lane_register(vhost, lane);
    return lane;
}

/* --- unused queues */

void queue_use(struct vhost *vhost, struct queue *queue)
{
    queue->used_ms = vhost->now_ms;
}

static void set_unused_timer(struct vhost *vhost, struct queue *queue)
{
    uint64_t expires_ms = queue->settings->expires_ms;
    if (expires_ms == QUEUE_SETTING_ABSENT)
        timer_clear(vhost, &queue->unused_timer);
    else
        timer_set(vhost, &queue->unused_timer, queue->used_ms + expires_ms);
}

/* A queue with consumers is in use; that it lost the last one sets used_ms, and the timer looks
 * again in time. After a restart the time begins anew. */
static void unused_due(struct vhost *vhost, struct timer *timer)
{
    struct queue *queue = container_of(timer, struct queue, unused_timer);
    if (queue->subscriber_count > 0 || queue->used_ms == 0)
        queue_use(vhost, queue);
    if (queue->used_ms + queue->settings->expires_ms > vhost->now_ms)
        set_unused_timer(vhost, queue);
    else
        queue_leave(vhost, queue);
}

/* What it costs to find it is added to *steps. */
static const struct policy *find_policy(const struct vhost *vhost, const struct queue *queue,
                                        bool is_operator, size_t *steps)
{
    static const enum policy_target targets[] = {
        [QUEUE_CLASSIC] = POLICY_CLASSIC_QUEUE,
        [QUEUE_QUORUM] = POLICY_QUORUM_QUEUE,
        [QUEUE_STREAM] = POLICY_STREAM,
    };
    if (vhost->policies == NULL || queue->is_reply)
        return NULL;
    return policies_find_counting(vhost->policies, targets[queue_arguments_type(queue->arguments)],
                                  queue->name, is_operator, steps);
}

const struct policy *queue_policy(const struct vhost *vhost, const struct queue *queue,
                                  bool is_operator, size_t *steps)
{
    if (queue->policy_generation != vhost->policy_generation)
        return find_policy(vhost, queue, is_operator, steps);
    return is_operator ? queue->operator_policy : queue->policy;
}

void queue_apply_settings(struct vhost *vhost, struct queue *queue)
{
    struct queue_settings settings;
    uint64_t expires_ms = queue->settings->expires_ms;
    queue_settings_of_arguments(&settings, queue->arguments);
    queue->policy = find_policy(vhost, queue, false, &vhost->policy_steps);
    queue->operator_policy = find_policy(vhost, queue, true, &vhost->policy_steps);
    queue->policy_generation = vhost->policy_generation;
    queue_settings_apply_policy(&settings, queue->policy, queue->operator_policy);
    queue_set_settings(queue, &settings);
    queue->has_limits = settings.max_length != QUEUE_SETTING_ABSENT ||
                        settings.max_length_bytes != QUEUE_SETTING_ABSENT;
    if (settings.expires_ms != expires_ms) /* its time begins with the policy */
        queue_use(vhost, queue);
    set_unused_timer(vhost, queue);
    if (queue->has_limits)
        queue_keep_limits(vhost, queue);
    parked_letters_follow_settings(vhost, queue);
    queue_values_follow_settings(vhost, queue);
}

struct queue *queue_create(struct vhost *vhost, struct bytes name, struct bytes arguments,
                           uint64_t lane_id)
{
    struct queue_settings settings;
    queue_settings_of_arguments(&settings, arguments);
    struct queue *queue = queue_new(name, arguments, settings.max_priority, lane_id);
    queue->lane_count = (uint16_t)(settings.max_priority + 1 + (settings.type == QUEUE_QUORUM));
    queue->serial = ++vhost->serial_next;
    queue->expiry_timer.fire = queue_expiry_due;
    queue->unused_timer.fire = unused_due;
    queue_use(vhost, queue);
    hash_table_insert(&vhost->queues, &queue->by_name, bytes_hash(name, vhost->config.hash_seed));
    lane_register(vhost, &queue->lane);
    queue_apply_settings(vhost, queue);
    vhost->topology_generation++;
    limit_count_queues(vhost, 1);
    vhost->counters.queues_created++;
    return queue;
}

/* --- what is ready goes */

struct dropping {
    struct vhost *vhost;
    struct lane *lane;
};

static void remove_range(void *context, uint64_t first, uint64_t count)
{
    const struct dropping *dropping = context;
    vhost_store(dropping->vhost, (struct store_operation){.kind = STORE_REMOVE,
                                                          .lane = dropping->lane->id,
                                                          .position = first,
                                                          .count = count});
}

static void ignore_range(void *context, uint64_t first, uint64_t count)
{
    (void)context, (void)first, (void)count;
}

static void cancel_insertion(void *context, const struct entry *entry)
{
    const struct dropping *dropping = context;
    message_unref(store_batch_cancel(dropping->vhost->batch, entry->operation));
}

/* The memory is freed later, in slices. */
static void drop_lane(struct vhost *vhost, struct lane *lane, lane_range *on_range)
{
    struct dropping dropping = {vhost, lane};
    struct lane_remains *remains =
        lane_purge(lane, vhost_submitted(vhost), on_range, cancel_insertion, &dropping);
    if (remains != NULL) {
        remains->next = vhost->remains;
        vhost->remains = remains;
    }
    lane_count_memory(vhost, lane);
    list_remove(&lane->memory_node);
}

static uint64_t drop_ready(struct vhost *vhost, struct queue *queue, lane_range *on_range)
{
    uint64_t count = queue_ready_count(queue);
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        struct lane *lane = queue_lane(queue, priority);
        if (lane != NULL)
            drop_lane(vhost, lane, on_range);
    }
    return count;
}

uint64_t queue_purge(struct vhost *vhost, struct queue *queue)
{
    uint64_t count = drop_ready(vhost, queue, remove_range);
    queue_values_purged(vhost, queue);
    return count;
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
    else if (queue->is_leaving && !queue_has_fetches(queue))
        queue_delete(vhost, queue);
    else
        queue_schedule(vhost, queue);
}

static void leave_lanes(struct vhost *vhost, struct queue *queue)
{
    if (queue->parked != NULL) {
        hash_table_remove(&vhost->lanes, &queue->parked->lane.by_id);
        lane_end_turn(vhost, &queue->parked->lane);
        timer_clear(vhost, &queue->parked->timer);
    }
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        struct lane *lane = queue_lane(queue, priority);
        if (lane != NULL && lane->id != 0) {
            hash_table_remove(&vhost->lanes, &lane->by_id);
            lane_end_turn(vhost, lane);
        }
    }
}

static void leave_vhost(struct vhost *vhost, struct queue *queue)
{
    struct list_node *node;
    const char *user = vhost->acting_user;
    queue->is_deleted = true;
    queue_values_drop(vhost, queue);
    hash_table_remove(&vhost->queues, &queue->by_name);
    leave_lanes(vhost, queue);
    timer_clear(vhost, &queue->expiry_timer);
    timer_clear(vhost, &queue->unused_timer);
    vhost->acting_user = NULL; /* so says RabbitMQ */
    while ((node = list_front(&queue->bindings)) != NULL)
        binding_delete(vhost, list_entry(node, struct binding, destination_node));
    vhost->acting_user = user;
    list_remove(&queue->owner_node);
    list_remove(&queue->dispatch_node);
    vhost->topology_generation++;
    if (!queue->is_reply)
        limit_count_queues(vhost, -1);
    vhost->counters.queues_deleted++;
    if (queue->settings->type == QUEUE_QUORUM)
        delivery_counters_add(&vhost->counters.from_quorum, &queue->counters.deliveries);
}

uint64_t queue_delete(struct vhost *vhost, struct queue *queue)
{
    event_consumers_deleted(vhost, queue);
    leave_vhost(vhost, queue);
    event_queue_deleted(vhost, queue);
    cancel_consumers(queue);
    uint64_t count = drop_ready(vhost, queue, ignore_range);
    if (queue->parked != NULL)
        drop_lane(vhost, &queue->parked->lane, ignore_range);
    if (queue->has_spilled)
        vhost_store(vhost, (struct store_operation){.kind = STORE_SPILL_FORGET,
                                                    .lane = queue->lane.id,
                                                    .count = queue->lane_count});
    if (queue_is_stored(queue)) {
        struct store_definition definition = {.name = queue->name};
        vhost_store(vhost,
                    (struct store_operation){.kind = STORE_QUEUE_DELETE,
                                             .lane = queue->lane.id,
                                             .count = queue->lane_count,
                                             .definition = store_definition_copy(&definition)});
    }
    queue_resume(vhost, queue);
    return count;
}

void queue_leave(struct vhost *vhost, struct queue *queue)
{
    if (!queue_has_fetches(queue)) {
        queue_delete(vhost, queue);
        return;
    }
    queue->is_leaving = true;
    vhost->topology_generation++; /* nothing is routed to it any more */
}

void queue_lost_subscriber(struct vhost *vhost, struct queue *queue)
{
    if (queue->subscriber_count == 0)
        queue_use(vhost, queue);
    if (queue->is_auto_delete && !queue->is_deleted && queue->had_subscriber &&
        queue->subscriber_count == 0)
        queue_leave(vhost, queue);
}
