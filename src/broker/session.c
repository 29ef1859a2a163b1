/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: the core's side of connections. A session finds the channel of a command, answers what
 * is said on channel 0, and ends: by the client's connection.close, by an error, or because the
 * socket is gone. Ending waits for channels that wait for the disk, so that what was received
 * before is done before, as if the disk were infinitely fast. It does not wait for the end of an
 * alarm, which may take hours.
 */
#include "broker/session.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/seldom.h"
#include "base/xmalloc.h"
#include "broker/consumer.h"
#include "broker/event.h"
#include "broker/publish.h"
#include "broker/queue_life.h"

struct session *session_new(const struct session_config *config)
{
    struct session *session = xcalloc(1, sizeof *session);
    session->config = *config;
    session->user = xstrdup(config->user);
    session->config.user = session->user;
    session->name = xstrdup(config->name != NULL ? config->name : "");
    session->config.name = session->name;
    session->output_credit = (int64_t)config->output_bytes;
    list_init(&session->starved);
    list_init(&session->queues);
    list_init(&session->answers_by_age);
    hash_table_init(&session->answers);
    session->answers_until_ms = UINT64_MAX;
    list_node_init(&session->vhost_node);
    list_node_init(&session->paused_node);
    list_node_init(&session->resume_node);
    return session;
}

struct effect *session_emit(struct session *session, enum effect_kind kind, uint16_t channel)
{
    struct effect *effect = effect_chain_add(session_effects(session));
    *effect = (struct effect){
        .kind = (uint8_t)kind, .channel = channel, .connection = session->config.connection};
    return effect;
}

void session_send(struct session *session, const struct amqp_method *method)
{
    session_emit(session, EFFECT_METHOD, 0)->method = effect_method_new(method);
}

static void send_empty(struct session *session, uint32_t method_id)
{
    session_send(session, &(struct amqp_method){.id = method_id});
}

/* --- ending */

static void shut_channels(struct session *session)
{
    struct hash_node *node;
    size_t cursor = 0;
    while ((node = hash_table_remaining(&session->channels, &cursor)) != NULL)
        channel_abandon(container_of(node, struct channel, by_number));
}

static void delete_exclusive_queues(struct session *session)
{
    struct list_node *node;
    while ((node = list_front(&session->queues)) != NULL)
        queue_delete(session->vhost, list_entry(node, struct queue, owner_node));
}

static void release_deferred(struct session *session)
{
    for (size_t i = 0; i < session->deferred_count; i++)
        command_release(&session->deferred[i]);
    session->deferred_count = 0;
}

/* Its peer is gone. What was received is done first; but what waits until no alarm is on counts as
 * never read, so that the messages that the client had are there for others now. */
static void lose_peer(struct session *session)
{
    struct hash_node *node = NULL;
    size_t count = 0;
    uint16_t *numbers = xmalloc((session->channels.count + 1) * sizeof *numbers);
    session->is_gone = true;
    while ((node = hash_table_next(&session->channels, node)) != NULL)
        numbers[count++] = container_of(node, struct channel, by_number)->number;
    for (size_t i = 0; i < count; i++) { /* the end of one may be that of others */
        struct channel *channel = channel_find(session, numbers[i]);
        if (channel != NULL && channel->wait == WAIT_ALARM)
            channel_abandon(channel);
    }
    free(numbers);
    session_schedule_resume(session);
}

static void shut_down(struct session *session)
{
    if (session->state != SESSION_OPEN)
        return;
    session->state = SESSION_CLOSING;
    shut_channels(session);
    if (session->secret.number != 0) {
        question_close(session->vhost, &session->secret);
        session->waiting_channels--;
    }
    delete_exclusive_queues(session);
    session_unpause(session, PAUSE_STORE | PAUSE_DEFERRED | PAUSE_ALARM);
    session_schedule_resume(session);
}

void session_fail(struct session *session, const struct amqp_error *error)
{
    if (session->state != SESSION_OPEN)
        return;
    shut_down(session);
    struct amqp_method close = amqp_method_connection_close(error);
    session_emit(session, EFFECT_CONNECTION_CLOSE, 0)->method = effect_method_new(&close);
}

void session_end(struct session *session)
{
    struct vhost *vhost = session->vhost;
    shut_down(session);
    release_deferred(session);
    session_emit(session, EFFECT_SESSION_CLOSED, 0);
    if (list_node_is_linked(&session->vhost_node))
        hash_table_remove(&vhost->sessions_by_number, &session->by_number);
    list_remove(&session->vhost_node);
    list_remove(&session->paused_node);
    list_remove(&session->resume_node);
    limit_count_session(session, -1);
    vhost->counters.connections_closed++;
    hash_table_fini(&session->channels);
    questions_fini(session);
    if (session->config.opened != NULL)
        message_unref(session->config.opened);
    free(session->deferred);
    free(session->user);
    free(session->name);
    free(session);
}

/* --- pausing */

