/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels: where a command finds its handler, and where a channel waits.
 *
 * A channel whose reply needs the disk waits: the reply is held, and the commands that follow are
 * kept, in order, until the commit (or the read) is there. So replies of a channel leave in order,
 * a declare-ok means that the declaration is on disk, and no other channel is delayed. Publishes
 * do not wait; their confirms do (confirm.c).
 *
 * After channel.close was sent the channel is an empty shell that drops everything until close-ok.
 */
#include "broker/channel.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/seldom.h"
#include "base/xmalloc.h"
#include "broker/event.h"
#include "broker/move.h"
#include "broker/publish.h"
#include "broker/queue_life.h"
#include "broker/settle.h"
#include "broker/sharding.h"

static bool is_number(const struct hash_node *node, const void *key)
{
    return container_of(node, struct channel, by_number)->number == *(const uint16_t *)key;
}

struct channel *channel_find(struct session *session, uint16_t number)
{
    struct hash_node *node =
        hash_table_find(&session->channels, hash_u64(number), is_number, &number);
    return node != NULL ? container_of(node, struct channel, by_number) : NULL;
}

struct channel *channel_create(struct session *session, uint16_t number)
{
    if (session->channels.count >= session->config.channel_max) {
        struct amqp_error error;
        amqp_error_set(&error, AMQP_NOT_ALLOWED,
                       "number of channels opened (%zu) has reached the negotiated channel_max "
                       "(%u)",
                       session->channels.count, session->config.channel_max);
        session_fail(session, &error);
        return NULL;
    }
    struct channel *channel = xcalloc(1, sizeof *channel);
    channel->session = session;
    channel->number = number;
    channel->serial = ++session->channels_opened;
    list_node_init(&channel->settling_node);
    list_node_init(&channel->confirm_node);
    list_node_init(&channel->wait_node);
    channel->ack_timer.fire = ack_timeout_due;
    hash_table_insert(&session->channels, &channel->by_number, hash_u64(number));
    limit_count_channel(session, 1);
    session->vhost->counters.channels_opened++;
    session->memory_bytes += sizeof *channel;
    session_emit(session, EFFECT_CHANNEL_OPENED, number);
    channel_reply_empty(channel, AMQP_CHANNEL_OPEN_OK);
    event_channel_created(channel);
    return channel;
}

/* --- replies */

struct effect *channel_emit(struct channel *channel, enum effect_kind kind)
{
    if (channel->wait != WAIT_COMMIT)
        return session_emit(channel->session, kind, channel->number);
    struct effect *effect = effect_chain_add(&channel->held);
    *effect = (struct effect){.kind = (uint8_t)kind,
                              .channel = channel->number,
                              .connection = channel->session->config.connection};
    return effect;
}

void channel_reply(struct channel *channel, const struct amqp_method *method)
{
    channel_emit(channel, EFFECT_METHOD)->method = effect_method_new(method);
}

void channel_reply_empty(struct channel *channel, uint32_t method_id)
{
    channel_reply(channel, &(struct amqp_method){.id = method_id});
}

void channel_reply_content(struct channel *channel, const struct amqp_method *method,
                           struct message *message)
{
    struct effect *effect = channel_emit(channel, EFFECT_METHOD);
    effect->method = effect_method_new(method);
    effect->message = message;
}

/* --- waiting */

static void start_waiting(struct channel *channel, enum channel_wait wait)
{
    CHECK(channel->wait == WAIT_NOTHING);
    channel->wait = (uint8_t)wait;
    channel->session->waiting_channels++;
}

