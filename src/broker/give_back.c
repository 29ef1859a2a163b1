/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting back what was not acked: by the client's wish, and at the end of a channel. A message
 * returns to its place in its queue. Those of one call are put back queue by queue, in order of
 * position, so that even very many cost one merge per queue.
 *
 * A channel may have millions of them, which take hundreds of milliseconds; so they go in slices,
 * a bounded number within each input of the vhost. While some of a queue's messages are back and
 * others are not yet, the queue is held: it hands nothing out, and commands that name it wait, so
 * that the slices are seen by nobody and the order is that of all at once. Of a channel that ends
 * while it has more than a slice the deliveries stay behind ("departed"), and the channel is gone.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/queue_life.h"
#include "broker/settle.h"

enum { cost_of_failure = 8 }; /* a quorum queue stores how often, and may bury it */

struct departed {
    struct list_node node; /* in vhost->departed */
    struct unacked_ring ring;
    struct held_queues holds;
};

struct entry delivery_entry(const struct unacked *unacked)
{
    return (struct entry){.position = unacked->position,
                          .fate = unacked->fate,
                          .message = unacked->message,
                          .batch = unacked->batch,
                          .operation = unacked->operation,
                          .body_bytes = unacked->body_bytes};
}

/* --- holding queues */

static void hold(struct held_queues *holds, struct queue *queue)
{
    holds->queues = xgrow(holds->queues, &holds->capacity, holds->count + 1, sizeof *holds->queues);
    holds->queues[holds->count++] = queue;
    queue->hold_count++;
}

static void release_holds(struct vhost *vhost, struct held_queues *holds)
{
    for (size_t i = 0; i < holds->count; i++) {
        if (--holds->queues[i]->hold_count == 0)
            queue_resume(vhost, holds->queues[i]);
    }
    free(holds->queues);
    *holds = (struct held_queues){0};
}

void give_back_take(struct channel *channel, struct unacked_ring *ring, struct unacked *unacked,
                    struct give_back_list *list)
{
    list->entries =
        xgrow(list->entries, &list->entry_capacity, list->count + 1, sizeof *list->entries);
    list->lanes = xgrow(list->lanes, &list->lane_capacity, list->count + 1, sizeof list->lanes[0]);
    list->entries[list->count] = delivery_entry(unacked);
    list->lanes[list->count++] = unacked->lane;
    unacked->lane->queue->unacked_count++; /* until it is given back, so that the queue stays */
    unacked->lane->queue->fleeting_unacked += unacked->fate.is_fleeting;
    delivery_count_out(channel, unacked);
    unacked_ring_settle(ring, unacked);
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
    int64_t limit = lane->queue->settings->delivery_limit;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];
        if (entry->fate.failures < UINT16_MAX)
            entry->fate.failures++;
        if (limit < 0 && !is_of_the_end) {
            queue_requeue_behind(vhost, lane, entry);
        } else if (limit >= 0 && entry->fate.failures > limit) {
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
    if (queue->settings->type == QUEUE_QUORUM)
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
    for (size_t i = 0; i < count; i++)
        queue->fleeting_unacked -= entries[i].fate.is_fleeting;
    if (queue->is_deleted) {
        for (size_t i = 0; i < count; i++)
            message_unref(entries[i].message);
        queue_release(queue);
    } else {
        give_back_entries(vhost, lane, entries, count, is_of_the_end);
    }
}

void give_back_all(struct vhost *vhost, struct give_back_list *list, struct held_queues *holds)
{
    put_in_order(list);
    for (size_t first = 0, end; first < list->count; first = end) {
        end = first + 1;
        while (end < list->count && list->lanes[end] == list->lanes[first])
            end++;
        if (holds != NULL)
            hold(holds, list->lanes[first]->queue);
        give_back_run(vhost, list->lanes[first], list->entries + first, end - first,
                      list->is_of_the_end);
    }
    free(list->entries);
    free(list->lanes);
}

/* --- all of a channel */

/* Some of those up to the tag; false where more are left for the next slice. */
static bool take_some(struct vhost *vhost, struct channel *channel, struct unacked_ring *ring,
                      uint64_t up_to, struct give_back_list *list)
{
    for (size_t i = 0; i < ring->count; i++) {
        struct unacked *unacked = unacked_ring_at(ring, i);
        if (unacked->tag > up_to)
            break;
        if (unacked->lane == NULL || unacked->is_in_tx)
            continue;
        if (!settle_may_go_on(vhost, list->count, give_back_cost(unacked)))
            return false;
        give_back_take(channel, ring, unacked, list);
    }
    return true;
}

