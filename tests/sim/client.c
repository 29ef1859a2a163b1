/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that do whatever comes into their minds. Each action tells the oracle what it sends and
 * puts the commands into the batch. They make mistakes on purpose; what cannot be refused they do
 * not expect to be refused, so that an error without a reason is noticed.
 */
#include "client.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/method.h"
#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/check.h"
#include "base/xmalloc.h"

static unsigned below(struct clients *clients, unsigned limit)
{
    return sim_random_below(clients->random, limit);
}

static bool chance(struct clients *clients, unsigned percent)
{
    return sim_random_chance(clients->random, percent);
}

/* --- sending */

static struct command *add(struct clients *clients, const struct sim_session *session,
                           uint16_t channel, enum command_kind kind)
{
    struct command *command = command_batch_add(clients->batch);
    *command =
        (struct command){.kind = (uint8_t)kind, .channel = channel, .session = session->session};
    return command;
}

/* For the trace. */
static struct bytes queue_of(const struct amqp_method *method)
{
    switch (method->id) {
    case AMQP_QUEUE_DECLARE:
        return method->queue_declare.queue;
    case AMQP_QUEUE_DELETE:
        return method->queue_delete.queue;
    case AMQP_QUEUE_PURGE:
        return method->queue_purge.queue;
    case AMQP_BASIC_GET:
        return method->basic_get.queue;
    case AMQP_BASIC_CONSUME:
        return method->basic_consume.queue;
    default:
        return bytes_of_text("");
    }
}

static void send(struct clients *clients, const struct sim_session *session, uint16_t channel,
                 const struct amqp_method *method)
{
    struct buffer payload = {0};
    struct amqp_error error;
    amqp_method_encode(&payload, method);
    struct bytes queue = queue_of(method);
    if (clients->oracle->is_traced)
        printf("  %llu.%u sends %s %.*s\n", (unsigned long long)session->connection, channel,
               amqp_method_name(method->id), (int)queue.size, (const char *)queue.data);
    struct command *command = add(clients, session, channel, COMMAND_METHOD);
    command->method = command_method_decode(buffer_bytes(&payload), AMQP_TABLE_DEPTH_MAX, &error);
    CHECK(command->method != NULL);
    buffer_fini(&payload);
}

static void send_empty(struct clients *clients, const struct sim_session *session, uint16_t channel,
                       uint32_t method_id)
{
    send(clients, session, channel, &(struct amqp_method){.id = method_id});
}

static struct sim_queue *unique_queue(struct clients *clients)
{
    return oracle_queue(clients->oracle, bytes_of_text("unique"));
}

/* More often one that is there, and one where it matters which messages meet. */
static struct sim_queue *any_queue(struct clients *clients)
{
    if (chance(clients, 12))
        return unique_queue(clients);
    struct sim_queue *queue = &clients->oracle->queues[below(clients, SIM_QUEUES)];
    if (!queue->exists && chance(clients, 80))
        queue = &clients->oracle->queues[below(clients, 3)];
    return queue;
}

/* What is in SIM_MOVING is moved, and not consumed there. */
static struct sim_queue *any_source(struct clients *clients)
{
    struct sim_queue *queue = any_queue(clients);
    while ((queue->flags & SIM_MOVING) != 0)
        queue = any_queue(clients);
    return queue;
}

static bool is_volatile(const struct sim_queue *queue)
{
    return (queue->flags & SIM_VOLATILE) != 0;
}

static struct bytes name_of(const struct sim_queue *queue)
{
    return bytes_of_text(queue->name);
}

/* --- sessions */

static void connect_to(struct clients *clients, struct sim_session *session)
{
    struct session_config config = {
        .connection = session->connection,
        .user = "guest",
        .channel_max = 2047,
        .output_bytes = clients->options->output_bytes,
        .has_cancel_notify = chance(clients, 50),
        .has_blocked_notify = chance(clients, 50),
    };
    session->config = config;
    session->session = session_new(&config);
    session->output_left = (int64_t)config.output_bytes;
    add(clients, session, 0, COMMAND_SESSION_OPEN);
}

static void leave(struct clients *clients, struct sim_session *session)
{
    if (clients->oracle->is_traced)
        printf("  %llu is gone\n", (unsigned long long)session->connection);
    session->is_ending = session->is_gone_sent = true;
    add(clients, session, 0, COMMAND_SESSION_CLOSE);
}

static void close_session(struct clients *clients, struct sim_session *session)
{
    session->is_ending = session->is_close_sent = true;
    send_empty(clients, session, 0, AMQP_CONNECTION_CLOSE);
}

