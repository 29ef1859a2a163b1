/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Effects, one after the other: which channel and which question each belongs to, and what is over
 * when a channel or a session ends.
 */
#include "oracle_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/method.h"

/* --- the end of a channel */

/* Everything that was sent is processed: is_orderly; else what is behind processed may be. */
static void resolve_copies(struct oracle *oracle, const struct sim_channel *channel,
                           bool is_orderly)
{
    for (size_t i = 0; i < oracle->message_count * SIM_QUEUES; i++) {
        struct sim_copy *copy = oracle->messages[i / SIM_QUEUES]->copies[i % SIM_QUEUES];
        if (copy == NULL || copy->channel != channel->serial)
            continue;
        bool is_processed = is_orderly || copy->command <= channel->processed;
        if (copy->place == PLACE_OUT || copy->place == PLACE_BACK)
            oracle_move(oracle, copy, PLACE_READY);
        else if (copy->place == PLACE_DONE)
            oracle_move(oracle, copy, is_processed ? PLACE_GONE : PLACE_UNKNOWN);
    }
}

static void resolve_messages(struct oracle *oracle, const struct sim_channel *channel,
                             bool is_orderly)
{
    for (size_t i = 0; i < oracle->message_count; i++) {
        struct sim_message *message = oracle->messages[i];
        if (message->channel != channel->serial || message->publish != PUBLISH_SENT)
            continue;
        if (message->command == UINT64_MAX)
            message->publish = PUBLISH_ROLLED_BACK;
        else if (is_orderly || message->command <= channel->processed)
            message->publish = PUBLISH_DONE;
    }
}

/* The channel is over, but its number may still be taken. */
static void finish_channel(struct oracle *oracle, struct sim_channel *channel, bool is_orderly)
{
    for (size_t i = 0; i < channel->expected_count; i++) {
        if (channel->expected[i].is_hazard)
            channel->expected[i].queue->hazards--;
    }
    resolve_copies(oracle, channel, is_orderly);
    resolve_messages(oracle, channel, is_orderly);
    channel->expected_count = channel->delivery_count = channel->confirm_count = 0;
    channel->tx_count = 0;
    for (size_t i = 0; i < SIM_CONSUMERS; i++)
        channel->consumers[i].is_used = false;
}

static void free_channel(struct sim_session *session, struct sim_channel *channel)
{
    session->channels[channel->number - 1] = NULL;
    free(channel->deliveries);
    free(channel->expected);
    free(channel->confirms);
    free(channel->tx_messages);
    free(channel);
}

static void end_channel(struct oracle *oracle, struct sim_session *session,
                        struct sim_channel *channel, bool is_orderly)
{
    if (!channel->is_failed)
        finish_channel(oracle, channel, is_orderly);
    free_channel(session, channel);
}

void oracle_end_channels(struct oracle *oracle, struct sim_session *session, bool is_orderly)
{
    for (size_t i = 0; i < SIM_CHANNELS; i++) {
        if (session->channels[i] != NULL)
            end_channel(oracle, session, session->channels[i], is_orderly);
    }
}

/* --- replies */

static void on_got(struct oracle *oracle, struct sim_channel *channel,
                   const struct sim_expected *expected, const struct amqp_method *method,
                   const struct effect *effect)
{
    const struct sim_queue *queue = expected->queue;
    if (method->id == AMQP_BASIC_GET_EMPTY) {
        for (size_t i = 0; i < queue->count && !oracle->is_blind; i++)
            REQUIRE(!oracle_is_certainly_ready(queue->copies[i]),
                    "get-empty of %s, which has message %llu", queue->name, ID(queue->copies[i]));
        return;
    }
    const struct amqp_basic_get_ok *ok = &method->basic_get_ok;
    oracle_take_tag(channel, ok->delivery_tag);
    struct sim_copy *copy =
        oracle_copy_of(oracle, oracle_message_of(oracle, effect->message), expected->queue);
    oracle_hand_out(oracle, channel, copy, ok->redelivered, expected->no_ack);
    if (!expected->no_ack)
        oracle_hold(channel, copy, NULL);
}

