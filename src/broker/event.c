/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of a vhost: what comes and goes in it is told to the exchange amq.rabbitmq.event, which is
 * in one vhost of the server alone. Whether anybody is bound to it is a flag that the core of that
 * vhost sets and all others read, so that an event that nobody wants is one look at the flag.
 *
 * The vhost with the exchange publishes its own events like anything else that the broker
 * publishes. Those of any other vhost are gathered, leave with the effects (vhost_take_events), and
 * come into the vhost with the exchange as an input of their own (vhost_publish). So no core ever
 * touches another one.
 *
 * Whose doing it is: the user whose command runs (acting_user), and where none does, as when a
 * queue expires, the broker's own.
 */
#include "broker/event.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "amqp/table.h"
#include "base/xmalloc.h"
#include "broker/consumer.h"
#include "broker/event_message.h"
#include "broker/exchange.h"
#include "broker/publish.h"
#include "broker/queue_arguments.h"

static bool is_wanted(const struct vhost *vhost)
{
    return vhost->config.event_interest != NULL &&
           atomic_load_explicit(vhost->config.event_interest, memory_order_acquire);
}

void event_note_bindings(struct vhost *vhost, const struct exchange *exchange)
{
    _Atomic bool *interest = exchange == vhost->event_exchange ? vhost->config.event_interest
                             : exchange == vhost->log_exchange ? vhost->config.log_interest
                                                               : NULL;
    if (interest != NULL && !vhost->is_going)
        atomic_store_explicit(interest, exchange->source_count > 0, memory_order_release);
}

/* --- letting them out */

void event_emit(struct vhost *vhost, struct message *message)
{
    struct event_list *list = &vhost->events;
    if (vhost->event_exchange != NULL) {
        internal_publish(vhost, message);
        return;
    }
    list->messages =
        xgrow(list->messages, &list->capacity, list->count + 1, sizeof list->messages[0]);
    list->messages[list->count++] = message;
}

static void tell(struct vhost *vhost, const char *key, struct buffer *headers)
{
    event_emit(vhost, event_message_new(key, headers, vhost->now_ms));
    buffer_fini(headers);
}

void event_fini(struct vhost *vhost)
{
    for (size_t i = 0; i < vhost->events.count; i++)
        message_unref(vhost->events.messages[i]);
    free(vhost->events.messages);
}

size_t vhost_take_events(struct vhost *vhost, struct message ***events)
{
    size_t count = vhost->events.count;
    *events = vhost->events.messages;
    vhost->events = (struct event_list){0};
    return count;
}

/* --- what they have in common */

static void add_bytes(struct buffer *headers, const char *name, struct bytes text)
{
    amqp_table_add_longstr(headers, name, text);
}

static void add_text(struct buffer *headers, const char *name, const char *text)
{
    amqp_table_add_text(headers, name, text);
}

static void add_user(struct buffer *headers, const char *user)
{
    add_text(headers, "user_who_performed_action", user != NULL ? user : EVENT_USER_INTERNAL);
}

/* Of the connection, or of one of its channels, counted from 1. */
static void add_pid(struct buffer *headers, const char *name, const struct session *session,
                    uint64_t channel)
{
    char text[EVENT_PID_SIZE];
    const struct vhost_config *config = &session->vhost->config;
    const struct event_source source = {config->node_name, config->started_s,
                                        session->config.number};
    add_text(headers, name, event_pid(&source, channel, text));
}

static void add_name(struct buffer *headers, const struct vhost *vhost, struct bytes name)
{
    add_bytes(headers, "name", name);
    add_bytes(headers, "vhost", vhost_name_bytes(vhost));
}

static void tell_name(struct vhost *vhost, const char *key, struct bytes name)
{
    struct buffer headers = {0};
    add_user(&headers, vhost->acting_user);
    add_name(&headers, vhost, name);
    tell(vhost, key, &headers);
}

/* --- queues and exchanges */

