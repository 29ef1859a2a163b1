/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publisher confirms. Every publish of a channel in confirm mode has a tag, counted from 1. It is
 * settled at once where nothing of it goes to the store, and otherwise with the batch that holds
 * it: the channel keeps runs of tags by batch number, at most a few, whatever the number of
 * messages. What is consumed before its batch leaves is never written, and settled there and then;
 * each insertion of the batch that is being gathered has a note of whose tag that is.
 *
 * What settles within one input is gathered and leaves as one ack. "multiple" is set only where
 * every lower tag is settled, that is when no run waits that is older than the tags acked.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/seldom.h"
#include "base/xmalloc.h"
#include "broker/publish.h"

enum {
    runs_max = 64,             /* above it no run is split */
    notes_kept_max = 32 << 10, /* above it they are not kept for the next batch */
};

static struct confirm_run *first_run(const struct channel *channel)
{
    return channel->run_count > 0 ? &channel->runs[channel->run_first] : NULL;
}

static bool is_empty(const struct confirm_run *run)
{
    return run->first > run->last;
}

static void drop_first_run(struct channel *channel)
{
    channel->run_first++;
    channel->run_count--;
}

static void drop_empty_runs(struct channel *channel)
{
    while (channel->run_count > 0 && is_empty(first_run(channel)))
        drop_first_run(channel);
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
    channel->counters.confirm += last - first + 1;
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
        drop_first_run(channel);
        drop_empty_runs(channel);
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

/* --- consumed before it is written */

/* Of the tags that wait only insertions of messages are noted, and marks of deliveries, which mean
 * nothing without them: whatever else a publish causes has to be on disk. */
static uint32_t count_insertions(const struct store_batch *batch, size_t first)
{
    uint32_t count = 0;
    for (size_t i = first; i < batch->count; i++) {
        if (batch->operations[i].kind == STORE_INSERT)
            count++;
        else if (batch->operations[i].kind != STORE_DELIVERED)
            return 0;
    }
    return count;
}

SELDOM static void grow_notes(struct vhost *vhost, size_t count)
{
    vhost->notes = xgrow(vhost->notes, &vhost->note_capacity, count, sizeof *vhost->notes);
}

/* Operations below first that have no note get an empty one, the others one that points to first.
 */
static void extend_notes(struct vhost *vhost, size_t first)
{
    const struct store_batch *batch = vhost->batch;
    size_t count = vhost->note_batch == batch->number ? vhost->note_count : 0;
    if (batch->count > vhost->note_capacity)
        grow_notes(vhost, batch->count);
    for (; count < first; count++)
        vhost->notes[count].first = CONFIRM_NOTE_NONE;
    for (; count < batch->count; count++)
        vhost->notes[count].first = (uint32_t)first;
    vhost->note_batch = batch->number;
    vhost->note_count = count;
}

void confirm_note(struct channel *channel, uint64_t tag, size_t first)
{
    struct vhost *vhost = channel_vhost(channel);
    const struct store_batch *batch = vhost->batch;
    uint32_t left = count_insertions(batch, first);
    if (left == 0)
        return;
    while (batch->operations[first].kind != STORE_INSERT)
        first++;
    extend_notes(vhost, first);
    vhost->notes[first] = (struct confirm_note){
        .first = (uint32_t)first,
        .left = left,
        .former = channel->note_batch == batch->number ? channel->note : CONFIRM_NOTE_NONE,
        .channel = channel,
        .tag = tag,
    };
    channel->note_batch = batch->number;
    channel->note = (uint32_t)first;
}

/* The run that the tag would be in: the first that does not end before it. */
static size_t find_run(const struct channel *channel, uint64_t tag)
{
    size_t low = channel->run_first, high = low + channel->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (channel->runs[middle].last < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low - channel->run_first;
}

/* Runs before and behind the tag, in place of the one at index. */
static void split_run(struct channel *channel, size_t index, uint64_t tag)
{
    add_run(channel);
    struct confirm_run *run = &channel->runs[channel->run_first + index];
    memmove(run + 1, run, (channel->run_count - 1 - index) * sizeof *run);
    run[0].last = tag - 1;
    run[1].first = tag + 1;
}

/* A tag inside a run waits for its batch where there are very many runs already. What has settled
 * before goes first, while this one still waits: an ack of several would stand for it, too. */
static void settle_consumed(struct channel *channel, uint64_t tag)
{
    size_t index = find_run(channel, tag);
    struct confirm_run *run = &channel->runs[channel->run_first + index];
    if (index == channel->run_count || run->first > tag)
        return;
    if (channel->settled_last + 1 != tag)
        confirm_flush(channel);
    if (tag == run->first)
        run->first++;
    else if (tag == run->last)
        run->last--;
    else if (channel->run_count < runs_max)
        split_run(channel, index, tag);
    else
        return;
    drop_empty_runs(channel);
    if (channel->run_count == 0)
        list_remove(&channel->confirm_node);
    confirm_settled(channel, tag);
}

void confirm_noted_consumed(struct vhost *vhost, uint64_t batch, uint32_t operation)
{
    if (batch != vhost->batch->number || operation >= vhost->note_count ||
        vhost->notes[operation].first == CONFIRM_NOTE_NONE)
        return;
    struct confirm_note *note = &vhost->notes[vhost->notes[operation].first];
    if (--note->left == 0 && note->channel != NULL)
        settle_consumed(note->channel, note->tag);
}

void confirm_batch_left(struct vhost *vhost)
{
    vhost->note_count = 0;
    if (vhost->note_capacity <= notes_kept_max)
        return;
    free(vhost->notes);
    vhost->notes = NULL;
    vhost->note_capacity = 0;
}

/* --- a channel ends */

static void forget_notes(struct channel *channel)
{
    struct vhost *vhost = channel_vhost(channel);
    if (channel->note_batch != vhost->batch->number)
        return;
    for (uint32_t i = channel->note; i != CONFIRM_NOTE_NONE; i = vhost->notes[i].former)
        vhost->notes[i].channel = NULL;
}

void confirm_forget(struct channel *channel)
{
    forget_notes(channel);
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
