/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients send, and what may follow from it: a question waits for its answer, a message for
 * its queues, and what is settled may be gone or back as soon as it was said.
 */
#include "oracle_internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "amqp/method.h"
#include "base/xmalloc.h"

/* --- channels, by serial */

struct sim_channel *oracle_find_channel(struct oracle *oracle, uint64_t serial,
                                        struct sim_session **session)
{
    for (size_t i = 0; i < SIM_SESSIONS; i++) {
        for (size_t j = 0; j < SIM_CHANNELS; j++) {
            struct sim_channel *channel = oracle->sessions[i].channels[j];
            if (channel == NULL || channel->serial != serial)
                continue;
            *session = &oracle->sessions[i];
            return channel;
        }
    }
    return NULL;
}

struct sim_channel *oracle_channel_opening(struct oracle *oracle, struct sim_session *session,
                                           uint16_t number)
{
    struct sim_channel *channel = xcalloc(1, sizeof *channel);
    channel->serial = ++oracle->serials;
    channel->number = number;
    channel->global_prefetch_max = UINT_MAX;
    session->channels[number - 1] = channel;
    oracle_asked(oracle, channel, AMQP_CHANNEL_OPEN_OK, NULL, false);
    return channel;
}

void oracle_told(struct sim_channel *channel, bool may_fail)
{
    channel->commands++;
    if (may_fail)
        channel->fail_command = channel->commands;
}

struct sim_expected *oracle_asked(struct oracle *oracle, struct sim_channel *channel,
                                  uint32_t reply, struct sim_queue *queue, bool may_fail)
{
    oracle_told(channel, may_fail);
    channel->expected = xgrow(channel->expected, &channel->expected_capacity,
                              channel->expected_count + 1, sizeof *channel->expected);
    struct sim_expected *expected = &channel->expected[channel->expected_count++];
    *expected = (struct sim_expected){
        .method = reply,
        .command = channel->commands,
        .queue = queue,
        .deletions = queue != NULL ? queue->deletions : 0,
        .delivery_tag = channel->delivery_tag,
        .sent = ++oracle->events,
    };
    return expected;
}

/* Is it a dead letter, whatever comes behind on the channel? */
static bool is_dead_before(const struct sim_copy *copy, const struct sim_channel *channel)
{
    return !copy->was_acked && (copy->place == PLACE_GONE ||
                                (copy->place == PLACE_DONE && copy->channel == channel->serial));
}

void oracle_hazard(struct sim_channel *channel, bool is_deletion)
{
    struct sim_expected *expected = &channel->expected[channel->expected_count - 1];
    struct sim_queue *queue = expected->queue;
    expected->is_hazard = true;
    queue->hazards++;
    for (size_t i = 0; i < queue->count; i++) {
        struct sim_copy *copy = queue->copies[i];
        copy->is_excused = true;
        if (copy == copy->message->lossy && !is_dead_before(copy, channel))
            copy->message->is_settled = true;
    }
    if (is_deletion) {
        queue->exists = false;
        queue->deletions++;
    }
}

void oracle_moving(struct sim_channel *channel, unsigned count)
{
    struct sim_expected *expected = &channel->expected[channel->expected_count - 1];
    expected->count_max = count;
    expected->queue->has_moved = true;
}

void oracle_limiting(struct sim_channel *channel, unsigned count, bool global)
{
    /* A limit for consumers yet to come lifts that of the channel, as in RabbitMQ. */
    unsigned limit = global && count > 0 ? count : UINT_MAX;
    if (!global)
        channel->prefetch = count;
    channel->global_prefetch = limit;
    if (limit > channel->global_prefetch_max)
        channel->global_prefetch_max = limit;
    channel->global_pending++;
}

/* --- publishing */

struct sim_message *oracle_publishing(struct oracle *oracle, struct sim_channel *channel,
                                      bool persistent, bool mandatory)
{
    struct sim_message *message = xcalloc(1, sizeof *message);
    oracle->messages = xgrow(oracle->messages, &oracle->message_capacity, oracle->message_count + 1,
                             sizeof(struct sim_message *));
    oracle->messages[oracle->message_count++] = message;
    channel->commands++;
    *message = (struct sim_message){
        .id = oracle->message_count,
        .channel = channel->serial,
        .command = channel->mode == MODE_TX ? UINT64_MAX : channel->commands,
        .sent_command = channel->commands,
        .is_persistent = persistent,
        .is_mandatory = mandatory,
    };
    if (channel->mode == MODE_TX) {
        channel->tx_messages = xgrow(channel->tx_messages, &channel->tx_capacity,
                                     channel->tx_count + 1, sizeof(struct sim_message *));
        channel->tx_messages[channel->tx_count++] = message;
    }
    if (channel->mode == MODE_CONFIRM) {
        channel->confirms = xgrow(channel->confirms, &channel->confirm_capacity,
                                  channel->confirm_count + 1, sizeof *channel->confirms);
        channel->confirms[channel->confirm_count++] =
            (struct sim_confirm){++channel->publish_tag, message};
    }
    return message;
}