/* A purge or deletion is done: what was ready when it was sent and not touched since is gone. */
static void on_hazard(struct oracle *oracle, const struct sim_expected *expected)
{
    struct sim_queue *queue = expected->queue;
    queue->hazards--;
    for (size_t i = 0; i < queue->count; i++) {
        if (queue->copies[i]->place == PLACE_READY && queue->copies[i]->touched < expected->sent)
            oracle_move(oracle, queue->copies[i], PLACE_PURGED);
    }
}

static void on_committed(struct oracle *oracle, const struct sim_channel *channel,
                         const struct sim_expected *expected)
{
    for (size_t i = 0; i < oracle->message_count; i++) {
        struct sim_message *message = oracle->messages[i];
        if (message->channel != channel->serial || message->command != expected->command)
            continue;
        oracle_check_safe(oracle, message, "in a committed transaction");
        message->is_confirmed = true;
        message->publish = PUBLISH_DONE;
    }
}

static void on_reply(struct oracle *oracle, struct sim_channel *channel,
                     const struct amqp_method *method, const struct effect *effect)
{
    REQUIRE(channel->expected_count > 0, "%s answers nothing", amqp_method_name(method->id));
    struct sim_expected expected = channel->expected[0];
    uint32_t id = method->id == AMQP_BASIC_GET_EMPTY ? (uint32_t)AMQP_BASIC_GET_OK : method->id;
    REQUIRE(expected.method == id, "%s where %s is due", amqp_method_name(method->id),
            amqp_method_name(expected.method));
    channel->expected_count--;
    memmove(channel->expected, channel->expected + 1,
            channel->expected_count * sizeof *channel->expected);
    channel->processed = expected.command;
    if (expected.is_hazard)
        on_hazard(oracle, &expected);
    switch (method->id) {
    case AMQP_CHANNEL_OPEN_OK:
        channel->is_open = true;
        break;
    case AMQP_QUEUE_DECLARE_OK:
        if (expected.deletions == expected.queue->deletions && expected.queue->hazards == 0)
            expected.queue->exists = oracle_stays(expected.queue);
        break;
    case AMQP_BASIC_QOS_OK:
        if (--channel->global_pending == 0)
            channel->global_prefetch_max = channel->global_prefetch;
        break;
    case AMQP_BASIC_GET_OK:
    case AMQP_BASIC_GET_EMPTY:
        on_got(oracle, channel, &expected, method, effect);
        break;
    case AMQP_QUEUE_PURGE_OK:
        REQUIRE(expected.is_hazard || method->queue_purge_ok.message_count <= expected.count_max,
                "%u messages of %s move", method->queue_purge_ok.message_count,
                expected.queue->name);
        break;
    case AMQP_BASIC_RECOVER_OK: /* deliveries that came while it was on its way go back too */
        oracle_give_back_above(oracle, channel, expected.delivery_tag);
        break;
    case AMQP_TX_COMMIT_OK:
        on_committed(oracle, channel, &expected);
        break;
    default:
        break;
    }
}

/* --- consumers */

/* The one that was asked for first: what comes into being does so in the order of its commands. */
struct sim_consumer *oracle_consumer_due(struct sim_channel *channel)
{
    struct sim_consumer *due = NULL;
    for (size_t i = 0; i < SIM_CONSUMERS; i++) {
        struct sim_consumer *consumer = &channel->consumers[i];
        if (consumer->is_used && !consumer->is_known &&
            (due == NULL || consumer->command < due->command))
            due = consumer;
    }
    return due;
}

static void on_consumer_add(struct sim_channel *channel, const struct effect *effect)
{
    struct bytes tag = bytes_of(effect->method->data, effect->method->size);
    struct sim_consumer *found = oracle_consumer_due(channel);
    bool is_made = found != NULL && found->tag[0] == '\0';
    REQUIRE(found != NULL &&
                (is_made ? bytes_start_with(tag, "amq.ctag-") : bytes_equal_text(tag, found->tag)),
            "a consumer '%.*s'", (int)tag.size, (const char *)tag.data);
    REQUIRE(effect->consumer < SIM_CONSUMERS * 2 && channel->numbers[effect->consumer] == NULL,
            "a consumer's number is taken");
    channel->numbers[effect->consumer] = found;
    snprintf(found->tag, sizeof found->tag, "%.*s", (int)tag.size, (const char *)tag.data);
    found->is_known = true;
    found->is_ok = true; /* consume-ok is the next reply, and checked as that */
}

