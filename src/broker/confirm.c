/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publisher confirms. Every publish of a channel in confirm mode has a tag, counted from 1. It is
 * settled at once where nothing of it goes to the store, and otherwise with the batch that holds
 * it: the channel keeps runs of tags by batch number, at most a few, whatever the number of
 * messages.
 *
 * What settles within one input is gathered and leaves as one ack. "multiple" is set only where
 * every lower tag is settled, that is when no run waits that is older than the tags acked.
 */
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/broker_internal.h"

static struct confirm_run *first_run(const struct channel *channel)
{
    return channel->run_count > 0 ? &channel->runs[channel->run_first] : NULL;
}

static void send_ack(struct channel *channel, uint64_t tag, bool multiple)
{
    struct effect *effect = session_emit(channel->session, EFFECT_ACK, channel->number);
    effect->tag = tag;
    effect->flag = multiple;
}

/* Sends what settled, first .. last. */
static void send_acks(struct channel *channel, uint64_t first, uint64_t last)
{
    const struct confirm_run *waiting = first_run(channel);
    channel_vhost(channel)->counters.confirmed += last - first + 1;
    if (waiting == NULL || waiting->first > last) {
        send_ack(channel, last, last > first);
        return;
    }
    for (uint64_t tag = first; tag <= last; tag++)
        send_ack(channel, tag, false);
}

void confirm_flush(struct channel *channel)
{
    if (channel->settled_last == 0)
        return;
    send_acks(channel, channel->settled_first, channel->settled_last);
    channel->settled_first = channel->settled_last = 0;
}

void confirm_settled(struct channel *channel, uint64_t tag)
{
    if (channel->settled_last != 0 && channel->settled_last + 1 != tag)
        confirm_flush(channel);
    if (channel->settled_last == 0)
        channel->settled_first = tag;
    channel->settled_last = tag;
    if (!list_node_is_linked(&channel->settling_node))
        list_push_back(&channel_vhost(channel)->settling, &channel->settling_node);
}

void confirm_rejected(struct channel *channel, uint64_t tag)
{
    confirm_flush(channel);
    struct effect *effect = session_emit(channel->session, EFFECT_NACK, channel->number);
    effect->tag = tag;
    effect->flag = false;
    channel_vhost(channel)->counters.rejected++;
}

/* Keeps vhost->confirm_waits in the order of the channels' first batches. */
static void enlist(struct channel *channel)
{
    struct list *waits = &channel_vhost(channel)->confirm_waits;
    struct list_node *place = &waits->head;
    uint64_t batch = first_run(channel)->batch;
    while (place->previous != &waits->head &&
           first_run(list_entry(place->previous, struct channel, confirm_node))->batch > batch)
        place = place->previous;
    list_insert_before(place, &channel->confirm_node);
}

static struct confirm_run *add_run(struct channel *channel)
{
    if (channel->run_first > 0 && channel->run_count == 0)
        channel->run_first = 0;
    size_t end = channel->run_first + channel->run_count;
    if (end == channel->run_capacity && channel->run_first > channel->run_count) {
        memmove(channel->runs, channel->runs + channel->run_first,
                channel->run_count * sizeof *channel->runs);
        channel->run_first = 0;
        end = channel->run_count;
    }
    channel->runs = xgrow(channel->runs, &channel->run_capacity, end + 1, sizeof *channel->runs);
    channel->run_count++;
    return &channel->runs[end];
}

void confirm_waits(struct channel *channel, uint64_t tag, uint64_t batch)
{
    struct confirm_run *last = NULL;
    if (channel->run_count > 0)
        last = &channel->runs[channel->run_first + channel->run_count - 1];
    if (last != NULL && last->batch == batch && last->last + 1 == tag) {
        last->last = tag;
        return;
    }
    *add_run(channel) = (struct confirm_run){.batch = batch, .first = tag, .last = tag};
    if (!list_node_is_linked(&channel->confirm_node))
        enlist(channel);
}

static void settle_runs(struct channel *channel, uint64_t committed)
{
    const struct confirm_run *run;
    while ((run = first_run(channel)) != NULL && run->batch <= committed) {
        struct confirm_run settled = *run;
        channel->run_first++;
        channel->run_count--;
        send_acks(channel, settled.first, settled.last);
    }
}

void confirm_committed(struct vhost *vhost)
{
    struct list_node *node;
    while ((node = list_front(&vhost->confirm_waits)) != NULL) {
        struct channel *channel = list_entry(node, struct channel, confirm_node);
        if (first_run(channel)->batch > vhost->committed)
            return;
        confirm_flush(channel);
        list_remove(node);
        settle_runs(channel, vhost->committed);
        if (channel->run_count > 0)
            enlist(channel);
    }
}

void confirm_forget(struct channel *channel)
{
    list_remove(&channel->settling_node);
    list_remove(&channel->confirm_node);
    channel->run_count = channel->run_first = 0;
    channel->settled_first = channel->settled_last = 0;
}

enum outcome handle_confirm_select(struct channel *channel, const struct amqp_method *method,
                                   struct amqp_error *error)
{
    if (channel->mode == CHANNEL_TX) {
        amqp_error_set(error, AMQP_PRECONDITION_FAILED, "cannot switch from tx to confirm mode");
        return OUTCOME_ERROR;
    }
    channel->mode = CHANNEL_CONFIRM;
    if (!method->confirm_select.no_wait)
        channel_reply_empty(channel, AMQP_CONFIRM_SELECT_OK);
    return OUTCOME_DONE;
}