static void open_channel(struct clients *clients, struct sim_session *session, uint16_t number)
{
    struct sim_channel *channel = oracle_channel_opening(clients->oracle, session, number);
    send_empty(clients, session, number, AMQP_CHANNEL_OPEN);
    unsigned choice = below(clients, 5);
    if (choice == 0) {
        oracle_asked(clients->oracle, channel, AMQP_TX_SELECT_OK, NULL, false);
        send_empty(clients, session, number, AMQP_TX_SELECT);
        channel->mode = MODE_TX;
    } else if (choice < 3) {
        oracle_asked(clients->oracle, channel, AMQP_CONFIRM_SELECT_OK, NULL, false);
        send_empty(clients, session, number, AMQP_CONFIRM_SELECT);
        channel->mode = MODE_CONFIRM;
    }
}

static void add_integer(struct buffer *table, const char *name, unsigned number)
{
    struct amqp_value value = {.type = AMQP_TYPE_INT32, .integer = number};
    if (number > 0)
        amqp_table_add_value(table, name, &value);
}

/* --- publishing */

static void publish(struct clients *clients, const struct sim_session *session,
                    const struct sim_channel *channel, const struct sim_message *message,
                    const char *exchange, const char *key)
{
    struct amqp_properties properties = {.priority = message->priority};
    struct buffer raw = {0}, body = {0}, headers = {0};
    char expiration[16];
    if (message->is_persistent) {
        properties.flags |= AMQP_PROPERTY_DELIVERY_MODE;
        properties.delivery_mode = AMQP_DELIVERY_MODE_PERSISTENT;
    }
    if (message->priority > 0)
        properties.flags |= AMQP_PROPERTY_PRIORITY;
    if (message->expiration_ms > 0) {
        snprintf(expiration, sizeof expiration, "%u", message->expiration_ms);
        properties.flags |= AMQP_PROPERTY_EXPIRATION;
        properties.expiration = bytes_of_text(expiration);
    }
    if (message->value > 0) {
        add_integer(&headers, "x-deduplication-header", message->value);
        properties.flags |= AMQP_PROPERTY_HEADERS;
        properties.headers = buffer_bytes(&headers);
    }
    if (properties.flags != 0)
        amqp_properties_encode(&raw, &properties);
    buffer_append_format(&body, "%llu:", (unsigned long long)message->id);
    for (unsigned i = below(clients, clients->options->body_bytes_max + 1); i > 0; i--)
        buffer_append_u8(&body, 'x');
    if (clients->oracle->is_traced)
        printf("  %llu.%u publishes %llu to '%s' '%s' value %u for %u ms%s\n",
               (unsigned long long)session->connection, channel->number,
               (unsigned long long)message->id, exchange, key, message->value,
               message->expiration_ms, message->is_persistent ? " persistent" : "");
    struct command *command = add(clients, session, channel->number, COMMAND_PUBLISH);
    command->message = message_new(bytes_of_text(exchange), bytes_of_text(key), buffer_bytes(&raw),
                                   buffer_bytes(&body));
    command->message->is_persistent = message->is_persistent;
    command->mandatory = message->is_mandatory;
    buffer_fini(&headers);
    buffer_fini(&raw);
    buffer_fini(&body);
}

static struct sim_message *new_message(struct clients *clients, struct sim_channel *channel)
{
    bool persistent = chance(clients, 70), mandatory = chance(clients, 20);
    struct sim_message *message =
        oracle_publishing(clients->oracle, channel, persistent, mandatory);
    message->priority = chance(clients, 30) ? (uint8_t)below(clients, 5) : 0;
    return message;
}

/* A queue to publish to: what is dead comes by itself, and a transaction that a queue rejects in
 * part has an end of its own, which unit tests look at. */
static struct sim_queue *any_target(struct clients *clients, const struct sim_channel *channel)
{
    struct sim_queue *queue = any_queue(clients);
    while ((queue->flags & SIM_DEAD) != 0 ||
           (channel->mode == MODE_TX && (queue->flags & SIM_REJECTS) != 0))
        queue = any_queue(clients);
    return queue;
}

static void publish_to(struct clients *clients, const struct sim_session *session,
                       struct sim_channel *channel, struct sim_queue *queue)
{
    struct sim_message *message = new_message(clients, channel);
    oracle_routes(clients->oracle, message, queue);
    if ((queue->flags & SIM_DEAD_LETTERS) != 0 && chance(clients, 20))
        message->expiration_ms = 1 + below(clients, 40);
    if ((queue->flags & SIM_UNIQUE) != 0 && chance(clients, 90))
        message->value = 1 + below(clients, 5);
    publish(clients, session, channel, message, "", queue->name);
}

static void act_publish(struct clients *clients, struct sim_session *session,
                        struct sim_channel *channel)
{
    publish_to(clients, session, channel, any_target(clients, channel));
}