static void on_consumer_remove(struct sim_channel *channel, const struct effect *effect)
{
    REQUIRE(effect->consumer < SIM_CONSUMERS * 2 && channel->numbers[effect->consumer] != NULL,
            "a consumer that is not there is removed");
    struct sim_consumer *consumer = channel->numbers[effect->consumer];
    channel->numbers[effect->consumer] = NULL;
    consumer->is_used = false;
    for (size_t i = 0; i < channel->delivery_count; i++) {
        if (channel->deliveries[i].consumer == consumer)
            channel->deliveries[i].consumer = NULL;
    }
}

/* --- effects */

static void on_channel_method(struct oracle *oracle, struct sim_session *session,
                              struct sim_channel *channel, const struct effect *effect)
{
    struct amqp_method method;
    struct amqp_error error;
    struct bytes payload = bytes_of(effect->method->data, effect->method->size);
    REQUIRE(amqp_method_decode(&method, payload, &error), "a method that is none");
    if (method.id == AMQP_BASIC_RETURN)
        oracle_on_return(oracle, effect);
    else if (method.id == AMQP_CHANNEL_CLOSE_OK)
        REQUIRE(channel->is_closing, "close-ok to nothing");
    else if (method.id != AMQP_BASIC_CANCEL)
        on_reply(oracle, channel, &method, effect);
    (void)session;
}

static void on_channel_error(struct oracle *oracle, struct sim_channel *channel)
{
    REQUIRE(!channel->is_failed, "a channel fails twice");
    REQUIRE(channel->fail_command > channel->processed, "a channel fails without reason");
    finish_channel(oracle, channel, false);
    channel->is_failed = true;
}

static void on_channel_effect(struct oracle *oracle, struct sim_session *session,
                              const struct effect *effect)
{
    REQUIRE(effect->channel <= SIM_CHANNELS, "channel %u", effect->channel);
    struct sim_channel *channel = session->channels[effect->channel - 1];
    REQUIRE(channel != NULL, "an effect of kind %u for a channel that is not there", effect->kind);
    switch (effect->kind) {
    case EFFECT_DELIVER:
        oracle_on_deliver(oracle, session, channel, effect);
        break;
    case EFFECT_ACK:
        oracle_on_ack(channel, effect->tag, effect->flag);
        break;
    case EFFECT_NACK:
        REQUIRE(!effect->flag, "a nack of several");
        oracle_on_nack(oracle, channel, effect->tag);
        break;
    case EFFECT_METHOD:
        on_channel_method(oracle, session, channel, effect);
        break;
    case EFFECT_CONSUMER_ADD:
        on_consumer_add(channel, effect);
        break;
    case EFFECT_CONSUMER_REMOVE:
        on_consumer_remove(channel, effect);
        break;
    case EFFECT_CHANNEL_OPENED:
        break;
    case EFFECT_CHANNEL_ERROR:
        on_channel_error(oracle, channel);
        break;
    case EFFECT_CHANNEL_CLOSED:
        REQUIRE(channel->is_failed || channel->is_closing, "a channel closes by itself");
        end_channel(oracle, session, channel, true);
        break;
    default:
        oracle_fail("an effect of kind %u", effect->kind);
    }
}

/* Was all that was sent processed before the session ended? */
static bool ends_orderly(const struct oracle *oracle, const struct sim_session *session)
{
    return !session->is_gone_in_alarm && !(session->is_gone_sent && oracle->has_alarm);
}

static void on_session_method(struct oracle *oracle, struct sim_session *session,
                              const struct effect *effect)
{
    struct amqp_method method;
    struct amqp_error error;
    struct bytes payload = bytes_of(effect->method->data, effect->method->size);
    REQUIRE(amqp_method_decode(&method, payload, &error), "a method that is none");
    if (method.id == AMQP_CONNECTION_OPEN_OK)
        session->is_open = true;
    if (method.id != AMQP_CONNECTION_CLOSE_OK)
        return;
    REQUIRE(session->is_close_sent, "close-ok to nothing");
    oracle_end_channels(oracle, session, ends_orderly(oracle, session));
    session->is_closed = true;
}