void channel_wait_for_commit(struct channel *channel, uint64_t batch)
{
    struct vhost *vhost = channel_vhost(channel);
    if (channel->wait == WAIT_COMMIT || batch <= vhost->committed)
        return;
    start_waiting(channel, WAIT_COMMIT);
    channel->wait_batch = batch;
    struct list_node *place = &vhost->commit_waits.head;
    struct list_node *first = list_front(&vhost->commit_waits);
    /* Where very many wait for the batch that gathers, one for the batch before is not to pass them
     * all. */
    if (first != NULL && list_entry(first, struct channel, wait_node)->wait_batch > batch)
        place = first;
    while (place->previous != &vhost->commit_waits.head &&
           list_entry(place->previous, struct channel, wait_node)->wait_batch > batch)
        place = place->previous;
    list_insert_before(place, &channel->wait_node);
}

void channel_wait_for_read(struct channel *channel, struct queue *queue)
{
    start_waiting(channel, WAIT_READ);
    list_push_back(&queue->waiting, &channel->wait_node);
}

void channel_wait_for_slice(struct channel *channel, bool is_slow)
{
    struct vhost *vhost = channel_vhost(channel);
    start_waiting(channel, WAIT_SLICE);
    list_push_back(is_slow ? &vhost->slow_waits : &vhost->slice_waits, &channel->wait_node);
}

static void stop_waiting(struct channel *channel)
{
    if (channel->wait == WAIT_NOTHING)
        return;
    question_close(channel_vhost(channel), &channel->question);
    channel->wait = WAIT_NOTHING;
    channel->session->waiting_channels--;
    list_remove(&channel->wait_node);
}

static void release_held(struct channel *channel)
{
    struct vhost *vhost = channel_vhost(channel);
    for (struct effect_chunk *chunk = channel->held.first; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < chunk->count; i++)
            *effect_chain_add(&vhost->effects[channel->session->config.reactor]) =
                chunk->effects[i];
        chunk->count = 0;
    }
    effect_chain_clear(&channel->held);
}

static void defer(struct channel *channel, struct command *command)
{
    struct session *session = channel->session;
    size_t end = channel->deferred_first + channel->deferred_count;
    if (channel->deferred_first > channel->deferred_count) { /* what is gone makes room */
        memmove(channel->deferred, channel->deferred + channel->deferred_first,
                channel->deferred_count * sizeof *channel->deferred);
        channel->deferred_first = 0;
        end = channel->deferred_count;
    }
    channel->deferred =
        xgrow(channel->deferred, &channel->deferred_capacity, end + 1, sizeof *channel->deferred);
    channel->deferred[end] = *command;
    channel->deferred_count++;
    session_count_deferred(session, command);
}

static void defer_first(struct channel *channel, struct command *command)
{
    CHECK(channel->deferred_first > 0 || channel->deferred_count == 0);
    if (channel->deferred_count == 0) {
        defer(channel, command);
        return;
    }
    channel->deferred[--channel->deferred_first] = *command;
    channel->deferred_count++;
    channel->session->deferred_bytes += command_footprint(command);
}

static bool take_deferred(struct channel *channel, struct command *command)
{
    struct session *session = channel->session;
    if (channel->deferred_count == 0) {
        channel->deferred_first = 0;
        return false;
    }
    *command = channel->deferred[channel->deferred_first++];
    channel->deferred_count--;
    session_discount_deferred(session, command);
    return true;
}

void channel_wait_for_access(struct channel *channel, struct command *command)
{
    start_waiting(channel, WAIT_ACCESS);
    question_ask(channel);
    defer_first(channel, command);
}

/* As RabbitMQ, which stops reading right behind the method: nothing is taken in while an alarm is
 * on, neither this message nor what the client had sent behind it. */
void channel_wait_for_alarm(struct channel *channel, struct command *command)
{
    if (channel->session->is_gone) {
        command_release(command);
        channel_abandon(channel);
        return;
    }
    session_block(channel->session);
    start_waiting(channel, WAIT_ALARM);
    list_push_back(&channel_vhost(channel)->alarm_waits, &channel->wait_node);
    defer_first(channel, command);
}

/* --- ending */

static void drop_deferred(struct channel *channel)
{
    struct command command;
    while (take_deferred(channel, &command))
        command_release(&command);
}