void session_pause(struct session *session, enum pause_reason reason)
{
    if (session->pause_reasons == 0)
        session_emit(session, EFFECT_READ_PAUSE, 0);
    session->pause_reasons |= reason;
    if (reason == PAUSE_STORE && !list_node_is_linked(&session->paused_node))
        list_push_back(&session->vhost->paused, &session->paused_node);
}

void session_unpause(struct session *session, enum pause_reason reason)
{
    unsigned before = session->pause_reasons;
    session->pause_reasons &= ~(unsigned)reason;
    if ((reason & PAUSE_STORE) != 0)
        list_remove(&session->paused_node);
    if (before != 0 && session->pause_reasons == 0)
        session_emit(session, EFFECT_READ_RESUME, 0);
}

void session_count_deferred(struct session *session, const struct command *command)
{
    session->deferred_bytes += command_footprint(command);
    if (session->deferred_bytes > session->vhost->config.deferred_bytes_max)
        session_pause(session, PAUSE_DEFERRED);
}

void session_discount_deferred(struct session *session, const struct command *command)
{
    session->deferred_bytes -= command_footprint(command);
    if ((session->pause_reasons & PAUSE_DEFERRED) != 0 &&
        session->deferred_bytes <= session->vhost->config.deferred_bytes_max / 2)
        session_unpause(session, PAUSE_DEFERRED);
}

/* --- commands */

/* The host has asked before the session was on its way; the user may have been deleted since. */
static bool check_entrance(const struct session *session, struct amqp_error *error)
{
    const struct vhost *vhost = session->vhost;
    return session->config.asks_access ||
           access_may_enter(vhost->access, bytes_of_text(session->user),
                            bytes_of_text(vhost->name)) ||
           amqp_error_set(error, AMQP_NOT_ALLOWED, "access to vhost '%s' refused for user '%s'",
                          vhost->name, session->user);
}

static void open_session(struct vhost *vhost, struct session *session)
{
    CHECK(session->state == SESSION_NEW);
    session->state = SESSION_OPEN;
    session->vhost = vhost;
    list_push_back(&vhost->sessions, &session->vhost_node);
    hash_table_insert(&vhost->sessions_by_number, &session->by_number,
                      hash_u64(session->config.number));
    uint64_t count = limit_count_session(session, 1);
    vhost->counters.connections_opened++;
    if ((vhost->alarms & VHOST_ALARM_DRAINING) != 0)
        session_withhold(session);
    session_emit(session, EFFECT_SESSION_OPENED, 0);
    struct amqp_error error = {0};
    if (!check_entrance(session, &error) || !limit_check_session(session, count, &error)) {
        error.class_id = amqp_method_class(AMQP_CONNECTION_OPEN);
        error.method_id = amqp_method_number(AMQP_CONNECTION_OPEN);
        session_fail(session, &error);
        return;
    }
    if (session->config.opened != NULL)
        event_emit(vhost, message_ref(session->config.opened));
    send_empty(session, AMQP_CONNECTION_OPEN_OK);
    if (vhost->ending != NULL)
        session_fail(session, vhost->ending);
}

static void fail_method(struct session *session, uint32_t method_id, enum amqp_code code,
                        const char *text)
{
    struct amqp_error error = {0};
    amqp_error_set(&error, code, "%s", text);
    error.class_id = amqp_method_class(method_id);
    error.method_id = amqp_method_number(method_id);
    session_fail(session, &error);
}

static void on_connection_method(struct session *session, const struct amqp_method *method)
{
    switch (method->id) {
    case AMQP_CONNECTION_CLOSE:
        shut_down(session);
        send_empty(session, AMQP_CONNECTION_CLOSE_OK);
        break;
    case AMQP_CONNECTION_UPDATE_SECRET:
        if (session->config.asks_access)
            question_ask_secret(session, method->connection_update_secret.new_secret);
        else
            send_empty(session, AMQP_CONNECTION_UPDATE_SECRET_OK);
        break;
    default:
        fail_method(session, method->id, AMQP_CHANNEL_ERROR,
                    "unexpected method in connection state running");
    }
}

/* After a close was sent or answered nothing counts any more but a close of the peer. */
static void on_closing_method(struct session *session, const struct amqp_method *method)
{
    if (method->id == AMQP_CONNECTION_CLOSE)
        send_empty(session, AMQP_CONNECTION_CLOSE_OK);
}

static void apply_here(struct session *session, struct command *command)
{
    switch (command->kind) {
    case COMMAND_METHOD:
        if (session->state == SESSION_OPEN)
            on_connection_method(session, &command->method->method);
        else
            on_closing_method(session, &command->method->method);
        free(command->method);
        break;
    case COMMAND_CONNECTION_ERROR:
        session_fail(session, command->error);
        free(command->error);
        break;
    default:
        session_end(session);
    }
}

static void defer(struct session *session, struct command *command)
{
    session->deferred = xgrow(session->deferred, &session->deferred_capacity,
                              session->deferred_count + 1, sizeof *session->deferred);
    session->deferred[session->deferred_count++] = *command;
    session_count_deferred(session, command);
}