static void act_publish_run(struct clients *clients, struct sim_session *session,
                            struct sim_channel *channel)
{
    struct sim_queue *queue = any_target(clients, channel);
    for (unsigned i = below(clients, 20); i > 0; i--)
        publish_to(clients, session, channel, queue);
}

static void act_publish_fanout(struct clients *clients, struct sim_session *session,
                               struct sim_channel *channel)
{
    struct sim_message *message = new_message(clients, channel);
    oracle_routes(clients->oracle, message, &clients->oracle->queues[0]);
    oracle_routes(clients->oracle, message, &clients->oracle->queues[1]);
    publish(clients, session, channel, message, "sf", "any");
}

static void act_publish_bound(struct clients *clients, struct sim_session *session,
                              struct sim_channel *channel)
{
    publish(clients, session, channel, new_message(clients, channel), "amq.direct",
            chance(clients, 50) ? "b0" : "b1");
}

static void act_publish_nowhere(struct clients *clients, struct sim_session *session,
                                struct sim_channel *channel)
{
    struct sim_message *message = new_message(clients, channel);
    message->is_nowhere = true;
    publish(clients, session, channel, message, "", "nowhere");
}

/* --- consuming */

static struct sim_consumer *free_slot(struct sim_channel *channel)
{
    for (size_t i = 0; i < SIM_CONSUMERS; i++) {
        if (!channel->consumers[i].is_used)
            return &channel->consumers[i];
    }
    return NULL;
}

static void consume(struct clients *clients, const struct sim_session *session,
                    struct sim_channel *channel, struct sim_queue *queue, bool no_ack,
                    bool exclusive)
{
    struct sim_consumer *consumer = free_slot(channel);
    struct buffer arguments = {0};
    struct amqp_value priority = {.type = AMQP_TYPE_INT32, .integer = below(clients, 3)};
    char tag[32] = "";
    bool has_global = channel->global_prefetch_max != UINT_MAX || channel->global_pending > 0;
    if (consumer == NULL || ((queue->flags & SIM_QUORUM) != 0 && has_global))
        return;
    if (chance(clients, 80))
        snprintf(tag, sizeof tag, "c%llu", (unsigned long long)++clients->tags);
    if (chance(clients, 20))
        amqp_table_add_value(&arguments, "x-priority", &priority);
    struct amqp_method method = {
        .id = AMQP_BASIC_CONSUME,
        .basic_consume = {.queue = name_of(queue),
                          .consumer_tag = bytes_of_text(tag),
                          .no_ack = no_ack,
                          .exclusive = exclusive,
                          .no_wait = chance(clients, 10),
                          .arguments = buffer_bytes(&arguments)},
    };
    if (method.basic_consume.no_wait)
        oracle_told(channel, is_volatile(queue));
    else
        oracle_asked(clients->oracle, channel, AMQP_BASIC_CONSUME_OK, queue, is_volatile(queue));
    oracle_consuming(channel, consumer, queue, tag, no_ack);
    send(clients, session, channel->number, &method);
    buffer_fini(&arguments);
}

static void act_consume(struct clients *clients, struct sim_session *session,
                        struct sim_channel *channel)
{
    struct sim_queue *queue = any_source(clients);
    bool exclusive = is_volatile(queue) && chance(clients, 10);
    consume(clients, session, channel, queue, chance(clients, 25), exclusive);
}

static void act_cancel(struct clients *clients, struct sim_session *session,
                       struct sim_channel *channel)
{
    struct sim_consumer *consumer = &channel->consumers[below(clients, SIM_CONSUMERS)];
    if (!consumer->is_used || !consumer->is_known || consumer->is_cancel_sent)
        return;
    struct amqp_method method = {
        .id = AMQP_BASIC_CANCEL,
        .basic_cancel = {.consumer_tag = bytes_of_text(consumer->tag),
                         .no_wait = chance(clients, 20)},
    };
    consumer->is_cancel_sent = true;
    if (method.basic_cancel.no_wait)
        oracle_told(channel, false);
    else
        oracle_asked(clients->oracle, channel, AMQP_BASIC_CANCEL_OK, NULL, false);
    send(clients, session, channel->number, &method);
}

static void get(struct clients *clients, const struct sim_session *session,
                struct sim_channel *channel, struct sim_queue *queue)
{
    struct amqp_method method = {
        .id = AMQP_BASIC_GET,
        .basic_get = {.queue = name_of(queue), .no_ack = chance(clients, 30)},
    };
    oracle_asked(clients->oracle, channel, AMQP_BASIC_GET_OK, queue, is_volatile(queue))->no_ack =
        method.basic_get.no_ack;
    send(clients, session, channel->number, &method);
}

