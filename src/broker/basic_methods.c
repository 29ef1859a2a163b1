/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The basic class but for publish and ack, which have commands of their own.
 */
#include "broker/direct_reply.h"
#include "broker/event.h"
#include "broker/publish.h"
#include "broker/queue_arguments.h"
#include "broker/queue_life.h"
#include "broker/queue_methods.h"
#include "broker/settle.h"
#include "broker/trace.h"

/* --- qos */

/* A limit for each consumer yet to come lifts that of the channel, as in RabbitMQ. */
enum outcome handle_basic_qos(struct channel *channel, const struct amqp_method *method,
                              struct amqp_error *error)
{
    const struct amqp_basic_qos *qos = &method->basic_qos;
    if (qos->prefetch_size != 0) {
        amqp_error_set(error, AMQP_NOT_IMPLEMENTED, "prefetch_size!=0 (%u)", qos->prefetch_size);
        return OUTCOME_ERROR;
    }
    channel->prefetch_global = qos->global ? qos->prefetch_count : 0;
    if (!qos->global)
        channel->prefetch_count = qos->prefetch_count;
    channel_wake_consumers(channel);
    channel_reply_empty(channel, AMQP_BASIC_QOS_OK);
    return OUTCOME_DONE;
}

/* --- consume, cancel */

/* Quorum queues know no exclusive consumers; a queue with a single active one needs none. */
static bool check_exclusive(const struct vhost *vhost, const struct queue *queue, bool exclusive,
                            struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    bool is_single = queue->settings->single_active_consumer;
    if (queue->settings->type == QUEUE_QUORUM ||
        (!queue->has_exclusive && !(exclusive && (is_single || queue->subscriber_count > 0))))
        return true;
    return amqp_error_set(error, AMQP_ACCESS_REFUSED, "%s in exclusive use",
                          resource_text(vhost, "queue", queue->name, text));
}

static bool check_global_prefetch(const struct channel *channel, const struct queue *queue,
                                  struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    if (queue->settings->type != QUEUE_QUORUM || channel->prefetch_global == 0)
        return true;
    return amqp_error_set(error, AMQP_NOT_IMPLEMENTED, "%s does not support global qos",
                          resource_text(channel_vhost(channel), "queue", queue->name, text));
}

static bool check_consumer_count(const struct channel *channel, struct amqp_error *error)
{
    uint32_t max = channel_vhost(channel)->config.consumers_max;
    return max == 0 || channel->consumers.count < max ||
           amqp_error_set(error, AMQP_NOT_ALLOWED, "reached maximum (%u) of consumers per channel",
                          max);
}

/* The reactor learns what the consumer's number means before the first delivery can use it. */
static void announce(struct channel *channel, const struct consumer *consumer)
{
    struct effect_method *tag = effect_text_new(consumer->tag);
    struct effect *effect = channel_emit(channel, EFFECT_CONSUMER_ADD);
    effect->consumer = consumer->number;
    effect->method = tag;
}

static void start_consumer(struct channel *channel, struct queue *queue, struct bytes tag,
                           const struct amqp_basic_consume *consume, int32_t priority)
{
    struct consumer *consumer = consumer_create(channel, queue, tag, priority);
    struct amqp_method ok = {.id = AMQP_BASIC_CONSUME_OK,
                             .basic_consume_ok = {.consumer_tag = tag}};
    consumer->no_ack = consume->no_ack;
    consumer->is_exclusive = consume->exclusive && queue->settings->type != QUEUE_QUORUM;
    queue->has_exclusive = consumer->is_exclusive;
    announce(channel, consumer);
    if (!consume->no_wait)
        channel_reply(channel, &ok);
    if (!queue->is_reply)
        event_consumer_created(consumer, consume->arguments);
    consumer_wake(consumer);
}

