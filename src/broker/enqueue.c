/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message comes into a queue: to a consumer at once, where one can take it and nothing is before
 * it, or else to the end of the lane of its priority. What a queue without arguments and policies
 * does not have (priorities, limits, a time to live, values) costs it a comparison each.
 */
#include "amqp/properties.h"
#include "base/seldom.h"
#include "broker/consumer.h"
#include "broker/dead_letter.h"
#include "broker/expiration.h"
#include "broker/queue_life.h"

void queue_store_insert(struct vhost *vhost, struct lane *lane, struct entry *entry,
                        struct bytes value)
{
    lane->queue->counters.disk_writes++;
    vhost->counters.disk_writes++;
    struct store_definition *key = value.data != NULL ? store_key(value) : NULL;
    entry->batch = vhost->batch->number;
    entry->operation = (uint32_t)vhost->batch->count;
    *vhost_store_place(vhost, entry->message) =
        (struct store_operation){.kind = STORE_INSERT,
                                 .lane = lane->id,
                                 .position = entry->position,
                                 .message = entry->message,
                                 .expiry_ms = entry->fate.expiry_ms,
                                 .definition = key};
}

void queue_spill(void *context, struct lane *lane, struct entry *entry)
{
    struct vhost *vhost = context;
    struct queue *queue = lane->queue;
    if (lane->id == 0)
        queue_register_spill(vhost, queue);
    queue->has_spilled = true;
    queue->counters.disk_writes++;
    vhost->counters.disk_writes++;
    entry->batch = vhost->batch->number;
    entry->operation = (uint32_t)vhost_store(
        vhost, (struct store_operation){.kind = STORE_SPILL,
                                        .lane = lane->id,
                                        .position = entry->position,
                                        .message = message_ref(entry->message),
                                        .expiry_ms = entry->fate.expiry_ms});
}

static struct lane *lane_for(struct vhost *vhost, struct queue *queue,
                             const struct message *message)
{
    unsigned priority = amqp_properties_priority(message_properties(message));
    if (priority > queue->max_priority)
        priority = queue->max_priority;
    struct lane *lane = queue_lane(queue, priority);
    return lane != NULL ? lane : queue_make_lane(vhost, queue, priority);
}

static bool may_expire(const struct queue *queue, const struct message *message)
{
    return message_has(message, AMQP_PROPERTY_EXPIRATION) ||
           queue->settings->message_ttl_ms != EXPIRATION_NEVER;
}

SELDOM static void set_expiry(const struct vhost *vhost, struct queue *queue, struct entry *entry)
{
    uint64_t ttl_ms = message_has(entry->message, AMQP_PROPERTY_EXPIRATION)
                          ? expiration_of(message_properties(entry->message))
                          : EXPIRATION_NEVER;
    if (queue->settings->message_ttl_ms < ttl_ms)
        ttl_ms = queue->settings->message_ttl_ms;
    if (ttl_ms == EXPIRATION_NEVER)
        return;
    entry->fate.expiry_ms = ENTRY_EXPIRY(vhost->now_ms + ttl_ms);
    queue->may_expire = true; /* also when it is given back */
}

static void push(struct vhost *vhost, struct lane *lane, const struct entry *entry)
{
    struct queue *queue = lane->queue;
    lane_push(lane, entry);
    lane_touch(vhost, lane);
    if (entry->fate.expiry_ms != 0)
        queue_arm_expiry(vhost, lane);
    if (queue->has_limits)
        queue_keep_limits(vhost, queue);
}

/* The dead letter of a message that was not let in. */
static void turn_away(struct vhost *vhost, struct queue *queue, struct message *message)
{
    if (queue->settings->overflow == OVERFLOW_REJECT_PUBLISH_DLX)
        queue_dead_letter(vhost, queue, message, DEATH_MAXLEN);
    message_unref(message);
}

/* Does a restart leave it, where it leaves the queue? */
static inline bool is_kept(const struct queue *queue, const struct message *message)
{
    return message->is_persistent || queue->settings->type == QUEUE_QUORUM;
}

/* The message is let in. */
static void take_in(struct vhost *vhost, struct queue *queue, struct message *message,
                    struct bytes value)
{
    struct lane *lane = queue->max_priority == 0 ? &queue->lane : lane_for(vhost, queue, message);
    struct entry entry = {
        .position = lane->next_position++,
        .message = message,
        .body_bytes = (uint32_t)message->body_size,
    };
    struct consumer *consumer = queue_next_consumer(queue);
    if (may_expire(queue, message))
        set_expiry(vhost, queue, &entry);
    bool is_stored = queue_is_stored(queue) && is_kept(queue, message);
    if (queue->is_durable && !is_kept(queue, message))
        entry.fate.is_fleeting = true;
    bool is_direct =
        consumer != NULL && queue_first_lane(queue)->ready_count == 0 && queue->hold_count == 0;
    bool is_gone = is_direct && consumer->no_ack;
    if (is_stored && !is_gone) {
        message_ref_more(message, 1 + is_direct);
        queue_store_insert(vhost, lane, &entry, value);
    } else if (is_direct && !is_gone) {
        message_ref(message);
    }
    if (value.data != NULL)
        queue_values_note(lane, &entry, value);
    if (is_direct) {
        queue_deliver_at_once(vhost, lane, consumer, &entry);
        return;
    }
    push(vhost, lane, &entry);
    if (consumer != NULL)
        queue_schedule(vhost, queue);
}

bool queue_enqueue(struct vhost *vhost, struct queue *queue, struct message *message)
{
    struct bytes value = {0};
    if (queue->has_limits && !queue_takes(queue, message)) {
        turn_away(vhost, queue, message);
        return false;
    }
    if (queue->values != NULL && !queue_values_admit(vhost, queue, message, &value)) {
        message_unref(message);
        return false;
    }
    take_in(vhost, queue, message, value);
    return true;
}