/* Nothing may be delivered to a channel once its unacked messages were given back, whatever that
 * and the end of its queues set going. */
static void stop_consumers(struct channel *channel)
{
    for (size_t i = 0; i < channel->slot_count; i++) {
        if (channel->slots[i] != NULL)
            queue_deactivate(&channel->slots[i]->subscriber);
    }
}

static void cancel_consumers(struct channel *channel)
{
    for (size_t i = 0; i < channel->slot_count; i++) {
        struct consumer *consumer = channel->slots[i];
        if (consumer == NULL)
            continue;
        struct queue *queue = consumer->subscriber.queue;
        event_consumer_deleted(consumer, NULL);
        consumer_cancel(consumer);
        queue_lost_subscriber(channel_vhost(channel), queue);
    }
}

void channel_shutdown(struct channel *channel)
{
    bool was_open = !channel->is_closing;
    channel->is_closing = true;
    timer_clear(channel_vhost(channel), &channel->ack_timer);
    stop_waiting(channel);
    effect_chain_clear(&channel->held);
    stop_consumers(channel);
    tx_rollback(channel);
    channel_end_deliveries(channel);
    cancel_consumers(channel);
    confirm_forget(channel);
    drop_deferred(channel);
    if (was_open)
        event_channel_closed(channel);
}

void channel_free(struct channel *channel)
{
    struct session *session = channel->session;
    if (session->last_channel == channel)
        session->last_channel = NULL;
    hash_table_remove(&session->channels, &channel->by_number);
    hash_table_fini(&channel->consumers);
    unacked_ring_fini(&channel->unacked);
    limit_count_channel(session, -1);
    session->vhost->counters.channels_closed++;
    session->vhost->counters.publishers -= channel->is_publisher;
    session->memory_bytes -= sizeof *channel;
    free(channel->slots);
    free(channel->last_queue);
    free(channel->made_name);
    free(channel->runs);
    free(channel->deferred);
    free(channel->tx_publishes);
    free(channel->tx_settlements);
    free(channel->tx_fetches);
    free(channel->route.result.queues);
    free(channel);
}

void channel_abandon(struct channel *channel)
{
    channel_shutdown(channel);
    channel_free(channel);
}

void channel_fail(struct channel *channel, uint32_t method_id, struct amqp_error *error)
{
    if (method_id != 0) {
        error->class_id = amqp_method_class(method_id);
        error->method_id = amqp_method_number(method_id);
    }
    if (amqp_code_is_hard(error->code)) {
        session_fail(channel->session, error);
        return;
    }
    struct amqp_method close = {
        .id = AMQP_CHANNEL_CLOSE,
        .channel_close = {.reply_code = error->code,
                          .reply_text = bytes_of_text(error->text),
                          .class_id = error->class_id,
                          .method_id = error->method_id},
    };
    confirm_flush(channel);
    session_emit(channel->session, EFFECT_CHANNEL_ERROR, channel->number)->method =
        effect_method_new(&close);
    channel_shutdown(channel);
    session_schedule_resume(channel->session);
}

/* --- handlers of the channel class */

enum outcome handle_channel_flow(struct channel *channel, const struct amqp_method *method,
                                 struct amqp_error *error)
{
    struct amqp_method ok = {.id = AMQP_CHANNEL_FLOW_OK, .channel_flow_ok = {.active = true}};
    if (!method->channel_flow.active) {
        amqp_error_set(error, AMQP_NOT_IMPLEMENTED, "active=false");
        return OUTCOME_ERROR;
    }
    channel_reply(channel, &ok);
    return OUTCOME_DONE;
}

enum outcome handle_access_request(struct channel *channel, const struct amqp_method *method,
                                   struct amqp_error *error)
{
    (void)method, (void)error;
    struct amqp_method ok = {.id = AMQP_ACCESS_REQUEST_OK, .access_request_ok = {.ticket = 1}};
    channel_reply(channel, &ok);
    return OUTCOME_DONE;
}