static void act_get(struct clients *clients, struct sim_session *session,
                    struct sim_channel *channel)
{
    get(clients, session, channel, any_source(clients));
}

static void act_qos(struct clients *clients, struct sim_session *session,
                    struct sim_channel *channel)
{
    struct amqp_method method = {
        .id = AMQP_BASIC_QOS,
        .basic_qos = {.prefetch_count = (uint16_t)below(clients, 6), .global = chance(clients, 40)},
    };
    oracle_asked(clients->oracle, channel, AMQP_BASIC_QOS_OK, NULL, false);
    oracle_limiting(channel, method.basic_qos.prefetch_count, method.basic_qos.global);
    send(clients, session, channel->number, &method);
}

/* --- settling */

static void settle(struct clients *clients, const struct sim_session *session,
                   struct sim_channel *channel, size_t index, bool multiple, enum sim_settle settle)
{
    uint64_t tag = channel->deliveries[index].tag;
    oracle_settling(clients->oracle, channel, index, multiple, settle);
    if (clients->oracle->is_traced)
        printf("  %llu.%u settles %llu%s: %d\n", (unsigned long long)session->connection,
               channel->number, (unsigned long long)tag, multiple ? " and all before" : "",
               (int)settle);
    if (settle == SETTLE_ACK) {
        struct command *command = add(clients, session, channel->number, COMMAND_ACK);
        command->tag = tag;
        command->multiple = multiple;
        return;
    }
    struct amqp_method method = {
        .id = AMQP_BASIC_NACK,
        .basic_nack = {.delivery_tag = tag,
                       .multiple = multiple,
                       .requeue = settle == SETTLE_REQUEUE},
    };
    if (!multiple && chance(clients, 50))
        method = (struct amqp_method){
            .id = AMQP_BASIC_REJECT,
            .basic_reject = {.delivery_tag = tag, .requeue = settle == SETTLE_REQUEUE}};
    send(clients, session, channel->number, &method);
}

static bool pick_delivery(struct clients *clients, const struct sim_channel *channel, size_t *index)
{
    if (channel->delivery_count == 0 || oracle_is_recovering(channel))
        return false;
    *index = chance(clients, 50) ? 0 : below(clients, (unsigned)channel->delivery_count);
    return !channel->deliveries[*index].is_in_tx;
}

static void act_ack(struct clients *clients, struct sim_session *session,
                    struct sim_channel *channel)
{
    size_t index;
    if (pick_delivery(clients, channel, &index))
        settle(clients, session, channel, index, chance(clients, 30), SETTLE_ACK);
}

static void act_nack(struct clients *clients, struct sim_session *session,
                     struct sim_channel *channel)
{
    size_t index;
    if (pick_delivery(clients, channel, &index))
        settle(clients, session, channel, index, chance(clients, 30),
               chance(clients, 70) ? SETTLE_REQUEUE : SETTLE_DISCARD);
}

static void act_recover(struct clients *clients, struct sim_session *session,
                        struct sim_channel *channel)
{
    struct amqp_method recover = {.id = AMQP_BASIC_RECOVER, .basic_recover = {.requeue = true}};
    struct amqp_method async = {.id = AMQP_BASIC_RECOVER_ASYNC,
                                .basic_recover_async = {.requeue = true}};
    if (chance(clients, 50)) {
        oracle_told(channel, false);
        send(clients, session, channel->number, &async);
    }
    /* Asked always, so that it is known when the deliveries are gone. */
    oracle_asked(clients->oracle, channel, AMQP_BASIC_RECOVER_OK, NULL, false);
    send(clients, session, channel->number, &recover);
    oracle_recovering(clients->oracle, channel);
}

static void act_tx(struct clients *clients, struct sim_session *session,
                   struct sim_channel *channel)
{
    if (channel->mode != MODE_TX)
        return;
    if (chance(clients, 70)) {
        oracle_asked(clients->oracle, channel, AMQP_TX_COMMIT_OK, NULL, false);
        oracle_committing(clients->oracle, channel);
        send_empty(clients, session, channel->number, AMQP_TX_COMMIT);
    } else {
        oracle_asked(clients->oracle, channel, AMQP_TX_ROLLBACK_OK, NULL, false);
        oracle_rolling_back(clients->oracle, channel);
        send_empty(clients, session, channel->number, AMQP_TX_ROLLBACK);
    }
}

/* --- topology */

