/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settling deliveries: ack, nack, reject, recover, and the end of a channel. An acked message
 * leaves the store; a message that is put back returns to its place in its queue. Those of one call
 * are put back queue by queue, in order of position, so that even a channel with a million of them
 * costs one merge per queue.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/broker_internal.h"

/* Takes the delivery out of the accounts of its queue, consumer and channel. Under a common limit
 * the caller wakes the consumers, in turn. */
static void count_out(struct channel *channel, struct unacked *unacked)
{
    struct consumer *consumer = unacked->consumer;
    unacked->lane->queue->unacked_count--;
    channel->session->memory_bytes -= sizeof *unacked;
    if (consumer == NULL)
        return;
    channel->global_unacked--;
    consumer->unacked_count--;
    if (consumer->channel == NULL && consumer->unacked_count == 0)
        free(consumer);
    else if (consumer->channel != NULL && channel->prefetch_global == 0)
        consumer_wake(consumer);
}

/* The message is done with. One that was acked in a transaction is safe when that is on disk: what
 * was published in its place may be lost until then. */
static void discard(struct channel *channel, struct unacked *unacked)
{
    struct queue *queue = unacked->lane->queue;
    if (!unacked->is_in_tx)
        confirm_consumed(channel_vhost(channel), unacked->batch, unacked->operation);
    queue_forget(channel_vhost(channel), unacked->lane, unacked->position, unacked->batch,
                 unacked->operation);
    message_unref(unacked->message);
    count_out(channel, unacked);
    unacked_ring_settle(&channel->unacked, unacked);
    queue_release(queue);
}

static struct entry entry_of(const struct unacked *unacked)
{
    return (struct entry){.position = unacked->position,
                          .expiry_ms = unacked->expiry_ms,
                          .failures = unacked->failures,
                          .message = unacked->message,
                          .batch = unacked->batch,
                          .operation = unacked->operation,
                          .body_bytes = unacked->body_bytes};
}

/* The message is rejected for good. */
static void reject(struct channel *channel, struct unacked *unacked)
{
    struct lane *lane = unacked->lane;
    struct entry entry = entry_of(unacked);
    count_out(channel, unacked);
    unacked_ring_settle(&channel->unacked, unacked);
    queue_bury(channel_vhost(channel), lane, &entry, DEATH_REJECTED);
    queue_release(lane->queue);
}

/* --- putting back */

/* Entries, and beside each its lane: those of a lane are handed over as they lie there. */
struct give_back_list {
    struct entry *entries;
    struct lane **lanes;
    size_t count;
    size_t entry_capacity, lane_capacity;
    bool is_of_the_end; /* of the channel: its client has not said that it wants them back */
};

static void take_back(struct channel *channel, struct unacked *unacked, struct give_back_list *list)
{
    list->entries =
        xgrow(list->entries, &list->entry_capacity, list->count + 1, sizeof *list->entries);
    list->lanes = xgrow(list->lanes, &list->lane_capacity, list->count + 1, sizeof list->lanes[0]);
    list->entries[list->count] = entry_of(unacked);
    list->lanes[list->count++] = unacked->lane;
    unacked->lane->queue->unacked_count++; /* until it is given back, so that the queue stays */
    count_out(channel, unacked);
    unacked_ring_settle(&channel->unacked, unacked);
}

struct give_back {
    struct lane *lane;
    struct entry entry;
};

/* By queue, and within it as they are delivered. */
static int compare_lanes(const struct lane *a, const struct lane *b)
{
    if (a->queue->serial != b->queue->serial)
        return a->queue->serial < b->queue->serial ? -1 : 1;
    return a->priority > b->priority ? -1 : a->priority < b->priority;
}

static int by_lane_and_position(const void *left, const void *right)
{
    const struct give_back *a = left, *b = right;
    int order = compare_lanes(a->lane, b->lane);
    if (order != 0)
        return order;
    return a->entry.position < b->entry.position ? -1 : 1;
}

static bool is_in_order(const struct give_back_list *list)
{
    for (size_t i = 1; i < list->count; i++) {
        int order = list->lanes[i - 1] == list->lanes[i]
                        ? 0
                        : compare_lanes(list->lanes[i - 1], list->lanes[i]);
        if (order > 0 || (order == 0 && list->entries[i - 1].position > list->entries[i].position))
            return false;
    }
    return true;
}

/* What comes from one lane was delivered in order, as a rule, and needs no sorting. */
static void put_in_order(struct give_back_list *list)
{
    if (is_in_order(list))
        return;
    struct give_back *items = xmalloc(list->count * sizeof *items);
    for (size_t i = 0; i < list->count; i++)
        items[i] = (struct give_back){list->lanes[i], list->entries[i]};
    qsort(items, list->count, sizeof *items, by_lane_and_position);
    for (size_t i = 0; i < list->count; i++) {
        list->lanes[i] = items[i].lane;
        list->entries[i] = items[i].entry;
    }
    free(items);
}

/* A quorum queue counts failures. One with a delivery limit buries what has failed too often; one
 * without puts what a client has put back behind everything else. What stays in its place remains
 * in entries. */
static size_t count_failures(struct vhost *vhost, struct lane *lane, struct entry *entries,
                             size_t count, bool is_of_the_end)
{
    int64_t limit = lane->queue->settings.delivery_limit;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];
        if (entry->failures < UINT16_MAX)
            entry->failures++;
        if (limit < 0 && !is_of_the_end) {
            queue_requeue_behind(vhost, lane, entry);
        } else if (limit >= 0 && entry->failures > limit) {
            queue_bury(vhost, lane, entry, DEATH_DELIVERY_LIMIT);
        } else {
            lane_note_failures(vhost, lane, entry);
            entries[kept++] = *entry;
        }
    }
    return kept;
}