/* --- dispatching */

static const struct {
    uint32_t id;
    channel_handler *handler;
} handlers[] = {
    {AMQP_CHANNEL_FLOW, handle_channel_flow},
    {AMQP_ACCESS_REQUEST, handle_access_request},
    {AMQP_EXCHANGE_DECLARE, handle_exchange_declare},
    {AMQP_EXCHANGE_DELETE, handle_exchange_delete},
    {AMQP_EXCHANGE_BIND, handle_exchange_bind},
    {AMQP_EXCHANGE_UNBIND, handle_exchange_unbind},
    {AMQP_QUEUE_DECLARE, handle_queue_declare},
    {AMQP_QUEUE_BIND, handle_queue_bind},
    {AMQP_QUEUE_UNBIND, handle_queue_unbind},
    {AMQP_QUEUE_PURGE, handle_queue_purge},
    {AMQP_QUEUE_DELETE, handle_queue_delete},
    {AMQP_BASIC_QOS, handle_basic_qos},
    {AMQP_BASIC_CONSUME, handle_basic_consume},
    {AMQP_BASIC_CANCEL, handle_basic_cancel},
    {AMQP_BASIC_CANCEL_OK, handle_basic_cancel_ok},
    {AMQP_BASIC_GET, handle_basic_get},
    {AMQP_BASIC_REJECT, handle_basic_reject},
    {AMQP_BASIC_NACK, handle_basic_nack},
    {AMQP_BASIC_RECOVER, handle_basic_recover},
    {AMQP_BASIC_RECOVER_ASYNC, handle_basic_recover_async},
    {AMQP_CONFIRM_SELECT, handle_confirm_select},
    {AMQP_TX_SELECT, handle_tx_select},
    {AMQP_TX_COMMIT, handle_tx_commit},
    {AMQP_TX_ROLLBACK, handle_tx_rollback},
};

static channel_handler *handler_of(uint32_t method_id)
{
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i].id == method_id)
            return handlers[i].handler;
    }
    return NULL;
}

static void close_by_client(struct channel *channel)
{
    struct session *session = channel->session;
    confirm_flush(channel);
    channel_shutdown(channel);
    channel_reply_empty(channel, AMQP_CHANNEL_CLOSE_OK);
    session_emit(session, EFFECT_CHANNEL_CLOSED, channel->number);
    channel_free(channel);
}

static void fail_hard(struct channel *channel, uint32_t method_id, enum amqp_code code,
                      const char *text)
{
    struct amqp_error error = {0};
    amqp_error_set(&error, code, "%s", text);
    channel_fail(channel, method_id, &error);
}

/* Methods that end or misuse the channel itself. true when the method was one of them. */
static bool apply_channel_class(struct channel *channel, uint32_t method_id)
{
    switch (method_id) {
    case AMQP_CHANNEL_OPEN:
        fail_hard(channel, method_id, AMQP_CHANNEL_ERROR, "second 'channel.open' seen");
        return true;
    case AMQP_CHANNEL_CLOSE:
        close_by_client(channel);
        return true;
    default:
        return false;
    }
}

/* Is the command, which passes then, to be run again when the channel has waited? */
static bool runs_again(struct channel *channel, struct command *command, enum outcome outcome)
{
    if (outcome == OUTCOME_ERROR && question_is_open(channel->session)) {
        channel_wait_for_access(channel, command);
        return true;
    }
    free(channel->made_name);
    channel->made_name = NULL;
    if (outcome != OUTCOME_RETRY && channel->wait != WAIT_READ)
        return false;
    defer_first(channel, command);
    return true;
}

static void apply_move(struct channel *channel, struct command *command)
{
    struct amqp_error error = {0};
    if (channel_vhost(channel)->alarms != 0) {
        channel_wait_for_alarm(channel, command);
        return;
    }
    enum outcome outcome = channel_move(channel, command->move, &error);
    if (runs_again(channel, command, outcome))
        return;
    if (outcome == OUTCOME_ERROR)
        channel_fail(channel, 0, &error);
    free(command->move);
}