static void add_arguments(struct buffer *table, const struct sim_arguments *arguments)
{
    if (arguments->type != NULL)
        amqp_table_add_text(table, "x-queue-type", arguments->type);
    add_integer(table, "x-message-ttl", arguments->message_ttl_ms);
    add_integer(table, "x-max-length", arguments->max_length);
    add_integer(table, "x-max-priority", arguments->max_priority);
    add_integer(table, "x-delivery-limit", arguments->delivery_limit);
    if (arguments->is_rejecting)
        amqp_table_add_text(table, "x-overflow", "reject-publish");
    if (arguments->is_dead_lettering)
        amqp_table_add_text(table, "x-dead-letter-exchange", "dlx");
    if (arguments->is_deduplicating)
        amqp_table_add_bool(table, "x-message-deduplication", true);
    if (arguments->is_at_least_once)
        amqp_table_add_text(table, "x-dead-letter-strategy", "at-least-once");
}

static void declare(struct clients *clients, const struct sim_session *session,
                    struct sim_channel *channel, struct sim_queue *queue, bool passive)
{
    struct buffer arguments = {0};
    add_arguments(&arguments, &queue->arguments);
    struct amqp_method method = {
        .id = AMQP_QUEUE_DECLARE,
        .queue_declare = {.queue = name_of(queue),
                          .arguments = buffer_bytes(&arguments),
                          .passive = passive,
                          .durable = (queue->flags & SIM_DURABLE) != 0,
                          .exclusive = (queue->flags & SIM_EXCLUSIVE) != 0,
                          .auto_delete = (queue->flags & SIM_AUTO_DELETE) != 0},
    };
    bool may_fail = (queue->flags & SIM_EXCLUSIVE) != 0 || (passive && is_volatile(queue));
    oracle_asked(clients->oracle, channel, AMQP_QUEUE_DECLARE_OK, queue, may_fail);
    send(clients, session, channel->number, &method);
    buffer_fini(&arguments);
}

static void act_declare(struct clients *clients, struct sim_session *session,
                        struct sim_channel *channel)
{
    struct sim_queue *queue = &clients->oracle->queues[below(clients, SIM_QUEUES)];
    declare(clients, session, channel, queue, chance(clients, 15));
}

static void delete_queue(struct clients *clients, const struct sim_session *session,
                         struct sim_channel *channel, struct sim_queue *queue)
{
    struct amqp_method method = {
        .id = AMQP_QUEUE_DELETE,
        .queue_delete = {.queue = name_of(queue),
                         .if_unused = chance(clients, 20),
                         .if_empty = chance(clients, 20)},
    };
    bool may_fail = (queue->flags & SIM_EXCLUSIVE) != 0 || method.queue_delete.if_unused ||
                    method.queue_delete.if_empty;
    oracle_asked(clients->oracle, channel, AMQP_QUEUE_DELETE_OK, queue, may_fail);
    oracle_hazard(channel, true);
    send(clients, session, channel->number, &method);
}

static void act_delete(struct clients *clients, struct sim_session *session,
                       struct sim_channel *channel)
{
    struct sim_queue *queue = any_queue(clients);
    if (is_volatile(queue))
        delete_queue(clients, session, channel, queue);
}

/* Rejects what came from a queue with dead letters, and deletes that; or fills such a queue. */
static void act_leave(struct clients *clients, struct sim_session *session,
                      struct sim_channel *channel)
{
    struct sim_queue *queue = oracle_queue(clients->oracle, bytes_of_text("leaving"));
    for (size_t i = 0; i < channel->delivery_count && !oracle_is_recovering(channel); i++) {
        const struct sim_delivery *delivery = &channel->deliveries[i];
        if (delivery->copy->queue != queue || delivery->is_in_tx)
            continue;
        settle(clients, session, channel, i, false, SETTLE_DISCARD);
        delete_queue(clients, session, channel, queue);
        return;
    }
    if (!queue->exists)
        declare(clients, session, channel, queue, false);
    else
        publish_to(clients, session, channel, queue);
    get(clients, session, channel, queue);
}

static void act_purge(struct clients *clients, struct sim_session *session,
                      struct sim_channel *channel)
{
    struct sim_queue *queue = any_queue(clients);
    if (!is_volatile(queue))
        queue = unique_queue(clients);
    struct amqp_method method = {.id = AMQP_QUEUE_PURGE, .queue_purge = {.queue = name_of(queue)}};
    oracle_asked(clients->oracle, channel, AMQP_QUEUE_PURGE_OK, queue, is_volatile(queue));
    oracle_hazard(channel, false);
    send(clients, session, channel->number, &method);
}

static void move(struct clients *clients, const struct sim_session *session,
                 struct sim_channel *channel, struct sim_queue *queue,
                 const struct sim_queue *destination)
{
    unsigned count = 1 + below(clients, 10);
    bool may_fail = is_volatile(queue) || clients->oracle->is_blind;
    if (clients->oracle->is_traced)
        printf("  %llu.%u moves %u of %s to %s\n", (unsigned long long)session->connection,
               channel->number, count, queue->name, destination->name);
    oracle_asked(clients->oracle, channel, AMQP_QUEUE_PURGE_OK, queue, may_fail);
    oracle_moving(channel, count);
    add(clients, session, channel->number, COMMAND_MOVE)->move =
        command_move_new(name_of(queue), name_of(destination), count);
}

