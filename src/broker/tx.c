/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions. Publishes are kept, with the checks already made (RabbitMQ reports their errors at
 * once, not at the commit); acks and rejects mark their deliveries. A commit routes the publishes
 * in order, then settles, and commit-ok leaves when the batch that holds all of it is on disk.
 * A rollback forgets the publishes and unmarks the deliveries, which can then be acked again.
 */
#include "base/check.h"
#include "broker/broker_internal.h"

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

/* false where a queue rejected one of them. */
static bool commit_publishes(struct channel *channel)
{
    bool is_taken = true;
    for (size_t i = 0; i < channel->tx_publish_count; i++) {
        struct command *command = &channel->tx_publishes[i];
        channel->session->memory_bytes -= message_footprint(command->message);
        is_taken &= publish_route(channel, command->message, command->mandatory, 0);
    }
    channel->tx_publish_count = 0;
    return is_taken;
}

static void commit_settlements(struct channel *channel)
{
    struct amqp_error error;
    size_t count = channel->tx_settlement_count;
    channel->tx_settlement_count = 0;
    channel->mode = CHANNEL_PLAIN;
    for (size_t i = 0; i < count; i++)
        CHECK(channel_settle(channel, channel->tx_settlements[i], false, &error));
    channel->mode = CHANNEL_TX;
}

enum outcome handle_tx_commit(struct channel *channel, const struct amqp_method *method,
                              struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    (void)method;
    if (!check_tx(channel, error))
        return OUTCOME_ERROR;
    bool is_taken = commit_publishes(channel);
    commit_settlements(channel);
    if (!is_taken) {
        amqp_error_set(error, AMQP_PRECONDITION_FAILED, "partial tx completion");
        return OUTCOME_ERROR;
    }
    if (vhost->batch->live > 0)
        channel_wait_for_commit(channel, vhost->batch->number);
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