static void give_back_entries(struct vhost *vhost, struct lane *lane, struct entry *entries,
                              size_t count, bool is_of_the_end)
{
    struct queue *queue = lane->queue;
    vhost->counters.requeued += count;
    if (queue->settings.type == QUEUE_QUORUM)
        count = count_failures(vhost, lane, entries, count, is_of_the_end);
    if (count > 0)
        lane_return(lane, entries, count);
    if (queue->may_expire)
        queue_expire(vhost, queue);
    if (queue->has_limits)
        queue_keep_limits(vhost, queue);
    lane_touch(vhost, lane);
    queue_schedule(vhost, queue);
}

static void give_back_run(struct vhost *vhost, struct lane *lane, struct entry *entries,
                          size_t count, bool is_of_the_end)
{
    struct queue *queue = lane->queue;
    queue->unacked_count -= count;
    if (queue->is_deleted) {
        for (size_t i = 0; i < count; i++)
            message_unref(entries[i].message);
        queue_release(queue);
    } else {
        give_back_entries(vhost, lane, entries, count, is_of_the_end);
    }
}

static void give_back_all(struct vhost *vhost, struct give_back_list *list)
{
    put_in_order(list);
    for (size_t first = 0, end; first < list->count; first = end) {
        end = first + 1;
        while (end < list->count && list->lanes[end] == list->lanes[first])
            end++;
        give_back_run(vhost, list->lanes[first], list->entries + first, end - first,
                      list->is_of_the_end);
    }
    free(list->entries);
    free(list->lanes);
}

void channel_requeue_all(struct channel *channel, bool is_of_the_end)
{
    struct give_back_list list = {.is_of_the_end = is_of_the_end};
    for (size_t i = 0; i < channel->unacked.count; i++) {
        struct unacked *unacked = unacked_ring_at(&channel->unacked, i);
        if (unacked->lane != NULL && !unacked->is_in_tx)
            take_back(channel, unacked, &list);
    }
    unacked_ring_trim(&channel->unacked);
    give_back_all(channel_vhost(channel), &list);
    if (channel->prefetch_global != 0)
        channel_wake_consumers(channel);
}

/* --- acks and rejects */

static void settle_one(struct channel *channel, struct tx_settlement settlement,
                       struct unacked *unacked, struct give_back_list *list)
{
    struct vhost *vhost = channel_vhost(channel);
    if (settlement.requeue) {
        take_back(channel, unacked, list);
        return;
    }
    if (settlement.is_ack) {
        vhost->counters.acked++;
        discard(channel, unacked);
    } else {
        vhost->counters.discarded++;
        reject(channel, unacked);
    }
}

/* In a transaction the delivery is only marked until the commit. */
static void settle_or_mark(struct channel *channel, struct tx_settlement settlement,
                           struct unacked *unacked, struct give_back_list *list)
{
    if (channel->mode != CHANNEL_TX || unacked->is_in_tx) {
        settle_one(channel, settlement, unacked, list);
        return;
    }
    unacked->is_in_tx = true;
    settlement.tag = unacked->tag;
    channel->tx_settlements =
        xgrow(channel->tx_settlements, &channel->tx_settlement_capacity,
              channel->tx_settlement_count + 1, sizeof *channel->tx_settlements);
    channel->tx_settlements[channel->tx_settlement_count++] = settlement;
}

static bool unknown_tag(uint64_t tag, struct amqp_error *error)
{
    return amqp_error_set(error, AMQP_PRECONDITION_FAILED, "unknown delivery tag %llu",
                          (unsigned long long)tag);
}

static void settle_up_to(struct channel *channel, struct tx_settlement settlement,
                         struct give_back_list *list)
{
    struct unacked_ring *ring = &channel->unacked;
    for (size_t i = 0; i < ring->count; i++) {
        struct unacked *unacked = unacked_ring_at(ring, i);
        if (settlement.tag != 0 && unacked->tag > settlement.tag)
            break;
        if (unacked->lane == NULL || unacked->is_in_tx)
            continue;
        settle_or_mark(channel, settlement, unacked, list);
    }
}

/* The delivery of a tag that can be settled, or NULL. */
static struct unacked *find_open(const struct channel *channel, uint64_t tag)
{
    struct unacked *unacked = unacked_ring_find(&channel->unacked, tag);
    bool is_open = unacked != NULL && (channel->mode != CHANNEL_TX || !unacked->is_in_tx);
    return is_open ? unacked : NULL;
}

bool channel_settle(struct channel *channel, struct tx_settlement settlement, bool multiple,
                    struct amqp_error *error)
{
    struct give_back_list list = {0};
    struct unacked *unacked = NULL;
    /* Tag 0 means all there are, even none; any other must wait for its ack, multiple or not. */
    if (!(multiple && settlement.tag == 0)) {
        unacked = find_open(channel, settlement.tag);
        if (unacked == NULL)
            return unknown_tag(settlement.tag, error);
    }
    if (multiple)
        settle_up_to(channel, settlement, &list);
    else
        settle_or_mark(channel, settlement, unacked, &list);
    unacked_ring_trim(&channel->unacked);
    if (list.count > 0)
        give_back_all(channel_vhost(channel), &list);
    if (channel->prefetch_global != 0)
        channel_wake_consumers(channel);
    return true;
}