/* A quorum queue names its type, and any other its owner, as in RabbitMQ. */
static void add_kind(struct buffer *headers, const struct queue *queue)
{
    if (queue_arguments_type(queue->arguments) == QUEUE_QUORUM)
        add_text(headers, "type", "rabbit_quorum_queue");
    else if (queue->owner != NULL)
        add_pid(headers, "owner_pid", queue->owner, 0);
    else
        add_text(headers, "owner_pid", "");
}

void event_queue_created(struct vhost *vhost, const struct queue *queue)
{
    struct buffer headers = {0};
    if (!is_wanted(vhost))
        return;
    add_user(&headers, vhost->acting_user);
    amqp_table_add_bool(&headers, "exclusive", queue->owner != NULL);
    add_kind(&headers, queue);
    event_add_arguments(&headers, "arguments", queue->arguments);
    amqp_table_add_bool(&headers, "auto_delete", queue->is_auto_delete);
    amqp_table_add_bool(&headers, "durable", queue->is_durable);
    add_name(&headers, vhost, queue->name);
    tell(vhost, "queue.created", &headers);
}

void event_queue_deleted(struct vhost *vhost, const struct queue *queue)
{
    if (is_wanted(vhost) && !queue->is_reply)
        tell_name(vhost, "queue.deleted", queue->name);
}

static struct bytes name_of_policy(const struct vhost *vhost, const struct exchange *exchange)
{
    const struct policy *policy =
        policies_find(vhost->policies, POLICY_EXCHANGE, exchange->name, false);
    return policy != NULL ? policy_name(policy) : bytes_of_text("");
}

void event_exchange_created(struct vhost *vhost, const struct exchange *exchange)
{
    struct buffer headers = {0};
    if (!is_wanted(vhost))
        return;
    add_user(&headers, vhost->acting_user);
    add_bytes(&headers, "policy", name_of_policy(vhost, exchange));
    event_add_arguments(&headers, "arguments", exchange->arguments);
    amqp_table_add_bool(&headers, "internal", exchange->is_internal);
    amqp_table_add_bool(&headers, "auto_delete", exchange->is_auto_delete);
    amqp_table_add_bool(&headers, "durable", exchange->is_durable);
    add_text(&headers, "type", exchange->type->name);
    add_name(&headers, vhost, exchange->name);
    tell(vhost, "exchange.created", &headers);
}

void event_exchange_deleted(struct vhost *vhost, const struct exchange *exchange)
{
    if (is_wanted(vhost))
        tell_name(vhost, "exchange.deleted", exchange->name);
}

/* --- bindings */

static void tell_binding(struct vhost *vhost, const char *key, const struct binding *binding)
{
    struct buffer headers = {0};
    bool to_queue = binding->queue != NULL;
    add_user(&headers, vhost->acting_user);
    add_bytes(&headers, "vhost", vhost_name_bytes(vhost));
    event_add_arguments(&headers, "arguments", binding->route.arguments);
    add_bytes(&headers, "routing_key", binding->route.key);
    add_text(&headers, "destination_kind", to_queue ? "queue" : "exchange");
    add_bytes(&headers, "destination_name",
              to_queue ? binding->queue->name : binding->exchange->name);
    add_text(&headers, "source_kind", "exchange");
    add_bytes(&headers, "source_name", binding->source->name);
    tell(vhost, key, &headers);
}

void event_binding_created(struct vhost *vhost, const struct binding *binding)
{
    if (is_wanted(vhost))
        tell_binding(vhost, "binding.created", binding);
}

void event_binding_deleted(struct vhost *vhost, const struct binding *binding)
{
    if (is_wanted(vhost))
        tell_binding(vhost, "binding.deleted", binding);
}

/* --- the whole vhost */

static void tell_queue_going(struct vhost *vhost, const struct queue *queue)
{
    if (queue->is_reply)
        return;
    event_consumers_deleted(vhost, queue);
    vhost->acting_user = NULL;
    list_for_each(&queue->bindings, node)
        tell_binding(vhost, "binding.deleted", list_entry(node, struct binding, destination_node));
    vhost->acting_user = EVENT_USER_CLI;
    event_queue_deleted(vhost, queue);
}