/* Messages leave a queue for the one where they come anyway when they leave by themselves. */
static void act_move(struct clients *clients, struct sim_session *session,
                     struct sim_channel *channel)
{
    struct sim_queue *queue = oracle_queue(clients->oracle, bytes_of_text("moving"));
    if (clients->oracle->is_blind) {
        move(clients, session, channel, any_queue(clients), any_queue(clients));
        return;
    }
    while (chance(clients, 50) || (queue->flags & (SIM_MOVING | SIM_DEAD_LETTERS)) == 0)
        queue = any_queue(clients);
    move(clients, session, channel, queue, oracle_beyond(clients->oracle, queue));
}

static void act_bind(struct clients *clients, struct sim_session *session,
                     struct sim_channel *channel)
{
    struct sim_queue *queue = any_queue(clients);
    struct bytes key = bytes_of_text(chance(clients, 50) ? "b0" : "b1");
    if ((queue->flags & (SIM_LOSSY | SIM_DEAD)) != 0)
        return;
    struct bytes exchange = bytes_of_text(chance(clients, 80) ? "amq.direct" : "ve");
    bool may_fail = is_volatile(queue) || bytes_equal_text(exchange, "ve");
    struct amqp_method bind = {
        .id = AMQP_QUEUE_BIND,
        .queue_bind = {.queue = name_of(queue), .exchange = exchange, .routing_key = key}};
    struct amqp_method unbind = {
        .id = AMQP_QUEUE_UNBIND,
        .queue_unbind = {.queue = name_of(queue), .exchange = exchange, .routing_key = key}};
    if (chance(clients, 60)) {
        oracle_asked(clients->oracle, channel, AMQP_QUEUE_BIND_OK, NULL, may_fail);
        send(clients, session, channel->number, &bind);
    } else {
        oracle_asked(clients->oracle, channel, AMQP_QUEUE_UNBIND_OK, NULL, may_fail);
        send(clients, session, channel->number, &unbind);
    }
}

static void act_exchange(struct clients *clients, struct sim_session *session,
                         struct sim_channel *channel)
{
    struct amqp_method declaration = {
        .id = AMQP_EXCHANGE_DECLARE,
        .exchange_declare = {.exchange = bytes_of_text("ve"),
                             .type = bytes_of_text("direct"),
                             .durable = true,
                             .auto_delete = true},
    };
    struct amqp_method deletion = {.id = AMQP_EXCHANGE_DELETE,
                                   .exchange_delete = {.exchange = bytes_of_text("ve")}};
    struct amqp_method bind = {.id = AMQP_EXCHANGE_BIND,
                               .exchange_bind = {.destination = bytes_of_text("amq.direct"),
                                                 .source = bytes_of_text("ve"),
                                                 .routing_key = bytes_of_text("b1")}};
    switch (below(clients, 3)) {
    case 0:
        oracle_asked(clients->oracle, channel, AMQP_EXCHANGE_DECLARE_OK, NULL, false);
        send(clients, session, channel->number, &declaration);
        break;
    case 1:
        oracle_asked(clients->oracle, channel, AMQP_EXCHANGE_DELETE_OK, NULL, false);
        send(clients, session, channel->number, &deletion);
        break;
    default:
        oracle_asked(clients->oracle, channel, AMQP_EXCHANGE_BIND_OK, NULL, true);
        send(clients, session, channel->number, &bind);
    }
}

static void act_publish_volatile(struct clients *clients, struct sim_session *session,
                                 struct sim_channel *channel)
{
    struct sim_message *message = new_message(clients, channel);
    channel->fail_command = channel->commands;
    publish(clients, session, channel, message, "ve", "b1");
}

/* --- ends and mistakes */

static void act_close_channel(struct clients *clients, struct sim_session *session,
                              struct sim_channel *channel)
{
    oracle_told(channel, false);
    channel->is_closing = true;
    send_empty(clients, session, channel->number, AMQP_CHANNEL_CLOSE);
}

