/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages move from one queue to another: dead letters back to where they came from, a backlog to
 * other consumers. RabbitMQ needs a shovel for that, which consumes and publishes. Here the head of
 * one queue becomes the tail of the other within one input: the store operations of an input are
 * one batch, so after a crash each message is in exactly one of the two, and in the same order.
 *
 * A moved message is as if it had been got, and published to the default exchange with the name of
 * its new queue: the permissions of both are asked for, both are counted and traced, a time to live
 * begins anew. Properties and headers stay as they are, and CC and BCC mean nothing: there is one
 * destination. A publisher that waits for the confirm of a message that moves gets it when the
 * message is on disk in its new place. One that the destination would reject, because it is full or
 * has the same message already, stays where it is, and so do those behind it.
 *
 * A command moves no more than a bounded number of messages or bytes; who wants more sends the next
 * one after its reply. So what is under way is bounded, nobody else waits, and who has asked can
 * stop at any time.
 */
#include "broker/move.h"

#include "broker/consumer.h"
#include "broker/exchange.h"
#include "broker/publish.h"
#include "broker/queue_life.h"
#include "broker/queue_methods.h"
#include "broker/trace.h"

enum { slice_messages = 1024, slice_bytes = 256 << 10 };

struct moving {
    struct channel *channel;
    struct queue *source, *destination;
    uint64_t count, count_max;
    size_t bytes;
};

/* --- what may move */

static bool check_distinct(const struct vhost *vhost, const struct command_move *move,
                           struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    return !bytes_equal(move->source, move->destination) ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "cannot move messages of %s to the queue itself",
                          resource_text(vhost, "queue", move->source, text));
}

static void refused(const struct moving *moving, bool is_repetition, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    resource_text(channel_vhost(moving->channel), "queue", moving->destination->name, text);
    amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                   is_repetition
                       ? "%s has a message with the x-deduplication-header of the next one"
                       : "%s takes no more messages: it has reached its max-length or "
                         "max-length-bytes",
                   text);
}

static bool find_queues(struct moving *moving, const struct command_move *move,
                        struct amqp_error *error)
{
    struct channel *channel = moving->channel;
    const struct vhost *vhost = channel_vhost(channel);
    if (!vhost_check_access(channel->session, PERMISSION_READ, "queue", move->source, error) ||
        !vhost_check_access(channel->session, PERMISSION_WRITE, "exchange",
                            vhost->default_exchange->name, error) ||
        !check_distinct(vhost, move, error))
        return false;
    moving->source = queue_resolve(channel, move->source, error);
    moving->destination =
        moving->source != NULL ? queue_resolve(channel, move->destination, error) : NULL;
    return moving->destination != NULL;
}

/* --- one message */

static void count_moved(const struct moving *moving)
{
    struct vhost *vhost = channel_vhost(moving->channel);
    vhost->counters.got++;
    vhost->counters.got_no_ack++;
    moving->source->counters.deliveries.get_no_ack++;
    moving->channel->counters.deliveries.get_no_ack++;
    vhost->counters.published++;
    vhost->default_exchange->counters.publish_in++;
    vhost->default_exchange->counters.publish_out++;
    moving->destination->counters.publish++;
    moving->channel->counters.publish++;
}

/* The message under its new address, which those who watch see published. */
static struct message *address(const struct moving *moving, struct message *message,
                               bool redelivered)
{
    struct vhost *vhost = channel_vhost(moving->channel);
    struct queue *queues[] = {moving->destination};
    const struct route_result route = {.queues = queues, .count = 1};
    struct message *moved =
        message_readdress(message, vhost->default_exchange->name, moving->destination->name,
                          message_properties(message));
    if (vhost->is_tracing) {
        trace_delivered(moving->channel, moving->source, message, redelivered);
        trace_published(moving->channel, moved, &route);
    }
    return moved;
}

static void move_first(struct moving *moving, struct lane *lane)
{
    struct vhost *vhost = channel_vhost(moving->channel);
    struct entry entry;
    lane_pop(lane, &entry);
    bool redelivered = lane_is_redelivered(lane, &entry) || entry.fate.failures > 0;
    queue_enqueue(vhost, moving->destination, address(moving, entry.message, redelivered));
    queue_arm_expiry(vhost, lane);
    lane_touch(vhost, lane);
    moving->count++;
    moving->bytes += entry.body_bytes;
    count_moved(moving);
    if (redelivered)
        count_redelivered(vhost, moving->source, moving->channel);
    queue_forget(vhost, lane, entry.position, entry.batch, entry.operation, entry.message);
}

/* --- as many as may be */

enum stop { STOP_ENOUGH, STOP_EMPTY, STOP_IN_STORE, STOP_FULL, STOP_REPETITION };

/* Is it what the destination has already? */
static bool is_repetition(const struct moving *moving, const struct message *message)
{
    struct bytes value;
    return moving->destination->values != NULL &&
           !queue_values_admit(channel_vhost(moving->channel), moving->destination, message,
                               &value);
}

static enum stop move_some(struct moving *moving)
{
    struct vhost *vhost = channel_vhost(moving->channel);
    struct entry *front;
    while (moving->count < moving->count_max && moving->bytes < slice_bytes) {
        struct lane *lane = queue_next_lane(vhost, moving->source);
        enum lane_head head = lane != NULL ? lane_peek(lane, &front) : LANE_IN_STORE;
        if (head != LANE_READY)
            return head == LANE_EMPTY ? STOP_EMPTY : STOP_IN_STORE;
        if (!queue_takes(moving->destination, front->message))
            return STOP_FULL;
        if (is_repetition(moving, front->message))
            return STOP_REPETITION;
        move_first(moving, lane);
    }
    return STOP_ENOUGH;
}

static void reply(const struct moving *moving)
{
    struct channel *channel = moving->channel;
    const struct amqp_method ok = {
        .id = AMQP_QUEUE_PURGE_OK,
        .queue_purge_ok = {.message_count = (uint32_t)moving->count},
    };
    if (queue_is_stored(moving->source) || queue_is_stored(moving->destination))
        channel_wait_for_commit(channel, vhost_last_batch(channel_vhost(channel)));
    channel_reply(channel, &ok);
}

enum outcome channel_move(struct channel *channel, const struct command_move *move,
                          struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    struct moving moving = {.channel = channel, .count_max = slice_messages};
    if (move->count < moving.count_max)
        moving.count_max = move->count;
    if (!find_queues(&moving, move, error))
        return OUTCOME_ERROR;
    if (vhost_is_store_busy(vhost)) {
        channel_wait_for_slice(channel, true);
        return OUTCOME_RETRY;
    }
    queue_use(vhost, moving.source);
    enum stop stop = move_some(&moving);
    queue_read(vhost, moving.source);
    if (moving.count == 0 && stop == STOP_IN_STORE) {
        channel_wait_for_read(channel, moving.source);
        return OUTCOME_RETRY;
    }
    if (moving.count == 0 && (stop == STOP_FULL || stop == STOP_REPETITION)) {
        refused(&moving, stop == STOP_REPETITION, error);
        return OUTCOME_ERROR;
    }
    reply(&moving);
    return OUTCOME_DONE;
}