static void apply_method(struct channel *channel, struct command *command)
{
    const struct amqp_method *method = &command->method->method;
    struct amqp_error error = {0};
    if (apply_channel_class(channel, method->id)) {
        free(command->method);
        return;
    }
    channel_handler *handler = handler_of(method->id);
    if (handler == NULL) {
        fail_hard(channel, method->id, AMQP_COMMAND_INVALID, "unimplemented method");
        free(command->method);
        return;
    }
    channel_vhost(channel)->acting_user = channel->session->user;
    enum outcome outcome = channel_vhost(channel)->sharded_count == 0
                               ? handler(channel, method, &error)
                               : sharding_handle(channel, handler, method, &error);
    channel_vhost(channel)->acting_user = NULL;
    if (runs_again(channel, command, outcome))
        return;
    if (outcome == OUTCOME_ERROR)
        channel_fail(channel, method->id, &error);
    free(command->method);
}

SELDOM static void apply_other_ack(struct channel *channel, struct command *command)
{
    struct amqp_error error;
    struct tx_settlement settlement = {.tag = command->tag, .is_ack = true};
    enum outcome outcome = channel_settle(channel, settlement, command->multiple, &error);
    if (outcome == OUTCOME_RETRY)
        defer_first(channel, command);
    else if (outcome == OUTCOME_ERROR)
        channel_fail(channel, AMQP_BASIC_ACK, &error);
}

static void apply_ack(struct channel *channel, struct command *command)
{
    if (command->multiple || !channel_ack_one(channel, command->tag))
        apply_other_ack(channel, command);
}

/* What comes after channel.close was sent, until close-ok. */
static void apply_while_closing(struct channel *channel, struct command *command)
{
    uint32_t method_id = command->kind == COMMAND_METHOD ? command->method->method.id : 0;
    command_release(command);
    if (method_id == AMQP_CHANNEL_CLOSE)
        channel_reply_empty(channel, AMQP_CHANNEL_CLOSE_OK);
    if (method_id != AMQP_CHANNEL_CLOSE_OK)
        return;
    session_emit(channel->session, EFFECT_CHANNEL_CLOSED, channel->number);
    channel_free(channel);
}

SELDOM static void apply_other(struct channel *channel, struct command *command)
{
    switch (command->kind) {
    case COMMAND_MOVE:
        apply_move(channel, command);
        break;
    case COMMAND_CHANNEL_ERROR:
        channel_fail(channel, 0, command->error);
        free(command->error);
        break;
    default:
        apply_method(channel, command);
    }
}

SELDOM static void apply_later(struct channel *channel, struct command *command)
{
    if (channel->is_closing)
        apply_while_closing(channel, command);
    else
        defer(channel, command);
}

void channel_apply(struct channel *channel, struct command *command)
{
    if (channel->is_closing || channel->wait != WAIT_NOTHING)
        apply_later(channel, command);
    else if (command->kind == COMMAND_PUBLISH)
        channel_publish(channel, command);
    else if (command->kind == COMMAND_ACK)
        apply_ack(channel, command);
    else
        apply_other(channel, command);
}

void channel_resume(struct channel *channel)
{
    struct session *session = channel->session;
    uint16_t number = channel->number;
    struct command command;
    stop_waiting(channel);
    release_held(channel);
    /* Any command may close the channel or the whole connection, so both are looked up again. */
    while (session->state == SESSION_OPEN && (channel = channel_find(session, number)) != NULL &&
           channel->wait == WAIT_NOTHING && take_deferred(channel, &command)) {
        channel_apply(channel, &command);
        internal_publish_all(session->vhost); /* what it causes comes before the next one */
    }
    session_schedule_resume(session);
}
