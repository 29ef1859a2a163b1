/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_SETTLE_H
#define LEVERET_BROKER_SETTLE_H

/* How a delivery ends: acked, rejected, or put back. */

#include <stdlib.h>

#include "broker/consumer.h"

/* --- settling: settle.c */

/* Acks (or, requeue or not, rejects) one tag or all up to it. An error where the tag is unknown; to
 * be run again where they are too many for one input: the channel waits. */
enum outcome channel_settle(struct channel *channel, struct tx_settlement settlement, bool multiple,
                            struct amqp_error *error);
/* What nearly every ack is: of one tag, at once. false, with nothing done, where there is more to
 * it: channel_settle. */
bool channel_ack_one(struct channel *channel, uint64_t tag);
/* May one more be settled within this input, by a command that has settled so many? cost: in acks.
 */
bool settle_may_go_on(struct vhost *vhost, size_t settled, size_t cost);
/* The tag up to which a command settles, which may have begun earlier; given: 0 for all. */
uint64_t settle_begin(const struct channel *channel, uint64_t tag);
/* The command is done, or the channel waits for the next slice; is_slow: with the store. */
enum outcome settle_end_slice(struct channel *channel, uint64_t up_to, bool is_all, bool is_slow);

/* --- putting back: give_back.c */

/* Entries, and beside each its lane: those of a lane are handed over as they lie there. */
struct give_back_list {
    struct entry *entries;
    struct lane **lanes;
    size_t count;
    size_t entry_capacity, lane_capacity;
    bool is_of_the_end; /* of the channel: its client has not said that it wants them back */
};

/* Takes the delivery out of the accounts of its queue, consumer and channel (NULL: which is gone).
 * Under a common limit the caller wakes the consumers, in turn. */
static inline void delivery_count_out(struct channel *channel, struct unacked *unacked)
{
    struct consumer *consumer = unacked->consumer;
    unacked->lane->queue->unacked_count--;
    unacked->lane->queue->unacked_bytes -= unacked->body_bytes;
    if (unacked->fate.is_fleeting) {
        unacked->lane->queue->fleeting_unacked--;
        unacked->lane->queue->fleeting_unacked_bytes -= unacked->body_bytes;
    }
    if (channel != NULL)
        channel->session->memory_bytes -= sizeof *unacked;
    if (consumer == NULL)
        return;
    if (channel != NULL)
        channel->global_unacked--;
    consumer->unacked_count--;
    if (consumer->channel == NULL && consumer->unacked_count == 0)
        free(consumer);
    else if (consumer->channel != NULL && consumer->channel->prefetch_global == 0)
        consumer_wake(consumer);
}
struct entry delivery_entry(const struct unacked *unacked);
/* What it costs to put it back, in acks. */
size_t give_back_cost(const struct unacked *unacked);
/* Takes a delivery out of the ring, to be put back. */
void give_back_take(struct channel *channel, struct unacked_ring *ring, struct unacked *unacked,
                    struct give_back_list *list);
/* Puts the list back and frees it. holds: more is to follow, so the queues are held; or NULL. */
void give_back_all(struct vhost *vhost, struct give_back_list *list, struct held_queues *holds);
/* When this input is finished the queues that the channel holds are free again. */
void give_back_release(struct channel *channel);
/* Puts the unacked messages of the channel back, but for those that a transaction has settled; to
 * be run again as channel_settle. */
enum outcome channel_recover(struct channel *channel);
/* The same because the channel ends: it has no deliveries any more. */
void channel_end_deliveries(struct channel *channel);
/* The next slice of what channels left behind that have ended. */
void departed_go_on(struct vhost *vhost);
void departed_visit(const struct vhost *vhost,
                    void (*visit)(void *context, const struct unacked_ring *ring), void *context);

#endif