static struct queue *find_consumed(struct channel *channel,
                                   const struct amqp_basic_consume *consume, int32_t *priority,
                                   struct amqp_error *error)
{
    const struct vhost *vhost = channel_vhost(channel);
    char text[RESOURCE_TEXT_SIZE];
    uint8_t clean[AMQP_SHORTSTR_MAX];
    struct bytes name;
    *priority = 0;
    if (direct_reply_is_pseudo(consume->queue))
        return direct_reply_open(channel, consume, error);
    if (!queue_resolve_name(channel, consume->queue, clean, &name, error) ||
        !vhost_check_access(channel->session, PERMISSION_READ, "queue", name, error) ||
        !check_consumer_count(channel, error))
        return NULL;
    struct queue *queue = queue_resolve(channel, name, error);
    if (queue == NULL ||
        !consumer_arguments_check(resource_text(vhost, "queue", name, text),
                                  queue_arguments_type(queue->arguments), consume->arguments,
                                  priority, error) ||
        !check_exclusive(vhost, queue, consume->exclusive, error) ||
        !check_global_prefetch(channel, queue, error))
        return NULL;
    return queue;
}

enum outcome handle_basic_consume(struct channel *channel, const struct amqp_method *method,
                                  struct amqp_error *error)
{
    const struct amqp_basic_consume *consume = &method->basic_consume;
    char made[64];
    struct bytes tag = consume->consumer_tag;
    int32_t priority;
    if (tag.size > 0 && consumer_find(channel, tag) != NULL) {
        amqp_error_set(error, AMQP_NOT_ALLOWED, "attempt to reuse consumer tag '%.*s'",
                       (int)tag.size, (const char *)tag.data);
        return OUTCOME_ERROR;
    }
    struct queue *queue = find_consumed(channel, consume, &priority, error);
    if (queue == NULL)
        return OUTCOME_ERROR;
    if (tag.size == 0) {
        vhost_make_name(channel_vhost(channel), "amq.ctag-", made);
        tag = bytes_of_text(made);
    }
    start_consumer(channel, queue, tag, consume, priority);
    return OUTCOME_DONE;
}

static void cancel(struct channel *channel, struct bytes tag, bool no_wait)
{
    struct consumer *consumer = consumer_find(channel, tag);
    struct amqp_method ok = {.id = AMQP_BASIC_CANCEL_OK, .basic_cancel_ok = {.consumer_tag = tag}};
    struct queue *queue = consumer != NULL ? consumer->subscriber.queue : NULL;
    if (consumer != NULL) {
        event_consumer_deleted(consumer, channel->session->user);
        consumer_cancel(consumer);
    }
    if (!no_wait)
        channel_reply(channel, &ok);
    if (queue != NULL)
        queue_lost_subscriber(channel_vhost(channel), queue);
}

enum outcome handle_basic_cancel(struct channel *channel, const struct amqp_method *method,
                                 struct amqp_error *error)
{
    (void)error;
    cancel(channel, method->basic_cancel.consumer_tag, method->basic_cancel.no_wait);
    return OUTCOME_DONE;
}

/* A client answers a cancellation by the server; the consumer is gone already. */
enum outcome handle_basic_cancel_ok(struct channel *channel, const struct amqp_method *method,
                                    struct amqp_error *error)
{
    (void)error;
    cancel(channel, method->basic_cancel_ok.consumer_tag, true);
    return OUTCOME_DONE;
}

/* --- get */

static void count_got(struct vhost *vhost, struct queue *queue, struct channel *channel,
                      bool no_ack)
{
    vhost->counters.got++;
    vhost->counters.got_no_ack += no_ack;
    queue->counters.deliveries.get += !no_ack;
    queue->counters.deliveries.get_no_ack += no_ack;
    channel->counters.deliveries.get += !no_ack;
    channel->counters.deliveries.get_no_ack += no_ack;
}

static void reply_got(struct channel *channel, struct lane *lane, struct entry *entry,
                      bool redelivered, bool no_ack)
{
    struct vhost *vhost = channel_vhost(channel);
    struct message *message = entry->message;
    struct amqp_method ok = {
        .id = AMQP_BASIC_GET_OK,
        .basic_get_ok = {.delivery_tag = ++channel->delivery_tag,
                         .redelivered = redelivered,
                         .exchange = message_exchange(message),
                         .routing_key = message_routing_key(message),
                         .message_count = (uint32_t)queue_ready_count(lane->queue)},
    };
    if (vhost->is_tracing)
        trace_delivered(channel, lane->queue, message, redelivered);
    count_got(vhost, lane->queue, channel, no_ack);
    if (redelivered)
        count_redelivered(vhost, lane->queue, channel);
    if (no_ack) {
        confirm_consumed(vhost, entry->batch, entry->operation);
        queue_forget(vhost, lane, entry->position, entry->batch, entry->operation, NULL);
    } else
        channel_add_unacked(channel, lane, entry);
    channel_reply_content(channel, &ok, queue_show(lane->queue, entry, true));
}

