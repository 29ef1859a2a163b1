/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settling deliveries: ack, nack, reject, recover. An acked message leaves the store; what becomes
 * of those that are put back is in give_back.c.
 *
 * One command may settle a million deliveries. It does so in slices, a bounded number within each
 * input of the vhost: the command is run again until it is done, up to the tag that was the last
 * one when it came, and what the channel gets meanwhile waits behind it. Rejecting is also no
 * faster than the store takes the dead letters.
 */
#include "broker/settle.h"
#include "base/check.h"
#include "base/seldom.h"
#include "base/xmalloc.h"
#include "broker/publish.h"
#include "broker/queue_life.h"

enum {
    cost_of_letter = 16,       /* a dead letter's, in acks */
    always_settled_part = 128, /* of a slice: settled by a command whatever others do */
};

bool settle_may_go_on(struct vhost *vhost, size_t settled, size_t cost)
{
    if (vhost->settle_left == 0)
        return settled < vhost->config.settle_slice / always_settled_part;
    vhost->settle_left -= cost < vhost->settle_left ? cost : vhost->settle_left;
    return true;
}

uint64_t settle_begin(const struct channel *channel, uint64_t tag)
{
    if (channel->settling_up_to != 0)
        return channel->settling_up_to;
    return tag != 0 ? tag : channel->delivery_tag;
}

enum outcome settle_end_slice(struct channel *channel, uint64_t up_to, bool is_all, bool is_slow)
{
    if (!is_all) {
        channel->settling_up_to = up_to;
        channel_wait_for_slice(channel, is_slow);
        return OUTCOME_RETRY;
    }
    if (channel->settling_up_to == 0)
        return OUTCOME_DONE;
    give_back_release(channel);
    channel->settling_up_to = 0;
    channel_wake_consumers(channel);
    return OUTCOME_DONE;
}

/* --- one */

/* The message is done with. One that was acked in a transaction is safe when that is on disk: what
 * was published in its place may be lost until then. */
static void discard(struct channel *channel, struct unacked *unacked)
{
    struct queue *queue = unacked->lane->queue;
    if (!unacked->is_in_tx)
        confirm_consumed(channel_vhost(channel), unacked->batch, unacked->operation);
    queue_forget(channel_vhost(channel), unacked->lane, unacked->position, unacked->batch,
                 unacked->operation, unacked->message);
    delivery_count_out(channel, unacked);
    unacked_ring_settle(&channel->unacked, unacked);
    queue_release(queue);
}

static void acknowledge(struct channel *channel, struct unacked *unacked)
{
    channel_vhost(channel)->counters.acked++;
    unacked->lane->queue->counters.deliveries.ack++;
    channel->counters.deliveries.ack++;
    discard(channel, unacked);
}

/* The message is rejected for good. */
SELDOM static void reject(struct channel *channel, struct unacked *unacked)
{
    channel_vhost(channel)->counters.discarded++;
    struct lane *lane = unacked->lane;
    struct entry entry = delivery_entry(unacked);
    delivery_count_out(channel, unacked);
    unacked_ring_settle(&channel->unacked, unacked);
    queue_bury(channel_vhost(channel), lane, &entry, DEATH_REJECTED);
    queue_release(lane->queue);
}

/* --- acks and rejects */

static void settle_one(struct channel *channel, struct tx_settlement settlement,
                       struct unacked *unacked, struct give_back_list *list)
{
    if (settlement.requeue)
        give_back_take(channel, &channel->unacked, unacked, list);
    else if (settlement.is_ack)
        acknowledge(channel, unacked);
    else
        reject(channel, unacked);
}

SELDOM static void mark(struct channel *channel, struct tx_settlement settlement,
                        struct unacked *unacked)
{
    unacked->is_in_tx = true;
    settlement.tag = unacked->tag;
    channel->tx_settlements =
        xgrow(channel->tx_settlements, &channel->tx_settlement_capacity,
              channel->tx_settlement_count + 1, sizeof *channel->tx_settlements);
    channel->tx_settlements[channel->tx_settlement_count++] = settlement;
}