static bool give_some_back(struct vhost *vhost, struct channel *channel, struct unacked_ring *ring,
                           uint64_t up_to, bool is_of_the_end, struct held_queues *holds)
{
    struct give_back_list list = {.is_of_the_end = is_of_the_end};
    bool is_all = take_some(vhost, channel, ring, up_to, &list);
    unacked_ring_trim(ring);
    give_back_all(vhost, &list, is_all ? NULL : holds);
    return is_all;
}

size_t give_back_cost(const struct unacked *unacked)
{
    return unacked->lane->queue->settings->type == QUEUE_QUORUM ? cost_of_failure : 1;
}

enum outcome channel_recover(struct channel *channel)
{
    struct vhost *vhost = channel_vhost(channel);
    uint64_t up_to = settle_begin(channel, 0);
    bool is_all = give_some_back(vhost, channel, &channel->unacked, up_to, false, &channel->holds);
    if (channel->prefetch_global != 0)
        channel_wake_consumers(channel);
    return settle_end_slice(channel, up_to, is_all, false);
}

/* --- the end of a channel */

/* Whoever waits for the queues goes on when the present input is finished: now other channels are
 * not to run, which might end this one once more. */
static void depart(struct channel *channel)
{
    struct departed *departed = xmalloc(sizeof *departed);
    list_node_init(&departed->node);
    departed->ring = channel->unacked;
    departed->holds = channel->holds;
    channel->session->memory_bytes -= channel->unacked.live * sizeof(struct unacked);
    channel->unacked = (struct unacked_ring){0};
    channel->holds = (struct held_queues){0};
    channel->global_unacked = 0;
    list_push_back(&channel_vhost(channel)->departed, &departed->node);
}

void give_back_release(struct channel *channel)
{
    if (channel->holds.count == 0)
        return;
    struct departed *departed = xcalloc(1, sizeof *departed);
    list_node_init(&departed->node);
    departed->holds = channel->holds;
    channel->holds = (struct held_queues){0};
    list_push_back(&channel_vhost(channel)->departed, &departed->node);
}

/* By basic.get, or to consumers that are cancelled. */
static void hold_others(struct channel *channel)
{
    const struct queue *last = NULL;
    for (size_t i = 0; i < channel->unacked.count; i++) {
        const struct unacked *unacked = unacked_ring_at(&channel->unacked, i);
        if (unacked->lane == NULL || unacked->lane->queue == last)
            continue;
        last = unacked->lane->queue;
        hold(&channel->holds, unacked->lane->queue);
    }
}

/* All queues whose messages are still to come back: they are back now, as far as clients can see.
 */
static void hold_all(struct channel *channel)
{
    uint64_t consumed = 0;
    for (size_t i = 0; i < channel->slot_count; i++) {
        struct consumer *consumer = channel->slots[i];
        if (consumer == NULL || consumer->unacked_count == 0)
            continue;
        consumed += consumer->unacked_count;
        hold(&channel->holds, consumer->subscriber.queue);
    }
    if (consumed < channel->unacked.live)
        hold_others(channel);
}

void channel_end_deliveries(struct channel *channel)
{
    channel->settling_up_to = 0;
    if (give_some_back(channel_vhost(channel), channel, &channel->unacked, UINT64_MAX, true,
                       &channel->holds)) {
        give_back_release(channel);
        return;
    }
    hold_all(channel);
    depart(channel);
}

void departed_go_on(struct vhost *vhost)
{
    struct list_node *node;
    while ((node = list_front(&vhost->departed)) != NULL) {
        struct departed *departed = list_entry(node, struct departed, node);
        if (!give_some_back(vhost, NULL, &departed->ring, UINT64_MAX, true, &departed->holds))
            return;
        list_remove(node);
        release_holds(vhost, &departed->holds);
        unacked_ring_fini(&departed->ring);
        free(departed);
    }
}

void departed_visit(const struct vhost *vhost,
                    void (*visit)(void *context, const struct unacked_ring *ring), void *context)
{
    list_for_each(&vhost->departed, node)
        visit(context, &list_entry(node, struct departed, node)->ring);
}