static void on_session_effect(struct oracle *oracle, struct sim_session *session,
                              const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_METHOD:
        on_session_method(oracle, session, effect);
        break;
    case EFFECT_CONNECTION_CLOSE:
        oracle_end_channels(oracle, session, false);
        session->is_closed = session->is_ending = true;
        break;
    case EFFECT_SESSION_OPENED:
        break;
    case EFFECT_SESSION_CLOSED:
        oracle_end_channels(oracle, session, ends_orderly(oracle, session));
        *session = (struct sim_session){.connection = session->connection};
        break;
    case EFFECT_READ_PAUSE:
        REQUIRE(!session->is_paused, "a session is paused twice");
        session->is_paused = true;
        break;
    case EFFECT_READ_RESUME:
        REQUIRE(session->is_paused, "a session goes on twice");
        session->is_paused = false;
        break;
    default:
        oracle_fail("an effect of kind %u for a connection", effect->kind);
    }
}

uint64_t oracle_digest(uint64_t digest, const struct effect *effect)
{
    uint64_t numbers[] = {effect->kind, effect->flag, effect->channel, effect->consumer,
                          effect->connection};
    digest = bytes_hash(bytes_of(numbers, sizeof numbers), digest);
    if (effect->message != NULL)
        digest = bytes_hash(message_body(effect->message), digest);
    if (effect->kind == EFFECT_DELIVER || effect->kind == EFFECT_ACK || effect->kind == EFFECT_NACK)
        digest = bytes_hash(bytes_of(&effect->tag, sizeof effect->tag), digest);
    else if (effect->method != NULL)
        digest = bytes_hash(bytes_of(effect->method->data, effect->method->size), digest);
    return digest;
}

static void trace(const struct effect *effect)
{
    static const char *const names[] = {"deliver",        "ack",
                                        "nack",           "method",
                                        "consumer-add",   "consumer-remove",
                                        "opened",         "channel-error",
                                        "channel-closed", "connection-close",
                                        "session-open",   "session-closed",
                                        "pause",          "resume"};
    struct amqp_method method = {0};
    struct amqp_error error;
    bool has_method =
        (effect->kind == EFFECT_METHOD || effect->kind == EFFECT_CHANNEL_ERROR ||
         effect->kind == EFFECT_CONNECTION_CLOSE) &&
        amqp_method_decode(&method, bytes_of(effect->method->data, effect->method->size), &error);
    struct bytes body = bytes_of_text("");
    if (effect->message != NULL)
        body = message_body(effect->message);
    printf("    %llu.%u %s", NUMBER(effect->connection), effect->channel, names[effect->kind]);
    if (has_method)
        printf(" %s", amqp_method_name(method.id));
    if (has_method && method.id == AMQP_CHANNEL_CLOSE)
        printf(" %.*s", (int)method.channel_close.reply_text.size,
               (const char *)method.channel_close.reply_text.data);
    if (has_method && method.id == AMQP_CONNECTION_CLOSE)
        printf(" %.*s", (int)method.connection_close.reply_text.size,
               (const char *)method.connection_close.reply_text.data);
    if (effect->kind == EFFECT_DELIVER || effect->kind == EFFECT_ACK || effect->kind == EFFECT_NACK)
        printf(" %llu%s", NUMBER(effect->tag), effect->flag ? " flag" : "");
    if (effect->kind == EFFECT_DELIVER || effect->kind == EFFECT_CONSUMER_ADD ||
        effect->kind == EFFECT_CONSUMER_REMOVE)
        printf(" consumer %u", effect->consumer);
    printf(" %.*s\n", (int)(body.size < 8 ? body.size : 8), (const char *)body.data);
}

void oracle_effect(struct oracle *oracle, struct effect *effect)
{
    oracle->events++;
    oracle->digest = oracle_digest(oracle->digest, effect);
    if (oracle->is_traced)
        trace(effect);
    REQUIRE(effect->connection < SIM_SESSIONS, "connection %llu", NUMBER(effect->connection));
    struct sim_session *session = &oracle->sessions[effect->connection];
    REQUIRE(session->session != NULL, "an effect of kind %u for a connection that is gone",
            effect->kind);
    if (effect->channel == 0)
        on_session_effect(oracle, session, effect);
    else
        on_channel_effect(oracle, session, effect);
    effect_release(effect);
}