/* In a transaction the delivery is only marked until the commit. */
static void settle_or_mark(struct channel *channel, struct tx_settlement settlement,
                           struct unacked *unacked, struct give_back_list *list)
{
    if (channel->mode != CHANNEL_TX || unacked->is_in_tx)
        settle_one(channel, settlement, unacked, list);
    else
        mark(channel, settlement, unacked);
}

SELDOM static enum outcome unknown_tag(uint64_t tag, struct amqp_error *error)
{
    amqp_error_set(error, AMQP_PRECONDITION_FAILED, "unknown delivery tag %llu",
                   (unsigned long long)tag);
    return OUTCOME_ERROR;
}

static size_t cost_of(struct tx_settlement settlement, const struct unacked *unacked)
{
    if (settlement.requeue)
        return give_back_cost(unacked);
    bool has_letter =
        !settlement.is_ack && unacked->lane->queue->settings->dead_letter_exchange.data != NULL;
    return has_letter ? cost_of_letter : 1;
}

/* false where more are left for the next slice. */
static bool settle_up_to(struct channel *channel, struct tx_settlement settlement,
                         struct give_back_list *list)
{
    struct unacked_ring *ring = &channel->unacked;
    struct vhost *vhost = channel_vhost(channel);
    size_t settled = 0;
    for (size_t i = 0; i < ring->count; i++) {
        struct unacked *unacked = unacked_ring_at(ring, i);
        if (unacked->tag > settlement.tag)
            break;
        if (unacked->lane == NULL || unacked->is_in_tx)
            continue;
        if (channel->mode != CHANNEL_TX &&
            !settle_may_go_on(vhost, settled++, cost_of(settlement, unacked)))
            return false;
        settle_or_mark(channel, settlement, unacked, list);
    }
    return true;
}

/* What follows; list: what is to be put back, or NULL. */
static void have_settled(struct channel *channel, struct give_back_list *list,
                         struct held_queues *holds)
{
    unacked_ring_trim(&channel->unacked);
    if (list != NULL && list->count > 0)
        give_back_all(channel_vhost(channel), list, holds);
    if (channel->prefetch_global != 0)
        channel_wake_consumers(channel);
}

static enum outcome settle_many(struct channel *channel, struct tx_settlement settlement)
{
    struct give_back_list list = {0};
    settlement.tag = settle_begin(channel, settlement.tag);
    bool is_all = settle_up_to(channel, settlement, &list);
    have_settled(channel, &list, is_all ? NULL : &channel->holds);
    return settle_end_slice(channel, settlement.tag, is_all,
                            !settlement.is_ack && !settlement.requeue);
}

bool channel_ack_one(struct channel *channel, uint64_t tag)
{
    struct unacked *unacked = unacked_ring_find(&channel->unacked, tag);
    if (unacked == NULL || channel->mode == CHANNEL_TX || channel->settling_up_to != 0)
        return false;
    acknowledge(channel, unacked);
    have_settled(channel, NULL, NULL);
    return true;
}

static void settle_single(struct channel *channel, struct tx_settlement settlement,
                          struct unacked *unacked)
{
    struct give_back_list list = {0};
    settle_or_mark(channel, settlement, unacked, &list);
    have_settled(channel, &list, NULL);
}

/* The delivery of a tag that can be settled, or NULL. */
static struct unacked *find_open(const struct channel *channel, uint64_t tag)
{
    struct unacked *unacked = unacked_ring_find(&channel->unacked, tag);
    bool is_open = unacked != NULL && (channel->mode != CHANNEL_TX || !unacked->is_in_tx);
    return is_open ? unacked : NULL;
}

enum outcome channel_settle(struct channel *channel, struct tx_settlement settlement, bool multiple,
                            struct amqp_error *error)
{
    if (channel->settling_up_to != 0)
        return settle_many(channel, settlement);
    /* Tag 0 means all there are, even none; any other must wait for its ack, multiple or not. */
    if (multiple && settlement.tag == 0)
        return settle_many(channel, settlement);
    struct unacked *unacked = find_open(channel, settlement.tag);
    if (unacked == NULL)
        return unknown_tag(settlement.tag, error);
    if (multiple)
        return settle_many(channel, settlement);
    settle_single(channel, settlement, unacked);
    return OUTCOME_DONE;
}
