/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions. Publishes are kept, with the checks already made (RabbitMQ reports their errors at
 * once, not at the commit); acks and rejects mark their deliveries. A commit routes the publishes
 * in order, then settles, and commit-ok leaves when the batch that holds all of it is on disk: the
 * dead letters of its rejects, too, even where their messages have to be read from the store first.
 * A rollback forgets the publishes and unmarks the deliveries, which can then be acked again.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/publish.h"
#include "broker/queue_life.h"
#include "broker/settle.h"

static bool check_tx(const struct channel *channel, struct amqp_error *error)
{
    return channel->mode == CHANNEL_TX ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED, "channel is not transactional");
}

enum outcome handle_tx_select(struct channel *channel, const struct amqp_method *method,
                              struct amqp_error *error)
{
    (void)method;
    if (channel->mode == CHANNEL_CONFIRM) {
        amqp_error_set(error, AMQP_PRECONDITION_FAILED, "cannot switch from confirm to tx mode");
        return OUTCOME_ERROR;
    }
    channel->mode = CHANNEL_TX;
    channel_reply_empty(channel, AMQP_TX_SELECT_OK);
    return OUTCOME_DONE;
}

/* What the publishes of a commit came to. */
struct tx_published {
    bool is_rejected; /* a queue rejected one of them */
    bool is_repeated; /* an exchange had seen one of them before */
};

static struct tx_published commit_publishes(struct channel *channel)
{
    struct tx_published published = {false, false};
    for (size_t i = 0; i < channel->tx_publish_count; i++) {
        struct command *command = &channel->tx_publishes[i];
        channel->session->memory_bytes -= message_footprint(command->message);
        published.is_rejected |= !publish_route(channel, command->message, command->mandatory, 0);
        published.is_repeated |= channel->route.result.is_repeated;
    }
    channel->tx_publish_count = 0;
    return published;
}

/* Settles one, and notes where its dead letter has to be read for. */
static void commit_settlement(struct channel *channel, struct tx_settlement settlement)
{
    struct amqp_error error;
    const struct lane *lane = unacked_ring_find(&channel->unacked, settlement.tag)->lane;
    bool stays = !lane->queue->is_deleted;
    uint64_t asked = lane_fetches_asked(lane);
    CHECK(channel_settle(channel, settlement, false, &error) == OUTCOME_DONE);
    if (!stays || lane_fetches_asked(lane) == asked)
        return;
    size_t count = channel->tx_fetch_count;
    if (count == 0 || channel->tx_fetches[count - 1].lane != lane->id) {
        channel->tx_fetches = xgrow(channel->tx_fetches, &channel->tx_fetch_capacity, count + 1,
                                    sizeof *channel->tx_fetches);
        channel->tx_fetches[count++].lane = lane->id;
    }
    channel->tx_fetches[count - 1].asked = asked + 1;
    channel->tx_fetch_count = count;
}

static void commit_settlements(struct channel *channel)
{
    size_t count = channel->tx_settlement_count;
    channel->tx_settlement_count = 0;
    channel->mode = CHANNEL_PLAIN;
    for (size_t i = 0; i < count; i++)
        commit_settlement(channel, channel->tx_settlements[i]);
    channel->mode = CHANNEL_TX;
}

/* Does the channel wait for dead letters of its commit? Queue by queue. */
static bool wait_for_fetches(struct channel *channel)
{
    for (; channel->tx_fetch_count > 0; channel->tx_fetch_count--) {
        const struct tx_fetches *fetches = &channel->tx_fetches[channel->tx_fetch_count - 1];
        struct lane *lane = lane_find(channel_vhost(channel), fetches->lane);
        if (lane == NULL || lane_fetches(lane)->taken >= fetches->asked)
            continue;
        channel_wait_for_read(channel, lane->queue);
        return true;
    }
    return false;
}

static void forget_fetches(struct channel *channel)
{
    free(channel->tx_fetches);
    channel->tx_fetches = NULL;
    channel->tx_fetch_capacity = 0;
}

/* The batch that commit-ok waits for. What was done before the channel waited for a read, or by
 * others, may have left for the store already. */
static uint64_t batch_of_commit(const struct vhost *vhost, bool has_earlier)
{
    return has_earlier || vhost->batch->live > 0 ? vhost_last_batch(vhost) : 0;
}

enum outcome handle_tx_commit(struct channel *channel, const struct amqp_method *method,
                              struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    (void)method;
    if (!check_tx(channel, error))
        return OUTCOME_ERROR;
    struct tx_published published = commit_publishes(channel);
    commit_settlements(channel);
    internal_publish_all(vhost);
    if (published.is_rejected) {
        amqp_error_set(error, AMQP_PRECONDITION_FAILED, "partial tx completion");
        return OUTCOME_ERROR;
    }
    if (wait_for_fetches(channel))
        return OUTCOME_RETRY; /* with nothing left to do but to wait */
    bool has_earlier = published.is_repeated || channel->tx_fetches != NULL;
    forget_fetches(channel);
    channel_wait_for_commit(channel, batch_of_commit(vhost, has_earlier));
    channel_reply_empty(channel, AMQP_TX_COMMIT_OK);
    return OUTCOME_DONE;
}

void tx_rollback(struct channel *channel)
{
    for (size_t i = 0; i < channel->tx_publish_count; i++) {
        channel->session->memory_bytes -= message_footprint(channel->tx_publishes[i].message);
        message_unref(channel->tx_publishes[i].message);
    }
    channel->tx_publish_count = 0;
    for (size_t i = 0; i < channel->tx_settlement_count; i++)
        unacked_ring_find(&channel->unacked, channel->tx_settlements[i].tag)->is_in_tx = false;
    channel->tx_settlement_count = 0;
}

enum outcome handle_tx_rollback(struct channel *channel, const struct amqp_method *method,
                                struct amqp_error *error)
{
    (void)method;
    if (!check_tx(channel, error))
        return OUTCOME_ERROR;
    tx_rollback(channel);
    channel_reply_empty(channel, AMQP_TX_ROLLBACK_OK);
    return OUTCOME_DONE;
}
