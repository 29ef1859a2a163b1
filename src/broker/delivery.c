/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a queue to its consumers. A message that meets an active consumer at an empty queue never
 * enters the queue.
 *
 * A stored message is taken out of the store when it is acked, or here, when the consumer does not
 * ack. Before a stored message is delivered for the first time the store has been told that it may
 * be (STORE_DELIVERED), in strides that run ahead, so that after a crash nothing comes twice
 * without redelivered.
 */
#include <stdlib.h>

#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/check.h"
#include "base/seldom.h"
#include "base/xmalloc.h"
#include "broker/consumer.h"
#include "broker/copies.h"
#include "broker/publish.h"
#include "broker/queue_life.h"
#include "broker/trace.h"

/* --- the store's part of a delivery */

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

/* Was it spilled? Nobody gets it after a crash. */
static bool is_spilled(const struct queue *queue, const struct entry *entry)
{
    return !entry->message->is_persistent && queue->settings->type != QUEUE_QUORUM;
}

SELDOM static bool mark_or_wait(struct vhost *vhost, struct lane *lane, const struct entry *entry)
{
    struct queue *queue = lane->queue;
    if (entry->position < lane->delivered_below || lane->id >= STORE_SPILL_LANES ||
        is_spilled(queue, entry))
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

/* May this message, which is stored, be delivered now? Not while the disk may come to hold the
 * message before the mark that covers it; a message of the mark's own batch or a later one cannot.
 * Mostly the mark is known, and far ahead. */
static inline bool mark_delivered(struct vhost *vhost, struct lane *lane, const struct entry *entry)
{
    bool is_known = lane->marked_batch <= vhost->committed || entry->batch >= lane->marked_batch;
    return (is_known && entry->position + vhost->config.mark_stride / 2 < lane->marked_below) ||
           mark_or_wait(vhost, lane, entry);
}

/* --- delivering */

/* message: a reference of its own, which passes, or NULL. */
static void add_unacked(struct channel *channel, struct lane *lane, struct consumer *consumer,
                        const struct entry *entry, struct message *message)
{
    *unacked_ring_add(&channel->unacked) = (struct unacked){
        .tag = channel->delivery_tag,
        .position = entry->position,
        .fate = entry->fate,
        .lane = lane,
        .consumer = consumer,
        .message = message,
        .batch = entry->batch,
        .operation = entry->operation,
        .body_bytes = entry->body_bytes & INT32_MAX,
    };
    lane->queue->unacked_count++;
    lane->queue->unacked_bytes += entry->body_bytes & INT32_MAX;
    if (entry->fate.is_fleeting) {
        lane->queue->fleeting_unacked++;
        lane->queue->fleeting_unacked_bytes += entry->body_bytes & INT32_MAX;
    }
    ack_timeout_note(channel, lane->queue);
    channel->session->memory_bytes += sizeof(struct unacked);
    if (consumer != NULL) {
        consumer->unacked_count++;
        channel->global_unacked++;
    }
}

/* What is on disk is read again where it is given back. */
static inline struct message *message_for_return(const struct vhost *vhost,
                                                 const struct entry *entry)
{
    bool is_on_disk = entry->batch != 0 && entry->batch <= vhost->committed;
    return is_on_disk ? NULL : message_ref(entry->message);
}

void channel_add_unacked(struct channel *channel, struct lane *lane, const struct entry *entry)
{
    add_unacked(channel, lane, NULL, entry, message_for_return(channel_vhost(channel), entry));
}

/* A few unacked messages whose batches were committed since drop their bodies, each time. */
static void sweep_bodies(struct channel *channel)
{
    uint64_t committed = channel_vhost(channel)->committed;
    struct unacked_ring *ring = &channel->unacked;
    size_t index = unacked_ring_search(ring, channel->sweep_tag + 1);
    for (int i = 0; i < 2 && index < ring->count; i++, index++) {
        struct unacked *unacked = unacked_ring_at(ring, index);
        if (unacked->lane != NULL && unacked->batch != 0) {
            if (unacked->batch > committed)
                return;
            message_unref(unacked->message);
            unacked->message = NULL;
        }
        if (unacked->tag > channel->sweep_tag) /* not a gap of former times */
            channel->sweep_tag = unacked->tag;
    }
}

static struct message *with_delivery_count(struct message *message, uint64_t count)
{
    struct amqp_properties properties = {0};
    struct amqp_field field;
    struct buffer headers = {0}, raw = {0};
    bool is_valid = amqp_properties_parse(message_properties(message), &properties);
    struct reader reader = reader_of(is_valid ? properties.headers : bytes_of(NULL, 0));
    while (amqp_table_next(&reader, &field)) {
        if (!bytes_equal_text(field.name, "x-delivery-count"))
            amqp_table_add_field(&headers, &field);
    }
    amqp_table_add_int(&headers, "x-delivery-count", (int64_t)count);
    properties.flags |= AMQP_PROPERTY_HEADERS;
    properties.headers = buffer_bytes(&headers);
    amqp_properties_encode(&raw, &properties);
    struct message *shown = message_readdress(message, message_exchange(message),
                                              message_routing_key(message), buffer_bytes(&raw));
    buffer_fini(&headers);
    buffer_fini(&raw);
    message_unref(message);
    return shown;
}

struct message *queue_show(const struct queue *queue, struct entry *entry, bool is_got)
{
    struct message *message = entry->message;
    entry->message = NULL;
    if (message->hides_bcc)
        message = copies_hide_bcc(message);
    if (queue->settings->type == QUEUE_QUORUM && (is_got || entry->fate.failures > 0))
        return with_delivery_count(message, entry->fate.failures);
    return message;
}

/* kept: a reference for the delivery that waits for its ack, which passes, or NULL. */
static void deliver(struct vhost *vhost, struct lane *lane, struct consumer *consumer,
                    struct entry *entry, bool redelivered, struct message *kept)
{
    struct channel *channel = consumer->channel;
    if (vhost->is_tracing)
        trace_delivered(channel, lane->queue, entry->message, redelivered);
    uint64_t tag = channel->delivery_tag + 1;
    if (!lane->queue->is_reply) /* a reply has the next tag, but does not use it up */
        channel->delivery_tag = tag;
    channel->last_served = consumer->number;
    if (redelivered)
        count_redelivered(vhost, lane->queue, channel);
    if (consumer->no_ack) {
        vhost->counters.delivered_no_ack++;
        lane->queue->counters.deliveries.deliver_no_ack++;
        channel->counters.deliveries.deliver_no_ack++;
        confirm_consumed(vhost, entry->batch, entry->operation);
        queue_forget(vhost, lane, entry->position, entry->batch, entry->operation, NULL);
    } else {
        vhost->counters.delivered++;
        lane->queue->counters.deliveries.deliver++;
        channel->counters.deliveries.deliver++;
        add_unacked(channel, lane, consumer, entry, kept);
        if (entry->batch != 0)
            sweep_bodies(channel);
    }
    struct session *session = channel->session;
    struct message *message = queue_show(lane->queue, entry, false);
    *effect_chain_add(session_effects(session)) =
        (struct effect){.kind = EFFECT_DELIVER,
                        .flag = redelivered,
                        .channel = channel->number,
                        .consumer = consumer->number,
                        .connection = session->config.connection,
                        .tag = tag,
                        .message = message};
    session->output_credit -= (int64_t)effect_deliver_cost(message);
}

void queue_deliver_at_once(struct vhost *vhost, struct lane *lane, struct consumer *consumer,
                           struct entry *entry)
{
    if (entry->batch != 0)
        mark_delivered(vhost, lane, entry);
    lane->delivered_below = entry->position + 1;
    deliver(vhost, lane, consumer, entry, false, consumer->no_ack ? NULL : entry->message);
    queue_rotate(lane->queue, &consumer->subscriber);
}

static bool is_expired(const struct vhost *vhost, const struct entry *entry)
{
    return entry->fate.expiry_ms != 0 && entry->fate.expiry_ms <= vhost->now_ms;
}

/* Takes the first message of a lane if it may be delivered now. */
static enum lane_head take_first(struct vhost *vhost, struct lane *lane, struct entry *entry,
                                 bool *redelivered)
{
    struct entry *front;
    enum lane_head head = lane_peek(lane, &front);
    if (head != LANE_READY)
        return head;
    if (front->batch != 0 && !mark_delivered(vhost, lane, front))
        return LANE_IN_STORE;
    lane_pop(lane, entry);
    *redelivered = lane_is_redelivered(lane, entry) || entry->fate.failures > 0;
    if (!lane_is_redelivered(lane, entry))
        lane->delivered_below = entry->position + 1;
    if (lane->queue->may_expire)
        queue_arm_expiry(vhost, lane);
    return LANE_READY;
}

struct lane *queue_next_lane(struct vhost *vhost, struct queue *queue)
{
    struct lane *lane = queue_first_lane(queue);
    struct entry *front;
    if (queue->may_expire && lane_peek(lane, &front) == LANE_READY && is_expired(vhost, front)) {
        queue_expire(vhost, queue);
        lane = queue_first_lane(queue);
        /* Very many have expired: they go in slices, and nothing is delivered meanwhile. */
        if (lane_peek(lane, &front) == LANE_READY && is_expired(vhost, front))
            return NULL;
    }
    return lane;
}

void queue_read(struct vhost *vhost, struct queue *queue)
{
    lane_read(vhost, queue_first_lane(queue));
}

void queue_schedule(struct vhost *vhost, struct queue *queue)
{
    if (!list_node_is_linked(&queue->dispatch_node))
        list_push_back(&vhost->dispatch, &queue->dispatch_node);
}

static void hand_out(struct vhost *vhost, struct queue *queue)
{
    struct consumer *consumer;
    struct entry entry;
    bool redelivered;
    while (vhost->dispatch_left > 0 && (consumer = queue_next_consumer(queue)) != NULL) {
        struct lane *lane = queue_next_lane(vhost, queue);
        if (lane == NULL || take_first(vhost, lane, &entry, &redelivered) != LANE_READY)
            break;
        deliver(vhost, lane, consumer, &entry, redelivered,
                consumer->no_ack ? NULL : message_for_return(vhost, &entry));
        queue_rotate(queue, &consumer->subscriber);
        lane_touch(vhost, lane);
        vhost->dispatch_left--;
    }
}

void queue_dispatch(struct vhost *vhost, struct queue *queue)
{
    if (queue->is_leaving || queue->hold_count > 0)
        return;
    if (queue->has_limits)
        queue_keep_limits(vhost, queue);
    hand_out(vhost, queue);
    if (vhost->dispatch_left == 0)
        queue_schedule(vhost, queue);
    if (queue_next_consumer(queue) != NULL || queue_first_lane(queue)->paged.count > 0)
        queue_read(vhost, queue);
    else if (queue->may_expire)
        queue_probe_head(vhost, queue);
}

enum lane_head queue_get(struct vhost *vhost, struct queue *queue, struct lane **lane,
                         struct entry *entry, bool *redelivered)
{
    struct lane *first = queue_next_lane(vhost, queue);
    if (first == NULL)
        return LANE_IN_STORE;
    enum lane_head head = take_first(vhost, first, entry, redelivered);
    if (head == LANE_READY)
        lane_touch(vhost, first);
    /* The count in the reply is without what has expired behind it. */
    queue_next_lane(vhost, queue);
    *lane = first;
    queue_read(vhost, queue);
    return head;
}