void oracle_routes(struct oracle *oracle, struct sim_message *message, struct sim_queue *queue)
{
    struct sim_copy *copy = oracle_copy_of(oracle, message, queue);
    bool is_certain = queue->exists && queue->hazards == 0;
    if ((queue->flags & SIM_LOSSY) == 0) {
        copy->is_certain = is_certain;
        return;
    }
    message->lossy = copy;
    message->is_settled = copy->is_excused = queue->hazards > 0; /* which may come behind it */
    /* A queue that rejects has it when it is confirmed. */
    message->is_expected = is_certain && (queue->flags & SIM_REJECTS) == 0;
}

/* --- settling */

static void remove_delivery(struct sim_channel *channel, size_t index)
{
    channel->delivery_count--;
    memmove(&channel->deliveries[index], &channel->deliveries[index + 1],
            (channel->delivery_count - index) * sizeof *channel->deliveries);
}

static void settle_now(struct oracle *oracle, struct sim_channel *channel, size_t index,
                       enum sim_settle settle)
{
    struct sim_delivery *delivery = &channel->deliveries[index];
    struct sim_copy *copy = delivery->copy;
    if (delivery->consumer != NULL)
        delivery->consumer->unacked--;
    if (delivery->is_consumers)
        channel->global_unacked--;
    oracle_move(oracle, copy, settle == SETTLE_REQUEUE ? PLACE_BACK : PLACE_DONE);
    copy->command = channel->commands;
    copy->is_excused = copy->is_excused || settle != SETTLE_REQUEUE;
    if (settle != SETTLE_REQUEUE)
        oracle_settle_lossy(copy, settle == SETTLE_ACK);
    remove_delivery(channel, index);
}

void oracle_settling(struct oracle *oracle, struct sim_channel *channel, size_t index,
                     bool multiple, enum sim_settle settle)
{
    channel->commands++;
    for (size_t i = index + 1; i-- > 0;) {
        struct sim_delivery *delivery = &channel->deliveries[i];
        if (!delivery->is_in_tx && channel->mode == MODE_TX) {
            delivery->is_in_tx = true;
            delivery->settle = (int)settle;
        } else if (!delivery->is_in_tx) {
            settle_now(oracle, channel, i, settle);
        }
        if (!multiple)
            return;
    }
}

void oracle_give_back_above(struct oracle *oracle, struct sim_channel *channel, uint64_t tag)
{
    for (size_t i = channel->delivery_count; i-- > 0;) {
        if (!channel->deliveries[i].is_in_tx && channel->deliveries[i].tag > tag)
            settle_now(oracle, channel, i, SETTLE_REQUEUE);
    }
}

void oracle_recovering(struct oracle *oracle, struct sim_channel *channel)
{
    oracle_give_back_above(oracle, channel, 0);
}

bool oracle_is_recovering(const struct sim_channel *channel)
{
    for (size_t i = 0; i < channel->expected_count; i++) {
        if (channel->expected[i].method == AMQP_BASIC_RECOVER_OK)
            return true;
    }
    return false;
}

void oracle_committing(struct oracle *oracle, struct sim_channel *channel)
{
    for (size_t i = 0; i < channel->tx_count; i++)
        channel->tx_messages[i]->command = channel->commands;
    channel->tx_count = 0;
    for (size_t i = channel->delivery_count; i-- > 0;) {
        if (channel->deliveries[i].is_in_tx)
            settle_now(oracle, channel, i, (enum sim_settle)channel->deliveries[i].settle);
    }
}

void oracle_rolling_back(struct oracle *oracle, struct sim_channel *channel)
{
    (void)oracle;
    for (size_t i = 0; i < channel->tx_count; i++)
        channel->tx_messages[i]->publish = PUBLISH_ROLLED_BACK;
    channel->tx_count = 0;
    for (size_t i = 0; i < channel->delivery_count; i++)
        channel->deliveries[i].is_in_tx = false;
}

void oracle_consuming(struct sim_channel *channel, struct sim_consumer *consumer,
                      struct sim_queue *queue, const char *tag, bool no_ack)
{
    *consumer = (struct sim_consumer){
        .is_used = true,
        .command = channel->commands,
        .queue = queue,
        .no_ack = no_ack,
        .prefetch = channel->prefetch,
    };
    snprintf(consumer->tag, sizeof consumer->tag, "%s", tag);
}