static bool check_get(const struct channel *channel, const struct queue *queue,
                      struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    if (queue->settings->type != QUEUE_QUORUM || !queue->settings->single_active_consumer)
        return true;
    return amqp_error_set(error, AMQP_RESOURCE_LOCKED,
                          "cannot obtain access to locked %s. basic.get operations are not "
                          "supported by quorum queues with single active consumer",
                          resource_text(channel_vhost(channel), "queue", queue->name, text));
}

/* Nothing new is handed out while the server is drained. */
static bool is_withheld(const struct session *session, const struct queue *queue)
{
    return (session->vhost->alarms & VHOST_ALARM_DRAINING) != 0 && !session->config.ignores_drain &&
           !queue_is_private(queue);
}

static void reply_got_empty(struct channel *channel, struct queue *queue)
{
    channel_vhost(channel)->counters.got_empty++;
    queue->counters.deliveries.get_empty++;
    channel->counters.deliveries.get_empty++;
    channel_reply_empty(channel, AMQP_BASIC_GET_EMPTY);
}

enum outcome handle_basic_get(struct channel *channel, const struct amqp_method *method,
                              struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    uint8_t clean[AMQP_SHORTSTR_MAX];
    struct bytes name;
    struct lane *lane;
    struct entry entry;
    bool redelivered;
    if (!queue_resolve_name(channel, method->basic_get.queue, clean, &name, error) ||
        !vhost_check_access(channel->session, PERMISSION_READ, "queue", name, error))
        return OUTCOME_ERROR;
    struct queue *queue = queue_resolve(channel, name, error);
    if (queue == NULL || !check_get(channel, queue, error))
        return OUTCOME_ERROR;
    queue_use(vhost, queue);
    if (is_withheld(channel->session, queue)) {
        reply_got_empty(channel, queue);
        return OUTCOME_DONE;
    }
    switch (queue_get(vhost, queue, &lane, &entry, &redelivered)) {
    case LANE_EMPTY:
        reply_got_empty(channel, queue);
        break;
    case LANE_READY:
        reply_got(channel, lane, &entry, redelivered, method->basic_get.no_ack);
        break;
    case LANE_IN_STORE:
        channel_wait_for_read(channel, queue);
        return OUTCOME_RETRY;
    }
    return OUTCOME_DONE;
}

/* --- reject, nack, recover */

enum outcome handle_basic_reject(struct channel *channel, const struct amqp_method *method,
                                 struct amqp_error *error)
{
    const struct amqp_basic_reject *reject = &method->basic_reject;
    struct tx_settlement settlement = {.tag = reject->delivery_tag, .requeue = reject->requeue};
    return channel_settle(channel, settlement, false, error);
}

enum outcome handle_basic_nack(struct channel *channel, const struct amqp_method *method,
                               struct amqp_error *error)
{
    const struct amqp_basic_nack *nack = &method->basic_nack;
    struct tx_settlement settlement = {.tag = nack->delivery_tag, .requeue = nack->requeue};
    return channel_settle(channel, settlement, nack->multiple, error);
}

static enum outcome recover(struct channel *channel, bool requeue, struct amqp_error *error)
{
    if (!requeue) {
        amqp_error_set(error, AMQP_NOT_IMPLEMENTED, "requeue=false");
        return OUTCOME_ERROR;
    }
    return channel_recover(channel);
}

enum outcome handle_basic_recover_async(struct channel *channel, const struct amqp_method *method,
                                        struct amqp_error *error)
{
    return recover(channel, method->basic_recover_async.requeue, error);
}

enum outcome handle_basic_recover(struct channel *channel, const struct amqp_method *method,
                                  struct amqp_error *error)
{
    enum outcome outcome = recover(channel, method->basic_recover.requeue, error);
    if (outcome == OUTCOME_DONE)
        channel_reply_empty(channel, AMQP_BASIC_RECOVER_OK);
    return outcome;
}