static void act_soft_error(struct clients *clients, struct sim_session *session,
                           struct sim_channel *channel)
{
    struct amqp_method methods[] = {
        {.id = AMQP_QUEUE_DECLARE, .queue_declare = {.queue = bytes_of_text("amq.mine")}},
        {.id = AMQP_BASIC_GET, .basic_get = {.queue = bytes_of_text("nowhere")}},
        {.id = AMQP_EXCHANGE_DELETE, .exchange_delete = {.exchange = bytes_of_text("amq.topic")}},
        {.id = AMQP_BASIC_NACK, .basic_nack = {.delivery_tag = 1u << 30, .multiple = true}},
        {.id = AMQP_QUEUE_DECLARE,
         .queue_declare = {.queue = bytes_of_text("sd0"), .auto_delete = true}},
    };
    oracle_told(channel, true);
    send(clients, session, channel->number,
         &methods[below(clients, sizeof methods / sizeof methods[0])]);
}

static void act_hard_error(struct clients *clients, struct sim_session *session,
                           struct sim_channel *channel)
{
    struct amqp_method methods[] = {
        {.id = AMQP_CHANNEL_OPEN},
        {.id = AMQP_BASIC_QOS, .basic_qos = {.prefetch_size = 1}},
        {.id = AMQP_BASIC_RECOVER},
        {.id = AMQP_CHANNEL_FLOW},
    };
    oracle_told(channel, true);
    send(clients, session, channel->number,
         &methods[below(clients, sizeof methods / sizeof methods[0])]);
}

/* The reactor found something wrong in the frames. */
static void act_frame_error(struct clients *clients, struct sim_session *session,
                            struct sim_channel *channel)
{
    struct command *command = add(clients, session, 0, COMMAND_CONNECTION_ERROR);
    command->error = xcalloc(1, sizeof *command->error);
    amqp_error_set(command->error, AMQP_FRAME_ERROR, "simulated");
    oracle_told(channel, true);
    session->is_ending = true;
}

typedef void action(struct clients *clients, struct sim_session *session,
                    struct sim_channel *channel);

static const struct {
    action *act;
    unsigned weight_max;
} actions[] = {
    {act_publish, 40},
    {act_publish_run, 15},
    {act_publish_fanout, 10},
    {act_publish_bound, 10},
    {act_publish_nowhere, 5},
    {act_publish_volatile, 3},
    {act_consume, 10},
    {act_cancel, 5},
    {act_get, 20},
    {act_qos, 5},
    {act_ack, 50},
    {act_nack, 20},
    {act_recover, 4},
    {act_tx, 25},
    {act_declare, 8},
    {act_delete, 6},
    {act_leave, 10},
    {act_purge, 6},
    {act_move, 8},
    {act_bind, 5},
    {act_exchange, 3},
    {act_close_channel, 3},
    {act_soft_error, 2},
    {act_hard_error, 1},
    {act_frame_error, 1},
};

enum { ACTIONS = sizeof actions / sizeof actions[0] };

void clients_draw(struct sim_random *random, struct sim_options *options)
{
    for (size_t i = 0; i < ACTIONS; i++)
        options->weights[i] =
            sim_random_chance(random, 80) ? sim_random_below(random, actions[i].weight_max + 1) : 0;
    options->weights[0] += 3;
    options->weights[10] += 2;
}

static void act_on_channel(struct clients *clients, struct sim_session *session,
                           struct sim_channel *channel)
{
    unsigned sum = 0;
    for (size_t i = 0; i < ACTIONS; i++)
        sum += clients->options->weights[i];
    unsigned choice = below(clients, sum);
    size_t i = 0;
    while (choice >= clients->options->weights[i])
        choice -= clients->options->weights[i++];
    actions[i].act(clients, session, channel);
}

static void send_credit(struct clients *clients, struct sim_session *session)
{
    add(clients, session, 0, COMMAND_CREDIT)->tag = session->unreturned;
    session->output_left += (int64_t)session->unreturned;
    session->unreturned = 0;
}

void clients_act(struct clients *clients)
{
    unsigned index = below(clients, clients->options->session_max);
    struct sim_session *session = &clients->oracle->sessions[index];
    if (index % clients->options->reactor_count != clients->reactor)
        return;
    if (session->session == NULL) {
        connect_to(clients, session);
        return;
    }
    if (session->unreturned > 0 && chance(clients, 20) && !session->is_gone_sent)
        send_credit(clients, session);
    if (session->is_ending)
        return;
    if (below(clients, 300) == 0) {
        leave(clients, session);
        return;
    }
    if (session->is_paused)
        return;
    if (below(clients, 300) == 0) {
        close_session(clients, session);
        return;
    }
    uint16_t number = (uint16_t)(1 + below(clients, SIM_CHANNELS));
    struct sim_channel *channel = session->channels[number - 1];
    if (channel == NULL)
        open_channel(clients, session, number);
    else if (!channel->is_failed && !channel->is_closing)
        act_on_channel(clients, session, channel);
}