static void tell_all_going(struct vhost *vhost)
{
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&vhost->queues, node)) != NULL)
        tell_queue_going(vhost, container_of(node, struct queue, by_name));
    while ((node = hash_table_next(&vhost->exchanges, node)) != NULL)
        event_exchange_deleted(vhost, container_of(node, struct exchange, by_name));
}

void vhost_announce(struct vhost *vhost, bool is_created, uint64_t now_ms)
{
    struct hash_node *node = NULL;
    vhost->now_ms = now_ms;
    vhost->is_going = !is_created;
    if (!is_wanted(vhost))
        return;
    vhost->acting_user = EVENT_USER_CLI;
    if (!is_created)
        tell_all_going(vhost);
    while (is_created && (node = hash_table_next(&vhost->exchanges, node)) != NULL)
        event_exchange_created(vhost, container_of(node, struct exchange, by_name));
    vhost->acting_user = NULL;
}

/* --- channels and consumers */

void event_channel_created(const struct channel *channel)
{
    struct session *session = channel->session;
    struct buffer headers = {0}, name = {0};
    if (!is_wanted(session->vhost) || session->config.is_uncounted)
        return;
    add_user(&headers, session->user);
    add_bytes(&headers, "vhost", vhost_name_bytes(session->vhost));
    add_text(&headers, "user", session->user);
    amqp_table_add_int(&headers, "number", channel->number);
    add_pid(&headers, "connection", session, 0);
    buffer_append_format(&name, "%s (%u)", session->name, channel->number);
    add_bytes(&headers, "name", buffer_bytes(&name));
    add_pid(&headers, "pid", session, channel->serial);
    buffer_fini(&name);
    tell(session->vhost, "channel.created", &headers);
}

void event_channel_closed(const struct channel *channel)
{
    struct session *session = channel->session;
    struct buffer headers = {0};
    if (!is_wanted(session->vhost) || session->config.is_uncounted)
        return;
    add_user(&headers, session->user);
    add_pid(&headers, "pid", session, channel->serial);
    tell(session->vhost, "channel.closed", &headers);
}

static void add_consumer(struct buffer *headers, const struct consumer *consumer)
{
    const struct channel *channel = consumer->channel;
    add_bytes(headers, "queue", consumer->subscriber.queue->name);
    add_bytes(headers, "vhost", vhost_name_bytes(channel_vhost(channel)));
    add_pid(headers, "channel", channel->session, channel->serial);
    add_bytes(headers, "consumer_tag", consumer->tag);
}

void event_consumer_created(const struct consumer *consumer, struct bytes arguments)
{
    struct vhost *vhost = channel_vhost(consumer->channel);
    struct buffer headers = {0};
    if (!is_wanted(vhost))
        return;
    add_user(&headers, vhost->acting_user);
    event_add_arguments(&headers, "arguments", arguments);
    amqp_table_add_int(&headers, "prefetch_count", consumer->prefetch_count);
    amqp_table_add_bool(&headers, "ack_required", !consumer->no_ack);
    amqp_table_add_bool(&headers, "exclusive", consumer->is_exclusive);
    add_consumer(&headers, consumer);
    tell(vhost, "consumer.created", &headers);
}

void event_consumer_deleted(const struct consumer *consumer, const char *user)
{
    struct vhost *vhost = channel_vhost(consumer->channel);
    struct buffer headers = {0};
    if (!is_wanted(vhost) || consumer->subscriber.queue->is_reply)
        return;
    add_user(&headers, user);
    add_consumer(&headers, consumer);
    tell(vhost, "consumer.deleted", &headers);
}

void event_consumers_deleted(struct vhost *vhost, const struct queue *queue)
{
    if (!is_wanted(vhost))
        return;
    list_for_each(&queue->subscribers, node)
    {
        const struct subscriber *subscriber = list_entry(node, struct subscriber, queue_node);
        event_consumer_deleted(container_of(subscriber, struct consumer, subscriber),
                               vhost->acting_user);
    }
}
