/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries that wait too long for their ack (consumer_timeout, x-consumer-timeout): the channel
 * is closed, and what it had goes back to its queues.
 *
 * When a delivery was made is not kept with it, which would cost every delivery eight bytes more,
 * but known from marks: now and then a channel notes its present tag and time. Half of the marks
 * are dropped when there are too many, so that they are as fine as the time they cover allows. A
 * delivery is held to be as young as the marks permit, so nothing times out early.
 */
#include "base/check.h"
#include "broker/consumer.h"

enum { look_min_ms = 100, look_max_ms = 60000, looks_per_timeout = 8 };

static uint64_t timeout_of(const struct vhost *vhost, const struct queue *queue)
{
    uint64_t own = queue->settings->consumer_timeout_ms;
    return own != QUEUE_SETTING_ABSENT ? own : vhost->config.consumer_timeout_ms;
}

static uint64_t look_interval_ms(const struct channel *channel)
{
    uint64_t interval = channel->ack_timeout_ms / looks_per_timeout;
    return interval < look_min_ms ? look_min_ms : interval > look_max_ms ? look_max_ms : interval;
}

static void add_mark(struct channel *channel, uint64_t tag, uint64_t now_ms)
{
    if (channel->mark_count == ACK_MARKS) {
        for (size_t i = 0; i < ACK_MARKS / 2; i++)
            channel->marks[i] = channel->marks[2 * i];
        channel->mark_count = ACK_MARKS / 2;
    }
    channel->marks[channel->mark_count++] = (struct ack_mark){tag, now_ms};
}

/* The latest time at which the delivery can have been made. */
static uint64_t delivered_at_latest(const struct channel *channel, uint64_t tag)
{
    for (size_t i = 0; i < channel->mark_count; i++) {
        if (channel->marks[i].tag >= tag)
            return channel->marks[i].time_ms;
    }
    return channel_vhost(channel)->now_ms;
}

void ack_timeout_note(struct channel *channel, const struct queue *queue)
{
    struct vhost *vhost = channel_vhost(channel);
    uint64_t timeout_ms = timeout_of(vhost, queue);
    if (timeout_ms < channel->ack_timeout_ms || channel->ack_timeout_ms == 0)
        channel->ack_timeout_ms = timeout_ms;
    if (timeout_ms != QUEUE_SETTING_ABSENT && !timer_is_set(&channel->ack_timer))
        timer_set(vhost, &channel->ack_timer, vhost->now_ms + look_interval_ms(channel));
}

static bool has_timed_out(struct channel *channel, const struct unacked *unacked)
{
    const struct vhost *vhost = channel_vhost(channel);
    uint64_t timeout_ms = timeout_of(vhost, unacked->lane->queue);
    uint64_t since_ms = delivered_at_latest(channel, unacked->tag);
    struct amqp_error error = {0};
    if (timeout_ms == QUEUE_SETTING_ABSENT || vhost->now_ms < since_ms + timeout_ms)
        return false;
    amqp_error_set(&error, AMQP_PRECONDITION_FAILED,
                   "delivery acknowledgement on channel %u timed out. Timeout value used: %llu ms. "
                   "This timeout value can be configured, see consumers doc guide to learn more",
                   channel->number, (unsigned long long)timeout_ms);
    channel_fail(channel, 0, &error);
    return true;
}

void ack_timeout_due(struct vhost *vhost, struct timer *timer)
{
    struct channel *channel = container_of(timer, struct channel, ack_timer);
    if (channel->is_closing || channel->unacked.live == 0) {
        channel->mark_count = 0;
        return;
    }
    for (size_t i = 0; i < channel->unacked.count; i++) {
        const struct unacked *unacked = unacked_ring_at(&channel->unacked, i);
        if (unacked->lane == NULL)
            continue;
        if (delivered_at_latest(channel, unacked->tag) + channel->ack_timeout_ms > vhost->now_ms)
            break;
        if (has_timed_out(channel, unacked))
            return;
    }
    add_mark(channel, channel->delivery_tag, vhost->now_ms);
    timer_set(vhost, timer, vhost->now_ms + look_interval_ms(channel));
}