bool clients_answer(struct clients *clients)
{
    bool any = false;
    for (size_t i = 0; i < SIM_SESSIONS; i++) {
        struct sim_session *session = &clients->oracle->sessions[i];
        if (session->session == NULL || session->is_gone_sent)
            continue;
        if (session->is_closed) {
            leave(clients, session);
            any = true;
            continue;
        }
        for (size_t j = 0; j < SIM_CHANNELS && !session->is_ending; j++) {
            struct sim_channel *channel = session->channels[j];
            if (channel == NULL || !channel->is_failed || channel->is_close_ok_sent)
                continue;
            if (chance(clients, 30)) /* on its way when the error came: ignored */
                send_empty(clients, session, channel->number, AMQP_BASIC_GET);
            channel->is_close_ok_sent = true;
            send_empty(clients, session, channel->number, AMQP_CHANNEL_CLOSE_OK);
            any = true;
        }
    }
    return any;
}

void clients_return_credit(struct clients *clients)
{
    for (size_t i = 0; i < SIM_SESSIONS; i++) {
        struct sim_session *session = &clients->oracle->sessions[i];
        if (session->session != NULL && !session->is_gone_sent && session->unreturned > 0)
            send_credit(clients, session);
    }
}

void clients_leave(struct clients *clients)
{
    for (size_t i = 0; i < SIM_SESSIONS; i++) {
        struct sim_session *session = &clients->oracle->sessions[i];
        if (session->session == NULL || session->is_gone_sent)
            continue;
        if (!session->is_ending && chance(clients, 50))
            close_session(clients, session);
        leave(clients, session);
    }
}

/* --- setting up and draining */

static void set_up_exchange(struct clients *clients, const struct sim_session *session,
                            struct sim_channel *channel, const char *name)
{
    struct amqp_method exchange = {
        .id = AMQP_EXCHANGE_DECLARE,
        .exchange_declare = {.exchange = bytes_of_text(name),
                             .type = bytes_of_text("fanout"),
                             .durable = true},
    };
    oracle_asked(clients->oracle, channel, AMQP_EXCHANGE_DECLARE_OK, NULL, false);
    send(clients, session, 1, &exchange);
}

static void set_up_binding(struct clients *clients, const struct sim_session *session,
                           struct sim_channel *channel, const struct sim_queue *queue,
                           const char *exchange)
{
    struct amqp_method bind = {
        .id = AMQP_QUEUE_BIND,
        .queue_bind = {.queue = name_of(queue), .exchange = bytes_of_text(exchange)}};
    oracle_asked(clients->oracle, channel, AMQP_QUEUE_BIND_OK, NULL, false);
    send(clients, session, 1, &bind);
}

/* Queues that no client deletes. */
static bool is_set_up(const struct sim_queue *queue)
{
    return (queue->flags & SIM_VOLATILE) == 0;
}

void clients_set_up(struct clients *clients)
{
    struct oracle *oracle = clients->oracle;
    struct sim_session *session = &oracle->sessions[0];
    connect_to(clients, session);
    struct sim_channel *channel = oracle_channel_opening(oracle, session, 1);
    send_empty(clients, session, 1, AMQP_CHANNEL_OPEN);
    set_up_exchange(clients, session, channel, "sf");
    set_up_exchange(clients, session, channel, "dlx");
    for (size_t i = 0; i < SIM_QUEUES; i++) {
        if (is_set_up(&oracle->queues[i]))
            declare(clients, session, channel, &oracle->queues[i], false);
    }
    set_up_binding(clients, session, channel, &oracle->queues[0], "sf");
    set_up_binding(clients, session, channel, &oracle->queues[1], "sf");
    set_up_binding(clients, session, channel, oracle_dead_queue(oracle), "dlx");
}

void clients_drain(struct clients *clients, struct bytes queue)
{
    struct sim_session *session = &clients->oracle->sessions[0];
    if (session->session == NULL)
        connect_to(clients, session);
    for (uint16_t number = 1; number <= SIM_CHANNELS; number++) {
        struct sim_channel *channel = session->channels[number - 1];
        if (channel == NULL) {
            channel = oracle_channel_opening(clients->oracle, session, number);
            send_empty(clients, session, number, AMQP_CHANNEL_OPEN);
        }
        if (free_slot(channel) == NULL)
            continue;
        consume(clients, session, channel, oracle_queue(clients->oracle, queue), false, false);
        return;
    }
}

bool clients_ack_all(struct clients *clients)
{
    struct sim_session *session = &clients->oracle->sessions[0];
    bool any = false;
    for (uint16_t i = 0; i < SIM_CHANNELS; i++) {
        struct sim_channel *channel = session->channels[i];
        if (channel == NULL || channel->delivery_count == 0)
            continue;
        settle(clients, session, channel, channel->delivery_count - 1, true, SETTLE_ACK);
        any = true;
    }
    return any;
}