void session_schedule_resume(struct session *session)
{
    if (session->deferred_count > 0 && session->waiting_channels == 0 &&
        !list_node_is_linked(&session->resume_node))
        list_push_back(&session->vhost->resuming, &session->resume_node);
}

void session_resume(struct session *session)
{
    size_t next = 0;
    while (next < session->deferred_count && session->waiting_channels == 0) {
        struct command command = session->deferred[next++];
        session_discount_deferred(session, &command);
        if (command.kind == COMMAND_SESSION_CLOSE) {
            session->deferred_count = 0;
            session_end(session);
            return;
        }
        apply_here(session, &command);
        internal_publish_all(session->vhost);
    }
    session->deferred_count -= next;
    memmove(session->deferred, session->deferred + next,
            session->deferred_count * sizeof *session->deferred);
}

static void wake_starved(struct session *session)
{
    struct list starved;
    struct list_node *node;
    list_init(&starved);
    list_splice_back(&starved, &session->starved);
    while ((node = list_pop_front(&starved)) != NULL)
        consumer_wake(list_entry(node, struct consumer, starved_node));
}

static void return_credit(struct session *session, uint64_t bytes)
{
    bool was_empty = session->output_credit + session->withheld_credit <= 0;
    if ((session->vhost->alarms & VHOST_ALARM_DRAINING) != 0)
        session->withheld_credit += (int64_t)bytes;
    else
        session->output_credit += (int64_t)bytes;
    if (was_empty && session->output_credit + session->withheld_credit > 0)
        wake_starved(session);
}

/* --- a server that is drained */

/* Where there is no output credit nothing is handed out, so that deliveries, which look at it
 * anyway, need not ask for anything else. */
void session_withhold(struct session *session)
{
    session->withheld_credit = session->output_credit;
    session->output_credit = 0;
}

void session_release(struct session *session)
{
    session->output_credit += session->withheld_credit;
    session->withheld_credit = 0;
    if (session->output_credit > 0)
        wake_starved(session);
}

static void open_channel(struct session *session, uint16_t number)
{
    struct amqp_error error = {0};
    if (limit_check_channel(session, &error)) {
        channel_create(session, number);
        return;
    }
    session_fail(session, &error); /* RabbitMQ names no method here */
}

/* A channel that does not exist: only channel.open is right. */
static void apply_to_nothing(struct session *session, struct command *command)
{
    uint32_t method_id = command->kind == COMMAND_PUBLISH  ? (uint32_t)AMQP_BASIC_PUBLISH
                         : command->kind == COMMAND_ACK    ? (uint32_t)AMQP_BASIC_ACK
                         : command->kind == COMMAND_METHOD ? command->method->method.id
                                                           : 0;
    uint16_t number = command->channel;
    command_release(command);
    if (method_id == AMQP_CHANNEL_OPEN)
        open_channel(session, number);
    else if (method_id != AMQP_CHANNEL_CLOSE_OK)
        fail_method(session, method_id, AMQP_CHANNEL_ERROR, "expected 'channel.open'");
    else
        fail_method(session, method_id, AMQP_COMMAND_INVALID, "unimplemented method");
}

static void apply_to_channel(struct session *session, struct command *command)
{
    if (session->state != SESSION_OPEN) {
        command_release(command);
        return;
    }
    struct channel *channel = channel_find(session, command->channel);
    if (channel == NULL) {
        apply_to_nothing(session, command);
        return;
    }
    session->last_channel = channel;
    channel_apply(channel, command);
}

/* Behind what waits. */
static void apply_in_turn(struct session *session, struct command *command)
{
    if (session->waiting_channels > 0 || session->deferred_count > 0)
        defer(session, command);
    else
        apply_here(session, command);
}

SELDOM static void apply_any(struct vhost *vhost, struct command *command)
{
    struct session *session = command->session;
    switch (command->kind) {
    case COMMAND_SESSION_OPEN:
        open_session(vhost, session);
        break;
    case COMMAND_ACCESS_ANSWER:
        questions_answer(vhost, command->answer);
        free(command->answer);
        break;
    case COMMAND_CREDIT:
        return_credit(session, command->tag);
        break;
    case COMMAND_SESSION_CLOSE:
        if (session->waiting_channels > 0)
            lose_peer(session);
        apply_in_turn(session, command);
        break;
    default:
        if (command->channel != 0)
            apply_to_channel(session, command);
        else
            apply_in_turn(session, command);
    }
}

/* Nearly every command is for the channel that the one before was for. */
static bool is_for_last_channel(const struct command *command)
{
    const struct session *session = command->session;
    return command->kind <= COMMAND_METHOD && session->last_channel != NULL &&
           session->last_channel->number == command->channel && session->state == SESSION_OPEN;
}

void session_apply(struct vhost *vhost, struct command *command)
{
    if (is_for_last_channel(command))
        channel_apply(command->session->last_channel, command);
    else
        apply_any(vhost, command);
}
